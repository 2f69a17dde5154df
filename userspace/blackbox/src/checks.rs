// SPDX-License-Identifier: GPL-2.0-only

//! The seven timed checks: does the server keep what it is given, and does
//! every byte it answers belong where it is answered?
//!
//! Nothing is sent twice: a request without an answer is a loss, and is
//! reported as one.

mod corrupt;
mod format;
mod loss;
mod order;
mod retrieve;
mod session;
mod store;
mod value;
mod values;

use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{bail, Result};
use indicatif::{ProgressBar, ProgressStyle};
use rand::rngs::StdRng;
use rand::SeedableRng;

use crate::runner::Target;

/// How long, how fast, and which.
#[derive(Debug, Clone, clap::Args)]
pub struct Config {
    /// Seconds for all checks together, split evenly
    #[arg(long, default_value_t = 30.0)]
    pub duration: f64,
    /// Requests a second in the check of losses; the others go up to five
    /// times as fast, each waiting for its answers
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: u32,
    /// Seed of the random choices
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Only the check of this name
    #[arg(long, value_name = "NAME")]
    pub only: Option<String>,
    /// Milliseconds after which an answer counts as lost
    #[arg(long, default_value_t = 1000)]
    pub timeout_ms: u64,
    /// No datagrams that need IP fragments
    #[arg(long)]
    pub no_large: bool,
    /// Who is asked; the oracle gets no multi-get, which it answers in its
    /// own way
    #[arg(long, value_enum, default_value_t = Target::Twin)]
    pub target: Target,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            duration: 30.0,
            rate: 200,
            seed: 1,
            only: None,
            timeout_ms: 1000,
            no_large: false,
            target: Target::Twin,
        }
    }
}

/// What a check works with.
pub(crate) struct Context {
    addr: SocketAddr,
    rng: StdRng,
    /// part of every key, so that runs do not meet
    tag: String,
    until: Instant,
    timeout: Duration,
    rate: u32,
    large: bool,
    multi_get: bool,
}

impl Context {
    fn running(&self) -> bool {
        Instant::now() < self.until
    }
}

/// What a check has seen.
#[derive(Debug, Default, Clone)]
pub struct Report {
    /// requests that want an answer
    pub requests: u64,
    /// whole answers to them
    pub replies: u64,
    /// requests without an answer in time
    pub lost: u64,
    /// answers that are wrong, and datagrams that answer nothing
    pub mismatched: u64,
    /// the first few faults
    pub faults: Vec<String>,
    /// what this check alone has counted
    pub detail: String,
}

impl Report {
    /// Something was asked, all of it was answered, and rightly.
    pub fn passed(&self) -> bool {
        self.replies > 0 && self.replies == self.requests && self.lost == 0 && self.mismatched == 0
    }

    /// Counts a wrong answer.
    pub(crate) fn mismatch(&mut self, fault: String) {
        self.mismatched += 1;
        self.note(fault);
    }

    pub(crate) fn note(&mut self, fault: String) {
        if self.faults.len() < 5 {
            self.faults.push(fault);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            requests,
            replies,
            lost,
            mismatched,
            ..
        } = self;
        write!(
            f,
            "{requests} requests, {replies} replies, {lost} lost, {mismatched} mismatched"
        )?;
        if !self.detail.is_empty() {
            write!(f, "; {}", self.detail)?;
        }
        Ok(())
    }
}

type Check = fn(&mut Context) -> Result<Report>;

/// The checks, by the names that `--only` takes.
const CHECKS: [(&str, &str, Check); 7] = [
    ("store", "what is sent to be stored is STORED", store::run),
    ("retrieve", "what was stored is found", retrieve::run),
    (
        "format",
        "every reply is well formed to the byte",
        format::run,
    ),
    ("corrupt", "no reply holds another's bytes", corrupt::run),
    (
        "order",
        "sequences are whole, and no older value comes back",
        order::run,
    ),
    (
        "loss",
        "at a modest rate every request is answered",
        loss::run,
    ),
    (
        "values",
        "values read back equal what was written",
        values::run,
    ),
];

/// The names of the checks.
pub fn names() -> impl Iterator<Item = &'static str> {
    CHECKS.iter().map(|(name, _, _)| *name)
}

/// Runs the checks and prints a line for each; false when one failed.
pub fn run(addr: SocketAddr, config: &Config) -> Result<bool> {
    let (mut passed, mut failed) = (0, 0);
    run_each(addr, config, |name, what, report| {
        let verdict = if report.passed() {
            passed += 1;
            "ok  "
        } else {
            failed += 1;
            "FAIL"
        };
        println!("{verdict} {name}: {what}: {report}");
        for fault in &report.faults {
            println!("       {fault}");
        }
    })?;
    println!("{passed} passed, {failed} failed");
    Ok(failed == 0 && passed > 0)
}

/// Runs the checks; `done` gets name, meaning and report of each.
pub fn run_each(
    addr: SocketAddr,
    config: &Config,
    mut done: impl FnMut(&str, &str, &Report),
) -> Result<()> {
    let wanted = |name: &str| config.only.as_deref().is_none_or(|only| only == name);
    let chosen: Vec<_> = CHECKS.iter().filter(|(name, _, _)| wanted(name)).collect();
    if chosen.is_empty() {
        let known: Vec<_> = names().collect();
        bail!("no such check; there are {}", known.join(", "));
    }
    let share = Duration::try_from_secs_f64(config.duration / chosen.len() as f64)?;
    let bar = ProgressBar::new(chosen.len() as u64);
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} checks {elapsed} {msg}",
    )?);
    bar.enable_steady_tick(Duration::from_millis(200));
    for (name, what, check) in chosen {
        bar.set_message(*name);
        let mut context = Context {
            addr,
            rng: StdRng::seed_from_u64(config.seed),
            tag: format!("{:08x}", rand::random::<u32>()),
            until: Instant::now() + share,
            timeout: Duration::from_millis(config.timeout_ms),
            rate: config.rate,
            large: !config.no_large,
            multi_get: config.target != Target::Oracle,
        };
        let report = check(&mut context)?;
        bar.inc(1);
        bar.suspend(|| done(name, what, &report));
    }
    bar.finish_and_clear();
    Ok(())
}
