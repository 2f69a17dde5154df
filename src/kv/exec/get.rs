// SPDX-License-Identifier: GPL-2.0-only
//! `get`, `gets`, `gat`, `gats` and `touch`.

use super::put_rest;
use crate::reply::{Full, Reply};
use crate::request::Get;
use crate::store::{Amend, Change, Look, Lookup, Updated, Value, Was};
use crate::{Context, Kv, PerClass, Platform};

const END: &[u8; 5] = b"END\r\n";

/// `get` of one key, whose hash that is; as [`super::run`].
#[inline(always)]
pub(crate) fn get<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    key: &[u8],
    hash: u64,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    match answer(kv, cx, key, hash, END, reply)? {
        true => Ok(()),
        false => reply.put(END),
    }
}

/// What does not fit leaves `get` where it was: the keys answered so far are
/// gone from it, the others are still to be answered.
pub(super) fn run<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    get: &mut Get<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mut keys = get.keys.clone();
    let plain = !get.cas && get.touch.is_none();
    while let Some(key) = keys.next() {
        match plain {
            true => {
                answer(kv, cx, key, kv.hash(key), &[], reply)?;
            }
            false => answer_more(kv, cx, key, get, reply)?,
        }
        get.keys = keys.clone();
    }
    reply.put(END)
}

/// Answers one key, if it is there with `behind` behind it, and counts that; if
/// it fits, else neither. Whether it was there.
#[inline(always)]
fn answer<P: Platform, const N: usize>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    key: &[u8],
    hash: u64,
    behind: &[u8; N],
    reply: &mut Reply<'_>,
) -> Result<bool, Full> {
    let item = match kv.look_up::<()>(key, hash, cx) {
        Ok(item) => item,
        Err(missed) => {
            count_get(cx, &missed);
            return Ok(false);
        }
    };
    let put = match item.whole_text() {
        Some(text) => reply.put_between(b"VALUE ", text, behind),
        None => put_all(kv, &item.value(), behind, reply),
    };
    if put.is_ok() {
        item.use_it();
    }
    drop(item);
    put?;
    cx.mine.cmd_get.inc();
    cx.mine.get_hits.inc();
    Ok(true)
}

/// A value that is in several pieces, or nothing.
#[cold]
#[inline(never)]
fn put_all<P: Platform>(
    kv: &Kv<P>,
    value: &Value<'_>,
    behind: &[u8],
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mark = reply.mark();
    let put = put_value(kv, value, false, reply).and_then(|()| reply.put(behind));
    if put.is_err() {
        reply.rewind(mark);
    }
    put
}

/// As [`answer`], with a cas number, or a touch.
#[inline(never)]
fn answer_more<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    key: &[u8],
    get: &Get<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mark = reply.mark();
    let found = match get.touch {
        None => kv.get_if(
            key,
            Look::Use,
            cx,
            |value| put_value(kv, value, get.cas, reply),
            Result::is_ok,
        ),
        Some(exptime) => get_and_touch(kv, cx, key, exptime, |value| {
            put_value(kv, value, get.cas, reply)
        }),
    };
    if let Lookup::Hit(Err(full)) = found {
        reply.rewind(mark);
        return Err(full);
    }
    match get.touch {
        None => count_get(cx, &found),
        Some(_) => count_touch(cx, matches!(found, Lookup::Hit(_))),
    }
    Ok(())
}

/// Called with the item locked: copies, and nothing else.
fn put_value<P: Platform>(
    kv: &Kv<P>,
    value: &Value<'_>,
    cas: bool,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    reply.fits(value.text_len)?;
    reply.put(b"VALUE ")?;
    if !cas {
        reply.put(value.text)?;
        return put_rest(kv, value, reply);
    }
    let (head, data) = value.text.split_at_checked(value.head_len).ok_or(Full)?;
    reply.put(head.strip_suffix(b"\r\n").unwrap_or(head))?;
    reply.put(b" ")?;
    reply.put_decimal(value.cas())?;
    reply.put(b"\r\n")?;
    reply.put(data)?;
    put_rest(kv, value, reply)
}

/// Has the item answered by `found`, with a new exptime; touches nothing when the
/// answer does not fit.
pub(crate) fn get_and_touch<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    key: &[u8],
    exptime: i64,
    mut found: impl FnMut(&Value<'_>) -> Result<(), Full>,
) -> Lookup<Result<(), Full>> {
    let mut put = Ok(());
    let updated = kv.look_and_update(key, cx, |value| {
        put = value.map_or(Ok(()), &mut found);
        match put {
            Ok(()) => Change::Amend(Amend {
                exptime: Some(exptime),
                used: true,
                ..Amend::default()
            }),
            Err(Full) => Change::Keep,
        }
    });
    if put.is_ok() {
        cx.mine.count_in(updated.class, PerClass::Touch);
    }
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
    let updated = kv.look_and_update(key, cx, |_| Change::Amend(amend));
    let hit = updated.was == Was::Live;
    count_touch(cx, hit);
    cx.mine.count_in(updated.class, PerClass::Touch);
    match hit {
        true => b"TOUCHED\r\n",
        false => b"NOT_FOUND\r\n",
    }
}

#[inline]
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
