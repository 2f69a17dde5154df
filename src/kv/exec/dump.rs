// SPDX-License-Identifier: GPL-2.0-only
//! `lru_crawler metadump`, `lru_crawler mgdump` and `stats cachedump`: every live
//! item, a line each. A dump is one answer, and one request's work: what does not fit into
//! that is refused, before it is begun if that can be foreseen.

use crate::limits::{CLASSES_MAX, DUMP_LINE_MIN, DUMP_PAIRS};
use crate::reply::{Full, Reply};
use crate::request::{Words, BAD_FORMAT};
use crate::store::{Cursor, Value};
use crate::{base64, decimal, Context, Kv, Platform};

const END: &[u8] = b"END\r\n";
const TOO_LARGE: &[u8] = b"SERVER_ERROR dump too large for one reply\r\n";

/// Which classes to dump: a bit for each, the lowest for class 1.
pub(super) struct Classes(u64);

impl Classes {
    /// `all`, `hash`, or numbers from 1 to 63 with commas between them.
    pub(super) fn parse(word: &[u8]) -> Option<Self> {
        if matches!(word, b"all" | b"hash") {
            return Some(Self(u64::MAX));
        }
        let mut bits = 0;
        let numbers = word.split(|byte| *byte == b',');
        for number in numbers.filter(|number| !number.is_empty()) {
            let class = decimal::parse(number).filter(|class| (1..=63).contains(class))?;
            let shift = u32::try_from(class.checked_sub(1)?).ok()?;
            bits |= 1u64.checked_shl(shift)?;
        }
        Some(Self(bits))
    }

    fn have(&self, class: u8) -> bool {
        1u64.checked_shl(u32::from(class))
            .is_some_and(|bit| self.0 & bit != 0)
    }
}

/// A dump that was asked for.
pub(super) struct Dump {
    classes: Classes,
    /// `mgdump`: keys as commands, nothing else.
    keys_only: bool,
}

impl Dump {
    pub(super) fn meta(classes: Classes) -> Self {
        Self {
            classes,
            keys_only: false,
        }
    }

    pub(super) fn keys(classes: Classes) -> Self {
        Self {
            classes,
            keys_only: true,
        }
    }

    pub(super) fn run<P: Platform>(
        &self,
        kv: &Kv<P>,
        cx: &Context<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Full> {
        let mark = reply.mark();
        let usage = kv.usage();
        // It is long, and cannot go on where it stopped.
        reply.move_on();
        let lines = (reply.room() / DUMP_LINE_MIN) as u64;
        let fits = usage.items <= lines && usage.pairs <= DUMP_PAIRS;
        if fits && self.put(kv, cx, reply).is_ok() {
            return Ok(());
        }
        reply.rewind(mark);
        reply.put(TOO_LARGE)
    }

    fn put<P: Platform>(
        &self,
        kv: &Kv<P>,
        cx: &Context<'_>,
        reply: &mut Reply<'_>,
    ) -> Result<(), Full> {
        reply.put(b"OK\r\n")?;
        let mut at = Some(Cursor::default());
        while let Some(cursor) = at {
            let mut result = Ok(());
            at = kv.walk(cursor, cx, |value| {
                let class = kv.class_of(value);
                if result.is_ok() && self.classes.have(class) {
                    result = match self.keys_only {
                        true => put_key(value, reply),
                        false => put_meta(value, class, cx, reply),
                    };
                }
            });
            result?;
        }
        reply.put(match self.keys_only {
            true => b"EN\r\n",
            false => END,
        })
    }
}

/// `stats cachedump <class> <limit>`: live items of a class, so many at most, 0 for
/// all; and no more than there is room for, or are in the first [`DUMP_PAIRS`] pairs
/// of hash chains. As memcached's, it leaves keys out that are shown in base64.
pub(crate) fn cached<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    mut words: Words<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let (Some(class), Some(limit)) = (words.next(), words.next()) else {
        return reply.put(b"CLIENT_ERROR bad command line\r\n");
    };
    let number = |word| u32::try_from(decimal::parse(word)?).ok();
    let (Some(class), Some(limit)) = (number(class), number(limit)) else {
        return reply.put(BAD_FORMAT);
    };
    if class as usize > CLASSES_MAX {
        return reply.put(b"CLIENT_ERROR Illegal slab id\r\n");
    }
    let class = class
        .checked_sub(1)
        .and_then(|class| u8::try_from(class).ok());
    if let Some(class) = class {
        put_cached(kv, cx, class, limit, reply);
    }
    reply.put(END)
}

