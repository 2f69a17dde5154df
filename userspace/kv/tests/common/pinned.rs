// SPDX-License-Identifier: GPL-2.0-only
//! Storing and pinning, in a few words.
#![allow(missing_docs, unreachable_pub)]

use host::Userspace;
use kv::store::{Change, Done, Entry, Look, Lookup, Pin};
use kv::{Context, Kv, Now};

pub type Store = Kv<Userspace>;

pub fn set(kv: &Store, cx: &Context<'_>, key: &str, data: &[u8]) -> Done {
    let entry = |_: Option<&kv::store::Value<'_>>| Change::Store(Entry::new(0, 0, data));
    kv.update(key.as_bytes(), cx, entry).done
}

pub fn pin(kv: &Store, cx: &Context<'_>, key: &str) -> Option<Pin> {
    match kv.get(key.as_bytes(), Look::Use, cx, |value| kv.pin(value, cx)) {
        Lookup::Hit(pin) => pin,
        _ => None,
    }
}

pub fn text(kv: &Store, pin: &Pin) -> Vec<u8> {
    let pieces: Vec<&[u8]> = kv.pieces(pin).collect();
    assert!(pieces.iter().all(|piece| !piece.is_empty()));
    pieces.concat()
}

pub fn text_of(key: &str, data: &[u8]) -> Vec<u8> {
    let head = format!("{key} 0 {}\r\n", data.len());
    [head.as_bytes(), data, b"\r\n"].concat()
}

/// Every chunk of every class is free, once everything is deleted.
#[track_caller]
pub fn all_is_free(kv: &Store) {
    let usage = kv.usage();
    assert_eq!((usage.items, usage.pins, usage.pinned_bytes), (0, 0, 0));
    let classes = (0..=u8::MAX).map_while(|class| kv.class_usage(class, Now(10)));
    for class in classes {
        assert_eq!(class.free_chunks, class.pages * class.chunks_per_page);
    }
}
