// SPDX-License-Identifier: GPL-2.0-only
//! Which key a request is about, for a host that spreads requests by key.

use crate::limits::FRAME_LEN;

/// First byte of a binary request.
const BINARY: u8 = 0x80;

/// Header of a binary request: the key's length is at 2, that of the extras
/// in front of the key at 4.
const BINARY_HEADER: usize = 24;

/// The first key of the first command in a datagram; nothing where there is
/// none. A hint: whether it is a key at all is for the parser to say.
pub fn routing_key(datagram: &[u8]) -> Option<&[u8]> {
    let text = datagram.get(FRAME_LEN..)?;
    if text.first() == Some(&BINARY) {
        let len = u16::from_be_bytes(*text.get(2..)?.first_chunk()?);
        let extras = usize::from(*text.get(4)?);
        let start = BINARY_HEADER.checked_add(extras)?;
        return text.get(start..start.checked_add(usize::from(len))?);
    }
    let line = text.split(|byte| *byte == b'\n').next()?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.split(|byte| *byte == b' ')
        .skip(1)
        .find(|word| !word.is_empty())
}
