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
use super::header::Header;
use super::item::Item;
use super::layout::{prev_power_of_two, Layout};
use super::link::Link;
use super::value::Cas;
use crate::atomic::Owned;
use crate::platform::Memory;

/// Chains that a stripe starts with.
const CHAINS_MIN: usize = 16;

/// An item that has been found.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) item: Item,
    pub(super) header: Header<'a>,
    /// See [`Arena::text_under`].
    pub(super) text: &'a [u8],
}

/// The first item that may be the one that is looked for, from that link on, and the link
/// to it. `fetch_long` is to prefetch all of a long one.
#[inline(always)]
fn candidate<M: Memory>(
    arena: &Arena<M>,
    mut link: Link,
    hash: u64,
    fetch_long: impl FnOnce(Item),
) -> Option<(Link, Item, Header<'_>)> {
    loop {
        let item = arena.links.item(link)?;
        let header = arena.header(item)?;
        if arena.links.may_have(link, hash) {
            // What is behind its header will be read or written then.
            arena.prefetch_text(item);
            if arena.links.is_long(link) {
                fetch_long(item);
            }
            return Some((link, item, header));
        }
        if arena.links.is_last(link) {
            return None;
        }
        link = header.next();
    }
}

/// The item that is looked for, behind one that is not it. Rare, and so kept apart.
#[cold]
#[inline(never)]
fn find_behind<'a, M: Memory>(
    arena: &'a Arena<M>,
    mut link: Link,
    mut header: Header<'a>,
    hash: u64,
    key: &[u8],
    fetch_long: impl Fn(Item),
) -> Option<Item> {
    while !arena.links.is_last(link) {
        let item;
        (link, item, header) = candidate(arena, header.next(), hash, &fetch_long)?;
        if arena.has_key(item, key) {
            return Some(item);
        }
    }
    None
}

