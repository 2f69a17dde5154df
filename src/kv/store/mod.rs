// SPDX-License-Identifier: GPL-2.0-only
//! The store: what the protocols can ask of it, and the locks around that.
//!
//! The table is in stripes by hash, each behind a reader-writer lock. Whatever changes an
//! item holds its stripe for writing. Who looks at one holds its stripe for reading, so that it
//! can neither change nor go, and only marks it as used; but most `get`s copy an item
//! without the lock, and see afterwards whether anybody has changed the stripe meanwhile
//! (`look.rs`, `glance.rs`, `stripe.rs`). With one stripe this is a table under a global
//! lock, which all take. Chunks are in size classes, each behind a spin lock; the orders in which
//! classes use them are in shards, each behind another. An item too large for one
//! chunk is a chain of them.
//!
//! Lock order: a stripe, then a class, then a shard, then nothing; never two stripes,
//! two classes or two shards. There is one exception: to evict an item of another
//! stripe, who holds a shard tries that stripe, and looks for another item when
//! somebody has it. A try waits for nobody, so nobody can wait in a circle. When all tries
//! fail, everything is let go, that stripe is waited for with nothing held, and
//! the change is decided anew.
//!
//! Who is short of chunks takes one lock before all of these, the gate, so that no two
//! wait for what the other has in hand (`gate.rs`).
//!
//! Dead items (expired, or stored before a `flush_all`) answer like missing
//! ones, and keep their chunks until something is stored or deleted under their
//! key, their chunk is wanted, or the crawler comes by.
//!
//! A `get` whose reply is sent from where the item lies pins it ([`Kv::pin`]):
//! the text stays as it is, and where it is, until the pin is given back.
//!
//! No request does work that grows with the store: the table grows by a chain at
//! a time, pages are cut by a chunk, crawled by a few chains, and emptied by a
//! few chunks at a time. Only who needs a page at once, for a class that has
//! none, empties one alone, holding no stripe, a class for some chunks, and the gate.

mod arena;
mod chain;
mod chains;
mod class;
mod config;
mod crawl;
mod drain;
mod enlist;
mod evict;
mod expect;
mod gate;
mod glance;
mod header;
mod hold;
mod item;
mod layout;
mod life;
mod link;
mod list;
mod look;
mod make;
mod moves;
mod order;
mod pin;
mod plain;
mod reserve;
mod segment;
mod shard;
mod source;
mod stripe;
mod table;
mod update;
mod usage;
mod value;
mod write;

use self::arena::Arena;
use self::chains::{Chains, Found};
use self::class::Class;
pub use self::config::{parse_growth, Config, Error, Wrong};
pub(crate) use self::glance::Text;
use self::header::Header;
pub(crate) use self::header::Place;
pub use self::hold::Chunk;
use self::item::{Item, LINE};
use self::layout::Layout;
pub(crate) use self::life::due;
use self::life::Life;
pub(crate) use self::look::{Glimpse, Glimpsed, Seen, Watched};
pub use self::pin::Pin;
pub use self::plain::{Condition, Head, Plain, Put};
use self::reserve::Reserve;
pub use self::segment::Segment;
use self::shard::{Shard, Spread};
use self::stripe::StripeLock;
pub use self::usage::Usage;
pub use self::value::{
    Amend, Cas, Change, ClassUsage, Cursor, Done, Entry, Exptime, History, Look, Lookup, Part,
    Updated, Value, Was,
};
use crate::atomic::{AtomicBool, AtomicU32, AtomicU64};
use crate::hash::Keyed;
use crate::limits::{CLASSES_MAX, ITEM_FLAGS, ITEM_OVERHEAD};
use crate::platform::SpinLock;
use crate::{Context, Now, Platform};

