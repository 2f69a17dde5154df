// SPDX-License-Identifier: GPL-2.0-only
//! Making a store: what it is made of, and what that takes.

use super::arena::Arena;
use super::class::Class;
use super::layout::{self, Layout};
use super::reserve::{self, Reserve};
use super::shard;
use super::stripe::StripeLock;
use super::{chain, header, Config, Error, Kv};
use crate::atomic::{AtomicBool, AtomicU32, AtomicU64};
use crate::hash::Keyed;
use crate::limits::{CLASSES_MAX, HOST_PAGE, ITEM_SHARE, MEMORY_MAX, MEMORY_MIN};
use crate::platform::{Memory, RawRwLock, RawSpinLock, SpinLock};
use crate::Platform;

impl<P: Platform> Kv<P> {
    /// An empty store in `memory`, which is all it will ever use, besides what
    /// [`Kv::beside`] says. What is out of range in `config` counts as the nearest
    /// that is not.
    ///
    /// # Errors
    ///
    /// [`Error`] when the region's size is out of range, or no lock can be had.
    #[inline(never)] // It takes kilobytes of the stack.
    pub fn new(memory: P::Memory, config: &Config) -> Result<Self, Error> {
        let mut config = config.mended();
        config.memory = config.memory.max(memory.len());
        if config.memory < MEMORY_MIN {
            return Err(Error::RegionTooSmall);
        }
        if config.memory > MEMORY_MAX {
            return Err(Error::RegionTooLarge);
        }
        let layout = Layout::new(memory.len(), config.memory).ok_or(Error::RegionTooSmall)?;
        let most = (layout.pages / ITEM_SHARE)
            .max(1)
            .saturating_mul(layout.page_size);
        config.item_max = config.item_max.min(most);
        let least = least_chunk(&config);
        let chunk_sizes = layout::chunk_sizes(layout.page_size, least, config.growth_percent);
        let spreads = shard::spreads(&config);
        let single = chain::text_room(chunk_max(&chunk_sizes));
        let arena = Arena::new(memory, layout.heads, layout.first_heads(), single);
        let pages = layout.page_at(0);
        arena.unused(pages, arena.len().saturating_sub(pages));
        let shift = config.stripes.trailing_zeros();
        let rooms = chunk_sizes.map(room);
        let classes = chunk_sizes.iter().take_while(|size| **size > 0).count();
        Ok(Self {
            stripes: P::array(config.stripes, |index| {
                StripeLock::new(index, shift, &layout)
            })?,
            classes: P::array(classes, |index| {
                let size = chunk_sizes.get(index).copied().unwrap_or(0) as usize;
                let index = u8::try_from(index).unwrap_or(u8::MAX);
                SpinLock::new(Class::new(index, size, layout.page_size))
            })?,
            shards: Self::new_shards(&spreads)?,
            spreads,
            reserves: P::array(reserve::count(config.memory), |_| Ok(Reserve::new()))?,
            arena,
            layout,
            chunk_sizes,
            rooms,
            small_classes: layout::small_classes(rooms.get(..classes).unwrap_or_default()),
            hasher: Keyed::new(config.hash_key),
            config,
            flushed: AtomicU32::new(0),
            flush: SpinLock::new(0)?,
            flush_at: AtomicU32::new(0),
            second: AtomicU32::new(0),
            gate: SpinLock::new(())?,
            pins: AtomicU64::new(0),
            pinned_bytes: AtomicU64::new(0),
            moving: AtomicU32::new(0),
            heads_wanted: AtomicBool::new(false),
            mortals: AtomicBool::new(false),
            crawled_to: AtomicU64::new(0),
            to_crawl: AtomicU32::new(0),
        })
    }

    /// Bytes that a store of that configuration takes besides its region: itself,
    /// its locks, the state of its classes and shards, and the places for chunks at hand. At
    /// most, as an allocator rounds that keeps powers of two, and in whole
    /// [`HOST_PAGE`]s. A region shorter by that than [`Config::memory`] makes both
    /// together take that.
    pub fn beside(config: &Config) -> usize {
        let config = config.mended();
        let taken = |count: usize, each: usize, lock: usize| {
            let array = count.saturating_mul(each).next_power_of_two();
            array.saturating_add(count.saturating_mul(lock))
        };
        let stripe = size_of::<StripeLock<P>>();
        let class = size_of::<SpinLock<P::SpinLock, Class>>();
        let reserves = reserve::count(config.memory);
        let shards = Self::shards_bytes(&config, taken);
        [
            taken(config.stripes, stripe, P::RwLock::BESIDE),
            taken(CLASSES_MAX, class, P::SpinLock::BESIDE),
            taken(reserves, size_of::<Reserve>(), 0),
            taken(1, size_of::<Self>(), P::SpinLock::BESIDE),
            P::GateLock::BESIDE,
        ]
        .iter()
        .fold(shards, |sum, bytes| sum.saturating_add(*bytes))
        .next_multiple_of(HOST_PAGE)
    }

    /// Whether a region of `len` bytes is enough for a store of that configuration.
    pub fn fits_in(len: usize, config: &Config) -> bool {
        Layout::new(len, config.memory.max(len)).is_some()
    }

    /// What it was made with. `item_max` may be less than was asked for: no item
    /// takes more than a quarter of the pages.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Bytes of the largest chunk.
    pub fn chunk_max(&self) -> usize {
        chunk_max(&self.chunk_sizes)
    }
}

/// Bytes that the smallest chunk has at least.
pub(super) fn least_chunk(config: &Config) -> usize {
    header::WORDS.saturating_add(config.min_chunk)
}

fn chunk_max(sizes: &[u32]) -> usize {
    sizes.iter().max().map_or(0, |size| *size as usize)
}

/// Bytes of a chunk that an item can have.
fn room(chunk_size: u32) -> u32 {
    let tail = chain::tail(chunk_size as usize);
    chunk_size.saturating_sub(u32::try_from(tail).unwrap_or(0))
}
