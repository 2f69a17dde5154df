// SPDX-License-Identifier: GPL-2.0-only
//! Values that are stored in several chunks, whoever reads or changes them.
#![allow(missing_docs)]

mod common;

use common::{cx, Session, MIB};
use kv::limits::PIN_CHUNK_MIN;
use kv::store::{Change, Entry, Value};
use kv::Now;

/// In 1 MiB the largest chunk has 8 KiB.
fn value(len: usize, seed: usize) -> String {
    let letters = (0..len).map(|i| char::from(b'!' + ((i * 7 + i / 251 + seed) % 90) as u8));
    letters.collect()
}

/// Lengths around those at which there is a chunk more.
fn lengths() -> impl Iterator<Item = usize> {
    let around = |chunks: usize| (chunks * 8151).saturating_sub(40)..chunks * 8151 + 12;
    (1..5).chain([15]).flat_map(around)
}

#[test]
fn every_reader_gets_the_whole_value() {
    let session = Session::new(MIB);
    for len in lengths() {
        let data = value(len, len);
        assert_eq!(
            session.ask(format!("set k 5 0 {len}\r\n{data}\r\n")),
            "STORED\r\n"
        );
        let block = format!("{len}\r\n{data}\r\n");
        assert_eq!(
            session.ask("get k\r\n"),
            format!("VALUE k 5 {block}END\r\n")
        );
        if len % 5 > 0 {
            continue;
        }
        let gets = session.ask("gets k\r\n");
        assert!(gets.starts_with(&format!("VALUE k 5 {len} ")));
        assert!(gets.ends_with(&format!("\r\n{data}\r\nEND\r\n")));
        assert_eq!(
            session.ask("gat 0 k\r\n"),
            format!("VALUE k 5 {block}END\r\n")
        );
        assert_eq!(session.ask("mg k v\r\n"), format!("VA {block}"));
        assert_eq!(session.ask("mg k s\r\n"), format!("HD s{len}\r\n"));
        assert_eq!(session.ask("mg k v T0 R30\r\n"), format!("VA {block}"));
        assert_eq!(
            session.ask("mg k s v N30\r\n"),
            format!("VA {len} s{len}\r\n{data}\r\n")
        );
        // Opcode get, and its answer: header, flags, value.
        let request = [
            b"\x80\0\0\x01\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0".as_slice(),
            b"k",
        ]
        .concat();
        let answer = session.ask_bytes(&request);
        assert_eq!(answer[8..12], (4 + len as u32).to_be_bytes());
        assert_eq!(answer[28..], *data.as_bytes());
        assert_eq!(session.ask("me k\r\n").split("size=").nth(1).unwrap(), {
            let text = "k 5 \r\n\r\n".len() + len.to_string().len() + len;
            format!("{}\r\n", 33 + text)
        });
        let numeric = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
        assert_eq!(session.ask("incr k 1\r\n"), numeric);
    }
}

#[test]
fn a_value_grows_at_both_ends_through_all_its_chunks() {
    let session = Session::new(2 * MIB);
    let mut expected = value(7000, 0);
    session.set("k", 0, &expected);
    for round in 0..30 {
        let more = value(1 + round * 397 % 5003, round);
        let (command, len) = (["append", "prepend"][round % 2], more.len());
        let text = format!("{command} k 0 0 {len}\r\n{more}\r\n");
        assert_eq!(session.ask(text), "STORED\r\n");
        expected = match round % 2 {
            0 => expected + &more,
            _ => more + &expected,
        };
        assert_eq!(
            session.get("k").as_deref(),
            Some(expected.as_str()),
            "round {round}"
        );
    }
    assert!(expected.len() > 60_000);
    // As long as before, hence in the same chunks.
    let other = value(expected.len(), 1);
    let evicted = session.stat("evictions");
    session.set("k", 0, &other);
    assert_eq!(session.get("k"), Some(other));
    assert_eq!(session.stat("evictions"), evicted);
}

