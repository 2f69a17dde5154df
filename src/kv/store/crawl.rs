// SPDX-License-Identifier: GPL-2.0-only
//! The crawler: finds the dead before their chunks are needed, a pair of chains at
//! a time.

use core::sync::atomic::Ordering;

use super::chains::Chains;
use super::table::Stripe;
use super::value::Cursor;
use super::{Kv, Life};
use crate::limits::{CRAWL_PAIRS, CRAWL_SECONDS};
use crate::{Context, PerClass, Platform};

impl<P: Platform> Kv<P> {
    /// Removes the dead from the next `pairs` pairs of chains, and goes on with a page
    /// that is moving. For a host that has nothing better to do; the store does
    /// as much itself as stores make necessary.
    pub fn crawl(&self, pairs: usize, cx: &Context<'_>) {
        for _ in 0..pairs {
            let word = self.crawled_to.load(Ordering::Relaxed);
            let from = Cursor::from_word(word);
            let next = self.crawl_pair(from, cx).unwrap_or_default();
            // If somebody else was here, that is as well.
            let _ = self.crawled_to.compare_exchange(
                word,
                next.to_word(),
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
        }
        self.step_move(cx);
    }

    /// What is to be done beside a store, with nothing locked.
    pub(super) fn work(&self, cx: &Context<'_>) {
        if self.moving.load(Ordering::Relaxed) != 0 {
            self.step_move(cx);
        }
        let left = |left: u32| left.checked_sub(CRAWL_PAIRS);
        let due = self.to_crawl.load(Ordering::Relaxed) >= CRAWL_PAIRS
            && self
                .to_crawl
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
                .is_ok();
        if due {
            self.crawl(CRAWL_PAIRS as usize, cx);
        }
    }

    /// How many pairs stores shall crawl in the next second.
    pub(super) fn plan_crawl(&self) {
        let pairs = if self.mortals.load(Ordering::Relaxed) {
            let pairs = self.usage().pairs / CRAWL_SECONDS;
            u32::try_from(pairs).unwrap_or(u32::MAX).max(CRAWL_PAIRS)
        } else {
            0
        };
        self.to_crawl.store(pairs, Ordering::Relaxed);
    }

    /// The cursor behind the pair, `None` behind the last.
    fn crawl_pair(&self, at: Cursor, cx: &Context<'_>) -> Option<Cursor> {
        let lock = self.stripes.get(at.stripe)?;
        let stripe = lock.read();
        if at.pair >= stripe.chains.len() {
            return self.next_stripe(at);
        }
        let any_dead = self.any_dead(stripe.chains, at.pair, cx);
        drop(stripe);
        if any_dead {
            self.bury(&mut lock.write().stripe(), at.pair, cx);
        }
        at.next_pair()
    }

    fn any_dead(&self, chains: &Chains, pair: usize, cx: &Context<'_>) -> bool {
        for item in chains.items(&self.arena, &self.layout, pair) {
            let class = self.layout.class_of(&self.arena, item);
            cx.mine.count_in(class, PerClass::Crawled);
            if self.life(item, cx.now) != Life::Live {
                return true;
            }
        }
        false
    }

    fn bury(&self, stripe: &mut Stripe<'_>, pair: usize, cx: &Context<'_>) {
        for item in stripe.chains.items(&self.arena, &self.layout, pair) {
            if self.life(item, cx.now) == Life::Live {
                continue;
            }
            let hash = self.hash(self.arena.key(item));
            stripe.unlink(&self.arena, &self.layout, hash, item);
            let class = self.layout.class_of(&self.arena, item);
            self.unlist(class, item);
            if let Some(class) = self.class(class) {
                let class = &mut *class.lock();
                class.history.crawler_reclaimed = class.history.crawler_reclaimed.wrapping_add(1);
                class.release(&self.arena, &self.layout, item);
            }
        }
    }
}
