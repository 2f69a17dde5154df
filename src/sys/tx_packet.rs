// SPDX-License-Identifier: GPL-2.0-only
//! A packet of ours, filled from the inside out and sent.

use super::{
    bindings,
    net::{Device, Net},
    Family,
};
use core::{mem::ManuallyDrop, ptr::NonNull, slice};
use kernel::{
    bindings::sk_buff,
    error::to_result,
    prelude::*, //
};

/// Bytes of an IPv4 header without options.
pub(crate) const IPV4_LEN: usize = 20;

/// Bytes of an IPv6 header without extensions.
pub(crate) const IPV6_LEN: usize = 40;

/// A packet under construction. Frees itself when it is not sent.
///
/// # Invariants
///
/// `skb` is a valid linear packet that this value owns, with at least
/// `headroom` bytes free before its data and `room` after.
pub(crate) struct TxPacket {
    skb: NonNull<sk_buff>,
    headroom: usize,
    room: usize,
}

impl TxPacket {
    /// A new empty packet; nothing when there is no memory.
    pub(crate) fn new(headroom: usize, room: usize) -> Option<Self> {
        let before = u32::try_from(headroom).ok()?;
        let after = u32::try_from(room).ok()?;
        // SAFETY: No requirements; a sum too large fails to allocate.
        let skb = NonNull::new(unsafe { bindings::ub_skb_blank(before, after) })?;
        // SAFETY: Just made, with that much room.
        Some(unsafe { Self::from_blank(skb, headroom, room) })
    }

    /// # Safety
    ///
    /// `skb` is the caller's to give, empty, linear, and has that much room.
    pub(super) unsafe fn from_blank(skb: NonNull<sk_buff>, headroom: usize, room: usize) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            skb,
            headroom,
            room,
        }
    }

    /// Appends `bytes`; nothing when there is no room for them.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Option<()> {
        self.room = self.room.checked_sub(bytes.len())?;
        let len = u32::try_from(bytes.len()).ok()?;
        // SAFETY: By the type invariant there was room for `len` bytes, and now they are ours to
        // write.
        unsafe {
            let at = bindings::skb_put(self.skb.as_ptr(), len).cast::<u8>();
            slice::from_raw_parts_mut(at, bytes.len()).copy_from_slice(bytes);
        }
        Some(())
    }

    /// Puts `bytes` in front; nothing when there is no room for them.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Option<()> {
        self.headroom = self.headroom.checked_sub(bytes.len())?;
        let len = u32::try_from(bytes.len()).ok()?;
        // SAFETY: By the type invariant there was headroom for `len` bytes, and now they are ours
        // to write.
        unsafe {
            let at = bindings::skb_push(self.skb.as_ptr(), len).cast::<u8>();
            slice::from_raw_parts_mut(at, bytes.len()).copy_from_slice(bytes);
        }
        Some(())
    }

    /// Bytes so far.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: Valid by the type invariant.
        unsafe { (*self.skb.as_ptr()).len as usize }
    }

    /// The data now begins with the UDP header: note its place, and fill in its
    /// checksum (or have the device do so). Addresses as on the wire.
    pub(crate) fn seal_udp(&mut self, source: Address<'_>, destination: Address<'_>) {
        let skb = self.skb.as_ptr();
        // SAFETY: Valid by the type invariant; `Address` holds as many bytes as its family has.
        unsafe {
            bindings::ub_skb_mark_transport(skb);
            match (source, destination) {
                (Address::V4(s), Address::V4(d)) => {
                    bindings::ub_udp_csum4(skb, s.as_ptr(), d.as_ptr());
                }
                (Address::V6(s), Address::V6(d)) => {
                    bindings::ub_udp_csum6(skb, s.as_ptr(), d.as_ptr());
                }
                // No caller mixes families; such a packet would fail its receiver's check.
                _ => {}
            }
        }
    }

    /// The data now begins with the network header: note its place, and fill in
    /// the header checksum that IPv4 has.
    pub(crate) fn seal_ip(&mut self, family: Family) {
        let skb = self.skb.as_ptr();
        // SAFETY: Valid by the type invariant; an IPv4 header is touched only where one is.
        unsafe {
            bindings::ub_skb_mark_network(skb, family.number());
            if family == Family::V4 && self.len() >= IPV4_LEN {
                bindings::ub_ip_checksum(skb);
            }
        }
    }

    /// Sends a packet that is complete down to its Ethernet header, on `device`.
    pub(crate) fn send_on(self, device: &Device) -> Result {
        let skb = self.into_raw();
        // SAFETY: The packet is ours to give, and the device is alive; bottom halves are off or
        // not, both are allowed.
        let verdict = unsafe {
            bindings::ub_skb_mark_mac(skb, device.as_ptr());
            bindings::__dev_queue_xmit(skb, core::ptr::null_mut())
        };
        xmit_result(verdict)
    }

    /// Routes a packet that begins with its network header, and sends it
    /// through the host's own output path. `oif` 0 leaves the device open.
    pub(crate) fn send_routed(self, net: &Net, flow: &Flow<'_>) -> Result {
        let skb = self.skb.as_ptr();
        let (net, sport, dport) = (net.as_ptr(), flow.source_port, flow.destination_port);
        let err = match (flow.source, flow.destination) {
            // SAFETY: Packet and namespace are valid, and the addresses are as long as they should
            // be.
            (Address::V4(s), Address::V4(d)) => unsafe {
                bindings::ub_ip_ident(net, skb);
                bindings::ub_route4(net, skb, s.as_ptr(), d.as_ptr(), sport, dport, flow.oif)
            },
            // SAFETY: As above.
            (Address::V6(s), Address::V6(d)) => unsafe {
                bindings::ub_route6(net, skb, s.as_ptr(), d.as_ptr(), sport, dport, flow.oif)
            },
            _ => return Err(EINVAL),
        };
        to_result(err)?;
        let family = flow.source.family();
        let skb = self.into_raw();
        // SAFETY: The packet is ours to give, and has a route.
        xmit_result(unsafe {
            match family {
                Family::V4 => bindings::ip_local_out(net, core::ptr::null_mut(), skb),
                Family::V6 => bindings::ip6_local_out(net, core::ptr::null_mut(), skb),
            }
        })
    }

    fn into_raw(self) -> *mut sk_buff {
        ManuallyDrop::new(self).skb.as_ptr()
    }
}

impl Drop for TxPacket {
    fn drop(&mut self) {
        // SAFETY: Valid and owned by the type invariant.
        unsafe { bindings::ub_skb_drop(self.skb.as_ptr()) };
    }
}

/// An address, as on the wire.
#[derive(Clone, Copy)]
pub(crate) enum Address<'a> {
    /// IPv4.
    V4(&'a [u8; 4]),
    /// IPv6.
    V6(&'a [u8; 16]),
}

impl Address<'_> {
    fn family(&self) -> Family {
        match self {
            Address::V4(_) => Family::V4,
            Address::V6(_) => Family::V6,
        }
    }
}

/// Where a routed packet comes from and goes to.
pub(crate) struct Flow<'a> {
    pub(crate) source: Address<'a>,
    pub(crate) destination: Address<'a>,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    /// Index of the device it must leave by, or 0.
    pub(crate) oif: i32,
}

/// `NET_XMIT_CN` means sent, with a hint to slow down; other positive codes and
/// errors mean that the packet is gone.
fn xmit_result(verdict: c_int) -> Result {
    const NET_XMIT_CN: c_int = 2;
    match verdict {
        0 | NET_XMIT_CN => Ok(()),
        err if err < 0 => Err(Error::from_errno(err)),
        _ => Err(EIO),
    }
}
