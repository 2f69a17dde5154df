// SPDX-License-Identifier: GPL-2.0-only
//! What an item looks like in its chunk.
//!
//! A header of 33 bytes, then the text as a `get` will send it behind `VALUE `:
//!
//! ```text
//!  0  next in the hash chain      4  younger in its list of chunks
//!  8  older in the list          12  expires at (Now), 0 never
//! 16  cas, low and high word     24  last used at (Now)
//! 28  shape: see below           32  length of the key, a byte
//! 33  <key> <flags> <bytes>\r\n   the head
//!     <data>\r\n                  the data
//! ```
//!
//! The size class is that of the chunk's page. Links of the list and the place
//! belong to the class's lock; the next in the chain, when it expires, and the
//! other marks to the stripe's. When it was used, that it was fetched and that it
//! is active may be noted by readers. Text and cas are written before the item
//! can be found, or under the stripe's write lock; the key only before.

use core::num::NonZeroU32;

use super::arena::Arena;
use super::table::Stripe;
use crate::decimal::{width, Decimal};
use crate::platform::Memory;

/// Bytes in front of an item's text.
pub(super) const HEADER: usize = 33;

/// Items and chunks start at multiples of this many bytes.
pub(super) const UNIT: usize = 8;

const NEXT: usize = 0;
const YOUNGER: usize = 4;
const OLDER: usize = 8;
const EXPIRE: usize = 12;
const CAS_LOW: usize = 16;
const CAS_HIGH: usize = 20;
const USED: usize = 24;
const SHAPE: usize = 28;
const KEY_LEN: usize = 32;

/// The shape: 20 bits for the length of the data without CRLF, 4 for the
/// number of digits of the flags, the rest marks.
const DATA_LEN_BITS: u32 = 20;
const DATA_LEN: u32 = (1 << DATA_LEN_BITS) - 1;
const FLAGS_WIDTH: u32 = 15 << DATA_LEN_BITS;

/// A property of an item, a bit of its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(u32);

impl Mark {
    /// Asked for at least once.
    pub(super) const FETCHED: Self = Self(1 << 24);
    /// Somebody was told to make it anew.
    pub(super) const WON: Self = Self(1 << 25);
    /// To be made anew.
    pub(super) const STALE: Self = Self(1 << 26);
    /// Its key is shown in base64.
    pub(super) const BINARY: Self = Self(1 << 27);
    /// Used again since its class last looked at it.
    pub(super) const ACTIVE: Self = Self(1 << 31);
}

/// Where a chunk is: bits 28 to 30 of its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In its class's list of free chunks.
    Free,
    /// In a segment of its class's order of use.
    Hot,
    /// As above.
    Warm,
    /// As above.
    Cold,
    /// In no list: somebody is about to fill or to free it.
    Held,
    /// In no list: its page is being emptied.
    Drained,
}

const PLACE_SHIFT: u32 = 28;
const PLACE: u32 = 7 << PLACE_SHIFT;

const _: () = assert!(crate::limits::ITEM_MAX <= 1 << DATA_LEN_BITS);

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
    pub(super) fn from_word(word: u32) -> Option<Self> {
        NonZeroU32::new(word).map(Self)
    }

    /// The opposite of [`Item::from_word`].
    pub(super) fn to_word(item: Option<Self>) -> u32 {
        item.map_or(0, |item| item.0.get())
    }

    /// Offset of the chunk in bytes.
    pub(super) fn offset(self) -> usize {
        usize::try_from(self.0.get())
            .unwrap_or(usize::MAX)
            .saturating_mul(UNIT)
    }

    fn field(self, field: usize) -> usize {
        self.offset().saturating_add(field)
    }
}

/// An item to be written.
pub(super) struct NewItem<'a> {
    pub(super) key: &'a [u8],
    pub(super) flags: u32,
    pub(super) expire: u32,
    pub(super) used: u32,
    pub(super) cas: u64,
    /// Length of the data, without CRLF.
    pub(super) len: usize,
    /// What is in it, one behind the other.
    pub(super) data: [&'a [u8]; 2],
    pub(super) fetched: bool,
    pub(super) active: bool,
    pub(super) stale: bool,
    pub(super) won: bool,
    pub(super) key_is_binary: bool,
}

/// Length of `<key> <flags> <bytes>\r\n`.
fn head_len(key_len: usize, flags_width: usize, len: usize) -> usize {
    let spaces_and_crlf = 4usize;
    key_len
        .saturating_add(flags_width)
        .saturating_add(width(len as u64))
        .saturating_add(spaces_and_crlf)
}

/// Bytes of chunk that an item takes; `len` is without CRLF.
pub(super) fn size(key_len: usize, flags: u32, len: usize) -> usize {
    HEADER
        .saturating_add(head_len(key_len, width(u64::from(flags)), len))
        .saturating_add(len)
        .saturating_add(2)
}

