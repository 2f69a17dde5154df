// SPDX-License-Identifier: GPL-2.0-only
//! The hash of keys. Of keys with up to sixteen bytes it is strongly universal: over the
//! choice of the secret, the hashes of any two different keys are uniform and independent of
//! each other, so that any `b` bits of them are the same with a chance of one in `2^b`, exactly.
//! For longer ones that chance is larger by one in `2^63` at most. Who chooses keys without
//! having seen secret or hashes aims no better than chance.
//!
//! A key of up to sixteen bytes is a number of words: its last eight bytes, and if there are
//! more than those its first eight, so that some may be in both. Different keys of one length
//! are different words. There is a number of 128 bits for each length, and a coefficient of as
//! many for each of the two words, and
//!
//! ```text
//! sum = number + last word * coefficient + first word * other coefficient  (mod 2^128)
//! ```
//!
//! of which the upper half counts (MULTILINEAR in Lemire and Kaser, "Strongly universal
//! string hashing is fast", 2014; after Carter and Wegman, "Universal classes of hash
//! functions", 1979, and Dietzfelbinger, "Universal hashing and k-wise independent random
//! variables via integer arithmetic without primes", 1996). For two keys of one length differ in
//! some word of the same place, by a number that two divides 63 times at most. That difference times
//! its coefficient is uniform in all bits above the lowest 63, whatever is added, and so is
//! the difference of the sums in their upper halves; the number makes one of them uniform by
//! itself. For keys of two lengths the two numbers make both uniform.
//!
//! A longer key is made short first. It is blocks of two words: its last sixteen bytes, and
//! those before them, sixteen at a time from the front, so that some may be in two blocks. With
//! two more secret words for each place,
//!
//! ```text
//! short = length + (word + secret) * (other word + secret) + …
//!         (mod 2^128, the sums in brackets mod 2^64)
//! ```
//!
//! (NH in Black, Halevi, Krawczyk, Krovetz and Rogaway, "UMAC: fast and secure message
//! authentication", 1999). For two different keys with as many blocks, either these are the same,
//! and the lengths are not; or the products differ by what the lengths do with a chance of one in
//! `2^64` at most, as is shown there. If one has a block more, that product has a chance of one
//! in `2^63` at most to be what the rest is short of: it is 0 as often as that, and any other number
//! less often. The two words of what is short take the place of a key's, with another number.
//!
//! Sums are linear, and could be solved by somebody who learns enough of them. A bijection
//! that is not linear is put over them to stand in his way: that is no proof. It makes
//! different hashes of different ones, and so changes nothing of what was proved.
//!
//! The coefficients are drawn from a secret of 128 bits by SipHash-1-3, one of the functions
//! that cannot be told from chance by any way that is known. (Aumasson and Bernstein,
//! "SipHash: a fast short-input PRF", 2012.)

use crate::limits::KEY_MAX;

/// The state of four words.
#[derive(Clone, Copy)]
struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
    #[inline(always)]
    fn round(&mut self) {
        self.v0 = self.v0.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(13) ^ self.v0;
        self.v0 = self.v0.rotate_left(32);
        self.v2 = self.v2.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(16) ^ self.v2;
        self.v0 = self.v0.wrapping_add(self.v3);
        self.v3 = self.v3.rotate_left(21) ^ self.v0;
        self.v2 = self.v2.wrapping_add(self.v1);
        self.v1 = self.v1.rotate_left(17) ^ self.v2;
        self.v2 = self.v2.rotate_left(32);
    }

    /// One round per word of the message.
    #[inline(always)]
    fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    /// Three rounds at the end.
    #[inline(always)]
    fn finish(mut self) -> u64 {
        self.v2 ^= 0xff;
        for _ in 0..3 {
            self.round();
        }
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }
}

/// SipHash-1-3 of `bytes` under `key`.
pub fn siphash13([k0, k1]: [u64; 2], bytes: &[u8]) -> u64 {
    let mut state = State {
        v0: k0 ^ 0x736f_6d65_7073_6575,
        v1: k1 ^ 0x646f_7261_6e64_6f6d,
        v2: k0 ^ 0x6c79_6765_6e65_7261,
        v3: k1 ^ 0x7465_6462_7974_6573,
    };
    let mut rest = bytes;
    while let Some((word, tail)) = rest.split_first_chunk::<8>() {
        state.absorb(u64::from_le_bytes(*word));
        rest = tail;
    }
    // The last word: what is left over, and the length modulo 256 on top.
    let length = (bytes.len() as u64).wrapping_shl(56);
    state.absorb(length | few(rest));
    state.finish()
}

