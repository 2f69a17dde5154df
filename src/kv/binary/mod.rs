// SPDX-License-Identifier: GPL-2.0-only
//! The binary protocol (memcached's `protocol_binary.h`, and its wiki's
//! "BinaryProtocolRevamped"): one request at a time, from a datagram or from a
//! stream.
//!
//! Answered as memcached 1.6 answers over TCP. On purpose different:
//!
//! - A datagram whose last request is cut short is told so (`Invalid
//!   arguments`); memcached says nothing, and takes another client's datagram
//!   for the rest.
//! - All requests of a datagram are executed, and answered in one message.
//!   memcached makes each answer a message of its own, sends an empty one for a
//!   quiet success, and forgets what is behind some errors.
//! - An unknown request is passed over as its lengths say; memcached passes
//!   over extras and key twice.
//! - A touch, gat or stat with a value is refused like a get with one;
//!   memcached reads the value as the next request.

mod exec;
mod header;
mod reply;
mod request;
mod stat;

pub(crate) use self::header::HEADER_LEN;

use self::header::Status;
use self::request::{Command, Frame, Parsed};
use crate::reply::{Full, Reply};
use crate::{Context, Kv, Platform};

/// Whether these are the first bytes of binary requests, and not of text.
#[inline]
pub(crate) fn speaks(input: &[u8]) -> bool {
    input.first() == Some(&header::REQUEST)
}

/// How far one step got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// One request was answered. So many bytes of input are used up, and so
    /// many behind them, which may still have to come, are to be passed over.
    Done { used: usize, skip: u64 },
    /// Nothing was done, for want of input: the request is at least so long.
    More { total: usize },
    /// Whatever comes now is not to be read: the client has said goodbye, or
    /// it makes no sense.
    Close,
}

/// Answers the request at the beginning of `input`. No more than `room` bytes
/// of it can ever be there at once.
///
/// # Errors
///
/// [`Full`] when the answer does not fit. Part of it may have been appended,
/// and nothing has changed.
pub(crate) fn step<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    input: &[u8],
    room: usize,
    reply: &mut Reply<'_>,
) -> Result<Step, Full> {
    let frame = match request::parse(input) {
        Parsed::Frame(frame) => frame,
        Parsed::Short(total) => return Ok(Step::More { total }),
        Parsed::Lost => return Ok(Step::Close),
        Parsed::Broken(header, status) => {
            reply::refuse(reply, &header, status)?;
            return Ok(Step::Close);
        }
        Parsed::Unknown(header) => {
            reply::refuse(reply, &header, Status::UnknownCommand)?;
            return Ok(pass_over(input));
        }
    };
    let value_len = usize::try_from(frame.value_len).unwrap_or(usize::MAX);
    let total = frame.head_len.saturating_add(value_len);
    let fits = fits(kv, &frame, value_len);
    if !fits || total > room {
        let status = match fits {
            true => Status::OutOfMemory,
            false => Status::TooLarge,
        };
        reply::refuse(reply, &frame.header, status)?;
        exec::not_stored(kv, cx, &frame, status);
        return Ok(pass_over(input));
    }
    let Some(value) = input.get(frame.head_len..total) else {
        return Ok(Step::More { total });
    };
    exec::run(kv, cx, &frame, value, reply)?;
    Ok(match frame.command {
        Command::Quit => Step::Close,
        _ => Step::Done {
            used: total,
            skip: 0,
        },
    })
}

/// Answers all requests of a datagram.
///
/// # Errors
///
/// [`Full`] when an answer did not fit, and the client has been told. The rest
/// was not executed.
pub(crate) fn datagram<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    text: &[u8],
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mut rest = text;
    while !rest.is_empty() {
        let mark = reply.mark();
        let step = if reply.has_room() {
            step(kv, cx, rest, usize::MAX, reply)
        } else {
            Err(Full)
        };
        match step {
            // What is to be passed over is at the end of the datagram.
            Ok(Step::Done { used, .. }) => rest = rest.get(used..).unwrap_or_default(),
            Ok(Step::More { .. }) => return cut_short(rest, reply),
            Ok(Step::Close) => break,
            Err(Full) => {
                reply.rewind(mark);
                if reply.move_on() {
                    continue;
                }
                overflow(rest, reply);
                return Err(Full);
            }
        }
    }
    Ok(())
}

/// Says, in the room kept for it, that the answer to the request at the
/// beginning of `input` did not fit.
pub(crate) fn overflow(input: &[u8], reply: &mut Reply<'_>) {
    if let Some(header) = request::header(input) {
        reply::overflow(reply, &header);
    }
}

/// The datagram ends in the middle of a request. It has an answer if it has a
/// header.
fn cut_short(rest: &[u8], reply: &mut Reply<'_>) -> Result<(), Full> {
    match request::header(rest) {
        Some(header) => reply::refuse(reply, &header, Status::Invalid),
        None => Ok(()),
    }
}

/// Takes the request at the beginning of `input` as done: as many of its bytes
/// as are there, and the others when they come.
pub(crate) fn pass_over(input: &[u8]) -> Step {
    let body_len = request::header(input).map_or(0, |header| header.body_len);
    let len = u64::from(body_len).saturating_add(HEADER_LEN as u64);
    let used = usize::try_from(len).map_or(input.len(), |len| len.min(input.len()));
    Step::Done {
        used,
        skip: len.saturating_sub(used as u64),
    }
}

/// Whether the value can be stored at all, were it alone.
fn fits<P: Platform>(kv: &Kv<P>, frame: &Frame<'_>, value_len: usize) -> bool {
    match frame.command {
        Command::Store { key, flags, .. } => kv.fits(key.len(), flags, value_len),
        Command::Join { key, .. } => kv.fits(key.len(), 0, value_len),
        _ => true,
    }
}
