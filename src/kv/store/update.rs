// SPDX-License-Identifier: GPL-2.0
//! Changing what is under a key, in one step.

use super::item::{self, Item, Mark, NewItem};
use super::table::{Life, Table};
use super::value::{Amend, Cas, Change, Done, Entry, Exptime, Part, Updated, Was};
use super::{due, Kv};
use crate::decimal::Decimal;
use crate::limits::TAIL_TRIES;
use crate::{Context, Now, Platform};

/// A number as text, with the spaces behind it that keep it as long as it was.
struct Digits {
    text: [u8; Self::MAX],
    len: usize,
}

impl Digits {
    /// The longest 64-bit number.
    const MAX: usize = 20;

    /// The number among the parts; there is one at most.
    fn of(parts: &[Part<'_>]) -> Self {
        let mut digits = Self {
            text: [b' '; Self::MAX],
            len: 0,
        };
        for part in parts {
            if let Part::Number { value, width } = part {
                let decimal = Decimal::new(*value);
                let text = decimal.as_bytes();
                digits.len = text.len().max(*width).min(Self::MAX);
                for (to, from) in digits.text.iter_mut().zip(text) {
                    *to = *from;
                }
            }
        }
        digits
    }

    fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.len).unwrap_or_default()
    }
}

impl<P: Platform> Kv<P> {
    /// Lets `decide` look at the live item under `key`, if there is one, and
    /// does what it says. Nobody else sees or changes the item in between.
    ///
    /// `decide` may be asked again, when it had answered [`Change::Store`]:
    /// what it said then has not been done.
    pub fn update<'c>(
        &self,
        key: &[u8],
        cx: &Context<'_>,
        mut decide: impl FnMut(Option<&super::Value<'_>>) -> Change<'c>,
    ) -> Updated {
        let hash = self.hash(key);
        let table = &mut *self.table.write();
        let found = table.find(hash, key);
        let was = match found.map(|item| table.life(item, cx.now)) {
            None => Was::Missing,
            Some(Life::Live) => Was::Live,
            Some(Life::Expired) => Was::Expired,
            Some(Life::Flushed) => Was::Flushed,
        };
        let live = found.filter(|_| was == Was::Live);
        let value = live.map(|item| table.value(item, cx.now));
        let done = match decide(value.as_ref()) {
            Change::Keep => Done::Nothing,
            Change::Remove => {
                if let Some(item) = found {
                    self.free(table, hash, item);
                }
                live.map_or(Done::Nothing, |_| Done::Removed)
            }
            Change::Amend(amend) => live.map_or(Done::Nothing, |item| {
                let cas = self.amend(table, item, &amend, cx);
                Done::Amended { cas }
            }),
            Change::Store(new) => {
                if let (Some(dead), None) = (found, live) {
                    self.free(table, hash, dead);
                }
                let done = self.store(table, hash, key, live, &new, cx);
                if let (Some(old), true, Done::TooLarge) = (live, new.or_remove, done) {
                    self.free(table, hash, old);
                }
                done
            }
        };
        Updated { was, done }
    }

    /// Returns the cas number.
    fn amend(
        &self,
        table: &mut Table<P::Memory>,
        item: Item,
        amend: &Amend,
        cx: &Context<'_>,
    ) -> u64 {
        if let Some(exptime) = amend.exptime {
            let expire = due(exptime, cx.now, cx.unix_now);
            table.arena.set_expire(item, expire);
        }
        for (mark, on) in [(Mark::STALE, amend.stale), (Mark::WON, amend.won)] {
            if let Some(on) = on {
                table.arena.set_mark(item, mark, on);
            }
        }
        if amend.cas != Cas::Keep {
            let cas = table.cas(amend.cas);
            table.arena.set_cas(item, cas);
        }
        if amend.used {
            self.bump(table, item, cx);
        }
        table.arena.cas(item)
    }

