// SPDX-License-Identifier: GPL-2.0-only
//! The headers of a reply: Ethernet, IPv4 or IPv6, UDP.

use crate::sys::{
    rx_packet::{RxPacket, ETHERNET_LEN, IPPROTO_UDP as UDP, UDP_LEN},
    tx_packet::{IPV4_LEN, IPV6_LEN},
    Family,
};
use core::mem;

/// Hop limit of replies (RFC 1700, "IP time to live").
const HOPS: u8 = 64;

/// Addresses of a request, as words of the wire's order.
#[derive(Clone, Copy)]
pub(crate) enum Addresses {
    /// IPv4.
    V4 {
        /// Who asks.
        source: [u32; 1],
        /// Who is asked.
        destination: [u32; 1],
    },
    /// IPv6.
    V6 {
        /// Who asks.
        source: [u32; 4],
        /// Who is asked.
        destination: [u32; 4],
    },
}

impl Addresses {
    /// Of a packet.
    pub(crate) fn of(packet: &RxPacket) -> Option<Self> {
        let header = packet.headers();
        Some(match packet.family() {
            Family::V4 => Self::in_ipv4(header.first_chunk()?),
            Family::V6 => Self::in_ipv6(header.first_chunk()?),
        })
    }

    /// Of an IPv4 header.
    #[inline(always)]
    pub(crate) fn in_ipv4(header: &[u8; IPV4_LEN]) -> Self {
        let [_, _, _, source, destination]: [u32; 5] = words(header);
        Self::V4 {
            source: [source],
            destination: [destination],
        }
    }

    /// Of an IPv6 header.
    #[inline]
    pub(crate) fn in_ipv6(header: &[u8; IPV6_LEN]) -> Self {
        let [_, _, a, b, c, d, e, f, g, h]: [u32; 10] = words(header);
        Self::V6 {
            source: [a, b, c, d],
            destination: [e, f, g, h],
        }
    }

    /// The sum of their halves of words, which is the same in both directions.
    #[inline(always)]
    fn sum(&self) -> u16 {
        fold(match self {
            Addresses::V4 {
                source,
                destination,
            } => sum(source).wrapping_add(sum(destination)),
            Addresses::V6 {
                source,
                destination,
            } => sum(source).wrapping_add(sum(destination)),
        })
    }
}

/// The checksum of an IPv4 header is right: the ones' complement sum of it all
/// is all ones.
#[inline(always)]
pub(crate) fn is_right_ipv4(header: &[u8; IPV4_LEN]) -> bool {
    let (Some((first, rest)), Some(last)) = (header.split_first_chunk(), header.last_chunk())
    else {
        return false;
    };
    let first = u64::from_ne_bytes(*first);
    let second = rest
        .first_chunk()
        .map_or(0, |second| u64::from_ne_bytes(*second));
    let last = u64::from(u32::from_ne_bytes(*last));
    // What overflows comes back at the other end.
    let (sum, over) = first.overflowing_add(second);
    let (sum, more) = sum.overflowing_add(last.wrapping_add(u64::from(over)));
    fold(sum.wrapping_add(u64::from(more))) == u16::MAX
}

/// An Ethernet header with source and destination swapped.
pub(crate) fn reversed(header: &[u8; ETHERNET_LEN]) -> [u8; ETHERNET_LEN] {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = *header;
    [g, h, i, j, k, l, a, b, c, d, e, f, m, n]
}

/// Bytes of all headers: Ethernet, IPv4 without options, UDP.
pub(crate) const HEADERS_V4: usize = ETHERNET_LEN + IPV4_LEN + UDP_LEN;
/// Ethernet, IPv6 without extensions, UDP.
pub(crate) const HEADERS_V6: usize = ETHERNET_LEN + IPV6_LEN + UDP_LEN;

/// Who asked whom: what is read of a request's headers before its reply's are
/// written, perhaps over them. In words, as they are read and written at a time.
pub(crate) struct Asker<A> {
    to: (u32, u16),
    from: (u32, u16),
    ethertype: u16,
    addresses: A,
    ports: u32,
}

