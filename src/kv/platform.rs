// SPDX-License-Identifier: GPL-2.0-only
//! The seam: everything the core asks of its host, and nothing that could have
//! been an argument instead (time and the hash key are arguments).
//!
//! In which order the locks are taken is said in [`crate::store`]. No lock is
//! held when a call into the core returns, and nothing here sleeps. A host that
//! is entered from interrupts or softirqs keeps those off for the length of a
//! call.

use core::cell::UnsafeCell;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

/// The host could not provide what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMemory;

/// A reader-writer lock, unlocked when new.
///
/// # Safety
///
/// Real mutual exclusion: a writer excludes everybody, a reader excludes
/// writers. Unlocking releases, locking acquires, so that what one holder
/// wrote is seen by the next. The lock may be moved while nobody holds it.
pub unsafe trait RawRwLock: Sized + Send + Sync {
    /// Bytes that each takes elsewhere.
    const BESIDE: usize = 0;
    /// Whether a hold that is to be had at once, and given up again, costs one atomic operation
    /// and no calls. It is taken then even for a mark that could be made without, by two such
    /// operations. Always the same answer while there is a lock.
    #[inline(always)]
    fn is_cheap() -> bool {
        false
    }
    /// A new, unlocked lock: the only one, or one of many. Readers of one of many hardly
    /// meet: a host may keep them apart where locking is cheaper so.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] when the host cannot make another lock.
    fn new(is_only: bool) -> Result<Self, NoMemory>;
    /// Waits for a shared hold.
    fn read_lock(&self);
    /// Gives a shared hold up.
    ///
    /// # Safety
    ///
    /// The caller has a shared hold.
    unsafe fn read_unlock(&self);
    /// Waits for the exclusive hold.
    fn write_lock(&self);
    /// Takes the exclusive hold if nobody has any; whether it did. Waits for
    /// nobody, hence may be asked whatever the caller holds already.
    fn try_write_lock(&self) -> bool;
    /// Gives the exclusive hold up.
    ///
    /// # Safety
    ///
    /// The caller has the exclusive hold.
    unsafe fn write_unlock(&self);
}

/// A mutual-exclusion lock, unlocked when new.
///
/// # Safety
///
/// As for [`RawRwLock`], with one kind of holder.
pub unsafe trait RawSpinLock: Sized + Send + Sync {
    /// Bytes that each takes elsewhere.
    const BESIDE: usize = 0;
    /// A new, unlocked lock.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] when the host cannot make another lock.
    fn new() -> Result<Self, NoMemory>;
    /// Waits for the hold.
    fn lock(&self);
    /// Takes the hold if nobody has it; whether it did.
    fn try_lock(&self) -> bool;
    /// Gives the hold up.
    ///
    /// # Safety
    ///
    /// The caller has the hold.
    unsafe fn unlock(&self);
}

/// One zeroed region of memory, the whole of what a store lives in.
///
/// # Safety
///
/// For as long as the implementing value lives, wherever it is moved, `base`
/// and `len` answer the same, and `base..base + len` is readable and writable,
/// aligned to 4096 bytes, zeroed at the start, and used by nobody else.
pub unsafe trait Memory: Send + Sync {
    /// First byte of the region.
    fn base(&self) -> NonNull<u8>;
    /// Length of the region in bytes.
    fn len(&self) -> usize;
    /// Whether the region holds nothing at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    // For hosts under which somebody watches who touches what; nothing otherwise.

    /// `len` bytes at `at` belong to nobody: who touches them is at fault.
    #[inline(always)]
    fn unused(&self, _at: usize, _len: usize) {}

    /// `len` bytes at `at` are somebody's, who writes before he reads.
    #[inline(always)]
    fn used(&self, _at: usize, _len: usize) {}
}

