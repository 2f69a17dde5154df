// SPDX-License-Identifier: GPL-2.0-only
//! Binary frames to commands.
//!
//! A frame is read in the order in which memcached reads it, so that one with
//! several things wrong is refused for the same one: lengths that contradict
//! each other, then the key's length, then what the opcode asks for, then the
//! value's size. All but the last need no value, and are answered before it
//! has come.

use super::header::{Header, Status, HEADER_LEN, REQUEST};
use crate::limits::KEY_MAX;

/// An incr or decr with this exptime finds its counter, or fails.
const DO_NOT_CREATE: u32 = u32::MAX;

/// One command, borrowed from the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command<'a> {
    Get(Get<'a>),
    Store {
        mode: Mode,
        key: &'a [u8],
        flags: u32,
        exptime: i64,
    },
    /// Append, or with `front` prepend.
    Join {
        key: &'a [u8],
        front: bool,
    },
    Delete {
        key: &'a [u8],
    },
    Arith(Arith<'a>),
    Flush {
        exptime: i64,
    },
    Noop,
    Version,
    Stat {
        what: &'a [u8],
    },
    Quit,
}

/// The operands of get, getk, touch, gat and gatk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Get<'a> {
    pub(crate) key: &'a [u8],
    /// The new exptime, if there is to be one.
    pub(crate) touch: Option<i64>,
    /// Whether the reply repeats the key.
    pub(crate) with_key: bool,
    /// Whether the reply has the value; touch leaves it out.
    pub(crate) with_value: bool,
}

/// The operands of incr and decr.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arith<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) decr: bool,
    pub(crate) delta: u64,
    /// What a missing counter is made with: value and exptime.
    pub(crate) initial: Option<(u64, i64)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Set,
    Add,
    Replace,
}

/// A frame of which everything but the value is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    pub(crate) header: Header,
    pub(crate) command: Command<'a>,
    /// Success (or for a get a miss) is not to be told.
    pub(crate) quiet: bool,
    pub(crate) value_len: u32,
    /// How much of the input is header, extras and key.
    pub(crate) head_len: usize,
}

/// What the input begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parsed<'a> {
    Frame(Frame<'a>),
    /// So much input is needed, from the frame's beginning, to say more.
    Short(usize),
    /// Not a binary request; no telling where the next one begins.
    Lost,
    /// A request that is wrong in itself, after which nothing can be trusted.
    Broken(Header, Status),
    /// An opcode that is not served; the frame can be passed over.
    Unknown(Header),
}

/// The header of the request at the beginning of `input`, if it is whole.
pub(crate) fn header(input: &[u8]) -> Option<Header> {
    let (header, _) = input.split_first_chunk::<HEADER_LEN>()?;
    Some(Header::parse(header)).filter(|header| header.magic == REQUEST)
}

/// Reads the frame at the beginning of `input`, its value excepted.
pub(crate) fn parse(input: &[u8]) -> Parsed<'_> {
    let Some((header, rest)) = input.split_first_chunk::<HEADER_LEN>() else {
        return Parsed::Short(HEADER_LEN);
    };
    let header = Header::parse(header);
    if header.magic != REQUEST {
        return Parsed::Lost;
    }
    let head_len = u32::from(header.key_len).saturating_add(u32::from(header.extras_len));
    let Some(value_len) = header.body_len.checked_sub(head_len) else {
        return Parsed::Broken(header, Status::UnknownCommand);
    };
    if usize::from(header.key_len) > KEY_MAX {
        return Parsed::Broken(header, Status::Invalid);
    }
    let (extras_len, key_len) = (usize::from(header.extras_len), usize::from(header.key_len));
    let head_len = HEADER_LEN
        .saturating_add(extras_len)
        .saturating_add(key_len);
    let split = rest
        .split_at_checked(extras_len)
        .and_then(|(extras, rest)| Some((extras, rest.get(..key_len)?)));
    let Some((extras, key)) = split else {
        return Parsed::Short(head_len);
    };
    let (name, quiet) = name(header.opcode);
    let Some(name) = name else {
        return match is_wrong_sasl(header.opcode, extras, key, value_len) {
            true => Parsed::Broken(header, Status::Invalid),
            false => Parsed::Unknown(header),
        };
    };
    match command(name, extras, key, value_len) {
        Some(command) => Parsed::Frame(Frame {
            header,
            command,
            quiet,
            value_len,
            head_len,
        }),
        None => Parsed::Broken(header, Status::Invalid),
    }
}

/// An opcode without its loudness.
#[derive(Clone, Copy)]
enum Name {
    Get,
    GetK,
    Set,
    Add,
    Replace,
    Delete,
    Incr,
    Decr,
    Quit,
    Flush,
    Noop,
    Version,
    Append,
    Prepend,
    Stat,
    Touch,
    Gat,
    GatK,
}

/// memcached looks at the parts of SASL's requests before it finds that it does
/// not know SASL.
fn is_wrong_sasl(opcode: u8, extras: &[u8], key: &[u8], value_len: u32) -> bool {
    match opcode {
        0x20 => !extras.is_empty() || !key.is_empty() || value_len != 0,
        0x21 | 0x22 => !extras.is_empty() || key.is_empty(),
        _ => false,
    }
}

