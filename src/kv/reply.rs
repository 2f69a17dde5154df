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

/// Where the text of a reply goes on that does not fit where it began.
pub trait Spare {
    /// Bytes of the last of the buffers to come.
    fn most(&self) -> usize;

    /// The next buffer, which is passed by when it has no room, and what comes
    /// after it.
    fn go_on(&mut self) -> (&mut [u8], Option<&mut (dyn Spare + '_)>);
}

/// The reply to one datagram: the answers to all its commands, in order.
///
/// The last [`LINE_ROOM`] bytes of the last buffer are kept for [`OVERFLOW`], so
/// that a client whose answers do not fit is always told so.
pub struct Reply<'b> {
    buf: &'b mut [u8],
    len: usize,
    /// Where [`LINE_ROOM`] begins, in the last buffer.
    end: usize,
    /// Where the text goes on when `buf` is full.
    spare: Option<&'b mut (dyn Spare + 'b)>,
}

impl<'b> Reply<'b> {
    /// An empty reply in `buf`, which should be
    /// [`REPLY_MAX`](crate::limits::REPLY_MAX) bytes long; in a shorter one,
    /// answers stop fitting earlier.
    #[inline]
    pub fn new(buf: &'b mut [u8]) -> Self {
        let end = buf.len().saturating_sub(LINE_ROOM);
        Self {
            buf,
            len: 0,
            end,
            spare: None,
        }
    }

    /// An empty reply in `first`, of any length, which moves on to what `spare`
    /// has when it does not fit there; the last of that is as [`Reply::new`]
    /// wants it.
    #[inline]
    pub fn with_spare(first: &'b mut [u8], spare: &'b mut (dyn Spare + 'b)) -> Self {
        Self {
            end: first.len(),
            buf: first,
            len: 0,
            spare: Some(spare),
        }
    }

    /// How many bytes have been written so far.
    #[inline]
    pub fn written(&self) -> usize {
        self.len
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
    #[inline]
    pub(crate) fn put_between<const N: usize, const M: usize>(
        &mut self,
        first: &[u8; N],
        bytes: &[u8],
        last: &[u8; M],
    ) -> Result<(), Full> {
        match self.write_between(first, bytes, last) {
            Some(()) => Ok(()),
            None => self.put_elsewhere(first, bytes, last),
        }
    }

    /// Writes the three behind what is there, if they fit.
    #[inline(always)]
    fn write_between<const N: usize, const M: usize>(
        &mut self,
        first: &[u8; N],
        bytes: &[u8],
        last: &[u8; M],
    ) -> Option<()> {
        let (front, middle, back) = self.places(bytes.len())?;
        *front = *first;
        copy(middle, bytes)?;
        *back = *last;
        let more = bytes.len().wrapping_add(N).wrapping_add(M);
        self.len = self.len.wrapping_add(more);
        Some(())
    }

    /// Where three texts go, one behind the other, if they fit.
    #[inline(always)]
    fn places<const N: usize, const M: usize>(
        &mut self,
        len: usize,
    ) -> Option<(&mut [u8; N], &mut [u8], &mut [u8; M])> {
        let free = self.buf.get_mut(self.len..self.end)?;
        let (front, free) = free.split_first_chunk_mut()?;
        let (middle, free) = free.split_at_mut_checked(len)?;
        Some((front, middle, free.first_chunk_mut()?))
    }

    /// As [`Reply::put_between`], in the next buffer with room.
    #[cold]
    #[inline(never)]
    fn put_elsewhere<const N: usize, const M: usize>(
        &mut self,
        first: &[u8; N],
        bytes: &[u8],
        last: &[u8; M],
    ) -> Result<(), Full> {
        loop {
            self.move_on().ok_or(Full)?;
            if self.write_between(first, bytes, last).is_some() {
                return Ok(());
            }
        }
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
        while self.move_on().is_some() {}
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
        let end = match &self.spare {
            Some(spare) => spare.most().saturating_sub(LINE_ROOM),
            None => self.end,
        };
        end.saturating_sub(self.len)
    }

    /// Moves to the next buffer, if there is one.
    #[cold]
    fn move_on(&mut self) -> Option<()> {
        let (buf, spare) = self.spare.take()?.go_on();
        // One that is too short has no room for more, and is passed by.
        if let Some(start) = buf.get_mut(..self.len) {
            start.copy_from_slice(self.text());
            let kept = match spare {
                Some(_) => 0,
                None => LINE_ROOM,
            };
            self.end = buf.len().saturating_sub(kept);
            self.buf = buf;
        }
        self.spare = spare;
        Some(())
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) -> Result<(), Full> {
        let end = self.len.checked_add(bytes.len()).ok_or(Full)?;
        while end > self.buf.len() {
            self.move_on().ok_or(Full)?;
        }
        self.buf
            .get_mut(self.len..end)
            .ok_or(Full)?
            .copy_from_slice(bytes);
        self.len = end;
        Ok(())
    }
}
