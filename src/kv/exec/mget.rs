// SPDX-License-Identifier: GPL-2.0-only
//! `mg` and `me`.

use super::dump::put_kind;
use super::get::{count_get, count_touch, looked_up};
use super::{put_rest, put_words, Word};
use crate::limits::KEY_MAX;
use crate::reply::{Full, Reply};
use crate::request::{Flags, Meta, Scratch, BAD_FORMAT};
use crate::store::{due, Amend, Cas, Change, Done, Entry, Look, Lookup, Segment, Value};
use crate::{base64, Context, Kv, Platform};

/// An item as `mg` shows it.
struct View<'a> {
    /// The data with its CRLF, or the first piece of it.
    block: &'a [u8],
    /// Bytes of the whole data.
    len: usize,
    client_flags: u32,
    cas: u64,
    ttl: Option<u32>,
    idle: u32,
    fetched: bool,
    stale: bool,
    won: bool,
    key_is_binary: bool,
    /// It was made by this very command.
    created: bool,
}

impl<'a> View<'a> {
    fn of(value: &Value<'a>) -> Self {
        Self {
            block: value.block(),
            len: value.data_len(),
            client_flags: value.flags(),
            cas: value.cas(),
            ttl: value.ttl(),
            idle: value.idle(),
            fetched: value.fetched(),
            stale: value.stale(),
            won: value.won(),
            key_is_binary: value.key_is_binary(),
            created: false,
        }
    }

    /// `N` has put nothing where nothing was.
    fn created(cas: u64, binary: bool) -> Self {
        Self {
            block: b"\r\n",
            len: 0,
            client_flags: 0,
            cas,
            ttl: None,
            idle: 0,
            fetched: false,
            stale: false,
            won: false,
            key_is_binary: binary,
            created: true,
        }
    }
}

/// How a look without the right to change anything ended.
enum Looked {
    Answered(Result<(), Full>),
    /// Who sees this item first must be noted on it: it is stale.
    Stale {
        idle: u32,
        fetched: bool,
    },
}

pub(super) fn get<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    flags: &Flags<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mark = reply.mark();
    let mut before = None;
    if flags.ttl.is_none() && flags.recache.is_none() && flags.vivify.is_none() {
        let look = match flags.no_bump {
            true => Look::Peek,
            false => Look::Use,
        };
        let answer = |value: &Value<'_>| {
            if value.stale() && !value.won() {
                return Looked::Stale {
                    idle: value.idle(),
                    fetched: value.fetched(),
                };
            }
            let view = View::of(value);
            let put = put(cx, flags, view, reply, |reply| put_rest(kv, value, reply));
            Looked::Answered(put.map(|_| ()))
        };
        let found = kv.get_if(flags.key, look, cx, answer, |looked| {
            !matches!(looked, Looked::Answered(Err(Full)))
        });
        match found {
            Lookup::Hit((Looked::Stale { idle, fetched }, _)) => before = Some((idle, fetched)),
            Lookup::Hit((Looked::Answered(Err(full)), _)) => {
                reply.rewind(mark);
                return Err(full);
            }
            found => {
                let found = found.map(|(_, segment)| segment);
                count_get(cx.mine, &found);
                return match found.is_hit() {
                    true => Ok(()),
                    false => miss(flags, reply),
                };
            }
        }
    }
    get_and_change(kv, cx, flags, before, reply)
}

/// `before` is how the item was when this command came, if it was seen then.
fn get_and_change<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    flags: &Flags<'_>,
    before: Option<(u32, bool)>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mark = reply.mark();
    let mut answered = Ok(());
    let updated = kv.look_and_update(flags.key, cx, |value| {
        reply.rewind(mark);
        let Some(value) = value else {
            return vivified(flags);
        };
        let mut view = View::of(value);
        if let Some((idle, fetched)) = before {
            (view.idle, view.fetched) = (idle, fetched);
        }
        match put(cx, flags, view, reply, |reply| put_rest(kv, value, reply)) {
            Ok(wins) => Change::Amend(Amend {
                exptime: flags.ttl,
                won: wins.then_some(true),
                used: !flags.no_bump,
                ..Amend::default()
            }),
            Err(full) => {
                answered = Err(full);
                Change::Keep
            }
        }
    });
    if answered.is_err() {
        reply.rewind(mark);
        return answered;
    }
    if let Done::Stored { cas } = updated.done {
        cx.mine.total_items.inc();
        let class = kv.class_for_data(flags.key.len(), 0, 0);
        count(cx, flags, &Lookup::Hit(Segment::new_in(class)));
        let view = View::created(cas, flags.binary);
        return put(cx, flags, view, reply, |_| Ok(())).map(|_| ());
    }
    let found = looked_up(&updated);
    count(cx, flags, &found);
    match found.is_hit() {
        true => Ok(()),
        false => miss(flags, reply),
    }
}

