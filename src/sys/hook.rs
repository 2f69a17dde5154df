// SPDX-License-Identifier: GPL-2.0-only
//! Netfilter hooks, and what a hook may do with a packet.

use super::{
    bindings,
    look::Look,
    net::Net,
    rx_packet::{data, RxPacket, UDP_LEN},
    tx_packet::IPV4_LEN,
    Family, //
};
use core::{marker::PhantomData, ptr::NonNull, slice};
use kernel::{
    bindings::sk_buff,
    error::to_result,
    prelude::*,
    sync::Arc,
    types::Opaque, //
};

/// What becomes of the packet. Made only by giving the packet up.
pub(crate) struct Verdict(u32);

/// What sees the packets that arrive for this host.
pub(crate) trait Hook: Send + Sync + 'static {
    /// A packet passed the host's firewall and is about to be delivered. Runs
    /// in softirq context, in an RCU read-side section.
    fn local_in(&self, packet: HookPacket<'_>) -> Verdict;

    /// A frame came in, perhaps of that family, and the stack has not routed it, nor, at a
    /// device's ingress, looked at it at all. The same context.
    fn early(&self, packet: HookPacket<'_>) -> Verdict;
}

/// A packet that a hook looks at.
///
/// # Invariants
///
/// `skb` is valid and the hook's for the time of the call; `skb->data` is the
/// network header, and `linear` bytes from there are linear. `look` is what is
/// known of it, if anything is.
pub(crate) struct HookPacket<'a> {
    skb: NonNull<sk_buff>,
    family: Family,
    linear: usize,
    look: Option<Look>,
    _call: PhantomData<&'a mut sk_buff>,
}

/// A packet that a hook looks at, in two registers. Who is called seldom takes this, so
/// that the usual packet need not be in memory.
///
/// # Invariants
///
/// As those of [`HookPacket`].
pub(crate) struct Folded<'a> {
    skb: NonNull<sk_buff>,
    look: Look,
    _call: PhantomData<&'a mut sk_buff>,
}

impl<'a> Folded<'a> {
    /// The packet.
    #[inline(always)]
    pub(crate) fn open(self) -> HookPacket<'a> {
        let skb = self.skb.as_ptr();
        // SAFETY: Valid by the type invariant; both are plain counts.
        let linear = unsafe { (*skb).len.wrapping_sub((*skb).data_len) } as usize;
        // INVARIANT: By that of `Folded`; so many are linear.
        HookPacket {
            skb: self.skb,
            family: self.look.family(),
            linear,
            look: self.look.seen(),
            _call: PhantomData,
        }
    }
}

