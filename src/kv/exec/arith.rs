// SPDX-License-Identifier: GPL-2.0-only
//! Arithmetic: what `incr`, `decr` and `ma` have in common.

use crate::decimal::{self, Decimal};
use crate::reply::{Full, Reply};
use crate::request::Arith;
use crate::store::{Cas, Change, Done, Entry, Exptime, Part, Value};
use crate::{Context, Kv, PerClass, Platform};

pub(super) const NON_NUMERIC: &[u8] =
    b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
const NO_MEMORY: &[u8] = b"SERVER_ERROR out of memory\r\n";

/// Digits of the longest number there is.
const WIDTH: usize = 20;

/// What keeps a number as long as it was. A longer one is no number.
const SPACES: &[u8; 1024] = &[b' '; 1024];

/// A step of a counter, and on what condition.
pub(super) struct Step<'a> {
    pub(super) key: &'a [u8],
    pub(super) delta: u64,
    pub(super) up: bool,
    /// The cas number that must be there, if it is not 0.
    pub(super) cas: u64,
    /// The cas number to be there afterwards.
    pub(super) new_cas: Cas,
    /// A new exptime, if it is there.
    pub(super) exptime: Option<i64>,
    /// What to store where nothing is, and for how long.
    pub(super) vivify: Option<(u64, i64)>,
    pub(super) key_is_binary: bool,
}

/// What became of it.
pub(super) enum Stepped {
    /// The number that is there now.
    To {
        value: u64,
        cas: u64,
        /// Seconds that the old item had left, `None` for ever, or for a new
        /// item.
        ttl: Option<u32>,
        /// It was not there before.
        created: bool,
    },
    /// The cas number is another.
    Exists,
    NotFound,
    /// A line for the client.
    Refused(&'static [u8]),
}

pub(super) fn classic<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    arith: &Arith<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let stepped = step(
        kv,
        cx,
        &Step {
            key: arith.key,
            delta: arith.delta,
            up: arith.up,
            cas: 0,
            new_cas: Cas::Next,
            exptime: None,
            vivify: None,
            key_is_binary: false,
        },
    );
    if arith.noreply {
        return Ok(());
    }
    match stepped {
        Stepped::To { value, .. } => {
            reply.put(Decimal::new(value).as_bytes())?;
            reply.put(b"\r\n")
        }
        Stepped::Exists | Stepped::NotFound => reply.put(b"NOT_FOUND\r\n"),
        Stepped::Refused(line) => reply.put(line),
    }
}

/// Counts up or down, and counts that.
pub(super) fn step<P: Platform>(kv: &Kv<P>, cx: &Context<'_>, step: &Step<'_>) -> Stepped {
    let mine = cx.mine;
    let (hits, misses, what) = match step.up {
        true => (&mine.incr_hits, &mine.incr_misses, PerClass::Incr),
        false => (&mine.decr_hits, &mine.decr_misses, PerClass::Decr),
    };
    let mut stepped = Stepped::NotFound;
    let updated = kv.look_and_update(step.key, cx, |old| {
        let (change, outcome) = match (old, step.vivify) {
            (Some(old), _) => next(step, old),
            (None, Some((value, exptime))) => first(step, value, exptime),
            (None, None) => (Change::Keep, Stepped::NotFound),
        };
        stepped = outcome;
        change
    });
    match (&mut stepped, updated.done) {
        (Stepped::To { cas, created, .. }, Done::Stored { cas: new }) => {
            *cas = new;
            match created {
                true => cx.mine.total_items.inc(),
                false => {
                    hits.inc();
                    mine.count_in(updated.segment.class, what);
                }
            }
        }
        (Stepped::To { .. }, _) => {
            cx.mine.store_no_memory.inc();
            stepped = Stepped::Refused(NO_MEMORY);
        }
        (Stepped::NotFound, _) => misses.inc(),
        (Stepped::Exists | Stepped::Refused(_), _) => {}
    }
    stepped
}

/// The item that counts on from `old`: as long as that was, and otherwise like
/// it.
fn next<'c>(step: &Step<'_>, old: &Value<'_>) -> (Change<'c>, Stepped) {
    let data = old.data();
    let spaces = SPACES.get(..data.len().saturating_sub(WIDTH));
    let number = decimal::parse_counter(data).filter(|_| !data.is_empty());
    let (Some(spaces), Some(number)) = (spaces, number) else {
        return (Change::Keep, Stepped::Refused(NON_NUMERIC));
    };
    if step.cas != 0 && step.cas != old.cas() {
        return (Change::Keep, Stepped::Exists);
    }
    let value = match step.up {
        true => number.wrapping_add(step.delta),
        false => number.saturating_sub(step.delta),
    };
    let width = data.len().min(WIDTH);
    let new = Entry {
        exptime: step.exptime.map_or(Exptime::Keep, Exptime::Set),
        data: [Part::Number { value, width }, Part::Bytes(spaces)],
        cas: step.new_cas,
        stale: old.stale(),
        won: old.won(),
        fetched: old.fetched(),
        key_is_binary: old.key_is_binary(),
        ..Entry::new(old.flags(), 0, b"")
    };
    let stepped = Stepped::To {
        value,
        cas: 0,
        ttl: old.ttl(),
        created: false,
    };
    (Change::Store(new), stepped)
}

fn first<'c>(step: &Step<'_>, value: u64, exptime: i64) -> (Change<'c>, Stepped) {
    let new = Entry {
        data: [Part::Number { value, width: 0 }, Part::Bytes(b"")],
        cas: step.new_cas,
        key_is_binary: step.key_is_binary,
        ..Entry::new(0, exptime, b"")
    };
    let stepped = Stepped::To {
        value,
        cas: 0,
        ttl: None,
        created: true,
    };
    (Change::Store(new), stepped)
}
