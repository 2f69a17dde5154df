// SPDX-License-Identifier: GPL-2.0-only
//! Where a request comes in: which packets are ours.
//!
//! Softirq context, and every UDP packet of the host passes here: what is not
//! ours is let go after a look at protocol and port.

use crate::{
    dispatch::Dispatch,
    headers,
    stats::Loss,
    sys::{
        hook::{Folded, Hook, HookPacket, Verdict},
        rx_packet::{RxPacket, IPPROTO_UDP, UDP_LEN},
        socket::Receiver,
        trace,
        tx_packet::{IPV4_LEN, IPV6_LEN},
        Family,
    },
};

/// Claims the packets of one port and passes them on.
pub(crate) struct Rx {
    pub(crate) port: Port,
    pub(crate) dispatch: Dispatch,
}

impl Hook for Rx {
    #[inline(always)]
    fn local_in(&self, mut packet: HookPacket<'_>) -> Verdict {
        let Some((offset, udp)) = udp_header(&mut packet) else {
            return packet.accept();
        };
        if udp.destination != self.port {
            return packet.accept();
        }
        match packet.is_usual() {
            true => self.take_usual(packet, offset, udp.source),
            false => self.look_closely(packet.fold(), offset, udp.source),
        }
    }

    // Only what needs nothing from the stack is taken here: plain frames with a
    // plain header, to an address of the device they came by. All else goes on
    // (fragments, options, tags, merged packets …), is forwarded or dropped as
    // the stack likes, or reaches our socket.
    #[inline(always)]
    fn early(&self, mut packet: HookPacket<'_>) -> Verdict {
        let Some(request) = self.plain_request(&mut packet) else {
            return packet.accept();
        };
        let (offset, source) = (request.udp_offset, request.ports.source);
        match packet.is_usual() {
            true => self.take_usual(packet, offset, source),
            false => self.look_closely(packet.fold(), offset, source),
        }
    }
}

impl Receiver for Rx {
    // UDP has asked the IPsec policies already.
    fn receive(&self, packet: RxPacket, for_host: bool) {
        let source = packet
            .headers()
            .get(packet.udp_offset()..)
            .and_then(|udp| udp.first_chunk().copied());
        match self.admit(Port(source.unwrap_or_default()), for_host) {
            Ok(()) => self.dispatch(packet),
            Err(why) => self.dispatch.lose(why),
        }
    }
}

impl Rx {
    #[inline(always)]
    fn take_usual(&self, packet: HookPacket<'_>, udp_offset: usize, source: Port) -> Verdict {
        match self.admit(source, true) {
            Ok(()) => self.take(packet, udp_offset),
            Err(why) => self.refuse(packet, why),
        }
    }

    /// A packet for our port with something that may tell against taking it, or against
    /// answering it in itself.
    #[inline(never)]
    fn look_closely(&self, packet: Folded<'_>, udp_offset: usize, source: Port) -> Verdict {
        let mut packet = packet.open();
        let traits = packet.traits();
        if traits.is_merged() {
            // It goes on to our socket, where UDP takes it apart.
            return packet.accept();
        }
        let mut admitted = self.admit(source, traits.is_for_host());
        if traits.asks_policies() && admitted.is_ok() && !packet.is_permitted() {
            admitted = Err(Loss::Ipsec);
        }
        match admitted {
            Ok(()) => self.take(packet, udp_offset),
            Err(why) => self.refuse(packet, why),
        }
    }

    #[inline(always)]
    fn take(&self, packet: HookPacket<'_>, udp_offset: usize) -> Verdict {
        match packet.steal(udp_offset) {
            Ok((packet, verdict)) => {
                self.dispatch(packet);
                verdict
            }
            Err(packet) => packet.accept(),
        }
    }

    #[inline(always)]
    fn refuse(&self, packet: HookPacket<'_>, why: Loss) -> Verdict {
        self.dispatch.lose(why);
        packet.discard()
    }

    #[inline(always)]
    fn dispatch(&self, packet: RxPacket) {
        trace::receive(|| (u32::try_from(packet.len()).unwrap_or(u32::MAX),));
        self.dispatch.hand_over(packet);
    }

    /// A packet for our port that can be taken before the stack has seen it.
    #[inline(always)]
    fn plain_request(&self, packet: &mut HookPacket<'_>) -> Option<Plain> {
        let plain = match packet.family() {
            Family::V4 => plain_ipv4(packet.bytes_at_hand(IPV4_LEN + UDP_LEN)?, self.port)?,
            Family::V6 => plain_ipv6(packet.bytes_at_hand(IPV6_LEN + UDP_LEN)?, self.port)?,
        };
        (packet.is_plain_frame() && packet.ends_at(plain.len)).then_some(plain)
    }