impl<'a> HookPacket<'a> {
    /// What is passed on to who is called seldom.
    #[inline(always)]
    pub(crate) fn fold(self) -> Folded<'a> {
        // INVARIANT: By the type invariant.
        Folded {
            skb: self.skb,
            look: self.look.unwrap_or(Look::unseen(self.family)),
            _call: PhantomData,
        }
    }

    /// IPv4 or IPv6.
    #[inline]
    pub(crate) fn family(&self) -> Family {
        self.family
    }

    /// The first `len` bytes from the network header; nothing when the packet
    /// is shorter, or there was no memory to make them linear.
    #[inline]
    pub(crate) fn bytes(&mut self, len: usize) -> Option<&[u8]> {
        let skb = self.skb.as_ptr();
        if len > self.linear {
            // SAFETY: Valid by the type invariant.
            if !unsafe { bindings::ub_skb_may_pull(skb, u32::try_from(len).ok()?) } {
                return None;
            }
            // INVARIANT: So many are linear now.
            self.linear = len;
        }
        // SAFETY: `len` bytes are linear, and not written while `self` is borrowed.
        Some(unsafe { slice::from_raw_parts(data(self.skb).as_ptr(), len) })
    }

    /// The first `len` bytes from the network header, if they are linear.
    #[inline(always)]
    pub(crate) fn bytes_at_hand(&self, len: usize) -> Option<&[u8]> {
        // SAFETY: `len` bytes are linear, and not written while `self` is borrowed.
        (len <= self.linear).then(|| unsafe { slice::from_raw_parts(data(self.skb).as_ptr(), len) })
    }

    /// Where the UDP header of an IPv6 packet begins, past any extension
    /// headers; nothing for other protocols and for fragments.
    pub(crate) fn udp6_offset(&self) -> Option<usize> {
        // SAFETY: Valid by the type invariant, and IPv6 by its hook.
        usize::try_from(unsafe { bindings::ub_skb_udp6_offset(self.skb.as_ptr()) }).ok()
    }

    /// There is nothing unusual in it, neither of its [traits](Self::traits) nor of what
    /// [`RxPacket`] is asked: it is one datagram for this host.
    #[inline(always)]
    pub(crate) fn is_usual(&mut self) -> bool {
        let usual = self.look().of_usual();
        self.look = usual.or(self.look);
        usual.is_some()
    }

    /// What else there is to know before the packet is taken.
    #[inline]
    pub(crate) fn traits(&mut self) -> Traits {
        Traits(self.look())
    }

    #[inline]
    fn look(&mut self) -> Look {
        let (skb, family) = (self.skb.as_ptr(), self.family);
        *self.look.get_or_insert_with(|| {
            // SAFETY: Valid by the type invariant, in the receive path.
            let said = unsafe {
                match family {
                    Family::V4 => bindings::ub_skb_look4(skb),
                    Family::V6 => bindings::ub_skb_look6(skb),
                }
            };
            Look::new(said).of(family)
        })
    }

    /// The host's IPsec policies let the packet in.
    pub(crate) fn is_permitted(&mut self) -> bool {
        // SAFETY: Valid by the type invariant, in the receive path, with its route.
        unsafe { bindings::ub_skb_ipsec_ok(self.skb.as_ptr()) }
    }

    /// One frame of its family, from another host's unicast address to one of the device's
    /// own, in which there is nothing for the stack to do first. For [`Hook::early`], with
    /// the network header at hand; before anything else is asked.
    #[inline]
    pub(crate) fn is_plain_frame(&mut self) -> bool {
        let skb = self.skb.as_ptr();
        // SAFETY: Valid by the type invariant, and in an RCU read-side section; the header is
        // linear.
        let said = unsafe {
            match self.family {
                Family::V4 => bindings::ub_skb_look_early4(skb),
                Family::V6 => bindings::ub_skb_look_early6(skb),
            }
        };
        let look = Look::new(said).of(self.family);
        self.look = Some(look);
        !look.has(bindings::UB_STRANGE)
    }

    /// Has the packet end after `len` bytes; false when it ends before, or
    /// there was no memory to cut it.
    #[inline]
    pub(crate) fn ends_at(&mut self, len: usize) -> bool {
        let skb = self.skb.as_ptr();
        // SAFETY: Valid by the type invariant.
        let whole = unsafe { (*skb).len } as usize;
        match u32::try_from(len) {
            _ if whole == len => true,
            _ if whole < len => false,
            Ok(len) => {
                // INVARIANT: So many still are.
                self.linear = self.linear.min(len as usize);
                // SAFETY: As above.
                unsafe { bindings::ub_skb_trim_checked(skb, len) }
            }
            Err(_) => false,
        }
    }

    /// Not ours: the stack goes on with it, untouched.
    pub(crate) fn accept(self) -> Verdict {
        Verdict(bindings::NF_ACCEPT)
    }

    /// Ours, but nothing to answer: the stack frees it.
    pub(crate) fn discard(self) -> Verdict {
        Verdict(bindings::NF_DROP)
    }

    /// Ours: takes the packet out of the stack. `udp_offset` is where its UDP
    /// header begins, which was looked at; gives the packet back when that is not so.
    #[inline(always)]
    pub(crate) fn steal(mut self, udp_offset: usize) -> Result<(RxPacket, Verdict), Self> {
        let end = udp_offset.saturating_add(UDP_LEN);
        let (true, Ok(offset)) = (end <= self.linear, u16::try_from(udp_offset)) else {
            return Err(self);
        };
        let look = self.look();
        // SAFETY: The packet is the hook's in a receive path, and the verdict that goes with it
        // tells the stack that it is gone; it is linear to the end of the UDP header.
        let packet = unsafe { RxPacket::from_receive(self.skb, offset, look) };
        Ok((packet, Verdict(bindings::NF_STOLEN)))
    }
}

/// What there is to know of a packet, asked all at once.
pub(crate) struct Traits(Look);

impl Traits {
    /// Several datagrams that the device merged into one packet.
    #[inline]
    pub(crate) fn is_merged(&self) -> bool {
        self.0.has(bindings::UB_MERGED)
    }

    /// Sent to this host alone: no broadcast, no multicast, at the link and at
    /// the network layer.
    #[inline]
    pub(crate) fn is_for_host(&self) -> bool {
        !self.0.has(bindings::UB_NOT_FOR_HOST)
    }

    /// The host has IPsec policies: [`HookPacket::is_permitted`] asks them.
    #[inline]
    pub(crate) fn asks_policies(&self) -> bool {
        self.0.has(bindings::UB_POLICY)
    }
}

/// Where in the stack hooks can be, for all devices.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    /// Before the route is looked up.
    PreRouting,
    /// Where the host takes what is for it.
    LocalIn,
}

/// The hooks at one point, IPv4 and IPv6, until they are dropped.
///
/// # Invariants
///
/// `ops` are registered in `net`, on the heap, and their `priv` is `target`.
pub(crate) struct Hooks<H: Hook> {
    net: Net,
    ops: KBox<[Opaque<bindings::nf_hook_ops>; 2]>,
    _target: Arc<H>,
}

// SAFETY: The operations are only handed to the kernel, which locks its own lists.
unsafe impl<H: Hook> Send for Hooks<H> {}
// SAFETY: As above.
unsafe impl<H: Hook> Sync for Hooks<H> {}

/// After every rule of the host's own firewall: only the confirmation of
/// connection tracking, which takes no decision, comes later.
pub(super) const PRIORITY: i32 = i32::MAX - 1;

