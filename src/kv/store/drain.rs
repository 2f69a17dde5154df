// SPDX-License-Identifier: GPL-2.0-only
//! A size class on its way to lose a page: which one, and what is left in it.
//! All of it belongs to the class's lock.

use super::arena::Arena;
use super::class::{chunk_at, Class};
use super::header::Place;
use super::item::Item;
use super::layout::Layout;
use crate::limits::PINNED_ROUNDS;
use crate::platform::Memory;

/// A page that is being emptied.
#[derive(Clone, Copy, Debug)]
pub(super) struct Draining {
    pub(super) page: usize,
    /// The next of its chunks to look at.
    pub(super) next: usize,
    /// Its chunks that were ever cut off.
    pub(super) chunks: usize,
    /// Those that are still in use, or free to be used.
    pub(super) left: usize,
    /// One of them was seen to be pinned, this time around.
    pinned: bool,
    /// How many times around that was so.
    rounds: u32,
    /// Too often: the page stays, and its chunks are to be freed again.
    pub(super) given_up: bool,
    /// The class that gets it; `None` for the table.
    pub(super) to: Option<u8>,
}

impl Class {
    /// Takes a free chunk out of the list, for good.
    pub(super) fn drain<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout, item: Item) {
        self.free.remove(arena, item);
        self.put(arena, layout, item);
    }

    /// Begins to empty a page of this class. What was not cut yet needs not be
    /// emptied.
    pub(super) fn start_draining<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        page: usize,
        to: Option<u8>,
    ) {
        let mut chunks = self.per_page;
        if let Some(fresh) = self.fresh.filter(|fresh| fresh.page == page) {
            chunks = fresh.next;
            self.fresh = None;
        }
        if self.uncut == Some(page) {
            chunks = 0;
            self.uncut = layout.next_page(arena, page);
        }
        self.draining = Some(Draining {
            page,
            next: 0,
            chunks,
            left: chunks,
            pinned: false,
            rounds: 0,
            given_up: false,
            to,
        });
    }

    /// The next chunk to look at of the page that is to be emptied.
    pub(super) fn next_to_drain(&mut self, layout: &Layout) -> Option<Item> {
        let draining = self.draining.as_mut()?;
        if draining.left == 0 || draining.given_up {
            return None;
        }
        if draining.next >= draining.chunks {
            draining.next = 0;
            if core::mem::take(&mut draining.pinned) {
                draining.rounds = draining.rounds.saturating_add(1);
            }
            if draining.rounds >= PINNED_ROUNDS {
                draining.given_up = true;
                return None;
            }
        }
        let (page, next) = (draining.page, draining.next);
        draining.next = draining.next.saturating_add(1);
        chunk_at(layout, page, next, self.chunk_size)
    }

    /// Notes that a chunk of the page that is to be emptied is pinned.
    pub(super) fn wait_for_pin(&mut self) {
        if let Some(draining) = self.draining.as_mut() {
            draining.pinned = true;
        }
    }

    /// Frees a chunk more of a page that is not to be emptied any more; whether
    /// that was the last.
    pub(super) fn stop_draining<M: Memory>(&mut self, arena: &Arena<M>, layout: &Layout) -> bool {
        let Some(draining) = self.draining.as_mut().filter(|draining| draining.given_up) else {
            return false;
        };
        let (page, next, chunks) = (draining.page, draining.next, draining.chunks);
        draining.next = draining.next.saturating_add(1);
        if next >= self.per_page {
            self.avoid = Some(page);
            self.draining = None;
            return true;
        }
        if let Some(item) = chunk_at(layout, page, next, self.chunk_size) {
            // What is behind the chunks was not cut, and is now.
            if next >= chunks {
                self.forget(arena, item);
                self.put(arena, layout, item);
            } else if arena.place(item) == Place::Drained {
                self.put(arena, layout, item);
            }
        }
        false
    }
}
