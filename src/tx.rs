// SPDX-License-Identifier: GPL-2.0-only
//! Where a reply goes out.
//!
//! An Ethernet device sends it straight back to where the request came from,
//! with addresses swapped; anything else has it routed. Neither path waits.

use crate::{
    headers,
    pace::Pace,
    stats::Loss,
    sys::{
        rx_packet::{RxPacket, Turned, UDP_LEN},
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

/// The usual case: sends `text` in the request's own packet, into which it is
/// copied. Where that cannot be, the request comes back.
#[inline(always)]
pub(crate) fn send_inside(
    request: RxPacket,
    request_id: u16,
    text: &[u8],
    pace: &mut impl Pace,
) -> Result<Result<(), Loss>, RxPacket> {
    let sent = send_turned(request, request_id, text.len(), text, |_| Some(()))?;
    pace.step();
    Ok(sent)
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
    let attach = |packet: &mut Turned| packet.attach(&message.text);
    let len = message.text.bytes().len();
    match send_turned(request, message.request_id, len, &[], attach) {
        Ok(sent) => {
            pace.step();
            sent.map(|()| Sent::Attached)
        }
        Err(request) => train::send(outlet, request, message, pace),
    }
}

/// The request's packet becomes the reply where it lies, and goes straight back.
/// `len` is the text's, of which `inside` is copied behind the headers; `attach`
/// adds the rest. Where that cannot be, the request comes back.
#[inline(always)]
fn send_turned(
    request: RxPacket,
    request_id: u16,
    len: usize,
    inside: &[u8],
    attach: impl FnOnce(&mut Turned) -> Option<()>,
) -> Result<Result<(), Loss>, RxPacket> {
    if len > TEXT_MAX {
        return Err(request);
    }
    let family = request.family();
    let network = match family {
        Family::V4 => IPV4_LEN,
        Family::V6 => IPV6_LEN,
    };
    let size = network
        .saturating_add(UDP_LEN)
        .saturating_add(FRAME_LEN)
        .saturating_add(len);
    if request.udp_offset() != network || size > request.mtu() {
        return Err(request);
    }
    // With at most `TEXT_MAX` of text it fits.
    let len = size as u16;
    let frame = &single_frame(request_id);
    let mut packet = request.turn(FRAME_LEN.saturating_add(inside.len()))?;
    let filled = match family {
        Family::V4 => turn_ipv4(packet.bytes(), len, frame, inside),
        Family::V6 => turn_ipv6(packet.bytes(), len, frame, inside),
    };
    Ok(match filled.and_then(|()| attach(&mut packet)) {
        Some(()) => packet.send().map_err(|_| Loss::Transmit),
        None => Err(Loss::Memory),
    })
}

#[inline(always)]
fn turn_ipv4(bytes: &mut [u8], len: u16, frame: &[u8; FRAME_LEN], text: &[u8]) -> Option<()> {
    turn(bytes, len, frame, text, headers::turn_ipv4)
}

/// Out of line, so that the other has the registers.
#[inline(never)]
fn turn_ipv6(bytes: &mut [u8], len: u16, frame: &[u8; FRAME_LEN], text: &[u8]) -> Option<()> {
    turn(bytes, len, frame, text, headers::turn_ipv6)
}

/// `bytes` begin with a request's headers, and become the reply's, which from
/// the network header on has `len` bytes; `answer` does that for network header
/// and UDP header.
#[inline(always)]
fn turn<const N: usize>(
    bytes: &mut [u8],
    len: u16,
    frame: &[u8; FRAME_LEN],
    text: &[u8],
    answer: impl FnOnce(&mut [u8; N], &mut [u8; UDP_LEN], u16),
) -> Option<()> {
    let (ethernet, rest) = bytes.split_first_chunk_mut()?;
    let (network, rest) = rest.split_first_chunk_mut()?;
    let (udp, payload) = rest.split_first_chunk_mut()?;
    headers::reverse(ethernet);
    answer(network, udp, len);
    put_payload(payload, frame, text)
}

#[inline(always)]
fn put_payload(payload: &mut [u8], frame: &[u8; FRAME_LEN], text: &[u8]) -> Option<()> {
    let (head, body) = payload.split_first_chunk_mut()?;
    *head = *frame;
    kv::copy(body, text)
}
