// SPDX-License-Identifier: GPL-2.0-only
//! Pages in which replies are written, and from which packets send them
//! without copying.
//!
//! What a packet refers to is not written to again before the packet is freed:
//! a sheet's page counts its packets.

use super::bindings;
use crate::stats::{Supplies, Supply};
use core::{ptr::NonNull, slice};
use kernel::{
    bindings::{page, sk_buff},
    prelude::*,
};

/// Parts that a packet can have beside what it was made with.
pub(crate) const PARTS_MAX: usize = bindings::UB_PARTS_MAX as usize;

/// Bytes of a sheet: 2^3 pages, as much as sockets take at a time.
const SHEET_LEN: usize = bindings::UB_SHEET_LEN as usize;

/// Bytes that are free in a sheet that is written to.
const WINDOW: usize = 16 << 10;

/// Bytes kept free before a text, for headers: of the packet whose buffer this part of
/// the sheet becomes.
pub(crate) const BEFORE: usize = 128;

/// Bytes kept free behind a text, for what [`Sheets::put_behind`] adds to one of
/// the largest that a sheet holds: frame headers.
const BEHIND: usize = 256;

/// Where what is before a text begins: where a buffer may.
const ALIGN: usize = bindings::UB_BUFFER_ALIGN as usize;

const _: () = assert!(ALIGN.is_power_of_two() && BEFORE % ALIGN == 0);

/// One of them.
///
/// # Invariants
///
/// `page` is the first of `SHEET_LEN` bytes of compound pages, which this value
/// owns a reference to; `base` is where they are.
struct Sheet {
    page: NonNull<page>,
    base: NonNull<u8>,
}

// SAFETY: Memory and a reference count, which belong to no thread.
unsafe impl Send for Sheet {}
// SAFETY: As above; shared, it is only read.
unsafe impl Sync for Sheet {}

impl Sheet {
    /// May sleep.
    fn new() -> Option<Self> {
        // SAFETY: Called where sleeping is allowed.
        let page = NonNull::new(unsafe { bindings::ub_sheet_new() })?;
        // SAFETY: The page is valid, and mapped as all that is not high memory.
        let base = NonNull::new(unsafe { bindings::ub_sheet_base(page.as_ptr()) })?;
        // INVARIANT: Just allocated, and nobody else's.
        Some(Self {
            page,
            base: base.cast(),
        })
    }

    /// No packet refers to it any more.
    fn is_idle(&self) -> bool {
        // SAFETY: By the type invariant.
        unsafe { bindings::ub_sheet_is_idle(self.page.as_ptr()) }
    }
}

impl Drop for Sheet {
    fn drop(&mut self) {
        // SAFETY: The reference is ours by the type invariant. Packets have their own.
        unsafe { bindings::ub_sheet_put(self.page.as_ptr()) }
    }
}

/// The sheets of one writer.
///
/// # Invariants
///
/// No packet refers to what is behind the first `used` bytes of sheet
/// `current`, which is one, or behind the last.
pub(crate) struct Sheets {
    all: KVec<Sheet>,
    current: usize,
    used: usize,
}

impl Sheets {
    /// What so many take.
    pub(crate) const fn bytes(count: usize) -> usize {
        count.saturating_mul(SHEET_LEN)
    }

    /// So many, or as many as there is memory for: what packets can hold at a time, but
    /// for the last part of each. What is written then has to be copied. May sleep.
    pub(crate) fn new(count: usize) -> Result<Self> {
        let mut all = KVec::with_capacity(count, GFP_KERNEL)?;
        while let Some(sheet) = (all.len() < count).then(Sheet::new).flatten() {
            all.push(sheet, GFP_KERNEL)?;
        }
        // INVARIANT: They are new.
        Ok(Self {
            all,
            current: 0,
            used: 0,
        })
    }

