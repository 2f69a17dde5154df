// SPDX-License-Identifier: GPL-2.0-only
//! Looking ahead: what the next items that go will need is fetched, and the hash of
//! their keys computed, before that is waited for.

use super::chains::{side, Chains};
use super::header::Place;
use super::link::Link;
use super::order::{Expected, Order};
use super::Kv;
use crate::Platform;

impl<P: Platform> Kv<P> {
    /// Has those things fetched that are looked at when the next items go: what is
    /// not near when it is wanted is most of what that costs. The oldest of a list is
    /// near, for its neighbour has just gone.
    #[inline(always)]
    pub(super) fn expect_next(&self, order: &mut Order, chunk_size: usize, like: &Chains) {
        let arena = &self.arena;
        if let Some(item) = order.oldest(Place::Hot) {
            arena.prefetch_item(arena.younger(item));
        }
        let Some(next) = order.oldest(Place::Cold) else {
            return;
        };
        // It will be written soon.
        arena.prefetch_chunk(next, chunk_size);
        // The head of its chain is near by now. If it is not first there, the way to
        // it leads through the one that is.
        let heads_of = |hash| self.layout.heads(arena, like.pair_of(hash).number);
        let expected = order.expect(next);
        if let Some((hash, heads)) = expected.and_then(|e| Some((e.hash, heads_of(e.hash)?))) {
            let items = heads.each_ref();
            let items = items.map(|head| arena.links.item(Link(arena.hint(head))));
            let first = match like.pair_of(hash).is_single {
                true => items[0],
                false => *side(&items, hash),
            };
            arena.prefetch_item(first.filter(|_| !items.contains(&Some(next))));
        }
        let Some(item) = arena.younger(next) else {
            return;
        };
        arena.prefetch_item(arena.younger(item));
        let hash = self.hash(arena.key(item));
        // Nearly always that one: stripes grow alike.
        if let Some([head, _]) = heads_of(hash) {
            arena.prefetch_word(head);
            order.expect_after(Expected { item, hash });
        }
    }
}
