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
        _ => {
            to.copy_from_slice(from);
            Some(())
        }
    }
}

/// The first `N` and the last `M` bytes, which together are all.
#[inline(always)]
fn copy_ends<const N: usize, const M: usize>(to: &mut [u8], from: &[u8]) -> Option<()> {
    *to.first_chunk_mut::<N>()? = *from.first_chunk()?;
    *to.last_chunk_mut::<M>()? = *from.last_chunk()?;
    Some(())
}