/// Pages go to and fro between classes whose items lie in several of them.
#[test]
fn pages_are_emptied_of_pieces() {
    let session = Session::new(MIB);
    for round in 0..6 {
        for i in 0..12 {
            let data = value(20_000 + i * 9001, i + round);
            session.set(&format!("large{i}"), 0, &data);
            session.pass(1);
            assert_eq!(session.get(&format!("large{i}")), Some(data));
        }
        for i in 0..3000 {
            session.set(&format!("small{i}"), 0, &value(200 + round, i));
            session.pass(u32::from(i % 100 == 0));
        }
        for i in 0..12 {
            let data = value(20_000 + i * 9001, i + round);
            let found = session.get(&format!("large{i}"));
            assert!(found.is_none_or(|found| found == data));
        }
        for i in 0..3000 {
            let found = session.get(&format!("small{i}"));
            assert!(found.is_none_or(|found| found == value(200 + round, i)));
        }
    }
    let moved = session.stat("slabs_moved");
    assert!(moved > 6, "{moved}");
    assert_eq!(session.stat("store_no_memory"), 0);
    for i in 0..12 {
        session.ask(format!("delete large{i}\r\n"));
    }
    for i in 0..3000 {
        session.ask(format!("delete small{i}\r\n"));
    }
    assert_eq!((session.stat("curr_items"), session.stat("bytes")), (0, 0));
    let slabs = session.ask("stats slabs\r\n");
    let used = slabs
        .lines()
        .filter_map(|line| line.split(":used_chunks ").nth(1));
    assert!(
        used.map(|used| used.trim()).all(|used| used == "0"),
        "{slabs}"
    );
}

#[test]
fn chunks_waste_little_whatever_the_size() {
    for len in [
        70_000, 100_000, 300_000, 500_000, 600_000, 900_000, 1_040_000,
    ] {
        let session = Session::new(64 * MIB);
        session.set("k", 0, &value(len, 0));
        let slabs = session.ask("stats slabs\r\n");
        let number = |name: &str| -> u64 {
            let line = slabs.lines().find(|line| line.contains(name)).unwrap();
            line.rsplit(' ').next().unwrap().parse().unwrap()
        };
        let bytes = number(":chunk_size ") * number(":used_chunks ");
        assert!(bytes < (len + len / 20) as u64, "{bytes} for {len}");
    }
}

/// Items to the last byte of their chunks, of every size, stored in both ways: who
/// watches sees it when they go beyond.
#[test]
fn what_fills_its_chunk_stays_in_it() {
    let classes = |session: &Session| {
        let usage = |class| session.kv.class_usage(class, Now(10));
        (0..=u8::MAX).map_while(usage).collect::<Vec<_>>()
    };
    let mut filled = 0;
    for (index, class) in classes(&Session::new(MIB)).iter().enumerate() {
        let chunk = class.chunk_size as usize;
        // The header; at the end of large chunks are two words more.
        let text = chunk - 33 - if chunk < PIN_CHUNK_MIN { 0 } else { 8 };
        let around = |len: usize| format!("k 0 {len}\r\n").len() + 2;
        let Some(len) = (1..text).rev().find(|len| around(*len) + len == text) else {
            // One more would need a digit more.
            continue;
        };
        let session = Session::new(MIB);
        for seed in 0..3 {
            let data = value(len, seed);
            session.set("k", 0, &data);
            assert_eq!(session.get("k"), Some(data));
        }
        let other = value(len, 3);
        let store = |_: Option<&Value<'_>>| Change::Store(Entry::new(0, 0, other.as_bytes()));
        let cx = cx(&session.counters, 0, 2);
        session.kv.update(b"j", &cx, store);
        session.kv.update(b"j", &cx, store);
        assert_eq!(session.get("j"), Some(other.clone()));
        let usage = &classes(&session)[index];
        assert_eq!(usage.items.iter().sum::<u64>(), 2, "{len} in {chunk}");
        for key in ["k", "j"] {
            assert_eq!(session.ask(format!("delete {key}\r\n")), "DELETED\r\n");
        }
        let usage = &classes(&session)[index];
        assert_eq!(usage.free_chunks, usage.pages * usage.chunks_per_page);
        filled += 1;
    }
    assert!(filled > 10, "{filled}");
}
