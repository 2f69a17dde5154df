// SPDX-License-Identifier: GPL-2.0-only
//! What clients ask of a cache: keys by Zipf's law, and scans in between.

use std::fmt;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::Zipf;

use crate::work::mix;

/// Keys that are asked for by Zipf's law.
pub const KEYS: u64 = 1_000_000;

/// Its exponent: the one that YCSB made usual.
pub const EXPONENT: f64 = 0.99;

/// A scan is so many keys in a row, none of which was or will be asked for.
pub const SCAN: u64 = 20_000;

/// So many requests are between two scans: a third of all belong to one.
pub const BETWEEN: u64 = 2 * SCAN;

/// How long values are.
#[derive(Clone, Copy, Debug)]
pub enum Sizes {
    /// All of so many bytes.
    Fixed(usize),
    /// Each key's of a length of its own, from 16 to 1,024 bytes, evenly spread in
    /// their logarithm.
    Mixed,
}

impl fmt::Display for Sizes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(len) => write!(f, "{len} B"),
            Self::Mixed => f.write_str("16 to 1,024 B"),
        }
    }
}

/// One request.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The number of the key.
    pub key: u64,
    /// It belongs to a scan.
    pub is_scan: bool,
    len: usize,
}

impl Asked {
    /// The key: 16 bytes.
    pub fn name(&self) -> String {
        format!("{:016x}", mix(self.key))
    }

    /// The value with its CRLF, the same for a key each time.
    pub fn value(&self) -> Vec<u8> {
        let mut value = self.name().into_bytes();
        value.resize(self.len, b'v');
        value.extend_from_slice(b"\r\n");
        value
    }
}

/// An endless trace, the same each time.
pub struct Trace {
    random: SmallRng,
    zipf: Zipf<f64>,
    scans: bool,
    sizes: Sizes,
    place: u64,
    scanned: u64,
}

impl Trace {
    /// With or without scans.
    ///
    /// # Panics
    ///
    /// Never: the law's parameters are constants.
    pub fn new(scans: bool, sizes: Sizes) -> Self {
        Self {
            random: SmallRng::seed_from_u64(1),
            zipf: Zipf::new(KEYS as f64, EXPONENT).unwrap(),
            scans,
            sizes,
            place: 0,
            scanned: KEYS,
        }
    }

    fn len(&self, key: u64) -> usize {
        match self.sizes {
            Sizes::Fixed(len) => len,
            Sizes::Mixed => {
                let part = (mix(!key) >> 11) as f64 / (1u64 << 53) as f64;
                (16.0 * 64f64.powf(part)) as usize
            }
        }
    }
}

impl Iterator for Trace {
    type Item = Asked;

    fn next(&mut self) -> Option<Asked> {
        let place = self.place % (BETWEEN + SCAN);
        self.place += 1;
        let is_scan = self.scans && place >= BETWEEN;
        let key = if is_scan {
            self.scanned += 1;
            self.scanned
        } else {
            self.random.sample(self.zipf) as u64
        };
        let len = self.len(key);
        Some(Asked { key, is_scan, len })
    }
}
