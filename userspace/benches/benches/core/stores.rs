// SPDX-License-Identifier: GPL-2.0-only
//! Get, set and their mixtures: ours, ours under a single lock, and others.

use std::cell::Cell;
use std::collections::hash_map::RandomState;
use std::time::Duration;

use core_bench::caches::{Cache, Dash, Moka, Ours, Papaya, Quick};
use core_bench::work::{allocations, fill, timed, Size, Work, ITEMS, MIB, SIZES};
use criterion::Criterion;

use crate::table::{Table, Who};

const OURS: &str = "unbuckle";
const ONE_LOCK: &str = "one lock";
const KEYED: &str = "quick_cache, keyed";
const NAMES: [&str; 7] = [
    OURS,
    ONE_LOCK,
    "dashmap",
    "papaya",
    "quick_cache",
    KEYED,
    "moka",
];

/// Of so many operations is counted what they allocate.
const COUNTED: u64 = 20_000;

/// Our default, and the table of the original's design.
const STRIPES: usize = 256;

/// Any store, once its kind no longer matters.
trait Timed {
    fn timed(&self, work: Work, size: Size, threads: u64, seed: u64, count: u64) -> Duration;
    fn allocations(&self, work: Work, size: Size, seed: u64, count: u64) -> u64;
}

impl<C: Cache> Timed for C {
    fn timed(&self, work: Work, size: Size, threads: u64, seed: u64, count: u64) -> Duration {
        timed(self, work, size, threads, seed, count)
    }

    fn allocations(&self, work: Work, size: Size, seed: u64, count: u64) -> u64 {
        allocations(self, work, size, seed, count)
    }
}

/// A store, and how far it is in the sequence of work.
struct Subject {
    name: &'static str,
    store: Box<dyn Timed>,
    seed: Cell<u64>,
}

impl Subject {
    fn new(name: &'static str, size: Size, store: impl Cache + 'static) -> Self {
        fill(&store, size);
        Self {
            name,
            store: Box::new(store),
            seed: Cell::new(0),
        }
    }

    fn run(&self, work: Work, size: Size, threads: u64, count: u64) -> Duration {
        let seed = self.seed.get();
        self.seed.set(seed.wrapping_add(count));
        self.store.timed(work, size, threads, seed, count)
    }

    /// How often memory is asked for each time.
    fn allocations(&self, work: Work, size: Size) -> f64 {
        let seed = self.seed.get();
        self.seed.set(seed.wrapping_add(COUNTED));
        let asked = self.store.allocations(work, size, seed, COUNTED);
        let ours = [OURS, ONE_LOCK].contains(&self.name);
        assert!(
            !ours || asked == 0,
            "{} allocated {asked} times",
            work.name()
        );
        asked as f64 / COUNTED as f64
    }
}

/// With room for everything.
fn roomy(size: Size) -> Vec<Subject> {
    let bytes = 16 * MIB + 2 * ITEMS as usize * (size.key + size.value);
    vec![
        Subject::new(OURS, size, Ours::new(bytes, STRIPES)),
        Subject::new(ONE_LOCK, size, Ours::new(bytes, 1)),
        Subject::new("dashmap", size, Dash::new()),
        Subject::new("papaya", size, Papaya::default()),
        Subject::new("quick_cache", size, <Quick>::new(2 * ITEMS)),
        Subject::new(KEYED, size, Quick::<RandomState>::new(2 * ITEMS)),
        Subject::new("moka", size, Moka::new(2 * ITEMS)),
    ]
}

/// Full, and each with about as many items.
fn full(size: Size) -> Vec<Subject> {
    let bytes = (ITEMS as usize * (size.key + size.value + 48)).next_multiple_of(MIB);
    let ours = Ours::new(bytes, STRIPES);
    // Until every class of theirs, and ours, has come to where it stays.
    let _ = timed(&ours, Work::Evict, size, 1, 1 << 62, 4 * ITEMS);
    let items = ours.kv.usage().items;
    let others = [
        Subject::new("quick_cache", size, <Quick>::new(items)),
        Subject::new(KEYED, size, Quick::<RandomState>::new(items)),
        Subject::new("moka", size, Moka::new(items)),
    ];
    let mut all = vec![
        Subject::new(OURS, size, ours),
        Subject::new(ONE_LOCK, size, Ours::new(bytes, 1)),
    ];
    all.extend(others);
    for subject in &all {
        let _ = subject.run(Work::Evict, size, 1, 4 * ITEMS);
    }
    all
}

pub(crate) fn all(criterion: &mut Criterion, whole: bool) -> Vec<Table> {
    let titles = ["One thread", "Two threads"];
    let mut tables = titles.map(|title| Table::new(title, &NAMES));
    let mut asked = Table::of_counts("Allocations, each time", &NAMES);
    for size in SIZES {
        let (roomy, full) = (roomy(size), full(size));
        for work in Work::ALL {
            let subjects = if work == Work::Evict { &full } else { &roomy };
            for (table, threads) in tables.iter_mut().zip(1..) {
                let everybody: Vec<_> = subjects
                    .iter()
                    .map(|subject| {
                        Who::new(subject.name, move |count| {
                            subject.run(work, size, threads, count)
                        })
                    })
                    .collect();
                let case = format!("{} {size}", work.name());
                table.measure(criterion, whole, &case, &everybody);
            }
            let numbers: Vec<_> = subjects
                .iter()
                .map(|subject| (subject.name, subject.allocations(work, size)))
                .collect();
            asked.add(&format!("{} {size}", work.name()), &numbers);
        }
    }
    tables.into_iter().chain([asked]).collect()
}
