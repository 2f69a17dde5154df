// SPDX-License-Identifier: GPL-2.0-only

//! Plays the table of cases against one server.
//!
//! Cases that only wait for time to pass are left waiting together and taken
//! up again when the others are done. Those that change the whole store, or
//! want a server of their own, come last, one by one.

mod exchange;
mod play;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use regex::Regex;

use crate::case::Case;
use crate::client::{Client, Unavailable};
use crate::server::Server;
use exchange::Exchange;
use play::{Play, Progress};

/// Which server is asked, since one of them has known differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Target {
    /// Debian's memcached
    Oracle,
    /// unbuckle in userspace
    Twin,
    /// unbuckle in the kernel
    Module,
}

/// How to run the table.
#[derive(Debug, Clone)]
pub struct Options {
    /// who answers
    pub target: Target,
    /// where
    pub addr: SocketAddr,
    /// how long an answer may take
    pub timeout: Duration,
    /// only cases whose name matches
    pub filter: Option<Regex>,
    /// also cases with datagrams that need IP fragments
    pub large: bool,
    /// source ports do not reach the server unchanged
    pub nat: bool,
}

/// What became of one case.
#[derive(Debug)]
pub enum Verdict {
    /// all steps as expected, with the reasons of differences seen
    Passed(Vec<String>),
    /// what was sent, expected and got
    Failed(String),
    /// why it was not run
    Skipped(String),
}

/// All verdicts, in the order in which they were reached.
#[derive(Debug, Default)]
pub struct Summary {
    /// name and verdict
    pub verdicts: Vec<(String, Verdict)>,
}

impl Summary {
    /// Cases passed, failed and skipped.
    pub fn counts(&self) -> (usize, usize, usize) {
        let count = |f: fn(&Verdict) -> bool| self.verdicts.iter().filter(|(_, v)| f(v)).count();
        (
            count(|v| matches!(v, Verdict::Passed(_))),
            count(|v| matches!(v, Verdict::Failed(_))),
            count(|v| matches!(v, Verdict::Skipped(_))),
        )
    }

    /// The closing line.
    pub fn line(&self) -> String {
        let (passed, failed, skipped) = self.counts();
        let mut line = format!("{passed} passed, {failed} failed");
        if skipped > 0 {
            line.push_str(&format!(", {skipped} skipped"));
        }
        line
    }
}

/// The runner and what it holds while at work.
pub struct Runner {
    options: Options,
    server: Option<Server>,
    exchange: Exchange,
    /// a case has left the server of our own in an unknown state
    upset: bool,
}

impl Runner {
    /// A runner for a server that is there already, or for `server`, which
    /// may be restarted.
    pub fn new(options: Options, server: Option<Server>) -> Result<Self> {
        let client = Client::connect(options.addr)?;
        let exchange = Exchange::new(client, options.timeout);
        Ok(Self {
            options,
            server,
            exchange,
            upset: false,
        })
    }

    /// Runs all of `cases`; `tick` is called with each verdict.
    pub fn run(&mut self, cases: &[Case], mut tick: impl FnMut(&str, &Verdict)) -> Summary {
        let mut summary = Summary::default();
        let mut done = |play: &Play<'_>, verdict: Verdict| {
            tick(&play.case.name, &verdict);
            summary.verdicts.push((play.case.name.clone(), verdict));
        };
        let wanted = |c: &&Case| match &self.options.filter {
            Some(filter) => filter.is_match(&c.name),
            None => true,
        };
        let tag: u16 = rand::random();
        let plays = cases.iter().filter(wanted).enumerate();
        let plays = plays.map(|(at, case)| Play::new(case, tag, at));
        let (alone, together): (Vec<_>, Vec<_>) = plays.partition(|p| self.wants_alone(p.case));

        let mut parked = Vec::new();
        for mut play in together {
            match self.advance(&mut play, true) {
                Some(verdict) => done(&play, verdict),
                None => parked.push(play),
            }
        }
        parked.sort_by_key(Play::resume_at);
        for mut play in parked.into_iter().chain(alone) {
            if let Some(verdict) = self.advance(&mut play, false) {
                done(&play, verdict);
            }
        }
        summary
    }

    fn wants_alone(&self, case: &Case) -> bool {
        case.exclusive || self.wants_fresh(case)
    }

    fn wants_fresh(&self, case: &Case) -> bool {
        case.fresh || (case.oracle_fresh && self.options.target == Target::Oracle)
    }

    /// Takes a case up to its end, or, with `park`, to its first pause.
    fn advance(&mut self, play: &mut Play<'_>, park: bool) -> Option<Verdict> {
        if let Some(reason) = self.reason_to_skip(play.case) {
            return Some(Verdict::Skipped(reason));
        }
        match self.try_advance(play, park) {
            Ok(Progress::Parked) => None,
            Ok(Progress::Ended) => Some(Verdict::Passed(std::mem::take(&mut play.differences))),
            Err(e) => {
                self.exchange.settle();
                if let Some(Unavailable(what)) = e.downcast_ref() {
                    return Some(Verdict::Skipped(what.clone()));
                }
                Some(Verdict::Failed(format!("{e:#}")))
            }
        }
    }

    fn try_advance(&mut self, play: &mut Play<'_>, park: bool) -> Result<Progress> {
        let fresh = self.wants_fresh(play.case);
        if fresh || self.upset {
            if let Some(server) = &mut self.server {
                server.restart()?;
                self.exchange.reconnect(self.options.addr)?;
            }
        }
        self.upset = fresh;
        play.advance(&mut self.exchange, &self.options, park)
    }

    fn reason_to_skip(&self, case: &Case) -> Option<String> {
        if let (Some(why), Target::Oracle) = (&case.oracle_skip, self.options.target) {
            return Some(why.clone());
        }
        if case.large && !self.options.large {
            return Some("large datagrams are excluded".into());
        }
        if self.options.nat && case.steps.iter().any(|s| s.from_server_port) {
            return Some("source ports are changed on the way".into());
        }
        if self.wants_fresh(case) && self.server.is_none() {
            return Some("wants a fresh server, and this one is not ours to restart".into());
        }
        None
    }
}