impl<M: Memory> Arena<M> {
    pub(super) fn next(&self, item: Item) -> Option<Item> {
        Item::from_word(self.load(item.field(NEXT)))
    }

    pub(super) fn set_next(&self, item: Item, next: Option<Item>) {
        self.store(item.field(NEXT), Item::to_word(next));
    }

    pub(super) fn younger(&self, item: Item) -> Option<Item> {
        Item::from_word(self.load(item.field(YOUNGER)))
    }

    pub(super) fn set_younger(&self, item: Item, younger: Option<Item>) {
        self.store(item.field(YOUNGER), Item::to_word(younger));
    }

    pub(super) fn older(&self, item: Item) -> Option<Item> {
        Item::from_word(self.load(item.field(OLDER)))
    }

    pub(super) fn set_older(&self, item: Item, older: Option<Item>) {
        self.store(item.field(OLDER), Item::to_word(older));
    }

    pub(super) fn expire(&self, item: Item) -> u32 {
        self.load(item.field(EXPIRE))
    }

    pub(super) fn cas(&self, item: Item) -> u64 {
        let low = u64::from(self.load(item.field(CAS_LOW)));
        let high = u64::from(self.load(item.field(CAS_HIGH)));
        high.wrapping_shl(32) | low
    }

    pub(super) fn set_cas(&self, item: Item, cas: u64) {
        // The low half, cut on purpose.
        self.store(item.field(CAS_LOW), cas as u32);
        self.store(item.field(CAS_HIGH), cas.wrapping_shr(32) as u32);
    }

    pub(super) fn set_expire(&self, item: Item, expire: u32) {
        self.store(item.field(EXPIRE), expire);
    }

    pub(super) fn used_at(&self, item: Item) -> u32 {
        self.load(item.field(USED))
    }

    /// Notes a use: the second makes an item active. Writes only what changes: a
    /// popular item's header would else travel from cache to cache with every
    /// `get`.
    pub(super) fn set_used(&self, item: Item, now: u32) {
        if self.used_at(item) < now {
            self.store(item.field(USED), now);
        }
        if self.has(item, Mark::FETCHED) {
            self.set_mark(item, Mark::ACTIVE, true);
        } else {
            self.set_mark(item, Mark::FETCHED, true);
        }
    }

    pub(super) fn has(&self, item: Item, mark: Mark) -> bool {
        self.load(item.field(SHAPE)) & mark.0 != 0
    }

    pub(super) fn set_mark(&self, item: Item, mark: Mark, on: bool) {
        if self.has(item, mark) != on {
            self.change_bits(item.field(SHAPE), mark.0, if on { mark.0 } else { 0 });
        }
    }

    pub(super) fn place(&self, item: Item) -> Place {
        match (self.load(item.field(SHAPE)) & PLACE).wrapping_shr(PLACE_SHIFT) {
            0 => Place::Free,
            1 => Place::Hot,
            2 => Place::Warm,
            3 => Place::Cold,
            4 => Place::Held,
            _ => Place::Drained,
        }
    }

    pub(super) fn set_place(&self, item: Item, place: Place) {
        let bits = (place as u32).wrapping_shl(PLACE_SHIFT);
        self.change_bits(item.field(SHAPE), PLACE, bits);
    }

    /// Forgets what was at the place of a chunk before its page was cut.
    pub(super) fn set_new(&self, item: Item) {
        self.store(item.field(SHAPE), 0);
    }

    pub(super) fn key_len(&self, item: Item) -> usize {
        let byte = self.text_at(item.field(KEY_LEN), 1).first();
        byte.map_or(0, |len| usize::from(*len))
    }

    pub(super) fn key(&self, item: Item) -> &[u8] {
        self.text_at(item.field(HEADER), self.key_len(item))
    }

    /// The text a `get` sends behind `VALUE `.
    pub(super) fn text(&self, item: Item) -> &[u8] {
        let len = self.head_len(item).saturating_add(self.data_len(item));
        self.text_at(item.field(HEADER), len.saturating_add(2))
    }

    /// How much of the text is before the data.
    pub(super) fn head_len(&self, item: Item) -> usize {
        let flags = self.load(item.field(SHAPE)) & FLAGS_WIDTH;
        let flags_width = flags.wrapping_shr(DATA_LEN_BITS) as usize;
        head_len(self.key_len(item), flags_width, self.data_len(item))
    }

    /// The data, without CRLF.
    pub(super) fn data(&self, item: Item) -> &[u8] {
        let at = item.field(HEADER).saturating_add(self.head_len(item));
        self.text_at(at, self.data_len(item))
    }

