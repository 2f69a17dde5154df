// SPDX-License-Identifier: GPL-2.0-only
//! What a store is made with, and why it may not be.

use core::fmt;

use crate::decimal;
use crate::limits::{
    GROWTH_MAX, GROWTH_MIN, ITEM_MAX, ITEM_MAX_MIN, MIN_CHUNK_MAX, MIN_CHUNK_MIN, STRIPES_MAX,
};
use crate::platform::NoMemory;

/// What a store is made with, besides memory.
#[derive(Clone, Debug)]
pub struct Config {
    /// Key of the table's hash: random, and known to nobody.
    pub hash_key: [u64; 2],
    /// Bytes of the region and all else that the store takes, see
    /// [`Kv::beside`](super::Kv::beside). A region that is not shorter is all that
    /// counts.
    pub memory: usize,
    /// Locks of the table, a power of two; 1 is a global lock.
    pub stripes: usize,
    /// Bytes that the smallest chunk has for an item's key, flags and data; the
    /// header comes on top of that.
    pub min_chunk: usize,
    /// How large a class's chunks are in hundredths of the next smaller ones'.
    pub growth_percent: usize,
    /// Largest item as memcached counts it, its own header included.
    pub item_max: usize,
}

impl Config {
    /// The defaults, with a key.
    pub fn new(hash_key: [u64; 2]) -> Self {
        Self {
            hash_key,
            memory: 0,
            stripes: 256,
            min_chunk: 32,
            growth_percent: 125,
            item_max: ITEM_MAX,
        }
    }

    /// The first value that is out of range: for hosts that take these values
    /// from somebody, who is to be told.
    pub fn wrong(&self) -> Option<Wrong> {
        let stripes = 1..=STRIPES_MAX;
        if !(MIN_CHUNK_MIN..=MIN_CHUNK_MAX).contains(&self.min_chunk) {
            Some(Wrong::MinChunk(self.min_chunk))
        } else if !(GROWTH_MIN..=GROWTH_MAX).contains(&self.growth_percent) {
            Some(Wrong::Growth(self.growth_percent))
        } else if !(ITEM_MAX_MIN..=ITEM_MAX).contains(&self.item_max) {
            Some(Wrong::ItemMax(self.item_max))
        } else if !stripes.contains(&self.stripes) || !self.stripes.is_power_of_two() {
            Some(Wrong::Stripes(self.stripes))
        } else {
            None
        }
    }

    /// This, with the nearest that is in range instead of what is not.
    pub(super) fn mended(&self) -> Self {
        Self {
            hash_key: self.hash_key,
            memory: self.memory,
            stripes: self.stripes.clamp(1, STRIPES_MAX).next_power_of_two(),
            min_chunk: self.min_chunk.clamp(MIN_CHUNK_MIN, MIN_CHUNK_MAX),
            growth_percent: self.growth_percent.clamp(GROWTH_MIN, GROWTH_MAX),
            item_max: self.item_max.clamp(ITEM_MAX_MIN, ITEM_MAX),
        }
    }
}

/// A value of a [`Config`] that is out of range. Shown as a line for people,
/// under the name that hosts give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// [`Config::min_chunk`]
    MinChunk(usize),
    /// [`Config::growth_percent`]
    Growth(usize),
    /// [`Config::item_max`]
    ItemMax(usize),
    /// [`Config::stripes`]
    Stripes(usize),
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let factor = |percent: usize| (percent / 100, percent % 100);
        match *self {
            Wrong::MinChunk(given) => write!(
                f,
                "min_chunk={given} is out of range: give {MIN_CHUNK_MIN} to {MIN_CHUNK_MAX} (bytes)"
            ),
            Wrong::Growth(given) => {
                let ((a, b), (c, d)) = (factor(GROWTH_MIN), factor(GROWTH_MAX));
                let (whole, part) = factor(given);
                write!(
                    f,
                    "growth={whole}.{part:02} is out of range: give {a}.{b:02} to {c}.{d:02}"
                )
            }
            Wrong::ItemMax(given) => write!(
                f,
                "item_max={given} is out of range: give {ITEM_MAX_MIN} to {ITEM_MAX} (bytes)"
            ),
            Wrong::Stripes(given) => write!(
                f,
                "stripes={given} is not a power of two from 1 to {STRIPES_MAX}"
            ),
        }
    }
}

/// Reads a growth factor as people write it, `1.25`: in hundredths. `None` when
/// it is no number, or has more than two decimals.
pub fn parse_growth(text: &[u8]) -> Option<usize> {
    let mut halves = text.splitn(2, |byte| *byte == b'.');
    let whole = decimal::parse(halves.next()?)?;
    let hundredths = match halves.next() {
        None => 0,
        Some(tenths @ [_]) => decimal::parse(tenths)?.checked_mul(10)?,
        Some(digits @ [_, _]) => decimal::parse(digits)?,
        Some(_) => return None,
    };
    let growth = whole.checked_mul(100)?.checked_add(hundredths)?;
    usize::try_from(growth).ok()
}

/// Why a store could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The region is below [`MEMORY_MIN`](crate::limits::MEMORY_MIN).
    RegionTooSmall,
    /// The region is above [`MEMORY_MAX`](crate::limits::MEMORY_MAX).
    RegionTooLarge,
    /// The host could not provide a lock.
    NoMemory,
}

impl From<NoMemory> for Error {
    fn from(_: NoMemory) -> Self {
        Error::NoMemory
    }
}
