// SPDX-License-Identifier: GPL-2.0
//! Commands to answers.

use crate::reply::{Full, Reply};
use crate::request::{Get, Mode, Request, Store, ERROR};
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
    request: &mut Request<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    match request {
        Request::Get(get @ Get { touch: None, .. }) => self::get(kv, cx, get, reply),
        Request::Store(
            store @ Store {
                mode: Mode::Set, ..
            },
        ) => {
            let line = set(kv, cx, store);
            answer(line, store.noreply, reply)
        }
        Request::Delete { key, noreply } => answer(delete(kv, cx, key), *noreply, reply),
        Request::FlushAll { exptime, noreply } => {
            cx.mine.cmd_flush.inc();
            kv.flush_all(*exptime, cx.now, cx.unix_now);
            answer(b"OK\r\n", *noreply, reply)
        }
        Request::Verbosity { noreply } => answer(b"OK\r\n", *noreply, reply),
        Request::Version => version(reply),
        Request::Stats(words) => match words.clone().next() {
            None => stats::general(kv, cx, reply),
            Some(b"reset") => {
                stats::reset(cx);
                reply.put(b"RESET\r\n")
            }
            Some(_) => reply.put(ERROR),
        },
        Request::Quit => Ok(()),
        Request::Refused { line, noreply } => answer(line, *noreply, reply),
        // Not served yet.
        Request::Store(store) => answer(ERROR, store.noreply, reply),
        Request::Arith(arith) => answer(ERROR, arith.noreply, reply),
        Request::Touch { noreply, .. } => answer(ERROR, *noreply, reply),
        Request::Admin(_, words) => answer(ERROR, words.say_noreply(), reply),
        Request::Get(_) | Request::Meta(_) | Request::MetaNoop | Request::Http => reply.put(ERROR),
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

/// What does not fit leaves `get` where it was: the keys answered so far are
/// gone from it, the others are still to be answered.
fn get<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    get: &mut Get<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mut keys = get.keys.clone();
    while let Some(key) = keys.next() {
        let mark = reply.mark();
        let found = kv.get(key, Look::Use, cx, |value| put_value(value, get.cas, reply));
        if let Lookup::Hit(Err(full)) = found {
            reply.rewind(mark);
            return Err(full);
        }
        get.keys = keys.clone();
        count_get(cx, &found);
    }
    reply.put(b"END\r\n")
}

fn count_get<R>(cx: &Context<'_>, found: &Lookup<R>) {
    cx.mine.cmd_get.inc();
    match found {
        Lookup::Hit(_) => cx.mine.get_hits.inc(),
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

fn set<P: Platform>(kv: &Kv<P>, cx: &Context<'_>, set: &Store<'_>) -> &'static [u8] {
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
