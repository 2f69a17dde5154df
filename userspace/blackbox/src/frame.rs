// SPDX-License-Identifier: GPL-2.0-only

//! The eight bytes before the text, and putting a long reply together again.

/// Bytes of the header that precedes the text of every datagram.
pub const HEADER: usize = 8;
/// The largest reply datagram, header included.
pub const MAX_REPLY: usize = 1400;

/// The four fields of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// chosen by the client, repeated in the reply
    pub id: u16,
    /// place of this datagram in the reply, from 0
    pub seq: u16,
    /// datagrams in the reply
    pub total: u16,
    /// 0
    pub reserved: u16,
}

impl Header {
    /// The header of a request that fits in one datagram.
    pub fn request(id: u16) -> Self {
        Self {
            id,
            seq: 0,
            total: 1,
            reserved: 0,
        }
    }

    /// The fields as they are on the wire.
    pub fn encode(self) -> [u8; HEADER] {
        let [a, b] = self.id.to_be_bytes();
        let [c, d] = self.seq.to_be_bytes();
        let [e, f] = self.total.to_be_bytes();
        let [g, h] = self.reserved.to_be_bytes();
        [a, b, c, d, e, f, g, h]
    }

    /// Splits a datagram into header and text; `None` when it is too short.
    pub fn decode(datagram: &[u8]) -> Option<(Self, &[u8])> {
        let (head, text) = datagram.split_at_checked(HEADER)?;
        let field = |i: usize| u16::from_be_bytes([head[i], head[i + 1]]);
        let header = Self {
            id: field(0),
            seq: field(2),
            total: field(4),
            reserved: field(6),
        };
        Some((header, text))
    }
}

/// A request datagram.
pub fn request(id: u16, text: &[u8]) -> Vec<u8> {
    let mut datagram = Header::request(id).encode().to_vec();
    datagram.extend_from_slice(text);
    datagram
}

/// Collects the datagrams of one reply, in whatever order they come, and
/// finds fault with everything the protocol does not allow.
#[derive(Debug, Default)]
pub struct Assembler {
    parts: Vec<Option<Vec<u8>>>,
    missing: usize,
}

impl Assembler {
    /// Takes one datagram. The whole text once all are there, `None` while
    /// some are missing, or what is wrong with this one.
    pub fn add(&mut self, header: Header, text: &[u8]) -> Result<Option<Vec<u8>>, String> {
        check(header, text)?;
        let total = usize::from(header.total);
        if self.parts.is_empty() {
            self.parts = vec![None; total];
            self.missing = total;
        } else if self.parts.len() != total {
            let before = self.parts.len();
            return Err(format!(
                "total changes from {before} to {total} within a reply"
            ));
        }
        let Some(part) = self.parts.get_mut(usize::from(header.seq)) else {
            return Err(format!("sequence {} of a total of {total}", header.seq));
        };
        if part.replace(text.to_vec()).is_some() {
            return Err(format!("sequence {} arrives twice", header.seq));
        }
        self.missing -= 1;
        if self.missing > 0 {
            return Ok(None);
        }
        Ok(Some(self.parts.drain(..).flatten().flatten().collect()))
    }
}

/// The rules for a reply datagram on its own.
fn check(header: Header, text: &[u8]) -> Result<(), String> {
    let Header {
        seq,
        total,
        reserved,
        ..
    } = header;
    let len = HEADER + text.len();
    if reserved != 0 {
        return Err(format!("reserved field is {reserved}, not 0"));
    }
    if total == 0 || seq >= total {
        return Err(format!("sequence {seq} of a total of {total}"));
    }
    if len > MAX_REPLY {
        return Err(format!("a datagram of {len} bytes, more than {MAX_REPLY}"));
    }
    if text.is_empty() {
        return Err("a datagram without text".into());
    }
    if seq + 1 < total && len != MAX_REPLY {
        return Err(format!(
            "datagram {seq} of {total} has {len} bytes; only the last may be short"
        ));
    }
    Ok(())
}
