// SPDX-License-Identifier: GPL-2.0-only
//! Pages on their way from class to class, a few chunks at a time.
//!
//! One page moves at a time. Whoever sees [`Kv::moving`] may do a step of it,
//! and stores do; its state is in the class that loses the page, under that
//! class's lock. An item is moved under its shard's lock as well, and put into the
//! shard of its new chunk after that. The class that gets the page is locked after that, not inside.

use core::sync::atomic::Ordering;

use super::chain::{text_room, Spare};
use super::evict::Stays;
use super::header::Place;
use super::item::Item;
use super::order::Order;
use super::shard::{of_class, Shard};
use super::stripe::{StripeLock, WriteStripe};
use super::table::Stripe;
use super::value::ClassUsage;
use super::{Class, Kv};
use crate::limits::{MOVE_BYTES, MOVE_CHUNKS, MOVE_IDLE, MOVE_PATIENCE, MOVE_STEPS, PAGE_TRIES};
use crate::{Context, Now, Platform};

/// An item in its new chunk, which is in the table but not in the order of use.
struct Moved<'a, P: Platform> {
    new: Item,
    place: Place,
    _stripe: WriteStripe<'a, P>,
}

/// What has come of a look at the page that is moving.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// No page is moving, or none any more.
    None,
    /// There is less in it than before.
    On,
    /// All that was looked at is in use.
    Idle,
}

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
            if let Some(page) = self.worst_page(class) {
                class.start_draining(&self.arena, &self.layout, page, to);
                return;
            }
        }
        self.moving.store(0, Ordering::Release);
    }

    /// Looks at some chunks of the page that is moving, if one is. No stripe is locked
    /// by the caller.
    pub(super) fn step_move(&self, cx: &Context<'_>) -> Step {
        // A hint: the class's lock says whether it is still so.
        let word = self.moving.load(Ordering::Relaxed);
        let from = word.checked_sub(1).and_then(|from| u8::try_from(from).ok());
        let Some(class) = from.and_then(|from| self.class(from)) else {
            return Step::None;
        };
        let mut class = class.lock();
        self.free_reserves(&mut class);
        let before = class.draining.map_or(0, |draining| draining.left);
        let chunks = MOVE_BYTES.checked_div(class.chunk_size).unwrap_or(0);
        for _ in 0..chunks.clamp(1, MOVE_CHUNKS) {
            self.drain_next(&mut class, cx);
            if class.stop_draining(&self.arena, &self.layout) {
                drop(class);
                self.moving.store(0, Ordering::Release);
                return Step::None;
            }
        }
        let done = match class.draining {
            Some(draining) if draining.left == 0 => draining,
            Some(draining) if draining.given_up || draining.left < before => return Step::On,
            // Without a page it is on its way to who gets it.
            _ => return Step::Idle,
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
        Step::None
    }

    /// Empties the next chunk of the page that a class is losing, if that can
    /// be done without waiting.
    fn drain_next(&self, class: &mut Class, cx: &Context<'_>) {
        let Some(chunk) = class.next_to_drain(&self.layout) else {
            return;
        };
        match self.arena.place(chunk) {
            Place::Free => class.drain(&self.arena, &self.layout, chunk),
            Place::Hot | Place::Warm | Place::Cold => self.clear(class, chunk, chunk, cx),
            Place::Piece => {
                if let Some(item) = self.arena.owner(chunk) {
                    self.clear(class, item, chunk, cx);
                }
            }
            Place::Left => class.wait_for_pin(),
            Place::Held | Place::Drained => {}
        }
    }

    /// Moves what an item has in a chunk of its class, or lets the item go.
    fn clear(&self, class: &mut Class, item: Item, chunk: Item, cx: &Context<'_>) {
        let Some(Shard(lock)) = self.shard_of(class.index, item) else {
            return;
        };
        let mut shard = lock.lock();
        match self.arena.place_to_read(item) {
            // It can be found, and its key read: whoever takes it out of the
            // table has to wait for the shard then.
            place if place.is_listed() => {}
            Place::Left => return class.wait_for_pin(),
            _ => return,
        }
        let Some(order) = of_class::<P>(&mut shard, class.index) else {
            return;
        };
        if let Some(moved) = self.rescue(class, order, item, chunk) {
            drop(shard);
            return self.settle(class, moved);
        }
        match self.evict(order, class.index, item, None, cx) {
            Ok(()) => {
                order.take_out(&self.arena, item);
                class.free_pieces(&self.arena, &self.layout, item);
                class.put(&self.arena, &self.layout, item);
            }
            Err(Stays::Pinned) => class.wait_for_pin(),
            Err(Stays::Stripe(_)) => {}
        }
    }

    /// Moves what an item has in a chunk to one of another page, if its class
    /// has one to spare, and frees the chunk.
    fn rescue(
        &self,
        class: &mut Class,
        order: &mut Order,
        item: Item,
        chunk: Item,
    ) -> Option<Option<Moved<'_, P>>> {
        // It is in a segment, and its shard locked: nobody fills its chunk.
        let hash = self.hash(self.arena.key(item));
        let stripe = self.stripes.get(self.stripe_of(hash));
        let mut stripe = stripe.and_then(StripeLock::try_write)?;
        let has_pieces = self.arena.link(item, class.chunk_size).is_some();
        if has_pieces && self.is_pinned(item) {
            return None;
        }
        let new = class.take(&self.arena, &self.layout)?;
        if self.layout.page_of(new) == self.layout.page_of(chunk) {
            class.put(&self.arena, &self.layout, new);
            return None;
        }
        if chunk != item {
            self.move_piece(class, item, chunk, new);
            return Some(None);
        }
        let place = self.arena.place(item);
        self.move_item(&mut stripe.stripe(), hash, class, item, new);
        order.remove(&self.arena, item);
        class.release(&self.arena, &self.layout, item);
        Some(Some(Moved {
            new,
            place,
            _stripe: stripe,
        }))
    }

    /// Puts an item that has been moved into the order of use. Its stripe was locked
    /// all the time.
    fn settle(&self, class: &Class, moved: Option<Moved<'_, P>>) {
        let Some(moved) = moved else { return };
        if let Some(Shard(lock)) = self.shard_of(class.index, moved.new) {
            if let Some(order) = of_class::<P>(&mut lock.lock(), class.index) {
                order.insert_at(&self.arena, moved.new, moved.place);
            }
        }
    }

    /// Puts what is in an item into another chunk, which is held. If it has pieces, it
    /// is not pinned.
    fn move_item(&self, stripe: &mut Stripe<'_>, hash: u64, class: &Class, item: Item, new: Item) {
        let (arena, size) = (&self.arena, class.chunk_size);
        arena.copy(item, new, self.first_len(item));
        stripe.unlink(arena, &self.layout, hash, item);
        stripe.link(arena, &self.layout, hash, new, arena.size(new));
        arena.set_link(new, size, arena.link(item, size));
        arena.set_link(item, size, None);
        for piece in arena.chain(new, size) {
            arena.set_owner(piece, new);
        }
    }

    /// Puts a piece of an item that is not pinned into another chunk, which is
    /// held.
    fn move_piece(&self, class: &mut Class, item: Item, piece: Item, new: Item) {
        let (arena, size) = (&self.arena, class.chunk_size);
        let mut before = item;
        while let Some(next) = arena.link(before, size).filter(|next| *next != piece) {
            before = next;
        }
        arena.copy(piece, new, text_room(size));
        arena.set_owner(new, item);
        arena.set_link(new, size, arena.link(piece, size));
        arena.set_link(before, size, Some(new));
        arena.set_link(piece, size, None);
        arena.set_place(new, Place::Piece);
        class.put(arena, &self.layout, piece);
    }

    /// Waits, with nothing locked but the gate, until a page has come to a class that had
    /// nothing to give; or not, if there is too much in the way.
    pub(super) fn fetch_page(&self, class: u8, spare: &mut Spare, cx: &Context<'_>) {
        let most = |weight: &Weight| (weight.pages, weight.has_items, weight.coldness);
        let others = self
            .weigh(cx.now, false)
            .filter(|weight| weight.class != class);
        if let Some(richest) = others.max_by_key(most) {
            if richest.pages > 0 {
                self.start_move(richest.class, Some(class));
            }
        }
        let mut idle = 0usize;
        for _ in 0..MOVE_STEPS {
            match self.step_move(cx) {
                Step::None => return,
                Step::On => continue,
                Step::Idle => idle = idle.saturating_add(1),
            }
            if idle >= MOVE_IDLE {
                return;
            }
            // Somebody has chunks of it in hand, or their stripes, unless they are pinned.
            if idle % MOVE_PATIENCE == 0 {
                self.return_moving(spare);
                self.wait_for_all();
                P::relax(0);
            }
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
            let mut lost = class.lost;
            if anew {
                class.lost = 0;
            }
            let mut usage = ClassUsage::default();
            if class.pages > 0 {
                self.each_order(class.index, |order| {
                    lost = lost.saturating_add(order.lost(anew));
                    order.add_to(&mut usage, &self.arena, now);
                });
            }
            let [hot, _, cold] = usage.ages;
            Weight {
                class: class.index,
                pages: class.pages,
                lost,
                // For how long the next to go has not been used.
                coldness: match usage.items {
                    [_, _, 0] => hot,
                    _ => cold,
                },
                has_items: usage.items != [0; 3],
                has_spare_page: class.has_spare_page(),
            }
        })
    }

    /// A page that a class can better give away than another: one that is not cut, one
    /// with free chunks if those are many, or the one with the oldest item of a shard.
    fn worst_page(&self, class: &mut Class) -> Option<usize> {
        if let Some(page) = class.uncut {
            return Some(page);
        }
        let avoid = class.avoid.take();
        let page = |oldest: Option<Item>| {
            let first = core::iter::successors(oldest, |item| self.arena.younger(*item));
            let mut pages = first.take(PAGE_TRIES).map(|item| self.layout.page_of(item));
            pages.find(|page| avoid != Some(*page))
        };
        let free = page(class.free.oldest());
        if free.is_some() && class.has_spare_page() {
            return free;
        }
        let places = [Place::Cold, Place::Hot, Place::Warm];
        let mut found = [None; 3];
        self.each_order(class.index, |order| {
            for (found, place) in found.iter_mut().zip(places) {
                *found = found.or_else(|| page(order.oldest(place)));
            }
        });
        let used = found.into_iter().flatten().next();
        used.or(free)
            .or_else(|| class.fresh.map(|fresh| fresh.page))
    }
}
