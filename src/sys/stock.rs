// SPDX-License-Identifier: GPL-2.0-only
//! Empty packets of one responder, made before they are needed.

use super::{bindings, tx_packet::TxPacket};
use core::ptr::NonNull;
use kernel::prelude::*;

/// Bytes that each has for headers and text: what the kernel's smallest kind of
/// buffer has, usually.
const ROOM: usize = 320;

/// Who fills a stock up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// Its owner, when it has nothing else to do: [`Stock::add`].
    ByOwner,
    /// The system's workqueue, from when half of it is gone.
    ByItself,
}

/// The packets.
///
/// # Invariants
///
/// `raw` is valid, and owned by this value.
pub(crate) struct Stock {
    raw: NonNull<bindings::ub_stock>,
    /// How many packets a full one has.
    packets: u32,
    filled: Filled,
}

// SAFETY: Packets, and counts of them, which belong to no thread.
unsafe impl Send for Stock {}

impl Stock {
    /// What so many packets take: each, with its buffer, less than a KiB.
    pub(crate) const fn bytes(packets: usize) -> usize {
        packets.saturating_mul(1 << 10)
    }

    /// A full one of so many, or as full as there is memory for; its owner fills it.
    /// May sleep.
    pub(crate) fn new(packets: usize) -> Result<Self> {
        let packets = u32::try_from(packets)?;
        // SAFETY: No requirements but that it may sleep.
        let raw = unsafe { bindings::ub_stock_new(packets, ROOM as u32) };
        // INVARIANT: Just made.
        let mut stock = Self {
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            packets,
            filled: Filled::ByOwner,
        };
        while stock.add() {}
        Ok(stock)
    }

    /// Says who fills it from now on. May sleep.
    pub(crate) fn set_filled(&mut self, filled: Filled) {
        // SAFETY: Valid by the type invariant. Nobody orders meanwhile: it is ours alone.
        unsafe { bindings::ub_stock_settle(self.raw.as_ptr()) };
        self.filled = filled;
    }

    /// Adds a packet, unless there are enough, or there is no memory at once. Not
    /// for one that is in use and fills [itself](Filled::ByItself).
    pub(crate) fn add(&mut self) -> bool {
        // SAFETY: Valid by the type invariant; nobody else makes packets for it.
        unsafe { bindings::ub_stock_add(self.raw.as_ptr()) }
    }

    /// Whether packets of a stock have so much room before and behind their data.
    pub(crate) fn suits(headroom: usize, room: usize) -> bool {
        headroom.saturating_add(room) <= ROOM
    }

    /// A packet with so much room; nothing when that [is not what](Self::suits)
    /// they have, or none is left.
    pub(crate) fn take(&mut self, headroom: usize, room: usize) -> Option<TxPacket> {
        if !Self::suits(headroom, room) {
            return None;
        }
        let before = u32::try_from(headroom).ok()?;
        // SAFETY: Valid by the type invariant, and nobody else takes packets.
        let (skb, left) = unsafe {
            let skb = bindings::ub_stock_take(self.raw.as_ptr(), before);
            (skb, bindings::ub_stock_left(self.raw.as_ptr()))
        };
        if self.filled == Filled::ByItself && left < self.packets / 2 {
            // SAFETY: As above; the work ends before the stock does.
            unsafe { bindings::ub_stock_order(self.raw.as_ptr()) };
        }
        // SAFETY: Ours, empty, and with `ROOM` bytes.
        NonNull::new(skb).map(|skb| unsafe { TxPacket::from_blank(skb, headroom, room) })
    }
}

impl Drop for Stock {
    fn drop(&mut self) {
        // SAFETY: Ours by the type invariant; whoever ends a responder may sleep.
        unsafe { bindings::ub_stock_free(self.raw.as_ptr()) }
    }
}
