// SPDX-License-Identifier: GPL-2.0-only
//! Threads that all store items in many chunks, in a store that holds few of them, and
//! lose their CPU where others wait for what they have in hand.
#![allow(missing_docs)]

#[path = "../../kv/tests/common/mod.rs"]
mod common;

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{cx, MIB};
use host::{Region, Userspace};
use kv::store::{Change, Done, Entry};
use kv::{Config, Counters, Kv, NoMemory, Platform};
use races::random::Random;

const THREADS: usize = 8;
const SETS: usize = 4000;
const KEYS: u64 = 300;
const DATA_MAX: usize = 60_000;
/// More sets than these are not needed, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(20);
/// A set that is waited for more often than this is in a jam: five rounds around a page
/// that cannot be emptied were some 3000.
const RELAXES_MAX: u64 = 300;

thread_local! {
    /// How often this thread has waited.
    static RELAXED: Cell<u64> = const { Cell::new(0) };
    static EVICTED: Cell<u64> = const { Cell::new(0) };
}

/// A process whose threads lose their CPU often.
enum Crowded {}

impl Platform for Crowded {
    type RwLock = <Userspace as Platform>::RwLock;
    type SpinLock = <Userspace as Platform>::SpinLock;
    type OrderLock = <Userspace as Platform>::OrderLock;
    type GateLock = <Userspace as Platform>::GateLock;
    type Memory = <Userspace as Platform>::Memory;
    type Array<T: Send + Sync> = <Userspace as Platform>::Array<T>;

    fn array<T: Send + Sync>(
        len: usize,
        make: impl FnMut(usize) -> Result<T, NoMemory>,
    ) -> Result<Self::Array<T>, NoMemory> {
        Userspace::array(len, make)
    }

    /// With no lock held, but perhaps chunks in hand.
    fn relax(_tries: usize) {
        RELAXED.set(RELAXED.get() + 1);
        thread::sleep(Duration::from_micros(1));
    }

    fn here() -> usize {
        Userspace::here()
    }

    /// With a stripe locked, and chunks in hand.
    fn evict(_name: impl FnOnce() -> u64, _len: impl FnOnce() -> usize) {
        EVICTED.set(EVICTED.get() + 1);
        if EVICTED.get() % 64 == 0 {
            thread::sleep(Duration::from_micros(1));
        }
    }
}

#[test]
fn nobody_waits_for_chunks_of_those_who_wait() {
    let config = Config {
        stripes: 256,
        ..Config::new([1, 2])
    };
    let kv = Kv::<Crowded>::new(Region::new(2 * MIB).unwrap(), &config).unwrap();
    let counters: Vec<Counters> = (0..THREADS).map(|_| Counters::new()).collect();
    let (sets, most) = (AtomicU64::new(0), AtomicU64::new(0));
    let started = Instant::now();
    thread::scope(|scope| {
        for index in 0..THREADS {
            let (kv, counters, sets, most) = (&kv, &counters, &sets, &most);
            scope.spawn(move || {
                let mut random = Random::new(index as u64);
                let data = vec![b'x'; DATA_MAX];
                for _ in 0..SETS {
                    let key = format!("k{}", random.below(KEYS));
                    let data = &data[..random.below(DATA_MAX as u64) as usize];
                    let before = RELAXED.get();
                    let updated = kv.update(key.as_bytes(), &cx(counters, index, 3), |_| {
                        Change::Store(Entry::new(0, 0, data))
                    });
                    assert!(matches!(updated.done, Done::Stored { .. }), "refused");
                    most.fetch_max(RELAXED.get() - before, Ordering::Relaxed);
                    sets.fetch_add(1, Ordering::Relaxed);
                    if started.elapsed() > PATIENCE {
                        break;
                    }
                }
            });
        }
    });
    let (sets, most) = (sets.into_inner(), most.into_inner());
    let moved: u64 = counters.iter().map(|c| c.slabs_moved.get()).sum();
    println!(
        "{sets} sets in {:?}, {moved} pages moved, {most} waits at most",
        started.elapsed()
    );
    assert!(moved > 0);
    assert!(most <= RELAXES_MAX, "{most}");
}
