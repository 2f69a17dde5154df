// SPDX-License-Identifier: GPL-2.0-only
//! Orders of use: which item of a class goes first.
//!
//! The order has three segments, as in memcached. An item starts in *hot*; from
//! the old end of that it goes to *cold*, or to *warm* if it was used again
//! meanwhile. From the old end of warm it goes to cold, or back to warm's young
//! end. What is at the old end of cold goes when a chunk is needed, unless it
//! was used again, which brings it to warm. So one pass over many keys drives
//! out only what is cold. A use just marks the item: readers need no lock for that.
//!
//! Each class has several such orders, in as many shards (`shard.rs`). An order, and
//! the list links of the chunks that are in its segments, belong to its shard's lock.

use super::arena::Arena;
use super::header::{Header, Mark, Place};
use super::item::Item;
use super::list::List;
use super::value::ClassUsage;
use crate::platform::Memory;
use crate::Now;

/// Of all items of an order, how many hundredths may be hot, and warm.
const HOT_PERCENT: u64 = 20;
const WARM_PERCENT: u64 = 40;

/// How many items are moved at a time: more than come, to catch up.
const AGE_STEPS: usize = 4;

/// An item that will go soon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) item: Item,
    /// Of its key.
    pub(super) hash: u64,
}

/// What has happened in an order: as in [`History`](super::value::History).
#[derive(Debug, Default)]
struct Past {
    evicted: u64,
    evicted_nonzero: u64,
    evicted_unfetched: u64,
    evicted_active: u64,
    reclaimed: u64,
    expired_unfetched: u64,
    moves_to_cold: u64,
    moves_to_warm: u64,
    moves_within_lru: u64,
}

/// The order of use of a class in one shard.
///
/// # Invariants
///
/// Chunks in its segments are of its class and shard, and are at the place that their
/// shape says, or held by who is about to fill them.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Order {
    hot: List,
    warm: List,
    cold: List,
    /// Items that had to go since pages were last weighed.
    lost: u32,
    /// What were the oldest of cold and the one after it when an item had to go.
    expected: Option<Expected>,
    after: Option<Expected>,
    past: Past,
    /// How many seconds the last that had to go had not been used.
    evicted_time: u32,
}

