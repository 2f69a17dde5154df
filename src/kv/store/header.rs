// SPDX-License-Identifier: GPL-2.0-only
//! The header of an item: its words, and what is in their bits. `item.rs` says
//! what they are, and who may change them.

use crate::atomic::{AtomicU32, Ordering, Owned};

use super::item::Item;
use super::link::Link;

/// Bytes of a header's words.
pub(super) const WORDS: usize = 32;

/// The shape: 20 bits for the length of the text behind the key, 4 for how many
/// digits flags and length have together, less two; the rest marks.
const REST_LEN_BITS: u32 = 20;
const REST_LEN: u32 = (1 << REST_LEN_BITS) - 1;
const DIGITS: u32 = 15 << REST_LEN_BITS;
pub(super) const DIGITS_MIN: usize = 2;
/// More than that number of digits, less two, is not in the shape.
pub(super) const DIGITS_MAX: usize = 15;

/// A property of an item, a bit of its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark(pub(super) u32);

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
    /// None of them.
    pub(super) const NONE: Self = Self(0);

    /// Both.
    #[inline(always)]
    pub(super) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Where in a header some of its words are.
pub(super) const NEXT: usize = 0;
pub(super) const EXPIRE: usize = 4;
pub(super) const USED: usize = 24;
pub(super) const SHAPE: usize = 28;

/// A shape as it was at a moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shape(pub(super) u32);

impl Shape {
    #[inline(always)]
    pub(super) fn has(self, mark: Mark) -> bool {
        self.0 & mark.0 != 0
    }

    /// Whether the next use changes nothing of it, see [`Header::set_used`].
    #[inline(always)]
    pub(super) fn is_active(self) -> bool {
        const BOTH: u32 = Mark::FETCHED.0 | Mark::ACTIVE.0;
        !self.0 & BOTH == 0
    }

    /// A [`Place`] as a number.
    #[inline(always)]
    pub(super) fn place_bits(self) -> u8 {
        // Three bits.
        (self.0 & PLACE).wrapping_shr(PLACE_SHIFT) as u8
    }

    /// Of a text with so many bytes behind the key, and so many digits, less two. Neither
    /// is more than fits there: there are limits for them.
    #[inline(always)]
    pub(super) fn of(rest_len: usize, digits: usize) -> Self {
        let digits = (digits as u32).wrapping_shl(REST_LEN_BITS) & DIGITS;
        Self(rest_len as u32 & REST_LEN | digits)
    }

    /// Bytes between the key and the data.
    #[inline(always)]
    fn words_len(self) -> usize {
        // All that is added here and below is far too small to overflow.
        let digits = (self.0 & DIGITS).wrapping_shr(REST_LEN_BITS) as usize;
        digits.wrapping_add(DIGITS_MIN + SPACES_AND_CRLF)
    }

    #[inline(always)]
    fn rest_len(self) -> usize {
        (self.0 & REST_LEN) as usize
    }

    /// How much of the text is before the data.
    #[inline(always)]
    pub(super) fn head_len(self, key_len: usize) -> usize {
        key_len.wrapping_add(self.words_len())
    }

    /// Length of the data, without CRLF.
    #[inline(always)]
    pub(super) fn data_len(self) -> usize {
        // Not less than nothing, even where this is no item.
        self.rest_len()
            .saturating_sub(self.words_len().wrapping_add(2))
    }

    /// Length of the text.
    #[inline(always)]
    pub(super) fn text_len(self, key_len: usize) -> usize {
        key_len.wrapping_add(self.rest_len())
    }

    /// Whether the chunk is held.
    #[inline(always)]
    pub(super) fn is_held(self) -> bool {
        self.place() == Place::Held
    }

    #[inline(always)]
    pub(super) fn place(self) -> Place {
        match self.place_bits() {
            0 => Place::Free,
            1 => Place::Hot,
            2 => Place::Warm,
            3 => Place::Cold,
            4 => Place::Held,
            5 => Place::Drained,
            6 => Place::Left,
            _ => Place::Piece,
        }
    }
}

/// Where a chunk is: bits 28 to 30 of its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
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
    /// In no list: its item is out of the table, and pinned.
    Left,
    /// In no list: a piece of an item in another chunk.
    Piece,
}

impl Place {
    /// All of them, in order.
    pub(super) const ALL: [Self; 8] = [
        Place::Free,
        Place::Hot,
        Place::Warm,
        Place::Cold,
        Place::Held,
        Place::Drained,
        Place::Left,
        Place::Piece,
    ];

    /// Whether it is in a segment of an order of use.
    #[inline(always)]
    pub(super) fn is_listed(self) -> bool {
        matches!(self, Place::Hot | Place::Warm | Place::Cold)
    }

    /// As bits of a shape.
    #[inline(always)]
    pub(super) fn bits(self) -> u32 {
        (self as u32).wrapping_shl(PLACE_SHIFT)
    }
}

const PLACE_SHIFT: u32 = 28;
pub(super) const PLACE: u32 = 7 << PLACE_SHIFT;

const _: () = assert!(crate::limits::ITEM_MAX <= 1 << REST_LEN_BITS);

/// What is in `<key> <flags> <bytes>\r\n` besides key and digits.
pub(super) const SPACES_AND_CRLF: usize = 4;

/// The words of a chunk's header, found in the region once for all of them.
///
/// Links and cas have an owner, a lock; the others may be marked, or looked at in
/// passing, without it, hence are relaxed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header<'a>(pub(super) &'a [AtomicU32; WORDS / size_of::<AtomicU32>()]);

