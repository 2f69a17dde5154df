// SPDX-License-Identifier: GPL-2.0-only
//! A list of chunks, from young to old, linked through their headers.

use super::arena::Arena;
use super::header::Header;
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
    #[inline(always)]
    pub(super) fn push<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        if let Some(header) = arena.header(item) {
            self.push_with(arena, item, header);
        }
    }

    /// The same, with the chunk's header.
    #[inline(always)]
    pub(super) fn push_with<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        item: Item,
        header: Header<'_>,
    ) {
        header.set_younger(None);
        header.set_older(self.youngest);
        match self.youngest {
            Some(second) => arena.set_younger(second, Some(item)),
            None => self.oldest = Some(item),
        }
        self.youngest = Some(item);
        // Fewer than there are bytes.
        self.len = self.len.wrapping_add(1);
    }

    /// Takes a chunk of this list out of it.
    pub(super) fn remove<M: Memory>(&mut self, arena: &Arena<M>, item: Item) {
        let Some(header) = arena.header(item) else {
            return;
        };
        let (younger, older) = (header.younger(), header.older());
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

    /// As [`List::remove`], of what nearly always is the oldest.
    #[inline(always)]
    pub(super) fn remove_old<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        item: Item,
        header: Header<'_>,
    ) {
        match header.younger() {
            Some(younger) if self.oldest == Some(item) => {
                arena.set_older(younger, None);
                self.oldest = Some(younger);
                self.len = self.len.wrapping_sub(1);
            }
            _ => self.remove(arena, item),
        }
    }

    /// Takes the youngest out.
    pub(super) fn pop<M: Memory>(&mut self, arena: &Arena<M>) -> Option<Item> {
        let item = self.youngest?;
        self.remove(arena, item);
        Some(item)
    }
}
