// SPDX-License-Identifier: GPL-2.0-only
//! Copying a reply's text.

/// Copies `from` to the front of `to`; nothing when it is too short. For lengths
/// that most texts have, this is two moves of constant length, which may overlap, at
/// half of what a call of `memcpy` costs.
#[inline(always)]
pub fn copy(to: &mut [u8], from: &[u8]) -> Option<()> {
    let to = to.get_mut(..from.len())?;
    match from.len() {
        32..=64 => copy_ends::<32, 32>(to, from),
        65..=96 => copy_ends::<64, 32>(to, from),
        16..=31 => copy_ends::<16, 16>(to, from),
        LONG.. => {
            copy_long(to, from);
            Some(())
        }
        _ => {
            to.copy_from_slice(from);
            Some(())
        }
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
fn copy_long(to: &mut [u8], from: &[u8]) {
    let (Some(last), true) = (from.last_chunk::<8>(), to.len() == from.len()) else {
        return;
    };
    // SAFETY: Whole words of `from`, to `to`, which is as long and, being borrowed mutably,
    // elsewhere. The direction is forward wherever Rust code runs.
    unsafe {
        core::arch::asm!(
            "rep movsq",
            inout("rcx") from.len() / 8 => _,
            inout("rsi") from.as_ptr() => _,
            inout("rdi") to.as_mut_ptr() => _,
            options(nostack, preserves_flags)
        );
    }
    if let Some(end) = to.last_chunk_mut() {
        *end = *last;
    }
}

#[cfg(not(all(target_arch = "x86_64", not(target_feature = "sse2"))))]
#[inline(always)]
fn copy_long(to: &mut [u8], from: &[u8]) {
    to.copy_from_slice(from);
}

/// The first `N` and the last `M` bytes, which together are all.
#[inline(always)]
fn copy_ends<const N: usize, const M: usize>(to: &mut [u8], from: &[u8]) -> Option<()> {
    *to.first_chunk_mut::<N>()? = *from.first_chunk()?;
    *to.last_chunk_mut::<M>()? = *from.last_chunk()?;
    Some(())
}
