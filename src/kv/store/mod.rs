// SPDX-License-Identifier: GPL-2.0
//! The store: what the protocol can ask of it, and the locks around that.
//!
//! Lock order: the table, then one class's order of use. A `get` holds the
//! table for reading, so that its item can neither change nor go while it is
//! copied, and the class's lock for the moment of making the item its youngest.
//! Everything else holds the table for writing.
//!
//! Dead items (expired, or stored before a `flush_all`) answer like missing
//! ones, and keep their chunks until something is stored or deleted under their
//! key, or their chunk is wanted.
//!
//! Known to be simple: one lock for the whole table; strict order of use, so
//! that one pass over many keys drives everything else out; and pages that stay
//! with their class until another has none at all, so that a shift in sizes
//! leaves the new class with few. Taking a page for small chunks, or from them,
//! holds the write lock for some 20,000 steps.

mod arena;
mod buckets;
mod item;
mod list;
mod table;
mod update;
mod value;

use core::array;
use core::sync::atomic::{AtomicU32, Ordering};

use self::item::Item;
use self::list::List;
use self::table::{Life, Table};
pub use self::value::{
    Amend, Cas, Change, ClassUsage, Cursor, Done, Entry, Exptime, History, Look, Lookup, Part,
    Updated, Value, Was,
};
use crate::hash::siphash13;
use crate::limits::{
    CLASSES_MAX, ITEM_FLAGS, ITEM_MAX, ITEM_OVERHEAD, MEMORY_MAX, MEMORY_MIN, RELATIVE_MAX,
};
use crate::platform::{Memory, NoMemory, RawRwLock, RwLock, SpinLock};
use crate::{Context, Now, Platform};

/// What a store is made with, besides memory.
#[derive(Clone, Debug)]
pub struct Config {
    /// Key of the table's hash: random, and known to nobody.
    pub hash_key: [u64; 2],
}

impl Config {
    /// The defaults, with a key.
    pub fn new(hash_key: [u64; 2]) -> Self {
        Self { hash_key }
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
    /// Logarithm of the number of hash chains, to base 2.
    pub hash_power: u32,
    /// Bytes of the heads of the hash chains.
    pub hash_bytes: u64,
    /// Bytes in pages that size classes have.
    pub page_bytes: u64,
    /// Pages that no size class has yet.
    pub free_pages: u64,
}

type Order<P> = SpinLock<<P as Platform>::SpinLock, List>;
type Locked<P> = RwLock<<P as Platform>::RwLock, Table<<P as Platform>::Memory>>;

/// A key-value store in one region of memory. About two KiB itself, however
/// large the region.
pub struct Kv<P: Platform> {
    table: Locked<P>,
    /// Each class's items in order of use. None is `None`.
    orders: [Option<Order<P>>; CLASSES_MAX],
    hash_key: [u64; 2],
    /// Bytes of the largest chunk, which is a whole page.
    chunk_max: usize,
    /// When a delayed `flush_all` is due, 0 without one. Changed under the
    /// table's write lock, and read there again by who acts on it; the relaxed
    /// read in [`Kv::tick`] is only a hint, and orders nothing.
    flush_at: AtomicU32,
}

impl<P: Platform> Kv<P> {
    /// An empty store in `memory`, which is all it will ever use.
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
        let layout = table::lay_out(memory.len()).ok_or(Error::RegionTooSmall)?;
        // Nothing large is moved after it was made: kernel stacks are small.
        let raw = P::RwLock::new()?;
        let kv = Self {
            table: RwLock::from_raw(raw, Table::new(memory, layout)),
            orders: array::from_fn(|_| SpinLock::new(List::default()).ok()),
            hash_key: config.hash_key,
            chunk_max: layout.page_size(),
            flush_at: AtomicU32::new(0),
        };
        if kv.orders.iter().any(Option::is_none) {
            return Err(Error::NoMemory);
        }
        Ok(kv)
    }

    /// What is in the store now.
    pub fn usage(&self) -> Usage {
        let table = self.table.read();
        Usage {
            items: table.items,
            bytes: table.bytes,
            limit: table.arena.len() as u64,
            hash_power: table.heads().checked_ilog2().unwrap_or(0),
            hash_bytes: (table.heads() as u64).saturating_mul(4),
            page_bytes: table.buckets.handed_bytes() as u64,
            free_pages: table.buckets.free_pages() as u64,
        }
    }

