// SPDX-License-Identifier: GPL-2.0-only

//! One case on its way from the first step to the last.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{bail, ensure, Context, Result};

use super::exchange::{Exchange, Message};
use super::stream::{Request, Stream};
use super::{cut, Link, Options, Target, BUSY_PAUSE};
use crate::case::{Case, Expect, Step, BARE_HEADER};
use crate::frame;
use crate::template::{self, show_short, Captures, Token, Vars};

pub(super) enum Progress {
    Parked,
    Ended,
}

/// A case under way.
pub(super) struct Play<'a> {
    pub(super) case: &'a Case,
    /// reasons of the differences from the oracle seen so far
    pub(super) differences: Vec<String>,
    /// requests sent in two pieces so far
    pub(super) cuts: usize,
    /// which of a request's places to cut it at
    cut: Option<usize>,
    vars: Vars,
    next: usize,
    resume_at: Option<Instant>,
    begun: bool,
}

/// The largest number of places at which a request of `case` can be cut.
pub(super) fn most_places(case: &Case) -> usize {
    let vars = Vars {
        prefix: prefix(0, 0),
        now: 1_000_000_000,
        ..Vars::default()
    };
    let places = |text: &String| {
        // What refers to an answer yet to come is about as long as its text.
        let bytes = template::bytes(text, &vars);
        let bytes = bytes.unwrap_or_else(|_| text.clone().into_bytes());
        cut::places(&bytes).len()
    };
    let texts = case.steps.iter().filter_map(|s| s.send.as_ref());
    texts.map(places).max().unwrap_or(0).max(1)
}

/// The eight bytes that begin each key of the play with this number.
fn prefix(tag: u16, at: usize) -> String {
    let digit = |place: u32| {
        let value = at / 36usize.pow(place) % 36;
        char::from_digit(value as u32, 36).unwrap_or('0')
    };
    let digits: String = (0..4).rev().map(digit).collect();
    format!("{tag:04x}{digits}")
}

impl<'a> Play<'a> {
    pub(super) fn new(case: &'a Case, tag: u16, at: usize, cut: Option<usize>) -> Self {
        let vars = Vars {
            prefix: prefix(tag, at),
            ..Vars::default()
        };
        Self {
            case,
            differences: Vec::new(),
            cuts: 0,
            cut,
            vars,
            next: 0,
            resume_at: None,
            begun: false,
        }
    }

    pub(super) fn begun(&self) -> bool {
        self.begun
    }

    pub(super) fn resume_at(&self) -> Option<Instant> {
        self.resume_at
    }

    /// Until the pause is over.
    pub(super) fn sleep(&self) {
        if let Some(until) = self.resume_at {
            sleep(until.saturating_duration_since(Instant::now()));
        }
    }

    /// Plays on to the end, or to the next pause.
    pub(super) fn advance(&mut self, link: &mut Link, options: &Options) -> Result<Progress> {
        if !self.begun {
            self.begin(link)?;
        }
        let case = self.case;
        while let Some(step) = case.steps.get(self.next) {
            if self.pause(step) {
                return Ok(Progress::Parked);
            }
            let at = self.next + 1;
            let differs = self
                .step(step, link, options)
                .with_context(|| format!("step {at}"))?;
            self.next = at;
            if differs && case.oracle_fresh {
                // The oracle is upset now; what follows is about us.
                return Ok(Progress::Ended);
            }
        }
        if self.watched() {
            self.still_alive(link)?;
        }
        Ok(Progress::Ended)
    }

    /// Whether what is stored at the beginning is asked for at the end: of the
    /// many plays that cut a case, in the first.
    fn watched(&self) -> bool {
        self.cut.is_none_or(|which| which == 0)
    }

    fn begin(&mut self, link: &mut Link) -> Result<()> {
        self.begun = true;
        if self.watched() {
            self.store_sentinel(link)?;
        }
        for text in &self.case.setup {
            let request = template::bytes(text, &self.vars)?;
            self.expect_text(link, &request, b"STORED\r\n")
                .context("setup")?;
        }
        Ok(())
    }

    /// Whether to stop here for now.
    fn pause(&mut self, step: &Step) -> bool {
        if step.wait_ms == 0 {
            return false;
        }
        let wait = Duration::from_millis(step.wait_ms);
        let until = self
            .resume_at
            .get_or_insert_with(|| Instant::now() + wait)
            .to_owned();
        let over = until <= Instant::now();
        if over {
            self.resume_at = None;
        }
        !over
    }

