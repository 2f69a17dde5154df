// SPDX-License-Identifier: GPL-2.0-only
//! The administrator's commands: what they do, and in what words they refuse.
#![allow(missing_docs)]

mod common;

use common::{Session, MIB, UNIX};

const NO: &str = "SERVER_ERROR not supported\r\n";
const ERROR: &str = "ERROR\r\n";
const FORMAT: &str = "CLIENT_ERROR bad command line format\r\n";
const CLASS: &str = "BADCLASS invalid class id\r\n";
const FIXED: &str = "CLIENT_ERROR slab reassignment disabled\r\n";
const SMALL: &str = "MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n";
const BYTES: &str = "MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n";
const UNABLE: &str = "MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n";
const TOO_LARGE: &str = "SERVER_ERROR dump too large for one reply\r\n";

#[test]
fn each_is_done_or_clearly_refused() {
    let session = Session::new(16 * MIB);
    for (command, expected) in [
        ("cache_memlimit", ERROR),
        ("cache_memlimit x", ERROR),
        ("cache_memlimit 7", SMALL),
        ("cache_memlimit 16", "OK\r\n"),
        ("cache_memlimit 17", UNABLE),
        ("cache_memlimit 17 noreply", ""),
        ("cache_memlimit 1000000001", BYTES),
        ("lru", ERROR),
        ("lru foo", ERROR),
        ("lru mode", ERROR),
        ("lru mode segmented", "OK\r\n"),
        ("lru mode flat", NO),
        ("lru tune 10 20 1 2", NO),
        ("lru tune 10 20 1", ERROR),
        ("lru temp_ttl 5", NO),
        ("slabs", ERROR),
        ("slabs automove", ERROR),
        ("slabs automove 1", "OK\r\n"),
        ("slabs automove 0", NO),
        ("slabs automove 3", ERROR),
        ("slabs automove x", FORMAT),
        ("slabs automove window 30", NO),
        ("slabs reassign 1", ERROR),
        ("slabs reassign 1 2", FIXED),
        ("lru_crawler", ERROR),
        ("lru_crawler foo", ERROR),
        ("lru_crawler sleep 100", NO),
        ("lru_crawler sleep x", FORMAT),
        ("lru_crawler tocrawl 0", NO),
        ("lru_crawler tocrawl 0 0", ERROR),
        (
            "lru_crawler enable",
            "ERROR failed to start lru crawler thread\r\n",
        ),
        (
            "lru_crawler disable",
            "ERROR failed to stop lru crawler thread\r\n",
        ),
        ("lru_crawler enable noreply", ""),
        ("lru_crawler crawl", ERROR),
        ("lru_crawler crawl all", "OK\r\n"),
        ("lru_crawler crawl 1,2", "OK\r\n"),
        ("lru_crawler crawl 1 noreply", ""),
        ("lru_crawler crawl 0", CLASS),
        ("lru_crawler crawl 64", CLASS),
        ("lru_crawler crawl 1,x", CLASS),
        ("lru_crawler metadump", ERROR),
        ("lru_crawler metadump foo", CLASS),
        ("lru_crawler mgdump -1", CLASS),
        ("watch", "CLIENT_ERROR watch commands not allowed\r\n"),
        ("shutdown", "SERVER_ERROR: shutdown not enabled\r\n"),
        ("shutdown noreply", ""),
    ] {
        assert_eq!(session.ask(format!("{command}\r\n")), expected, "{command}");
    }
}

fn dumped(session: &Session, what: &str) -> Vec<String> {
    let answer = session.ask(format!("lru_crawler {what}\r\n"));
    let mut lines: Vec<String> = answer.lines().map(str::to_owned).collect();
    assert_eq!(lines.remove(0), "OK", "{answer}");
    let end = if what.starts_with("mgdump") {
        "EN"
    } else {
        "END"
    };
    assert_eq!(lines.pop().as_deref(), Some(end), "{answer}");
    lines.sort();
    lines
}

