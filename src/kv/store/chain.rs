// SPDX-License-Identifier: GPL-2.0-only
//! Items that are too large for one chunk: chains of chunks of one class.
//!
//! The largest chunks are a 16th of a page. The text of a larger item goes on in
//! further chunks, its *pieces*: each has a header like an item's, of which only
//! shape and first word are used, the latter for the item that the piece belongs
//! to, and the text in the same place; and each but the last is full. All are of
//! one class, the one that wastes least, so that one lock is enough to get, free
//! or move them. A word at the end of a chunk says which is the next.
//!
//! Links and owners belong to the stripe of the item; pieces that are held, and
//! those of an item out of the table, to whoever has the item.

use core::iter;
use core::ops::Range;

use super::arena::Arena;
use super::evict::{Busy, Mine};
use super::item::{Item, HEADER};
use super::write::NewItem;
use super::{Kv, Value};
use crate::decimal::Decimal;
use crate::limits::{CHAIN_MAX, PIN_CHUNK_MIN};
use crate::platform::Memory;
use crate::{Context, Platform};

const WORD: usize = size_of::<u32>();

/// Bytes at the end of a chunk of this size that are not for text: the link, and
/// the pins. Small chunks have neither.
pub(super) fn tail(chunk_size: usize) -> usize {
    if chunk_size < PIN_CHUNK_MIN {
        0
    } else {
        2 * WORD
    }
}

/// Bytes of text in a chunk of this size.
pub(super) fn text_room(chunk_size: usize) -> usize {
    chunk_size
        .saturating_sub(HEADER)
        .saturating_sub(tail(chunk_size))
}

/// In which chunks an item is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) class: u8,
    /// At least one.
    pub(super) chunks: usize,
}

/// Chunks of a class in somebody's hands, linked by their first words.
#[derive(Debug, Default)]
pub(super) struct Spare {
    class: u8,
    first: Option<Item>,
    count: usize,
    /// They may be kept while something is waited for: the caller has the gate.
    kept: bool,
}

impl Spare {
    /// From now on they are kept.
    pub(super) fn keep(&mut self) {
        self.kept = true;
    }

    pub(super) fn class(&self) -> u8 {
        self.class
    }

    /// Takes out all of which `stays` is not true.
    pub(super) fn retain<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        stays: impl Fn(Item) -> bool,
        out: impl Fn(Item),
    ) {
        let mut kept = Self {
            first: None,
            count: 0,
            ..*self
        };
        while let Some(item) = self.pop(arena) {
            match stays(item) {
                true => kept.push(arena, item),
                false => out(item),
            }
        }
        *self = kept;
    }

    fn push<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        arena.set_next(item, self.first);
        self.first = Some(item);
        self.count = self.count.saturating_add(1);
    }

    fn pop<M: Memory>(&mut self, arena: &Arena<M>) -> Option<Item> {
        let item = self.first?;
        self.first = arena.next(item);
        self.count = self.count.saturating_sub(1);
        Some(item)
    }
}

impl<M: Memory> Arena<M> {
    /// The chunk in which an item goes on behind this one.
    pub(super) fn link(&self, item: Item, chunk_size: usize) -> Option<Item> {
        Item::from_word(self.load(link_at(item, chunk_size)?))
    }

    pub(super) fn set_link(&self, item: Item, chunk_size: usize, next: Option<Item>) {
        if let Some(at) = link_at(item, chunk_size) {
            self.store(at, Item::to_word(next));
        }
    }

    /// The item that a piece belongs to.
    pub(super) fn owner(&self, piece: Item) -> Option<Item> {
        self.next(piece)
    }

    pub(super) fn set_owner(&self, piece: Item, item: Item) {
        self.set_next(piece, Some(item));
    }