/// A key-value store in one region of memory. Small itself, however large the
/// region is.
pub struct Kv<P: Platform> {
    arena: Arena<P::Memory>,
    layout: Layout,
    /// A power of two of them.
    stripes: P::Array<StripeLock<P>>,
    classes: P::Array<SpinLock<P::SpinLock, Class>>,
    /// The orders of use, and which chunks are in which.
    shards: P::Array<Shard<P>>,
    spreads: [Spread; CLASSES_MAX],
    reserves: P::Array<Reserve>,
    /// Chunk sizes of the classes, which never change; 0 behind the last.
    chunk_sizes: [u32; CLASSES_MAX],
    /// Bytes of each that an item can have.
    rooms: [u32; CLASSES_MAX],
    /// The class for an item of so many words.
    small_classes: [u8; layout::SMALL],
    pub(crate) hasher: Keyed,
    /// What it was made with, mended.
    config: Config,
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
    /// For who is short of chunks: one at a time.
    gate: SpinLock<P::GateLock, ()>,
    /// Pins that have not been given back, and bytes of the chunks they hold.
    pins: AtomicU64,
    pinned_bytes: AtomicU64,
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
    /// Lets `each` see the live items of one pair of chains, after those that the cursor
    /// has passed; the cursor for the next. An item that is stored meanwhile may
    /// be seen or not, and one whose pair is divided meanwhile twice.
    pub fn walk(
        &self,
        from: Cursor,
        cx: &Context<'_>,
        mut each: impl FnMut(&Value<'_>),
    ) -> Option<Cursor> {
        let stripe = self.stripes.get(from.stripe)?.read();
        if from.pair >= stripe.chains.len() {
            return self.next_stripe(from);
        }
        for item in stripe.chains.items(&self.arena, &self.layout, from.pair) {
            let live = self.life(item, cx.now) == Life::Live;
            if let Some(value) = self.value(item, cx.now).filter(|_| live) {
                each(&value);
            }
        }
        from.next_pair()
    }

    /// The size class of an item.
    pub fn class_of(&self, value: &Value<'_>) -> u8 {
        self.layout.class_of(&self.arena, value.item)
    }

    #[inline(always)]
    fn segment(&self, item: Item, header: Header<'_>) -> Segment {
        let class = self.layout.class_of(&self.arena, item);
        Segment::of(class, header.load_shape())
    }

    /// The class that an item is for whose data have that length; none has the largest
    /// number.
    pub(crate) fn class_for_data(&self, key_len: usize, flags: u32, len: usize) -> u8 {
        let shape = self.shape_for(item::size(key_len, flags, len));
        shape.map_or(u8::MAX, |shape| shape.class)
    }

    /// Whether an item of this shape can be stored at all: `len` is without
    /// CRLF.
    #[inline]
    pub fn fits(&self, key_len: usize, flags: u32, len: usize) -> bool {
        // It is never less than what it takes here, for ITEM_OVERHEAD is more
        // than our own header and what is behind an item.
        let around = ITEM_OVERHEAD
            .saturating_add(key_len)
            .saturating_add(if flags == 0 { 2 } else { 2 + ITEM_FLAGS });
        let most = self.config.item_max.checked_sub(around);
        most.is_some_and(|most| len <= most)
    }

    /// The item as the protocols see it. Its stripe is locked.
    fn value(&self, item: Item, now: Now) -> Option<Value<'_>> {
        let header = self.arena.header(item)?;
        Some(self.value_of(item, header, self.arena.key_len(item), now))
    }

    /// As [`Kv::value`], of an item of which this is known already.
    #[inline(always)]
    fn value_of<'a>(
        &'a self,
        item: Item,
        header: Header<'a>,
        key_len: usize,
        now: Now,
    ) -> Value<'a> {
        let text_len = header.text_len(key_len);
        let first = match text_len <= self.arena.single {
            true => text_len,
            false => self.first_len(item),
        };
        Value {
            text: self.arena.part(item, 0, first),
            text_len,
            head_len: header.head_len(key_len),
            key_len,
            item,
            header,
            now,
        }
    }

    #[inline(never)]
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.hasher.hash(key)
    }

    /// The item with that key, in its stripe.
    #[inline(always)]
    fn find(&self, chains: &Chains, hash: u64, key: &[u8]) -> Option<Found<'_>> {
        chains.find(&self.arena, &self.layout, hash, key, |item| {
            self.fetch_long(item)
        })
    }

    /// Fetches all of an item that is not short, of which the first lines are fetched already.
    #[inline(always)]
    fn fetch_long(&self, item: Item) {
        let len = self.chunk_size(item);
        self.arena.prefetch_rest::<{ 3 * LINE }>(item, len);
    }

    #[inline]
    fn stripe_of(&self, hash: u64) -> usize {
        // Bits that are cut off choose nothing on a machine that cuts them.
        hash as usize & self.stripes.len().wrapping_sub(1)
    }

    fn next_stripe(&self, cursor: Cursor) -> Option<Cursor> {
        let stripe = cursor.stripe.checked_add(1)?;
        (stripe < self.stripes.len()).then_some(Cursor { stripe, pair: 0 })
    }

    #[inline]
    fn class(&self, class: u8) -> Option<&SpinLock<P::SpinLock, Class>> {
        self.classes.get(usize::from(class))
    }

    /// The class with the smallest chunks that have at least `size` bytes for an
    /// item.
    #[inline]
    fn class_for(&self, size: usize) -> Option<u8> {
        match self.small_classes.get(size.div_ceil(layout::WORD)) {
            Some(class) => Some(*class).filter(|class| usize::from(*class) < self.classes.len()),
            None => self.large_class_for(size),
        }
    }

    fn large_class_for(&self, size: usize) -> Option<u8> {
        let size = u32::try_from(size).ok()?;
        let rooms = self.rooms.get(..self.classes.len())?;
        let index = rooms.partition_point(|room| *room < size);
        u8::try_from(index).ok().filter(|_| index < rooms.len())
    }
}
