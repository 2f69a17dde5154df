// SPDX-License-Identifier: GPL-2.0-only
//! The queue that hands packets from the hook to a worker.
//!
//! Intrusive (a packet is its own list node), so that queueing allocates
//! nothing, and bounded by the memory that its packets hold.

use super::{
    bindings,
    kthread::Task,
    rx_packet::{Kept, RxPacket},
};
use core::ptr::{addr_of_mut, null_mut, NonNull};
use kernel::{bindings::sk_buff, prelude::*, types::Opaque};

/// What `ub_queue_push` says of a full queue.
const FULL: c_int = -(kernel::bindings::ENOBUFS as c_int);

/// Multi producer, single consumer, and lock-free; closed at first.
///
/// # Invariants
///
/// The queue is initialised, stays where it is (on the heap), and each packet
/// in it was given up by [`push`](Queue::push).
pub(crate) struct Queue(KBox<Opaque<bindings::ub_queue>>);

// SAFETY: What is in it is atomic.
unsafe impl Send for Queue {}
// SAFETY: As above.
unsafe impl Sync for Queue {}

/// Why a packet was not queued; here it is.
pub(crate) enum Refused {
    /// Those that wait hold as much memory as they may.
    Full(RxPacket),
    /// Nobody serves the queue.
    Closed(RxPacket),
}

impl Queue {
    /// What one takes on the heap.
    pub(crate) const BYTES: usize = size_of::<bindings::ub_queue>().next_power_of_two();

    /// An empty queue.
    pub(crate) fn new() -> Result<Self> {
        let queue = KBox::new(Opaque::zeroed(), GFP_KERNEL)?;
        // SAFETY: The memory is valid, and nobody else knows it yet.
        unsafe { bindings::ub_queue_init(queue.get()) };
        // INVARIANT: Initialised, empty, on the heap.
        Ok(Self(queue))
    }

    /// Has `consumer` serve the queue, which is woken when there is work.
    pub(crate) fn open(&self, consumer: &Task) {
        // SAFETY: The queue is initialised. Its consumer is not forgotten before `close`, which
        // whoever opens a queue calls before the thread ends, and which waits for who wakes it.
        unsafe { bindings::ub_queue_serve(self.0.get(), consumer.as_ptr()) }
    }

    /// When this returns nothing is queued in those any more, and their consumers are
    /// forgotten. What is there stays. Sleeps.
    pub(crate) fn close<'a>(queues: impl Iterator<Item = &'a Queue>) {
        for queue in queues {
            // SAFETY: The queue is initialised.
            unsafe { bindings::ub_queue_serve(queue.0.get(), null_mut()) }
        }
        // SAFETY: Called where sleeping is allowed. It waits for those who are in `push`.
        unsafe { bindings::synchronize_net() }
    }

    /// Appends a packet unless those waiting already hold `max_bytes` of
    /// memory. It is in the receive path that delivered it, which it can outlive
    /// then; the caller is in an RCU section with bottom halves off.
    #[inline(always)]
    pub(crate) fn push(&self, mut packet: RxPacket, max_bytes: u32) -> Result<(), Refused> {
        packet.note();
        // SAFETY: The queue is initialised; the packet is ours, and the queue's when it took it.
        let err = unsafe { bindings::ub_queue_push(self.0.get(), packet.skb.as_ptr(), max_bytes) };
        if err == 0 {
            let _ = packet.into_raw();
            return Ok(());
        }
        Err(if err == FULL {
            Refused::Full(packet)
        } else {
            Refused::Closed(packet)
        })
    }

    /// Nothing waits, as it seems.
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: The queue is initialised.
        unsafe { bindings::ub_queue_is_empty(self.0.get()) }
    }

    /// Packets that wait, as it seems.
    pub(crate) fn len(&self) -> u32 {
        // SAFETY: The queue is initialised.
        unsafe { bindings::ub_queue_len(self.0.get()) }
    }

    /// Bytes of memory that those hold.
    pub(crate) fn bytes(&self) -> u32 {
        // SAFETY: The queue is initialised.
        unsafe { bindings::ub_queue_bytes(self.0.get()) }
    }

    /// Sleeps until there is a packet or the thread is asked to end.
    pub(crate) fn wait(&self) {
        // SAFETY: The queue is initialised; called from a kernel thread that may sleep.
        unsafe { bindings::ub_kthread_wait(self.0.get()) }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let mut batch = Batch::new();
        batch.refill(self);
    }
}

/// Packets taken from a queue, the oldest first.
///
/// # Invariants
///
/// From `first` on `next` leads from packet to packet, each of which came from
/// a [`Queue`], until it is null. No one else knows them.
pub(crate) struct Batch {
    first: *mut sk_buff,
}

// SAFETY: A list of packets has one owner, who may be any thread.
unsafe impl Send for Batch {}

impl Batch {
    /// An empty batch.
    pub(crate) fn new() -> Self {
        // INVARIANT: There are none.
        Self { first: null_mut() }
    }

    /// Takes all that waits in `queue`, when nothing is left here.
    pub(crate) fn refill(&mut self, queue: &Queue) {
        if self.first.is_null() {
            // SAFETY: The queue is initialised.
            // INVARIANT: They are out of the queue now.
            self.first = unsafe { bindings::ub_queue_take(queue.0.get()) };
        }
    }

    /// The oldest packet.
    #[inline(always)]
    pub(crate) fn pop(&mut self) -> Option<Kept> {
        let skb = NonNull::new(self.first)?;
        // SAFETY: By the type invariant the packet is ours, and so is what `next` leads to. It was
        // noted and given its reference when it was pushed.
        unsafe {
            let next = addr_of_mut!((*skb.as_ptr()).__bindgen_anon_1.__bindgen_anon_1.next);
            self.first = next.replace(null_mut());
            Some(Kept::from_raw(skb))
        }
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}
