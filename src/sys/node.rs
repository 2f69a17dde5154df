// SPDX-License-Identifier: GPL-2.0-only
//! NUMA nodes.

use super::bindings;

/// Nodes are numbered from 0 to this, which is not one.
pub(crate) fn count() -> usize {
    // SAFETY: Reads a number that does not change after boot.
    unsafe { bindings::ub_nodes() as usize }
}

/// The node of the CPU this code runs on.
pub(crate) fn this() -> usize {
    // SAFETY: Reads the CPU's own variable; no requirements.
    unsafe { bindings::ub_node_this() as usize }
}

/// The node of a CPU that was online once.
pub(crate) fn of_cpu(cpu: u32) -> u32 {
    // SAFETY: Reads a table of all possible CPUs.
    unsafe { bindings::ub_node_of_cpu(cpu) }
}
