// SPDX-License-Identifier: GPL-2.0-only
//! Atomics: the processor's, or those that a model checker knows of.

#[cfg(not(feature = "loom"))]
pub(crate) use core::sync::atomic::{fence, AtomicBool, AtomicU32, AtomicU64, Ordering};

#[cfg(feature = "loom")]
pub(crate) use crate::modelled::{fence, AtomicBool, AtomicU32, AtomicU64};
#[cfg(feature = "loom")]
pub(crate) use core::sync::atomic::Ordering;

#[cfg(watched_by = "thread")]
#[path = "../../userspace/kv/told.rs"]
mod told;

/// A word that one lock protects, or who has it in hand: it is atomic only because
/// its neighbours are. Watchers are told of its accesses as of those to ordinary
/// memory, so that one with the wrong lock, or with none, is found out.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Owned<'a>(pub(crate) &'a AtomicU32);

impl Owned<'_> {
    /// What it says, to who has its lock at least shared.
    #[inline(always)]
    pub(crate) fn load(self) -> u32 {
        #[cfg(watched_by = "thread")]
        told::read(self.0);
        #[cfg(feature = "loom")]
        return self.0.load_owned();
        #[cfg(not(feature = "loom"))]
        self.0.load(Ordering::Relaxed)
    }

    /// Changes it, by who has its lock exclusively.
    #[inline(always)]
    pub(crate) fn store(self, value: u32) {
        #[cfg(watched_by = "thread")]
        told::written(self.0);
        #[cfg(feature = "loom")]
        return self.0.store_owned(value);
        #[cfg(not(feature = "loom"))]
        self.0.store(value, Ordering::Relaxed);
    }
}
