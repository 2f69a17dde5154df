// SPDX-License-Identifier: GPL-2.0-only
//! What an item looks like in its chunk.
//!
//! A header of 33 bytes, then the text as a `get` will send it behind `VALUE `:
//!
//! ```text
//!  0  link in the hash chain      4  expires at (Now), 0 never
//!  8  younger in its list        12  older in its list of chunks
//! 16  cas, low and high word     24  last used at (Now)
//! 28  shape: see below           32  length of the key, a byte
//! 33  <key> <flags> <bytes>\r\n   the head
//!     <data>\r\n                  the data
//! ```
//!
//! The size class is that of the chunk's page; at the end of a large chunk are
//! words for its next piece and its pins. What a free chunk needs is not in its first
//! two words, so that there is something at its very start that nobody may touch
//! (see [`Memory::unused`]). Links of the list and the place belong to the class's
//! lock, or to the shard's while the chunk is in a segment; the next in the chain, the
//! cas, when it expires, and the other marks to the stripe's. When it was used, that it
//! was fetched and that it is active may be noted by readers. Text and cas are written
//! before the item can be found, or under the stripe's write lock; the key only before.

use core::num::NonZeroU32;
use core::ops::Range;
use core::ptr::NonNull;

use super::arena::{Arena, PAIR};
use super::glance::is_key;
use super::header::{Header, Mark, Place, SPACES_AND_CRLF, WORDS};
use super::link::Link;
use crate::atomic::{AtomicU32, Ordering, Owned};
use crate::decimal::width;
use crate::platform::Memory;

/// Bytes in front of an item's text: the words, and the length of the key.
pub(super) const HEADER: usize = WORDS + 1;

/// Items and chunks start at multiples of this many bytes.
pub(super) const UNIT: usize = 8;

/// Bytes of a cache line, on most machines.
pub(super) const LINE: usize = 64;

/// At most so many bytes of a chunk are fetched before they are wanted.
const PREFETCH_MAX: usize = 20 * LINE;

/// Where the length of the key is.
pub(super) const KEY_LEN: usize = WORDS;

/// A reference to a chunk: its offset in units of [`UNIT`] bytes. No chunk is
/// at offset 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Item(NonZeroU32);

impl Item {
    /// The chunk at `at`, if an item can be there.
    pub(super) fn at(at: usize) -> Option<Self> {
        Self::from_word(u32::try_from(at / UNIT).ok()?)
    }

    /// A reference as it is kept in words: 0 is none.
    #[inline(always)]
    pub(super) fn from_word(word: u32) -> Option<Self> {
        NonZeroU32::new(word).map(Self)
    }

    /// The opposite of [`Item::from_word`].
    #[inline(always)]
    pub(super) fn to_word(item: Option<Self>) -> u32 {
        item.map_or(0, |item| item.0.get())
    }

    /// Offset of the chunk in bytes.
    #[inline(always)]
    pub(super) fn offset(self) -> usize {
        // Nothing is lost where offsets are wide enough for the region.
        (self.0.get() as usize).wrapping_mul(UNIT)
    }

    #[inline(always)]
    pub(super) fn field(self, field: usize) -> usize {
        self.offset().wrapping_add(field)
    }
}

/// Bytes of chunk that an item takes; `len` is without CRLF.
#[inline]
pub(super) fn size(key_len: usize, flags: u32, len: usize) -> usize {
    HEADER
        .saturating_add(key_len)
        .saturating_add(width(u64::from(flags)))
        .saturating_add(width(len as u64))
        .saturating_add(SPACES_AND_CRLF)
        .saturating_add(len)
        .saturating_add(2)
}

