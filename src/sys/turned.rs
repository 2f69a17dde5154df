// SPDX-License-Identifier: GPL-2.0-only
//! A request's packet that becomes its own reply.

use super::{
    bindings,
    rx_packet::{data, RxPacket, ETHERNET_LEN, UDP_LEN},
    sheets::{Buffer, Sheets, BEFORE},
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

/// Bytes of a reply before its payload, from the network header on.
#[inline(always)]
fn before_payload(family: Family) -> usize {
    network_len(family).wrapping_add(UDP_LEN)
}

/// The same before its text.
#[inline(always)]
fn before_text(family: Family) -> usize {
    before_payload(family).wrapping_add(FRAME_LEN)
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

/// Room for a reply's payload where the request's is.
///
/// # Invariants
///
/// The packet that this was asked of [is turnable](RxPacket::is_turnable), and the `len` bytes
/// behind its UDP header, its payload among them, are within its buffer.
pub(crate) struct Place {
    len: usize,
}

impl RxPacket {
    /// What the packet's own buffer has for a payload of `most` bytes at most; nothing where
    /// it cannot be a reply, or has more itself.
    #[inline(always)]
    pub(crate) fn place(&self, most: usize) -> Option<Place> {
        if !self.is_turnable() {
            return None;
        }
        let before = before_payload(self.family());
        let most = match self.is_free_of(bindings::UB_NARROW) {
            true => most,
            false => self.mtu().saturating_sub(before).min(most),
        };
        // Lengths of packets and buffers have 32 bits, and all headers are there: none of
        // these overflows.
        let start = self.headroom().wrapping_add(before);
        let len = self.size().wrapping_sub(start).min(most);
        // INVARIANT: Just looked at.
        (self.len().wrapping_sub(before) <= len).then_some(Place { len })
    }

    /// The packet's `place`, which begins with the payload, and how long that is.
    #[inline(always)]
    pub(crate) fn in_place(&mut self, place: &Place) -> (&mut [u8], usize) {
        let before = before_payload(self.family());
        // SAFETY: By the invariant of `Place` the packet is ours alone and linear, and so many
        // bytes are within its buffer.
        let buffer = unsafe {
            let start = data(self.skb).add(before).as_ptr();
            slice::from_raw_parts_mut(start, place.len)
        };
        (buffer, self.len().wrapping_sub(before))
    }

    /// Makes the packet its own reply, with a payload of `len` bytes that are in its `place`.
    /// Nothing when that has not so many.
    #[inline(always)]
    pub(crate) fn turn_in_place(self, place: &Place, len: usize) -> Option<Turned> {
        // INVARIANT: By the invariant of `Place`.
        (len <= place.len).then_some(Turned {
            packet: self,
            shift: 0,
            payload: len,
        })
    }

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
            payload: len.wrapping_add(FRAME_LEN),
        })
    }

    /// Makes the packet its own reply, in another buffer, which begins on a sheet before the
    /// text of `len` bytes that was written there last. Gives it back when that cannot be.
    #[inline(always)]
    pub(crate) fn move_to(self, sheets: &mut Sheets, len: usize) -> Result<Moved<'_>, Self> {
        let whole = before_text(self.family()).saturating_add(len);
        let fits = match self.is_free_of(bindings::UB_NARROW) {
            true => len <= TEXT_MAX,
            false => whole <= self.mtu() && len <= TEXT_MAX,
        };
        if !fits || !self.is_turnable() {
            return Err(self);
        }
        match sheets.take_buffer(len) {
            // INVARIANT: Just looked at.
            Some(buffer) => Ok(Moved {
                packet: self,
                buffer,
            }),
            None => Err(self),
        }
    }
}

/// A request's packet that is being made its own reply.
///
/// # Safety
///
/// The packet [is turnable](RxPacket::is_turnable).
pub(crate) unsafe trait OwnReply: Sized {
    /// The request's packet.
    fn packet(&self) -> &RxPacket;

    /// IPv4 or IPv6.
    #[inline(always)]
    fn family(&self) -> Family {
        self.packet().family()
    }

    /// The request's headers, Ethernet first; nothing when they are not `N` bytes.
    #[inline(always)]
    fn request<const N: usize>(&self) -> Option<&[u8; N]> {
        // SAFETY: By the contract of the trait.
        unsafe { headers(self.packet()) }
    }

    /// The reply's headers and its frame, to be filled; nothing when the headers are not
    /// `N` bytes. Its text is there.
    fn reply<const N: usize>(&mut self) -> Option<(&mut [u8; N], &mut [u8; FRAME_LEN])>;

    /// Sends it, complete but for the UDP checksum, where the sum of the
    /// pseudo-header stands, on the device that the request came by.
    fn send(self) -> Result;
}

