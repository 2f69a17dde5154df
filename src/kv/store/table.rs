// SPDX-License-Identifier: GPL-2.0-only
//! A stripe of the table: every so-manieth chain of items, by hash of their
//! keys, behind a lock of its own.
//!
//! The hash's low bits choose the stripe, the rest a pair of chains in it. A stripe grows
//! by linear hashing: whenever it has too many items for its chains, a pair of them is
//! divided in two, or two are, so that growing is never more work than that. (W. Litwin,
//! "Linear hashing: a new tool for file and table addressing", 1980.)
//!
//! Reading belongs to the stripe's read lock, everything else to its write lock (`stripe.rs`).

use super::arena::Arena;
use super::chains::{side, Chains};
use super::header::Header;
use super::item::Item;
use super::layout::{prev_power_of_two, Layout};
use super::link::Link;
use super::value::Cas;
use crate::atomic::{AtomicU32, Owned};
use crate::platform::Memory;

/// Pairs of heads that a stripe starts with.
const PAIRS_MIN: usize = 8;

/// Two items have a pair of heads together, and a chain each. Where items have so many bytes,
/// of which heads are a 64th part then, each has a pair of its own, with one chain and a place
/// beside that: fewer look-ups touch another item before theirs.
const LARGE: u64 = 512;

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
        stripe.set_pairs(share.unwrap_or(0).clamp(1, PAIRS_MIN), 0);
        counts
    }
}

impl Stripe<'_> {
    fn set_pairs(&mut self, pairs: usize, single: usize) {
        let items = match self.are_large() {
            true => pairs,
            false => pairs.saturating_mul(2),
        };
        self.counts.grow_at = u32::try_from(items).unwrap_or(u32::MAX);
        self.chains.set_len(pairs, single);
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
        let pair = self.chains.pair_of(hash);
        let (Some(heads), Some(header)) = (layout.heads(arena, pair.number), arena.header(item))
        else {
            return;
        };
        let [first, beside] = heads;
        let is_item = |head| arena.links.item(Link(Owned(head).load())) == Some(item);
        let head = match pair.is_single {
            true if is_item(beside) => beside,
            true => first,
            false => side(heads, hash),
        };
        if cut(arena, head, item, header).is_none() {
            return;
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

    /// Has a pair or two used as they all are to be, or divides them, if there are too many
    /// items for them; whether more heads are badly needed, and could not be had.
    #[inline(always)]
    pub(super) fn grow<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: impl Fn(&[u8]) -> u64,
    ) -> bool {
        // One for the item that has come, and one for it to have a pair of its own.
        for _ in 0..2 {
            if self.is_mixed() {
                self.convert(arena, layout, &hash);
            } else if self.counts.items <= self.counts.grow_at {
                break;
            } else if self.divide(arena, layout, &hash) {
                return true;
            }
        }
        false
    }

    /// The items are so large that pairs are to have one chain.
    #[inline(always)]
    fn are_large(&self) -> bool {
        let Counts { items, bytes, .. } = *self.counts;
        bytes >= LARGE.wrapping_mul(items.into()) && items > 0
    }

    /// Some pairs are not used as all are to be.
    #[inline(always)]
    fn is_mixed(&self) -> bool {
        match self.are_large() {
            true => !self.chains.are_single(),
            false => self.chains.has_single(),
        }
    }

    /// As [`Stripe::grow`], when it is time for it.
    #[inline(never)]
    fn divide<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: impl Fn(&[u8]) -> u64,
    ) -> bool {
        let (new, single) = (self.chains.len(), self.chains.single());
        if layout.add_heads(arena, self.chains.number(new)).is_none() {
            // Later, then: asking costs others something too.
            let items = self.counts.items;
            self.counts.grow_at = items.saturating_add(items / 8);
            return items as usize / 4 > new;
        }
        let old = new.saturating_sub(prev_power_of_two(new));
        // The new one is used as the last is.
        let single = if single == new {
            new.saturating_add(1)
        } else {
            single
        };
        self.empty(arena, layout, new);
        self.remake(arena, layout, old, hash, |stripe| {
            stripe.set_pairs(new.saturating_add(1), single)
        });
        false
    }

    /// Has the next pair use its heads as they are to be used.
    #[inline(never)]
    fn convert<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: impl Fn(&[u8]) -> u64,
    ) {
        let (pairs, single) = (self.chains.len(), self.chains.single());
        let (pair, single) = match self.are_large() {
            true => (single, single.saturating_add(1)),
            false => (single.saturating_sub(1), single.saturating_sub(1)),
        };
        self.remake(arena, layout, pair, hash, |stripe| {
            stripe.set_pairs(pairs, single)
        });
    }

    /// Puts a pair's items where they belong after that change.
    #[inline(always)]
    fn remake<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        pair: usize,
        hash: impl Fn(&[u8]) -> u64,
        change: impl FnOnce(&mut Self),
    ) {
        let items = self.chains.items(arena, layout, pair);
        self.empty(arena, layout, pair);
        change(self);
        for item in items {
            let hash = hash(arena.key(item));
            self.push(arena, layout, hash, item, arena.size(item));
        }
    }

    /// Has no link in the heads of a pair.
    fn empty<M: Memory>(&self, arena: &Arena<M>, layout: &Layout, pair: usize) {
        let heads = layout.heads(arena, self.chains.number(pair));
        for head in heads.into_iter().flatten() {
            Owned(head).store(0);
        }
    }

    /// Puts an item of that size where its hash belongs: at the front of a chain, or beside it.
    #[inline(always)]
    fn push<M: Memory>(&self, arena: &Arena<M>, layout: &Layout, hash: u64, item: Item, size: u64) {
        let pair = self.chains.pair_of(hash);
        let (Some(heads), Some(header)) = (layout.heads(arena, pair.number), arena.header(item))
        else {
            return;
        };
        let [first, beside] = heads;
        let place = match pair.is_single {
            true if Owned(beside).load() == 0 => beside,
            true => first,
            false => side(heads, hash),
        };
        let next = Link(Owned(place).load());
        Owned(header.next_word()).store(next.0);
        let Link(link) = arena.links.to(item, size, hash, next);
        Owned(place).store(link);
    }
}

