// SPDX-License-Identifier: GPL-2.0-only
//! What the core asks of its host, given by a userspace process: locks (`lock.rs`), and
//! memory from mmap. For the twin, and for what tries the core.

mod answer;
mod lock;
mod watched;

use std::cell::Cell;
use std::marker::PhantomData;
use std::num::NonZeroUsize;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub use answer::{answer, Answer, Here};
use kv::{Memory, NoMemory, Platform, RawRwLock, RawSpinLock};
pub use lock::{Lock, ShardLock, StripeLock};
use nix::errno::Errno;
use nix::sys::mman::{madvise, mmap_anonymous, mprotect, munmap, MapFlags, MmapAdvise, ProtFlags};

/// How long [`Platform::relax`] waits for each try when a yield was not enough: all
/// tries of an update together for some 200 ms, so that who has just taken a page from
/// one class, and not yet given it to another, gets its turn on a crowded machine.
const PAUSE: Duration = Duration::from_micros(50);
/// So many tries are in vain before it does.
const YIELDS: usize = 10;

/// A userspace process, with its store in that kind of memory, and with those locks.
pub struct Process<M, R = StripeLock, S = Lock, O = ShardLock>(PhantomData<(M, R, S, O)>);

/// A userspace process.
pub type Userspace = Process<Region>;

impl<M, R, S, O> Platform for Process<M, R, S, O>
where
    M: Memory + 'static,
    R: RawRwLock + 'static,
    S: RawSpinLock + 'static,
    O: RawSpinLock + 'static,
{
    type RwLock = R;
    type SpinLock = S;
    type OrderLock = O;
    type GateLock = S;
    type Memory = M;
    type Array<T: Send + Sync> = Box<[T]>;

    fn array<T: Send + Sync>(
        len: usize,
        make: impl FnMut(usize) -> Result<T, NoMemory>,
    ) -> Result<Box<[T]>, NoMemory> {
        (0..len).map(make).collect()
    }

    fn relax(tries: usize) {
        match u32::try_from(tries.saturating_sub(YIELDS)) {
            Ok(0) | Err(_) => std::thread::yield_now(),
            Ok(more) => std::thread::sleep(PAUSE.saturating_mul(more)),
        }
    }

    fn here() -> usize {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            // The number, plus one. Without a destructor, so that it costs a look.
            static HERE: Cell<usize> = const { Cell::new(0) };
        }
        #[cold]
        fn first() -> usize {
            // Relaxed: all that matters is that numbers differ.
            let here = NEXT.fetch_add(1, Ordering::Relaxed);
            HERE.set(here.wrapping_add(1));
            here
        }
        HERE.get().checked_sub(1).unwrap_or_else(first)
    }
}

/// Bytes on either side of a region that nobody may touch: a page.
const GUARD: usize = 4096;

/// A private anonymous mapping, between two pages that fault when touched.
///
/// # Invariants
///
/// `start` is the start of a mapping that nobody else knows of, mapped until
/// this is dropped: a guard, `len` bytes rounded up to pages, a guard.
pub struct Region {
    start: NonNull<u8>,
    len: usize,
}

impl Region {
    /// `len` zeroed bytes. What lies between them and the end of their last page
    /// can be touched without a fault; in a debug build it must be zero when the
    /// region goes.
    ///
    /// # Errors
    ///
    /// `EINVAL` for no bytes or too many, and what mmap says.
    pub fn new(len: usize) -> Result<Self, Errno> {
        let whole = Self::pages(len)
            .filter(|_| len > 0)
            .and_then(|pages| pages.checked_add(2 * GUARD))
            .and_then(NonZeroUsize::new)
            .ok_or(Errno::EINVAL)?;
        // SAFETY: a new mapping, where the system likes, replaces nothing.
        let start =
            unsafe { mmap_anonymous(None, whole, ProtFlags::PROT_NONE, MapFlags::MAP_PRIVATE)? };
        // INVARIANT: just mapped, and known to nobody else.
        let region = Self {
            start: start.cast(),
            len,
        };
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: in the mapping, between its guards, and nobody uses it yet.
        unsafe { mprotect(region.base().cast(), whole.get() - 2 * GUARD, access)? };
        // Items lie all over the region. Where there are no huge pages, small ones do.
        // SAFETY: as above; what the pages hold stays the same.
        let _ = unsafe {
            let pages = whole.get() - 2 * GUARD;
            madvise(region.base().cast(), pages, MmapAdvise::MADV_HUGEPAGE)
        };
        Ok(region)
    }

    /// Bytes of the pages that `len` bytes take.
    fn pages(len: usize) -> Option<usize> {
        len.checked_next_multiple_of(GUARD)
    }

    /// What is behind the region in its last page.
    fn tail(&self) -> &[u8] {
        let tail = Self::pages(self.len).unwrap_or(self.len) - self.len;
        // SAFETY: mapped and readable, by the invariant; nobody writes it who
        // keeps to the region.
        unsafe { slice::from_raw_parts(self.base().add(self.len).as_ptr(), tail) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // Others may be mapped there.
        self.used(0, self.len);
        let intact = !cfg!(debug_assertions) || self.tail().iter().all(|byte| *byte == 0);
        let whole = Self::pages(self.len).unwrap_or(self.len) + 2 * GUARD;
        // SAFETY: mapped by the invariant, and nobody has a reference into it:
        // whoever lends one out borrows `self`. Failing would leave it mapped.
        let _ = unsafe { munmap(self.start.cast(), whole) };
        assert!(
            intact || std::thread::panicking(),
            "wrote outside the region"
        );
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
        // SAFETY: the mapping is longer than `GUARD`.
        unsafe { self.start.add(GUARD) }
    }

    fn len(&self) -> usize {
        self.len
    }

    #[inline(always)]
    fn unused(&self, at: usize, len: usize) {
        debug_assert!(at + len <= self.len);
        watched::unused(self.base().as_ptr().wrapping_add(at), len);
    }

    #[inline(always)]
    fn used(&self, at: usize, len: usize) {
        debug_assert!(at + len <= self.len);
        watched::used(self.base().as_ptr().wrapping_add(at), len);
    }
}
