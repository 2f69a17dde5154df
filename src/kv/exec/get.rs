// SPDX-License-Identifier: GPL-2.0-only
//! `get`, `gets`, `gat`, `gats` and `touch`.

use super::put_rest;
use crate::reply::{Full, Reply};
use crate::request::{Get, Keys};
use crate::store::{Amend, Change, Glimpse, Look, Lookup, Segment, Updated, Value, Was};
use crate::{Context, Counters, Kv, PerClass, Platform};

pub(crate) const VALUE: &[u8; 6] = b"VALUE ";
pub(crate) const END: &[u8; 5] = b"END\r\n";

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
    if !get.cas && get.touch.is_none() {
        return run_plain(kv, cx, &mut get.keys, reply);
    }
    let mut keys = get.keys.clone();
    while let Some(key) = keys.next() {
        answer_more(kv, cx, key, get, reply)?;
        get.keys = keys.clone();
    }
    reply.put(END)
}

/// As [`run`], without cas numbers and touches.
#[inline(never)]
fn run_plain<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    left: &mut Keys<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mut keys = left.clone();
    loop {
        let before = keys.clone();
        let Some(key) = keys.next() else {
            break;
        };
        let hash = kv.hasher.hash(key);
        if let Err(full) = answer(kv, cx, key, hash, &[], reply) {
            *left = before;
            return Err(full);
        }
    }
    *left = keys;
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
    let start = reply.mark();
    match kv.glimpse(key, hash, cx.now) {
        Glimpse::Item(item) => {
            if let Some(end) = reply.write_between(start, VALUE, item.text, behind) {
                let segment = item.segment();
                if item.settle(|| key, cx.now) {
                    reply.end_at(end);
                    cx.mine.count_hit(segment);
                    return Ok(true);
                }
            }
        }
        Glimpse::Missed(missed) => {
            count_get(cx.mine, &missed);
            return Ok(false);
        }
        Glimpse::Unsure => {}
    }
    answer_locked(kv, cx, key, behind, reply)
}

/// As [`answer`], with the stripe locked.
#[inline(never)]
fn answer_locked<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    key: &[u8],
    behind: &[u8],
    reply: &mut Reply<'_>,
) -> Result<bool, Full> {
    let item = match kv.look_up(key, kv.hash(key), cx.now) {
        Ok(item) => item,
        Err(missed) => {
            count_get(cx.mine, &missed);
            return Ok(false);
        }
    };
    put_all(kv, &item.value(), behind, reply)?;
    item.use_it();
    cx.mine.count_hit(item.segment());
    Ok(true)
}

/// A value, in however many pieces, or nothing.
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
    let put = |value: &Value<'_>| put_value(kv, value, get.cas, reply);
    let found = look(kv, cx, key, get.touch, put).map(|_| ());
    if found.is_err() {
        reply.rewind(mark);
    }
    found
}

/// Called with the item locked: copies, and nothing else.
fn put_value<P: Platform>(
    kv: &Kv<P>,
    value: &Value<'_>,
    cas: bool,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    reply.fits(value.text_len)?;
    reply.put(VALUE)?;
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

/// Has the item answered by `found`, with a new exptime if there is one in `touch`, and counts
/// that; when the answer does not fit, neither. Whether it was there.
pub(crate) fn look<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    key: &[u8],
    touch: Option<i64>,
    found: impl FnMut(&Value<'_>) -> Result<(), Full>,
) -> Result<bool, Full> {
    if let Some(exptime) = touch {
        return get_and_touch(kv, cx, key, exptime, found);
    }
    let found = kv.get_if(key, Look::Use, cx, found, Result::is_ok);
    if let Lookup::Hit((Err(full), _)) = found {
        return Err(full);
    }
    let found = found.map(|(_, segment)| segment);
    count_get(cx.mine, &found);
    Ok(found.is_hit())
}

fn get_and_touch<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    key: &[u8],
    exptime: i64,
    mut found: impl FnMut(&Value<'_>) -> Result<(), Full>,
) -> Result<bool, Full> {
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
    put?;
    let found = looked_up(&updated);
    count_touch(cx, &found);
    Ok(found.is_hit())
}

/// What an update that was a look as well has found.
pub(super) fn looked_up(updated: &Updated) -> Lookup<Segment> {
    match updated.was {
        Was::Live => Lookup::Hit(updated.segment),
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
    let found = looked_up(&kv.look_and_update(key, cx, |_| Change::Amend(amend)));
    count_touch(cx, &found);
    match found.is_hit() {
        true => b"TOUCHED\r\n",
        false => b"NOT_FOUND\r\n",
    }
}

#[inline]
pub(crate) fn count_get(mine: &Counters, found: &Lookup<Segment>) {
    match found {
        Lookup::Hit(segment) => return mine.count_hit(*segment),
        Lookup::Miss => {}
        Lookup::Expired => mine.get_expired.inc(),
        Lookup::Flushed => mine.get_flushed.inc(),
    }
    mine.get_misses.inc();
}

/// As in memcached, a get that touches is a touch, and no get.
pub(super) fn count_touch(cx: &Context<'_>, found: &Lookup<Segment>) {
    cx.mine.cmd_touch.inc();
    match found {
        Lookup::Hit(segment) => {
            cx.mine.touch_hits.inc();
            return cx.mine.count_in(segment.class, PerClass::Touch);
        }
        Lookup::Miss => {}
        Lookup::Expired => cx.mine.get_expired.inc(),
        Lookup::Flushed => cx.mine.get_flushed.inc(),
    }
    cx.mine.touch_misses.inc();
}
