// SPDX-License-Identifier: GPL-2.0-only
//! Looking ahead: what the next items that go will need is fetched, and the hash of
//! their keys computed, before that is waited for.

use super::chains::{side, Chains};
use super::header::Place;
use super::item::LINE;
use super::link::Link;
use super::order::{Expected, Order};
use super::Kv;
use crate::Platform;

impl<P: Platform> Kv<P> {
    /// Has those things fetched that are looked at when the next items go: what is
    /// not near when it is wanted is most of what that costs. The oldest of a list is
    /// near, for its neighbour has just gone.
    #[inline(never)]
    pub(super) fn expect_next(&self, order: &mut Order, chunk_size: usize, like: &Chains) {
        let arena = &self.arena;
        if let Some(item) = order.oldest(Place::Hot) {
            arena.prefetch_header(arena.younger(item));
        }
        let Some(next) = order.oldest(Place::Cold) else {
            return;
        };
        // It will be written soon.
        arena.prefetch_item(Some(next));
        arena.prefetch_rest::<{ 2 * LINE }>(next, chunk_size);
        // The heads of its chain are near by now. If it is not first there, the way to
        // it leads through the one that is.
        let heads_of = |hash| {
            let pair = like.pair_of(hash);
            Some((pair, self.layout.heads(arena, pair.number)?))
        };
        if let Some(Expected { hash, .. }) = order.advance() {
            if let Some((pair, heads)) = heads_of(hash) {
                let [first, _] = heads;
                let head = if pair.is_single {
                    first
                } else {
                    side(heads, hash)
                };
                arena.prefetch_header(arena.links.item(Link(arena.hint(head))));
            }
        }
        let Some(item) = arena.younger(next) else {
            return;
        };
        arena.prefetch_item(arena.younger(item));
        let hash = self.hash(arena.key(item));
        // Nearly always that one: stripes grow alike.
        if let Some((_, [head, _])) = heads_of(hash) {
            arena.prefetch_word(head);
            order.expect_after(Expected { item, hash });
        }
    }
}
