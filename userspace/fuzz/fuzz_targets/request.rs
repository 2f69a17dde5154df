// SPDX-License-Identifier: GPL-2.0-only
//! The parser of text requests. The input's first two bytes are how much a
//! stream can hold; the rest is what came.
#![no_main]

use kv::request::{parse, Parsed, Request, Source};
use libfuzzer_sys::fuzz_target;

/// Behind every block.
const CRLF: usize = 2;

fuzz_target!(|input: &[u8]| {
    let Some(([low, high], bytes)) = input.split_first_chunk() else {
        return;
    };
    let room = usize::from(u16::from_le_bytes([*low, *high]));
    all(bytes, Source::Datagram);
    all(bytes, Source::Stream { room });
});

/// Reads command after command, as far as there are any.
fn all(mut bytes: &[u8], source: Source) {
    while !bytes.is_empty() {
        match parse(bytes, source) {
            Parsed::Request { request, len, skip } => {
                assert!(len > 0 && len <= bytes.len());
                assert!(source != Source::Datagram || skip == 0);
                // What is behind a command has no part in it.
                let (own, rest) = bytes.split_at(len);
                if skip == 0 {
                    let alone = parse(own, source);
                    let expected = Parsed::Request { request, len, skip };
                    assert!(alone == expected, "{alone:?}, not {expected:?}");
                    pieces(&expected, own);
                }
                let Some(behind) = rest.get(skip..) else {
                    return;
                };
                bytes = behind;
            }
            Parsed::More { total } => {
                assert!(total > bytes.len(), "nothing new to wait for");
                if let Source::Stream { room } = source {
                    assert!(
                        total <= room.max(bytes.len() + 1),
                        "{total} bytes, {room} fit"
                    );
                }
                return;
            }
            Parsed::TooLong => return,
        }
    }
}

/// All that a command borrows is its own.
fn pieces(parsed: &Parsed<'_>, own: &[u8]) {
    let Parsed::Request { request, .. } = parsed else {
        return;
    };
    let inside = |piece: &[u8]| {
        let (all, piece) = (own.as_ptr_range(), piece.as_ptr_range());
        assert!(all.start <= piece.start && piece.end <= all.end);
    };
    match request {
        Request::Get(get) => get.keys.clone().for_each(inside),
        Request::Store(store) => {
            inside(store.key);
            if let Some(block) = store.block {
                inside(block);
                assert_eq!(block.len(), store.len + CRLF);
            }
        }
        Request::Meta(meta) => {
            inside(meta.key);
            meta.flags.clone().for_each(inside);
            if let Some(block) = meta.block {
                inside(block);
                assert_eq!(block.len(), meta.len + CRLF);
            }
        }
        Request::Delete { key, .. } | Request::Touch { key, .. } => inside(key),
        Request::Arith(arith) => inside(arith.key),
        Request::Stats(words) | Request::Admin(_, words) => words.clone().for_each(inside),
        _ => {}
    }
}
