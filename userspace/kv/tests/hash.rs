// SPDX-License-Identifier: GPL-2.0-only
//! The hash is SipHash-1-3, as two others compute it.
#![allow(missing_docs)]

use std::hash::Hasher;

use kv::hash::siphash13;
use siphasher::sip::SipHasher13;

#[test]
fn agrees_with_the_reference_for_every_tail_length() {
    let bytes: Vec<u8> = (0..=255)
        .cycle()
        .take(700)
        .map(|byte: u8| byte ^ 0x5a)
        .collect();
    for (k0, k1) in [
        (0, 0),
        (1, u64::MAX),
        (0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908),
    ] {
        for len in (0..80).chain(248..264).chain([700]) {
            let mut reference = SipHasher13::new_with_keys(k0, k1);
            reference.write(&bytes[..len]);
            assert_eq!(
                siphash13([k0, k1], &bytes[..len]),
                reference.finish(),
                "{len}"
            );
        }
    }
}

#[test]
fn agrees_with_the_standard_library() {
    let mut standard = std::collections::hash_map::DefaultHasher::new();
    standard.write(b"unbuckle");
    assert_eq!(siphash13([0, 0], b"unbuckle"), standard.finish());
}

#[test]
fn depends_on_the_key() {
    assert_ne!(siphash13([1, 2], b"k"), siphash13([1, 3], b"k"));
    assert_ne!(siphash13([1, 2], b"k"), siphash13([2, 1], b"k"));
}
