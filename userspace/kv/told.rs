// SPDX-License-Identifier: GPL-2.0-only
//! Tells ThreadSanitizer of accesses to words that are atomic, and need not be: as
//! of accesses to ordinary memory, which a lock has to put in order.

use core::ffi::c_void;
use core::sync::atomic::AtomicU32;

extern "C" {
    fn __tsan_read4(at: *const c_void);
    fn __tsan_write4(at: *const c_void);
}

/// The word is about to be read.
#[inline(always)]
pub(super) fn read(word: &AtomicU32) {
    // SAFETY: only ThreadSanitizer's notes change.
    unsafe { __tsan_read4(word.as_ptr().cast_const().cast()) }
}

/// The word is about to be written.
#[inline(always)]
pub(super) fn written(word: &AtomicU32) {
    // SAFETY: only ThreadSanitizer's notes change.
    unsafe { __tsan_write4(word.as_ptr().cast_const().cast()) }
}
