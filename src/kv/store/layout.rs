// SPDX-License-Identifier: GPL-2.0-only
//! Where things are in a store's region.
//!
//! ```text
//! page owners   two words per page: its class, and a link for whoever has it
//! directory     a word per page of heads: where it is
//! heads         of the table's chains, pairs of words, half a page or more in all
//! pages         for more heads, from the front, and for the size classes, from the end,
//!               where the last is the last
//! ```

use super::arena::{Arena, Heads, PAIR};
use super::glance::peek;
use super::item::{Item, UNIT};
use super::stripe::chunk_changes_hands;
use crate::atomic::{AtomicU32, AtomicU64, Ordering};
use crate::limits::{CHUNKS_PER_PAGE, HOST_PAGE, ITEM_SHARE, PAGE_MAX, PAGE_MIN};
use crate::platform::Memory;

pub(super) const WORD: usize = 4;
const PAIR_BYTES: usize = PAIR * WORD;

/// A page that belongs to no class says this.
const NOBODY: u32 = u32::MAX;

/// A place in the directory that somebody is about to fill.
const BUSY: u32 = u32::MAX;

/// The map of a region, and which pages are still to be had.
pub(super) struct Layout {
    pub(super) page_size: usize,
    /// Its logarithm to base 2.
    page_shift: u32,
    /// Where they begin.
    start: usize,
    pub(super) pages: usize,
    directory: usize,
    directory_len: usize,
    /// Words in front of the heads.
    pub(super) heads: usize,
    heads_len: usize,
    /// Pages taken from the untouched ones between: from the front in the lower half, from
    /// the end in the upper. Only ever grow; relaxed, since an untouched page holds nothing
    /// that could be seen too early.
    handed: AtomicU64,
    /// A page that was taken from a class for more heads, plus one; 0 is none.
    /// Acquired by who takes it, released by who puts it there.
    spare: AtomicU32,
    /// A bit for each class that may have free chunks, or pages to be cut. Set and
    /// cleared under the class's lock; to who has it not, a hint. Relaxed.
    with_free: AtomicU64,
}

impl Layout {
    /// Divides a region of `len` bytes. Pages are a 64th of `memory`, within their
    /// limits. `None` when there would be fewer than [`ITEM_SHARE`].
    pub(super) fn new(len: usize, memory: usize) -> Option<Self> {
        let page_size = page_size(memory);
        let pages = len.checked_sub(page_size / 2)?.checked_div(page_size)?;
        let start = len.checked_sub(pages.checked_mul(page_size)?)?;
        let start = start.checked_sub(start % HOST_PAGE)?;
        let directory = pages.checked_mul(2 * WORD)?;
        // A head per item, and no item is smaller than 32 bytes.
        let directory_len = pages.checked_div(8)?.checked_add(1)?;
        let heads = directory
            .checked_add(directory_len.checked_mul(WORD)?)?
            .checked_next_multiple_of(64)?;
        let heads_len = start.checked_sub(heads)?.checked_div(PAIR_BYTES)?;
        (pages >= ITEM_SHARE && heads_len > 0).then_some(Self {
            page_size,
            page_shift: page_size.trailing_zeros(),
            start,
            pages,
            directory,
            directory_len,
            heads: heads / WORD,
            heads_len,
            handed: AtomicU64::new(0),
            spare: AtomicU32::new(0),
            with_free: AtomicU64::new(0),
        })
    }

    /// Pairs of heads that are there from the start.
    pub(super) fn first_heads(&self) -> usize {
        self.heads_len
    }

