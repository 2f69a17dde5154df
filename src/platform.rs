// SPDX-License-Identifier: GPL-2.0-only
//! What the core asks of its host, given by the kernel.

use crate::sys::{cpu, lock, memory, trace};
use kernel::prelude::*;
use kv::NoMemory;

/// The kernel as the core's host.
pub(crate) struct Kernel;

impl kv::Platform for Kernel {
    type RwLock = lock::RwLock;
    type SpinLock = lock::SpinLock;
    type OrderLock = lock::OrderLock;
    type GateLock = lock::GateLock;
    type Memory = memory::Region;
    type Array<T: Send + Sync> = KVVec<T>;

    fn array<T: Send + Sync>(
        len: usize,
        mut make: impl FnMut(usize) -> Result<T, NoMemory>,
    ) -> Result<KVVec<T>, NoMemory> {
        let mut array = KVVec::with_capacity(len, GFP_KERNEL).map_err(|_| NoMemory)?;
        for index in 0..len {
            array.push(make(index)?, GFP_KERNEL).map_err(|_| NoMemory)?;
        }
        Ok(array)
    }

    fn here() -> usize {
        cpu::this()
    }

    #[inline(always)]
    fn hit(name: impl FnOnce() -> u64, len: impl FnOnce() -> usize) {
        trace::hit(|| (name(), bytes(len())));
    }

    #[inline(always)]
    fn miss(name: impl FnOnce() -> u64) {
        trace::miss(|| (name(), 0));
    }

    #[inline(always)]
    fn evict(name: impl FnOnce() -> u64, len: impl FnOnce() -> usize) {
        trace::evict(|| (name(), bytes(len())));
    }
}

fn bytes(len: usize) -> c_uint {
    u32::try_from(len).unwrap_or(u32::MAX)
}
