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
use super::words::{find_blank, find_end, have_blank};
use super::{is_key, Parsed, Request, Words};
use crate::decimal;
use crate::hash::Keyed;
use crate::limits::FRAME_LEN;
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
}

impl<'a> Set<'a> {
    /// The same as a command like others.
    pub(crate) fn as_store(&self) -> Store<'a> {
        let rest = self.new.rest;
        let len = self.new.data_len;
        // Which were looked at, and are few digits.
        let flags = self.new.head.get(1..self.new.head_len);
        let flags = flags.and_then(decimal::parse).unwrap_or_default();
        Store {
            mode: Mode::Set,
            key: self.new.key,
            flags: flags as u32,
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
            SET => set(words, find_end(words)?).map(|(store, len)| (Self::Set(store), len)),
            _ => None,
        }
    }
}

/// Frame header and name in front of a key, CRLF behind it.
const AROUND: usize = FRAME_LEN + NAME + 2;

/// Whether a datagram in that buffer begins as a `get` does.
#[inline(always)]
pub(crate) fn may_be_get(buffer: &[u8]) -> bool {
    match buffer.first_chunk::<{ FRAME_LEN + NAME }>() {
        Some(&[_, _, _, _, _, _, _, _, g, e, t, space]) => {
            u32::from_le_bytes([g, e, t, space]) == GET
        }
        None => false,
    }
}

/// A `get` of one key.
pub(crate) struct OnlyGet<'a, const N: usize> {
    pub(crate) key: &'a [u8],
    /// The key's first and last bytes, which together are all of it.
    pub(crate) ends: [[u8; N]; 2],
    pub(crate) hash: u64,
}

/// What there is, if the datagram, of `len` bytes of that buffer, which [begins as a `get`
/// does](may_be_get), is one of one key and nothing else: most are. The key has `N` bytes or
/// more, and twice that at most. Looks at it once for all of this.
#[inline(always)]
pub(crate) fn only_get<'a, const N: usize>(
    buffer: &'a [u8],
    len: usize,
    hasher: &Keyed,
) -> Option<OnlyGet<'a, N>> {
    let datagram = buffer.get(..len)?;
    if !(const { AROUND + N }..=const { AROUND + 2 * N }).contains(&datagram.len()) {
        return None;
    }
    let (head, words) = datagram.split_first_chunk::<{ FRAME_LEN + NAME }>()?;
    let (key, end) = words.split_last_chunk()?;
    let [_, _, _, _, total_high, total_low, ..] = *head;
    if u16::from_be_bytes([total_high, total_low]) != 1 || u16::from_le_bytes(*end) != CRLF {
        return None;
    }
    let ends = [*key.first_chunk()?, *key.last_chunk()?];
    // Several keys are not for here; what is a key all the same, others see to.
    (!have_blank(&ends)).then(|| OnlyGet {
        key,
        ends,
        hash: hasher.hash(key),
    })
}

/// The item, if that datagram is a whole request that is a plain `set`
/// and nothing else.
#[inline(always)]
pub(crate) fn only_set(datagram: &[u8]) -> Option<Set<'_>> {
    let (head, words) = datagram.split_first_chunk::<{ FRAME_LEN + NAME }>()?;
    let [_, _, _, _, total_high, total_low, _, _, s, e, t, space] = *head;
    if u16::from_be_bytes([total_high, total_low]) != 1
        || u32::from_le_bytes([s, e, t, space]) != SET
    {
        return None;
    }
    let line = Line::read(words, find_blank(words)?)?;
    let whole = line.data.len() == line.data_len.wrapping_add(2) && line.data.ends_with(b"\r\n");
    let rest = line.rest;
    whole.then(|| line.with(rest))
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

/// The line of a `set`, and what is behind it.
struct Line<'a> {
    key: &'a [u8],
    exptime: u32,
    /// What is behind the key, and how long the flags are in it, their space included.
    head: &'a [u8],
    head_len: usize,
    /// What is behind exptime.
    rest: &'a [u8],
    data_len: usize,
    data: &'a [u8],
}

impl<'a> Line<'a> {
    /// One whose key ends there.
    #[inline(always)]
    fn read(words: &'a [u8], key_end: usize) -> Option<Self> {
        let (key, head) = words.split_at_checked(key_end)?;
        if key.is_empty() || !is_key(key) {
            return None;
        }
        let (head_len, exptime, rest) = match two_digits(head) {
            Some(exptime) => (2, exptime, head.get(4..)?),
            None => {
                let (head_len, behind) = flags(head)?;
                let rest = head.get(head_len..)?;
                match digit(behind) {
                    Some(exptime) => (head_len, exptime, rest.get(2..)?),
                    None => {
                        let (exptime, rest) = number(rest)?;
                        (head_len, exptime, rest)
                    }
                }
            }
        };
        let (data_len, behind) = number(rest)?;
        Some(Self {
            key,
            exptime,
            head,
            head_len,
            rest,
            data_len: data_len as usize,
            data: behind.strip_prefix(b"\r\n")?,
        })
    }

