// SPDX-License-Identifier: GPL-2.0-only
//! A host that reads a stream in pieces, and checks what it is told to do.
#![allow(dead_code, missing_docs, unreachable_pub)]

use host::Userspace;
use kv::limits::{INPUT_MAX, STREAM_REPLY};
use kv::{Context, Counters, Kv, Next, Now, Reply, Session};

use crate::common::{store, striped, NoHost, MIB, UNIX};

pub struct Stream {
    kv: Kv<Userspace>,
    counters: Box<[Counters]>,
    session: Session,
    held: Vec<u8>,
    wanted: usize,
    room: usize,
    buffer: Vec<u8>,
    /// All replies so far.
    pub output: Vec<u8>,
    pub closed: bool,
    pub now: Now,
    /// How often the reply had to be sent before more could be said.
    pub writes: usize,
    /// Most input that was held.
    pub most: usize,
}

impl Stream {
    pub fn new(len: usize) -> Self {
        Self::with_reply(len, STREAM_REPLY)
    }

    /// The same, with a reply buffer of so many bytes.
    pub fn with_reply(len: usize, reply: usize) -> Self {
        Self::of(store(len), reply)
    }

    /// The same, on a store with one stripe, whose cas numbers are 1, 2, 3 and so on.
    pub fn in_one_stripe(len: usize, reply: usize) -> Self {
        Self::of(striped(len, 1), reply)
    }

    fn of(kv: Kv<Userspace>, reply: usize) -> Self {
        Self {
            kv,
            counters: Box::new([Counters::new()]),
            session: Session::new(),
            held: Vec::new(),
            wanted: 1,
            room: INPUT_MAX,
            buffer: vec![0; reply],
            output: Vec::new(),
            closed: false,
            now: Now::START,
            writes: 0,
            most: 0,
        }
    }

    /// The same, with so much room for input.
    pub fn with_room(len: usize, room: usize) -> Self {
        Self {
            room,
            ..Self::new(len)
        }
    }

    /// A connection of its own to the same store.
    pub fn reconnect(&mut self) {
        self.session = Session::new();
        self.held.clear();
        self.wanted = 1;
        self.output.clear();
        self.closed = false;
    }

    pub fn counters(&self) -> &Counters {
        &self.counters[0]
    }

    /// A piece arrives.
    #[track_caller]
    pub fn push(&mut self, piece: &[u8]) {
        if self.closed {
            return;
        }
        self.held.extend_from_slice(piece);
        while !self.closed && self.held.len() >= self.wanted {
            self.most = self.most.max(self.held.len());
            self.serve();
        }
    }

    /// What is said to a piece.
    #[track_caller]
    pub fn ask(&mut self, piece: impl AsRef<[u8]>) -> String {
        let before = self.output.len();
        self.push(piece.as_ref());
        String::from_utf8_lossy(&self.output[before..]).into_owned()
    }

    #[track_caller]
    fn serve(&mut self) {
        let cx = Context {
            now: self.now,
            unix_now: UNIX,
            mine: &self.counters[0],
            all: &self.counters,
            host: &NoHost,
        };
        let mut reply = Reply::new(&mut self.buffer);
        let progress = self
            .session
            .serve(&self.kv, &cx, &self.held, self.room, &mut reply);
        self.output.extend_from_slice(reply.text());
        self.held.drain(..progress.used);
        match progress.next {
            Next::Read { total } => {
                assert!(total > self.held.len(), "nothing new to wait for");
                assert!(total <= self.room, "{total} bytes do not fit");
                self.wanted = total;
            }
            Next::Write => {
                assert!(!reply.text().is_empty(), "nothing to write");
                self.writes += 1;
                self.wanted = 0;
            }
            Next::Close => self.closed = true,
        }
    }
}

/// What a new store says to the pieces, and whether it closed.
#[track_caller]
pub fn play<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, bool) {
    let mut stream = Stream::new(2 * MIB);
    for piece in pieces {
        stream.push(piece);
    }
    (stream.output, stream.closed)
}
