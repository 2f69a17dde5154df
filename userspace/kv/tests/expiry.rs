// SPDX-License-Identifier: GPL-2.0-only
//! Lives of items: exptime and `flush_all`, on a clock set by hand.
#![allow(missing_docs)]

mod common;

use common::{Session, MIB, UNIX};

#[test]
fn relative_exptimes_count_from_the_set() {
    let session = Session::new(MIB);
    session.pass(1000);
    session.set("never", 0, "x");
    session.set("soon", 10, "x");
    session.set("month", 2_592_000, "x");
    session.pass(9);
    assert!(session.get("soon").is_some());
    session.pass(1);
    assert!(session.get("soon").is_none());
    session.pass(2_592_000 - 11);
    assert!(session.get("month").is_some());
    session.pass(1);
    assert!(session.get("month").is_none());
    session.pass(100_000_000);
    assert!(session.get("never").is_some());
    assert_eq!(session.stat("get_expired"), 2);
    assert_eq!(session.stat("get_misses"), 2);
}

#[test]
fn exptimes_above_thirty_days_are_unix_times() {
    let session = Session::new(MIB);
    session.pass(50);
    session.set("past", 2_592_001, "x");
    session.set("now", session.unix() as i64, "x");
    session.set("next", session.unix() as i64 + 1, "x");
    session.set("2038", 1 << 31, "x");
    session.set("far", i64::MAX, "x");
    assert!(session.get("past").is_none());
    assert!(session.get("now").is_none());
    assert!(session.get("next").is_some());
    session.pass(1);
    assert!(session.get("next").is_none());
    session.pass((1 << 31) - UNIX as u32 - 52);
    assert!(session.get("2038").is_some());
    session.pass(1);
    assert!(session.get("2038").is_none());
    assert!(session.get("far").is_some());
}

#[test]
fn negative_exptimes_are_stored_and_gone() {
    let session = Session::new(MIB);
    for exptime in [-1, -2, i64::MIN + 1, i64::MIN] {
        session.set("k", 0, "x");
        session.set("k", exptime, "x");
        assert!(session.get("k").is_none());
    }
    assert_eq!(session.stat("get_expired"), 4);
}

#[test]
fn the_dead_cannot_be_deleted_but_can_be_replaced() {
    let session = Session::new(MIB);
    session.set("a", 5, "x");
    session.set("b", 5, "x");
    session.pass(5);
    assert_eq!(session.stat("curr_items"), 2);
    assert_eq!(session.ask("delete a\r\n"), "NOT_FOUND\r\n");
    assert_eq!(session.stat("curr_items"), 1);
    session.set("b", 0, "y");
    assert_eq!(session.get("b").as_deref(), Some("y"));
    assert_eq!(session.stat("curr_items"), 1);
}

#[test]
fn flush_all_kills_what_is_there_and_nothing_later() {
    let session = Session::new(MIB);
    session.set("a", 0, "x");
    session.set("b", 0, "x");
    // The same second, before and after.
    let answer = session.ask("flush_all\r\nset b 0 0 1\r\ny\r\nget a b\r\n");
    assert_eq!(answer, "OK\r\nSTORED\r\nVALUE b 0 1\r\ny\r\nEND\r\n");
    assert_eq!(session.stat("get_flushed"), 1);
    assert_eq!(session.stat("cmd_flush"), 1);
    assert_eq!(session.ask("delete a\r\n"), "NOT_FOUND\r\n");
}

#[test]
fn a_delayed_flush_comes_when_it_is_due() {
    let session = Session::new(MIB);
    session.set("a", 0, "x");
    assert_eq!(session.ask("flush_all 10\r\n"), "OK\r\n");
    session.pass(9);
    session.set("b", 0, "x");
    assert!(session.get("a").is_some());
    session.pass(1);
    // Both were stored before it was due; what comes now is stored after.
    let answer = session.ask("set c 0 0 1\r\nx\r\nget a b c\r\n");
    assert_eq!(answer, "STORED\r\nVALUE c 0 1\r\nx\r\nEND\r\n");
    session.pass(100);
    assert!(session.get("c").is_some(), "it comes once");
}

#[test]
fn a_delayed_flush_may_be_a_unix_time() {
    let session = Session::new(MIB);
    session.set("a", 0, "x");
    session.ask(format!("flush_all {}\r\n", session.unix() + 10));
    session.pass(9);
    assert!(session.get("a").is_some());
    session.pass(1);
    assert!(session.get("a").is_none());
    session.set("b", 0, "x");
    session.ask("flush_all 2592001\r\n");
    assert!(session.get("b").is_none());
}

#[test]
fn a_later_flush_replaces_one_that_is_due() {
    let session = Session::new(MIB);
    session.ask("flush_all 10\r\n");
    session.ask("flush_all 20\r\n");
    session.set("a", 0, "x");
    session.pass(15);
    assert!(session.get("a").is_some());
    session.pass(5);
    assert!(session.get("a").is_none());
    session.ask("flush_all 10\r\nflush_all\r\n");
    session.set("b", 0, "x");
    session.pass(10);
    assert!(session.get("b").is_some());
}
