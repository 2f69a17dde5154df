// SPDX-License-Identifier: GPL-2.0-only
//! A value that one context at a time may use, and nobody waits for.

use core::{
    cell::UnsafeCell,
    ops::{Deref, DerefMut},
    sync::atomic::{
        AtomicBool,
        Ordering::{Acquire, Release},
    },
};

/// A value with a flag that says whether somebody is using it.
///
/// # Invariants
///
/// Only who has set `taken` reaches `value`, by a [`Guard`], until that
/// clears it.
#[repr(align(64))]
pub(crate) struct Exclusive<T> {
    taken: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: By the invariant one context at a time reaches the value.
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            taken: AtomicBool::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// The value, until the guard is dropped; nothing, when somebody has it.
    #[inline]
    pub(crate) fn take(&self) -> Option<Guard<'_, T>> {
        // Acquire: what the one before us did, up to its release, has happened.
        match self.taken.swap(true, Acquire) {
            true => None,
            // INVARIANT: We have just set the flag.
            false => Some(Guard(self)),
        }
    }
}

/// The only way to an [`Exclusive`] value.
///
/// # Invariants
///
/// Who made this has set `taken`, and nobody has cleared it.
pub(crate) struct Guard<'a, T>(&'a Exclusive<T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: By the type invariant the value is ours alone.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: By the type invariant the value is ours alone.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.taken.store(false, Release);
    }
}
