// SPDX-License-Identifier: GPL-2.0-only
//! The store: what the protocols can ask of it, and the locks around that.
//!
//! The table is in stripes by hash, each behind a reader-writer lock. A `get`
//! holds its stripe for reading, so that its item can neither change nor go
//! while it is copied, and only marks the item as used. Whatever changes an item
//! holds its stripe for writing. With one stripe this is a table under a global
//! lock. Chunks and orders of use are in size classes, each behind a spin lock.
//!
//! Lock order: a stripe, then a class, then nothing; never two stripes, never
//! two classes. There is one exception: to evict an item of another stripe, who
//! holds a class tries that stripe, and looks for another item when somebody has
//! it. A try waits for nobody, so nobody can wait in a circle. When all tries
//! fail, everything is let go, that stripe is waited for with nothing held, and
//! the change is decided anew.
//!
//! Dead items (expired, or stored before a `flush_all`) answer like missing
//! ones, and keep their chunks until something is stored or deleted under their
//! key, their chunk is wanted, or the crawler comes by.
//!
//! No request does work that grows with the store: the table grows by a chain at
//! a time, pages are cut by a chunk, crawled by a few chains, and emptied by a
//! few chunks at a time. Only who needs a page at once, for a class that has
//! none, empties one alone, holding no stripe and a class for some chunks.

mod arena;
mod class;
mod crawl;
mod evict;
mod item;
mod layout;
mod list;
mod moves;
mod table;
mod update;
mod value;

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use self::arena::Arena;
use self::class::Class;
use self::item::{Item, Mark};
use self::layout::Layout;
use self::table::Stripe;
pub use self::value::{
    Amend, Cas, Change, ClassUsage, Cursor, Done, Entry, Exptime, History, Look, Lookup, Part,
    Updated, Value, Was,
};
use crate::hash::siphash13;
use crate::limits::{
    CHUNK_MIN, CLASSES_MAX, ITEM_FLAGS, ITEM_MAX, ITEM_OVERHEAD, MEMORY_MAX, MEMORY_MIN,
    RELATIVE_MAX, STRIPES_MAX,
};
use crate::platform::{Memory, NoMemory, RwLock, SpinLock};
use crate::{Context, Now, Platform};

/// What a store is made with, besides memory. What is out of range counts as the
/// nearest that is not.
#[derive(Clone, Debug)]
pub struct Config {
    /// Key of the table's hash: random, and known to nobody.
    pub hash_key: [u64; 2],
    /// Locks of the table, rounded up to a power of two; 1 is a global lock.
    pub stripes: usize,
    /// Bytes of the smallest chunk.
    pub min_chunk: usize,
    /// How large a class's chunks are in hundredths of the next smaller ones'.
    pub growth_percent: usize,
    /// Largest item as memcached counts it, its own header included.
    pub item_max: usize,
}

impl Config {
    /// The defaults, with a key.
    pub fn new(hash_key: [u64; 2]) -> Self {
        Self {
            hash_key,
            stripes: 256,
            min_chunk: 32,
            growth_percent: 125,
            item_max: ITEM_MAX,
        }
    }
}

/// Why a store could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The region is below [`MEMORY_MIN`].
    RegionTooSmall,
    /// The region is above [`MEMORY_MAX`].
    RegionTooLarge,
    /// The host could not provide a lock.
    NoMemory,
}

impl From<NoMemory> for Error {
    fn from(_: NoMemory) -> Self {
        Error::NoMemory
    }
}

/// What is in a store at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Items, the dead that are still there included.
    pub items: u64,
    /// Bytes they take: headers, keys and data.
    pub bytes: u64,
    /// Bytes of the region.
    pub limit: u64,
    /// Hash chains.
    pub chains: u64,
    /// Logarithm of that to base 2, rounded up.
    pub hash_power: u32,
    /// Bytes of the heads of the hash chains, and of those to come.
    pub hash_bytes: u64,
    /// Bytes in pages that size classes have.
    pub page_bytes: u64,
    /// Pages that no size class has yet.
    pub free_pages: u64,
}

/// Whether an item in the table may still be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Live,
    /// Its exptime has come.
    Expired,
    /// It was stored before the last `flush_all`.
    Flushed,
}