/// The host's kinds of lock and memory.
pub trait Platform: 'static {
    /// Protects a stripe of the table.
    type RwLock: RawRwLock;
    /// Protects a size class, or something else that is held for a moment.
    type SpinLock: RawSpinLock;
    /// Protects a shard of the orders of use. Another kind, for hosts that watch
    /// the order of locks: it is taken inside of a class's lock.
    type OrderLock: RawSpinLock;
    /// Lets one at a time get what others lack too. Another kind, since all others are
    /// taken inside of it, and it is held for longer than they are.
    type GateLock: RawSpinLock;
    /// What the store lives in.
    type Memory: Memory;
    /// As many things as are known at load: the locks, with what they protect.
    type Array<T: Send + Sync>: DerefMut<Target = [T]> + Send + Sync;

    /// An array of `len` things, each put where it stays as soon as it is made.
    /// Only [`crate::Kv::new`] asks.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] when there is none, or when `make` says so.
    fn array<T: Send + Sync>(
        len: usize,
        make: impl FnMut(usize) -> Result<T, NoMemory>,
    ) -> Result<Self::Array<T>, NoMemory>;

    /// Called again and again while others have to get on before the caller
    /// can, with no lock held but the one of [`Platform::GateLock`]; `tries` says how often that was in vain. A host whose
    /// lock holders can lose their CPU gives this one up, and after some tries waits
    /// for longer than a yield does: who is waited for may be queued on another CPU.
    fn relax(tries: usize) {
        let _ = tries;
        core::hint::spin_loop();
    }

    /// Which CPU, or else which thread, this is. A hint: the more of them say the
    /// same, the more get in each other's way.
    fn here() -> usize {
        0
    }

    // What follows is for hosts that can be watched. Each is called where it
    // happens, locks held, and is nothing at all unless a host makes it more;
    // who evaluates a closure pays for that.

    /// An item was found: its key's name, which tells keys apart and nothing else, and
    /// how long its text is.
    #[inline(always)]
    fn hit(_name: impl FnOnce() -> u64, _len: impl FnOnce() -> usize) {}

    /// Nothing live was found under a key of that name.
    #[inline(always)]
    fn miss(_name: impl FnOnce() -> u64) {}

    /// A live item is made to go, its chunk is wanted.
    #[inline(always)]
    fn evict(_name: impl FnOnce() -> u64, _len: impl FnOnce() -> usize) {}
}

/// A value behind a [`RawRwLock`].
///
/// # Invariants
///
/// `value` is borrowed only by a guard, and a guard exists only while its hold
/// on `raw` does.
pub struct RwLock<L, T> {
    raw: L,
    value: UnsafeCell<T>,
}

// SAFETY: the value moves with the lock, and `L` is `Send`.
unsafe impl<L: RawRwLock, T: Send> Send for RwLock<L, T> {}
// SAFETY: by the invariant, shared access to the value is what the lock allows:
// many readers (`T: Sync`) or one writer (`T: Send`).
unsafe impl<L: RawRwLock, T: Send + Sync> Sync for RwLock<L, T> {}

impl<L: RawRwLock, T> RwLock<L, T> {
    /// Puts `value` behind a new lock, see [`RawRwLock::new`].
    ///
    /// # Errors
    ///
    /// [`NoMemory`] when the host cannot make another lock.
    pub fn new(is_only: bool, value: T) -> Result<Self, NoMemory> {
        Ok(Self {
            raw: L::new(is_only)?,
            value: UnsafeCell::new(value),
        })
    }

    /// Waits until no writer holds the lock.
    #[inline]
    pub fn read(&self) -> ReadGuard<'_, L, T> {
        self.raw.read_lock();
        ReadGuard {
            lock: self,
            _here: PhantomData,
        }
    }

    /// Waits until nobody holds the lock.
    #[inline]
    pub fn write(&self) -> WriteGuard<'_, L, T> {
        self.raw.write_lock();
        WriteGuard {
            lock: self,
            _here: PhantomData,
        }
    }

    /// The exclusive hold, if nobody has any.
    #[inline]
    pub fn try_write(&self) -> Option<WriteGuard<'_, L, T>> {
        self.raw.try_write_lock().then(|| WriteGuard {
            lock: self,
            _here: PhantomData,
        })
    }
}

