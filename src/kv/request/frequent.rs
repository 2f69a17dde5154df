// SPDX-License-Identifier: GPL-2.0-only
//! The lines that most requests are, as clients write them, each read in one go:
//!
//! ```text
//! get <key>\r\n
//! set <key> <flags> <exptime> <bytes>\r\n<data>\r\n
//! ```
//!
//! with one space between words, digits in the numbers, and all of it there.
//! Whatever is written otherwise is for [`super::parse_any`] to judge, which
//! makes the same requests of these lines as is done here.

use super::classic::{Get, Keys, Mode, Store};
use super::words::{find_end, has_blank};
use super::{is_key, Parsed, Request, Words};
use crate::hash::Keyed;
use crate::store::{Cas, Plain};

const GET: u32 = u32::from_le_bytes(*b"get ");
const SET: u32 = u32::from_le_bytes(*b"set ");
const CRLF: u16 = u16::from_le_bytes(*b"\r\n");

/// A frequent request.
pub(crate) enum Frequent<'a> {
    /// `get` of this key.
    Get(&'a [u8]),
    /// `set`, its data all there.
    Set(Set<'a>),
}

/// A plain `set`, and the item that it makes.
pub(crate) struct Set<'a> {
    pub(crate) new: Plain<'a>,
    flags: u32,
}

impl<'a> Set<'a> {
    /// The same as a command like others.
    pub(crate) fn as_store(&self) -> Store<'a> {
        let rest = self.new.rest;
        let len = self.new.data_len;
        Store {
            mode: Mode::Set,
            key: self.new.key,
            flags: self.flags,
            exptime: self.new.exptime,
            cas: 0,
            len,
            block: rest.get(rest.len().saturating_sub(len.saturating_add(2))..),
            noreply: false,
        }
    }
}

impl<'a> Frequent<'a> {
    /// The request at the front of `bytes` and its length, if it is a frequent
    /// one.
    #[inline(always)]
    pub(crate) fn parse(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (name, words) = bytes.split_first_chunk()?;
        match u32::from_le_bytes(*name) {
            GET => get(words).map(|(key, len)| (Self::Get(key), len)),
            SET => set(words).map(|(store, len)| (Self::Set(store), len)),
            _ => None,
        }
    }
}

/// The key, and its hash, if the text is a `get` of one key and
/// nothing else: most datagrams are. Looks at the key once for both.
#[inline(always)]
pub(crate) fn only_get<'a>(text: &'a [u8], hasher: &Keyed) -> Option<(&'a [u8], u64)> {
    let (name, words) = text.split_first_chunk()?;
    let (key, end) = words.split_last_chunk()?;
    if u32::from_le_bytes(*name) != GET || u16::from_le_bytes(*end) != CRLF {
        return None;
    }
    if key.is_empty() || !is_key(key) {
        return None;
    }
    // Several keys end this at the first; what is a key all the same, others see to.
    let hash = hasher.hash_while(key, |word| !has_blank(word))?;
    Some((key, hash))
}

/// As [`Frequent::parse`], as a request like others.
pub(super) fn parse(bytes: &[u8]) -> Option<Parsed<'_>> {
    let (request, len) = Frequent::parse(bytes)?;
    let request = match request {
        Frequent::Get(key) => Request::Get(Get {
            keys: Keys::new(key, Words::new(&[])),
            cas: false,
            touch: None,
        }),
        Frequent::Set(set) => Request::Store(set.as_store()),
    };
    Some(Parsed::Request {
        request,
        len,
        skip: 0,
    })
}

/// Length of the name, and of the space behind it.
const NAME: usize = 4;

#[inline(always)]
fn get(words: &[u8]) -> Option<(&[u8], usize)> {
    let (key, rest) = words.split_at_checked(find_end(words)?)?;
    let len = key.len().wrapping_add(NAME + 1);
    let key = key.strip_suffix(b"\r").unwrap_or(key);
    let whole = rest.first() == Some(&b'\n') && !key.is_empty() && is_key(key);
    whole.then_some((key, len))
}

#[inline(always)]
fn set(words: &[u8]) -> Option<(Set<'_>, usize)> {
    let (key, head) = words.split_at_checked(find_end(words)?)?;
    if key.is_empty() || !is_key(key) {
        return None;
    }
    let (flags, behind) = number(head)?;
    let head_len = head.len().wrapping_sub(behind.len());
    let (exptime, rest) = number(behind)?;
    let (len, behind) = number(rest)?;
    let data = behind.strip_prefix(b"\r\n")?;
    let data_len = len as usize;
    let whole = rest.len().wrapping_sub(data.len()).wrapping_add(data_len);
    let (rest, behind) = rest.split_at_checked(whole.wrapping_add(b"\r\n".len()))?;
    let new = Plain {
        key,
        head,
        head_len,
        rest,
        data_len,
        exptime: i64::from(exptime),
        cas: Cas::Next,
        key_is_binary: false,
    };
    let total = words.len().wrapping_sub(behind.len()).wrapping_add(NAME);
    rest.ends_with(b"\r\n")
        .then_some((Set { new, flags }, total))
}

/// A space and a number of at most nine digits, which is below every limit, without
/// leading zeros; and what is behind it.
#[inline(always)]
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    let text = text.strip_prefix(b" ")?;
    let (first, mut rest) = text.split_first()?;
    let mut value = u32::from(first.wrapping_sub(b'0'));
    if value > 9 {
        return None;
    }
    let before = rest.len();
    while let Some((byte, behind)) = rest.split_first() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u32::from(digit));
        rest = behind;
    }
    let more = before.wrapping_sub(rest.len());
    (more == 0 || more <= 8 && *first != b'0').then_some((value, rest))
}
