// SPDX-License-Identifier: GPL-2.0
//! The allocator: pages, cut into chunks of size classes.
//!
//! A class gets pages as it needs them, while there are any, and then makes do
//! with its own chunks; a page goes from one class to another only when a class
//! owns nothing at all. Everything here belongs to the table's write lock.

use core::array;

use super::arena::Arena;
use super::item::{Item, UNIT};
use super::list::List;
use super::value::ClassUsage;
use crate::limits::{CHUNK_MIN, CLASSES_MAX, PAGE_MAX, PAGE_MIN};
use crate::platform::Memory;

/// A size class.
#[derive(Debug, Default)]
struct Class {
    /// Bytes per chunk; 0 in the slots behind the last class.
    size: usize,
    pages: usize,
    free: List,
}

/// The classes, and where the pages are.
///
/// # Invariants
///
/// Every page below `handed` belongs to one class and is wholly cut into
/// chunks of its size; each chunk holds an item or is in the class's free list.
pub(super) struct Buckets {
    classes: [Class; CLASSES_MAX],
    layout: Layout,
    handed: usize,
}

/// The chunks of one page.
pub(super) struct Chunks {
    at: usize,
    size: usize,
    left: usize,
}

impl Iterator for Chunks {
    type Item = Item;

    fn next(&mut self) -> Option<Item> {
        self.left = self.left.checked_sub(1)?;
        let item = Item::at(self.at);
        self.at = self.at.saturating_add(self.size);
        item
    }
}

/// Where things are in a region.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    page_size: usize,
    /// Offset of the first page.
    first: usize,
    /// Offset of the page owners: a word per page, its class.
    owners: usize,
    pages: usize,
}

impl Layout {
    /// Divides what `from` leaves of a region of `len` bytes: page owners, then
    /// pages. Pages are a 64th of the region, within their limits. `None` when
    /// there is no room for a single page.
    pub(super) fn new(from: usize, len: usize) -> Option<Self> {
        let page_size = prev_power_of_two(len / 64).clamp(PAGE_MIN, PAGE_MAX);
        let owners_len = len.checked_div(page_size)?.checked_mul(4)?;
        let first = from.checked_add(owners_len)?.checked_next_multiple_of(64)?;
        let pages = len.checked_sub(first)?.checked_div(page_size)?;
        (pages > 0).then_some(Self {
            page_size,
            first,
            owners: from,
            pages,
        })
    }

    pub(super) fn page_size(&self) -> usize {
        self.page_size
    }

    /// The chunk size of the first class of at least `size` bytes: as many
    /// chunks as go into a page, and as long as they then can be.
    fn chunk_size(&self, size: usize) -> usize {
        let count = self.page_size.checked_div(size).unwrap_or(1).max(1);
        let chunk = self.page_size.checked_div(count).unwrap_or(size);
        chunk.saturating_sub(chunk % UNIT)
    }
}

impl Buckets {
    /// All pages free. Class sizes grow by a quarter, up to a whole page.
    pub(super) fn new(layout: Layout) -> Self {
        let mut least = CHUNK_MIN;
        Self {
            classes: array::from_fn(|_| {
                if least > layout.page_size {
                    return Class::default();
                }
                let size = layout.chunk_size(least);
                let next = size.saturating_mul(5).div_ceil(4);
                // The class behind that of whole pages is one too many.
                least = if size == layout.page_size {
                    usize::MAX
                } else {
                    next.next_multiple_of(UNIT).min(layout.page_size)
                };
                Class {
                    size,
                    ..Class::default()
                }
            }),
            layout,
            handed: 0,
        }
    }

    /// The class with the smallest chunks of at least `size` bytes.
    pub(super) fn class_for(&self, size: usize) -> Option<u8> {
        let index = self.classes.iter().position(|class| class.size >= size)?;
        u8::try_from(index).ok()
    }

    /// Bytes in pages that belong to a class.
    pub(super) fn handed_bytes(&self) -> usize {
        self.handed.saturating_mul(self.layout.page_size)
    }

    /// Pages that belong to no class yet.
    pub(super) fn free_pages(&self) -> usize {
        self.layout.pages.saturating_sub(self.handed)
    }

    /// A free chunk of `class`, out of a new page if need be.
    pub(super) fn take<M: Memory>(&mut self, arena: &Arena<M>, class: u8) -> Option<Item> {
        if let Some(item) = self.pop(arena, class) {
            return Some(item);
        }
        if self.handed < self.layout.pages {
            let page = self.handed;
            self.handed = self.handed.saturating_add(1);
            self.give(arena, page, class);
        }
        self.pop(arena, class)
    }

