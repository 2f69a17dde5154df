// SPDX-License-Identifier: GPL-2.0
//! `stats`: every name is there, and every number is true.
#![allow(missing_docs)]

mod common;

use common::{Session, MIB, UNIX};

/// What exporters read, as far as the core has it.
const NAMES: &str = "uptime time version curr_items total_items bytes bytes_read bytes_written \
    limit_maxbytes cmd_get cmd_set cmd_flush cmd_touch cmd_meta get_hits get_misses get_expired \
    get_flushed delete_hits delete_misses incr_hits incr_misses decr_hits decr_misses cas_hits \
    cas_misses cas_badval touch_hits touch_misses evictions reclaimed store_too_large \
    store_no_memory rusage_user rusage_system hash_power_level hash_bytes hash_is_expanding \
    crawler_reclaimed crawler_items_checked lru_crawler_starts direct_reclaims moves_to_cold \
    moves_to_warm moves_within_lru slabs_moved total_malloced";

#[test]
fn every_name_is_there_once() {
    let session = Session::new(MIB);
    let answer = session.ask("stats\r\n");
    for name in NAMES.split_whitespace() {
        let lines = answer.matches(&format!("STAT {name} ")).count();
        assert_eq!(lines, 1, "{name}");
    }
    let lines = answer.lines().count();
    assert_eq!(session.stats().len(), lines - 1, "a name is there twice");
}

#[test]
fn numbers_are_true() {
    let session = Session::new(MIB);
    session.pass(77);
    session.ask("set a 0 0 2\r\nxy\r\nset b 0 0 1\r\nx\r\nset a 0 0 1\r\nz\r\n");
    session.ask("get a b c\r\ngets a\r\n");
    session.ask("delete b\r\ndelete b\r\ndelete c\r\n");
    session.ask("set d 0 0 5\r\nx\r\n");
    session.ask("set e 0 0 9999999\r\nx\r\n");
    let stats = session.stats();
    for (name, value) in [
        ("pid", "4711"),
        ("uptime", "77"),
        ("version", "unbuckle-0.1.0"),
        ("pointer_size", "64"),
        ("rusage_user", "1.000042"),
        ("rusage_system", "0.999999"),
        ("cmd_get", "4"),
        ("get_hits", "3"),
        ("get_misses", "1"),
        ("cmd_set", "4"),
        ("total_items", "3"),
        ("curr_items", "1"),
        ("delete_hits", "1"),
        ("delete_misses", "2"),
        ("store_too_large", "1"),
        ("limit_maxbytes", "1048576"),
        ("hash_power_level", "12"),
        ("hash_bytes", "131008"),
        ("total_malloced", "131072"),
        ("slab_global_page_pool", "6"),
        ("evictions", "0"),
        ("udp_datagrams_in", "6"),
        ("udp_datagrams_out", "5"),
    ] {
        assert_eq!(stats[name], value, "{name}");
    }
    assert_eq!(stats["time"], (UNIX + 77).to_string());
    // A header of 33 bytes, "a 0 1\r\n", and "z\r\n".
    assert_eq!(stats["bytes"], (33 + 7 + 3).to_string());
}

#[test]
fn bytes_count_frame_headers_of_every_datagram() {
    let session = Session::new(MIB);
    session.set("k", 0, &"v".repeat(3000));
    let (read, written) = (
        session.mine().bytes_read.get(),
        session.mine().bytes_written.get(),
    );
    let text = session.ask("get k\r\n");
    assert_eq!(session.mine().bytes_read.get() - read, 8 + 7);
    assert_eq!(
        session.mine().bytes_written.get() - written,
        3 * 8 + text.len() as u64
    );
}

#[test]
fn sums_are_over_all_workers_and_reset_is_for_all() {
    let session = Session::new(MIB);
    session.set("k", 0, "x");
    session.counters[1].cmd_get.add(5);
    session.get("k");
    assert_eq!(session.stat("cmd_get"), 6);
    assert_eq!(session.ask("stats reset\r\n"), "RESET\r\n");
    assert_eq!(session.stat("cmd_get"), 0);
    assert_eq!(session.stat("cmd_set"), 0);
    assert_eq!(session.stat("curr_items"), 1, "still there");
}