impl<A> Asker<A> {
    #[inline(always)]
    fn new(ethernet: &[u8; ETHERNET_LEN], addresses: A, udp: &[u8; UDP_LEN]) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = *ethernet;
        let [ports, _] = words(udp);
        Self {
            to: (u32::from_ne_bytes([a, b, c, d]), u16::from_ne_bytes([e, f])),
            from: (u32::from_ne_bytes([g, h, i, j]), u16::from_ne_bytes([k, l])),
            ethertype: u16::from_ne_bytes([m, n]),
            addresses,
            ports,
        }
    }

    /// The Ethernet header of the answer.
    #[inline(always)]
    fn put_ethernet<'a>(&self, at: &'a mut [u8]) -> Option<&'a mut [u8]> {
        let at = put(at, self.from.0.to_ne_bytes())?;
        let at = put(at, self.from.1.to_ne_bytes())?;
        let at = put(at, self.to.0.to_ne_bytes())?;
        let at = put(at, self.to.1.to_ne_bytes())?;
        put(at, self.ethertype.to_ne_bytes())
    }
}

impl Asker<u64> {
    /// Over IPv4.
    #[inline(always)]
    pub(crate) fn v4(headers: &[u8; HEADERS_V4]) -> Option<Self> {
        let (ethernet, network) = headers.split_first_chunk()?;
        let (network, udp) = network.split_first_chunk::<IPV4_LEN>()?;
        let [.., a, b, c, d, e, f, g, h] = *network;
        let addresses = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
        Some(Self::new(ethernet, addresses, udp.first_chunk()?))
    }

    /// Writes the headers of the answer, whose UDP header says `len`. No router may
    /// fragment it.
    #[inline(always)]
    pub(crate) fn answer(self, headers: &mut [u8; HEADERS_V4], len: u16) -> Option<()> {
        let pseudo = pseudo_header(fold(self.addresses), len);
        let at = self.put_ethernet(headers)?;
        // Source and destination are swapped when the word turns by half.
        let at = put_ipv4_at(at, self.addresses.rotate_left(32), pseudo, len, false)?;
        put_udp_at(at, self.ports, pseudo, len)
    }
}

impl Asker<Addresses> {
    /// Over IPv6.
    #[inline(always)]
    pub(crate) fn v6(headers: &[u8; HEADERS_V6]) -> Option<Self> {
        let (ethernet, network) = headers.split_first_chunk()?;
        let (network, udp) = network.split_first_chunk()?;
        let addresses = Addresses::in_ipv6(network);
        Some(Self::new(ethernet, addresses, udp.first_chunk()?))
    }

    /// As the other.
    #[inline]
    pub(crate) fn answer(&self, headers: &mut [u8; HEADERS_V6], len: u16) -> Option<()> {
        let at = self.put_ethernet(headers)?;
        let (network, at) = at.split_first_chunk_mut()?;
        if let Addresses::V6 {
            source,
            destination,
        } = self.addresses
        {
            put_ipv6(network, destination, source, len);
        }
        let pseudo = pseudo_header(self.addresses.sum(), len);
        put_udp_at(at, self.ports, pseudo, len)
    }
}

/// Puts `bytes` in front; what is behind them.
#[inline(always)]
fn put<const N: usize>(at: &mut [u8], bytes: [u8; N]) -> Option<&mut [u8]> {
    let (front, behind) = at.split_first_chunk_mut()?;
    *front = bytes;
    Some(behind)
}

/// The sum of the pseudo-header (RFC 768, RFC 8200 section 8.1) of a UDP packet of `len` bytes
/// between addresses of that sum.
#[inline(always)]
fn pseudo_header(addresses: u16, len: u16) -> u16 {
    plus(plus(addresses, len.to_be()), u16::from_ne_bytes([0, UDP]))
}

/// RFC 768: the header that answers one with `ports`. `len` in bytes, header included. The
/// checksum is the part of it that is the sum of the pseudo-header; who sends the packet adds
/// the rest.
#[inline(always)]
fn put_udp_at(at: &mut [u8], ports: u32, pseudo: u16, len: u16) -> Option<()> {
    // Both ports are halves of a word: swapped when it turns by half.
    let at = put(at, ports.rotate_left(16).to_ne_bytes())?;
    let at = put(at, len.to_be_bytes())?;
    put(at, pseudo.to_ne_bytes()).map(|_| ())
}

/// The same, of a header that answers `header`.
pub(crate) fn answered_udp(
    header: &[u8; UDP_LEN],
    addresses: &Addresses,
    len: u16,
) -> Option<[u8; UDP_LEN]> {
    let [ports, _] = words(header);
    let mut answer = [0; UDP_LEN];
    put_udp_at(&mut answer, ports, pseudo_header(addresses.sum(), len), len)?;
    Some(answer)
}

