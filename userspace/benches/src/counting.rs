// SPDX-License-Identifier: GPL-2.0-only
//! Counts what a program asks of its allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static WATCHED: AtomicBool = AtomicBool::new(false);
static ASKED: AtomicU64 = AtomicU64::new(0);

/// The system's allocator. What it costs more than that, when nobody counts, is one
/// look at a word that does not change.
pub struct Counting;

/// How often an allocator of this kind is asked for memory, new or more, meanwhile, by
/// any thread.
pub fn count<R>(what: impl FnOnce() -> R) -> u64 {
    // Relaxed: this thread's own requests are in order, and others should have none.
    let before = ASKED.load(Ordering::Relaxed);
    WATCHED.store(true, Ordering::Relaxed);
    let _ = what();
    WATCHED.store(false, Ordering::Relaxed);
    ASKED.load(Ordering::Relaxed) - before
}

#[inline(always)]
fn asked() {
    if WATCHED.load(Ordering::Relaxed) {
        ASKED.fetch_add(1, Ordering::Relaxed);
    }
}

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        asked();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    #[inline]
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        asked();
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        asked();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, len) }
    }
}
