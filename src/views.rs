// SPDX-License-Identifier: GPL-2.0-only
//! What sysfs shows in `/sys/module/unbuckle`: `workers/N/…`, `drops/…`, `supplies/…`
//! and `memory/…`.

use crate::{
    budget,
    respond::Shared,
    stats,
    sys::{node, sysfs::Directory, sysfs::Numbers},
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{atomic::Relaxed, Arc},
};

/// A worker, from when it serves until it is dismissed.
pub(crate) type WorkerDirectory = Directory<Worker>;

/// The directory of the workers.
pub(crate) fn workers() -> Result<Directory<()>> {
    Directory::new(None, c"workers", &[], ())
}

pub(crate) struct Worker {
    shared: Arc<Shared>,
    index: usize,
}

impl Worker {
    const FILES: [&'static CStr; 9] = [
        c"pid",
        c"cpu",
        c"node",
        c"requests",
        c"replies",
        c"queued",
        c"queued_bytes",
        c"queue_full",
        c"runtime_us",
    ];

    /// Shows lane `index`.
    pub(crate) fn directory(
        parent: &Directory<()>,
        shared: Arc<Shared>,
        index: usize,
    ) -> Result<WorkerDirectory> {
        let name = CString::try_from_fmt(fmt!("{index}"))?;
        Directory::new(Some(parent), &name, &Self::FILES, Self { shared, index })
    }
}

impl Numbers for Worker {
    // In the order of the names above.
    fn number(&self, which: usize) -> u64 {
        let lanes = self.shared.lanes.get(self.index);
        let (Some(lane), Some(counters)) = (lanes, self.shared.counters.get(self.index)) else {
            return 0;
        };
        let cpu = lane.cpu.load(Relaxed);
        match which {
            0 => u64::try_from(lane.pid.load(Relaxed)).unwrap_or(0),
            1 => u64::try_from(cpu).unwrap_or(0),
            2 => u64::from(u32::try_from(cpu).map_or(0, node::of_cpu)),
            3 => counters.datagrams_in.get(),
            4 => counters.datagrams_out.get(),
            5 => u64::from(lane.queue.len()),
            6 => u64::from(lane.queue.bytes()),
            7 => lane.full(),
            _ => u64::try_from(lane.runtime_ns.load(Relaxed)).unwrap_or(0) / 1000,
        }
    }
}

/// Why packets were dropped.
pub(crate) struct Drops(Arc<Shared>);

impl Drops {
    pub(crate) fn directory(shared: Arc<Shared>) -> Result<Directory<Self>> {
        Directory::new(None, c"drops", &stats::REASONS, Self(shared))
    }
}

impl Numbers for Drops {
    fn number(&self, which: usize) -> u64 {
        self.0.losses.of(which)
    }
}

/// What replies were made of that was not at hand.
pub(crate) struct Supplies(Arc<Shared>);

impl Supplies {
    pub(crate) fn directory(shared: Arc<Shared>) -> Result<Directory<Self>> {
        Directory::new(None, c"supplies", &stats::SUPPLIES, Self(shared))
    }
}

impl Numbers for Supplies {
    fn number(&self, which: usize) -> u64 {
        stats::supply(&self.0, which)
    }
}

/// What the memory is divided into.
pub(crate) struct Memory(Arc<Shared>);

impl Memory {
    pub(crate) fn directory(shared: Arc<Shared>) -> Result<Directory<Self>> {
        Directory::new(None, c"memory", &budget::PARTS, Self(shared))
    }
}

impl Numbers for Memory {
    fn number(&self, which: usize) -> u64 {
        self.0.budget.part(which)
    }
}
