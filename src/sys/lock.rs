// SPDX-License-Identifier: GPL-2.0-only
//! The locks of the store: `rwlock_t` and `spinlock_t`.
//!
//! Whoever takes them has bottom halves off, so that a softirq on the same CPU
//! never waits for a lock its own CPU holds (`doc/datapath.md`).

use super::bindings;
use kernel::{prelude::*, types::Opaque};
use kv::{NoMemory, RawRwLock, RawSpinLock};

/// A lock on a cache line of its own, so that waiting for one does not slow another.
#[repr(align(64))]
struct Line<T>(Opaque<T>);

/// A reader-writer lock.
///
/// # Invariants
///
/// The `rwlock_t` is initialised and stays where it is: it is on the heap.
pub(crate) struct RwLock(KBox<Line<bindings::rwlock_t>>);

// SAFETY: The lock serialises all access to itself.
unsafe impl Send for RwLock {}
// SAFETY: As above.
unsafe impl Sync for RwLock {}

// SAFETY: A write lock of `rwlock_t` excludes every other holder, a read lock every writer, and
// both acquire on lock and release on unlock.
unsafe impl RawRwLock for RwLock {
    const BESIDE: usize = size_of::<Line<bindings::rwlock_t>>().next_power_of_two();

    fn new(_is_only: bool) -> Result<Self, NoMemory> {
        let lock = KBox::new(Line(Opaque::zeroed()), GFP_KERNEL).map_err(|_| NoMemory)?;
        // SAFETY: The memory is valid, and nobody else knows it yet.
        unsafe { bindings::ub_rwlock_init(lock.0.get()) };
        // INVARIANT: Just initialised, on the heap.
        Ok(Self(lock))
    }

    fn read_lock(&self) {
        // SAFETY: Initialised by the type invariant.
        unsafe { bindings::ub_rwlock_read_lock(self.0 .0.get()) }
    }

    unsafe fn read_unlock(&self) {
        // SAFETY: The caller holds a read lock.
        unsafe { bindings::ub_rwlock_read_unlock(self.0 .0.get()) }
    }

    fn write_lock(&self) {
        // SAFETY: Initialised by the type invariant.
        unsafe { bindings::ub_rwlock_write_lock(self.0 .0.get()) }
    }

    fn try_write_lock(&self) -> bool {
        // SAFETY: Initialised by the type invariant.
        unsafe { bindings::ub_rwlock_write_trylock(self.0 .0.get()) }
    }

    unsafe fn write_unlock(&self) {
        // SAFETY: The caller holds the write lock.
        unsafe { bindings::ub_rwlock_write_unlock(self.0 .0.get()) }
    }
}

/// A spin lock.
///
/// # Invariants
///
/// The `spinlock_t` is initialised and stays where it is: it is on the heap.
pub(crate) struct SpinLock(KBox<Line<bindings::spinlock_t>>);

// SAFETY: The lock serialises all access to itself.
unsafe impl Send for SpinLock {}
// SAFETY: As above.
unsafe impl Sync for SpinLock {}

// SAFETY: `spinlock_t` has at most one holder; it acquires on lock and releases on unlock.
unsafe impl RawSpinLock for SpinLock {
    const BESIDE: usize = size_of::<Line<bindings::spinlock_t>>().next_power_of_two();

    fn new() -> Result<Self, NoMemory> {
        let lock = KBox::new(Line(Opaque::zeroed()), GFP_KERNEL).map_err(|_| NoMemory)?;
        // SAFETY: The memory is valid, and nobody else knows it yet.
        unsafe { bindings::ub_spinlock_init(lock.0.get()) };
        // INVARIANT: Just initialised, on the heap.
        Ok(Self(lock))
    }

    fn lock(&self) {
        // SAFETY: Initialised by the type invariant.
        unsafe { bindings::ub_spinlock_lock(self.0 .0.get()) }
    }

    fn try_lock(&self) -> bool {
        // SAFETY: Initialised by the type invariant.
        unsafe { bindings::ub_spinlock_trylock(self.0 .0.get()) }
    }

    unsafe fn unlock(&self) {
        // SAFETY: The caller holds the lock.
        unsafe { bindings::ub_spinlock_unlock(self.0 .0.get()) }
    }
}

/// A spin lock of another lockdep class.
pub(crate) struct OtherLock<const OUTER: bool>(SpinLock);

/// May be taken inside of a [`SpinLock`].
pub(crate) type OrderLock = OtherLock<false>;

/// May be held while any other lock of the store is taken.
pub(crate) type GateLock = OtherLock<true>;

// SAFETY: That of the lock inside.
unsafe impl<const OUTER: bool> RawSpinLock for OtherLock<OUTER> {
    const BESIDE: usize = <SpinLock as RawSpinLock>::BESIDE;

    fn new() -> Result<Self, NoMemory> {
        let lock = <SpinLock as RawSpinLock>::new()?;
        let raw = lock.0 .0.get();
        // SAFETY: Initialised by the type invariant, and nobody else knows it yet. That is done
        // once more, and takes nothing that would have to be given back.
        unsafe {
            match OUTER {
                true => bindings::ub_spinlock_init_outer(raw),
                false => bindings::ub_spinlock_init_inner(raw),
            }
        }
        Ok(Self(lock))
    }

    fn lock(&self) {
        self.0.lock();
    }

    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }

    unsafe fn unlock(&self) {
        // SAFETY: The caller holds the lock.
        unsafe { self.0.unlock() }
    }
}
