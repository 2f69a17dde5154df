// SPDX-License-Identifier: GPL-2.0-only
//! From a request's packet to its reply, whoever does it: a worker, or the
//! hook itself.

use crate::{
    budget::Budget,
    clock::Clock,
    dispatch::Lane,
    lent::Lent,
    nodes::Rosters,
    pace::{Manners, Pace},
    pages::{Writer, SMALL},
    platform::Kernel,
    stats::{Loss, Losses, Supplies},
    sys::{
        net::Net,
        queue::Queue,
        rx_packet::{RxPacket, UDP_LEN},
        stock::{Filled, Stock},
        Family,
    },
    train::Outlet,
    tx,
};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};
use kv::{limits, serve_in_place, Context, Counters, InPlace, Kv, Now, Outcome, Reply, Waiter};

/// What router and responders share.
pub(crate) struct Shared {
    pub(crate) kv: Kv<Kernel>,
    /// One for each who may answer: [`workers_max`] workers first, then the hook on each
    /// CPU.
    pub(crate) counters: KVVec<Counters>,
    /// One for each worker that there may be.
    pub(crate) lanes: KVec<Lane>,
    /// How many lanes have a worker: the first ones. Rust's own atomic, since each
    /// packet looks: the kernel's are calls.
    pub(crate) active: AtomicUsize,
    pub(crate) manners: Manners,
    /// Who serves on which node.
    pub(crate) rosters: Rosters,
    pub(crate) pool: Pool,
    /// What all of this takes.
    pub(crate) budget: Budget,
    pub(crate) losses: Losses,
    pub(crate) supplies: Supplies,
    /// For long requests in pieces,
    pub(crate) requests: Lent,
    /// and for long replies.
    pub(crate) replies: Arc<Lent>,
    pub(crate) net: Net,
    /// Where we listen.
    pub(crate) port: u16,
    pub(crate) clock: Clock,
}

/// How many workers there can be: each has a CPU of its own.
pub(crate) fn workers_max() -> usize {
    limits::WORKERS_MAX.min(kernel::cpu::nr_cpu_ids() as usize)
}

impl Shared {
    /// The lanes that have a worker.
    pub(crate) fn active_lanes(&self) -> &[Lane] {
        let active = self.active.load(Relaxed);
        self.lanes.get(..active).unwrap_or(&self.lanes)
    }

    #[inline(always)]
    fn counters_of(&self, index: usize) -> Option<&Counters> {
        self.counters.get(index)
    }

    /// What the core has to know now, for who counts in the counters of that index.
    fn context(&self, index: usize) -> Option<Context<'_>> {
        Some(Context {
            now: self.clock.now(),
            unix_now: self.clock.unix(),
            mine: self.counters_of(index)?,
            all: &self.counters,
            host: self,
        })
    }

    /// From now on it is the first `count`. Relaxed: the router may look at a lane
    /// that is closed already or not open yet, and then takes another.
    pub(crate) fn set_active_lanes(&self, count: usize) {
        self.active.store(count, Relaxed);
    }
}

/// All responders, made at load: workers take theirs when they are hired, the hook
/// when it is to answer, and give them back.
pub(crate) struct Pool {
    /// With room for all of them.
    idle: Pin<KBox<Mutex<KVec<Responder>>>>,
}

impl Pool {
    /// So many, each with those supplies, and all with those long buffers.
    pub(crate) fn new(count: usize, stores: Stores, long: &Arc<Lent>) -> Result<Self> {
        let mut idle = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            idle.push(Responder::new(stores, long.clone())?, GFP_KERNEL)?;
        }
        let idle = KBox::pin_init(new_mutex!(idle, "unbuckle::pool"), GFP_KERNEL)?;
        Ok(Self { idle })
    }

    /// One that counts in the counters of that index, until it is put back. May
    /// sleep, as all of these.
    pub(crate) fn take(&self, index: usize) -> Option<Responder> {
        let mut responder = self.idle.lock().pop()?;
        responder.index = index;
        let filled = match index < workers_max() {
            true => Filled::ByOwner,
            false => Filled::ByItself,
        };
        responder.stock.set_filled(filled);
        while responder.stock.add() {}
        Some(responder)
    }

    pub(crate) fn put(&self, responder: Responder) {
        // There is room: it has been in there before.
        let _ = self.idle.lock().push(responder, GFP_KERNEL);
    }
}

