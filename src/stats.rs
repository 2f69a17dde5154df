// SPDX-License-Identifier: GPL-2.0-only
//! What the data path counts besides the core's own counters, and what `stats`
//! says of this host.

use crate::respond::Shared;
use kernel::sync::atomic::{Atomic, Relaxed};
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

/// Names under which `stats` reports the losses, in the order of [`Loss`].
const NAMES: [&str; 8] = [
    "drop_not_unicast",
    "drop_source_port",
    "drop_ipsec",
    "drop_queue_full",
    "drop_length",
    "drop_checksum",
    "drop_memory",
    "drop_transmit",
];

/// The data path's own counters. Relaxed: they order nothing.
pub(crate) struct Losses([Atomic<i64>; NAMES.len()]);

impl Losses {
    pub(crate) fn new() -> Self {
        Self(core::array::from_fn(|_| Atomic::new(0)))
    }

    /// Counts one packet lost to `why`.
    pub(crate) fn count(&self, why: Loss) {
        if let Some(counter) = self.0.get(why as usize) {
            counter.fetch_add(1, Relaxed);
        }
    }

    /// Name and number of every kind of loss.
    pub(crate) fn each(&self, mut emit: impl FnMut(&'static str, u64)) {
        for (name, counter) in NAMES.iter().zip(&self.0) {
            emit(name, u64::try_from(counter.load(Relaxed)).unwrap_or(0));
        }
    }

    fn reset(&self) {
        for counter in &self.0 {
            counter.store(0, Relaxed);
        }
    }
}

/// The module as `stats` shows it.
pub(crate) struct KernelHost<'a> {
    pub(crate) shared: &'a Shared,
}

impl Host for KernelHost<'_> {
    fn stats(&self, emit: &mut dyn FnMut(&str, u64)) {
        let lanes = self.shared.active_lanes();
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
        self.shared.losses.each(emit);
    }

    fn cpu_time(&self) -> Option<CpuTime> {
        let system_us = self.shared.lanes.iter().fold(0u64, |sum, lane| {
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
        emit("udpport", u64::from(self.shared.port));
        emit("num_threads", self.shared.active_lanes().len() as u64);
    }

    fn reset(&self) {
        self.shared.losses.reset();
    }
}
