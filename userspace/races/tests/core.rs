// SPDX-License-Identifier: GPL-2.0-only
//! Four threads on three keys of one store, and an order of requests that
//! explains what each of them was told.
#![allow(missing_docs)]

#[path = "../../kv/tests/common/mod.rs"]
mod common;

use std::time::Duration;

use common::{cx, striped, MIB};
use host::{answer, Userspace};
use kv::limits::{DATAGRAM_MAX, REPLY_MAX};
use kv::{Counters, Kv, Now};
use races::{play_for, Client};

const THREADS: usize = 4;

/// One thread's way to the store.
struct Worker<'a> {
    kv: &'a Kv<Userspace>,
    all: &'a [Counters],
    index: usize,
    buffer: Vec<u8>,
}

impl<'a> Worker<'a> {
    fn all(kv: &'a Kv<Userspace>, all: &'a [Counters]) -> Vec<Self> {
        let worker = |index| Self {
            kv,
            all,
            index,
            buffer: vec![0; REPLY_MAX],
        };
        (0..THREADS).map(worker).collect()
    }
}

impl Client for Worker<'_> {
    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        let cx = cx(self.all, self.index, Now::START.0);
        let mut datagram = [b"\0\0\0\0\0\x01\0\0", request].concat();
        let len = datagram.len();
        datagram.resize(len + DATAGRAM_MAX, 0);
        let answer = answer(self.kv, &cx, &mut datagram, len, &mut self.buffer);
        Ok(answer.text.to_vec())
    }
}

/// Adds by reading and then writing.
struct Torn<'a>(Worker<'a>);

impl Client for Torn<'_> {
    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        let text = String::from_utf8_lossy(request);
        let words: Vec<&str> = text.split_whitespace().collect();
        let ["incr", key, delta] = words[..] else {
            return self.0.ask(request);
        };
        let found = self.0.ask(format!("get {key}\r\n").as_bytes())?;
        let found = String::from_utf8_lossy(&found).into_owned();
        let old = found
            .split("\r\n")
            .nth(1)
            .map(|data| data.trim_end().parse::<u64>());
        let (Some(Ok(old)), Ok(delta)) = (old, delta.parse::<u64>()) else {
            // Nothing to add to, or no number.
            return self.0.ask(request);
        };
        let sum = (old + delta).to_string();
        let set = format!("set {key} 0 0 {}\r\n{sum}\r\n", sum.len());
        self.0.ask(set.as_bytes())?;
        Ok(format!("{sum}\r\n").into_bytes())
    }
}

#[test]
fn what_threads_are_told_can_be_put_in_order() {
    for stripes in [1, 2, 256] {
        let kv = striped(4 * MIB, stripes);
        let counters: Vec<Counters> = (0..THREADS).map(|_| Counters::new()).collect();
        let mut workers = Worker::all(&kv, &counters);
        let played = play_for(Duration::from_secs(1), &mut workers, "h", 60)
            .unwrap_or_else(|history| panic!("{stripes} stripes: {history}"));
        println!("{stripes} stripes: {played:?}");
        assert!(played.overlapping > 100, "{played:?}");
    }
}

#[test]
fn an_addition_that_is_torn_is_found_out() {
    let kv = striped(4 * MIB, 1);
    let counters: Vec<Counters> = (0..THREADS).map(|_| Counters::new()).collect();
    let workers = Worker::all(&kv, &counters).into_iter();
    let mut workers: Vec<_> = workers.map(Torn).collect();
    let history = play_for(Duration::from_secs(60), &mut workers, "t", 60).unwrap_err();
    assert!(history.starts_with("no order"), "{history}");
}