    /// Where the next text may be written: [`WINDOW`] less [`BEFORE`] and [`BEHIND`]
    /// bytes or more, or `loose` while packets have all sheets, which is counted.
    #[inline(always)]
    pub(crate) fn window<'a>(
        &'a mut self,
        loose: &'a mut KVec<u8>,
        supplies: &Supplies,
    ) -> &'a mut [u8] {
        if SHEET_LEN.saturating_sub(self.used) < WINDOW {
            self.turn_over();
        }
        let start = self.start();
        let free = SHEET_LEN.saturating_sub(start).saturating_sub(BEHIND);
        match self.all.get(self.current) {
            // SAFETY: Within the sheet, and by the type invariant nobody else looks there.
            Some(sheet) => unsafe {
                slice::from_raw_parts_mut(sheet.base.as_ptr().add(start), free)
            },
            None => {
                supplies.count(Supply::Sheets);
                // After some more replies it is looked whether one has come back.
                self.used = self.used.saturating_add(WINDOW / 8);
                loose
            }
        }
    }

    /// Where the window is.
    #[inline(always)]
    fn start(&self) -> usize {
        self.used.saturating_add(BEFORE)
    }

    /// Whether the window is on a sheet.
    pub(crate) fn are_at_hand(&self) -> bool {
        self.all.get(self.current).is_some()
    }

    /// Writes `parts` behind the first `len` bytes of the window. Where that ends;
    /// nothing when there is no room.
    pub(crate) fn put_behind<const N: usize>(
        &mut self,
        len: usize,
        parts: impl Iterator<Item = [u8; N]>,
    ) -> Option<usize> {
        let sheet = self.all.get(self.current)?;
        let start = self.start();
        let free = SHEET_LEN.saturating_sub(start);
        // SAFETY: Within the sheet, and by the type invariant nobody else looks there.
        let window = unsafe { slice::from_raw_parts_mut(sheet.base.as_ptr().add(start), free) };
        let mut end = len;
        for part in parts {
            *window.get_mut(end..)?.first_chunk_mut()? = part;
            end = end.checked_add(N)?;
        }
        Some(end)
    }

    /// The first `len` bytes of the [`window`](Self::window), and what was put
    /// behind.
    #[inline]
    pub(crate) fn written(&self, len: usize) -> Option<Text<'_>> {
        let sheet = self.all.get(self.current)?;
        let start = self.start();
        if len > SHEET_LEN.saturating_sub(start) {
            return None;
        }
        // SAFETY: Within the sheet, and not written while `self` is borrowed.
        let bytes = unsafe { slice::from_raw_parts(sheet.base.as_ptr().add(start), len) };
        Some(Text {
            bytes,
            place: Some((sheet, start)),
        })
    }

    /// The first `len` bytes of the window may have been attached to packets.
    #[inline]
    pub(crate) fn keep(&mut self, len: usize) {
        // INVARIANT: What is behind them is still nobody's.
        self.used = aligned(self.start().saturating_add(len).min(SHEET_LEN));
    }

    /// Makes the first `len` bytes of the window a packet's buffer, with what is before
    /// them. Nothing when they are on no sheet, or the sheet ends too soon.
    #[inline]
    pub(crate) fn take_buffer(&mut self, len: usize) -> Option<Buffer<'_>> {
        let sheet = self.all.get(self.current)?;
        let start = self.used;
        if len > SHEET_LEN || start > SHEET_LEN {
            return None;
        }
        // Sums of what is no longer than a sheet.
        let end = aligned(start.wrapping_add(BEFORE).wrapping_add(len)).wrapping_add(BUFFER_END);
        if end > SHEET_LEN {
            return None;
        }
        // INVARIANT: What is behind the buffer is still nobody's.
        self.used = end;
        // INVARIANT: What was before it is the buffer's now alone.
        Some(Buffer {
            sheet,
            start,
            size: end.wrapping_sub(start),
            len,
        })
    }

    /// Goes on to the next sheet that no packet refers to; behind the last, if there
    /// is none.
    #[cold]
    fn turn_over(&mut self) {
        let (before, after) = self.all.split_at(self.current.min(self.all.len()));
        let after = (self.current..).zip(after).skip(1);
        let next = Iterator::chain(after, (0..).zip(before)).find(|(_, sheet)| sheet.is_idle());
        // INVARIANT: No packet refers to this one.
        self.current = next.map_or(self.all.len(), |(index, _)| index);
        self.used = 0;
    }
}

