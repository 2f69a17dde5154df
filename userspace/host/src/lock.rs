// SPDX-License-Identifier: GPL-2.0-only
//! Locks. Those of every store and removal are held for less than it takes to go to sleep, and
//! are of the kind that a kernel has for that: one atomic operation to take them, a plain
//! store to let them go, and who waits tries again. As holders can lose their CPU here,
//! who waits gives up his own after some tries.

use std::hint;
use std::thread;

use kv::{NoMemory, RawRwLock, RawSpinLock};
use parking_lot::lock_api::{RawMutex, RawRwLock as _};
use spinning_top::relax::Relax;
use spinning_top::RawSpinlock;

/// How often who waits for a spin lock has tried in vain.
#[derive(Default)]
pub struct Patience(u32);

/// After so many tries, some microseconds, who has the lock may have lost his CPU.
const TRIES: u32 = 100;

impl Relax for Patience {
    fn relax(&mut self) {
        self.0 = self.0.saturating_add(1);
        match self.0 {
            ..TRIES => hint::spin_loop(),
            _ => thread::yield_now(),
        }
    }
}

/// The lock of a stripe. The only stripe has one that readers share; one of many, among which they
/// hardly meet, one that costs half.
pub struct StripeLock(Kind);

enum Kind {
    Shared(parking_lot::RawRwLock),
    Sole(RawSpinlock<Patience>),
}

// SAFETY: both locks exclude, acquire and release as asked.
unsafe impl RawRwLock for StripeLock {
    fn is_cheap() -> bool {
        true
    }

    fn new(is_only: bool) -> Result<Self, NoMemory> {
        Ok(Self(match is_only {
            true => Kind::Shared(parking_lot::RawRwLock::INIT),
            false => Kind::Sole(RawSpinlock::INIT),
        }))
    }

    fn read_lock(&self) {
        match &self.0 {
            Kind::Shared(lock) => lock.lock_shared(),
            Kind::Sole(lock) => lock.lock(),
        }
    }

    unsafe fn read_unlock(&self) {
        match &self.0 {
            // SAFETY: the caller has a shared hold.
            Kind::Shared(lock) => unsafe { lock.unlock_shared() },
            // SAFETY: the caller has the hold.
            Kind::Sole(lock) => unsafe { lock.unlock() },
        }
    }

    fn write_lock(&self) {
        match &self.0 {
            Kind::Shared(lock) => lock.lock_exclusive(),
            Kind::Sole(lock) => lock.lock(),
        }
    }

    fn try_write_lock(&self) -> bool {
        match &self.0 {
            Kind::Shared(lock) => lock.try_lock_exclusive(),
            Kind::Sole(lock) => lock.try_lock(),
        }
    }

    unsafe fn write_unlock(&self) {
        match &self.0 {
            // SAFETY: the caller has the exclusive hold.
            Kind::Shared(lock) => unsafe { lock.unlock_exclusive() },
            // SAFETY: the caller has the hold.
            Kind::Sole(lock) => unsafe { lock.unlock() },
        }
    }
}

/// A lock with one holder.
pub struct Exclusive<R>(R);

/// The lock of a shard.
pub type ShardLock = Exclusive<RawSpinlock<Patience>>;

/// The lock of a class; and the gate, in front of which somebody may wait for long.
pub type Lock = Exclusive<parking_lot::RawMutex>;

// SAFETY: a `RawMutex` excludes, acquires and releases as asked.
unsafe impl<R: RawMutex + Send + Sync> RawSpinLock for Exclusive<R> {
    fn new() -> Result<Self, NoMemory> {
        Ok(Self(R::INIT))
    }

    fn lock(&self) {
        self.0.lock();
    }

    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    unsafe fn unlock(&self) {
        // SAFETY: the caller has the hold.
        unsafe { self.0.unlock() }
    }
}
