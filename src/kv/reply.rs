// SPDX-License-Identifier: GPL-2.0-only
//! The text of one reply, built in a buffer that the caller owns.

use crate::copy::copy;
use crate::decimal::Decimal;
use crate::limits::LINE_ROOM;

/// The output of a command did not fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// What a command too many is answered.
const OVERFLOW: &[u8] = b"SERVER_ERROR out of memory writing get response\r\n";

const _: () = assert!(OVERFLOW.len() <= LINE_ROOM);

/// Where a reply goes on that is too long for its first buffer.
pub trait Spare {
    /// A buffer as [`Reply::new`] wants it, or none. Asked for once, by who holds no
    /// lock of the store: it may be waited for.
    fn take(&mut self) -> Option<&mut [u8]>;
}

/// The reply to one datagram: the answers to all its commands, in order.
///
/// The last [`LINE_ROOM`] bytes of the buffer are kept for [`OVERFLOW`], so
/// that a client whose answers do not fit is always told so.
pub struct Reply<'b> {
    buf: &'b mut [u8],
    len: usize,
    /// Where the text goes on when `buf` is full.
    spare: Option<&'b mut (dyn Spare + 'b)>,
}

impl<'b> Reply<'b> {
    /// An empty reply in `buf`, which should be
    /// [`REPLY_MAX`](crate::limits::REPLY_MAX) bytes long; in a shorter one,
    /// answers stop fitting earlier.
    #[inline]
    pub fn new(buf: &'b mut [u8]) -> Self {
        Self {
            buf,
            len: 0,
            spare: None,
        }
    }

    /// An empty reply in `first`, of twice [`LINE_ROOM`] or more, which moves to
    /// `spare` when it does not fit there.
    #[inline]
    pub fn with_spare(first: &'b mut [u8], spare: &'b mut (dyn Spare + 'b)) -> Self {
        Self {
            spare: Some(spare),
            ..Self::new(first)
        }
    }

    /// Whether there is a spare buffer that it has not moved to, nor asked for.
    #[inline]
    pub(crate) fn has_spare(&self) -> bool {
        self.spare.is_some()
    }

    /// What has been written so far.
    #[inline]
    pub fn text(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or_default()
    }

    /// Forgets what has been written.
    #[inline]
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Whether a command with a short answer may still be executed. Asked
    /// before it is, since a `set` cannot be taken back.
    #[inline]
    pub(crate) fn has_room(&mut self) -> bool {
        self.has_room_for(LINE_ROOM)
    }

    /// The same of an answer of up to `len` bytes.
    #[inline]
    pub(crate) fn has_room_for(&mut self, len: usize) -> bool {
        self.room() >= len || (self.move_on() && self.room() >= len)
    }

    /// Says at once that so many bytes do not fit, for who would else append what does.
    #[inline]
    pub(crate) fn fits(&self, len: usize) -> Result<(), Full> {
        match len <= self.room() {
            true => Ok(()),
            false => Err(Full),
        }
    }

    /// Appends `bytes`, all or nothing.
    #[inline]
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        self.put_between(&[], bytes, &[])
    }

    /// Appends `bytes` between two others, or nothing.
    #[inline(always)]
    pub(crate) fn put_between<const N: usize, const M: usize>(
        &mut self,
        first: &[u8; N],
        bytes: &[u8],
        last: &[u8; M],
    ) -> Result<(), Full> {
        self.write_between(self.len, first, bytes, last).ok_or(Full)
    }

    /// Whether a short answer fits where a reply begins.
    #[inline(always)]
    pub(crate) fn can_start(&self) -> bool {
        self.buf.len() >= 2 * LINE_ROOM
    }

    /// The same with which a reply begins; whether it fits where that is.
    #[inline(always)]
    pub(crate) fn start_between<const N: usize, const M: usize>(
        &mut self,
        first: &[u8; N],
        bytes: &[u8],
        last: &[u8; M],
    ) -> bool {
        self.write_between(0, first, bytes, last).is_some()
    }

