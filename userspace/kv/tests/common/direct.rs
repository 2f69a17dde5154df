// SPDX-License-Identifier: GPL-2.0-only
//! The store itself, asked without a protocol.

use host::Userspace;
use kv::store::{Change, Cursor, Done, Entry, Look, Lookup};
use kv::{Context, Kv};

pub(crate) const STRIPES: [usize; 3] = [1, 16, 256];

pub(crate) fn set(
    kv: &Kv<Userspace>,
    cx: &Context<'_>,
    key: &str,
    exptime: i64,
    data: &[u8],
) -> Done {
    let update = kv.update(key.as_bytes(), cx, |_| {
        Change::Store(Entry::new(7, exptime, data))
    });
    update.done
}

pub(crate) fn get(kv: &Kv<Userspace>, cx: &Context<'_>, key: &str) -> Option<Vec<u8>> {
    match kv.get(key.as_bytes(), Look::Use, cx, |v| {
        kv.data(v).collect::<Vec<_>>().concat()
    }) {
        Lookup::Hit(data) => Some(data),
        _ => None,
    }
}

pub(crate) fn keys(kv: &Kv<Userspace>, cx: &Context<'_>) -> Vec<Vec<u8>> {
    let (mut keys, mut at) = (Vec::new(), Some(Cursor::default()));
    while let Some(from) = at {
        at = kv.walk(from, cx, |value| keys.push(value.key().to_vec()));
    }
    keys
}