#[test]
fn dumps_show_every_live_item() {
    let session = Session::in_one_stripe(MIB);
    session.ask("set b 5 0 1\r\nx\r\nset a%b\t 0 100 2\r\nxx\r\nset dead 0 1 1\r\nx\r\n");
    session.ask("ms /w== 1 b\r\nx\r\nget b\r\n");
    session.pass(3);
    let meta = dumped(&session, "metadump all");
    assert_eq!(meta.len(), 3, "{meta:?}");
    let (exp, la) = (UNIX + 100, UNIX);
    let class = meta[0].split(" cls=").nth(1).unwrap().split(' ').next();
    let head = format!("key=%FF exp=-1 la={la} cas=4 fetch=no cls=");
    assert!(meta[0].starts_with(&head), "{meta:?}");
    let head = format!("key=a%25b%09 exp={exp} la={la} cas=2 fetch=no cls=");
    assert!(meta[1].starts_with(&head), "{meta:?}");
    let head = format!("key=b exp=-1 la={la} cas=1 fetch=yes cls=");
    assert!(meta[2].starts_with(&head), "{meta:?}");
    assert!(meta[2].ends_with(" flags=5 "), "{meta:?}");
    assert_eq!(
        dumped(&session, "mgdump hash"),
        ["mg /w== b", "mg a%b\t", "mg b"]
    );
    // All are in the class that the dump names, which `me` and `stats` name too.
    let class = class.unwrap();
    assert_eq!(dumped(&session, &format!("metadump 60,{class}")), meta);
    assert!(session.ask("me b\r\n").contains(&format!(" cls={class} ")));
    let items = session.ask("stats items\r\n");
    assert!(
        items.contains(&format!("STAT items:{class}:number ")),
        "{items}"
    );
    assert!(dumped(&session, "metadump 60").is_empty());
}

/// The lines of a `stats cachedump`, in any order.
fn cached(session: &Session, arguments: &str) -> Vec<String> {
    let answer = session.ask(format!("stats cachedump {arguments}\r\n"));
    let lines = answer.strip_suffix("END\r\n").expect(&answer);
    let mut lines: Vec<String> = lines.split_terminator("\r\n").map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn a_cachedump_shows_the_live_items_of_a_class() {
    let session = Session::new(MIB);
    session.ask("set b 5 0 1\r\nx\r\nset a 0 100 2\r\nxx\r\nset dead 0 1 1\r\nx\r\n");
    session.ask("ms /w== 1 b\r\nx\r\n");
    session.set("other", 0, &"v".repeat(5000));
    session.pass(3);
    let me = session.ask("me b\r\n");
    let class = me.split(" cls=").nth(1).unwrap().split(' ').next().unwrap();
    let a = format!("ITEM a [2 b; {} s]", UNIX + 100);
    let all = [a.as_str(), "ITEM b [1 b; 0 s]"];
    assert_eq!(cached(&session, &format!("{class} 0")), all);
    assert_eq!(cached(&session, &format!("{class} 2 and more")), all);
    let one = cached(&session, &format!("{class} 1"));
    assert!(one.len() == 1 && all.contains(&one[0].as_str()), "{one:?}");
    for other in ["0 0", "60 0", "63 1"] {
        assert!(cached(&session, other).is_empty(), "{other}");
    }
    for (arguments, expected) in [
        ("", "CLIENT_ERROR bad command line\r\n"),
        ("1", "CLIENT_ERROR bad command line\r\n"),
        ("x 1", FORMAT),
        ("1 -1", FORMAT),
        ("1 4294967296", FORMAT),
        ("64 0", "CLIENT_ERROR Illegal slab id\r\n"),
    ] {
        let answer = session.ask(format!("stats cachedump {arguments}\r\n"));
        assert_eq!(answer, expected, "{arguments}");
    }
}

#[test]
fn a_cachedump_shows_what_fits() {
    let session = Session::with_reply(MIB, 2000);
    for key in 0..20 {
        session.set(&format!("{key:0>200}"), 0, "x");
    }
    let me = session.ask(format!("me {:0>200}\r\n", 0));
    let class = me.split(" cls=").nth(1).unwrap().split(' ').next().unwrap();
    // A line takes 217 bytes, and the last 128 of a reply are not for answers.
    assert_eq!(cached(&session, &format!("{class} 0")).len(), 8);
    assert_eq!(cached(&session, &format!("{class} 5")).len(), 5);
}

#[test]
fn a_dump_that_does_not_fit_is_refused_whole() {
    let session = Session::with_reply(MIB, 2000);
    for key in 0..10 {
        session.set(&format!("{key}{}", "k".repeat(200)), 0, "x");
    }
    assert_eq!(session.ask("lru_crawler metadump all\r\n"), TOO_LARGE);
    assert_eq!(session.ask("lru_crawler mgdump all\r\n"), TOO_LARGE);
    let answer = session.ask("lru_crawler mgdump all\r\nversion\r\n");
    assert_eq!(
        answer,
        format!("{TOO_LARGE}VERSION 1.6.45-unbuckle-0.1.0\r\n")
    );
    assert!(dumped(&session, "mgdump 60").is_empty());
}

#[test]
fn a_crawl_removes_the_dead() {
    let session = Session::new(MIB);
    session.set("dead", 1, "x");
    session.set("live", 100, "x");
    session.pass(2);
    assert_eq!(session.ask("lru_crawler crawl all\r\n"), "OK\r\n");
    assert_eq!(session.kv.usage().items, 1);
    assert_eq!(session.stat("crawler_reclaimed"), 1);
}
