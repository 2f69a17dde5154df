// SPDX-License-Identifier: GPL-2.0-only
//! The work that every store is given: keys and values of one size, in the same
//! order for all, from one thread or from several.

use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use nix::time::{clock_gettime, ClockId};

use crate::caches::Cache;

/// Bytes of a mebibyte.
pub const MIB: usize = 1 << 20;

/// Items that are in a store when nothing is to go. At the smallest size they
/// are too many for the nearest caches, at the largest for any.
pub const ITEMS: u64 = 50_000;

/// How long keys and values are, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Length of a key, 16 at least.
    pub key: usize,
    /// Length of a value.
    pub value: usize,
}

/// The sizes that are measured: small objects, and two of the larger kinds.
pub const SIZES: [Size; 3] = [
    Size { key: 16, value: 32 },
    Size {
        key: 64,
        value: 320,
    },
    Size {
        key: 64,
        value: 1024,
    },
];

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.key, self.value)
    }
}

/// What a store is asked to do, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Finds a key that is there, any as likely as any other, and copies its
    /// value out. The processor knows what is looked for next, and may begin with it.
    Hit,
    /// The same, but which key is next is known when the value is there: as when
    /// each get is a request of its own, with far more between two than a processor
    /// looks ahead.
    HitAfterHit,
    /// Looks for a key that is not there.
    Miss,
    /// Copies a value in, under a key that is there.
    Set,
    /// Copies key and value in, and something else has to go.
    Evict,
    /// Nine hits, one set.
    Mix,
}

impl Work {
    /// All of it.
    pub const ALL: [Work; 6] = [
        Work::Hit,
        Work::HitAfterHit,
        Work::Miss,
        Work::Set,
        Work::Evict,
        Work::Mix,
    ];

    /// A name for tables.
    pub fn name(self) -> &'static str {
        match self {
            Work::Hit => "get hit",
            Work::HitAfterHit => "get hit after hit",
            Work::Miss => "get miss",
            Work::Set => "set",
            Work::Evict => "set with eviction",
            Work::Mix => "90/10 mix",
        }
    }
}

/// A bijection of 64 bits that looks like noise (the finalizer of SplitMix64).
pub fn mix(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}

/// Room for a key, and the number of the one in it.
pub struct Key {
    bytes: [u8; 64],
    len: usize,
}

impl Key {
    /// Keys of a size.
    pub fn new(size: Size) -> Self {
        Self {
            bytes: [b'k'; 64],
            len: size.key,
        }
    }

    /// The key of a number.
    pub fn of(&mut self, number: u64) -> &[u8] {
        self.bytes[..8].copy_from_slice(&mix(number).to_le_bytes());
        &self.bytes[..self.len]
    }
}

/// A value of a size with CRLF behind it, as a request brings it.
fn block(size: Size, byte: u8) -> Vec<u8> {
    let mut block = vec![byte; size.value];
    block.extend(b"\r\n");
    block
}

/// Puts the first [`ITEMS`] keys there.
pub fn fill(cache: &impl Cache, size: Size) {
    let (mut key, value) = (Key::new(size), block(size, b'v'));
    for number in 0..ITEMS {
        cache.set(key.of(number), &value);
    }
}

/// One thread's share of the work: `count` times, beginning at a place of its
/// own in the sequence that `seed` names. Returns how often a key was there.
pub fn turn(cache: &impl Cache, work: Work, size: Size, seed: u64, count: u64) -> u64 {
    Hands::new(size).turn(cache, work, seed, count)
}

/// What a client of a store has of its own: keys, a value, room for a reply.
struct Hands {
    key: Key,
    value: Vec<u8>,
    buffer: Vec<u8>,
}

impl Hands {
    fn new(size: Size) -> Self {
        Self {
            key: Key::new(size),
            value: black_box(block(size, b'w')),
            buffer: vec![0; size.value],
        }
    }

    fn turn(&mut self, cache: &impl Cache, work: Work, seed: u64, count: u64) -> u64 {
        let Self { key, value, buffer } = self;
        let mut found = 0;
        // What the last value says of the next key: nothing, for its bytes are alike.
        // Only nobody knows before they are there.
        let mut told = 0;
        for step in 0..count {
            let place = seed.wrapping_add(step);
            let known = mix(place ^ 0x5bd1_e995 ^ told) % ITEMS;
            let hit = match work {
                Work::Mix if place % 10 == 0 => cache.set(key.of(known), value),
                Work::Hit | Work::HitAfterHit | Work::Mix => cache.get(key.of(known), buffer),
                Work::Miss => cache.get(key.of(known + ITEMS), buffer),
                Work::Set => cache.set(key.of(known), value),
                // Never the same key twice.
                Work::Evict => cache.set(key.of(place | (1 << 63)), value),
            };
            found += u64::from(hit);
            if work == Work::HitAfterHit {
                told = buffer
                    .first()
                    .zip(buffer.last())
                    .map_or(0, |(a, b)| u64::from(a ^ b));
            }
        }
        black_box(buffer);
        found
    }
}

/// How often the allocator is asked for something when the work is done `count`
/// times, in a program whose allocator is [`Counting`](crate::counting::Counting).
pub fn allocations(cache: &impl Cache, work: Work, size: Size, seed: u64, count: u64) -> u64 {
    let mut hands = Hands::new(size);
    crate::counting::count(|| hands.turn(cache, work, seed, count))
}

/// How long `threads` threads take to do the work `count` times each. With one
/// thread its processor time, with several the time from their common start
/// until the last is done.
///
/// # Panics
///
/// When a key that is there was not found, or the other way round.
pub fn timed(
    cache: &impl Cache,
    work: Work,
    size: Size,
    threads: u64,
    seed: u64,
    count: u64,
) -> Duration {
    let share = |thread: u64| {
        let found = turn(cache, work, size, seed.wrapping_add(thread << 40), count);
        let wanted = if work == Work::Miss { 0 } else { count };
        assert_eq!(found, wanted, "{}", work.name());
    };
    if threads == 1 {
        let start = processor_time();
        share(0);
        return processor_time() - start;
    }
    let barrier = Barrier::new(threads as usize);
    let run = |thread: u64| {
        barrier.wait();
        let start = Instant::now();
        share(thread);
        (start, Instant::now())
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || run(thread)))
            .collect();
        let times: Vec<_> = handles.into_iter().map(|h| h.join().unwrap()).collect();
        let start = times.iter().map(|(start, _)| *start).min();
        let end = times.iter().map(|(_, end)| *end).max();
        start.zip(end).map(|(start, end)| end - start)
    })
    .unwrap_or_default()
}

fn processor_time() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// The median; 0 of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
