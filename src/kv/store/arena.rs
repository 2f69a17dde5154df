// SPDX-License-Identifier: GPL-2.0-only
//! The one region of memory that a store lives in, and all raw access to it.

use core::slice;
use core::sync::atomic::{AtomicU32, Ordering};

use crate::platform::Memory;

/// The region, as words and as bytes; offsets are in bytes from its start.
///
/// # Invariants
///
/// Words (links and headers) are only ever reached as atomics, so that several
/// may change them at the same time. Bytes (items' text) are written only by
/// who has a chunk to themselves, before anybody else can find it.
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

    /// Where the byte at `at` is in memory.
    pub(super) fn address(&self, at: usize) -> usize {
        self.memory.base().as_ptr().wrapping_add(at).addr()
    }

    /// The word at `at`. Relaxed everywhere: what orders words is the lock
    /// that the caller holds, a stripe's or a class's.
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

    /// Changes the word at `at`: those bits of it that `mask` says, to `bits`.
    /// One step, whatever others do to its other bits. Relaxed, as
    /// [`Arena::load`].
    pub(super) fn change_bits(&self, at: usize, mask: u32, bits: u32) {
        if let Some(word) = self.word(at) {
            let _ = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| {
                Some(old & !mask | bits & mask)
            });
        }
    }

    /// Sets the word at `at` from `old` to `new`; whether it was `old`. Relaxed,
    /// as [`Arena::load`].
    pub(super) fn exchange(&self, at: usize, old: u32, new: u32) -> bool {
        self.word(at).is_some_and(|word| {
            word.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        })
    }

    /// The bytes at `at`.
    ///
    /// # Safety
    ///
    /// While the slice lives, no word in it is stored to, and no byte written.
    pub(super) unsafe fn bytes(&self, at: usize, len: usize) -> Option<&[u8]> {
        self.check(at, len)?;
        // SAFETY: inside the region, which `memory` keeps alive and to itself;
        // initialised, since it was zeroed at first. Nothing in it changes, by
        // the caller's promise.
        Some(unsafe { slice::from_raw_parts(self.memory.base().as_ptr().wrapping_add(at), len) })
    }

    /// The bytes at `at`, to be written.
    ///
    /// # Safety
    ///
    /// While the slice lives, nobody else reaches anything in it.
    #[allow(clippy::mut_from_ref)] // The caller's promise, not the borrow, excludes others.
    pub(super) unsafe fn bytes_mut(&self, at: usize, len: usize) -> Option<&mut [u8]> {
        self.check(at, len)?;
        // SAFETY: inside the region, which `memory` keeps alive and to itself;
        // to the caller alone, by the caller's promise.
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