/// What a responder has for replies.
#[derive(Clone, Copy)]
pub(crate) struct Stores {
    /// How many sheets its [`Writer`],
    pub(crate) sheets: usize,
    /// and how many packets its [`Stock`] has.
    pub(crate) packets: usize,
}

/// What answering needs besides what is shared.
pub(crate) struct Responder {
    /// Of its counters.
    index: usize,
    /// Where a request that is not linear is put together, if it is short.
    request: KVec<u8>,
    /// For the text of replies that the request's packet cannot carry,
    writer: Writer,
    /// and those that carry them.
    stock: Stock,
}

impl Responder {
    fn new(stores: Stores, long: Arc<Lent>) -> Result<Self> {
        Ok(Self {
            index: 0,
            request: KVec::from_elem(0, SMALL, GFP_KERNEL)?,
            writer: Writer::new(stores.sheets, long)?,
            stock: Stock::new(stores.packets)?,
        })
    }

    /// What one takes.
    pub(crate) fn bytes(stores: Stores) -> usize {
        Writer::bytes(stores.sheets)
            .saturating_add(Stock::bytes(stores.packets))
            .saturating_add(SMALL)
    }

    /// Makes up for packets that were used, as long as nothing waits in `queue`.
    /// A worker's, not the hook's.
    pub(crate) fn restock(&mut self, queue: &Queue) {
        while queue.is_empty() && self.stock.add() {}
    }

    /// Reads the request in `packet`, executes it, sends the reply; or counts
    /// why not. Bottom halves are off.
    #[inline(always)]
    pub(crate) fn respond(&mut self, shared: &Shared, packet: RxPacket, pace: &mut impl Pace) {
        if let Err(why) = self.answer(shared, packet, pace) {
            shared.losses.count(why);
        }
    }

    /// As [`respond`](Self::respond), out of line.
    #[inline(never)]
    pub(crate) fn respond_unusual(
        &mut self,
        shared: &Shared,
        packet: RxPacket,
        pace: &mut impl Pace,
    ) {
        self.respond(shared, packet, pace);
    }

    #[inline(always)]
    fn answer(
        &mut self,
        shared: &Shared,
        mut packet: RxPacket,
        pace: &mut impl Pace,
    ) -> Result<(), Loss> {
        check(&mut packet)?;
        let Some(place) = packet.place(limits::DATAGRAM_MAX) else {
            return self.answer_apart(shared, packet, pace);
        };
        let (buffer, len) = packet.in_place(&place);
        let waiter = At {
            responder: self,
            shared,
        };
        match serve_in_place(waiter, buffer, len) {
            InPlace::Here(len) => tx::send_in_place(packet, &place, len as usize),
            other => self.answer_otherwise(shared, packet, other, pace),
        }
    }

    /// As [`answer`](Self::answer), a request whose reply is not where it is.
    #[inline(never)]
    fn answer_otherwise(
        &mut self,
        shared: &Shared,
        packet: RxPacket,
        served: InPlace,
        pace: &mut impl Pace,
    ) -> Result<(), Loss> {
        match served {
            InPlace::Elsewhere { request_id, len } => {
                let outcome = Outcome::Reply { request_id };
                self.end(shared, packet, outcome, len as usize, pace)
            }
            _ => self.answer_apart(shared, packet, pace),
        }
    }

    /// As [`answer`](Self::answer), a request that is not answered where it is: the reply is
    /// written behind it, if there is room, or elsewhere.
    #[inline(never)]
    fn answer_apart(
        &mut self,
        shared: &Shared,
        mut packet: RxPacket,
        pace: &mut impl Pace,
    ) -> Result<(), Loss> {
        let room = packet.room(limits::TEXT_MAX);
        let mut pages = self.writer.pages(&shared.supplies);
        let Some((datagram, inside)) = packet.split_at_room(&room) else {
            return self.answer_pieces(shared, packet, pace);
        };
        let mut reply = Reply::with_spare(inside, &mut pages);
        let outcome = serve(shared, self.index, datagram, &mut reply)?;
        let len = reply.written();
        match outcome {
            Outcome::Reply { request_id } if !pages.are_used() => {
                tx::send_inside(packet, &room, request_id, len, pace)
            }
            outcome => self.end(shared, packet, outcome, len, pace),
        }
    }

