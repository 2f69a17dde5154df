// SPDX-License-Identifier: GPL-2.0-only
//! The router: who answers a packet.

use crate::{
    nodes::Roster,
    pace::Softirq,
    respond::{workers_max, Responder, Shared},
    stats::Loss,
    sys::{
        cpu,
        exclusive::Exclusive,
        queue::{Queue, Refused},
        rx_packet::RxPacket,
    },
};
use core::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use kernel::{
    prelude::*,
    sync::{atomic::Atomic, Arc},
};
use kv::{hash::siphash13, limits::WORKERS_MAX, routing_key};

/// Packet memory (truesize) that may wait for one worker, in bytes. Some 5,000
/// small requests, or 50 of the largest.
const QUEUE_BYTES: u32 = 4 << 20;

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Routing {
    /// The hook itself, at once.
    Inline,
    /// The workers, in turn.
    RoundRobin,
    /// The worker that the request's first key belongs to; in turn where there
    /// is none.
    Key,
}

impl Routing {
    const ALL: [(&'static [u8], Routing); 3] = [
        (b"rr", Routing::RoundRobin),
        (b"key", Routing::Key),
        (b"inline", Routing::Inline),
    ];

    /// The policy of that name.
    pub(crate) fn named(name: &[u8]) -> Option<Self> {
        Self::ALL
            .iter()
            .find_map(|&(known, routing)| (known == name).then_some(routing))
    }
}

/// What one worker and the router share.
pub(crate) struct Lane {
    /// Packets for the worker.
    pub(crate) queue: Queue,
    /// The CPU that the worker is bound to.
    pub(crate) cpu: Atomic<i32>,
    /// Packets that found no room.
    full: AtomicU64,
    /// The worker's thread number, 0 until it runs.
    pub(crate) pid: Atomic<i32>,
    /// CPU time the worker has used, in nanoseconds, as of its last stretch.
    pub(crate) runtime_ns: Atomic<i64>,
}

impl Lane {
    pub(crate) fn new() -> Result<Self> {
        Ok(Self {
            queue: Queue::new()?,
            cpu: Atomic::new(0),
            full: AtomicU64::new(0),
            pid: Atomic::new(0),
            runtime_ns: Atomic::new(0),
        })
    }

    /// How many packets found no room.
    pub(crate) fn full(&self) -> u64 {
        self.full.load(Relaxed)
    }
}

/// Bytes of lanes and router, as [`crate::budget`] counts.
pub(crate) fn bytes(cpus: usize) -> usize {
    let lane = size_of::<Lane>().saturating_add(Queue::BYTES);
    let each = size_of::<Cursor>().saturating_add(size_of::<Exclusive<Option<Responder>>>());
    let lanes = WORKERS_MAX.saturating_mul(lane).next_power_of_two();
    lanes.saturating_add(cpus.saturating_mul(each).next_power_of_two())
}

/// A CPU's own position in the round, on a cache line of its own: CPUs do not
/// take turns on a shared counter.
#[repr(align(64))]
struct Cursor(AtomicUsize);

/// The router.
///
/// Plain atomics of Rust where each packet looks: those of the kernel are calls.
pub(crate) struct Dispatch {
    shared: Arc<Shared>,
    /// A [`Routing`]. Relaxed: a packet goes by the old policy or the new one.
    routing: AtomicU32,
    /// One for each possible CPU.
    cursors: KVec<Cursor>,
    /// The hook's own responders, for each possible CPU, while they are wanted.
    inline: KVec<Exclusive<Option<Responder>>>,
    /// So that nobody can aim at one worker.
    hash_key: [u64; 2],
}

impl Dispatch {
    /// Routes to the lanes of `shared`, in turn at first.
    pub(crate) fn new(shared: Arc<Shared>, hash_key: [u64; 2]) -> Result<Self> {
        let mut cursors = KVec::new();
        let mut inline = KVec::new();
        for _ in 0..kernel::cpu::nr_cpu_ids() {
            cursors.push(Cursor(AtomicUsize::new(0)), GFP_KERNEL)?;
            inline.push(Exclusive::new(None), GFP_KERNEL)?;
        }
        Ok(Self {
            shared,
            routing: AtomicU32::new(Routing::RoundRobin as u32),
            cursors,
            inline,
            hash_key,
        })
    }

    /// From now on goes by `routing`. May sleep.
    ///
    /// [`Routing::Inline`] takes a responder for each of the CPUs that are online;
    /// one that comes later has none, and hands over.
    pub(crate) fn set_routing(&self, routing: Routing, online: &[u32]) -> Result {
        if routing == Routing::Inline {
            self.take_responders(online)?;
        }
        self.routing.store(routing as u32, Relaxed);
        if routing != Routing::Inline {
            self.return_responders();
        }
        Ok(())
    }

