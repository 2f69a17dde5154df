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
use super::chain;
use super::drain::Draining;
use super::header::{Mark, Place};
use super::item::{Item, KEY_LEN};
use super::layout::Layout;
use super::list::List;
use super::pin;
use super::value::{ClassUsage, History};
use crate::counters::PER_CLASS;
use crate::limits::PIN_CHUNK_MIN;
use crate::platform::Memory;
use crate::Now;

/// Of all items of a class, how many hundredths may be hot, and warm.
const HOT_PERCENT: u64 = 20;
const WARM_PERCENT: u64 = 40;

/// How many items are moved at a time: more than come, to catch up.
const AGE_STEPS: usize = 4;

/// The rest of a page, to be cut into chunks one by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh {
    pub(super) page: usize,
    pub(super) next: usize,
}

/// An item that will go soon.
#[derive(Clone, Copy, Debug)]
pub(super) struct Expected {
    pub(super) item: Item,
    /// Of its key.
    pub(super) hash: u64,
    /// Where the head of its chain may be: a hint.
    pub(super) head_at: usize,
}

/// A size class.
///
/// # Invariants
///
/// Each chunk of its pages is at the place that its shape says: free, in one of
/// the segments, a piece of an item, held by somebody who is about to fill or free
/// it, left by an item that is pinned, or drained. Only items with pieces, and
/// their pieces but the last, have a link.
#[derive(Debug, Default)]
#[repr(align(64))]
pub(super) struct Class {
    pub(super) index: u8,
    pub(super) chunk_size: usize,
    pub(super) per_page: usize,
    pub(super) pages: usize,
    pub(super) free: List,
    pub(super) fresh: Option<Fresh>,
    /// The first of its pages that are not cut at all.
    pub(super) uncut: Option<usize>,
    pub(super) hot: List,
    pub(super) warm: List,
    pub(super) cold: List,
    pub(super) draining: Option<Draining>,
    /// The page that could not be given away last.
    pub(super) avoid: Option<usize>,
    /// Chunks in use that are in no segment: pieces of items, and what is out of
    /// the table, and pinned.
    pub(super) others: u64,
    pub(super) history: History,
    /// What had been counted of commands when that was last forgotten.
    since: [u64; PER_CLASS],
    /// What was the second oldest of cold when an item had to go.
    expected: Option<Expected>,
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
        say_used(arena, item, self.chunk_size);
        arena.set_place(item, Place::Held);
        Some(item)
    }

    /// Gives a page that is empty to this class.
    pub(super) fn add_page<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout, page: usize) {
        arena.unused(layout.page_at(page), layout.page_size);
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
        let next = fresh.next.saturating_add(1);
        self.fresh = (next < self.per_page).then_some(Fresh { next, ..fresh });
        let item = chunk_at(layout, fresh.page, fresh.next, self.chunk_size)?;
        self.forget(arena, item);
        Some(item)
    }

    /// Takes back a chunk that was held, or is in no list for another reason.
    pub(super) fn put<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout, item: Item) {
        say_unused(arena, item, self.chunk_size);
        if let Some(draining) = self.draining.as_mut() {
            if layout.page_of(item) == draining.page && !draining.given_up {
                draining.left = draining.left.saturating_sub(1);
                arena.set_place(item, Place::Drained);
                return;
            }
        }
        arena.set_place(item, Place::Free);
        self.free.push(arena, item);
    }

    /// Takes back the chunk of an item that is out of the table, or was never in
    /// it; later, if it is pinned.
    pub(super) fn release<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout, item: Item) {
        self.remove(arena, item);
        if pin::leave(arena, item, self.chunk_size) {
            arena.set_place(item, Place::Left);
            self.others = self.others.saturating_add(1);
        } else {
            self.free_pieces(arena, layout, item);
            self.put(arena, layout, item);
        }
    }

    /// Takes back the chunk of an item whose last pin went after it had left the
    /// table.
    pub(super) fn free_left<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout, item: Item) {
        pin::reset(arena, item, self.chunk_size);
        self.others = self.others.saturating_sub(1);
        self.free_pieces(arena, layout, item);
        self.put(arena, layout, item);
    }

    /// Frees the pieces of an item that nobody reads.
    pub(super) fn free_pieces<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout, item: Item) {
        if self.chunk_size < PIN_CHUNK_MIN {
            return;
        }
        let mut chunk = item;
        while let Some(piece) = arena.link(chunk, self.chunk_size) {
            arena.set_link(chunk, self.chunk_size, None);
            if chunk != item {
                self.put(arena, layout, chunk);
            }
            self.others = self.others.saturating_sub(1);
            chunk = piece;
        }
        if chunk != item {
            self.put(arena, layout, chunk);
        }
    }

    /// Forgets what was at the place of a chunk before.
    pub(super) fn forget<M: Memory>(&self, arena: &Arena<M>, item: Item) {
        arena.used(item.offset(), self.chunk_size);
        arena.set_new(item);
        pin::reset(arena, item, self.chunk_size);
        arena.set_link(item, self.chunk_size, None);
        say_unused(arena, item, self.chunk_size);
    }

    /// Makes an item that was held, with its pieces, the youngest of all. Its stripe
    /// is locked for writing.
    pub(super) fn insert<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        self.hot.push(arena, item);
        if let Some(header) = arena.header(item) {
            header.set_place_alone(Place::Hot);
        }
        if self.chunk_size < PIN_CHUNK_MIN {
            return;
        }
        for piece in arena.chain(item, self.chunk_size) {
            arena.set_place(piece, Place::Piece);
            self.others = self.others.saturating_add(1);
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

    /// Takes an item out of its segment whose stripe is locked for writing.
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

    /// Notes an item of cold that will go soon.
    #[inline]
    pub(super) fn set_expected(&mut self, expected: Expected) {
        self.expected = Some(expected);
    }

    /// What is known of an item, if it is the one that was expected to go. It has not
    /// left its segments since, and so has the same key.
    #[inline]
    pub(super) fn expected(&self, item: Item) -> Option<Expected> {
        self.expected.filter(|expected| expected.item == item)
    }

    /// Forgets an item that leaves its segment.
    #[inline]
    fn expect_no_more(&mut self, item: Item) {
        if self.expected(item).is_some() {
            self.expected = None;
        }
    }

    /// Takes an item from one segment to another, as its youngest.
    fn shift<M: Memory>(&mut self, arena: &Arena<M>, item: Item, to: Place) {
        if let Some(list) = self.list(arena.place(item)) {
            list.remove(arena, item);
        }
        self.push(arena, item, to);
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
                self.shift(arena, item, Place::Cold);
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
        arena.set_mark(item, Mark::ACTIVE, false);
        self.shift(arena, item, Place::Warm);
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

    /// Begins to count anew, with commands from those on.
    pub(super) fn reset(&mut self, since: [u64; PER_CLASS]) {
        self.history = History::default();
        self.since = since;
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
            free_chunks: chunks.saturating_sub(taken).saturating_sub(self.others),
            items,
            ages: [&self.hot, &self.warm, &self.cold].map(age),
            history: self.history,
            since: self.since,
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
            Place::Free | Place::Held | Place::Drained | Place::Left | Place::Piece => None,
        }
    }
}

