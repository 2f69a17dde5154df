// SPDX-License-Identifier: GPL-2.0-only
//! The router: who answers a packet.

use crate::{
    pace::Softirq,
    respond::{Responder, Shared},
    stats::Loss,
    sys::{
        cpu,
        exclusive::Exclusive,
        queue::{Queue, Refused},
        rx_packet::RxPacket,
    },
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{Atomic, Relaxed},
        Arc, SetOnce,
    },
};
use kv::{hash::siphash13, limits::WORKERS_MAX, routing_key};

/// Packet memory (truesize) that may wait for one worker, in bytes. Some 5,000
/// small requests, or 50 of the largest.
const QUEUE_BYTES: u32 = 4 << 20;

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Routing {
    /// The workers, in turn.
    RoundRobin,
    /// The worker that the request's first key belongs to; in turn where there
    /// is none.
    Key,
    /// The hook itself, at once.
    Inline,
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
    /// The worker's thread number, 0 until it runs.
    pub(crate) pid: Atomic<i32>,
    /// CPU time the worker has used, in nanoseconds, as of its last stretch.
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
    /// A [`Routing`]. Relaxed: a packet goes by the old policy or the new one.
    routing: Atomic<i32>,
    /// One for each possible CPU.
    cursors: KVec<Cursor>,
    /// The hook's own responders, one for each possible CPU, from when they
    /// are first wanted.
    inline: SetOnce<KVec<Exclusive<Responder>>>,
    /// So that nobody can aim at one worker.
    hash_key: [u64; 2],
}

impl Dispatch {
    /// Routes to the lanes of `shared`, in turn at first.
    pub(crate) fn new(shared: Arc<Shared>, hash_key: [u64; 2]) -> Result<Self> {
        let mut cursors = KVec::new();
        for _ in 0..kernel::cpu::nr_cpu_ids() {
            cursors.push(Cursor(Atomic::new(0)), GFP_KERNEL)?;
        }
        Ok(Self {
            shared,
            routing: Atomic::new(Routing::RoundRobin as i32),
            cursors,
            inline: SetOnce::new(),
            hash_key,
        })
    }

    /// From now on goes by `routing`. May sleep.
    pub(crate) fn set_routing(&self, routing: Routing) -> Result {
        if routing == Routing::Inline && self.inline.as_ref().is_none() {
            let mut responders = KVec::new();
            for cpu in 0..self.cursors.len() {
                let responder = Responder::new(WORKERS_MAX.saturating_add(cpu))?;
                responders.push(Exclusive::new(responder), GFP_KERNEL)?;
            }
            self.inline.populate(responders);
        }
        self.routing.store(routing as i32, Relaxed);
        Ok(())
    }

    /// Has a packet answered. Softirq context, so the CPU stays the same
    /// throughout.
    pub(crate) fn hand_over(&self, packet: RxPacket) {
        let routing = self.routing.load(Relaxed);
        let turn = if routing == Routing::Key as i32 {
            self.turn_of_key(&packet)
        } else {
            None
        };
        let left = if routing == Routing::Inline as i32 {
            self.answer_here(packet)
        } else {
            Some(packet)
        };
        if let Some(packet) = left {
            self.enqueue(packet, turn.unwrap_or_else(|| self.next_turn()));
        }
    }

    /// Counts a packet that is not handed over.
    pub(crate) fn lose(&self, why: Loss) {
        self.shared.losses.count(why);
    }

    /// Answers in the hook; gives the packet back when this CPU is at another
    /// one, whose answer brought this one about.
    fn answer_here(&self, packet: RxPacket) -> Option<RxPacket> {
        let mut left = Some(packet);
        if let Some(responder) = self.inline.as_ref().and_then(|all| all.get(cpu::this())) {
            responder.with(|responder| {
                if let Some(packet) = left.take() {
                    responder.respond(&self.shared, packet, &mut Softirq);
                }
            });
        }
        left
    }

    /// Gives a packet to the worker whose turn it is, or to the next that
    /// serves. One that finds no room is dropped, and counted.
    fn enqueue(&self, packet: RxPacket, turn: usize) {
        let lanes = self.shared.active_lanes();
        let first = turn.checked_rem(lanes.len()).unwrap_or(0);
        let mut packet = packet;
        for lane in lanes.iter().cycle().skip(first).take(lanes.len()) {
            match lane.queue.push(packet, QUEUE_BYTES) {
                Ok(()) => return,
                Err(Refused::Full(_packet)) => return self.lose(Loss::QueueFull),
                Err(Refused::Closed(back)) => packet = back,
            }
        }
        self.lose(Loss::QueueFull);
    }

    fn turn_of_key(&self, packet: &RxPacket) -> Option<usize> {
        // A request in pieces is not put together for this.
        let key = routing_key(packet.payload(&mut [])?)?;
        Some(siphash13(self.hash_key, key) as usize)
    }

    fn next_turn(&self) -> usize {
        match self.cursors.get(cpu::this()) {
            Some(cursor) => cursor.0.fetch_add(1, Relaxed) as u32 as usize,
            None => 0,
        }
    }
}
