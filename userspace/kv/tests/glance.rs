// SPDX-License-Identifier: GPL-2.0-only
//! What is copied without a lock is what a look with it finds, and counts as used as well.
#![allow(missing_docs)]

mod common;

use common::{cx, store, MIB, UNIX};
use host::Userspace;
use kv::store::{Change, Done, Entry, Look, Lookup, Value};
use kv::{Context, Counters, Kv, Now};

fn set(kv: &Kv<Userspace>, cx: &Context<'_>, key: &str, exptime: i64, data: &[u8]) {
    let store = |_: Option<&Value<'_>>| Change::Store(Entry::new(7, exptime, data));
    let done = kv.update(key.as_bytes(), cx, store).done;
    assert!(matches!(done, Done::Stored { .. }), "{done:?}");
}

#[test]
fn of_every_length_in_one_piece_or_several_with_room_or_without() {
    let all = [Counters::new()];
    let (kv, cx) = (store(64 * MIB), cx(&all, 0, 10));
    let lens = (0..300).chain([
        1023, 1024, 1025, 4096, 10_000, 16_000, 65_000, 200_000, 1_000_000,
    ]);
    for len in lens {
        let data: Vec<u8> = (0..len).map(|at| (at * 31 + len) as u8).collect();
        set(&kv, &cx, "k", 0, &data);
        for room in [len, len + 1, len + 500] {
            let mut to = vec![0xee; room];
            assert_eq!(kv.copy(b"k", cx.now, &mut to), Lookup::Hit(len));
            assert!(to[..len] == data, "{len} into {room}");
            assert!(to[len..].iter().all(|byte| *byte == 0xee), "behind {len}");
        }
        if let Some(room) = len.checked_sub(1) {
            let mut to = vec![0xee; room];
            assert_eq!(kv.copy(b"k", cx.now, &mut to), Lookup::Hit(len));
        }
    }
}

#[test]
fn what_is_not_there_or_dead() {
    let all = [Counters::new()];
    let (kv, cx) = (store(MIB), cx(&all, 0, 10));
    let copy = |key: &str, now: u32| kv.copy(key.as_bytes(), Now(now), &mut [0; 10]);
    assert_eq!(copy("k", 10), Lookup::Miss);
    set(&kv, &cx, "k", 5, b"data");
    assert_eq!(copy("k", 14), Lookup::Hit(4));
    assert_eq!(copy("k", 15), Lookup::Expired);
    set(&kv, &cx, "k", 0, b"data");
    kv.flush_all(0, Now(11), UNIX);
    assert_eq!(copy("k", 11), Lookup::Flushed);
    assert_eq!(copy("j", 11), Lookup::Miss);
}

#[test]
fn counts_as_used() {
    let all = [Counters::new()];
    let kv = store(MIB);
    let cx = |now| cx(&all, 0, now);
    let look = |now| {
        kv.get(b"k", Look::Peek, &cx(now), |value| {
            (value.fetched(), value.idle())
        })
    };
    set(&kv, &cx(10), "k", 0, b"data");
    assert_eq!(look(12), Lookup::Hit((false, 2)));
    for now in [12, 12, 12, 15] {
        assert_eq!(kv.copy(b"k", Now(now), &mut [0; 4]), Lookup::Hit(4));
        assert_eq!(look(now + 1), Lookup::Hit((true, 1)));
    }
}
