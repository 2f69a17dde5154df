// SPDX-License-Identifier: GPL-2.0-only
//! The one region of memory that a store lives in, and all raw access to it.

use core::ptr::NonNull;
use core::slice;
// Not one that a model checker knows of: it stands for nothing but itself.
use core::sync::atomic::AtomicUsize;

use super::item::HEADER;
use super::link::Links;
use crate::atomic::{AtomicU32, Ordering, Owned};
use crate::platform::Memory;

const WORD: usize = size_of::<AtomicU32>();

/// So many heads are together.
pub(super) const PAIR: usize = 2;

/// A pair of heads, see [`Chains`](super::chains::Chains): links.
pub(super) type Heads = [AtomicU32; PAIR];

/// The region, as words and as bytes; offsets are in bytes from its start.
///
/// # Invariants
///
/// Words (links, headers, pins) are only ever reached as atomics, so that several
/// may change them at the same time. Bytes (items' text) are written only by
/// who has a chunk to themselves, before anybody else can find it. Only who glances
/// (`glance.rs`) reads bytes that may be written.
pub(super) struct Arena<M> {
    memory: M,
    /// What [`Arena::heads`] finds: the word where they begin, and how many pairs there are,
    /// which grows. They are all inside. Relaxed: who knows of too few finds them otherwise.
    heads: usize,
    heads_len: AtomicUsize,
    pub(super) links: Links,
    /// Longest text in one chunk.
    pub(super) single: usize,
    /// What begins before that has room behind it for a header and such a text.
    pub(super) before_end: usize,
}

impl<M: Memory> Arena<M> {
    /// With so many pairs of heads behind so many words; none, if they are not all inside.
    pub(super) fn new(memory: M, heads: usize, heads_len: usize, single: usize) -> Self {
        let links = Links::new(memory.len());
        let before_end = memory.len().saturating_sub(HEADER.saturating_add(single));
        let arena = Self {
            memory,
            // INVARIANT: there are none yet.
            heads,
            heads_len: AtomicUsize::new(0),
            links,
            single,
            // INVARIANT: nothing, if there is too little for even one.
            before_end,
        };
        arena.set_heads(heads_len);
        arena
    }

