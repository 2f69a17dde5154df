// SPDX-License-Identifier: GPL-2.0-only
//! Storing: what `set`, `add`, `replace`, `append`, `prepend`, `cas` and `ms`
//! have in common.

use crate::request::{Mode, Set, Store};
use crate::store::{self, Cas, Change, Condition, Done, Entry, Exptime, Head, Part, Plain, Value};
use crate::{Context, Kv, PerClass, Platform};

pub(super) const BAD_CHUNK: &[u8] = b"CLIENT_ERROR bad data chunk\r\n";
pub(super) const TOO_LARGE: &[u8] = b"SERVER_ERROR object too large for cache\r\n";
pub(super) const NO_MEMORY: &[u8] = b"SERVER_ERROR out of memory storing object\r\n";

/// Data to be stored, and on what condition.
pub(super) struct Put<'a> {
    pub(super) mode: Mode,
    pub(super) key: &'a [u8],
    pub(super) flags: u32,
    pub(super) exptime: i64,
    /// The cas number that must be there, if it is not 0.
    pub(super) cas: u64,
    /// The cas number to be there afterwards.
    pub(super) new_cas: Cas,
    /// A cas number below the item's will do for [`Mode::Cas`]: the item stays,
    /// or becomes, stale.
    pub(super) invalidate: bool,
    /// [`Mode::Append`] and [`Mode::Prepend`] store where nothing is.
    pub(super) vivify: bool,
    pub(super) key_is_binary: bool,
    /// Announced length of the data, without CRLF.
    pub(super) len: usize,
    /// The data with its CRLF, if it is whole.
    pub(super) block: Option<&'a [u8]>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stored {
    /// It is there: its cas number, and the length of its data.
    Yes { cas: u64, len: usize },
    /// The cas number is another.
    Exists,
    /// There is nothing to have that cas number.
    NotFound,
    /// The condition does not hold.
    No,
    /// A line for the client.
    Refused(&'static [u8]),
}

/// A plain `set`; the line to answer.
#[inline(never)]
pub(super) fn set<P: Platform>(kv: &Kv<P>, cx: &Context<'_>, set: &Set<'_>) -> &'static [u8] {
    match at_once(kv, cx, set) {
        true => b"STORED\r\n",
        false => classic(kv, cx, &set.as_store()),
    }
}

/// Stores and counts, if that is done at once; whether it was. Apart from who has read the
/// request, since both want all registers.
#[inline(never)]
pub(crate) fn at_once<P: Platform>(kv: &Kv<P>, cx: &Context<'_>, set: &Set<'_>) -> bool {
    let stored = kv.put(&set.new, Condition::Always, cx).is_some();
    if stored {
        cx.mine.cmd_set.inc();
        cx.mine.total_items.inc();
    }
    stored
}

/// The line to answer.
#[inline(never)]
pub(super) fn classic<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    store: &Store<'_>,
) -> &'static [u8] {
    let put = Put {
        mode: store.mode,
        key: store.key,
        flags: store.flags,
        exptime: store.exptime,
        cas: store.cas,
        new_cas: Cas::Next,
        invalidate: false,
        vivify: false,
        key_is_binary: false,
        len: store.len,
        block: store.block,
    };
    let remove = store.mode == Mode::Set;
    match self::put(kv, cx, &put, remove) {
        Stored::Yes { .. } => b"STORED\r\n",
        Stored::Exists => b"EXISTS\r\n",
        Stored::NotFound => b"NOT_FOUND\r\n",
        Stored::No => b"NOT_STORED\r\n",
        Stored::Refused(line) => line,
    }
}

/// Stores, and counts. What is there goes, with `or_remove`, when no item can
/// be as large as the new one: it is not what the client wants to be there.
pub(super) fn put<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    put: &Put<'_>,
    or_remove: bool,
) -> Stored {
    if !kv.fits(put.key.len(), put.flags, put.len) {
        cx.mine.store_too_large.inc();
        if or_remove {
            kv.update(put.key, cx, |_| Change::Remove);
        }
        return Stored::Refused(TOO_LARGE);
    }
    cx.mine.cmd_set.inc();
    // What goes straight is counted there.
    let stored = put.block.and_then(|block| straight(kv, cx, put, block));
    if let Some(stored) = stored {
        return stored;
    }
    let class = kv.class_for_data(put.key.len(), put.flags, put.len);
    cx.mine.count_in(class, PerClass::Set);
    let Some(block) = put.block else {
        return Stored::Refused(BAD_CHUNK);
    };
    let data = block.strip_suffix(b"\r\n").unwrap_or(block);
    let mut judged = Judged::Missing;
    let mut len = data.len();
    let updated = kv.update(put.key, cx, |old| {
        judged = judge(put, old);
        if judged == Judged::Join {
            len = old.map_or(0, Value::data_len).saturating_add(data.len());
        }
        change(put, data, judged, old)
    });
    count_cas(cx, put.mode, judged);
    match judged {
        _ if put.mode != Mode::Cas => {}
        Judged::Store | Judged::Stale => cx.mine.count_in(updated.segment.class, PerClass::CasHit),
        _ => cx.mine.count_in(updated.segment.class, PerClass::CasBad),
    }
    match (updated.done, judged) {
        (Done::Stored { cas }, _) => {
            cx.mine.total_items.inc();
            Stored::Yes { cas, len }
        }
        // Each of the two alone would have been none too large.
        (Done::TooLarge | Done::NoMemory, Judged::Join) => Stored::No,
        (Done::TooLarge, _) => {
            cx.mine.store_too_large.inc();
            Stored::Refused(TOO_LARGE)
        }
        (Done::NoMemory, _) => {
            cx.mine.store_no_memory.inc();
            Stored::Refused(NO_MEMORY)
        }
        (_, Judged::Other) => Stored::Exists,
        (_, Judged::Missing) if put.mode == Mode::Cas => Stored::NotFound,
        _ => Stored::No,
    }
}

