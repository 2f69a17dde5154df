// SPDX-License-Identifier: GPL-2.0-only
//! The meta commands that change things: `ms`, `md`, `ma`. `mg` and `me` are in
//! [`super::mget`].

use super::arith::{self, Step, Stepped};
use super::store::{self, Put, Stored};
use super::{mget, put_words, Word};
use crate::limits::META_REPLY_MAX;
use crate::reply::{Full, Reply};
use crate::request::{Flags, Meta, Mode, Scratch, Verb};
use crate::store::{Amend, Cas, Change, Done, Entry, Value};
use crate::{Context, Kv, PerClass, Platform};

/// Executes a meta command.
///
/// # Errors
///
/// [`Full`], and then nothing has been changed.
pub(super) fn run<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    meta: &Meta<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    // What is done must be said: nothing is begun that might not be.
    if !reply.has_room_for(META_REPLY_MAX) {
        return Err(Full);
    }
    let done = execute(kv, cx, meta, reply);
    // What did not fit is executed once more, or not at all.
    if done.is_ok() {
        cx.mine.cmd_meta.inc();
    }
    done
}

fn execute<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    meta: &Meta<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mut scratch = Scratch::new();
    if meta.verb == Verb::Debug {
        return mget::debug(kv, cx, meta, &mut scratch, reply);
    }
    let flags = match Flags::parse(meta, &mut scratch) {
        Ok(flags) => flags,
        Err(line) => return reply.put(line),
    };
    match meta.verb {
        Verb::Set => set(kv, cx, meta, &flags, reply),
        Verb::Delete => delete(kv, cx, &flags, reply),
        Verb::Arith => arith(kv, cx, &flags, reply),
        Verb::Get | Verb::Debug => mget::get(kv, cx, &flags, reply),
    }
}

fn new_cas(flags: &Flags<'_>) -> Cas {
    flags.new_cas.map_or(Cas::Next, Cas::Is)
}

fn set<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    meta: &Meta<'_>,
    flags: &Flags<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mode = match flags.mode {
        b'E' => Mode::Add,
        b'A' => Mode::Append,
        b'P' => Mode::Prepend,
        b'R' if flags.cas.is_none() => Mode::Replace,
        _ if flags.cas.is_none() => Mode::Set,
        _ => Mode::Cas,
    };
    let joins = matches!(mode, Mode::Append | Mode::Prepend);
    let put = Put {
        mode,
        key: flags.key,
        flags: flags.client_flags,
        exptime: match flags.vivify {
            Some(exptime) if joins => exptime,
            _ => flags.ttl.unwrap_or(0),
        },
        cas: flags.cas.unwrap_or(0),
        new_cas: new_cas(flags),
        invalidate: flags.invalidate,
        vivify: flags.vivify.is_some(),
        key_is_binary: flags.binary,
        len: meta.len,
        block: meta.block,
    };
    let stored = store::put(kv, cx, &put, true);
    let code: &[u8] = match stored {
        Stored::Yes { .. } if flags.quiet => return Ok(()),
        Stored::Yes { .. } => b"HD",
        Stored::Exists => b"EX",
        Stored::NotFound => b"NF",
        Stored::No => b"NS",
        Stored::Refused(line) => return reply.put(line),
    };
    let (cas, len) = match stored {
        Stored::Yes { cas, len } => (cas, len),
        _ => (0, meta.len),
    };
    reply.put(code)?;
    put_words(flags, flags.binary, reply, |letter| match letter {
        b'c' => Some(Word::Number(cas)),
        b's' => Some(Word::Number(len as u64)),
        _ => None,
    })?;
    reply.put(b"\r\n")
}

fn delete<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    flags: &Flags<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mut code: &[u8] = b"NF";
    let updated = kv.update(flags.key, cx, |old| match old {
        None => Change::Keep,
        Some(old) if flags.cas.is_some_and(|cas| cas != old.cas()) => {
            code = b"EX";
            Change::Keep
        }
        Some(old) => {
            code = b"HD";
            removal(flags, old)
        }
    });
    if updated.done == Done::NoMemory {
        return reply.put(b"SERVER_ERROR out of memory\r\n");
    }
    match code {
        b"HD" if flags.invalidate => {}
        b"HD" => {
            cx.mine.delete_hits.inc();
            cx.mine.count_in(updated.segment.class, PerClass::Delete);
        }
        _ => cx.mine.delete_misses.inc(),
    }
    if code == b"HD" && flags.quiet {
        return Ok(());
    }
    reply.put(code)?;
    put_words(flags, flags.binary, reply, |_| None)?;
    reply.put(b"\r\n")
}

/// What `md` makes of an item that it may remove.
fn removal<'c>(flags: &Flags<'_>, old: &Value<'_>) -> Change<'c> {
    match (flags.remove, flags.invalidate) {
        (false, false) => Change::Remove,
        (false, true) => Change::Amend(Amend {
            exptime: flags.ttl,
            stale: Some(true),
            won: Some(false),
            cas: new_cas(flags),
            used: false,
        }),
        (true, invalidate) => Change::Store(Entry {
            cas: match flags.new_cas {
                Some(cas) => Cas::Is(cas),
                None if invalidate => Cas::Next,
                None => Cas::Is(old.cas()),
            },
            stale: invalidate,
            key_is_binary: old.key_is_binary(),
            ..Entry::new(flags.client_flags, flags.ttl.unwrap_or(0), b"")
        }),
    }
}

fn arith<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    flags: &Flags<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let step = Step {
        key: flags.key,
        delta: flags.delta,
        up: !matches!(flags.mode, b'D' | b'-'),
        cas: flags.cas.unwrap_or(0),
        new_cas: new_cas(flags),
        exptime: flags.ttl,
        vivify: flags
            .vivify
            .map(|_| (flags.initial, flags.last_exptime().unwrap_or(0))),
        key_is_binary: flags.binary,
    };
    let (value, cas, mut ttl, created) = match arith::step(kv, cx, &step) {
        Stepped::To { .. } if flags.quiet => return Ok(()),
        Stepped::To {
            value,
            cas,
            ttl,
            created,
        } => (value, cas, ttl, created),
        Stepped::Refused(line) => return reply.put(line),
        other => {
            let missing = matches!(other, Stepped::NotFound);
            reply.put(if missing { b"NF" } else { b"EX" })?;
            put_words(flags, flags.binary, reply, |_| None)?;
            return reply.put(b"\r\n");
        }
    };
    let digits = crate::decimal::Decimal::new(value);
    if flags.value {
        reply.put(b"VA ")?;
        reply.put_decimal(digits.as_bytes().len() as u64)?;
    } else {
        reply.put(b"HD")?;
    }
    put_words(flags, flags.binary, reply, |letter| match letter {
        b'T' => {
            ttl = mget::time_to_live(cx, flags.ttl);
            None
        }
        b'N' if created => {
            ttl = mget::time_to_live(cx, flags.vivify);
            None
        }
        b't' => Some(Word::Ttl(ttl)),
        b'c' => Some(Word::Number(cas)),
        _ => None,
    })?;
    if flags.value {
        reply.put(b"\r\n")?;
        reply.put(digits.as_bytes())?;
    }
    reply.put(b"\r\n")
}
