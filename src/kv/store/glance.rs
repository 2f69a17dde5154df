// SPDX-License-Identifier: GPL-2.0-only
//! Looking at an item without a lock, as most `get`s do.
//!
//! Whoever looks like this may see a chunk that is being written, or has become another
//! item, of another size even, or no item at all. So he believes nothing that could lead
//! out of the region, goes no further than so many links, changes nothing, and does not
//! act upon what he has copied before he knows that the stripe is
//! [still the same](super::stripe::StripeLock::is_still).
//!
//! What others may write meanwhile is no value that Rust could refer to, so there are no
//! references here to any of it. Words are read as atomics, for they are. Of text, which is
//! written as plain bytes, what decides anything is read by volatile accesses, as a kernel
//! does (`READ_ONCE`), and the rest is copied: LLVM says of a plain load that meets a store
//! that it yields *some* bytes (LangRef, "Memory Model for Concurrent Operations"), which is
//! enough for what will be thrown away. Rust has no name for that yet (RFC 3301,
//! `AtomicPerByte`).
//!
//! Sanitizers would find fault with all this, and so for them it is an instruction that they
//! do not look into that copies. Memcheck looks into all of them: under it nothing is looked
//! at like this.

use core::marker::PhantomData;
use core::ptr::NonNull;

use super::arena::Arena;
use super::header::{Shape, EXPIRE, NEXT, SHAPE, USED};
use super::item::{Item, HEADER, KEY_LEN};
use super::link::Link;
use crate::atomic::AtomicU32;
use crate::copy::Source;
use crate::platform::Memory;
use raw::{peek_byte, peek_eight, peek_word};

/// Nothing is known: it is to be looked at with the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unsure;

/// A chunk, as somebody sees it who has no lock.
///
/// # Invariants
///
/// From `chunk` on, [`HEADER`] bytes, aligned as words are, and behind them the text of any item
/// in one piece are in the region.
#[derive(Clone, Copy, Debug)]
pub(super) struct Glance<'a> {
    pub(super) item: Item,
    chunk: NonNull<u8>,
    _region: PhantomData<&'a [u8]>,
}

impl<M: Memory> Arena<M> {
    /// What is at the place of an item, unless that is at the very end of the region.
    #[inline(always)]
    pub(super) fn glance(&self, item: Item) -> Option<Glance<'_>> {
        (item.offset() < self.before_end).then(|| Glance {
            item,
            // SAFETY: inside of the region, as just looked at.
            // INVARIANT: what is before that has so many bytes; regions are aligned, and so
            // are offsets.
            chunk: unsafe { self.start().add(item.offset()) },
            _region: PhantomData,
        })
    }

    /// The text of a chunk, if the key is in it that is looked for, and all else too.
    #[inline(always)]
    pub(super) fn glance_text<'a>(
        &'a self,
        found: Glance<'a>,
        key: &[u8],
    ) -> Result<Option<Text<'a>>, Unsure> {
        let len = found.shape().text_len(key.len());
        if found.key_len() != key.len() {
            return Ok(None);
        }
        if len > self.single {
            return Err(Unsure);
        }
        // SAFETY: inside of the region, by the type invariant.
        let at = unsafe { found.chunk.add(HEADER) };
        // SAFETY: a text is no shorter than its key.
        Ok(unsafe { is_key(at, key) }.then_some(Text {
            // INVARIANT: by that of `Glance`.
            at,
            len,
            _region: PhantomData,
        }))
    }
}

