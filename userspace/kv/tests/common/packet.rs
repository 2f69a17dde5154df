// SPDX-License-Identifier: GPL-2.0-only
//! Binary requests to bytes, bytes to binary replies.
#![allow(dead_code, missing_docs, unreachable_pub)]

use crate::common::Session;

pub const OPAQUE: [u8; 4] = [0xde, 0xad, 0xbe, 0xef];

pub const GET: u8 = 0x00;
pub const SET: u8 = 0x01;
pub const ADD: u8 = 0x02;
pub const REPLACE: u8 = 0x03;
pub const DELETE: u8 = 0x04;
pub const INCR: u8 = 0x05;
pub const DECR: u8 = 0x06;
pub const QUIT: u8 = 0x07;
pub const FLUSH: u8 = 0x08;
pub const GETQ: u8 = 0x09;
pub const NOOP: u8 = 0x0a;
pub const VERSION: u8 = 0x0b;
pub const GETK: u8 = 0x0c;
pub const GETKQ: u8 = 0x0d;
pub const APPEND: u8 = 0x0e;
pub const PREPEND: u8 = 0x0f;
pub const STAT: u8 = 0x10;
pub const SETQ: u8 = 0x11;
pub const ADDQ: u8 = 0x12;
pub const REPLACEQ: u8 = 0x13;
pub const DELETEQ: u8 = 0x14;
pub const INCRQ: u8 = 0x15;
pub const DECRQ: u8 = 0x16;
pub const QUITQ: u8 = 0x17;
pub const FLUSHQ: u8 = 0x18;
pub const APPENDQ: u8 = 0x19;
pub const PREPENDQ: u8 = 0x1a;
pub const VERBOSITY: u8 = 0x1b;
pub const TOUCH: u8 = 0x1c;
pub const GAT: u8 = 0x1d;
pub const GATQ: u8 = 0x1e;
pub const GATK: u8 = 0x23;
pub const GATKQ: u8 = 0x24;

pub const NOT_FOUND: &str = "01 Not found";
pub const EXISTS: &str = "02 Data exists for key.";
pub const TOO_LARGE: &str = "03 Too large.";
pub const INVALID: &str = "04 Invalid arguments";
pub const NOT_STORED: &str = "05 Not stored.";
pub const NON_NUMERIC: &str = "06 Non-numeric server-side value for incr or decr";
pub const UNKNOWN: &str = "81 Unknown command";
pub const OUT_OF_MEMORY: &str = "82 Out of memory";

/// A request; the lengths in the header may be made to lie.
#[derive(Clone, Debug, Default)]
pub struct Packet {
    opcode: u8,
    extras: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
    cas: u64,
    key_len: Option<u16>,
    extras_len: Option<u8>,
    body_len: Option<u32>,
}

pub fn packet(opcode: u8) -> Packet {
    Packet {
        opcode,
        ..Packet::default()
    }
}

impl Packet {
    pub fn key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = key.as_ref().to_vec();
        self
    }
    pub fn value(mut self, value: impl AsRef<[u8]>) -> Self {
        self.value = value.as_ref().to_vec();
        self
    }
    pub fn extras(mut self, extras: impl AsRef<[u8]>) -> Self {
        self.extras.extend_from_slice(extras.as_ref());
        self
    }
    pub fn word(self, word: u32) -> Self {
        self.extras(word.to_be_bytes())
    }
    pub fn long(self, long: u64) -> Self {
        self.extras(long.to_be_bytes())
    }
    pub fn cas(mut self, cas: u64) -> Self {
        self.cas = cas;
        self
    }
    pub fn says_key_len(mut self, len: u16) -> Self {
        self.key_len = Some(len);
        self
    }
    pub fn says_extras_len(mut self, len: u8) -> Self {
        self.extras_len = Some(len);
        self
    }
    pub fn says_body_len(mut self, len: u32) -> Self {
        self.body_len = Some(len);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let body = [&self.extras[..], &self.key, &self.value].concat();
        let key_len = self.key_len.unwrap_or(self.key.len() as u16);
        let extras_len = self.extras_len.unwrap_or(self.extras.len() as u8);
        let body_len = self.body_len.unwrap_or(body.len() as u32);
        let mut bytes = vec![0x80, self.opcode];
        bytes.extend_from_slice(&key_len.to_be_bytes());
        bytes.extend_from_slice(&[extras_len, 0, 0, 0]);
        bytes.extend_from_slice(&body_len.to_be_bytes());
        bytes.extend_from_slice(&OPAQUE);
        bytes.extend_from_slice(&self.cas.to_be_bytes());
        bytes.extend_from_slice(&body);
        bytes
    }
}

