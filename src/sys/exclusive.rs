// SPDX-License-Identifier: GPL-2.0-only
//! A value that one context at a time may use, and nobody waits for.

use core::cell::UnsafeCell;
use kernel::sync::atomic::{Acquire, Atomic, Release};

/// A value with a flag that says whether somebody is using it.
///
/// # Invariants
///
/// Only who set `taken` from 0 to 1 reaches `value`, until it sets it back.
#[repr(align(64))]
pub(crate) struct Exclusive<T> {
    taken: Atomic<i32>,
    value: UnsafeCell<T>,
}

// SAFETY: By the invariant one context at a time reaches the value.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            taken: Atomic::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Runs `act` on the value; nothing, when somebody is at it already.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut T) -> R) -> Option<R> {
        // Acquire: what the one before us did, up to its release, has happened.
        if self.taken.cmpxchg(0, 1, Acquire).is_err() {
            return None;
        }
        // SAFETY: We have just set the flag.
        let result = act(unsafe { &mut *self.value.get() });
        self.taken.store(0, Release);
        Some(result)
    }
}
