// SPDX-License-Identifier: GPL-2.0-only
//! The kernel's clocks in seconds, and its random numbers.

use super::bindings;
use core::ptr::addr_of;

/// Seconds since boot, never going back.
pub(crate) fn monotonic() -> u64 {
    // SAFETY: No requirements once timekeeping runs, which is before modules load.
    let seconds = unsafe { bindings::ktime_get_seconds() };
    u64::try_from(seconds).unwrap_or(0)
}

/// A clock in nanoseconds, for a thread that is bound to its CPU.
pub(crate) fn local_ns() -> u64 {
    // SAFETY: No requirements.
    unsafe { bindings::ub_clock_ns() }
}

/// Seconds since 1970.
pub(crate) fn real() -> u64 {
    // SAFETY: As in `monotonic`.
    let seconds = unsafe { bindings::ktime_get_real_seconds() };
    u64::try_from(seconds).unwrap_or(0)
}

/// The number of the current tick, of which there are 100 to 1,000 a second.
#[inline]
pub(crate) fn tick() -> usize {
    // SAFETY: A word that only grows, written by the timer; no requirements.
    unsafe { addr_of!(bindings::jiffies).read_volatile() }
}

/// A secret that nobody outside can guess.
pub(crate) fn random_key() -> [u64; 2] {
    let mut key = [0u64; 2];
    // SAFETY: `key` is valid for writes of its size.
    unsafe { bindings::get_random_bytes(key.as_mut_ptr().cast(), size_of_val(&key)) };
    key
}
