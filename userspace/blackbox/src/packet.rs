// SPDX-License-Identifier: GPL-2.0-only

//! Packets of the binary protocol, written and matched as one token.
//!
//! `<req OP FIELD…>` and `<res OP FIELD…>`, where OP is a name of [`OPCODES`]
//! or two hexadecimal digits. Lengths are counted, unless a field lies:
//!
//! | field                            | means                                |
//! |----------------------------------|--------------------------------------|
//! | `key=TEXT` `val=TEXT` `ext=TEXT` | the parts of the body                |
//! | `flags=N` `exp=N`                | 4 bytes more of extras, in order     |
//! | `delta=N` `init=N`               | 8 bytes more of extras, in order     |
//! | `num=N`                          | 8 bytes more of value                |
//! | `status=N` `vb=N` `type=N`       | those fields; hexadecimal            |
//! | `opaque=N`                       | 8 hexadecimal digits (else `opaq`)   |
//! | `cas=N`                          | that cas                             |
//! | `keylen=N` `extlen=N` `bodylen=N` `magic=N` | lies; magic hexadecimal   |
//! | `cas==NAME`                      | the cas captured under that name     |
//!
//! In an answer also `cas=*` (any but 0), `cas=:NAME` (the same, captured) and
//! `val=*` (any value of one byte or more). Spaces in a TEXT are `\x20`.

use anyhow::{bail, ensure, Context, Result};

use crate::template::{bytes, Captures, Vars};

/// Bytes before the body.
pub const HEADER: usize = 24;
/// The opaque of packets that do not say.
const OPAQUE: u32 = u32::from_be_bytes(*b"opaq");

/// The opcodes that have a name here, from 0.
pub const OPCODES: [&str; 0x1f] = [
    "get",
    "set",
    "add",
    "replace",
    "delete",
    "incr",
    "decr",
    "quit",
    "flush",
    "getq",
    "noop",
    "version",
    "getk",
    "getkq",
    "append",
    "prepend",
    "stat",
    "setq",
    "addq",
    "replaceq",
    "deleteq",
    "incrq",
    "decrq",
    "quitq",
    "flushq",
    "appendq",
    "prependq",
    "verbosity",
    "touch",
    "gat",
    "gatq",
];

/// What an answer's cas must be.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Cas {
    Exactly(u64),
    Any,
    Capture(String),
}

/// A packet, perhaps with parts left open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    magic: u8,
    opcode: u8,
    keylen: Option<u16>,
    extlen: Option<u8>,
    data_type: u8,
    status: u16,
    bodylen: Option<u32>,
    opaque: u32,
    cas: Cas,
    ext: Vec<u8>,
    key: Vec<u8>,
    value: Vec<u8>,
    open: bool,
}

impl Packet {
    /// Reads what stands between `<` and `>`; `None` when it is no packet.
    pub fn parse(text: &str, vars: &Vars) -> Result<Option<Self>> {
        let mut words = text.split(' ');
        let magic = match words.next() {
            Some("req") => 0x80,
            Some("res") => 0x81,
            _ => return Ok(None),
        };
        let name = words.next().context("a packet without an opcode")?;
        let known = OPCODES.iter().position(|&known| known == name);
        let opcode = match known {
            Some(at) => u8::try_from(at)?,
            None => u8::from_str_radix(name, 16).with_context(|| format!("opcode {name}"))?,
        };
        let mut packet = Self {
            magic,
            opcode,
            keylen: None,
            extlen: None,
            data_type: 0,
            status: 0,
            bodylen: None,
            opaque: OPAQUE,
            cas: Cas::Exactly(0),
            ext: Vec::new(),
            key: Vec::new(),
            value: Vec::new(),
            open: false,
        };
        for word in words.filter(|w| !w.is_empty()) {
            packet
                .field(word, vars)
                .with_context(|| format!("'{word}' of a packet"))?;
        }
        Ok(Some(packet))
    }