    /// A pair of heads, if it is there.
    #[inline(always)]
    pub(super) fn heads<'a, M: Memory>(
        &self,
        arena: &'a Arena<M>,
        pair: usize,
    ) -> Option<&'a Heads> {
        match arena.heads(pair) {
            Some(heads) => Some(heads),
            None => arena.words_and_more::<PAIR, 0>(self.added_heads_at(arena, pair)?),
        }
    }

    /// Where a pair of heads is that is in a page of its own.
    fn added_heads_at<M: Memory>(&self, arena: &Arena<M>, pair: usize) -> Option<usize> {
        let more = pair.checked_sub(self.heads_len)?.checked_mul(PAIR_BYTES)?;
        // Acquire: what a class had in that page before is done with. Pairs with
        // `add_heads`.
        let page = match arena.acquire(self.directory_at(more.wrapping_shr(self.page_shift))?) {
            0 | BUSY => return None,
            page => usize::try_from(page).ok()?.checked_sub(1)?,
        };
        let within = more & self.page_size.saturating_sub(1);
        self.page_at(page).checked_add(within)
    }

    /// Makes sure that a pair of heads is there; `None` when there is no page for it, or
    /// when somebody else is about to get one.
    pub(super) fn add_heads<M: Memory>(&self, arena: &Arena<M>, pair: usize) -> Option<()> {
        let Some(more) = pair.checked_sub(self.heads_len) else {
            return Some(());
        };
        let per_page = self.page_size / PAIR_BYTES;
        let index = more.checked_div(per_page)?;
        let at = self.directory_at(index)?;
        match arena.acquire(at) {
            0 => {}
            BUSY => return None,
            _ => return Some(()),
        }
        if !arena.exchange(at, 0, BUSY) {
            return None;
        }
        let next = self.take_front(index);
        let page = next
            .or_else(|| self.take_spare())
            .or_else(|| self.take_page());
        if let Some(page) = page {
            arena.used(self.page_at(page), self.page_size);
        }
        if next.is_some() {
            // Right behind those that are there: who looks for them need not ask where.
            let len = index.saturating_add(1).saturating_mul(per_page);
            arena.set_heads(self.heads_len.saturating_add(len));
        }
        let word = page.and_then(|page| u32::try_from(page.checked_add(1)?).ok());
        arena.release(at, word.unwrap_or(0));
        word.map(|_| ())
    }

    /// A page that nobody had before, the last such but one. It belongs to nobody yet.
    ///
    /// The region's last page goes last: what is at its very end is never
    /// [glanced](super::glance) at.
    pub(super) fn take_page(&self) -> Option<usize> {
        let taken = self.take(|_, left| [0, u64::from(left > 0)])?;
        let [_, back] = taken;
        let behind = match self.left(taken) {
            0 | 1 => 0,
            _ => back.checked_add(1)?,
        };
        self.pages.checked_sub(1)?.checked_sub(behind)
    }

    /// The same page, if it is the first that nobody had.
    fn take_front(&self, page: usize) -> Option<usize> {
        let wanted = |front, left| [u64::from(front == page && left > 1), 0];
        self.take(wanted).map(|_| page)
    }

    /// Takes so many pages from the front and from the end as the caller says when he knows
    /// how many were taken from the front, and how many are left: one in all. How many were
    /// taken before, if that is one.
    fn take(&self, wanted: impl Fn(usize, usize) -> [u64; 2]) -> Option<[usize; 2]> {
        let next = |word: u64| {
            let [front, _] = halves(word);
            match wanted(front, self.left(halves(word))) {
                [0, 0] => None,
                [one, other] => Some(word.wrapping_add(one).wrapping_add(other << 32)),
            }
        };
        self.handed
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
            .ok()
            .map(halves)
    }

    /// A page for heads, from the classes.
    fn take_spare(&self) -> Option<usize> {
        let word = self.spare.swap(0, Ordering::Acquire);
        chunk_changes_hands();
        usize::try_from(word).ok()?.checked_sub(1)
    }

    /// Keeps a page, that no class has any more, for the heads.
    pub(super) fn put_spare(&self, page: usize) {
        let word = u32::try_from(page).unwrap_or(u32::MAX).wrapping_add(1);
        self.spare.store(word, Ordering::Release);
    }

    /// Pages that nobody has had yet.
    #[inline]
    pub(super) fn free_pages(&self) -> usize {
        self.left(halves(self.handed.load(Ordering::Relaxed)))
    }

    /// How many pages nobody has had when so many were taken from either side.
    #[inline]
    fn left(&self, [front, back]: [usize; 2]) -> usize {
        self.pages.saturating_sub(front).saturating_sub(back)
    }

    /// Notes that a class has something free.
    #[inline]
    pub(super) fn note_free(&self, class: u8) {
        let bit = 1u64.wrapping_shl(class.into());
        if self.with_free.load(Ordering::Relaxed) & bit == 0 {
            self.with_free.fetch_or(bit, Ordering::Relaxed);
        }
    }

    /// Notes that it has nothing.
    pub(super) fn note_full(&self, class: u8) {
        let bit = 1u64.wrapping_shl(class.into());
        if self.with_free.load(Ordering::Relaxed) & bit != 0 {
            self.with_free.fetch_and(!bit, Ordering::Relaxed);
        }
    }

    /// Whether a class may have something free, or may get a page.
    #[inline]
    pub(super) fn may_have_free(&self, class: u8) -> bool {
        let bit = 1u64.wrapping_shl(class.into());
        self.with_free.load(Ordering::Relaxed) & bit != 0 || self.free_pages() > 0
    }

    /// Bytes of heads, the pages that were added for them included.
    pub(super) fn heads_bytes<M: Memory>(&self, arena: &Arena<M>) -> usize {
        let added = (0..self.directory_len)
            .filter_map(|index| self.directory_at(index))
            .filter(|at| !matches!(arena.acquire(*at), 0 | BUSY))
            .count();
        let added = added.saturating_mul(self.page_size);
        self.heads_len
            .saturating_mul(PAIR_BYTES)
            .saturating_add(added)
    }

    /// The page that holds a chunk.
    #[inline]
    pub(super) fn page_of(&self, item: Item) -> usize {
        item.offset()
            .wrapping_sub(self.start)
            .wrapping_shr(self.page_shift)
    }

    /// The offset of a page.
    pub(super) fn page_at(&self, page: usize) -> usize {
        let within = page.saturating_mul(self.page_size);
        self.start.saturating_add(within)
    }

    /// The class of the page that holds a chunk. It stays while the chunk is
    /// taken: a page has to be empty to be moved.
    #[inline]
    pub(super) fn class_of<M: Memory>(&self, arena: &Arena<M>, item: Item) -> u8 {
        // Cut: there are few classes, and nobody is all bits.
        self.owner_of(arena, item) as u8
    }

    /// Whether it is that one.
    #[inline(always)]
    pub(super) fn is_of_class<M: Memory>(&self, arena: &Arena<M>, item: Item, class: u8) -> bool {
        self.owner_of(arena, item) == u32::from(class)
    }

    #[inline(always)]
    fn owner_of<M: Memory>(&self, arena: &Arena<M>, item: Item) -> u32 {
        arena.load(self.owner_at(self.page_of(item)))
    }

    /// As [`Layout::class_of`], without a lock; perhaps nothing, where there is no item.
    #[inline(always)]
    pub(super) fn glance_class<M: Memory>(&self, arena: &Arena<M>, item: Item) -> Option<u8> {
        let [owner] = arena.words_if_any::<1, 0>(self.owner_at(self.page_of(item)))?;
        // Cut, as there.
        Some(peek(owner) as u8)
    }

    pub(super) fn set_owner<M: Memory>(&self, arena: &Arena<M>, page: usize, class: Option<u8>) {
        arena.store(self.owner_at(page), class.map_or(NOBODY, u32::from));
    }

    /// The page after `page` in its owner's list.
    pub(super) fn next_page<M: Memory>(&self, arena: &Arena<M>, page: usize) -> Option<usize> {
        let word = arena.load(self.owner_at(page).saturating_add(WORD));
        usize::try_from(word).ok()?.checked_sub(1)
    }

    pub(super) fn set_next_page<M: Memory>(
        &self,
        arena: &Arena<M>,
        page: usize,
        next: Option<usize>,
    ) {
        let word = next.and_then(|next| u32::try_from(next.checked_add(1)?).ok());
        let at = self.owner_at(page).saturating_add(WORD);
        arena.store(at, word.unwrap_or(0));
    }

    #[inline]
    fn owner_at(&self, page: usize) -> usize {
        // There are far fewer pages than bytes.
        page.wrapping_mul(2 * WORD)
    }

    #[inline]
    fn directory_at(&self, index: usize) -> Option<usize> {
        (index < self.directory_len).then_some(())?;
        self.directory.checked_add(index.checked_mul(WORD)?)
    }
}