    /// What it stores; `rest` ends with the data.
    #[inline(always)]
    fn with(self, rest: &'a [u8]) -> Set<'a> {
        let new = Plain {
            key: self.key,
            head: self.head,
            head_len: self.head_len,
            rest,
            data_len: self.data_len,
            exptime: i64::from(self.exptime),
            cas: Cas::Next,
            key_is_binary: false,
        };
        Set { new }
    }
}

/// A `set` whose key ends there, and its length.
#[inline(always)]
fn set(words: &[u8], key_end: usize) -> Option<(Set<'_>, usize)> {
    let line = Line::read(words, key_end)?;
    let before = line.rest.len().wrapping_sub(line.data.len());
    let whole = before.wrapping_add(line.data_len).wrapping_add(2);
    let (rest, behind) = line.rest.split_at_checked(whole)?;
    let total = words.len().wrapping_sub(behind.len()).wrapping_add(NAME);
    rest.ends_with(b"\r\n").then(|| (line.with(rest), total))
}

/// Six to each byte: what is below ten stays below 16 then, and nothing else does.
const SIX: u64 = u64::from_le_bytes([6; 8]);

/// The exptime in ` <flags> <exptime> `, if both are of one digit, which most are.
#[inline(always)]
fn two_digits(text: &[u8]) -> Option<u32> {
    const ZEROS: u64 = u64::from_le_bytes(*b" 0 0 \0\0\0");
    // What must be as above, and the upper half of the digits.
    const SAME: u64 = u64::from_le_bytes([255, 0xf0, 255, 0xf0, 255, 0, 0, 0]);
    const DIGITS: u64 = u64::from_le_bytes([0, 255, 0, 255, 0, 0, 0, 0]);
    let (eight, _) = text.split_first_chunk::<8>()?;
    let digits = u64::from_le_bytes(*eight) ^ ZEROS;
    if (digits | digits.wrapping_add(SIX & DIGITS)) & SAME != 0 {
        return None;
    }
    Some((digits.wrapping_shr(24) & 15) as u32)
}

/// How long a space and flags of at most seven digits are, without leading zeros, and some
/// bytes that are behind them, as many as there are. Nobody asks for their value.
#[inline(always)]
fn flags(text: &[u8]) -> Option<(usize, u64)> {
    const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
    const UPPER: u64 = u64::from_le_bytes([0xf0; 8]);
    const END: u64 = 1 << 63;
    let ([space, eight @ ..], _) = text.split_first_chunk::<9>()?;
    let word = u64::from_le_bytes(*eight);
    let digits = word ^ ZEROS;
    // A carry comes from what is no digit, and only goes to what is behind it.
    let others = (digits | digits.wrapping_add(SIX)) & UPPER | END;
    let bits = others.trailing_zeros() & !7;
    let right = *space == b' ' && bits > 0 && (digits as u8 != 0 || bits == 8);
    // The next number begins with a space, which the eighth byte therefore is if not sooner.
    let len = (bits / 8) as usize;
    right.then_some((len.wrapping_add(1), word.wrapping_shr(bits)))
}

/// The number in ` <digit> `, if the lowest bytes are that.
#[inline(always)]
fn digit(bytes: u64) -> Option<u32> {
    const ZERO: u64 = u64::from_le_bytes(*b" 0 \0\0\0\0\0");
    const SAME: u64 = u64::from_le_bytes([255, 0xf0, 255, 0, 0, 0, 0, 0]);
    let digit = bytes ^ ZERO;
    match (digit | digit.wrapping_add(6 << 8)) & SAME {
        0 => Some((digit.wrapping_shr(8) & 15) as u32),
        _ => None,
    }
}

/// A space and a number of at most nine digits, which is below every limit, without
/// leading zeros; and what is behind it.
#[inline(always)]
fn number(text: &[u8]) -> Option<(u32, &[u8])> {
    // There is something behind every number.
    let ([space, first, second], _) = text.split_first_chunk()?;
    let (_, behind) = text.split_first_chunk::<2>()?;
    let value = u32::from(first.wrapping_sub(b'0'));
    if *space != b' ' || value > 9 {
        return None;
    }
    match second.wrapping_sub(b'0') {
        0..=9 if *first == b'0' => None,
        0..=9 => longer_number(value, behind),
        _ => Some((value, behind)),
    }
}

/// A number that begins with a digit of that value, and goes on.
#[inline(always)]
fn longer_number(mut value: u32, text: &[u8]) -> Option<(u32, &[u8])> {
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        value = value.wrapping_mul(10).wrapping_add(u32::from(digit));
        rest = behind;
    }
    (text.len().wrapping_sub(rest.len()) <= 8).then_some((value, rest))
}