/// A shared hold. Stays on the CPU that took it, hence not `Send`.
pub struct ReadGuard<'a, L: RawRwLock, T> {
    lock: &'a RwLock<L, T>,
    _here: PhantomData<*const ()>,
}

impl<L: RawRwLock, T> Deref for ReadGuard<'_, L, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the shared hold keeps writers out while `self` lives.
        unsafe { &*self.lock.value.get() }
    }
}

impl<L: RawRwLock, T> Drop for ReadGuard<'_, L, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this guard has the shared hold, by the type's invariant.
        unsafe { self.lock.raw.read_unlock() }
    }
}

/// The exclusive hold. Stays on the CPU that took it, hence not `Send`.
pub struct WriteGuard<'a, L: RawRwLock, T> {
    lock: &'a RwLock<L, T>,
    _here: PhantomData<*const ()>,
}

impl<L: RawRwLock, T> Deref for WriteGuard<'_, L, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the exclusive hold keeps everybody else out.
        unsafe { &*self.lock.value.get() }
    }
}

impl<L: RawRwLock, T> DerefMut for WriteGuard<'_, L, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the exclusive hold keeps everybody else out, and `&mut self`
        // keeps out a second borrow through this guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<L: RawRwLock, T> Drop for WriteGuard<'_, L, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this guard has the exclusive hold, by the type's invariant.
        unsafe { self.lock.raw.write_unlock() }
    }
}

/// A value behind a [`RawSpinLock`].
///
/// # Invariants
///
/// `value` is borrowed only by a guard, and a guard exists only while its hold
/// on `raw` does.
pub struct SpinLock<L, T> {
    raw: L,
    value: UnsafeCell<T>,
}

// SAFETY: the value moves with the lock, and `L` is `Send`.
unsafe impl<L: RawSpinLock, T: Send> Send for SpinLock<L, T> {}
// SAFETY: by the invariant, one holder at a time reaches the value.
unsafe impl<L: RawSpinLock, T: Send> Sync for SpinLock<L, T> {}

impl<L: RawSpinLock, T> SpinLock<L, T> {
    /// Puts `value` behind a new lock.
    ///
    /// # Errors
    ///
    /// [`NoMemory`] when the host cannot make another lock.
    pub fn new(value: T) -> Result<Self, NoMemory> {
        Ok(Self {
            raw: L::new()?,
            value: UnsafeCell::new(value),
        })
    }

    /// Waits until nobody holds the lock.
    #[inline]
    pub fn lock(&self) -> SpinGuard<'_, L, T> {
        self.raw.lock();
        SpinGuard {
            lock: self,
            _here: PhantomData,
        }
    }

    /// The hold, if nobody has it.
    #[inline]
    pub fn try_lock(&self) -> Option<SpinGuard<'_, L, T>> {
        self.raw.try_lock().then(|| SpinGuard {
            lock: self,
            _here: PhantomData,
        })
    }
}

/// The hold on a [`SpinLock`]. Stays on the CPU that took it.
pub struct SpinGuard<'a, L: RawSpinLock, T> {
    lock: &'a SpinLock<L, T>,
    _here: PhantomData<*const ()>,
}

impl<L: RawSpinLock, T> Deref for SpinGuard<'_, L, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the hold keeps everybody else out.
        unsafe { &*self.lock.value.get() }
    }
}

impl<L: RawSpinLock, T> DerefMut for SpinGuard<'_, L, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the hold keeps everybody else out, and `&mut self` keeps out
        // a second borrow through this guard.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<L: RawSpinLock, T> Drop for SpinGuard<'_, L, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: this guard has the hold, by the type's invariant.
        unsafe { self.lock.raw.unlock() }
    }
}
