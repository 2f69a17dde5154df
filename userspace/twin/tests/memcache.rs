// SPDX-License-Identifier: GPL-2.0-only
//! The Rust crate `memcache`, unmodified: binary over UDP, which is all that it
//! speaks there, binary and text over TCP.
//!
//! Asks a twin of its own, or whoever serves at `UNBUCKLE_ADDR` (host:port); for
//! one that serves UDP alone: `UNBUCKLE_ADDR=10.0.0.1:11211 memcache-… udp`.
//! That server's items are flushed.
//!
//! Not used, for the crate gets it wrong: `gets` over UDP, which it never sends,
//! and `stats` in text, of which it reads one line.
#![allow(missing_docs)]

mod common;

use std::collections::HashMap;
use std::env;
use std::fmt::Debug;
use std::process;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use common::{free_port, Twin};
use memcache::{Client, CommandError, MemcacheError};

/// One at a time: they may all ask the same server, and all flush it.
static TURN: Mutex<()> = Mutex::new(());

/// What is asked, and by which way.
struct Suite {
    client: Client,
    /// In front of every key.
    prefix: String,
    /// The text protocol; it has fewer errors.
    text: bool,
    udp: bool,
    /// Kept until the end.
    _twin: Option<Twin>,
}

type Value = (Vec<u8>, u32, Option<u64>);

fn run(scheme: &str, query: &str) {
    let _turn = TURN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let (twin, address) = match env::var("UNBUCKLE_ADDR") {
        Ok(address) => (None, address),
        Err(_) => {
            let port = free_port();
            let port_text = port.to_string();
            let twin = Twin::start(&["-p", &port_text, "-t", "1", "-l", "127.0.0.1"]);
            (Some(twin), format!("127.0.0.1:{port}"))
        }
    };
    let url = format!("{scheme}://{address}?timeout=5&{query}");
    let client = Client::connect(url.clone()).unwrap_or_else(|error| panic!("{url}: {error}"));
    let suite = Suite {
        client,
        prefix: format!("{}-{scheme}{query}-", process::id()),
        text: query.contains("ascii"),
        udp: scheme.ends_with("udp"),
        _twin: twin,
    };
    suite.retrieval();
    suite.storage();
    suite.cas();
    suite.counters();
    suite.expiry();
    suite.sizes();
    suite.administration();
}

#[test]
fn udp() {
    run("memcache+udp", "protocol=binary");
}

#[test]
fn tcp_binary() {
    run("memcache", "protocol=binary");
}

#[test]
fn tcp_text() {
    run("memcache", "protocol=ascii");
}

#[track_caller]
fn refused<T: Debug>(result: Result<T, MemcacheError>, expected: CommandError) {
    match result {
        Err(MemcacheError::CommandError(error)) => {
            assert_eq!(format!("{error:?}"), format!("{expected:?}"));
        }
        other => panic!("{other:?}, not {expected:?}"),
    }
}

impl Suite {
    fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    #[track_caller]
    fn get(&self, name: &str) -> Option<String> {
        self.client.get(&self.key(name)).unwrap()
    }

    #[track_caller]
    fn set(&self, name: &str, value: &str) {
        self.client.set(&self.key(name), value, 0).unwrap();
    }

    fn retrieval(&self) {
        assert_eq!(self.get("none"), None);
        self.set("k", "value");
        assert_eq!(self.get("k").as_deref(), Some("value"));
        self.set("empty", "");
        assert_eq!(self.get("empty").as_deref(), Some(""));
        self.client.set(&self.key("n"), 42, 0).unwrap();
        let number: Option<i32> = self.client.get(&self.key("n")).unwrap();
        assert_eq!(number, Some(42));
        let all: Vec<u8> = (0..=255).collect();
        self.client.set(&self.key("all"), &all[..], 0).unwrap();
        let value: Option<Vec<u8>> = self.client.get(&self.key("all")).unwrap();
        assert_eq!(value, Some(all));
        if !self.udp {
            let keys = [self.key("k"), self.key("none"), self.key("n")];
            let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
            let found: HashMap<String, String> = self.client.gets(&keys).unwrap();
            assert_eq!(found.len(), 2);
            assert_eq!(found[keys[0]], "value");
            assert_eq!(found[keys[2]], "42");
        }
    }

