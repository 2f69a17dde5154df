// SPDX-License-Identifier: GPL-2.0-only
//! Requests from a byte stream, which may be cut anywhere.
//!
//! A [`Session`] is what must be remembered of a connection between two calls:
//! a few words. Buffers are the host's. It collects what arrives, shows it to
//! [`Session::serve`] from the first byte that was not used up, sends the
//! replies, and does what [`Next`] says:
//!
//! ```text
//! loop {
//!     let progress = session.serve(kv, cx, input, room, &mut reply);
//!     drop the first `progress.used` bytes of the input
//!     send and clear the reply, if it has any text
//!     match progress.next {
//!         Next::Read { total } => receive until there are `total` bytes of input
//!         Next::Write => {}, but not before the reply was sent
//!         Next::Close => close, once the reply was sent
//!     }
//! }
//! ```
//!
//! So a host that cannot send reads nothing, a client that sends nothing costs
//! nothing, and no connection takes more than `room` bytes of input and one
//! reply. What is said depends on the bytes alone, not on how they were cut.
//!
//! The first byte decides: 0x80 is the binary protocol, all else is text.
//!
//! A stream ends (earlier answers are sent) with `quit`, with a line that is
//! too long, with what looks like HTTP, and with a binary request that makes no
//! sense. memcached takes a line that is too long if it arrives in one piece.

use crate::binary::{self, Step};
use crate::limits::{LINE_MAX, LINE_ROOM, REPLY_MAX};
use crate::reply::{Full, Reply};
use crate::request::{self, Parsed, Request, Source};
use crate::{exec, Context, Kv, Platform};

/// What one connection is in the middle of.
#[derive(Clone, Debug, Default)]
pub struct Session {
    protocol: Option<Protocol>,
    /// Input that is to be passed over: the rest of a value that cannot be
    /// stored.
    skip: u64,
    /// Bytes of the line of a get behind the last key that was answered, when
    /// there was no room to answer them all.
    keys_left: Option<usize>,
    /// Bytes of a line that were seen to hold no newline.
    seen: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Text,
    Binary,
}

/// How far [`Session::serve`] got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of input that are not to be shown again.
    pub used: usize,
    /// What to do now.
    pub next: Next,
}

/// What a session waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// More input.
    Read {
        /// There is nothing to do before so many bytes are there, those that
        /// were not used up included: at most the `room` there is.
        total: usize,
    },
    /// Room for more answers: the reply must be sent first.
    Write,
    /// Nothing: the connection is to end, its replies sent.
    Close,
}

impl Session {
    /// A new connection.
    pub const fn new() -> Self {
        Self {
            protocol: None,
            skip: 0,
            keys_left: None,
            seen: 0,
        }
    }

    /// Reads requests from `input` and appends their answers to `reply`, as far
    /// as both go.
    ///
    /// `room` is the most input that the host can hold at once, at best
    /// [`INPUT_MAX`](crate::limits::INPUT_MAX); requests that need more are
    /// refused. The reply's buffer should be
    /// [`STREAM_REPLY`](crate::limits::STREAM_REPLY) bytes long: in one of
    /// [`REPLY_MAX`], or shorter, each command waits for the one before it to
    /// be sent.
    pub fn serve<P: Platform>(
        &mut self,
        kv: &Kv<P>,
        cx: &Context<'_>,
        input: &[u8],
        room: usize,
        reply: &mut Reply<'_>,
    ) -> Progress {
        kv.tick(cx.now);
        let mut rest = input;
        let next = loop {
            rest = self.pass_over(rest);
            if rest.is_empty() {
                break Next::Read { total: 1 };
            }
            // The longest answer to one command fits into what is free, so that
            // none is begun that must be taken back: it may have changed things.
            if !reply.text().is_empty() && reply.room() < REPLY_MAX.saturating_sub(LINE_ROOM) {
                break Next::Write;
            }
            match self.step(kv, cx, rest, room, reply) {
                Ok(Step::Done { used, skip }) => {
                    self.seen = 0;
                    self.skip = skip;
                    rest = rest.get(used..).unwrap_or_default();
                }
                Ok(Step::More { total }) => break Next::Read { total },
                Ok(Step::Close) => break Next::Close,
                Err(Full) => break Next::Write,
            }
        };
        Progress {
            used: input.len().saturating_sub(rest.len()),
            next,
        }
    }

    fn pass_over<'a>(&mut self, input: &'a [u8]) -> &'a [u8] {
        let rest = usize::try_from(self.skip)
            .ok()
            .and_then(|skip| input.get(skip..))
            .unwrap_or_default();
        let passed = input.len().saturating_sub(rest.len());
        self.skip = self.skip.saturating_sub(passed as u64);
        rest
    }

    /// # Errors
    ///
    /// [`Full`] when the reply must be sent before this can go on.
    fn step<P: Platform>(
        &mut self,
        kv: &Kv<P>,
        cx: &Context<'_>,
        input: &[u8],
        room: usize,
        reply: &mut Reply<'_>,
    ) -> Result<Step, Full> {
        let protocol = *self
            .protocol
            .get_or_insert_with(|| match binary::speaks(input) {
                true => Protocol::Binary,
                false => Protocol::Text,
            });
        match protocol {
            Protocol::Text => self.text(kv, cx, input, room, reply),
            Protocol::Binary => {
                let mark = reply.mark();
                Ok(
                    binary::step(kv, cx, input, room, reply).unwrap_or_else(|Full| {
                        cx.mine.reply_overflows.inc();
                        reply.rewind(mark);
                        binary::overflow(input, reply);
                        binary::pass_over(input)
                    }),
                )
            }
        }
    }

    fn text<P: Platform>(
        &mut self,
        kv: &Kv<P>,
        cx: &Context<'_>,
        input: &[u8],
        room: usize,
        reply: &mut Reply<'_>,
    ) -> Result<Step, Full> {
        if self.seen > LINE_MAX && input.len() < room && self.no_newline(input) {
            let total = input.len().saturating_add(1);
            return Ok(Step::More { total });
        }
        let (mut request, used, skip) = match request::parse(input, Source::Stream { room }) {
            Parsed::Request { request, len, skip } => (request, len, skip as u64),
            Parsed::More { total } => {
                self.no_newline(input);
                return Ok(Step::More { total });
            }
            Parsed::TooLong => return Ok(Step::Close),
        };
        if matches!(request, Request::Quit | Request::Http) {
            return Ok(Step::Close);
        }
        if let (Some(left), Request::Get(get)) = (self.keys_left.take(), &mut request) {
            while get.keys.left() > left && get.keys.next().is_some() {}
        }
        let mark = reply.mark();
        if exec::run(kv, cx, &mut request, reply).is_err() {
            match &request {
                Request::Get(get) if !reply.text().is_empty() => {
                    self.keys_left = Some(get.keys.left());
                    return Err(Full);
                }
                _ => {
                    cx.mine.reply_overflows.inc();
                    reply.rewind(mark);
                    reply.overflow();
                }
            }
        }
        Ok(Step::Done { used, skip })
    }

    /// Whether the input is a piece of a line. What was seen before is not
    /// looked at again, or a long line in many pieces would be slow.
    fn no_newline(&mut self, input: &[u8]) -> bool {
        let new = input.get(self.seen..).unwrap_or_default();
        if new.contains(&b'\n') {
            return false;
        }
        self.seen = input.len();
        true
    }
}
