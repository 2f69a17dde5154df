// SPDX-License-Identifier: GPL-2.0-only
//! Bytes in, bytes out. What is expected was observed on memcached 1.6.45,
//! except for the differences listed in `doc/protocol.md`.
#![allow(missing_docs)]

mod common;

use std::collections::HashSet;

use common::{Session, MIB};

const FORMAT: &str = "CLIENT_ERROR bad command line format\r\n";
const CHUNK: &str = "CLIENT_ERROR bad data chunk\r\n";
const VERSION: &str = "VERSION 1.6.45-unbuckle-0.1.0\r\n";
const X: &str = "VALUE k 0 1\r\nx\r\nEND\r\n";

/// Each case in a store of its own, where `k` is `x`.
#[track_caller]
fn check(cases: &[(&str, &str)]) {
    for (text, expected) in cases {
        let session = Session::in_one_stripe(MIB);
        session.set("k", 0, "x");
        assert_eq!(&session.ask(text), expected, "{text:?}");
        // Nothing that came may change how the next datagram is read.
        assert_eq!(session.ask("version\r\n"), VERSION, "after {text:?}");
    }
}

#[test]
fn retrieval() {
    check(&[
        ("get k\r\n", X),
        ("get k\n", X),
        ("get k \r\n", X),
        ("get nothing\r\n", "END\r\n"),
        (
            "get k k\r\n",
            "VALUE k 0 1\r\nx\r\nVALUE k 0 1\r\nx\r\nEND\r\n",
        ),
        ("get  a   k  \r\n", X),
        ("get noreply\r\n", "END\r\n"),
        ("get k noreply\r\n", X),
        ("gets k\r\n", "VALUE k 0 1 1\r\nx\r\nEND\r\n"),
        ("gets a k\r\n", "VALUE k 0 1 1\r\nx\r\nEND\r\n"),
        ("get\r\n", FORMAT),
        ("get \r\n", FORMAT),
        ("gets\r\n", FORMAT),
        ("GET k\r\n", "ERROR\r\n"),
        ("getx k\r\n", "ERROR\r\n"),
        (" get k\r\n", "ERROR\r\n"),
    ]);
}

#[test]
fn storage() {
    check(&[
        (
            "set k 5 0 2\r\nyz\r\nget k\r\n",
            "STORED\r\nVALUE k 5 2\r\nyz\r\nEND\r\n",
        ),
        (
            "set k 0 0 0\r\n\r\nget k\r\n",
            "STORED\r\nVALUE k 0 0\r\n\r\nEND\r\n",
        ),
        (
            "set k 0 0 1\ny\r\nget k\r\n",
            "STORED\r\nVALUE k 0 1\r\ny\r\nEND\r\n",
        ),
        ("set k  0 0  1 \r\ny\r\n", "STORED\r\n"),
        (
            "set k 4294967295 0 1\r\ny\r\nget k\r\n",
            "STORED\r\nVALUE k 4294967295 1\r\ny\r\nEND\r\n",
        ),
        (
            "set k 010 0 01\r\ny\r\nget k\r\n",
            "STORED\r\nVALUE k 10 1\r\ny\r\nEND\r\n",
        ),
        (
            "set k +1 0 1\r\ny\r\nget k\r\n",
            "STORED\r\nVALUE k 1 1\r\ny\r\nEND\r\n",
        ),
        (
            "set k 0 0 1 noreply\r\ny\r\nget k\r\n",
            "VALUE k 0 1\r\ny\r\nEND\r\n",
        ),
        ("set k 0 0 1 norepl\r\ny\r\n", "STORED\r\n"),
        ("set k 0 0 1 a b noreply\r\ny\r\n", ""),
        ("set k 0 0 1 noreply a\r\ny\r\n", "STORED\r\n"),
        (
            "set k 0 0 3\r\n\r\n\n\r\nget k\r\n",
            "STORED\r\nVALUE k 0 3\r\n\r\n\n\r\nEND\r\n",
        ),
    ]);
}

#[test]
fn storage_lines_refused_swallow_their_data() {
    for line in [
        "set k -1 0 1",
        "set k abc 0 1",
        "set k 1a 0 1",
        "set k 0x10 0 1",
        "set k 4294967296 0 1",
        "set k 18446744073709551616 0 1",
        "set k - 0 1",
        "set k 0 abc 1",
        "set k 0 1.5 1",
        "set k 0 - 1",
        "set k 0 99999999999999999999 1",
    ] {
        check(&[
            (
                &format!("{line}\r\ny\r\nget k\r\n"),
                &format!("{FORMAT}{X}"),
            ),
            (&format!("{line} noreply\r\ny\r\nget k\r\n"), X),
            (&format!("{line}\r\n"), FORMAT),
        ]);
    }
}

