// SPDX-License-Identifier: GPL-2.0-only
//! What is between a key and its data, written from numbers.
#![allow(missing_docs)]

use kv::store::{Head, Plain};

fn head(flags: u32, data_len: usize) -> String {
    let head = Head::new(flags, data_len);
    let plain = Plain::new(b"key", &head, b"\r\n", 0);
    String::from_utf8(plain.head[..plain.head_len].to_vec()).unwrap()
}

#[test]
fn heads_say_flags_and_length() {
    let lens = (0..=10_001).chain([99_999, 100_000, 1 << 20]);
    for len in lens {
        let expected = format!(" {} {len}\r\n", len % 10);
        assert_eq!(head((len % 10) as u32, len), expected);
    }
    for flags in [0, 9, 10, 11, 99, 100, 65_535, u32::MAX - 1, u32::MAX] {
        for len in [0, 9, 10, 99, 100, 999, 1000, 9999, 10_000] {
            assert_eq!(head(flags, len), format!(" {flags} {len}\r\n"));
        }
    }
}
