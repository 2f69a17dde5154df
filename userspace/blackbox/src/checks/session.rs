// SPDX-License-Identifier: GPL-2.0-only

//! A socket with several requests under way, every one accounted for.

use std::collections::{HashMap, HashSet};
use std::ops::Range;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::{Context, Report};
use crate::client::Client;
use crate::frame::{self, Assembler, Header};
use crate::template::show_short;

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) id: u16,
    pub(crate) text: Vec<u8>,
    pub(crate) took: Duration,
}

struct Pending {
    assembler: Assembler,
    sent: Instant,
}

/// One socket and what is under way on it.
pub(crate) struct Session {
    client: Client,
    ids: Range<u32>,
    next_id: u32,
    pending: HashMap<u16, Pending>,
    /// given up; an answer that comes after all is late, not wrong
    given_up: HashSet<u16>,
    timeout: Duration,
    pace: Duration,
    next_send: Instant,
}

impl Session {
    /// A session that uses all request ids.
    pub(crate) fn new(context: &Context) -> Result<Self> {
        Self::with_ids(context, 0..1 << 16)
    }

    /// A session that uses only these ids, so that an answer on the wrong
    /// socket is seen.
    pub(crate) fn with_ids(context: &Context, ids: Range<u32>) -> Result<Self> {
        Ok(Self {
            client: Client::connect(context.addr)?,
            next_id: ids.start,
            ids,
            pending: HashMap::new(),
            given_up: HashSet::new(),
            timeout: context.timeout,
            pace: Duration::from_secs(1) / (context.rate.saturating_mul(5)),
            next_send: Instant::now(),
        })
    }

    /// Requests under way.
    pub(crate) fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// Sends a request that wants an answer.
    pub(crate) fn issue(&mut self, report: &mut Report, text: &[u8]) -> Result<u16> {
        let id = self.fresh_id();
        report.requests += 1;
        let pending = Pending {
            assembler: Assembler::default(),
            sent: Instant::now(),
        };
        self.pending.insert(id, pending);
        self.client.send(&frame::request(id, text))?;
        Ok(id)
    }

    /// Sends a request that wants none; any answer to it will be a fault.
    pub(crate) fn issue_silent(&mut self, text: &[u8]) -> Result<()> {
        let id = self.fresh_id();
        self.client.send(&frame::request(id, text))
    }

    fn fresh_id(&mut self) -> u16 {
        loop {
            let id = self.next_id as u16;
            self.next_id += 1;
            if self.next_id >= self.ids.end {
                self.next_id = self.ids.start;
            }
            if !self.pending.contains_key(&id) && !self.given_up.contains(&id) {
                return id;
            }
        }
    }

    /// The next whole answer to come before `deadline`. Counts faults and
    /// losses in `report`.
    pub(crate) fn poll(
        &mut self,
        report: &mut Report,
        deadline: Instant,
    ) -> Result<Option<Answer>> {
        loop {
            let Some(datagram) = self.client.recv(deadline)? else {
                // Nothing is lost that was there and had not been looked at.
                self.give_up(report);
                return Ok(None);
            };
            let Some((header, text)) = Header::decode(datagram) else {
                report.mismatch(format!("a datagram of {} bytes", datagram.len()));
                continue;
            };
            let id = header.id;
            let Some(pending) = self.pending.get_mut(&id) else {
                if !self.given_up.contains(&id) {
                    let what = show_short(text, 100);
                    report.mismatch(format!("an answer nobody waits for, id {id}: '{what}'"));
                }
                continue;
            };
            match pending.assembler.add(header, text) {
                Ok(None) => {}
                Ok(Some(text)) => {
                    let took = pending.sent.elapsed();
                    self.pending.remove(&id);
                    report.replies += 1;
                    return Ok(Some(Answer { id, text, took }));
                }
                Err(fault) => {
                    report.mismatch(format!("{fault}: '{}'", show_short(text, 100)));
                    self.pending.remove(&id);
                    self.given_up.insert(id);
                }
            }
        }
    }

    /// Counts as lost what has waited too long.
    fn give_up(&mut self, report: &mut Report) {
        let timeout = self.timeout;
        let given_up = &mut self.given_up;
        self.pending.retain(|&id, pending| {
            let waiting = pending.sent.elapsed() < timeout;
            if !waiting {
                report.lost += 1;
                report.note(format!("no whole answer to id {id} within {timeout:?}"));
                given_up.insert(id);
            }
            waiting
        });
    }

    /// One request at a time: its answer, or `None`, counted already.
    pub(crate) fn call(&mut self, report: &mut Report, text: &[u8]) -> Result<Option<Vec<u8>>> {
        self.keep_pace();
        let id = self.issue(report, text)?;
        while self.pending.contains_key(&id) {
            let deadline = Instant::now() + self.timeout;
            if let Some(answer) = self.poll(report, deadline)? {
                if answer.id == id {
                    return Ok(Some(answer.text));
                }
            }
        }
        Ok(None)
    }

    /// A `call` that must be answered with exactly `expected`.
    pub(crate) fn expect(
        &mut self,
        report: &mut Report,
        text: &[u8],
        expected: &[u8],
    ) -> Result<bool> {
        let Some(got) = self.call(report, text)? else {
            return Ok(false);
        };
        if got != expected {
            let (sent, got) = (show_short(text, 60), show_short(&got, 60));
            let expected = show_short(expected, 60);
            report.mismatch(format!("sent '{sent}', expected '{expected}', got '{got}'"));
            return Ok(false);
        }
        Ok(true)
    }

    /// Waits until the next request may go out.
    pub(crate) fn keep_pace(&mut self) {
        let now = Instant::now();
        if self.next_send > now {
            sleep(self.next_send - now);
        }
        self.next_send = self.next_send.max(now) + self.pace;
    }

    /// Waits for everything under way, then listens a little longer for what
    /// should not come. The answers go to `take`.
    pub(crate) fn drain(
        &mut self,
        report: &mut Report,
        mut take: impl FnMut(&mut Report, Answer),
    ) -> Result<()> {
        while self.in_flight() > 0 {
            let deadline = Instant::now() + Duration::from_millis(10);
            if let Some(answer) = self.poll(report, deadline)? {
                take(report, answer);
            }
        }
        self.poll(report, Instant::now() + Duration::from_millis(30))?;
        Ok(())
    }
}
