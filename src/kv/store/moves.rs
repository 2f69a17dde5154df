// SPDX-License-Identifier: GPL-2.0-only
//! Pages on their way from class to class, a few chunks at a time.
//!
//! One page moves at a time. Whoever sees [`Kv::moving`] may do a step of it,
//! and stores do; its state is in the class that loses the page, under that
//! class's lock. The class that gets the page is locked after that, not inside.

use core::sync::atomic::Ordering;

use super::item::{Item, Mark, NewItem, Place};
use super::table::Stripe;
use super::{Class, Kv};
use crate::limits::{MOVE_CHUNKS, MOVE_STEPS};
use crate::platform::RwLock;
use crate::{Context, Now, Platform};

/// What a class looks like to who weighs it.
struct Weight {
    class: u8,
    pages: usize,
    lost: u64,
    coldness: u32,
    has_items: bool,
    has_spare_page: bool,
}

impl<P: Platform> Kv<P> {
    /// Begins to move a page, unless one is moving. `None` is the table.
    fn start_move(&self, from: u8, to: Option<u8>) {
        let word = u32::from(from).saturating_add(1);
        // Pairs with the release in `step_move`: what that did is done.
        let free = self
            .moving
            .compare_exchange(0, word, Ordering::Acquire, Ordering::Relaxed);
        if free.is_err() {
            return;
        }
        if let Some(class) = self.class(from) {
            let class = &mut *class.lock();
            if let Some(page) = class.worst_page(&self.layout) {
                class.start_draining(&self.arena, &self.layout, page, to);
                return;
            }
        }
        self.moving.store(0, Ordering::Release);
    }

    /// Looks at some chunks of the page that is moving, if one is; whether one
    /// still is. No stripe is locked by the caller.
    pub(super) fn step_move(&self, cx: &Context<'_>) -> bool {
        // A hint: the class's lock says whether it is still so.
        let word = self.moving.load(Ordering::Relaxed);
        let from = word.checked_sub(1).and_then(|from| u8::try_from(from).ok());
        let Some(class) = from.and_then(|from| self.class(from)) else {
            return false;
        };
        let mut class = class.lock();
        for _ in 0..MOVE_CHUNKS {
            self.drain_next(&mut class, cx);
        }
        let Some(done) = class.draining.filter(|draining| draining.left == 0) else {
            // Without a page it is on its way to who gets it.
            return true;
        };
        class.draining = None;
        class.pages = class.pages.saturating_sub(1);
        self.layout.set_owner(&self.arena, done.page, None);
        drop(class);
        match done.to.and_then(|to| self.class(to)) {
            Some(to) => to.lock().add_page(&self.arena, &self.layout, done.page),
            None => self.layout.put_spare(done.page),
        }
        cx.mine.slabs_moved.inc();
        self.moving.store(0, Ordering::Release);
        false
    }

    /// Empties the next chunk of the page that a class is losing, if that can
    /// be done without waiting.
    fn drain_next(&self, class: &mut Class, cx: &Context<'_>) {
        let Some(draining) = class.draining.as_mut() else {
            return;
        };
        if draining.left == 0 {
            return;
        }
        if draining.next >= draining.chunks {
            draining.next = 0;
        }
        let within = draining.next.saturating_mul(class.chunk_size);
        let at = self.layout.page_at(draining.page).saturating_add(within);
        draining.next = draining.next.saturating_add(1);
        let Some(item) = Item::at(at) else { return };
        match self.arena.place(item) {
            Place::Free => class.drain(&self.arena, &self.layout, item),
            place @ (Place::Hot | Place::Warm | Place::Cold) => {
                let away = self.rescue(class, item, place).is_some()
                    || self.evict(class, item, None, cx).is_ok();
                if away {
                    class.put(&self.arena, &self.layout, item);
                }
            }
            Place::Held | Place::Drained => {}
        }
    }

