// SPDX-License-Identifier: GPL-2.0-only
//! Writing items into their chunks; `item.rs` says how they look there, and who
//! may write what.

use core::sync::atomic::Ordering;

use super::arena::Arena;
use super::header::{Header, Mark, Place, Shape, DIGITS_MIN, PLACE, SPACES_AND_CRLF};
use super::item::{Item, HEADER, KEY_LEN};
use super::plain::Plain;
use super::table::Stripe;
use crate::atomic::Owned;
use crate::copy::copy;
use crate::decimal::{self, width};
use crate::platform::Memory;

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

/// What an item's words say.
pub(super) struct Words {
    /// How many digits its two numbers have together, less two.
    pub(super) digits: usize,
    /// Length of the text behind the key.
    pub(super) rest_len: usize,
    pub(super) expire: u32,
    pub(super) used: u32,
    pub(super) cas: u64,
    pub(super) marks: Mark,
}

impl Header<'_> {
    /// Says what is in an item whose stripe the caller holds exclusively.
    #[inline(always)]
    pub(super) fn rewrite(self, words: &Words) {
        let shape = self.write_all_but_shape(words);
        self.change_shape(!PLACE, shape);
    }

    /// The same of an item in a held chunk, which nobody else reaches, and its place.
    /// Release: as with [`Header::set_place_alone`].
    #[inline(always)]
    pub(super) fn write(self, words: &Words, place: Place) {
        let shape = self.write_all_but_shape(words) | place.bits();
        self.shape().store(shape, Ordering::Release);
    }

    #[inline(always)]
    fn write_all_but_shape(self, words: &Words) -> u32 {
        let Self([_, expire, _, _, low, high, used, _]) = self;
        expire.store(words.expire, Ordering::Relaxed);
        // The low half, cut on purpose.
        Owned(low).store(words.cas as u32);
        Owned(high).store(words.cas.wrapping_shr(32) as u32);
        used.store(words.used, Ordering::Relaxed);
        let Shape(shape) = Shape::of(words.rest_len, words.digits);
        shape | words.marks.0
    }
}

impl<M: Memory> Arena<M> {
    /// Writes the text of an item into a held chunk, which is long enough.
    #[inline]
    pub(super) fn write_plain(&self, item: Item, new: &Plain<'_>) {
        let held = self.place(item) == Place::Held;
        debug_assert!(held, "somebody else's chunk");
        let len = new.key.len().wrapping_add(1).wrapping_add(new.rest_len());
        if !held || self.holds(new.key) || self.holds(new.head) || self.holds(new.rest) {
            return;
        }
        // SAFETY: a held chunk is in no list and no chain, so that only its
        // holder, the caller, reaches it; nothing that is written is in the region.
        let Some(text) = (unsafe { self.bytes_mut(item.field(KEY_LEN), len) }) else {
            return;
        };
        // It cannot be cut: there is a limit for it.
        let text = put(text, &[u8::try_from(new.key.len()).unwrap_or(u8::MAX)]);
        if let Some((key, rest)) = text.split_at_mut_checked(new.key.len()) {
            // They are of one length.
            let _ = copy(key, new.key);
            put_rest(rest, new);
        }
    }

    /// Writes what is behind the key into the chunk of an item of that stripe,
    /// which is long enough. The key may be read meanwhile.
    #[inline(always)]
    pub(super) fn rewrite_plain(&self, _exclusive: &mut Stripe<'_>, item: Item, new: &Plain<'_>) {
        if self.holds(new.head) || self.holds(new.rest) {
            return;
        }
        let at = item.field(HEADER).wrapping_add(new.key.len());
        // SAFETY: text that only who has the stripe exclusively reaches, as the
        // caller has; and nothing that is written is in the region.
        if let Some(text) = unsafe { self.bytes_mut(at, new.rest_len()) } {
            put_rest(text, new);
        }
    }

    /// Whether that is a part of the region. None of what is to be stored is: it
    /// is in a request.
    #[inline(always)]
    fn holds(&self, bytes: &[u8]) -> bool {
        let holds = bytes.as_ptr().addr().wrapping_sub(self.address(0)) < self.len();
        debug_assert!(!holds, "data of an item in the store itself");
        holds
    }

    /// Fills a held chunk, which is long enough ([`size`]), with all of an item
    /// but its place.
    pub(super) fn write(&self, item: Item, new: &NewItem<'_>) {
        self.write_key(item, new);
        self.write_rest(item, new);
    }

    /// The key of an item, in a held chunk.
    pub(super) fn write_key(&self, item: Item, new: &NewItem<'_>) {
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
    }

    /// Fills a chunk, which is long enough ([`size`]), and holds an item of the
    /// same key in that stripe, with all but the key and its place. The key may
    /// be read meanwhile.
    pub(super) fn rewrite(&self, _exclusive: &mut Stripe<'_>, item: Item, new: &NewItem<'_>) {
        self.write_rest(item, new);
    }

