// SPDX-License-Identifier: GPL-2.0
//! What an item looks like in its chunk.
//!
//! A header of 32 bytes, then the text as a `get` will send it:
//!
//! ```text
//!  0  next in the hash chain      4  younger in the class's list
//!  8  older in the class's list  12  expires at (Now), 0 never
//! 16  cas, low and high word     24  length of the data, CRLF included
//! 28  length of the text's head (16 bits), of the key (8), class (8)
//! 32  VALUE <key> <flags> <bytes>\r\n   the head
//!     <data>\r\n                        the data
//! ```
//!
//! A key length of 0 says that the chunk is free. Only the two list links may
//! change while readers are about (under the class's lock); all else is written
//! under the table's write lock.

use core::num::NonZeroU32;

use super::arena::Arena;
use crate::decimal::{width, Decimal};
use crate::platform::Memory;

/// Bytes in front of an item's text.
pub(super) const HEADER: usize = 32;

/// Items and chunks start at multiples of this many bytes.
pub(super) const UNIT: usize = 8;

const NEXT: usize = 0;
const YOUNGER: usize = 4;
const OLDER: usize = 8;
const EXPIRE: usize = 12;
const CAS_LOW: usize = 16;
const CAS_HIGH: usize = 20;
const DATA_LEN: usize = 24;
const SHAPE: usize = 28;

const VALUE: &[u8] = b"VALUE ";

/// A reference to a chunk: its offset in units of [`UNIT`] bytes. The table of
/// heads lies at offset 0, so that no chunk does.
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
    pub(super) cas: u64,
    /// Data, CRLF included.
    pub(super) block: &'a [u8],
}

/// Length of `VALUE <key> <flags> <bytes>\r\n`; `len` is without CRLF.
fn head_len(key_len: usize, flags: u32, len: usize) -> usize {
    let spaces_and_crlf = 4usize;
    VALUE
        .len()
        .saturating_add(key_len)
        .saturating_add(width(u64::from(flags)))
        .saturating_add(width(len as u64))
        .saturating_add(spaces_and_crlf)
}

/// Bytes of chunk that an item takes; `len` is without CRLF.
pub(super) fn size(key_len: usize, flags: u32, len: usize) -> usize {
    HEADER
        .saturating_add(head_len(key_len, flags, len))
        .saturating_add(len)
        .saturating_add(2)
}

/// Head, key and class, packed in one word.
struct Shape {
    head_len: u16,
    key_len: u8,
    class: u8,
}

impl Shape {
    fn from_word(word: u32) -> Self {
        let [head_low, head_high, key_len, class] = word.to_le_bytes();
        Self {
            head_len: u16::from_le_bytes([head_low, head_high]),
            key_len,
            class,
        }
    }

    fn to_word(&self) -> u32 {
        let [head_low, head_high] = self.head_len.to_le_bytes();
        u32::from_le_bytes([head_low, head_high, self.key_len, self.class])
    }
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

    pub(super) fn class(&self, item: Item) -> u8 {
        self.shape(item).class
    }

    pub(super) fn is_free(&self, item: Item) -> bool {
        self.shape(item).key_len == 0
    }

    /// Makes a chunk a free one of `class`.
    pub(super) fn set_free(&self, item: Item, class: u8) {
        let shape = Shape {
            head_len: 0,
            key_len: 0,
            class,
        };
        self.store(item.field(SHAPE), shape.to_word());
    }

    pub(super) fn key(&self, item: Item) -> &[u8] {
        let at = item.field(HEADER).saturating_add(VALUE.len());
        self.text_at(at, usize::from(self.shape(item).key_len))
    }

    /// The text a `get` sends, and how much of it is its head.
    pub(super) fn text(&self, item: Item) -> (&[u8], usize) {
        let head_len = usize::from(self.shape(item).head_len);
        let len = head_len.saturating_add(self.data_len(item));
        (self.text_at(item.field(HEADER), len), head_len)
    }

    /// Bytes of the chunk that the item uses.
    pub(super) fn used(&self, item: Item) -> u64 {
        let shape = self.shape(item);
        HEADER
            .saturating_add(usize::from(shape.head_len))
            .saturating_add(self.data_len(item)) as u64
    }

    /// Fills a chunk of `class` that is in no list and no chain.
    pub(super) fn write(&mut self, item: Item, class: u8, new: &NewItem<'_>) {
        let len = new.block.len().saturating_sub(2);
        let head_len = head_len(new.key.len(), new.flags, len);
        let text_len = head_len.saturating_add(new.block.len());
        let Some(text) = self.bytes_mut(item.field(HEADER), text_len) else {
            return;
        };
        let text = put(text, VALUE);
        let text = put(text, new.key);
        let text = put(text, b" ");
        let text = put(text, Decimal::new(u64::from(new.flags)).as_bytes());
        let text = put(text, b" ");
        let text = put(text, Decimal::new(len as u64).as_bytes());
        let text = put(text, b"\r\n");
        put(text, new.block);
        // Neither length can be cut: the class was chosen by both.
        let shape = Shape {
            head_len: u16::try_from(head_len).unwrap_or(u16::MAX),
            key_len: u8::try_from(new.key.len()).unwrap_or(u8::MAX),
            class,
        };
        let data_len = u32::try_from(new.block.len()).unwrap_or(u32::MAX);
        self.store(item.field(EXPIRE), new.expire);
        // The low half, cut on purpose.
        self.store(item.field(CAS_LOW), new.cas as u32);
        self.store(item.field(CAS_HIGH), new.cas.wrapping_shr(32) as u32);
        self.store(item.field(DATA_LEN), data_len);
        self.store(item.field(SHAPE), shape.to_word());
    }

    fn shape(&self, item: Item) -> Shape {
        Shape::from_word(self.load(item.field(SHAPE)))
    }

    fn data_len(&self, item: Item) -> usize {
        usize::try_from(self.load(item.field(DATA_LEN))).unwrap_or(usize::MAX)
    }

    fn text_at(&self, at: usize, len: usize) -> &[u8] {
        // SAFETY: an item's text lies in its own chunk behind the header, since
        // its chunk was chosen to be long enough; chunks do not overlap, nor do
        // they overlap heads and owners; and words are stored to in headers,
        // heads and owners only.
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
