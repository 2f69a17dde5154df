// SPDX-License-Identifier: GPL-2.0-only
//! Changing what is under a key, in one step.

use core::sync::atomic::Ordering;

use super::chain::{Shape, Spare};
use super::evict::{Busy, Mine, Room};
use super::gate::Hands;
use super::header::Mark;
use super::item::{self, Item};
use super::segment::Segment;
use super::source::{Digits, Source};
use super::table::Stripe;
use super::value::{Amend, Cas, Change, Done, Entry, Exptime, Part, Updated, Value, Was};
use super::write::NewItem;
use super::{due, Kv, Life};
use crate::limits::UPDATE_TRIES;
use crate::{Context, Platform};

/// What there is under a key.
struct Under<'a> {
    hash: u64,
    key: &'a [u8],
    /// An item, dead or alive.
    found: Option<Item>,
    /// The same, if it is alive.
    live: Option<Item>,
}

impl<P: Platform> Kv<P> {
    /// As [`Self::update`], by a command that looks for the item: a host that
    /// watches is told of a hit or a miss.
    pub(crate) fn look_and_update<'c>(
        &self,
        key: &[u8],
        cx: &Context<'_>,
        mut decide: impl FnMut(Option<&Value<'_>>) -> Change<'c>,
    ) -> Updated {
        let mut len = 0;
        let updated = self.update(key, cx, |value| {
            len = value.map_or(0, |value| value.text_len);
            decide(value)
        });
        match updated.was {
            Was::Live => P::hit(|| self.hasher.name(self.hash(key)), || len),
            _ => P::miss(|| self.hasher.name(self.hash(key))),
        }
        updated
    }

    /// Lets `decide` look at the live item under `key`, if there is one, and
    /// does what it says. Nobody else sees or changes the item in between.
    ///
    /// `decide` may be asked again, when it had answered [`Change::Store`]:
    /// what it said then has not been done.
    pub fn update<'c>(
        &self,
        key: &[u8],
        cx: &Context<'_>,
        mut decide: impl FnMut(Option<&Value<'_>>) -> Change<'c>,
    ) -> Updated {
        let mut was = (Was::Missing, Segment::NONE);
        let mut hands = Hands::new(self);
        let mut wanted = None;
        let mut done = Done::NoMemory;
        for tries in 0..UPDATE_TRIES {
            match self.try_update(key, cx, &mut decide, &mut was, &mut hands.spare) {
                Ok(what) => {
                    done = what;
                    break;
                }
                Err((class, busy)) => {
                    wanted = Some(class);
                    hands.wait(class, busy, tries, cx);
                }
            }
        }
        drop(hands);
        match done {
            Done::Stored { .. } => self.work(cx),
            Done::NoMemory => self.count_refusal(wanted),
            _ => {}
        }
        let (was, segment) = was;
        Updated { was, done, segment }
    }

    /// Nothing has been done if this fails; it says what is wanting, and where.
    /// `spare` are chunks that the caller holds, and are used if they fit; `was` is what
    /// was there, and where a live item was.
    fn try_update<'c>(
        &self,
        key: &[u8],
        cx: &Context<'_>,
        decide: &mut impl FnMut(Option<&Value<'_>>) -> Change<'c>,
        was: &mut (Was, Segment),
        spare: &mut Spare,
    ) -> Result<Done, (u8, Busy)> {
        let hash = self.hash(key);
        let index = self.stripe_of(hash);
        let Some(lock) = self.stripes.get(index) else {
            return Ok(Done::NoMemory);
        };
        let mut guard = lock.write();
        let mut stripe = guard.stripe();
        let found = self.find(stripe.chains, hash, key);
        let life = match found.map(|found| self.life_of(found.header, cx.now)) {
            None => Was::Missing,
            Some(Life::Live) => Was::Live,
            Some(Life::Expired) => Was::Expired,
            Some(Life::Flushed) => Was::Flushed,
        };
        let live = found.filter(|_| life == Was::Live);
        let value = live.map(|found| self.value_of(found.item, found.header, key.len(), cx.now));
        let segment = live.map_or(Segment::NONE, |found| {
            self.segment(found.item, found.header)
        });
        *was = (life, segment);
        let (found, live) = (found.map(|found| found.item), live.map(|found| found.item));
        match decide(value.as_ref()) {
            Change::Keep => Ok(Done::Nothing),
            Change::Remove => {
                self.remove(&mut stripe, hash, found);
                Ok(live.map_or(Done::Nothing, |_| Done::Removed))
            }
            Change::Amend(amend) => Ok(live.map_or(Done::Nothing, |item| Done::Amended {
                cas: self.amend(&mut stripe, item, &amend, cx),
            })),
            Change::Store(entry) => {
                let under = Under {
                    hash,
                    key,
                    found,
                    live,
                };
                let mut mine = Mine { index, stripe };
                let done = self.store(&mut mine, &under, &entry, spare, cx)?;
                if done == Done::TooLarge && entry.or_remove {
                    self.remove(&mut mine.stripe, hash, found);
                }
                Ok(done)
            }
        }
    }