#[test]
fn storage_lines_without_a_length_swallow_nothing() {
    for line in [
        "set",
        "set k",
        "set k 0",
        "set k 0 0",
        "set k 0 0 noreply",
        "set k 0 0 -1",
        "set k 0 0 abc",
        "set k 0 0 +1",
        "set k 0 0 1a",
        "set k 0 0 2147483646",
        "set k 0 0 2147483648",
        "set k 0 0 4294967296",
        "set k 0 0 99999999999999999999",
    ] {
        check(&[(&format!("{line}\r\nget k\r\n"), &format!("{FORMAT}{X}"))]);
    }
}

#[test]
fn bad_data_chunks_are_counted_off_and_the_rest_is_read() {
    check(&[
        ("set k 0 0 1\r\nxy\r\n", &format!("{CHUNK}{FORMAT}")),
        (
            "set k 0 0 1\r\nxyzuvw\r\nget k\r\n",
            &format!("{CHUNK}ERROR\r\n{X}"),
        ),
        (
            "set k 0 0 1\r\ny\r\rversion\r\n",
            &format!("{CHUNK}{VERSION}"),
        ),
        (
            "set k 0 0 1\r\ny\nversion\r\n",
            &format!("{CHUNK}ERROR\r\n"),
        ),
        (
            "set k 0 0 3\r\ny\r\nget k\r\n",
            &format!("{CHUNK}ERROR\r\n"),
        ),
        (
            "set k 0 0 1 noreply\r\nxyz\r\nversion\r\n",
            &format!("{FORMAT}{VERSION}"),
        ),
    ]);
}

#[test]
fn data_cut_short_is_a_bad_data_chunk_and_changes_nothing() {
    for text in [
        "set k 0 0 1\r\n",
        "set k 0 0 1\r\ny",
        "set k 0 0 1\r\ny\r",
        "set k 0 0 1\r\ny\n",
        "set k 0 0 1000\r\ny\r\nversion\r\n",
    ] {
        let session = Session::new(MIB);
        session.set("k", 0, "x");
        assert_eq!(session.ask(text), CHUNK, "{text:?}");
        assert_eq!(session.ask("get k\r\n"), X, "{text:?}");
    }
    check(&[("set k 0 0 9 noreply\r\ny\r\n", "")]);
}

#[test]
fn deletion() {
    check(&[
        ("delete k\r\nget k\r\n", "DELETED\r\nEND\r\n"),
        ("delete k\r\ndelete k\r\n", "DELETED\r\nNOT_FOUND\r\n"),
        ("delete k 0\r\n", "DELETED\r\n"),
        ("delete k 5 a\r\n", "DELETED\r\n"),
        ("delete k 5 a b\r\nget k\r\n", &format!("{FORMAT}{X}")),
        ("delete k noreply\r\nget k\r\n", "END\r\n"),
        ("delete k 0 noreply\r\n", ""),
        ("delete nothing\r\n", "NOT_FOUND\r\n"),
        ("delete noreply\r\n", ""),
        ("delete\r\n", FORMAT),
    ]);
}

#[test]
fn keys_have_at_most_250_bytes() {
    let (long, longer) = ("k".repeat(250), "k".repeat(251));
    check(&[
        (
            &format!("set {long} 7 0 1\r\ny\r\nget {long}\r\n"),
            &format!("STORED\r\nVALUE {long} 7 1\r\ny\r\nEND\r\n"),
        ),
        (&format!("delete {long}\r\n"), "NOT_FOUND\r\n"),
        (&format!("get {longer}\r\n"), FORMAT),
        (
            &format!("get k {longer} k\r\nversion\r\n"),
            &format!("{FORMAT}{VERSION}"),
        ),
        (&format!("delete {longer}\r\n"), FORMAT),
        (
            &format!("set {longer} 0 0 1\r\ny\r\nversion\r\n"),
            &format!("{FORMAT}{VERSION}"),
        ),
        (&format!("set {longer} 0 0 1 noreply\r\ny\r\n"), ""),
        (&format!("get {}\r\n", "k".repeat(60_000)), FORMAT),
    ]);
}

#[test]
fn keys_may_hold_control_bytes() {
    for key in [
        "a\0b",
        "\0",
        "a\u{1}b",
        "\u{10}\u{10}",
        "a\tb",
        "a\rb",
        "\u{7f}",
    ] {
        let session = Session::new(MIB);
        session.set(key, 0, "x");
        assert_eq!(session.get(key).as_deref(), Some("x"), "{key:?}");
        assert_eq!(session.ask(format!("delete {key}\r\n")), "DELETED\r\n");
    }
    // Of two carriage returns, one belongs to the line.
    check(&[
        ("get k\r\r\n", "END\r\n"),
        ("delete k\r\r\n", "NOT_FOUND\r\n"),
    ]);
}

#[test]
fn keys_may_be_any_other_bytes() {
    let session = Session::new(MIB);
    let text = b"set \xc3\x28\xff\x80 0 0 1\r\nx\r\nget \xc3\x28\xff\x80\r\n";
    let expected = b"STORED\r\nVALUE \xc3\x28\xff\x80 0 1\r\nx\r\nEND\r\n";
    assert_eq!(session.ask_bytes(text), expected);
}