impl<M: Memory> Arena<M> {
    /// The header of a chunk. No chunk is outside of the region; if one were,
    /// this would be `None`.
    #[inline(always)]
    pub(super) fn header(&self, item: Item) -> Option<Header<'_>> {
        self.words_and_more::<{ WORDS / size_of::<AtomicU32>() }, { HEADER - WORDS }>(item.offset())
            .map(Header)
    }

    /// What is behind the header: the text of a small item; see [`Arena::prefetch`].
    #[inline(always)]
    pub(super) fn prefetch_text(&self, item: Item) {
        self.prefetch_behind::<LINE>(item.offset());
        self.prefetch_behind::<{ 2 * LINE }>(item.offset());
    }

    /// The header and most keys; see [`Arena::prefetch`].
    #[inline(always)]
    pub(super) fn prefetch_item(&self, item: Option<Item>) {
        if let Some(item) = item {
            self.prefetch(item.offset());
            self.prefetch(item.field(LINE));
        }
    }

    /// The header alone.
    #[inline(always)]
    pub(super) fn prefetch_header(&self, item: Option<Item>) {
        if let Some(item) = item {
            self.prefetch(item.offset());
        }
    }

    /// A chunk of that length from there on, within limits.
    #[inline(always)]
    pub(super) fn prefetch_rest<const FROM: usize>(&self, item: Item, len: usize) {
        // Some lines more than needed cost less than counting each.
        for start in (FROM..len.min(PREFETCH_MAX)).step_by(4 * LINE) {
            let at = item.field(start);
            self.prefetch(at);
            self.prefetch_behind::<LINE>(at);
            self.prefetch_behind::<{ 2 * LINE }>(at);
            self.prefetch_behind::<{ 3 * LINE }>(at);
        }
    }

    /// The items that a pair of heads leads to.
    pub(super) fn items(&self, heads: [Link; PAIR]) -> impl Iterator<Item = Item> + use<'_, M> {
        let from = |link| core::iter::successors(self.links.item(link), |item| self.next(*item));
        heads.into_iter().flat_map(from)
    }

    #[inline(always)]
    pub(super) fn next(&self, item: Item) -> Option<Item> {
        self.links.item(self.header(item)?.next())
    }

    #[inline(always)]
    pub(super) fn set_next(&self, item: Item, next: Option<Item>) {
        if let Some(Header([word, ..])) = self.header(item) {
            Owned(word).store(Item::to_word(next));
        }
    }

    #[inline(always)]
    pub(super) fn younger(&self, item: Item) -> Option<Item> {
        self.header(item)?.younger()
    }

    #[inline(always)]
    pub(super) fn set_younger(&self, item: Item, younger: Option<Item>) {
        if let Some(header) = self.header(item) {
            header.set_younger(younger);
        }
    }

    #[inline(always)]
    pub(super) fn set_older(&self, item: Item, older: Option<Item>) {
        if let Some(header) = self.header(item) {
            header.set_older(older);
        }
    }

    #[inline(always)]
    pub(super) fn expire(&self, item: Item) -> u32 {
        self.header(item).map_or(0, Header::expire)
    }

    #[inline(always)]
    pub(super) fn cas(&self, item: Item) -> u64 {
        self.header(item).map_or(0, Header::cas)
    }

    #[inline(always)]
    pub(super) fn set_cas(&self, item: Item, cas: u64) {
        if let Some(Header([_, _, _, _, low, high, ..])) = self.header(item) {
            // The low half, cut on purpose.
            Owned(low).store(cas as u32);
            Owned(high).store(cas.wrapping_shr(32) as u32);
        }
    }

    #[inline(always)]
    pub(super) fn set_expire(&self, item: Item, expire: u32) {
        if let Some(Header([_, word, ..])) = self.header(item) {
            word.store(expire, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    pub(super) fn used_at(&self, item: Item) -> u32 {
        self.header(item).map_or(0, Header::used_at)
    }

    /// See [`Header::set_used`].
    #[inline(always)]
    pub(super) fn set_used(&self, item: Item, now: u32) {
        if let Some(header) = self.header(item) {
            header.set_used(now);
        }
    }

    #[inline(always)]
    pub(super) fn has(&self, item: Item, mark: Mark) -> bool {
        self.header(item).is_some_and(|header| header.has(mark))
    }

    #[inline(always)]
    pub(super) fn set_mark(&self, item: Item, mark: Mark, on: bool) {
        if let Some(header) = self.header(item) {
            header.set_mark(mark, on);
        }
    }

    #[inline(always)]
    pub(super) fn place(&self, item: Item) -> Place {
        self.header(item).map_or(Place::Drained, Header::place)
    }

    /// As [`Header::place_to_read`].
    #[inline(always)]
    pub(super) fn place_to_read(&self, item: Item) -> Place {
        self.header(item)
            .map_or(Place::Drained, Header::place_to_read)
    }

    /// Whether somebody is filling a chunk, which is in a segment whose shard the caller
    /// has locked; if not, what has been written there can be read.
    #[inline(always)]
    pub(super) fn is_being_filled(&self, item: Item) -> bool {
        self.place_to_read(item) == Place::Held
    }

    #[inline(always)]
    pub(super) fn set_place(&self, item: Item, place: Place) {
        if let Some(header) = self.header(item) {
            header.set_place(place);
        }
    }

    /// Forgets what was at the place of a chunk before its page was cut.
    pub(super) fn set_new(&self, item: Item) {
        if let Some(header) = self.header(item) {
            header.shape().store(0, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    pub(super) fn key_len(&self, item: Item) -> usize {
        match self.text_if_at(item.field(KEY_LEN), 1) {
            Some([len]) => usize::from(*len),
            _ => 0,
        }
    }

    #[inline(always)]
    pub(super) fn key(&self, item: Item) -> &[u8] {
        self.text_at(item.field(HEADER), self.key_len(item))
    }

    /// The item's text, if that is its key; nothing of it where it is in several pieces.
    #[inline(always)]
    pub(super) fn text_under(&self, item: Item, header: Header<'_>, key: &[u8]) -> Option<&[u8]> {
        let key_len = self.key_len(item);
        let len = header.text_len(key_len);
        if key_len != key.len() {
            return None;
        }
        if len > self.single {
            return self.has_key(item, key).then_some(&[]);
        }
        let text = self.text_if_at(item.field(HEADER), len)?;
        let its_key = NonNull::from(text.get(..key_len)?).cast();
        // SAFETY: as long as the key, in the region.
        unsafe { is_key(its_key, key) }.then_some(text)
    }

    /// Whether that is the item's key.
    #[cold]
    #[inline(never)]
    pub(super) fn has_key(&self, item: Item, key: &[u8]) -> bool {
        self.key(item) == key
    }

    /// Where the data are in the text that a `get` sends behind `VALUE `, without
    /// their CRLF.
    #[inline]
    pub(super) fn data_range(&self, item: Item) -> Range<usize> {
        let head_len = |header: Header<'_>| header.head_len(self.key_len(item));
        let header = self.header(item);
        let start = header.map_or(0, head_len);
        start..start.saturating_add(header.map_or(0, Header::data_len))
    }

    /// Bytes of that text.
    #[inline]
    pub(super) fn text_len(&self, item: Item) -> usize {
        self.data_range(item).end.saturating_add(2)
    }

    /// So much of the text in a chunk, of an item or of a piece of one.
    #[inline(always)]
    pub(super) fn part(&self, chunk: Item, from: usize, len: usize) -> &[u8] {
        self.text_at(chunk.field(HEADER).saturating_add(from), len)
    }

    /// Whether this is the text of that item, or begins it.
    pub(super) fn is_text(&self, item: Item, text: &[u8]) -> bool {
        self.address(item.field(HEADER)) == text.as_ptr().addr()
    }

    /// Bytes that the item uses, without the headers of its pieces.
    #[inline]
    pub(super) fn size(&self, item: Item) -> u64 {
        self.header(item)
            .map_or(0, |header| self.size_of(item, header))
    }

    /// The same, of an item of which the header is known.
    #[inline(always)]
    pub(super) fn size_of(&self, item: Item, header: Header<'_>) -> u64 {
        HEADER.wrapping_add(header.text_len(self.key_len(item))) as u64
    }

    #[inline(always)]
    pub(super) fn text_at(&self, at: usize, len: usize) -> &[u8] {
        self.text_if_at(at, len).unwrap_or_default()
    }

    #[inline(always)]
    pub(super) fn text_if_at(&self, at: usize, len: usize) -> Option<&[u8]> {
        // SAFETY: an item's text lies in its own chunk behind the words of its
        // header, since its chunk was chosen to be long enough; chunks do not
        // overlap, nor do they overlap heads and owners; and words are stored to
        // in headers, heads, owners and behind the text only. Who may write it
        // keeps those out who may read it: see the head of this file.
        unsafe { self.bytes(at, len) }
    }
}
