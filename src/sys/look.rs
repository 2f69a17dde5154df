// SPDX-License-Identifier: GPL-2.0-only
//! What there is to know of a received packet.

use super::{bindings, Family};

/// What a look at a packet said: facts (`UB_*`) in the lower 16 bits, in the next 16
/// where the UDP header begins, and in the upper half the CPU that looked. One word,
/// so that a packet is passed on in registers, and kept in its control block.
#[derive(Clone, Copy)]
pub(super) struct Look(u64);

impl Look {
    const TRANSPORT_SHIFT: u32 = 16;

    /// What `ub_skb_look4` or its like said.
    #[inline(always)]
    pub(super) fn new(said: u64) -> Self {
        const TRANSPORT: u64 = 0xffff << Look::TRANSPORT_SHIFT;
        Self(said & !(TRANSPORT | u64::from(KEPT | UNSEEN)))
    }

    /// The same of a packet of that family, which the compiler knows then, too.
    #[inline(always)]
    pub(super) fn of(self, family: Family) -> Self {
        let mask = u64::from(bindings::UB_IPV6);
        match family {
            Family::V4 => Self(self.0 & !mask),
            Family::V6 => Self(self.0 | mask),
        }
    }

    /// What is known of a packet of that family before anybody has looked.
    #[inline(always)]
    pub(super) fn unseen(family: Family) -> Self {
        Self(u64::from(UNSEEN)).of(family)
    }

    /// The same, if somebody has looked.
    #[inline(always)]
    pub(super) fn seen(self) -> Option<Self> {
        (!self.has(UNSEEN)).then_some(self)
    }

    /// The same of IPv4 where nothing is unusual, so that the compiler knows it.
    #[inline(always)]
    pub(super) fn of_usual_ipv4(self) -> Option<Self> {
        match self.family() {
            Family::V4 => self.of(Family::V4).of_usual(),
            Family::V6 => None,
        }
    }

    /// The same where nothing is unusual, so that the compiler knows it.
    #[inline(always)]
    pub(super) fn of_usual(self) -> Option<Self> {
        (!self.has(UNUSUAL)).then_some(Self(self.0 & !u64::from(UNUSUAL)))
    }

    /// Whether any of `facts` (`UB_*`) holds.
    #[inline(always)]
    pub(super) fn has(self, facts: u32) -> bool {
        self.0 & u64::from(facts) != 0
    }

    #[inline(always)]
    pub(super) fn family(self) -> Family {
        match self.has(bindings::UB_IPV6) {
            false => Family::V4,
            true => Family::V6,
        }
    }

    #[inline(always)]
    pub(super) fn with(self, facts: u32) -> Self {
        Self(self.0 | u64::from(facts))
    }

    #[inline(always)]
    pub(super) fn with_transport(self, transport: u16) -> Self {
        Self(self.0 | u64::from(transport) << Self::TRANSPORT_SHIFT)
    }

    #[inline(always)]
    pub(super) fn transport(self) -> u16 {
        (self.0 >> Self::TRANSPORT_SHIFT) as u16
    }

    #[inline(always)]
    pub(super) fn cpu(self) -> usize {
        (self.0 >> bindings::UB_CPU_SHIFT) as usize
    }
}

/// A fact of ours: the packet has a reference to its device.
pub(super) const KEPT: u32 = 1 << 15;

/// Another: nobody has looked at it yet.
const UNSEEN: u32 = 1 << 14;

/// All that makes a packet unusual.
const UNUSUAL: u32 = bindings::UB_MERGED
    | bindings::UB_NOT_FOR_HOST
    | bindings::UB_POLICY
    | bindings::UB_UNVERIFIED
    | bindings::UB_FOREIGN
    | bindings::UB_INDIRECT
    | bindings::UB_NARROW;
