// SPDX-License-Identifier: GPL-2.0-only
//! A stripe of the table: every so-manieth chain of items, by hash of their
//! keys, behind a lock of its own.
//!
//! The hash's low bits choose the stripe, the rest a chain in it. A stripe grows
//! by linear hashing: whenever it has more items than chains, one chain is
//! divided in two, so that growing is never more work than that. (W. Litwin,
//! "Linear hashing: a new tool for file and table addressing", 1980.)
//!
//! Reading belongs to the stripe's read lock, everything else to its write lock.

use super::arena::Arena;
use super::item::Item;
use super::layout::{prev_power_of_two, Layout};
use crate::platform::Memory;

/// Chains that a stripe starts with.
const CHAINS_MIN: usize = 16;

/// A stripe; what it needs of the region is given to each call.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Stripe {
    /// Its number, and the logarithm of the number of all.
    index: usize,
    shift: u32,
    chains: usize,
    pub(super) items: u64,
    /// Bytes of chunk in use: headers and texts.
    pub(super) bytes: u64,
    /// With more items than this it grows.
    grow_at: u64,
}

impl Stripe {
    /// Number `index` of two to the power of `shift`. Its first heads are among
    /// those that are there from the start, and zero.
    pub(super) fn new(index: usize, shift: u32, layout: &Layout) -> Self {
        let share = layout.first_heads().checked_shr(shift).unwrap_or(0);
        let chains = share.clamp(1, CHAINS_MIN);
        Self {
            index,
            shift,
            chains,
            items: 0,
            bytes: 0,
            grow_at: chains as u64,
        }
    }

    pub(super) fn chains(&self) -> usize {
        self.chains
    }

    pub(super) fn find<M: Memory>(
        &self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: u64,
        key: &[u8],
    ) -> Option<Item> {
        let mut chain = self.first(arena, layout, self.chain_of(hash));
        while let Some(item) = chain {
            if arena.key(item) == key {
                return Some(item);
            }
            chain = arena.next(item);
        }
        None
    }

    /// The first item of a chain.
    pub(super) fn first<M: Memory>(
        &self,
        arena: &Arena<M>,
        layout: &Layout,
        chain: usize,
    ) -> Option<Item> {
        let at = layout.head_at(arena, self.head(chain))?;
        Item::from_word(arena.load(at))
    }

    /// Adds an item whose key is not in the table.
    pub(super) fn link<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: u64,
        item: Item,
    ) {
        self.push(arena, layout, self.chain_of(hash), item);
        self.items = self.items.saturating_add(1);
        self.bytes = self.bytes.saturating_add(arena.size(item));
    }

    /// Takes an item of the stripe out of it.
    pub(super) fn unlink<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: u64,
        item: Item,
    ) {
        let chain = self.chain_of(hash);
        let next = arena.next(item);
        let mut at = self.first(arena, layout, chain);
        if at == Some(item) {
            self.set_first(arena, layout, chain, next);
        }
        while let Some(before) = at {
            at = arena.next(before);
            if at == Some(item) {
                arena.set_next(before, next);
                break;
            }
        }
        self.items = self.items.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(arena.size(item));
    }

    /// Counts an item that has become larger or smaller.
    pub(super) fn resize(&mut self, before: u64, after: u64) {
        self.bytes = self.bytes.saturating_sub(before).saturating_add(after);
    }

    /// Divides a chain, if there are more items than chains; whether more heads
    /// are badly needed, and could not be had.
    pub(super) fn grow<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: impl Fn(&[u8]) -> u64,
    ) -> bool {
        if self.items <= self.grow_at {
            return false;
        }
        let new = self.chains;
        if layout.add_head(arena, self.head(new)).is_none() {
            // Later, then: asking costs others something too.
            self.grow_at = self.items.saturating_add(self.items / 8);
            return self.items / 2 > new as u64;
        }
        let old = new.saturating_sub(prev_power_of_two(new));
        let mut rest = self.first(arena, layout, old);
        self.set_first(arena, layout, old, None);
        self.set_first(arena, layout, new, None);
        self.chains = new.saturating_add(1);
        self.grow_at = self.chains as u64;
        while let Some(item) = rest {
            rest = arena.next(item);
            let chain = self.chain_of(hash(arena.key(item)));
            self.push(arena, layout, chain, item);
        }
        false
    }

    /// Which chain a hash belongs to: of the power of two above their number,
    /// or of the one below it, where the first is not there yet.
    fn chain_of(&self, hash: u64) -> usize {
        // Bits that are cut off choose nothing on a machine that cuts them.
        let hash = hash.wrapping_shr(self.shift) as usize;
        let below = prev_power_of_two(self.chains);
        let chain = hash & below.saturating_mul(2).saturating_sub(1);
        if chain < self.chains {
            chain
        } else {
            hash & below.saturating_sub(1)
        }
    }

    /// The head of a chain. Stripes take turns, so that they grow into the same
    /// pages.
    fn head(&self, chain: usize) -> usize {
        chain.wrapping_shl(self.shift).saturating_add(self.index)
    }

    fn push<M: Memory>(&self, arena: &Arena<M>, layout: &Layout, chain: usize, item: Item) {
        arena.set_next(item, self.first(arena, layout, chain));
        self.set_first(arena, layout, chain, Some(item));
    }

    fn set_first<M: Memory>(
        &self,
        arena: &Arena<M>,
        layout: &Layout,
        chain: usize,
        item: Option<Item>,
    ) {
        if let Some(at) = layout.head_at(arena, self.head(chain)) {
            arena.store(at, Item::to_word(item));
        }
    }
}
