// SPDX-License-Identifier: GPL-2.0-only
//! The requests that most are, answered in the buffer that they came in.
//!
//! A `get` of one key and a plain `set` are read there, and their reply is written over
//! them. Its frame is there already, and there is nothing to look for: neither a place for
//! the reply, nor headers' places in a packet. Whatever else a datagram is,
//! [`crate::serve`] sees to.

use crate::exec::{self, END, VALUE};
use crate::frame::{self, answering};
use crate::limits::FRAME_LEN;
use crate::reply::write_between;
use crate::request::{self, OnlyGet};
use crate::serve::{count_reply, count_request};
use crate::store::{Glimpse, Glimpsed, Lookup, Seen, Segment, Text, Watched};
use crate::{Context, Counters, Kv, Now, Platform};

/// What is to be done after [`serve_in_place`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InPlace {
    /// Send so many bytes of the buffer: a whole datagram.
    Here(u32),
    /// Send so many bytes of text from elsewhere, framed by [`crate::Datagrams`]
    /// with this id.
    Elsewhere {
        /// The request's id, which every datagram of the reply repeats.
        request_id: u16,
        /// Bytes of the text.
        len: u32,
    },
    /// Nothing has been done, and the datagram is as it was.
    Not,
}

/// Who serves in place: each of these is asked for when it is needed, if at all.
pub trait Waiter<'a, P: Platform> {
    /// The store.
    fn kv(&self) -> &'a Kv<P>;

    /// What time it is.
    fn now(&self) -> Now;

    /// Who counts. Nothing is served for who has nobody for that.
    fn mine(&self) -> Option<&'a Counters>;

    /// What else there is to know.
    fn context(&self) -> Option<Context<'a>>;

    /// Where a text goes that has no room in the request's buffer.
    fn elsewhere(self) -> &'a mut [u8];
}

/// Serves a UDP payload, the first `len` bytes of a buffer, there, if it is for that. What more
/// there is in the buffer may be written to: at most as much as a datagram may have.
#[inline(always)]
pub fn serve_in_place<'a, P: Platform>(
    waiter: impl Waiter<'a, P>,
    buffer: &mut [u8],
    len: usize,
) -> InPlace {
    match request::may_be_get(buffer) {
        true => get_short(waiter, buffer, len),
        false => set(waiter, buffer, len),
    }
}

/// As [`serve_in_place`], a `get` of a key that most have. Out of line, as what follows: each has
/// all registers.
#[inline(never)]
fn get_short<'a, P: Platform>(
    waiter: impl Waiter<'a, P>,
    buffer: &mut [u8],
    len: usize,
) -> InPlace {
    get::<8, P, _>(waiter, buffer, len, get_longer)
}

/// Stores, if this is a plain `set` that can be executed at once.
#[inline(never)]
fn set<'a, P: Platform>(waiter: impl Waiter<'a, P>, buffer: &mut [u8], len: usize) -> InPlace {
    let Some(set) = buffer.get(..len).and_then(request::only_set) else {
        return InPlace::Not;
    };
    let Some(cx) = waiter.context() else {
        return InPlace::Not;
    };
    let kv = waiter.kv();
    kv.tick(cx.now);
    match exec::set_at_once(kv, &cx, &set) {
        true => put_short(cx.mine, buffer, len, b"STORED\r\n"),
        false => InPlace::Not,
    }
}

#[inline(never)]
fn get_longer<'a, P: Platform>(
    waiter: impl Waiter<'a, P>,
    buffer: &mut [u8],
    len: usize,
) -> InPlace {
    get::<16, P, _>(waiter, buffer, len, get_longest)
}

#[inline(never)]
fn get_longest<'a, P: Platform>(
    waiter: impl Waiter<'a, P>,
    buffer: &mut [u8],
    len: usize,
) -> InPlace {
    get::<32, P, _>(waiter, buffer, len, |_, _, _| InPlace::Not)
}

/// Answers a `get` of a key of `N` bytes or more, and twice that at most. For what is none,
/// `others` do.
#[inline(always)]
fn get<'a, const N: usize, P: Platform, W: Waiter<'a, P>>(
    waiter: W,
    buffer: &mut [u8],
    len: usize,
    others: impl FnOnce(W, &mut [u8], usize) -> InPlace,
) -> InPlace {
    let kv = waiter.kv();
    let Some(OnlyGet { key, ends, hash }) = request::only_get::<N>(buffer, len, &kv.hasher) else {
        return others(waiter, buffer, len);
    };
    let now = waiter.now();
    kv.tick(now);
    let item = match kv.glimpse(key, hash, now) {
        Glimpse::Item(item) => item,
        Glimpse::Missed(missed) => return miss(&waiter, buffer, len, &missed),
        Glimpse::Unsure => return InPlace::Not,
    };
    let key_len = key.len();
    let Some(end) = write_value(buffer, &item) else {
        let (stripe, found, version, text) = item.parts();
        return get_elsewhere(waiter, buffer, len, stripe, found, version, text);
    };
    let segment = item.segment();
    let told: &[u8] = buffer;
    if !item.settle(move || key_told(told, key_len), now) {
        return restore(buffer, len, ends);
    }
    let Some(mine) = waiter.mine() else {
        return restore(buffer, len, ends);
    };
    mine.count_hit(segment);
    // Far too little to overflow.
    finish(mine, buffer, len, end.wrapping_add(FRAME_LEN))
}

