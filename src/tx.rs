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
        turned::{Room, Turned},
        tx_packet::{IPV4_LEN, IPV6_LEN},
        Family,
    },
    train::{self, Message, Outlet},
};
use kv::{
    limits::{FRAME_LEN, TEXT_MAX},
    single_frame,
};

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
    let sent = send_turned(packet, request_id, len, |_| Some(()));
    pace.step();
    sent
}

/// Sends a message in as many datagrams as it takes, after [`send_inside`] could
/// not. The request's own packet carries the first when it can.
#[inline(never)]
pub(crate) fn send(
    outlet: Outlet<'_>,
    request: RxPacket,
    message: &Message<'_>,
    pace: &mut impl Pace,
) -> Result<Sent, Loss> {
    if !message.text.is_on_sheet() {
        return train::send(outlet, request, message, pace);
    }
    let text = &message.text;
    let len = text.bytes().len();
    if !fits(&request, len) {
        return train::send(outlet, request, message, pace);
    }
    let packet = match request.turn_in_place() {
        Ok(packet) => packet,
        Err(request) => return train::send(outlet, request, message, pace),
    };
    let sent = send_turned(packet, message.request_id, len, |packet| {
        packet.attach(text)
    });
    pace.step();
    sent.map(|()| Sent::Attached)
}

/// Whether a text of `len` bytes may be one datagram that goes straight back.
fn fits(request: &RxPacket, len: usize) -> bool {
    let network = match request.family() {
        Family::V4 => IPV4_LEN,
        Family::V6 => IPV6_LEN,
    };
    let size = network
        .saturating_add(UDP_LEN)
        .saturating_add(FRAME_LEN)
        .saturating_add(len);
    len <= TEXT_MAX && size <= request.mtu()
}

/// The request's packet becomes the reply, with `len` bytes of text that are there, or
/// that `attach` adds, and goes straight back.
#[inline(always)]
fn send_turned(
    mut packet: Turned,
    request_id: u16,
    len: usize,
    attach: impl FnOnce(&mut Turned) -> Option<()>,
) -> Result<(), Loss> {
    let len = udp_len(len);
    let filled = match packet.family() {
        Family::V4 => turn_ipv4(&mut packet, request_id, len),
        Family::V6 => turn_ipv6(&mut packet, request_id, len),
    };
    filled
        .and_then(|()| attach(&mut packet))
        .ok_or(Loss::Memory)?;
    packet.send().map_err(|_| Loss::Transmit)
}

#[inline(always)]
fn turn_ipv4(packet: &mut Turned, request_id: u16, len: u16) -> Option<()> {
    let asker = Asker::v4(packet.request()?)?;
    let (headers, frame) = packet.reply()?;
    *frame = single_frame(request_id);
    asker.answer(headers, len)
}

#[inline(always)]
fn turn_ipv6(packet: &mut Turned, request_id: u16, len: u16) -> Option<()> {
    let asker = Asker::v6(packet.request()?)?;
    let (headers, frame) = packet.reply()?;
    *frame = single_frame(request_id);
    answer_ipv6(headers, &asker, len)
}

/// Out of line, so that the other has the registers.
#[inline(never)]
fn answer_ipv6(headers: &mut [u8; HEADERS_V6], asker: &Asker<Addresses>, len: u16) -> Option<()> {
    asker.answer(headers, len)
}

/// What the UDP header says of a text of `len` bytes, at most [`TEXT_MAX`].
#[inline(always)]
fn udp_len(len: usize) -> u16 {
    const BEFORE: u16 = (UDP_LEN + FRAME_LEN) as u16;
    (len as u16).wrapping_add(BEFORE)
}
