// SPDX-License-Identifier: GPL-2.0-only
//! Safe wrappers over the kernel's C side. FFI `unsafe` lives here and nowhere
//! else in the module.

pub(crate) mod cpu;
pub(crate) mod exclusive;
pub(crate) mod hook;
pub(crate) mod ingress;
pub(crate) mod kthread;
pub(crate) mod lock;
mod look;
pub(crate) mod memory;
pub(crate) mod net;
pub(crate) mod node;
pub(crate) mod params;
pub(crate) mod queue;
pub(crate) mod rx_packet;
pub(crate) mod sheets;
pub(crate) mod socket;
pub(crate) mod stock;
pub(crate) mod sysfs;
pub(crate) mod time;
pub(crate) mod trace;
pub(crate) mod turned;
pub(crate) mod tx_packet;

/// What bindgen made of `abi/unbuckle.h`.
#[allow(
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_upper_case_globals,
    non_snake_case,
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    clippy::all,
    clippy::arithmetic_side_effects,
    clippy::cast_lossless,
    clippy::indexing_slicing,
    clippy::ptr_as_ptr,
    clippy::undocumented_unsafe_blocks
)]
pub(crate) mod bindings {
    include!(env!("UB_BINDINGS"));
}

/// An address family that the data path carries.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The `AF_*` number.
    pub(crate) fn number(self) -> u32 {
        match self {
            Family::V4 => kernel::bindings::AF_INET,
            Family::V6 => kernel::bindings::AF_INET6,
        }
    }
}
