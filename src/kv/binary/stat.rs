// SPDX-License-Identifier: GPL-2.0-only
//! `stat`: the text protocol's answer, each of its lines a packet.

use super::header::Status;
use super::reply::{self, Body};
use super::request::Frame;
use crate::reply::{Full, Reply};
use crate::request::Words;
use crate::{stats, Context, Kv, Platform};

/// Answers `stats <what>`: a packet for each number, and an empty one.
pub(super) fn run<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    frame: &Frame<'_>,
    what: &[u8],
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    // Its lines are no numbers: in memcached it is a command of the text protocol.
    if Words::new(what).next() == Some(b"cachedump") {
        return reply::refuse(reply, &frame.header, Status::NotFound);
    }
    reply.through(
        |text| stats::run(kv, cx, Words::new(what), text),
        |text, reply| packets(frame, what, text, reply),
    )
}

fn packets(frame: &Frame<'_>, what: &[u8], text: &[u8], reply: &mut Reply<'_>) -> Result<(), Full> {
    // What only people look at.
    if what == b"detail dump" {
        put(frame, b"detailed", text, reply)?;
        return put(frame, b"", b"", reply);
    }
    for line in text.split(|byte| *byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if let Some(stat) = line.strip_prefix(b"STAT ") {
            let end = stat.iter().position(|byte| *byte == b' ');
            let split = stat.split_at_checked(end.unwrap_or(stat.len()));
            let (name, value) = split.unwrap_or_default();
            put(
                frame,
                name,
                value.strip_prefix(b" ").unwrap_or(value),
                reply,
            )?;
        } else if matches!(line, b"END" | b"RESET" | b"OK") {
            return put(frame, b"", b"", reply);
        } else {
            break;
        }
    }
    reply::refuse(reply, &frame.header, Status::NotFound)
}

fn put(frame: &Frame<'_>, key: &[u8], value: &[u8], reply: &mut Reply<'_>) -> Result<(), Full> {
    let body = Body {
        key,
        value,
        ..Body::default()
    };
    reply::put(reply, &frame.header, Status::Ok, &body)
}
