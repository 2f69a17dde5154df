// SPDX-License-Identifier: GPL-2.0-only
//! Memory: who goes when there is none, and that there always is some.
#![allow(missing_docs)]

mod common;

use common::{Session, MIB};

/// 1 MiB makes seven pages of 128 KiB, the sixteen chunks of each one item of
/// this size.
const PAGE: usize = 130_000;

fn page() -> String {
    "v".repeat(PAGE)
}

#[test]
fn what_is_used_again_outlives_what_is_not() {
    let session = Session::new(MIB);
    for i in 0..7 {
        session.set(&format!("k{i}"), 0, &page());
    }
    assert_eq!(session.stat("slab_global_page_pool"), 0);
    // k0 is used twice, k4 once, and k2 is replaced.
    assert!(session.get("k0").is_some() && session.get("k0").is_some());
    assert!(session.get("k4").is_some());
    session.set("k2", 0, &page());
    assert_eq!(session.stat("evictions"), 0);
    let order = ["k1", "k3", "k4", "k5", "k6", "new0", "new1", "new2"];
    for (i, gone) in order.iter().enumerate() {
        assert_eq!(session.stat("curr_items"), 7);
        session.set(&format!("new{i}"), 0, &page());
        assert_eq!(session.stat("curr_items"), 7);
        assert_eq!(session.stat("evictions"), 1 + i as u64);
        assert!(session.get(gone).is_none(), "{gone}");
    }
    assert!(session.get("k0").is_some() && session.get("k2").is_some());
}

#[test]
fn a_pass_over_many_keys_leaves_what_is_in_use() {
    let session = Session::new(MIB);
    let value = "v".repeat(1000);
    for i in 0..200 {
        session.set(&format!("used{i}"), 0, &value);
    }
    for i in 0..20_000 {
        session.set(&format!("once{i}"), 0, &value);
        let _ = session.get(&format!("used{}", i % 200));
    }
    assert!(session.stat("evictions") > 15_000);
    let alive = (0..200).filter(|i| session.get(&format!("used{i}")).is_some());
    assert_eq!(alive.count(), 200);
}

#[test]
fn those_that_go_are_among_the_oldest_of_all_shards() {
    // Large enough for eight shards.
    let session = Session::new(4 * MIB);
    let value = "v".repeat(100);
    let mut items = 0;
    while session.stat("evictions") == 0 {
        session.set(&format!("k{items}"), 0, &value);
        items += 1;
    }
    for more in items..items + items / 2 {
        session.set(&format!("k{more}"), 0, &value);
    }
    assert_eq!(session.stat("evictions"), 1 + items / 2);
    assert_eq!(session.stat("store_no_memory"), 0);
    // Half have gone: hardly any that is not of the older half, and of a shard no
    // more than a turn's.
    let is_there = |i: &u64| session.get(&format!("k{i}")).is_some();
    let (near, far) = (items / 2 - items / 16, items / 2 + items / 16);
    assert_eq!((0..near).filter(is_there).count(), 0);
    let younger = items + items / 2 - far;
    let alive = (far..items + items / 2).filter(is_there).count();
    assert_eq!(alive as u64, younger);
}

#[test]
fn the_dead_that_are_met_are_reclaimed_not_evicted() {
    let session = Session::new(MIB);
    for i in 0..7 {
        session.set(&format!("k{i}"), 5, &page());
    }
    session.pass(5);
    session.set("new", 0, &page());
    assert!(session.get("k0").is_none());
    assert_eq!(session.stat("get_expired"), 0, "its chunk was taken");
    assert_eq!(session.stat("reclaimed"), 1);
    assert_eq!(session.stat("evictions"), 0);
    // After a flush everything is to be reclaimed.
    session.ask("flush_all\r\n");
    for i in 0..7 {
        session.set(&format!("later{i}"), 0, &page());
    }
    assert_eq!(session.stat("reclaimed"), 8);
    assert_eq!(session.stat("evictions"), 0);
}

#[test]
fn replacing_never_evicts_another() {
    let session = Session::new(MIB);
    for i in 0..7 {
        session.set(&format!("k{i}"), 0, &page());
    }
    for _ in 0..3 {
        for i in 0..7 {
            session.set(&format!("k{i}"), 0, &page());
        }
    }
    assert_eq!(session.stat("evictions"), 0);
    assert_eq!(session.stat("curr_items"), 7);
}

#[test]
fn a_class_without_pages_takes_one_from_the_richest() {
    let session = Session::new(MIB);
    let mut small = 0;
    while session.stat("evictions") == 0 {
        session.set(&format!("small{small}"), 0, "x");
        small += 1;
    }
    let before = session.stat("curr_items");
    session.set("large", 0, &page());
    assert_eq!(session.get("large").unwrap().len(), PAGE);
    assert_eq!(session.stat("slabs_moved"), 1);
    // A seventh of the items went, and each of them was counted.
    let gone = before + 1 - session.stat("curr_items");
    assert_eq!(gone, session.stat("evictions") - 1);
    assert!(
        (before / 8..before / 6).contains(&gone),
        "{gone} of {before}"
    );
    // The rest is still in order, and can still be found, replaced, deleted.
    for i in 0..small {
        let _ = session.get(&format!("small{i}"));
        session.ask(format!("delete small{i}\r\n"));
    }
    assert_eq!(session.stat("curr_items"), 1);
    // And back again.
    for i in 0..small {
        session.set(&format!("small{i}"), 0, "x");
    }
    assert!(session.get(&format!("small{}", small - 1)).is_some());
}

#[test]
fn whatever_was_there_before_any_legal_item_can_be_stored() {
    let session = Session::new(MIB);
    let sizes = [
        0, 1, 10, 100, 500, 1000, 3000, 9000, 20_000, 50_000, 65_000, 100_000, 130_000,
    ];
    for (round, before) in sizes.iter().enumerate() {
        // Fill with one size, then every other must still go in.
        for i in 0..(2 * MIB / (before + 60)).min(25_000) {
            session.set(&format!("f{round}-{i}"), 0, &"v".repeat(*before));
        }
        for (i, size) in sizes.iter().enumerate() {
            let key = format!("p{round}-{i}");
            session.set(&key, 0, &"w".repeat(*size));
            assert_eq!(session.get(&key).map(|data| data.len()), Some(*size));
        }
    }
    assert_eq!(session.stat("store_no_memory"), 0);
}

#[test]
fn nothing_leaks() {
    let session = Session::new(4 * MIB);
    for round in 0..3 {
        for i in 0..2000usize {
            session.set(&format!("k{i}"), 0, &"v".repeat(i * 7 % 300));
        }
        assert_eq!(session.stat("evictions"), 0, "round {round}");
        assert!(session.stat("bytes") > 0);
        for i in 0..2000 {
            assert_eq!(session.ask(format!("delete k{i}\r\n")), "DELETED\r\n");
        }
        assert_eq!(session.stat("curr_items"), 0);
        assert_eq!(session.stat("bytes"), 0);
    }
}

#[test]
fn most_of_the_memory_holds_data() {
    let session = Session::new(8 * MIB);
    let mut i = 0;
    while session.stat("evictions") == 0 {
        for _ in 0..50 {
            session.set(&format!("key{i:06}"), 0, &"v".repeat(1000));
            i += 1;
        }
    }
    let data = session.stat("curr_items") * 1000;
    assert!(
        data > 8 * MIB as u64 * 8 / 10,
        "{data} of {} bytes",
        8 * MIB
    );
}
