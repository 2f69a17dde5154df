// SPDX-License-Identifier: GPL-2.0-only
//! Any stream, cut anyhow, is answered as if it had come whole.
#![allow(missing_docs)]

mod common;
#[path = "common/packet.rs"]
mod packet;
#[path = "common/stream.rs"]
mod stream;

use packet::{noop, packet};
use proptest::prelude::*;
use stream::play;

fn text_command() -> impl Strategy<Value = Vec<u8>> {
    let key = prop::sample::select(&["a", "b", "k", "long-key", "\x01"][..]);
    let data = prop::collection::vec(prop::sample::select(&b"\r\n 0a9quit"[..]), 0..40);
    prop_oneof![
        (key.clone(), data.clone(), any::<bool>()).prop_map(|(key, data, noreply)| {
            let noreply = if noreply { " noreply" } else { "" };
            let line = format!("set {key} 3 0 {}{noreply}\r\n", data.len());
            [line.as_bytes(), &data, b"\r\n"].concat()
        }),
        (key.clone(), data.clone(), 0..60usize).prop_map(|(key, data, len)| {
            [
                format!("set {key} 3 0 {len}\r\n").as_bytes(),
                &data,
                b"\r\n",
            ]
            .concat()
        }),
        prop::collection::vec(key.clone(), 1..9).prop_map(|keys| format!(
            "gets {}\r\n",
            keys.join(" ")
        )
        .into_bytes()),
        key.prop_map(|key| format!("delete {key}\n").into_bytes()),
        prop::sample::select(
            &[
                "version\r\n",
                "\r\n",
                "nonsense\r\n",
                "get\n",
                "x HTTP/1.1 y\n"
            ][..]
        )
        .prop_map(|line| line.as_bytes().to_vec()),
        data,
    ]
}

fn binary_command() -> impl Strategy<Value = Vec<u8>> {
    let key = prop::sample::select(&["a", "b", "k", "12"][..]);
    let parts = (
        key,
        prop::collection::vec(any::<u8>(), 0..30),
        0..40u8,
        0..30u64,
    );
    parts.prop_map(|(key, value, opcode, cas)| {
        let request = packet(opcode).cas(cas % 5);
        match opcode {
            0x01..=0x03 | 0x11..=0x13 => request.key(key).word(7).word(0).value(value),
            0x05 | 0x06 | 0x15 | 0x16 => request.key(key).long(3).long(cas).word(0),
            0x0e | 0x0f | 0x19 | 0x1a => request.key(key).value(value),
            // Ends the stream, or differs from one run to the next.
            0x07 | 0x17 | 0x10 => noop(),
            0x08 | 0x18 | 0x0a | 0x0b => request,
            0x1c..=0x1e | 0x23 | 0x24 => request.key(key).word(100),
            _ => request.key(key),
        }
        .bytes()
    })
}

/// Any order of pieces of 1 to 200 bytes.
fn in_pieces(text: &[u8], lens: &[usize]) -> (Vec<u8>, bool) {
    let mut rest = text;
    let mut lens = lens.iter().cycle();
    let mut pieces = Vec::new();
    while !rest.is_empty() {
        let (piece, behind) = rest.split_at(rest.len().min(*lens.next().unwrap()));
        pieces.push(piece);
        rest = behind;
    }
    play(pieces)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_cut_anyhow(
        commands in prop::collection::vec(text_command(), 0..20),
        lens in prop::collection::vec(1..200usize, 1..10),
    ) {
        let text = commands.concat();
        prop_assert_eq!(in_pieces(&text, &lens), play([&text[..]]));
    }

    #[test]
    fn any_packets_cut_anyhow(
        commands in prop::collection::vec(binary_command(), 0..20),
        lens in prop::collection::vec(1..200usize, 1..10),
    ) {
        let text = commands.concat();
        prop_assert_eq!(in_pieces(&text, &lens), play([&text[..]]));
    }

    #[test]
    fn any_bytes_cut_anyhow(
        binary: bool,
        junk in prop::collection::vec(any::<u8>(), 0..300),
        lens in prop::collection::vec(1..50usize, 1..10),
    ) {
        let start: &[u8] = if binary { &[0x80] } else { b"get " };
        let text = [start, &junk].concat();
        prop_assert_eq!(in_pieces(&text, &lens), play([&text[..]]));
    }
}
