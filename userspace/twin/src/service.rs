// SPDX-License-Identifier: GPL-2.0-only
//! What all threads share.

use std::sync::atomic::AtomicBool;

use host::Userspace;
use kv::{Context, Counters, Kv};

use crate::status::Status;

/// The store, and what is known about this process.
pub(crate) struct Service<'a> {
    pub(crate) kv: &'a Kv<Userspace>,
    /// One for each pair of threads: one serves datagrams, one connections.
    pub(crate) counters: &'a [Counters],
    pub(crate) status: &'a Status,
    /// Set when all threads are to end. Relaxed: no data depends on it.
    pub(crate) stop: &'a AtomicBool,
}

impl Service<'_> {
    /// The context of what a thread with these counters serves now.
    pub(crate) fn context<'b>(&'b self, mine: &'b Counters) -> Context<'b> {
        Context {
            now: self.status.now(),
            unix_now: Status::unix_now(),
            mine,
            all: self.counters,
            host: self.status,
        }
    }
}
