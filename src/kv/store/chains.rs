// SPDX-License-Identifier: GPL-2.0-only
//! The chains of a stripe, and how they are gone through: with the lock, and without it.

// Not those that a model checker knows of: they stand for nothing but themselves.
use core::sync::atomic::AtomicUsize;

use super::arena::Arena;
use super::glance::{peek, Glance, Text, Unsure};
use super::header::Header;
use super::item::Item;
use super::layout::{prev_power_of_two, Layout};
use super::link::Link;
use crate::atomic::{Ordering, Owned};
use crate::platform::Memory;

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

/// Links that are followed without the lock at most: whoever changes them meanwhile could
/// make a circle of them.
const GLANCES: usize = 32;

/// As [`candidate`], without the lock.
#[inline(always)]
fn glance_candidate<'a, M: Memory>(
    arena: &'a Arena<M>,
    link: &mut Link,
    hash: u64,
    fetch_long: impl FnOnce(Item),
) -> Result<Option<Glance<'a>>, Unsure> {
    for _ in 0..GLANCES {
        let Some(item) = arena.links.item(*link) else {
            return Ok(None);
        };
        let Some(found) = arena.glance(item) else {
            return Err(Unsure);
        };
        if arena.links.may_have(*link, hash) {
            arena.prefetch_text(item);
            if arena.links.is_long(*link) {
                fetch_long(item);
            }
            return Ok(Some(found));
        }
        if arena.links.is_last(*link) {
            return Ok(None);
        }
        *link = found.next();
    }
    Err(Unsure)
}

/// As [`find_behind`], without the lock.
#[cold]
#[inline(never)]
fn glance_behind<'a, M: Memory>(
    arena: &'a Arena<M>,
    mut link: Link,
    mut found: Glance<'a>,
    hash: u64,
    key: &[u8],
) -> Result<Option<Item>, Unsure> {
    for _ in 0..GLANCES {
        if arena.links.is_last(link) {
            return Ok(None);
        }
        link = found.next();
        found = match glance_candidate(arena, &mut link, hash, |_| ())? {
            Some(found) => found,
            None => return Ok(None),
        };
        if arena.glance_text(found, key)?.is_some() {
            return Ok(Some(found.item));
        }
    }
    Err(Unsure)
}

/// The chains of a stripe; what is needed of the region is given to each call.
#[derive(Debug)]
pub(super) struct Chains {
    /// The stripe's number, and the logarithm of the number of all.
    index: u32,
    shift: u32,
    /// Bits of a head's number, as many as a hash needs to choose one. This and what
    /// follows belong to the stripe's lock, and are looked at without it.
    mask: AtomicUsize,
    /// No head of this stripe has this number yet, nor a higher one: its chains, as many
    /// times as there are stripes.
    behind: AtomicUsize,
}

impl Chains {
    /// Those of number `index` of two to the power of `shift`; none yet.
    pub(super) fn new(index: usize, shift: u32) -> Self {
        Self {
            // There are far fewer.
            index: u32::try_from(index).unwrap_or(0),
            shift,
            mask: AtomicUsize::new(0),
            behind: AtomicUsize::new(0),
        }
    }

    /// Has so many chains from now on; their heads are there. By who has the stripe
    /// exclusively.
    pub(super) fn set_len(&self, chains: usize) {
        let choices = prev_power_of_two(chains).saturating_mul(2);
        let mask = choices.wrapping_shl(self.shift).saturating_sub(1);
        self.mask.store(mask, Ordering::Relaxed);
        let behind = chains.wrapping_shl(self.shift);
        self.behind.store(behind, Ordering::Relaxed);
    }

    /// Logarithm of the number of stripes.
    #[inline(always)]
    pub(super) fn shift(&self) -> u32 {
        self.shift
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.behind().wrapping_shr(self.shift)
    }

    #[inline(always)]
    fn behind(&self) -> usize {
        self.behind.load(Ordering::Relaxed)
    }

    /// The item with that key. `fetch_long` is to prefetch all of a long item, as much as
    /// is worth it.
    #[inline(always)]
    pub(super) fn find<'a, M: Memory>(
        &self,
        arena: &'a Arena<M>,
        layout: &Layout,
        hash: u64,
        key: &[u8],
        fetch_long: impl Fn(Item),
    ) -> Option<Found<'a>> {
        let link = Link(Owned(layout.head(arena, self.head_of(hash))?).load());
        let (link, item, header) = candidate(arena, link, hash, &fetch_long)?;
        if let Some(text) = arena.text_under(item, header, key) {
            return Some(Found { item, header, text });
        }
        let item = find_behind(arena, link, header, hash, key, fetch_long)?;
        let header = arena.header(item)?;
        let text = arena.text_under(item, header, key)?;
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

    /// As [`Chains::find`], without the lock.
    #[inline(always)]
    pub(super) fn glance<'a, M: Memory>(
        &self,
        arena: &'a Arena<M>,
        layout: &Layout,
        hash: u64,
        key: &[u8],
        fetch_long: impl Fn(Item),
    ) -> Result<Option<(Glance<'a>, Text<'a>)>, Unsure> {
        let Some(head) = layout.head(arena, self.head_of(hash)) else {
            return Err(Unsure);
        };
        let mut link = Link(peek(head));
        let Some(found) = glance_candidate(arena, &mut link, hash, &fetch_long)? else {
            return Ok(None);
        };
        if let Some(text) = arena.glance_text(found, key)? {
            return Ok(Some((found, text)));
        }
        let Some(item) = glance_behind(arena, link, found, hash, key)? else {
            return Ok(None);
        };
        let found = arena.glance(item).ok_or(Unsure)?;
        let text = arena.glance_text(found, key)?.ok_or(Unsure)?;
        Ok(Some((found, text)))
    }

    /// Which head a hash belongs to: of the power of two above their number, or of
    /// the one below it, where the first is not there yet. The bits that chose the
    /// stripe are the stripe's number, and so the low bits of any of its heads'.
    #[inline(always)]
    pub(super) fn head_of(&self, hash: u64) -> usize {
        // Bits that are cut off choose nothing on a machine that cuts them.
        let mask = self.mask.load(Ordering::Relaxed);
        let head = hash as usize & mask;
        if head < self.behind() {
            head
        } else {
            head & (mask / 2)
        }
    }

    /// The head of a chain. Stripes take turns, so that they grow into the same
    /// pages.
    #[inline]
    pub(super) fn head(&self, chain: usize) -> usize {
        let index = self.index as usize;
        chain.wrapping_shl(self.shift).saturating_add(index)
    }
}
