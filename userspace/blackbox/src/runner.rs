// SPDX-License-Identifier: GPL-2.0-only

//! Plays the table of cases against one server.
//!
//! Cases that only wait for time to pass are left waiting together and taken
//! up again when the others are done. Those that change the whole store, or
//! want a server of their own, come last, one by one.
//!
//! Over TCP each case can also be played many times, each time with every
//! request cut in two at another place.

mod cut;
mod exchange;
mod play;
mod round;
mod stream;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{ensure, Result};
use regex::Regex;

use crate::case::{Case, Transport};
use crate::client::{Client, Unavailable};
use crate::server::Server;
use exchange::Exchange;
use play::{Play, Progress};
use round::Round;
use stream::Stream;

/// How long a busy oracle is left alone before it is asked again.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

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
    /// over what
    pub transport: Transport,
    /// cut each request at every place there is (TCP only)
    pub cut: bool,
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
    /// requests that were sent in two pieces
    pub cuts: usize,
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

/// The way to the server.
enum Link {
    Udp(Exchange),
    Tcp(Box<Stream>),
}

impl Link {
    fn new(options: &Options) -> Result<Self> {
        let (addr, timeout) = (options.addr, options.timeout);
        Ok(match options.transport {
            Transport::Udp => Self::Udp(Exchange::new(Client::connect(addr)?, timeout)),
            Transport::Tcp => Self::Tcp(Box::new(Stream::new(addr, timeout))),
        })
    }

    /// After a restart: nothing for the old server can be heard.
    fn reconnect(&mut self, addr: SocketAddr) -> Result<()> {
        match self {
            Self::Udp(exchange) => exchange.reconnect(addr)?,
            Self::Tcp(stream) => stream.reset(),
        }
        Ok(())
    }

    /// After a failure: nothing of it counts against the next case.
    fn settle(&mut self) {
        match self {
            Self::Udp(exchange) => exchange.settle(),
            Self::Tcp(stream) => stream.reset(),
        }
    }
}

/// The runner and what it holds while at work.
pub struct Runner {
    options: Options,
    server: Option<Server>,
    link: Link,
    /// a case has left the server of our own in an unknown state
    upset: bool,
}

impl Runner {
    /// A runner for a server that is there already, or for `server`, which
    /// may be restarted.
    pub fn new(options: Options, server: Option<Server>) -> Result<Self> {
        ensure!(
            !options.cut || options.transport == Transport::Tcp,
            "only a stream can be cut"
        );
        let link = Link::new(&options)?;
        Ok(Self {
            options,
            server,
            link,
            upset: false,
        })
    }

    /// Runs all of `cases` that this transport can carry; `tick` is called
    /// with each verdict.
    pub fn run(&mut self, cases: &[Case], tick: impl FnMut(&str, &Verdict)) -> Summary {
        let tag: u16 = rand::random();
        let mut round = Round::new(tick);
        let (mut together, mut alone) = (Vec::new(), Vec::new());
        for case in cases.iter().filter(|c| self.wants(c)) {
            let list = if self.wants_alone(case) {
                &mut alone
            } else {
                &mut together
            };
            for cut in self.cuts(case) {
                list.push(Play::new(case, tag, round.plays, cut));
                round.expect(case);
            }
        }
        self.take_turns(together, &mut round);
        for play in alone {
            self.take_turns(vec![play], &mut round);
        }
        round.summary
    }

    /// Plays each to its first pause, and then, in the order in which their
    /// pauses end, to the next, until all have ended.
    fn take_turns<'a, T>(&mut self, plays: Vec<Play<'a>>, round: &mut Round<'a, T>)
    where
        T: FnMut(&str, &Verdict),
    {
        let mut parked = Vec::new();
        for play in plays {
            parked.extend(self.turn(play, round));
        }
        while let Some(next) = (0..parked.len()).min_by_key(|&i| parked[i].resume_at()) {
            let play = parked.swap_remove(next);
            play.sleep();
            parked.extend(self.turn(play, round));
        }
    }

    /// The play when it has come to a pause, nothing when it has ended.
    fn turn<'a, T>(&mut self, mut play: Play<'a>, round: &mut Round<'a, T>) -> Option<Play<'a>>
    where
        T: FnMut(&str, &Verdict),
    {
        if round.has_failed(play.case) {
            round.ended(&play, None);
            return None;
        }
        match self.advance(&mut play) {
            Some(verdict) => round.ended(&play, Some(verdict)),
            None => return Some(play),
        }
        None
    }

    /// Where the plays of a case cut its requests: each at that place of the
    /// list of its places. One play that cuts nothing, when none is asked for.
    fn cuts(&self, case: &Case) -> Vec<Option<usize>> {
        if !self.options.cut {
            return vec![None];
        }
        let most = play::most_places(case);
        let waits = case.steps.iter().any(|s| s.wait_ms > 0);
        // What must be alone and waits as well takes too long for all.
        if case.fresh || (waits && self.wants_alone(case)) {
            return [0, most / 2, most.saturating_sub(1)].map(Some).to_vec();
        }
        (0..most).map(Some).collect()
    }

    fn wants(&self, case: &Case) -> bool {
        let filter = self.options.filter.as_ref();
        case.runs_over(self.options.transport) && filter.is_none_or(|f| f.is_match(&case.name))
    }

    fn wants_alone(&self, case: &Case) -> bool {
        case.exclusive || self.wants_fresh(case)
    }

    fn wants_fresh(&self, case: &Case) -> bool {
        // Over TCP only the connection is upset, and that is made anew.
        let upset = case.oracle_fresh && self.options.transport == Transport::Udp;
        case.fresh || (upset && self.options.target == Target::Oracle)
    }

    /// Takes a case up to its end, or to its next pause.
    fn advance(&mut self, play: &mut Play<'_>) -> Option<Verdict> {
        if let Some(reason) = self.reason_to_skip(play.case) {
            return Some(Verdict::Skipped(reason));
        }
        match self.try_advance(play) {
            Ok(Progress::Parked) => None,
            Ok(Progress::Ended) => Some(Verdict::Passed(std::mem::take(&mut play.differences))),
            Err(e) => {
                self.link.settle();
                if let Some(Unavailable(what)) = e.downcast_ref() {
                    return Some(Verdict::Skipped(what.clone()));
                }
                Some(Verdict::Failed(format!("{e:#}")))
            }
        }
    }

    fn try_advance(&mut self, play: &mut Play<'_>) -> Result<Progress> {
        let fresh = self.wants_fresh(play.case);
        if (fresh && !play.begun()) || self.upset {
            if let Some(server) = &mut self.server {
                server.restart()?;
                self.link.reconnect(self.options.addr)?;
            }
        }
        self.upset = fresh;
        play.advance(&mut self.link, &self.options)
    }

    fn reason_to_skip(&self, case: &Case) -> Option<String> {
        if let (Some(why), Target::Oracle) = (&case.oracle_skip, self.options.target) {
            return Some(why.clone());
        }
        let datagrams = self.options.transport == Transport::Udp;
        if case.large && datagrams && !self.options.large {
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
