// SPDX-License-Identifier: GPL-2.0-only
//! The queue that hands packets from the hook to a worker.
//!
//! Intrusive (a packet is its own list node), so that queueing allocates
//! nothing, and bounded by the memory that its packets hold.

use super::{bindings, kthread::Task, rx_packet::Kept};
use core::ptr::{null_mut, NonNull};
use kernel::{prelude::*, types::Opaque};

/// What `ub_queue_push` says of a full queue.
const FULL: c_int = -(kernel::bindings::ENOBUFS as c_int);

/// Multi producer, single consumer; closed at first.
///
/// # Invariants
///
/// The queue is initialised, stays where it is (on the heap), and each packet
/// in it came from `Kept::into_raw`.
pub(crate) struct Queue(KBox<Opaque<bindings::ub_queue>>);

// SAFETY: All access goes through the queue's own lock.
unsafe impl Send for Queue {}
// SAFETY: As above.
unsafe impl Sync for Queue {}

/// Why a packet was not queued; here it is.
pub(crate) enum Refused {
    /// Those that wait hold as much memory as they may.
    Full(Kept),
    /// Nobody serves the queue.
    Closed(Kept),
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
        // whoever opens a queue calls before the thread ends.
        unsafe { bindings::ub_queue_serve(self.0.get(), consumer.as_ptr()) }
    }

    /// From now on nothing is queued. What is there stays.
    pub(crate) fn close(&self) {
        // SAFETY: The queue is initialised.
        unsafe { bindings::ub_queue_serve(self.0.get(), null_mut()) }
    }

    /// Appends a packet unless those waiting already hold `max_bytes` of
    /// memory. The caller has bottom halves off.
    pub(crate) fn push(&self, packet: Kept, max_bytes: u32) -> Result<(), Refused> {
        let Some(skb) = NonNull::new(packet.into_raw()) else {
            return Ok(());
        };
        // SAFETY: The queue is initialised; the packet is ours and becomes the queue's.
        let err = unsafe { bindings::ub_queue_push(self.0.get(), skb.as_ptr(), max_bytes) };
        if err == 0 {
            return Ok(());
        }
        // SAFETY: The queue did not take it, so it is still ours.
        let packet = unsafe { Kept::from_raw(skb) };
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
        while pop(&mut self.0).is_some() {}
    }
}

/// Packets taken from a queue, to be worked off without its lock.
///
/// # Invariants
///
/// As those of [`Queue`], and no one else knows it.
pub(crate) struct Batch(KBox<Opaque<bindings::ub_queue>>);

// SAFETY: A list of packets has one owner, who may be any thread.
unsafe impl Send for Batch {}

impl Batch {
    /// An empty batch.
    pub(crate) fn new() -> Result<Self> {
        let queue = KBox::new(Opaque::zeroed(), GFP_KERNEL)?;
        // SAFETY: The memory is valid, and nobody else knows it yet.
        unsafe { bindings::ub_queue_init(queue.get()) };
        // INVARIANT: Initialised, empty, on the heap.
        Ok(Self(queue))
    }

    /// Takes all that waits in `queue`. The caller has bottom halves off.
    pub(crate) fn refill(&mut self, queue: &Queue) {
        // SAFETY: Both are initialised; the batch is ours alone.
        unsafe { bindings::ub_queue_take(queue.0.get(), self.0.get()) }
    }

    /// The oldest packet.
    pub(crate) fn pop(&mut self) -> Option<Kept> {
        pop(&mut self.0)
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        while self.pop().is_some() {}
    }
}

/// `queue` is initialised, and nobody else uses it now.
fn pop(queue: &mut KBox<Opaque<bindings::ub_queue>>) -> Option<Kept> {
    // SAFETY: Initialised and ours alone.
    let skb = NonNull::new(unsafe { bindings::ub_queue_pop(queue.get()) })?;
    // SAFETY: All packets of a queue came from `into_raw`, and this one is out of it now.
    Some(unsafe { Kept::from_raw(skb) })
}
