// SPDX-License-Identifier: GPL-2.0-only
//! A worker: takes packets from its queue and answers them.

use crate::{
    dispatch::Lane,
    pace::{Pace, Stretch},
    respond::{Responder, Shared},
    sys::{
        kthread::{self, Run},
        queue::Batch,
        rx_packet::RxPacket,
    },
};
use kernel::{
    prelude::*,
    sync::{atomic::Relaxed, Arc},
};

/// One worker's own things.
pub(crate) struct Worker {
    index: usize,
    shared: Arc<Shared>,
    batch: Batch,
    responder: Responder,
}

impl Worker {
    /// The worker of lane `index`.
    pub(crate) fn new(shared: Arc<Shared>, index: usize) -> Result<Self> {
        Ok(Self {
            index,
            shared,
            batch: Batch::new()?,
            responder: Responder::new(index)?,
        })
    }

    /// Answers all that waits.
    fn drain(&mut self, shared: &Shared, lane: &Lane) {
        let mut stretch = Stretch::new(&shared.budget);
        while let Some(packet) = self.next(lane) {
            self.responder.respond(shared, packet, &mut stretch);
            stretch.step();
        }
    }

    /// The oldest packet that waits. Bottom halves are off.
    fn next(&mut self, lane: &Lane) -> Option<RxPacket> {
        self.batch.pop().or_else(|| {
            self.batch.refill(&lane.queue);
            self.batch.pop()
        })
    }
}

impl Run for Worker {
    fn run(&mut self) {
        let shared = self.shared.clone();
        let Some(lane) = shared.lanes.get(self.index) else {
            return;
        };
        lane.pid.store(kthread::pid(), Relaxed);
        while !kthread::should_stop() {
            lane.queue.wait();
            self.drain(&shared, lane);
            lane.runtime_ns.store(kthread::runtime_ns() as i64, Relaxed);
        }
        // Whoever stops us has closed the queue before: this is the last of it.
        self.drain(&shared, lane);
    }
}
