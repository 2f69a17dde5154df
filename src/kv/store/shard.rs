// SPDX-License-Identifier: GPL-2.0-only
//! Shards of the orders of use: who stores on one CPU need not wait for who stores on
//! another.
//!
//! The shard of an item is that of its chunk, which follows from where the chunk is:
//! those of a page take turns. So each shard has the same part of a class, whoever
//! stores what and where, and is a sample of its items. And whoever has a chunk in
//! hand knows its shard, without a look at it.
//!
//! A CPU evicts some items of one shard, then some of the next, and passes over those
//! that somebody has just locked: all lose alike, and a shard's state and its next
//! victims stay near for a while. An item that is evicted leaves its chunk to the new
//! one, in the same shard, under the same hold of the shard's lock; the class's lock is
//! not needed for that.

use super::item::{Item, UNIT};
use super::layout::{chunk_sizes, page_size, prev_power_of_two};
use super::make::least_chunk;
use super::order::Order;
use super::{Config, Kv};
use crate::limits::{CLASSES_MAX, SHARDS_MAX, SHARD_CHUNKS, SHARD_MEMORY};
use crate::platform::{NoMemory, RawSpinLock, SpinGuard, SpinLock};
use crate::Platform;

/// A shard: the orders of all classes that have chunks in it, which are those with
/// the smallest chunks. On a cache line of its own.
#[repr(align(64))]
pub(super) struct Shard<P: Platform>(pub(super) SpinLock<P::OrderLock, P::Array<Order>>);

/// Which chunks of a class are in which shard.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spread {
    /// 2^32 by the units of a chunk: times a chunk's offset, it numbers the chunks.
    per_unit: u32,
    /// The number of its shards, less one.
    mask: u32,
}

impl Spread {
    fn new(chunk_size: usize, page_size: usize, most: usize) -> Self {
        let units = (chunk_size / UNIT).max(1) as u64;
        let each = page_size.checked_div(chunk_size).unwrap_or(0) / SHARD_CHUNKS;
        let shards = prev_power_of_two(each).min(most);
        Self {
            per_unit: (1u64 << 32).checked_div(units).map_or(0, |per| per as u32),
            mask: u32::try_from(shards.saturating_sub(1)).unwrap_or(0),
        }
    }

    #[inline(always)]
    fn shard_of(self, item: Item) -> usize {
        let number = u64::from(Item::to_word(Some(item))).wrapping_mul(self.per_unit.into());
        // Cut to its upper half.
        (number.wrapping_shr(32) as u32 & self.mask) as usize
    }

    #[inline(always)]
    pub(super) fn shards(self) -> usize {
        (self.mask as usize).wrapping_add(1)
    }
}

/// How all classes of a store of that configuration, mended, are spread.
pub(super) fn spreads(config: &Config) -> [Spread; CLASSES_MAX] {
    let page_size = page_size(config.memory);
    let most = prev_power_of_two(config.memory / SHARD_MEMORY)
        .min(SHARDS_MAX)
        .min(config.stripes);
    let sizes: [u32; CLASSES_MAX] =
        chunk_sizes(page_size, least_chunk(config), config.growth_percent);
    sizes.map(|size| match size {
        0 => Spread::default(),
        size => Spread::new(size as usize, page_size, most),
    })
}

/// How many classes have chunks in a shard.
fn orders(spreads: &[Spread], shard: usize) -> usize {
    spreads
        .iter()
        .filter(|spread| spread.per_unit > 0 && spread.shards() > shard)
        .count()
}

impl<P: Platform> Kv<P> {
    /// The shards, empty.
    pub(super) fn new_shards(spreads: &[Spread]) -> Result<P::Array<Shard<P>>, NoMemory> {
        let most = spreads.iter().map(|spread| spread.shards()).max();
        P::array(most.unwrap_or(1), |shard| {
            let orders = P::array(orders(spreads, shard), |_| Ok(Order::default()))?;
            Ok(Shard(SpinLock::new(orders)?))
        })
    }

    /// Bytes that the shards take, see [`Kv::beside`].
    pub(super) fn shards_bytes(config: &Config, taken: fn(usize, usize, usize) -> usize) -> usize {
        let spreads = spreads(config);
        let most = spreads.iter().map(|spread| spread.shards()).max();
        let most = most.unwrap_or(1);
        let shards = taken(most, size_of::<Shard<P>>(), P::OrderLock::BESIDE);
        (0..most).fold(shards, |sum, shard| {
            sum.saturating_add(taken(orders(&spreads, shard), size_of::<Order>(), 0))
        })
    }

    fn spread(&self, class: u8) -> Spread {
        let spread = self.spreads.get(usize::from(class));
        spread.copied().unwrap_or_default()
    }

    /// How many shards a class is in: a power of two.
    #[inline]
    pub(super) fn shards_of(&self, class: u8) -> usize {
        self.spread(class).shards()
    }

    /// The lock of the order of use that an item's chunk belongs to.
    #[inline(always)]
    pub(super) fn shard_of(&self, class: u8, item: Item) -> Option<&Shard<P>> {
        self.shards.get(self.spread(class).shard_of(item))
    }

    /// Shows `each` all orders of a class, one after the other, each locked.
    pub(super) fn each_order(&self, class: u8, mut each: impl FnMut(&mut Order)) {
        for shard in self.shards.iter().take(self.shards_of(class)) {
            if let Some(order) = of_class::<P>(&mut shard.0.lock(), class) {
                each(order);
            }
        }
    }
}

/// A class's order in a shard that is locked.
#[inline(always)]
pub(super) fn of_class<'a, P: Platform>(
    shard: &'a mut SpinGuard<'_, P::OrderLock, P::Array<Order>>,
    class: u8,
) -> Option<&'a mut Order> {
    shard.get_mut(usize::from(class))
}
