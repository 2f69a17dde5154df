// SPDX-License-Identifier: GPL-2.0-only

//! What both kinds of loop do: make requests, send them, judge the replies.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;

use crate::flight::{Arrival, Flight};
use crate::items::Items;
use crate::link::{Inbox, Link, Outbox};
use crate::mix::Source;
use crate::reply::{judge, Outcome};
use crate::report::Tally;
use crate::wire::{Header, Request, HEADER};

/// What a reply should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expect {
    /// What a memcached says
    Reply,
    /// The request itself, byte for byte
    Echo,
    /// Anything with the request's identifier
    Any,
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Goal {
    pub(crate) requests: u64,
    pub(crate) time: Duration,
}

/// One client.
pub(crate) struct Session {
    pub(crate) link: Link,
    pub(crate) items: Items,
    pub(crate) expect: Expect,
    pub(crate) timeout: Duration,
    pub(crate) tally: Tally,
    pub(crate) flight: Flight,
    outbox: Outbox,
    inbox: Inbox,
}

impl Session {
    pub(crate) fn new(link: Link, items: Items, expect: Expect, timeout: Duration) -> Self {
        Self {
            link,
            items,
            expect,
            timeout,
            tally: Tally::new(),
            flight: Flight::new(),
            outbox: Outbox::default(),
            inbox: Inbox::new(),
        }
    }

    /// Puts a request with the next; `sent` is when its time begins.
    pub(crate) fn prepare(&mut self, request: Request, sent: Instant) {
        let items = &self.items;
        let id = self.flight.depart(request.clone(), sent);
        self.outbox.push(|out| request.encode(id, items, out));
    }

    /// `count` requests from `source`, all of now.
    pub(crate) fn prepare_from(&mut self, source: &mut Source, count: usize) {
        let now = Instant::now();
        for _ in 0..count {
            self.prepare(source.next(), now);
        }
    }

    /// Sends what was prepared.
    pub(crate) fn send(&mut self) -> Result<()> {
        self.tally.requests += self.outbox.len() as u64;
        self.tally.bytes_out += self.outbox.bytes() as u64;
        self.link.send(&self.outbox)?;
        self.outbox.clear();
        Ok(())
    }

    /// Takes replies as they come, without a look at more than their place,
    /// until those of `count` requests are there, or none comes in time.
    pub(crate) fn gather(&mut self, count: usize) -> Result<()> {
        let mut missing = count;
        while missing > 0 && !self.inbox.is_full() {
            let seen = self.inbox.len();
            if self.link.receive(&mut self.inbox, true)? == 0 {
                break;
            }
            for datagram in self.inbox.since(seen) {
                missing = missing.saturating_sub(1);
                if let Some((header, _)) = Header::decode(datagram) {
                    if header.seq == 0 {
                        missing += usize::from(header.total.max(1)) - 1;
                    }
                }
            }
        }
        Ok(())
    }

    /// Takes what replies there are, waiting for the first when `wait` is said.
    pub(crate) fn take(&mut self, wait: bool) -> Result<usize> {
        self.link.receive(&mut self.inbox, wait)
    }

    /// Judges the replies taken; they came at `now`.
    pub(crate) fn settle(&mut self, now: Instant) {
        for datagram in self.inbox.since(0) {
            self.tally.bytes_in += datagram.len() as u64;
            let Some((header, text)) = Header::decode(datagram) else {
                self.tally.wrong += 1;
                continue;
            };
            match self.flight.arrive(header, text) {
                Arrival::Part => {}
                Arrival::Stray => self.tally.stray += 1,
                Arrival::Whole {
                    request,
                    sent,
                    text: joined,
                } => {
                    let text = joined.as_deref().unwrap_or(text);
                    self.tally.latency(now.saturating_duration_since(sent));
                    count(&mut self.tally, &request, text, &self.items, self.expect);
                }
            }
        }
        self.inbox.clear();
    }

    /// Gives up on requests that had their time.
    pub(crate) fn expire(&mut self, now: Instant) {
        self.tally.lost += self.flight.expire(now, self.timeout);
    }
}

fn count(tally: &mut Tally, request: &Request, text: &[u8], items: &Items, expect: Expect) {
    tally.replies += 1;
    match expect {
        Expect::Reply => {}
        Expect::Any => return,
        Expect::Echo => {
            let mut sent = Vec::new();
            request.encode(0, items, &mut sent);
            tally.wrong += u64::from(sent.get(HEADER..) != Some(text));
            return;
        }
    }
    let asked = match request {
        Request::Get(keys) => keys.len() as u64,
        Request::Miss(_) => 1,
        Request::Set(..) => 0,
    };
    match judge(request, text, items) {
        Outcome::Values(values) => {
            tally.hits += values;
            tally.misses += asked.saturating_sub(values);
        }
        Outcome::Stored => tally.stored += 1,
        Outcome::Refused => tally.refused += 1,
        Outcome::Wrong => tally.wrong += 1,
    }
}
