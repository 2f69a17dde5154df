// SPDX-License-Identifier: GPL-2.0-only
//! Buffers that are large and rarely needed: for requests in pieces that are long, and
//! for long replies. All responders share them, and have one for one packet.
//!
//! Who finds none waits with bottom halves off, so no holder lets others have its CPU
//! once somebody waits; and it is asked for with no lock of the store held: who has one
//! takes such locks. Who has one for a reply asks for none for a request.

use crate::sys::{cpu, exclusive::Exclusive, memory, time};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use kernel::{page::PAGE_SIZE, prelude::*};

/// How long a buffer is waited for at most: far longer than the longest reply takes
/// to be sent, even if the holder's CPU is virtual, and not there for a while. But whoever
/// gave us the packet may hold a lock that the holder needs to send.
const WAIT_NS: u64 = 1_000_000_000;

/// Buffers of one length.
pub(crate) struct Lent {
    /// One that is lent has left its slot.
    slots: KVec<Exclusive<Option<VVec<u8>>>>,
    /// How many wait for one now.
    waiting: AtomicUsize,
    /// How often one was waited for, and how often in vain.
    pub(crate) waited: AtomicU64,
    pub(crate) missing: AtomicU64,
}

impl Lent {
    /// So many of `len` bytes.
    pub(crate) fn new(count: usize, len: usize) -> Result<Self> {
        let mut slots = KVec::with_capacity(count, GFP_KERNEL)?;
        for _ in 0..count {
            let buffer = VVec::from_elem(0, len, GFP_KERNEL)?;
            slots.push(Exclusive::new(Some(buffer)), GFP_KERNEL)?;
        }
        Ok(Self {
            slots,
            waiting: AtomicUsize::new(0),
            waited: AtomicU64::new(0),
            missing: AtomicU64::new(0),
        })
    }

    /// What they take.
    pub(crate) fn bytes(count: usize, len: usize) -> usize {
        let whole = len.next_multiple_of(PAGE_SIZE);
        let each = whole.saturating_add(memory::tables(whole));
        count.saturating_mul(each)
    }

    /// One of them, until it is [put back](Self::put). Bottom halves are off.
    pub(crate) fn take(&self) -> Option<VVec<u8>> {
        self.at_hand().or_else(|| self.wait())
    }

    fn at_hand(&self) -> Option<VVec<u8>> {
        self.slots.iter().find_map(|slot| slot.take()?.take())
    }

    /// Somebody waits. Relaxed: who has just begun to is seen a little later.
    pub(crate) fn is_wanted(&self) -> bool {
        self.waiting.load(Relaxed) != 0
    }

    /// Somebody has each of them, and is at it on another CPU.
    fn wait(&self) -> Option<VVec<u8>> {
        self.waited.fetch_add(1, Relaxed);
        self.waiting.fetch_add(1, Relaxed);
        let found = self.look();
        self.waiting.fetch_sub(1, Relaxed);
        if found.is_none() {
            self.missing.fetch_add(1, Relaxed);
        }
        found
    }

    /// Looks until one is there, or for too long.
    fn look(&self) -> Option<VVec<u8>> {
        let begin = time::local_ns();
        while time::local_ns().saturating_sub(begin) < WAIT_NS {
            cpu::relax();
            if let Some(buffer) = self.at_hand() {
                return Some(buffer);
            }
        }
        None
    }

    /// Gives one back that was taken here.
    pub(crate) fn put(&self, buffer: VVec<u8>) {
        let mut buffer = Some(buffer);
        // There is an empty slot; others look at it for a moment at most.
        while buffer.is_some() {
            for slot in &self.slots {
                if let Some(mut slot) = slot.take().filter(|slot| slot.is_none()) {
                    *slot = buffer.take();
                    break;
                }
            }
        }
    }
}
