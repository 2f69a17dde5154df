// SPDX-License-Identifier: GPL-2.0-only
//! What the core asks of its host, given by the kernel.

use crate::sys::{lock, memory};

/// The kernel as the core's host.
pub(crate) struct Kernel;

impl kv::Platform for Kernel {
    type RwLock = lock::RwLock;
    type SpinLock = lock::SpinLock;
    type Memory = memory::Region;
}
