// SPDX-License-Identifier: GPL-2.0-only
//! A received UDP packet that is ours.

use super::{bindings, net::Device, tx_packet::TxPacket, Family};
use core::{mem::ManuallyDrop, ptr::NonNull, slice};
use kernel::bindings::sk_buff;

/// UDP's number in IP headers.
pub(crate) const IPPROTO_UDP: u8 = 17;

/// Bytes of a UDP header.
pub(crate) const UDP_LEN: usize = 8;

/// A received UDP packet, taken from the stack.
///
/// Frees itself; what drops it unanswered counts it first.
///
/// # Invariants
///
/// - `skb` is a valid packet that this value owns, and nothing in it points to
///   what only the receive path keeps alive.
/// - `skb->dev` is a device to which this value owns a reference.
/// - `skb->data` is the network header; the transport header's offset is set,
///   and the bytes up to the end of the UDP header are linear.
pub(crate) struct RxPacket {
    skb: NonNull<sk_buff>,
}

// SAFETY: A packet has one owner, who may be any thread.
unsafe impl Send for RxPacket {}

impl RxPacket {
    /// Takes a packet over from the receive path.
    ///
    /// # Safety
    ///
    /// The caller owns `skb`, in the receive path (RCU read side, so that its
    /// device is alive), and gives it up. `skb->data` is the network header,
    /// and `transport + 8` bytes from there are linear.
    pub(super) unsafe fn from_receive(skb: NonNull<sk_buff>, transport: u32) -> Self {
        let raw = skb.as_ptr();
        // SAFETY: By the caller's promise the packet and its device are valid.
        unsafe {
            bindings::ub_skb_set_transport(raw, transport);
            bindings::ub_dev_hold(bindings::ub_skb_dev(raw));
            bindings::ub_skb_detach(raw);
        }
        // INVARIANT: Owned, detached, with a reference to its device.
        Self { skb }
    }

    /// Gives up ownership; [`from_raw`](Self::from_raw) takes it back.
    pub(super) fn into_raw(self) -> *mut sk_buff {
        ManuallyDrop::new(self).skb.as_ptr()
    }

    /// # Safety
    ///
    /// `skb` came from [`into_raw`](Self::into_raw), and comes back once.
    pub(super) unsafe fn from_raw(skb: NonNull<sk_buff>) -> Self {
        // INVARIANT: Held when `into_raw` was called, and nothing has changed.
        Self { skb }
    }

    /// The packet's device.
    pub(crate) fn device(&self) -> Device {
        // SAFETY: By the type invariant the device is valid; `Device` takes a reference of its own.
        unsafe { Device::of(self.skb) }
    }

    /// IPv4 or IPv6; nothing for what neither is.
    pub(crate) fn family(&self) -> Option<Family> {
        // SAFETY: Valid by the type invariant.
        Family::from_number(unsafe { bindings::ub_skb_family(self.skb.as_ptr()) })
    }

    /// Everything from the network header to the end of the UDP header.
    pub(crate) fn headers(&self) -> &[u8] {
        let end = self.udp_offset().saturating_add(UDP_LEN);
        // SAFETY: Linear up to there by the type invariant, and not written while `self` is
        // borrowed.
        unsafe { slice::from_raw_parts((*self.skb.as_ptr()).data, end) }
    }

