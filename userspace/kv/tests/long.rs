// SPDX-License-Identifier: GPL-2.0-only
//! Replies that move to a spare buffer: they say what they would say in one that is
//! large from the start, and leave the same behind.

mod common;

use common::{store, NoHost, MIB, UNIX};
use kv::limits::REPLY_MAX;
use kv::{serve, Context, Counters, Kv, Now, Outcome, Reply, Spare};

/// One buffer, or none, and how often it was asked for.
struct Lent {
    buffer: Option<Vec<u8>>,
    asked: usize,
}

impl Spare for Lent {
    fn at_once(&self) -> usize {
        0
    }

    fn go_on(&mut self) -> (&mut [u8], Option<&mut (dyn Spare + '_)>) {
        self.asked += 1;
        (self.buffer.as_deref_mut().unwrap_or_default(), None)
    }
}

/// The bytes of the first buffer.
const FIRST: usize = 4096;

struct Server {
    kv: Kv<host::Userspace>,
    counters: [Counters; 1],
}

impl Server {
    fn new() -> Self {
        Self {
            kv: store(16 * MIB),
            counters: [Counters::new()],
        }
    }

    fn context(&self) -> Context<'_> {
        Context {
            now: Now::START,
            unix_now: UNIX,
            mine: &self.counters[0],
            all: &self.counters,
            host: &NoHost,
        }
    }

    /// In a buffer that is large from the start.
    fn ask(&self, text: &[u8]) -> (Outcome, Vec<u8>) {
        let mut buffer = vec![0; REPLY_MAX];
        let mut reply = Reply::new(&mut buffer);
        let outcome = serve(&self.kv, &self.context(), &framed(text), &mut reply);
        (outcome, reply.text().to_vec())
    }

    /// In a small one, with such a spare.
    fn ask_moving(&self, text: &[u8], spare: &mut Lent) -> (Outcome, Vec<u8>) {
        let mut first = vec![0; FIRST];
        let mut reply = Reply::with_spare(&mut first, spare);
        let outcome = serve(&self.kv, &self.context(), &framed(text), &mut reply);
        (outcome, reply.text().to_vec())
    }

    fn count(&self, name: &str) -> String {
        let (_, text) = self.ask(b"stats\r\n");
        let text = String::from_utf8(text).unwrap();
        let name = format!("STAT {name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        line.unwrap().to_owned()
    }
}

fn framed(text: &[u8]) -> Vec<u8> {
    [&[0, 7, 0, 0, 0, 1, 0, 0], text].concat()
}

fn set(key: &str, len: usize) -> Vec<u8> {
    format!("set {key} 5 0 {len}\r\n{}\r\n", "v".repeat(len)).into_bytes()
}

fn binary(opcode: u8, key: &[u8]) -> Vec<u8> {
    let mut request = vec![0x80, opcode, 0, key.len() as u8];
    request.extend([0, 0, 0, 0, 0, 0, 0, key.len() as u8]);
    request.extend([0; 12]);
    request.extend(key);
    request
}

/// What is asked of two servers that were given the same, and whether its answer has
/// to move.
fn requests() -> Vec<(Vec<u8>, bool)> {
    let text = |text: &str| text.as_bytes().to_vec();
    let all: String = (0..40).map(|number| format!(" k{number}")).collect();
    vec![
        (set("long", 100_000), false),
        (text("mg long v h l t f s k q\r\n"), true),
        (text("mg long h\r\n"), false),
        (text("get long\r\n"), true),
        (text("gets long\r\n"), true),
        (text("gat 100 long\r\n"), true),
        (text("mg long t\r\n"), false),
        (text("get nothing\r\n"), false),
        (
            (0..40).flat_map(|n| set(&format!("k{n}"), 300)).collect(),
            false,
        ),
        (format!("get{all}\r\n").into_bytes(), true),
        (format!("gets{all} long{all}\r\n").into_bytes(), true),
        (format!("gat 0{all}\r\nget k1\r\n").into_bytes(), true),
        (text("set n 0 0 1\r\n1\r\n"), false),
        // Short answers, so many that they do not fit.
        (text(&"incr n 1\r\n".repeat(3000)), true),
        (text("get n\r\n"), false),
        (text(&"get k1\r\nmg k2 v\r\n".repeat(20)), true),
        (text("mg long v T50\r\nmg long h t\r\n"), true),
        (text("md long I T30\r\n"), false),
        // Who sees it first is told so, once.
        (text("mg long v\r\nmg long s\r\n"), true),
        (binary(0x00, b"long"), true),
        (binary(0x0c, b"k3").repeat(30), true),
        (binary(0x00, b"nothing"), false),
        (text("lru_crawler metadump all\r\n"), true),
        (text("stats items\r\n"), false),
    ]
}

#[test]
fn a_reply_that_moves_says_the_same() {
    let (one, other) = (Server::new(), Server::new());
    for (request, moves) in requests() {
        let shown = String::from_utf8_lossy(&request[..request.len().min(40)]).into_owned();
        let mut spare = Lent {
            buffer: Some(vec![0; REPLY_MAX]),
            asked: 0,
        };
        let (outcome, text) = one.ask(&request);
        let (moved, same) = other.ask_moving(&request, &mut spare);
        assert!(text == same, "{shown}: {} and {}", text.len(), same.len());
        assert_eq!(moved, outcome, "{shown}");
        assert_eq!(spare.asked, usize::from(moves), "{shown}");
    }
    for name in [
        "cmd_get",
        "get_hits",
        "get_misses",
        "cmd_touch",
        "touch_hits",
        "cmd_meta",
        "cmd_set",
        "incr_hits",
        "moves_to_warm",
        "udp_reply_overflows",
    ] {
        assert_eq!(one.count(name), other.count(name), "{name}");
    }
}

#[test]
fn without_a_spare_it_says_that_there_is_no_memory() {
    let server = Server::new();
    assert_eq!(server.ask(&set("long", 100_000)).1, b"STORED\r\n");
    let mut none = Lent {
        buffer: None,
        asked: 0,
    };
    for (request, answer) in [
        (
            b"get long\r\n".to_vec(),
            "SERVER_ERROR out of memory writing get response\r\n",
        ),
        (
            b"version\r\nmg long v\r\n".to_vec(),
            "SERVER_ERROR out of memory writing get response\r\n",
        ),
    ] {
        none.asked = 0;
        let (outcome, text) = server.ask_moving(&request, &mut none);
        assert_eq!(outcome, Outcome::Reply { request_id: 7 });
        assert!(String::from_utf8_lossy(&text).ends_with(answer));
        assert_eq!(none.asked, 1);
    }
    assert_eq!(server.count("udp_reply_overflows"), "2");
    // Commands that cannot be answered are not executed.
    server.ask(b"set n 0 0 1\r\n0\r\n");
    let (_, text) = server.ask_moving(&b"incr n 1\r\n".repeat(3000), &mut none);
    let done = text.iter().filter(|byte| **byte == b'\n').count() - 1;
    let (_, count) = server.ask(b"get n\r\n");
    assert!(String::from_utf8_lossy(&count).contains(&format!("\r\n{done}\r\n")));
}
