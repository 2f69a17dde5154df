// SPDX-License-Identifier: GPL-2.0-only
//! The chains of a stripe, and how they are gone through: with the lock, and without it.

// Not those that a model checker knows of: they stand for nothing but themselves.
use core::sync::atomic::AtomicU32;

use super::arena::{Arena, Heads};
use super::glance::{peek, Glance, Text, Unsure};
use super::header::Header;
use super::item::Item;
use super::layout::{prev_power_of_two, Layout};
use super::link::{Link, Links};
use crate::atomic::{AtomicU32 as Word, Ordering, Owned};
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
        if arena.links.may_have(link, hash) {
            let item = arena.links.item(link)?;
            let header = arena.header(item)?;
            // What is behind its header will be read or written then.
            arena.prefetch_text(item);
            if arena.links.is_long(link) {
                fetch_long(item);
            }
            return Some((link, item, header));
        }
        // Whether there is an item, and whether more are behind it, is one question here:
        // nobody could foresee the answer to either.
        if arena.links.ends(link) {
            return None;
        }
        link = arena.header(arena.links.item(link)?)?.next();
    }
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
        if arena.links.may_have(*link, hash) {
            let Some(item) = arena.links.item(*link) else {
                return Ok(None);
            };
            let found = arena.glance(item).ok_or(Unsure)?;
            arena.prefetch_text(item);
            if arena.links.is_long(*link) {
                fetch_long(item);
            }
            return Ok(Some(found));
        }
        if arena.links.ends(*link) {
            return Ok(None);
        }
        let item = arena.links.item(*link).ok_or(Unsure)?;
        *link = arena.glance(item).ok_or(Unsure)?.next();
    }
    Err(Unsure)
}

/// The chains of a stripe; what is needed of the region is given to each call.
///
/// Heads come in pairs, side by side. A hash chooses a pair, and one of its two chains.
///
/// Where items are large, and there are as many pairs, a pair has one chain, and its second
/// head leads to an item beside that. An item that comes is put there, unless there is one. So
/// who looks for an item knows some bits of the hashes of two from one cache line, and fewer
/// need touch another item before theirs. Of small items, two to a pair, more would be in one
/// chain, which who misses or takes one out has to go through.
#[derive(Debug)]
pub(super) struct Chains {
    /// The stripe's number, and the logarithm of the number of all.
    index: u32,
    shift: u32,
    /// Bits of a head's number, as many as a hash needs to choose one. This and what
    /// follows belong to the stripe's lock, and are looked at without it.
    mask: AtomicU32,
    /// No pair of this stripe has this number yet, nor a higher one: those that it has, as
    /// many times as there are stripes.
    behind: AtomicU32,
    /// Below that, counted the same way, pairs have one chain.
    single_behind: AtomicU32,
}

/// A pair of heads, by its number, and how it is used.
#[derive(Clone, Copy)]
pub(super) struct Pair {
    pub(super) number: usize,
    /// It has one chain, and an item beside that.
    pub(super) is_single: bool,
}

impl Pair {
    /// The link to begin with.
    #[inline(always)]
    fn begin(self, heads: &Heads, load: impl Fn(&Word) -> u32, links: &Links, hash: u64) -> Link {
        match self.is_single {
            true => links.either(heads.each_ref().map(|head| Link(load(head))), hash),
            false => Link(load(side(heads, hash))),
        }
    }

    /// All links to begin with, one after the other, by who has to look at all that there is.
    fn begins(self, heads: &Heads, load: impl Fn(&Word) -> u32, hash: u64) -> [Link; 2] {
        match self.is_single {
            true => heads.each_ref().map(|head| Link(load(head))),
            false => [Link(load(side(heads, hash))), Link(0)],
        }
    }
}

/// Which of two chains a hash belongs to, by the highest of the bits that chains are chosen by:
/// there are never so many. By its place, since nobody could foresee it.
#[inline(always)]
pub(super) fn side<T>(sides: &[T; 2], hash: u64) -> &T {
    let [one, _] = sides;
    sides.get((hash as u32 >> 31) as usize).unwrap_or(one)
}

impl Chains {
    /// Those of number `index` of two to the power of `shift`; none yet.
    pub(super) fn new(index: usize, shift: u32) -> Self {
        Self {
            // There are far fewer.
            index: u32::try_from(index).unwrap_or(0),
            shift,
            mask: AtomicU32::new(0),
            behind: AtomicU32::new(0),
            single_behind: AtomicU32::new(0),
        }
    }

    /// Has so many pairs from now on, and so many of them with one chain; their heads are
    /// there. By who has the stripe exclusively.
    pub(super) fn set_len(&self, pairs: usize, single: usize) {
        // There are far fewer than that.
        let behind = |pairs: usize| u32::try_from(pairs).map_or(0, |n| n.wrapping_shl(self.shift));
        let choices = behind(prev_power_of_two(pairs).saturating_mul(2));
        self.mask
            .store(choices.saturating_sub(1), Ordering::Relaxed);
        self.behind.store(behind(pairs), Ordering::Relaxed);
        self.single_behind.store(behind(single), Ordering::Relaxed);
    }

    /// Logarithm of the number of stripes.
    #[inline(always)]
    pub(super) fn shift(&self) -> u32 {
        self.shift
    }

