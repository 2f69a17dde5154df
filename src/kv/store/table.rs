// SPDX-License-Identifier: GPL-2.0-only
//! A stripe of the table: every so-manieth chain of items, by hash of their
//! keys, behind a lock of its own.
//!
//! The hash's low bits choose the stripe, the rest a chain in it. A stripe grows
//! by linear hashing: whenever it has too many items for its chains, one chain is
//! divided in two, or two are, so that growing is never more work than that. (W. Litwin,
//! "Linear hashing: a new tool for file and table addressing", 1980.)
//!
//! Reading belongs to the stripe's read lock, everything else to its write lock (`stripe.rs`).

use super::arena::Arena;
use super::chains::Chains;
use super::item::Item;
use super::layout::{prev_power_of_two, Layout};
use super::link::Link;
use super::value::Cas;
use crate::atomic::Owned;
use crate::platform::Memory;

/// Chains that a stripe starts with.
const CHAINS_MIN: usize = 16;

/// Where heads take no more than this part of what their items do, as with items of some
/// hundred bytes and more, there are two chains for each item in place of one, so that half as
/// many look-ups touch another item before theirs.
const HEADS_SHARE: u64 = 128;

/// What there is to know of a stripe besides its chains.
#[derive(Debug)]
pub(super) struct Counts {
    /// The last cas number given to one of its items. They are different from those of
    /// other stripes: divided by the number of all, the stripe's is left.
    cas: u64,
    /// Bytes of chunk in use: headers and texts.
    pub(super) bytes: u64,
    /// No more than 32 bits can say where they are.
    pub(super) items: u32,
    /// With more items than this it grows.
    grow_at: u32,
}

/// A stripe that is locked for writing.
pub(super) struct Stripe<'a> {
    pub(super) chains: &'a Chains,
    pub(super) counts: &'a mut Counts,
}

impl Counts {
    /// Those of an empty stripe with that number, which gets its first chains. Their heads are
    /// among those that are there from the start, and zero.
    pub(super) fn new(chains: &Chains, index: usize, layout: &Layout) -> Self {
        let mut counts = Self {
            cas: index as u64,
            items: 0,
            bytes: 0,
            grow_at: 0,
        };
        let share = layout.first_heads().checked_shr(chains.shift());
        let mut stripe = Stripe {
            chains,
            counts: &mut counts,
        };
        stripe.set_chains(share.unwrap_or(0).clamp(1, CHAINS_MIN));
        counts
    }
}

impl Stripe<'_> {
    fn set_chains(&mut self, chains: usize) {
        let heads = (chains as u64).saturating_mul(size_of::<Link>() as u64);
        let are_cheap = heads.saturating_mul(HEADS_SHARE) <= self.counts.bytes;
        let items = if are_cheap { chains / 2 } else { chains };
        self.counts.grow_at = u32::try_from(items).unwrap_or(u32::MAX);
        self.chains.set_len(chains);
    }

    /// The cas number that was asked for, or the next. Those grow, and so are new to each
    /// key; nobody needs more of them, and stripes have nothing to write in common.
    #[inline(always)]
    pub(super) fn cas_from(&mut self, from: Cas) -> u64 {
        match from {
            Cas::Is(cas) => cas,
            Cas::Keep | Cas::Next => {
                let step = 1u64.wrapping_shl(self.chains.shift());
                self.counts.cas = self.counts.cas.wrapping_add(step);
                self.counts.cas
            }
        }
    }

    /// Adds an item of that size whose key is not in the table.
    #[inline(always)]
    pub(super) fn link<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: u64,
        item: Item,
        size: u64,
    ) {
        self.push(arena, layout, hash, item, size);
        self.counts.items = self.counts.items.saturating_add(1);
        self.counts.bytes = self.counts.bytes.saturating_add(size);
    }

    /// Takes an item of the stripe out of it.
    pub(super) fn unlink<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: u64,
        item: Item,
    ) {
        let (Some(head), Some(header)) = (
            layout.head(arena, self.chains.head_of(hash)),
            arena.header(item),
        ) else {
            return;
        };
        // Where the link is that is looked at, and the one before it.
        let mut at = head;
        let mut before = None;
        loop {
            let link = Link(Owned(at).load());
            let Some(found) = arena.links.item(link) else {
                return;
            };
            if found == item {
                break;
            }
            before = Some((at, link));
            let Some(header) = arena.header(found) else {
                return;
            };
            at = header.next_word();
        }
        let next = header.next();
        Owned(at).store(next.0);
        if let Some((before, link)) = before.filter(|_| next.0 == 0) {
            let Link(link) = arena.links.as_last(link);
            Owned(before).store(link);
        }
        // It is counted, since it is there.
        self.counts.items = self.counts.items.wrapping_sub(1);
        let size = arena.size_of(item, header);
        self.counts.bytes = self.counts.bytes.wrapping_sub(size);
    }

    /// Counts an item that has become larger or smaller.
    #[inline]
    pub(super) fn resize(&mut self, before: u64, after: u64) {
        self.counts.bytes = self.counts.bytes.wrapping_sub(before).wrapping_add(after);
    }

    /// Divides a chain or two, if there are too many items for them; whether more heads
    /// are badly needed, and could not be had.
    #[inline(always)]
    pub(super) fn grow<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: impl Fn(&[u8]) -> u64,
    ) -> bool {
        // One for the item that has come, and one for it to have two.
        for _ in 0..2 {
            if self.counts.items <= self.counts.grow_at {
                break;
            }
            if self.divide(arena, layout, &hash) {
                return true;
            }
        }
        false
    }

    /// As [`Stripe::grow`], when it is time for it.
    #[inline(never)]
    fn divide<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: impl Fn(&[u8]) -> u64,
    ) -> bool {
        let new = self.chains.len();
        if layout.add_head(arena, self.chains.head(new)).is_none() {
            // Later, then: asking costs others something too.
            let items = self.counts.items;
            self.counts.grow_at = items.saturating_add(items / 8);
            return items as usize / 2 > new;
        }
        let old = new.saturating_sub(prev_power_of_two(new));
        let mut rest = self.chains.first(arena, layout, old);
        for chain in [old, new] {
            if let Some(head) = layout.head(arena, self.chains.head(chain)) {
                Owned(head).store(0);
            }
        }
        self.set_chains(new.saturating_add(1));
        while let Some(item) = rest {
            rest = arena.next(item);
            let hash = hash(arena.key(item));
            self.push(arena, layout, hash, item, arena.size(item));
        }
        false
    }

    /// Puts an item of that size at the front of the chain that its hash belongs to.
    #[inline(always)]
    fn push<M: Memory>(&self, arena: &Arena<M>, layout: &Layout, hash: u64, item: Item, size: u64) {
        let head = layout.head(arena, self.chains.head_of(hash));
        if let (Some(head), Some(header)) = (head, arena.header(item)) {
            let next = Link(Owned(head).load());
            Owned(header.next_word()).store(next.0);
            let Link(link) = arena.links.to(item, size, hash, next);
            Owned(head).store(link);
        }
    }
}