/// Bytes of all headers of a packet that is turnable, Ethernet first.
#[inline(always)]
fn headers_len(family: Family) -> usize {
    ETHERNET_LEN
        .wrapping_add(network_len(family))
        .wrapping_add(UDP_LEN)
}

/// The headers of a packet, Ethernet first; nothing when they are not `N` bytes.
///
/// # Safety
///
/// It [is turnable](RxPacket::is_turnable).
#[inline(always)]
unsafe fn headers<const N: usize>(packet: &RxPacket) -> Option<&[u8; N]> {
    if N != headers_len(packet.family()) {
        return None;
    }
    // SAFETY: By the caller's promise they are there, side by side and linear, and they are not
    // written while `packet` is borrowed.
    Some(unsafe { &*data(packet.skb).sub(ETHERNET_LEN).as_ptr().cast() })
}

/// Sends a packet back whose reply, with a payload of so many bytes, is in its buffer, `shift`
/// bytes behind its data.
///
/// # Safety
///
/// The packet was [turnable](RxPacket::is_turnable), but for its buffer, which has so much, and
/// before it an Ethernet header.
#[inline(always)]
unsafe fn send_back(packet: RxPacket, shift: usize, payload: usize) -> Result {
    let family = packet.family();
    let transport = network_len(family) as u32;
    let after = before_payload(family).wrapping_add(payload) as u32;
    let shift = shift as u32;
    // SAFETY: The packet is ours to give, its device alive until the call returns, and by the
    // caller's promise its buffer holds that many bytes; their number is well below 2^32. Its
    // reference to the device, if it has one, is given up too.
    xmit_result(unsafe {
        match packet.into_raw() {
            (skb, false) if shift == 0 => bindings::ub_skb_send_answered(skb, transport, after),
            (skb, true) if shift == 0 => bindings::ub_skb_send_kept_answered(skb, transport, after),
            (skb, false) => bindings::ub_skb_send_back(skb, shift, transport, after),
            (skb, true) => bindings::ub_skb_send_kept_back(skb, shift, transport, after),
        }
    })
}

/// One whose reply is in its own buffer.
///
/// # Invariants
///
/// The packet [is turnable](RxPacket::is_turnable), so that it has its Ethernet header, network
/// header and UDP header side by side. Its buffer has [`before_payload`] and `payload` bytes from
/// `shift` bytes behind its network header on.
pub(crate) struct Turned {
    packet: RxPacket,
    shift: usize,
    payload: usize,
}

// SAFETY: By the type invariant.
unsafe impl OwnReply for Turned {
    #[inline(always)]
    fn packet(&self) -> &RxPacket {
        &self.packet
    }

    #[inline(always)]
    fn reply<const N: usize>(&mut self) -> Option<(&mut [u8; N], &mut [u8; FRAME_LEN])> {
        if N != headers_len(self.family()) {
            return None;
        }
        // SAFETY: By the type invariant these bytes are ours, one behind the other.
        unsafe {
            let start = data(self.packet.skb).add(self.shift).sub(ETHERNET_LEN);
            let frame = start.add(N);
            Some((&mut *start.as_ptr().cast(), &mut *frame.as_ptr().cast()))
        }
    }

    #[inline(always)]
    fn send(self) -> Result {
        // SAFETY: By the type invariant.
        unsafe { send_back(self.packet, self.shift, self.payload) }
    }
}

/// One whose reply is in a buffer on a sheet, which is too long for its own.
///
/// # Invariants
///
/// The packet [is turnable](RxPacket::is_turnable).
pub(crate) struct Moved<'a> {
    packet: RxPacket,
    buffer: Buffer<'a>,
}

const _: () = assert!(ETHERNET_LEN + IPV6_LEN + UDP_LEN + FRAME_LEN <= BEFORE);

// SAFETY: By the type invariant.
unsafe impl OwnReply for Moved<'_> {
    #[inline(always)]
    fn packet(&self) -> &RxPacket {
        &self.packet
    }

    #[inline(always)]
    fn reply<const N: usize>(&mut self) -> Option<(&mut [u8; N], &mut [u8; FRAME_LEN])> {
        let (before, frame) = self.buffer.before().split_last_chunk_mut()?;
        (N == headers_len(self.packet.family()))
            .then(|| before.last_chunk_mut())
            .flatten()
            .map(|headers| (headers, frame))
    }

    #[inline(always)]
    fn send(self) -> Result {
        let shift = BEFORE.wrapping_sub(before_text(self.family()));
        let len = self.buffer.text_len().wrapping_add(FRAME_LEN);
        // SAFETY: By the type invariant the packet is ours alone, with nothing but its buffer. Its
        // new one has the headers and the frame, which were asserted to have room, and the text.
        unsafe {
            self.buffer.give_to(self.packet.skb);
            send_back(self.packet, shift, len)
        }
    }
}