    /// What comes behind the key, which only the caller reaches: it holds the
    /// chunk, or its stripe exclusively.
    fn write_rest(&self, item: Item, new: &NewItem<'_>) {
        let (flags, len_of_data) = (u64::from(new.flags), new.len as u64);
        let (flags_width, len_width) = (width(flags), width(len_of_data));
        let at = item.field(HEADER).saturating_add(new.key.len());
        let digits = flags_width.saturating_add(len_width);
        let len = digits
            .saturating_add(SPACES_AND_CRLF)
            .saturating_add(new.len)
            .saturating_add(2);
        if self.overlaps(at, len, &new.data) {
            return;
        }
        // SAFETY: text that only the caller reaches, as said above, and none of
        // the data is part of it.
        let Some(text) = (unsafe { self.bytes_mut(at, len) }) else {
            return;
        };
        let text = put(text, b" ");
        let text = put_number(text, flags, flags_width);
        let text = put(text, b" ");
        let text = put_number(text, len_of_data, len_width);
        let mut text = put(text, b"\r\n");
        for part in new.data {
            if !part.is_empty() {
                text = put(text, part);
            }
        }
        put(text, b"\r\n");
        self.write_words(item, digits, new);
    }

    /// Writes a part of the text in a chunk that only the caller reaches.
    pub(super) fn put_part(&self, chunk: Item, from: usize, part: &[u8]) {
        let at = chunk.field(HEADER).saturating_add(from);
        if self.overlaps(at, part.len(), &[part]) {
            return;
        }
        // SAFETY: text that only the caller reaches, as it says, and `part` is
        // not part of it.
        if let Some(text) = unsafe { self.bytes_mut(at, part.len()) } {
            put(text, part);
        }
    }

    /// The words of an item that say what is in it: so many digits are in its
    /// text, and so on.
    pub(super) fn write_words(&self, item: Item, digits: usize, new: &NewItem<'_>) {
        let Some(header) = self.header(item) else {
            return;
        };
        let Header([_, expire, _, _, _, _, used, _]) = header;
        expire.store(new.expire, Ordering::Relaxed);
        used.store(new.used, Ordering::Relaxed);
        self.set_cas(item, new.cas);
        let rest_len = new.len.saturating_add(SPACES_AND_CRLF + 2);
        let rest_len = rest_len.saturating_add(digits);
        let Shape(mut shape) = Shape::of(rest_len, digits.saturating_sub(DIGITS_MIN));
        for (mark, on) in [
            (Mark::FETCHED, new.fetched),
            (Mark::STALE, new.stale),
            (Mark::WON, new.won),
            (Mark::BINARY, new.key_is_binary),
            (Mark::ACTIVE, new.active),
        ] {
            shape |= if on { mark.0 } else { 0 };
        }
        header.change_shape(!PLACE, shape);
    }

    /// Whether any of `parts` lies in the bytes at `at`; none ever does.
    fn overlaps(&self, at: usize, len: usize, parts: &[&[u8]]) -> bool {
        let from = self.address(at);
        let overlaps = parts.iter().any(|part| {
            let start = part.as_ptr().addr();
            // One of the two begins inside of the other.
            !part.is_empty()
                && (start.wrapping_sub(from) < len || from.wrapping_sub(start) < part.len())
        });
        debug_assert!(!overlaps, "data of an item in its own place");
        overlaps
    }

    /// Copies so much of a chunk's text, and the words that say what is in it, to
    /// a chunk that is held.
    pub(super) fn copy(&self, from: Item, to: Item, len: usize) {
        let held = self.place(to) == Place::Held;
        debug_assert!(held, "somebody else's chunk");
        // With the length of the key in front, which is in no piece.
        let (at, len) = (to.field(KEY_LEN), len.saturating_add(1));
        let text = self.text_at(from.field(KEY_LEN), len);
        if !held || self.overlaps(at, len, &[text]) {
            return;
        }
        // SAFETY: a held chunk is reached by its holder alone, and the text is
        // that of another.
        if let Some(copy) = unsafe { self.bytes_mut(at, len) } {
            put(copy, text);
        }
        let (Some(old), Some(new)) = (self.header(from), self.header(to)) else {
            return;
        };
        let Header([_, expire, _, _, low, high, used, shape]) = old;
        let Header([_, to_expire, _, _, to_low, to_high, to_used, _]) = new;
        for (to, from) in [(to_low, low), (to_high, high)] {
            Owned(to).store(Owned(from).load());
        }
        for (to, from) in [(to_expire, expire), (to_used, used)] {
            to.store(from.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        new.change_shape(!PLACE, shape.load(Ordering::Relaxed));
    }
}

/// Writes what is behind the key of an item, which is as long as `text`.
#[inline(always)]
fn put_rest(text: &mut [u8], new: &Plain<'_>) {
    let rest = match (text.first_chunk_mut::<8>(), new.head.first_chunk::<8>()) {
        // Eight bytes in one go; what is too much of them is written over.
        (Some(to), Some(from)) if new.head_len <= 8 => {
            *to = *from;
            text.get_mut(new.head_len..).unwrap_or_default()
        }
        _ => put(text, new.head.get(..new.head_len).unwrap_or_default()),
    };
    // They are of one length.
    let _ = copy(rest, new.rest);
}

/// Writes `bytes` at the front of `text`, and returns what is behind them.
#[inline(always)]
fn put<'t>(text: &'t mut [u8], bytes: &[u8]) -> &'t mut [u8] {
    match text.split_at_mut_checked(bytes.len()) {
        Some((front, rest)) => {
            front.copy_from_slice(bytes);
            rest
        }
        None => &mut [],
    }
}

/// Writes a number of that many digits at the front of `text`, and returns what
/// is behind it.
#[inline(always)]
fn put_number(text: &mut [u8], value: u64, width: usize) -> &mut [u8] {
    match text.split_at_mut_checked(width) {
        Some((front, rest)) => {
            decimal::write(value, front);
            rest
        }
        None => &mut [],
    }
}