    fn take_responders(&self, online: &[u32]) -> Result {
        for &cpu in online {
            let cpu = cpu as usize;
            let slot = self.inline.get(cpu).ok_or(EINVAL)?;
            // One that is answering has its own.
            let Some(mut slot) = slot.take().filter(|slot| slot.is_none()) else {
                continue;
            };
            let index = workers_max().saturating_add(cpu);
            *slot = Some(self.shared.pool.take(index).ok_or(ENOMEM)?);
        }
        Ok(())
    }

    /// Who has just looked at the old policy finds none, and hands over.
    fn return_responders(&self) {
        for slot in &self.inline {
            // It answers a request at most.
            let responder = loop {
                match slot.take() {
                    Some(mut slot) => break slot.take(),
                    None => cpu::relax(),
                }
            };
            if let Some(responder) = responder {
                self.shared.pool.put(responder);
            }
        }
    }

    /// Whether that is the policy now.
    #[inline(always)]
    fn goes_by(&self, routing: Routing) -> bool {
        self.routing.load(Relaxed) == routing as u32
    }

    /// Has a packet answered. Softirq context, so the CPU stays the same
    /// throughout.
    #[inline(always)]
    pub(crate) fn hand_over(&self, packet: RxPacket) {
        if self.goes_by(Routing::Inline) {
            if let Some(mut slot) = self.inline.get(packet.cpu()).and_then(Exclusive::take) {
                if let Some(responder) = slot.as_mut() {
                    return responder.respond(&self.shared, packet, &mut Softirq);
                }
            }
            // This CPU is at another packet, whose answer brought this one about.
        }
        let lane = match self.goes_by(Routing::Key) {
            // A request in pieces is not put together for this.
            true => packet
                .payload()
                .and_then(|datagram| self.lane_of_key(datagram)),
            false => None,
        };
        let lane = lane.unwrap_or_else(|| self.next_in_turn(packet.cpu()));
        self.enqueue(packet, lane);
    }

    /// Counts a packet that is not handed over.
    #[cold]
    #[inline(never)]
    pub(crate) fn lose(&self, why: Loss) {
        self.shared.losses.count(why);
    }

    /// Gives a packet to that lane's worker, or to the next that serves: the lane may have
    /// been given up just now. One that finds no room is dropped, and counted.
    #[inline(always)]
    fn enqueue(&self, packet: RxPacket, lane: usize) {
        match self.shared.lanes.get(lane) {
            Some(here) => match here.queue.push(packet, QUEUE_BYTES) {
                Ok(()) => {}
                Err(Refused::Full(_packet)) => self.lose_at(here),
                Err(Refused::Closed(back)) => self.enqueue_after(back, lane),
            },
            None => self.enqueue_after(packet, 0),
        }
    }

    /// The same when that cannot be lane `first`: from there on whoever serves.
    #[cold]
    #[inline(never)]
    fn enqueue_after(&self, packet: RxPacket, first: usize) {
        let lanes = self.shared.active_lanes();
        let (before, after) = lanes.split_at_checked(first).unwrap_or((lanes, &[]));
        let mut packet = packet;
        for lane in Iterator::chain(after.iter(), before) {
            match lane.queue.push(packet, QUEUE_BYTES) {
                Ok(()) => return,
                Err(Refused::Full(_packet)) => return self.lose_at(lane),
                Err(Refused::Closed(back)) => packet = back,
            }
        }
        self.lose(Loss::QueueFull);
    }

    /// Counts a packet for which a lane had no room.
    #[cold]
    fn lose_at(&self, lane: &Lane) {
        lane.full.fetch_add(1, Relaxed);
        self.lose(Loss::QueueFull);
    }

    fn lane_of_key(&self, datagram: &[u8]) -> Option<usize> {
        let hash = siphash13(self.hash_key, routing_key(datagram)?);
        (hash as usize).checked_rem(self.shared.active_lanes().len())
    }

    /// The lane that comes next among all, or among those of this CPU's node. Only this
    /// CPU moves its cursor, and nothing comes in between.
    #[inline(always)]
    fn next_in_turn(&self, cpu: usize) -> usize {
        let Some(Cursor(cursor)) = self.cursors.get(cpu) else {
            return 0;
        };
        let near = self.shared.rosters.here();
        let lanes = near.map_or_else(|| self.shared.active.load(Relaxed), Roster::len);
        let turn = cursor.load(Relaxed);
        let next = turn.wrapping_add(1);
        cursor.store(if next < lanes { next } else { 0 }, Relaxed);
        near.map_or(turn, |near| near.lane(turn).unwrap_or(0))
    }
}