    /// Bytes of the chunk that the item uses.
    pub(super) fn size(&self, item: Item) -> u64 {
        HEADER.saturating_add(self.text(item).len()) as u64
    }

    /// Fills a held chunk, which is long enough ([`size`]), with all of an item
    /// but its place.
    pub(super) fn write(&self, item: Item, new: &NewItem<'_>) {
        let held = self.place(item) == Place::Held;
        debug_assert!(held, "somebody else's chunk");
        let len = new.key.len().saturating_add(1);
        if !held || self.overlaps(item.field(KEY_LEN), len, &[new.key, b""]) {
            return;
        }
        // SAFETY: a held chunk is in no list and no chain, so that only its
        // holder, the caller, reaches it; the key is not part of it.
        let Some(text) = (unsafe { self.bytes_mut(item.field(KEY_LEN), len) }) else {
            return;
        };
        // It cannot be cut: there is a limit for it.
        let key_len = u8::try_from(new.key.len()).unwrap_or(u8::MAX);
        let text = put(text, &[key_len]);
        put(text, new.key);
        self.write_rest(item, new);
    }

    /// Fills a chunk, which is long enough ([`size`]), and holds an item of the
    /// same key in that stripe, with all but the key and its place. The key may
    /// be read meanwhile.
    pub(super) fn rewrite(&self, _exclusive: &mut Stripe, item: Item, new: &NewItem<'_>) {
        self.write_rest(item, new);
    }

    /// What comes behind the key, which only the caller reaches: it holds the
    /// chunk, or its stripe exclusively.
    fn write_rest(&self, item: Item, new: &NewItem<'_>) {
        let flags_width = width(u64::from(new.flags));
        let at = item.field(HEADER).saturating_add(new.key.len());
        let head_len = head_len(new.key.len(), flags_width, new.len);
        let rest = head_len.saturating_sub(new.key.len());
        let len = rest.saturating_add(new.len).saturating_add(2);
        if self.overlaps(at, len, &new.data) {
            return;
        }
        // SAFETY: text that only the caller reaches, as said above, and none of
        // the data is part of it.
        let Some(text) = (unsafe { self.bytes_mut(at, len) }) else {
            return;
        };
        let text = put(text, b" ");
        let text = put(text, Decimal::new(u64::from(new.flags)).as_bytes());
        let text = put(text, b" ");
        let text = put(text, Decimal::new(new.len as u64).as_bytes());
        let mut text = put(text, b"\r\n");
        for part in new.data {
            text = put(text, part);
        }
        put(text, b"\r\n");
        self.store(item.field(EXPIRE), new.expire);
        self.store(item.field(USED), new.used);
        self.set_cas(item, new.cas);
        let mut shape = u32::try_from(new.len).unwrap_or(0) & DATA_LEN;
        shape |= (flags_width as u32).wrapping_shl(DATA_LEN_BITS) & FLAGS_WIDTH;
        for (mark, on) in [
            (Mark::FETCHED, new.fetched),
            (Mark::STALE, new.stale),
            (Mark::WON, new.won),
            (Mark::BINARY, new.key_is_binary),
            (Mark::ACTIVE, new.active),
        ] {
            shape |= if on { mark.0 } else { 0 };
        }
        self.change_bits(item.field(SHAPE), !PLACE, shape);
    }

    /// Whether any of `parts` lies in the bytes at `at`; none ever does.
    fn overlaps(&self, at: usize, len: usize, parts: &[&[u8]]) -> bool {
        let from = self.address(at);
        let overlaps = parts.iter().any(|part| {
            let start = part.as_ptr().addr();
            !part.is_empty()
                && start < from.saturating_add(len)
                && from < start.saturating_add(part.len())
        });
        debug_assert!(!overlaps, "data of an item in its own place");
        overlaps
    }

    fn data_len(&self, item: Item) -> usize {
        (self.load(item.field(SHAPE)) & DATA_LEN) as usize
    }

    fn text_at(&self, at: usize, len: usize) -> &[u8] {
        // SAFETY: an item's text lies in its own chunk behind the words of its
        // header, since its chunk was chosen to be long enough; chunks do not
        // overlap, nor do they overlap heads and owners; and words are stored to
        // in headers, heads and owners only. Who may write it keeps those out
        // who may read it: see the head of this file.
        unsafe { self.bytes(at, len) }.unwrap_or_default()
    }
}

/// Writes `bytes` at the front of `text`, and returns what is behind them.
fn put<'t>(text: &'t mut [u8], bytes: &[u8]) -> &'t mut [u8] {
    match text.split_at_mut_checked(bytes.len()) {
        Some((front, rest)) => {
            front.copy_from_slice(bytes);
            rest
        }
        None => &mut [],
    }
}
