// SPDX-License-Identifier: GPL-2.0-only
//! What the host says with every request.

use crate::Counters;

/// The host's monotonic clock in seconds, [`Now::START`] when the store was
/// made. 32 bits last 136 years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Now(pub u32);

impl Now {
    /// When the store was made. As in memcached the clock starts at 2, so that
    /// 0 can mean "never" and 1 "long ago".
    pub const START: Now = Now(2);

    /// Seconds since the store was made.
    pub(crate) fn uptime(self) -> u32 {
        self.0.saturating_sub(Self::START.0)
    }
}

/// Processor time used, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuTime {
    /// In user mode.
    pub user_us: u64,
    /// In the kernel.
    pub system_us: u64,
}

/// What only the host knows. Called while a `stats` is answered, with no lock
/// of the store held.
pub trait Host: Sync {
    /// Gives the names and numbers of the host's own `STAT` lines: `pid`,
    /// `threads`, `curr_connections` and the like, and its drop counters.
    fn stats(&self, emit: &mut dyn FnMut(&str, u64));

    /// For `rusage_user` and `rusage_system`; without it they are left out.
    fn cpu_time(&self) -> Option<CpuTime> {
        None
    }

    /// Gives the names and numbers of the host's own lines of `stats settings`:
    /// `maxconns`, `tcpport`, `udpport`, `num_threads`.
    fn settings(&self, emit: &mut dyn FnMut(&str, u64));

    /// Gives the lines of `stats conns`: a connection's number, a name, and what
    /// that is. There are none over UDP.
    fn connections(&self, _emit: &mut dyn FnMut(u64, &str, &[u8])) {}

    /// `stats reset` was asked for. The core resets its [`Counters`] itself.
    fn reset(&self) {}
}

/// Everything about a request that is not in its bytes.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// Monotonic time: what items' lives are measured by.
    pub now: Now,
    /// Seconds since 1970: what an absolute exptime is compared with.
    pub unix_now: u64,
    /// The calling worker's counters.
    pub mine: &'a Counters,
    /// All workers' counters, `mine` among them.
    pub all: &'a [Counters],
    /// For `stats`.
    pub host: &'a dyn Host,
}
