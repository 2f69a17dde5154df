// SPDX-License-Identifier: GPL-2.0-only
//! SipHash-1-3, keyed: nobody who does not know the key can aim for one bucket.
//! (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012.)

/// The state of four words.
struct State {
    v0: u64,
    v1: u64,
    v2: u64,
    v3: u64,
}

impl State {
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
    fn absorb(&mut self, word: u64) {
        self.v3 ^= word;
        self.round();
        self.v0 ^= word;
    }

    /// Three rounds at the end.
    fn finish(mut self) -> u64 {
        self.v2 ^= 0xff;
        for _ in 0..3 {
            self.round();
        }
        self.v0 ^ self.v1 ^ self.v2 ^ self.v3
    }
}

/// The hash of `bytes` under `key`.
pub fn siphash13(key: [u64; 2], bytes: &[u8]) -> u64 {
    let [k0, k1] = key;
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
    let low = rest
        .iter()
        .rev()
        .fold(0u64, |word, byte| word.wrapping_shl(8) | u64::from(*byte));
    let length = (bytes.len() as u64).wrapping_shl(56);
    state.absorb(length | low);
    state.finish()
}