    /// Writes the three texts from `start` on, if they fit, and ends there.
    #[inline(always)]
    fn write_between<const N: usize, const M: usize>(
        &mut self,
        start: usize,
        first: &[u8; N],
        bytes: &[u8],
        last: &[u8; M],
    ) -> Option<()> {
        let free = self.buf.get_mut(start..)?;
        // One look, from which all that follows can be told.
        if free.len() < bytes.len().checked_add(const { N + M + LINE_ROOM })? {
            return None;
        }
        let (front, free) = free.split_first_chunk_mut()?;
        let (middle, free) = free.split_at_mut_checked(bytes.len())?;
        let back = free.first_chunk_mut()?;
        *front = *first;
        copy(middle, bytes)?;
        *back = *last;
        // They are in memory, one behind the other.
        self.len = start
            .wrapping_add(bytes.len())
            .wrapping_add(const { N + M });
        Some(())
    }

    /// Appends `value` in decimal.
    #[inline]
    pub(crate) fn put_decimal(&mut self, value: u64) -> Result<(), Full> {
        self.put(Decimal::new(value).as_bytes())
    }

    /// A point to come back to with [`Reply::overflow`].
    #[inline]
    pub(crate) fn mark(&self) -> usize {
        self.len
    }

    /// Takes everything since `mark` back.
    #[inline]
    pub(crate) fn rewind(&mut self, mark: usize) {
        self.len = self.len.min(mark);
    }

    /// Says, in the room kept for it, that a command's answer did not fit.
    /// Nothing can be said in a buffer shorter than the line itself.
    pub(crate) fn overflow(&mut self) {
        let _ = self.append(OVERFLOW);
    }

    /// Lets `write` make a text and `convert` an answer of it. The text is kept
    /// in the far half of the free buffer meanwhile, the answer must fit into
    /// the near half.
    pub(crate) fn through(
        &mut self,
        write: impl FnOnce(&mut Reply<'_>) -> Result<(), Full>,
        convert: impl FnOnce(&[u8], &mut Reply<'_>) -> Result<(), Full>,
    ) -> Result<(), Full> {
        self.move_on();
        let free = self.buf.len().saturating_sub(self.len);
        let middle = self.len.saturating_add(free / 2);
        let (near, far) = self.buf.split_at_mut_checked(middle).ok_or(Full)?;
        let mut text = Reply::new(far);
        write(&mut text)?;
        let mut answer = Reply {
            len: self.len,
            ..Reply::new(near)
        };
        convert(text.text(), &mut answer)?;
        self.len = answer.len;
        Ok(())
    }

    /// Appends both or nothing, as [`Reply::overflow`] does.
    pub(crate) fn put_last(&mut self, first: &[u8], second: &[u8]) {
        let mark = self.mark();
        if self.append(first).is_err() || self.append(second).is_err() {
            self.rewind(mark);
        }
    }

    /// How much more fits, without moving.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.buf
            .len()
            .saturating_sub(LINE_ROOM)
            .saturating_sub(self.len)
    }

    /// Moves to the spare buffer, with all that has been written; whether it did. The
    /// caller holds no lock of the store: who has a spare buffer may want any.
    #[cold]
    #[inline(never)]
    pub(crate) fn move_on(&mut self) -> bool {
        let spare = match self.spare.take() {
            Some(spare) => spare.take(),
            None => None,
        };
        let Some(spare) = spare else {
            return false;
        };
        let Some(start) = spare.get_mut(..self.len) else {
            return false;
        };
        start.copy_from_slice(self.text());
        let len = self.len;
        *self = Self {
            len,
            ..Self::new(spare)
        };
        true
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.len.checked_add(bytes.len()).ok_or(Full)?;
        self.buf
            .get_mut(self.len..end)
            .ok_or(Full)?
            .copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}
