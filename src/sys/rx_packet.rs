// SPDX-License-Identifier: GPL-2.0-only
//! A received UDP packet that is ours.

use super::{
    bindings,
    look::{Look, KEPT},
    net::Device,
    tx_packet::TxPacket,
    Family, //
};
use core::{
    hint::assert_unchecked,
    mem::ManuallyDrop,
    ptr::{addr_of_mut, NonNull},
    slice, //
};
use kernel::{bindings::sk_buff, prelude::*};

/// UDP's number in IP headers.
pub(crate) const IPPROTO_UDP: u8 = 17;

/// Bytes of a UDP header.
pub(crate) const UDP_LEN: usize = 8;

/// Bytes of an Ethernet header.
pub(crate) const ETHERNET_LEN: usize = 14;

/// A received UDP packet, taken from the stack.
///
/// Frees itself; what drops it unanswered counts it first. It is used in the
/// receive path that delivered it; to outlive that it becomes [`Kept`].
///
/// # Invariants
///
/// - `skb` is a valid packet that this value owns.
/// - `skb->dev` is a device that is alive: by a reference of this value's if it is
///   [`KEPT`], and else by the RCU section that this value does not leave.
/// - `look` is true of it.
/// - `skb->data` is the network header, and the bytes up to the end of the UDP
///   header, which begins `look.transport()` bytes on, are linear.
pub(crate) struct RxPacket {
    pub(super) skb: NonNull<sk_buff>,
    look: Look,
}

/// A packet that nothing in the receive path is needed for any more, so that it
/// may wait, and go to another thread.
///
/// # Invariants
///
/// As those of [`RxPacket`], [`KEPT`], and `skb->cb` holds its [`Look`].
pub(crate) struct Kept(NonNull<sk_buff>);

// SAFETY: A packet has one owner, who may be any thread.
unsafe impl Send for Kept {}

impl Kept {
    /// # Safety
    ///
    /// `skb` and its reference to its device are the caller's to give, and
    /// [`RxPacket::note`] was the last that was done with it.
    #[inline(always)]
    pub(super) unsafe fn from_raw(skb: NonNull<sk_buff>) -> Self {
        // INVARIANT: By the caller's promise.
        Self(skb)
    }

    /// The packet, to be answered.
    #[inline(always)]
    pub(crate) fn open(self) -> RxPacket {
        let skb = ManuallyDrop::new(self).0;
        // SAFETY: By the type invariant; `cb` is aligned to 8 bytes, and written by nobody while
        // we own the packet.
        let look = unsafe { (*skb.as_ptr()).cb.as_ptr().cast::<Look>().read() };
        // INVARIANT: By the type invariant.
        RxPacket { skb, look }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(Kept(self.0).open());
    }
}

