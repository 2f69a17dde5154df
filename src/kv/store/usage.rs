// SPDX-License-Identifier: GPL-2.0-only
//! What is in a store, for whoever wants to know.

use core::sync::atomic::Ordering;

use super::order::Order;
use super::value::ClassUsage;
use super::Kv;
use crate::counters::OfClass;
use crate::{Now, Platform};

/// What is in a store at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Items, the dead that are still there included.
    pub items: u64,
    /// Bytes they take: headers, keys and data.
    pub bytes: u64,
    /// Bytes of the region, and of what it takes besides.
    pub limit: u64,
    /// Hash chains,
    pub chains: u64,
    /// and pairs of them, some of which have one: the steps of [`Kv::walk`].
    pub pairs: u64,
    /// Logarithm of that to base 2, rounded up.
    pub hash_power: u32,
    /// Bytes of the heads of the hash chains, and of those to come.
    pub hash_bytes: u64,
    /// Bytes in pages that size classes have.
    pub page_bytes: u64,
    /// Pages that no size class has yet.
    pub free_pages: u64,
    /// Pins that have not been given back.
    pub pins: u64,
    /// Bytes of the chunks that they hold, each counted for each of its pins.
    pub pinned_bytes: u64,
}

impl<P: Platform> Kv<P> {
    /// What is in the store now. Its parts are looked at one after the other.
    pub fn usage(&self) -> Usage {
        let (mut items, mut bytes) = (0u64, 0u64);
        let (mut chains, mut pairs) = (0u64, 0u64);
        for stripe in self.stripes.iter() {
            let stripe = stripe.read();
            items = items.saturating_add(stripe.counts.items.into());
            bytes = bytes.saturating_add(stripe.counts.bytes);
            chains = chains.saturating_add(stripe.chains.count() as u64);
            pairs = pairs.saturating_add(stripe.chains.len() as u64);
        }
        let pages = self.classes.iter().map(|class| class.lock().pages);
        let pages = pages.fold(0usize, usize::saturating_add);
        Usage {
            items,
            bytes,
            limit: self.config.memory as u64,
            chains,
            pairs,
            hash_power: chains.next_power_of_two().trailing_zeros(),
            hash_bytes: self.layout.heads_bytes(&self.arena) as u64,
            page_bytes: pages.saturating_mul(self.layout.page_size) as u64,
            free_pages: self.layout.free_pages() as u64,
            pins: self.pins.load(Ordering::Relaxed),
            pinned_bytes: self.pinned_bytes.load(Ordering::Relaxed),
        }
    }

    /// What a class holds; `None` behind the last class.
    pub fn class_usage(&self, class: u8, now: Now) -> Option<ClassUsage> {
        let lock = self.class(class)?.lock();
        let mut usage = lock.usage();
        self.each_order(class, |order| order.add_to(&mut usage, &self.arena, now));
        Some(usage)
    }

    /// Has all classes forget what has happened; `counted` says what has been counted of
    /// commands for each until now.
    pub(crate) fn reset_classes(&self, counted: impl Fn(u8) -> OfClass) {
        for (index, class) in (0u8..).zip(self.classes.iter()) {
            class.lock().reset(counted(index));
            self.each_order(index, Order::reset);
        }
    }
}
