// SPDX-License-Identifier: GPL-2.0-only
//! The time as the store counts it, read from the kernel once a tick.

use crate::sys::time;
use core::sync::atomic::{
    AtomicU32, AtomicU64, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use kv::Now;

/// The store's clock and that of the world, in seconds.
///
/// Rust's own atomics: every request reads them, and the kernel's are calls.
pub(crate) struct Clock {
    /// Monotonic seconds when the store was made.
    started: u64,
    /// The tick in which the others were last written, or an earlier one.
    tick: AtomicUsize,
    now: AtomicU32,
    unix: AtomicU64,
}

impl Clock {
    /// Starts now.
    pub(crate) fn new() -> Self {
        let clock = Self {
            started: time::monotonic(),
            tick: AtomicUsize::new(0),
            now: AtomicU32::new(0),
            unix: AtomicU64::new(0),
        };
        clock.update(time::tick());
        clock
    }

    /// The store's time.
    #[inline(always)]
    pub(crate) fn now(&self) -> Now {
        let tick = time::tick();
        // Acquire: what was written before that tick can be read.
        if self.tick.load(Acquire) != tick {
            self.update(tick);
        }
        Now(self.now.load(Relaxed))
    }

    /// Seconds since 1970, when [`Clock::now`] was last asked.
    pub(crate) fn unix(&self) -> u64 {
        self.unix.load(Relaxed)
    }

    /// Several may be at it; time goes on all the same.
    #[cold]
    fn update(&self, tick: usize) {
        let age = time::monotonic().saturating_sub(self.started);
        let since = u64::from(Now::START.0).saturating_add(age);
        let now = u32::try_from(since).unwrap_or(u32::MAX);
        self.now.fetch_max(now, Relaxed);
        self.unix.store(time::real(), Relaxed);
        self.tick.store(tick, Release);
    }
}
