// SPDX-License-Identifier: GPL-2.0-only
//! The router: hands packets to workers, round robin.

use crate::{
    stats::{Loss, Losses},
    sys::{
        cpu,
        kthread::Task,
        queue::{Pushed, Queue},
        rx_packet::RxPacket,
    },
    worker::Shared,
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc,
    },
};

/// Packet memory (truesize) that may wait for one worker, in bytes. Some 5,000
/// small requests, or 50 of the largest.
const QUEUE_BYTES: u32 = 4 << 20;

/// What one worker and the router share.
pub(crate) struct Lane {
    /// Packets for the worker.
    pub(crate) queue: Queue,
    /// The worker's thread number, 0 until it runs.
    pub(crate) pid: Atomic<i32>,
    /// CPU time the worker has used, in nanoseconds, as of its last batch.
    pub(crate) runtime_ns: Atomic<i64>,
}

impl Lane {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            queue: Queue::new()?,
            pid: Atomic::new(0),
            runtime_ns: Atomic::new(0),
        })
    }
}

/// A CPU's own position in the round, on a cache line of its own: CPUs do not
/// take turns on a shared counter.
#[repr(align(64))]
struct Cursor(Atomic<i32>);

/// The router.
pub(crate) struct Dispatch {
    shared: Arc<Shared>,
    /// One for each lane of `shared`, in its order.
    wakers: KVec<Task>,
    /// One for each possible CPU.
    cursors: KVec<Cursor>,
}

impl Dispatch {
    /// Routes to the lanes of `shared`, whose workers `wakers` wake.
    pub(crate) fn new(shared: Arc<Shared>, wakers: KVec<Task>) -> Result<Self> {
        let mut cursors = KVec::new();
        for _ in 0..kernel::cpu::nr_cpu_ids() {
            cursors.push(Cursor(Atomic::new(0)), GFP_KERNEL)?;
        }
        Ok(Self {
            shared,
            wakers,
            cursors,
        })
    }

    /// Gives a packet to the next worker; one that finds no room is dropped,
    /// and counted. Softirq context, so the CPU stays the same throughout.
    pub(crate) fn hand_over(&self, packet: RxPacket) {
        let turn = self.next();
        let (Some(lane), Some(waker)) = (self.shared.lanes.get(turn), self.wakers.get(turn)) else {
            return self.lose(Loss::QueueFull);
        };
        match lane.queue.push(packet, QUEUE_BYTES) {
            Pushed::First => waker.wake(),
            Pushed::Behind => {}
            Pushed::Full(_packet) => self.lose(Loss::QueueFull),
        }
    }

    /// Counts a packet that is not handed over.
    pub(crate) fn lose(&self, why: Loss) {
        self.losses().count(why);
    }

    fn losses(&self) -> &Losses {
        &self.shared.losses
    }

    fn next(&self) -> usize {
        let turn = match self.cursors.get(cpu::this()) {
            Some(cursor) => cursor.0.fetch_add(1, Relaxed) as u32,
            None => 0,
        };
        (turn as usize)
            .checked_rem(self.shared.lanes.len())
            .unwrap_or(0)
    }
}
