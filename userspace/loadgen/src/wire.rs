// SPDX-License-Identifier: GPL-2.0-only

//! What goes over the wire: the frame header and the text of requests.

use std::io::Write;

use crate::items::Items;

/// Bytes of the header that precedes the text of every datagram.
pub(crate) const HEADER: usize = 8;

/// The fields of a reply's header that tell its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) id: u16,
    pub(crate) seq: u16,
    pub(crate) total: u16,
}

impl Header {
    /// Splits a datagram into header and text; `None` when it is too short.
    pub(crate) fn decode(datagram: &[u8]) -> Option<(Self, &[u8])> {
        let (head, text) = datagram.split_first_chunk::<HEADER>()?;
        let [a, b, c, d, e, f, _, _] = *head;
        let header = Self {
            id: u16::from_be_bytes([a, b]),
            seq: u16::from_be_bytes([c, d]),
            total: u16::from_be_bytes([e, f]),
        };
        Some((header, text))
    }
}

/// One request, as it was sent: what its reply is held against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Request {
    /// Keys that may be there, by number.
    Get(Vec<u64>),
    /// A key that was never stored.
    Miss(u64),
    /// Key and generation.
    Set(u64, u8),
}

impl Request {
    /// Appends the datagram of this request to `out`.
    pub(crate) fn encode(&self, id: u16, items: &Items, out: &mut Vec<u8>) {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&[0, 0, 0, 1, 0, 0]);
        match self {
            Request::Get(keys) => {
                out.extend_from_slice(b"get");
                for &key in keys {
                    out.push(b' ');
                    items.put_key(key, out);
                }
            }
            Request::Miss(key) => {
                out.extend_from_slice(b"get ");
                items.put_absent_key(*key, out);
            }
            Request::Set(key, generation) => {
                out.extend_from_slice(b"set ");
                items.put_key(*key, out);
                let flags = Items::flags(*key);
                // Writing to a vector cannot fail.
                let _ = write!(out, " {flags} 0 {}\r\n", items.size(*key));
                items.put_value(*key, *generation, out);
            }
        }
        out.extend_from_slice(b"\r\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::items::Sizes;

    #[test]
    fn a_get_names_its_keys() {
        let items = Items::new(8, Sizes::fixed(4));
        let mut out = Vec::new();
        Request::Get(vec![1, 22]).encode(0x1234, &items, &mut out);
        assert_eq!(out, b"\x12\x34\0\0\0\x01\0\0get k0000001 k0000022\r\n");
    }

    #[test]
    fn a_set_carries_the_value() {
        let items = Items::new(8, Sizes::fixed(4));
        let mut out = Vec::new();
        Request::Set(3, 7).encode(1, &items, &mut out);
        let (header, text) = Header::decode(&out).unwrap();
        assert_eq!((header.id, header.seq, header.total), (1, 0, 1));
        assert!(text.starts_with(b"set k0000003 3 0 4\r\n\x07"));
        assert!(text.ends_with(b"\r\n"));
        assert_eq!(text.len(), 20 + 4 + 2);
    }

    #[test]
    fn a_short_datagram_has_no_header() {
        assert_eq!(Header::decode(b"1234567"), None);
    }
}
