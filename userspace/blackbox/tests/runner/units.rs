// SPDX-License-Identifier: GPL-2.0-only

//! The parts of the runner on their own: escapes, matching, reassembly, and
//! the reading of replies.

use blackbox::frame::{Assembler, Header};
use blackbox::template::{bytes, matches, parse, show, show_short, Captures, Vars};
use blackbox::text;

fn vars() -> Vars {
    Vars {
        prefix: "prefix00".into(),
        now: 1000,
        id: 0x1234,
        captures: Captures::from([("c".into(), b"77".to_vec())]),
    }
}

#[test]
fn escapes_and_placeholders() {
    for (written, meant) in [
        (r"a\r\n\t\0\\", &b"a\r\n\t\0\\"[..]),
        (r"\x00\xff\x7F", b"\x00\xff\x7f"),
        (r"\<\>\{\}", b"<>{}"),
        ("<A*3>", b"AAA"),
        (r"<\x41b*2>", b"AbAb"),
        ("< {p}k*2>", b" prefix00k prefix00k"),
        ("<<a*2>b*2>", b"aabaab"),
        ("<a*0>", b""),
        ("{p}", b"prefix00"),
        ("{id}", b"\x12\x34"),
        ("{now} {now+5} {now-5}", b"1000 1005 995"),
        ("<=c>", b"77"),
        ("<b64 {p}>", b"cHJlZml4MDA="),
        ("<b64 abc><b64 \\0><b64 >", b"YWJjAA=="),
        ("é", "é".as_bytes()),
    ] {
        assert_eq!(bytes(written, &vars()).unwrap(), meant, "{written}");
    }
}

#[test]
fn mistakes_in_a_text() {
    for wrong in [
        r"\", r"\q", r"\x1", r"\xzz", "<a*3", "a>", "{p", "{q}", "}", "<a*x>", "<what>", "<=no>",
        "{now+x}",
    ] {
        assert!(parse(wrong, &vars()).is_err(), "taken: {wrong}");
    }
    assert!(
        bytes("<num>", &vars()).is_err(),
        "a wildcard cannot be sent"
    );
}

#[test]
fn expectations_match_all_or_nothing() {
    for (expect, data, whether) in [
        ("a<num>b", "a12b", true),
        ("a<num>b", "ab", false),
        ("a<num>b", "a1xb", false),
        ("<num>5", "1235", true),
        ("<num>", "12 ", false),
        ("V <line>\\r\\n", "V 1.6\r\n", true),
        ("V <line>\\r\\n", "V \r\n", false),
        ("V <line>\\r\\n", "V 1\r\nX\r\n", false),
        ("<any>END", "a\r\nEND", true),
        ("<any>b<any>", "abc", true),
        ("<any>b<any>", "aac", false),
        ("END\\r\\n", "END\r\n\r\n", false),
        ("END\\r\\n", "END\r", false),
    ] {
        let tokens = parse(expect, &vars()).unwrap();
        let got = matches(&tokens, data.as_bytes()).is_some();
        assert_eq!(got, whether, "{expect} on {data:?}");
    }
}

#[test]
fn captures_hold_what_was_matched() {
    let tokens = parse("x <cas:one> <cas:two>\\r\\n", &vars()).unwrap();
    let captures = matches(&tokens, b"x 12 345\r\n").unwrap();
    assert_eq!(captures["one"], b"12");
    assert_eq!(captures["two"], b"345");
}

#[test]
fn shown_bytes_read_back_the_same() {
    let all: Vec<u8> = (0..=255).chain([7; 1000]).chain(*b"<x*3>{p}\\r").collect();
    assert_eq!(bytes(&show(&all), &vars()).unwrap(), all);
    assert!(show_short(&all, 20).ends_with("(1266 bytes in all)"));
}

fn header(seq: u16, total: u16) -> Header {
    Header {
        id: 1,
        seq,
        total,
        reserved: 0,
    }
}

#[test]
fn headers_are_in_network_order() {
    let header = Header {
        id: 0x0102,
        seq: 0x0304,
        total: 0x0506,
        reserved: 0x0708,
    };
    let wire = header.encode();
    assert_eq!(wire, [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(Header::decode(&wire), Some((header, &[][..])));
    assert_eq!(Header::decode(&wire[..7]), None);
}

#[test]
fn replies_are_put_together_in_any_order() {
    let (a, b, c) = ([b'a'; 1392], [b'b'; 1392], *b"c");
    let mut assembler = Assembler::default();
    assert_eq!(assembler.add(header(2, 3), &c), Ok(None));
    assert_eq!(assembler.add(header(0, 3), &a), Ok(None));
    let whole = assembler.add(header(1, 3), &b).unwrap().unwrap();
    assert_eq!(whole, [&a[..], &b, &c].concat());
}

#[test]
fn faults_of_a_datagram_are_found() {
    let full = [0; 1392];
    let reserved = Header {
        reserved: 1,
        ..header(0, 1)
    };
    for (header, text, about) in [
        (header(0, 0), &b"x"[..], "total of 0"),
        (header(1, 1), b"x", "sequence 1"),
        (header(0, 1), b"", "without text"),
        (header(0, 2), b"short", "only the last"),
        (header(0, 1), &[0; 1393], "more than 1400"),
        (reserved, b"x", "reserved"),
    ] {
        let fault = Assembler::default().add(header, text).unwrap_err();
        assert!(fault.contains(about), "{fault}");
    }
    let mut assembler = Assembler::default();
    assert_eq!(assembler.add(header(0, 2), &full), Ok(None));
    let fault = assembler.add(header(0, 2), &full).unwrap_err();
    assert!(fault.contains("twice"), "{fault}");
    let fault = assembler.add(header(1, 3), &full).unwrap_err();
    assert!(fault.contains("total changes"), "{fault}");
}

#[test]
fn values_are_read_strictly() {
    let one = text::values(b"VALUE k 7 3\r\n\r\n\0\r\nEND\r\n", false).unwrap();
    assert_eq!(
        (one.len(), one[0].flags, one[0].data),
        (1, 7, &b"\r\n\0"[..])
    );
    assert_eq!(text::values(b"END\r\n", true), Ok(vec![]));
    for wrong in [
        &b"END\r\n\r\n"[..],
        b"END\n",
        b"",
        b"VALUE k 0 3\r\nabc\r\n",
        b"VALUE k 0 3\r\nabcd\r\nEND\r\n",
        b"VALUE k 0 4\r\nabc\r\nEND\r\n",
        b"VALUE k 0 03\r\nabc\r\nEND\r\n",
        b"VALUE k 0 3 9\r\nabc\r\nEND\r\n",
        b"VALUE k -1 3\r\nabc\r\nEND\r\n",
        b"VALUE  k 0 3\r\nabc\r\nEND\r\n",
        b"value k 0 3\r\nabc\r\nEND\r\n",
    ] {
        assert!(
            text::values(wrong, false).is_err(),
            "{}",
            wrong.escape_ascii()
        );
    }
}
