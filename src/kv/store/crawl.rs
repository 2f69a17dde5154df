// SPDX-License-Identifier: GPL-2.0-only
//! The crawler: finds the dead before their chunks are needed, a few chains at
//! a time.

use core::sync::atomic::Ordering;

use super::chains::Chains;
use super::table::Stripe;
use super::value::Cursor;
use super::{Kv, Life};
use crate::limits::{CRAWL_CHAINS, CRAWL_SECONDS};
use crate::{Context, PerClass, Platform};

impl<P: Platform> Kv<P> {
    /// Removes the dead from the next `chains` chains, and goes on with a page
    /// that is moving. For a host that has nothing better to do; the store does
    /// as much itself as stores make necessary.
    pub fn crawl(&self, chains: usize, cx: &Context<'_>) {
        for _ in 0..chains {
            let word = self.crawled_to.load(Ordering::Relaxed);
            let from = Cursor::from_word(word);
            let next = self.crawl_chain(from, cx).unwrap_or_default();
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
        let left = |left: u32| left.checked_sub(CRAWL_CHAINS);
        let due = self.to_crawl.load(Ordering::Relaxed) >= CRAWL_CHAINS
            && self
                .to_crawl
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, left)
                .is_ok();
        if due {
            self.crawl(CRAWL_CHAINS as usize, cx);
        }
    }

    /// How many chains stores shall crawl in the next second.
    pub(super) fn plan_crawl(&self) {
        let chains = if self.mortals.load(Ordering::Relaxed) {
            let chains = self.usage().chains / CRAWL_SECONDS;
            u32::try_from(chains).unwrap_or(u32::MAX).max(CRAWL_CHAINS)
        } else {
            0
        };
        self.to_crawl.store(chains, Ordering::Relaxed);
    }

    /// The cursor behind the chain, `None` behind the last.
    fn crawl_chain(&self, at: Cursor, cx: &Context<'_>) -> Option<Cursor> {
        let lock = self.stripes.get(at.stripe)?;
        let stripe = lock.read();
        if at.chain >= stripe.chains.len() {
            return self.next_stripe(at);
        }
        let any_dead = self.any_dead(stripe.chains, at.chain, cx);
        drop(stripe);
        if any_dead {
            self.bury(&mut lock.write().stripe(), at.chain, cx);
        }
        at.next_chain()
    }

    fn any_dead(&self, chains: &Chains, chain: usize, cx: &Context<'_>) -> bool {
        let mut at = chains.first(&self.arena, &self.layout, chain);
        while let Some(item) = at {
            let class = self.layout.class_of(&self.arena, item);
            cx.mine.count_in(class, PerClass::Crawled);
            if self.life(item, cx.now) != Life::Live {
                return true;
            }
            at = self.arena.next(item);
        }
        false
    }

    fn bury(&self, stripe: &mut Stripe<'_>, chain: usize, cx: &Context<'_>) {
        let mut at = stripe.chains.first(&self.arena, &self.layout, chain);
        while let Some(item) = at {
            at = self.arena.next(item);
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