    fn field(&mut self, word: &str, vars: &Vars) -> Result<()> {
        let (name, value) = word.split_once('=').context("a field without =")?;
        let hex = || u32::from_str_radix(value, 16);
        match name {
            "key" => self.key = bytes(value, vars)?,
            "ext" => self.ext.extend(bytes(value, vars)?),
            "val" if value == "*" => self.open = true,
            "val" => self.value = bytes(value, vars)?,
            "flags" | "exp" => {
                let number = bytes(value, vars)?;
                let number: u32 = std::str::from_utf8(&number)?.parse()?;
                self.ext.extend(number.to_be_bytes());
            }
            "delta" | "init" => self.ext.extend(value.parse::<u64>()?.to_be_bytes()),
            "num" => self.value.extend(value.parse::<u64>()?.to_be_bytes()),
            "status" | "vb" => self.status = u16::try_from(hex()?)?,
            "type" => self.data_type = u8::try_from(hex()?)?,
            "opaque" => self.opaque = hex()?,
            "magic" => self.magic = u8::try_from(hex()?)?,
            "keylen" => self.keylen = Some(value.parse()?),
            "extlen" => self.extlen = Some(value.parse()?),
            "bodylen" => self.bodylen = Some(value.parse()?),
            "cas" => self.cas = cas(value, vars)?,
            _ => bail!("no such field"),
        }
        Ok(())
    }

    /// The bytes, when nothing is left open.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let Cas::Exactly(cas) = self.cas else {
            bail!("a packet to send needs a definite cas");
        };
        ensure!(!self.open, "a packet to send needs a definite value");
        let keylen = u16::try_from(self.key.len())?;
        let extlen = u8::try_from(self.ext.len())?;
        let body = self.ext.len() + self.key.len() + self.value.len();
        let bodylen = u32::try_from(body)?;
        let mut out = vec![self.magic, self.opcode];
        out.extend(self.keylen.unwrap_or(keylen).to_be_bytes());
        out.extend([self.extlen.unwrap_or(extlen), self.data_type]);
        out.extend(self.status.to_be_bytes());
        out.extend(self.bodylen.unwrap_or(bodylen).to_be_bytes());
        out.extend(self.opaque.to_be_bytes());
        out.extend(cas.to_be_bytes());
        out.extend([&self.ext[..], &self.key, &self.value].concat());
        Ok(out)
    }

    /// Whether `data` begins with such a packet; its length and captures, if so.
    pub fn matches(&self, data: &[u8]) -> Option<(usize, Captures)> {
        let (head, rest) = data.split_at_checked(HEADER)?;
        let length = u32::from_be_bytes(head.get(8..12)?.try_into().ok()?);
        let body = rest.get(..usize::try_from(length).ok()?)?;
        let cas = u64::from_be_bytes(head.get(16..24)?.try_into().ok()?);
        // The packet this would be if what is open were as it is in `data`.
        let mut same = self.clone();
        same.cas = Cas::Exactly(cas);
        if self.open {
            same.open = false;
            same.value = body.get(self.ext.len() + self.key.len()..)?.to_vec();
        }
        let mut captures = Captures::new();
        let fits = match &self.cas {
            Cas::Exactly(wanted) => *wanted == cas,
            Cas::Any => cas != 0,
            Cas::Capture(name) => {
                captures.insert(name.clone(), cas.to_string().into_bytes());
                cas != 0
            }
        };
        let fits = fits && !(self.open && same.value.is_empty());
        let wanted = same.encode().ok()?;
        (fits && data.starts_with(&wanted) && wanted.len() == HEADER + body.len())
            .then_some((wanted.len(), captures))
    }
}

fn cas(text: &str, vars: &Vars) -> Result<Cas> {
    if text == "*" {
        return Ok(Cas::Any);
    }
    if let Some(name) = text.strip_prefix(':') {
        return Ok(Cas::Capture(name.to_owned()));
    }
    let Some(name) = text.strip_prefix('=') else {
        return Ok(Cas::Exactly(text.parse()?));
    };
    let value = vars.captures.get(name);
    let value = value.with_context(|| format!("nothing captured as {name}"))?;
    Ok(Cas::Exactly(std::str::from_utf8(value)?.parse()?))
}
