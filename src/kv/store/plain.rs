// SPDX-License-Identifier: GPL-2.0-only
//! Storing what is plain: its data are all there, go into one small chunk, and need
//! nothing of the item before. Nearly every store is of that kind, and goes straight
//! through here: each thing is looked at once, and passed in registers. What comes
//! of it is what [`Kv::update`] would make of it, which does all the rest.

use super::chains::Found;
use super::evict::{Leave, Mine};
use super::header::{Mark, Place, DIGITS_MAX, DIGITS_MIN, SPACES_AND_CRLF};
use super::item::{Item, HEADER};
use super::table::Stripe;
use super::value::Cas;
use super::write::Words;
use super::{layout, Kv, Life};
use crate::decimal;
use crate::limits::{ITEM_FLAGS, ITEM_OVERHEAD, PIN_CHUNK_MIN};
use crate::{Context, PerClass, Platform};

/// At most what memcached counts of an item in addition to what we do.
const AROUND: usize = ITEM_OVERHEAD + ITEM_FLAGS + 2;

/// What is behind a key besides the data, and digits beyond one of each number.
const AROUND_DIGITS: usize = DIGITS_MIN + SPACES_AND_CRLF + b"\r\n".len();

/// A plain item to be stored, whose text is there but for its key, in two parts:
/// ` <flags> <bytes>\r\n<data>\r\n`, without leading zeros.
pub struct Plain<'a> {
    /// Its key.
    pub key: &'a [u8],
    /// The first part, with some bytes behind it: eight at least are looked at.
    pub head: &'a [u8],
    /// How long that part is.
    pub head_len: usize,
    /// The second part. It ends with the data.
    pub rest: &'a [u8],
    /// Length of the data, without CRLF.
    pub data_len: usize,
    /// When it dies, as a client says it.
    pub exptime: i64,
    /// `Keep` and `Next` are the same here.
    pub cas: Cas,
    /// Its key is to be shown in base64.
    pub key_is_binary: bool,
}

/// ` <flags> <bytes>\r\n`, for who has just the numbers.
pub struct Head {
    text: [u8; Self::MAX],
    len: usize,
}

impl Head {
    /// Two spaces, ten digits and seven, CRLF, and a few more.
    const MAX: usize = 24;

    /// Of data that are so long without their CRLF.
    #[inline]
    pub fn new(flags: u32, data_len: usize) -> Self {
        match (flags, data_len) {
            (0..=9, 0..=9999) => Self::short(flags, data_len as u32),
            _ => Self::long(flags, data_len),
        }
    }

    /// What most are.
    #[inline]
    fn short(flags: u32, data_len: u32) -> Self {
        let (digits, width) = decimal::four(data_len);
        let text = u64::from_le_bytes(*b" 0 \0\0\0\0\0");
        let text = text | u64::from(flags).wrapping_shl(8) | u64::from(digits).wrapping_shl(24);
        let end = width.wrapping_add(b" 0 ".len());
        let mut all = [b' '; Self::MAX];
        if let Some(front) = all.first_chunk_mut() {
            *front = text.to_le_bytes();
        }
        Self::ended(all, end)
    }

    fn long(flags: u32, data_len: usize) -> Self {
        let (flags, data_len) = (u64::from(flags), data_len as u64);
        // Far too small to overflow. The spaces are there already.
        let len_at = decimal::width(flags).wrapping_add(2);
        let end = decimal::width(data_len).wrapping_add(len_at);
        let mut text = [b' '; Self::MAX];
        if let Some(digits) = text.get_mut(1..len_at.wrapping_sub(1)) {
            decimal::write(flags, digits);
        }
        if let Some(digits) = text.get_mut(len_at..end) {
            decimal::write(data_len, digits);
        }
        Self::ended(text, end)
    }

    /// With a CRLF there.
    #[inline]
    fn ended(mut text: [u8; Self::MAX], end: usize) -> Self {
        if let Some(end) = text.get_mut(end..).and_then(|end| end.first_chunk_mut()) {
            *end = *b"\r\n";
        }
        let len = end.wrapping_add(b"\r\n".len());
        Self { text, len }
    }
}

impl<'a> Plain<'a> {
    /// An item like any other, of data with their CRLF.
    pub fn new(key: &'a [u8], head: &'a Head, block: &'a [u8], exptime: i64) -> Self {
        Self {
            key,
            head: &head.text,
            head_len: head.len,
            rest: block,
            data_len: block.len().saturating_sub(b"\r\n".len()),
            exptime,
            cas: Cas::Next,
            key_is_binary: false,
        }
    }

    /// How many digits the two numbers have, less two: at least one each.
    #[inline(always)]
    fn digits(&self) -> usize {
        self.rest_len()
            .wrapping_sub(self.data_len)
            .wrapping_sub(AROUND_DIGITS)
    }

    /// Bytes of text behind the key.
    #[inline(always)]
    pub(super) fn rest_len(&self) -> usize {
        self.head_len.wrapping_add(self.rest.len())
    }
}

/// When it is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Whatever is there.
    Always,
    /// If nothing live is there.
    Absent,
    /// If something live is there.
    Present,
    /// If what is there has this cas number, which is not 0.
    Cas(u64),
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there, with this cas number.
    Stored(u64),
    /// Nothing live is there, and something should be.
    Missing,
    /// Something live is there that should not be.
    Present,
    /// What is there has another cas number.
    Other,
}

