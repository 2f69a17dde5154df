// SPDX-License-Identifier: GPL-2.0-only
//! A datagram that is one `get` or one plain `set` has a way of its own through the core.
//! What it does must be what the same line does behind another, which goes by the others.
#![allow(missing_docs)]

mod common;

use common::{Session, MIB};
use proptest::prelude::*;

/// Numbers, and what is nearly one.
const NUMBERS: [&str; 22] = [
    "0",
    "1",
    "7",
    "9",
    "10",
    "32",
    "255",
    "65535",
    "99999999",
    "999999999",
    "4294967295",
    "4294967296",
    "00",
    "07",
    "-1",
    "+1",
    ":",
    "/",
    "1a",
    "",
    " ",
    "\u{ca}",
];

const KEYS: [&str; 12] = [
    "k",
    "ab",
    "1234567",
    "12345678",
    "123456789",
    "key-000000000001",
    "a longer key",
    "tab\tbed",
    "\u{1}\u{7f}",
    "schlüssel-größer-als-acht",
    "",
    "noreply",
];

fn line() -> impl Strategy<Value = Vec<u8>> {
    let number = || prop::sample::select(&NUMBERS[..]);
    let key = prop_oneof![
        8 => prop::sample::select(&KEYS[..]).prop_map(str::to_owned),
        1 => (1..300usize).prop_map(|len| "k".repeat(len)),
    ];
    let end =
        prop::sample::select(&["\r\n", "\r\n", "\r\n", "\r\n", "\n", "", " \r\n", "\r\nx"][..]);
    let name = prop::sample::select(&["get", "set", "set", "set", "gets", "Get", "get "][..]);
    let data = (0..70usize, 0..3usize);
    let simple = (
        name,
        key,
        number(),
        number(),
        end,
        data,
        any::<bool>(),
        number(),
    );
    simple.prop_map(
        |(name, key, flags, exptime, end, (len, more), right, other)| {
            if name.starts_with(['g', 'G']) {
                return format!("{name} {key}{end}").into_bytes();
            }
            let length = if right {
                len.to_string()
            } else {
                other.to_owned()
            };
            let data = "v".repeat(len + if right { 0 } else { more });
            format!("{name} {key} {flags} {exptime} {length}\r\n{data}{end}").into_bytes()
        },
    )
}

/// A store, and buffers of that size.
fn session(room: usize) -> Session {
    let session = Session::with_reply(MIB, room);
    for key in [
        "k",
        "12345678",
        "key-000000000001",
        "a",
        "schlüssel-größer-als-acht",
    ] {
        session.set(key, 0, "some value of twenty-odd bytes");
    }
    session
}

fn counts(session: &Session) -> Vec<u64> {
    let mine = session.mine();
    let others = [&mine.get_misses, &mine.cmd_set, &mine.total_items];
    let others = others.map(|counter| counter.get());
    [[mine.get_hits()].as_slice(), &others].concat()
}

proptest! {
    #[test]
    fn alone_or_behind_another(lines in prop::collection::vec(line(), 1..6)) {
        let (alone, behind) = (session(4096), session(4096));
        for line in lines {
            let answer = alone.ask_bytes(&line);
            let other = behind.ask_bytes(&[b"mn\r\n", &line[..]].concat());
            let other = other.strip_prefix(b"MN\r\n").unwrap_or(&other);
            // Alone it is no line at all, and nobody is told.
            let answer = if answer == b"(dropped)" { b"" } else { &answer[..] };
            prop_assert_eq!(answer.escape_ascii().to_string(), other.escape_ascii().to_string());
            prop_assert_eq!(counts(&alone), counts(&behind));
        }
        for key in KEYS.iter().filter(|key| !key.is_empty()) {
            let get = format!("gets {key}\r\n");
            prop_assert_eq!(alone.ask_bytes(get.as_bytes()), behind.ask_bytes(get.as_bytes()));
        }
    }

    #[test]
    fn in_a_short_buffer(line in line(), room in 0..600usize) {
        let session = Session::with_reply(MIB, room);
        let mut datagram = vec![0, 7, 0, 0, 0, 1, 0, 0];
        datagram.extend(line);
        let (_, text) = session.send(&datagram);
        prop_assert!(text.len() <= room);
        // Who is not told that it is stored has stored nothing.
        if !text.starts_with(b"STORED") {
            prop_assert_eq!(session.mine().total_items.get(), 0);
        }
    }
}
