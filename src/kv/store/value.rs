// SPDX-License-Identifier: GPL-2.0-only
//! What the protocols see of an item, and what they can make of it.

use super::header::{Header, Mark};
use super::item::{Item, HEADER};
use super::segment::Segment;
use crate::counters::OfClass;
use crate::{decimal, Now};

/// What was found under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lookup<R> {
    /// A live item, and what was made of it.
    Hit(R),
    /// Nothing.
    Miss,
    /// An item whose exptime had come.
    Expired,
    /// An item from before the last `flush_all`.
    Flushed,
}

impl<R> Lookup<R> {
    pub(crate) fn is_hit(&self) -> bool {
        matches!(self, Self::Hit(_))
    }

    /// The same, with something else made of the item.
    #[inline(always)]
    pub(crate) fn map<S>(self, hit: impl FnOnce(R) -> S) -> Lookup<S> {
        match self {
            Self::Hit(found) => Lookup::Hit(hit(found)),
            Self::Miss => Lookup::Miss,
            Self::Expired => Lookup::Expired,
            Self::Flushed => Lookup::Flushed,
        }
    }
}

/// A live item, while it is locked: to be looked at and copied, nothing else.
pub struct Value<'a> {
    /// `<key> <flags> <bytes>\r\n<data>\r\n`, or the first piece of that, with
    /// at least a kilobyte of data ([`Kv::slices`](super::Kv::slices)).
    pub text: &'a [u8],
    /// Bytes of the whole text.
    pub text_len: usize,
    /// How much of the text is before the data.
    pub head_len: usize,
    /// How much of the text is key.
    pub key_len: usize,
    /// Itself.
    pub(super) item: Item,
    pub(super) header: Header<'a>,
    pub(super) now: Now,
}

impl<'a> Value<'a> {
    /// Its cas number.
    #[inline]
    pub fn cas(&self) -> u64 {
        self.header.cas()
    }

    /// Seconds left, `None` for ever.
    #[inline]
    pub fn ttl(&self) -> Option<u32> {
        let expire = self.header.expire();
        (expire != 0).then(|| expire.saturating_sub(self.now.0))
    }

    /// Seconds since it was stored or last asked for, this time not counted.
    #[inline]
    pub fn idle(&self) -> u32 {
        self.now.0.saturating_sub(self.header.used_at())
    }

    /// It has been asked for before, this time not counted.
    #[inline]
    pub fn fetched(&self) -> bool {
        self.header.has(Mark::FETCHED)
    }

    /// To be made anew (`X`).
    #[inline]
    pub fn stale(&self) -> bool {
        self.header.has(Mark::STALE)
    }

    /// Somebody was told to make it anew (`W`).
    #[inline]
    pub fn won(&self) -> bool {
        self.header.has(Mark::WON)
    }

    /// Its key is shown in base64.
    #[inline]
    pub fn key_is_binary(&self) -> bool {
        self.header.has(Mark::BINARY)
    }

    /// The key, as it was stored.
    #[inline]
    pub fn key(&self) -> &'a [u8] {
        self.text.get(..self.key_len).unwrap_or_default()
    }

    /// Whether the text is all in one piece.
    #[inline]
    pub fn is_whole(&self) -> bool {
        self.text.len() == self.text_len
    }

    /// The data, without its CRLF, or the first piece of it.
    #[inline]
    pub fn data(&self) -> &'a [u8] {
        let block = self.block();
        block.get(..self.data_len()).unwrap_or(block)
    }

    /// Bytes of the whole data.
    #[inline]
    pub fn data_len(&self) -> usize {
        self.text_len
            .saturating_sub(self.head_len)
            .saturating_sub(b"\r\n".len())
    }

    /// The data with its CRLF, or the first piece of it.
    #[inline]
    pub fn block(&self) -> &'a [u8] {
        self.text.get(self.head_len..).unwrap_or_default()
    }

    /// The client flags.
    pub fn flags(&self) -> u32 {
        let from = self.key_len.saturating_add(1);
        let rest = self.text.get(from..self.head_len).unwrap_or_default();
        let digits = rest.split(|byte| *byte == b' ').next();
        let flags = digits.and_then(decimal::parse).unwrap_or(0);
        u32::try_from(flags).unwrap_or(0)
    }

    /// Bytes it takes: header, key, flags and data.
    pub fn size(&self) -> usize {
        HEADER.saturating_add(self.text_len)
    }
}

/// Whether a look at an item counts as its use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// It does: the item is young again, and has been fetched.
    Use,
    /// It does not, and leaves no trace.
    Peek,
}

/// What is to become of what is, or is not, under a key.
pub enum Change<'a> {
    /// Nothing.
    Keep,
    /// It goes.
    Remove,
    /// The same data with other circumstances; nothing, where nothing is.
    Amend(Amend),
    /// Other data.
    Store(Entry<'a>),
}

/// New circumstances of an item. `Amend::default()` changes none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Amend {
    /// A new exptime, as a client says it.
    pub exptime: Option<i64>,
    /// Whether it is stale from now on.
    pub stale: Option<bool>,
    /// Whether somebody was told to make it anew.
    pub won: Option<bool>,
    /// Its cas number from now on.
    pub cas: Cas,
    /// It counts as a use.
    pub used: bool,
}

