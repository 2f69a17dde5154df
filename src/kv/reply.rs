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

/// The reply to one datagram: the answers to all its commands, in order.
///
/// The last [`LINE_ROOM`] bytes of the buffer are kept for [`OVERFLOW`], so
/// that a client whose answers do not fit is always told so.
pub struct Reply<'b> {
    buf: &'b mut [u8],
    len: usize,
    /// Where the text goes on when `buf` is full.
    spare: Option<&'b mut [u8]>,
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

    /// An empty reply in `first`, of any length, which moves to `second` when
    /// it does not fit there; `second` is as [`Reply::new`] wants it.
    #[inline]
    pub fn with_spare(first: &'b mut [u8], second: &'b mut [u8]) -> Self {
        Self {
            spare: Some(second),
            ..Self::new(first)
        }
    }

    /// Whether what has been written is in the first buffer of
    /// [`Reply::with_spare`] still.
    #[inline]
    pub fn is_in_first(&self) -> bool {
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
    pub(crate) fn has_room(&self) -> bool {
        self.room() >= LINE_ROOM
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
        match self.write_between(self.len, first, bytes, last) {
            Some(()) => Ok(()),
            None => self.put_elsewhere(first, bytes, last),
        }
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

    /// As [`Reply::put_between`], in the spare buffer.
    #[cold]
    #[inline(never)]
    fn put_elsewhere(&mut self, first: &[u8], bytes: &[u8], last: &[u8]) -> Result<(), Full> {
        self.move_on();
        let more = first.len().saturating_add(bytes.len());
        if more.saturating_add(last.len()) > self.room() {
            return Err(Full);
        }
        [first, bytes, last]
            .into_iter()
            .try_for_each(|part| self.append(part))
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

    /// How much more fits.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        let buf = self.spare.as_deref().unwrap_or(self.buf);
        let end = buf.len().saturating_sub(LINE_ROOM);
        end.saturating_sub(self.len)
    }

    /// Moves to the spare buffer, if there is one.
    #[cold]
    fn move_on(&mut self) {
        let Some(spare) = self.spare.take() else {
            return;
        };
        if let Some(start) = spare.get_mut(..self.len) {
            start.copy_from_slice(self.text());
            let len = self.len;
            *self = Self::new(spare);
            self.len = len;
        }
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.len.checked_add(bytes.len()).ok_or(Full)?;
        if end > self.buf.len() {
            self.move_on();
        }
        self.buf
            .get_mut(self.len..end)
            .ok_or(Full)?
            .copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}