/// Words of a chunk that nobody touches while it is free, besides its text: the first
/// two, where somebody arrives who goes beyond the chunk before.
const FIRST: usize = 2 * size_of::<u32>();

/// Says that a chunk is free, see [`Memory::unused`].
#[inline(always)]
pub(super) fn say_unused<M: Memory>(arena: &Arena<M>, item: Item, chunk_size: usize) {
    arena.unused(item.offset(), FIRST);
    let (at, len) = text(item, chunk_size);
    arena.unused(at, len);
}

/// Says that it is somebody's.
#[inline(always)]
pub(super) fn say_used<M: Memory>(arena: &Arena<M>, item: Item, chunk_size: usize) {
    arena.used(item.offset(), FIRST);
    let (at, len) = text(item, chunk_size);
    arena.used(at, len);
}

/// Where the text of a chunk is, and how long it can be. The length of the key counts
/// as text here.
#[inline(always)]
fn text(item: Item, chunk_size: usize) -> (usize, usize) {
    let around = KEY_LEN.saturating_add(chain::tail(chunk_size));
    (item.field(KEY_LEN), chunk_size.saturating_sub(around))
}

/// A chunk of a page that is cut into chunks of this size.
pub(super) fn chunk_at(
    layout: &Layout,
    page: usize,
    index: usize,
    chunk_size: usize,
) -> Option<Item> {
    let within = index.saturating_mul(chunk_size);
    Item::at(layout.page_at(page).saturating_add(within))
}
