// SPDX-License-Identifier: GPL-2.0-only
//! Bytes to lines, lines to words.

/// The words of a line: what is between spaces, and spaces alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// What has not been taken yet, spaces included. Its length says how far
    /// this has got.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Whether the last word is `noreply`, wherever the words before it belong.
    pub(crate) fn say_noreply(&self) -> bool {
        let mut text = self.0;
        while let Some(rest) = text.strip_suffix(b" ") {
            text = rest;
        }
        match text.strip_suffix(b"noreply") {
            Some(front) => front.is_empty() || front.ends_with(b" "),
            None => false,
        }
    }
}

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while let Some(rest) = self.0.strip_prefix(b" ") {
            self.0 = rest;
        }
        if self.0.is_empty() {
            return None;
        }
        let end = find(self.0, b' ').unwrap_or(self.0.len());
        let (word, rest) = self.0.split_at_checked(end)?;
        self.0 = rest;
        Some(word)
    }
}

/// Where `byte` is first, looked for eight bytes at a time.
///
/// A byte of `x` is zero where the text has `byte`; subtracting one from each
/// byte then borrows into that byte's top bit, and the lowest such bit is right
/// whatever the bytes above it do ("Bit Twiddling Hacks", haszero).
pub(crate) fn find(text: &[u8], byte: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = ONES << 7;
    let pattern = ONES.wrapping_mul(u64::from(byte));
    let mut at = 0usize;
    let mut rest = text;
    while let Some((eight, behind)) = rest.split_first_chunk::<8>() {
        let x = u64::from_le_bytes(*eight) ^ pattern;
        let hits = x.wrapping_sub(ONES) & !x & TOPS;
        if hits != 0 {
            return at.checked_add(usize::try_from(hits.trailing_zeros() / 8).ok()?);
        }
        at = at.wrapping_add(8);
        rest = behind;
    }
    let within = rest.iter().position(|other| *other == byte)?;
    at.checked_add(within)
}