impl<P: Platform> Kv<P> {
    /// Stores an item. `None` when this is not for here: it is too large, or there is
    /// no chunk to be had at once. Nothing has been done then.
    #[inline(always)]
    pub fn put(&self, new: &Plain<'_>, condition: Condition, cx: &Context<'_>) -> Option<Put> {
        let (put, class, old) = self.try_put(new, condition, cx)?;
        cx.mine.count_in(class, PerClass::Set);
        match (&put, condition) {
            (Put::Stored(_), Condition::Cas(_)) => cx.mine.count_in(old, PerClass::CasHit),
            (Put::Other, _) => cx.mine.count_in(old, PerClass::CasBad),
            _ => {}
        }
        if let Put::Stored(_) = put {
            self.work(cx);
        }
        Some(put)
    }

    /// With the class that the item is for, and if the condition is a cas number, that of
    /// the live item.
    #[inline(always)]
    fn try_put(
        &self,
        new: &Plain<'_>,
        condition: Condition,
        cx: &Context<'_>,
    ) -> Option<(Put, u8, u8)> {
        // Lengths of what is in memory are far too small to overflow.
        let text_len = new.key.len().wrapping_add(new.rest_len());
        let size = HEADER.wrapping_add(text_len);
        // Whether larger ones fit is asked elsewhere; and what is no such text at all
        // does not get in.
        if size.wrapping_add(AROUND) > self.config.item_max || new.digits() > DIGITS_MAX {
            return None;
        }
        let words = size.wrapping_add(layout::WORD - 1) / layout::WORD;
        let class = *self.small_classes.get(words)?;
        let hash = self.hasher.hash(new.key);
        let index = self.stripe_of(hash);
        let mut guard = self.stripes.get(index)?.write();
        let mut stripe = guard.stripe();
        let found = self.find(stripe.chains, hash, new.key);
        let live = || found.filter(|found| self.life_of(found.header, cx.now) == Life::Live);
        let mut old = u8::MAX;
        match condition {
            Condition::Always => {}
            Condition::Absent if live().is_some() => return Some((Put::Present, class, old)),
            Condition::Absent => {}
            Condition::Present | Condition::Cas(_) => match (live(), condition) {
                (None, _) => return Some((Put::Missing, class, old)),
                (Some(Found { item, header, .. }), Condition::Cas(cas)) => {
                    old = self.layout.class_of(&self.arena, item);
                    if cas == 0 || cas != header.cas() {
                        return Some((Put::Other, class, old));
                    }
                }
                _ => {}
            },
        }
        let cas = match found {
            Some(Found { item, header, text }) if self.may_be_rewritten(item, class) => {
                let before = match text.len() {
                    0 => header.text_len(new.key.len()),
                    len => len,
                };
                let words = self.words(&mut stripe, new, Mark::ACTIVE, cx);
                self.arena.rewrite_plain(&mut stripe, item, new);
                header.rewrite(&words);
                stripe.resize(before as u64, text_len as u64);
                words.cas
            }
            _ => {
                let mine = &mut Mine { index, stripe };
                let found = found.map(|found| found.item);
                self.put_new(mine, hash, found, new, class, cx)?
            }
        };
        Some((Put::Stored(cas), class, old))
    }

    /// As [`Kv::put`], into a chunk of its own.
    #[inline(never)]
    fn put_new(
        &self,
        mine: &mut Mine<'_>,
        hash: u64,
        found: Option<Item>,
        new: &Plain<'_>,
        class: u8,
        cx: &Context<'_>,
    ) -> Option<u64> {
        let room = self.room(class, mine, found, Leave::In, cx).ok()?;
        let words = self.words(&mut mine.stripe, new, Mark::NONE, cx);
        self.arena.write_plain(room.item, new);
        if let Some(header) = self.arena.header(room.item) {
            // Whoever finds it in its segment now finds its stripe locked, still.
            let place = if room.is_listed {
                Place::Hot
            } else {
                Place::Held
            };
            header.write(&words, place);
        }
        let size = HEADER
            .wrapping_add(new.key.len())
            .wrapping_add(new.rest_len());
        self.publish(&mut mine.stripe, hash, found, room.item, size as u64);
        if !room.is_listed {
            self.insert(room.class, room.item);
        }
        Some(words.cas)
    }

    #[inline(always)]
    fn words(
        &self,
        stripe: &mut Stripe<'_>,
        new: &Plain<'_>,
        mark: Mark,
        cx: &Context<'_>,
    ) -> Words {
        let binary = match new.key_is_binary {
            true => Mark::BINARY,
            false => Mark::NONE,
        };
        Words {
            digits: new.digits(),
            rest_len: new.rest_len(),
            expire: match new.exptime {
                0 => 0,
                exptime => self.due(exptime, cx),
            },
            used: self.stamp(cx.now),
            cas: stripe.cas_from(new.cas),
            marks: mark.with(binary),
        }
    }

    /// Whether an item of one chunk may be written over with another of that class:
    /// its chunk is no better or worse, and nobody reads it.
    #[inline(always)]
    fn may_be_rewritten(&self, item: Item, class: u8) -> bool {
        self.layout.is_of_class(&self.arena, item, class)
            // Smaller ones have neither pieces nor pins.
            && (self.size_of_class(class) < PIN_CHUNK_MIN
                || self.count_chunks(item) == 1 && !self.is_pinned(item))
    }
}
