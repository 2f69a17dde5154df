// SPDX-License-Identifier: GPL-2.0-only
//! Kernel threads bound to a CPU.

use super::bindings;
use core::ptr::NonNull;
use kernel::{bindings::task_struct, error::from_err_ptr, prelude::*};

/// What a kernel thread does.
pub(crate) trait Run: Send + 'static {
    /// Runs until [`should_stop`] says so. It may sleep.
    fn run(&mut self);
}

/// Whether the calling kernel thread was asked to end.
pub(crate) fn should_stop() -> bool {
    // SAFETY: Called from a `Run::run`, which only kernel threads of ours execute.
    unsafe { bindings::kthread_should_stop() }
}

/// CPU time that the calling thread has used, in nanoseconds.
pub(crate) fn runtime_ns() -> u64 {
    // SAFETY: Reads a field of the current task; no requirements.
    unsafe { bindings::ub_current_runtime_ns() }
}

/// The calling thread's number in the initial PID namespace.
pub(crate) fn pid() -> i32 {
    // SAFETY: Reads a field of the current task; no requirements.
    unsafe { bindings::ub_current_pid() }
}

/// Has the calling thread sleep for some `us` microseconds.
pub(crate) fn nap(us: u32) {
    // SAFETY: Called from a `Run::run`, which may sleep.
    unsafe { bindings::ub_nap(us) };
}

/// A reference to a thread's task.
///
/// # Invariants
///
/// Owns a reference to the task.
pub(crate) struct Task(NonNull<task_struct>);

// SAFETY: Tasks are reference counted, and what is done with one here is allowed from everywhere.
unsafe impl Send for Task {}
// SAFETY: As above.
unsafe impl Sync for Task {}

impl Task {
    pub(super) fn as_ptr(&self) -> *mut task_struct {
        self.0.as_ptr()
    }

    /// Binds the thread to `cpu`, which is online. May sleep.
    pub(crate) fn move_to(&self, cpu: u32) {
        // SAFETY: The reference keeps the task alive.
        unsafe { bindings::ub_kthread_move(self.0.as_ptr(), cpu) };
    }

    /// Whether the thread goes before all normal ones (`SCHED_FIFO`, the lowest
    /// of its priorities), or is one of them. May sleep.
    pub(crate) fn set_fifo(&self, fifo: bool) {
        // SAFETY: The reference keeps the task alive.
        unsafe { bindings::ub_task_set_fifo(self.0.as_ptr(), fifo) };
    }

    fn wake(&self) {
        // SAFETY: The reference keeps the task alive.
        unsafe { bindings::wake_up_process(self.0.as_ptr()) };
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::ub_task_put(self.0.as_ptr()) };
    }
}

/// A thread that runs a `T`, until it is dropped.
///
/// # Invariants
///
/// `state` came from a `KBox`; only the thread uses it until it has stopped.
pub(crate) struct KThread<T: Run> {
    task: Task,
    state: NonNull<T>,
}

// SAFETY: `T` is `Send`, and this value only passes it to its thread and drops it.
unsafe impl<T: Run> Send for KThread<T> {}
// SAFETY: A shared reference gives access to the task alone.
unsafe impl<T: Run> Sync for KThread<T> {}

impl<T: Run> KThread<T> {
    /// Starts a thread called `unbuckle/<index>` on `cpu`.
    pub(crate) fn spawn(state: T, cpu: u32, index: u32, fifo: bool) -> Result<Self> {
        let state = KBox::into_raw(KBox::new(state, GFP_KERNEL)?);
        // SAFETY: `main::<T>` gets the state it expects.
        let task =
            unsafe { bindings::ub_kthread_create(Some(main::<T>), state.cast(), cpu, index) };
        let task = match from_err_ptr(task).map(NonNull::new) {
            Ok(Some(task)) => task,
            failed => {
                // SAFETY: The thread was not made, so the box is still ours.
                drop(unsafe { KBox::from_raw(state) });
                return Err(failed.err().unwrap_or(ENOMEM));
            }
        };
        // INVARIANT: `ub_kthread_create` took a reference for us.
        let task = Task(task);
        task.set_fifo(fifo);
        task.wake();
        // SAFETY: From a box, so not null.
        let state = unsafe { NonNull::new_unchecked(state) };
        // INVARIANT: From a box, and given to the thread.
        Ok(Self { task, state })
    }

    /// The thread's task.
    pub(crate) fn task(&self) -> &Task {
        &self.task
    }
}

impl<T: Run> Drop for KThread<T> {
    fn drop(&mut self) {
        // SAFETY: The thread ends only when asked to, and our reference keeps its task alive.
        unsafe { bindings::kthread_stop(self.task.0.as_ptr()) };
        // SAFETY: The thread has ended (or never ran), so the state is ours again.
        drop(unsafe { KBox::from_raw(self.state.as_ptr()) });
    }
}

/// The thread's C entry.
///
/// # Safety
///
/// `state` is a `T` that nobody else uses until the thread has ended.
unsafe extern "C" fn main<T: Run>(state: *mut c_void) -> c_int {
    // SAFETY: By the function's contract.
    let state = unsafe { &mut *state.cast::<T>() };
    state.run();
    0
}
