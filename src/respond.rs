// SPDX-License-Identifier: GPL-2.0-only
//! From a request's packet to its reply, whoever does it: a worker, or the
//! hook itself.

use crate::{
    budget::Budget,
    clock::Clock,
    dispatch::Lane,
    nodes::Rosters,
    pace::{Manners, Pace},
    platform::Kernel,
    stats::{KernelHost, Loss, Losses, Supplies},
    sys::{
        memory,
        net::Net,
        queue::Queue,
        rx_packet::{RxPacket, UDP_LEN},
        sheets::{Sheets, Text},
        stock::{Filled, Stock},
        Family,
    },
    train::{self, Message, Outlet},
    tx::{self, Sent},
};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use kernel::{new_mutex, page::PAGE_SIZE, prelude::*, sync::Mutex};
use kv::{limits, Context, Counters, Kv, Outcome, Reply, Spare};

/// What router and responders share.
pub(crate) struct Shared {
    pub(crate) kv: Kv<Kernel>,
    /// One for each responder: workers first, then the hook on each CPU.
    pub(crate) counters: KVec<Counters>,
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
    pub(crate) net: Net,
    /// Where we listen.
    pub(crate) port: u16,
    pub(crate) clock: Clock,
}

impl Shared {
    /// The lanes that have a worker.
    pub(crate) fn active_lanes(&self) -> &[Lane] {
        let active = self.active.load(Relaxed);
        self.lanes.get(..active).unwrap_or(&self.lanes)
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
    /// So many, with those buffers.
    pub(crate) fn new(count: usize, buffers: Buffers) -> Result<Self> {
        let mut idle = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            idle.push(Responder::new(buffers)?, GFP_KERNEL)?;
        }
        let idle = KBox::pin_init(new_mutex!(idle, "unbuckle::pool"), GFP_KERNEL)?;
        Ok(Self { idle })
    }