    /// Returns the cas number.
    fn amend(&self, stripe: &mut Stripe<'_>, item: Item, amend: &Amend, cx: &Context<'_>) -> u64 {
        let arena = &self.arena;
        if let Some(exptime) = amend.exptime {
            arena.set_expire(item, self.due(exptime, cx));
        }
        for (mark, on) in [(Mark::STALE, amend.stale), (Mark::WON, amend.won)] {
            if let Some(on) = on {
                arena.set_mark(item, mark, on);
            }
        }
        if amend.cas != Cas::Keep {
            arena.set_cas(item, stripe.cas_from(amend.cas));
        }
        if amend.used {
            arena.set_used(item, cx.now.0);
        }
        arena.cas(item)
    }

    /// Stores `entry`, if there is room. The old item stays until there is.
    fn store(
        &self,
        mine: &mut Mine<'_>,
        under: &Under<'_>,
        entry: &Entry<'_>,
        spare: &mut Spare,
        cx: &Context<'_>,
    ) -> Result<Done, (u8, Busy)> {
        let source = Source {
            parts: &entry.data,
            digits: Digits::of(&entry.data),
            old: under.live,
        };
        let len = self.len_of(&source);
        if !self.fits(under.key.len(), entry.flags, len) {
            return Ok(Done::TooLarge);
        }
        let size = item::size(under.key.len(), entry.flags, len);
        let Some(shape) = self.shape_for(size) else {
            return Ok(Done::TooLarge);
        };
        let old = under.found;
        let reuse = old.filter(|item| self.is_as_good(*item, shape, entry));
        let item = match reuse {
            Some(item) => item,
            None => self
                .chunks(shape, size, mine, old, spare, cx)
                .map_err(|busy| (shape.class, busy))?,
        };
        let again = reuse.is_some();
        let before = reuse.map_or(0, |item| self.arena.size(item));
        let new = self.describe(&mut mine.stripe, under, entry, len, again, cx);
        let cas = new.cas;
        self.write(&mut mine.stripe, item, shape, again, new, &source);
        match again {
            true => mine.stripe.resize(before, size as u64),
            false => {
                let room = Room {
                    item,
                    // Perhaps a larger one than was asked for.
                    class: self.layout.class_of(&self.arena, item),
                    is_listed: false,
                };
                self.publish(&mut mine.stripe, under.hash, under.found, item, size as u64);
                self.enlist(room);
            }
        }
        Ok(Done::Stored { cas })
    }

    /// Whether an item may be written over: it has the right chunks, and nobody
    /// reads it.
    fn is_as_good(&self, item: Item, shape: Shape, entry: &Entry<'_>) -> bool {
        let reads_old = entry.data.iter().any(|part| matches!(part, Part::Old));
        !reads_old
            && self.layout.class_of(&self.arena, item) == shape.class
            && self.count_chunks(item) == shape.chunks
            && !self.is_pinned(item)
    }

    /// All of a new item but its data.
    fn describe<'a>(
        &self,
        stripe: &mut Stripe<'_>,
        under: &Under<'a>,
        entry: &Entry<'_>,
        len: usize,
        again: bool,
        cx: &Context<'_>,
    ) -> NewItem<'a> {
        let old = |item| self.arena.expire(item);
        NewItem {
            key: under.key,
            flags: entry.flags,
            expire: match entry.exptime {
                Exptime::Set(exptime) => self.due(exptime, cx),
                Exptime::Keep => under.live.map_or(0, old),
            },
            used: self.stamp(cx.now),
            cas: stripe.cas_from(entry.cas),
            len,
            data: [b""; 2],
            fetched: entry.fetched,
            active: again,
            stale: entry.stale,
            won: entry.won,
            key_is_binary: entry.key_is_binary,
        }
    }

    /// Puts an item of that size that is written into the table, in place of what is
    /// there. It is to go into the order of use then.
    #[inline(always)]
    pub(super) fn publish(
        &self,
        stripe: &mut Stripe<'_>,
        hash: u64,
        found: Option<Item>,
        item: Item,
        size: u64,
    ) {
        let arena = &self.arena;
        self.remove(stripe, hash, found);
        stripe.link(arena, &self.layout, hash, item, size);
        if stripe.grow(arena, &self.layout, |key| self.hash(key)) {
            self.heads_wanted.store(true, Ordering::Relaxed);
        }
    }

    fn count_refusal(&self, class: Option<u8>) {
        if let Some(class) = class.and_then(|class| self.class(class)) {
            let history = &mut class.lock().history;
            history.out_of_memory = history.out_of_memory.wrapping_add(1);
        }
    }

    fn remove(&self, stripe: &mut Stripe<'_>, hash: u64, found: Option<Item>) {
        if let Some(item) = found {
            stripe.unlink(&self.arena, &self.layout, hash, item);
            self.release(item);
        }
    }

    /// When an exptime is due; there will be something to crawl for then.
    #[inline]
    pub(super) fn due(&self, exptime: i64, cx: &Context<'_>) -> u32 {
        let due = due(exptime, cx.now, cx.unix_now);
        if due != 0 && !self.mortals.load(Ordering::Relaxed) {
            self.mortals.store(true, Ordering::Relaxed);
        }
        due
    }
}
