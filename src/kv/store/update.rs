// SPDX-License-Identifier: GPL-2.0-only
//! Changing what is under a key, in one step.

use core::sync::atomic::Ordering;

use super::evict::{Busy, Mine};
use super::item::{self, Item, Mark, NewItem};
use super::table::Stripe;
use super::value::{Amend, Cas, Change, Done, Entry, Exptime, Part, Updated, Value, Was};
use super::{due, Kv, Life};
use crate::decimal::Decimal;
use crate::limits::UPDATE_TRIES;
use crate::platform::RwLock;
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
        mut decide: impl FnMut(Option<&Value<'_>>) -> Change<'c>,
    ) -> Updated {
        let mut was = Was::Missing;
        let mut spare = None;
        let mut wanted = None;
        let mut done = Done::NoMemory;
        for tries in 0..UPDATE_TRIES {
            match self.try_update(key, cx, &mut decide, &mut was, &mut spare) {
                Ok(what) => {
                    done = what;
                    break;
                }
                // Whoever has it is done with it soon.
                Err((_, Busy::Stripe(stripe))) => {
                    drop(self.stripes.get(stripe).map(RwLock::write));
                }
                Err((class, Busy::Class)) => {
                    self.fetch_page(class, cx);
                    if tries > 1 {
                        self.wait_for_all();
                    }
                    // Before somebody else takes it.
                    spare = spare.or_else(|| self.take(class));
                    wanted = Some(class);
                }
            }
        }
        if let Some(item) = spare {
            self.release(item);
        }
        match done {
            Done::Stored { .. } => self.work(cx),
            Done::NoMemory => self.count_refusal(wanted),
            _ => {}
        }
        Updated { was, done }
    }

    /// Nothing has been done if this fails; it says what is wanting, and where.
    /// `spare` is a chunk that the caller holds, and is used if it fits.
    fn try_update<'c>(
        &self,
        key: &[u8],
        cx: &Context<'_>,
        decide: &mut impl FnMut(Option<&Value<'_>>) -> Change<'c>,
        was: &mut Was,
        spare: &mut Option<Item>,
    ) -> Result<Done, (u8, Busy)> {
        let hash = self.hash(key);
        let index = self.stripe_of(hash);
        let Some(lock) = self.stripes.get(index) else {
            return Ok(Done::NoMemory);
        };
        let stripe = &mut *lock.write();
        let found = stripe.find(&self.arena, &self.layout, hash, key);
        *was = match found.map(|item| self.life(item, cx.now)) {
            None => Was::Missing,
            Some(Life::Live) => Was::Live,
            Some(Life::Expired) => Was::Expired,
            Some(Life::Flushed) => Was::Flushed,
        };
        let live = found.filter(|_| *was == Was::Live);
        let value = live.map(|item| self.value(item, cx.now));
        match decide(value.as_ref()) {
            Change::Keep => Ok(Done::Nothing),
            Change::Remove => {
                self.remove(stripe, hash, found);
                Ok(live.map_or(Done::Nothing, |_| Done::Removed))
            }
            Change::Amend(amend) => Ok(live.map_or(Done::Nothing, |item| Done::Amended {
                cas: self.amend(item, &amend, cx),
            })),
            Change::Store(entry) => {
                let under = Under {
                    hash,
                    key,
                    found,
                    live,
                };
                let done = self.store(&mut Mine { index, stripe }, &under, &entry, spare, cx)?;
                if done == Done::TooLarge && entry.or_remove {
                    self.remove(stripe, hash, found);
                }
                Ok(done)
            }
        }
    }

    /// Returns the cas number.
    fn amend(&self, item: Item, amend: &Amend, cx: &Context<'_>) -> u64 {
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
            arena.set_cas(item, self.next_cas(amend.cas));
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
        spare: &mut Option<Item>,
        cx: &Context<'_>,
    ) -> Result<Done, (u8, Busy)> {
        let &Under {
            hash,
            key,
            found,
            live,
        } = under;
        let arena = &self.arena;
        let digits = Digits::of(&entry.data);
        let old_data: &[u8] = live.map_or(b"", |item| arena.data(item));
        let data = entry.data.map(|part| match part {
            Part::Bytes(bytes) => bytes,
            Part::Old => old_data,
            Part::Number { .. } => digits.as_bytes(),
        });
        let len = data
            .iter()
            .fold(0usize, |len, part| len.saturating_add(part.len()));
        let size = item::size(key.len(), entry.flags, len);
        let class = match self.class_for(size) {
            Some(class) if self.fits(key.len(), entry.flags, len) => class,
            _ => return Ok(Done::TooLarge),
        };
        // In the old chunk, if it is as good as another and is not read from.
        let reads_old = entry.data.iter().any(|part| matches!(part, Part::Old));
        let is_right = |item: &Item| self.layout.class_of(arena, *item) == class;
        let reuse = found.filter(|item| !reads_old && is_right(item));
        let chunk = match reuse.or_else(|| spare.take_if(|item| is_right(item))) {
            Some(item) => item,
            None => self
                .chunk_near(class, size, mine, found, cx)
                .map_err(|busy| (class, busy))?,
        };
        let new = NewItem {
            key,
            flags: entry.flags,
            expire: match entry.exptime {
                Exptime::Set(exptime) => self.due(exptime, cx),
                Exptime::Keep => live.map_or(0, |item| arena.expire(item)),
            },
            used: self.stamp(cx.now),
            cas: self.next_cas(entry.cas),
            len,
            data,
            fetched: entry.fetched,
            active: reuse.is_some(),
            stale: entry.stale,
            won: entry.won,
            key_is_binary: entry.key_is_binary,
        };
        if reuse.is_some() {
            let before = arena.size(chunk);
            arena.rewrite(mine.stripe, chunk, &new);
            mine.stripe.resize(before, arena.size(chunk));
        } else {
            arena.write(chunk, &new);
            self.remove(mine.stripe, hash, found);
            mine.stripe.link(arena, &self.layout, hash, chunk);
            if let Some(class) = self.class(self.layout.class_of(arena, chunk)) {
                class.lock().insert(arena, chunk);
            }
        }
        if mine.stripe.grow(arena, &self.layout, |key| self.hash(key)) {
            self.heads_wanted.store(true, Ordering::Relaxed);
        }
        Ok(Done::Stored { cas: new.cas })
    }

    fn count_refusal(&self, class: Option<u8>) {
        if let Some(class) = class.and_then(|class| self.class(class)) {
            let history = &mut class.lock().history;
            history.out_of_memory = history.out_of_memory.wrapping_add(1);
        }
    }

    /// Waits until everybody is done who has a stripe now, and perhaps a chunk
    /// in hand.
    fn wait_for_all(&self) {
        for stripe in self.stripes.iter() {
            drop(stripe.write());
        }
    }

    fn remove(&self, stripe: &mut Stripe, hash: u64, found: Option<Item>) {
        if let Some(item) = found {
            stripe.unlink(&self.arena, &self.layout, hash, item);
            self.release(item);
        }
    }

    /// When an exptime is due; there will be something to crawl for then.
    fn due(&self, exptime: i64, cx: &Context<'_>) -> u32 {
        let due = due(exptime, cx.now, cx.unix_now);
        if due != 0 && !self.mortals.load(Ordering::Relaxed) {
            self.mortals.store(true, Ordering::Relaxed);
        }
        due
    }
}