impl RxPacket {
    /// Takes a packet over from the receive path.
    ///
    /// # Safety
    ///
    /// The caller owns `skb`, in the receive path (RCU read side, so that its
    /// device is alive), and gives it up. `skb->data` is the network header,
    /// and `transport + 8` bytes from there are linear. `look` is what
    /// `ub_skb_look4` or its like said of the packet, with its family.
    #[inline(always)]
    pub(super) unsafe fn from_receive(skb: NonNull<sk_buff>, transport: u16, look: Look) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            skb,
            look: look.with_transport(transport),
        }
    }

    /// The packet, if it is IPv4 and there is nothing unusual in it, as the compiler knows then;
    /// else it comes back.
    #[inline(always)]
    pub(crate) fn usual_ipv4(self) -> Result<Self, Self> {
        let this = ManuallyDrop::new(self);
        let skb = this.skb;
        // INVARIANT: By the type invariant: what it is taken out of is forgotten.
        match this.look.of_usual_ipv4() {
            Some(look) => Ok(Self { skb, look }),
            None => Err(ManuallyDrop::into_inner(this)),
        }
    }

    /// Notes in the packet what there is to know of it, for [`Kept`].
    #[inline(always)]
    pub(super) fn note(&mut self) {
        // SAFETY: The packet is ours by the type invariant; `cb` is aligned to 8 bytes, and large
        // enough.
        unsafe {
            let cb = addr_of_mut!((*self.skb.as_ptr()).cb);
            cb.cast::<Look>().write(self.look.with(KEPT));
        }
    }

    /// The packet's device.
    pub(crate) fn device(&self) -> Device {
        // SAFETY: By the type invariant the device is valid; `Device` takes a reference of its own.
        unsafe { Device::of(self.skb) }
    }

    /// Whether none of `facts` (`UB_*`) holds of the packet.
    #[inline(always)]
    pub(super) fn is_free_of(&self, facts: u32) -> bool {
        !self.look.has(facts)
    }

    /// IPv4 or IPv6.
    #[inline(always)]
    pub(crate) fn family(&self) -> Family {
        self.look.family()
    }

    /// The packet came by a plain Ethernet device, with its link header, and
    /// nothing (VRF, IPsec policy) has a say in where the answer goes.
    #[inline]
    pub(crate) fn is_direct(&self) -> bool {
        self.is_free_of(bindings::UB_INDIRECT)
    }

    /// The CPU that took the packet from the stack.
    #[inline]
    pub(crate) fn cpu(&self) -> usize {
        self.look.cpu()
    }

    /// The largest packet that the device takes, in bytes of the network layer.
    pub(crate) fn mtu(&self) -> usize {
        // SAFETY: Packet and device are valid by the type invariant.
        unsafe { bindings::ub_skb_mtu(self.skb.as_ptr()) as usize }
    }

    /// Everything from the network header to the end of the UDP header.
    pub(crate) fn headers(&self) -> &[u8] {
        let end = self.udp_offset().saturating_add(UDP_LEN);
        // SAFETY: Linear up to there by the type invariant, and not written while `self` is
        // borrowed.
        unsafe { slice::from_raw_parts((*self.skb.as_ptr()).data, end) }
    }

    /// The UDP header.
    #[inline]
    pub(crate) fn udp_header(&self) -> &[u8; UDP_LEN] {
        // SAFETY: Linear by the type invariant, and not written while `self` is borrowed.
        unsafe { &*(*self.skb.as_ptr()).data.add(self.udp_offset()).cast() }
    }

    /// Where the UDP header begins, from the network header.
    #[inline]
    pub(crate) fn udp_offset(&self) -> usize {
        usize::from(self.look.transport())
    }

    /// Bytes from the network header to the packet's end.
    pub(crate) fn len(&self) -> usize {
        // SAFETY: Valid by the type invariant.
        unsafe { (*self.skb.as_ptr()).len as usize }
    }

    /// Cuts off what follows the first `len` bytes (link-layer padding, or
    /// bytes past the UDP length). False when there was no memory to do so.
    #[inline]
    pub(crate) fn trim(&mut self, len: usize) -> bool {
        match u32::try_from(len) {
            // SAFETY: Valid and owned by the type invariant.
            Ok(len) => unsafe { bindings::ub_skb_trim_checked(self.skb.as_ptr(), len) },
            Err(_) => false,
        }
    }

    /// The packet's device, or its sender on this host, says that the UDP checksum is right.
    #[inline(always)]
    pub(crate) fn is_verified(&self) -> bool {
        self.is_free_of(bindings::UB_UNVERIFIED)
    }

    /// Whether the UDP checksum is right, for what it adds up to. The packet must end
    /// where the UDP datagram ends.
    pub(crate) fn checksum_ok(&mut self) -> bool {
        let transport = u32::from(self.look.transport());
        // SAFETY: Valid and owned by the type invariant.
        unsafe { adds_up(self.skb, transport, self.family()) }
    }

    /// What follows the UDP header, in place; nothing when it is in pieces.
    #[inline(always)]
    pub(crate) fn payload(&self) -> Option<&[u8]> {
        let skb = self.skb.as_ptr();
        let start = self.udp_offset().checked_add(UDP_LEN)?;
        let len = self.len().checked_sub(start)?;
        // SAFETY: Valid by the type invariant; both are plain counts.
        let linear = unsafe { (*skb).len.checked_sub((*skb).data_len)? } as usize;
        if start.checked_add(len)? <= linear {
            // SAFETY: Within the linear part, which is not written while `self` is borrowed.
            return Some(unsafe { slice::from_raw_parts((*skb).data.add(start), len) });
        }
        None
    }

    /// How many bytes follow the UDP header.
    pub(crate) fn payload_len(&self) -> usize {
        self.len()
            .saturating_sub(self.udp_offset())
            .saturating_sub(UDP_LEN)
    }

    /// What follows the UDP header, copied into `buffer`. Nothing when that is too
    /// small.
    pub(crate) fn payload_in<'a>(&self, buffer: &'a mut [u8]) -> Option<&'a [u8]> {
        let start = self.udp_offset().checked_add(UDP_LEN)?;
        let whole = buffer.get_mut(..self.payload_len())?;
        // SAFETY: Valid by the type invariant.
        unsafe { copied(self.skb, start, whole) }
    }

    /// The Ethernet header (destination, source, type) of a packet that is
    /// direct.
    pub(crate) fn ethernet(&self) -> Option<&[u8; ETHERNET_LEN]> {
        if !self.is_direct() {
            return None;
        }
        // SAFETY: A packet that is direct has such a header before the network header.
        Some(unsafe { &*bindings::ub_skb_mac(self.skb.as_ptr()).cast() })
    }

    /// How much of the packet's buffer stands before its data.
    #[inline]
    pub(super) fn headroom(&self) -> usize {
        let skb = self.skb.as_ptr();
        // SAFETY: Valid by the type invariant; addresses are compared, nothing is read there.
        unsafe { ((*skb).data as usize).wrapping_sub((*skb).head as usize) }
    }

    /// Bytes of the packet's buffer.
    #[inline]
    pub(super) fn size(&self) -> usize {
        // SAFETY: Valid by the type invariant; a plain count.
        unsafe { (*self.skb.as_ptr()).end as usize }
    }

    /// Makes the packet blank, with `headroom` bytes before its data and `room`
    /// after; gives it back unchanged when its buffer does not allow that.
    pub(crate) fn recycle(self, headroom: usize, room: usize) -> Result<TxPacket, Self> {
        let fits = headroom.saturating_add(room) <= self.size();
        let own = self.is_free_of(bindings::UB_FOREIGN);
        let (true, true, Ok(before)) = (fits, own, u32::try_from(headroom)) else {
            return Err(self);
        };
        let (_device, skb) = self.split();
        // SAFETY: The packet is ours alone, and has that much room.
        Ok(unsafe {
            bindings::ub_skb_recycle(skb.as_ptr(), before);
            TxPacket::from_blank(skb, headroom, room)
        })
    }

    /// Ends a packet that was answered (not a drop, to those who watch drops).
    pub(crate) fn consume(self) {
        let (_device, skb) = self.split();
        // SAFETY: Valid and owned until here.
        unsafe { bindings::consume_skb(skb.as_ptr()) };
    }

    /// Gives up the packet, and the reference to its device if it has one: says so.
    #[inline]
    pub(super) fn into_raw(self) -> (*mut sk_buff, bool) {
        let this = ManuallyDrop::new(self);
        (this.skb.as_ptr(), this.look.has(KEPT))
    }

    /// Takes the packet and its reference to the device, if it has one, apart.
    fn split(self) -> (Option<Device>, NonNull<sk_buff>) {
        let this = ManuallyDrop::new(self);
        let kept = this.look.has(KEPT);
        // SAFETY: The packet's own reference to its device passes on; `this` is not dropped.
        let device = kept.then(|| unsafe { Device::take(this.skb) });
        (device, this.skb)
    }
}

