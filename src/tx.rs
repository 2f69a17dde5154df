// SPDX-License-Identifier: GPL-2.0-only
//! Where a reply goes out.
//!
//! An Ethernet device sends it straight back to where the request came from,
//! with addresses swapped; anything else has it routed. Neither path waits.

use crate::{
    pace::Pace,
    rx::be16,
    stats::Loss,
    sys::{
        net::{Device, Net},
        rx_packet::{RxPacket, UDP_LEN},
        tx_packet::{Address, Flow, TxPacket, IPV4_LEN, IPV6_LEN},
        Family,
    },
};
use kv::Datagrams;

/// In front of a reply's text that goes straight out: Ethernet, IPv6, UDP.
const HEADROOM_DIRECT: usize = 64;
/// The same for one that is routed: the device is not known yet.
const HEADROOM_ROUTED: usize = 192;
/// Hop limit of replies (RFC 1700, "IP time to live").
const HOPS: u8 = 64;
const ETHERNET_LEN: usize = 14;

/// Addresses of a request.
enum Addresses {
    V4 {
        source: [u8; 4],
        destination: [u8; 4],
    },
    V6 {
        source: [u8; 16],
        destination: [u8; 16],
    },
}

/// How to get back to where a request came from.
pub(crate) struct ReturnPath {
    addresses: Addresses,
    /// Of the request.
    source_port: u16,
    destination_port: u16,
    device: Device,
    /// Its index, and that of its VRF or 0.
    ifindex: u32,
    vrf: u32,
    /// Largest network-layer packet that the device takes, in bytes.
    mtu: usize,
    /// The Ethernet header of a reply that may go straight out.
    ethernet: Option<[u8; ETHERNET_LEN]>,
}

impl ReturnPath {
    /// The way back for replies to `packet`; nothing when it is not UDP over
    /// IPv4 or IPv6.
    pub(crate) fn of(packet: &RxPacket) -> Option<Self> {
        let headers = packet.headers();
        let udp = headers.get(packet.udp_offset()..)?;
        let addresses = match packet.family()? {
            Family::V4 => Addresses::V4 {
                source: *headers.get(12..)?.first_chunk()?,
                destination: *headers.get(16..)?.first_chunk()?,
            },
            Family::V6 => Addresses::V6 {
                source: *headers.get(8..)?.first_chunk()?,
                destination: *headers.get(24..)?.first_chunk()?,
            },
        };
        let device = packet.device();
        let link = packet.link(&device);
        let direct = link.ethernet && !link.loopback && link.vrf == 0 && !link.ipsec;
        let ethernet = match packet.ethernet(&link) {
            Some(header) if direct => Some(reversed(header)?),
            _ => None,
        };
        Some(Self {
            addresses,
            source_port: be16(udp, 0)?,
            destination_port: be16(udp, 2)?,
            device,
            ifindex: link.ifindex,
            vrf: link.vrf,
            mtu: link.mtu as usize,
            ethernet,
        })
    }

    /// The Ethernet header for a reply of `text` bytes behind its frame
    /// header; nothing when the reply must be routed.
    fn direct(&self, text: usize) -> Option<&[u8; ETHERNET_LEN]> {
        let size = text.saturating_add(self.headers_len());
        self.ethernet.as_ref().filter(|_| size <= self.mtu)
    }

    /// Network and UDP header.
    fn headers_len(&self) -> usize {
        match self.addresses {
            Addresses::V4 { .. } => IPV4_LEN.saturating_add(UDP_LEN),
            Addresses::V6 { .. } => IPV6_LEN.saturating_add(UDP_LEN),
        }
    }

    /// The reply's addresses: the request's, swapped.
    fn reply_addresses(&self) -> (Address<'_>, Address<'_>) {
        match &self.addresses {
            Addresses::V4 {
                source,
                destination,
            } => (Address::V4(destination), Address::V4(source)),
            Addresses::V6 {
                source,
                destination,
            } => (Address::V6(destination), Address::V6(source)),
        }
    }

    /// The device that a routed reply must leave by, or 0: a VRF has a table of
    /// its own, and link-local addresses (RFC 4291, section 2.5.6) mean nothing
    /// without their device.
    fn oif(&self) -> i32 {
        let index = match &self.addresses {
            Addresses::V6 {
                source: [0xfe, 0x80..=0xbf, ..],
                ..
            } => self.ifindex,
            _ => self.vrf,
        };
        i32::try_from(index).unwrap_or(0)
    }
}

/// An Ethernet header with source and destination swapped.
fn reversed(header: &[u8]) -> Option<[u8; ETHERNET_LEN]> {
    let mut reply = [0u8; ETHERNET_LEN];
    reply.get_mut(..6)?.copy_from_slice(header.get(6..12)?);
    reply.get_mut(6..12)?.copy_from_slice(header.get(..6)?);
    reply.get_mut(12..)?.copy_from_slice(header.get(12..14)?);
    Some(reply)
}

