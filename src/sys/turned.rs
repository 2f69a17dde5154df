// SPDX-License-Identifier: GPL-2.0-only
//! A request's packet that becomes its own reply.

use super::{
    bindings,
    rx_packet::{data, RxPacket, ETHERNET_LEN, UDP_LEN},
    sheets::Text,
    tx_packet::{xmit_result, IPV4_LEN, IPV6_LEN},
    Family,
};
use core::slice;
use kernel::prelude::*;
use kv::limits::{FRAME_LEN, TEXT_MAX};

/// Bytes of a network header as we write it.
#[inline(always)]
fn network_len(family: Family) -> usize {
    match family {
        Family::V4 => IPV4_LEN,
        Family::V6 => IPV6_LEN,
    }
}

/// Bytes of a reply before its text, from the network header on.
#[inline(always)]
fn before_text(family: Family) -> usize {
    network_len(family)
        .wrapping_add(UDP_LEN)
        .wrapping_add(FRAME_LEN)
}

/// Room for a reply's text in a request's own packet.
///
/// # Invariants
///
/// If `len` is not 0, the packet that this was asked of
/// [is turnable](RxPacket::is_turnable), and the `len` bytes from
/// [`before_text`] and `shift` bytes behind its network header on are within its
/// buffer, and behind its payload.
pub(crate) struct Room {
    shift: usize,
    len: usize,
}

const _: () = assert!(
    IPV6_LEN + UDP_LEN + FRAME_LEN + TEXT_MAX <= bindings::UB_MTU_WIDE as usize,
    "what is not UB_NARROW takes every reply"
);

impl RxPacket {
    /// What the packet's own buffer has for a text of `most` bytes at most: none where
    /// it cannot be a reply.
    ///
    /// The text goes behind the request, which is read meanwhile, and the headers
    /// between: all of the packet moves on by a multiple of what headers are aligned to.
    #[inline(always)]
    pub(crate) fn room(&self, most: usize) -> Room {
        const ALIGN: usize = 16;
        let before = before_text(self.family());
        if !self.is_turnable() {
            // INVARIANT: No room at all.
            return Room { shift: 0, len: 0 };
        }
        let most = match self.is_free_of(bindings::UB_NARROW) {
            true => most,
            false => self.mtu().saturating_sub(before).min(most),
        };
        // Lengths of packets and buffers have 32 bits, and all headers are there: none of
        // these overflows. Rounded so that the frame's place is enough for what is cut off.
        let payload = self.len().wrapping_sub(before.wrapping_sub(FRAME_LEN));
        let shift = payload.wrapping_add(ALIGN - 1 - FRAME_LEN) & !(ALIGN - 1);
        let start = self.headroom().wrapping_add(before).wrapping_add(shift);
        let len = self.size().saturating_sub(start).min(most);
        // INVARIANT: Just counted.
        Room { shift, len }
    }

    /// The packet is ours alone, goes straight back, and has no more headers than we write.
    #[inline(always)]
    fn is_turnable(&self) -> bool {
        const IN_THE_WAY: u32 = bindings::UB_FOREIGN | bindings::UB_INDIRECT;
        self.is_free_of(IN_THE_WAY) && self.udp_offset() == network_len(self.family())
    }

