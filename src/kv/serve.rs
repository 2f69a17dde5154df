// SPDX-License-Identifier: GPL-2.0-only
//! The request path of a datagram: frame, request, exec, reply.

use crate::frame::{self, Drop};
use crate::limits::FRAME_LEN;
use crate::reply::Full;
use crate::request::{self, Frequent, Parsed, Request, Source};
use crate::{binary, exec, Context, Counters, Kv, Platform, Reply};

/// What is to be done after [`serve`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send the reply's text, framed by [`crate::Datagrams`] with this id.
    Reply {
        /// The request's id, which every datagram of the reply repeats.
        request_id: u16,
    },
    /// Executed, and nothing is to be said (`noreply`, `quit`).
    Silent,
    /// Not executed; it has been counted.
    Dropped(Drop),
}

/// Serves one UDP payload: frame header and text in, one message out.
///
/// Whatever is in the datagram, what it leaves behind in `kv` is only what its
/// complete commands say: the next datagram is read the same either way.
pub fn serve<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    datagram: &[u8],
    reply: &mut Reply<'_>,
) -> Outcome {
    reply.clear();
    count_request(cx.mine, datagram.len());
    let (request_id, text) = match frame::parse(datagram) {
        Ok(framed) => framed,
        Err(drop) => return dropped(cx.mine, drop),
    };
    kv.tick(cx.now);
    if binary::speaks(text) {
        return serve_binary(kv, cx, request_id, text, reply);
    }
    let mut rest = text;
    while !rest.is_empty() {
        let mark = reply.mark();
        let (done, len) = match Frequent::parse(rest) {
            Some(_) if !reply.has_room() => (Err(Full), 0),
            Some((Frequent::Get(key), len)) => (get_anywhere(kv, cx, key, reply), len),
            Some((Frequent::Set(set), len)) => (exec::set(kv, cx, &set, reply), len),
            None => match run_any(kv, cx, rest, reply) {
                Some(done) => done,
                // A line without newline ends the datagram.
                None if rest.len() == text.len() => return dropped(cx.mine, Drop::NoNewline),
                None => break,
            },
        };
        if done.is_err() {
            // The rest is not executed: nobody could be told how it went.
            overflowed(cx, mark, reply);
            break;
        }
        rest = rest.get(len..).unwrap_or_default();
    }
    answered(cx.mine, request_id, reply)
}

/// A `get` of one key, with more room if it needs that.
#[inline(never)]
fn get_anywhere<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    key: &[u8],
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    loop {
        let done = exec::get(kv, cx, key, kv.hash(key), reply);
        if done.is_ok() || !reply.move_on() {
            return done;
        }
    }
}

/// Executes the command at the front of `text`, whatever it is. How that went, and
/// the command's length; `None` when it is no whole line.
#[inline(never)]
fn run_any<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    text: &[u8],
    reply: &mut Reply<'_>,
) -> Option<(Result<(), Full>, usize)> {
    match request::parse_any(text, Source::Datagram) {
        Parsed::Request { len, .. } if !reply.has_room() => Some((Err(Full), len)),
        Parsed::Request {
            mut request, len, ..
        } => {
            let mark = reply.mark();
            loop {
                let done = exec::run(kv, cx, &mut request, reply);
                if done.is_ok() || !reply.move_on() {
                    return Some((done, len));
                }
                // Again, with more room. What a get has answered is gone from it.
                if !matches!(request, Request::Get(_)) {
                    reply.rewind(mark);
                }
            }
        }
        Parsed::More { .. } | Parsed::TooLong => None,
    }
}

#[inline(never)]
fn serve_binary<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    request_id: u16,
    text: &[u8],
    reply: &mut Reply<'_>,
) -> Outcome {
    if text.len() < binary::HEADER_LEN {
        return dropped(cx.mine, Drop::NoNewline);
    }
    if binary::datagram(kv, cx, text, reply).is_err() {
        cx.mine.reply_overflows.inc();
    }
    answered(cx.mine, request_id, reply)
}

/// Says so in place of what was to be said behind `mark`.
#[cold]
fn overflowed(cx: &Context<'_>, mark: usize, reply: &mut Reply<'_>) {
    cx.mine.reply_overflows.inc();
    reply.rewind(mark);
    reply.overflow();
}

fn answered(mine: &Counters, request_id: u16, reply: &Reply<'_>) -> Outcome {
    match reply.mark() {
        0 => return Outcome::Silent,
        len => count_reply(mine, len),
    }
    Outcome::Reply { request_id }
}

/// Counts a datagram of so many bytes.
#[inline(always)]
pub(crate) fn count_request(mine: &Counters, len: usize) {
    mine.datagrams_in.inc();
    mine.bytes_read.add(len as u64);
}

/// Counts a reply whose text has so many bytes, in however many datagrams.
pub(crate) fn count_reply(mine: &Counters, len: usize) {
    let datagrams = u64::from(frame::datagrams(len));
    let headers = datagrams.wrapping_mul(FRAME_LEN as u64);
    mine.datagrams_out.add(datagrams);
    mine.bytes_written.add(headers.wrapping_add(len as u64));
}

#[cold]
fn dropped(mine: &Counters, drop: Drop) -> Outcome {
    match drop {
        Drop::Short => mine.drop_short.inc(),
        Drop::NotSingle => mine.drop_not_single.inc(),
        Drop::NoNewline => mine.drop_no_newline.inc(),
    }
    Outcome::Dropped(drop)
}
