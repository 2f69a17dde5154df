// SPDX-License-Identifier: GPL-2.0
//! The one region of memory that a store lives in, and all raw access to it.

use core::slice;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::platform::Memory;

/// The region, as words and as bytes; offsets are in bytes from its start.
///
/// # Invariants
///
/// Words (links and headers) are only ever reached as atomics through
/// `&Arena`, so that holders of the table's read lock may change them at the
/// same time. Bytes (items' text) are only ever written through `&mut Arena`,
/// that is under the table's write lock.
pub(super) struct Arena<M> {
    memory: M,
}

impl<M: Memory> Arena<M> {
    pub(super) fn new(memory: M) -> Self {
        Self { memory }
    }

    pub(super) fn len(&self) -> usize {
        self.memory.len()
    }

    /// The word at `at`. Relaxed everywhere: what orders words is the lock
    /// that the caller holds, the table's or a class's.
    ///
    /// No offset outside the region is ever asked for; if one were, nothing
    /// outside it would be touched.
    pub(super) fn load(&self, at: usize) -> u32 {
        self.word(at).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    /// Sets the word at `at`; see [`Arena::load`].
    pub(super) fn store(&self, at: usize, value: u32) {
        if let Some(word) = self.word(at) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// The bytes at `at`.
    ///
    /// # Safety
    ///
    /// While the slice lives, no word in it is stored to.
    pub(super) unsafe fn bytes(&self, at: usize, len: usize) -> Option<&[u8]> {
        self.check(at, len)?;
        // SAFETY: inside the region, which `memory` keeps alive and to itself;
        // initialised, since it was zeroed at first. Bytes are written through
        // `&mut self` alone, words not by the caller's promise.
        Some(unsafe { slice::from_raw_parts(self.memory.base().as_ptr().wrapping_add(at), len) })
    }

    /// The bytes at `at`, to be written.
    pub(super) fn bytes_mut(&mut self, at: usize, len: usize) -> Option<&mut [u8]> {
        self.check(at, len)?;
        // SAFETY: inside the region, which `memory` keeps alive and to itself;
        // `&mut self` excludes every other borrow of words and of bytes.
        Some(unsafe {
            slice::from_raw_parts_mut(self.memory.base().as_ptr().wrapping_add(at), len)
        })
    }

    fn word(&self, at: usize) -> Option<&AtomicU32> {
        let inside = self.check(at, size_of::<AtomicU32>()).is_some();
        let aligned = at.checked_rem(align_of::<AtomicU32>()) == Some(0);
        debug_assert!(inside && aligned, "no word at {at}");
        if !inside || !aligned {
            return None;
        }
        let word = self.memory.base().as_ptr().wrapping_add(at);
        // SAFETY: inside the region, aligned (so is the region), and reached as
        // an atomic by everybody who reaches it through `&self`, by the type's
        // invariant.
        Some(unsafe { AtomicU32::from_ptr(word.cast()) })
    }

    /// `Some` if `at..at + len` lies in the region.
    fn check(&self, at: usize, len: usize) -> Option<()> {
        (at.checked_add(len)? <= self.len()).then_some(())
    }
}
