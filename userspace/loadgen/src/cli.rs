// SPDX-License-Identifier: GPL-2.0-only

//! Arguments, and the phases of a run.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{ensure, Result};
use clap::{Args, Parser, Subcommand};

use crate::echo;
use crate::items::Items;
use crate::link::{Link, Transport, BATCH_MAX};
use crate::mix::{Mix, Popularity, Recipe, Source};
use crate::pace::{self, Pace};
use crate::progress::Progress;
use crate::report::{Report, Tally};
use crate::session::{Expect, Goal, Session};
use loadgen::sizes::Sizes;

/// The largest value that fits in one request datagram, with its line.
const VALUE_MAX: usize = 65_000;

/// Requests under way while the keys are stored.
const PRELOAD_WINDOW: usize = 16;

/// Load for anything that speaks memcached.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask a server, verify every reply, print one line of JSON
    Run(Box<RunArgs>),
    /// Be a server that sends every datagram back
    Echo(EchoArgs),
}

#[derive(Debug, Args)]
struct EchoArgs {
    /// Address to listen on
    #[arg(long)]
    addr: SocketAddr,
    /// Datagrams per system call
    #[arg(long, default_value_t = 1, value_parser = batch_size)]
    batch: usize,
}

#[derive(Debug, Args)]
struct RunArgs {
    /// Address of the server
    #[arg(long)]
    addr: SocketAddr,
    /// What carries requests and replies
    #[arg(long, value_enum, default_value_t = Transport::Udp)]
    transport: Transport,
    /// What the result is called
    #[arg(long, default_value = "")]
    label: String,
    /// Requests under way (closed loop)
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..=1024))]
    window: u16,
    /// Wait for the whole window's replies, then send the next, and time only
    /// that, not making requests nor judging replies
    #[arg(long, conflicts_with = "rate")]
    rounds: bool,
    /// Requests per second whether or not replies come (open loop)
    #[arg(long)]
    rate: Option<f64>,
    /// Requests in all
    #[arg(long, short = 'n')]
    requests: Option<u64>,
    /// Seconds in all [default: 10, without --requests]
    #[arg(long)]
    duration: Option<f64>,
    /// Requests before anything counts
    #[arg(long, default_value_t = 0)]
    warmup: u64,
    /// Store every key first
    #[arg(long)]
    preload: bool,
    /// Operations and weights: get, miss, set, such as get=90,set=10
    #[arg(long, default_value = "get")]
    mix: Mix,
    /// Keys of one get
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=100))]
    keys_per_get: u16,
    /// How many keys there are
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    keys: u64,
    /// Bytes of a key
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u16).range(10..=250))]
    key_size: u16,
    /// How keys are chosen
    #[arg(long, value_enum, default_value_t = Popularity::Uniform)]
    popularity: Popularity,
    /// Exponent of Zipf's law
    #[arg(long, default_value_t = 0.99)]
    exponent: f64,
    /// Bytes of a value, or sizes and weights: 2:20,320:70,1024:10, or those of
    /// one of Facebook's pools: etc, usr, var, app, sys
    #[arg(long, default_value = "32")]
    value_size: Sizes,
    /// What a reply should be
    #[arg(long, value_enum, default_value_t = Expect::Reply)]
    expect: Expect,
    /// A reply may come as several messages, as memcached 1.6 answers a get of
    /// several keys over UDP
    #[arg(long)]
    split: bool,
    /// Milliseconds until a reply is lost
    #[arg(long, default_value_t = 1000)]
    timeout_ms: u64,
    /// Datagrams per system call
    #[arg(long, default_value_t = BATCH_MAX, value_parser = batch_size)]
    batch: usize,
    /// Where the random numbers begin
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn batch_size(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(size) if (1..=BATCH_MAX).contains(&size) => Ok(size),
        _ => Err(format!("not between 1 and {BATCH_MAX}")),
    }
}

impl Cli {
    /// Does what was asked; false when a reply was wrong or none came.
    pub(crate) fn run(self) -> Result<bool> {
        match self.command {
            Command::Run(args) => args.run(),
            Command::Echo(args) => echo::serve(args.addr, args.batch).map(|()| true),
        }
    }
}

impl RunArgs {
    fn run(&self) -> Result<bool> {
        ensure!(
            self.value_size.largest() <= VALUE_MAX,
            "values of more than {VALUE_MAX} bytes do not fit in a datagram"
        );
        ensure!(
            self.rate.is_none_or(|rate| rate.is_finite() && rate > 0.0),
            "a rate is more than 0"
        );
        let timeout = Duration::from_millis(self.timeout_ms.max(1));
        ensure!(
            self.expect == Expect::Reply || self.transport == Transport::Udp,
            "only datagrams can be sent back"
        );
        let link = Link::connect(self.addr, self.transport, self.batch, timeout)?;
        let items = Items::new(self.key_size.into(), self.value_size.clone());
        let split = self.split && self.transport == Transport::Udp;
        let mut session = Session::new(link, items, self.expect, split, timeout);

        if self.preload {
            self.preload(&mut session)?;
        }
        let mut source = Source::new(&self.recipe())?;
        if self.warmup > 0 {
            let goal = goal(Some(self.warmup), None);
            self.phase(&mut session, &mut source, "warm-up", goal)?;
        }
        session.tally = Tally::new();
        let goal = goal(self.requests, self.duration);
        self.phase(&mut session, &mut source, "load", goal)?;

        let report = Report::new(&self.label, &session.tally);
        println!("{}", serde_json::to_string(&report)?);
        Ok(session.tally.wrong == 0 && session.tally.replies > 0)
    }

    fn recipe(&self) -> Recipe {
        Recipe {
            mix: self.mix,
            keys: self.keys,
            keys_per_get: self.keys_per_get.into(),
            popularity: self.popularity,
            exponent: self.exponent,
            seed: self.seed,
        }
    }

    fn phase(
        &self,
        session: &mut Session,
        source: &mut Source,
        name: &'static str,
        goal: Goal,
    ) -> Result<()> {
        session.tally = Tally::new();
        let window = usize::from(self.window);
        let pace = match self.rate {
            Some(rate) => Pace::Rate(rate),
            None if self.rounds => Pace::Rounds(window),
            None => Pace::Window(window),
        };
        pace::run(session, source, pace, goal, &Progress::new(name, goal))
    }

    /// Stores every key, and insists on it.
    fn preload(&self, session: &mut Session) -> Result<()> {
        let recipe = Recipe {
            mix: "set".parse()?,
            popularity: Popularity::Sequence,
            ..self.recipe()
        };
        let mut source = Source::new(&recipe)?;
        session.tally = Tally::new();
        let goal = goal(Some(self.keys), None);
        let progress = Progress::new("preload", goal);
        pace::run(
            session,
            &mut source,
            Pace::Window(PRELOAD_WINDOW),
            goal,
            &progress,
        )?;
        let tally = &session.tally;
        ensure!(
            tally.stored == self.keys,
            "of {} keys {} were stored, {} refused, {} lost, {} answered wrongly",
            self.keys,
            tally.stored,
            tally.refused,
            tally.lost,
            tally.wrong
        );
        Ok(())
    }
}

fn goal(requests: Option<u64>, seconds: Option<f64>) -> Goal {
    let seconds = match (requests, seconds) {
        (None, None) => Some(10.0),
        (_, seconds) => seconds,
    };
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    Goal {
        requests: requests.unwrap_or(u64::MAX),
        time: time.unwrap_or(Duration::MAX),
    }
}