pub fn set(key: &str, value: impl AsRef<[u8]>) -> Packet {
    packet(SET).key(key).word(0).word(0).value(value)
}

pub fn get(key: &str) -> Packet {
    packet(GET).key(key)
}

pub fn incr(key: &str, delta: u64, initial: u64, exptime: u32) -> Packet {
    packet(INCR)
        .key(key)
        .long(delta)
        .long(initial)
        .word(exptime)
}

pub fn noop() -> Packet {
    packet(NOOP)
}

/// A reply, whose opaque was as it must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub opcode: u8,
    pub status: u16,
    pub extras: Vec<u8>,
    pub key: Vec<u8>,
    pub value: Vec<u8>,
    pub cas: u64,
}

impl Answer {
    /// Status, in hexadecimal, and value: what the constants above say.
    pub fn said(&self) -> String {
        let value = String::from_utf8_lossy(&self.value);
        format!("{:02x} {value}", self.status)
    }
}

/// All replies in `bytes`, which end with the last of them.
#[track_caller]
pub fn answers(mut bytes: &[u8]) -> Vec<Answer> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let (header, rest) = bytes.split_at(24);
        assert_eq!(header[0], 0x81, "magic");
        assert_eq!(header[5], 0, "data type");
        assert_eq!(header[12..16], OPAQUE);
        let key_len = usize::from(u16::from_be_bytes([header[2], header[3]]));
        let extras_len = usize::from(header[4]);
        let body_len = u32::from_be_bytes(header[8..12].try_into().unwrap());
        let (body, behind) = rest.split_at(body_len as usize);
        answers.push(Answer {
            opcode: header[1],
            status: u16::from_be_bytes([header[6], header[7]]),
            extras: body[..extras_len].to_vec(),
            key: body[extras_len..][..key_len].to_vec(),
            value: body[extras_len + key_len..].to_vec(),
            cas: u64::from_be_bytes(header[16..24].try_into().unwrap()),
        });
        bytes = behind;
    }
    answers
}

/// Asks in packets.
pub trait Binary {
    fn all(&self, packets: &[Packet]) -> Vec<Answer>;

    /// What is said to one request, and then to a noop behind it in the same
    /// datagram, which shows that the lengths were kept.
    #[track_caller]
    fn one(&self, packet: Packet) -> Answer {
        let mut answers = self.all(&[packet, noop()]);
        assert_eq!(answers.len(), 2, "{answers:?}");
        assert_eq!((answers[1].opcode, answers[1].status), (NOOP, 0));
        answers.remove(0)
    }

    /// Says nothing.
    #[track_caller]
    fn quiet(&self, packet: Packet) {
        let answers = self.all(&[packet, noop()]);
        assert_eq!(answers.len(), 1, "{answers:?}");
        assert_eq!(answers[0].opcode, NOOP);
    }

    /// The last thing that is said.
    #[track_caller]
    fn last(&self, packet: Packet) -> String {
        let answers = self.all(&[packet, noop()]);
        assert_eq!(answers.len(), 1, "{answers:?}");
        answers[0].said()
    }
}

impl Binary for Session {
    #[track_caller]
    fn all(&self, packets: &[Packet]) -> Vec<Answer> {
        let text: Vec<u8> = packets.iter().flat_map(Packet::bytes).collect();
        answers(&self.ask_bytes(&text))
    }
}
