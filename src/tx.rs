// SPDX-License-Identifier: GPL-2.0-only
//! Where a reply goes out.
//!
//! An Ethernet device sends it straight back to where the request came from,
//! with addresses swapped; anything else has it routed. Neither path waits.

use crate::{
    headers::{Addresses, Asker, HEADERS_V6},
    pace::Pace,
    stats::Loss,
    sys::{
        rx_packet::{RxPacket, UDP_LEN},
        turned::{Moved, OwnReply, Place, Room},
        Family,
    },
};
use kv::{limits::FRAME_LEN, single_frame};

/// How a reply was sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// Nobody needs the text any more.
    Copied,
    /// Packets under way may refer to the text.
    Attached,
}

/// The usual case: sends the text of `len` bytes that was written into the `room` of
/// the request's own packet.
#[inline(always)]
pub(crate) fn send_inside(
    request: RxPacket,
    room: &Room,
    request_id: u16,
    len: usize,
    pace: &mut impl Pace,
) -> Result<(), Loss> {
    let packet = request.turn(room, len).ok_or(Loss::Memory)?;
    let sent = send_own(packet, Some(request_id), len.wrapping_add(FRAME_LEN));
    pace.step();
    sent
}

/// The same of a request that was answered in place, by `len` bytes, frame included.
#[inline(always)]
pub(crate) fn send_in_place(request: RxPacket, place: &Place, len: usize) -> Result<(), Loss> {
    let packet = request.turn_in_place(place, len).ok_or(Loss::Memory)?;
    send_own(packet, None, len)
}

/// Sends the text in the buffer that the request's packet has got.
#[inline]
pub(crate) fn send_moved(
    packet: Moved<'_>,
    request_id: u16,
    len: usize,
    pace: &mut impl Pace,
) -> Result<(), Loss> {
    let sent = send_own(packet, Some(request_id), len.wrapping_add(FRAME_LEN));
    pace.step();
    sent
}

/// The request's packet becomes the reply, with a payload of `len` bytes that are there, but for
/// the frame if it is to have that id, and goes straight back.
#[inline(always)]
fn send_own(mut packet: impl OwnReply, framed: Option<u16>, len: usize) -> Result<(), Loss> {
    let len = udp_len(len);
    let filled = match packet.family() {
        Family::V4 => turn_ipv4(&mut packet, framed, len),
        Family::V6 => turn_ipv6(&mut packet, framed, len),
    };
    filled.ok_or(Loss::Memory)?;
    packet.send().map_err(|_| Loss::Transmit)
}

#[inline(always)]
fn turn_ipv4(packet: &mut impl OwnReply, framed: Option<u16>, len: u16) -> Option<()> {
    let asker = Asker::v4(packet.request()?)?;
    let (headers, frame) = packet.reply()?;
    if let Some(request_id) = framed {
        *frame = single_frame(request_id);
    }
    asker.answer(headers, len)
}

#[inline(always)]
fn turn_ipv6(packet: &mut impl OwnReply, framed: Option<u16>, len: u16) -> Option<()> {
    let asker = Asker::v6(packet.request()?)?;
    let (headers, frame) = packet.reply()?;
    if let Some(request_id) = framed {
        *frame = single_frame(request_id);
    }
    answer_ipv6(headers, &asker, len)
}

/// Out of line, so that the other has the registers.
#[inline(never)]
fn answer_ipv6(headers: &mut [u8; HEADERS_V6], asker: &Asker<Addresses>, len: u16) -> Option<()> {
    asker.answer(headers, len)
}

/// What the UDP header says of a payload of `len` bytes, at most
/// [`DATAGRAM_MAX`](kv::limits::DATAGRAM_MAX).
#[inline(always)]
fn udp_len(len: usize) -> u16 {
    (len as u16).wrapping_add(UDP_LEN as u16)
}
