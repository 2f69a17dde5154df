// SPDX-License-Identifier: GPL-2.0-only
//! Into the order of use, out of it, and free.

use super::evict::Room;
use super::header::Place;
use super::item::Item;
use super::shard::{of_class, Shard};
use super::Kv;
use crate::Platform;

impl<P: Platform> Kv<P> {
    /// Puts an item into the order of use that is written, and whose stripe is locked
    /// for writing.
    pub(super) fn enlist(&self, room: Room) {
        let Room { item, class, .. } = room;
        if self.arena.link(item, self.size_of_class(class)).is_some() {
            if let Some(class) = self.class(class) {
                class.lock().add_pieces(&self.arena, item);
            }
        }
        if room.is_listed {
            if let Some(header) = self.arena.header(item) {
                header.set_place_alone(Place::Hot);
            }
        } else {
            self.insert(class, item);
        }
    }

    /// Puts an item whose chunk is in no segment into one.
    #[inline(never)]
    pub(super) fn insert(&self, class: u8, item: Item) {
        let Some(Shard(lock)) = self.shard_of(class, item) else {
            return;
        };
        if let Some(order) = of_class::<P>(&mut lock.lock(), class) {
            order.insert(&self.arena, item);
            // Pages are few: somebody will have to go soon, and who that is takes a
            // while to be found out.
            if self.layout.free_pages() <= self.layout.pages / 4 {
                order.age(&self.arena);
            }
        }
    }

    /// Takes an item out of its segment which its stripe, write-locked by the caller,
    /// has just lost. It is held then.
    pub(super) fn unlist(&self, class: u8, item: Item) {
        if let Some(Shard(lock)) = self.shard_of(class, item) {
            if let Some(order) = of_class::<P>(&mut lock.lock(), class) {
                order.remove(&self.arena, item);
            }
        }
    }

    /// Frees a chunk: one that is held, or that of an item which its stripe,
    /// write-locked by the caller, has just lost.
    pub(super) fn release(&self, item: Item) {
        let class = self.layout.class_of(&self.arena, item);
        // An item that nobody else can find stays in a segment, of whatever kind.
        if self.arena.place(item).is_listed() {
            self.unlist(class, item);
        }
        if let Some(class) = self.class(class) {
            let class = &mut *class.lock();
            class.release(&self.arena, &self.layout, item);
        }
    }
}