    /// Has so many pairs of heads from now on, side by side, if there were fewer.
    pub(super) fn set_heads(&self, pairs: usize) {
        let words = (self.len() / WORD).checked_sub(self.heads);
        let inside = words.is_some_and(|words| pairs <= words / PAIR);
        debug_assert!(inside, "heads behind the end");
        if inside {
            // INVARIANT: as just looked at.
            self.heads_len.fetch_max(pairs, Ordering::Relaxed);
        }
    }

    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        self.memory.len()
    }

    /// Where the region begins.
    #[inline(always)]
    pub(super) fn start(&self) -> NonNull<u8> {
        self.memory.base()
    }

    /// Says that nobody touches these bytes from now on, see [`Memory::unused`].
    #[inline(always)]
    pub(super) fn unused(&self, at: usize, len: usize) {
        self.memory.unused(at, len);
    }

    /// The opposite, see [`Memory::used`].
    #[inline(always)]
    pub(super) fn used(&self, at: usize, len: usize) {
        self.memory.used(at, len);
    }

    /// Has the processor fetch the cache line at `at`, for somebody wants it soon. A
    /// hint: waits for nothing, and is nothing where the processor is not known.
    #[inline(always)]
    pub(super) fn prefetch(&self, at: usize) {
        self.prefetch_behind::<0>(at);
    }

    /// The same of the cache line that is so far behind `at`.
    #[inline(always)]
    pub(super) fn prefetch_behind<const BEHIND: usize>(&self, at: usize) {
        prefetch::<BEHIND>(self.memory.base().as_ptr().wrapping_add(at));
    }

    /// The same of the cache line that a word is in.
    #[inline(always)]
    pub(super) fn prefetch_word(&self, word: &AtomicU32) {
        prefetch::<0>(core::ptr::from_ref(word).cast());
    }

    /// Where the byte at `at` is in memory.
    #[inline]
    pub(super) fn address(&self, at: usize) -> usize {
        self.memory.base().as_ptr().wrapping_add(at).addr()
    }

    /// The word at `at`. What orders words is the lock that the caller holds, a
    /// stripe's or a class's.
    ///
    /// No offset outside the region is ever asked for; if one were, nothing
    /// outside it would be touched.
    #[inline]
    pub(super) fn load(&self, at: usize) -> u32 {
        self.word(at).map_or(0, |word| Owned(word).load())
    }

    /// A pair of heads; see [`Arena::load`].
    #[inline(always)]
    pub(super) fn heads(&self, pair: usize) -> Option<&Heads> {
        if pair >= self.heads_len.load(Ordering::Relaxed) {
            return None;
        }
        let base = self.memory.base().cast::<AtomicU32>();
        // SAFETY: inside the region, by the invariant of `heads`, aligned as that is, and
        // reached as atomics by everybody, by the type's.
        Some(unsafe { base.add(self.heads).cast::<Heads>().add(pair).as_ref() })
    }

    /// Sets the word at `at`; see [`Arena::load`].
    #[inline]
    pub(super) fn store(&self, at: usize, value: u32) {
        if let Some(word) = self.word(at) {
            Owned(word).store(value);
        }
    }

    /// What a word said lately, to who has not its lock: a hint, for
    /// [`Arena::prefetch`] and nothing else. It may be a head that its stripe does not have
    /// yet. Where somebody watches over locks, or over what was written, 0.
    #[inline(always)]
    pub(super) fn hint(&self, word: &AtomicU32) -> u32 {
        if cfg!(any(
            feature = "loom",
            watched_by = "thread",
            watched_by = "valgrind"
        )) {
            return 0;
        }
        word.load(Ordering::Relaxed)
    }

    /// The word at `at`, which no lock protects, and all that was done before it
    /// was set by [`Arena::release`].
    #[inline]
    pub(super) fn acquire(&self, at: usize) -> u32 {
        self.word(at).map_or(0, |word| word.load(Ordering::Acquire))
    }

    /// Sets the word at `at`; see [`Arena::acquire`].
    #[inline]
    pub(super) fn release(&self, at: usize, value: u32) {
        if let Some(word) = self.word(at) {
            word.store(value, Ordering::Release);
        }
    }

    /// Sets the word at `at` from `old` to `new`; whether it was `old`. Relaxed:
    /// that orders nothing else.
    #[inline]
    pub(super) fn exchange(&self, at: usize, old: u32, new: u32) -> bool {
        self.word(at).is_some_and(|word| {
            word.compare_exchange(old, new, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
        })
    }

    /// The bytes at `at`.
    ///
    /// # Safety
    ///
    /// While the slice lives, no word in it is stored to, and no byte written.
    #[inline(always)]
    pub(super) unsafe fn bytes(&self, at: usize, len: usize) -> Option<&[u8]> {
        self.check(at, len)?;
        self.touch(at, len, false);
        // SAFETY: inside the region, which `memory` keeps alive and to itself;
        // initialised, since it was zeroed at first. Nothing in it changes, by
        // the caller's promise.
        Some(unsafe { slice::from_raw_parts(self.memory.base().add(at).as_ptr(), len) })
    }

    /// The bytes at `at`, to be written.
    ///
    /// # Safety
    ///
    /// While the slice lives, nobody else reaches anything in it.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)] // The caller's promise, not the borrow, excludes others.
    pub(super) unsafe fn bytes_mut(&self, at: usize, len: usize) -> Option<&mut [u8]> {
        self.check(at, len)?;
        self.touch(at, len, true);
        // SAFETY: inside the region, which `memory` keeps alive and to itself;
        // to the caller alone, by the caller's promise.
        Some(unsafe {
            slice::from_raw_parts_mut(self.memory.base().as_ptr().wrapping_add(at), len)
        })
    }

    /// The word at `at` itself, for what the others do not do.
    #[inline(always)]
    pub(super) fn word(&self, at: usize) -> Option<&AtomicU32> {
        self.words_and_more::<1, 0>(at).map(|[word]| word)
    }

    /// The words from `at` on, with so many more bytes behind them: one check for
    /// all of that. See [`Arena::load`].
    #[inline(always)]
    pub(super) fn words_and_more<const N: usize, const MORE: usize>(
        &self,
        at: usize,
    ) -> Option<&[AtomicU32; N]> {
        let words = self.words_if_any::<N, MORE>(at);
        debug_assert!(words.is_some(), "no words at {at}");
        words
    }

    /// The same for who is not sure that there are words.
    #[inline(always)]
    pub(super) fn words_if_any<const N: usize, const MORE: usize>(
        &self,
        at: usize,
    ) -> Option<&[AtomicU32; N]> {
        self.check(at, size_of::<[AtomicU32; N]>().wrapping_add(MORE))?;
        if at.checked_rem(align_of::<AtomicU32>()) != Some(0) {
            return None;
        }
        // SAFETY: inside the region, aligned (so is the region), and reached as
        // atomics by everybody who reaches them through `&self`, by the type's
        // invariant.
        Some(unsafe { self.memory.base().add(at).cast().as_ref() })
    }

    /// Tells a model checker, if there is one, who reads or writes what.
    #[inline(always)]
    fn touch(&self, _at: usize, _len: usize, _write: bool) {
        #[cfg(feature = "loom")]
        crate::modelled::touch(self.memory.base().as_ptr().wrapping_add(_at), _len, _write);
    }

    /// `Some` if `at..at + len` lies in the region.
    #[inline(always)]
    fn check(&self, at: usize, len: usize) -> Option<()> {
        self.has_bytes(at, len).then_some(())
    }

    /// Whether `at..at + len` lies in the region.
    #[inline(always)]
    pub(super) fn has_bytes(&self, at: usize, len: usize) -> bool {
        let end = at.checked_add(len);
        end.is_some_and(|end| end <= self.len())
    }
}

/// See [`Arena::prefetch`].
#[inline(always)]
fn prefetch<const BEHIND: usize>(line: *const u8) {
    let _line = line.addr();
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    // SAFETY: nothing is read that the program could see, and nothing faults,
    // whatever the address.
    unsafe {
        core::arch::asm!(
            "prefetcht0 byte ptr [{} + {}]",
            in(reg) _line,
            const BEHIND,
            options(nomem, nostack, preserves_flags)
        );
    }
    #[cfg(all(target_arch = "aarch64", not(miri)))]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!(
            "prfm pldl1keep, [{}, #{}]",
            in(reg) _line,
            const BEHIND,
            options(nomem, nostack, preserves_flags)
        );
    }
}
