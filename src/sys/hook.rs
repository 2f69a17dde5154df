// SPDX-License-Identifier: GPL-2.0-only
//! Netfilter hooks, and what a hook may do with a packet.

use super::{bindings, net::Net, rx_packet::RxPacket, Family};
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
}

/// A packet that a hook looks at.
///
/// # Invariants
///
/// `skb` is valid and the hook's for the time of the call; `skb->data` is the
/// network header.
pub(crate) struct HookPacket<'a> {
    skb: NonNull<sk_buff>,
    family: Family,
    _call: PhantomData<&'a mut sk_buff>,
}

impl HookPacket<'_> {
    /// IPv4 or IPv6.
    pub(crate) fn family(&self) -> Family {
        self.family
    }

    /// The first `len` bytes from the network header; nothing when the packet
    /// is shorter, or there was no memory to make them linear.
    pub(crate) fn bytes(&mut self, len: usize) -> Option<&[u8]> {
        let skb = self.skb.as_ptr();
        // SAFETY: Valid by the type invariant.
        if !unsafe { bindings::ub_skb_may_pull(skb, u32::try_from(len).ok()?) } {
            return None;
        }
        // SAFETY: `len` bytes are linear now, and not written while `self` is borrowed.
        Some(unsafe { slice::from_raw_parts((*skb).data, len) })
    }

    /// Where the UDP header of an IPv6 packet begins, past any extension
    /// headers; nothing for other protocols and for fragments.
    pub(crate) fn udp6_offset(&self) -> Option<usize> {
        // SAFETY: Valid by the type invariant, and IPv6 by its hook.
        usize::try_from(unsafe { bindings::ub_skb_udp6_offset(self.skb.as_ptr()) }).ok()
    }

    /// Several datagrams that the device merged into one packet.
    pub(crate) fn is_merged(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::ub_skb_is_gso(self.skb.as_ptr()) }
    }

    /// Sent to this host alone: no broadcast, no multicast, at the link and at
    /// the network layer.
    pub(crate) fn is_for_host(&self) -> bool {
        // SAFETY: Valid by the type invariant.
        unsafe { bindings::ub_skb_for_host(self.skb.as_ptr()) }
    }

    /// The host's IPsec policies let the packet in.
    pub(crate) fn is_permitted(&mut self) -> bool {
        // SAFETY: Valid by the type invariant, in the receive path, with its route.
        unsafe { bindings::ub_skb_ipsec_ok(self.skb.as_ptr()) }
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
    /// header begins; gives the packet back when that is not within it.
    pub(crate) fn steal(mut self, udp_offset: usize) -> Result<(RxPacket, Verdict), Self> {
        let end = udp_offset.saturating_add(super::rx_packet::UDP_LEN);
        let (Some(_), Ok(offset)) = (self.bytes(end), u32::try_from(udp_offset)) else {
            return Err(self);
        };
        // SAFETY: The packet is the hook's in a receive path, and the verdict that goes with it
        // tells the stack that it is gone; it is linear to the end of the UDP header.
        let packet = unsafe { RxPacket::from_receive(self.skb, offset) };
        Ok((packet, Verdict(bindings::NF_STOLEN)))
    }
}

/// The hooks at LOCAL_IN, IPv4 and IPv6, until they are dropped.
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
const PRIORITY: i32 = i32::MAX - 1;

impl<H: Hook> Hooks<H> {
    /// Has `target` see the packets for this host.
    pub(crate) fn register(net: Net, target: Arc<H>) -> Result<Self> {
        let ops = KBox::new(
            [
                Opaque::new(ops::<H>(Family::V4, &target)),
                Opaque::new(ops::<H>(Family::V6, &target)),
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

fn ops<H: Hook>(family: Family, target: &Arc<H>) -> bindings::nf_hook_ops {
    bindings::nf_hook_ops {
        hook: Some(match family {
            Family::V4 => entry_v4::<H>,
            Family::V6 => entry_v6::<H>,
        }),
        priv_: Arc::as_ptr(target).cast_mut().cast(),
        pf: family.number() as u8,
        hooknum: bindings::nf_inet_hooks_NF_INET_LOCAL_IN,
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
    // SAFETY: As promised by our own caller.
    unsafe { entry::<H>(Family::V4, target, skb) }
}

/// # Safety
///
/// As for [`entry_v4`].
unsafe extern "C" fn entry_v6<H: Hook>(
    target: *mut c_void,
    skb: *mut sk_buff,
    _state: *const bindings::nf_hook_state,
) -> c_uint {
    // SAFETY: As promised by our own caller.
    unsafe { entry::<H>(Family::V6, target, skb) }
}

/// # Safety
///
/// As for [`entry_v4`].
unsafe fn entry<H: Hook>(family: Family, target: *mut c_void, skb: *mut sk_buff) -> c_uint {
    let Some(skb) = NonNull::new(skb) else {
        return bindings::NF_ACCEPT;
    };
    // SAFETY: `priv` is the hook's target, which lives until the hook is unregistered.
    let target = unsafe { &*target.cast::<H>() };
    // INVARIANT: Netfilter hands the packet to us for the time of this call, with `data` at the
    // network header, as it always is at LOCAL_IN.
    let packet = HookPacket {
        skb,
        family,
        _call: PhantomData,
    };
    target.local_in(packet).0
}
