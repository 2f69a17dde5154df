// SPDX-License-Identifier: GPL-2.0-only
//! Bytes to lines, lines to words.

/// The words of a line: what is between spaces, and spaces alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words<'a>(&'a [u8]);

impl<'a> Words<'a> {
    #[inline]
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self(text)
    }

    /// What has not been taken yet, spaces included. Its length says how far
    /// this has got.
    pub fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// As [`Iterator::next`], in a way that is quick for words without control characters
    /// that are not at the very end.
    #[inline(always)]
    pub(super) fn next_key(&mut self) -> Option<&'a [u8]> {
        let text = self.0.strip_prefix(b" ").unwrap_or(self.0);
        let word = find_blank(text).and_then(|end| text.split_at_checked(end));
        match word {
            Some((word, rest)) if !word.is_empty() && rest.first() == Some(&b' ') => {
                self.0 = rest;
                Some(word)
            }
            _ => self.next_word(),
        }
    }

    #[inline(never)]
    fn next_word(&mut self) -> Option<&'a [u8]> {
        self.next()
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

    #[inline]
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

/// Where `byte` is first.
#[inline(never)]
pub(crate) fn find(text: &[u8], byte: u8) -> Option<usize> {
    let pattern = ONES.wrapping_mul(u64::from(byte));
    find_by(text, |word| zeros(word ^ pattern), |other| other == byte)
}

/// Where the first space or newline is: the end of a word.
#[inline(never)]
pub(super) fn find_end(text: &[u8]) -> Option<usize> {
    const SPACES: u64 = ONES.wrapping_mul(b' ' as u64);
    const NEWLINES: u64 = ONES.wrapping_mul(b'\n' as u64);
    let ends = |word| zeros(word ^ SPACES) | zeros(word ^ NEWLINES);
    find_by(text, ends, |byte| matches!(byte, b' ' | b'\n'))
}

/// Whether any of some bytes, a multiple of eight, is a space, a newline or another control
/// character.
#[inline(always)]
pub(super) fn have_blank<const N: usize>(bytes: &[[u8; N]; 2]) -> bool {
    let mut none = u64::MAX;
    for half in bytes {
        let mut rest = half.as_slice();
        while let Some((eight, behind)) = rest.split_first_chunk() {
            none &= !below(u64::from_le_bytes(*eight));
            rest = behind;
        }
    }
    !none & TOPS != 0
}

/// Where the first such byte is, if there are some bytes behind it.
#[inline(always)]
pub(super) fn find_blank(text: &[u8]) -> Option<usize> {
    let mut rest = text;
    loop {
        let (eight, behind) = rest.split_first_chunk::<8>()?;
        let found = blanks(u64::from_le_bytes(*eight));
        if found != 0 {
            let before = text.len().wrapping_sub(rest.len());
            return Some(before.wrapping_add((found.trailing_zeros() / 8) as usize));
        }
        rest = behind;
    }
}

/// The top bit of the lowest byte that is one of these, and perhaps of some above it.
#[inline(always)]
fn blanks(word: u64) -> u64 {
    below(word) & TOPS
}

/// The same, and other bits. (In "Bit Twiddling Hacks": hasless.)
#[inline(always)]
fn below(word: u64) -> u64 {
    const ABOVE: u64 = ONES.wrapping_mul(b' ' as u64 + 1);
    word.wrapping_sub(ABOVE) & !word
}

const ONES: u64 = 0x0101_0101_0101_0101;
const TOPS: u64 = ONES << 7;

/// The top bit of the lowest byte that is zero, and perhaps of some above it;
/// 0 without one: subtracting one from each byte borrows into the top bit of
/// those that are zero ("Bit Twiddling Hacks", haszero).
#[inline(always)]
fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & TOPS
}

/// Where the first byte is that is looked for, eight at a time: `in_word` says
/// which of eight it is, by the lowest of the top bits, `is_it` whether it is one.
#[inline(always)]
fn find_by(text: &[u8], in_word: impl Fn(u64) -> u64, is_it: impl Fn(u8) -> bool) -> Option<usize> {
    let mut at = 0usize;
    let mut rest = text;
    let within = |hits: u64| (hits.trailing_zeros() / 8) as usize;
    while let Some((eight, behind)) = rest.split_first_chunk::<8>() {
        let hits = in_word(u64::from_le_bytes(*eight));
        if hits != 0 {
            return Some(at.wrapping_add(within(hits)));
        }
        at = at.wrapping_add(8);
        rest = behind;
    }
    let left = (text.len() % 8) as u32;
    if left == 0 {
        return None;
    }
    let Some(eight) = text.last_chunk::<8>() else {
        return rest.iter().position(|byte| is_it(*byte));
    };
    // The last eight, those seen before shifted out; the zeros that come in are
    // behind the end.
    let seen = 64u32.wrapping_sub(left.wrapping_mul(8));
    let hits = in_word(u64::from_le_bytes(*eight).wrapping_shr(seen));
    (hits != 0).then(|| at.wrapping_add(within(hits)))
}
