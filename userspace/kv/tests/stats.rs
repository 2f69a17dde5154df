// SPDX-License-Identifier: GPL-2.0-only
//! `stats`: every name is there, and every number is true.
#![allow(missing_docs)]

mod common;

use std::collections::BTreeMap;

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
        ("version", "1.6.45-unbuckle-0.1.0"),
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
fn commands_are_counted_as_what_they_are() {
    let session = Session::in_one_stripe(MIB);
    session.ask("set n 0 0 1\r\n5\r\nset k 0 0 1\r\nx\r\n");
    for (text, changes) in [
        ("add j 0 0 1\r\nx\r\n", "cmd_set+1 total_items+1"),
        ("add j 0 0 1\r\nx\r\n", "cmd_set+1"),
        ("append k 0 0 1\r\ny\r\n", "cmd_set+1 total_items+1"),
        ("cas k 0 0 1 99\r\ny\r\n", "cmd_set+1 cas_badval+1"),
        ("cas i 0 0 1 99\r\ny\r\n", "cmd_set+1 cas_misses+1"),
        (
            "cas n 0 0 1 1\r\n6\r\n",
            "cmd_set+1 cas_hits+1 total_items+1",
        ),
        ("incr n 1\r\n", "incr_hits+1"),
        ("decr n 1\r\n", "decr_hits+1"),
        ("incr i 1\r\ndecr i 1\r\n", "incr_misses+1 decr_misses+1"),
        ("incr k 1\r\n", ""),
        ("touch k 0\r\n", "cmd_touch+1 touch_hits+1"),
        ("touch i 0\r\n", "cmd_touch+1 touch_misses+1"),
        ("get k i\r\n", "cmd_get+2 get_hits+1 get_misses+1"),
        ("gat 0 k i\r\n", "cmd_touch+2 touch_hits+1 touch_misses+1"),
        ("mg k v\r\n", "cmd_meta+1 cmd_get+1 get_hits+1"),
        ("mg i\r\n", "cmd_meta+1 cmd_get+1 get_misses+1"),
        ("mg k T0\r\n", "cmd_meta+1 cmd_touch+1 touch_hits+1"),
        (
            "mg m N0\r\n",
            "cmd_meta+1 cmd_get+1 get_hits+1 total_items+1",
        ),
        ("ms k 1\r\nz\r\n", "cmd_meta+1 cmd_set+1 total_items+1"),
        ("ma n\r\n", "cmd_meta+1 incr_hits+1"),
        ("ma i MD\r\n", "cmd_meta+1 decr_misses+1"),
        ("ma c N0\r\n", "cmd_meta+1 total_items+1"),
        ("md k I\r\n", "cmd_meta+1"),
        ("md k\r\n", "cmd_meta+1 delete_hits+1"),
        ("md k\r\n", "cmd_meta+1 delete_misses+1"),
        ("me n\r\nmn\r\n", "cmd_meta+2"),
        ("flush_all\r\n", "cmd_flush+1"),
        ("get n\r\n", "cmd_get+1 get_misses+1 get_flushed+1"),
        ("gat 0 n\r\n", "cmd_touch+1 get_flushed+1 touch_misses+1"),
    ] {
        let before = session.stats();
        session.ask(text);
        let after = session.stats();
        let endings = ["_hits", "_misses", "_badval", "_flushed", "total_items"];
        let counts =
            |name: &str| name.starts_with("cmd_") || endings.iter().any(|end| name.ends_with(end));
        let mut changed: Vec<String> = Vec::new();
        for (name, value) in &after {
            let by = |text: &str| text.parse::<u64>().unwrap_or(0);
            let more = by(value).saturating_sub(by(&before[name]));
            if counts(name) && more != 0 {
                changed.push(format!("{name}+{more}"));
            }
        }
        let mut expected: Vec<&str> = changes.split_whitespace().collect();
        expected.sort_unstable();
        assert_eq!(changed, expected, "{text:?}");
    }
}

fn lines(session: &Session, what: &str) -> BTreeMap<String, String> {
    let answer = session.ask(format!("stats {what}\r\n"));
    let lines = answer.strip_suffix("END\r\n").unwrap().lines();
    let parse = |line: &str| {
        let (name, value) = line.strip_prefix("STAT ").unwrap().split_once(' ').unwrap();
        (name.to_owned(), value.to_owned())
    };
    lines.map(parse).collect()
}

