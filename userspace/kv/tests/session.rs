// SPDX-License-Identifier: GPL-2.0-only
//! Requests from a stream: what is said depends on the bytes, not on the cuts.
#![allow(missing_docs)]

mod common;
#[path = "common/packet.rs"]
mod packet;
#[path = "common/stream.rs"]
mod stream;

use common::MIB;
use kv::limits::{INPUT_MAX, LINE_MAX, STREAM_REPLY};
use packet::{answers, noop, packet, set, Packet};
use stream::{play, Stream};

/// Plays it whole, in two pieces cut anywhere (in long ones here and there), and
/// byte by byte.
#[track_caller]
fn whole_and_cut(text: &[u8]) -> (Vec<u8>, bool) {
    let whole = play([text]);
    for at in (0..=text.len()).step_by(1 + text.len() / 400) {
        let (front, back) = text.split_at(at);
        assert_eq!(play([front, back]), whole, "cut at {at}");
    }
    assert_eq!(play(text.chunks(1)), whole, "byte by byte");
    whole
}

#[track_caller]
fn says(text: &str, expected: &str) {
    let (said, closed) = whole_and_cut(text.as_bytes());
    assert_eq!(String::from_utf8(said).unwrap(), expected);
    assert!(!closed);
}

#[track_caller]
fn says_and_closes(text: &str, expected: &str) {
    let (said, closed) = whole_and_cut(text.as_bytes());
    assert_eq!(String::from_utf8(said).unwrap(), expected);
    assert!(closed);
}

#[test]
fn pipelined_text() {
    says(
        "set a 1 0 5\r\nhello\r\nget a b\r\nset b 2 0 0 noreply\r\n\r\n\
         gets nothing\r\nget a b\nverbosity 1\r\ndelete a\r\nget a",
        "STORED\r\nVALUE a 1 5\r\nhello\r\nEND\r\nEND\r\n\
         VALUE a 1 5\r\nhello\r\nVALUE b 2 0\r\n\r\nEND\r\nOK\r\nDELETED\r\n",
    );
}

#[test]
fn data_that_looks_like_commands() {
    says(
        "set a 0 0 17\r\nquit\r\nflush_all\n\r\r\nget a\r\n",
        "STORED\r\nVALUE a 0 17\r\nquit\r\nflush_all\n\r\r\nEND\r\n",
    );
}

#[test]
fn wrong_data_and_lines() {
    says(
        "set a 0 0 3\r\nabcdefghij\r\nversion\r\n",
        &format!(
            "CLIENT_ERROR bad data chunk\r\nERROR\r\nVERSION {}\r\n",
            kv::VERSION
        ),
    );
    says(
        "set a x 0 3\r\nabc\r\nget a\r\nnonsense\r\n",
        "CLIENT_ERROR bad command line format\r\nEND\r\nERROR\r\n",
    );
}

#[test]
fn quit_ends() {
    says_and_closes("quit\r\n", "");
    says_and_closes("get a\r\nquit\r\nget a\r\n", "END\r\n");
    says_and_closes("get a\r\nquit now\nget a\r\n", "END\r\n");
}

