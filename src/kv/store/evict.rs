// SPDX-License-Identifier: GPL-2.0-only
//! Making room: a chunk for a new item, and who goes for it.

use super::header::{Mark, Place};
use super::item::Item;
use super::order::Order;
use super::reserve::Turn;
use super::shard::{of_class, Shard};
use super::stripe::{StripeLock, WriteStripe};
use super::table::Stripe;
use super::{pin, Kv, Life};
use crate::limits::{PIN_CHUNK_MIN, TAIL_TRIES};
use crate::{Context, Platform};

/// A stripe that the caller has locked, and its number.
pub(super) struct Mine<'a> {
    pub(super) index: usize,
    pub(super) stripe: Stripe<'a>,
}

/// A chunk that is held, for an item.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    pub(super) item: Item,
    pub(super) class: u8,
    /// It is in a segment already, its youngest. Whoever has it fills it, whatever
    /// comes, and lets go of no stripe before.
    pub(super) is_listed: bool,
}

/// Where the chunk of an item that goes is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leave {
    /// In a segment, as its youngest.
    In,
    /// In none.
    Out,
}

/// Why there is no chunk. Nothing was waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Busy {
    /// What could go is in this stripe, which somebody has locked.
    Stripe(u32),
    /// There is nothing that could go.
    Class,
}

/// Why an item does not go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stays {
    /// Somebody has its stripe.
    Stripe(u32),
    /// Its chunk could not be used.
    Pinned,
}