    /// One that counts in the counters of that index, until it is put back. May
    /// sleep, as all of these.
    pub(crate) fn take(&self, index: usize) -> Option<Responder> {
        let mut responder = self.idle.lock().pop()?;
        responder.index = index;
        let filled = match index < limits::WORKERS_MAX {
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

/// What a responder writes to.
#[derive(Clone, Copy)]
pub(crate) struct Buffers {
    /// Bytes of the longest reply.
    pub(crate) reply: usize,
    /// How many [`Sheets`].
    pub(crate) sheets: usize,
}

/// What answering needs besides what is shared.
pub(crate) struct Responder {
    /// Of its counters.
    index: usize,
    /// Where a request that is not linear is put together.
    request: VVec<u8>,
    /// For the text of replies that the request's packet cannot carry,
    writer: Writer,
    /// and those that carry them.
    stock: Stock,
}

/// Where replies are written that have no room in the request's packet.
struct Writer {
    /// Most of them,
    sheets: Sheets,
    /// and those that are too long for a sheet, or find none.
    reply: VVec<u8>,
}

impl Responder {
    fn new(buffers: Buffers) -> Result<Self> {
        Ok(Self {
            index: 0,
            request: VVec::from_elem(0, limits::REQUEST_MAX, GFP_KERNEL)?,
            writer: Writer {
                sheets: Sheets::new(buffers.sheets)?,
                reply: VVec::from_elem(0, buffers.reply, GFP_KERNEL)?,
            },
            stock: Stock::new()?,
        })
    }

    /// What one takes.
    pub(crate) fn bytes(buffers: Buffers) -> usize {
        let beside = Sheets::bytes(buffers.sheets).saturating_add(Stock::BYTES);
        [limits::REQUEST_MAX, buffers.reply]
            .iter()
            .fold(beside, |sum, len| {
                let whole = len.next_multiple_of(PAGE_SIZE);
                sum.saturating_add(whole)
                    .saturating_add(memory::tables(whole))
            })
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

    #[inline(always)]
    fn answer(
        &mut self,
        shared: &Shared,
        mut packet: RxPacket,
        pace: &mut impl Pace,
    ) -> Result<(), Loss> {
        check(&mut packet)?;
        let mine = shared.counters.get(self.index).ok_or(Loss::Memory)?;
        let (now, unix_now) = shared.clock.read();
        let context = Context {
            now,
            unix_now,
            mine,
            all: &shared.counters,
            host: &KernelHost { shared },
        };
        let room = packet.room(limits::TEXT_MAX);
        let (datagram, inside) = packet
            .split_at_room(&room, &mut self.request)
            .ok_or(Loss::Memory)?;
        let mut pages = Pages {
            writer: Some(&mut self.writer),
            supplies: &shared.supplies,
            long: None,
        };
        let mut reply = Reply::with_spare(inside, &mut pages);
        let outcome = kv::serve(&shared.kv, &context, datagram, &mut reply);
        let len = reply.written();
        let place = pages.place();
        let Outcome::Reply { request_id } = outcome else {
            // Nothing to say, or the core has counted the drop itself.
            packet.consume();
            return Ok(());
        };
        match place {
            Place::Packet => tx::send_inside(packet, &room, request_id, len, pace),
            _ => self.send(shared, packet, request_id, len, place == Place::Sheet, pace),
        }
    }

    /// Sends the `len` bytes of the reply from where they were written.
    fn send(
        &mut self,
        shared: &Shared,
        request: RxPacket,
        request_id: u16,
        len: usize,
        on_sheet: bool,
        pace: &mut impl Pace,
    ) -> Result<(), Loss> {
        let Writer { sheets, reply } = &mut self.writer;
        let outlet = Outlet {
            net: &shared.net,
            supplies: &shared.supplies,
            stock: &mut self.stock,
        };
        if !on_sheet && len > limits::TEXT_MAX {
            let text = reply.get(..len).ok_or(Loss::Memory)?;
            return train::send_long(outlet, sheets, request, request_id, text, pace);
        }
        let many = on_sheet && len > limits::TEXT_MAX;
        let used = match many {
            true => sheets.put_behind(len, kv::frames(request_id, len)),
            false => Some(len),
        };
        let used = used.ok_or(Loss::Memory)?;
        let written = match on_sheet {
            true => sheets.written(used),
            false => reply.get(..used).map(Text::loose),
        };
        let written = written.ok_or(Loss::Memory)?;
        let message = Message {
            request_id,
            text: written.part(0, len).ok_or(Loss::Memory)?,
            frames: match many {
                true => written.part(len, used.saturating_sub(len)),
                false => None,
            },
        };
        let sent = tx::send(outlet, request, &message, pace);
        // Some may be on their way when sending fails.
        if on_sheet && !matches!(sent, Ok(Sent::Copied)) {
            sheets.keep(used);
        }
        sent.map(|_| ())
    }
}

/// Where a reply was written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the request's own packet.
    Packet,
    /// On a sheet.
    Sheet,
    /// In the buffer for long ones.
    Long,
}

/// Where replies go on that do not fit the request's packet: the window of the
/// sheets,
struct Pages<'a> {
    /// Until they do.
    writer: Option<&'a mut Writer>,
    supplies: &'a Supplies,
    long: Option<Long<'a>>,
}

/// and then the buffer for long ones.
struct Long<'a> {
    reply: &'a mut [u8],
    used: bool,
}

impl Pages<'_> {
    /// Where the reply got to.
    #[inline(always)]
    fn place(&self) -> Place {
        match &self.long {
            None => Place::Packet,
            Some(Long { used: false, .. }) => Place::Sheet,
            Some(Long { used: true, .. }) => Place::Long,
        }
    }
}

impl Spare for Pages<'_> {
    fn most(&self) -> usize {
        self.writer.as_ref().map_or(0, |writer| writer.reply.len())
    }

    fn go_on(&mut self) -> (&mut [u8], Option<&mut (dyn Spare + '_)>) {
        let Some(Writer { sheets, reply }) = self.writer.take() else {
            return (&mut [], None);
        };
        let long = self.long.insert(Long { reply, used: false });
        (sheets.window(self.supplies), Some(long))
    }
}

impl Spare for Long<'_> {
    fn most(&self) -> usize {
        self.reply.len()
    }

    fn go_on(&mut self) -> (&mut [u8], Option<&mut (dyn Spare + '_)>) {
        self.used = true;
        (self.reply, None)
    }
}

/// Has the packet end where its UDP datagram ends, and checks the checksum
/// (RFC 768; none is allowed over IPv4, RFC 8200 section 8.1 demands one).
#[inline(always)]
fn check(packet: &mut RxPacket) -> Result<(), Loss> {
    let [_, _, _, _, length_high, length_low, sum @ ..] = *packet.udp_header();
    let length = usize::from(u16::from_be_bytes([length_high, length_low]));
    let end = packet.udp_offset().saturating_add(length);
    if length < UDP_LEN || end > packet.len() {
        return Err(Loss::Length);
    }
    if end < packet.len() && !packet.trim(end) {
        return Err(Loss::Memory);
    }
    let without = sum == [0, 0];
    if without && packet.family() == Family::V6 {
        return Err(Loss::Checksum);
    }
    if packet.is_verified() || without {
        return Ok(());
    }
    match packet.checksum_ok() {
        true => Ok(()),
        false => Err(Loss::Checksum),
    }
}