/// A key-value store in one region of memory. Small itself, however large the
/// region is.
pub struct Kv<P: Platform> {
    arena: Arena<P::Memory>,
    layout: Layout,
    /// A power of two of them.
    stripes: P::Array<RwLock<P::RwLock, Stripe>>,
    classes: P::Array<SpinLock<P::SpinLock, Class>>,
    /// Chunk sizes of the classes, which never change; 0 behind the last.
    chunk_sizes: [u32; CLASSES_MAX],
    hash_key: [u64; 2],
    item_max: usize,
    /// The last cas number given to an item; the first is 1. Relaxed: numbers
    /// are different, and grow for each key, whose stripe is locked then.
    cas: AtomicU64,
    /// Items last used up to now are flushed. Ahead of the clock, if there were
    /// several flushes in one second. Released by who flushes, so that whoever
    /// learns of that sees it too.
    flushed: AtomicU32,
    /// When a delayed `flush_all` is due, 0 without one.
    flush: SpinLock<P::SpinLock, u32>,
    /// A copy of that, to look at without the lock. A hint, relaxed, as all that
    /// follow: they order nothing.
    flush_at: AtomicU32,
    /// The last second in which somebody looked after the store.
    second: AtomicU32,
    /// The class whose page is moving, plus one; 0 without one.
    moving: AtomicU32,
    /// The table needs a page for its heads.
    heads_wanted: AtomicBool,
    /// There may be items that are dead or will be.
    mortals: AtomicBool,
    crawled_to: AtomicU64,
    /// Chains to be crawled beside the stores of this second.
    to_crawl: AtomicU32,
}

impl<P: Platform> Kv<P> {
    /// An empty store in `memory`, which is all it will ever use, besides its
    /// locks.
    ///
    /// # Errors
    ///
    /// [`Error`] when the region's size is out of range, or no lock can be had.
    pub fn new(memory: P::Memory, config: &Config) -> Result<Self, Error> {
        if memory.len() < MEMORY_MIN {
            return Err(Error::RegionTooSmall);
        }
        if memory.len() > MEMORY_MAX {
            return Err(Error::RegionTooLarge);
        }
        let layout = Layout::new(memory.len()).ok_or(Error::RegionTooSmall)?;
        let least = config.min_chunk.clamp(CHUNK_MIN, layout.page_size);
        let growth = config.growth_percent.clamp(101, 1000);
        let chunk_sizes = layout::chunk_sizes(layout.page_size, least, growth);
        let stripes = config.stripes.clamp(1, STRIPES_MAX).next_power_of_two();
        let shift = stripes.trailing_zeros();
        let classes = chunk_sizes.iter().take_while(|size| **size > 0).count();
        Ok(Self {
            stripes: P::array(stripes, |index| {
                RwLock::new(Stripe::new(index, shift, &layout))
            })?,
            classes: P::array(classes, |index| {
                let size = chunk_sizes.get(index).copied().unwrap_or(0) as usize;
                let index = u8::try_from(index).unwrap_or(u8::MAX);
                SpinLock::new(Class::new(index, size, layout.page_size))
            })?,
            arena: Arena::new(memory),
            layout,
            chunk_sizes,
            hash_key: config.hash_key,
            item_max: config.item_max.min(ITEM_MAX),
            cas: AtomicU64::new(0),
            flushed: AtomicU32::new(0),
            flush: SpinLock::new(0)?,
            flush_at: AtomicU32::new(0),
            second: AtomicU32::new(0),
            moving: AtomicU32::new(0),
            heads_wanted: AtomicBool::new(false),
            mortals: AtomicBool::new(false),
            crawled_to: AtomicU64::new(0),
            to_crawl: AtomicU32::new(0),
        })
    }

