// SPDX-License-Identifier: GPL-2.0-only
//! How long an answering context keeps its CPU.

use crate::sys::cpu::BhDisabled;
use kernel::sync::atomic::{Atomic, Relaxed};

/// Told of each packet handled or sent.
pub(crate) trait Pace {
    /// One packet more. The caller holds no lock.
    fn step(&mut self);
}

/// A stretch of a worker's work that is not preempted, but for a moment after
/// each `budget` packets. Bottom halves are off while it lives.
///
/// The default budget of 64 is well below what a CPU's receive backlog holds
/// (`net.core.netdev_max_backlog`, 1,000), which is where replies over veth and
/// loopback wait while bottom halves are off.
pub(crate) struct Stretch<'a> {
    bh: BhDisabled,
    budget: &'a Atomic<i32>,
    used: i32,
}

impl<'a> Stretch<'a> {
    /// Begins the stretch.
    pub(crate) fn new(budget: &'a Atomic<i32>) -> Self {
        Self {
            bh: BhDisabled::new(),
            budget,
            used: 0,
        }
    }
}

impl Pace for Stretch<'_> {
    fn step(&mut self) {
        self.used = self.used.saturating_add(1);
        if self.used >= self.budget.load(Relaxed) {
            self.bh.relax();
            self.used = 0;
        }
    }
}

/// Softirq has a pace of its own: one packet a call.
pub(crate) struct Softirq;

impl Pace for Softirq {
    fn step(&mut self) {}
}
