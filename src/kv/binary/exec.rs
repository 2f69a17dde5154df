// SPDX-License-Identifier: GPL-2.0-only
//! Binary commands to answers.

use super::header::Status;
use super::reply::{self, Body};
use super::request::{Arith, Command, Frame, Get, Mode};
use crate::exec::look;
use crate::reply::{Full, Reply};
use crate::store::{Change, Done, Entry, Exptime, Part, Value, Was};
use crate::{decimal, Context, Kv, PerClass, Platform, VERSION};

/// What a command that changes something has to say.
enum Answer {
    /// Success, with the item's cas number if it has one still.
    Ok {
        cas: u64,
    },
    /// Success, with the counter's new value.
    Counter {
        value: u64,
        cas: u64,
    },
    Refused(Status),
}

/// Executes one command and appends its answer.
///
/// # Errors
///
/// [`Full`] when the answer does not fit; part of it may have been appended.
/// Happens to a get, a stat and a miss that repeats its key, to nothing else,
/// so that nothing has changed.
pub(super) fn run<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    frame: &Frame<'_>,
    value: &[u8],
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let cas = frame.header.cas;
    let answer = match frame.command {
        Command::Get(get) => return self::get(kv, cx, frame, &get, reply),
        Command::Stat { what } => return super::stat::run(kv, cx, frame, what, reply),
        Command::Version => {
            let body = Body {
                value: VERSION.as_bytes(),
                ..Body::default()
            };
            return reply::put(reply, &frame.header, Status::Ok, &body);
        }
        Command::Store {
            mode,
            key,
            flags,
            exptime,
        } => {
            count_set(kv, cx, key, flags, value.len());
            store(kv, cx, mode, key, cas, Entry::new(flags, exptime, value))
        }
        Command::Join { key, front } => join(kv, cx, key, cas, front, value),
        Command::Delete { key } => delete(kv, cx, key, cas),
        Command::Arith(operands) => arith(kv, cx, &operands, cas),
        Command::Flush { exptime } => {
            cx.mine.cmd_flush.inc();
            kv.flush_all(exptime, cx.now, cx.unix_now);
            Answer::Ok { cas: 0 }
        }
        Command::Noop | Command::Quit => Answer::Ok { cas: 0 },
    };
    say(frame, &answer, reply)
}

/// A value that no item can hold, or that nobody can hold until it is whole.
pub(super) fn not_stored<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    frame: &Frame<'_>,
    status: Status,
) {
    match status {
        Status::TooLarge => cx.mine.store_too_large.inc(),
        _ => cx.mine.store_no_memory.inc(),
    }
    if let Command::Store {
        mode: Mode::Set,
        key,
        ..
    } = frame.command
    {
        // What is there is not what the client wanted to be there.
        kv.update(key, cx, |_| Change::Remove);
    }
}

/// A quiet command says nothing but what went wrong.
fn say(frame: &Frame<'_>, answer: &Answer, reply: &mut Reply<'_>) -> Result<(), Full> {
    let (value, cas) = match answer {
        Answer::Refused(status) => return reply::refuse(reply, &frame.header, *status),
        _ if frame.quiet => return Ok(()),
        Answer::Ok { cas } => return put_ok(frame, &[], *cas, reply),
        Answer::Counter { value, cas } => (value, cas),
    };
    put_ok(frame, &value.to_be_bytes(), *cas, reply)
}

fn put_ok(frame: &Frame<'_>, value: &[u8], cas: u64, reply: &mut Reply<'_>) -> Result<(), Full> {
    let body = Body {
        value,
        cas,
        ..Body::default()
    };
    reply::put(reply, &frame.header, Status::Ok, &body)
}