impl Glance<'_> {
    #[inline(always)]
    fn word<const AT: usize>(self) -> u32 {
        const { assert!(AT + size_of::<u32>() <= HEADER && AT % align_of::<u32>() == 0) };
        // SAFETY: inside of the region, by the type invariant and the assertion.
        unsafe { peek_word(self.chunk.add(AT)) }
    }

    /// The next in the chain.
    #[inline(always)]
    pub(super) fn next(self) -> Link {
        Link(self.word::<NEXT>())
    }

    #[inline(always)]
    pub(super) fn expire(self) -> u32 {
        self.word::<EXPIRE>()
    }

    #[inline(always)]
    pub(super) fn used_at(self) -> u32 {
        self.word::<USED>()
    }

    #[inline(always)]
    pub(super) fn shape(self) -> Shape {
        Shape(self.word::<SHAPE>())
    }

    #[inline(always)]
    fn key_len(self) -> usize {
        const { assert!(KEY_LEN < HEADER) };
        // SAFETY: inside of the region, by the type invariant and the assertion.
        usize::from(unsafe { peek_byte(self.chunk.add(KEY_LEN)) })
    }
}

/// A text that may be written meanwhile: to be copied, and nothing else.
///
/// # Invariants
///
/// From `at` on, `len` bytes are in the region.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    at: NonNull<u8>,
    len: usize,
    _region: PhantomData<&'a [u8]>,
}

impl Text<'_> {
    /// A part of it; nothing where it has no such part.
    #[inline(always)]
    pub(super) fn part(self, from: usize, len: usize) -> Option<Self> {
        let end = from.checked_add(len)?;
        (end <= self.len).then(|| Self {
            // SAFETY: inside of the region, as just looked at.
            // INVARIANT: the same, and it is no longer than all of it.
            at: unsafe { self.at.add(from) },
            len,
            ..self
        })
    }
}

// SAFETY: in the region, by the type invariant, however often others write there; and in
// nobody's buffer.
unsafe impl Source for Text<'_> {
    #[inline(always)]
    fn start(self) -> *const u8 {
        self.at.as_ptr()
    }

    #[inline(always)]
    fn len(self) -> usize {
        self.len
    }

    #[cfg(feature = "loom")]
    unsafe fn copy_to(from: *const u8, to: *mut u8, len: usize) {
        crate::modelled::pause();
        // SAFETY: as the caller promises.
        unsafe { core::ptr::copy_nonoverlapping(from, to, len) }
    }

    #[cfg(any(watched_by = "address", watched_by = "thread"))]
    unsafe fn copy_to(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: as the caller promises.
        unsafe { raw::copy(from, to, len) }
    }
}

/// Whether these bytes are that key's, looked at eight at a time.
///
/// # Safety
///
/// As many bytes as the key has are from `at` on, in a region of a store.
#[inline(always)]
pub(super) unsafe fn is_key(at: NonNull<u8>, key: &[u8]) -> bool {
    // SAFETY: by the caller's promise, of at least so many bytes.
    unsafe {
        match key.len() {
            8..=16 => ends_are::<8>(at, key),
            17..=32 => ends_are::<16>(at, key),
            33..=64 => ends_are::<32>(at, key),
            65.. => is_long_key(at, key),
            _ => is_short_key(at, key),
        }
    }
}

/// As [`is_key`], of at least `N` bytes, looking at no more than the first `N` and the last,
/// some of them twice perhaps.
#[inline(always)]
unsafe fn ends_are<const N: usize>(at: NonNull<u8>, key: &[u8]) -> bool {
    let (Some(first), Some(last)) = (key.first_chunk::<N>(), key.last_chunk::<N>()) else {
        return false;
    };
    // The end first: keys mostly differ there.
    // SAFETY: by the caller's promise.
    unsafe { are(at.add(key.len().wrapping_sub(N)), last) && are(at, first) }
}

/// Whether they are these bytes, a multiple of eight.
#[inline(always)]
unsafe fn are<const N: usize>(at: NonNull<u8>, bytes: &[u8; N]) -> bool {
    let (mut rest, mut place) = (bytes.as_slice(), at);
    while let Some((eight, behind)) = rest.split_first_chunk() {
        // SAFETY: by the caller's promise.
        if unsafe { peek_eight(place) } != u64::from_ne_bytes(*eight) {
            return false;
        }
        // SAFETY: as above; behind what has been looked at.
        place = unsafe { place.add(8) };
        rest = behind;
    }
    true
}

