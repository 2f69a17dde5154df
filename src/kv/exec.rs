// SPDX-License-Identifier: GPL-2.0
//! Commands to answers.

use crate::reply::{Full, Reply};
use crate::request::{Request, Set, Words};
use crate::store::{Change, Done, Entry, Look, Lookup, Value};
use crate::{stats, Context, Kv, Platform, VERSION};

/// Executes one command and appends its answer.
///
/// # Errors
///
/// [`Full`] when the answer does not fit; part of it may have been appended.
/// Happens only to commands that change nothing in the store.
pub(crate) fn run<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    request: &Request<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    match request {
        Request::Get { keys, cas } => get(kv, cx, keys.clone(), *cas, reply),
        Request::Set {
            set: operands,
            noreply,
        } => {
            let line = set(kv, cx, operands);
            answer(line, *noreply, reply)
        }
        Request::Delete { key, noreply } => answer(delete(kv, cx, key), *noreply, reply),
        Request::FlushAll { exptime, noreply } => {
            cx.mine.cmd_flush.inc();
            kv.flush_all(*exptime, cx.now, cx.unix_now);
            answer(b"OK\r\n", *noreply, reply)
        }
        Request::Verbosity { noreply } => answer(b"OK\r\n", *noreply, reply),
        Request::Version => version(reply),
        Request::Stats => stats::general(kv, cx, reply),
        Request::StatsReset => {
            stats::reset(cx);
            answer(b"RESET\r\n", false, reply)
        }
        Request::Quit => Ok(()),
        Request::Refused { line, noreply } => answer(line, *noreply, reply),
    }
}

fn answer(line: &[u8], noreply: bool, reply: &mut Reply<'_>) -> Result<(), Full> {
    if noreply {
        return Ok(());
    }
    reply.put(line)
}

fn version(reply: &mut Reply<'_>) -> Result<(), Full> {
    reply.put(b"VERSION ")?;
    reply.put(VERSION.as_bytes())?;
    reply.put(b"\r\n")
}

fn get<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    keys: Words<'_>,
    cas: bool,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    for key in keys {
        cx.mine.cmd_get.inc();
        match kv.get(key, Look::Use, cx, |value| put_value(value, cas, reply)) {
            Lookup::Hit(put) => {
                cx.mine.get_hits.inc();
                put?;
            }
            Lookup::Miss => cx.mine.get_misses.inc(),
            Lookup::Expired => {
                cx.mine.get_misses.inc();
                cx.mine.get_expired.inc();
            }
            Lookup::Flushed => {
                cx.mine.get_misses.inc();
                cx.mine.get_flushed.inc();
            }
        }
    }
    reply.put(b"END\r\n")
}

/// Called with the table locked: copies, and nothing else.
fn put_value(value: &Value<'_>, cas: bool, reply: &mut Reply<'_>) -> Result<(), Full> {
    reply.put(b"VALUE ")?;
    if !cas {
        return reply.put(value.text);
    }
    let (head, data) = value.text.split_at_checked(value.head_len).ok_or(Full)?;
    reply.put(head.strip_suffix(b"\r\n").unwrap_or(head))?;
    reply.put(b" ")?;
    reply.put_decimal(value.cas)?;
    reply.put(b"\r\n")?;
    reply.put(data)
}

fn set<P: Platform>(kv: &Kv<P>, cx: &Context<'_>, set: &Set<'_>) -> &'static [u8] {
    if !kv.fits(set.key.len(), set.flags, set.len) {
        cx.mine.store_too_large.inc();
        // What is there is not what the client wanted to be there.
        kv.update(set.key, cx, |_| Change::Remove);
        return b"SERVER_ERROR object too large for cache\r\n";
    }
    cx.mine.cmd_set.inc();
    let Some(block) = set.block else {
        return b"CLIENT_ERROR bad data chunk\r\n";
    };
    let data = block.strip_suffix(b"\r\n").unwrap_or(block);
    let change = |_: Option<&Value<'_>>| {
        Change::Store(Entry {
            or_remove: true,
            ..Entry::new(set.flags, set.exptime, data)
        })
    };
    match kv.update(set.key, cx, change).done {
        Done::Stored { .. } => {
            cx.mine.total_items.inc();
            b"STORED\r\n"
        }
        _ => {
            cx.mine.store_no_memory.inc();
            b"SERVER_ERROR out of memory storing object\r\n"
        }
    }
}

fn delete<P: Platform>(kv: &Kv<P>, cx: &Context<'_>, key: &[u8]) -> &'static [u8] {
    if kv.update(key, cx, |_| Change::Remove).done == Done::Removed {
        cx.mine.delete_hits.inc();
        b"DELETED\r\n"
    } else {
        cx.mine.delete_misses.inc();
        b"NOT_FOUND\r\n"
    }
}