#[test]
fn sub_commands_have_their_names() {
    let session = Session::new(MIB);
    session.set("k", 0, "x");
    let settings = lines(&session, "settings");
    for (name, value) in [
        ("maxbytes", "1048576"),
        // What fits a page of so small a store.
        ("item_size_max", "131072"),
        ("chunk_size", "32"),
        ("slab_chunk_max", "8192"),
        ("growth_factor", "1.25"),
        ("hash_stripes", "256"),
        ("client_flags_size", "4"),
        ("cas_enabled", "yes"),
        ("evictions", "on"),
        ("udpport", "11211"),
    ] {
        assert_eq!(settings[name], value, "{name}");
    }
    let items = lines(&session, "items");
    let (number, one) = items
        .iter()
        .find(|(name, _)| name.ends_with(":number"))
        .unwrap();
    assert_eq!(one, "1");
    let class = number.split(':').nth(1).unwrap();
    for name in "number_hot number_warm number_cold age age_hot age_warm mem_requested evicted \
        evicted_nonzero evicted_time evicted_unfetched outofmemory reclaimed expired_unfetched \
        crawler_reclaimed tailrepairs"
        .split_whitespace()
    {
        assert!(
            items.contains_key(&format!("items:{class}:{name}")),
            "{name}"
        );
    }
    let slabs = lines(&session, "slabs");
    let slab = |name: &str| slabs[&format!("{class}:{name}")].parse::<u64>().unwrap();
    assert_eq!(
        slab("total_chunks"),
        slab("chunks_per_page") * slab("total_pages")
    );
    assert_eq!(
        slab("used_chunks") + slab("free_chunks"),
        slab("total_chunks")
    );
    assert_eq!(slab("used_chunks"), 1);
    assert_eq!(slabs["active_slabs"], "1");
    assert_eq!(slabs["total_malloced"], session.stats()["total_malloced"]);
    assert_eq!(lines(&session, "sizes")["sizes_status"], "disabled");
    assert!(lines(&session, "conns").is_empty());
}

#[test]
fn what_is_not_kept_is_refused() {
    let session = Session::new(MIB);
    for (what, expected) in [
        ("detail on", "CLIENT_ERROR stats detail not allowed\r\n"),
        ("detail dump", "CLIENT_ERROR stats detail not allowed\r\n"),
        ("foo", "ERROR\r\n"),
        ("item", "ERROR\r\n"),
    ] {
        assert_eq!(session.ask(format!("stats {what}\r\n")), expected, "{what}");
    }
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
    session.counters[1].get_misses.add(5);
    session.get("k");
    assert_eq!(session.stat("cmd_get"), 6);
    assert_eq!(session.ask("stats reset\r\n"), "RESET\r\n");
    assert_eq!(session.stat("cmd_get"), 0);
    assert_eq!(session.stat("cmd_set"), 0);
    assert_eq!(session.stat("curr_items"), 1, "still there");
}

#[test]
fn what_is_counted_by_class_makes_up_what_is_counted_in_all() {
    let session = Session::new(4 * MIB);
    let value = "v".repeat(3000);
    for (key, value) in [("s", "1"), ("m", &value[..200]), ("l", &value)] {
        for command in ["set", "add", "replace", "append", "prepend"] {
            let len = value.len();
            session.ask(format!("{command} {key} 0 0 {len}\r\n{value}\r\n"));
        }
        session.ask(format!(
            "get {key} no\r\ngets {key}\r\nmg {key} v\r\nmn\r\n"
        ));
        session.ask(format!("cas {key} 0 0 1 1\r\n1\r\n"));
        session.ask(format!(
            "ms {key} 2 E9\r\n10\r\nms {key} 2 C9 E5\r\n10\r\nms {key} 2 C9\r\n10\r\n"
        ));
        session.ask(format!(
            "incr {key} 1\r\ndecr {key} 1\r\nma {key}\r\nma {key} MD\r\n"
        ));
        session.ask(format!("touch {key} 0\r\ngat 0 {key}\r\nmg {key} T0\r\n"));
        session.ask(format!(
            "delete {key}\r\nset {key} 0 0 1\r\n1\r\nmd {key}\r\n"
        ));
        session.ask(format!(
            "mg {key}new N0 T0\r\nmd {key}new I\r\ndelete no\r\ntouch no 0\r\n"
        ));
        session.ask(format!("set {key} 0 0 1\r\n123\r\n"));
    }
    let names = [
        "get_hits",
        "cmd_set",
        "delete_hits",
        "incr_hits",
        "decr_hits",
        "cas_hits",
        "cas_badval",
        "touch_hits",
    ];
    let sum = |name: &str| -> u64 {
        let lines = lines(&session, "slabs");
        let of_classes = lines
            .iter()
            .filter(|(line, _)| line.ends_with(&format!(":{name}")));
        of_classes
            .map(|(_, value)| value.parse::<u64>().unwrap())
            .sum()
    };
    for name in names {
        assert!(sum(name) >= 3, "{name}: {}", sum(name));
        assert_eq!(sum(name), session.stat(name), "{name}");
    }
    session.ask("stats reset\r\n");
    for name in names {
        assert_eq!((sum(name), session.stat(name)), (0, 0), "{name}");
    }
    session.ask("set s 0 0 1\r\n1\r\n");
    assert_eq!(sum("cmd_set"), 1);
}