/// Writes that over the request: where the text ends.
#[inline(always)]
fn write_value<P: Platform>(buffer: &mut [u8], item: &Glimpsed<'_, P>) -> Option<usize> {
    let (_, text) = buffer.split_first_chunk_mut::<FRAME_LEN>()?;
    write_between(text, VALUE, item.text, END)
}

/// Completes a reply that ends there.
#[inline(always)]
fn finish(mine: &Counters, buffer: &mut [u8], len: usize, end: usize) -> InPlace {
    if let Some(frame) = buffer.first_chunk_mut() {
        *frame = answering(*frame);
    }
    count_request(mine, len);
    mine.datagrams_out.inc();
    mine.bytes_written.add(end as u64);
    // No more than a datagram has.
    InPlace::Here(end as u32)
}

/// The key, where the reply has it.
fn key_told(buffer: &[u8], key_len: usize) -> &[u8] {
    let key = buffer.get(const { FRAME_LEN + VALUE.len() }..);
    key.and_then(|key| key.get(..key_len)).unwrap_or_default()
}

/// Undoes what was written over the request for a key with these ends, which cannot be believed:
/// somebody has changed the item meanwhile.
#[cold]
#[inline(never)]
fn restore<const N: usize>(buffer: &mut [u8], len: usize, [first, last]: [[u8; N]; 2]) -> InPlace {
    let restored = buffer.get_mut(FRAME_LEN..len).and_then(|whole| {
        let (get, behind) = whole.split_first_chunk_mut()?;
        let (key, end) = behind.split_last_chunk_mut()?;
        (*get, *end) = (*b"get ", *b"\r\n");
        *key.first_chunk_mut()? = first;
        *key.last_chunk_mut()? = last;
        Some(())
    });
    debug_assert!(restored.is_some(), "there is as much as there was");
    InPlace::Not
}

#[inline(never)]
fn miss<'a, P: Platform>(
    waiter: &impl Waiter<'a, P>,
    buffer: &mut [u8],
    len: usize,
    missed: &Lookup<Segment>,
) -> InPlace {
    let Some(mine) = waiter.mine() else {
        return InPlace::Not;
    };
    exec::count_get(mine, missed);
    put_short(mine, buffer, len, END)
}

/// Answers with that, which is shorter than any request.
#[inline(always)]
fn put_short<const N: usize>(
    mine: &Counters,
    buffer: &mut [u8],
    len: usize,
    line: &[u8; N],
) -> InPlace {
    let text = buffer.get_mut(FRAME_LEN..);
    if let Some(text) = text.and_then(|text| text.first_chunk_mut()) {
        *text = *line;
    }
    finish(mine, buffer, len, const { FRAME_LEN + N })
}

/// Answers a `get` whose value has no room in its buffer. The item comes in parts, which are
/// passed in registers.
#[inline(never)]
fn get_elsewhere<'a, P: Platform, W: Waiter<'a, P>>(
    waiter: W,
    buffer: &[u8],
    len: usize,
    stripe: Watched<'a, P>,
    found: Seen<'a>,
    version: u32,
    text: Text<'a>,
) -> InPlace {
    let whole = buffer.get(..len).unwrap_or_default();
    let Ok((request_id, [_, _, _, _, key @ .., _, _])) = frame::parse(whole) else {
        return InPlace::Not;
    };
    let now = waiter.now();
    let Some(mine) = waiter.mine() else {
        return InPlace::Not;
    };
    let item = Glimpsed::from_parts(stripe, found, version, text);
    let Some(end) = write_between(waiter.elsewhere(), VALUE, item.text, END) else {
        return InPlace::Not;
    };
    let segment = item.segment();
    if !item.settle(|| key, now) {
        return InPlace::Not;
    }
    mine.count_hit(segment);
    count_request(mine, len);
    count_reply(mine, end);
    // No more than a buffer has.
    InPlace::Elsewhere {
        request_id,
        len: end as u32,
    }
}