/// As many of the lines as there are, and as fit with the [`END`].
fn put_cached<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    class: u8,
    limit: u32,
    reply: &mut Reply<'_>,
) {
    let usage = kv.class_usage(class, cx.now);
    if usage.is_none_or(|usage| usage.items == [0; 3]) {
        return;
    }
    reply.move_on();
    let mut left = if limit == 0 { u32::MAX } else { limit };
    let mut at = Some(Cursor::default());
    for _ in 0..DUMP_PAIRS {
        let Some(cursor) = at.filter(|_| left > 0) else {
            return;
        };
        at = kv.walk(cursor, cx, |value| {
            if left == 0 || kv.class_of(value) != class || value.key_is_binary() {
                return;
            }
            left = left.saturating_sub(1);
            let mark = reply.mark();
            if put_item(value, cx, reply).is_err() || reply.room() < END.len() {
                reply.rewind(mark);
                left = 0;
            }
        });
    }
}

fn put_item(value: &Value<'_>, cx: &Context<'_>, reply: &mut Reply<'_>) -> Result<(), Full> {
    reply.put(b"ITEM ")?;
    reply.put(value.key())?;
    reply.put(b" [")?;
    reply.put_decimal(value.data_len() as u64)?;
    reply.put(b" b; ")?;
    let until = |ttl| cx.unix_now.saturating_add(u64::from(ttl));
    reply.put_decimal(value.ttl().map_or(0, until))?;
    reply.put(b" s]\r\n")
}

fn put_key(value: &Value<'_>, reply: &mut Reply<'_>) -> Result<(), Full> {
    reply.put(b"mg ")?;
    if !value.key_is_binary() {
        reply.put(value.key())?;
        return reply.put(b"\r\n");
    }
    base64::encode(value.key(), |digits| reply.put(digits))?;
    reply.put(b" b\r\n")
}

/// As memcached writes it: with a space at the end, and a bare newline.
fn put_meta(
    value: &Value<'_>,
    class: u8,
    cx: &Context<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    reply.put(b"key=")?;
    put_escaped(value.key(), reply)?;
    reply.put(b" exp=")?;
    match value.ttl() {
        Some(ttl) => reply.put_decimal(cx.unix_now.saturating_add(u64::from(ttl)))?,
        None => reply.put(b"-1")?,
    }
    reply.put(b" la=")?;
    reply.put_decimal(cx.unix_now.saturating_sub(u64::from(value.idle())))?;
    put_kind(value, class, reply)?;
    reply.put(b" flags=")?;
    reply.put_decimal(u64::from(value.flags()))?;
    reply.put(b" \n")
}

/// What `me` says of an item as well.
pub(super) fn put_kind(value: &Value<'_>, class: u8, reply: &mut Reply<'_>) -> Result<(), Full> {
    reply.put(b" cas=")?;
    reply.put_decimal(value.cas())?;
    reply.put(match value.fetched() {
        true => b" fetch=yes cls=",
        false => b" fetch=no cls=",
    })?;
    reply.put_decimal(u64::from(class).saturating_add(1))?;
    reply.put(b" size=")?;
    reply.put_decimal(value.size() as u64)
}

/// RFC 3986, section 2.1.
fn put_escaped(text: &[u8], reply: &mut Reply<'_>) -> Result<(), Full> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or(b'0');
    for &byte in text {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'.' | b'_' | b'~' => {
                reply.put(&[byte])?;
            }
            _ => reply.put(&[b'%', digit(byte >> 4), digit(byte & 15)])?,
        }
    }
    Ok(())
}
