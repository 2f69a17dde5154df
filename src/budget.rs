// SPDX-License-Identifier: GPL-2.0-only
//! What `memory=` is divided into: everything that the module takes while it is
//! loaded, but for its own code and packets, which are the network stack's.

use crate::{
    dispatch,
    platform::Kernel,
    respond::{Buffers, Responder, Shared},
    sys::memory,
};
use kernel::{page::PAGE_SIZE, prelude::*};
use kv::{
    limits::{MEMORY_MIN, REPLY_MAX, WORKERS_MAX},
    Config, Counters, Kv,
};

/// What a thread takes, and what sysfs shows of it: 16 KiB of stack, a
/// `task_struct`, objects with their names.
const THREAD: usize = 32 << 10;

/// For what is small and there once: the port's socket, hooks, sysfs.
const ODDS: usize = 32 << 10;

/// No reply takes more than this part of the memory, and [`REPLY_MAX`].
const REPLY_SHARE: usize = 4;

/// A responder has a sheet for so much memory: a 256th of it for all,
const SHEET_PER: usize = 8 << 20;
/// within these limits.
const SHEETS_MIN: usize = 8;
const SHEETS_MAX: usize = 128;

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
        let responders = responders.checked_mul(responder(limit))?;
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

/// What a responder has in that much memory.
pub(crate) fn buffers(limit: usize) -> Buffers {
    Buffers {
        reply: (limit / REPLY_SHARE)
            .saturating_add(PAGE_SIZE)
            .min(REPLY_MAX),
        sheets: (limit / SHEET_PER).clamp(SHEETS_MIN, SHEETS_MAX),
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
    let share = limit / SPARE_SHARE;
    share.checked_div(responder(limit)).unwrap_or(0)
}

/// Bytes of a responder, and of a thread that has it.
fn responder(limit: usize) -> usize {
    Responder::bytes(buffers(limit)).saturating_add(THREAD)
}

/// Bytes of all that does not grow with the memory nor with the responders, as an
/// allocator rounds that keeps powers of two.
fn others() -> usize {
    let cpus = kernel::cpu::nr_cpu_ids() as usize;
    let counters = WORKERS_MAX
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