/// What an opcode means, and whether quietly. Those of SASL (0x20 to 0x22) and
/// verbosity (0x1b) are known to memcached's document and not to memcached.
fn name(opcode: u8) -> (Option<Name>, bool) {
    let (name, quiet) = match opcode {
        0x00 => (Name::Get, false),
        0x01 => (Name::Set, false),
        0x02 => (Name::Add, false),
        0x03 => (Name::Replace, false),
        0x04 => (Name::Delete, false),
        0x05 => (Name::Incr, false),
        0x06 => (Name::Decr, false),
        0x07 => (Name::Quit, false),
        0x08 => (Name::Flush, false),
        0x09 => (Name::Get, true),
        0x0a => (Name::Noop, false),
        0x0b => (Name::Version, false),
        0x0c => (Name::GetK, false),
        0x0d => (Name::GetK, true),
        0x0e => (Name::Append, false),
        0x0f => (Name::Prepend, false),
        0x10 => (Name::Stat, false),
        0x11 => (Name::Set, true),
        0x12 => (Name::Add, true),
        0x13 => (Name::Replace, true),
        0x14 => (Name::Delete, true),
        0x15 => (Name::Incr, true),
        0x16 => (Name::Decr, true),
        0x17 => (Name::Quit, true),
        0x18 => (Name::Flush, true),
        0x19 => (Name::Append, true),
        0x1a => (Name::Prepend, true),
        0x1c => (Name::Touch, false),
        0x1d => (Name::Gat, false),
        0x1e => (Name::Gat, true),
        0x23 => (Name::GatK, false),
        0x24 => (Name::GatK, true),
        _ => return (None, false),
    };
    (Some(name), quiet)
}

/// `None` when the frame's parts are not those that the opcode takes.
fn command<'a>(name: Name, extras: &[u8], key: &'a [u8], value_len: u32) -> Option<Command<'a>> {
    let stores = matches!(
        name,
        Name::Set | Name::Add | Name::Replace | Name::Append | Name::Prepend
    );
    if value_len != 0 && !stores {
        return None;
    }
    let keyless = matches!(name, Name::Quit | Name::Flush | Name::Noop | Name::Version);
    if key.is_empty() != keyless && !matches!(name, Name::Stat) {
        return None;
    }
    let bare = |command: Command<'a>| extras.is_empty().then_some(command);
    match name {
        Name::Get => bare(get(key, None, false)),
        Name::GetK => bare(get(key, None, true)),
        Name::Gat => Some(get(key, Some(exptime(extras)?), false)),
        Name::GatK => Some(get(key, Some(exptime(extras)?), true)),
        Name::Touch => Some(Command::Get(Get {
            key,
            touch: Some(exptime(extras)?),
            with_key: false,
            with_value: false,
        })),
        Name::Set => store(Mode::Set, extras, key),
        Name::Add => store(Mode::Add, extras, key),
        Name::Replace => store(Mode::Replace, extras, key),
        Name::Append => bare(Command::Join { key, front: false }),
        Name::Prepend => bare(Command::Join { key, front: true }),
        Name::Delete => bare(Command::Delete { key }),
        Name::Incr => arith(false, extras, key),
        Name::Decr => arith(true, extras, key),
        Name::Flush if extras.is_empty() => Some(Command::Flush { exptime: 0 }),
        Name::Flush => Some(Command::Flush {
            exptime: exptime(extras)?,
        }),
        Name::Noop => bare(Command::Noop),
        Name::Version => bare(Command::Version),
        Name::Stat => bare(Command::Stat { what: key }),
        Name::Quit => bare(Command::Quit),
    }
}

fn get(key: &[u8], touch: Option<i64>, with_key: bool) -> Command<'_> {
    Command::Get(Get {
        key,
        touch,
        with_key,
        with_value: true,
    })
}

/// Extras: flags and exptime, 32 bits each.
fn store<'a>(mode: Mode, extras: &[u8], key: &'a [u8]) -> Option<Command<'a>> {
    let (flags, rest) = extras.split_first_chunk::<4>()?;
    Some(Command::Store {
        mode,
        key,
        flags: u32::from_be_bytes(*flags),
        exptime: exptime(rest)?,
    })
}

/// Extras: delta and initial value, 64 bits each, and exptime, 32 bits.
fn arith<'a>(decr: bool, extras: &[u8], key: &'a [u8]) -> Option<Command<'a>> {
    let (delta, rest) = extras.split_first_chunk::<8>()?;
    let (initial, rest) = rest.split_first_chunk::<8>()?;
    let expires = u32::from_be_bytes(rest.try_into().ok()?);
    let initial = (u64::from_be_bytes(*initial), i64::from(expires));
    Some(Command::Arith(Arith {
        key,
        decr,
        delta: u64::from_be_bytes(*delta),
        initial: (expires != DO_NOT_CREATE).then_some(initial),
    }))
}

/// Four bytes and no more. Without a sign: none is expired at once.
fn exptime(extras: &[u8]) -> Option<i64> {
    Some(i64::from(u32::from_be_bytes(extras.try_into().ok()?)))
}
