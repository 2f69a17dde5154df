// SPDX-License-Identifier: GPL-2.0-only
//! The hash is the sum that it should be, as somebody else computes it, and its hashes
//! are spread as drawn ones are; SipHash-1-3, from which its secret is drawn, is as two
//! others compute it.
#![allow(missing_docs)]

use std::collections::HashMap;
use std::hash::Hasher;

use kv::hash::{siphash13, Keyed};
use siphasher::sip::SipHasher13;

const SECRETS: [[u64; 2]; 3] = [
    [0, 0],
    [1, u64::MAX],
    [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908],
];

/// The same function, written down as its description has it: numbers of two words are
/// multiplied digit by digit, and words are put together byte by byte.
struct Reference {
    drawn: Vec<u64>,
}

impl Reference {
    fn new(secret: [u64; 2]) -> Self {
        let draw = |n: u64| siphash13(secret, &n.to_le_bytes());
        Self {
            drawn: (1..=100).map(draw).collect(),
        }
    }

    /// A drawn number of 128 bits: the first word is the upper half.
    fn wide(&self, index: usize) -> [u64; 2] {
        [self.drawn[2 * index], self.drawn[2 * index + 1]]
    }

    fn hash(&self, key: &[u8]) -> u64 {
        let word = |bytes: &[u8]| {
            let digits = bytes.iter().enumerate();
            digits.fold(0, |word, (place, byte)| {
                word + (u64::from(*byte) << (8 * place))
            })
        };
        let mut words = vec![];
        // What is drawn for each length up to 16 is first, and what is for longer ones behind that.
        let number = self.wide(key.len().min(17));
        match key.len() {
            17.. => {
                // The last block has the first secrets, the others those behind.
                let blocks = std::iter::once(&key[key.len() - 16..]);
                let blocks = blocks.chain(key[..key.len() - 1].chunks_exact(16));
                let mut sum = [0, key.len() as u64];
                for (place, block) in blocks.enumerate() {
                    let secret = &self.drawn[40 + 2 * place..];
                    let one = word(&block[..8]).wrapping_add(secret[0]);
                    let other = word(&block[8..]).wrapping_add(secret[1]);
                    sum = plus(sum, times([0, one], other));
                }
                let [high, low] = sum;
                words.extend([low, high]);
            }
            len => {
                words.push(word(&key[len.saturating_sub(8)..]));
                words.extend(key.get(..8).filter(|_| len > 8).map(word));
            }
        }
        let mut sum = number;
        for (place, word) in words.into_iter().enumerate() {
            sum = plus(sum, times(self.wide(place + 18), word));
        }
        let [high, _] = sum;
        let factor = self.drawn[72] | 1;
        let mixed = (high ^ (high >> 32)).wrapping_mul(factor);
        mixed ^ (mixed >> 32)
    }
}

fn plus([a1, a0]: [u64; 2], [b1, b0]: [u64; 2]) -> [u64; 2] {
    let (low, carry) = a0.overflowing_add(b0);
    [a1.wrapping_add(b1).wrapping_add(u64::from(carry)), low]
}

/// In the school's way, with digits of 32 bits.
fn times([a1, a0]: [u64; 2], b: u64) -> [u64; 2] {
    let digits = |word: u64| [word & 0xffff_ffff, word >> 32];
    let (a, b_digits) = (digits(a0), digits(b));
    let mut sum = [a1.wrapping_mul(b), 0];
    for (i, x) in a.iter().enumerate() {
        for (j, y) in b_digits.iter().enumerate() {
            let product = x * y;
            sum = match i + j {
                0 => plus(sum, [0, product]),
                1 => plus(sum, [product >> 32, product << 32]),
                _ => plus(sum, [product, 0]),
            };
        }
    }
    sum
}

