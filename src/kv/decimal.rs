// SPDX-License-Identifier: GPL-2.0-only
//! Numbers to decimal text and back, without `core::fmt`.

/// A number as decimal text, on the stack.
pub(crate) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    /// Any 64-bit number has at most 20 digits.
    #[inline]
    pub(crate) fn new(value: u64) -> Self {
        let mut digits = [b'0'; 20];
        let start = digits.len().saturating_sub(width(value));
        write(value, digits.get_mut(start..).unwrap_or_default());
        Self { digits, start }
    }

    #[inline]
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

/// How many digits a number has.
#[inline]
pub(crate) fn width(value: u64) -> usize {
    match value {
        // What flags and lengths mostly are.
        0..=9 => 1,
        10..=99 => 2,
        100..=999 => 3,
        1000..=9999 => 4,
        _ => value.checked_ilog10().map_or(1, |log| {
            usize::try_from(log).unwrap_or(19).saturating_add(1)
        }),
    }
}

/// Writes the lowest digits of `value`, as many as fit, with zeros in front.
#[inline(always)]
pub(crate) fn write(value: u64, digits: &mut [u8]) {
    match digits {
        // What flags and lengths mostly are. The remainders are below ten, as below.
        [one] => *one = b'0'.wrapping_add((value % 10) as u8),
        [ten, one] => {
            *ten = b'0'.wrapping_add((value / 10 % 10) as u8);
            *one = b'0'.wrapping_add((value % 10) as u8);
        }
        _ => write_more(value, digits),
    }
}

#[inline]
fn write_more(mut value: u64, digits: &mut [u8]) {
    for digit in digits.iter_mut().rev() {
        // The remainder is below ten, so that neither cast nor sum can lose.
        *digit = b'0'.wrapping_add((value % 10) as u8);
        value /= 10;
    }
}

/// A number below 10,000 as text, its first digit in the lowest byte, and how many digits it
/// has.
#[inline]
pub(crate) fn four(value: u32) -> (u32, usize) {
    // Hundreds, and what is below them, side by side. Of what has two digits 103/1024 is a
    // tenth, and a little more.
    let pairs = (value % 100).wrapping_shl(16).wrapping_add(value / 100);
    let tens = pairs.wrapping_mul(103).wrapping_shr(10) & 0x000f_000f;
    let ones = pairs.wrapping_sub(tens.wrapping_mul(10));
    let digits = tens | ones.wrapping_shl(8) | 0x3030_3030;
    let width = width(value.into());
    // Without the zeros in front.
    let zeros = 4usize.wrapping_sub(width).wrapping_mul(8);
    (digits.wrapping_shr(zeros as u32), width)
}

/// Digits and nothing else; leading zeros are allowed.
#[inline]
pub(crate) fn parse(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    let mut value = 0u64;
    // No number of so many digits is too large.
    let (short, rest) = text.split_at_checked(19).unwrap_or((text, &[]));
    for byte in short {
        value = value.wrapping_mul(10).wrapping_add(digit(*byte)?);
    }
    for byte in rest {
        value = value.checked_mul(10)?.checked_add(digit(*byte)?)?;
    }
    Some(value)
}

#[inline(always)]
fn digit(byte: u8) -> Option<u64> {
    let digit = byte.wrapping_sub(b'0');
    (digit <= 9).then_some(u64::from(digit))
}

/// As [`parse`], with a minus sign in front if there is one.
pub(crate) fn parse_signed(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        Some(digits) => 0i64.checked_sub_unsigned(parse(digits)?),
        None => i64::try_from(parse(text)?).ok(),
    }
}

/// As C's `strtol` reads a number: [`parse_signed`], or a plus sign in front.
pub(crate) fn parse_c(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"+") {
        Some(digits) => i64::try_from(parse(digits)?).ok(),
        None => parse_signed(text),
    }
}

/// A counter as memcached reads it: spaces in front, perhaps a plus sign,
/// digits, and then a space with whatever behind it, or the end.
pub(crate) fn parse_counter(data: &[u8]) -> Option<u64> {
    let digits = data.trim_ascii_start();
    let digits = digits.strip_prefix(b"+").unwrap_or(digits);
    let end = digits.iter().position(u8::is_ascii_whitespace);
    parse(digits.get(..end.unwrap_or(digits.len()))?)
}
