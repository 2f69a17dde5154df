// SPDX-License-Identifier: GPL-2.0-only
//! What has been counted, per worker.

use crate::limits::CLASSES_MAX;
use crate::store::{Place, Segment};
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
        add(&self.count, n);
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

/// Adds to a number that nobody else adds to.
#[inline(always)]
fn add(count: &AtomicU64, n: u64) {
    let more = count.load(Ordering::Relaxed).wrapping_add(n);
    count.store(more, Ordering::Relaxed);
}

/// What is counted of each size class besides hits, by who does it.
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

/// What has been counted of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfClass {
    /// In the order of [`PerClass`].
    pub commands: [u64; PER_CLASS],
    /// Hits of items in its segments, hot, warm and cold; and of those that were in none,
    /// since their page was being emptied.
    pub hits: [u64; 4],
}

impl OfClass {
    /// What has been added to an earlier count.
    pub(crate) fn since(mut self, earlier: &Self) -> Self {
        let counts = self.commands.iter_mut().chain(&mut self.hits);
        for (count, before) in counts.zip(earlier.commands.iter().chain(&earlier.hits)) {
            *count = count.saturating_sub(*before);
        }
        self
    }

    /// All hits.
    pub(crate) fn get_hits(&self) -> u64 {
        self.hits
            .iter()
            .fold(0, |sum, hits| sum.wrapping_add(*hits))
    }
}

/// Numbers as [`Counter`]s are, but for their reset: what they were then is with the
/// class.
#[derive(Debug)]
struct ClassCounts([[AtomicU64; CLASSES_MAX]; PER_CLASS]);

impl ClassCounts {
    const fn new() -> Self {
        Self([const { [const { AtomicU64::new(0) }; CLASSES_MAX] }; PER_CLASS])
    }
}

/// Hits, by [`Segment::index`]; reset as [`Counter`]s are, all at once.
#[derive(Debug)]
struct Hits {
    counts: [AtomicU64; Segment::COUNT],
    since: AtomicU64,
}

impl Hits {
    const fn new() -> Self {
        Self {
            counts: [const { AtomicU64::new(0) }; Segment::COUNT],
            since: AtomicU64::new(0),
        }
    }

    fn of(&self, segment: Segment) -> u64 {
        let count = self.counts.get(segment.index());
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }

    fn sum(&self) -> u64 {
        let add = |sum: u64, count: &AtomicU64| sum.wrapping_add(count.load(Ordering::Relaxed));
        self.counts.iter().fold(0, add)
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
            hits: Hits,
        }

        impl Counters {
            /// All zero.
            pub const fn new() -> Self {
                Self {
                    $($name: Counter::new(),)*
                    classes: ClassCounts::new(),
                    hits: Hits::new(),
                }
            }

            /// All back to zero, but for those of classes, as `stats reset` asks.
            pub fn reset(&self) {
                $(self.$name.reset();)*
                self.hits.since.store(self.hits.sum(), Ordering::Relaxed);
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
    /// Keys that `get` and its like did not find, those found dead included.
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
            add(count, 1);
        }
    }

    /// Counts one more `get` that found an item there.
    #[inline(always)]
    pub(crate) fn count_hit(&self, segment: Segment) {
        if let Some(count) = self.hits.counts.get(segment.index()) {
            add(count, 1);
        }
    }

    /// Keys that `get` commands, or the like, found.
    pub fn get_hits(&self) -> u64 {
        // It may be reset between the two.
        let since = self.hits.since.load(Ordering::Relaxed);
        self.hits.sum().saturating_sub(since)
    }

    /// Keys asked for by `get` and its like.
    pub fn cmd_get(&self) -> u64 {
        self.get_hits().wrapping_add(self.get_misses.get())
    }

    /// What all these have counted of a class, ever.
    pub(crate) fn sums_of(all: &[Self], class: u8) -> OfClass {
        let mut sums = OfClass::default();
        for counters in all {
            for (sum, counts) in sums.commands.iter_mut().zip(&counters.classes.0) {
                let count = counts.get(usize::from(class));
                *sum = sum.wrapping_add(count.map_or(0, |count| count.load(Ordering::Relaxed)));
            }
            for (segment, place) in Segment::all_of(class) {
                let [hot, warm, cold, none] = &mut sums.hits;
                let sum = match place {
                    Place::Hot => hot,
                    Place::Warm => warm,
                    Place::Cold => cold,
                    _ => none,
                };
                *sum = sum.wrapping_add(counters.hits.of(segment));
            }
        }
        sums
    }
}

impl Default for Counters {
    fn default() -> Self {
        Self::new()
    }
}
