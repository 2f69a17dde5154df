// SPDX-License-Identifier: GPL-2.0-only
//! The module parameters as they were given, and as sysfs shows them.

use super::bindings;
use crate::control::Control;
use core::{cell::UnsafeCell, fmt::Write, marker::PhantomData, ptr::addr_of_mut};
use kernel::{prelude::*, str::Formatter, sync::Arc};

/// The parameters as they were given; 0 and "" where nothing was.
pub(crate) struct Raw {
    pub(crate) port: u32,
    pub(crate) memory: u32,
    pub(crate) min_chunk: u32,
    pub(crate) growth: [u8; bindings::UB_GROWTH_LEN as usize],
    pub(crate) item_max: u32,
    pub(crate) stripes: u32,
    pub(crate) responders: u32,
    pub(crate) workers: u32,
    pub(crate) budget: u32,
    pub(crate) busy_poll_us: u32,
    pub(crate) fifo: bool,
    pub(crate) cpus_given: bool,
    pub(crate) routing: [u8; bindings::UB_ROUTING_LEN as usize],
    pub(crate) hook: [u8; bindings::UB_HOOK_LEN as usize],
    pub(crate) dev: [u8; bindings::UB_DEV_LEN as usize],
}

/// The parameters' lock is held: nobody else reads or writes them.
pub(crate) struct Locked(PhantomData<*mut ()>);

impl Locked {
    /// Takes the lock for the time of `act`. Not from within another `act`, nor
    /// from [`Control::reconfigure`].
    pub(crate) fn with<R>(act: impl FnOnce(&Self) -> R) -> R {
        // SAFETY: Called from load and unload alone, which hold no lock of ours.
        unsafe { bindings::ub_params_lock() };
        let result = act(&Self(PhantomData));
        // SAFETY: Taken above.
        unsafe { bindings::ub_params_unlock() };
        result
    }
}

/// Who is told of changes.
///
/// # Invariants
///
/// Reached only with the parameters' lock held.
struct Live(UnsafeCell<Option<Arc<Control>>>);

// SAFETY: By the invariant the lock serialises all access.
unsafe impl Sync for Live {}

static LIVE: Live = Live(UnsafeCell::new(None));

/// From now on a parameter that is written takes effect on `control`.
pub(crate) struct Subscription(());

impl Subscription {
    pub(crate) fn new(_locked: &Locked, control: Arc<Control>) -> Self {
        // SAFETY: The lock is held, as `_locked` shows.
        unsafe { *LIVE.0.get() = Some(control) };
        Self(())
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // SAFETY: The lock is held, as the argument shows.
        let control = Locked::with(|_locked| unsafe { (*LIVE.0.get()).take() });
        drop(control);
    }
}

/// Called by `abi/params.c`, with the parameters' lock held, when one of them
/// has been written.
#[no_mangle]
extern "C" fn ub_reconfigure() -> c_int {
    let locked = Locked(PhantomData);
    // SAFETY: The lock is held.
    match unsafe { &*LIVE.0.get() } {
        // Before the module serves, the value is merely kept.
        None => 0,
        Some(control) => match control.reconfigure(&locked) {
            Ok(()) => 0,
            Err(err) => err.to_errno(),
        },
    }
}

/// Reads the parameters.
pub(crate) fn read(_locked: &Locked) -> Raw {
    // SAFETY: The variables are written only under the lock held here.
    unsafe {
        Raw {
            port: bindings::ub_param_port,
            memory: bindings::ub_param_memory,
            min_chunk: bindings::ub_param_min_chunk,
            growth: bindings::ub_param_growth,
            item_max: bindings::ub_param_item_max,
            stripes: bindings::ub_param_stripes,
            responders: bindings::ub_param_responders,
            workers: bindings::ub_param_workers,
            budget: bindings::ub_param_budget,
            busy_poll_us: bindings::ub_param_busy_poll_us,
            fifo: bindings::ub_param_fifo,
            cpus_given: !matches!(bindings::ub_param_cpus[0], 0 | b'\n'),
            routing: bindings::ub_param_routing,
            hook: bindings::ub_param_hook,
            dev: bindings::ub_param_dev,
        }
    }
}

/// The CPUs that `cpus=` names, ascending.
pub(crate) fn cpus() -> Result<KVec<u32>> {
    let list = addr_of_mut!(bindings::ub_param_cpus);
    // SAFETY: The list is a string that ends within its buffer, and `out` holds `max` numbers.
    collect(|out, max| unsafe { bindings::ub_cpulist(list.cast(), out, max) })
}

/// The CPUs that are online, ascending.
pub(crate) fn online() -> Result<KVec<u32>> {
    // SAFETY: `out` holds `max` numbers.
    collect(|out, max| unsafe { bindings::ub_cpus_online(out, max) })
}

fn collect(fill: impl Fn(*mut c_uint, c_uint) -> c_int) -> Result<KVec<u32>> {
    let max = kernel::cpu::nr_cpu_ids();
    let mut cpus = KVec::from_elem(0u32, max as usize, GFP_KERNEL)?;
    let count = fill(cpus.as_mut_ptr(), max);
    kernel::error::to_result(count)?;
    cpus.truncate(usize::try_from(count)?);
    Ok(cpus)
}

/// Bytes of the list in sysfs, without the 0 that ends it.
const LIST_LEN: usize = bindings::UB_CPUS_LEN as usize - 1;

/// Shows in sysfs what was chosen where the command line left it open. A list
/// of CPUs too long for the buffer is shown cut.
pub(crate) fn publish(_locked: &Locked, workers: u32, cpus: &[u32], responders: u32) {
    // SAFETY: The lock keeps sysfs readers out, and nobody else knows the variables. The last byte
    // of the list is not part of the slice and stays 0.
    let list = unsafe {
        bindings::ub_shown_workers = workers;
        bindings::ub_param_responders = responders;
        let list = addr_of_mut!(bindings::ub_shown_cpus).cast::<u8>();
        core::slice::from_raw_parts_mut(list, LIST_LEN)
    };
    list.fill(0);
    let mut out = Formatter::new(list);
    let mut separator = "";
    for cpu in cpus {
        if write!(out, "{separator}{cpu}").is_err() {
            break;
        }
        separator = ",";
    }
}
