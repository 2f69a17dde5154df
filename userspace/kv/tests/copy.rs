// SPDX-License-Identifier: GPL-2.0-only
//! Copies of every length are whole, and touch nothing else.
#![allow(missing_docs)]

use kv::copy;

#[test]
fn every_length_is_copied_whole_and_nothing_beside_it() {
    for len in (0..300usize).chain([511, 512, 1023, 1024, 1025, 1400, 4096, 65_001]) {
        let from: Vec<u8> = (0..len).map(|at| (at * 7 + at / 256 + 1) as u8).collect();
        for room in [len, len + 1, len + 100] {
            let mut to = vec![0xee; room];
            assert_eq!(copy(&mut to, &from), Some(()), "{len} bytes into {room}");
            assert_eq!(to[..len], from, "{len} bytes into {room}");
            assert!(
                to[len..].iter().all(|&byte| byte == 0xee),
                "behind {len} bytes"
            );
        }
    }
}

#[test]
fn what_has_no_room_is_not_copied() {
    for len in 1..300usize {
        let mut to = vec![0xee; len - 1];
        assert_eq!(copy(&mut to, &vec![1; len]), None);
        assert!(to.iter().all(|&byte| byte == 0xee), "{len} bytes");
    }
}
