// SPDX-License-Identifier: GPL-2.0-only
//! What has been counted, per worker.

use crate::limits::CLASSES_MAX;
use core::array;
use core::sync::atomic::{AtomicU64, Ordering};

/// A number that only grows, until `stats reset`. One thread at a time adds to
/// it. Relaxed everywhere: it orders nothing, and pairs with nothing.
#[derive(Debug)]
pub struct Counter {
    count: AtomicU64,
    /// What it was when it was last reset. So who resets does not write what
    /// somebody else is adding to.
    since: AtomicU64,
}

impl Counter {
    const fn new() -> Self {
        Self {
            count: AtomicU64::new(0),
            since: AtomicU64::new(0),
        }
    }

    /// Counts `n` more. Only its owner does this: nobody else's count would be
    /// lost between load and store.
    #[inline(always)]
    pub fn add(&self, n: u64) {
        let count = self.count.load(Ordering::Relaxed).wrapping_add(n);
        self.count.store(count, Ordering::Relaxed);
    }

    /// Counts one more.
    #[inline(always)]
    pub fn inc(&self) {
        self.add(1);
    }

    /// The number so far.
    pub fn get(&self) -> u64 {
        // It may be reset between the two.
        let since = self.since.load(Ordering::Relaxed);
        let count = self.count.load(Ordering::Relaxed);
        count.saturating_sub(since)
    }

    /// Back to 0. What its owner adds at this moment may survive or not.
    fn reset(&self) {
        let count = self.count.load(Ordering::Relaxed);
        self.since.store(count, Ordering::Relaxed);
    }
}

/// What is counted of each size class, by who does it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerClass {
    /// Storage commands, by the item that came.
    Set,
    /// The others by the item that was there: `delete` commands that removed it,
    Delete,
    /// `incr` commands that found a number,
    Incr,
    /// `decr` commands that did,
    Decr,
    /// cas numbers that were its own,
    CasHit,
    /// and that were not,
    CasBad,
    /// `touch` and `gat` commands.
    Touch,
    /// No command: items that the crawler looked at.
    Crawled,
}

/// How many there are.
pub(crate) const PER_CLASS: usize = PerClass::Crawled as usize + 1;

/// Numbers as [`Counter`]s are, but for their reset: what they were then is with the
/// class.
#[derive(Debug)]
struct ClassCounts([[AtomicU64; CLASSES_MAX]; PER_CLASS]);

impl ClassCounts {
    const fn new() -> Self {
        Self([const { [const { AtomicU64::new(0) }; CLASSES_MAX] }; PER_CLASS])
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One worker's counters, on cache lines of their own. The worker adds, and
        /// nobody else; anybody may read, or reset.
        #[repr(align(128))]
        #[derive(Debug)]
        pub struct Counters {
            $($(#[$doc])* pub $name: Counter,)*
            classes: ClassCounts,
        }

        impl Counters {
            /// All zero.
            pub const fn new() -> Self {
                Self { $($name: Counter::new(),)* classes: ClassCounts::new() }
            }

            /// All back to zero, but for those of classes, as `stats reset` asks.
            pub fn reset(&self) {
                $(self.$name.reset();)*
            }
        }
    };
}

counters! {
    /// Datagrams given to the core.
    datagrams_in,
    /// Bytes of those datagrams, frame headers included.
    bytes_read,
    /// Datagrams the replies took.
    datagrams_out,
    /// Bytes of those datagrams, frame headers included.
    bytes_written,
    /// Keys asked for by `get` and `gets`.
    cmd_get,
    /// Keys found.
    get_hits,
    /// Keys not found, those found dead included.
    get_misses,
    /// Keys found, but past their exptime.
    get_expired,
    /// Keys found, but stored before a `flush_all`.
    get_flushed,
    /// Storage commands that came with a data block.
    cmd_set,
    /// Items stored.
    total_items,
    /// Storage commands refused: the item is larger than any can be.
    store_too_large,
    /// Storage commands refused: no chunk could be had.
    store_no_memory,
    /// `delete` commands that removed an item.
    delete_hits,
    /// `delete` commands that found none.
    delete_misses,
    /// `touch` and `gat` commands, each key one.
    cmd_touch,
    /// Those that found their key.
    touch_hits,
    /// Those that did not.
    touch_misses,
    /// `incr` commands that found a number.
    incr_hits,
    /// `incr` commands that found nothing.
    incr_misses,
    /// `decr` commands that found a number.
    decr_hits,
    /// `decr` commands that found nothing.
    decr_misses,
    /// Cas numbers that were the item's.
    cas_hits,
    /// Cas numbers for a key that was not there.
    cas_misses,
    /// Cas numbers that were not the item's.
    cas_badval,
    /// Meta commands.
    cmd_meta,
    /// `flush_all` commands.
    cmd_flush,
    /// Live items removed to make room.
    evictions,
    /// Dead items whose chunk was taken for a new one.
    reclaimed,
    /// Datagrams dropped: no text behind the frame header.
    drop_short,
    /// Datagrams dropped: the frame's total is not 1.
    drop_not_single,
    /// Datagrams dropped: no newline, nor a binary header, hence no command.
    drop_no_newline,
    /// Pages taken from one size class for another.
    slabs_moved,
    /// Values that were copied because too much was pinned already.
    pins_refused,
    /// Replies that did not fit; their last command was answered with an error.
    reply_overflows,
}

impl Counters {
    /// Counts one more of a class; of what is none, nothing.
    #[inline(always)]
    pub(crate) fn count_in(&self, class: u8, what: PerClass) {
        let counts = self.classes.0.get(what as usize);
        if let Some(count) = counts.and_then(|counts| counts.get(usize::from(class))) {
            let more = count.load(Ordering::Relaxed).wrapping_add(1);
            count.store(more, Ordering::Relaxed);
        }
    }

    /// What all these have counted of a class, ever, in the order of [`PerClass`].
    pub(crate) fn sums_of(all: &[Self], class: u8) -> [u64; PER_CLASS] {
        array::from_fn(|what| {
            all.iter().fold(0u64, |sum, counters| {
                let counts = counters.classes.0.get(what);
                let count = counts.and_then(|counts| counts.get(usize::from(class)));
                sum.wrapping_add(count.map_or(0, |count| count.load(Ordering::Relaxed)))
            })
        })
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}