/// At most seven bytes, the first in the lowest place.
#[cold]
fn few(bytes: &[u8]) -> u64 {
    let shift_in = |word: u64, byte: &u8| word.wrapping_shl(8) | u64::from(*byte);
    bytes.iter().rev().fold(0, shift_in)
}

/// Bytes of a block of a long key.
const BLOCK: usize = 16;

/// Blocks of the longest key but the last one.
const BLOCKS: usize = (KEY_MAX - 1) / BLOCK;

#[inline(always)]
fn times(coefficient: u128, word: u64) -> u128 {
    coefficient.wrapping_mul(u128::from(word))
}

/// The lower half and the upper one.
#[inline(always)]
fn words(wide: u128) -> [u64; 2] {
    [wide as u64, wide.wrapping_shr(64) as u64]
}

/// The function under a secret.
pub struct Keyed {
    /// Numbers for each length up to a block, and for all that are longer.
    lengths: [u128; BLOCK + 1],
    longer: u128,
    /// Coefficients of the last word, and of that before it.
    last: u128,
    front: u128,
    /// What is added to the words of a long key: to its last block's, and to the others'.
    last_block: [u64; 2],
    blocks: [[u64; 2]; BLOCKS],
    /// Of the bijection: an odd number.
    factor: u64,
    /// For [`Keyed::name`].
    names: [u64; 2],
}

impl Keyed {
    /// The function that belongs to `secret`.
    pub fn new(secret: [u64; 2]) -> Self {
        let mut drawn = 0u64;
        let mut draw = || {
            drawn = drawn.wrapping_add(1);
            siphash13(secret, &drawn.to_le_bytes())
        };
        let mut wide = || u128::from(draw()).wrapping_shl(64) | u128::from(draw());
        Self {
            lengths: core::array::from_fn(|_| wide()),
            longer: wide(),
            last: wide(),
            front: wide(),
            last_block: [draw(), draw()],
            blocks: core::array::from_fn(|_| [draw(), draw()]),
            factor: draw() | 1,
            names: [draw(), draw()],
        }
    }

    /// The hash of a key. Of what is longer than a key can be not all may count.
    #[inline(always)]
    pub fn hash(&self, bytes: &[u8]) -> u64 {
        // None of these is ever missing.
        self.short(bytes)
            .or_else(|| self.long(bytes))
            .map_or(0, |sum| self.finish(sum))
    }

    /// The sum of a key of at most one block.
    #[inline(always)]
    fn short(&self, bytes: &[u8]) -> Option<u128> {
        let number = self.lengths.get(bytes.len())?;
        let last = match bytes.last_chunk::<8>() {
            Some(last) => u64::from_le_bytes(*last),
            None => few(bytes),
        };
        let sum = number.wrapping_add(times(self.last, last));
        if bytes.len() <= 8 {
            return Some(sum);
        }
        let front = u64::from_le_bytes(*bytes.first_chunk()?);
        Some(sum.wrapping_add(times(self.front, front)))
    }

    /// The sum of a longer one: of two words for those of all blocks, and its length.
    #[inline(always)]
    fn long(&self, bytes: &[u8]) -> Option<u128> {
        let product = |block: &[u8; BLOCK], [a, b]: &[u64; 2]| {
            let [low, high] = words(u128::from_le_bytes(*block));
            let [one, other] = [low.wrapping_add(*a), high.wrapping_add(*b)].map(u128::from);
            one.wrapping_mul(other)
        };
        let mut sum = product(bytes.last_chunk()?, &self.last_block);
        sum = sum.wrapping_add(bytes.len() as u128);
        let mut rest = bytes;
        for secret in &self.blocks {
            let (block, behind) = rest.split_first_chunk()?;
            // What is left is in the last.
            if behind.is_empty() {
                break;
            }
            sum = sum.wrapping_add(product(block, secret));
            if behind.len() < BLOCK {
                break;
            }
            rest = behind;
        }
        let [low, high] = words(sum);
        let sum = self.longer.wrapping_add(times(self.last, low));
        Some(sum.wrapping_add(times(self.front, high)))
    }

    #[inline(always)]
    fn finish(&self, sum: u128) -> u64 {
        let [_, high] = words(sum);
        let mixed = (high ^ high.wrapping_shr(32)).wrapping_mul(self.factor);
        mixed ^ mixed.wrapping_shr(32)
    }

    /// A number that tells keys apart like their hash, and does not tell of it: for
    /// who watches.
    #[cold]
    #[inline(never)]
    pub(crate) fn name(&self, hash: u64) -> u64 {
        siphash13(self.names, &hash.to_le_bytes())
    }
}
