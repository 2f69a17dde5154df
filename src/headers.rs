// SPDX-License-Identifier: GPL-2.0-only
//! The headers of a reply: Ethernet, IPv4 or IPv6, UDP.

use crate::sys::{
    rx_packet::{RxPacket, ETHERNET_LEN, IPPROTO_UDP as UDP, UDP_LEN},
    tx_packet::{IPV4_LEN, IPV6_LEN},
    Family,
};

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

    /// The sum of the pseudo-header (RFC 768, RFC 8200 section 8.1) of a
    /// datagram of `len` bytes; the same in both directions.
    #[inline(always)]
    fn pseudo_sum(&self, len: u16) -> u16 {
        let [high, low] = len.to_be_bytes();
        let rest = sum(&[u32::from_ne_bytes([0, UDP, high, low])]);
        fold(match self {
            Addresses::V4 {
                source,
                destination,
            } => rest
                .wrapping_add(sum(source))
                .wrapping_add(sum(destination)),
            Addresses::V6 {
                source,
                destination,
            } => rest
                .wrapping_add(sum(source))
                .wrapping_add(sum(destination)),
        })
    }
}

/// The checksum of an IPv4 header is right: the ones' complement sum of it all
/// is all ones.
#[inline(always)]
pub(crate) fn is_right_ipv4(header: &[u8; IPV4_LEN]) -> bool {
    let words: [u32; 5] = words(header);
    fold(sum(&words)) == u16::MAX
}

/// Swaps source and destination of an Ethernet header.
#[inline]
pub(crate) fn reverse(header: &mut [u8; ETHERNET_LEN]) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n] = *header;
    *header = [g, h, i, j, k, l, a, b, c, d, e, f, m, n];
}

/// Makes a request's headers those of its reply, `len` bytes from the network
/// header on, which no router may fragment.
#[inline(always)]
pub(crate) fn turn_ipv4(network: &mut [u8; IPV4_LEN], udp: &mut [u8; UDP_LEN], len: u16) {
    let addresses = Addresses::in_ipv4(network);
    answer_udp(udp, &addresses, len.wrapping_sub(IPV4_LEN as u16));
    if let Addresses::V4 {
        source,
        destination,
    } = addresses
    {
        put_ipv4(network, destination, source, len, false);
    }
}

/// The same for IPv6.
#[inline]
pub(crate) fn turn_ipv6(network: &mut [u8; IPV6_LEN], udp: &mut [u8; UDP_LEN], len: u16) {
    let addresses = Addresses::in_ipv6(network);
    let payload = len.wrapping_sub(IPV6_LEN as u16);
    answer_udp(udp, &addresses, payload);
    if let Addresses::V6 {
        source,
        destination,
    } = addresses
    {
        put_ipv6(network, destination, source, payload);
    }
}

/// RFC 768: the header that answers the one in `header`. `len` in bytes, header
/// included. The checksum is the pseudo-header's part of it; who sends the
/// packet adds the rest.
#[inline(always)]
pub(crate) fn answer_udp(header: &mut [u8; UDP_LEN], addresses: &Addresses, len: u16) {
    let [ports, _] = words(header);
    let [a, b] = len.to_be_bytes();
    let [c, d] = addresses.pseudo_sum(len).to_ne_bytes();
    // Both ports are halves of a word: swapped when it turns by half.
    put_words(
        header,
        [ports.rotate_left(16), u32::from_ne_bytes([a, b, c, d])],
    );
}

/// RFC 791. `len` in bytes, header included. A packet that no router may
/// fragment needs no identification (RFC 6864).
#[inline(always)]
pub(crate) fn put_ipv4(
    header: &mut [u8; IPV4_LEN],
    source: [u32; 1],
    destination: [u32; 1],
    len: u16,
    fragmentable: bool,
) {
    let [high, low] = len.to_be_bytes();
    let dont_fragment = if fragmentable { 0 } else { 0x40 };
    let start = u32::from_ne_bytes([0x45, 0, high, low]); // version and words, service, length
    let flags = u32::from_ne_bytes([0, 0, dont_fragment, 0]); // identification, flags, offset
    let rest = sum(&[start, flags, u32::from_ne_bytes([HOPS, UDP, 0, 0])]);
    let check = !fold(
        rest.wrapping_add(sum(&source))
            .wrapping_add(sum(&destination)),
    );
    let [a, b] = check.to_ne_bytes();
    let ([source], [destination]) = (source, destination);
    put_words(
        header,
        [
            start,
            flags,
            u32::from_ne_bytes([HOPS, UDP, a, b]),
            source,
            destination,
        ],
    );
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
    for (word, bytes) in words.iter_mut().zip(header.chunks_exact(4)) {
        if let Some(bytes) = bytes.first_chunk() {
            *word = u32::from_ne_bytes(*bytes);
        }
    }
    words
}

#[inline(always)]
fn put_words<const N: usize, const W: usize>(header: &mut [u8; N], words: [u32; W]) {
    for (bytes, word) in header.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_ne_bytes());
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
