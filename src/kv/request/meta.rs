// SPDX-License-Identifier: GPL-2.0-only
//! The lines of the meta commands: `<verb> <key> [<length>] <flag>*`, a flag
//! being a letter with its argument right behind it.
//!
//! A line is taken apart in two steps: [`super::parse`] finds key and data
//! block; the flags are read once it is executed.

use super::{classic, refused, Request, WithBlock, Words, BAD_FORMAT};

/// What a meta command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// `mg <key> <flag>*`
    Get,
    /// `ms <key> <bytes> <flag>*`
    Set,
    /// `md <key> <flag>*`
    Delete,
    /// `ma <key> <flag>*`
    Arith,
    /// `me <key> [b]`
    Debug,
}

/// A meta command, its flags not read yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta<'a> {
    /// What to do.
    pub verb: Verb,
    /// The key as it was sent: perhaps too long, perhaps in base 64.
    pub key: &'a [u8],
    /// The words behind the key, and behind the length.
    pub flags: Words<'a>,
    /// Announced length of the data of [`Verb::Set`], without CRLF; else 0.
    pub len: usize,
    /// That data with its CRLF, `None` when it is not of that length, or not
    /// all there.
    pub block: Option<&'a [u8]>,
}

pub(super) fn command(verb: Verb, mut words: Words<'_>) -> Request<'_> {
    match words.next() {
        Some(key) => Request::Meta(Meta {
            verb,
            key,
            flags: words,
            len: 0,
            block: None,
        }),
        None => refused(BAD_FORMAT, false),
    }
}

/// A line of `ms`; the line to answer when its data's length cannot be read.
pub(super) fn set(mut words: Words<'_>) -> Result<Meta<'_>, &'static [u8]> {
    let key = words.next().ok_or(BAD_FORMAT)?;
    let len = words
        .next()
        .and_then(classic::block_len)
        .ok_or(BAD_FORMAT)?;
    Ok(Meta {
        verb: Verb::Set,
        key,
        flags: words,
        len,
        block: None,
    })
}

impl<'a> WithBlock<'a> for Meta<'a> {
    fn data_len(&self) -> usize {
        self.len
    }

    fn finish(self, block: Option<&'a [u8]>) -> Request<'a> {
        Request::Meta(Meta { block, ..self })
    }
}