/// The lower and the upper half of a word.
#[inline]
fn halves(word: u64) -> [usize; 2] {
    [word as u32, (word >> 32) as u32].map(|half| half as usize)
}

/// Bytes of a page of a store of so much memory.
pub(super) fn page_size(memory: usize) -> usize {
    prev_power_of_two(memory / 64).clamp(PAGE_MIN, PAGE_MAX)
}

/// The chunk sizes of the classes: as many chunks as go into a page, and as long
/// as they then can be. They grow by `percent`, up to a 16th of a page, and a
/// size of 0 is behind the last.
pub(super) fn chunk_sizes<const N: usize>(page: usize, least: usize, percent: usize) -> [u32; N] {
    let mut sizes = [0; N];
    let mut least = least.next_multiple_of(UNIT);
    let last = N.saturating_sub(1);
    for (index, slot) in sizes.iter_mut().enumerate() {
        let count = page.checked_div(least).unwrap_or(1).max(CHUNKS_PER_PAGE);
        let count = if index == last {
            CHUNKS_PER_PAGE
        } else {
            count
        };
        let chunk = page.checked_div(count).unwrap_or(page);
        let size = chunk.saturating_sub(chunk % UNIT);
        *slot = u32::try_from(size).unwrap_or(0);
        if count == CHUNKS_PER_PAGE {
            break;
        }
        let grown = least.saturating_mul(percent) / 100;
        let grown = grown.saturating_sub(grown % UNIT);
        least = grown.max(size.saturating_add(UNIT)).min(page);
    }
    sizes
}

/// Sizes whose class is kept in a table, in words: what an item can have of a
/// chunk is so many of them.
pub(super) const SMALL: usize = 1 + 2048 / WORD;

/// For each of those sizes, rounded up to whole words, the class with the
/// smallest chunks that have room for it.
pub(super) fn small_classes(rooms: &[u32]) -> [u8; SMALL] {
    let mut classes = [0; SMALL];
    for (words, class) in classes.iter_mut().enumerate() {
        let size = words.saturating_mul(WORD);
        let index = rooms.partition_point(|room| (*room as usize) < size);
        *class = u8::try_from(index).unwrap_or(u8::MAX);
    }
    classes
}

/// The largest power of two that is not above `value`; 1 for 0.
pub(super) fn prev_power_of_two(value: usize) -> usize {
    value
        .checked_ilog2()
        .and_then(|log| 1usize.checked_shl(log))
        .unwrap_or(1)
}