/// Takes an item out of the chain with that head; whether it was there.
///
/// It is the first or the second, most often. Which one nobody could foresee, and so both
/// are one case.
#[inline(always)]
fn cut<M: Memory>(
    arena: &Arena<M>,
    head: &AtomicU32,
    item: Item,
    header: Header<'_>,
) -> Option<()> {
    let link = Link(Owned(head).load());
    let first = arena.links.item(link)?;
    let behind_first = arena.header(first)?.next_word();
    let second = arena.links.item(Link(Owned(behind_first).load()));
    let is_not = |other| Item::to_word(other) ^ Item::to_word(Some(item));
    if is_not(Some(first)).min(is_not(second)) != 0 {
        return cut_behind(arena, head, item, header);
    }
    let next = header.next();
    // If it is the first, this is its own.
    Owned(behind_first).store(next.0);
    let kept = arena.links.before(link, next);
    let Link(link) = if first == item { next } else { kept };
    Owned(head).store(link);
    Some(())
}

/// The same, of an item that is further behind.
#[cold]
#[inline(never)]
fn cut_behind<M: Memory>(
    arena: &Arena<M>,
    head: &AtomicU32,
    item: Item,
    header: Header<'_>,
) -> Option<()> {
    let mut before = head;
    loop {
        let link = Link(Owned(before).load());
        let at = arena.header(arena.links.item(link)?)?.next_word();
        if arena.links.item(Link(Owned(at).load())) == Some(item) {
            let next = header.next();
            Owned(at).store(next.0);
            Owned(before).store(arena.links.before(link, next).0);
            return Some(());
        }
        before = at;
    }
}