fn get<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    frame: &Frame<'_>,
    get: &Get<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let put = |value: &Value<'_>| put_value(kv, frame, get, value, reply);
    match look(kv, cx, get.key, get.touch, put)? {
        true => Ok(()),
        _ if frame.quiet => Ok(()),
        _ if get.with_key => {
            let body = Body {
                key: get.key,
                ..Body::default()
            };
            reply::put(reply, &frame.header, Status::NotFound, &body)
        }
        _ => reply::refuse(reply, &frame.header, Status::NotFound),
    }
}

/// Called with the item locked: copies, and nothing else.
fn put_value<P: Platform>(
    kv: &Kv<P>,
    frame: &Frame<'_>,
    get: &Get<'_>,
    value: &Value<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mut body = Body {
        extras: &value.flags().to_be_bytes(),
        key: if get.with_key { get.key } else { &[] },
        cas: value.cas(),
        ..Body::default()
    };
    if !get.with_value {
        return reply::put(reply, &frame.header, Status::Ok, &body);
    }
    reply.fits(value.data_len())?;
    body.value = value.data();
    body.more = value.data_len().saturating_sub(body.value.len());
    reply::put(reply, &frame.header, Status::Ok, &body)?;
    let mut rest = kv.data(value).skip(1);
    match body.more {
        0 => Ok(()),
        _ => rest.try_for_each(|piece| reply.put(piece)),
    }
}

/// With a cas number, all three modes are cas.
fn store<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    mode: Mode,
    key: &[u8],
    cas: u64,
    new: Entry<'_>,
) -> Answer {
    let mut refused = Status::NotStored;
    let updated = kv.update(key, cx, |old| {
        refused = match (old, mode) {
            (None, _) if cas != 0 => Status::NotFound,
            (Some(old), _) if cas != 0 && cas != old.cas() => Status::Exists,
            (Some(_), Mode::Add) if cas == 0 => Status::Exists,
            (None, Mode::Replace) => Status::NotFound,
            _ => {
                return Change::Store(Entry {
                    or_remove: mode == Mode::Set,
                    ..new
                })
            }
        };
        Change::Keep
    });
    let answer = stored(cx, updated.done, refused);
    if cas != 0 {
        match answer {
            Answer::Refused(Status::NotFound) => cx.mine.cas_misses.inc(),
            Answer::Refused(Status::Exists) => {
                cx.mine.cas_badval.inc();
                cx.mine.count_in(updated.segment.class, PerClass::CasBad);
            }
            Answer::Ok { .. } => {
                cx.mine.cas_hits.inc();
                cx.mine.count_in(updated.segment.class, PerClass::CasHit);
            }
            _ => {}
        }
    }
    answer
}

fn count_set<P: Platform>(kv: &Kv<P>, cx: &Context<'_>, key: &[u8], flags: u32, len: usize) {
    cx.mine.cmd_set.inc();
    let class = kv.class_for_data(key.len(), flags, len);
    cx.mine.count_in(class, PerClass::Set);
}

/// Append and prepend.
fn join<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    key: &[u8],
    cas: u64,
    front: bool,
    value: &[u8],
) -> Answer {
    count_set(kv, cx, key, 0, value.len());
    let mut refused = Status::NotStored;
    let updated = kv.update(key, cx, |old| {
        let Some(old) = old else {
            refused = Status::NotStored;
            return Change::Keep;
        };
        if cas != 0 && cas != old.cas() {
            refused = Status::Exists;
            return Change::Keep;
        }
        let data = match front {
            true => [Part::Bytes(value), Part::Old],
            false => [Part::Old, Part::Bytes(value)],
        };
        Change::Store(Entry {
            exptime: Exptime::Keep,
            data,
            key_is_binary: old.key_is_binary(),
            ..Entry::new(old.flags(), 0, &[])
        })
    });
    match stored(cx, updated.done, refused) {
        // Each of the two alone would have been none too large.
        Answer::Refused(Status::TooLarge) => Answer::Refused(Status::NotStored),
        answer => answer,
    }
}

