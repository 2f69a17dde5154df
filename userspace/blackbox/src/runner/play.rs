// SPDX-License-Identifier: GPL-2.0-only

//! One case on its way from the first step to the last.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{bail, ensure, Context, Result};

use super::exchange::{Exchange, Message};
use super::{Options, Target};
use crate::case::{Case, Expect, Step, BARE_HEADER};
use crate::frame;
use crate::template::{self, show_short, Captures, Vars};

pub(super) enum Progress {
    Parked,
    Ended,
}

/// A case under way.
pub(super) struct Play<'a> {
    pub(super) case: &'a Case,
    /// reasons of the differences from the oracle seen so far
    pub(super) differences: Vec<String>,
    vars: Vars,
    next: usize,
    resume_at: Option<Instant>,
    begun: bool,
}

impl<'a> Play<'a> {
    pub(super) fn new(case: &'a Case, tag: u16, at: usize) -> Self {
        let vars = Vars {
            prefix: format!("{tag:04x}{:04}", at % 10_000),
            ..Vars::default()
        };
        Self {
            case,
            differences: Vec::new(),
            vars,
            next: 0,
            resume_at: None,
            begun: false,
        }
    }

    pub(super) fn resume_at(&self) -> Option<Instant> {
        self.resume_at
    }

    /// Plays on to the end, or, with `park`, to the first pause.
    pub(super) fn advance(
        &mut self,
        exchange: &mut Exchange,
        options: &Options,
        park: bool,
    ) -> Result<Progress> {
        if !self.begun {
            self.begin(exchange)?;
        }
        let case = self.case;
        while let Some(step) = case.steps.get(self.next) {
            if self.pause(step, park) {
                return Ok(Progress::Parked);
            }
            let at = self.next + 1;
            let differs = self
                .step(step, exchange, options)
                .with_context(|| format!("step {at}"))?;
            self.next = at;
            if differs && case.oracle_fresh {
                // The oracle is upset now; what follows is about us.
                return Ok(Progress::Ended);
            }
        }
        self.still_alive(exchange)?;
        Ok(Progress::Ended)
    }

    fn begin(&mut self, exchange: &mut Exchange) -> Result<()> {
        self.begun = true;
        self.store_sentinel(exchange)?;
        for text in &self.case.setup {
            self.refresh(exchange);
            let request = template::bytes(text, &self.vars)?;
            self.expect_text(exchange, &request, b"STORED\r\n")
                .context("setup")?;
        }
        Ok(())
    }

    /// Whether to stop here for now. Sleeps when the time has come to.
    fn pause(&mut self, step: &Step, park: bool) -> bool {
        if step.wait_ms == 0 {
            return false;
        }
        let wait = Duration::from_millis(step.wait_ms);
        let until = self
            .resume_at
            .get_or_insert_with(|| Instant::now() + wait)
            .to_owned();
        if park {
            return true;
        }
        sleep(until.saturating_duration_since(Instant::now()));
        self.resume_at = None;
        false
    }

    /// New id and time for the placeholders.
    fn refresh(&mut self, exchange: &mut Exchange) {
        self.vars.id = exchange.next_id();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        self.vars.now = now.map(|d| d.as_secs()).unwrap_or_default();
    }

    /// Plays one step; whether the oracle answered in its own way.
    fn step(&mut self, step: &Step, exchange: &mut Exchange, options: &Options) -> Result<bool> {
        self.refresh(exchange);
        let datagram = match (&step.send, &step.raw) {
            (Some(text), _) => frame::request(self.vars.id, &template::bytes(text, &self.vars)?),
            (None, Some(raw)) => template::bytes(raw, &self.vars)?,
            (None, None) => bail!("nothing to send"),
        };
        let expect = step.expect.as_ref().context("nothing to expect")?;
        let outcome = if step.from_server_port {
            self.ask_from_server_port(step, &datagram, exchange, options)
        } else {
            self.exchange(step, expect, &datagram, exchange, options)
        };
        outcome.with_context(|| format!("sent '{}'", show_short(&datagram, 300)))
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
            let texts = [expect.messages(), oracle.expect.messages()];
            let surely = texts.iter().all(|t| !t.is_empty());
            let got = exchange.collect_all(id, surely)?;
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
            let got = exchange.collect(id, count)?;
            ensure!(self.take(expect, &got)?, mismatch(expect, &got));
        } else if on_oracle && self.case.oracle_fresh {
            exchange.silence_unprobed()?;
        } else {
            exchange.silence()?;
        }
        Ok(false)
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
    fn still_alive(&mut self, exchange: &mut Exchange) -> Result<()> {
        if self.case.exclusive {
            self.store_sentinel(exchange)?;
        }
        self.refresh(exchange);
        let prefix = &self.vars.prefix;
        let request = format!("get {prefix}_alive\r\n");
        let reply = format!("VALUE {prefix}_alive 0 5\r\nalive\r\nEND\r\n");
        self.expect_text(exchange, request.as_bytes(), reply.as_bytes())
            .context("after the last step")
    }

    fn store_sentinel(&mut self, exchange: &mut Exchange) -> Result<()> {
        self.refresh(exchange);
        let request = format!("set {}_alive 0 0 5\r\nalive\r\n", self.vars.prefix);
        self.expect_text(exchange, request.as_bytes(), b"STORED\r\n")
            .context("storing the sentinel")
    }

    fn expect_text(&self, exchange: &mut Exchange, request: &[u8], reply: &[u8]) -> Result<()> {
        exchange.send(&frame::request(self.vars.id, request))?;
        let got = exchange.collect(self.vars.id, 1)?;
        let wanted = [Message::Text(reply.to_vec())];
        ensure!(
            got == wanted,
            "sent '{}', expected {}, got {}",
            show_short(request, 300),
            show_all(&wanted),
            show_all(&got)
        );
        Ok(())
    }
}

fn mismatch(expect: &Expect, got: &[Message]) -> String {
    let expected = match expect.messages() {
        [] => "silence".to_owned(),
        texts => texts
            .iter()
            .map(|t| format!("'{t}'"))
            .collect::<Vec<_>>()
            .join(" then "),
    };
    format!("expected {expected}, got {}", show_all(got))
}

fn show_all(messages: &[Message]) -> String {
    if messages.is_empty() {
        return "nothing".into();
    }
    let all: Vec<_> = messages.iter().map(Message::show).collect();
    all.join(" then ")
}
