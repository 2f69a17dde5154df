// SPDX-License-Identifier: GPL-2.0-only
//! What each CPU has of its own, for each class.
//!
//! *A chunk at hand*, of classes with small chunks. Who takes a free chunk, or gives
//! one back, has its class's lock; while it is held, another is set aside for this
//! CPU. So the next item gets its chunk without that lock. A set-aside chunk counts
//! as free. It goes back when its class has nothing else, and when its page is
//! being emptied.
//!
//! *A turn*: which shard it evicts from, and how often still.
//!
//! Each is one word, which is changed in one step: it may be anybody's, and matters
//! little whose.

use crate::atomic::{AtomicU32, Ordering};

use super::class::{say_unused, say_used};
use super::item::Item;
use super::layout::prev_power_of_two;
use super::stripe::chunk_changes_hands;
use super::{Class, Kv};
use crate::limits::{
    CLASSES_MAX, RESERVES_MAX, RESERVE_BYTES, RESERVE_CHUNK_MAX, RESERVE_SHARE, SHARDS_MAX,
    TURN_MAX, TURN_SHARE,
};
use crate::Platform;

/// A CPU's chunks, one for each class at most; 0 is none. And its turns.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Reserve {
    chunks: [AtomicU32; CLASSES_MAX],
    turns: [AtomicU32; CLASSES_MAX],
}

/// Which shard a CPU evicts from, and how many items more in a row; 0 if it has not
/// begun.
#[derive(Clone, Copy, Debug)]
pub(super) struct Turn<'a> {
    /// Where that is kept.
    place: Option<&'a AtomicU32>,
    pub(super) shard: usize,
    left: u32,
}

impl<'a> Turn<'a> {
    const LEFT_SHIFT: u32 = 8;

    /// Where the CPU that has that reserve is to look first for an item of a class that
    /// may go.
    #[inline(always)]
    pub(super) fn of(own: Option<&'a Reserve>, class: u8) -> Self {
        Self::load(own.and_then(|own| own.turns.get(usize::from(class))))
    }

    fn load(place: Option<&'a AtomicU32>) -> Self {
        // Relaxed: a hint, as all of it.
        let word = place.map_or(0, |place| place.load(Ordering::Relaxed));
        // The low bits, cut on purpose.
        let shard = usize::from(word as u8);
        Self {
            place,
            shard,
            left: word.wrapping_shr(Self::LEFT_SHIFT),
        }
    }

    /// Notes that an item of a shard has gone, where there were so many. It was to
    /// begin at this turn, among so many shards.
    #[inline(always)]
    pub(super) fn note(self, shard: usize, items: u64, shards: impl Fn() -> usize) {
        let (next, left) = match self.left {
            2.. if shard == self.shard => (shard, self.left.wrapping_sub(1)),
            left => Self::after(left, shard == self.shard, shard, items, shards()),
        };
        // There are far fewer of both.
        let word = next as u32 | left.wrapping_shl(Self::LEFT_SHIFT);
        if let Some(place) = self.place {
            place.store(word, Ordering::Relaxed);
        }
    }

    /// The next turn's shard, and how many are left of it, when one begins or ends.
    #[cold]
    fn after(left: u32, goes_on: bool, shard: usize, items: u64, shards: usize) -> (usize, u32) {
        let left = match left {
            1.. if goes_on => left,
            _ => {
                let share = items.wrapping_shr(TURN_SHARE.trailing_zeros());
                u32::try_from(share).unwrap_or(u32::MAX).clamp(1, TURN_MAX)
            }
        };
        let left = left.saturating_sub(1);
        let next = shard.wrapping_add(usize::from(left == 0)) & shards.wrapping_sub(1);
        (next, left)
    }
}

const _: () = assert!(SHARDS_MAX <= 1 << Turn::LEFT_SHIFT && TURN_SHARE.is_power_of_two());

impl Reserve {
    pub(super) fn new() -> Self {
        Self {
            chunks: [const { AtomicU32::new(0) }; CLASSES_MAX],
            turns: [const { AtomicU32::new(0) }; CLASSES_MAX],
        }
    }

    #[inline]
    fn take(&self, class: u8) -> Option<Item> {
        let place = self.chunks.get(usize::from(class))?;
        // Relaxed: a hint.
        if place.load(Ordering::Relaxed) == 0 {
            return None;
        }
        // Acquire: whoever had the chunk is done with it. Pairs with `put`.
        Item::from_word(place.swap(0, Ordering::Acquire))
    }

    #[inline]
    fn is_empty(&self, class: u8) -> bool {
        let place = self.chunks.get(usize::from(class));
        // Relaxed: a hint.
        place.is_some_and(|place| place.load(Ordering::Relaxed) == 0)
    }

    /// Gives the chunk back when somebody else's is there.
    fn put(&self, class: u8, item: Item) -> Result<(), Item> {
        let place = self.chunks.get(usize::from(class)).ok_or(item)?;
        let word = Item::to_word(Some(item));
        // Release: pairs with `take`.
        place
            .compare_exchange(0, word, Ordering::Release, Ordering::Relaxed)
            .map_or(Err(item), |_| Ok(()))
    }
}

/// How many of them there are, a power of two: CPUs share them when the memory is
/// so small that more would hold up too much of it.
pub(super) fn count(memory: usize) -> usize {
    prev_power_of_two(memory / RESERVE_SHARE / RESERVE_BYTES).min(RESERVES_MAX)
}

impl<P: Platform> Kv<P> {
    #[inline(always)]
    pub(super) fn reserve(&self) -> Option<&Reserve> {
        let mask = self.reserves.len().saturating_sub(1);
        self.reserves.get(P::here() & mask)
    }

    /// The chunk of a class that was set aside for this CPU, which has that reserve,
    /// held.
    #[inline]
    pub(super) fn take_reserve(&self, own: Option<&Reserve>, class: u8) -> Option<Item> {
        let item = own?.take(class)?;
        chunk_changes_hands();
        say_used(&self.arena, item, self.size_of_class(class));
        Some(item)
    }

    /// Sets a chunk of a class aside, or frees it when somebody was faster.
    fn put_aside(&self, reserve: &Reserve, class: &mut Class, item: Item) {
        say_unused(&self.arena, item, class.chunk_size);
        if let Err(item) = reserve.put(class.index, item) {
            class.put(&self.arena, &self.layout, item);
        }
    }

    /// Sets a free chunk of a class aside for this CPU, if it has none.
    pub(super) fn refill_reserve(&self, class: &mut Class) {
        let empty = |reserve: &&Reserve| reserve.is_empty(class.index);
        let Some(reserve) = self.reserve().filter(empty) else {
            return;
        };
        if class.chunk_size > RESERVE_CHUNK_MAX {
            return;
        }
        if let Some(item) = class.take(&self.arena, &self.layout) {
            self.put_aside(reserve, class, item);
        }
    }

    /// Frees all chunks of a class that are set aside.
    pub(super) fn free_reserves(&self, class: &mut Class) {
        for reserve in self.reserves.iter() {
            if let Some(item) = reserve.take(class.index) {
                class.put(&self.arena, &self.layout, item);
            }
        }
    }
}
