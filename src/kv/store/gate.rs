// SPDX-License-Identifier: GPL-2.0-only
//! Who is short of chunks: one at a time.
//!
//! A large item takes several chunks, and several who store such may each have in hand
//! what the others wait for; or one waits for a page to be emptied that cannot be while
//! somebody who waits too has chunks of it. So nobody waits with chunks in hand, but
//! one: whoever has not got enough gives all back before the stripe is let go, and
//! passes the *gate*, a lock outside of all others. Who is inside keeps what there is
//! in hand, which only grows, apart from what lies in a page that is to be emptied
//! ([`Kv::return_moving`]). All others have chunks in hand only while they have a
//! stripe, where nobody waits for chunks: once each stripe has been had
//! ([`Kv::wait_for_all`]), what they had is in an item, which may go, or free. So who
//! is inside waits for nobody who waits for it, and is refused only if a hundred
//! tries found nothing that may go, as where what there is is pinned.
//!
//! Who finds a chunk at once, as nearly all do, knows nothing of this.

use super::chain::Spare;
use super::evict::Busy;
use super::stripe::StripeLock;
use super::Kv;
use crate::limits::STRIPE_TRIES;
use crate::platform::SpinGuard;
use crate::{Context, Platform};

/// What somebody has who stores: chunks in hand, and perhaps the gate.
pub(super) struct Hands<'a, P: Platform> {
    kv: &'a Kv<P>,
    /// Let go before the gate is.
    pub(super) spare: Spare,
    gate: Option<SpinGuard<'a, P::GateLock, ()>>,
}

impl<'a, P: Platform> Hands<'a, P> {
    pub(super) fn new(kv: &'a Kv<P>) -> Self {
        Self {
            kv,
            spare: Spare::default(),
            gate: None,
        }
    }

    /// After a change that could not be made, for the so-many-th time in a row: waits
    /// for what was wanting. Nothing is locked by the caller, but perhaps the gate.
    #[cold]
    pub(super) fn wait(&mut self, class: u8, busy: Busy, tries: usize, cx: &Context<'_>) {
        let inside = self.gate.is_some();
        match busy {
            // Whoever has it is done with it soon.
            Busy::Stripe(stripe) => {
                let stripe = self.kv.stripes.get(stripe as usize);
                drop(stripe.map(StripeLock::write));
            }
            Busy::Class if inside => {
                return self.kv.make_room(class, &mut self.spare, tries, cx);
            }
            Busy::Class => {}
        }
        if !inside && (busy == Busy::Class || tries >= STRIPE_TRIES) {
            self.gate = Some(self.kv.gate.lock());
            self.spare.keep();
        }
    }
}

impl<P: Platform> Drop for Hands<'_, P> {
    #[inline]
    fn drop(&mut self) {
        self.kv.release_spare(&mut self.spare);
    }
}

impl<P: Platform> Kv<P> {
    /// Sees that a class has a chunk that is not used, and takes it in hand. The caller
    /// has the gate.
    fn make_room(&self, class: u8, spare: &mut Spare, tries: usize, cx: &Context<'_>) {
        if self.take_spare(class, spare) {
            return;
        }
        self.fetch_page(class, spare, cx);
        // Before somebody else takes it.
        if !self.take_spare(class, spare) {
            self.wait_for_all();
            P::relax(tries);
        }
    }

    /// Waits until everybody is done who has a stripe now, and perhaps a chunk
    /// in hand.
    pub(super) fn wait_for_all(&self) {
        for stripe in self.stripes.iter() {
            drop(stripe.write());
        }
    }

    /// Gives back what lies in the page that is moving: who waits for that to be empty
    /// would wait for itself.
    pub(super) fn return_moving(&self, spare: &mut Spare) {
        let draining = self
            .class(spare.class())
            .and_then(|class| class.lock().draining);
        if let Some(draining) = draining {
            spare.retain(
                &self.arena,
                |item| self.layout.page_of(item) != draining.page,
                |item| self.release(item),
            );
        }
    }
}
