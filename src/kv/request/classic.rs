// SPDX-License-Identifier: GPL-2.0-only
//! The lines of the classic commands.

use super::{is_key, refused, Request, WithBlock, Words, BAD_DELTA, BAD_EXPTIME, BAD_FORMAT};
use crate::decimal;
use crate::limits::{DATA_MAX, KEY_MAX};

/// `get <key>+`, `gets <key>+`, `gat <exptime> <key>+`, `gats <exptime> <key>+`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Get<'a> {
    /// Those still to be answered, each no longer than a key may be.
    pub keys: Keys<'a>,
    /// With the item's cas number (`gets`, `gats`).
    pub cas: bool,
    /// The item's new exptime (`gat`, `gats`), as it was sent.
    pub touch: Option<i64>,
}

/// The keys of a `get`: words, of which the first has been found already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys<'a> {
    /// Empty once it has been taken.
    first: &'a [u8],
    others: Words<'a>,
}

impl<'a> Keys<'a> {
    #[inline(always)]
    pub(super) fn new(first: &'a [u8], others: Words<'a>) -> Self {
        Self { first, others }
    }

    /// Bytes of the line that have not been taken yet: says how far this has
    /// got.
    pub fn left(&self) -> usize {
        self.first.len().saturating_add(self.others.rest().len())
    }
}

impl<'a> Iterator for Keys<'a> {
    type Item = &'a [u8];

    #[inline(always)]
    fn next(&mut self) -> Option<&'a [u8]> {
        if self.first.is_empty() {
            return self.others.next_key();
        }
        Some(core::mem::take(&mut self.first))
    }
}

/// What a storage command does with what is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Stores, whatever is there.
    Set,
    /// Stores where nothing is.
    Add,
    /// Stores where something is.
    Replace,
    /// Adds to the end of what is there.
    Append,
    /// Adds to the front of what is there.
    Prepend,
    /// Stores where what is there has a certain cas number.
    Cas,
}

/// `<mode> <key> <flags> <exptime> <bytes> [<cas>] [noreply]` and its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store<'a> {
    /// The command.
    pub mode: Mode,
    /// The key.
    pub key: &'a [u8],
    /// The client's flags.
    pub flags: u32,
    /// As it was sent.
    pub exptime: i64,
    /// The cas number of [`Mode::Cas`], else 0.
    pub cas: u64,
    /// Announced length of the data, without CRLF.
    pub len: usize,
    /// The data with its CRLF, `None` when it is not of that length, or not
    /// all there.
    pub block: Option<&'a [u8]>,
    /// Say nothing.
    pub noreply: bool,
}

/// `incr <key> <delta> [noreply]`, `decr <key> <delta> [noreply]`
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arith<'a> {
    /// The key.
    pub key: &'a [u8],
    /// How much.
    pub delta: u64,
    /// `incr`.
    pub up: bool,
    /// Say nothing.
    pub noreply: bool,
}

