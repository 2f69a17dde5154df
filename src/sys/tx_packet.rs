// SPDX-License-Identifier: GPL-2.0-only
//! A packet of ours, filled from the inside out and sent.

use super::{
    bindings,
    net::{Device, Net},
    sheets::Text,
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
/// `skb` is a valid packet that this value owns, linear but for texts attached, with at least
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

    /// Appends a text that is on a sheet, without copying it; nothing when it is
    /// not, or there are [`PARTS_MAX`](super::sheets::PARTS_MAX) of them. After
    /// this nothing can be [`put`](Self::put).
    pub(crate) fn attach(&mut self, text: &Text<'_>) -> Option<()> {
        self.room = 0;
        // SAFETY: The packet is ours, and linear but for such texts, by the type invariant; without
        // room nothing is put behind them.
        unsafe { text.attach_to(self.skb) }
    }

    /// How many parts were attached.
    pub(crate) fn parts(&self) -> usize {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::ub_skb_parts(self.skb.as_ptr()) as usize }
    }

    /// What is in the packet, its UDP payload, is `count` datagrams of `size`
    /// bytes (the last may be shorter): whoever can't take them as one packet
    /// makes several of it. More than one.
    pub(crate) fn merge(&mut self, size: usize, count: u32) {
        // SAFETY: Valid and owned by the type invariant. A size too large is none that is sent.
        unsafe { bindings::ub_skb_merge(self.skb.as_ptr(), size as u32, count) }
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

    /// The data now begins with the UDP header: note its place, and have its
    /// checksum, where the sum of the pseudo-header stands, completed.
    pub(crate) fn seal_udp(&mut self) {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::ub_skb_mark_udp(self.skb.as_ptr()) }
    }

    /// The data now begins with the network header: note its place.
    pub(crate) fn seal_ip(&mut self, family: Family) {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::ub_skb_mark_network(self.skb.as_ptr(), family.number()) }
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
    pub(crate) fn send_routed(self, net: &Net, flow: &Flow) -> Result {
        let skb = self.skb.as_ptr();
        let (net, sport, dport) = (net.as_ptr(), flow.source_port, flow.destination_port);
        let err = match (flow.source, flow.destination) {
            // SAFETY: Packet and namespace are valid, and the addresses are as long as they should
            // be.
            (Address::V4(s), Address::V4(d)) => unsafe {
                bindings::ub_ip_ident(net, skb);
                let (s, d) = (s.as_ptr().cast(), d.as_ptr().cast());
                bindings::ub_route4(net, skb, s, d, sport, dport, flow.oif)
            },
            // SAFETY: As above.
            (Address::V6(s), Address::V6(d)) => unsafe {
                let (s, d) = (s.as_ptr().cast(), d.as_ptr().cast());
                bindings::ub_route6(net, skb, s, d, sport, dport, flow.oif)
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

/// An address, in words of the wire's order.
#[derive(Clone, Copy)]
pub(crate) enum Address {
    /// IPv4.
    V4([u32; 1]),
    /// IPv6.
    V6([u32; 4]),
}

impl Address {
    fn family(&self) -> Family {
        match self {
            Address::V4(_) => Family::V4,
            Address::V6(_) => Family::V6,
        }
    }
}

/// Where a routed packet comes from and goes to.
pub(crate) struct Flow {
    pub(crate) source: Address,
    pub(crate) destination: Address,
    pub(crate) source_port: u16,
    pub(crate) destination_port: u16,
    /// Index of the device it must leave by, or 0.
    pub(crate) oif: i32,
}

/// `NET_XMIT_CN` means sent, with a hint to slow down; other positive codes and
/// errors mean that the packet is gone.
#[inline]
pub(super) fn xmit_result(verdict: c_int) -> Result {
    const NET_XMIT_CN: c_int = 2;
    match verdict {
        0 | NET_XMIT_CN => Ok(()),
        err if err < 0 => Err(Error::from_errno(err)),
        _ => Err(EIO),
    }
}
