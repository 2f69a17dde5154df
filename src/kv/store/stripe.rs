// SPDX-License-Identifier: GPL-2.0-only
//! A stripe of the table behind its lock, and beside that its version, for who looks
//! without it.
//!
//! Who has a stripe for writing says so in its version first, and makes that another at last.
//! Who looks without the lock ([`super::glance`]) reads it before and after: if nobody had the
//! stripe for writing, and it is the same, then nothing was changed meanwhile that belongs to
//! the stripe. Else what was seen is thrown away, and looked at once more with the lock. (A
//! sequence lock; for the orders see H.-J. Boehm, "Can seqlocks get along with programming
//! language memory models?", MSPC 2012, figure 6.)
//!
//! Who has looked at an item like that notes that it is used. The chunk may be another item's
//! by then, or no item's, so that is done while the version says that somebody marks
//! something: it is made to say so only if it is still the same, and who has the stripe for
//! writing begins when it does not say so any more, some instructions later. Where the lock
//! [costs less](RawRwLock::is_cheap) than that, who marks something has the lock for it, if
//! nobody else has, and there are no such versions.

use super::arena::Arena;
use super::chains::Chains;
use super::glance::{Glance, Text, Unsure};
use super::item::Item;
use super::layout::Layout;
use super::table::{Counts, Stripe};
use crate::atomic::{fence, AtomicU32, Ordering};
use crate::platform::{Memory, RawRwLock, ReadGuard, RwLock, WriteGuard};
use crate::{NoMemory, Platform};

/// A stripe. Who locks wants the rest too: they share a cache line, where they fit into one.
#[repr(align(64))]
pub(super) struct StripeLock<P: Platform> {
    lock: RwLock<P::RwLock, Counts>,
    version: Version,
    chains: Chains,
}

impl<P: Platform> StripeLock<P> {
    /// Number `index` of two to the power of `shift`, empty.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] when the host cannot make another lock.
    pub(super) fn new(index: usize, shift: u32, layout: &Layout) -> Result<Self, NoMemory> {
        let chains = Chains::new(index, shift);
        let counts = Counts::new(&chains, index, layout);
        Ok(Self {
            lock: RwLock::new(shift == 0, counts)?,
            version: Version::new(always_changes(shift)),
            chains,
        })
    }

    /// Waits until nobody has the stripe for writing.
    #[inline(always)]
    pub(super) fn read(&self) -> ReadStripe<'_, P> {
        ReadStripe {
            counts: self.lock.read(),
            chains: &self.chains,
        }
    }

    /// Waits until nobody has the stripe.
    #[inline(always)]
    pub(super) fn write(&self) -> WriteStripe<'_, P> {
        WriteStripe::new(self, self.lock.write())
    }

    /// The stripe for writing, if nobody has it.
    #[inline(always)]
    pub(super) fn try_write(&self) -> Option<WriteStripe<'_, P>> {
        let counts = self.lock.try_write()?;
        Some(WriteStripe::new(self, counts))
    }

    /// Which version this is, for who looks without the lock; nothing while it changes.
    #[inline(always)]
    pub(super) fn version(&self) -> Option<u32> {
        self.version.read()
    }

    /// Whether nothing has changed since that version.
    #[inline(always)]
    pub(super) fn is_still(&self, version: u32) -> bool {
        self.version.is_still(version)
    }

    /// To note that an item is used, if [it is still](Self::is_still) that version, and
    /// nobody else notes something. Waits for nobody.
    #[inline(always)]
    pub(super) fn mark(&self, version: u32) -> Option<Marking<'_, P>> {
        if P::RwLock::is_cheap() {
            let _lock = self.lock.try_write()?;
            // Nobody changes anything now; somebody may have.
            return self.is_still(version).then_some(Marking::Locked { _lock });
        }
        let said = self.version.mark(version);
        said.map(|_said| Marking::Said { _said })
    }

    /// As [`Chains::glance`]: to be believed if [it is still](Self::is_still) the version
    /// that it was before.
    #[inline(always)]
    pub(super) fn glance<'a, M: Memory>(
        &self,
        arena: &'a Arena<M>,
        layout: &Layout,
        hash: u64,
        key: &[u8],
        fetch_long: impl Fn(Item),
    ) -> Result<Option<(Glance<'a>, Text<'a>)>, Unsure> {
        self.chains.glance(arena, layout, hash, key, fetch_long)
    }
}

/// A stripe that is locked for reading.
pub(super) struct ReadStripe<'a, P: Platform> {
    pub(super) counts: ReadGuard<'a, P::RwLock, Counts>,
    pub(super) chains: &'a Chains,
}

/// A stripe that is locked for writing. Its version says so meanwhile.
pub(super) struct WriteStripe<'a, P: Platform> {
    counts: WriteGuard<'a, P::RwLock, Counts>,
    chains: &'a Chains,
    version: &'a Version,
}

impl<'a, P: Platform> WriteStripe<'a, P> {
    #[inline(always)]
    fn new(lock: &'a StripeLock<P>, counts: WriteGuard<'a, P::RwLock, Counts>) -> Self {
        lock.version.begin::<P>();
        Self {
            counts,
            chains: &lock.chains,
            version: &lock.version,
        }
    }

