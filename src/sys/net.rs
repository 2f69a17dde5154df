// SPDX-License-Identifier: GPL-2.0-only
//! Network namespaces and devices.

use super::bindings;
use core::ptr::{addr_of_mut, NonNull};
use kernel::bindings::{net, net_device, sk_buff};

/// A network namespace.
///
/// # Invariants
///
/// The namespace lives as long as this value.
#[derive(Clone, Copy)]
pub(crate) struct Net(NonNull<net>);

// SAFETY: Only handed to functions that lock what they need.
unsafe impl Send for Net {}
// SAFETY: As above.
unsafe impl Sync for Net {}

impl Net {
    /// The initial namespace.
    pub(crate) fn initial() -> Self {
        // INVARIANT: The initial namespace never ends.
        // SAFETY: The address of a static is not null.
        Self(unsafe { NonNull::new_unchecked(addr_of_mut!(bindings::init_net)) })
    }

    pub(super) fn as_ptr(&self) -> *mut net {
        self.0.as_ptr()
    }
}

/// A network device that cannot go away.
///
/// # Invariants
///
/// Owns a reference to the device.
pub(crate) struct Device(NonNull<net_device>);

// SAFETY: Devices are reference counted, and the data path may use them anywhere.
unsafe impl Send for Device {}

impl Device {
    /// The device of a packet, with a reference of its own.
    ///
    /// # Safety
    ///
    /// `skb->dev` is a valid device.
    pub(super) unsafe fn of(skb: NonNull<sk_buff>) -> Self {
        // SAFETY: Valid by the caller's promise.
        unsafe {
            bindings::ub_dev_hold(raw(skb));
            Self::take(skb)
        }
    }

    /// The device of a packet, taking over the reference that the packet owns.
    ///
    /// # Safety
    ///
    /// The packet owns a reference to `skb->dev`, and gives it up.
    pub(super) unsafe fn take(skb: NonNull<sk_buff>) -> Self {
        // INVARIANT: The reference passes to us.
        // SAFETY: Valid, so not null, by the caller's promise.
        unsafe { Self(NonNull::new_unchecked(raw(skb))) }
    }

    /// Its index.
    pub(crate) fn index(&self) -> u32 {
        // SAFETY: By the type invariant the device is there.
        unsafe { bindings::ub_dev_index(self.as_ptr()) }
    }

    /// The index of its VRF, or 0.
    pub(crate) fn vrf(&self) -> u32 {
        // SAFETY: By the type invariant the device is there.
        unsafe { bindings::ub_dev_vrf(self.as_ptr()) }
    }

    pub(super) fn as_ptr(&self) -> *mut net_device {
        self.0.as_ptr()
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        // SAFETY: By the type invariant the reference is ours.
        unsafe { bindings::ub_dev_put(self.0.as_ptr()) };
    }
}

/// # Safety
///
/// `skb` is a valid packet.
unsafe fn raw(skb: NonNull<sk_buff>) -> *mut net_device {
    // SAFETY: Valid by the caller's promise.
    unsafe { bindings::ub_skb_dev(skb.as_ptr()) }
}
