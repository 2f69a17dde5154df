// SPDX-License-Identifier: GPL-2.0-only
//! Frames of requests and of replies.
#![allow(missing_docs)]

mod common;

use common::{Session, MIB};
use kv::limits::{REPLY_MAX, TEXT_MAX};
use kv::{Datagrams, Drop, Outcome};

fn lens(len: usize) -> Vec<usize> {
    let text = vec![b'x'; len];
    Datagrams::new(0x0102, &text)
        .map(|(_, text)| text.len())
        .collect()
}

#[test]
fn text_is_cut_at_1392_bytes() {
    assert_eq!(TEXT_MAX, 1392);
    assert_eq!(lens(0), Vec::<usize>::new());
    assert_eq!(lens(1), [1]);
    assert_eq!(lens(1391), [1391]);
    assert_eq!(lens(1392), [1392]);
    assert_eq!(lens(1393), [1392, 1]);
    assert_eq!(lens(2784), [1392, 1392]);
    assert_eq!(lens(2785), [1392, 1392, 1]);
}

#[test]
fn headers_count_in_network_order() {
    let text: Vec<u8> = (0..300 * TEXT_MAX).map(|i| i as u8).collect();
    let datagrams = Datagrams::new(0x0102, &text);
    assert_eq!(datagrams.total(), 300);
    let mut whole = Vec::new();
    for (i, (header, text)) in datagrams.enumerate() {
        let [high, low] = (i as u16).to_be_bytes();
        assert_eq!(header, [1, 2, high, low, 1, 44, 0, 0]);
        whole.extend_from_slice(text);
    }
    assert_eq!(whole, text);
}

#[test]
fn the_largest_reply_can_be_counted() {
    let text = vec![0; REPLY_MAX];
    let datagrams = Datagrams::new(0, &text);
    assert_eq!(datagrams.total(), 757);
    assert_eq!(datagrams.count(), 757);
}

#[test]
fn short_datagrams_are_dropped() {
    let session = Session::new(MIB);
    let datagram = b"\0\x07\0\0\0\x01\0\0version\r\n";
    for len in 0..=8 {
        let (outcome, text) = session.send(&datagram[..len]);
        assert_eq!(outcome, Outcome::Dropped(Drop::Short));
        assert!(text.is_empty());
    }
    for len in 9..16 {
        let (outcome, _) = session.send(&datagram[..len]);
        assert_eq!(outcome, Outcome::Dropped(Drop::NoNewline));
    }
    let (outcome, text) = session.send(datagram);
    assert_eq!(outcome, Outcome::Reply { request_id: 7 });
    assert_eq!(text, b"VERSION 1.6.45-unbuckle-0.1.0\r\n");
    assert_eq!(session.stat("udp_drop_short"), 9);
    assert_eq!(session.stat("udp_drop_no_newline"), 7);
}

#[test]
fn a_total_other_than_one_is_dropped() {
    let session = Session::new(MIB);
    for total in [[0, 0], [0, 2], [1, 0], [1, 1], [255, 255]] {
        let mut datagram = b"\0\x07\0\0\0\x01\0\0version\r\n".to_vec();
        datagram[4..6].copy_from_slice(&total);
        let (outcome, _) = session.send(&datagram);
        assert_eq!(outcome, Outcome::Dropped(Drop::NotSingle));
    }
    assert_eq!(session.stat("udp_drop_not_single"), 5);
}

#[test]
fn sequence_and_reserved_fields_of_a_request_mean_nothing() {
    let session = Session::new(MIB);
    let (outcome, text) = session.send(b"\xff\xfe\x12\x34\0\x01\xff\xffversion\r\n");
    assert_eq!(outcome, Outcome::Reply { request_id: 0xfffe });
    assert_eq!(text, b"VERSION 1.6.45-unbuckle-0.1.0\r\n");
}