/// RFC 791: source and destination, which are given side by side, and the sum of the
/// pseudo-header of the UDP packet, of `len` bytes, that follows: what the sum of this header
/// has besides is constant. A packet that no router may fragment needs no identification
/// (RFC 6864). What is behind the header.
#[inline(always)]
fn put_ipv4_at(
    at: &mut [u8],
    addresses: u64,
    pseudo: u16,
    len: u16,
    fragmentable: bool,
) -> Option<&mut [u8]> {
    const START: [u8; 2] = [0x45, 0]; // version and words, service
    const WHOLE: u16 = IPV4_LEN as u16;
    const CONSTANT: u16 = plus(
        plus(u16::from_ne_bytes(START), WHOLE.to_be()),
        u16::from_ne_bytes([HOPS, 0]),
    );
    let flags = [if fragmentable { 0 } else { 0x40 }, 0]; // and where the fragment begins
    let sum = plus(pseudo, plus(CONSTANT, u16::from_ne_bytes(flags)));
    let at = put(at, START)?;
    let at = put(at, len.wrapping_add(WHOLE).to_be_bytes())?;
    let at = put(at, [0; 2])?; // identification
    let at = put(at, flags)?;
    let at = put(at, [HOPS, UDP])?;
    let at = put(at, (!sum).to_ne_bytes())?;
    put(at, addresses.to_ne_bytes())
}

/// The same with separate addresses.
pub(crate) fn put_ipv4(
    header: &mut [u8; IPV4_LEN],
    [source]: [u32; 1],
    [destination]: [u32; 1],
    len: u16,
    fragmentable: bool,
) -> Option<()> {
    let [a, b, c, d] = source.to_ne_bytes();
    let [e, f, g, h] = destination.to_ne_bytes();
    let addresses = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
    let pseudo = pseudo_header(fold(addresses), len);
    put_ipv4_at(header, addresses, pseudo, len, fragmentable).map(|_| ())
}

/// RFC 8200. `payload` in bytes, behind this header.
#[inline]
pub(crate) fn put_ipv6(
    header: &mut [u8; IPV6_LEN],
    source: [u32; 4],
    destination: [u32; 4],
    payload: u16,
) {
    let [high, low] = payload.to_be_bytes();
    let ([a, b, c, d], [e, f, g, h]) = (source, destination);
    put_words(
        header,
        [
            u32::from_ne_bytes([0x60, 0, 0, 0]),
            u32::from_ne_bytes([high, low, UDP, HOPS]),
            a,
            b,
            c,
            d,
            e,
            f,
            g,
            h,
        ],
    );
}

/// A header as words of the wire's order. `W` is a quarter of `N`.
#[inline(always)]
fn words<const N: usize, const W: usize>(header: &[u8; N]) -> [u32; W] {
    let mut words = [0; W];
    let mut rest: &[u8] = header;
    for word in &mut words {
        if let Some((bytes, behind)) = rest.split_first_chunk() {
            *word = u32::from_ne_bytes(*bytes);
            rest = behind;
        }
    }
    words
}

#[inline(always)]
fn put_words<const N: usize, const W: usize>(header: &mut [u8; N], words: [u32; W]) {
    let mut rest: &mut [u8] = header;
    for word in &words {
        if let Some((bytes, behind)) = mem::take(&mut rest).split_first_chunk_mut() {
            *bytes = word.to_ne_bytes();
            rest = behind;
        }
    }
}

/// The sum of RFC 1071, not folded, which is the same in either byte order.
#[inline(always)]
fn sum(words: &[u32]) -> u64 {
    words
        .iter()
        .fold(0, |sum: u64, &word| sum.wrapping_add(u64::from(word)))
}

/// The sum in 16 bits: what overflows comes back at the other end.
#[inline(always)]
fn fold(sum: u64) -> u16 {
    let sum = (sum.wrapping_add(sum.rotate_left(32)) >> 32) as u32;
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

/// The sum of two such: what overflows comes back at the other end.
#[inline(always)]
const fn plus(one: u16, other: u16) -> u16 {
    let (sum, over) = one.overflowing_add(other);
    sum.wrapping_add(over as u16)
}