    /// As [`answer`](Self::answer), a request that is in pieces: these are put together in
    /// a buffer of its own, or in one that is lent meanwhile.
    #[cold]
    #[inline(never)]
    fn answer_pieces(
        &mut self,
        shared: &Shared,
        packet: RxPacket,
        pace: &mut impl Pace,
    ) -> Result<(), Loss> {
        let mut pages = self.writer.pages(&shared.supplies);
        let mut reply = Reply::with_spare(&mut [], &mut pages);
        let mut serve = |buffer: &mut [u8]| {
            let datagram = packet.payload_in(buffer).ok_or(Loss::Memory)?;
            serve(shared, self.index, datagram, &mut reply)
        };
        let outcome = if packet.payload_len() <= self.request.len() {
            serve(&mut self.request)
        } else {
            let mut buffer = shared.requests.take().ok_or(Loss::Memory)?;
            let outcome = serve(&mut buffer);
            shared.requests.put(buffer);
            outcome
        }?;
        let len = reply.written();
        self.end(shared, packet, outcome, len, pace)
    }

    /// Does what is to be done after a request whose reply is not in its packet.
    #[inline(never)]
    fn end(
        &mut self,
        shared: &Shared,
        packet: RxPacket,
        outcome: Outcome,
        len: usize,
        pace: &mut impl Pace,
    ) -> Result<(), Loss> {
        if let Outcome::Reply { request_id } = outcome {
            let outlet = Outlet {
                net: &shared.net,
                supplies: &shared.supplies,
                stock: &mut self.stock,
            };
            return self.writer.send(outlet, packet, request_id, len, pace);
        }
        // Nothing to say, or the core has counted the drop itself.
        self.writer.forget();
        packet.consume();
        Ok(())
    }
}

/// A responder that answers in place.
struct At<'a> {
    responder: &'a mut Responder,
    shared: &'a Shared,
}

impl<'a> Waiter<'a, Kernel> for At<'a> {
    #[inline(always)]
    fn kv(&self) -> &'a Kv<Kernel> {
        &self.shared.kv
    }

    #[inline(always)]
    fn now(&self) -> Now {
        self.shared.clock.now()
    }

    #[inline(always)]
    fn mine(&self) -> Option<&'a Counters> {
        self.shared.counters_of(self.responder.index)
    }

    fn context(&self) -> Option<Context<'a>> {
        self.shared.context(self.responder.index)
    }

    fn elsewhere(self) -> &'a mut [u8] {
        self.responder.writer.window(&self.shared.supplies)
    }
}

/// Reads a request and executes it, counting in the counters of that index.
#[inline]
fn serve(
    shared: &Shared,
    index: usize,
    datagram: &[u8],
    reply: &mut Reply<'_>,
) -> Result<Outcome, Loss> {
    let context = shared.context(index).ok_or(Loss::Memory)?;
    Ok(kv::serve(&shared.kv, &context, datagram, reply))
}

/// Has a packet end there, which it does not.
#[cold]
#[inline(never)]
fn cut(packet: &mut RxPacket, end: usize) -> Result<(), Loss> {
    if end > packet.len() {
        return Err(Loss::Length);
    }
    match packet.trim(end) {
        true => Ok(()),
        false => Err(Loss::Memory),
    }
}

/// Has the packet end where its UDP datagram ends, and checks the checksum
/// (RFC 768; none is allowed over IPv4, RFC 8200 section 8.1 demands one).
#[inline(always)]
fn check(packet: &mut RxPacket) -> Result<(), Loss> {
    let [_, _, _, _, length_high, length_low, sum @ ..] = *packet.udp_header();
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let end = packet.udp_offset().saturating_add(length);
    if length < UDP_LEN {
        return Err(Loss::Length);
    }
    if end != packet.len() {
        cut(packet, end)?;
    }
    if packet.family() == Family::V6 && sum == [0, 0] {
        return Err(Loss::Checksum);
    }
    if packet.is_verified() || sum == [0, 0] {
        return Ok(());
    }
    match packet.checksum_ok() {
        true => Ok(()),
        false => Err(Loss::Checksum),
    }
}
