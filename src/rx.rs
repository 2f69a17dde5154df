// SPDX-License-Identifier: GPL-2.0-only
//! Where a request comes in: which packets are ours.
//!
//! Softirq context, and every UDP packet of the host passes here: what is not
//! ours is let go after a look at protocol and port.

use crate::{
    dispatch::Dispatch,
    stats::Loss,
    sys::{
        hook::{Hook, HookPacket, Verdict},
        rx_packet::{RxPacket, IPPROTO_UDP, UDP_LEN},
        socket::Receiver,
        tx_packet::{IPV4_LEN, IPV6_LEN},
        Family,
    },
};

/// Claims the packets of one port and passes them on.
pub(crate) struct Rx {
    pub(crate) port: u16,
    pub(crate) dispatch: Dispatch,
}

impl Hook for Rx {
    fn local_in(&self, mut packet: HookPacket<'_>) -> Verdict {
        let Some((offset, udp)) = udp_header(&mut packet) else {
            return packet.accept();
        };
        if udp.destination != self.port || packet.is_merged() {
            // A merged packet goes on to our socket, where UDP takes it apart.
            return packet.accept();
        }
        let admitted = self.admit(udp.source, packet.is_for_host());
        let permitted = packet.is_permitted().then_some(()).ok_or(Loss::Ipsec);
        if let Err(why) = admitted.and(permitted) {
            self.dispatch.lose(why);
            return packet.discard();
        }
        match packet.steal(offset) {
            Ok((packet, verdict)) => {
                self.dispatch.hand_over(packet);
                verdict
            }
            Err(packet) => packet.accept(),
        }
    }
}

impl Receiver for Rx {
    // UDP has asked the IPsec policies already.
    fn receive(&self, packet: RxPacket, for_host: bool) {
        let source = packet
            .headers()
            .get(packet.udp_offset()..)
            .and_then(|udp| be16(udp, 0));
        match self.admit(source.unwrap_or(0), for_host) {
            Ok(()) => self.dispatch.hand_over(packet),
            Err(why) => self.dispatch.lose(why),
        }
    }
}

impl Rx {
    /// Whether a packet for our port may be answered at all.
    fn admit(&self, source_port: u16, for_host: bool) -> Result<(), Loss> {
        if !for_host {
            return Err(Loss::NotUnicast);
        }
        if source_port == 0 || source_port == self.port {
            return Err(Loss::SourcePort);
        }
        Ok(())
    }
}

/// Ports of a UDP header.
struct Ports {
    source: u16,
    destination: u16,
}

/// Offset and ports of the UDP header; nothing when this is not a whole UDP
/// packet.
fn udp_header(packet: &mut HookPacket<'_>) -> Option<(usize, Ports)> {
    let offset = match packet.family() {
        Family::V4 => ipv4_payload(packet.bytes(IPV4_LEN)?)?,
        Family::V6 => ipv6_payload(packet)?,
    };
    let bytes = packet.bytes(offset.checked_add(UDP_LEN)?)?;
    let udp = bytes.get(offset..)?;
    let ports = Ports {
        source: be16(udp, 0)?,
        destination: be16(udp, 2)?,
    };
    Some((offset, ports))
}

/// Where the payload begins of an IPv4 packet (RFC 791) that carries UDP and
/// is whole: fragments were put together before LOCAL_IN.
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

/// The 16 bits at `at`, network order.
pub(crate) fn be16(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_be_bytes(*field))
}
