// SPDX-License-Identifier: GPL-2.0-only
//! Pins: items whose text may be read without a lock, by whoever sends it.
//!
//! An item of a class with large chunks has a word at the end of its chunk, which
//! counts its pins. Pins are added under the item's stripe, so nobody adds one
//! who could not find the item. They go at any time, from anywhere.
//!
//! Nobody writes the text of a pinned item. It can leave the table at once; the
//! chunk stays where it is then, *left*, and the word says so. Whoever takes the
//! last pin away frees it, under the class's lock and no other.

use super::arena::Arena;
use super::chain::pins_at;
use super::item::Item;
use super::{Kv, Value};
use crate::atomic::{AtomicU32, Ordering};
use crate::platform::Memory;
use crate::{Context, Platform};

/// Set in the word when the item is not in the table any more.
const LEFT: u32 = 1 << 31;

/// A hold on the text of an item: it neither changes nor goes until this is
/// given back with [`Kv::unpin`]. Lost, it keeps its memory from being used
/// again for as long as the store lives.
#[derive(Debug)]
#[must_use = "its memory is not used again until it is given to Kv::unpin"]
pub struct Pin {
    item: Item,
}

impl<P: Platform> Kv<P> {
    /// Pins the item that a `get` or an `update` has just found, for its text to
    /// be read after that. `None` when the text is to be copied instead: it is
    /// small, or too much is pinned already.
    pub fn pin(&self, value: &Value<'_>, cx: &Context<'_>) -> Option<Pin> {
        let item = value.item;
        // That of another store has nothing to pin here.
        if !self.arena.is_text(item, value.text) {
            return None;
        }
        let pins = word(&self.arena, item, self.chunk_size(item))?;
        let chunk = self.held_by(item);
        // Relaxed: counts, which order nothing.
        let bytes = self
            .pinned_bytes
            .fetch_add(chunk, Ordering::Relaxed)
            .saturating_add(chunk);
        if bytes > self.pinned_max() {
            self.pinned_bytes.fetch_sub(chunk, Ordering::Relaxed);
            cx.mine.pins_refused.inc();
            return None;
        }
        self.pins.fetch_add(1, Ordering::Relaxed);
        // Relaxed: the stripe is locked by the caller, and is by whoever looks
        // whether there are pins.
        pins.fetch_add(1, Ordering::Relaxed);
        Some(Pin { item })
    }

    /// The text of a pinned item, `<key> <flags> <bytes>\r\n<data>\r\n`, in as
    /// many pieces as it is stored in, none of them empty.
    pub fn pieces<'a>(&'a self, pin: &'a Pin) -> impl Iterator<Item = &'a [u8]> + 'a {
        let chunk_size = self.chunk_size(pin.item);
        self.arena.slices(pin.item, chunk_size, 0..usize::MAX)
    }

    /// Gives a pin back, from any thread, in any context in which the store may
    /// be entered. Takes one class's lock at most, and holds nothing else then;
    /// so the host may hold any lock of its own inside which it enters no other
    /// part of the store.
    pub fn unpin(&self, pin: Pin) {
        let item = pin.item;
        let chunk = self.held_by(item);
        let Some(pins) = word(&self.arena, item, self.chunk_size(item)) else {
            return;
        };
        self.pins.fetch_sub(1, Ordering::Relaxed);
        self.pinned_bytes.fetch_sub(chunk, Ordering::Relaxed);
        // Release: what the holder has read was read before the chunk is used
        // anew. Pairs with the load below, and that in `is_pinned`.
        if pins.fetch_sub(1, Ordering::Release) != LEFT | 1 {
            return;
        }
        // Acquire: whoever gave a pin back before has read it. Rather than a fence,
        // which ThreadSanitizer knows nothing of.
        let _ = pins.load(Ordering::Acquire);
        let class = self.layout.class_of(&self.arena, item);
        if let Some(class) = self.class(class) {
            class.lock().free_left(&self.arena, &self.layout, item);
        }
    }

    /// Bytes of the chunks of an item.
    fn held_by(&self, item: Item) -> u64 {
        let chunk = self.chunk_size(item);
        self.count_chunks(item).saturating_mul(chunk) as u64
    }

    /// Most bytes of chunks that may be pinned.
    fn pinned_max(&self) -> u64 {
        (self.arena.len() / crate::limits::PINNED_SHARE) as u64
    }

    /// Whether somebody may be reading the item's text without a lock. Its
    /// stripe is locked for writing: nobody begins to.
    pub(super) fn is_pinned(&self, item: Item) -> bool {
        is_pinned(&self.arena, item, self.chunk_size(item))
    }
}

/// As [`Kv::is_pinned`].
pub(super) fn is_pinned<M: Memory>(arena: &Arena<M>, item: Item, chunk_size: usize) -> bool {
    // Acquire: see `Kv::unpin`.
    word(arena, item, chunk_size).is_some_and(|pins| pins.load(Ordering::Acquire) != 0)
}

/// Notes that an item is out of the table; whether somebody has it pinned, who
/// will free its chunk. The class's lock is held.
pub(super) fn leave<M: Memory>(arena: &Arena<M>, item: Item, chunk_size: usize) -> bool {
    let Some(pins) = word(arena, item, chunk_size) else {
        return false;
    };
    // Acquire: see `Kv::unpin`.
    if pins.load(Ordering::Acquire) == 0 {
        return false;
    }
    if pins.fetch_or(LEFT, Ordering::Acquire) == 0 {
        // The last pin went meanwhile, by somebody who did not see this.
        pins.store(0, Ordering::Relaxed);
        return false;
    }
    true
}

/// Nobody has pinned the chunk: it is new, or the last pin has gone.
pub(super) fn reset<M: Memory>(arena: &Arena<M>, item: Item, chunk_size: usize) {
    if let Some(pins) = word(arena, item, chunk_size) {
        // Relaxed: whoever pins it finds it by way of its class's and its
        // stripe's lock.
        pins.store(0, Ordering::Relaxed);
    }
}

fn word<M: Memory>(arena: &Arena<M>, item: Item, chunk_size: usize) -> Option<&AtomicU32> {
    arena.word(pins_at(item, chunk_size)?)
}
