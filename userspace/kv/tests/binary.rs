// SPDX-License-Identifier: GPL-2.0-only
//! The binary protocol, one datagram at a time. What is expected here was
//! observed on memcached 1.6.38 over TCP.
#![allow(missing_docs)]

mod common;
#[path = "common/packet.rs"]
mod packet;

use common::{Session, MIB};
use packet::*;

fn session() -> Session {
    Session::new(8 * MIB)
}

#[test]
fn set_and_the_four_gets() {
    let session = session();
    let stored = session.one(packet(SET).key("k").word(7).word(0).value("hello"));
    assert_eq!(stored.said(), "00 ");
    assert!(stored.cas > 0 && stored.extras.is_empty() && stored.key.is_empty());
    for (opcode, key) in [(GET, ""), (GETQ, ""), (GETK, "k"), (GETKQ, "k")] {
        let hit = session.one(packet(opcode).key("k"));
        assert_eq!(hit.opcode, opcode);
        assert_eq!(hit.said(), "00 hello");
        assert_eq!(hit.extras, [0, 0, 0, 7]);
        assert_eq!(hit.key, key.as_bytes());
        assert_eq!(hit.cas, stored.cas);
    }
    assert_eq!(session.one(get("x")).said(), NOT_FOUND);
    let miss = session.one(packet(GETK).key("x"));
    assert_eq!((miss.said(), &miss.key[..]), ("01 ".into(), &b"x"[..]));
    session.quiet(packet(GETQ).key("x"));
    session.quiet(packet(GETKQ).key("x"));
    // Text sees the same item.
    assert_eq!(session.ask("get k\r\n"), "VALUE k 7 5\r\nhello\r\nEND\r\n");
    assert_eq!(session.stat("get_hits"), 5);
    assert_eq!(session.stat("get_misses"), 4);
    assert_eq!(session.stat("cmd_get"), 9);
    assert_eq!(session.stat("cmd_set"), 1);
}

#[test]
fn keys_and_values_are_any_bytes() {
    let session = session();
    let all: Vec<u8> = (0..=255).collect();
    let key = &all[..250];
    let stored = packet(SET).key(key).word(u32::MAX).word(0).value(&all);
    assert_eq!(session.one(stored).status, 0);
    let hit = session.one(packet(GETK).key(key));
    assert_eq!((hit.value, hit.key), (all.clone(), key.to_vec()));
    assert_eq!(hit.extras, [0xff; 4]);
    let empty = session.one(packet(SET).key("e").word(0).word(0));
    assert_eq!(empty.status, 0);
    assert_eq!(session.one(get("e")).said(), "00 ");
}

#[test]
fn add_replace_and_cas() {
    let session = session();
    let store = |opcode, cas| packet(opcode).key("k").word(0).word(0).value("v").cas(cas);
    assert_eq!(session.one(store(REPLACE, 0)).said(), NOT_FOUND);
    // With a cas number, all three mean the same.
    for opcode in [SET, ADD, REPLACE] {
        assert_eq!(session.one(store(opcode, 9)).said(), NOT_FOUND);
    }
    assert_eq!(session.one(store(ADD, 0)).status, 0);
    assert_eq!(session.one(store(ADD, 0)).said(), EXISTS);
    for opcode in [SET, ADD, REPLACE, SETQ, ADDQ, REPLACEQ] {
        let cas = session.one(get("k")).cas;
        assert_eq!(session.one(store(opcode, cas + 1)).said(), EXISTS);
        match session.all(&[store(opcode, cas)]).as_slice() {
            [] => assert!(opcode >= SETQ),
            [answer] => assert_eq!(answer.said(), "00 "),
            more => panic!("{more:?}"),
        }
        assert!(session.one(get("k")).cas > cas);
    }
    assert_eq!(session.stat("cas_misses"), 3);
    assert_eq!(session.stat("cas_badval"), 6);
    assert_eq!(session.stat("cas_hits"), 6);
    assert_eq!(session.stat("total_items"), 7);
    // A refusal is never quiet.
    assert_eq!(session.one(store(ADDQ, 0)).said(), EXISTS);
    session.quiet(store(REPLACEQ, 0));
    session.quiet(store(SETQ, 0));
}