    /// Moves an item to a chunk of another page, if its class has one to spare.
    /// The chunk that it leaves is held then.
    fn rescue(&self, class: &mut Class, item: Item, place: Place) -> Option<()> {
        let page = self.layout.page_of(item);
        let hash = self.hash(self.arena.key(item));
        let stripe = self.stripes.get(self.stripe_of(hash));
        let stripe = &mut *stripe.and_then(RwLock::try_write)?;
        let chunk = class.take(&self.arena, &self.layout)?;
        if self.layout.page_of(chunk) == page {
            class.put(&self.arena, &self.layout, chunk);
            return None;
        }
        self.copy(stripe, hash, item, chunk);
        class.remove(&self.arena, item);
        class.insert_at(&self.arena, chunk, place);
        Some(())
    }

    /// Puts a copy of an item in its place in the table.
    fn copy(&self, stripe: &mut Stripe, hash: u64, item: Item, chunk: Item) {
        let value = self.value(item, Now::START);
        let copy = NewItem {
            key: value.key(),
            flags: value.flags(),
            expire: self.arena.expire(item),
            used: self.arena.used_at(item),
            cas: value.cas,
            len: value.data().len(),
            data: [value.data(), b""],
            fetched: value.fetched,
            active: self.arena.has(item, Mark::ACTIVE),
            stale: value.stale,
            won: value.won,
            key_is_binary: value.key_is_binary,
        };
        self.arena.write(chunk, &copy);
        stripe.unlink(&self.arena, &self.layout, hash, item);
        stripe.link(&self.arena, &self.layout, hash, chunk);
    }

    /// Waits, with nothing locked, until a page has come to a class that had
    /// nothing to give; or not, if there is too much in the way.
    pub(super) fn fetch_page(&self, class: u8, cx: &Context<'_>) {
        let most = |weight: &Weight| (weight.pages, weight.has_items, weight.coldness);
        let others = self
            .weigh(cx.now, false)
            .filter(|weight| weight.class != class);
        if let Some(richest) = others.max_by_key(most) {
            if richest.pages > 0 {
                self.start_move(richest.class, Some(class));
            }
        }
        for _ in 0..MOVE_STEPS {
            if !self.step_move(cx) {
                return;
            }
            P::relax();
        }
    }

    /// Sees once a second whether a page would do more good elsewhere: where
    /// most had to go, if another class has chunks that nobody needs, or keeps
    /// what nobody has asked for in a much longer time.
    pub(super) fn balance(&self, now: Now) {
        let mut needy: Option<Weight> = None;
        for weight in self.weigh(now, true) {
            let most = needy.as_ref().map_or(0, |needy| needy.lost);
            if weight.lost > most {
                needy = Some(weight);
            }
        }
        let to = if self.heads_wanted.swap(false, Ordering::Relaxed) {
            None
        } else if let Some(needy) = &needy {
            Some(needy)
        } else {
            return;
        };
        let older = to.map_or(0, |needy| {
            needy
                .coldness
                .saturating_add(needy.coldness / 4)
                .saturating_add(4)
        });
        let others = self
            .weigh(now, false)
            .filter(|weight| to.is_none_or(|needy| needy.class != weight.class))
            .filter(|weight| weight.has_spare_page || weight.coldness > older && weight.pages > 1);
        if let Some(from) = others.max_by_key(|weight| (weight.has_spare_page, weight.coldness)) {
            self.start_move(from.class, to.map(|needy| needy.class));
        }
    }

    /// Looks at all classes, one after the other. With `anew`, losses are
    /// counted from now on.
    fn weigh(&self, now: Now, anew: bool) -> impl Iterator<Item = Weight> + '_ {
        self.classes.iter().map(move |class| {
            let class = &mut *class.lock();
            let lost = class.lost;
            if anew {
                class.lost = 0;
            }
            Weight {
                class: class.index,
                pages: class.pages,
                lost,
                coldness: class.coldness(&self.arena, now),
                has_items: class.items() != [0; 3],
                has_spare_page: class.has_spare_page(),
            }
        })
    }
}
