// SPDX-License-Identifier: GPL-2.0-only
//! How long a worker keeps its CPU.

use crate::sys::cpu::BhDisabled;

/// Packets handled or sent in a row before others get the CPU. Well below what
/// a CPU's receive backlog holds (`net.core.netdev_max_backlog`, 1,000), which
/// is where replies over veth and loopback wait while bottom halves are off.
const BUDGET: u32 = 64;

/// A stretch of work that is not preempted, but for a moment after each
/// [`BUDGET`] packets. Bottom halves are off while it lives.
pub(crate) struct Pace {
    bh: BhDisabled,
    used: u32,
}

impl Pace {
    /// Begins the stretch.
    pub(crate) fn new() -> Self {
        Self {
            bh: BhDisabled::new(),
            used: 0,
        }
    }

    /// One packet handled or sent. The caller holds no lock.
    pub(crate) fn step(&mut self) {
        self.used = self.used.saturating_add(1);
        if self.used >= BUDGET {
            self.bh.relax();
            self.used = 0;
        }
    }
}
