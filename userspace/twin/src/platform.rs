// SPDX-License-Identifier: GPL-2.0-only
//! What the core asks of its host: locks from `parking_lot`, memory from mmap.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use kv::{Memory, NoMemory, Platform, RawRwLock, RawSpinLock};
use nix::errno::Errno;
use nix::sys::mman::{mmap_anonymous, munmap, MapFlags, ProtFlags};
use parking_lot::lock_api::{RawMutex as _, RawRwLock as _};

/// A userspace process.
pub(crate) enum Userspace {}

impl Platform for Userspace {
    type RwLock = SharedLock;
    type SpinLock = Lock;
    type Memory = Region;
    type Array<T: Send + Sync> = Box<[T]>;

    fn array<T: Send + Sync>(
        len: usize,
        make: impl FnMut(usize) -> Result<T, NoMemory>,
    ) -> Result<Box<[T]>, NoMemory> {
        (0..len).map(make).collect()
    }

    fn relax() {
        std::thread::yield_now();
    }
}

/// The table's lock.
pub(crate) struct SharedLock(parking_lot::RawRwLock);

// SAFETY: `parking_lot`'s lock excludes, acquires and releases as asked.
unsafe impl RawRwLock for SharedLock {
    fn new() -> Result<Self, NoMemory> {
        Ok(Self(parking_lot::RawRwLock::INIT))
    }

    fn read_lock(&self) {
        self.0.lock_shared();
    }

    unsafe fn read_unlock(&self) {
        // SAFETY: the caller has a shared hold.
        unsafe { self.0.unlock_shared() }
    }

    fn write_lock(&self) {
        self.0.lock_exclusive();
    }

    fn try_write_lock(&self) -> bool {
        self.0.try_lock_exclusive()
    }

    unsafe fn write_unlock(&self) {
        // SAFETY: the caller has the exclusive hold.
        unsafe { self.0.unlock_exclusive() }
    }
}

/// A class's lock.
pub(crate) struct Lock(parking_lot::RawMutex);

// SAFETY: `parking_lot`'s lock excludes, acquires and releases as asked.
unsafe impl RawSpinLock for Lock {
    fn new() -> Result<Self, NoMemory> {
        Ok(Self(parking_lot::RawMutex::INIT))
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

/// A private anonymous mapping.
///
/// # Invariants
///
/// `base` is the start of a mapping of `len` bytes that nobody else knows of,
/// mapped until this is dropped.
pub(crate) struct Region {
    base: NonNull<u8>,
    len: NonZeroUsize,
}

impl Region {
    /// `len` zeroed bytes.
    pub(crate) fn new(len: usize) -> Result<Self, Errno> {
        let len = NonZeroUsize::new(len).ok_or(Errno::EINVAL)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, where the system likes, replaces nothing.
        let base = unsafe { mmap_anonymous(None, len, access, MapFlags::MAP_PRIVATE)? };
        // INVARIANT: just mapped, and known to nobody else.
        Ok(Self {
            base: base.cast(),
            len,
        })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: mapped by the invariant, and nobody has a reference into it:
        // whoever lends one out borrows `self`. Failing would leave it mapped.
        let _ = unsafe { munmap(self.base.cast(), self.len.get()) };
    }
}

// SAFETY: a mapping is as good in one thread as in another.
unsafe impl Send for Region {}
// SAFETY: shared, it gives out its address only.
unsafe impl Sync for Region {}

// SAFETY: by the invariant; a private anonymous mapping is page-aligned,
// zeroed, and stays where it is.
unsafe impl Memory for Region {
    fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn len(&self) -> usize {
        self.len.get()
    }
}
