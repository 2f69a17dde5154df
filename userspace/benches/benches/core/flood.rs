// SPDX-License-Identifier: GPL-2.0-only
//! Keys chosen against a hash without a secret: what they do to a store that
//! has one, and to one whose secret is known.

#[path = "../../../kv/tests/common/chosen.rs"]
mod chosen;

use std::time::{Duration, Instant};

use chosen::{chosen, unchosen, Key, KNOWN};
use core_bench::caches::{Cache, Ours};
use core_bench::work::{mix, MIB};
use criterion::Criterion;

use crate::table::{Table, Who};

const KEYS: usize = 100_000;

struct Flooded {
    ours: Ours,
    keys: Vec<Key>,
}

impl Flooded {
    fn new(ours: Ours, keys: Vec<Key>) -> Self {
        let stored = keys.iter().all(|key| ours.set(key, b"value\r\n"));
        assert!(stored, "a flood that does not fit");
        Self { ours, keys }
    }

    fn look_up(&self, count: u64) -> Duration {
        let mut reply = [0; 5];
        let start = Instant::now();
        for step in 0..count {
            let key = &self.keys[mix(step) as usize % KEYS];
            assert!(self.ours.get(key, &mut reply), "lost in the flood");
        }
        start.elapsed()
    }
}

pub(crate) fn all(criterion: &mut Criterion, whole: bool) -> Vec<Table> {
    let names = ["any keys", "chosen keys", "chosen keys, secret known"];
    let mut table = Table::new("Flood", &names);
    let chosen = chosen(KEYS);
    let stores = [
        Flooded::new(Ours::new(64 * MIB, 256), unchosen(KEYS)),
        Flooded::new(Ours::new(64 * MIB, 256), chosen.clone()),
        Flooded::new(Ours::with_key(64 * MIB, 256, KNOWN), chosen),
    ];
    let everybody: Vec<_> = names
        .iter()
        .zip(&stores)
        .map(|(name, store)| Who::new(name, |count| store.look_up(count)))
        .collect();
    table.measure(criterion, whole, "get hit among 100,000", &everybody);
    vec![table]
}
