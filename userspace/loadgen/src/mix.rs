// SPDX-License-Identifier: GPL-2.0-only

//! What is asked for: which operations, and which keys.

use std::str::FromStr;

use anyhow::{bail, ensure, Context, Result};
use clap::ValueEnum;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use rand_distr::{Distribution, Zipf};

use crate::wire::Request;

/// How keys are chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Popularity {
    /// Each as often as any other
    Uniform,
    /// A few make most of the requests (Zipf's law)
    Zipf,
    /// One after the other
    Sequence,
}

/// Weights of the operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mix {
    pub(crate) get: u32,
    pub(crate) miss: u32,
    pub(crate) set: u32,
}

impl FromStr for Mix {
    type Err = anyhow::Error;

    /// `get`, or `get=90,set=10`.
    fn from_str(text: &str) -> Result<Self> {
        let mut mix = Self {
            get: 0,
            miss: 0,
            set: 0,
        };
        for part in text.split(',') {
            let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
            let weight = weight
                .parse()
                .with_context(|| format!("no weight: {weight}"))?;
            match name {
                "get" => mix.get = weight,
                "miss" => mix.miss = weight,
                "set" => mix.set = weight,
                _ => bail!("no operation: {name} (get, miss and set are)"),
            }
        }
        ensure!(mix.total() > 0, "all weights are 0");
        Ok(mix)
    }
}

impl Mix {
    fn total(self) -> u64 {
        u64::from(self.get) + u64::from(self.miss) + u64::from(self.set)
    }
}

/// Makes requests, the same ones for the same seed.
#[derive(Debug)]
pub(crate) struct Source {
    rng: SmallRng,
    mix: Mix,
    keys: u64,
    keys_per_get: usize,
    choice: Choice,
}

#[derive(Debug)]
enum Choice {
    Uniform,
    Zipf(Zipf<f64>),
    Sequence(u64),
}

/// What a [`Source`] is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Recipe {
    pub(crate) mix: Mix,
    pub(crate) keys: u64,
    pub(crate) keys_per_get: usize,
    pub(crate) popularity: Popularity,
    pub(crate) exponent: f64,
    pub(crate) seed: u64,
}

impl Source {
    /// A source of requests for keys from 0 to `keys` - 1.
    pub(crate) fn new(recipe: &Recipe) -> Result<Self> {
        let choice = match recipe.popularity {
            Popularity::Uniform => Choice::Uniform,
            Popularity::Sequence => Choice::Sequence(0),
            Popularity::Zipf => {
                Choice::Zipf(Zipf::new(recipe.keys as f64, recipe.exponent).context("no Zipf law")?)
            }
        };
        Ok(Self {
            rng: SmallRng::seed_from_u64(recipe.seed),
            mix: recipe.mix,
            keys: recipe.keys,
            keys_per_get: recipe.keys_per_get,
            choice,
        })
    }

    fn key(&mut self) -> u64 {
        match &mut self.choice {
            Choice::Uniform => self.rng.random_range(0..self.keys),
            Choice::Zipf(law) => (law.sample(&mut self.rng) as u64).clamp(1, self.keys) - 1,
            Choice::Sequence(next) => {
                let key = *next;
                *next = (key + 1) % self.keys;
                key
            }
        }
    }

    /// The next request.
    pub(crate) fn next(&mut self) -> Request {
        let point = self.rng.random_range(0..self.mix.total());
        let get = u64::from(self.mix.get);
        if point < get {
            Request::Get((0..self.keys_per_get).map(|_| self.key()).collect())
        } else if point < get + u64::from(self.mix.miss) {
            Request::Miss(self.key())
        } else {
            Request::Set(self.key(), self.rng.random())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(mix: &str, popularity: Popularity) -> Recipe {
        Recipe {
            mix: mix.parse().unwrap(),
            keys: 1000,
            keys_per_get: 1,
            popularity,
            exponent: 0.99,
            seed: 1,
        }
    }

    #[test]
    fn a_mix_is_kept() {
        let mut source = Source::new(&recipe("get=90,set=10", Popularity::Uniform)).unwrap();
        let sets = (0..100_000)
            .filter(|_| matches!(source.next(), Request::Set(..)))
            .count();
        assert!((9_500..10_500).contains(&sets), "{sets}");
    }

    #[test]
    fn zipf_prefers_the_first() {
        let mut source = Source::new(&recipe("get", Popularity::Zipf)).unwrap();
        let first = Request::Get(vec![0]);
        let hot = (0..10_000).filter(|_| source.next() == first).count();
        // 1 of the 1,000th generalised harmonic number of order 0.99: 12.9 %.
        assert!((1_150..1_450).contains(&hot), "{hot}");
    }

    #[test]
    fn one_seed_is_one_sequence() {
        let mut a = Source::new(&recipe("get=1,miss=1,set=1", Popularity::Zipf)).unwrap();
        let mut b = Source::new(&recipe("get=1,miss=1,set=1", Popularity::Zipf)).unwrap();
        assert!((0..100).all(|_| a.next() == b.next()));
    }

    #[test]
    fn every_key_has_its_turn() {
        let mut source = Source::new(&recipe("get", Popularity::Sequence)).unwrap();
        for key in (0..1000).chain(0..10) {
            assert_eq!(source.next(), Request::Get(vec![key]));
        }
    }

    #[test]
    fn nonsense_is_no_mix() {
        for text in ["", "put", "get=x", "get=0"] {
            assert!(text.parse::<Mix>().is_err(), "{text}");
        }
    }
}