#[test]
fn append_and_prepend() {
    let session = session();
    let join = |opcode: u8, value: &str| packet(opcode).key("k").value(value);
    assert_eq!(session.one(join(APPEND, "x")).said(), NOT_STORED);
    assert_eq!(session.one(join(PREPENDQ, "x")).said(), NOT_STORED);
    assert_eq!(session.one(join(APPEND, "x").cas(4)).said(), NOT_STORED);
    session.one(packet(SET).key("k").word(9).word(0).value("b"));
    let appended = session.one(join(APPEND, "c"));
    assert_eq!((appended.said(), appended.cas > 0), ("00 ".into(), true));
    session.quiet(join(PREPENDQ, "a"));
    session.quiet(join(APPENDQ, "d"));
    let hit = session.one(get("k"));
    assert_eq!(
        (hit.said(), &hit.extras[..]),
        ("00 abcd".into(), &[0, 0, 0, 9][..])
    );
    assert_eq!(
        session.one(join(PREPEND, "x").cas(hit.cas + 1)).said(),
        EXISTS
    );
    assert_eq!(session.one(join(PREPEND, "x").cas(hit.cas)).status, 0);
    assert_eq!(session.one(get("k")).said(), "00 xabcd");
}

#[test]
fn delete_looks_at_the_cas_number() {
    let session = session();
    assert_eq!(session.one(packet(DELETE).key("k")).said(), NOT_FOUND);
    let cas = session.one(set("k", "v")).cas;
    assert_eq!(
        session.one(packet(DELETE).key("k").cas(cas + 1)).said(),
        EXISTS
    );
    let gone = session.one(packet(DELETE).key("k").cas(cas));
    assert_eq!((gone.said(), gone.cas), ("00 ".into(), 0));
    assert_eq!(session.one(packet(DELETEQ).key("k")).said(), NOT_FOUND);
    session.one(set("k", "v"));
    session.quiet(packet(DELETEQ).key("k"));
    assert_eq!(session.get("k"), None);
    assert_eq!(session.stat("delete_hits"), 2);
    assert_eq!(session.stat("delete_misses"), 2);
}

#[test]
fn counters_count() {
    let session = session();
    let number = |answer: Answer| {
        assert_eq!(answer.status, 0);
        assert!(answer.cas > 0 && answer.extras.is_empty());
        u64::from_be_bytes(answer.value.try_into().unwrap())
    };
    let decr = |key, delta| packet(DECR).key(key).long(delta).long(0).word(0);
    assert_eq!(session.one(incr("n", 1, 10, u32::MAX)).said(), NOT_FOUND);
    assert_eq!(session.stat("incr_misses"), 1);
    assert_eq!(number(session.one(incr("n", 1, 10, 0))), 10);
    assert_eq!(session.get("n").as_deref(), Some("10"));
    assert_eq!(number(session.one(decr("n", 1))), 9);
    assert_eq!(session.get("n").as_deref(), Some("9 "));
    assert_eq!(number(session.one(decr("n", 100))), 0);
    session.quiet(packet(INCRQ).key("n").long(5).long(0).word(0));
    session.quiet(packet(DECRQ).key("n").long(2).long(0).word(0));
    assert_eq!(session.get("n").as_deref(), Some("3 "));
    session.one(set("n", "18446744073709551615"));
    assert_eq!(number(session.one(incr("n", 3, 0, 0))), 2);
    let cas = session.one(set("n", " 5 ")).cas;
    assert_eq!(session.one(incr("n", 1, 0, 0).cas(cas + 1)).said(), EXISTS);
    assert_eq!(number(session.one(incr("n", 1, 0, 0).cas(cas))), 6);
    assert_eq!(session.get("n").as_deref(), Some("6  "));
    for bad in ["abc", "18446744073709551616", "-1", "1x", ""] {
        let cas = session.one(set("n", bad)).cas;
        assert_eq!(session.one(incr("n", 1, 0, 0)).said(), NON_NUMERIC, "{bad}");
        assert_eq!(session.one(incr("n", 1, 0, 0).cas(cas + 1)).said(), EXISTS);
    }
    assert_eq!(session.stat("incr_hits"), 3);
    assert_eq!(session.stat("decr_hits"), 3);
    assert_eq!(session.stat("incr_misses"), 1);
}

#[test]
fn counters_keep_flags_and_exptime_and_get_those_they_are_made_with() {
    let session = session();
    session.one(packet(SET).key("n").word(9).word(100).value("5"));
    session.one(incr("n", 10, 0, 3));
    assert_eq!(session.one(get("n")).extras, [0, 0, 0, 9]);
    session.one(incr("m", 10, 1, 3));
    session.pass(4);
    assert_eq!(session.one(get("n")).said(), "00 15");
    assert_eq!(session.one(get("m")).said(), NOT_FOUND);
    session.pass(97);
    assert_eq!(session.one(get("n")).said(), NOT_FOUND);
}

