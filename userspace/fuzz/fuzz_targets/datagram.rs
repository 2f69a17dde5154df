// SPDX-License-Identifier: GPL-2.0-only
//! Datagrams, one after the other, to a small store. Between two of them in the
//! input is 0xfe and a byte: how many seconds pass.
#![no_main]

#[path = "../../kv/tests/common/mod.rs"]
mod common;

use common::{Session, MIB};
use kv::limits::{DATAGRAM_MAX, FRAME_LEN};
use kv::{Datagrams, Outcome};
use libfuzzer_sys::fuzz_target;

/// Bytes of a reply: few, so that some do not fit.
const REPLY: usize = 20_000;

const BETWEEN: u8 = 0xfe;

fuzz_target!(|input: &[u8]| {
    let session = Session::with_reply(MIB, REPLY);
    let mut rest = input;
    loop {
        let end = rest.iter().position(|byte| *byte == BETWEEN);
        let (datagram, behind) = rest.split_at(end.unwrap_or(rest.len()));
        one(&session, datagram);
        let [_, seconds, behind @ ..] = behind else {
            break;
        };
        session.pass(u32::from(*seconds));
        rest = behind;
    }
    sound(&session);
});

/// What is said to a datagram, and that it can be sent.
fn one(session: &Session, datagram: &[u8]) {
    match session.send(datagram) {
        (Outcome::Reply { request_id }, text) => {
            assert!(!text.is_empty());
            assert_eq!(datagram[..2], request_id.to_be_bytes());
            let binary = datagram.get(FRAME_LEN) == Some(&0x80);
            assert!(binary || text.ends_with(b"\r\n"));
            let all = Datagrams::new(request_id, &text);
            let total = usize::from(all.total());
            let mut sent = Vec::new();
            let mut count = 0;
            for (_, part) in all {
                assert!(!part.is_empty() && FRAME_LEN + part.len() <= DATAGRAM_MAX);
                sent.extend_from_slice(part);
                count += 1;
            }
            assert!(count == total && sent == text);
        }
        (Outcome::Silent, text) => assert!(text.is_empty()),
        (Outcome::Dropped(_), text) => assert!(text.is_empty()),
    }
}

/// The store is as full as it says, and serves.
fn sound(session: &Session) {
    let usage = session.kv.usage();
    assert!(usage.page_bytes <= usage.limit && usage.bytes <= usage.page_bytes);
    let items = session.stat("curr_items");
    assert_eq!(items, usage.items);
    session.set("\x01sound", 0, "value");
    assert_eq!(session.get("\x01sound").as_deref(), Some("value"));
}
