// SPDX-License-Identifier: GPL-2.0-only
//! What the twin knows of itself: clocks, `stats` lines, and totals at the end.

use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use host::Userspace;
use kv::{Counters, CpuTime, Host, Kv, Now};
use nix::sys::resource::{getrusage, UsageWho};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::tcp::Connections;

/// Counted here, not in the core. All relaxed: they order nothing.
#[derive(Debug, Default)]
pub(crate) struct Drops {
    /// Requests that came from our own port number: two servers would answer
    /// each other for ever.
    pub(crate) own_port: AtomicU64,
    /// Reply datagrams that the system would not send.
    pub(crate) unsent: AtomicU64,
}

/// Where we listen; 0 where we do not.
#[derive(Debug)]
pub(crate) struct Ports {
    pub(crate) tcp: u16,
    pub(crate) udp: u16,
}

/// The process, for `stats`.
#[derive(Debug)]
pub(crate) struct Status {
    started: Instant,
    threads: u64,
    ports: Ports,
    pub(crate) drops: Drops,
    pub(crate) connections: Connections,
}

impl Status {
    pub(crate) fn new(threads: usize, ports: Ports, connections: Connections) -> Self {
        Self {
            started: Instant::now(),
            threads: threads as u64,
            ports,
            drops: Drops::default(),
            connections,
        }
    }

    /// Monotonic seconds, from [`Now::START`] on.
    pub(crate) fn now(&self) -> Now {
        let seconds = u32::try_from(self.started.elapsed().as_secs()).unwrap_or(u32::MAX);
        Now(Now::START.0.saturating_add(seconds))
    }

    /// Seconds since 1970.
    pub(crate) fn unix_now() -> u64 {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs())
    }

    /// One line about everything served.
    pub(crate) fn totals(&self, kv: &Kv<Userspace>, all: &[Counters]) -> String {
        let sum = |pick: fn(&Counters) -> u64| -> u64 { all.iter().map(pick).sum() };
        let usage = kv.usage();
        format!(
            "unbuckle-twin: {} datagrams in, {} out; {} gets ({} hits), {} sets; \
             {} evictions; {} items in {} bytes at the end",
            sum(|c| c.datagrams_in.get()),
            sum(|c| c.datagrams_out.get()),
            sum(Counters::cmd_get),
            sum(Counters::get_hits),
            sum(|c| c.cmd_set.get()),
            sum(|c| c.evictions.get()),
            usage.items,
            usage.bytes,
        )
    }
}

impl Host for Status {
    fn stats(&self, emit: &mut dyn FnMut(&str, u64)) {
        emit("pid", u64::from(process::id()));
        emit("threads", self.threads);
        self.connections.stats(emit);
        let own_port = self.drops.own_port.load(Ordering::Relaxed);
        emit("drop_source_port", own_port);
        emit("drop_transmit", self.drops.unsent.load(Ordering::Relaxed));
    }

    fn settings(&self, emit: &mut dyn FnMut(&str, u64)) {
        emit("maxconns", self.connections.max());
        emit("tcpport", u64::from(self.ports.tcp));
        emit("udpport", u64::from(self.ports.udp));
        emit("num_threads", self.threads);
    }

    fn cpu_time(&self) -> Option<CpuTime> {
        let usage = getrusage(UsageWho::RUSAGE_SELF).ok()?;
        let microseconds = |time: TimeVal| u64::try_from(time.num_microseconds()).unwrap_or(0);
        Some(CpuTime {
            user_us: microseconds(usage.user_time()),
            system_us: microseconds(usage.system_time()),
        })
    }

    fn reset(&self) {
        self.drops.own_port.store(0, Ordering::Relaxed);
        self.drops.unsent.store(0, Ordering::Relaxed);
        self.connections.reset();
    }
}
