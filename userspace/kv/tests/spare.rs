// SPDX-License-Identifier: GPL-2.0-only
//! A reply that begins in a small buffer says what one in a large buffer says.

mod common;

use common::{cx, store, MIB};
use kv::limits::REPLY_MAX;
use kv::{serve, Counters, Outcome, Reply, Spare};

/// One buffer after the other.
struct Row<'a> {
    buffer: &'a mut [u8],
    used: bool,
    behind: Option<Box<Row<'a>>>,
}

impl Spare for Row<'_> {
    fn at_once(&self) -> usize {
        let behind = self.behind.as_ref().map_or(0, |row| row.at_once());
        self.buffer.len().max(behind)
    }

    fn go_on(&mut self) -> (&mut [u8], Option<&mut (dyn Spare + '_)>) {
        self.used = true;
        let behind = self.behind.as_deref_mut();
        (self.buffer, behind.map(|row| row as &mut dyn Spare))
    }
}

#[test]
fn a_reply_goes_on_in_the_next_buffer_with_room() {
    let kv = store(4 * MIB);
    let counters = [Counters::new()];
    let cx = cx(&counters, 0, 3);
    let ask = |text: &str, reply: &mut Reply<'_>| {
        let datagram = [b"\0\x01\0\0\0\x01\0\0", text.as_bytes()].concat();
        serve(&kv, &cx, &datagram, reply)
    };
    let mut whole = vec![0; REPLY_MAX];
    for (key, len) in [("a", 1), ("b", 100), ("c", 700)] {
        let set = format!("set {key} 0 0 {len}\r\n{}\r\n", "x".repeat(len));
        let _ = ask(&set, &mut Reply::new(&mut whole));
    }
    for text in [
        "get a\r\n",
        "get b\r\n",
        "get c\r\n",
        "get d\r\n",
        "get a b c b a\r\n",
        "get a\r\nget c\r\n",
        "mg c v k\r\n",
        "mn\r\n",
        "version\r\n",
        "nonsense\r\n",
        "stats\r\n",
        "stats settings\r\n",
    ] {
        let mut reply = Reply::new(&mut whole);
        let outcome = ask(text, &mut reply);
        let expected = reply.text().to_vec();
        let count = |text: &[u8]| text.split(|byte| *byte == b'\n').count();
        for (first, second) in [0, 1, 5, 12, 40, 128, 150, 300, 2000]
            .into_iter()
            .flat_map(|first| [0, 10, 400, 900].map(|second| (first, second)))
        {
            let (mut a, mut b, mut c) = (vec![0; first], vec![0; second], vec![0; REPLY_MAX]);
            let mut spare = Row {
                buffer: &mut b,
                used: false,
                behind: Some(Box::new(Row {
                    buffer: &mut c,
                    used: false,
                    behind: None,
                })),
            };
            let mut reply = Reply::with_spare(&mut a, &mut spare);
            assert_eq!(ask(text, &mut reply), outcome);
            let (said, written) = (reply.text().to_vec(), reply.written());
            assert_eq!(said.len(), written);
            // Counters of requests go on.
            match text.starts_with("stats\r") {
                true => assert_eq!(
                    count(&said),
                    count(&expected),
                    "{text} in {first}, {second}"
                ),
                false => assert_eq!(said, expected, "{text} in {first}, {second}"),
            }
            // Where it fits, it stays.
            let short = !text.starts_with("stats");
            assert!(
                !short || spare.used == (written > first),
                "{text} in {first}"
            );
            let last = spare.behind.is_some_and(|row| row.used);
            assert!(
                !last || written > second || text.starts_with("stats"),
                "{text} in {second}"
            );
        }
        assert!(matches!(outcome, Outcome::Reply { .. }));
    }
}
