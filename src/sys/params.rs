// SPDX-License-Identifier: GPL-2.0-only
//! The module parameters as they were given, and as sysfs shows them.

use super::bindings;
use core::{fmt::Write, ptr::addr_of_mut};
use kernel::{prelude::*, str::Formatter};

/// The parameters as given on the command line; 0 and "" where nothing was.
pub(crate) struct Raw {
    pub(crate) port: u32,
    pub(crate) memory: u32,
    pub(crate) workers: u32,
    pub(crate) cpus_given: bool,
}

/// Holds the lock that sysfs readers of the parameters take.
struct Locked;

impl Locked {
    fn new() -> Self {
        // SAFETY: Called from `init`, which holds no lock that a reader could wait under.
        unsafe { bindings::ub_params_lock() };
        Self
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: Taken by `new`.
        unsafe { bindings::ub_params_unlock() };
    }
}

/// Reads the parameters.
pub(crate) fn read() -> Raw {
    let _locked = Locked::new();
    // SAFETY: The variables are written only at load, before `init`, and by `publish`, under the
    // lock held here.
    unsafe {
        Raw {
            port: bindings::ub_param_port,
            memory: bindings::ub_param_memory,
            workers: bindings::ub_param_workers,
            cpus_given: bindings::ub_param_cpus[0] != 0,
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
pub(crate) fn publish(workers: u32, cpus: &[u32]) {
    let _locked = Locked::new();
    // SAFETY: The lock keeps sysfs readers out, and nobody else knows the variables. The last byte
    // of the list is not part of the slice and stays 0.
    let list = unsafe {
        bindings::ub_param_workers = workers;
        let list = addr_of_mut!(bindings::ub_param_cpus).cast::<u8>();
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