#[test]
fn web_browsers_are_turned_away() {
    says_and_closes("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "");
    says_and_closes("get a\r\nPOST / HTTP/1.0\r\nget a\r\n", "END\r\n");
    says("get HTTP/1.1\r\nGET /\r\n", "END\r\nERROR\r\n");
}

#[test]
fn lines_that_are_too_long() {
    let junk = "x".repeat(LINE_MAX);
    says_and_closes(&junk, "");
    says_and_closes(&format!("get a\r\n{junk}\r\nget a\r\n"), "END\r\n");
    let spaces = " ".repeat(LINE_MAX);
    says_and_closes(&format!("set a 0 0 1{spaces}\r\nx\r\n"), "");
    let short = "x".repeat(LINE_MAX - 2);
    says(&format!("{short}\r\nget a\r\n"), "ERROR\r\nEND\r\n");
}

#[test]
fn lists_of_keys_may_be_long() {
    let count = LINE_MAX / 4 + 10;
    let keys = " key".repeat(count);
    says(
        &format!("set key 0 0 1\r\nx\r\nget{keys}\r\nget a\r\n"),
        &format!(
            "STORED\r\n{}END\r\nEND\r\n",
            "VALUE key 0 1\r\nx\r\n".repeat(count)
        ),
    );
    // Up to the room there is, a few bytes at a time.
    let mut stream = Stream::new(2 * MIB);
    let keys = " none".repeat(INPUT_MAX / 5 - 10);
    for piece in format!("get{keys}\r\n").as_bytes().chunks(1000) {
        stream.push(piece);
    }
    assert_eq!(stream.output, b"END\r\n");
    assert!(!stream.closed);
    for piece in format!("get{keys}{keys}").as_bytes().chunks(1000) {
        stream.push(piece);
    }
    assert!(stream.closed);
    assert_eq!(stream.output, b"END\r\n");
}

#[test]
fn a_mebibyte_in_many_pieces() {
    let mut stream = Stream::new(64 * MIB);
    let value: Vec<u8> = (0..1_048_516u32).map(|at| (at % 251) as u8).collect();
    let request = [b"set k 0 0 1048516\r\n", &value[..], b"\r\nget k\r\n"].concat();
    for piece in request.chunks(1400) {
        stream.push(piece);
    }
    let expected = [
        b"STORED\r\nVALUE k 0 1048516\r\n",
        &value[..],
        b"\r\nEND\r\n",
    ];
    assert!(stream.output == expected.concat());
    assert!(stream.most < INPUT_MAX + 1400);
}

#[test]
fn a_value_that_cannot_be_stored_is_passed_over() {
    for len in [1_048_517, INPUT_MAX, 5 * MIB] {
        let mut stream = Stream::new(64 * MIB);
        assert_eq!(stream.ask("set k 0 0 1\r\nx\r\n"), "STORED\r\n");
        let line = format!("set k 0 0 {len}\r\n");
        let value = "flush_all\r\n".repeat(len / 11 + 1);
        let text = format!("{line}{}\r\nget k\r\n", &value[..len]);
        for piece in text.as_bytes().chunks(100_000) {
            stream.push(piece);
        }
        assert_eq!(
            String::from_utf8_lossy(&stream.output),
            "STORED\r\nSERVER_ERROR object too large for cache\r\nEND\r\n"
        );
        assert!(stream.most <= INPUT_MAX + 100_000, "{}", stream.most);
    }
}

/// More answers than any reply holds.
#[test]
fn a_large_multi_get_is_sent_in_pieces() {
    for reply in [STREAM_REPLY, STREAM_REPLY / 2, 300_000] {
        let mut stream = Stream::with_reply(64 * MIB, reply);
        let value = "v".repeat(200_000);
        let mut expected = String::new();
        for key in 0..40 {
            let said = stream.ask(format!("set {key} 0 0 200000\r\n{value}\r\n"));
            assert_eq!(said, "STORED\r\n");
            expected += &format!("VALUE {key} 0 200000\r\n{value}\r\n");
        }
        let keys: String = (0..40).map(|key| format!(" {key} miss")).collect();
        let said = stream.ask(format!("get{keys}\r\nget miss\r\nget 3\r\n"));
        let tail = format!("END\r\nEND\r\nVALUE 3 0 200000\r\n{value}\r\nEND\r\n");
        assert!(said == expected.clone() + &tail);
        assert!(stream.writes > 5);
        // Counted once, however often it was interrupted.
        assert_eq!(stream.counters().cmd_get(), 82);
        assert_eq!(stream.counters().get_hits(), 41);
    }
}

/// Nothing is read that cannot be answered.
#[test]
fn many_answers_wait_for_each_other() {
    let mut stream = Stream::new(64 * MIB);
    let value = "v".repeat(50_000);
    stream.ask(format!("set k 0 0 50000\r\n{value}\r\n"));
    let said = stream.ask("get k\r\n".repeat(100));
    let one = format!("VALUE k 0 50000\r\n{value}\r\nEND\r\n");
    assert!(said == one.repeat(100));
    assert!(stream.writes >= 100 * 50_000 / STREAM_REPLY);
}

fn bytes(packets: &[Packet]) -> Vec<u8> {
    packets.iter().flat_map(Packet::bytes).collect()
}

#[test]
fn pipelined_packets() {
    let text = bytes(&[
        set("a", "hello"),
        packet(packet::GETK).key("a"),
        packet(packet::GETQ).key("none"),
        packet(packet::SETQ).key("b").word(1).word(0).value("\r\n"),
        packet(packet::APPEND).key("b").value("x"),
        packet(0xf0).key("key").extras("extras").value("value"),
        packet::incr("n", 1, 7, 0),
        packet(packet::STAT).key("nonsense"),
        packet(packet::GATKQ).key("b").word(5),
        noop(),
    ]);
    let (said, closed) = whole_and_cut(&text);
    let statuses: Vec<u16> = answers(&said).iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [0, 0, 0, 0x81, 0, 1, 0, 0]);
    assert!(!closed);
}

