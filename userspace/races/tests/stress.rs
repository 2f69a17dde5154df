// SPDX-License-Identifier: GPL-2.0-only
//! Many threads on one store. Values say which key they belong to and are of
//! one piece, so that a torn or misplaced one is seen.
#![allow(missing_docs)]

#[path = "../../kv/tests/common/mod.rs"]
mod common;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{cx, store, MIB};
use host::{answer, Userspace};
use kv::limits::{DATAGRAM_MAX, REPLY_MAX};
use kv::{Counters, Kv};
use races::random::Random;

const THREADS: usize = 8;
const KEYS: u64 = 300;
/// So many steps are too few.
const STEPS: u64 = 1000;
const PATIENCE: Duration = Duration::from_secs(60);

struct Worker<'a> {
    kv: &'a Kv<Userspace>,
    all: &'a [Counters],
    index: usize,
    random: Random,
    buffer: Vec<u8>,
    /// Keys that it asked for by `get`, and that it found so.
    gets: u64,
    hits: u64,
}

impl<'a> Worker<'a> {
    fn new(kv: &'a Kv<Userspace>, all: &'a [Counters], index: usize) -> Self {
        Self {
            kv,
            all,
            index,
            random: Random::new(index as u64),
            buffer: vec![0; REPLY_MAX],
            gets: 0,
            hits: 0,
        }
    }

    fn ask(&mut self, now: u32, text: &str) -> Vec<u8> {
        let cx = cx(self.all, self.index, now);
        let mut datagram = [b"\0\0\0\0\0\x01\0\0", text.as_bytes()].concat();
        let len = datagram.len();
        datagram.resize(len + DATAGRAM_MAX, 0);
        let answer = answer(self.kv, &cx, &mut datagram, len, &mut self.buffer);
        answer.text.to_vec()
    }

    fn step(&mut self, now: u32) {
        let key = self.random.below(KEYS);
        let len = match self.random.below(8) {
            0 => self.random.below(60_000),
            1 | 2 => self.random.below(2000),
            _ => self.random.below(100),
        } as usize;
        let text = match self.random.below(100) {
            0..30 => {
                let letter = char::from(b'a' + (self.random.below(26)) as u8);
                let fill = letter.to_string().repeat(len);
                let (data, exptime) = (format!("k{key}.{fill}"), self.random.below(3));
                format!("set k{key} {key} {exptime} {}\r\n{data}\r\n", data.len())
            }
            30..35 => format!("delete k{key}\r\n"),
            35 => {
                let all = [
                    "stats",
                    "stats items",
                    "stats slabs",
                    "lru_crawler metadump all",
                ];
                format!("{}\r\n", all[self.random.below(4) as usize])
            }
            37..40 => format!("touch k{key} 2\r\n"),
            36 if self.random.below(50) == 0 => "flush_all\r\n".to_owned(),
            _ => {
                let command = ["get", "gat 2", "get"][self.random.below(3) as usize];
                let answer = self.ask(now, &format!("{command} k{key}\r\n"));
                let found = intact(key, std::str::from_utf8(&answer).unwrap());
                if command == "get" {
                    self.gets += 1;
                    self.hits += u64::from(found);
                }
                return;
            }
        };
        self.ask(now, &text);
    }
}

/// Whether it is a hit. Panics unless `answer` is a miss, or a whole value of `key`.
fn intact(key: u64, answer: &str) -> bool {
    let rest = answer.strip_suffix("END\r\n").unwrap();
    if rest.is_empty() {
        return false;
    }
    let (head, data) = rest.split_once("\r\n").unwrap();
    let data = data.strip_suffix("\r\n").unwrap();
    assert_eq!(head, format!("VALUE k{key} {key} {}", data.len()));
    let fill = data.strip_prefix(&format!("k{key}.")).unwrap();
    let first = fill.chars().next();
    assert!(fill.chars().all(|letter| Some(letter) == first));
    true
}

#[test]
fn threads_never_see_a_value_that_is_not_whole() {
    let kv = store(2 * MIB);
    let counters: Vec<Counters> = (0..THREADS).map(|_| Counters::new()).collect();
    let started = Instant::now();
    let stop = AtomicBool::new(false);
    let steps = AtomicU64::new(0);
    let (gets, hits) = thread::scope(|scope| {
        let mut threads = Vec::new();
        for index in 0..THREADS {
            let (kv, counters, stop, steps) = (&kv, &counters, &stop, &steps);
            threads.push(scope.spawn(move || {
                let mut worker = Worker::new(kv, counters, index);
                while !stop.load(Ordering::Relaxed) {
                    let now = 2 + started.elapsed().as_millis() as u32 / 100;
                    worker.step(now);
                    steps.fetch_add(1, Ordering::Relaxed);
                }
                (worker.gets, worker.hits)
            }));
        }
        // A crowded machine takes longer for what is worth looking at.
        while started.elapsed() < Duration::from_secs(3)
            || steps.load(Ordering::Relaxed) <= STEPS && started.elapsed() < PATIENCE
        {
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Ordering::Relaxed);
        let counted = threads.into_iter().map(|thread| thread.join().unwrap());
        counted.fold((0, 0), |(gets, hits), more| (gets + more.0, hits + more.1))
    });
    let sum = |pick: fn(&Counters) -> u64| -> u64 { counters.iter().map(pick).sum() };
    let steps = steps.into_inner();
    println!("{steps} steps in {:?}", started.elapsed());
    assert!(steps > STEPS, "{steps}");
    assert_eq!(sum(Counters::get_hits), hits);
    assert_eq!(sum(|c| c.get_misses.get()), gets - hits);
    assert!(hits > 0 && sum(|c| c.evictions.get()) > 0);
    assert_eq!(sum(|c| c.store_no_memory.get()), 0);
    // All that is left can be deleted, and nothing more is left then.
    let mut worker = Worker::new(&kv, &counters, 0);
    for key in 0..KEYS {
        worker.ask(2, &format!("delete k{key}\r\n"));
    }
    assert_eq!((kv.usage().items, kv.usage().bytes), (0, 0));
}
