// SPDX-License-Identifier: GPL-2.0-only
//! A chunk at hand for each CPU, in front of each class with small chunks.
//!
//! To store an item takes its class's lock once, to put it into the order of
//! use; while it is held, the next chunk is set aside for this CPU. So the next
//! item gets its chunk without a lock, most of the time. A set-aside chunk counts
//! as free. It goes back when its class has nothing else, and when its page is
//! being emptied.
//!
//! A place for a chunk is one word, which is emptied and filled in one step: it
//! may be anybody's, and matters little whose.

use crate::atomic::{AtomicU32, Ordering};

use super::class::{say_unused, say_used};
use super::evict::Mine;
use super::item::Item;
use super::layout::prev_power_of_two;
use super::{Class, Kv};
use crate::limits::{CLASSES_MAX, RESERVES_MAX, RESERVE_BYTES, RESERVE_CHUNK_MAX, RESERVE_SHARE};
use crate::{Context, Platform};

/// A CPU's chunks, one for each class at most; 0 is none.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Reserve([AtomicU32; CLASSES_MAX]);

impl Reserve {
    pub(super) fn new() -> Self {
        Self([const { AtomicU32::new(0) }; CLASSES_MAX])
    }

    #[inline]
    fn take(&self, class: u8) -> Option<Item> {
        let place = self.0.get(usize::from(class))?;
        // Relaxed: a hint.
        if place.load(Ordering::Relaxed) == 0 {
            return None;
        }
        // Acquire: whoever had the chunk is done with it. Pairs with `put`.
        Item::from_word(place.swap(0, Ordering::Acquire))
    }

    #[inline]
    fn is_empty(&self, class: u8) -> bool {
        let place = self.0.get(usize::from(class));
        // Relaxed: a hint.
        place.is_some_and(|place| place.load(Ordering::Relaxed) == 0)
    }

    /// Gives the chunk back when somebody else's is there.
    fn put(&self, class: u8, item: Item) -> Result<(), Item> {
        let place = self.0.get(usize::from(class)).ok_or(item)?;
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
    #[inline]
    fn reserve(&self) -> Option<&Reserve> {
        let mask = self.reserves.len().saturating_sub(1);
        self.reserves.get(P::here() & mask)
    }

    /// The chunk of a class that was set aside for this CPU, held.
    #[inline]
    pub(super) fn take_reserve(&self, class: u8) -> Option<Item> {
        let item = self.reserve()?.take(class)?;
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

    /// Sets a chunk of a class aside for this CPU, if it has none; what must go
    /// for it, goes. `keep` does not.
    pub(super) fn fill_reserve(
        &self,
        class: &mut Class,
        mine: &mut Mine<'_>,
        keep: Item,
        cx: &Context<'_>,
    ) {
        if class.chunk_size > RESERVE_CHUNK_MAX {
            return;
        }
        let Some(reserve) = self
            .reserve()
            .filter(|reserve| reserve.is_empty(class.index))
        else {
            return;
        };
        if let Ok(item) = self.chunk_of(class, mine, Some(keep), cx) {
            self.put_aside(reserve, class, item);
            // It will be written soon.
            self.arena.prefetch_chunk(item, class.chunk_size);
        }
    }

    /// As [`Kv::fill_reserve`], with what is free.
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
