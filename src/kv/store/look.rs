// SPDX-License-Identifier: GPL-2.0-only
//! Looking for an item: without a lock where that will do, and with it.

use super::chains::Found;
use super::glance::{Glance, Text, Unsure};
use super::item::{Item, LINE};
use super::life::Life;
use super::segment::Segment;
use super::stripe::{ReadStripe, StripeLock};
use super::value::{Look, Lookup, Value};
use super::Kv;
use crate::copy::{copy_from, Source};
use crate::{Context, Now, Platform};

/// An item that has been found. Nobody changes it meanwhile: to be copied, and
/// nothing else.
pub(crate) struct Held<'a, P: Platform> {
    kv: &'a Kv<P>,
    found: Found<'a>,
    key_len: usize,
    now: Now,
    _stripe: ReadStripe<'a, P>,
}

impl<P: Platform> Held<'_, P> {
    /// Its text, if that is all in one piece.
    #[inline(always)]
    pub(crate) fn whole_text(&self) -> Option<&[u8]> {
        let text = self.found.text;
        (!text.is_empty()).then_some(text)
    }

    /// Notes that it is used.
    #[inline(always)]
    pub(crate) fn use_it(&self) {
        self.found.header.set_used(self.now.0);
    }

    /// Where it is.
    #[inline(always)]
    pub(crate) fn segment(&self) -> Segment {
        self.kv.segment(self.found.item, self.found.header)
    }

    #[inline(always)]
    pub(crate) fn value(&self) -> Value<'_> {
        let Found { item, header, .. } = self.found;
        match self.whole_text() {
            None => self.kv.value_of(item, header, self.key_len, self.now),
            Some(text) => Value {
                text,
                text_len: text.len(),
                head_len: header.head_len(self.key_len),
                key_len: self.key_len,
                item,
                header,
                now: self.now,
            },
        }
    }
}

/// What was there a moment ago, to be believed if it [settles](Self::settle).
pub(crate) enum Glimpse<'a, P: Platform> {
    /// An item that is all in one piece, to be copied.
    Item(Glimpsed<'a, P>),
    /// Why there is none: no [`Lookup::Hit`].
    Missed(Lookup<Segment>),
    /// It is being changed, or its text is of several pieces: [`Kv::look_up`] says more.
    Unsure,
}

/// An item that was there a moment ago.
pub(crate) struct Glimpsed<'a, P: Platform> {
    kv: &'a Kv<P>,
    stripe: &'a StripeLock<P>,
    version: u32,
    found: Glance<'a>,
    pub(crate) text: Text<'a>,
}

/// Where a [`Glimpsed`] is from,
pub(crate) struct Watched<'a, P: Platform>(&'a Kv<P>, &'a StripeLock<P>);

/// and what it is.
pub(crate) struct Seen<'a>(Glance<'a>);

impl<'a, P: Platform> Glimpsed<'a, P> {
    /// It in parts, with the version, each of which is passed in registers.
    #[inline(always)]
    pub(crate) fn parts(self) -> (Watched<'a, P>, Seen<'a>, u32, Text<'a>) {
        let stripe = Watched(self.kv, self.stripe);
        (stripe, Seen(self.found), self.version, self.text)
    }

    /// It once more.
    #[inline(always)]
    pub(crate) fn from_parts(
        Watched(kv, stripe): Watched<'a, P>,
        Seen(found): Seen<'a>,
        version: u32,
        text: Text<'a>,
    ) -> Self {
        Self {
            kv,
            stripe,
            version,
            found,
            text,
        }
    }

    /// Where it is, to be believed as the text is.
    #[inline(always)]
    pub(crate) fn segment(&self) -> Segment {
        let class = self.kv.layout.glance_class(&self.kv.arena, self.found.item);
        Segment::of(class.unwrap_or(u8::MAX), self.found.shape())
    }

    /// The data in the text, without their CRLF.
    #[inline(always)]
    fn data(&self, key: &[u8]) -> Option<Text<'a>> {
        let shape = self.found.shape();
        self.text.part(shape.head_len(key.len()), shape.data_len())
    }

    /// Whether what was seen until now was so. The item, which has that key, counts as used then.
    #[inline(always)]
    pub(crate) fn settle<'k>(self, key: impl Fn() -> &'k [u8] + Copy, now: Now) -> bool {
        let Self {
            kv,
            stripe,
            version,
            found,
            text,
        } = self;
        let (used, shape, len) = (found.used_at(), found.shape(), text.len());
        if !stripe.is_still(version) {
            return false;
        }
        if used < now.0 || !shape.is_active() {
            match stripe.mark(version) {
                Some(_marking) => kv.arena.set_used(found.item, now.0),
                None => kv.note_use(key(), now),
            }
        }
        P::hit(move || kv.hasher.name(kv.hash(key())), move || len);
        true
    }
}

