// SPDX-License-Identifier: GPL-2.0-only

//! What both kinds of loop do: make requests, send them, judge the replies.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::ValueEnum;

use crate::flight::{Arrival, Flight};
use crate::inbox::{Inbox, Outbox};
use crate::items::Items;
use crate::link::{Link, Received};
use crate::mix::Source;
use crate::reply::{judge, Outcome};
use crate::report::Tally;
use crate::wire::Request;

/// What a reply should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Expect {
    /// What a memcached says
    Reply,
    /// The request itself, byte for byte
    Echo,
    /// As many datagrams as the reply would have, of whatever: each request says
    /// in its reserved field how long that is
    Mirror,
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
    split: bool,
    outbox: Outbox,
    inbox: Inbox,
}

impl Session {
    /// With `split`, a reply may come as several messages.
    pub(crate) fn new(
        link: Link,
        items: Items,
        expect: Expect,
        split: bool,
        timeout: Duration,
    ) -> Self {
        Self {
            inbox: link.inbox(),
            split,
            link,
            items,
            expect,
            timeout,
            tally: Tally::new(),
            flight: Flight::new(split),
            outbox: Outbox::default(),
        }
    }

    /// Puts a request with the next; `sent` is when its time begins.
    pub(crate) fn prepare(&mut self, request: Request, sent: Instant) {
        let items = &self.items;
        let id = self.flight.depart(request.clone(), sent);
        let note = match self.expect {
            Expect::Mirror => u16::try_from(request.reply_len(items)).unwrap_or(u16::MAX),
            _ => 0,
        };
        let datagrams = self.link.has_datagrams();
        self.outbox.push(|out| {
            if datagrams {
                Request::put_header(id, note, out);
            }
            request.put_text(items, out);
        });
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
        self.tally.bytes_out += self.outbox.bytes().len() as u64;
        self.link.send(&self.outbox, &mut self.inbox)?;
        self.outbox.clear();
        Ok(())
    }

    /// Takes replies as they come, without a look at more than their place,
    /// until those of `count` requests are there, or none comes in time.
    pub(crate) fn gather(&mut self, count: usize) -> Result<()> {
        // A stream's may be here already, if it could not be sent otherwise.
        let mut missing = count;
        let mut seen = 0;
        loop {
            for (header, text) in self.inbox.since(seen).flatten() {
                // Pieces of split replies count with the last, others with the first.
                if self.split {
                    missing -= usize::from(missing > 0 && is_last(text));
                } else {
                    missing = missing.saturating_sub(1);
                    if header.seq == 0 {
                        missing += usize::from(header.total.max(1)) - 1;
                    }
                }
            }
            seen = self.inbox.len();
            if missing == 0
                || self.inbox.is_full()
                || self.link.receive(&mut self.inbox, true)? == Received::Nothing
            {
                return Ok(());
            }
        }
    }

    /// Takes what replies there are, waiting for the first when `wait` is said.
    pub(crate) fn take(&mut self, wait: bool) -> Result<Received> {
        self.link.receive(&mut self.inbox, wait)
    }

    /// Judges the replies taken; they came at `now`.
    pub(crate) fn settle(&mut self, now: Instant) {
        for reply in self.inbox.since(0) {
            let Some((header, text)) = reply else {
                self.tally.wrong += 1;
                continue;
            };
            self.tally.bytes_in += text.len() as u64;
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

/// Whether a message is the end of its reply. (A value that ends so has not been
/// seen; what would happen is that a round ends early, with a reply lost.)
fn is_last(text: &[u8]) -> bool {
    text.ends_with(b"END\r\n") || text == b"STORED\r\n" || text.starts_with(b"SERVER_ERROR")
}

fn count(tally: &mut Tally, request: &Request, text: &[u8], items: &Items, expect: Expect) {
    tally.replies += 1;
    match expect {
        Expect::Reply => {}
        Expect::Mirror => {
            tally.wrong += u64::from(text.len() != request.reply_len(items));
            return;
        }
        Expect::Echo => {
            let mut sent = Vec::new();
            request.put_text(items, &mut sent);
            tally.wrong += u64::from(sent != text);
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