#[test]
fn hits_are_those_of_the_segment_that_the_item_was_in() {
    let session = Session::in_one_stripe(MIB);
    let names = ["hot", "warm", "cold", "temp"].map(|segment| format!("hits_to_{segment}"));
    let hits = || -> Vec<u64> {
        let lines = lines(&session, "items");
        let of = |name: &String| {
            let those = lines.iter().filter(|(line, _)| line.ends_with(name));
            those.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
        };
        names.iter().map(of).collect()
    };
    let fill = |numbers: std::ops::Range<usize>| {
        for number in numbers {
            session.set(&format!("key{number}"), 0, &"v".repeat(300));
        }
    };
    // Used twice, it goes to warm when it has grown old; the other to cold.
    session.set("warm", 0, &"v".repeat(300));
    session.ask("get warm\r\nget warm\r\n");
    fill(0..1000);
    session.set("cold", 0, &"v".repeat(300));
    fill(1000..3000);
    assert_eq!(hits(), [2, 0, 0, 0]);
    session.ask("get warm cold\r\n");
    assert_eq!(hits(), [2, 1, 1, 0]);
    session.ask("stats reset\r\n");
    session.ask("get warm\r\n");
    assert_eq!(hits(), [0, 1, 0, 0]);
    assert_eq!(session.stat("get_hits"), 1);
}

#[test]
fn reset_forgets_what_happened_to_items() {
    let session = Session::new(MIB);
    for number in 0..5000 {
        session.set(&format!("key{number}"), 0, &"v".repeat(300));
    }
    let of_items = |name: &str| -> u64 {
        let lines = lines(&session, "items");
        let those = lines
            .iter()
            .filter(|(line, _)| line.ends_with(&format!(":{name}")));
        those.map(|(_, value)| value.parse::<u64>().unwrap()).sum()
    };
    let names = [
        "evicted",
        "evicted_unfetched",
        "moves_to_cold",
        "direct_reclaims",
    ];
    for name in names {
        assert!(of_items(name) > 0, "{name}");
    }
    assert_eq!(of_items("direct_reclaims"), session.stat("direct_reclaims"));
    assert_eq!(of_items("evicted"), session.stat("evictions"));
    session.ask("stats reset\r\n");
    for name in names {
        assert_eq!(of_items(name), 0, "{name}");
    }
}

#[test]
fn the_crawler_says_how_many_it_looked_at() {
    let session = Session::new(4 * MIB);
    for number in 0..10 {
        session.set(&format!("key{number}"), 0, &"v".repeat(number * 40));
    }
    let checked = || -> (u64, u64) {
        let of_classes = lines(&session, "items");
        let of_classes = of_classes
            .iter()
            .filter(|(line, _)| line.ends_with(":crawler_items_checked"));
        let sum = of_classes.map(|(_, value)| value.parse::<u64>().unwrap());
        (session.stat("crawler_items_checked"), sum.sum())
    };
    assert_eq!(checked(), (0, 0));
    // Once round the table: a step for each pair, and one for the end of each stripe.
    let steps = session.kv.usage().pairs as usize + kv::Config::new([1, 2]).stripes;
    session
        .kv
        .crawl(steps, &common::cx(&session.counters, 0, 10));
    assert_eq!(checked(), (10, 10));
    session.ask("stats reset\r\n");
    assert_eq!(checked(), (0, 0));
}