    /// Whether a packet for our port may be answered at all.
    #[inline]
    fn admit(&self, source: Port, for_host: bool) -> Result<(), Loss> {
        if !for_host {
            return Err(Loss::NotUnicast);
        }
        if source == Port::NONE || source == self.port {
            return Err(Loss::SourcePort);
        }
        Ok(())
    }
}

/// A UDP port, as it stands in a packet.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Port([u8; 2]);

impl Port {
    const NONE: Self = Self([0; 2]);

    pub(crate) fn new(number: u16) -> Self {
        Self(number.to_be_bytes())
    }
}

/// Ports of a UDP header.
struct Ports {
    source: Port,
    destination: Port,
}

impl Ports {
    #[inline]
    fn of(udp: &[u8]) -> Option<Self> {
        let &[a, b, c, d] = udp.first_chunk()?;
        Some(Self {
            source: Port([a, b]),
            destination: Port([c, d]),
        })
    }
}

/// Offset and ports of the UDP header; nothing when this is not a whole UDP
/// packet.
#[inline(always)]
fn udp_header(packet: &mut HookPacket<'_>) -> Option<(usize, Ports)> {
    let offset = match packet.family() {
        Family::V4 => ipv4_payload(packet.bytes(IPV4_LEN)?)?,
        Family::V6 => ipv6_payload(packet)?,
    };
    let bytes = packet.bytes(offset.checked_add(UDP_LEN)?)?;
    Some((offset, Ports::of(bytes.get(offset..)?)?))
}

/// Where the payload begins of an IPv4 packet (RFC 791) that carries UDP and
/// is whole: fragments were put together before LOCAL_IN.
#[inline(always)]
fn ipv4_payload(header: &[u8]) -> Option<usize> {
    const FRAGMENT: u16 = 0x3fff; // offset, and "more fragments"
    if *header.get(9)? != IPPROTO_UDP || be16(header, 6)? & FRAGMENT != 0 {
        return None;
    }
    let words = *header.first()? & 0x0f;
    Some(usize::from(words) << 2)
}

/// The same for IPv6 (RFC 8200), past extension headers.
fn ipv6_payload(packet: &mut HookPacket<'_>) -> Option<usize> {
    if *packet.bytes(IPV6_LEN)?.get(6)? == IPPROTO_UDP {
        return Some(IPV6_LEN);
    }
    packet.udp6_offset()
}

/// What a plain UDP packet's headers say.
struct Plain {
    /// Bytes of the whole packet, from the network header on.
    len: usize,
    udp_offset: usize,
    ports: Ports,
}

impl Plain {
    /// Nothing when a packet of `len` bytes has no room for the headers, or it
    /// is not for `port`.
    #[inline(always)]
    fn new(len: usize, headers: &[u8], udp_offset: usize, port: Port) -> Option<Self> {
        let ports = Ports::of(headers.get(udp_offset..)?)?;
        let wanted = ports.destination == port && len >= headers.len();
        wanted.then_some(Self {
            len,
            udp_offset,
            ports,
        })
    }
}

/// A header of RFC 791 without options, whole, for UDP, and with the right
/// checksum; the UDP header, for `port`, follows.
#[inline(always)]
fn plain_ipv4(headers: &[u8], port: Port) -> Option<Plain> {
    const VERSION_AND_WORDS: u8 = 0x45;
    if *headers.first()? != VERSION_AND_WORDS || ipv4_payload(headers)? != IPV4_LEN {
        return None;
    }
    let plain = Plain::new(usize::from(be16(headers, 2)?), headers, IPV4_LEN, port)?;
    headers::is_right_ipv4(headers.first_chunk()?).then_some(plain)
}

/// A header of RFC 8200 for UDP; the UDP header, for `port`, follows.
fn plain_ipv6(headers: &[u8], port: Port) -> Option<Plain> {
    if *headers.first()? >> 4 != 6 || *headers.get(6)? != IPPROTO_UDP {
        return None;
    }
    let payload = usize::from(be16(headers, 4)?);
    Plain::new(payload.checked_add(IPV6_LEN)?, headers, IPV6_LEN, port)
}

/// The 16 bits at `at`, network order.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*field))
}
