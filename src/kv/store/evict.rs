// SPDX-License-Identifier: GPL-2.0-only
//! Making room: a chunk for a new item, and who goes for it.

use core::ops::DerefMut;

use super::class::Expected;
use super::header::{Mark, Place};
use super::item::Item;
use super::link::Link;
use super::table::Stripe;
use super::value::History;
use super::{pin, Class, Kv, Life};
use crate::limits::TAIL_TRIES;
use crate::platform::{RwLock, WriteGuard};
use crate::{Context, Now, Platform};

/// A stripe that the caller has locked, and its number.
pub(super) struct Mine<'a> {
    pub(super) index: usize,
    pub(super) stripe: &'a mut Stripe,
}

/// Why there is no chunk. Nothing was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// What could go is in this stripe, which somebody has locked.
    Stripe(usize),
    /// There is nothing that could go.
    Class,
}

/// Why an item does not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    /// Somebody has its stripe.
    Stripe(usize),
    /// Its chunk could not be used.
    Pinned,
}

/// Another stripe, or the caller's own.
enum Held<'a, 'b, P: Platform> {
    Mine(&'b mut Stripe),
    Other(WriteGuard<'a, P::RwLock, Stripe>),
}

impl<P: Platform> Held<'_, '_, P> {
    fn stripe(&mut self) -> &mut Stripe {
        match self {
            Held::Mine(stripe) => stripe,
            Held::Other(guard) => guard.deref_mut(),
        }
    }
}

impl<P: Platform> Kv<P> {
    /// As [`Kv::chunk`], of the class or, when there is nothing, of a larger one
    /// that is not too large for an item of that size.
    pub(super) fn chunk_near(
        &self,
        class: u8,
        size: usize,
        mine: &mut Mine<'_>,
        keep: Option<Item>,
        cx: &Context<'_>,
    ) -> Result<Item, Busy> {
        let first = self.chunk(class, mine, keep, cx);
        if first != Err(Busy::Class) {
            return first;
        }
        // It should have more pages.
        if let Some(class) = self.class(class) {
            class.lock().count_loss();
        }
        let enough = size.saturating_mul(2);
        let larger = self.chunk_sizes.iter().zip(0u8..);
        for (size, other) in larger.skip(usize::from(class).saturating_add(1)) {
            if *size == 0 || *size as usize > enough {
                break;
            }
            let chunk = self.chunk(other, mine, keep, cx);
            if chunk.is_ok() {
                return chunk;
            }
        }
        first
    }

    /// A chunk of a class, held for the caller: one that is free, or else that
    /// of an item that goes. `keep` does not go.
    pub(super) fn chunk(
        &self,
        class: u8,
        mine: &mut Mine<'_>,
        keep: Option<Item>,
        cx: &Context<'_>,
    ) -> Result<Item, Busy> {
        if let Some(item) = self.take_reserve(class) {
            return Ok(item);
        }
        let class = &mut *self.class(class).ok_or(Busy::Class)?.lock();
        self.chunk_of(class, mine, keep, cx)
    }

    /// As [`Kv::chunk`], of a class that is locked.
    pub(super) fn chunk_of(
        &self,
        class: &mut Class,
        mine: &mut Mine<'_>,
        keep: Option<Item>,
        cx: &Context<'_>,
    ) -> Result<Item, Busy> {
        // Pages are few: somebody will have to go soon, and who that is takes a
        // while to be found out.
        if self.layout.free_pages() <= self.layout.pages / 4 {
            class.age(&self.arena);
        }
        if let Some(item) = class.take(&self.arena, &self.layout) {
            return Ok(item);
        }
        if let Some(page) = self.layout.take_page() {
            class.add_page(&self.arena, &self.layout, page);
            return class.take(&self.arena, &self.layout).ok_or(Busy::Class);
        }
        self.victim(class, mine, keep, cx)
    }

    /// Makes the one item go that a class can best do without; its chunk.
    fn victim(
        &self,
        class: &mut Class,
        mine: &mut Mine<'_>,
        keep: Option<Item>,
        cx: &Context<'_>,
    ) -> Result<Item, Busy> {
        let mut busy = Busy::Class;
        for (place, spares_active) in [
            (Place::Cold, true),
            (Place::Hot, true),
            (Place::Warm, true),
            (Place::Hot, false),
            (Place::Warm, false),
        ] {
            let mut at = class.oldest(place);
            for _ in 0..TAIL_TRIES {
                let Some(item) = at else { break };
                at = self.arena.younger(item);
                if keep == Some(item) {
                    continue;
                }
                let used_again = spares_active && self.arena.has(item, Mark::ACTIVE);
                if used_again && self.life(item, cx.now) == Life::Live {
                    class.warm_up(&self.arena, item);
                    continue;
                }
                match self.evict(class, item, Some(&mut *mine), cx) {
                    Ok(()) => {
                        self.expect_next(class, mine.stripe);
                        return Ok(item);
                    }
                    Err(Stays::Stripe(stripe)) => busy = Busy::Stripe(stripe),
                    // It is being sent, hence in use.
                    Err(Stays::Pinned) => class.warm_up(&self.arena, item),
                }
            }
        }
        Err(busy)
    }

    /// Has those things fetched that are looked at when the next items go: what is
    /// not near when it is wanted is most of what that costs. The oldest of a list is
    /// near, for its neighbour has just gone.
    #[inline]
    fn expect_next(&self, class: &mut Class, like: &Stripe) {
        let arena = &self.arena;
        if let Some(item) = class.hot.oldest() {
            arena.prefetch_item(arena.younger(item));
        }
        let Some(next) = class.cold.oldest() else {
            return;
        };
        // The head of its chain is near by now. If it is not first there, the way to
        // it leads through the one that is.
        if let Some(expected) = class.expected(next) {
            let first = arena.links.item(Link(arena.hint(expected.head_at)));
            arena.prefetch_item(first.filter(|first| *first != next));
        }
        let Some(item) = arena.younger(next) else {
            return;
        };
        arena.prefetch_item(arena.younger(item));
        let hash = self.hash(arena.key(item));
        // Nearly always that one: stripes grow alike.
        if let Some(head_at) = self.layout.head_at(arena, like.head_of(hash)) {
            arena.prefetch(head_at);
            class.set_expected(Expected {
                item,
                hash,
                head_at,
            });
        }
    }

    /// Takes an item of a class out of the table and out of its segment; it is
    /// held then, and has no pieces. Not if it is pinned.
    pub(super) fn evict(
        &self,
        class: &mut Class,
        item: Item,
        mine: Option<&mut Mine<'_>>,
        cx: &Context<'_>,
    ) -> Result<(), Stays> {
        // The key can be read: it is still in its segment, so whoever removes
        // it now still has to wait for the class.
        let hash = || self.hash(self.arena.key(item));
        let hash = match class.expected(item) {
            Some(expected) => {
                debug_assert_eq!(expected.hash, hash(), "another item in that chunk");
                expected.hash
            }
            None => hash(),
        };
        let index = self.stripe_of(hash);
        let mut held: Held<'_, '_, P> = match mine {
            Some(mine) if mine.index == index => Held::Mine(mine.stripe),
            _ => {
                let stripe = self.stripes.get(index).and_then(RwLock::try_write);
                Held::Other(stripe.ok_or(Stays::Stripe(index))?)
            }
        };
        if pin::is_pinned(&self.arena, item, class.chunk_size) {
            return Err(Stays::Pinned);
        }
        let dead = self.life(item, cx.now) != Life::Live;
        self.record(&mut class.history, item, dead, cx.now);
        if dead {
            cx.mine.reclaimed.inc();
        } else {
            P::evict(|| self.hasher.name(hash), || self.arena.text_len(item));
            cx.mine.evictions.inc();
            class.count_loss();
        }
        held.stripe().unlink(&self.arena, &self.layout, hash, item);
        class.take_out(&self.arena, item);
        class.free_pieces(&self.arena, &self.layout, item);
        Ok(())
    }

    fn record(&self, history: &mut History, item: Item, dead: bool, now: Now) {
        let unfetched = u64::from(!self.arena.has(item, Mark::FETCHED));
        if dead {
            history.reclaimed = history.reclaimed.wrapping_add(1);
            history.expired_unfetched = history.expired_unfetched.wrapping_add(unfetched);
            return;
        }
        let nonzero = u64::from(self.arena.expire(item) != 0);
        history.evicted = history.evicted.wrapping_add(1);
        let active = u64::from(self.arena.has(item, Mark::ACTIVE));
        history.evicted_active = history.evicted_active.wrapping_add(active);
        history.evicted_nonzero = history.evicted_nonzero.wrapping_add(nonzero);
        history.evicted_unfetched = history.evicted_unfetched.wrapping_add(unfetched);
        history.evicted_time = now.0.saturating_sub(self.arena.used_at(item));
    }

    /// Frees a chunk: one that is held, or that of an item which its stripe,
    /// write-locked by the caller, has just lost.
    pub(super) fn release(&self, item: Item) {
        let class = self.layout.class_of(&self.arena, item);
        if let Some(class) = self.class(class) {
            let class = &mut *class.lock();
            class.release(&self.arena, &self.layout, item);
        }
    }
}