#[test]
fn is_the_sum_of_the_description_for_every_length() {
    let bytes: Vec<u8> = (0..250u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    for secret in SECRETS {
        let (ours, reference) = (Keyed::new(secret), Reference::new(secret));
        for len in 0..=bytes.len() {
            for key in [&bytes[..len], &vec![0; len], &vec![255; len]] {
                assert_eq!(ours.hash(key), reference.hash(key), "{len}");
            }
        }
    }
}

/// So that it is seen when all of it changes, reference and all.
#[test]
fn vectors() {
    let hash = Keyed::new([0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210]);
    let hashes =
        [&b""[..], b"k", b"unbuckle", b"key-000000000042", &[0; 250]].map(|key| hash.hash(key));
    assert_eq!(hashes, VECTORS, "{hashes:#x?}");
}

const VECTORS: [u64; 5] = [
    0x77c2_e6ad_7040_5621,
    0xdf43_4f88_3275_e725,
    0x0ee6_1025_d242_b996,
    0x48f7_3e74_d75f_a0b3,
    0x076a_7297_7392_7c6a,
];

#[test]
fn longer_than_a_key_is_no_trouble() {
    let hash = Keyed::new(SECRETS[2]);
    let hashes: Vec<u64> = [251, 256, 300, 65_000]
        .map(|len| hash.hash(&vec![b'k'; len]))
        .into();
    for (n, one) in hashes.iter().enumerate() {
        assert!(!hashes[..n].contains(one), "the length counts");
    }
}

/// Keys that others choose: in order, that differ in one bit, that are each other's
/// beginnings, with zero bytes, with much in common.
fn families() -> Vec<(&'static str, Vec<Vec<u8>>)> {
    const MANY: u64 = 20_000;
    let all = |make: &dyn Fn(u64) -> Vec<u8>| (0..MANY).map(make).collect::<Vec<_>>();
    let one_bit = |len: usize| {
        let flip = move |bit: usize| {
            let mut key = vec![0x5a; len];
            key[bit / 8] ^= 1 << (bit % 8);
            key
        };
        (0..8 * len).map(flip)
    };
    let two_bits = (0..1600u32).flat_map(|one| {
        (0..12u32).map(move |other| {
            let mut key = vec![0u8; 200];
            key[one as usize / 8] ^= 1 << (one % 8);
            key[((one + 1 + 131 * other) % 1600) as usize / 8] ^=
                1 << ((one + 1 + 131 * other) % 8);
            key
        })
    });
    let mut two_bits: Vec<Vec<u8>> = two_bits.collect();
    two_bits.sort();
    two_bits.dedup();
    vec![
        ("numbers", all(&|n| n.to_string().into_bytes())),
        (
            "as the load generator",
            all(&|n| format!("key-{n:012}").into_bytes()),
        ),
        ("words", all(&|n| n.to_le_bytes().into())),
        ("high words", all(&|n| (n << 48).to_le_bytes().into())),
        (
            "steps of a power of two",
            all(&|n| (n << 20).to_le_bytes().into()),
        ),
        (
            "two equal words",
            all(&|n| [n.to_le_bytes(), n.to_le_bytes()].concat()),
        ),
        (
            "opposite words",
            all(&|n| [n.to_le_bytes(), n.wrapping_neg().to_le_bytes()].concat()),
        ),
        (
            "long with a number in the middle",
            all(&|n| format!("{}{n:08}{}", "x".repeat(101), "y".repeat(120)).into_bytes()),
        ),
        ("one bit", (1..=250).flat_map(one_bit).collect()),
        ("two bits", two_bits),
    ]
}

/// Parts of a hash that choose: stripes, chains of a stripe, tags.
const PARTS: [(&str, u32, u32); 5] = [
    ("stripe", 0, 8),
    ("chain", 8, 8),
    ("head", 0, 12),
    ("tag", 55, 8),
    ("top", 52, 12),
];

/// Chi-squared of a good function is within some standard deviations of what it has
/// on average; that of a bad one is far away.
#[test]
fn every_part_is_spread_as_if_drawn() {
    for secret in SECRETS {
        let hash = Keyed::new(secret);
        for (family, keys) in families() {
            for (part, shift, bits) in PARTS {
                let mut counts = vec![0u32; 1 << bits];
                for key in &keys {
                    counts[(hash.hash(key) >> shift) as usize & ((1 << bits) - 1)] += 1;
                }
                let expected = keys.len() as f64 / counts.len() as f64;
                let squares = counts
                    .iter()
                    .map(|count| (f64::from(*count) - expected).powi(2));
                let chi = squares.sum::<f64>() / expected;
                let free = (counts.len() - 1) as f64;
                let off = (chi - free) / (2.0 * free).sqrt();
                assert!(off < 6.0, "{family}, {part}: {off:.1} standard deviations");
            }
        }
    }
}

#[test]
fn different_keys_have_different_hashes() {
    let hash = Keyed::new(SECRETS[2]);
    let mut zeros: Vec<Vec<u8>> = (0..=250).map(|len| vec![0; len]).collect();
    let prefixes = b"the beginnings of one key ".repeat(10);
    zeros.extend((1..=250).map(|len| prefixes[..len].to_vec()));
    for (family, keys) in families().into_iter().chain([("beginnings", zeros)]) {
        let mut seen = HashMap::new();
        for key in keys {
            if let Some(other) = seen.insert(hash.hash(&key), key.clone()) {
                assert_eq!(other, key, "{family}");
            }
        }
    }
}

/// What is proved, looked at: two keys have the same `b` bits under one in `2^b` secrets.
#[test]
fn two_keys_meet_as_often_as_chance_has_it() {
    let pairs: [(&[u8], &[u8]); 5] = [
        (b"a", b"b"),
        (b"key-000000000001", b"key-000000000002"),
        (b"12345678", b"1234567812345678"),
        (&[0; 8], &[0; 16]),
        (&[255; 250], &[255; 249]),
    ];
    const SECRETS: u64 = 1 << 14;
    for (one, other) in pairs {
        for shift in [0, 30, 56] {
            let meets = |n: &u64| {
                let hash = Keyed::new([*n, 7]);
                ((hash.hash(one) ^ hash.hash(other)) >> shift) & 63 == 0
            };
            let met = (0..SECRETS).filter(meets).count() as f64;
            let expected = SECRETS as f64 / 64.0;
            assert!(
                (met - expected).abs() < 6.0 * expected.sqrt(),
                "{met} of {expected}"
            );
        }
    }
}

#[test]
fn siphash_agrees_with_the_reference_for_every_tail_length() {
    let bytes: Vec<u8> = (0..=255)
        .cycle()
        .take(700)
        .map(|byte: u8| byte ^ 0x5a)
        .collect();
    for [k0, k1] in SECRETS {
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
fn siphash_agrees_with_the_standard_library() {
    let mut standard = std::collections::hash_map::DefaultHasher::new();
    standard.write(b"unbuckle");
    assert_eq!(siphash13([0, 0], b"unbuckle"), standard.finish());
}

#[test]
fn depends_on_the_secret() {
    assert_ne!(siphash13([1, 2], b"k"), siphash13([1, 3], b"k"));
    assert_ne!(siphash13([1, 2], b"k"), siphash13([2, 1], b"k"));
    assert_ne!(Keyed::new([1, 2]).hash(b"k"), Keyed::new([1, 3]).hash(b"k"));
    assert_ne!(Keyed::new([1, 2]).hash(b"k"), Keyed::new([2, 1]).hash(b"k"));
}