/// Another stripe, or the caller's own.
enum Held<'a, 'b, 'c, P: Platform> {
    Mine(&'b mut Stripe<'c>),
    Other(WriteStripe<'a, P>),
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
        let room = self.room(class, mine, keep, Leave::Out, cx)?;
        Ok(room.item)
    }

    /// As [`Kv::chunk`]; one that is taken over may be in its segment again.
    pub(super) fn room(
        &self,
        class: u8,
        mine: &mut Mine<'_>,
        keep: Option<Item>,
        leave: Leave,
        cx: &Context<'_>,
    ) -> Result<Room, Busy> {
        let unlisted = |item| Room {
            item,
            class,
            is_listed: false,
        };
        let own = self.reserve();
        if let Some(item) = self.take_reserve(own, class) {
            return Ok(unlisted(item));
        }
        if self.layout.may_have_free(class) {
            if let Some(item) = self.free_chunk(class) {
                return Ok(unlisted(item));
            }
        }
        let turn = Turn::of(own, class);
        let room = |item| Room {
            item,
            class,
            is_listed: leave == Leave::In,
        };
        if let Some(item) = self.next_victim(turn, class, mine, keep, leave, cx) {
            return Ok(room(item));
        }
        match self.victim(turn, class, mine, keep, leave, cx) {
            Ok(item) => Ok(room(item)),
            // That there is nothing free was a hint.
            Err(Busy::Class) => self.free_chunk(class).map(unlisted).ok_or(Busy::Class),
            busy => busy.map(unlisted),
        }
    }

    /// A chunk of a class that nobody uses, held for the caller; another is set
    /// aside. Nothing goes for it.
    pub(super) fn free_chunk(&self, class: u8) -> Option<Item> {
        let class = &mut *self.class(class)?.lock();
        let item = match class.take(&self.arena, &self.layout) {
            Some(item) => item,
            None => {
                let page = self.layout.take_page()?;
                class.add_page(&self.arena, &self.layout, page);
                class.take(&self.arena, &self.layout)?
            }
        };
        self.refill_reserve(class);
        Some(item)
    }

    /// Makes the item go that is the next in the shard whose turn it is on this CPU; its
    /// chunk. Nearly always this is all there is to it, and so it does no more.
    #[inline(always)]
    fn next_victim(
        &self,
        turn: Turn<'_>,
        class: u8,
        mine: &mut Mine<'_>,
        keep: Option<Item>,
        leave: Leave,
        cx: &Context<'_>,
    ) -> Option<Item> {
        let Shard(lock) = self.shards.get(turn.shard)?;
        let mut shard = lock.try_lock()?;
        let order = of_class::<P>(&mut shard, class)?;
        order.age(&self.arena);
        let item = order.oldest(Place::Cold)?;
        let header = self.arena.header(item)?;
        let shape = header.shape_to_read();
        if keep == Some(item) || shape.is_held() || shape.has(Mark::ACTIVE) {
            return None;
        }
        self.evict(order, class, item, Some(&mut *mine), cx).ok()?;
        let size = self.size_of_class(class);
        match leave {
            Leave::In => order.take_over_oldest(&self.arena, item, header),
            Leave::Out => order.take_out(&self.arena, item),
        }
        self.expect_next(order, size, mine.stripe.chains);
        turn.note(turn.shard, order.len(), || self.shards_of(class));
        drop(shard);
        self.free_pieces(class, size, item);
        Some(item)
    }

    /// As [`Kv::next_victim`], but it begins there, and looks for the one that the class
    /// can best do without. Waits for no shard before all have been tried.
    #[inline(never)]
    fn victim(
        &self,
        turn: Turn<'_>,
        class: u8,
        mine: &mut Mine<'_>,
        keep: Option<Item>,
        leave: Leave,
        cx: &Context<'_>,
    ) -> Result<Item, Busy> {
        let shards = self.shards_of(class);
        let mut busy = Busy::Class;
        for step in 0..shards.saturating_mul(2) {
            let index = turn.shard.wrapping_add(step) & shards.wrapping_sub(1);
            let Some(Shard(lock)) = self.shards.get(index) else {
                break;
            };
            let mut shard = match lock.try_lock() {
                Some(shard) => shard,
                None if step < shards => continue,
                None => lock.lock(),
            };
            let Some(order) = of_class::<P>(&mut shard, class) else {
                break;
            };
            order.age(&self.arena);
            match self.victim_of(order, class, mine, keep, cx) {
                Ok(item) => {
                    let size = self.size_of_class(class);
                    match leave {
                        Leave::In => order.take_over(&self.arena, item),
                        Leave::Out => order.take_out(&self.arena, item),
                    }
                    self.expect_next(order, size, mine.stripe.chains);
                    turn.note(index, order.len(), || shards);
                    drop(shard);
                    self.free_pieces(class, size, item);
                    return Ok(item);
                }
                Err(Busy::Stripe(stripe)) => busy = Busy::Stripe(stripe),
                Err(Busy::Class) => {}
            }
        }
        Err(busy)
    }

    /// As [`Kv::victim`], of one order. The item is still in its segment.
    fn victim_of(
        &self,
        order: &mut Order,
        class: u8,
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
            let mut at = order.oldest(place);
            for _ in 0..TAIL_TRIES {
                let Some(item) = at else { break };
                at = self.arena.younger(item);
                if keep == Some(item) || self.arena.is_being_filled(item) {
                    continue;
                }
                let used_again = spares_active && self.arena.has(item, Mark::ACTIVE);
                if used_again && self.life(item, cx.now) == Life::Live {
                    order.warm_up(&self.arena, item);
                    continue;
                }
                match self.evict(order, class, item, Some(&mut *mine), cx) {
                    Ok(()) => return Ok(item),
                    Err(Stays::Stripe(stripe)) => busy = Busy::Stripe(stripe),
                    // It is being sent, hence in use.
                    Err(Stays::Pinned) => order.warm_up(&self.arena, item),
                }
            }
        }
        Err(busy)
    }

    /// Frees the pieces of an item that has been evicted.
    #[inline(always)]
    fn free_pieces(&self, class: u8, chunk_size: usize, item: Item) {
        if chunk_size < PIN_CHUNK_MIN {
            return;
        }
        let link = self.arena.link(item, chunk_size);
        if let Some(class) = self.class(class).filter(|_| link.is_some()) {
            let class = &mut *class.lock();
            class.free_pieces(&self.arena, &self.layout, item);
        }
    }

    /// Takes an item out of the table, which is still in its segment then, in an order
    /// that the caller has locked. Not if it is pinned.
    pub(super) fn evict(
        &self,
        order: &mut Order,
        class: u8,
        item: Item,
        mine: Option<&mut Mine<'_>>,
        cx: &Context<'_>,
    ) -> Result<(), Stays> {
        // The key can be read: it is still in its segment, so whoever removes
        // it now still has to wait for the shard.
        let hash = || self.hash(self.arena.key(item));
        let hash = match order.expected(item) {
            Some(expected) => {
                debug_assert_eq!(expected.hash, hash(), "another item in that chunk");
                expected.hash
            }
            None => hash(),
        };
        let index = self.stripe_of(hash);
        let held: Held<'_, '_, '_, P> = match mine {
            Some(mine) if mine.index == index => Held::Mine(&mut mine.stripe),
            _ => {
                let stripe = self.stripes.get(index).and_then(StripeLock::try_write);
                // There are far fewer.
                Held::Other(stripe.ok_or(Stays::Stripe(index as u32))?)
            }
        };
        let header = self.arena.header(item).ok_or(Stays::Pinned)?;
        if pin::is_pinned(&self.arena, item, self.size_of_class(class)) {
            return Err(Stays::Pinned);
        }
        let dead = self.life_of(header, cx.now) != Life::Live;
        order.record(header, dead, cx.now);
        if dead {
            cx.mine.reclaimed.inc();
        } else {
            P::evict(|| self.hasher.name(hash), || self.arena.text_len(item));
            cx.mine.evictions.inc();
        }
        let (arena, layout) = (&self.arena, &self.layout);
        match held {
            Held::Mine(stripe) => stripe.unlink(arena, layout, hash, item),
            Held::Other(mut guard) => guard.stripe().unlink(arena, layout, hash, item),
        }
        Ok(())
    }
}