    /// Lets `found` copy the item under `key`, if it is live. It is the youngest
    /// of its class then, unless this was only a peek.
    pub fn get<R>(
        &self,
        key: &[u8],
        look: Look,
        cx: &Context<'_>,
        found: impl FnOnce(&Value<'_>) -> R,
    ) -> Lookup<R> {
        let hash = self.hash(key);
        let table = self.table.read();
        let Some(item) = table.find(hash, key) else {
            return Lookup::Miss;
        };
        match table.life(item, cx.now) {
            Life::Expired => return Lookup::Expired,
            Life::Flushed => return Lookup::Flushed,
            Life::Live => {}
        }
        let hit = Lookup::Hit(found(&table.value(item, cx.now)));
        if look == Look::Use {
            self.bump(&table, item, cx);
        }
        hit
    }

    /// Lets `each` see the live items of one chain, after those that the cursor
    /// has passed; the cursor for the next. An item that is stored meanwhile
    /// may be seen or not, and one that moves twice.
    pub fn walk(
        &self,
        from: Cursor,
        cx: &Context<'_>,
        mut each: impl FnMut(&Value<'_>),
    ) -> Option<Cursor> {
        let table = self.table.read();
        let mut chain = table.chain(from.0)?;
        while let Some(item) = chain {
            if table.life(item, cx.now) == Life::Live {
                each(&table.value(item, cx.now));
            }
            chain = table.arena.next(item);
        }
        from.0.checked_add(1).map(Cursor)
    }

    /// What a class holds; `None` behind the last class.
    pub fn class_usage(&self, class: u8, now: Now) -> Option<ClassUsage> {
        let table = self.table.read();
        let mut usage = table.buckets.usage(class)?;
        self.order(class, |order| {
            let used = order.oldest().map(|item| table.arena.used_at(item));
            let age = used.map_or(0, |used| now.0.saturating_sub(used));
            usage.items = [order.len(), 0, 0];
            usage.ages = [age, 0, 0];
        });
        Some(usage)
    }

    /// Whether an item of this shape can be stored at all: `len` is without
    /// CRLF. memcached's own limit, and the page size where that is smaller
    /// (memory below 64 MiB).
    pub fn fits(&self, key_len: usize, flags: u32, len: usize) -> bool {
        let upstream = ITEM_OVERHEAD
            .saturating_add(key_len)
            .saturating_add(if flags == 0 { 0 } else { ITEM_FLAGS })
            .saturating_add(len)
            .saturating_add(2);
        let size = item::size(key_len, flags, len);
        upstream <= ITEM_MAX && size <= self.chunk_max
    }

    /// Makes everything that is stored when `exptime` comes dead from then on;
    /// at once, if that is not in the future. Replaces an earlier call that is
    /// still due.
    pub fn flush_all(&self, exptime: i64, now: Now, unix_now: u64) {
        let due = due(exptime, now, unix_now);
        let table = &mut *self.table.write();
        if due > now.0 {
            self.flush_at.store(due, Ordering::Relaxed);
        } else {
            self.flush_at.store(0, Ordering::Relaxed);
            table.flush(now);
        }
    }

    /// Does what has come due. Called before anything else is done at `now`.
    pub fn tick(&self, now: Now) {
        let is_due = |at| at != 0 && at <= now.0;
        if !is_due(self.flush_at.load(Ordering::Relaxed)) {
            return;
        }
        let table = &mut *self.table.write();
        // Another worker may have been here first.
        if is_due(self.flush_at.load(Ordering::Relaxed)) {
            self.flush_at.store(0, Ordering::Relaxed);
            table.flush(now);
        }
    }

    fn hash(&self, key: &[u8]) -> u64 {
        siphash13(self.hash_key, key)
    }

    /// Runs `act` on a class's order of use, locked.
    fn order<R>(&self, class: u8, act: impl FnOnce(&mut List) -> R) -> Option<R> {
        let order = self.orders.get(usize::from(class))?.as_ref()?;
        Some(act(&mut order.lock()))
    }

    /// Makes an item its class's youngest, and notes the use.
    fn bump(&self, table: &Table<P::Memory>, item: Item, cx: &Context<'_>) {
        table.arena.set_used(item, cx.now.0);
        // Without a younger one it is the youngest. Other readers may change
        // that at any time; if so, it was the youngest a moment ago.
        if table.arena.younger(item).is_some() {
            let renewed = self.order(table.class(item), |order| order.renew(&table.arena, item));
            if renewed == Some(true) {
                cx.mine.moves_within_lru.inc();
            }
        }
    }

    /// Takes an item out of chain and order, and frees its chunk.
    fn free(&self, table: &mut Table<P::Memory>, hash: u64, item: Item) {
        table.unlink(hash, item);
        self.order(table.class(item), |order| {
            order.remove(&table.arena, item);
        });
        table.buckets.put(&table.arena, item);
    }

    /// As [`Kv::free`], for an item found by its place.
    fn evict(&self, table: &mut Table<P::Memory>, item: Item, cx: &Context<'_>) {
        match table.life(item, cx.now) {
            Life::Live => cx.mine.evictions.inc(),
            Life::Expired | Life::Flushed => cx.mine.reclaimed.inc(),
        }
        let hash = self.hash(table.arena.key(item));
        self.free(table, hash, item);
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