impl<P: Platform> Kv<P> {
    /// Lets `found` copy the item under `key`, if it is live. It counts as used
    /// then, unless this was only a peek.
    #[inline]
    pub fn get<R>(
        &self,
        key: &[u8],
        look: Look,
        cx: &Context<'_>,
        found: impl FnOnce(&Value<'_>) -> R,
    ) -> Lookup<R> {
        let found = self.get_if(key, look, cx, found, |_| true);
        found.map(|(found, _)| found)
    }

    /// As [`Kv::get`], but the item is used only if `done` says so of what was found:
    /// who comes back to look again, with more room for an answer, uses it once. Where
    /// the item is comes with it.
    pub(crate) fn get_if<R>(
        &self,
        key: &[u8],
        look: Look,
        cx: &Context<'_>,
        found: impl FnOnce(&Value<'_>) -> R,
        done: impl FnOnce(&R) -> bool,
    ) -> Lookup<(R, Segment)> {
        let hash = self.hasher.hash(key);
        match self.look_up(key, hash, cx.now) {
            Ok(item) => {
                let segment = item.segment();
                let found = found(&item.value());
                if look == Look::Use && done(&found) {
                    item.use_it();
                }
                Lookup::Hit((found, segment))
            }
            Err(missed) => missed,
        }
    }

    /// The live item under a key with that hash.
    ///
    /// # Errors
    ///
    /// Why there is none: no [`Lookup::Hit`].
    #[inline(always)]
    pub(crate) fn look_up<R>(
        &self,
        key: &[u8],
        hash: u64,
        now: Now,
    ) -> Result<Held<'_, P>, Lookup<R>> {
        let missed = |why| {
            P::miss(|| self.hasher.name(hash));
            Err(why)
        };
        let Some(stripe) = self.stripes.get(self.stripe_of(hash)) else {
            return missed(Lookup::Miss);
        };
        let stripe = stripe.read();
        let Some(found) = self.find(stripe.chains, hash, key) else {
            return missed(Lookup::Miss);
        };
        match self.life_of(found.header, now) {
            Life::Expired => return missed(Lookup::Expired),
            Life::Flushed => return missed(Lookup::Flushed),
            Life::Live => {}
        }
        let key_len = key.len();
        P::hit(|| self.hasher.name(hash), || found.header.text_len(key_len));
        Ok(Held {
            kv: self,
            found,
            key_len,
            now,
            _stripe: stripe,
        })
    }

    /// As [`Kv::look_up`], without a lock.
    #[inline(always)]
    pub(crate) fn glimpse(&self, key: &[u8], hash: u64, now: Now) -> Glimpse<'_, P> {
        // Somebody watches who does not know of this.
        if cfg!(watched_by = "valgrind") {
            return Glimpse::Unsure;
        }
        let Some(stripe) = self.stripes.get(self.stripe_of(hash)) else {
            return Glimpse::Unsure;
        };
        let Some(version) = stripe.version() else {
            return Glimpse::Unsure;
        };
        let fetch_long = |item| self.fetch_long_at_a_glance(item);
        let (found, text) = match stripe.glance(&self.arena, &self.layout, hash, key, fetch_long) {
            Ok(Some(found)) => found,
            Ok(None) => return self.missed(stripe, version, hash, Lookup::Miss),
            Err(Unsure) => return Glimpse::Unsure,
        };
        match self.life_at(found.used_at(), || found.expire(), now) {
            Life::Expired => return self.missed(stripe, version, hash, Lookup::Expired),
            Life::Flushed => return self.missed(stripe, version, hash, Lookup::Flushed),
            Life::Live => {}
        }
        Glimpse::Item(Glimpsed {
            kv: self,
            stripe,
            version,
            found,
            text,
        })
    }

    /// What to say of a key for which nothing was found.
    #[inline(always)]
    fn missed(
        &self,
        stripe: &StripeLock<P>,
        version: u32,
        hash: u64,
        why: Lookup<Segment>,
    ) -> Glimpse<'_, P> {
        if !stripe.is_still(version) {
            return Glimpse::Unsure;
        }
        P::miss(move || self.hasher.name(hash));
        Glimpse::Missed(why)
    }

    /// Notes that an item is used, of which it is not known any more where it is.
    #[cold]
    #[inline(never)]
    fn note_use(&self, key: &[u8], now: Now) {
        let hash = self.hash(key);
        let Some(lock) = self.stripes.get(self.stripe_of(hash)) else {
            return;
        };
        let stripe = lock.read();
        if let Some(found) = self.find(stripe.chains, hash, key) {
            found.header.set_used(now.0);
        }
    }

    #[inline(always)]
    fn fetch_long_at_a_glance(&self, item: Item) {
        if let Some(class) = self.layout.glance_class(&self.arena, item) {
            let len = self.size_of_class(class);
            self.arena.prefetch_rest::<{ 3 * LINE }>(item, len);
        }
    }

    /// Copies the data under `key` to the front of `to`, if they fit. How long they are,
    /// if there is a live item; it counts as used then.
    #[inline(always)]
    pub fn copy(&self, key: &[u8], now: Now, to: &mut [u8]) -> Lookup<usize> {
        match self.glimpse(key, self.hasher.hash(key), now) {
            Glimpse::Item(item) => {
                if let Some(data) = item.data(key) {
                    if copy_from(to, data).is_some() && item.settle(|| key, now) {
                        return Lookup::Hit(data.len());
                    }
                }
            }
            Glimpse::Missed(missed) => return missed.map(|_| 0),
            Glimpse::Unsure => {}
        }
        self.copy_locked(key, now, to)
    }

    #[inline(never)]
    fn copy_locked(&self, key: &[u8], now: Now, to: &mut [u8]) -> Lookup<usize> {
        let item = match self.look_up(key, self.hash(key), now) {
            Ok(item) => item,
            Err(missed) => return missed,
        };
        let value = item.value();
        if value.data_len() <= to.len() {
            let mut rest = to;
            for piece in self.data(&value) {
                let Some((front, behind)) = rest.split_at_mut_checked(piece.len()) else {
                    break;
                };
                front.copy_from_slice(piece);
                rest = behind;
            }
        }
        item.use_it();
        Lookup::Hit(value.data_len())
    }
}
