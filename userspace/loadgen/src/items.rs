// SPDX-License-Identifier: GPL-2.0-only

//! Keys and values. A value tells whose it is: its first byte is a generation,
//! and every other byte follows from the key's number and that.

use std::io::Write;

use loadgen::sizes::{scramble, Sizes};

/// The key space: how keys are written, how large their values are.
#[derive(Debug, Clone)]
pub(crate) struct Items {
    key_len: usize,
    sizes: Sizes,
}

impl Items {
    /// Keys of `key_len` bytes, at least one of them a letter.
    pub(crate) fn new(key_len: usize, sizes: Sizes) -> Self {
        Self { key_len, sizes }
    }

    /// Appends the key of number `key`.
    pub(crate) fn put_key(&self, key: u64, out: &mut Vec<u8>) {
        self.put(b'k', key, out);
    }

    /// Appends a key that is never stored.
    pub(crate) fn put_absent_key(&self, key: u64, out: &mut Vec<u8>) {
        self.put(b'm', key, out);
    }

    fn put(&self, letter: u8, key: u64, out: &mut Vec<u8>) {
        out.push(letter);
        let width = self.key_len.saturating_sub(1);
        // Writing to a vector cannot fail.
        let _ = write!(out, "{key:0width$}");
    }

    /// The flags stored with a key.
    pub(crate) fn flags(key: u64) -> u32 {
        (key & 0xffff) as u32
    }

    /// Bytes of the key's value, always the same for a key.
    pub(crate) fn size(&self, key: u64) -> usize {
        self.sizes.of(key)
    }

    /// Bytes of what a get says of the key: its line, its value, its line end.
    pub(crate) fn value_text_len(&self, key: u64) -> usize {
        let (flags, size) = (Self::flags(key), self.size(key));
        let fixed = "VALUE   \r\n\r\n".len() + self.key_len;
        fixed + digits(flags as usize) + digits(size) + size
    }

    /// Appends the key's value of that generation.
    pub(crate) fn put_value(&self, key: u64, generation: u8, out: &mut Vec<u8>) {
        let start = out.len();
        let mut words = Words::new(key, generation);
        let end = start + self.size(key);
        while out.len() < end {
            let word = words.next();
            let take = word.len().min(end - out.len());
            out.extend_from_slice(&word[..take]);
        }
        if let Some(first) = out.get_mut(start) {
            *first = generation;
        }
    }

    /// Whether `value` is one of the key's.
    pub(crate) fn is_value(&self, key: u64, value: &[u8]) -> bool {
        if value.len() != self.size(key) {
            return false;
        }
        let Some(&generation) = value.first() else {
            return true;
        };
        let mut words = Words::new(key, generation);
        for (i, chunk) in value.chunks(8).enumerate() {
            let mut word = words.next();
            if i == 0 {
                word[0] = generation;
            }
            if chunk != &word[..chunk.len()] {
                return false;
            }
        }
        true
    }
}

/// The bytes that a value consists of, eight at a time.
struct Words(u64);

impl Words {
    fn new(key: u64, generation: u8) -> Self {
        Self(scramble((key << 8) | u64::from(generation)))
    }

    fn next(&mut self) -> [u8; 8] {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scramble(self.0).to_le_bytes()
    }
}

fn digits(number: usize) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(items: &Items, key: u64, generation: u8) -> Vec<u8> {
        let mut out = Vec::new();
        items.put_value(key, generation, &mut out);
        out
    }

    #[test]
    fn a_value_is_its_keys_and_nobody_elses() {
        for size in [1, 2, 7, 8, 9, 32, 1024] {
            let items = Items::new(16, Sizes::fixed(size));
            for generation in [0, 1, 255] {
                let mine = value(&items, 5, generation);
                assert_eq!(mine.len(), size);
                assert!(items.is_value(5, &mine));
                assert!(size == 1 || !items.is_value(6, &mine));
            }
        }
    }

    #[test]
    fn a_changed_byte_is_seen() {
        let items = Items::new(16, Sizes::fixed(19));
        let good = value(&items, 9, 3);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(!items.is_value(9, &bad), "byte {at}");
        }
        assert!(!items.is_value(9, &good[..18]));
    }
}
