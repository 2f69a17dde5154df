// SPDX-License-Identifier: GPL-2.0-only
//! SipHash-1-3, keyed: nobody who does not know the key can aim for one bucket.
//! (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.)

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

/// The hash of `bytes` under `key`.
#[inline(always)]
pub fn siphash13(key: [u64; 2], bytes: &[u8]) -> u64 {
    Keyed::new(key).hash(bytes)
}

/// The function under a key, made ready.
#[derive(Clone, Copy)]
pub(crate) struct Keyed(State);

impl Keyed {
    #[inline(always)]
    pub(crate) fn new([k0, k1]: [u64; 2]) -> Self {
        Self(State {
            v0: k0 ^ 0x736f_6d65_7073_6575,
            v1: k1 ^ 0x646f_7261_6e64_6f6d,
            v2: k0 ^ 0x6c79_6765_6e65_7261,
            v3: k1 ^ 0x7465_6462_7974_6573,
        })
    }

    #[inline(always)]
    pub(crate) fn hash(&self, bytes: &[u8]) -> u64 {
        // Never 0 for want of going on.
        self.hash_while(bytes, |_| true).unwrap_or(0)
    }

    /// As [`Keyed::hash`], for as long as `go_on` says so: it is shown all the bytes
    /// meanwhile, eight at a time: some of them twice perhaps, and in place of those
    /// that are missing 255.
    #[inline(always)]
    pub(crate) fn hash_while(&self, bytes: &[u8], go_on: impl Fn(u64) -> bool) -> Option<u64> {
        let mut state = self.0;
        let mut rest = bytes;
        while let Some((word, tail)) = rest.split_first_chunk::<8>() {
            let word = u64::from_le_bytes(*word);
            if !go_on(word) {
                return None;
            }
            state.absorb(word);
            rest = tail;
        }
        // The last word: what is left over, and the length modulo 256 on top.
        let left = (bytes.len() % 8) as u32;
        let low = match bytes.last_chunk::<8>() {
            _ if left == 0 => 0,
            // The last eight bytes, those absorbed before shifted out.
            Some(word) => {
                let word = u64::from_le_bytes(*word);
                if !go_on(word) {
                    return None;
                }
                word.wrapping_shr(64u32.wrapping_sub(left.wrapping_mul(8)))
            }
            None => {
                let shift_in = |word: u64, byte: &u8| word.wrapping_shl(8) | u64::from(*byte);
                let word = rest.iter().rev().fold(0, shift_in);
                if !go_on(word | u64::MAX.wrapping_shl(left.wrapping_mul(8))) {
                    return None;
                }
                word
            }
        };
        let length = (bytes.len() as u64).wrapping_shl(56);
        state.absorb(length | low);
        Some(state.finish())
    }
}