/// Sends `text` in as many datagrams as it takes. The request's own packet
/// carries the first one when its buffer allows.
pub(crate) fn send(
    net: &Net,
    path: &ReturnPath,
    request: RxPacket,
    request_id: u16,
    text: &[u8],
    pace: &mut impl Pace,
) -> Result<(), Loss> {
    let mut spare = Some(request);
    for (frame, part) in Datagrams::new(request_id, text) {
        let room = frame.len().saturating_add(part.len());
        let ethernet = path.direct(room);
        let headroom = match ethernet {
            Some(_) => HEADROOM_DIRECT,
            None => HEADROOM_ROUTED,
        };
        let mut packet = blank(&mut spare, headroom, room).ok_or(Loss::Memory)?;
        fill(&mut packet, path, &frame, part).ok_or(Loss::Memory)?;
        match ethernet {
            Some(header) => {
                packet.push(header).ok_or(Loss::Memory)?;
                packet.send_on(&path.device)
            }
            None => packet.send_routed(net, &flow(path)),
        }
        .map_err(|_| Loss::Transmit)?;
        pace.step();
    }
    if let Some(request) = spare {
        request.consume();
    }
    Ok(())
}

/// An empty packet: the request's own, once, if it is large enough.
fn blank(spare: &mut Option<RxPacket>, headroom: usize, room: usize) -> Option<TxPacket> {
    match spare.take().map(|request| request.recycle(headroom, room)) {
        Some(Ok(packet)) => return Some(packet),
        Some(Err(request)) => *spare = Some(request),
        None => {}
    }
    TxPacket::new(headroom, room)
}

/// Text, UDP header and network header, in that order: each goes in front.
fn fill(packet: &mut TxPacket, path: &ReturnPath, frame: &[u8], text: &[u8]) -> Option<()> {
    packet.put(frame)?;
    packet.put(text)?;
    packet.push(&udp_header(path, packet.len())?)?;
    let (source, destination) = path.reply_addresses();
    packet.seal_udp(source, destination);
    match &path.addresses {
        Addresses::V4 {
            source,
            destination,
        } => {
            let fragmentable = path
                .direct(frame.len().saturating_add(text.len()))
                .is_none();
            let header = ipv4_header(destination, source, packet.len(), fragmentable)?;
            packet.push(&header)?;
            packet.seal_ip(Family::V4);
        }
        Addresses::V6 {
            source,
            destination,
        } => {
            packet.push(&ipv6_header(destination, source, packet.len())?)?;
            packet.seal_ip(Family::V6);
        }
    }
    Some(())
}

/// RFC 768. `payload` in bytes; the checksum comes later.
fn udp_header(path: &ReturnPath, payload: usize) -> Option<[u8; UDP_LEN]> {
    let length = u16::try_from(payload.checked_add(UDP_LEN)?).ok()?;
    let ([a, b], [c, d], [e, f]) = (
        path.destination_port.to_be_bytes(),
        path.source_port.to_be_bytes(),
        length.to_be_bytes(),
    );
    Some([a, b, c, d, e, f, 0, 0])
}

/// RFC 791. `payload` in bytes; the checksum comes later. A packet that no
/// router may fragment needs no identification (RFC 6864).
fn ipv4_header(
    source: &[u8; 4],
    destination: &[u8; 4],
    payload: usize,
    fragmentable: bool,
) -> Option<[u8; IPV4_LEN]> {
    let [length_high, length_low] = u16::try_from(payload.checked_add(IPV4_LEN)?)
        .ok()?
        .to_be_bytes();
    let dont_fragment = if fragmentable { 0 } else { 0x40 };
    let [s0, s1, s2, s3] = *source;
    let [d0, d1, d2, d3] = *destination;
    Some([
        0x45,
        0,
        length_high,
        length_low, // version and words, service, length
        0,
        0,
        dont_fragment,
        0, // identification, flags and offset
        HOPS,
        17,
        0,
        0, // hops, UDP, checksum
        s0,
        s1,
        s2,
        s3, //
        d0,
        d1,
        d2,
        d3,
    ])
}

/// RFC 8200. `payload` in bytes.
fn ipv6_header(
    source: &[u8; 16],
    destination: &[u8; 16],
    payload: usize,
) -> Option<[u8; IPV6_LEN]> {
    let [length_high, length_low] = u16::try_from(payload).ok()?.to_be_bytes();
    let mut header = [0u8; IPV6_LEN];
    let (fixed, addresses) = header.split_at_mut(8);
    fixed.copy_from_slice(&[0x60, 0, 0, 0, length_high, length_low, 17, HOPS]);
    let (from, to) = addresses.split_at_mut(16);
    from.copy_from_slice(source);
    to.copy_from_slice(destination);
    Some(header)
}

fn flow(path: &ReturnPath) -> Flow<'_> {
    let (source, destination) = path.reply_addresses();
    Flow {
        source,
        destination,
        source_port: path.destination_port,
        destination_port: path.source_port,
        oif: path.oif(),
    }
}
