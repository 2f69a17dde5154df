// SPDX-License-Identifier: GPL-2.0-only
//! How long an answering context keeps its CPU.

use crate::sys::{
    cpu::{self, BhDisabled},
    kthread,
    queue::Queue,
    time,
};
use core::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// A worker that goes before normal threads (`SCHED_FIFO`) owes those half as much
/// time as it has worked: a third of its CPU. It pays when it owes this much, which
/// is after 4 ms of work without a sleep.
const DUE_NS: u64 = 2_000_000;
/// No nap is longer: what is owed beyond is not paid.
const NAP_MAX_NS: u64 = 20_000_000;
/// A worker that has nothing to do naps so long when somebody else wants its CPU, and
/// so often in a row: who still wants it then is no kernel thread with a moment's work.
const GLIMPSE_US: u32 = 50;
const GLIMPSES: u32 = 20;

/// How workers treat others, as the parameters say. Relaxed: each is looked at
/// anew every time. Rust's own atomics: the kernel's are calls.
pub(crate) struct Manners {
    /// Packets handled or sent in a row before others get a worker's CPU.
    pub(crate) budget: AtomicI32,
    /// Microseconds that an idle worker looks at its queue before it sleeps.
    pub(crate) poll_us: AtomicI32,
    /// Workers go before normal threads: 0 or 1.
    pub(crate) fifo: AtomicI32,
}

impl Manners {
    /// Until the parameters are known.
    pub(crate) fn new() -> Self {
        Self {
            budget: AtomicI32::new(1),
            poll_us: AtomicI32::new(0),
            fifo: AtomicI32::new(0),
        }
    }
}

/// Told of each request, and of each packet sent for it but those that it became itself.
pub(crate) trait Pace {
    /// One packet more. The caller holds no lock.
    fn step(&mut self);
}

/// What a worker that goes before normal threads owes the others of its CPU. Every sleep
/// pays, whatever it was for: who wants the CPU has it then.
pub(crate) struct Shift<'a> {
    manners: &'a Manners,
    /// Until when the accounts are made up; nothing while nobody keeps any.
    mark: Option<u64>,
    /// In nanoseconds.
    owed: u64,
}

impl<'a> Shift<'a> {
    pub(crate) fn new(manners: &'a Manners) -> Self {
        Self {
            manners,
            mark: None,
            owed: 0,
        }
    }

    /// Waits for packets, or for the thread to be asked to end: at first with
    /// its eyes open, but not when somebody else wants the CPU, and then asleep.
    pub(crate) fn idle(&mut self, queue: &Queue) {
        if queue.is_empty() {
            let us = u64::try_from(self.manners.poll_us.load(Relaxed)).unwrap_or(0);
            if us == 0 || !self.poll(queue, us.saturating_mul(1000)) {
                self.sleep(|| queue.wait());
            }
        }
        self.give_way();
    }

    /// Whether there was a packet, or an end, within `ns` nanoseconds, or until
    /// somebody else wants the CPU for good.
    fn poll(&mut self, queue: &Queue, ns: u64) -> bool {
        let begin = time::local_ns();
        let mut lent = 0;
        while time::local_ns().saturating_sub(begin) < ns && lent < GLIMPSES {
            if !queue.is_empty() || kthread::should_stop() {
                return true;
            }
            if cpu::is_wanted() {
                self.sleep(|| kthread::nap(GLIMPSE_US));
                lent = lent.saturating_add(1);
            } else {
                cpu::relax();
                lent = 0;
            }
        }
        false
    }

    /// Pays what is due, if anybody is there to take it.
    fn give_way(&mut self) {
        if !self.is_first() {
            return;
        }
        self.worked();
        if self.owed < DUE_NS {
            return;
        }
        if cpu::is_wanted() {
            let us = self.owed.min(NAP_MAX_NS) / 1000;
            self.sleep(|| kthread::nap(us as u32));
        }
        self.owed = 0;
    }

    /// The worker goes before normal threads.
    fn is_first(&self) -> bool {
        self.manners.fifo.load(Relaxed) != 0
    }

    /// The time since the last account: it is made up until now.
    fn account(&mut self) -> u64 {
        let now = time::local_ns();
        let mark = self.mark.replace(now).unwrap_or(now);
        now.saturating_sub(mark)
    }

    /// The time since the last account was the worker's.
    fn worked(&mut self) {
        let owed = self.account() / 2;
        self.owed = self.owed.saturating_add(owed);
    }

    /// Has the worker sleep, in the way that is given.
    fn sleep(&mut self, asleep: impl FnOnce()) {
        if !self.is_first() {
            self.mark = None;
            return asleep();
        }
        self.worked();
        asleep();
        let slept = self.account();
        self.owed = self.owed.saturating_sub(slept);
    }
}

/// A stretch of a worker's work that is not preempted, but for a moment after
/// each `budget` packets. Bottom halves are off while it lives.
///
/// The default budget of 64 is well below what a CPU's receive backlog holds
/// (`net.core.netdev_max_backlog`, 1,000), which is where replies over veth and
/// loopback wait while bottom halves are off.
pub(crate) struct Stretch<'a, 'b> {
    bh: BhDisabled,
    shift: &'b mut Shift<'a>,
    /// How many packets more it is.
    left: i32,
}

impl<'a, 'b> Stretch<'a, 'b> {
    /// Begins the stretch.
    pub(crate) fn new(shift: &'b mut Shift<'a>) -> Self {
        let left = shift.manners.budget.load(Relaxed);
        Self {
            bh: BhDisabled::new(),
            shift,
            left,
        }
    }
}

impl Stretch<'_, '_> {
    #[cold]
    #[inline(never)]
    fn relax(&mut self) {
        self.bh.relax(|| self.shift.give_way());
        self.left = self.shift.manners.budget.load(Relaxed);
    }
}

impl Pace for Stretch<'_, '_> {
    #[inline(always)]
    fn step(&mut self) {
        // A budget is 1 at least.
        self.left = self.left.wrapping_sub(1);
        if self.left == 0 {
            self.relax();
        }
    }
}

/// For who has what others may wait for: does not stop while `wanted` says so.
pub(crate) struct Hurried<'a, P, W> {
    pace: &'a mut P,
    wanted: W,
    /// Packets that the other has not been told of.
    later: usize,
}

impl<'a, P: Pace, W: Fn() -> bool> Hurried<'a, P, W> {
    pub(crate) fn new(pace: &'a mut P, wanted: W) -> Self {
        Self {
            pace,
            wanted,
            later: 0,
        }
    }

    /// Nobody need wait any more.
    pub(crate) fn end(self) {
        for _ in 0..self.later {
            self.pace.step();
        }
    }
}

impl<P: Pace, W: Fn() -> bool> Pace for Hurried<'_, P, W> {
    fn step(&mut self) {
        match (self.wanted)() {
            true => self.later = self.later.saturating_add(1),
            false => self.pace.step(),
        }
    }
}

/// Softirq has a pace of its own: one packet a call.
pub(crate) struct Softirq;

impl Pace for Softirq {
    fn step(&mut self) {}
}