#[test]
fn verbosity_and_flush_all() {
    let exptime = "CLIENT_ERROR invalid exptime argument\r\n";
    check(&[
        ("verbosity 1\r\n", "OK\r\n"),
        ("verbosity 1 2 3\r\n", "OK\r\n"),
        ("verbosity 1 noreply\r\n", ""),
        ("verbosity noreply\r\n", ""),
        ("verbosity\r\n", FORMAT),
        ("verbosity abc\r\n", FORMAT),
        ("verbosity -1\r\n", FORMAT),
        ("verbosity 4294967296\r\n", FORMAT),
        ("flush_all\r\nget k\r\n", "OK\r\nEND\r\n"),
        ("flush_all  \r\nget k\r\n", "OK\r\nEND\r\n"),
        ("flush_all 0\r\nget k\r\n", "OK\r\nEND\r\n"),
        ("flush_all -1\r\nget k\r\n", "OK\r\nEND\r\n"),
        ("flush_all noreply\r\nget k\r\n", "END\r\n"),
        ("flush_all 0 noreply\r\nget k\r\n", "END\r\n"),
        ("flush_all 100\r\nget k\r\n", &format!("OK\r\n{X}")),
        ("flush_all 1 2 3\r\n", "OK\r\n"),
        ("flush_all abc\r\nget k\r\n", &format!("{exptime}{X}")),
        ("flush_all +1\r\n", exptime),
        ("flush_all 99999999999\r\n", exptime),
        ("flush_all abc noreply\r\nget k\r\n", X),
    ]);
}

#[test]
fn everything_else() {
    check(&[
        ("\r\n", FORMAT),
        ("\n", FORMAT),
        ("xy\n", FORMAT),
        ("xyz\n", "ERROR\r\n"),
        ("\0\0\0\r\n", "ERROR\r\n"),
        ("version x y\r\n", VERSION),
        ("version\r\r\n", "ERROR\r\n"),
        ("versionx\r\n", "ERROR\r\n"),
        ("vers\0ion\r\n", "ERROR\r\n"),
        ("foo\r\n", "ERROR\r\n"),
        ("foo noreply\r\n", ""),
        ("set\tk 0 0 1\r\n", "ERROR\r\n"),
        ("stats foo\r\n", "ERROR\r\n"),
        ("stats noreply\r\n", "ERROR\r\n"),
        ("stats reset\r\n", "RESET\r\n"),
        ("stats reset x\r\n", "RESET\r\n"),
        ("quit\r\n", ""),
        ("quit\r\nversion\r\n", VERSION),
        ("version", "(dropped)"),
        ("version\r\nversion", VERSION),
        ("add j 0 0 9\r\nversion\r\n\r\n", "STORED\r\n"),
        (
            "cas k 0 0 9 7\r\nversion\r\n\r\nget k\r\n",
            &format!("EXISTS\r\n{X}"),
        ),
    ]);
}

#[test]
fn commands_of_one_datagram_are_answered_in_order() {
    let session = Session::in_one_stripe(MIB);
    let answer = session.ask(
        "get k\r\nset k 1 0 1\r\na\r\nget k\r\nset k 2 0 1\r\nb\r\ngets k\r\n\
         delete k\r\ndelete k\r\nfoo\r\nversion\r\n",
    );
    let expected = "END\r\nSTORED\r\nVALUE k 1 1\r\na\r\nEND\r\nSTORED\r\n\
                    VALUE k 2 1 2\r\nb\r\nEND\r\nDELETED\r\nNOT_FOUND\r\nERROR\r\n";
    assert_eq!(answer, format!("{expected}{VERSION}"));
}

#[test]
fn cas_numbers_of_one_stripe_are_unique_and_change_with_every_set() {
    let session = Session::in_one_stripe(MIB);
    session.set("a", 0, "x");
    session.set("b", 0, "x");
    session.set("a", 0, "x");
    let answer = session.ask("gets a b\r\n");
    assert_eq!(
        answer,
        "VALUE a 0 1 3\r\nx\r\nVALUE b 0 1 2\r\nx\r\nEND\r\n"
    );
}

#[test]
fn cas_numbers_are_unique_and_grow_with_every_set() {
    const KEYS: usize = 300;
    let session = Session::new(MIB);
    let (mut seen, mut last) = (HashSet::new(), [0; KEYS]);
    for _ in 0..3 {
        for (number, last) in last.iter_mut().enumerate() {
            let key = format!("key-{number}");
            session.set(&key, 0, "x");
            let answer = session.ask(format!("gets {key}\r\n"));
            let cas = answer.split_whitespace().nth(4).unwrap();
            let cas: u64 = cas.parse().unwrap();
            assert!(seen.insert(cas), "{cas} twice");
            assert!(cas > *last, "{cas} after {last}");
            *last = cas;
        }
    }
}
