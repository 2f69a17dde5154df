// SPDX-License-Identifier: GPL-2.0-only
//! The store's memory: one virtually contiguous region, taken at load.

use super::bindings;
use core::{alloc::Layout, ptr::NonNull};
use kernel::{
    alloc::{allocator::Vmalloc, Allocator, NumaNode},
    page::PAGE_SIZE,
    prelude::*,
};

/// A zeroed region of whole pages.
///
/// # Invariants
///
/// `base` is an allocation of `Vmalloc` with `layout`, owned by this value.
pub(crate) struct Region {
    base: NonNull<u8>,
    layout: Layout,
}

// SAFETY: The region is plain memory; what is done with it is the owner's business.
unsafe impl Send for Region {}
// SAFETY: As above.
unsafe impl Sync for Region {}

impl Region {
    /// Takes `bytes` of memory, or fails without disturbing anybody else's.
    pub(crate) fn new(bytes: usize) -> Result<Self> {
        let layout = Layout::from_size_align(bytes, PAGE_SIZE).map_err(|_| EINVAL)?;
        let flags = GFP_KERNEL | __GFP_ZERO | __GFP_NOWARN;
        let base = Vmalloc::alloc(layout, flags, NumaNode::NO_NODE)?;
        // INVARIANT: Just allocated, of that layout.
        Ok(Self {
            base: base.cast(),
            layout,
        })
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: By the type invariant `base` came from `Vmalloc` with `layout`, and nobody uses
        // it after its owner is dropped.
        unsafe { Vmalloc::free(self.base, self.layout) };
    }
}

// SAFETY: By the type invariant the region is owned, stays where it is, is zeroed, and is aligned
// to a page.
unsafe impl kv::Memory for Region {
    fn base(&self) -> NonNull<u8> {
        self.base
    }

    fn len(&self) -> usize {
        self.layout.size()
    }
}

/// Bytes that the system takes to map a region of `bytes`: a pointer for each page,
/// in its list of them and in the page tables; some pages of those are not full.
pub(crate) fn tables(bytes: usize) -> usize {
    const POINTER: usize = size_of::<usize>();
    let pointers = bytes.div_ceil(PAGE_SIZE).saturating_mul(POINTER);
    let rounded = pointers.next_multiple_of(PAGE_SIZE);
    rounded.saturating_mul(2).saturating_add(4 * PAGE_SIZE)
}

/// Bytes that could be allocated now without swapping.
pub(crate) fn available() -> u64 {
    // SAFETY: Reads counters; no requirements.
    let pages = unsafe { bindings::si_mem_available() };
    u64::try_from(pages)
        .unwrap_or(0)
        .saturating_mul(PAGE_SIZE as u64)
}