pub(super) fn get(keys: Words<'_>, cas: bool) -> Request<'_> {
    keys_or_refused(keys, cas, None)
}

pub(super) fn gat(mut words: Words<'_>, cas: bool) -> Request<'_> {
    let Some(exptime) = words.next() else {
        return refused(BAD_FORMAT, false);
    };
    if words.clone().next().is_none() {
        return refused(BAD_FORMAT, false);
    }
    match decimal::parse_signed(exptime) {
        Some(exptime) => keys_or_refused(words, cas, Some(exptime)),
        None => refused(BAD_EXPTIME, false),
    }
}

fn keys_or_refused(mut words: Words<'_>, cas: bool, touch: Option<i64>) -> Request<'_> {
    let Some(first) = words.next() else {
        return refused(BAD_FORMAT, false);
    };
    // In a line that is short enough all words are.
    let others_are_keys = || words.rest().len() <= KEY_MAX || words.clone().all(is_key);
    if !is_key(first) || !others_are_keys() {
        return refused(BAD_FORMAT, false);
    }
    let keys = Keys::new(first, words);
    Request::Get(Get { keys, cas, touch })
}

/// The words of a storage line, of which only the length has been read.
pub(super) struct StoreLine<'a> {
    mode: Mode,
    key: &'a [u8],
    flags: &'a [u8],
    exptime: &'a [u8],
    len: usize,
    rest: Words<'a>,
}

impl<'a> StoreLine<'a> {
    /// `None` when a word is missing or the length is none, so that nothing is
    /// known of a data block.
    pub(super) fn new(mode: Mode, mut words: Words<'a>) -> Option<Self> {
        Some(Self {
            mode,
            key: words.next()?,
            flags: words.next()?,
            exptime: words.next()?,
            len: block_len(words.next()?)?,
            rest: words,
        })
    }

    /// Flags, exptime and cas number.
    fn numbers(&self) -> Option<(u32, i64, u64)> {
        let flags = u32::try_from(decimal::parse_c(self.flags)?).ok()?;
        let exptime = decimal::parse_c(self.exptime)?;
        let cas = match self.mode {
            Mode::Cas => decimal::parse(self.rest.clone().next()?)?,
            _ => 0,
        };
        Some((flags, exptime, cas))
    }
}

impl<'a> WithBlock<'a> for StoreLine<'a> {
    fn data_len(&self) -> usize {
        self.len
    }

    fn finish(self, block: Option<&'a [u8]>) -> Request<'a> {
        let noreply = self.rest.say_noreply();
        match self.numbers() {
            Some((flags, exptime, cas)) if is_key(self.key) => Request::Store(Store {
                mode: self.mode,
                key: self.key,
                flags,
                exptime,
                cas,
                len: self.len,
                block,
                noreply,
            }),
            _ => refused(BAD_FORMAT, noreply),
        }
    }
}

/// The length of a data block, as a line announces it.
pub(super) fn block_len(word: &[u8]) -> Option<usize> {
    let len = decimal::parse(word).filter(|len| *len <= DATA_MAX)?;
    usize::try_from(len).ok()
}

pub(super) fn delete(mut words: Words<'_>) -> Request<'_> {
    let noreply = words.say_noreply();
    match words.next() {
        // What once was a time and `noreply` may follow; memccapable wants more
        // than that refused.
        Some(key) if is_key(key) && words.nth(2).is_none() => Request::Delete { key, noreply },
        _ => refused(BAD_FORMAT, noreply),
    }
}

pub(super) fn arith(mut words: Words<'_>, up: bool) -> Request<'_> {
    let noreply = words.say_noreply();
    let (Some(key), Some(delta)) = (words.next(), words.next()) else {
        return refused(BAD_FORMAT, false);
    };
    if !is_key(key) {
        return refused(BAD_FORMAT, noreply);
    }
    match decimal::parse(delta) {
        Some(delta) => Request::Arith(Arith {
            key,
            delta,
            up,
            noreply,
        }),
        None => refused(BAD_DELTA, noreply),
    }
}

pub(super) fn touch(mut words: Words<'_>) -> Request<'_> {
    let noreply = words.say_noreply();
    let (Some(key), Some(exptime)) = (words.next(), words.next()) else {
        return refused(BAD_FORMAT, false);
    };
    if !is_key(key) {
        return refused(BAD_FORMAT, noreply);
    }
    match decimal::parse_signed(exptime) {
        Some(exptime) => Request::Touch {
            key,
            exptime,
            noreply,
        },
        None => refused(BAD_EXPTIME, noreply),
    }
}

pub(super) fn flush_all(mut words: Words<'_>) -> Request<'_> {
    let noreply = words.say_noreply();
    let exptime = match (words.next(), words.next()) {
        (None, _) => Some(0),
        (Some(_), None) if noreply => Some(0),
        (Some(word), _) => {
            decimal::parse_signed(word).filter(|exptime| i32::try_from(*exptime).is_ok())
        }
    };
    match exptime {
        Some(exptime) => Request::FlushAll { exptime, noreply },
        None => refused(BAD_EXPTIME, noreply),
    }
}

pub(super) fn verbosity(mut words: Words<'_>) -> Request<'_> {
    let noreply = words.say_noreply();
    let level = words.next().and_then(decimal::parse);
    match level {
        Some(level) if u32::try_from(level).is_ok() => Request::Verbosity { noreply },
        _ => refused(BAD_FORMAT, noreply),
    }
}
