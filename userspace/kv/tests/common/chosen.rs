// SPDX-License-Identifier: GPL-2.0-only
//! Keys as somebody would choose them who knew the hash, and thought that it
//! had no secret.

use kv::hash::Keyed;

/// The secret of who has none.
pub(crate) const KNOWN: [u64; 2] = [0, 0];

/// Of all keys one in two to this power is chosen: those whose hashes end in so
/// many zeros. Eight bits choose the stripe of a store, the others the chain.
const BITS: u32 = 10;

/// A key.
pub(crate) type Key = [u8; 8];

/// `count` keys that share the end of their hash without a secret.
pub(crate) fn chosen(count: usize) -> Vec<Key> {
    let hash = Keyed::new(KNOWN);
    let ends_alike = |key: &Key| hash.hash(key).trailing_zeros() >= BITS;
    keys().filter(ends_alike).take(count).collect()
}

/// `count` keys of the same kind that nobody has chosen.
pub(crate) fn unchosen(count: usize) -> Vec<Key> {
    keys().take(count).collect()
}

fn keys() -> impl Iterator<Item = Key> {
    (0u64..).map(u64::to_le_bytes)
}