/// As [`is_key`], of more than 64 bytes.
#[inline(never)]
unsafe fn is_long_key(at: NonNull<u8>, key: &[u8]) -> bool {
    let is = |(place, part): (usize, &[u8])| {
        // SAFETY: by the caller's promise, a part of it.
        unsafe { ends_are::<8>(at.add(place.wrapping_mul(16)), part) }
    };
    // SAFETY: by the caller's promise.
    let ends = unsafe { ends_are::<32>(at, key) };
    ends && key.chunks_exact(16).enumerate().all(is)
}

/// As [`is_key`], of less than eight bytes.
#[cold]
#[inline(never)]
unsafe fn is_short_key(at: NonNull<u8>, key: &[u8]) -> bool {
    let mut bytes = key.iter().enumerate();
    // SAFETY: by the caller's promise.
    bytes.all(|(place, byte)| unsafe { peek_byte(at.add(place)) } == *byte)
}

/// What a word of a region says at this moment.
#[inline(always)]
pub(super) fn peek(word: &AtomicU32) -> u32 {
    // SAFETY: borrowed, as what it is.
    unsafe { peek_word(NonNull::from(word).cast()) }
}

/// What is there at this moment, or half of it, and half of what was there before.
///
/// All of these need so many bytes in a region of a store.
#[cfg(not(any(watched_by = "address", watched_by = "thread")))]
mod raw {
    use core::ptr::NonNull;

    use crate::atomic::AtomicU32;
    #[cfg(not(feature = "loom"))]
    use crate::atomic::Ordering;

    /// Eight bytes that lie anywhere.
    #[repr(C, packed)]
    struct Unaligned(u64);

    /// An aligned word, which is an atomic to everybody.
    #[inline(always)]
    pub(super) unsafe fn peek_word(at: NonNull<u8>) -> u32 {
        // SAFETY: by the caller's promise.
        let word = unsafe { at.cast::<AtomicU32>().as_ref() };
        #[cfg(feature = "loom")]
        return word.peek();
        #[cfg(not(feature = "loom"))]
        word.load(Ordering::Relaxed)
    }

    #[inline(always)]
    pub(super) unsafe fn peek_byte(at: NonNull<u8>) -> u8 {
        // SAFETY: by the caller's promise.
        unsafe { at.read_volatile() }
    }

    #[inline(always)]
    pub(super) unsafe fn peek_eight(at: NonNull<u8>) -> u64 {
        // SAFETY: by the caller's promise.
        unsafe { at.cast::<Unaligned>().read_volatile().0 }
    }
}

/// The same by instructions that sanitizers do not see.
#[cfg(any(watched_by = "address", watched_by = "thread"))]
mod raw {
    use core::ptr::NonNull;

    /// Copies so many bytes.
    pub(super) unsafe fn copy(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: by the caller's promise both are there.
        unsafe {
            core::arch::asm!(
                "rep movsb",
                inout("rcx") len => _,
                inout("rsi") from => _,
                inout("rdi") to => _,
                options(nostack, preserves_flags)
            );
        }
    }

    unsafe fn peek<const N: usize>(at: NonNull<u8>) -> [u8; N] {
        let mut bytes = [0; N];
        // SAFETY: by the caller's promise.
        unsafe { copy(at.as_ptr(), bytes.as_mut_ptr(), N) };
        bytes
    }

    pub(super) unsafe fn peek_word(at: NonNull<u8>) -> u32 {
        // SAFETY: by the caller's promise.
        u32::from_ne_bytes(unsafe { peek(at) })
    }

    pub(super) unsafe fn peek_byte(at: NonNull<u8>) -> u8 {
        // SAFETY: by the caller's promise.
        u8::from_ne_bytes(unsafe { peek(at) })
    }

    pub(super) unsafe fn peek_eight(at: NonNull<u8>) -> u64 {
        // SAFETY: by the caller's promise.
        u64::from_ne_bytes(unsafe { peek(at) })
    }
}