    /// New id and time for the placeholders.
    fn refresh(&mut self, link: &mut Link) {
        if let Link::Udp(exchange) = link {
            self.vars.id = exchange.next_id();
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.vars.now = now.map(|d| d.as_secs()).unwrap_or_default();
    }

    /// Plays one step; whether the oracle answered in its own way.
    fn step(&mut self, step: &Step, link: &mut Link, options: &Options) -> Result<bool> {
        self.refresh(link);
        let expect = step.expect.as_ref().context("nothing to expect")?;
        let (request, outcome) = match (link, &step.send, &step.raw) {
            (Link::Tcp(stream), Some(text), _) => {
                let request = template::bytes(text, &self.vars)?;
                let outcome = self.converse(step, expect, &request, stream, options);
                (request, outcome)
            }
            (Link::Udp(exchange), text, raw) => {
                let datagram = match (text, raw) {
                    (Some(text), _) => {
                        frame::request(self.vars.id, &template::bytes(text, &self.vars)?)
                    }
                    (None, Some(raw)) => template::bytes(raw, &self.vars)?,
                    (None, None) => bail!("nothing to send"),
                };
                let outcome = if step.from_server_port {
                    self.ask_from_server_port(step, &datagram, exchange, options)
                } else {
                    self.exchange(step, expect, &datagram, exchange, options)
                };
                (datagram, outcome)
            }
            (Link::Tcp(_), None, _) => bail!("a datagram over TCP"),
        };
        outcome.with_context(|| format!("sent '{}'", show_short(&request, 300)))
    }

    /// Over TCP, where an answer is all that comes, whatever it is made of.
    fn converse(
        &mut self,
        step: &Step,
        expect: &Expect,
        bytes: &[u8],
        stream: &mut Stream,
        options: &Options,
    ) -> Result<bool> {
        let mut wanted = vec![self.joined(expect)?];
        let on_oracle = options.target == Target::Oracle;
        let oracle = step.oracle.as_ref().filter(|_| on_oracle);
        let busy = step.busy.as_ref().filter(|_| on_oracle);
        let busy = busy.map(|t| template::bytes(t, &self.vars)).transpose()?;
        if let Some(oracle) = oracle {
            wanted.push(self.joined(&oracle.expect)?);
            wanted.dedup();
        }
        let places = cut::places(bytes);
        let cut = self.cut.and_then(|which| places.get(which)).copied();
        self.cuts += usize::from(cut.is_some());
        let request = Request {
            bytes,
            cut,
            wanted: &wanted,
            closes: step.closes,
            busy: busy.as_deref(),
        };
        let outcome = stream.ask(&request).with_context(|| {
            let expected = expected(oracle.map_or(expect, |o| &o.expect));
            match cut {
                Some(at) => format!("cut after {at} bytes: expected {expected}"),
                None => format!("expected {expected}"),
            }
        });
        let (which, captures) = outcome?;
        self.vars.captures.extend(captures);
        if let (1, Some(oracle)) = (which, oracle) {
            self.differences.push(oracle.why.clone());
            return Ok(true);
        }
        Ok(false)
    }

    /// The messages of an answer as one text.
    fn joined(&self, expect: &Expect) -> Result<Vec<Token>> {
        let texts = expect.messages().iter();
        let texts: Vec<_> = texts.filter(|t| *t != BARE_HEADER).cloned().collect();
        template::parse(&texts.concat(), &self.vars)
    }

    fn exchange(
        &mut self,
        step: &Step,
        expect: &Expect,
        datagram: &[u8],
        exchange: &mut Exchange,
        options: &Options,
    ) -> Result<bool> {
        let id = match datagram {
            [a, b, ..] => u16::from_be_bytes([*a, *b]),
            _ => 0,
        };
        let on_oracle = options.target == Target::Oracle;
        exchange.send(datagram)?;
        if let (Some(oracle), true) = (&step.oracle, on_oracle) {
            let got = if self.case.oracle_fresh {
                exchange.collect_unprobed(id)?
            } else {
                exchange.collect_probed(id)?
            };
            if self.take(expect, &got)? {
                return Ok(false);
            }
            ensure!(
                self.take(&oracle.expect, &got)?,
                mismatch(&oracle.expect, &got)
            );
            self.differences.push(oracle.why.clone());
            return Ok(true);
        }
        let count = expect.messages().len();
        if count > 0 {
            let mut got = exchange.collect(id, count)?;
            let until = Instant::now() + options.timeout;
            while on_oracle && self.busy(step, &got)? && Instant::now() < until {
                sleep(BUSY_PAUSE);
                exchange.send(datagram)?;
                got = exchange.collect(id, count)?;
            }
            ensure!(self.take(expect, &got)?, mismatch(expect, &got));
        } else if on_oracle && self.case.oracle_fresh {
            exchange.silence_unprobed()?;
        } else {
            exchange.silence()?;
        }
        Ok(false)
    }

    /// Whether this is how the oracle asks for patience.
    fn busy(&mut self, step: &Step, got: &[Message]) -> Result<bool> {
        let busy = step.busy.clone().map(Expect::One);
        busy.map_or(Ok(false), |busy| self.take(&busy, got))
    }

    fn ask_from_server_port(
        &mut self,
        step: &Step,
        datagram: &[u8],
        exchange: &mut Exchange,
        options: &Options,
    ) -> Result<bool> {
        let silent = exchange.silence_from_server_port(options.addr, datagram)?;
        match (&step.oracle, options.target) {
            (Some(oracle), Target::Oracle) if !silent => {
                self.differences.push(oracle.why.clone());
                Ok(true)
            }
            _ => {
                ensure!(silent, "expected silence, got an answer");
                Ok(false)
            }
        }
    }

    /// Whether `got` is what `expect` describes; if so its captures are kept.
    fn take(&mut self, expect: &Expect, got: &[Message]) -> Result<bool> {
        let texts = expect.messages();
        if texts.len() != got.len() {
            return Ok(false);
        }
        let mut captures = Captures::new();
        for (text, message) in texts.iter().zip(got) {
            let found = match message {
                Message::Bare if text == BARE_HEADER => Some(Captures::new()),
                Message::Bare => None,
                Message::Text(data) => template::matches(&template::parse(text, &self.vars)?, data),
            };
            match found {
                Some(found) => captures.extend(found),
                None => return Ok(false),
            }
        }
        self.vars.captures.extend(captures);
        Ok(true)
    }

    /// The server is still there, and still has what was stored at first.
    fn still_alive(&mut self, link: &mut Link) -> Result<()> {
        if self.case.exclusive {
            self.store_sentinel(link)?;
        }
        let prefix = &self.vars.prefix;
        let request = format!("get {prefix}_alive\r\n");
        let reply = format!("VALUE {prefix}_alive 0 5\r\nalive\r\nEND\r\n");
        self.expect_text(link, request.as_bytes(), reply.as_bytes())
            .context("after the last step")
    }

    fn store_sentinel(&mut self, link: &mut Link) -> Result<()> {
        let request = format!("set {}_alive 0 0 5\r\nalive\r\n", self.vars.prefix);
        self.expect_text(link, request.as_bytes(), b"STORED\r\n")
            .context("storing the sentinel")
    }

    fn expect_text(&mut self, link: &mut Link, request: &[u8], reply: &[u8]) -> Result<()> {
        self.refresh(link);
        let sent = || format!("sent '{}'", show_short(request, 300));
        let exchange = match link {
            Link::Udp(exchange) => exchange,
            Link::Tcp(stream) => return stream.ask_for_us(request, reply).with_context(sent),
        };
        exchange.send(&frame::request(self.vars.id, request))?;
        let got = exchange.collect(self.vars.id, 1)?;
        let wanted = [Message::Text(reply.to_vec())];
        ensure!(
            got == wanted,
            "{}, expected {}, got {}",
            sent(),
            show_all(&wanted),
            show_all(&got)
        );
        Ok(())
    }
}

fn mismatch(expect: &Expect, got: &[Message]) -> String {
    format!("expected {}, got {}", expected(expect), show_all(got))
}

fn expected(expect: &Expect) -> String {
    match expect.messages() {
        [] => "silence".to_owned(),
        texts => texts
            .iter()
            .map(|t| format!("'{t}'"))
            .collect::<Vec<_>>()
            .join(" then "),
    }
}

fn show_all(messages: &[Message]) -> String {
    if messages.is_empty() {
        return "nothing".into();
    }
    let all: Vec<_> = messages.iter().map(Message::show).collect();
    all.join(" then ")
}