    /// The pieces of an item, without its first chunk.
    pub(super) fn chain(&self, item: Item, chunk_size: usize) -> impl Iterator<Item = Item> + '_ {
        let first = self.link(item, chunk_size);
        iter::successors(first, move |piece| self.link(*piece, chunk_size))
    }

    /// A part of an item's text, piece by piece; nothing behind the text.
    pub(super) fn slices(
        &self,
        item: Item,
        chunk_size: usize,
        range: Range<usize>,
    ) -> impl Iterator<Item = &[u8]> {
        let room = text_room(chunk_size);
        let end = range.end.min(self.text_len(item));
        let mut start = range.start;
        // The chunk at hand, and how much text was before it.
        let mut at = Some((item, 0usize));
        iter::from_fn(move || loop {
            let (chunk, before) = at.filter(|_| start < end)?;
            let behind = before.saturating_add(room);
            if start < behind {
                let within = start.saturating_sub(before);
                let len = end.min(behind).saturating_sub(start);
                start = start.saturating_add(len);
                return Some(self.part(chunk, within, len));
            }
            at = self.link(chunk, chunk_size).map(|next| (next, behind));
        })
    }

    /// Writes `parts`, one behind the other, into the text of an item that only
    /// the caller reaches, from `from` on.
    pub(super) fn fill<'p>(
        &self,
        item: Item,
        chunk_size: usize,
        from: usize,
        parts: impl IntoIterator<Item = &'p [u8]>,
    ) {
        let room = text_room(chunk_size);
        let (mut chunk, mut within) = (item, from);
        for mut part in parts {
            while !part.is_empty() {
                if within >= room {
                    let Some(next) = self.link(chunk, chunk_size) else {
                        return;
                    };
                    (chunk, within) = (next, 0);
                }
                let len = part.len().min(room.saturating_sub(within));
                let (now, later) = part.split_at_checked(len).unwrap_or((part, b""));
                self.put_part(chunk, within, now);
                within = within.saturating_add(len);
                part = later;
            }
        }
    }
}

impl<M: Memory> Arena<M> {
    /// Writes an item with pieces behind its key, which is there; only the caller
    /// reaches that. `new.data` is left out, for `data`.
    pub(super) fn write_chain<'p>(
        &self,
        item: Item,
        chunk_size: usize,
        new: &NewItem<'_>,
        data: impl Iterator<Item = &'p [u8]>,
    ) {
        let flags = Decimal::new(u64::from(new.flags));
        let len = Decimal::new(new.len as u64);
        let head = [
            b" ".as_slice(),
            flags.as_bytes(),
            b" ",
            len.as_bytes(),
            b"\r\n",
        ];
        self.fill(item, chunk_size, new.key.len(), head);
        let from = new
            .key
            .len()
            .saturating_add(head.iter().map(|part| part.len()).sum());
        self.fill(item, chunk_size, from, data.chain([b"\r\n".as_slice()]));
        let digits = flags.as_bytes().len().saturating_add(len.as_bytes().len());
        self.write_words(item, digits, new);
    }
}

impl<P: Platform> Kv<P> {
    /// Where an item of `size` bytes, header included, is to be stored; `None`
    /// when it is larger than any can be.
    pub(super) fn shape_for(&self, size: usize) -> Option<Shape> {
        match self.class_for(size) {
            Some(class) => Some(Shape { class, chunks: 1 }),
            None => self.chain_for(size),
        }
    }

    /// The chain of large chunks that wastes least. More pieces must be worth
    /// more than a 64th.
    fn chain_for(&self, size: usize) -> Option<Shape> {
        let text = size.saturating_sub(HEADER);
        let sizes = self.chunk_sizes.get(..self.classes.len())?;
        let least = text.div_ceil(self.arena.single.max(1));
        let most = least.saturating_mul(2).max(CHAIN_MAX);
        let mut best: Option<(usize, Shape)> = None;
        for (index, chunk) in sizes.iter().enumerate().rev() {
            let chunk = *chunk as usize;
            let chunks = text.div_ceil(text_room(chunk).max(1));
            if chunks > most || chunk < PIN_CHUNK_MIN {
                break;
            }
            let cost = chunks.saturating_mul(chunk);
            if best.is_none_or(|(least, _)| cost.saturating_add(cost / 64) < least) {
                let class = u8::try_from(index).ok()?;
                best = Some((cost, Shape { class, chunks }));
            }
        }
        best.map(|(_, shape)| shape)
    }

