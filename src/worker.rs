// SPDX-License-Identifier: GPL-2.0-only
//! A worker: takes packets from its queue and answers them.

use crate::{
    dispatch::Lane,
    pace::{Pace, Shift, Stretch},
    respond::{Responder, Shared},
    sys::{
        kthread::{self, Run},
        queue::Batch,
        rx_packet::{Kept, RxPacket},
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
    /// From the pool, to which it goes back at the end.
    responder: Option<Responder>,
}

impl Worker {
    /// The worker of lane `index`.
    pub(crate) fn new(shared: Arc<Shared>, index: usize) -> Result<Self> {
        let responder = Some(shared.pool.take(index).ok_or(ENOMEM)?);
        Ok(Self {
            index,
            shared,
            batch: Batch::new(),
            responder,
        })
    }

    /// Answers all that waits.
    fn drain(&mut self, shared: &Shared, lane: &Lane, shift: &mut Shift<'_>) {
        let Some(responder) = self.responder.as_mut() else {
            return;
        };
        let mut stretch = Stretch::new(shift);
        while let Some(packet) = next(&mut self.batch, lane) {
            match packet.usual_ipv4() {
                Ok(packet) => responder.respond(shared, packet, &mut stretch),
                Err(packet) => responder.respond_unusual(shared, packet, &mut stretch),
            }
            stretch.step();
        }
    }

    /// Makes up for what answering took.
    fn restock(&mut self, lane: &Lane) {
        if let Some(responder) = self.responder.as_mut() {
            responder.restock(&lane.queue);
        }
    }
}

/// The oldest packet that waits. Bottom halves are off.
#[inline(always)]
fn next(batch: &mut Batch, lane: &Lane) -> Option<RxPacket> {
    let packet = batch.pop().or_else(|| {
        batch.refill(&lane.queue);
        batch.pop()
    });
    packet.map(Kept::open)
}

impl Drop for Worker {
    fn drop(&mut self) {
        if let Some(responder) = self.responder.take() {
            self.shared.pool.put(responder);
        }
    }
}

impl Run for Worker {
    fn run(&mut self) {
        let shared = self.shared.clone();
        let Some(lane) = shared.lanes.get(self.index) else {
            return;
        };
        lane.pid.store(kthread::pid(), Relaxed);
        let mut shift = Shift::new(&shared.manners);
        while !kthread::should_stop() {
            shift.idle(&lane.queue);
            self.drain(&shared, lane, &mut shift);
            self.restock(lane);
            lane.runtime_ns.store(kthread::runtime_ns() as i64, Relaxed);
        }
        // Whoever stops us has closed the queue before: this is the last of it.
        self.drain(&shared, lane, &mut shift);
    }
}
