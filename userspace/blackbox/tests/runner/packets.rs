// SPDX-License-Identifier: GPL-2.0-only

//! Packets of the binary protocol as cases write them.

use blackbox::template::{bytes, matches, parse, Captures, Vars};

fn vars() -> Vars {
    Vars {
        prefix: "prefix00".into(),
        captures: Captures::from([("c".into(), b"258".to_vec())]),
        ..Vars::default()
    }
}

/// A header without lengths, opaque and cas, then the rest.
fn packet(head: &[u8; 8], bodylen: u32, cas: u64, body: &[u8]) -> Vec<u8> {
    let mut all = head.to_vec();
    all.extend(bodylen.to_be_bytes());
    all.extend(b"opaq");
    all.extend(cas.to_be_bytes());
    all.extend(body);
    all
}

#[test]
fn packets_are_written() {
    for (written, meant) in [
        (
            "<req get key=k>",
            packet(b"\x80\0\0\x01\0\0\0\0", 1, 0, b"k"),
        ),
        (
            "<req set flags=7 exp=258 key={p} val=a\\x20b cas=3>",
            packet(
                b"\x80\x01\0\x08\x08\0\0\0",
                19,
                3,
                b"\0\0\0\x07\0\0\x01\x02prefix00a b",
            ),
        ),
        (
            "<req incr delta=1 init=2 exp=3 key=k cas==c>",
            packet(
                b"\x80\x05\0\x01\x14\0\0\0",
                21,
                258,
                b"\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\x02\0\0\0\x03k",
            ),
        ),
        (
            "<req fe keylen=9 extlen=8 bodylen=7 magic=82 type=5 vb=1234>",
            packet(b"\x82\xfe\0\x09\x08\x05\x12\x34", 7, 0, b""),
        ),
        (
            "<res incr status=6 num=5>",
            packet(b"\x81\x05\0\0\0\0\0\x06", 8, 0, b"\0\0\0\0\0\0\0\x05"),
        ),
    ] {
        assert_eq!(bytes(written, &vars()).unwrap(), meant, "{written}");
    }
    let noop = bytes("<req noop opaque=01020304>", &vars()).unwrap();
    assert_eq!(noop[12..16], [1, 2, 3, 4]);
}

#[test]
fn mistakes_in_a_packet() {
    for wrong in [
        "<req>",
        "<req nonsense>",
        "<req get key>",
        "<req get colour=1>",
        "<req get opaque=xyz>",
        "<req get cas==no>",
        "<req get keylen=70000>",
        "<req get exp=-1>",
    ] {
        assert!(parse(wrong, &vars()).is_err(), "taken: {wrong}");
    }
    for open in ["<req get cas=*>", "<res get val=*>", "<res get cas=:x>"] {
        assert!(bytes(open, &vars()).is_err(), "sent: {open}");
    }
}

#[test]
fn answers_match_all_or_nothing() {
    let hit = packet(b"\x81\0\0\0\x04\0\0\0", 7, 9, b"\0\0\0\x07abc");
    for (expect, whether) in [
        ("<res get flags=7 val=abc cas=9>", true),
        ("<res get flags=7 val=abc cas=*>", true),
        ("<res get flags=7 val=* cas=*>", true),
        ("<res get flags=7 val=* cas=9>", true),
        ("<res get flags=7 val=abc cas=:x>", true),
        ("<res get flags=7 val=abc>", false),
        ("<res get flags=7 val=abcd cas=*>", false),
        ("<res get flags=7 val=ab cas=*>", false),
        ("<res get flags=8 val=* cas=*>", false),
        ("<res get val=* cas=*>", false),
        ("<res get flags=7 key=abc val=* cas=*>", false),
        ("<res getk flags=7 val=* cas=*>", false),
        ("<res get flags=7 val=* cas=* status=1>", false),
        ("<res get flags=7 val=* cas=* opaque=0>", false),
        ("<res get flags=7 val=* cas=*>x", false),
    ] {
        let tokens = parse(expect, &vars()).unwrap();
        assert_eq!(matches(&tokens, &hit).is_some(), whether, "{expect}");
        let short = &hit[..hit.len() - 1];
        assert!(matches(&tokens, short).is_none(), "{expect}, a byte short");
        let long = [&hit[..], b"x"].concat();
        let long = matches(&tokens, &long).is_some();
        assert_eq!(long, expect.ends_with('x'), "{expect}, a byte more");
    }
    let none = packet(b"\x81\x01\0\0\0\0\0\0", 0, 0, b"");
    let tokens = parse("<res set cas=*>", &vars()).unwrap();
    assert!(matches(&tokens, &none).is_none(), "0 is no cas");
}

#[test]
fn a_cas_is_captured_as_digits() {
    let stored = packet(b"\x81\x01\0\0\0\0\0\0", 0, 258, b"");
    let tokens = parse("<res set cas=:seen>", &vars()).unwrap();
    let captures = matches(&tokens, &stored).unwrap();
    assert_eq!(captures["seen"], b"258");
}