    /// Where the UDP header begins, from the network header.
    pub(crate) fn udp_offset(&self) -> usize {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::ub_skb_transport(self.skb.as_ptr()) as usize }
    }

    /// Bytes from the network header to the packet's end.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: Valid by the type invariant.
        unsafe { (*self.skb.as_ptr()).len as usize }
    }

    /// Cuts off what follows the first `len` bytes (link-layer padding, or
    /// bytes past the UDP length). False when there was no memory to do so.
    pub(crate) fn trim(&mut self, len: usize) -> bool {
        match u32::try_from(len) {
            // SAFETY: Valid and owned by the type invariant.
            Ok(len) => unsafe { bindings::ub_skb_trim_checked(self.skb.as_ptr(), len) },
            Err(_) => false,
        }
    }

    /// Whether the UDP checksum is right. The packet must end where the UDP
    /// datagram ends.
    pub(crate) fn checksum_ok(&mut self, family: Family) -> bool {
        let Ok(offset) = u32::try_from(self.udp_offset()) else {
            return false;
        };
        // SAFETY: Valid and owned by the type invariant; `offset` is within the packet.
        let sum = unsafe {
            bindings::nf_checksum(
                self.skb.as_ptr(),
                bindings::nf_inet_hooks_NF_INET_LOCAL_IN,
                offset,
                IPPROTO_UDP,
                family.number() as u16,
            )
        };
        sum == 0
    }

    /// What follows the UDP header: in place when it is linear, else copied
    /// into `scratch`. Nothing when `scratch` is too small.
    pub(crate) fn payload<'a>(&'a self, scratch: &'a mut [u8]) -> Option<&'a [u8]> {
        let skb = self.skb.as_ptr();
        let start = self.udp_offset().checked_add(UDP_LEN)?;
        let len = self.len().checked_sub(start)?;
        // SAFETY: Valid by the type invariant; both are plain counts.
        let linear = unsafe { (*skb).len.checked_sub((*skb).data_len)? } as usize;
        if start.checked_add(len)? <= linear {
            // SAFETY: Within the linear part, which is not written while `self` is borrowed.
            return Some(unsafe { slice::from_raw_parts((*skb).data.add(start), len) });
        }
        let copy = scratch.get_mut(..len)?;
        // SAFETY: `copy` has room for `len` bytes; the function checks the packet's own bounds.
        let err = unsafe {
            bindings::skb_copy_bits(
                skb,
                i32::try_from(start).ok()?,
                copy.as_mut_ptr().cast(),
                i32::try_from(len).ok()?,
            )
        };
        (err == 0).then_some(copy)
    }

    /// The packet's Ethernet header (destination, source, type), when it has
    /// one in front of its network header.
    pub(crate) fn ethernet(&self, link: &bindings::ub_link) -> Option<&[u8]> {
        if !link.has_mac {
            return None;
        }
        // SAFETY: `has_mac` says that 14 bytes of link header stand before the network header.
        Some(unsafe { slice::from_raw_parts(bindings::ub_skb_mac(self.skb.as_ptr()), 14) })
    }

    /// What the link layer below the packet looks like.
    pub(crate) fn link(&self, device: &Device) -> bindings::ub_link {
        let mut link = bindings::ub_link::default();
        // SAFETY: Packet and device are valid; `link` is written whole.
        unsafe { bindings::ub_link_of(self.skb.as_ptr(), device.as_ptr(), &mut link) };
        link
    }

    /// Makes the packet blank, with `headroom` bytes before its data and `room`
    /// after; gives it back unchanged when its buffer does not allow that.
    pub(crate) fn recycle(self, headroom: usize, room: usize) -> Result<TxPacket, Self> {
        let (Ok(before), Ok(after)) = (u32::try_from(headroom), u32::try_from(room)) else {
            return Err(self);
        };
        // SAFETY: Valid and owned by the type invariant.
        if !unsafe { bindings::ub_skb_recycle(self.skb.as_ptr(), before, after) } {
            return Err(self);
        }
        let (_device, skb) = self.split();
        // SAFETY: The packet is ours, blank, and has that much room.
        Ok(unsafe { TxPacket::from_blank(skb, headroom, room) })
    }

    /// Ends a packet that was answered (not a drop, to those who watch drops).
    pub(crate) fn consume(self) {
        let (_device, skb) = self.split();
        // SAFETY: Valid and owned until here.
        unsafe { bindings::consume_skb(skb.as_ptr()) };
    }

    /// Takes the reference to the device and the packet apart.
    fn split(self) -> (Device, NonNull<sk_buff>) {
        let this = ManuallyDrop::new(self);
        // SAFETY: The packet's own reference to its device passes on; `this` is not dropped.
        (unsafe { Device::take(this.skb) }, this.skb)
    }
}

impl Drop for RxPacket {
    fn drop(&mut self) {
        // SAFETY: The packet and its reference to the device are ours to end; neither is used
        // after this.
        unsafe {
            drop(Device::take(self.skb));
            bindings::ub_skb_drop(self.skb.as_ptr());
        }
    }
}
