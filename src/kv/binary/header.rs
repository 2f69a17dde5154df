// SPDX-License-Identifier: GPL-2.0-only
//! The 24 bytes in front of every binary request and reply. All fields are in
//! network order.
//!
//! | bytes | request | reply |
//! |---|---|---|
//! | 0 | magic, 0x80 | magic, 0x81 |
//! | 1 | opcode | the request's |
//! | 2, 3 | length of the key | the same |
//! | 4 | length of the extras | the same |
//! | 5 | data type: means nothing | 0 |
//! | 6, 7 | vbucket: means nothing | status |
//! | 8 to 11 | length of extras, key and value together | the same |
//! | 12 to 15 | opaque | the request's |
//! | 16 to 23 | cas number | cas number |

/// First byte of a request, and what tells it from text.
pub(crate) const REQUEST: u8 = 0x80;

/// First byte of a reply.
const REPLY: u8 = 0x81;

/// Length of a header.
pub(crate) const HEADER_LEN: usize = 24;

/// What a reply says of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Ok,
    NotFound,
    Exists,
    TooLarge,
    Invalid,
    NotStored,
    NonNumeric,
    UnknownCommand,
    OutOfMemory,
}

impl Status {
    const fn code(self) -> u16 {
        match self {
            Status::Ok => 0x00,
            Status::NotFound => 0x01,
            Status::Exists => 0x02,
            Status::TooLarge => 0x03,
            Status::Invalid => 0x04,
            Status::NotStored => 0x05,
            Status::NonNumeric => 0x06,
            Status::UnknownCommand => 0x81,
            Status::OutOfMemory => 0x82,
        }
    }

    /// The value of a reply with this status, for people to read.
    pub(crate) const fn text(self) -> &'static [u8] {
        match self {
            Status::Ok => b"",
            Status::NotFound => b"Not found",
            Status::Exists => b"Data exists for key.",
            Status::TooLarge => b"Too large.",
            Status::Invalid => b"Invalid arguments",
            Status::NotStored => b"Not stored.",
            Status::NonNumeric => b"Non-numeric server-side value for incr or decr",
            Status::UnknownCommand => b"Unknown command",
            Status::OutOfMemory => b"Out of memory",
        }
    }
}

/// A request's header, unchecked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) magic: u8,
    pub(crate) opcode: u8,
    pub(crate) key_len: u16,
    pub(crate) extras_len: u8,
    /// Extras, key and value.
    pub(crate) body_len: u32,
    /// Whatever the client chose, to be repeated.
    pub(crate) opaque: [u8; 4],
    pub(crate) cas: u64,
}

impl Header {
    pub(crate) fn parse(bytes: &[u8; HEADER_LEN]) -> Self {
        let [magic, opcode, key_high, key_low, extras_len, _, _, _, rest @ ..] = *bytes;
        let [b0, b1, b2, b3, o0, o1, o2, o3, c0, c1, c2, c3, c4, c5, c6, c7] = rest;
        Self {
            magic,
            opcode,
            key_len: u16::from_be_bytes([key_high, key_low]),
            extras_len,
            body_len: u32::from_be_bytes([b0, b1, b2, b3]),
            opaque: [o0, o1, o2, o3],
            cas: u64::from_be_bytes([c0, c1, c2, c3, c4, c5, c6, c7]),
        }
    }
}

/// A reply's header. The parts that follow are as long as it says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ReplyHeader {
    pub(crate) opcode: u8,
    pub(crate) opaque: [u8; 4],
    pub(crate) status: Status,
    pub(crate) extras_len: u8,
    pub(crate) key_len: u8,
    pub(crate) value_len: u32,
    pub(crate) cas: u64,
}

impl ReplyHeader {
    pub(crate) fn bytes(&self) -> [u8; HEADER_LEN] {
        let [status_high, status_low] = self.status.code().to_be_bytes();
        let body_len = u32::from(self.extras_len)
            .saturating_add(u32::from(self.key_len))
            .saturating_add(self.value_len);
        let [b0, b1, b2, b3] = body_len.to_be_bytes();
        let [o0, o1, o2, o3] = self.opaque;
        let [c0, c1, c2, c3, c4, c5, c6, c7] = self.cas.to_be_bytes();
        [
            REPLY,
            self.opcode,
            0,
            self.key_len,
            self.extras_len,
            0,
            status_high,
            status_low,
            b0,
            b1,
            b2,
            b3,
            o0,
            o1,
            o2,
            o3,
            c0,
            c1,
            c2,
            c3,
            c4,
            c5,
            c6,
            c7,
        ]
    }
}