/// Where a cas number comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cas {
    /// The item's own; for a new item, the next one.
    #[default]
    Keep,
    /// The next one.
    Next,
    /// This one.
    Is(u64),
}

/// When a new item dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exptime {
    /// As a client says it.
    Set(i64),
    /// When the old one would have; never, without one.
    Keep,
}

/// A piece of new data.
#[derive(Clone, Copy)]
pub enum Part<'a> {
    /// These.
    Bytes(&'a [u8]),
    /// The old item's data; nothing, without one.
    Old,
    /// A number in decimal, and spaces behind it up to this width.
    Number {
        /// The number.
        value: u64,
        /// At least so many bytes, 20 at most.
        width: usize,
    },
}

/// An item to be stored in place of what is there.
pub struct Entry<'a> {
    /// The client flags.
    pub flags: u32,
    /// When it dies.
    pub exptime: Exptime,
    /// The data, without CRLF, is one behind the other.
    pub data: [Part<'a>; 2],
    /// `Keep` and `Next` are the same here.
    pub cas: Cas,
    /// Whether it is stale from the start.
    pub stale: bool,
    /// Whether somebody was told before to make it anew.
    pub won: bool,
    /// Whether it counts as fetched before.
    pub fetched: bool,
    /// Its key is to be shown in base64.
    pub key_is_binary: bool,
    /// When this is too large, the old item goes all the same, so that nobody
    /// reads stale data: `set`.
    pub or_remove: bool,
}

impl<'a> Entry<'a> {
    /// A plain new item.
    #[inline]
    pub fn new(flags: u32, exptime: i64, data: &'a [u8]) -> Self {
        Self {
            flags,
            exptime: Exptime::Set(exptime),
            data: [Part::Bytes(data), Part::Bytes(b"")],
            cas: Cas::Next,
            stale: false,
            won: false,
            fetched: false,
            key_is_binary: false,
            or_remove: false,
        }
    }
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Done {
    /// Nothing changed: as was asked, or there was nothing to remove or amend.
    Nothing,
    /// What was live there is gone.
    Removed,
    /// What was live there has other circumstances.
    Amended {
        /// Its cas number, new or not.
        cas: u64,
    },
    /// The new item is there.
    Stored {
        /// Its cas number.
        cas: u64,
    },
    /// Larger than any item can be.
    TooLarge,
    /// No room, and nothing that could make some. The old item may be gone.
    NoMemory,
}

/// What was under the key when a change was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Was {
    /// A live item.
    Live,
    /// Nothing.
    Missing,
    /// An item whose exptime had come.
    Expired,
    /// An item from before the last `flush_all`.
    Flushed,
}

/// How an update went.
#[derive(Clone, Copy, Debug)]
pub struct Updated {
    /// What there was before.
    pub was: Was,
    /// What was done.
    pub done: Done,
    /// Where the live item was that was there.
    pub segment: Segment,
}

/// How far a walk over all items has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    pub(super) stripe: usize,
    pub(super) pair: usize,
}

impl Cursor {
    pub(super) fn next_pair(self) -> Option<Self> {
        let pair = self.pair.checked_add(1)?;
        Some(Self { pair, ..self })
    }

    pub(super) fn from_word(word: u64) -> Self {
        Self {
            stripe: usize::try_from(word >> 32).unwrap_or(0),
            pair: usize::try_from(word & u64::from(u32::MAX)).unwrap_or(0),
        }
    }

    pub(super) fn to_word(self) -> u64 {
        (self.stripe as u64).wrapping_shl(32) | self.pair as u64
    }
}

/// A size class at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClassUsage {
    /// Bytes per chunk.
    pub chunk_size: u64,
    /// Chunks per page.
    pub chunks_per_page: u64,
    /// Pages that belong to it.
    pub pages: u64,
    /// Chunks that hold no item, nor what was one and is pinned.
    pub free_chunks: u64,
    /// Items in each segment of its order of use: hot, warm, cold.
    pub items: [u64; 3],
    /// Seconds since the oldest item of each segment was used; 0 without one.
    pub ages: [u32; 3],
    /// What has happened to it.
    pub history: History,
    /// What commands had been counted when that began.
    pub since: OfClass,
}

/// What has happened to a class's items.
#[derive(Clone, Copy, Debug, Default)]
pub struct History {
    /// Live items that had to go.
    pub evicted: u64,
    /// Those of them that had an exptime.
    pub evicted_nonzero: u64,
    /// Those of them that had never been fetched.
    pub evicted_unfetched: u64,
    /// Those of them that had been used again since they became old.
    pub evicted_active: u64,
    /// How many seconds the last of them had not been used; of those of several
    /// shards, the most.
    pub evicted_time: u32,
    /// Dead items whose chunk was taken for a new one.
    pub reclaimed: u64,
    /// Those of them that had never been fetched.
    pub expired_unfetched: u64,
    /// Dead items that a crawl removed.
    pub crawler_reclaimed: u64,
    /// Refusals for want of a chunk.
    pub out_of_memory: u64,
    /// Items that went from hot or warm to cold.
    pub moves_to_cold: u64,
    /// Items that went from hot or cold to warm.
    pub moves_to_warm: u64,
    /// Items that stayed in warm, as its youngest.
    pub moves_within_lru: u64,
}
