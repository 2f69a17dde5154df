// SPDX-License-Identifier: GPL-2.0-only
//! A list of chunks, from young to old, linked through their headers.

use super::arena::Arena;
use super::item::Item;
use crate::platform::Memory;

/// The two ends of a list. Whoever has it `&mut` owns the links of all chunks
/// in it.
#[derive(Debug, Default)]
pub(super) struct List {
    youngest: Option<Item>,
    oldest: Option<Item>,
    len: u32,
}

impl List {
    pub(super) fn len(&self) -> u64 {
        u64::from(self.len)
    }

    pub(super) fn oldest(&self) -> Option<Item> {
        self.oldest
    }

    /// Adds a chunk that is in no list, as the youngest.
    pub(super) fn push<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        arena.set_younger(item, None);
        arena.set_older(item, self.youngest);
        match self.youngest {
            Some(second) => arena.set_younger(second, Some(item)),
            None => self.oldest = Some(item),
        }
        self.youngest = Some(item);
        self.len = self.len.saturating_add(1);
    }

    /// Takes a chunk of this list out of it.
    pub(super) fn remove<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        let (younger, older) = (arena.younger(item), arena.older(item));
        match younger {
            Some(younger) => arena.set_older(younger, older),
            None => self.youngest = older,
        }
        match older {
            Some(older) => arena.set_younger(older, younger),
            None => self.oldest = younger,
        }
        self.len = self.len.saturating_sub(1);
    }

    /// Takes the youngest out.
    pub(super) fn pop<M: Memory>(&mut self, arena: &Arena<M>) -> Option<Item> {
        let item = self.youngest?;
        self.remove(arena, item);
        Some(item)
    }
}
