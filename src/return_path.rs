// SPDX-License-Identifier: GPL-2.0-only
//! How replies get back to where a request came from.

use crate::{
    headers::{self, Addresses},
    stats::Loss,
    sys::{
        net::{Device, Net},
        rx_packet::{RxPacket, ETHERNET_LEN, UDP_LEN},
        tx_packet::{Address, Flow, TxPacket, IPV4_LEN, IPV6_LEN},
        Family,
    },
};

/// In front of a reply's text that goes straight out: Ethernet, IPv6, UDP.
const HEADROOM_DIRECT: usize = 64;
/// The same for one that is routed: the device is not known yet.
const HEADROOM_ROUTED: usize = 192;

/// How to get back to where a request came from.
pub(crate) struct ReturnPath {
    addresses: Addresses,
    /// The request's UDP header.
    udp: [u8; UDP_LEN],
    device: Device,
    /// Largest network-layer packet that the device takes, in bytes.
    mtu: usize,
    /// The Ethernet header of a reply that may go straight out.
    ethernet: Option<[u8; ETHERNET_LEN]>,
}

impl ReturnPath {
    /// The way back for replies to `packet`.
    pub(crate) fn of(packet: &RxPacket) -> Option<Self> {
        let ethernet = packet.ethernet().map(headers::reversed);
        let device = packet.device();
        Some(Self {
            addresses: Addresses::of(packet)?,
            udp: *packet.udp_header(),
            device,
            mtu: packet.mtu(),
            ethernet,
        })
    }

    /// The Ethernet header for a reply of `payload` bytes; nothing when the
    /// reply must be routed.
    fn direct(&self, payload: usize) -> Option<&[u8; ETHERNET_LEN]> {
        let network = match self.addresses {
            Addresses::V4 { .. } => IPV4_LEN,
            Addresses::V6 { .. } => IPV6_LEN,
        };
        let size = network.saturating_add(UDP_LEN).saturating_add(payload);
        self.ethernet.as_ref().filter(|_| size <= self.mtu)
    }

    /// The device that a routed reply must leave by, or 0: a VRF has a table of
    /// its own, and link-local addresses (RFC 4291, section 2.5.6) mean nothing
    /// without their device.
    fn oif(&self) -> i32 {
        let index = match &self.addresses {
            Addresses::V6 {
                source: [first, ..],
                ..
            } if is_link_local(*first) => self.device.index(),
            _ => self.device.vrf(),
        };
        i32::try_from(index).unwrap_or(0)
    }

    fn flow(&self) -> Flow {
        let [a, b, c, d, ..] = self.udp;
        let (source, destination) = match self.addresses {
            Addresses::V4 {
                source,
                destination,
            } => (Address::V4(destination), Address::V4(source)),
            Addresses::V6 {
                source,
                destination,
            } => (Address::V6(destination), Address::V6(source)),
        };
        Flow {
            source,
            destination,
            source_port: u16::from_be_bytes([c, d]),
            destination_port: u16::from_be_bytes([a, b]),
            oif: self.oif(),
        }
    }

    /// What is to be kept free before the UDP payload of a reply whose largest
    /// datagram has `payload` bytes of it.
    pub(crate) fn headroom(&self, payload: usize) -> usize {
        match self.direct(payload) {
            Some(_) => HEADROOM_DIRECT,
            None => HEADROOM_ROUTED,
        }
    }

    /// Sends a UDP payload that is complete, and of which no datagram has more
    /// than `payload` bytes: it has that much [`headroom`](Self::headroom).
    pub(crate) fn send(&self, net: &Net, mut packet: TxPacket, payload: usize) -> Result<(), Loss> {
        // What goes straight out is not to be fragmented.
        let ethernet = self.direct(payload);
        self.push_headers(&mut packet, ethernet.is_none())
            .ok_or(Loss::Memory)?;
        match ethernet {
            Some(header) => {
                packet.push(header).ok_or(Loss::Memory)?;
                packet.send_on(&self.device)
            }
            None => packet.send_routed(net, &self.flow()),
        }
        .map_err(|_| Loss::Transmit)
    }

    /// UDP header and network header, in that order: each goes in front.
    fn push_headers(&self, packet: &mut TxPacket, fragmentable: bool) -> Option<()> {
        let len = u16::try_from(packet.len().checked_add(UDP_LEN)?).ok()?;
        packet.push(&headers::answered_udp(&self.udp, &self.addresses, len)?)?;
        packet.seal_udp();
        match self.addresses {
            Addresses::V4 {
                source,
                destination,
            } => {
                let mut header = [0; IPV4_LEN];
                // There is room for this header in the length, too.
                len.checked_add(IPV4_LEN as u16)?;
                headers::put_ipv4(&mut header, destination, source, len, fragmentable)?;
                packet.push(&header)?;
                packet.seal_ip(Family::V4);
            }
            Addresses::V6 {
                source,
                destination,
            } => {
                let mut header = [0; IPV6_LEN];
                headers::put_ipv6(&mut header, destination, source, len);
                packet.push(&header)?;
                packet.seal_ip(Family::V6);
            }
        }
        Some(())
    }
}

/// Whether an IPv6 address that begins with this word is link-local.
fn is_link_local(word: u32) -> bool {
    matches!(word.to_ne_bytes(), [0xfe, 0x80..=0xbf, _, _])
}
