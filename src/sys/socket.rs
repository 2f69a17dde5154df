// SPDX-License-Identifier: GPL-2.0-only
//! The socket that keeps the port for us.
//!
//! It never queues anything: what reaches it (datagrams that the hook cannot
//! read yet: IPv6 fragments, which are put together only behind LOCAL_IN, and
//! datagrams that the device merged) goes to a [`Receiver`] in softirq context.

use super::{
    bindings,
    look::Look,
    net::Net,
    rx_packet::{RxPacket, UDP_LEN},
};
use core::ptr::{null_mut, NonNull};
use kernel::{
    bindings::{sk_buff, sock},
    error::to_result,
    prelude::*,
    sync::Arc,
};

/// What gets the packets that reach the socket.
pub(crate) trait Receiver: Send + Sync + 'static {
    /// A UDP packet for the port; its checksum was verified. `for_host` as in
    /// [`Traits::is_for_host`](super::hook::Traits::is_for_host). Runs
    /// in softirq context, in an RCU read-side section.
    fn receive(&self, packet: RxPacket, for_host: bool);
}

/// The port, bound on every address, IPv4 and IPv6, until this is dropped.
///
/// # Invariants
///
/// `socket` is ours; its user data is `target`.
pub(crate) struct Reservation<R: Receiver> {
    socket: NonNull<bindings::socket>,
    _target: Arc<R>,
}

// SAFETY: The socket is only released, which may be done from any thread.
unsafe impl<R: Receiver> Send for Reservation<R> {}
// SAFETY: As above.
unsafe impl<R: Receiver> Sync for Reservation<R> {}

impl<R: Receiver> Reservation<R> {
    /// Binds `port`; `EADDRINUSE` when somebody else has it.
    pub(crate) fn new(net: &Net, port: u16, target: Arc<R>) -> Result<Self> {
        let mut socket = null_mut();
        let data = Arc::as_ptr(&target).cast_mut().cast();
        // SAFETY: `net` is alive; `entry::<R>` gets the data it expects, which `_target` keeps.
        to_result(unsafe {
            bindings::ub_sock_reserve(net.as_ptr(), port, data, Some(entry::<R>), &mut socket)
        })?;
        let socket = NonNull::new(socket).ok_or(EINVAL)?;
        // INVARIANT: Just made, with that user data.
        Ok(Self {
            socket,
            _target: target,
        })
    }
}

impl<R: Receiver> Drop for Reservation<R> {
    fn drop(&mut self) {
        // SAFETY: Ours by the type invariant. synchronize_net() waits for those who still deliver
        // to it.
        unsafe {
            bindings::sock_release(self.socket.as_ptr());
            bindings::synchronize_net();
        }
    }
}

/// # Safety
///
/// Called by UDP for a socket that [`Reservation::new`] made; the packet is
/// given up to us, with `skb->data` at its UDP header.
unsafe extern "C" fn entry<R: Receiver>(sk: *mut sock, skb: *mut sk_buff) -> c_int {
    // SAFETY: The socket is alive for the call. Its data is the reservation's target, which
    // outlives every receive.
    let target = unsafe { bindings::ub_sock_data(sk).cast::<R>().as_ref() };
    let (Some(target), Some(owned)) = (target, NonNull::new(skb)) else {
        // SAFETY: Ours; nobody would take it.
        unsafe { bindings::ub_skb_drop(skb) };
        return 0;
    };
    // SAFETY: Ours; the network header stands before the UDP header, which UDP made linear.
    let (packet, for_host) = unsafe {
        bindings::ub_skb_to_network(skb);
        let look = Look::new(bindings::ub_skb_look_late(skb));
        let transport = bindings::ub_skb_transport(skb);
        let end = transport.saturating_add(UDP_LEN as u32);
        let (true, Ok(transport)) = (
            bindings::ub_skb_may_pull(skb, end),
            u16::try_from(transport),
        ) else {
            bindings::ub_skb_drop(skb);
            return 0;
        };
        let for_host = !look.has(bindings::UB_NOT_FOR_HOST);
        (RxPacket::from_receive(owned, transport, look), for_host)
    };
    target.receive(packet, for_host);
    0
}
