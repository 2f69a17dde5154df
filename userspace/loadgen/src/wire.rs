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
    /// Of a reply that is whole.
    pub(crate) fn alone(id: u16) -> Self {
        Self {
            id,
            seq: 0,
            total: 1,
        }
    }

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
    /// Appends the header of this request's datagram to `out`; `note` goes into
    /// the field that is reserved, and should be 0 for a memcached.
    pub(crate) fn put_header(id: u16, note: u16, out: &mut Vec<u8>) {
        out.extend_from_slice(&id.to_be_bytes());
        out.extend_from_slice(&[0, 0, 0, 1]);
        out.extend_from_slice(&note.to_be_bytes());
    }

    /// Appends the text of this request to `out`.
    pub(crate) fn put_text(&self, items: &Items, out: &mut Vec<u8>) {
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

    /// The length of the reply's text, when all keys of a get are there and a
    /// set is stored.
    pub(crate) fn reply_len(&self, items: &Items) -> usize {
        match self {
            Request::Get(keys) => {
                let values = keys.iter().map(|&key| items.value_text_len(key));
                values.sum::<usize>() + b"END\r\n".len()
            }
            Request::Miss(_) => b"END\r\n".len(),
            Request::Set(..) => b"STORED\r\n".len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadgen::sizes::Sizes;

    #[test]
    fn a_get_names_its_keys() {
        let items = Items::new(8, Sizes::fixed(4));
        let mut out = Vec::new();
        Request::put_header(0x1234, 5, &mut out);
        Request::Get(vec![1, 22]).put_text(&items, &mut out);
        assert_eq!(out, b"\x12\x34\0\0\0\x01\0\x05get k0000001 k0000022\r\n");
    }

    #[test]
    fn a_set_carries_the_value() {
        let items = Items::new(8, Sizes::fixed(4));
        let mut out = Vec::new();
        Request::put_header(1, 0, &mut out);
        Request::Set(3, 7).put_text(&items, &mut out);
        let (header, text) = Header::decode(&out).unwrap();
        assert_eq!(header, Header::alone(1));
        assert!(text.starts_with(b"set k0000003 3 0 4\r\n\x07"));
        assert!(text.ends_with(b"\r\n"));
        assert_eq!(text.len(), 20 + 4 + 2);
    }

    #[test]
    fn a_replys_length_is_known() {
        let items = Items::new(8, Sizes::fixed(10));
        let reply =
            b"VALUE k0000003 3 10\r\n0123456789\r\nVALUE k0000012 12 10\r\n0123456789\r\nEND\r\n";
        assert_eq!(Request::Get(vec![3, 12]).reply_len(&items), reply.len());
        assert_eq!(Request::Miss(3).reply_len(&items), 5);
        assert_eq!(Request::Set(3, 1).reply_len(&items), 8);
    }

    #[test]
    fn a_short_datagram_has_no_header() {
        assert_eq!(Header::decode(b"1234567"), None);
    }
}
