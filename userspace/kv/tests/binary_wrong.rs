// SPDX-License-Identifier: GPL-2.0-only
//! Binary requests that are wrong, unknown, too large, or cut short. What is
//! expected here was observed on memcached 1.6.38 over TCP, unless it says
//! otherwise.
#![allow(missing_docs)]

mod common;
#[path = "common/packet.rs"]
mod packet;

use common::{Session, MIB};
use kv::{Drop as Dropped, Outcome};
use packet::*;

fn session() -> Session {
    Session::new(8 * MIB)
}

#[test]
fn unknown_opcodes_are_passed_over() {
    let session = session();
    for opcode in (0x1b..=0x1b).chain(0x1f..=0x1f).chain(0x25..=0xff) {
        let whole = packet(opcode).key("key").extras("extras").value("value");
        assert_eq!(session.one(whole).said(), UNKNOWN, "{opcode:#x}");
        let bare = packet(opcode);
        assert_eq!(session.one(bare).said(), UNKNOWN, "{opcode:#x}");
    }
}

#[test]
fn sasl_is_unknown() {
    let session = session();
    assert_eq!(session.one(packet(0x20)).said(), UNKNOWN);
    assert_eq!(session.last(packet(0x20).key("k")), INVALID);
    for opcode in [0x21, 0x22] {
        let login = packet(opcode).key("PLAIN").value("\0me\0secret");
        assert_eq!(session.one(login).said(), UNKNOWN);
        assert_eq!(session.last(packet(opcode)), INVALID);
    }
}

/// What is wrong in itself is answered, and nothing behind it is.
#[test]
fn wrong_parts() {
    let session = session();
    let wrong = [
        get(""),
        get(&"k".repeat(251)),
        get("k").extras("1234"),
        get("k").value("v"),
        packet(GETKQ),
        packet(SET).key("k").word(0).value("v"),
        packet(SET).key("k").word(0).word(0).word(0).value("v"),
        packet(SET).word(0).word(0).value("v"),
        packet(ADDQ).key("k").value("v"),
        packet(APPEND).key("k").word(0).word(0).value("v"),
        packet(APPEND).value("v"),
        packet(DELETE),
        packet(DELETE).key("k").word(0),
        packet(DELETE).key("k").value("v"),
        packet(INCR).key("n"),
        packet(INCR).key("n").long(1).long(1),
        incr("", 1, 1, 1),
        incr("n", 1, 1, 1).value("v"),
        incr("n", 1, 1, 1).word(0),
        packet(FLUSH).long(0),
        packet(FLUSH).extras("123"),
        packet(FLUSH).key("k"),
        packet(FLUSHQ).value("v"),
        noop().key("k"),
        noop().value("v"),
        noop().word(0),
        packet(VERSION).key("k"),
        packet(QUIT).key("k"),
        packet(QUITQ).value("v"),
        packet(STAT).word(0),
        packet(STAT).key("reset").value("v"),
        packet(TOUCH).key("k"),
        packet(TOUCH).word(0),
        packet(TOUCH).key("k").word(0).value("v"),
        packet(GAT).key("k").long(0),
        packet(GATKQ).key("k"),
    ];
    for packet in wrong {
        assert_eq!(session.last(packet.clone()), INVALID, "{packet:?}");
    }
}

