// SPDX-License-Identifier: GPL-2.0-only
//! Random sessions, against a `HashMap` that does the same.
#![allow(missing_docs)]

mod common;

use std::collections::HashMap;

use common::{Session, MIB};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Set {
        key: u8,
        flags: u32,
        exptime: i64,
        len: usize,
    },
    SetCutShort {
        key: u8,
    },
    Get {
        keys: Vec<u8>,
    },
    Delete {
        key: u8,
    },
    Flush,
    FlushIn {
        seconds: u32,
    },
    Pass {
        seconds: u32,
    },
}

fn step(max_len: usize) -> impl Strategy<Value = Step> {
    let exptime = prop_oneof![5 => Just(0), 1 => -2i64..0, 4 => 1i64..20];
    let len = prop_oneof![4 => 0usize..200, 2 => 0usize..5000, 1 => 0..max_len];
    prop_oneof![
        8 => (any::<u8>(), any::<u32>(), exptime, len)
            .prop_map(|(key, flags, exptime, len)| Step::Set { key, flags, exptime, len }),
        1 => any::<u8>().prop_map(|key| Step::SetCutShort { key }),
        8 => prop::collection::vec(any::<u8>(), 1..5).prop_map(|keys| Step::Get { keys }),
        3 => any::<u8>().prop_map(|key| Step::Delete { key }),
        1 => Just(Step::Flush),
        1 => (1u32..20).prop_map(|seconds| Step::FlushIn { seconds }),
        3 => (1u32..8).prop_map(|seconds| Step::Pass { seconds }),
    ]
}

/// Keys of many lengths, of which few are used, so that they meet again.
fn name(key: u8) -> String {
    let key = usize::from(key % 40);
    format!("{key}{}", "k".repeat(key * key % 240))
}

struct Entry {
    flags: u32,
    /// When it is gone, by the model's clock.
    end: Option<u32>,
    data: String,
}

/// What a store without limits does.
#[derive(Default)]
struct Model {
    now: u32,
    flush: Option<u32>,
    entries: HashMap<String, Entry>,
    /// Makes every value different.
    serial: usize,
}

impl Model {
    fn value(&mut self, len: usize) -> String {
        self.serial += 1;
        format!("{}:", self.serial)
            .chars()
            .cycle()
            .take(len)
            .collect()
    }

    fn pass(&mut self, seconds: u32) {
        self.now += seconds;
        if self.flush.is_some_and(|at| at <= self.now) {
            self.flush = None;
            self.entries.clear();
        }
        let now = self.now;
        self.entries
            .retain(|_, entry| entry.end.is_none_or(|end| end > now));
    }

    fn line(&self, key: &str) -> String {
        let line = |entry: &Entry| {
            let (flags, data) = (entry.flags, &entry.data);
            format!("VALUE {key} {flags} {}\r\n{data}\r\n", data.len())
        };
        self.entries.get(key).map_or(String::new(), line)
    }
}

/// Runs the steps on both. With `exact`, answers are equal; else a store may
/// have forgotten what the model has, and nothing more.
fn run(steps: &[Step], len: usize, exact: bool) {
    let session = Session::new(len);
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Set {
                key,
                flags,
                exptime,
                len,
            } => {
                let (key, data) = (name(*key), model.value(*len));
                let text = format!("set {key} {flags} {exptime} {len}\r\n{data}\r\n");
                assert_eq!(session.ask(text), "STORED\r\n");
                let end = match u32::try_from(*exptime) {
                    Ok(0) => None,
                    Ok(seconds) => Some(model.now + seconds),
                    Err(_) => Some(0),
                };
                let flags = *flags;
                model.entries.insert(key, Entry { flags, end, data });
                model.pass(0);
            }
            Step::SetCutShort { key } => {
                let answer = session.ask(format!("set {} 0 0 9\r\nx\r\n", name(*key)));
                assert_eq!(answer, "CLIENT_ERROR bad data chunk\r\n");
            }
            Step::Get { keys } => get(&session, &mut model, keys, exact),
            Step::Delete { key } => {
                let answer = session.ask(format!("delete {}\r\n", name(*key)));
                let had = model.entries.remove(&name(*key)).is_some();
                if exact || !had {
                    let expected = if had { "DELETED\r\n" } else { "NOT_FOUND\r\n" };
                    assert_eq!(answer, expected);
                }
            }
            Step::Flush => {
                assert_eq!(session.ask("flush_all\r\n"), "OK\r\n");
                model.flush = None;
                model.entries.clear();
            }
            Step::FlushIn { seconds } => {
                assert_eq!(session.ask(format!("flush_all {seconds}\r\n")), "OK\r\n");
                model.flush = Some(model.now + seconds);
            }
            Step::Pass { seconds } => {
                session.pass(*seconds);
                model.pass(*seconds);
            }
        }
        // The dead may still be there, the living must all be.
        let items = session.kv.usage().items;
        assert!(!exact || items >= model.entries.len() as u64);
    }
    assert!(!exact || session.mine().evictions.get() == 0);
}

fn get(session: &Session, model: &mut Model, keys: &[u8], exact: bool) {
    let keys: Vec<String> = keys.iter().map(|key| name(*key)).collect();
    if exact {
        let answer = session.ask(format!("get {}\r\n", keys.join(" ")));
        let lines: String = keys.iter().map(|key| model.line(key)).collect();
        assert_eq!(answer, format!("{lines}END\r\n"));
        return;
    }
    for key in &keys {
        let answer = session.ask(format!("get {key}\r\n"));
        if answer == "END\r\n" {
            // Evicted; or else it would come back from nowhere later.
            model.entries.remove(key);
        }
        assert_eq!(answer, format!("{}END\r\n", model.line(key)));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn with_room_for_everything_the_store_is_a_map(
        steps in prop::collection::vec(step(20_000), 1..400)
    ) {
        run(&steps, 16 * MIB, true);
    }

    #[test]
    fn with_little_memory_a_value_is_right_or_gone(
        steps in prop::collection::vec(step(130_000), 1..400)
    ) {
        run(&steps, MIB, false);
    }

    #[test]
    fn no_bytes_at_all_upset_the_parser(
        texts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..20)
    ) {
        let session = Session::new(MIB);
        session.set("k", 0, "x");
        for text in texts {
            let _ = session.send(&text);
            session.send(&[b"\0\0\0\0\0\x01\0\0", &text[..]].concat());
        }
        prop_assert_eq!(session.get("k"), Some("x".to_owned()));
    }

    #[test]
    fn no_words_of_the_protocol_upset_the_parser(
        words in prop::collection::vec(prop::sample::select(vec![
            "get", "gets", "set", "delete", "flush_all", "verbosity", "version", "stats", "quit",
            "reset", "noreply", "k", "j", "0", "1", "-1", "5", "4294967296", "99999999999999999999",
            "\r\n", "\r\n", "\n", "x\r\n", "\r", " ", "\0",
        ]), 1..80)
    ) {
        let session = Session::new(MIB);
        let answer = session.ask_bytes(words.join(" ").as_bytes());
        prop_assert!(answer.is_empty() || answer.ends_with(b"\r\n") || answer == b"(dropped)");
        prop_assert_eq!(session.ask("version\r\n"), "VERSION 1.6.45-unbuckle-0.1.0\r\n");
    }
}
