// SPDX-License-Identifier: GPL-2.0-only
//! Chunks without items, for who measures what it takes to get one and to give
//! it back, as every store and removal does: a chunk comes from what is set aside
//! for this CPU, and that is filled again while another is given back.

use super::item::Item;
use super::Kv;
use crate::Platform;

/// A chunk that no item is in, and that nobody else has. The store lacks it until
/// it is given back.
#[derive(Debug)]
pub struct Chunk(Item);

impl<P: Platform> Kv<P> {
    /// A chunk of at least `len` bytes that is free; nothing goes for it.
    pub fn hold(&self, len: usize) -> Option<Chunk> {
        let class = self.class_for(len)?;
        if let Some(item) = self.take_reserve(self.reserve(), class) {
            return Some(Chunk(item));
        }
        self.free_chunk(class).map(Chunk)
    }

    /// Gives a chunk back.
    pub fn give_back(&self, chunk: Chunk) {
        let class = self.layout.class_of(&self.arena, chunk.0);
        if let Some(class) = self.class(class) {
            let class = &mut *class.lock();
            class.put(&self.arena, &self.layout, chunk.0);
            self.refill_reserve(class);
        }
    }
}