/// A stripe; what it needs of the region is given to each call.
#[derive(Debug)]
pub(super) struct Stripe {
    /// Its number, and the logarithm of the number of all.
    index: u32,
    shift: u32,
    /// Bits of a head's number, as many as a hash needs to choose one.
    mask: usize,
    /// No head of this stripe has this number yet, nor a higher one: its chains, as many
    /// times as there are stripes.
    behind: usize,
    /// The last cas number given to one of its items. They are different from those of
    /// other stripes: divided by the number of all, the stripe's is left.
    cas: u64,
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
        let mut stripe = Self {
            // There are far fewer.
            index: u32::try_from(index).unwrap_or(0),
            shift,
            mask: 0,
            behind: 0,
            cas: index as u64,
            items: 0,
            bytes: 0,
            grow_at: 0,
        };
        stripe.set_chains(share.clamp(1, CHAINS_MIN));
        stripe
    }

    fn set_chains(&mut self, chains: usize) {
        self.grow_at = chains as u64;
        let choices = prev_power_of_two(chains).saturating_mul(2);
        self.mask = choices.wrapping_shl(self.shift).saturating_sub(1);
        self.behind = chains.wrapping_shl(self.shift);
    }

    pub(super) fn chains(&self) -> usize {
        self.behind.wrapping_shr(self.shift)
    }

    /// The cas number that was asked for, or the next. Those grow, and so are new to each
    /// key; nobody needs more of them, and stripes have nothing to write in common.
    #[inline(always)]
    pub(super) fn cas_from(&mut self, from: Cas) -> u64 {
        match from {
            Cas::Is(cas) => cas,
            Cas::Keep | Cas::Next => {
                self.cas = self.cas.wrapping_add(1u64.wrapping_shl(self.shift));
                self.cas
            }
        }
    }

    /// The item with that key. `single` is the longest text in one chunk; `fetch_long`
    /// is to prefetch all of a long item, as much as is worth it.
    #[inline(always)]
    pub(super) fn find<'a, M: Memory>(
        &self,
        arena: &'a Arena<M>,
        layout: &Layout,
        hash: u64,
        key: &[u8],
        single: usize,
        fetch_long: impl Fn(Item),
    ) -> Option<Found<'a>> {
        let link = Link(Owned(layout.head(arena, self.head_of(hash))?).load());
        let (link, item, header) = candidate(arena, link, hash, &fetch_long)?;
        if let Some(text) = arena.text_under(item, header, key, single) {
            return Some(Found { item, header, text });
        }
        let item = find_behind(arena, link, header, hash, key, fetch_long)?;
        let header = arena.header(item)?;
        let text = arena.text_under(item, header, key, single)?;
        Some(Found { item, header, text })
    }

    /// The first item of a chain.
    #[inline(always)]
    pub(super) fn first<M: Memory>(
        &self,
        arena: &Arena<M>,
        layout: &Layout,
        chain: usize,
    ) -> Option<Item> {
        let head = layout.head(arena, self.head(chain))?;
        arena.links.item(Link(Owned(head).load()))
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
        self.items = self.items.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
    }

    /// Takes an item of the stripe out of it.
    pub(super) fn unlink<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: u64,
        item: Item,
    ) {
        let (Some(head), Some(header)) =
            (layout.head(arena, self.head_of(hash)), arena.header(item))
        else {
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
        self.items = self.items.wrapping_sub(1);
        self.bytes = self.bytes.wrapping_sub(arena.size_of(item, header));
    }

    /// Counts an item that has become larger or smaller.
    #[inline]
    pub(super) fn resize(&mut self, before: u64, after: u64) {
        self.bytes = self.bytes.wrapping_sub(before).wrapping_add(after);
    }

    /// Divides a chain, if there are more items than chains; whether more heads
    /// are badly needed, and could not be had.
    #[inline(always)]
    pub(super) fn grow<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: impl Fn(&[u8]) -> u64,
    ) -> bool {
        self.items > self.grow_at && self.divide(arena, layout, hash)
    }

    /// As [`Stripe::grow`], when it is time for it.
    #[inline(never)]
    fn divide<M: Memory>(
        &mut self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: impl Fn(&[u8]) -> u64,
    ) -> bool {
        let new = self.chains();
        if layout.add_head(arena, self.head(new)).is_none() {
            // Later, then: asking costs others something too.
            self.grow_at = self.items.saturating_add(self.items / 8);
            return self.items / 2 > new as u64;
        }
        let old = new.saturating_sub(prev_power_of_two(new));
        let mut rest = self.first(arena, layout, old);
        for chain in [old, new] {
            if let Some(head) = layout.head(arena, self.head(chain)) {
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

    /// Which head a hash belongs to: of the power of two above their number, or of
    /// the one below it, where the first is not there yet. The bits that chose the
    /// stripe are the stripe's number, and so the low bits of any of its heads'.
    #[inline(always)]
    pub(super) fn head_of(&self, hash: u64) -> usize {
        // Bits that are cut off choose nothing on a machine that cuts them.
        let head = hash as usize & self.mask;
        if head < self.behind {
            head
        } else {
            head & (self.mask / 2)
        }
    }

    /// The head of a chain. Stripes take turns, so that they grow into the same
    /// pages.
    #[inline]
    fn head(&self, chain: usize) -> usize {
        let index = self.index as usize;
        chain.wrapping_shl(self.shift).saturating_add(index)
    }

    /// Puts an item of that size at the front of the chain that its hash belongs to.
    #[inline(always)]
    fn push<M: Memory>(&self, arena: &Arena<M>, layout: &Layout, hash: u64, item: Item, size: u64) {
        let head = layout.head(arena, self.head_of(hash));
        if let (Some(head), Some(header)) = (head, arena.header(item)) {
            let next = Link(Owned(head).load());
            Owned(header.next_word()).store(next.0);
            let Link(link) = arena.links.to(item, size, hash, next);
            Owned(head).store(link);
        }
    }
}