    /// Gives a chunk back to its class.
    pub(super) fn put<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        let class = self.class_of(arena, item);
        arena.set_free(item);
        if let Some(slot) = self.classes.get_mut(usize::from(class)) {
            slot.free.push(arena, item);
        }
    }

    /// The class that owns the most pages.
    pub(super) fn richest(&self) -> Option<u8> {
        let most = |(_, class): &(usize, &Class)| class.pages;
        let (index, class) = self.classes.iter().enumerate().max_by_key(most)?;
        (class.pages > 0).then_some(u8::try_from(index).ok()?)
    }

    /// A free chunk of `class`, which stays free.
    pub(super) fn peek(&self, class: u8) -> Option<Item> {
        self.classes.get(usize::from(class))?.free.youngest()
    }

    /// The page that holds `item`.
    pub(super) fn page_of(&self, item: Item) -> Option<usize> {
        let from_first = item.offset().checked_sub(self.layout.first)?;
        from_first.checked_div(self.layout.page_size)
    }

    /// The class of the page that holds `item`.
    pub(super) fn class_of<M: Memory>(&self, arena: &Arena<M>, item: Item) -> u8 {
        let page = self.page_of(item);
        page.map_or(u8::MAX, |page| self.owner(arena, page))
    }

    /// What there is of a class; `None` behind the last.
    pub(super) fn usage(&self, class: u8) -> Option<ClassUsage> {
        let slot = self.class(class).filter(|slot| slot.size > 0)?;
        let chunks_per_page = self.layout.page_size.checked_div(slot.size).unwrap_or(0);
        Some(ClassUsage {
            chunk_size: slot.size as u64,
            chunks_per_page: chunks_per_page as u64,
            pages: slot.pages as u64,
            free_chunks: slot.free.len(),
            ..ClassUsage::default()
        })
    }

    /// The chunks of a page that belongs to a class.
    pub(super) fn chunks<M: Memory>(&self, arena: &Arena<M>, page: usize) -> Chunks {
        let size = self
            .class(self.owner(arena, page))
            .map_or(0, |class| class.size);
        Chunks {
            at: self.page_at(page),
            size,
            left: self.layout.page_size.checked_div(size).unwrap_or(0),
        }
    }

    /// Gives a page, all of whose chunks are free, to another class.
    pub(super) fn hand_over<M: Memory>(&mut self, arena: &Arena<M>, page: usize, class: u8) {
        let owner = self.owner(arena, page);
        for chunk in self.chunks(arena, page) {
            if let Some(loser) = self.classes.get_mut(usize::from(owner)) {
                loser.free.remove(arena, chunk);
            }
        }
        if let Some(loser) = self.classes.get_mut(usize::from(owner)) {
            loser.pages = loser.pages.saturating_sub(1);
        }
        self.give(arena, page, class);
    }

    /// Cuts a page that belongs to nobody into free chunks of `class`.
    fn give<M: Memory>(&mut self, arena: &Arena<M>, page: usize, class: u8) {
        arena.store(self.owner_at(page), u32::from(class));
        let chunks = self.chunks(arena, page);
        if let Some(slot) = self.classes.get_mut(usize::from(class)) {
            slot.pages = slot.pages.saturating_add(1);
            for chunk in chunks {
                arena.set_free(chunk);
                slot.free.push(arena, chunk);
            }
        }
    }

    fn pop<M: Memory>(&mut self, arena: &Arena<M>, class: u8) -> Option<Item> {
        self.classes.get_mut(usize::from(class))?.free.pop(arena)
    }

    fn class(&self, class: u8) -> Option<&Class> {
        self.classes.get(usize::from(class))
    }

    fn owner<M: Memory>(&self, arena: &Arena<M>, page: usize) -> u8 {
        u8::try_from(arena.load(self.owner_at(page))).unwrap_or(u8::MAX)
    }

    fn owner_at(&self, page: usize) -> usize {
        self.layout.owners.saturating_add(page.saturating_mul(4))
    }

    fn page_at(&self, page: usize) -> usize {
        self.layout
            .first
            .saturating_add(page.saturating_mul(self.layout.page_size))
    }
}

/// The largest power of two that is not above `value`; 1 for 0.
pub(super) fn prev_power_of_two(value: usize) -> usize {
    value
        .checked_ilog2()
        .and_then(|log| 1usize.checked_shl(log))
        .unwrap_or(1)
}