    /// What can be changed.
    #[inline(always)]
    pub(super) fn stripe(&mut self) -> Stripe<'_> {
        Stripe {
            chains: self.chains,
            counts: &mut self.counts,
        }
    }
}

impl<P: Platform> Drop for WriteStripe<'_, P> {
    #[inline(always)]
    fn drop(&mut self) {
        // Before the lock is let go, as fields go after this.
        self.version.end(always_changes(self.chains.shift()));
    }
}

/// How often a stripe was changed, times four; and whether it is being changed, or one of its
/// items marked. It comes around after a thousand million changes: so many there are in no
/// moment in which somebody looks.
#[derive(Debug)]
struct Version {
    count: AtomicU32,
}

/// With one stripe, of which there are two to the power of `shift`, this is the plain table, in
/// which everybody takes the lock.
#[inline(always)]
fn always_changes(shift: u32) -> bool {
    shift == 0
}

/// Somebody has the stripe for writing.
const CHANGING: u32 = 1;
/// Somebody is marking an item, without the lock.
const MARKING: u32 = 2;

impl Version {
    /// One that always says that it is being changed, if that is asked for.
    fn new(always: bool) -> Self {
        let count = if always { CHANGING } else { 0 };
        Self {
            count: AtomicU32::new(count),
        }
    }

    #[inline(always)]
    fn read(&self) -> Option<u32> {
        // Acquire: what was changed before can be seen. Pairs with `end`.
        let version = self.load(Ordering::Acquire);
        (version & (CHANGING | MARKING) == 0).then_some(version)
    }

    #[inline(always)]
    fn is_still(&self, version: u32) -> bool {
        // Whoever has seen anything of a later change sees that it had begun. Pairs with
        // the fence in `begin`, and with `chunk_changes_hands`.
        fence(Ordering::Acquire);
        self.load(Ordering::Relaxed) == version
    }

    /// By who has the lock exclusively, as [`Version::end`].
    #[inline(always)]
    fn begin<P: Platform>(&self) {
        if P::RwLock::is_cheap() {
            self.begin_alone();
            return fence(Ordering::Release);
        }
        self.count.fetch_or(CHANGING, Ordering::Relaxed);
        // Acquire: marks come before changes. Pairs with `mark`.
        let mut tries = 0usize;
        while self.load(Ordering::Acquire) & MARKING != 0 {
            P::relax(tries);
            tries = tries.saturating_add(1);
        }
        fence(Ordering::Release);
    }

    #[inline(always)]
    fn end(&self, always: bool) {
        let version = self.count.load(Ordering::Relaxed);
        // `CHANGING` is there: with one less than four it goes.
        let next = version.wrapping_add(3).wrapping_add(always.into());
        // Release: pairs with `read`, and with `mark`.
        self.count.store(next, Ordering::Release);
    }

    /// A time in which nobody changes anything, if nobody has since that version, nor marks
    /// something now.
    #[inline(always)]
    fn mark(&self, version: u32) -> Option<Said<'_>> {
        let marking = version | MARKING;
        // Acquire: marks come after what has been changed. Pairs with `end`.
        self.count
            .compare_exchange(version, marking, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then_some(Said(self))
    }

    #[cfg(not(feature = "loom"))]
    #[inline(always)]
    fn load(&self, order: Ordering) -> u32 {
        self.count.load(order)
    }

    /// As [`Version::begin`], where nobody else writes it meanwhile.
    #[cfg(not(feature = "loom"))]
    #[inline(always)]
    fn begin_alone(&self) {
        let version = self.count.load(Ordering::Relaxed);
        self.count.store(version | CHANGING, Ordering::Relaxed);
    }

    /// A store would be to loom as if at any time since the last.
    #[cfg(feature = "loom")]
    fn begin_alone(&self) {
        self.count.fetch_or(CHANGING, Ordering::Relaxed);
    }

    /// Loom knows nothing of what is read between the two: that is always the newest there,
    /// and so the version has to be.
    #[cfg(feature = "loom")]
    fn load(&self, _order: Ordering) -> u32 {
        self.count.fetch_add(0, Ordering::AcqRel)
    }
}

/// Nobody changes anything of a stripe while there is this.
pub(super) enum Marking<'a, P: Platform> {
    /// Its version says so.
    Said { _said: Said<'a> },
    /// It is locked.
    Locked {
        _lock: WriteGuard<'a, P::RwLock, Counts>,
    },
}

/// A version that says that something is marked, for as long as there is this.
pub(super) struct Said<'a>(&'a Version);

impl Drop for Said<'_> {
    #[inline(always)]
    fn drop(&mut self) {
        // Release: pairs with `begin`.
        self.0.count.fetch_and(!MARKING, Ordering::Release);
    }
}

/// A chunk that may have been an item's is somebody's from now on, who will write there:
/// whoever sees that without a lock sees as well that the stripe of the item has changed,
/// which this thread knows by way of whoever had the chunk before. Pairs with the fence of
/// [`StripeLock::is_still`].
#[inline(always)]
pub(super) fn chunk_changes_hands() {
    fence(Ordering::Release);
}
