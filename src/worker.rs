// SPDX-License-Identifier: GPL-2.0-only
//! A worker: takes packets from its queue, has the core answer each, sends the
//! answers.

use crate::{
    dispatch::Lane,
    pace::Pace,
    platform::Kernel,
    rx,
    stats::{KernelHost, Loss, Losses},
    sys::{
        kthread::{self, Run},
        net::Net,
        queue::Batch,
        rx_packet::{RxPacket, UDP_LEN},
        time, Family,
    },
    tx::{self, ReturnPath},
};
use kernel::{
    prelude::*,
    sync::{atomic::Relaxed, Arc},
};
use kv::{limits, Context, Counters, Kv, Now, Outcome, Reply};

/// What all workers and the router share.
pub(crate) struct Shared {
    pub(crate) kv: Kv<Kernel>,
    /// One for each worker.
    pub(crate) counters: KVec<Counters>,
    /// One for each worker.
    pub(crate) lanes: KVec<Lane>,
    pub(crate) losses: Losses,
    pub(crate) net: Net,
    pub(crate) port: u16,
    /// Monotonic seconds when the store was made.
    pub(crate) started: u64,
}

impl Shared {
    fn now(&self) -> Now {
        let age = time::monotonic().saturating_sub(self.started);
        let since = u64::from(Now::START.0).saturating_add(age);
        Now(u32::try_from(since).unwrap_or(u32::MAX))
    }
}

/// One worker's own things.
pub(crate) struct Worker {
    index: usize,
    shared: Arc<Shared>,
    batch: Batch,
    /// Where a request that is not linear is put together.
    request: KVVec<u8>,
    /// Where the reply is written.
    reply: KVVec<u8>,
}

impl Worker {
    /// The worker of lane `index`.
    pub(crate) fn new(shared: Arc<Shared>, index: usize) -> Result<Self> {
        Ok(Self {
            index,
            shared,
            batch: Batch::new()?,
            request: KVVec::from_elem(0, limits::REQUEST_MAX, GFP_KERNEL)?,
            reply: KVVec::from_elem(0, limits::REPLY_MAX, GFP_KERNEL)?,
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
        // Whoever stops us has closed the hook before: this is the last of it.
        self.drain(&shared, lane);
    }
}

impl Worker {
    /// Answers all that waits.
    fn drain(&mut self, shared: &Shared, lane: &Lane) {
        let mut pace = Pace::new();
        while let Some(packet) = self.next(lane) {
            if let Err(why) = self.answer(shared, packet, &mut pace) {
                shared.losses.count(why);
            }
            pace.step();
        }
    }

    /// The oldest packet that waits. Bottom halves are off.
    fn next(&mut self, lane: &Lane) -> Option<RxPacket> {
        self.batch.pop().or_else(|| {
            self.batch.refill(&lane.queue);
            self.batch.pop()
        })
    }

    /// Reads the request in `packet`, executes it, sends the reply.
    fn answer(
        &mut self,
        shared: &Shared,
        mut packet: RxPacket,
        pace: &mut Pace,
    ) -> Result<(), Loss> {
        check(&mut packet)?;
        let (Some(path), Some(mine)) = (ReturnPath::of(&packet), shared.counters.get(self.index))
        else {
            return Err(Loss::Length);
        };
        let context = Context {
            now: shared.now(),
            unix_now: time::real(),
            mine,
            all: &shared.counters,
            host: &KernelHost {
                losses: &shared.losses,
                lanes: &shared.lanes,
                port: shared.port,
            },
        };
        let datagram = packet.payload(&mut self.request).ok_or(Loss::Memory)?;
        let mut reply = Reply::new(&mut self.reply);
        match kv::serve(&shared.kv, &context, datagram, &mut reply) {
            Outcome::Reply { request_id } => {
                tx::send(&shared.net, &path, packet, request_id, reply.text(), pace)
            }
            // Nothing to say, or the core has counted the drop itself.
            Outcome::Silent | Outcome::Dropped(_) => {
                packet.consume();
                Ok(())
            }
        }
    }
}

/// Has the packet end where its UDP datagram ends, and checks the checksum
/// (RFC 768; none is allowed over IPv4, RFC 8200 section 8.1 demands one).
fn check(packet: &mut RxPacket) -> Result<(), Loss> {
    let offset = packet.udp_offset();
    let udp = packet.headers().get(offset..).ok_or(Loss::Length)?;
    let length = usize::from(rx::be16(udp, 4).ok_or(Loss::Length)?);
    let sum = rx::be16(udp, 6).ok_or(Loss::Length)?;
    let end = offset.checked_add(length).ok_or(Loss::Length)?;
    if length < UDP_LEN || end > packet.len() {
        return Err(Loss::Length);
    }
    if end < packet.len() && !packet.trim(end) {
        return Err(Loss::Memory);
    }
    let family = packet.family().ok_or(Loss::Length)?;
    match (sum, family) {
        (0, Family::V4) => Ok(()),
        (0, Family::V6) => Err(Loss::Checksum),
        _ if packet.checksum_ok(family) => Ok(()),
        _ => Err(Loss::Checksum),
    }
}
