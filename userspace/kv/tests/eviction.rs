// SPDX-License-Identifier: GPL-2.0
//! Memory: who goes when there is none, and that there always is some.
#![allow(missing_docs)]

mod common;

use common::{Session, MIB};

/// 1 MiB makes seven pages of 128 KiB, each one item of this size.
const PAGE: usize = 100_000;

fn page() -> String {
    "v".repeat(PAGE)
}

#[test]
fn the_least_recently_used_goes_first() {
    let session = Session::new(MIB);
    for i in 0..7 {
        session.set(&format!("k{i}"), 0, &page());
    }
    assert_eq!(session.stat("slab_global_page_pool"), 0);
    // k0 is used, k2 replaced; k1 is the oldest then, then k3.
    assert!(session.get("k0").is_some());
    session.set("k2", 0, &page());
    assert_eq!(session.stat("evictions"), 0);
    for (i, gone) in ["k1", "k3", "k4", "k5", "k6", "k0", "k2"]
        .iter()
        .enumerate()
    {
        let alive = session.stat("curr_items");
        session.set(&format!("new{i}"), 0, &page());
        assert_eq!(session.stat("curr_items"), alive);
        assert_eq!(session.ask(format!("delete {gone}\r\n")), "NOT_FOUND\r\n");
        assert_eq!(session.stat("evictions"), 1 + i as u64);
    }
}

#[test]
fn the_dead_near_the_end_go_before_the_living() {
    let session = Session::new(MIB);
    for i in 0..7 {
        let exptime = if i == 3 { 5 } else { 0 };
        session.set(&format!("k{i}"), exptime, &page());
    }
    session.pass(5);
    session.set("new", 0, &page());
    assert!(session.get("k0").is_some());
    assert!(session.get("k3").is_none());
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