    /// The payload, and the bytes of the packet's `room`; nothing when the payload is
    /// in pieces.
    #[inline(always)]
    pub(crate) fn split_at_room<'a>(&'a mut self, room: &Room) -> Option<(&'a [u8], &'a mut [u8])> {
        if room.len == 0 {
            return Some((self.payload()?, &mut []));
        }
        let before = before_text(self.family());
        let start = before.wrapping_sub(FRAME_LEN);
        // SAFETY: By the invariant of `Room` the packet is ours alone and linear, and its room
        // within its buffer, behind the payload: behind all that is read.
        unsafe {
            let (at, len) = (data(self.skb), self.len().wrapping_sub(start));
            let text = at.add(before.wrapping_add(room.shift));
            Some((
                slice::from_raw_parts(at.add(start).as_ptr(), len),
                slice::from_raw_parts_mut(text.as_ptr(), room.len),
            ))
        }
    }

    /// Makes the packet its own reply, with a text of `len` bytes in its `room`.
    /// Nothing when there is none, or not so much.
    #[inline(always)]
    pub(crate) fn turn(self, room: &Room, len: usize) -> Option<Turned> {
        // INVARIANT: By the invariant of `Room`, which is not empty.
        (1..=room.len).contains(&len).then_some(Turned {
            packet: self,
            shift: room.shift,
            inside: len,
        })
    }

    /// Makes the packet its own reply where it lies, headers and frame, to which the text
    /// is to be [attached](Turned::attach); gives it back when that cannot be.
    pub(crate) fn turn_in_place(self) -> Result<Turned, Self> {
        let end = self.headroom().saturating_add(before_text(self.family()));
        if !self.is_turnable() || end > self.size() {
            return Err(self);
        }
        // INVARIANT: Just looked at.
        Ok(Turned {
            packet: self,
            shift: 0,
            inside: 0,
        })
    }
}

/// A request's packet that is being made its own reply.
///
/// # Invariants
///
/// The packet [is turnable](RxPacket::is_turnable), so that it has its Ethernet header, network
/// header and UDP header side by side. Its buffer has [`before_text`] and `inside` bytes from
/// `shift` bytes behind its network header on.
pub(crate) struct Turned {
    packet: RxPacket,
    shift: usize,
    inside: usize,
}

impl Turned {
    /// IPv4 or IPv6.
    #[inline(always)]
    pub(crate) fn family(&self) -> Family {
        self.packet.family()
    }

    /// Bytes of all headers, Ethernet first.
    #[inline(always)]
    fn headers_len(&self) -> usize {
        ETHERNET_LEN
            .wrapping_add(network_len(self.family()))
            .wrapping_add(UDP_LEN)
    }

    /// The request's headers, Ethernet first; nothing when they are not `N` bytes.
    #[inline(always)]
    pub(crate) fn request<const N: usize>(&self) -> Option<&[u8; N]> {
        if N != self.headers_len() {
            return None;
        }
        // SAFETY: By the type invariant they are there, linear, and not written while `self` is
        // borrowed.
        Some(unsafe { &*data(self.packet.skb).sub(ETHERNET_LEN).as_ptr().cast() })
    }

    /// The reply's headers and its frame, to be filled; nothing when the headers are not
    /// `N` bytes. Its text is there.
    #[inline(always)]
    pub(crate) fn reply<const N: usize>(&mut self) -> Option<(&mut [u8; N], &mut [u8; FRAME_LEN])> {
        if N != self.headers_len() {
            return None;
        }
        // SAFETY: By the type invariant these bytes are ours, one behind the other.
        unsafe {
            let start = data(self.packet.skb).add(self.shift).sub(ETHERNET_LEN);
            let frame = start.add(N);
            Some((&mut *start.as_ptr().cast(), &mut *frame.as_ptr().cast()))
        }
    }

    /// Appends a text that is on a sheet; nothing when it is not.
    #[inline]
    pub(crate) fn attach(&mut self, text: &Text<'_>) -> Option<()> {
        // SAFETY: The packet is ours, and was linear, not being `UB_FOREIGN`.
        unsafe { text.attach_to(self.packet.skb) }
    }

    /// Sends it, complete but for the UDP checksum, where the sum of the
    /// pseudo-header stands, on the device that the request came by.
    #[inline(always)]
    pub(crate) fn send(self) -> Result {
        let family = self.packet.family();
        let transport = network_len(family) as u32;
        let after = before_text(family).wrapping_add(self.inside) as u32;
        let shift = self.shift as u32;
        // SAFETY: The packet is ours to give, its device alive until the call returns, and by the
        // type invariant its buffer holds that many bytes; their number is well below 2^32. Its
        // reference to the device, if it has one, is given up too.
        xmit_result(unsafe {
            match self.packet.into_raw() {
                (skb, false) => bindings::ub_skb_send_back(skb, shift, transport, after),
                (skb, true) => bindings::ub_skb_send_kept_back(skb, shift, transport, after),
            }
        })
    }
}
