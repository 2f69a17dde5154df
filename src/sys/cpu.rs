// SPDX-License-Identifier: GPL-2.0-only
//! Execution context: which CPU, bottom halves on or off.

use super::bindings;
use core::marker::PhantomData;

/// Bottom halves are off on this CPU while this value lives: no softirq runs
/// here and the thread is not preempted by one. Not `Send`.
pub(crate) struct BhDisabled(PhantomData<*mut ()>);

impl BhDisabled {
    /// Switches bottom halves off until the value is dropped.
    pub(crate) fn new() -> Self {
        // SAFETY: May be called from process context at any time; `drop` pairs it.
        unsafe { bindings::ub_bh_disable() };
        Self(PhantomData)
    }

    /// Switches them on for a moment, in which `pause` runs: pending softirqs
    /// run, others may have the CPU, and RCU sees that we held nothing. The
    /// caller holds no lock.
    pub(crate) fn relax(&mut self, pause: impl FnOnce()) {
        // SAFETY: Undoes and redoes what `new` did, on this same CPU: the thread is bound to it.
        unsafe {
            bindings::ub_bh_enable();
            bindings::ub_cond_resched();
            pause();
            bindings::ub_bh_disable();
        }
    }
}

/// The CPU this code runs on; a hint for a caller that may migrate.
pub(crate) fn this() -> usize {
    // SAFETY: Reads the CPU's number; no requirements.
    unsafe { bindings::ub_cpu_this() as usize }
}

impl Drop for BhDisabled {
    fn drop(&mut self) {
        // SAFETY: Pairs with the call in `new`, on the same CPU: the type is not `Send`.
        unsafe { bindings::ub_bh_enable() };
    }
}

/// Somebody else would run on this CPU if the calling thread did not.
pub(crate) fn is_wanted() -> bool {
    // SAFETY: Looks at the CPU's run queue; no requirements.
    unsafe { bindings::ub_cpu_is_wanted() }
}

/// A moment's rest for the other threads of the core.
pub(crate) fn relax() {
    // SAFETY: No requirements.
    unsafe { bindings::ub_cpu_relax() };
}
