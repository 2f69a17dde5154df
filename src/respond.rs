// SPDX-License-Identifier: GPL-2.0-only
//! From a request's packet to its reply, whoever does it: a worker, or the
//! hook itself.

use crate::{
    dispatch::Lane,
    pace::Pace,
    platform::Kernel,
    rx,
    stats::{KernelHost, Loss, Losses},
    sys::{
        net::Net,
        rx_packet::{RxPacket, UDP_LEN},
        time, Family,
    },
    tx::{self, ReturnPath},
};
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use kv::{limits, Context, Counters, Kv, Now, Outcome, Reply};

/// What router and responders share.
pub(crate) struct Shared {
    pub(crate) kv: Kv<Kernel>,
    /// One for each responder: workers first, then the hook on each CPU.
    pub(crate) counters: KVec<Counters>,
    /// One for each worker that there may be.
    pub(crate) lanes: KVec<Lane>,
    /// How many lanes have a worker: the first ones.
    pub(crate) active: Atomic<i32>,
    /// Packets handled or sent in a row before others get a worker's CPU.
    pub(crate) budget: Atomic<i32>,
    pub(crate) losses: Losses,
    pub(crate) net: Net,
    /// Where we listen.
    pub(crate) port: u16,
    /// Monotonic seconds when the store was made.
    pub(crate) started: u64,
}

impl Shared {
    /// The lanes that have a worker.
    pub(crate) fn active_lanes(&self) -> &[Lane] {
        let active = usize::try_from(self.active.load(Relaxed)).unwrap_or(0);
        self.lanes.get(..active).unwrap_or(&self.lanes)
    }

    fn now(&self) -> Now {
        let age = time::monotonic().saturating_sub(self.started);
        let since = u64::from(Now::START.0).saturating_add(age);
        Now(u32::try_from(since).unwrap_or(u32::MAX))
    }
}

/// What answering needs besides what is shared.
pub(crate) struct Responder {
    /// Of its counters.
    index: usize,
    /// Where a request that is not linear is put together.
    request: KVVec<u8>,
    /// Where the reply is written.
    reply: KVVec<u8>,
}

impl Responder {
    /// Counts in the counters of that index.
    pub(crate) fn new(index: usize) -> Result<Self> {
        Ok(Self {
            index,
            request: KVVec::from_elem(0, limits::REQUEST_MAX, GFP_KERNEL)?,
            reply: KVVec::from_elem(0, limits::REPLY_MAX, GFP_KERNEL)?,
        })
    }

    /// Reads the request in `packet`, executes it, sends the reply; or counts
    /// why not. Bottom halves are off.
    pub(crate) fn respond(&mut self, shared: &Shared, packet: RxPacket, pace: &mut impl Pace) {
        if let Err(why) = self.answer(shared, packet, pace) {
            shared.losses.count(why);
        }
    }

    fn answer(
        &mut self,
        shared: &Shared,
        mut packet: RxPacket,
        pace: &mut impl Pace,
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
            host: &KernelHost { shared },
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