impl Order {
    /// Makes an item that was held the youngest of all. Its stripe is locked for
    /// writing.
    pub(super) fn insert<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        self.hot.push(arena, item);
        if let Some(header) = arena.header(item) {
            header.set_place_alone(Place::Hot);
        }
    }

    /// Makes an item that was held the youngest of a segment.
    pub(super) fn insert_at<M: Memory>(&mut self, arena: &Arena<M>, item: Item, place: Place) {
        self.push(arena, item, place);
    }

    /// Takes an item out of its segment; it is held then.
    pub(super) fn remove<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        self.expect_no_more(item);
        if let Some(list) = self.list(arena.place(item)) {
            list.remove(arena, item);
        }
        arena.set_place(item, Place::Held);
    }

    /// The same with an item that is out of the table.
    pub(super) fn take_out<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        let Some(header) = arena.header(item) else {
            return;
        };
        self.expect_no_more(item);
        if let Some(list) = self.list(header.place()) {
            list.remove(arena, item);
        }
        header.set_place_alone(Place::Held);
    }

    /// As [`Order::take_over`], of the oldest of cold.
    #[inline(always)]
    pub(super) fn take_over_oldest<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        item: Item,
        header: Header<'_>,
    ) {
        self.expect_no_more(item);
        self.cold.remove_old(arena, item, header);
        header.set_place_alone(Place::Held);
        self.hot.push_with(arena, item, header);
    }

    /// As [`Order::take_out`], but the chunk is the youngest of all at once, held by
    /// who will fill it. Until then everybody passes it over.
    pub(super) fn take_over<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        self.take_out(arena, item);
        self.hot.push(arena, item);
    }

    /// Expects the item to go next that was to go after the one that has gone. What is known
    /// of it.
    #[inline(always)]
    pub(super) fn advance(&mut self) -> Option<Expected> {
        self.expected = self.after.take();
        self.expected
    }

    /// Notes the item of cold that will go after that.
    #[inline(always)]
    pub(super) fn expect_after(&mut self, expected: Expected) {
        self.after = Some(expected);
    }

    /// What is known of an item, if it is the one that was expected to go. It has not
    /// left its segments since, and so has the same key.
    #[inline]
    pub(super) fn expected(&self, item: Item) -> Option<Expected> {
        self.expected.filter(|expected| expected.item == item)
    }

    /// Forgets an item that leaves its segment.
    #[inline(always)]
    fn expect_no_more(&mut self, item: Item) {
        for expected in [&mut self.expected, &mut self.after] {
            if expected.is_some_and(|expected| expected.item == item) {
                *expected = None;
            }
        }
    }

    /// Takes an item from one segment to another, as its youngest.
    fn shift<M: Memory>(&mut self, arena: &Arena<M>, item: Item, to: Place) {
        if let Some(list) = self.list(arena.place(item)) {
            list.remove(arena, item);
        }
        self.push(arena, item, to);
    }

    /// The oldest of a segment.
    pub(super) fn oldest(&self, place: Place) -> Option<Item> {
        match place {
            Place::Hot => self.hot.oldest(),
            Place::Warm => self.warm.oldest(),
            Place::Cold => self.cold.oldest(),
            _ => None,
        }
    }

    /// Moves what has become too old for hot or warm, a few items at most.
    pub(super) fn age<M: Memory>(&mut self, arena: &Arena<M>) {
        // Three numbers of 32 bits, which do not overflow.
        let share = |percent| self.len().wrapping_mul(percent) / 100;
        let (hot, warm) = (share(HOT_PERCENT), share(WARM_PERCENT));
        for _ in 0..AGE_STEPS {
            let from = if self.hot.len() > hot {
                Place::Hot
            } else if self.warm.len() > warm {
                Place::Warm
            } else {
                return;
            };
            let Some(item) = self.oldest(from) else {
                return;
            };
            let Some(header) = arena.header(item) else {
                return;
            };
            if header.place_to_read() == Place::Held {
                return;
            }
            if header.has(Mark::ACTIVE) {
                self.warm_up(arena, item);
            } else {
                self.cool(arena, item, header, from);
            }
        }
    }

    /// Makes an item that was not used again the youngest of cold. It is the oldest of
    /// another segment.
    #[inline(always)]
    fn cool<M: Memory>(&mut self, arena: &Arena<M>, item: Item, header: Header<'_>, from: Place) {
        match from {
            Place::Hot => self.hot.remove_old(arena, item, header),
            _ => self.warm.remove_old(arena, item, header),
        }
        self.cold.push_with(arena, item, header);
        header.change_place(from, Place::Cold);
        self.past.moves_to_cold = self.past.moves_to_cold.wrapping_add(1);
    }

    /// Makes an item that was used again the youngest of warm.
    pub(super) fn warm_up<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        let count = match arena.place(item) {
            Place::Warm => &mut self.past.moves_within_lru,
            _ => &mut self.past.moves_to_warm,
        };
        *count = count.wrapping_add(1);
        arena.set_mark(item, Mark::ACTIVE, false);
        self.shift(arena, item, Place::Warm);
    }

    /// Counts an item that goes.
    #[inline(always)]
    pub(super) fn record(&mut self, header: Header<'_>, dead: bool, now: Now) {
        let past = &mut self.past;
        let unfetched = u64::from(!header.has(Mark::FETCHED));
        if dead {
            past.reclaimed = past.reclaimed.wrapping_add(1);
            past.expired_unfetched = past.expired_unfetched.wrapping_add(unfetched);
            return;
        }
        let nonzero = u64::from(header.expire() != 0);
        let active = u64::from(header.has(Mark::ACTIVE));
        past.evicted = past.evicted.wrapping_add(1);
        past.evicted_nonzero = past.evicted_nonzero.wrapping_add(nonzero);
        past.evicted_unfetched = past.evicted_unfetched.wrapping_add(unfetched);
        past.evicted_active = past.evicted_active.wrapping_add(active);
        self.evicted_time = now.0.saturating_sub(header.used_at());
        self.lost = self.lost.saturating_add(1);
    }

    /// Forgets what has happened.
    pub(super) fn reset(&mut self) {
        self.past = Past::default();
        self.evicted_time = 0;
    }

    /// Items in it.
    pub(super) fn len(&self) -> u64 {
        let [hot, warm, cold] = self.items();
        hot.saturating_add(warm).saturating_add(cold)
    }

    /// Items in hot, warm and cold.
    fn items(&self) -> [u64; 3] {
        [&self.hot, &self.warm, &self.cold].map(List::len)
    }

    /// Adds it to what is known of its class.
    pub(super) fn add_to<M: Memory>(&self, usage: &mut ClassUsage, arena: &Arena<M>, now: Now) {
        usage.free_chunks = usage.free_chunks.saturating_sub(self.len());
        for (sum, len) in usage.items.iter_mut().zip(self.items()) {
            *sum = sum.saturating_add(len);
        }
        let segments = [&self.hot, &self.warm, &self.cold];
        for (most, list) in usage.ages.iter_mut().zip(segments) {
            let age = |item| now.0.saturating_sub(arena.used_at(item));
            *most = list.oldest().map_or(0, age).max(*most);
        }
        let (history, past) = (&mut usage.history, &self.past);
        for (sum, more) in [
            (&mut history.evicted, past.evicted),
            (&mut history.evicted_nonzero, past.evicted_nonzero),
            (&mut history.evicted_unfetched, past.evicted_unfetched),
            (&mut history.evicted_active, past.evicted_active),
            (&mut history.reclaimed, past.reclaimed),
            (&mut history.expired_unfetched, past.expired_unfetched),
            (&mut history.moves_to_cold, past.moves_to_cold),
            (&mut history.moves_to_warm, past.moves_to_warm),
            (&mut history.moves_within_lru, past.moves_within_lru),
        ] {
            *sum = sum.wrapping_add(more);
        }
        history.evicted_time = history.evicted_time.max(self.evicted_time);
    }

    /// How many had to go since this was last asked with `anew`.
    pub(super) fn lost(&mut self, anew: bool) -> u64 {
        let lost = self.lost;
        if anew {
            self.lost = 0;
        }
        lost.into()
    }

    fn push<M: Memory>(&mut self, arena: &Arena<M>, item: Item, place: Place) {
        if let Some(list) = self.list(place) {
            list.push(arena, item);
        }
        arena.set_place(item, place);
    }

    fn list(&mut self, place: Place) -> Option<&mut List> {
        match place {
            Place::Hot => Some(&mut self.hot),
            Place::Warm => Some(&mut self.warm),
            Place::Cold => Some(&mut self.cold),
            Place::Free | Place::Held | Place::Drained | Place::Left | Place::Piece => None,
        }
    }
}
