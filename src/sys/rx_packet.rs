// SPDX-License-Identifier: GPL-2.0-only
//! A received UDP packet that is ours.

use super::{
    bindings,
    net::Device,
    sheets::Text,
    tx_packet::{xmit_result, TxPacket},
    Family,
};
use core::{
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

/// What a look at a packet said (`struct ub_look`).
#[derive(Clone, Copy)]
pub(super) struct Look {
    pub(super) facts: u32,
    cpu: u32,
    mtu: u32,
}

impl From<bindings::ub_look> for Look {
    #[inline(always)]
    fn from(look: bindings::ub_look) -> Self {
        Self {
            facts: look.facts as u32,
            cpu: (look.facts >> 32) as u32,
            mtu: look.mtu as u32,
        }
    }
}

/// A received UDP packet, taken from the stack.
///
/// Frees itself; what drops it unanswered counts it first. It is used in the
/// receive path that delivered it; to outlive that it becomes [`Kept`].
///
/// # Invariants
///
/// - `skb` is a valid packet that this value owns.
/// - `skb->dev` is a device that is alive: by a reference of this value's if
///   `kept`, and else by the RCU section that this value does not leave.
/// - `facts` and `family` are true of it, and `cpu` and `mtu` were when it was taken.
/// - `skb->data` is the network header, and the bytes up to the end of the UDP
///   header, which begins `transport` bytes on, are linear.
pub(crate) struct RxPacket {
    skb: NonNull<sk_buff>,
    facts: u32,
    family: Family,
    kept: bool,
    transport: u32,
    cpu: u32,
    mtu: u32,
}

/// A packet that nothing in the receive path is needed for any more, so that it
/// may wait, and go to another thread.
///
/// # Invariants
///
/// As those of [`RxPacket`], `kept`, and `skb->cb` holds the rest.
pub(crate) struct Kept(NonNull<sk_buff>);

// SAFETY: A packet has one owner, who may be any thread.
unsafe impl Send for Kept {}

impl Kept {
    /// Gives up ownership; [`from_raw`](Self::from_raw) takes it back.
    #[inline]
    pub(super) fn into_raw(self) -> *mut sk_buff {
        ManuallyDrop::new(self).0.as_ptr()
    }

    /// # Safety
    ///
    /// `skb` came from [`into_raw`](Self::into_raw), and comes back once.
    #[inline]
    pub(super) unsafe fn from_raw(skb: NonNull<sk_buff>) -> Self {
        // INVARIANT: Held when `into_raw` was called, and nothing has changed.
        Self(skb)
    }

    /// The packet, to be answered.
    #[inline]
    pub(crate) fn open(self) -> RxPacket {
        let skb = ManuallyDrop::new(self).0;
        // SAFETY: By the type invariant; `cb` is aligned to 8 bytes, and written by nobody while
        // we own the packet.
        let request: &bindings::ub_request = unsafe { &*(*skb.as_ptr()).cb.as_ptr().cast() };
        // INVARIANT: By the type invariant.
        RxPacket {
            skb,
            facts: request.facts,
            family: family_in(request.facts),
            kept: true,
            transport: request.transport,
            cpu: request.cpu,
            mtu: request.mtu,
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        drop(Kept(self.0).open());
    }
}

/// What the facts of a packet say of its family.
#[inline]
pub(super) fn family_in(facts: u32) -> Family {
    match facts & bindings::UB_IPV6 {
        0 => Family::V4,
        _ => Family::V6,
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
    /// `ub_skb_look` or its like said of the packet.
    #[inline(always)]
    pub(super) unsafe fn from_receive(
        skb: NonNull<sk_buff>,
        transport: u32,
        family: Family,
        look: Look,
    ) -> Self {
        // INVARIANT: By the caller's promise.
        Self {
            skb,
            facts: look.facts,
            family,
            kept: false,
            transport,
            cpu: look.cpu,
            mtu: look.mtu,
        }
    }

    /// Lets the packet outlive the receive path.
    #[inline]
    pub(crate) fn keep(self) -> Kept {
        let this = ManuallyDrop::new(self);
        let family = match this.family {
            Family::V4 => 0,
            Family::V6 => bindings::UB_IPV6,
        };
        // SAFETY: The packet is ours and its device alive, by the type invariant; `cb` is aligned
        // to 8 bytes, and large enough.
        unsafe {
            if !this.kept {
                bindings::ub_skb_keep(this.skb.as_ptr());
            }
            let cb = addr_of_mut!((*this.skb.as_ptr()).cb);
            cb.cast::<bindings::ub_request>()
                .write(bindings::ub_request {
                    facts: this.facts | family,
                    transport: this.transport,
                    cpu: this.cpu,
                    mtu: this.mtu,
                });
        }
        // INVARIANT: Just established.
        Kept(this.skb)
    }

    /// The packet's device.
    pub(crate) fn device(&self) -> Device {
        // SAFETY: By the type invariant the device is valid; `Device` takes a reference of its own.
        unsafe { Device::of(self.skb) }
    }

    /// Whether none of `facts` (`UB_*`) holds of the packet.
    #[inline]
    fn is_free_of(&self, facts: u32) -> bool {
        self.facts & facts == 0
    }

    /// IPv4 or IPv6.
    #[inline]
    pub(crate) fn family(&self) -> Family {
        self.family
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
        self.cpu as usize
    }

    /// The largest packet that the device takes, in bytes of the network layer.
    #[inline]
    pub(crate) fn mtu(&self) -> usize {
        self.mtu as usize
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
        self.transport as usize
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

    /// Whether the UDP checksum is right, for what the packet's device or its
    /// sender on this host says of it, or for what it adds up to. The packet
    /// must end where the UDP datagram ends.
    #[inline]
    pub(crate) fn checksum_ok(&mut self) -> bool {
        if self.is_free_of(bindings::UB_UNVERIFIED) {
            return true;
        }
        // SAFETY: Valid and owned by the type invariant.
        unsafe { adds_up(self.skb, self.transport, self.family) }
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
    fn headroom(&self) -> usize {
        let skb = self.skb.as_ptr();
        // SAFETY: Valid by the type invariant; addresses are compared, nothing is read there.
        unsafe { ((*skb).data as usize).wrapping_sub((*skb).head as usize) }
    }

    /// Bytes of the packet's buffer.
    #[inline]
    fn size(&self) -> usize {
        // SAFETY: Valid by the type invariant; a plain count.
        unsafe { (*self.skb.as_ptr()).end as usize }
    }

    /// Whether the packet can become its own reply, with `payload` bytes behind
    /// the headers: it is direct, ours alone, and its buffer large enough.
    #[inline(always)]
    pub(crate) fn can_turn(&self, payload: usize) -> bool {
        const IN_THE_WAY: u32 = bindings::UB_FOREIGN | bindings::UB_INDIRECT;
        let end = self
            .headroom()
            .saturating_add(self.udp_offset())
            .saturating_add(UDP_LEN)
            .saturating_add(payload);
        self.is_free_of(IN_THE_WAY) && end <= self.size()
    }

    /// Makes the packet its own reply, where it lies: the headers stay, and
    /// `payload` bytes follow them. Gives it back unchanged when that
    /// [cannot be](Self::can_turn).
    #[inline(always)]
    pub(crate) fn turn(self, payload: usize) -> Result<Turned, Self> {
        if !self.can_turn(payload) {
            return Err(self);
        }
        let after = self
            .udp_offset()
            .saturating_add(UDP_LEN)
            .saturating_add(payload);
        // INVARIANT: The packet is ours alone, and `after` bytes from its data on, and an Ethernet
        // header before it, are within its buffer.
        Ok(Turned {
            packet: self,
            after,
        })
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

    /// Takes the packet and its reference to the device, if it has one, apart.
    #[inline]
    fn split(self) -> (Option<Device>, NonNull<sk_buff>) {
        let this = ManuallyDrop::new(self);
        // SAFETY: The packet's own reference to its device passes on; `this` is not dropped.
        let device = this.kept.then(|| unsafe { Device::take(this.skb) });
        (device, this.skb)
    }
}

impl Drop for RxPacket {
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: The packet and its reference to the device are ours to end; neither is used
        // after this.
        unsafe { end(self.skb, self.kept) };
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

/// A request's packet that is being made its own reply.
///
/// # Invariants
///
/// The packet is ours alone and has its Ethernet header (neither `UB_FOREIGN` nor `UB_INDIRECT`);
/// from there to `after` bytes behind the beginning of its network header all
/// is within its buffer.
pub(crate) struct Turned {
    packet: RxPacket,
    after: usize,
}

impl Turned {
    /// The reply from its Ethernet header on, to be filled: first headers of
    /// the request, whatever else there was is still there.
    #[inline]
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        let len = self.after.saturating_add(ETHERNET_LEN);
        // SAFETY: By the type invariant these bytes are ours; 14 of them stand before the data.
        unsafe {
            let start = (*self.packet.skb.as_ptr()).data.sub(ETHERNET_LEN);
            slice::from_raw_parts_mut(start, len)
        }
    }

    /// Appends a text that is on a sheet; nothing when it is not.
    #[inline]
    pub(crate) fn attach(&mut self, text: &Text<'_>) -> Option<()> {
        // SAFETY: The packet is ours, and was linear, not being `UB_FOREIGN`.
        unsafe { text.attach_to(self.packet.skb) }
    }

    /// Sends it, complete but for the UDP checksum, where the sum of the
    /// pseudo-header stands, on the device that the request came by.
    #[inline(always)]
    pub(crate) fn send(self) -> Result {
        let transport = self.packet.transport;
        let (_device, skb) = self.packet.split();
        // SAFETY: The packet is ours to give, its device alive until the call returns, and by the
        // type invariant its buffer holds that many bytes; their number is well below 2^32.
        xmit_result(unsafe {
            bindings::ub_skb_send_back(skb.as_ptr(), transport, self.after as u32)
        })
    }
}