impl<'a> Header<'a> {
    #[inline(always)]
    pub(super) fn words(self) -> &'a [AtomicU32; WORDS / size_of::<AtomicU32>()] {
        self.0
    }

    #[inline(always)]
    pub(super) fn next(self) -> Link {
        Link(Owned(self.next_word()).load())
    }

    /// Where the next in the chain is said.
    #[inline(always)]
    pub(super) fn next_word(self) -> &'a AtomicU32 {
        let [next, ..] = self.words();
        next
    }

    #[inline(always)]
    pub(super) fn younger(self) -> Option<Item> {
        let [_, _, younger, ..] = self.words();
        Item::from_word(Owned(younger).load())
    }

    #[inline(always)]
    pub(super) fn set_younger(self, item: Option<Item>) {
        let [_, _, younger, ..] = self.words();
        Owned(younger).store(Item::to_word(item));
    }

    #[inline(always)]
    pub(super) fn older(self) -> Option<Item> {
        let [_, _, _, older, ..] = self.words();
        Item::from_word(Owned(older).load())
    }

    #[inline(always)]
    pub(super) fn set_older(self, item: Option<Item>) {
        let [_, _, _, older, ..] = self.words();
        Owned(older).store(Item::to_word(item));
    }

    #[inline(always)]
    pub(super) fn expire(self) -> u32 {
        let [_, expire, ..] = self.words();
        expire.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(super) fn cas(self) -> u64 {
        let [_, _, _, _, low, high, ..] = self.words();
        let low = u64::from(Owned(low).load());
        let high = u64::from(Owned(high).load());
        high.wrapping_shl(32) | low
    }

    #[inline(always)]
    pub(super) fn used_at(self) -> u32 {
        self.used().load(Ordering::Relaxed)
    }

    /// Notes a use: the second makes an item active. Writes only what changes: a
    /// popular item's header would else travel from cache to cache with every
    /// `get`.
    #[inline(always)]
    pub(super) fn set_used(self, now: u32) {
        if self.used_at() < now {
            self.used().store(now, Ordering::Relaxed);
        }
        if !self.load_shape().is_active() {
            self.set_used_again();
        }
    }

    #[inline(never)]
    fn set_used_again(self) {
        let mark = match self.has(Mark::FETCHED) {
            true => Mark::ACTIVE,
            false => Mark::FETCHED,
        };
        self.set_mark(mark, true);
    }

    #[inline(always)]
    pub(super) fn has(self, mark: Mark) -> bool {
        self.load_shape().has(mark)
    }

    #[inline]
    pub(super) fn set_mark(self, mark: Mark, on: bool) {
        if self.has(mark) == on {
            return;
        }
        match on {
            true => self.shape().fetch_or(mark.0, Ordering::Relaxed),
            false => self.shape().fetch_and(!mark.0, Ordering::Relaxed),
        };
    }

    #[inline(always)]
    pub(super) fn place(self) -> Place {
        self.load_shape().place()
    }

    /// As [`Header::place`], by who has the shard of the chunk and not its stripe: if that is
    /// a segment, what has been written there can be read. Acquire: pairs with
    /// [`Header::set_place_alone`].
    #[inline(always)]
    pub(super) fn place_to_read(self) -> Place {
        self.shape_to_read().place()
    }

    /// The same with the marks beside it.
    #[inline(always)]
    pub(super) fn shape_to_read(self) -> Shape {
        Shape(self.shape().load(Ordering::Acquire))
    }

    #[inline]
    pub(super) fn set_place(self, place: Place) {
        self.change_shape(PLACE, place.bits());
    }

    /// As [`Header::set_place`], by who knows where it is now.
    #[inline(always)]
    pub(super) fn change_place(self, from: Place, to: Place) {
        self.shape()
            .fetch_xor(from.bits() ^ to.bits(), Ordering::Relaxed);
    }

    /// As [`Header::set_place`], by who keeps all others out: from the item by its
    /// stripe, which is locked for writing, or since it is not in the table; and from
    /// its place by its shard, or since the chunk is held. Release: who sees that a
    /// chunk in a segment is not held any more sees what its holder has written.
    #[inline(always)]
    pub(super) fn set_place_alone(self, place: Place) {
        let Shape(shape) = self.load_shape();
        let shape = shape & !PLACE | place.bits();
        self.shape().store(shape, Ordering::Release);
    }

    /// Sets those bits of the shape that `mask` says to `bits`, in one step,
    /// whatever readers do to its other bits.
    #[inline]
    pub(super) fn change_shape(self, mask: u32, bits: u32) {
        let change = |old: u32| Some(old & !mask | bits & mask);
        let _ = self
            .shape()
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, change);
    }

    /// Length of the data, without CRLF.
    #[inline(always)]
    pub(super) fn data_len(self) -> usize {
        self.load_shape().data_len()
    }

    /// How much of the text is before the data.
    #[inline(always)]
    pub(super) fn head_len(self, key_len: usize) -> usize {
        self.load_shape().head_len(key_len)
    }

    /// Length of the text.
    #[inline(always)]
    pub(super) fn text_len(self, key_len: usize) -> usize {
        self.load_shape().text_len(key_len)
    }

    #[inline(always)]
    pub(super) fn load_shape(self) -> Shape {
        Shape(self.shape().load(Ordering::Relaxed))
    }

    #[inline(always)]
    pub(super) fn used(self) -> &'a AtomicU32 {
        let [_, _, _, _, _, _, used, _] = self.words();
        used
    }

    #[inline(always)]
    pub(super) fn shape(self) -> &'a AtomicU32 {
        let [.., shape] = self.words();
        shape
    }
}
