// SPDX-License-Identifier: GPL-2.0-only
//! One connection: what it has sent that is not used up, what it has not taken.

use std::io::{ErrorKind, Read, Write};

use host::Userspace;
use kv::limits::{INPUT_MAX, STREAM_REPLY};
use kv::{Context, Kv, Next, Reply, Session};
use mio::net::TcpStream;

/// Most bytes per read.
const READ: usize = 64 << 10;

/// Reads, or replies that filled the buffer, before others have their turn.
const TURNS: usize = 20;

/// A buffer that is empty is given back when it is larger than this.
const KEEP: usize = 4 << 10;

/// What a thread's connections share, made before the first of them.
pub(super) struct Buffers {
    input: Vec<u8>,
    reply: Vec<u8>,
}

impl Buffers {
    pub(super) fn new() -> Self {
        Self {
            input: vec![0; READ],
            reply: vec![0; STREAM_REPLY],
        }
    }
}

pub(super) struct Connection {
    pub(super) stream: TcpStream,
    session: Session,
    /// Input that is not used up: below [`INPUT_MAX`] and one read.
    held: Vec<u8>,
    /// How much of it the session waits for.
    wanted: usize,
    /// Replies that the client has not taken: one buffer full at most. Nothing
    /// is read before they are gone.
    unsent: Vec<u8>,
    /// How much of those it has taken since.
    sent: usize,
    closing: bool,
}

/// What is to be done about a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Wait until it can be read or written.
    Wait,
    /// There is more to do; others first.
    Yield,
    /// It is over.
    Close,
}

/// It is over.
struct Over;

impl Connection {
    pub(super) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            session: Session::new(),
            held: Vec::new(),
            wanted: 1,
            unsent: Vec::new(),
            sent: 0,
            closing: false,
        }
    }

    /// Reads, serves and writes until there is nothing to do, or it is the
    /// others' turn.
    pub(super) fn work(
        &mut self,
        kv: &Kv<Userspace>,
        cx: &Context<'_>,
        buffers: &mut Buffers,
    ) -> After {
        for _ in 0..TURNS {
            match self.turn(kv, cx, buffers) {
                Ok(true) => {}
                Ok(false) => return After::Wait,
                Err(Over) => return After::Close,
            }
        }
        After::Yield
    }

    /// One write or one read. Whether there may be more to do.
    fn turn(
        &mut self,
        kv: &Kv<Userspace>,
        cx: &Context<'_>,
        buffers: &mut Buffers,
    ) -> Result<bool, Over> {
        if !self.unsent.is_empty() {
            return self.write_unsent(cx);
        }
        if self.closing {
            return Err(Over);
        }
        let Buffers { input, reply } = buffers;
        let mut reply = Reply::new(reply);
        if self.held.len() < self.wanted {
            let count = match self.stream.read(input) {
                Ok(0) => return Err(Over),
                Ok(count) => count,
                Err(error) => return retry(&error),
            };
            cx.mine.bytes_read.add(count as u64);
            let input = &input[..count];
            if self.held.is_empty() && count >= self.wanted {
                let used = self.serve(kv, cx, input, &mut reply);
                self.held.extend_from_slice(&input[used..]);
                return self.write(cx, reply.text());
            }
            let room = self.wanted.saturating_sub(self.held.len());
            self.held.reserve_exact(room.max(count));
            self.held.extend_from_slice(input);
            if self.held.len() < self.wanted {
                return Ok(true);
            }
        }
        let mut held = std::mem::take(&mut self.held);
        let used = self.serve(kv, cx, &held, &mut reply);
        held.drain(..used);
        if !held.is_empty() || held.capacity() <= KEEP {
            self.held = held;
        }
        self.write(cx, reply.text())
    }

    /// Returns how much of the input is used up.
    fn serve(
        &mut self,
        kv: &Kv<Userspace>,
        cx: &Context<'_>,
        input: &[u8],
        reply: &mut Reply<'_>,
    ) -> usize {
        let progress = self.session.serve(kv, cx, input, INPUT_MAX, reply);
        match progress.next {
            Next::Read { total } => self.wanted = total,
            Next::Write => self.wanted = 0,
            Next::Close => self.closing = true,
        }
        progress.used
    }

    /// Sends as much of `text` as the client takes, and keeps the rest.
    fn write(&mut self, cx: &Context<'_>, mut text: &[u8]) -> Result<bool, Over> {
        while !text.is_empty() {
            match self.stream.write(text) {
                Ok(0) => return Err(Over),
                Ok(count) => {
                    cx.mine.bytes_written.add(count as u64);
                    text = &text[count..];
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.unsent.extend_from_slice(text);
                    return Ok(false);
                }
                Err(_) => return Err(Over),
            }
        }
        Ok(true)
    }

    fn write_unsent(&mut self, cx: &Context<'_>) -> Result<bool, Over> {
        match self.stream.write(&self.unsent[self.sent..]) {
            Ok(0) => return Err(Over),
            Ok(count) => {
                cx.mine.bytes_written.add(count as u64);
                self.sent += count;
            }
            Err(error) => return retry(&error),
        }
        if self.sent == self.unsent.len() {
            self.unsent = Vec::new();
            self.sent = 0;
        }
        Ok(true)
    }
}

/// Whether the call is worth trying again at once, or later.
fn retry(error: &std::io::Error) -> Result<bool, Over> {
    match error.kind() {
        ErrorKind::Interrupted => Ok(true),
        ErrorKind::WouldBlock => Ok(false),
        _ => Err(Over),
    }
}