#[test]
fn touch_and_the_four_gats() {
    let session = session();
    let with = |opcode: u8, key: &str, exptime| packet(opcode).key(key).word(exptime);
    assert_eq!(session.one(with(TOUCH, "x", 5)).said(), NOT_FOUND);
    assert_eq!(session.one(with(GAT, "x", 5)).said(), NOT_FOUND);
    assert_eq!(session.one(with(GATK, "x", 5)).key, b"x");
    session.quiet(with(GATQ, "x", 5));
    session.quiet(with(GATKQ, "x", 5));
    for opcode in [TOUCH, GAT, GATQ, GATK, GATKQ] {
        let cas = session
            .one(packet(SET).key("k").word(7).word(5).value("v"))
            .cas;
        let hit = session.one(with(opcode, "k", 100));
        assert_eq!((hit.status, hit.cas), (0, cas));
        assert_eq!(hit.extras, [0, 0, 0, 7]);
        assert_eq!(hit.value, if opcode == TOUCH { &b""[..] } else { b"v" });
        let key: &[u8] = if opcode >= GATK { b"k" } else { b"" };
        assert_eq!(hit.key, key);
        session.pass(6);
        assert_eq!(session.one(get("k")).said(), "00 v");
        session.pass(95);
        assert_eq!(session.one(get("k")).said(), NOT_FOUND);
    }
    assert_eq!(session.stat("cmd_touch"), 10);
    assert_eq!(session.stat("touch_hits"), 5);
    assert_eq!(session.stat("touch_misses"), 5);
    assert_eq!(session.stat("get_hits"), 5);
}

#[test]
fn exptimes_have_no_sign() {
    let session = session();
    for (exptime, lives) in [
        (0, true),
        (u32::MAX, true),
        (1 << 31, true),
        (2_592_001, false),
    ] {
        session.one(packet(SET).key("k").word(0).word(exptime).value("v"));
        assert_eq!(session.get("k").is_some(), lives, "{exptime}");
    }
}

#[test]
fn flush_now_and_later() {
    let session = session();
    session.one(set("k", "v"));
    assert_eq!(session.one(packet(FLUSH).word(10)).said(), "00 ");
    assert_eq!(session.get("k").as_deref(), Some("v"));
    session.pass(10);
    assert_eq!(session.get("k"), None);
    for flush in [packet(FLUSH), packet(FLUSH).word(0)] {
        session.one(set("k", "v"));
        assert_eq!(session.one(flush).said(), "00 ");
        assert_eq!(session.one(get("k")).said(), NOT_FOUND);
    }
    session.one(set("k", "v"));
    session.quiet(packet(FLUSHQ));
    assert_eq!(session.one(get("k")).said(), NOT_FOUND);
    assert_eq!(session.stat("cmd_flush"), 4);
}

#[test]
fn version_quit_and_noop() {
    let session = session();
    assert_eq!(
        session.one(packet(VERSION)).said(),
        format!("00 {}", kv::VERSION)
    );
    assert_eq!(session.one(noop()).said(), "00 ");
    // What is behind a quit is not executed.
    let text = [packet(QUIT).bytes(), set("k", "v").bytes()].concat();
    let said = answers(&session.ask_bytes(&text));
    assert_eq!(said.len(), 1);
    assert_eq!((said[0].opcode, said[0].status), (QUIT, 0));
    let text = [packet(QUITQ).bytes(), set("k", "v").bytes()].concat();
    assert!(session.ask_bytes(&text).is_empty());
    assert_eq!(session.get("k"), None);
}

#[test]
fn stat_is_a_packet_for_each_number_and_an_empty_one() {
    let session = session();
    session.one(set("k", "v"));
    let packets = session.all(&[packet(STAT)]);
    let (end, numbers) = packets.split_last().unwrap();
    assert!(end.key.is_empty() && end.value.is_empty() && end.status == 0);
    let text = session.stats();
    assert_eq!(numbers.len(), text.len());
    for number in numbers {
        assert_eq!((number.opcode, number.status, number.cas), (STAT, 0, 0));
        let name = String::from_utf8(number.key.clone()).unwrap();
        assert!(text.contains_key(&name), "{name}");
    }
    let items = numbers.iter().find(|number| number.key == b"curr_items");
    assert_eq!(items.unwrap().value, b"1");
    let reset = session.all(&[packet(STAT).key("reset")]);
    assert_eq!(reset.len(), 1);
    assert_eq!(reset[0].said(), "00 ");
    assert_eq!(session.stat("cmd_set"), 0);
    assert_eq!(session.one(packet(STAT).key("nonsense")).said(), NOT_FOUND);
}
