// SPDX-License-Identifier: GPL-2.0-only
//! A size class: its chunks, and its items in order of use. All of it, and the
//! list links of its chunks, belong to the class's lock.
//!
//! The order has three segments, as in memcached. An item starts in *hot*; from
//! the old end of that it goes to *cold*, or to *warm* if it was used again
//! meanwhile. From the old end of warm it goes to cold, or back to warm's young
//! end. What is at the old end of cold goes when a chunk is needed, unless it
//! was used again, which brings it to warm. So one pass over many keys drives
//! out only what is cold. A use just marks the item: readers need no lock of
//! the class.

use super::arena::Arena;
use super::item::{Item, Mark, Place};
use super::layout::Layout;
use super::list::List;
use super::value::{ClassUsage, History};
use crate::platform::Memory;
use crate::Now;

/// Of all items of a class, how many hundredths may be hot, and warm.
const HOT_PERCENT: u64 = 20;
const WARM_PERCENT: u64 = 40;

/// How many items are moved at a time: more than come, to catch up.
const AGE_STEPS: usize = 4;

/// A page that is being emptied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draining {
    pub(super) page: usize,
    /// The next of its chunks to look at.
    pub(super) next: usize,
    /// Its chunks that were ever cut off.
    pub(super) chunks: usize,
    /// Those that are still in use, or free to be used.
    pub(super) left: usize,
    /// The class that gets it; `None` for the table.
    pub(super) to: Option<u8>,
}

/// The rest of a page, to be cut into chunks one by one.
#[derive(Clone, Copy, Debug)]
struct Fresh {
    page: usize,
    next: usize,
}

/// A size class.
///
/// # Invariants
///
/// Each chunk of its pages is at the place that its shape says: free, in one of
/// the segments, held by somebody who is about to fill or free it, or drained.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Class {
    pub(super) index: u8,
    pub(super) chunk_size: usize,
    pub(super) per_page: usize,
    pub(super) pages: usize,
    free: List,
    fresh: Option<Fresh>,
    /// The first of its pages that are not cut at all.
    uncut: Option<usize>,
    hot: List,
    warm: List,
    cold: List,
    pub(super) draining: Option<Draining>,
    pub(super) history: History,
    /// Items that had to go, or could not come, since pages were last weighed.
    pub(super) lost: u64,
}

impl Class {
    pub(super) fn new(index: u8, chunk_size: usize, page_size: usize) -> Self {
        Self {
            index,
            chunk_size,
            per_page: page_size.checked_div(chunk_size).unwrap_or(0),
            ..Self::default()
        }
    }

