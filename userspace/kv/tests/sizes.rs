// SPDX-License-Identifier: GPL-2.0-only
//! The largest item, and replies that do not fit.
#![allow(missing_docs)]

mod common;

use common::{store, Session, MIB};
use host::{Process, Region};
use kv::limits::{LINE_ROOM, MEMORY_MAX, REPLY_MAX};
use kv::{Config, Error, Kv};

const TOO_LARGE: &str = "SERVER_ERROR object too large for cache\r\n";
const OVERFLOW: &str = "SERVER_ERROR out of memory writing get response\r\n";

#[test]
fn the_largest_value_is_as_large_as_in_memcached() {
    let session = Session::in_one_stripe(64 * MIB);
    session.set("k", 0, &"v".repeat(1_048_516));
    assert_eq!(session.get("k").unwrap().len(), 1_048_516);
    let gets = session.ask("gets k\r\n");
    assert!(gets.starts_with("VALUE k 0 1048516 1\r\nvvv"));
    assert!(gets.ends_with("vvv\r\nEND\r\n"));

    let key = "k".repeat(250);
    let len = 1_048_516 - 249;
    session.set(&key, 0, &"v".repeat(len));
    let text = format!(
        "set {key} 4294967295 0 {}\r\n{}\r\n",
        len - 4,
        "v".repeat(len - 4)
    );
    assert_eq!(session.ask(text), "STORED\r\n");
    let text = format!("set {key} 1 0 {}\r\n{}\r\n", len - 3, "v".repeat(len - 3));
    assert_eq!(session.ask(text), TOO_LARGE);
}

#[test]
fn a_set_refused_for_its_size_removes_the_old_value() {
    let session = Session::new(64 * MIB);
    session.set("k", 0, "old");
    let text = format!(
        "set k 0 0 1048517\r\n{}\r\nget k\r\n",
        "v".repeat(1_048_517)
    );
    assert_eq!(session.ask(text), format!("{TOO_LARGE}END\r\n"));
    assert_eq!(session.stat("store_too_large"), 1);

    session.set("k", 0, "old");
    assert_eq!(session.ask("set k 0 0 2147483645 noreply\r\nx\r\n"), "");
    assert_eq!(session.get("k"), None);
}

#[test]
fn in_small_memory_a_page_is_the_limit() {
    let session = Session::new(MIB);
    session.set("k", 0, &"v".repeat(130_000));
    assert_eq!(session.get("k").unwrap().len(), 130_000);
    let text = format!("set k 0 0 131072\r\n{}\r\nget k\r\n", "v".repeat(131_072));
    assert_eq!(session.ask(text), format!("{TOO_LARGE}END\r\n"));
}

#[test]
fn the_region_must_be_of_a_size_that_can_be_used() {
    struct Claims(Region, usize);
    // SAFETY: the length is wrong on purpose; the store refuses it unused.
    unsafe impl kv::Memory for Claims {
        fn base(&self) -> std::ptr::NonNull<u8> {
            self.0.base()
        }
        fn len(&self) -> usize {
            self.1
        }
    }
    let make = |len| {
        let memory = Claims(Region::new(1).unwrap(), len);
        Kv::<Process<Claims>>::new(memory, &Config::new([0, 0])).err()
    };
    assert_eq!(make(0), Some(Error::RegionTooSmall));
    assert_eq!(make(MIB - 1), Some(Error::RegionTooSmall));
    assert_eq!(make(MEMORY_MAX + 1), Some(Error::RegionTooLarge));
    assert_eq!(store(MIB).usage().limit, MIB as u64);
    // Sizes that are a power of nothing.
    let session = Session::new(3 * MIB + 12_345);
    session.set("k", 0, &"v".repeat(130_000));
    assert!(session.get("k").is_some());
}

#[test]
fn a_reply_too_large_is_taken_back_and_said_so() {
    let session = Session::new(64 * MIB);
    let value = "v".repeat(600_000);
    session.set("a", 0, &value);
    session.set("b", 0, &value);
    session.set("c", 0, "x");
    // What came before stays, what comes after is not executed.
    let answer = session.ask("get c\r\nget a b\r\ndelete c\r\n");
    assert_eq!(answer, format!("VALUE c 0 1\r\nx\r\nEND\r\n{OVERFLOW}"));
    assert_eq!(session.get("c").as_deref(), Some("x"));
    assert_eq!(session.stat("udp_reply_overflows"), 1);
    let answer = session.ask("get a\r\nget b\r\nversion\r\n");
    assert_eq!(
        answer.len(),
        "VALUE a 0 600000\r\n\r\nEND\r\n".len() + 600_000 + OVERFLOW.len()
    );
    assert!(answer.ends_with(&format!("END\r\n{OVERFLOW}")));
    // Hits that fit, but whose END does not, are no answer either.
    let room = "VALUE c 0 1\r\nx\r\n".len();
    let session = Session::with_reply(MIB, 20 * room + LINE_ROOM + 4);
    session.set("c", 0, "x");
    let get = |keys| session.ask(format!("get{}\r\n", " c".repeat(keys)));
    assert_eq!(get(19).len(), 19 * room + 5);
    assert_eq!(get(20), OVERFLOW);
}

#[test]
fn a_command_that_could_not_be_answered_is_not_executed() {
    // Enough short answers to fill a reply: in the end there is no room.
    let flood = "set k 0 0 0\r\n\r\n".repeat(4000);
    let session = Session::with_reply(MIB, 4096);
    session.set("k", 0, "x");
    let answer = session.ask(format!("{flood}delete k\r\n"));
    assert!(answer.len() <= 4096);
    let stored = answer.matches("STORED\r\n").count();
    assert!(answer.ends_with(OVERFLOW));
    assert_eq!(session.stat("cmd_set"), 1 + stored as u64);
    assert_eq!(session.get("k").as_deref(), Some(""));
    // Silent commands need no room.
    let silent = "set k 0 0 1 noreply\r\ny\r\n".repeat(1000);
    assert_eq!(session.ask(silent), "");
}

#[test]
fn a_reply_buffer_too_small_for_anything_is_harmless() {
    for room in [0, 1, 48, 49, 127, 128, 129, 140] {
        let session = Session::with_reply(MIB, room);
        assert!(session.ask("version\r\nget k\r\nstats\r\n").len() <= room);
    }
}

#[test]
fn the_largest_item_fits_a_reply_with_everything_around_it() {
    assert!(REPLY_MAX >= MIB + 21 + "END\r\n".len() + LINE_ROOM);
}