impl<H: Hook> Hooks<H> {
    /// Has `target` see the packets that come to `point`.
    pub(crate) fn register(net: Net, point: Point, target: Arc<H>) -> Result<Self> {
        let ops = KBox::new(
            [
                Opaque::new(ops::<H>(Family::V4, point, &target)),
                Opaque::new(ops::<H>(Family::V6, point, &target)),
            ],
            GFP_KERNEL,
        )?;
        // SAFETY: `net` is alive, and the operations stay where they are until unregistered.
        to_result(unsafe {
            bindings::nf_register_net_hooks(net.as_ptr(), ops.as_ptr().cast(), ops.len() as u32)
        })?;
        // INVARIANT: Registered; `_target` keeps what `priv` points to.
        Ok(Self {
            net,
            ops,
            _target: target,
        })
    }
}

impl<H: Hook> Drop for Hooks<H> {
    fn drop(&mut self) {
        // SAFETY: Registered by the type invariant. Afterwards no new packet comes, and
        // synchronize_net() waits for those that are under way.
        unsafe {
            bindings::nf_unregister_net_hooks(
                self.net.as_ptr(),
                self.ops.as_ptr().cast(),
                self.ops.len() as u32,
            );
            bindings::synchronize_net();
        }
    }
}

fn ops<H: Hook>(family: Family, point: Point, target: &Arc<H>) -> bindings::nf_hook_ops {
    let (hook, number): (bindings::nf_hookfn, _) = match (point, family) {
        (Point::LocalIn, Family::V4) => (
            Some(entry_v4::<H>),
            bindings::nf_inet_hooks_NF_INET_LOCAL_IN,
        ),
        (Point::LocalIn, Family::V6) => (
            Some(entry_v6::<H>),
            bindings::nf_inet_hooks_NF_INET_LOCAL_IN,
        ),
        (Point::PreRouting, _) => (
            Some(entry_early::<H>),
            bindings::nf_inet_hooks_NF_INET_PRE_ROUTING,
        ),
    };
    bindings::nf_hook_ops {
        hook,
        priv_: Arc::as_ptr(target).cast_mut().cast(),
        pf: family.number() as u8,
        hooknum: number,
        priority: PRIORITY,
        ..Default::default()
    }
}

/// # Safety
///
/// Called by netfilter for hooks that `register` made.
unsafe extern "C" fn entry_v4<H: Hook>(
    target: *mut c_void,
    skb: *mut sk_buff,
    _state: *const bindings::nf_hook_state,
) -> c_uint {
    // A closure, and so a function of its own, in which the family is known.
    let call = |target: &H, packet: HookPacket<'_>| target.local_in(packet);
    // SAFETY: As promised by our own caller.
    unsafe { entry(Family::V4, target, skb, call) }
}

/// # Safety
///
/// As for [`entry_v4`].
unsafe extern "C" fn entry_v6<H: Hook>(
    target: *mut c_void,
    skb: *mut sk_buff,
    _state: *const bindings::nf_hook_state,
) -> c_uint {
    let call = |target: &H, packet: HookPacket<'_>| target.local_in(packet);
    // SAFETY: As promised by our own caller.
    unsafe { entry(Family::V6, target, skb, call) }
}

/// # Safety
///
/// As for [`entry_v4`], or for the ingress of a device.
pub(super) unsafe extern "C" fn entry_early<H: Hook>(
    target: *mut c_void,
    skb: *mut sk_buff,
    _state: *const bindings::nf_hook_state,
) -> c_uint {
    let call = |target: &H, packet: HookPacket<'_>| {
        const IPV4: u8 = 0x45; // and no options
        let first = packet
            .bytes_at_hand(IPV4_LEN + UDP_LEN)
            .and_then(<[u8]>::first);
        match first {
            Some(&IPV4) => target.early(packet),
            _ => early_v6(target, packet.fold()),
        }
    };
    // SAFETY: As promised by our own caller.
    unsafe { entry(Family::V4, target, skb, call) }
}

/// As [`Hook::early`], of what may be IPv6. Out of line, so that the other has the registers.
#[inline(never)]
fn early_v6<H: Hook>(target: &H, packet: Folded<'_>) -> Verdict {
    let look = Look::unseen(Family::V6);
    target.early(Folded { look, ..packet }.open())
}

/// # Safety
///
/// As for [`entry_early`].
#[inline(always)]
unsafe fn entry<H: Hook>(
    family: Family,
    target: *mut c_void,
    skb: *mut sk_buff,
    call: impl FnOnce(&H, HookPacket<'_>) -> Verdict,
) -> c_uint {
    // SAFETY: Netfilter calls for a packet.
    let skb = unsafe { NonNull::new_unchecked(skb) };
    // SAFETY: `priv` is the hook's target, which lives until the hook is unregistered.
    let target = unsafe { &*target.cast::<H>() };
    // INVARIANT: Netfilter hands the packet to us for the time of this call, with `data` at the
    // network header, as it always is from a device's ingress on.
    let packet = Folded {
        skb,
        look: Look::unseen(family),
        _call: PhantomData,
    };
    call(target, packet.open()).0
}
