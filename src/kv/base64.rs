// SPDX-License-Identifier: GPL-2.0-only
//! Base 64 (RFC 4648, section 4), for keys that are not text.

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Decodes `text` into `out`, and says how many bytes that made. Nothing but
/// whole groups of four digits, the last one perhaps padded, is accepted, and
/// at least one group.
pub(crate) fn decode(text: &[u8], out: &mut [u8]) -> Option<usize> {
    let groups = text.chunks_exact(4);
    if text.is_empty() || !groups.remainder().is_empty() {
        return None;
    }
    let last = (text.len() / 4).checked_sub(1)?;
    let mut len = 0usize;
    for (index, group) in groups.enumerate() {
        let &[a, b, c, d] = group else { return None };
        let (count, c, d) = match (c, d) {
            (b'=', b'=') if index == last => (1, 0, 0),
            (_, b'=') if index == last => (2, digit(c)?, 0),
            _ => (3, digit(c)?, digit(d)?),
        };
        let bits = (digit(a)? << 18) | (digit(b)? << 12) | (c << 6) | d;
        let [_, bytes @ ..] = bits.to_be_bytes();
        let end = len.checked_add(count)?;
        out.get_mut(len..end)?.copy_from_slice(bytes.get(..count)?);
        len = end;
    }
    Some(len)
}

/// Gives the digits of `bytes` to `put`, four at a time.
///
/// # Errors
///
/// The first that `put` returns.
pub(crate) fn encode<E>(
    bytes: &[u8],
    mut put: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<(), E> {
    for group in bytes.chunks(3) {
        let (a, b, c) = match *group {
            [a, b, c] => (a, b, c),
            [a, b] => (a, b, 0),
            [a] => (a, 0, 0),
            _ => continue,
        };
        let bits = u32::from_be_bytes([0, a, b, c]);
        let digits = [18, 12, 6, 0].map(|shift| symbol(bits >> shift));
        let [w, x, y, _] = digits;
        put(&match group.len() {
            1 => [w, x, b'=', b'='],
            2 => [w, x, y, b'='],
            _ => digits,
        })?;
    }
    Ok(())
}

fn symbol(bits: u32) -> u8 {
    let index = usize::try_from(bits & 63).unwrap_or(0);
    DIGITS.get(index).copied().unwrap_or(b'A')
}

fn digit(symbol: u8) -> Option<u32> {
    let (first, value) = match symbol {
        b'A'..=b'Z' => (b'A', 0),
        b'a'..=b'z' => (b'a', 26),
        b'0'..=b'9' => (b'0', 52),
        b'+' => return Some(62),
        b'/' => return Some(63),
        _ => return None,
    };
    Some(u32::from(symbol.wrapping_sub(first)).wrapping_add(value))
}
