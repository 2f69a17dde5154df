// SPDX-License-Identifier: GPL-2.0-only
//! What the data path counts besides the core's own counters, and what `stats`
//! says of this host.

use crate::{budget, lent::Lent, respond::Shared, sys::trace};
use core::{
    fmt::Write,
    sync::atomic::{AtomicU64, Ordering},
};
use kernel::{
    fmt,
    prelude::*,
    str::Formatter,
    sync::atomic::{Atomic, Relaxed},
};
use kv::{CpuTime, Host};

/// Why a packet for our port was not answered, or an answer not sent.
#[derive(Clone, Copy)]
pub(crate) enum Loss {
    /// Broadcast or multicast, at the link or the network layer.
    NotUnicast,
    /// Its source port is 0 or our own: an answer could go round for ever.
    SourcePort,
    /// The host's IPsec policies do not let it in.
    Ipsec,
    /// The worker's queue holds as much memory as it may.
    QueueFull,
    /// The UDP length does not fit the packet.
    Length,
    /// The UDP checksum is wrong.
    Checksum,
    /// No memory to read the request, or for the reply.
    Memory,
    /// No route to the client, or the device refused the reply.
    Transmit,
}

/// Names of the losses, in the order of [`Loss`]: so in sysfs, and in `stats`
/// with `drop_` before.
pub(crate) const REASONS: [&CStr; 8] = [
    c"not_unicast",
    c"source_port",
    c"ipsec",
    c"queue_full",
    c"length",
    c"checksum",
    c"memory",
    c"transmit",
];

/// The data path's own counters. Relaxed: they order nothing.
pub(crate) struct Losses([Atomic<i64>; REASONS.len()]);

impl Losses {
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| Atomic::new(0)))
    }

    /// Counts one packet lost to `why`.
    pub(crate) fn count(&self, why: Loss) {
        trace::lost(|| REASONS.get(why as usize).copied().unwrap_or(c"other"));
        if let Some(counter) = self.0.get(why as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// How many were lost for a reason, by its place in [`REASONS`].
    pub(crate) fn of(&self, reason: usize) -> u64 {
        let counter = self
            .0
            .get(reason)
            .map_or(0, |counter| counter.load(Relaxed));
        u64::try_from(counter).unwrap_or(0)
    }

    fn reset(&self) {
        for counter in &self.0 {
            counter.store(0, Relaxed);
        }
    }
}

/// What replies were to be made of without asking the system, and was not there.
#[derive(Clone, Copy)]
pub(crate) enum Supply {
    /// Pages for texts: all are with packets, so the reply is copied.
    Sheets,
    /// Packets: a new one was asked for.
    Packets,
}

/// Names of the supplies, those of [`Supply`] first: so in sysfs, and in `stats` with
/// `reply_` before. The others tell of long buffers: how often all were in use, and
/// for how many requests none came back in time.
pub(crate) const SUPPLIES: [&CStr; 4] = [
    c"pages_missing",
    c"packets_taken",
    c"buffers_waited",
    c"buffers_missing",
];

/// How often each supply was exhausted. Relaxed: they order nothing.
pub(crate) struct Supplies([AtomicU64; 2]);

impl Supplies {
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| AtomicU64::new(0)))
    }

    pub(crate) fn count(&self, what: Supply) {
        if let Some(counter) = self.0.get(what as usize) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn of(&self, which: usize) -> u64 {
        self.0
            .get(which)
            .map_or(0, |counter| counter.load(Ordering::Relaxed))
    }
}

/// What was not at hand how often, by its place in [`SUPPLIES`].
pub(crate) fn supply(shared: &Shared, which: usize) -> u64 {
    let of_both = |pick: fn(&Lent) -> &AtomicU64| {
        [&shared.requests, &*shared.replies]
            .into_iter()
            .fold(0u64, |sum, lent| {
                sum.wrapping_add(pick(lent).load(Ordering::Relaxed))
            })
    };
    match which {
        2 => of_both(|lent| &lent.waited),
        3 => of_both(|lent| &lent.missing),
        which => shared.supplies.of(which),
    }
}

/// A name that is made up.
struct Name {
    bytes: [u8; 32],
    len: usize,
}

impl Name {
    /// Cut where it becomes too long.
    fn new(text: fmt::Arguments<'_>) -> Self {
        let mut bytes = [0; 32];
        let mut out = Formatter::new(&mut bytes);
        // What does not fit is left away.
        let _ = out.write_fmt(text);
        let len = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        Self { bytes, len }
    }

    fn text(&self) -> &str {
        let bytes = self.bytes.get(..self.len).unwrap_or(&[]);
        core::str::from_utf8(bytes).unwrap_or("")
    }
}

/// The module as `stats` shows it.
impl Host for Shared {
    fn stats(&self, emit: &mut dyn FnMut(&str, u64)) {
        let lanes = self.active_lanes();
        let pid = lanes.first().map_or(0, |lane| lane.pid.load(Relaxed));
        emit("pid", u64::try_from(pid).unwrap_or(0));
        emit("threads", lanes.len() as u64);
        // There are no connections over UDP.
        for name in [
            "max_connections",
            "curr_connections",
            "total_connections",
            "rejected_connections",
            "connection_structures",
            "conn_yields",
            "listen_disabled_num",
            "accepting_conns",
        ] {
            emit(name, 0);
        }
        for (index, part) in budget::PARTS.iter().enumerate() {
            let name = Name::new(fmt!("memory_{}", part.to_str().unwrap_or("other")));
            emit(name.text(), self.budget.part(index));
        }
        for (index, reason) in REASONS.iter().enumerate() {
            let name = Name::new(fmt!("drop_{}", reason.to_str().unwrap_or("other")));
            emit(name.text(), self.losses.of(index));
        }
        for (index, what) in SUPPLIES.iter().enumerate() {
            let name = Name::new(fmt!("reply_{}", what.to_str().unwrap_or("other")));
            emit(name.text(), supply(self, index));
        }
        for (index, (lane, counters)) in lanes.iter().zip(&self.counters).enumerate() {
            let mut tell = |what: &str, number| {
                emit(Name::new(fmt!("worker_{index}_{what}")).text(), number);
            };
            tell("requests", counters.datagrams_in.get());
            tell("queued", u64::from(lane.queue.len()));
            tell("queue_full", lane.full());
        }
    }

    fn cpu_time(&self) -> Option<CpuTime> {
        let system_us = self.lanes.iter().fold(0u64, |sum, lane| {
            let ns = u64::try_from(lane.runtime_ns.load(Relaxed)).unwrap_or(0);
            sum.saturating_add(ns / 1000)
        });
        Some(CpuTime {
            user_us: 0,
            system_us,
        })
    }

    fn settings(&self, emit: &mut dyn FnMut(&str, u64)) {
        emit("maxconns", 0);
        emit("tcpport", 0);
        emit("udpport", u64::from(self.port));
        emit("num_threads", self.active_lanes().len() as u64);
    }

    fn reset(&self) {
        self.losses.reset();
    }
}
