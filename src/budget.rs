// SPDX-License-Identifier: GPL-2.0-only
//! What `memory=` is divided into: everything that the module takes while it is
//! loaded, but for its own code and packets, which are the network stack's.

use crate::{
    dispatch,
    lent::Lent,
    platform::Kernel,
    respond::{workers_max, Responder, Shared, Stores},
    sys::memory,
};
use kernel::{page::PAGE_SIZE, prelude::*};
use kv::{
    limits::{MEMORY_MIN, REPLY_MAX, REQUEST_MAX},
    Config, Counters, Kv,
};

/// What a thread takes, and what sysfs shows of it: 16 KiB of stack, a
/// `task_struct`, objects with their names.
const THREAD: usize = 32 << 10;

/// For what is small and there once: the port's socket, hooks, sysfs.
const ODDS: usize = 32 << 10;

/// No reply takes more than this part of the memory, and [`REPLY_MAX`].
const REPLY_SHARE: usize = 4;

/// There is a buffer for long requests and one for long replies for so much memory,
/// one at least, and no more than responders.
const LENT_PER: usize = 64 << 20;

/// Responders have a sheet together for so much memory: a 128th of it for all,
const SHEET_PER: usize = 4 << 20;
/// and each has so many.
const SHEETS_MIN: usize = 4;
const SHEETS_MAX: usize = 128;

/// The same of packets in stock: a 512th of the memory. The longest reply, of 755
/// datagrams, takes some 50 of them.
const PACKET_PER: usize = 512 << 10;
const PACKETS_MIN: usize = 64;
const PACKETS_MAX: usize = 128;

/// What part of the memory goes to workers that nobody asked for, and to responders
/// that are not needed yet.
const SPARE_SHARE: usize = 8;

/// Names of the parts, in the order of [`Budget::part`].
pub(crate) const PARTS: [&CStr; 6] = [
    c"limit",
    c"store",
    c"locks",
    c"tables",
    c"responders",
    c"others",
];

/// How the memory is divided, in bytes.
pub(crate) struct Budget {
    /// All of it: what the others are together, at most.
    pub(crate) limit: usize,
    /// The store's region.
    pub(crate) store: usize,
    /// What the store takes beside that: its locks, the state of its classes.
    locks: usize,
    /// What the system needs to map the region.
    tables: usize,
    /// Threads, and buffers of those who answer.
    responders: usize,
    /// Counters, queues, and the like.
    others: usize,
}

impl Budget {
    /// Divides `limit` bytes, with so many responders.
    fn divide(limit: usize, config: &Config, responders: usize) -> Option<Self> {
        let config = Config {
            memory: limit,
            ..config.clone()
        };
        let locks = Kv::<Kernel>::beside(&config);
        let tables = memory::tables(limit);
        let responders = answering(limit, responders);
        let others = others();
        let store = [locks, tables, responders, others]
            .iter()
            .try_fold(limit, |left, part| left.checked_sub(*part))?;
        let store = store.checked_sub(store % PAGE_SIZE)?;
        Kv::<Kernel>::fits_in(store, &config).then_some(Self {
            limit,
            store,
            locks,
            tables,
            responders,
            others,
        })
    }

    /// Divides `limit` bytes; says so when that is too little.
    pub(crate) fn new(limit: usize, config: &Config, responders: usize) -> Result<Self> {
        if let Some(budget) = Self::divide(limit, config, responders) {
            return Ok(budget);
        }
        let least = (1..=kv::limits::MEMORY_MAX / MEMORY_MIN)
            .find(|mib| Self::divide(mib.saturating_mul(MEMORY_MIN), config, responders).is_some());
        pr_err!(
            "memory={} is too little for {responders} responders: give at least {}\n",
            limit / MEMORY_MIN,
            least.unwrap_or(0)
        );
        Err(EINVAL)
    }

    /// A part by its place in [`PARTS`].
    pub(crate) fn part(&self, which: usize) -> u64 {
        let part = match which {
            0 => self.limit,
            1 => self.store,
            2 => self.locks,
            3 => self.tables,
            4 => self.responders,
            _ => self.others,
        };
        part as u64
    }
}

const _: () = assert!(MEMORY_MIN == 1 << 20, "memory= is in MiB");

/// Bytes of the longest reply in that much memory.
pub(crate) fn reply(limit: usize) -> usize {
    (limit / REPLY_SHARE)
        .saturating_add(PAGE_SIZE)
        .min(REPLY_MAX)
}

/// How many long buffers of each kind so many responders have.
pub(crate) fn lent(limit: usize, responders: usize) -> usize {
    (limit / LENT_PER).clamp(1, responders.max(1))
}

/// What each of so many responders has for itself.
pub(crate) fn stores(limit: usize, responders: usize) -> Stores {
    let each = |per: usize| {
        let all = limit.checked_div(per).unwrap_or(0);
        all.checked_div(responders).unwrap_or(0)
    };
    Stores {
        sheets: each(SHEET_PER).clamp(SHEETS_MIN, SHEETS_MAX),
        packets: each(PACKET_PER).clamp(PACKETS_MIN, PACKETS_MAX),
    }
}

/// How many responders there are where nobody says: as many as needed, or as are
/// useful as long as they take little.
pub(crate) fn responders(limit: usize, needed: usize, useful: usize) -> usize {
    needed.max(spare(limit).min(useful))
}

/// How many workers there are at most where nobody says.
pub(crate) fn workers(limit: usize) -> usize {
    spare(limit).max(1)
}

/// How many responders fit into their part of the memory.
fn spare(limit: usize) -> usize {
    let most = workers_max().saturating_add(kernel::cpu::nr_cpu_ids() as usize);
    (1..=most)
        .take_while(|count| answering(limit, *count) <= limit / SPARE_SHARE)
        .last()
        .unwrap_or(0)
}

/// Bytes of so many responders, of what they share, and of the threads that they may
/// be: one on each CPU at most.
fn answering(limit: usize, responders: usize) -> usize {
    let lent = lent(limit, responders);
    let long = Lent::bytes(lent, REQUEST_MAX).saturating_add(Lent::bytes(lent, reply(limit)));
    let threads = responders.min(kernel::cpu::nr_cpu_ids() as usize);
    Responder::bytes(stores(limit, responders))
        .saturating_mul(responders)
        .saturating_add(long)
        .saturating_add(threads.saturating_mul(THREAD))
}

/// Bytes of all that does not grow with the memory nor with the responders, as an
/// allocator rounds that keeps powers of two.
fn others() -> usize {
    let cpus = kernel::cpu::nr_cpu_ids() as usize;
    let counters = workers_max()
        .saturating_add(cpus)
        .saturating_mul(size_of::<Counters>());
    [
        counters.next_power_of_two(),
        dispatch::bytes(cpus),
        size_of::<Shared>().next_power_of_two(),
        ODDS,
    ]
    .iter()
    .fold(0usize, |sum, part| sum.saturating_add(*part))
}
