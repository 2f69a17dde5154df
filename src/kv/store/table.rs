// SPDX-License-Identifier: GPL-2.0
//! The table: chains of items, by hash of their keys. Everything here belongs
//! to the table's lock: finding to its read side, changing to its write side.

use super::arena::Arena;
use super::buckets::{prev_power_of_two, Buckets, Layout};
use super::item::{Item, Mark};
use super::value::{Cas, Value};
use crate::platform::Memory;
use crate::Now;

/// Whether an item in the table may still be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Live,
    /// Its exptime has come.
    Expired,
    /// It was stored before the last `flush_all`.
    Flushed,
}

/// All that the table's lock protects.
pub(super) struct Table<M> {
    pub(super) arena: Arena<M>,
    pub(super) buckets: Buckets,
    /// Heads of chains, a word each at the start of the region; a power of two.
    heads: usize,
    /// The last cas number given to an item; the first is 1.
    pub(super) cas: u64,
    /// Items last used up to now are flushed. Ahead of the clock, if there were
    /// several flushes in one second.
    flushed: u32,
    pub(super) items: u64,
    /// Bytes of chunk in use: headers and texts.
    pub(super) bytes: u64,
}

/// How many heads a region of `len` bytes gets: one for every 128 bytes.
fn heads(len: usize) -> usize {
    prev_power_of_two(len / 128)
}

/// Lays a region of `len` bytes out: heads, then what [`Layout::new`] makes of
/// the rest. `None` when it is too small.
pub(super) fn lay_out(len: usize) -> Option<Layout> {
    Layout::new(heads(len).checked_mul(4)?, len)
}

impl<M: Memory> Table<M> {
    /// An empty table in a zeroed region.
    pub(super) fn new(memory: M, layout: Layout) -> Self {
        let arena = Arena::new(memory);
        Self {
            heads: heads(arena.len()),
            arena,
            buckets: Buckets::new(layout),
            cas: 0,
            flushed: 0,
            items: 0,
            bytes: 0,
        }
    }

    pub(super) fn heads(&self) -> usize {
        self.heads
    }

    pub(super) fn find(&self, hash: u64, key: &[u8]) -> Option<Item> {
        let mut chain = self.head(hash);
        while let Some(item) = chain {
            if self.arena.key(item) == key {
                return Some(item);
            }
            chain = self.arena.next(item);
        }
        None
    }

    pub(super) fn life(&self, item: Item, now: Now) -> Life {
        if self.arena.used_at(item) <= self.flushed {
            return Life::Flushed;
        }
        match self.arena.expire(item) {
            0 => Life::Live,
            expire if expire <= now.0 => Life::Expired,
            _ => Life::Live,
        }
    }

    /// The item as the protocols see it.
    pub(super) fn value(&self, item: Item, now: Now) -> Value<'_> {
        let arena = &self.arena;
        let expire = arena.expire(item);
        Value {
            text: arena.text(item),
            head_len: arena.head_len(item),
            key_len: arena.key_len(item),
            cas: arena.cas(item),
            ttl: (expire != 0).then(|| expire.saturating_sub(now.0)),
            idle: now.0.saturating_sub(arena.used_at(item)),
            fetched: arena.has(item, Mark::FETCHED),
            stale: arena.has(item, Mark::STALE),
            won: arena.has(item, Mark::WON),
            key_is_binary: arena.has(item, Mark::BINARY),
            class: self.class(item),
        }
    }

    /// The number that was asked for, or the next.
    pub(super) fn cas(&mut self, from: Cas) -> u64 {
        if let Cas::Is(cas) = from {
            return cas;
        }
        self.cas = self.cas.wrapping_add(1);
        self.cas
    }

    /// Flushes all items there are.
    pub(super) fn flush(&mut self, now: Now) {
        self.flushed = now.0.max(self.flushed.saturating_add(1));
    }

    /// When a new item was last used: now, and after the last flush.
    pub(super) fn stamp(&self, now: Now) -> u32 {
        now.0.max(self.flushed.saturating_add(1))
    }

    /// The class of the chunk's page.
    pub(super) fn class(&self, item: Item) -> u8 {
        self.buckets.class_of(&self.arena, item)
    }

    /// The first item of a chain by number; `None` behind the last.
    pub(super) fn chain(&self, index: usize) -> Option<Option<Item>> {
        (index < self.heads).then(|| Item::from_word(self.arena.load(index.saturating_mul(4))))
    }

    /// Adds an item whose key is not in the table.
    pub(super) fn link(&mut self, hash: u64, item: Item) {
        let at = self.head_at(hash);
        self.arena.set_next(item, self.head(hash));
        self.arena.store(at, Item::to_word(Some(item)));
        self.items = self.items.saturating_add(1);
        self.bytes = self.bytes.saturating_add(self.arena.size(item));
    }

    /// Takes an item of the table out of it.
    pub(super) fn unlink(&mut self, hash: u64, item: Item) {
        let next = self.arena.next(item);
        if self.head(hash) == Some(item) {
            self.arena.store(self.head_at(hash), Item::to_word(next));
        } else {
            let mut chain = self.head(hash);
            while let Some(before) = chain {
                chain = self.arena.next(before);
                if chain == Some(item) {
                    self.arena.set_next(before, next);
                    break;
                }
            }
        }
        self.items = self.items.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(self.arena.size(item));
    }

    fn head(&self, hash: u64) -> Option<Item> {
        Item::from_word(self.arena.load(self.head_at(hash)))
    }

    fn head_at(&self, hash: u64) -> usize {
        // The low bits choose, so cutting the hash loses nothing on any machine.
        let index = (hash as usize) & self.heads.saturating_sub(1);
        index.saturating_mul(4)
    }
}