    fn storage(&self) {
        let key = self.key("s");
        if self.text {
            // The text protocol says NOT_STORED, and the crate does not look.
            let _ = self.client.replace(&key, "no", 0);
            assert_eq!(self.get("s"), None);
        } else {
            refused(
                self.client.replace(&key, "no", 0),
                CommandError::KeyNotFound,
            );
        }
        self.client.add(&key, "one", 0).unwrap();
        if !self.text {
            refused(self.client.add(&key, "no", 0), CommandError::KeyExists);
        }
        assert_eq!(self.get("s").as_deref(), Some("one"));
        self.client.replace(&key, "two", 0).unwrap();
        self.client.append(&key, " behind").unwrap();
        self.client.prepend(&key, "before ").unwrap();
        assert_eq!(self.get("s").as_deref(), Some("before two behind"));
        assert!(self.client.delete(&key).unwrap());
        assert!(!self.client.delete(&key).unwrap());
        assert_eq!(self.get("s"), None);
    }

    fn cas(&self) {
        let key = self.key("c");
        self.set("c", "one");
        let Some(cas) = self.cas_of(&key) else {
            panic!("no cas number");
        };
        assert!(self.client.cas(&key, "two", 0, cas).unwrap());
        assert!(!self.client.cas(&key, "three", 0, cas).unwrap());
        assert_eq!(self.get("c").as_deref(), Some("two"));
        assert!(!self.client.cas(&self.key("none"), "x", 0, cas).unwrap());
    }

    fn cas_of(&self, key: &str) -> Option<u64> {
        if self.text {
            let mut found: HashMap<String, Value> = self.client.gets(&[key]).unwrap();
            return found.remove(key)?.2;
        }
        let found: Option<Value> = self.client.get(key).unwrap();
        found?.2
    }

    fn counters(&self) {
        let key = self.key("count");
        self.set("count", "10");
        assert_eq!(self.client.increment(&key, 5).unwrap(), 15);
        assert_eq!(self.client.decrement(&key, 6).unwrap(), 9);
        assert_eq!(self.client.decrement(&key, 100).unwrap(), 0);
        self.set("count", "18446744073709551615");
        assert_eq!(self.client.increment(&key, 1).unwrap(), 0);
        self.set("count", "many");
        assert!(self.client.increment(&key, 1).is_err());
        let missing = self.client.increment(&self.key("new"), 7);
        if self.text {
            refused(missing, CommandError::KeyNotFound);
        } else {
            assert_eq!(missing.unwrap(), 0, "made with its initial value");
        }
    }

    fn expiry(&self) {
        let key = self.key("e");
        self.client.set(&key, "soon gone", 1).unwrap();
        self.client.set(&self.key("stays"), "here", 1).unwrap();
        assert!(self.client.touch(&self.key("stays"), 1000).unwrap());
        assert!(!self.client.touch(&self.key("none"), 1000).unwrap());
        let mut patience = 100;
        while self.get("e").is_some() {
            assert!(patience > 0, "not gone in ten seconds");
            patience -= 1;
            thread::sleep(Duration::from_millis(100));
        }
        assert_eq!(self.get("stays").as_deref(), Some("here"));
    }

    /// Replies of one datagram and of many; a request fills one.
    fn sizes(&self) {
        for len in [1300, 1392, 1400, 10_000, 60_000] {
            let value: String = ('a'..='z').cycle().take(len).collect();
            self.set("large", &value);
            assert!(self.get("large").as_deref() == Some(&value[..]), "{len}");
        }
        let key = "k".repeat(250);
        self.client.set(&key, "long key", 0).unwrap();
        let value: Option<String> = self.client.get(&key).unwrap();
        assert_eq!(value.as_deref(), Some("long key"));
        if !self.udp {
            let value = "x".repeat(1_000_000);
            self.set("large", &value);
            assert!(self.get("large") == Some(value));
            let result = self
                .client
                .set(&self.key("large"), &"x".repeat(2_000_000)[..], 0);
            assert!(result.is_err());
            assert_eq!(self.get("large"), None);
        }
    }

    fn administration(&self) {
        let versions = self.client.version().unwrap();
        assert!(!versions[0].1.is_empty());
        if !self.text {
            let stats = self.client.stats().unwrap();
            let hits: u64 = stats[0].1["get_hits"].parse().unwrap();
            assert!(hits > 0);
        }
        self.set("f", "x");
        self.client.flush_with_delay(1000).unwrap();
        assert_eq!(self.get("f").as_deref(), Some("x"));
        self.client.flush().unwrap();
        assert_eq!(self.get("f"), None);
    }
}
