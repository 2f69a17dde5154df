// SPDX-License-Identifier: GPL-2.0-only
//! Binary replies.

use super::header::{Header, ReplyHeader, Status};
use crate::reply::{Full, Reply};

/// What is behind a reply's header. The parts are sent in this order.
#[derive(Clone, Copy, Default)]
pub(super) struct Body<'a> {
    pub(super) extras: &'a [u8],
    pub(super) key: &'a [u8],
    pub(super) value: &'a [u8],
    /// Bytes of the value that the caller will append.
    pub(super) more: usize,
    pub(super) cas: u64,
}

/// Appends a whole reply to the request with this header.
pub(super) fn put(
    reply: &mut Reply<'_>,
    to: &Header,
    status: Status,
    body: &Body<'_>,
) -> Result<(), Full> {
    reply.put(&header(to, status, body)?.bytes())?;
    reply.put(body.extras)?;
    reply.put(body.key)?;
    reply.put(body.value)
}

/// Appends a reply that says what is wrong.
pub(super) fn refuse(reply: &mut Reply<'_>, to: &Header, status: Status) -> Result<(), Full> {
    put(reply, to, status, &error(status))
}

/// As [`refuse`], for a reply that has no room for an answer. Nothing can be
/// said in a buffer shorter than that.
pub(super) fn overflow(reply: &mut Reply<'_>, to: &Header) {
    let body = error(Status::OutOfMemory);
    if let Ok(header) = header(to, Status::OutOfMemory, &body) {
        reply.put_last(&header.bytes(), body.value);
    }
}

fn error(status: Status) -> Body<'static> {
    Body {
        value: status.text(),
        ..Body::default()
    }
}

fn header(to: &Header, status: Status, body: &Body<'_>) -> Result<ReplyHeader, Full> {
    Ok(ReplyHeader {
        opcode: to.opcode,
        opaque: to.opaque,
        status,
        extras_len: u8::try_from(body.extras.len()).map_err(|_| Full)?,
        key_len: u8::try_from(body.key.len()).map_err(|_| Full)?,
        value_len: u32::try_from(body.value.len().saturating_add(body.more)).map_err(|_| Full)?,
        cas: body.cas,
    })
}
