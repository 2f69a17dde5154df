// SPDX-License-Identifier: GPL-2.0-only
//! Looking ahead: what the next items that go will need is fetched, and the hash of
//! their keys computed, before that is waited for.

use super::header::Place;
use super::link::Link;
use super::order::{Expected, Order};
use super::table::Stripe;
use super::Kv;
use crate::Platform;

impl<P: Platform> Kv<P> {
    /// Has those things fetched that are looked at when the next items go: what is
    /// not near when it is wanted is most of what that costs. The oldest of a list is
    /// near, for its neighbour has just gone.
    #[inline(always)]
    pub(super) fn expect_next(&self, order: &mut Order, chunk_size: usize, like: &Stripe) {
        let arena = &self.arena;
        if let Some(item) = order.oldest(Place::Hot) {
            arena.prefetch_item(arena.younger(item));
        }
        let Some(next) = order.oldest(Place::Cold) else {
            return;
        };
        // It will be written soon.
        arena.prefetch_chunk(next, chunk_size);
        let Some(after) = arena.younger(next) else {
            return;
        };
        let Some(third) = arena.younger(after) else {
            return;
        };
        arena.prefetch_item(arena.younger(third));
        let [soon, later, last] = order.expect([next, after, third]);
        // The way to an item leads through the one that is first in its chain, which is near
        // by now, and the second.
        if let Some(first) = soon.and_then(|soon| soon.first) {
            if let Some(header) = arena.header(first) {
                let second = arena.links.item(Link(arena.hint(header.next_word())));
                arena.prefetch_item(second.filter(|second| *second != next));
            }
        }
        // The head of this one's chain is near.
        let head_of = |hash| self.layout.head(arena, like.head_of(hash));
        if let Some(later) = later {
            if let Some(head) = head_of(later.hash) {
                let first = arena.links.item(Link(arena.hint(head)));
                later.first = first.filter(|first| *first != after);
                arena.prefetch_item(later.first);
            }
        }
        let hash = self.hash(arena.key(third));
        // Nearly always that one: stripes grow alike.
        if let Some(head) = head_of(hash) {
            arena.prefetch_word(head);
        }
        *last = Some(Expected {
            item: third,
            hash,
            first: None,
        });
    }
}
