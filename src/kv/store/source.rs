// SPDX-License-Identifier: GPL-2.0-only
//! What an item to be stored is made of: bytes from a request, data of the item before, a
//! number.

use super::chain::Shape;
use super::item::Item;
use super::table::Stripe;
use super::value::Part;
use super::write::NewItem;
use super::Kv;
use crate::decimal::Decimal;
use crate::Platform;

/// The data of an item to be stored.
pub(super) struct Source<'a> {
    pub(super) parts: &'a [Part<'a>; 2],
    /// The number among them.
    pub(super) digits: Digits,
    /// The item whose data may be among them.
    pub(super) old: Option<Item>,
}

/// A number as text, with the spaces behind it that keep it as long as it was.
pub(super) struct Digits {
    text: [u8; Self::MAX],
    len: usize,
}

impl Digits {
    /// The longest 64-bit number.
    const MAX: usize = 20;

    /// The number among the parts; there is one at most.
    #[inline]
    pub(super) fn of(parts: &[Part<'_>]) -> Self {
        let number = parts.iter().find_map(|part| match part {
            Part::Number { value, width } => Some((*value, *width)),
            _ => None,
        });
        match number {
            Some((value, width)) => Self::new(value, width),
            None => Self {
                text: [b' '; Self::MAX],
                len: 0,
            },
        }
    }

    #[inline(never)]
    fn new(value: u64, width: usize) -> Self {
        let decimal = Decimal::new(value);
        let digits = decimal.as_bytes();
        let mut text = [b' '; Self::MAX];
        for (to, from) in text.iter_mut().zip(digits) {
            *to = *from;
        }
        let len = digits.len().max(width).min(Self::MAX);
        Self { text, len }
    }

    fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }
}

impl<P: Platform> Kv<P> {
    /// How long the data will be.
    pub(super) fn len_of(&self, source: &Source<'_>) -> usize {
        let old = |item| self.arena.data_range(item).len();
        source.parts.iter().fold(0usize, |len, part| {
            len.saturating_add(match part {
                Part::Bytes(bytes) => bytes.len(),
                Part::Old => source.old.map_or(0, old),
                Part::Number { .. } => source.digits.len,
            })
        })
    }

    /// Fills chunks that are held, or with `again` those of an item of the same
    /// key in that stripe.
    pub(super) fn write(
        &self,
        stripe: &mut Stripe<'_>,
        item: Item,
        shape: Shape,
        again: bool,
        new: NewItem<'_>,
        source: &Source<'_>,
    ) {
        let arena = &self.arena;
        if shape.chunks > 1 {
            if !again {
                arena.write_key(item, &new);
            }
            let size = self.size_of_class(shape.class);
            let parts = source.parts.iter();
            let data = parts.flat_map(|part| self.pieces_of(source, part));
            return arena.write_chain(item, size, &new, data);
        }
        // What is in one chunk is made of what was in one.
        let old = |item| {
            let range = arena.data_range(item);
            arena.part(item, range.start, range.len())
        };
        let data = source.parts.each_ref().map(|part| match part {
            Part::Bytes(bytes) => bytes,
            Part::Old => source.old.map_or(b"".as_slice(), old),
            Part::Number { .. } => source.digits.as_bytes(),
        });
        let new = NewItem { data, ..new };
        match again {
            true => arena.rewrite(stripe, item, &new),
            false => arena.write(item, &new),
        }
    }

    /// A part of new data, in the pieces in which it is.
    fn pieces_of<'a>(
        &'a self,
        source: &'a Source<'_>,
        part: &'a Part<'_>,
    ) -> impl Iterator<Item = &'a [u8]> {
        let (bytes, old) = match part {
            Part::Bytes(bytes) => (*bytes, None),
            Part::Old => (b"".as_slice(), source.old),
            Part::Number { .. } => (source.digits.as_bytes(), None),
        };
        let old = old.into_iter().flat_map(|item| {
            let range = self.arena.data_range(item);
            self.arena.slices(item, self.chunk_size(item), range)
        });
        core::iter::once(bytes)
            .filter(|bytes| !bytes.is_empty())
            .chain(old)
    }
}