    /// How many pairs there are.
    pub(super) fn len(&self) -> usize {
        self.behind().wrapping_shr(self.shift) as usize
    }

    /// How many chains they have.
    pub(super) fn count(&self) -> usize {
        self.len().saturating_mul(2).saturating_sub(self.single())
    }

    /// How many of them have one chain: the first ones.
    pub(super) fn single(&self) -> usize {
        self.single_behind().wrapping_shr(self.shift) as usize
    }

    /// All pairs have one chain.
    #[inline(always)]
    pub(super) fn are_single(&self) -> bool {
        self.single_behind() == self.behind()
    }

    /// Some have.
    #[inline(always)]
    pub(super) fn has_single(&self) -> bool {
        self.single_behind() != 0
    }

    #[inline(always)]
    fn single_behind(&self) -> u32 {
        self.single_behind.load(Ordering::Relaxed)
    }

    #[inline(always)]
    fn behind(&self) -> u32 {
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
        let pair = self.pair_of(hash);
        let heads = layout.heads(arena, pair.number)?;
        let link = pair.begin(heads, |head| Owned(head).load(), &arena.links, hash);
        let (_, item, header) = candidate(arena, link, hash, &fetch_long)?;
        if let Some(text) = arena.text_under(item, header, key) {
            return Some(Found { item, header, text });
        }
        let item = self.find_among_all(arena, layout, hash, key)?;
        let header = arena.header(item)?;
        let text = arena.text_under(item, header, key)?;
        Some(Found { item, header, text })
    }

    /// The item with that key, when the first that may be it is not. Rare, and so kept apart,
    /// and told in a register.
    #[cold]
    #[inline(never)]
    fn find_among_all<M: Memory>(
        &self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: u64,
        key: &[u8],
    ) -> Option<Item> {
        let pair = self.pair_of(hash);
        let heads = layout.heads(arena, pair.number)?;
        for mut link in pair.begins(heads, |head| Owned(head).load(), hash) {
            while let Some((at, item, header)) = candidate(arena, link, hash, |_| ()) {
                if arena.has_key(item, key) {
                    return Some(item);
                }
                link = arena.links.behind(at, || header.next());
            }
        }
        None
    }

    /// The items of a pair. Which comes next is known before who asks has one, which may be
    /// taken out then.
    pub(super) fn items<'a, M: Memory>(
        &self,
        arena: &'a Arena<M>,
        layout: &Layout,
        pair: usize,
    ) -> impl Iterator<Item = Item> + use<'a, M> {
        let heads = layout.heads(arena, self.number(pair));
        let heads = heads.map(|heads| heads.each_ref().map(|head| Link(Owned(head).load())));
        arena.items(heads.unwrap_or([Link(0); 2]))
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
        let pair = self.pair_of(hash);
        let heads = layout.heads(arena, pair.number).ok_or(Unsure)?;
        let mut link = pair.begin(heads, peek, &arena.links, hash);
        let Some(found) = glance_candidate(arena, &mut link, hash, &fetch_long)? else {
            return Ok(None);
        };
        if let Some(text) = arena.glance_text(found, key)? {
            return Ok(Some((found, text)));
        }
        let Some(item) = self.glance_at_all(arena, layout, hash, key)? else {
            return Ok(None);
        };
        let found = arena.glance(item).ok_or(Unsure)?;
        let text = arena.glance_text(found, key)?.ok_or(Unsure)?;
        Ok(Some((found, text)))
    }

    /// As [`Chains::find_among_all`], without the lock.
    #[cold]
    #[inline(never)]
    fn glance_at_all<M: Memory>(
        &self,
        arena: &Arena<M>,
        layout: &Layout,
        hash: u64,
        key: &[u8],
    ) -> Result<Option<Item>, Unsure> {
        let pair = self.pair_of(hash);
        let heads = layout.heads(arena, pair.number).ok_or(Unsure)?;
        let mut left = GLANCES;
        for mut link in pair.begins(heads, peek, hash) {
            while let Some(found) = glance_candidate(arena, &mut link, hash, |_| ())? {
                if arena.glance_text(found, key)?.is_some() {
                    return Ok(Some(found.item));
                }
                link = arena.links.behind(link, || found.next());
                left = left.checked_sub(1).ok_or(Unsure)?;
            }
        }
        Ok(None)
    }

    /// Which pair a hash belongs to: of the power of two above their number, or of
    /// the one below it, where the first is not there yet. The bits that chose the
    /// stripe are the stripe's number, and so the low bits of any of its pairs'.
    #[inline(always)]
    pub(super) fn pair_of(&self, hash: u64) -> Pair {
        let mask = self.mask.load(Ordering::Relaxed);
        // Cut to its lower half.
        let number = hash as u32 & mask;
        let number = if number < self.behind() {
            number
        } else {
            number & (mask / 2)
        };
        Pair {
            number: number as usize,
            is_single: number < self.single_behind(),
        }
    }

    /// The number of one of the stripe's pairs. Stripes take turns, so that they grow into
    /// the same pages.
    #[inline]
    pub(super) fn number(&self, pair: usize) -> usize {
        let index = self.index as usize;
        pair.wrapping_shl(self.shift).saturating_add(index)
    }
}
