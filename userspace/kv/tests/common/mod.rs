// SPDX-License-Identifier: GPL-2.0-only
//! What tests have in common: a clock that is set by hand, and a session that
//! asks and answers in text.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use host::{answer, Region, Userspace};
use kv::limits::{DATAGRAM_MAX, REPLY_MAX};
use kv::{
    serve, Config, Context, Counters, CpuTime, Drop as Dropped, Host, Kv, Now, Outcome, Reply,
};

pub const MIB: usize = 1 << 20;
pub const UNIX: u64 = 1_800_000_000;

pub struct NoHost;

impl Host for NoHost {
    fn stats(&self, emit: &mut dyn FnMut(&str, u64)) {
        emit("pid", 4711);
    }
    fn settings(&self, emit: &mut dyn FnMut(&str, u64)) {
        emit("udpport", 11211);
    }
    fn cpu_time(&self) -> Option<CpuTime> {
        Some(CpuTime {
            user_us: 1_000_042,
            system_us: 999_999,
        })
    }
}

/// A store with so many stripes.
pub fn striped(len: usize, stripes: usize) -> Kv<Userspace> {
    let config = Config {
        stripes,
        ..Config::new([1, 2])
    };
    Kv::new(Region::new(len).unwrap(), &config).unwrap()
}

pub fn store(len: usize) -> Kv<Userspace> {
    Kv::new(Region::new(len).unwrap(), &Config::new([1, 2])).unwrap()
}

/// What the worker with the counters of that index has at a moment.
pub fn cx(all: &[Counters], index: usize, now: u32) -> Context<'_> {
    Context {
        now: Now(now),
        unix_now: UNIX,
        mine: &all[index],
        all,
        host: &NoHost,
    }
}

/// Requests and their answers, each in a store of its own. Its cas numbers are 1, 2, 3, and
/// so on.
#[track_caller]
pub fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let session = Session::in_one_stripe(MIB);
        assert_eq!(&session.ask(text), expected, "{text:?}");
    }
}

/// One worker's view of a store, on a clock set by hand.
pub struct Session {
    pub kv: Kv<Userspace>,
    pub counters: Box<[Counters]>,
    now: Cell<u32>,
    buffer: RefCell<Vec<u8>>,
}

impl Session {
    pub fn new(len: usize) -> Self {
        Self::with_reply(len, REPLY_MAX)
    }

    /// With a reply buffer of `room` bytes.
    pub fn with_reply(len: usize, room: usize) -> Self {
        Self::with(store(len), room)
    }

    /// Where all items are in one stripe, whose cas numbers are those from 1 on.
    pub fn in_one_stripe(len: usize) -> Self {
        Self::with(striped(len, 1), REPLY_MAX)
    }

    fn with(kv: Kv<Userspace>, room: usize) -> Self {
        Self {
            kv,
            counters: Box::new([Counters::new(), Counters::new()]),
            now: Cell::new(Now::START.0),
            buffer: RefCell::new(vec![0; room]),
        }
    }

    pub fn mine(&self) -> &Counters {
        &self.counters[0]
    }

    /// Seconds pass, on both clocks.
    pub fn pass(&self, seconds: u32) {
        self.now.set(self.now.get() + seconds);
    }

    pub fn unix(&self) -> u64 {
        UNIX + u64::from(self.now.get() - Now::START.0)
    }

    /// Sends a whole datagram.
    pub fn send(&self, datagram: &[u8]) -> (Outcome, Vec<u8>) {
        let cx = Context {
            now: Now(self.now.get()),
            unix_now: self.unix(),
            mine: &self.counters[0],
            all: &self.counters,
            host: &NoHost,
        };
        let text = &mut self.buffer.borrow_mut();
        // Not where a reply has less room than a datagram.
        if text.len() < DATAGRAM_MAX {
            let mut reply = Reply::new(text);
            let outcome = serve(&self.kv, &cx, datagram, &mut reply);
            return (outcome, reply.text().to_vec());
        }
        let mut buffer = [datagram, &[0xee; 2 * DATAGRAM_MAX]].concat();
        let answer = answer(&self.kv, &cx, &mut buffer, datagram.len(), text);
        if let Some([id_high, id_low, frame @ ..]) = answer.datagram {
            assert_eq!([*id_high, *id_low], datagram[..2]);
            assert!(frame.starts_with(&[0, 0, 0, 1, 0, 0]));
        }
        (answer.outcome, answer.text.to_vec())
    }

    /// Sends text in a frame, and returns the text of the reply: empty for a
    /// silent command.
    #[track_caller]
    pub fn ask_bytes(&self, text: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0xab, 0xcd, 0, 0, 0, 1, 0, 0];
        datagram.extend_from_slice(text);
        match self.send(&datagram) {
            (Outcome::Reply { request_id: 0xabcd }, text) => {
                assert!(!text.is_empty());
                text
            }
            (Outcome::Silent, text) => {
                assert!(text.is_empty());
                text
            }
            (Outcome::Dropped(Dropped::NoNewline), _) => b"(dropped)".to_vec(),
            (outcome, _) => panic!("{outcome:?}"),
        }
    }

    #[track_caller]
    pub fn ask(&self, text: impl AsRef<[u8]>) -> String {
        String::from_utf8(self.ask_bytes(text.as_ref())).unwrap()
    }

    #[track_caller]
    pub fn set(&self, key: &str, exptime: i64, data: &str) {
        let answer = self.ask(format!(
            "set {key} 0 {exptime} {}\r\n{data}\r\n",
            data.len()
        ));
        assert_eq!(answer, "STORED\r\n", "set {key}");
    }

    /// The data under a key.
    #[track_caller]
    pub fn get(&self, key: &str) -> Option<String> {
        let answer = self.ask(format!("get {key}\r\n"));
        if answer == "END\r\n" {
            return None;
        }
        let (head, rest) = answer.split_once("\r\n").unwrap();
        let data = rest.strip_suffix("\r\nEND\r\n").unwrap();
        assert_eq!(head, format!("VALUE {key} 0 {}", data.len()));
        Some(data.to_owned())
    }

    #[track_caller]
    pub fn stats(&self) -> BTreeMap<String, String> {
        let answer = self.ask("stats\r\n");
        let lines = answer.strip_suffix("END\r\n").unwrap().lines();
        lines
            .map(|line| {
                let (name, value) = line.strip_prefix("STAT ").unwrap().split_once(' ').unwrap();
                (name.to_owned(), value.to_owned())
            })
            .collect()
    }

    #[track_caller]
    pub fn stat(&self, name: &str) -> u64 {
        self.stats()[name].parse().unwrap()
    }
}