    /// What is in the store now. Its parts are looked at one after the other.
    pub fn usage(&self) -> Usage {
        let (mut items, mut bytes, mut chains) = (0u64, 0u64, 0u64);
        for stripe in self.stripes.iter() {
            let stripe = stripe.read();
            items = items.saturating_add(stripe.items);
            bytes = bytes.saturating_add(stripe.bytes);
            chains = chains.saturating_add(stripe.chains() as u64);
        }
        let pages = self.classes.iter().map(|class| class.lock().pages);
        let pages = pages.fold(0usize, usize::saturating_add);
        Usage {
            items,
            bytes,
            limit: self.arena.len() as u64,
            chains,
            hash_power: chains.next_power_of_two().trailing_zeros(),
            hash_bytes: self.layout.heads_bytes(&self.arena) as u64,
            page_bytes: pages.saturating_mul(self.layout.page_size) as u64,
            free_pages: self.layout.free_pages() as u64,
        }
    }

    /// Lets `found` copy the item under `key`, if it is live. It counts as used
    /// then, unless this was only a peek.
    pub fn get<R>(
        &self,
        key: &[u8],
        look: Look,
        cx: &Context<'_>,
        found: impl FnOnce(&Value<'_>) -> R,
    ) -> Lookup<R> {
        let hash = self.hash(key);
        let Some(stripe) = self.stripes.get(self.stripe_of(hash)) else {
            return Lookup::Miss;
        };
        let stripe = stripe.read();
        let Some(item) = stripe.find(&self.arena, &self.layout, hash, key) else {
            return Lookup::Miss;
        };
        match self.life(item, cx.now) {
            Life::Expired => return Lookup::Expired,
            Life::Flushed => return Lookup::Flushed,
            Life::Live => {}
        }
        let hit = Lookup::Hit(found(&self.value(item, cx.now)));
        if look == Look::Use {
            self.arena.set_used(item, cx.now.0);
        }
        hit
    }

    /// Lets `each` see the live items of one chain, after those that the cursor
    /// has passed; the cursor for the next. An item that is stored meanwhile may
    /// be seen or not, and one whose chain is divided meanwhile twice.
    pub fn walk(
        &self,
        from: Cursor,
        cx: &Context<'_>,
        mut each: impl FnMut(&Value<'_>),
    ) -> Option<Cursor> {
        let stripe = self.stripes.get(from.stripe)?.read();
        if from.chain >= stripe.chains() {
            return self.next_stripe(from);
        }
        let mut chain = stripe.first(&self.arena, &self.layout, from.chain);
        while let Some(item) = chain {
            if self.life(item, cx.now) == Life::Live {
                each(&self.value(item, cx.now));
            }
            chain = self.arena.next(item);
        }
        from.next_chain()
    }

    /// What a class holds; `None` behind the last class.
    pub fn class_usage(&self, class: u8, now: Now) -> Option<ClassUsage> {
        let class = self.class(class)?.lock();
        Some(class.usage(&self.arena, now))
    }

    /// Whether an item of this shape can be stored at all: `len` is without
    /// CRLF. The configured limit, and the page size where that is smaller
    /// (memory below 64 MiB).
    pub fn fits(&self, key_len: usize, flags: u32, len: usize) -> bool {
        let upstream = ITEM_OVERHEAD
            .saturating_add(key_len)
            .saturating_add(if flags == 0 { 0 } else { ITEM_FLAGS })
            .saturating_add(len)
            .saturating_add(2);
        let size = item::size(key_len, flags, len);
        upstream <= self.item_max && size <= self.layout.page_size
    }

    /// Makes everything that is stored when `exptime` comes dead from then on;
    /// at once, if that is not in the future. Replaces an earlier call that is
    /// still due.
    pub fn flush_all(&self, exptime: i64, now: Now, unix_now: u64) {
        let due = due(exptime, now, unix_now);
        let waiting = &mut *self.flush.lock();
        if due > now.0 {
            self.wait_for_flush(waiting, due);
        } else {
            self.wait_for_flush(waiting, 0);
            self.flush_now(now);
        }
    }

    /// Does what has come due. Called before anything else is done at `now`.
    pub fn tick(&self, now: Now) {
        let is_due = |at| at != 0 && at <= now.0;
        if is_due(self.flush_at.load(Ordering::Relaxed)) {
            let waiting = &mut *self.flush.lock();
            // Another worker may have been here first.
            if is_due(*waiting) {
                self.flush_now(now);
                self.wait_for_flush(waiting, 0);
            }
        }
        let second = self.second.load(Ordering::Relaxed);
        if second < now.0 {
            let first =
                self.second
                    .compare_exchange(second, now.0, Ordering::Relaxed, Ordering::Relaxed);
            if first.is_ok() {
                self.balance(now);
                self.plan_crawl();
            }
        }
    }

    fn wait_for_flush(&self, waiting: &mut u32, due: u32) {
        *waiting = due;
        self.flush_at.store(due, Ordering::Relaxed);
    }

    fn flush_now(&self, now: Now) {
        let flush = |flushed: u32| Some(now.0.max(flushed.saturating_add(1)));
        let _ = self
            .flushed
            .fetch_update(Ordering::Release, Ordering::Relaxed, flush);
        self.mortals.store(true, Ordering::Relaxed);
    }

    /// When a new item was last used: now, and after the last flush.
    fn stamp(&self, now: Now) -> u32 {
        let flushed = self.flushed.load(Ordering::Acquire);
        now.0.max(flushed.saturating_add(1))
    }

    fn life(&self, item: Item, now: Now) -> Life {
        if self.arena.used_at(item) <= self.flushed.load(Ordering::Acquire) {
            return Life::Flushed;
        }
        match self.arena.expire(item) {
            0 => Life::Live,
            expire if expire <= now.0 => Life::Expired,
            _ => Life::Live,
        }
    }

    /// The item as the protocols see it. Its stripe is locked.
    fn value(&self, item: Item, now: Now) -> Value<'_> {
        let arena = &self.arena;
        let expire = arena.expire(item);
        Value {
            text: arena.text(item),
            head_len: arena.head_len(item),
            key_len: arena.key_len(item),
            cas: arena.cas(item),
            ttl: (expire != 0).then(|| expire.saturating_sub(now.0)),
            idle: now.0.saturating_sub(arena.used_at(item)),
            fetched: arena.has(item, Mark::FETCHED),
            stale: arena.has(item, Mark::STALE),
            won: arena.has(item, Mark::WON),
            key_is_binary: arena.has(item, Mark::BINARY),
            class: self.layout.class_of(arena, item),
        }
    }

    /// The number that was asked for, or the next.
    fn next_cas(&self, from: Cas) -> u64 {
        match from {
            Cas::Is(cas) => cas,
            Cas::Keep | Cas::Next => self.cas.fetch_add(1, Ordering::Relaxed).wrapping_add(1),
        }
    }

    fn hash(&self, key: &[u8]) -> u64 {
        siphash13(self.hash_key, key)
    }

    fn stripe_of(&self, hash: u64) -> usize {
        // Bits that are cut off choose nothing on a machine that cuts them.
        hash as usize & self.stripes.len().saturating_sub(1)
    }

    fn next_stripe(&self, cursor: Cursor) -> Option<Cursor> {
        let stripe = cursor.stripe.checked_add(1)?;
        (stripe < self.stripes.len()).then_some(Cursor { stripe, chain: 0 })
    }

    fn class(&self, class: u8) -> Option<&SpinLock<P::SpinLock, Class>> {
        self.classes.get(usize::from(class))
    }

    /// The class with the smallest chunks of at least `size` bytes.
    fn class_for(&self, size: usize) -> Option<u8> {
        let size = u32::try_from(size).ok()?;
        let sizes = self.chunk_sizes.get(..self.classes.len())?;
        let index = sizes.partition_point(|chunk| *chunk < size);
        u8::try_from(index).ok().filter(|_| index < sizes.len())
    }
}

/// When an exptime is due by the host's clock: 0 never, 1 for "it was"
/// (`doc/protocol.txt`, "Expiration times").
pub(crate) fn due(exptime: i64, now: Now, unix_now: u64) -> u32 {
    let seconds = match exptime {
        0 => return 0,
        ..=-1 => return 1,
        1..=RELATIVE_MAX => exptime.unsigned_abs(),
        _ => match exptime.unsigned_abs().checked_sub(unix_now) {
            None | Some(0) => return 1,
            Some(seconds) => seconds,
        },
    };
    now.0
        .saturating_add(u32::try_from(seconds).unwrap_or(u32::MAX))
}
