// SPDX-License-Identifier: GPL-2.0-only
//! `get`, `gets`, `gat`, `gats` and `touch`.

use crate::reply::{Full, Reply};
use crate::request::Get;
use crate::store::{Amend, Change, Look, Lookup, Updated, Value, Was};
use crate::{Context, Kv, Platform};

/// What does not fit leaves `get` where it was: the keys answered so far are
/// gone from it, the others are still to be answered.
pub(super) fn get<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    get: &mut Get<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mut keys = get.keys.clone();
    while let Some(key) = keys.next() {
        let mark = reply.mark();
        let found = match get.touch {
            None => kv.get(key, Look::Use, cx, |value| put_value(value, get.cas, reply)),
            Some(exptime) => get_and_touch(kv, cx, key, exptime, get.cas, reply),
        };
        if let Lookup::Hit(Err(full)) = found {
            reply.rewind(mark);
            return Err(full);
        }
        get.keys = keys.clone();
        match get.touch {
            None => count_get(cx, &found),
            Some(_) => count_touch(cx, matches!(found, Lookup::Hit(_))),
        }
    }
    reply.put(b"END\r\n")
}

/// Called with the item locked: copies, and nothing else.
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

/// Touches nothing when the value does not fit.
fn get_and_touch<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    key: &[u8],
    exptime: i64,
    cas: bool,
    reply: &mut Reply<'_>,
) -> Lookup<Result<(), Full>> {
    let mut put = Ok(());
    let updated = kv.update(key, cx, |value| {
        if let Some(value) = value {
            put = put_value(value, cas, reply);
        }
        match put {
            Ok(()) => Change::Amend(Amend {
                exptime: Some(exptime),
                used: true,
                ..Amend::default()
            }),
            Err(Full) => Change::Keep,
        }
    });
    looked_up(&updated, put)
}

/// What an update that was a look as well has found.
pub(super) fn looked_up<R>(updated: &Updated, hit: R) -> Lookup<R> {
    match updated.was {
        Was::Live => Lookup::Hit(hit),
        Was::Missing => Lookup::Miss,
        Was::Expired => Lookup::Expired,
        Was::Flushed => Lookup::Flushed,
    }
}

pub(super) fn touch<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    key: &[u8],
    exptime: i64,
) -> &'static [u8] {
    let amend = Amend {
        exptime: Some(exptime),
        used: true,
        ..Amend::default()
    };
    let hit = kv.update(key, cx, |_| Change::Amend(amend)).was == Was::Live;
    count_touch(cx, hit);
    match hit {
        true => b"TOUCHED\r\n",
        false => b"NOT_FOUND\r\n",
    }
}

pub(super) fn count_get<R>(cx: &Context<'_>, found: &Lookup<R>) {
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

/// As in memcached, a get that touches is a touch, and no get.
pub(super) fn count_touch(cx: &Context<'_>, hit: bool) {
    cx.mine.cmd_touch.inc();
    match hit {
        true => cx.mine.touch_hits.inc(),
        false => cx.mine.touch_misses.inc(),
    }
}