/// The next place where a buffer may begin.
#[inline(always)]
fn aligned(at: usize) -> usize {
    // Of a place in a sheet, or just behind.
    at.wrapping_add(ALIGN - 1) & !(ALIGN - 1)
}

/// Bytes that the kernel has for itself at the end of a buffer.
const BUFFER_END: usize = bindings::UB_BUFFER_END as usize;

/// A part of a sheet that is to be a packet's buffer, with a text in it.
///
/// # Invariants
///
/// The `size` bytes from `start` on are within the sheet, begin and end where a buffer may, and
/// are this value's alone. They are [`BEFORE`], `len`, and [`BUFFER_END`] or some more.
pub(crate) struct Buffer<'a> {
    sheet: &'a Sheet,
    start: usize,
    size: usize,
    len: usize,
}

impl Buffer<'_> {
    /// Bytes of the text.
    #[inline(always)]
    pub(crate) fn text_len(&self) -> usize {
        self.len
    }

    /// What is before the text.
    #[inline(always)]
    pub(crate) fn before(&mut self) -> &mut [u8; BEFORE] {
        // SAFETY: By the type invariant these bytes are there, and ours.
        unsafe { &mut *self.base().cast().as_ptr() }
    }

    #[inline(always)]
    fn base(&self) -> NonNull<u8> {
        // SAFETY: Within the sheet by the type invariant.
        unsafe { self.sheet.base.add(self.start) }
    }

    /// Gives it to a packet in place of its own buffer, where its data begin then.
    ///
    /// # Safety
    ///
    /// `skb` is the caller's alone, and has no more than its own buffer.
    #[inline]
    pub(super) unsafe fn give_to(self, skb: NonNull<sk_buff>) {
        // SAFETY: By the caller's promise. By the type invariant the buffer is as it has to be, and
        // ours to give; the packet gets a reference to the sheet.
        unsafe {
            bindings::ub_skb_move(
                skb.as_ptr(),
                self.sheet.page.as_ptr(),
                self.base().as_ptr(),
                self.size as u32,
            )
        }
    }
}

/// A text to be sent.
#[derive(Clone, Copy)]
pub(crate) struct Text<'a> {
    bytes: &'a [u8],
    /// The sheet that it is in, and where in it.
    place: Option<(&'a Sheet, usize)>,
}

impl<'a> Text<'a> {
    /// One that is not on a sheet.
    pub(crate) fn loose(bytes: &'a [u8]) -> Self {
        Self { bytes, place: None }
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether packets can refer to it.
    #[inline]
    pub(crate) fn is_on_sheet(&self) -> bool {
        self.place.is_some()
    }

    /// `len` bytes of it, from `start` on.
    pub(crate) fn part(&self, start: usize, len: usize) -> Option<Self> {
        let end = start.checked_add(len)?;
        Some(Self {
            bytes: self.bytes.get(start..end)?,
            place: self
                .place
                .map(|(sheet, offset)| (sheet, offset.saturating_add(start))),
        })
    }

    /// Appends the text to a packet without copying it. Nothing when it is not
    /// on a sheet, or the packet has [`PARTS_MAX`] parts already.
    ///
    /// # Safety
    ///
    /// `skb` is the caller's alone, without a list of fragments, and nothing is
    /// put behind its linear part any more.
    pub(super) unsafe fn attach_to(&self, skb: NonNull<sk_buff>) -> Option<()> {
        let (sheet, offset) = self.place?;
        let offset = u32::try_from(offset).ok()?;
        let len = u32::try_from(self.bytes.len()).ok()?;
        // SAFETY: The sheet is valid, and the text within it; the packet gets a reference.
        unsafe { bindings::ub_skb_attach(skb.as_ptr(), sheet.page.as_ptr(), offset, len) }
            .then_some(())
    }
}