impl Drop for RxPacket {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: The packet and its reference to the device are ours to end; neither is used
        // after this.
        unsafe { end(self.skb, self.look.has(KEPT)) };
    }
}

/// Where the data of a packet begin.
///
/// # Safety
///
/// `skb` is valid.
#[inline(always)]
pub(super) unsafe fn data(skb: NonNull<sk_buff>) -> NonNull<u8> {
    // SAFETY: By the caller's promise; no buffer is at address 0, which is nobody's.
    unsafe {
        let data = (*skb.as_ptr()).data;
        assert_unchecked(!data.is_null());
        NonNull::new_unchecked(data)
    }
}

/// Ends a packet, and its reference to its device if it is `kept`. By values, so that a
/// packet need not be in memory.
///
/// # Safety
///
/// Both are the caller's to end.
#[inline(never)]
unsafe fn end(skb: NonNull<sk_buff>, kept: bool) {
    // SAFETY: By the caller's promise.
    unsafe {
        let _device = kept.then(|| Device::take(skb));
        bindings::ub_skb_drop(skb.as_ptr());
    }
}

/// Whether a UDP checksum is right.
///
/// # Safety
///
/// `skb` is a valid packet of the caller's, whose UDP header is linear, `transport` bytes from
/// its data.
#[inline(never)]
unsafe fn adds_up(skb: NonNull<sk_buff>, transport: u32, family: Family) -> bool {
    // SAFETY: By the caller's promise.
    let sum = unsafe {
        bindings::nf_checksum(
            skb.as_ptr(),
            bindings::nf_inet_hooks_NF_INET_LOCAL_IN,
            transport,
            IPPROTO_UDP,
            family.number() as u16,
        )
    };
    sum == 0
}

/// Fills `copy` with the bytes of a packet from `start` on.
///
/// # Safety
///
/// `skb` is valid.
#[inline(never)]
unsafe fn copied(skb: NonNull<sk_buff>, start: usize, copy: &mut [u8]) -> Option<&[u8]> {
    let len = i32::try_from(copy.len()).ok()?;
    // SAFETY: `copy` has room for `len` bytes; the function checks the packet's own bounds.
    let err = unsafe {
        bindings::skb_copy_bits(
            skb.as_ptr(),
            i32::try_from(start).ok()?,
            copy.as_mut_ptr().cast(),
            len,
        )
    };
    (err == 0).then_some(copy)
}