/// What a storage command answers; `refused`, if it did not come to that.
fn stored(cx: &Context<'_>, done: Done, refused: Status) -> Answer {
    match done {
        Done::Stored { cas } => {
            cx.mine.total_items.inc();
            Answer::Ok { cas }
        }
        Done::TooLarge => {
            cx.mine.store_too_large.inc();
            Answer::Refused(Status::TooLarge)
        }
        Done::NoMemory => {
            cx.mine.store_no_memory.inc();
            Answer::Refused(Status::OutOfMemory)
        }
        Done::Nothing | Done::Removed | Done::Amended { .. } => Answer::Refused(refused),
    }
}

fn delete<P: Platform>(kv: &Kv<P>, cx: &Context<'_>, key: &[u8], cas: u64) -> Answer {
    let mut exists = false;
    let updated = kv.update(key, cx, |old| {
        exists = old.is_some_and(|old| cas != 0 && cas != old.cas());
        match exists {
            true => Change::Keep,
            false => Change::Remove,
        }
    });
    match updated.done {
        Done::Removed => {
            cx.mine.delete_hits.inc();
            cx.mine.count_in(updated.segment.class, PerClass::Delete);
            Answer::Ok { cas: 0 }
        }
        _ if exists => Answer::Refused(Status::Exists),
        _ => {
            cx.mine.delete_misses.inc();
            Answer::Refused(Status::NotFound)
        }
    }
}

fn arith<P: Platform>(kv: &Kv<P>, cx: &Context<'_>, arith: &Arith<'_>, cas: u64) -> Answer {
    let mut outcome = Err(Status::NotFound);
    let updated = kv.update(arith.key, cx, |old| {
        let change = counted(arith, cas, old);
        outcome = match &change {
            Ok((value, _)) => Ok(*value),
            Err(status) => Err(*status),
        };
        change.map_or(Change::Keep, |(_, new)| Change::Store(new))
    });
    let hit = updated.was == Was::Live;
    let mine = cx.mine;
    let (hits, misses, what) = match arith.decr {
        true => (&mine.decr_hits, &mine.decr_misses, PerClass::Decr),
        false => (&mine.incr_hits, &mine.incr_misses, PerClass::Incr),
    };
    match (outcome, updated.done) {
        (Ok(value), Done::Stored { cas }) => {
            match hit {
                true => {
                    hits.inc();
                    mine.count_in(updated.segment.class, what);
                }
                false => cx.mine.total_items.inc(),
            }
            Answer::Counter { value, cas }
        }
        (Ok(_), _) => {
            cx.mine.store_no_memory.inc();
            Answer::Refused(Status::OutOfMemory)
        }
        (Err(status), _) => {
            if status == Status::NotFound {
                misses.inc();
            }
            Answer::Refused(status)
        }
    }
}

/// A counter's next value, and the item to hold it.
fn counted<'a>(
    arith: &Arith<'_>,
    cas: u64,
    old: Option<&Value<'_>>,
) -> Result<(u64, Entry<'a>), Status> {
    let Some(old) = old else {
        let (value, exptime) = arith.initial.ok_or(Status::NotFound)?;
        let data = [Part::Number { value, width: 0 }, Part::Bytes(&[])];
        return Ok((
            value,
            Entry {
                data,
                ..Entry::new(0, exptime, &[])
            },
        ));
    };
    if cas != 0 && cas != old.cas() {
        return Err(Status::Exists);
    }
    let value = decimal::parse_counter(old.data()).ok_or(Status::NonNumeric)?;
    let value = match arith.decr {
        true => value.saturating_sub(arith.delta),
        false => value.wrapping_add(arith.delta),
    };
    let width = old.data_len();
    let data = [Part::Number { value, width }, Part::Bytes(&[])];
    Ok((
        value,
        Entry {
            exptime: Exptime::Keep,
            data,
            stale: old.stale(),
            fetched: old.fetched(),
            key_is_binary: old.key_is_binary(),
            ..Entry::new(old.flags(), 0, &[])
        },
    ))
}