    /// A chunk that nobody uses, held for the caller.
    pub(super) fn take<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout) -> Option<Item> {
        let item = match self.free.pop(arena) {
            Some(item) => item,
            None => self.cut(arena, layout)?,
        };
        arena.set_place(item, Place::Held);
        Some(item)
    }

    /// Gives a page that is empty to this class.
    pub(super) fn add_page<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout, page: usize) {
        layout.set_owner(arena, page, Some(self.index));
        layout.set_next_page(arena, page, self.uncut);
        self.uncut = Some(page);
        self.pages = self.pages.saturating_add(1);
    }

    /// Cuts a chunk off a page that has some left.
    fn cut<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout) -> Option<Item> {
        let fresh = match self.fresh {
            Some(fresh) => fresh,
            None => {
                let page = self.uncut?;
                self.uncut = layout.next_page(arena, page);
                Fresh { page, next: 0 }
            }
        };
        let within = fresh.next.saturating_mul(self.chunk_size);
        let next = fresh.next.saturating_add(1);
        self.fresh = (next < self.per_page).then_some(Fresh { next, ..fresh });
        let item = Item::at(layout.page_at(fresh.page).saturating_add(within))?;
        arena.set_new(item);
        Some(item)
    }

    /// Takes back a chunk that was held, or is in no list for another reason.
    pub(super) fn put<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout, item: Item) {
        if let Some(draining) = self.draining.as_mut() {
            if layout.page_of(item) == draining.page {
                draining.left = draining.left.saturating_sub(1);
                arena.set_place(item, Place::Drained);
                return;
            }
        }
        arena.set_place(item, Place::Free);
        self.free.push(arena, item);
    }

    /// Makes an item that was held the youngest of all.
    pub(super) fn insert<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        self.push(arena, item, Place::Hot);
    }

    /// Makes an item that was held the youngest of a segment.
    pub(super) fn insert_at<M: Memory>(&mut self, arena: &Arena<M>, item: Item, place: Place) {
        self.push(arena, item, place);
    }

    /// Takes an item out of its segment; it is held then.
    pub(super) fn remove<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        if let Some(list) = self.list(arena.place(item)) {
            list.remove(arena, item);
        }
        arena.set_place(item, Place::Held);
    }

    /// Takes a free chunk out of the list, for good.
    pub(super) fn drain<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout, item: Item) {
        self.free.remove(arena, item);
        self.put(arena, layout, item);
    }

    /// Counts an item that had to go, or could not come.
    pub(super) fn count_loss(&mut self) {
        self.lost = self.lost.saturating_add(1);
    }

    /// The oldest of a segment.
    pub(super) fn oldest(&mut self, place: Place) -> Option<Item> {
        self.list(place)?.oldest()
    }

    /// Moves what has become too old for hot or warm, a few items at most.
    pub(super) fn age<M: Memory>(&mut self, arena: &Arena<M>) {
        let all = self
            .items()
            .iter()
            .fold(0u64, |all, len| all.saturating_add(*len));
        let share = |percent| all.saturating_mul(percent) / 100;
        for _ in 0..AGE_STEPS {
            let from = if self.hot.len() > share(HOT_PERCENT) {
                Place::Hot
            } else if self.warm.len() > share(WARM_PERCENT) {
                Place::Warm
            } else {
                return;
            };
            let Some(item) = self.oldest(from) else {
                return;
            };
            if arena.has(item, Mark::ACTIVE) {
                self.warm_up(arena, item);
            } else {
                self.remove(arena, item);
                self.push(arena, item, Place::Cold);
                self.history.moves_to_cold = self.history.moves_to_cold.wrapping_add(1);
            }
        }
    }

    /// Makes an item that was used again the youngest of warm.
    pub(super) fn warm_up<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        let count = match arena.place(item) {
            Place::Warm => &mut self.history.moves_within_lru,
            _ => &mut self.history.moves_to_warm,
        };
        *count = count.wrapping_add(1);
        self.remove(arena, item);
        arena.set_mark(item, Mark::ACTIVE, false);
        self.push(arena, item, Place::Warm);
    }

    /// Begins to empty a page of this class. What was not cut yet needs not be
    /// emptied.
    pub(super) fn start_draining<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        page: usize,
        to: Option<u8>,
    ) {
        let mut chunks = self.per_page;
        if let Some(fresh) = self.fresh.filter(|fresh| fresh.page == page) {
            chunks = fresh.next;
            self.fresh = None;
        }
        if self.uncut == Some(page) {
            chunks = 0;
            self.uncut = layout.next_page(arena, page);
        }
        self.draining = Some(Draining {
            page,
            next: 0,
            chunks,
            left: chunks,
            to,
        });
    }

    /// A page that is better given away than another: one that is not cut, one
    /// with free chunks if those are many, or the one with the oldest item.
    pub(super) fn worst_page(&mut self, layout: &Layout) -> Option<usize> {
        if let Some(page) = self.uncut {
            return Some(page);
        }
        let free = self.free.oldest().filter(|_| self.has_spare_page());
        let oldest = free
            .or_else(|| self.oldest(Place::Cold))
            .or_else(|| self.oldest(Place::Hot))
            .or_else(|| self.oldest(Place::Warm))
            .or_else(|| self.free.oldest());
        match oldest {
            Some(item) => Some(layout.page_of(item)),
            None => self.fresh.map(|fresh| fresh.page),
        }
    }

    /// Whether there are free chunks enough for more than a page.
    pub(super) fn has_spare_page(&self) -> bool {
        self.uncut.is_some() || self.free.len() > self.per_page.saturating_mul(2) as u64
    }

    /// Items in hot, warm and cold.
    pub(super) fn items(&self) -> [u64; 3] {
        [&self.hot, &self.warm, &self.cold].map(List::len)
    }

    /// For how long the next to go has not been used.
    pub(super) fn coldness<M: Memory>(&self, arena: &Arena<M>, now: Now) -> u32 {
        let oldest = self.cold.oldest().or_else(|| self.hot.oldest());
        oldest.map_or(0, |item| now.0.saturating_sub(arena.used_at(item)))
    }

    pub(super) fn usage<M: Memory>(&self, arena: &Arena<M>, now: Now) -> ClassUsage {
        let chunks = self.pages.saturating_mul(self.per_page) as u64;
        let items = self.items();
        let taken = items.iter().fold(0u64, |all, len| all.saturating_add(*len));
        let age = |list: &List| {
            let oldest = list.oldest().map(|item| arena.used_at(item));
            oldest.map_or(0, |used| now.0.saturating_sub(used))
        };
        ClassUsage {
            chunk_size: self.chunk_size as u64,
            chunks_per_page: self.per_page as u64,
            pages: self.pages as u64,
            free_chunks: chunks.saturating_sub(taken),
            items,
            ages: [&self.hot, &self.warm, &self.cold].map(age),
            history: self.history,
        }
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
            Place::Free | Place::Held | Place::Drained => None,
        }
    }
}
