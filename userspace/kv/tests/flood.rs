// SPDX-License-Identifier: GPL-2.0-only
//! A flood of keys chosen against the hash: it must find a store with a secret
//! no slower than any other keys do. Counted in items that a lookup meets in its
//! chain, since that is the same on every machine.
#![allow(missing_docs)]

mod common;
#[path = "common/chosen.rs"]
mod keys;

use common::{cx, MIB};
use host::{Region, Userspace};
use keys::{chosen, unchosen, Key, KNOWN};
use kv::store::{Change, Cursor, Done, Entry, Look, Lookup};
use kv::{Config, Counters, Kv, Now};

const KEYS: usize = 100_000;
const SECRET: [u64; 2] = [0x6b8b_4567_327b_23c6, 0x643c_9869_6633_4873];

/// How a flood left a store.
struct Flooded {
    /// Items that a lookup meets, on average over all keys.
    met: f64,
    longest: usize,
}

fn flood(hash_key: [u64; 2], keys: &[Key]) -> Flooded {
    let kv: Kv<Userspace> =
        Kv::new(Region::new(64 * MIB).unwrap(), &Config::new(hash_key)).unwrap();
    let counters = [Counters::new()];
    let cx = cx(&counters, 0, Now::START.0);
    for key in keys {
        let updated = kv.update(key, &cx, |_| Change::Store(Entry::new(0, 0, key)));
        assert!(matches!(updated.done, Done::Stored { .. }));
    }
    assert_eq!(counters[0].evictions.get(), 0);
    for key in keys {
        let found = kv.get(key, Look::Peek, &cx, |value| value.data() == &key[..]);
        assert_eq!(found, Lookup::Hit(true));
    }
    let (mut items, mut met, mut longest) = (0, 0, 0);
    let mut next = Some(Cursor::default());
    while let Some(cursor) = next {
        let mut len = 0;
        next = kv.walk(cursor, &cx, |_| len += 1);
        items += len;
        met += len * (len + 1) / 2;
        longest = longest.max(len);
    }
    assert_eq!(items, keys.len(), "every item in one chain");
    Flooded {
        met: met as f64 / items as f64,
        longest,
    }
}

#[test]
fn chosen_keys_are_like_any_others_to_who_has_a_secret() {
    let chosen = chosen(KEYS);
    let any = flood(SECRET, &unchosen(KEYS));
    let flooded = flood(SECRET, &chosen);
    assert!(
        flooded.met < 1.5 * any.met,
        "{} items met, not {}",
        flooded.met,
        any.met
    );
    assert!(flooded.longest < 2 * any.longest + 4);
    // They were well chosen: without a secret they do what they are for.
    let open = flood(KNOWN, &chosen);
    assert!(
        open.met > 5.0 * any.met && open.longest > 5 * any.longest,
        "{} items met, {} at most",
        open.met,
        open.longest
    );
}
