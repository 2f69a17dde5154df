// SPDX-License-Identifier: GPL-2.0-only
//! A size class: its pages, and those of its chunks that are in no order of use. All
//! of it, and the list links of its free chunks, belong to the class's lock. Of its
//! chunks that hold items `order.rs` says who goes first.
//!
//! Lock order: a stripe, a class, a shard of the orders of use; then nothing, see
//! [`super`].

use super::arena::Arena;
use super::chain;
use super::drain::Draining;
use super::header::Place;
use super::item::{Item, KEY_LEN};
use super::layout::Layout;
use super::list::List;
use super::pin;
use super::stripe::chunk_changes_hands;
use super::value::{ClassUsage, History};
use crate::counters::OfClass;
use crate::limits::PIN_CHUNK_MIN;
use crate::platform::Memory;

/// The rest of a page, to be cut into chunks one by one.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fresh {
    pub(super) page: usize,
    pub(super) next: usize,
}

/// A size class.
///
/// # Invariants
///
/// Each chunk of its pages is at the place that its shape says: free, in a segment
/// of its shard, a piece of an item, held by somebody who is about to fill or free
/// it (and perhaps in a segment already), left by an item that is pinned, or drained.
/// Only items with pieces, and their pieces but the last, have a link. If anything is
/// free or not cut, the layout has a note of that.
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
    pub(super) draining: Option<Draining>,
    /// The page that could not be given away last.
    pub(super) avoid: Option<usize>,
    /// Chunks in use that are in no segment: pieces of items, and what is out of
    /// the table, and pinned.
    pub(super) others: u64,
    /// What no shard counts.
    pub(super) history: History,
    /// What had been counted of commands when that was last forgotten.
    since: OfClass,
    /// Items that could not come since pages were last weighed.
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
        chunk_changes_hands();
        let item = match self.free.pop(arena) {
            Some(item) => item,
            None => {
                let Some(item) = self.cut(arena, layout) else {
                    layout.note_full(self.index);
                    return None;
                };
                item
            }
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
        layout.note_free(self.index);
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
        chunk_changes_hands();
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
        layout.note_free(self.index);
    }

    /// Takes back the chunk of an item that is out of the table and of its segment, or
    /// was never in it; later, if it is pinned.
    pub(super) fn release<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout, item: Item) {
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

    /// Counts the pieces of an item that is going into the order of use.
    pub(super) fn add_pieces<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        for piece in arena.chain(item, self.chunk_size) {
            arena.set_place(piece, Place::Piece);
            self.others = self.others.saturating_add(1);
        }
    }

    /// Counts an item that could not come.
    pub(super) fn count_loss(&mut self) {
        self.lost = self.lost.saturating_add(1);
    }

    /// Whether there are free chunks enough for more than a page.
    pub(super) fn has_spare_page(&self) -> bool {
        self.uncut.is_some() || self.free.len() > self.per_page.saturating_mul(2) as u64
    }

    /// Begins to count anew, with commands from those on.
    pub(super) fn reset(&mut self, since: OfClass) {
        self.history = History::default();
        self.since = since;
    }

    /// What there is of it besides its orders of use, of which each is to be added
    /// ([`Order::add_to`](super::order::Order::add_to)).
    pub(super) fn usage(&self) -> ClassUsage {
        let chunks = self.pages.saturating_mul(self.per_page) as u64;
        ClassUsage {
            chunk_size: self.chunk_size as u64,
            chunks_per_page: self.per_page as u64,
            pages: self.pages as u64,
            free_chunks: chunks.saturating_sub(self.others),
            history: self.history,
            since: self.since,
            ..ClassUsage::default()
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