#[test]
fn packets_that_end_a_stream() {
    for (last, status) in [
        (packet(packet::QUIT), Some(0)),
        (packet(packet::QUITQ), None),
        (packet(packet::GET), Some(4)),
        (packet::get("k").says_key_len(9), Some(0x81)),
    ] {
        let text = bytes(&[set("a", "b"), last, set("a", "c")]);
        let (said, closed) = whole_and_cut(&text);
        let said = answers(&said);
        assert_eq!(said.get(1).map(|answer| answer.status), status);
        assert!(closed && said.len() <= 2);
    }
    // Text behind packets.
    let text = [&noop().bytes()[..], b"get a\r\nget a\r\nget a\r\nget a\r\n"].concat();
    let (said, closed) = whole_and_cut(&text);
    assert_eq!(answers(&said).len(), 1);
    assert!(closed);
    // Packets behind text.
    let text = [b"get a\r\n", &packet(packet::VERSION).bytes()[..], b"\n"].concat();
    assert_eq!(whole_and_cut(&text), (b"END\r\nERROR\r\n".to_vec(), false));
}

#[test]
fn large_packets() {
    let mut stream = Stream::new(64 * MIB);
    let value = vec![b'v'; 1_048_516];
    for piece in bytes(&[set("k", &value), packet::get("k")]).chunks(1400) {
        stream.push(piece);
    }
    let said = answers(&stream.output);
    assert!(said[1].value == value);
    for (len, announced) in [(1_048_517, None), (10, Some(10 * MIB as u32))] {
        stream.reconnect();
        let mut large = set("k", vec![b'v'; len]);
        let mut rest = Vec::new();
        if let Some(announced) = announced {
            large = large.says_body_len(announced);
            rest = vec![0x80; announced as usize - 9 - len];
        }
        for piece in [large.bytes(), rest, bytes(&[packet::get("k")])]
            .concat()
            .chunks(65_536)
        {
            stream.push(piece);
        }
        let said = answers(&stream.output);
        assert_eq!(said[0].said(), packet::TOO_LARGE);
        assert_eq!(said[1].said(), packet::NOT_FOUND, "and the old one is gone");
        assert_eq!(said.len(), 2);
    }
}

/// A host that is short of memory offers less room.
#[test]
fn less_room() {
    let mut stream = Stream::with_room(8 * MIB, 4096);
    let text = bytes(&[
        set("a", "small"),
        set("b", vec![b'v'; 5000]),
        packet::get("a"),
        packet::get("b"),
    ]);
    for piece in text.chunks(10) {
        stream.push(piece);
    }
    let said: Vec<String> = answers(&stream.output).iter().map(|a| a.said()).collect();
    let expected = ["00 ", packet::OUT_OF_MEMORY, "00 small", packet::NOT_FOUND];
    assert_eq!(said, expected);
    assert!(stream.most < 4096 + 10);
}
