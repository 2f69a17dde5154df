// SPDX-License-Identifier: GPL-2.0-only
//! How long values are.

use std::str::FromStr;

use anyhow::{bail, Context, Result};

/// Sizes of values: one, or several with weights, or those of a pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sizes {
    /// Size, and the weight of it and all before.
    steps: Vec<(usize, u64)>,
}

/// The pools of Facebook's memcached that were described in 2012 (Atikoglu et
/// al., "Workload analysis of a large-scale key-value store", SIGMETRICS), with
/// the sizes of their values. Of USR, VAR, APP and SYS it is the size that most
/// values have.
const POOLS: [(&str, &[(usize, u64)]); 4] = [
    ("usr", &[(2, 1)]),
    ("var", &[(320, 1)]),
    ("app", &[(270, 1)]),
    ("sys", &[(500, 1)]),
];

/// The general pool, ETC: below 15 bytes each size has its own share (in 1/100,000).
const ETC_SMALL: [u64; 15] = [
    536, 47, 17_820, 9_239, 18, 2_740, 65, 606, 23, 837, 837, 8_989, 92, 326, 1_980,
];
/// From there on they follow a generalised Pareto distribution of this scale and
/// shape, here in so many steps of equal weight.
const ETC_SCALE: f64 = 214.476;
const ETC_SHAPE: f64 = 0.348_238;
const ETC_STEPS: u64 = 1000;

impl Sizes {
    /// Every value of `size` bytes.
    pub fn fixed(size: usize) -> Self {
        Self {
            steps: vec![(size, 1)],
        }
    }

    /// That of the value of key number `key`.
    pub fn of(&self, key: u64) -> usize {
        let total = self.steps.last().map_or(1, |(_, sum)| *sum);
        let point = scramble(key) % total;
        let step = self.steps.partition_point(|(_, sum)| *sum <= point);
        self.steps.get(step).map_or(0, |(size, _)| *size)
    }

    fn from_weights(weights: impl IntoIterator<Item = (usize, u64)>) -> Self {
        let mut sum = 0;
        let add = |(size, weight)| {
            sum += weight;
            (size, sum)
        };
        Self {
            steps: weights.into_iter().map(add).collect(),
        }
    }

    fn etc() -> Self {
        let small = ETC_SMALL.iter().enumerate();
        let small = small.map(|(size, &share)| (size, share * ETC_STEPS));
        let share = 100_000 - ETC_SMALL.iter().sum::<u64>();
        let large = (0..ETC_STEPS).map(|step| {
            // The middle of the step, and what part of all is above it.
            let above = 1.0 - (step as f64 + 0.5) / ETC_STEPS as f64;
            let beyond = ETC_SCALE / ETC_SHAPE * (above.powf(-ETC_SHAPE) - 1.0);
            (ETC_SMALL.len() + beyond as usize, share)
        });
        Self::from_weights(small.chain(large))
    }

    /// The largest that occurs.
    pub fn largest(&self) -> usize {
        self.steps.iter().map(|(size, _)| *size).max().unwrap_or(0)
    }
}

impl FromStr for Sizes {
    type Err = anyhow::Error;

    /// `32`, or `2:20,320:70,1024:10` (size and weight), or a pool: `etc`, `usr`…
    fn from_str(text: &str) -> Result<Self> {
        if text == "etc" {
            return Ok(Self::etc());
        }
        if let Some((_, weights)) = POOLS.iter().find(|(name, _)| *name == text) {
            return Ok(Self::from_weights(weights.iter().copied()));
        }
        let mut weights = Vec::new();
        for part in text.split(',') {
            let (size, weight) = part.split_once(':').unwrap_or((part, "1"));
            let size = size.parse().with_context(|| format!("no size: {size}"))?;
            let weight: u32 = weight
                .parse()
                .with_context(|| format!("no weight: {weight}"))?;
            weights.push((size, weight.into()));
        }
        if weights.iter().all(|(_, weight)| *weight == 0) {
            bail!("all weights are 0");
        }
        Ok(Self::from_weights(weights))
    }
}

/// The finaliser of splitmix64: a bijection without visible pattern.
pub fn scramble(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_by_weight() {
        let sizes: Sizes = "2:1,32:3".parse().unwrap();
        let large = (0..10_000).filter(|key| sizes.of(*key) == 32).count();
        assert!((7_000..8_000).contains(&large), "{large}");
        assert_eq!(sizes.largest(), 32);
    }

    #[test]
    fn the_general_pool_is_as_it_was_published() {
        let sizes: Sizes = "etc".parse().unwrap();
        let all: Vec<_> = (0..100_000).map(|key| sizes.of(key)).collect();
        let share = |is: fn(usize) -> bool| {
            all.iter().filter(|size| is(**size)).count() as f64 / all.len() as f64
        };
        assert!((0.173..0.184).contains(&share(|size| size == 2)));
        assert!((0.086..0.094).contains(&share(|size| size == 11)));
        // Of the rest (0.558) half are above the median, 15 + 168.
        assert!((0.27..0.29).contains(&share(|size| size > 183)));
        assert!(sizes.largest() < 10_000);
    }

    #[test]
    fn nonsense_is_no_size() {
        for text in ["", "a", "1:", "1:x", "3:0"] {
            assert!(text.parse::<Sizes>().is_err(), "{text}");
        }
    }
}
