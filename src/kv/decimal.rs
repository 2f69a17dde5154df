// SPDX-License-Identifier: GPL-2.0-only
//! Numbers to decimal text and back, without `core::fmt`.

/// A number as decimal text, on the stack.
pub(crate) struct Decimal {
    digits: [u8; 20],
    start: usize,
}

impl Decimal {
    /// Any 64-bit number has at most 20 digits.
    pub(crate) fn new(mut value: u64) -> Self {
        let mut digits = [b'0'; 20];
        let mut start = digits.len();
        for digit in digits.iter_mut().rev() {
            // The remainder is below ten, so that neither cast nor sum can lose.
            *digit = b'0'.wrapping_add((value % 10) as u8);
            start = start.saturating_sub(1);
            value /= 10;
            if value == 0 {
                break;
            }
        }
        Self { digits, start }
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.start..).unwrap_or_default()
    }
}

/// How many digits [`Decimal`] writes for `value`.
pub(crate) fn width(value: u64) -> usize {
    value.checked_ilog10().map_or(1, |log| {
        usize::try_from(log).unwrap_or(19).saturating_add(1)
    })
}

/// Digits and nothing else; leading zeros are allowed.
pub(crate) fn parse(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |value, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
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