    /// Chunks for an item, held for the caller, the first with links to the
    /// others. What there is of them in `spare` is used. If they are not enough, what
    /// could be had of them is kept there, or given back: it says what is wanting.
    /// `keep` does not go.
    pub(super) fn chunks(
        &self,
        shape: Shape,
        size: usize,
        mine: &mut Mine<'_>,
        keep: Option<Item>,
        spare: &mut Spare,
        cx: &Context<'_>,
    ) -> Result<Item, Busy> {
        if spare.count == 0 {
            if shape.chunks == 1 {
                return self.chunk_near(shape.class, size, mine, keep, cx);
            }
        } else if spare.class != shape.class {
            self.release_spare(spare);
        }
        spare.class = shape.class;
        while spare.count < shape.chunks {
            match self.chunk(shape.class, mine, keep, cx) {
                Ok(item) => spare.push(&self.arena, item),
                Err(busy) => {
                    if !spare.kept {
                        self.release_spare(spare);
                    }
                    return Err(busy);
                }
            }
        }
        let item = spare.pop(&self.arena).ok_or(Busy::Class)?;
        let chunk_size = self.size_of_class(shape.class);
        let mut last = item;
        for _ in 1..shape.chunks {
            let Some(piece) = spare.pop(&self.arena) else {
                break;
            };
            self.arena.set_owner(piece, item);
            self.arena.set_link(last, chunk_size, Some(piece));
            last = piece;
        }
        Ok(item)
    }

    /// Keeps a chunk of a class in hand, if that has one that is free, whether or
    /// not it was set aside; whether it has.
    pub(super) fn take_spare(&self, class: u8, spare: &mut Spare) -> bool {
        if spare.count > 0 && spare.class != class {
            self.release_spare(spare);
        }
        let Some(lock) = self.class(class) else {
            return false;
        };
        let item = {
            let class = &mut *lock.lock();
            self.free_reserves(class);
            class.take(&self.arena, &self.layout)
        };
        if let Some(item) = item {
            spare.class = class;
            spare.push(&self.arena, item);
        }
        item.is_some()
    }

    /// Frees what is in hand.
    pub(super) fn release_spare(&self, spare: &mut Spare) {
        while let Some(item) = spare.pop(&self.arena) {
            self.release(item);
        }
    }

    pub(super) fn size_of_class(&self, class: u8) -> usize {
        let size = self.chunk_sizes.get(usize::from(class));
        size.map_or(0, |size| *size as usize)
    }

    /// The chunk size of an item's class.
    pub(super) fn chunk_size(&self, item: Item) -> usize {
        self.size_of_class(self.layout.class_of(&self.arena, item))
    }

    /// How many chunks an item has.
    #[inline]
    pub(super) fn count_chunks(&self, item: Item) -> usize {
        if self.arena.text_len(item) <= self.arena.single {
            return 1;
        }
        let room = text_room(self.chunk_size(item)).max(1);
        self.arena.text_len(item).div_ceil(room)
    }

    /// How much of an item's text is in its first chunk.
    #[cold]
    pub(super) fn first_len(&self, item: Item) -> usize {
        let len = self.arena.text_len(item);
        if len <= self.arena.single {
            return len;
        }
        len.min(text_room(self.chunk_size(item)))
    }

    /// A part of a value's text, in the pieces in which it is stored, none of
    /// them empty. The value is one that a `get` or an `update` of this store has
    /// just found; there is nothing in that of another.
    pub fn slices<'a>(
        &'a self,
        value: &Value<'a>,
        range: Range<usize>,
    ) -> impl Iterator<Item = &'a [u8]> + 'a {
        let ours = self.arena.is_text(value.item, value.text);
        let item = value.item;
        let chunk_size = self.chunk_size(item);
        let range = if ours { range } else { 0..0 };
        self.arena.slices(item, chunk_size, range)
    }

    /// The data of a value, without its CRLF, as [`Kv::slices`].
    pub fn data<'a>(&'a self, value: &Value<'a>) -> impl Iterator<Item = &'a [u8]> + 'a {
        let end = value.head_len.saturating_add(value.data_len());
        self.slices(value, value.head_len..end)
    }
}

fn link_at(item: Item, chunk_size: usize) -> Option<usize> {
    let within = chunk_size.checked_sub(tail(chunk_size))?;
    (within < chunk_size).then(|| item.offset().saturating_add(within))
}

/// Where a chunk of this size counts its pins.
pub(super) fn pins_at(item: Item, chunk_size: usize) -> Option<usize> {
    link_at(item, chunk_size).map(|at| at.saturating_add(WORD))
}