    /// Stores `new` in place of `old`, which stays when it is too large.
    fn store(
        &self,
        table: &mut Table<P::Memory>,
        hash: u64,
        key: &[u8],
        old: Option<Item>,
        new: &Entry<'_>,
        cx: &Context<'_>,
    ) -> Done {
        let expire = match new.exptime {
            Exptime::Set(exptime) => due(exptime, cx.now, cx.unix_now),
            Exptime::Keep => old.map_or(0, |item| table.arena.expire(item)),
        };
        let digits = Digits::of(&new.data);
        let uses_old = new.data.iter().any(|part| matches!(part, Part::Old));
        let old_len = old.map_or(0, |item| table.arena.data(item).len());
        let len = |part: &Part<'_>| match part {
            Part::Bytes(bytes) => bytes.len(),
            Part::Old => old_len,
            Part::Number { .. } => digits.len,
        };
        let len = new.data.iter().map(len).fold(0, usize::saturating_add);
        if !self.fits(key.len(), new.flags, len) {
            return Done::TooLarge;
        }
        let size = item::size(key.len(), new.flags, len);
        let Some(class) = table.buckets.class_for(size) else {
            return Done::TooLarge;
        };
        // An old item that is not read from makes room first.
        if let (Some(old), false) = (old, uses_old) {
            self.free(table, hash, old);
        }
        let keep = old.filter(|_| uses_old);
        let item = self.chunk(table, class, keep, cx);
        let Some(item) = item else {
            return Done::NoMemory;
        };
        let cas = table.cas(new.cas);
        let data = new.data.map(|part| match part {
            Part::Bytes(bytes) => bytes,
            Part::Old => keep.map_or(&b""[..], |item| table.arena.data(item)),
            Part::Number { .. } => digits.as_bytes(),
        });
        let item_to_write = NewItem {
            key,
            flags: new.flags,
            expire,
            used: table.stamp(cx.now),
            cas,
            len,
            data,
            fetched: new.fetched,
            stale: new.stale,
            won: new.won,
            key_is_binary: new.key_is_binary,
        };
        // SAFETY: the chunk is of a class that is large enough, was free until
        // now, the table is locked, and the old item is in another chunk if its
        // data is used.
        unsafe { table.arena.write(item, &item_to_write) };
        if let Some(old) = keep {
            self.free(table, hash, old);
        }
        table.link(hash, item);
        self.order(class, |order| order.push(&table.arena, item));
        Done::Stored { cas }
    }
}

impl<P: Platform> Kv<P> {
    /// A chunk of `class` in no list: a free one, else the oldest item's, else
    /// one of a page taken from the class with the most pages. Whatever goes,
    /// it is not `keep`.
    fn chunk(
        &self,
        table: &mut Table<P::Memory>,
        class: u8,
        keep: Option<Item>,
        cx: &Context<'_>,
    ) -> Option<Item> {
        if let Some(item) = table.buckets.take(&table.arena, class) {
            return Some(item);
        }
        if let Some(item) = self.oldest(table, class, keep, cx.now) {
            self.evict(table, item, cx);
        } else {
            self.take_page(table, class, keep, cx)?;
        }
        table.buckets.take(&table.arena, class)
    }

    /// The item to go first in `class`: a dead one near the end, or the oldest.
    fn oldest(
        &self,
        table: &Table<P::Memory>,
        class: u8,
        keep: Option<Item>,
        now: Now,
    ) -> Option<Item> {
        self.order(class, |order| {
            let mut at = order.oldest();
            let mut first = None;
            for _ in 0..TAIL_TRIES {
                let Some(item) = at else { break };
                if keep != Some(item) {
                    if table.life(item, now) != Life::Live {
                        return Some(item);
                    }
                    first = first.or(Some(item));
                }
                at = table.arena.younger(item);
            }
            first
        })?
    }

    /// Takes a page from the class that has the most, evicting what is in it:
    /// the page with its oldest item, or one with nothing but free chunks.
    fn take_page(
        &self,
        table: &mut Table<P::Memory>,
        class: u8,
        keep: Option<Item>,
        cx: &Context<'_>,
    ) -> Option<()> {
        let kept = keep.and_then(|item| table.buckets.page_of(item));
        let loser = table.buckets.richest()?;
        let oldest = self.order(loser, |order| {
            let mut at = order.oldest();
            while let Some(item) = at {
                if kept.is_none() || table.buckets.page_of(item) != kept {
                    break;
                }
                at = table.arena.younger(item);
            }
            at
        })?;
        let item = match oldest {
            Some(oldest) => oldest,
            None => table.buckets.peek(loser)?,
        };
        let page = table
            .buckets
            .page_of(item)
            .filter(|page| Some(*page) != kept)?;
        for chunk in table.buckets.chunks(&table.arena, page) {
            if !table.arena.is_free(chunk) {
                self.evict(table, chunk, cx);
            }
        }
        table.buckets.hand_over(&table.arena, page, class);
        cx.mine.slabs_moved.inc();
        Some(())
    }
}