/// As [`put`], what is plain and has room at once.
#[inline]
fn straight<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    put: &Put<'_>,
    block: &[u8],
) -> Option<Stored> {
    let condition = match put.mode {
        Mode::Set => Condition::Always,
        Mode::Add => Condition::Absent,
        Mode::Replace => Condition::Present,
        Mode::Cas if !put.invalidate => Condition::Cas(put.cas),
        Mode::Cas | Mode::Append | Mode::Prepend => return None,
    };
    let head = Head::new(put.flags, put.len);
    let new = Plain {
        cas: put.new_cas,
        key_is_binary: put.key_is_binary,
        ..Plain::new(put.key, &head, block, put.exptime)
    };
    let (judged, stored) = match kv.put(&new, condition, cx)? {
        store::Put::Stored(cas) => {
            cx.mine.total_items.inc();
            (Judged::Store, Stored::Yes { cas, len: put.len })
        }
        store::Put::Missing if put.mode == Mode::Cas => (Judged::Missing, Stored::NotFound),
        store::Put::Missing => (Judged::Missing, Stored::No),
        store::Put::Present => (Judged::Present, Stored::No),
        store::Put::Other => (Judged::Other, Stored::Exists),
    };
    count_cas(cx, put.mode, judged);
    Some(stored)
}

/// What the mode, the cas number and what is there come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    /// Store it.
    Store,
    /// Store it in place of a later one, which makes it stale.
    Stale,
    /// Store it together with what is there.
    Join,
    /// Another cas number.
    Other,
    /// Something is there that should not be.
    Present,
    /// Nothing is there, and something should be.
    Missing,
}

#[inline]
fn judge(put: &Put<'_>, old: Option<&Value<'_>>) -> Judged {
    let Some(old) = old else {
        return match put.mode {
            Mode::Set | Mode::Add => Judged::Store,
            Mode::Append | Mode::Prepend if put.vivify => Judged::Store,
            _ => Judged::Missing,
        };
    };
    match put.mode {
        Mode::Set | Mode::Replace => Judged::Store,
        Mode::Add => Judged::Present,
        Mode::Cas if put.cas == 0 => Judged::Other,
        Mode::Cas if put.cas == old.cas() => Judged::Store,
        Mode::Cas if put.invalidate && put.cas < old.cas() => Judged::Stale,
        Mode::Append | Mode::Prepend if put.cas == 0 || put.cas == old.cas() => Judged::Join,
        Mode::Cas | Mode::Append | Mode::Prepend => Judged::Other,
    }
}

#[inline]
fn change<'c>(
    put: &Put<'_>,
    data: &'c [u8],
    judged: Judged,
    old: Option<&Value<'_>>,
) -> Change<'c> {
    let new = Entry {
        cas: put.new_cas,
        key_is_binary: put.key_is_binary,
        or_remove: put.mode == Mode::Set,
        ..Entry::new(put.flags, put.exptime, data)
    };
    match (judged, old) {
        (Judged::Store, _) => Change::Store(new),
        (Judged::Stale, old) => Change::Store(Entry {
            exptime: Exptime::Keep,
            stale: true,
            won: old.is_some_and(|old| old.won()),
            ..new
        }),
        (Judged::Join, Some(old)) => Change::Store(Entry {
            flags: old.flags(),
            exptime: Exptime::Keep,
            data: match put.mode {
                Mode::Prepend => [Part::Bytes(data), Part::Old],
                _ => [Part::Old, Part::Bytes(data)],
            },
            key_is_binary: old.key_is_binary(),
            ..new
        }),
        _ => Change::Keep,
    }
}

#[inline]
fn count_cas(cx: &Context<'_>, mode: Mode, judged: Judged) {
    if mode != Mode::Cas {
        return;
    }
    match judged {
        Judged::Store | Judged::Stale => cx.mine.cas_hits.inc(),
        Judged::Missing => cx.mine.cas_misses.inc(),
        _ => cx.mine.cas_badval.inc(),
    }
}