/// As in memcached, a hit that touches is a touch, and a miss is a miss.
fn count(cx: &Context<'_>, flags: &Flags<'_>, found: &Lookup<Segment>) {
    match flags.ttl.is_some() && found.is_hit() {
        true => count_touch(cx, found),
        false => count_get(cx.mine, found),
    }
}

/// What `N` puts where nothing is. Its winner is noted on it from the start.
fn vivified<'c>(flags: &Flags<'_>) -> Change<'c> {
    if flags.vivify.is_none() {
        return Change::Keep;
    }
    Change::Store(Entry {
        cas: flags.new_cas.map_or(Cas::Next, Cas::Is),
        won: true,
        fetched: !flags.no_bump,
        key_is_binary: flags.binary,
        ..Entry::new(0, flags.last_exptime().unwrap_or(0), b"")
    })
}

fn miss(flags: &Flags<'_>, reply: &mut Reply<'_>) -> Result<(), Full> {
    if flags.quiet {
        return Ok(());
    }
    reply.put(b"EN")?;
    put_words(flags, flags.binary, reply, |_| None)?;
    reply.put(b"\r\n")
}

/// Appends the answer to a hit; `rest` appends what its data have behind their
/// first piece. Whether it tells the client to fetch anew.
fn put(
    cx: &Context<'_>,
    flags: &Flags<'_>,
    view: View<'_>,
    reply: &mut Reply<'_>,
    rest: impl FnOnce(&mut Reply<'_>) -> Result<(), Full>,
) -> Result<bool, Full> {
    let len = view.len as u64;
    let with_value = flags.value && flags.cas != Some(view.cas);
    match with_value {
        true => {
            reply.fits(view.len)?;
            reply.put(b"VA ")?;
            reply.put_decimal(len)?;
        }
        false => reply.put(b"HD")?,
    }
    let mut ttl = view.ttl;
    // A token was sent before, or is sent now.
    let mut wins = view.stale && !view.won;
    put_words(flags, view.key_is_binary, reply, |letter| match letter {
        b'T' => {
            ttl = time_to_live(cx, flags.ttl);
            None
        }
        b'N' if view.created => {
            ttl = time_to_live(cx, flags.vivify);
            wins = true;
            None
        }
        b'R' => {
            let soon = ttl.is_some_and(|ttl| is_before(cx, ttl, flags.recache));
            wins |= soon && !view.won && !view.created;
            None
        }
        b's' => Some(Word::Number(len)),
        b't' => Some(Word::Ttl(ttl)),
        b'c' => Some(Word::Number(view.cas)),
        b'f' => Some(Word::Number(u64::from(view.client_flags))),
        b'l' => Some(Word::Number(u64::from(view.idle))),
        b'h' => Some(Word::Number(u64::from(view.fetched))),
        _ => None,
    })?;
    for (mark, on) in [(b" Z", view.won), (b" X", view.stale), (b" W", wins)] {
        if on {
            reply.put(mark)?;
        }
    }
    reply.put(b"\r\n")?;
    if with_value {
        reply.put(view.block)?;
        rest(reply)?;
    }
    Ok(wins)
}

/// What an exptime leaves from now on, `None` for ever.
pub(super) fn time_to_live(cx: &Context<'_>, exptime: Option<i64>) -> Option<u32> {
    match due(exptime?, cx.now, cx.unix_now) {
        0 => None,
        due => Some(due.saturating_sub(cx.now.0)),
    }
}

/// Whether a time to live ends before an exptime.
fn is_before(cx: &Context<'_>, ttl: u32, exptime: Option<i64>) -> bool {
    let end = cx.now.0.saturating_add(ttl);
    exptime.is_some_and(|exptime| end < due(exptime, cx.now, cx.unix_now))
}

/// `me <key> [b]`
pub(super) fn debug<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    meta: &Meta<'_>,
    scratch: &mut Scratch,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mut key = meta.key;
    if key.len() > KEY_MAX {
        return reply.put(BAD_FORMAT);
    }
    if meta.flags.clone().next() == Some(b"b") {
        key = match scratch.decode(key) {
            Some(key) => key,
            None => return reply.put(BAD_FORMAT),
        };
    }
    let found = kv.get(key, Look::Peek, cx, |value| {
        put_debug(value, kv.class_of(value), reply)
    });
    match found {
        Lookup::Hit(put) => put,
        _ => reply.put(b"EN\r\n"),
    }
}

fn put_debug(value: &Value<'_>, class: u8, reply: &mut Reply<'_>) -> Result<(), Full> {
    reply.put(b"ME ")?;
    match value.key_is_binary() {
        true => base64::encode(value.key(), |digits| reply.put(digits))?,
        false => reply.put(value.key())?,
    }
    reply.put(b" exp=")?;
    match value.ttl() {
        Some(ttl) => reply.put_decimal(u64::from(ttl))?,
        None => reply.put(b"-1")?,
    }
    reply.put(b" la=")?;
    reply.put_decimal(u64::from(value.idle()))?;
    put_kind(value, class, reply)?;
    reply.put(b"\r\n")
}
