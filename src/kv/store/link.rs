// SPDX-License-Identifier: GPL-2.0-only
//! Links of the table's chains: the words in heads, and in items' headers.
//!
//! A link says where an item is, in as many bits as that takes in a region of this
//! size. In the bits above them, as far as there are any, it says more of that
//! item: whether there are more behind it, whether it is long, and some bits of its
//! key's hash. So who looks for a key need not touch the items that are not it, nor, if
//! there is none, the last; and can fetch all of an item before its header says how much
//! that is. In a region of 64 MiB nine bits are left, in one of 16 GiB one.

use super::item::{Item, LINE, UNIT};

/// Which bits of a link say what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    /// Where the item is.
    offset: u32,
    /// What is nothing but 0 in a link behind which there is none: a bit that tells of others
    /// behind its item, or where there is none for that, all that say where the item is.
    more: u32,
    /// That bit, where there is nothing behind the item, and where there is.
    more_if: [u32; 2],
    /// The item has more than [`LONG`] bytes, or had when it was linked: a hint. No bit
    /// at all where bits are few, and the hash has more use for them.
    long: u32,
    /// Some bits of the hash, those that are highest.
    tag: u32,
}

/// What has more bytes, header and text, is long.
const LONG: u64 = 3 * LINE as u64;

/// So many bits are left where one of them tells of that.
const ENOUGH: u32 = 4;

/// A link; 0 is none.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link(pub(super) u32);

impl Links {
    pub(super) fn new(len: usize) -> Self {
        let units = u32::try_from(len.div_ceil(UNIT).saturating_sub(1)).unwrap_or(u32::MAX);
        // As many ones as the highest offset has bits.
        let offset = u32::MAX.checked_shr(units.leading_zeros()).unwrap_or(0);
        let more = offset.wrapping_add(1);
        let long = match offset.leading_zeros() >= ENOUGH {
            true => more.wrapping_shl(1),
            false => 0,
        };
        Self {
            offset,
            more: if more == 0 { offset } else { more },
            more_if: [0, more],
            long,
            tag: !(offset | more | long),
        }
    }

    /// The item.
    #[inline(always)]
    pub(super) fn item(&self, link: Link) -> Option<Item> {
        Item::from_word(link.0 & self.offset)
    }

    /// Whether the item's key may have that hash, if there is one.
    #[inline(always)]
    pub(super) fn may_have(&self, link: Link, hash: u64) -> bool {
        (link.0 ^ high(hash)) & self.tag == 0
    }

    /// The second of two links, if there is an item whose key may have that hash, and the
    /// first if not. Nobody could foresee which it is, and so nothing branches.
    #[inline(always)]
    pub(super) fn either(&self, [first, second]: [Link; 2], hash: u64) -> Link {
        let fits = (second.0 != 0) & self.may_have(second, hash);
        let all = 0u32.wrapping_sub(u32::from(fits));
        Link(first.0 ^ (first.0 ^ second.0) & all)
    }

    /// Whether nothing is known to be behind the item; or there is none.
    #[inline(always)]
    pub(super) fn ends(&self, link: Link) -> bool {
        link.0 & self.more == 0
    }

    /// The link behind that one in its chain, which is `next` if there is any.
    #[inline(always)]
    pub(super) fn behind(&self, link: Link, next: impl FnOnce() -> Link) -> Link {
        match self.ends(link) {
            true => Link(0),
            false => next(),
        }
    }

    /// Whether the item is more than what [`Arena::prefetch_text`](super::arena::Arena::prefetch_text) has fetched.
    #[inline(always)]
    pub(super) fn is_long(&self, link: Link) -> bool {
        link.0 & self.long != 0
    }

    /// A link to an item of `size` bytes whose key has that hash, in front of the one
    /// that is next.
    #[inline(always)]
    pub(super) fn to(&self, item: Item, size: u64, hash: u64, next: Link) -> Link {
        let long = if size > LONG { self.long } else { 0 };
        let more = self.more_before(next);
        Link(Item::to_word(Some(item)) | more | long | high(hash) & self.tag)
    }

    /// A link, when the next is that one from now on.
    #[inline(always)]
    pub(super) fn before(&self, link: Link, next: Link) -> Link {
        let [_, more] = self.more_if;
        Link(link.0 & !more | self.more_before(next))
    }

    /// As likely one as the other, and so without a branch: by its place.
    #[inline(always)]
    fn more_before(&self, next: Link) -> u32 {
        let more = self.more_if.get(usize::from(next.0 != 0));
        more.copied().unwrap_or(0)
    }
}

/// The bits of a hash that choose neither stripe nor chain.
#[inline(always)]
fn high(hash: u64) -> u32 {
    // Cut to its upper half.
    hash.wrapping_shr(32) as u32
}
