// SPDX-License-Identifier: GPL-2.0-only
//! Copying a reply's text.

use core::ptr;

/// What is copied from.
///
/// # Safety
///
/// From `start` on, `len` bytes can be read, though they may change meanwhile: it is enough
/// that each is what it was at some moment. Whoever has a `&mut [u8]` has other bytes.
pub(crate) unsafe trait Source: Copy {
    fn start(self) -> *const u8;

    fn len(self) -> usize;

    /// Copies some of these bytes.
    ///
    /// # Safety
    ///
    /// `len` bytes from `from` on are among them, and from `to` on as many are the caller's.
    #[inline(always)]
    unsafe fn copy_to(from: *const u8, to: *mut u8, len: usize) {
        // SAFETY: as the caller promises.
        unsafe { ptr::copy_nonoverlapping(from, to, len) }
    }
}

// SAFETY: a slice; and whoever has a mutable one has it alone.
unsafe impl Source for &[u8] {
    #[inline(always)]
    fn start(self) -> *const u8 {
        self.as_ptr()
    }

    #[inline(always)]
    fn len(self) -> usize {
        self.len()
    }
}

/// Copies `from` to the front of `to`; nothing when it is too short. For lengths
/// that most texts have, this is two moves of constant length, which may overlap, at
/// half of what a call of `memcpy` costs.
#[inline(always)]
pub fn copy(to: &mut [u8], from: &[u8]) -> Option<()> {
    copy_from(to, from)
}

/// As [`copy`], from another kind of text.
#[inline(always)]
pub(crate) fn copy_from<S: Source>(to: &mut [u8], from: S) -> Option<()> {
    let to = to.get_mut(..from.len())?;
    match from.len() {
        32..=64 => copy_ends::<32, 32, S>(to, from),
        65..=96 => copy_ends::<64, 32, S>(to, from),
        16..=31 => copy_ends::<16, 16, S>(to, from),
        LONG.. => copy_long(to, from),
        _ => copy_all(to, from),
    }
}

/// From so many bytes on copying is left to the processor, where that is better.
const LONG: usize = 256;

/// Copies all of `from`, which is as long as `to`.
///
/// A kernel has no vector registers, and its `memcpy` moves eight bytes with two
/// instructions, unless the processor is one of those that move *short* strings fast
/// (FSRM). This long, `rep movsq` is fast on all since 1996 (Intel, "64 and IA-32
/// Architectures Optimization Reference Manual", 3.7.6); the kernel's own copies to and
/// from processes use it (`arch/x86/lib/copy_user_64.S`).
#[cfg(all(target_arch = "x86_64", not(target_feature = "sse2")))]
#[inline(always)]
fn copy_long<S: Source>(to: &mut [u8], from: S) -> Option<()> {
    if from.len() < 8 || to.len() != from.len() {
        return None;
    }
    // SAFETY: Whole words of `from`, to `to`, which is as long and, being borrowed mutably,
    // elsewhere. The direction is forward wherever Rust code runs.
    unsafe {
        core::arch::asm!(
            "rep movsq",
            inout("rcx") from.len() / 8 => _,
            inout("rsi") from.start() => _,
            inout("rdi") to.as_mut_ptr() => _,
            options(nostack, preserves_flags)
        );
    }
    copy_end::<8, S>(to, from)
}

#[cfg(not(all(target_arch = "x86_64", not(target_feature = "sse2"))))]
#[inline(always)]
fn copy_long<S: Source>(to: &mut [u8], from: S) -> Option<()> {
    copy_all(to, from)
}

#[inline(always)]
fn copy_all<S: Source>(to: &mut [u8], from: S) -> Option<()> {
    let same = to.len() == from.len();
    // SAFETY: all of `from`, to all of `to`, which is as long.
    same.then(|| unsafe { S::copy_to(from.start(), to.as_mut_ptr(), from.len()) })
}

/// The first `N` and the last `M` bytes, which together are all.
#[inline(always)]
fn copy_ends<const N: usize, const M: usize, S: Source>(to: &mut [u8], from: S) -> Option<()> {
    let front = to.first_chunk_mut::<N>().filter(|_| from.len() >= N)?;
    // SAFETY: the first `N` bytes of both, which are as long.
    unsafe { S::copy_to(from.start(), front.as_mut_ptr(), N) };
    copy_end::<M, S>(to, from)
}

/// The last `M` bytes of a text that is as long as `to`.
#[inline(always)]
fn copy_end<const M: usize, S: Source>(to: &mut [u8], from: S) -> Option<()> {
    let at = from.len().checked_sub(M)?;
    let end = to.last_chunk_mut::<M>()?;
    // SAFETY: the last `M` bytes of `from`, to as many.
    unsafe { S::copy_to(from.start().add(at), end.as_mut_ptr(), M) };
    Some(())
}