/// Whatever the lengths say, nothing is read beyond the datagram, and the next
/// datagram is read as if nothing had been.
#[test]
fn lengths_that_lie() {
    let session = session();
    let contradictions = [
        get("k").says_key_len(2),
        get("key").says_body_len(2),
        get("key").says_body_len(0),
        set("k", "").says_body_len(8),
        set("k", "").says_extras_len(9),
        set("k", "v")
            .says_key_len(u16::MAX)
            .says_body_len(u16::MAX.into()),
    ];
    for packet in contradictions {
        assert_eq!(session.last(packet.clone()), UNKNOWN, "{packet:?}");
    }
    let longer = [
        get("k").says_body_len(u32::MAX),
        get("k").says_key_len(100).says_body_len(100),
        set("k", "v").says_body_len(1000),
        set("k", "v").says_extras_len(255).says_body_len(300),
        set("k", "v").says_key_len(251).says_body_len(300),
        packet(APPEND).key("k").says_body_len(70_000),
        noop().says_body_len(1),
        noop().says_key_len(250).says_body_len(250),
        noop().says_extras_len(255).says_body_len(255),
    ];
    for packet in longer {
        assert_eq!(session.last(packet.clone()), INVALID, "{packet:?}");
    }
    let skipped = packet(0xf0).says_body_len(u32::MAX);
    assert_eq!(session.last(skipped), UNKNOWN);
    assert_eq!(session.get("k"), None);
    let whole = set("k", "value").bytes();
    for len in 0..whole.len() {
        let mut datagram = vec![0xab, 0xcd, 0, 0, 0, 1, 0, 0];
        datagram.extend_from_slice(&whole[..len]);
        let (outcome, text) = session.send(&datagram);
        match len {
            0 => assert_eq!(outcome, Outcome::Dropped(Dropped::Short)),
            1..24 => assert_eq!(outcome, Outcome::Dropped(Dropped::NoNewline)),
            _ => assert_eq!(answers(&text)[0].said(), INVALID, "{len}"),
        }
    }
    assert_eq!(session.get("k"), None);
    // What comes first is executed and answered all the same.
    for len in 0..whole.len() {
        let text = [&set("first", "v").bytes(), &whole[..len]].concat();
        let said = answers(&session.ask_bytes(&text));
        assert_eq!(said[0].said(), "00 ");
        assert_eq!(said.len(), if len < 24 { 1 } else { 2 });
    }
}

#[test]
fn mixing_is_not_allowed() {
    let session = session();
    let text = [&noop().bytes()[..], b"set k 0 0 1\r\nx\r\n                "].concat();
    assert_eq!(answers(&session.ask_bytes(&text)).len(), 1);
    let text = [&b"version\r\n"[..], &set("k", "\n").bytes()[..]].concat();
    let said = session.ask_bytes(&text);
    assert!(said.starts_with(b"VERSION"), "{said:?}");
    assert_eq!(session.get("k"), None);
    // A reply is no request.
    let mut reply = packet(VERSION).bytes();
    reply[0] = 0x81;
    reply.push(b'\n');
    assert_eq!(session.ask_bytes(&reply), b"ERROR\r\n");
}

#[test]
fn too_large_a_value() {
    let session = session();
    let large = "x".repeat(60_000);
    session.one(set("k", "v"));
    // A datagram cannot hold one; it can say so.
    let mut packet_ = set("k", "").says_body_len(9 + MIB as u32);
    assert_eq!(session.last(packet_.clone()), TOO_LARGE);
    assert_eq!(session.get("k"), None, "nobody reads stale data");
    session.one(set("k", "v"));
    for opcode in [ADD, REPLACE] {
        packet_ = packet(opcode)
            .key("k")
            .word(0)
            .word(0)
            .says_body_len(u32::MAX);
        assert_eq!(session.last(packet_), TOO_LARGE);
    }
    assert_eq!(
        session.last(packet(APPEND).key("k").says_body_len(MIB as u32)),
        TOO_LARGE
    );
    assert_eq!(session.get("k").as_deref(), Some("v"));
    assert_eq!(session.stat("store_too_large"), 4);
    // Two halves that are too large together.
    let mut last = String::new();
    for _ in 0..20 {
        last = session.one(packet(APPEND).key("k").value(&large)).said();
    }
    assert_eq!(last, NOT_STORED);
}

#[test]
fn answers_that_do_not_fit_are_told() {
    let session = Session::with_reply(8 * MIB, 2000);
    session.one(set("k", "x".repeat(900)));
    let gets = [get("k"), get("k"), get("k"), set("never", "v")];
    let said = session.all(&gets);
    assert_eq!(said.len(), 3, "{said:?}");
    assert_eq!(said[2].said(), OUT_OF_MEMORY);
    assert_eq!(session.mine().reply_overflows.get(), 1);
    assert_eq!(session.get("never"), None);
    // A miss that repeats a long key needs more room than is kept.
    let key = "m".repeat(250);
    let many = vec![packet(GETK).key(&key); 10];
    let said = session.all(&many);
    assert_eq!(said.last().unwrap().said(), OUT_OF_MEMORY);
}
