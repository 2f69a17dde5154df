// SPDX-License-Identifier: GPL-2.0-only
//! The text of one reply, built in a buffer that the caller owns.

use crate::copy::{copy_from, Source};
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
    /// Bytes of the largest of the buffers to come that are there at once; 0 when the
    /// next one may have to be waited for. Who holds a lock of the store does not ask for
    /// such a one.
    fn at_once(&self) -> usize;

    /// The next buffer, which is passed by when it is no larger than the one before, and
    /// what comes after it.
    fn go_on(&mut self) -> (&mut [u8], Option<&mut (dyn Spare + '_)>);
}

/// The reply to one datagram: the answers to all its commands, in order.
///
/// The last [`LINE_ROOM`] bytes are kept for [`OVERFLOW`] where no other buffer follows at
/// once, so that a client whose answers do not fit is always told so.
pub struct Reply<'b> {
    buf: &'b mut [u8],
    len: usize,
    /// How much of `buf` answers may fill.
    end: usize,
    /// Where the text goes on then.
    spare: Option<&'b mut (dyn Spare + 'b)>,
}

impl<'b> Reply<'b> {
    /// An empty reply in `buf`, which should be
    /// [`REPLY_MAX`](crate::limits::REPLY_MAX) bytes long; in a shorter one,
    /// answers stop fitting earlier.
    #[inline]
    pub fn new(buf: &'b mut [u8]) -> Self {
        Self {
            end: end(buf, None),
            buf,
            len: 0,
            spare: None,
        }
    }

    /// An empty reply in `first`, which moves on to what `spare` has when it does not
    /// fit there. What is not there at once comes last, behind a buffer of twice
    /// [`LINE_ROOM`] or more; the last is as [`Reply::new`] wants it.
    #[inline(always)]
    pub fn with_spare(first: &'b mut [u8], spare: &'b mut (dyn Spare + 'b)) -> Self {
        Self {
            end: end(first, Some(&*spare)),
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
    pub(crate) fn has_room(&mut self) -> bool {
        self.has_room_for(LINE_ROOM)
    }

    /// The same of an answer of up to `len` bytes.
    #[inline]
    pub(crate) fn has_room_for(&mut self, len: usize) -> bool {
        loop {
            let whole = self.len.saturating_add(len);
            if self.end >= whole || self.at_once() >= whole.saturating_add(LINE_ROOM) {
                return true;
            }
            if !self.move_on() {
                return false;
            }
        }
    }

    /// Says now that so many bytes do not fit, for who would else append what does.
    #[inline]
    pub(crate) fn fits(&mut self, len: usize) -> Result<(), Full> {
        match self.room() >= len {
            true => Ok(()),
            false => self.fit(len),
        }
    }

    /// Moves on, until so many bytes fit.
    #[cold]
    #[inline(never)]
    fn fit(&mut self, len: usize) -> Result<(), Full> {
        loop {
            self.move_on_at_once()?;
            if self.room() >= len {
                return Ok(());
            }
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
        let end = self.write_between(self.len, first, bytes, last);
        self.len = end.ok_or(Full)?;
        Ok(())
    }

    /// Has the reply end there, where [`Reply::write_between`] said.
    #[inline(always)]
    pub(crate) fn end_at(&mut self, end: usize) {
        self.len = end;
    }

    /// Writes the three texts from `start` on, which is where the reply ends now, here or in
    /// the next buffer with room that is there at once. Where they end: the reply
    /// does so only when it is [told](Self::end_at).
    #[inline(always)]
    pub(crate) fn write_between<const N: usize, const M: usize>(
        &mut self,
        start: usize,
        first: &[u8; N],
        bytes: impl Source,
        last: &[u8; M],
    ) -> Option<usize> {
        match self.write_here(start, first, bytes, last) {
            Some(end) => Some(end),
            None => self.write_elsewhere(start, first, bytes, last),
        }
    }

    #[cold]
    #[inline(never)]
    fn write_elsewhere<const N: usize, const M: usize>(
        &mut self,
        start: usize,
        first: &[u8; N],
        bytes: impl Source,
        last: &[u8; M],
    ) -> Option<usize> {
        let len = bytes.len().saturating_add(const { N + M });
        self.fit(len).ok()?;
        self.write_here(start, first, bytes, last)
    }

    #[inline(always)]
    fn write_here<const N: usize, const M: usize>(
        &mut self,
        start: usize,
        first: &[u8; N],
        bytes: impl Source,
        last: &[u8; M],
    ) -> Option<usize> {
        // Of what is in memory already: far too little to overflow.
        let end = start
            .wrapping_add(bytes.len())
            .wrapping_add(const { N + M });
        if end > self.end {
            return None;
        }
        write_between(self.buf.get_mut(start..end)?, first, bytes, last)?;
        Some(end)
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
        while self.move_on() {}
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
        self.end.saturating_sub(self.len)
    }

    /// As [`Spare::at_once`].
    #[inline]
    fn at_once(&self) -> usize {
        self.spare.as_ref().map_or(0, |spare| spare.at_once())
    }

    /// As [`Reply::move_on`], for who may hold a lock of the store.
    #[inline]
    fn move_on_at_once(&mut self) -> Result<(), Full> {
        match self.at_once() > 0 && self.step() {
            true => Ok(()),
            false => Err(Full),
        }
    }

    /// Moves to the next buffer, with all that has been written, or passes it by; false
    /// when there is none. The caller holds no lock of the store: who has a buffer that
    /// is waited for may want any.
    #[cold]
    #[inline(never)]
    pub(crate) fn move_on(&mut self) -> bool {
        self.step()
    }

    #[inline(always)]
    fn step(&mut self) -> bool {
        let Some(spare) = self.spare.take() else {
            return false;
        };
        let (buf, spare) = spare.go_on();
        let is_larger = buf.len() > self.buf.len();
        if let (true, Some(start)) = (is_larger, buf.get_mut(..self.len)) {
            if self.len > 0 {
                start.copy_from_slice(self.text());
            }
            self.buf = buf;
        }
        self.end = end(self.buf, spare.as_deref());
        self.spare = spare;
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

/// Writes the three texts to the front of `to`: where they end.
#[inline(always)]
pub(crate) fn write_between<const N: usize, const M: usize>(
    to: &mut [u8],
    first: &[u8; N],
    bytes: impl Source,
    last: &[u8; M],
) -> Option<usize> {
    // Of what is in memory already: far too little to overflow.
    let end = bytes.len().wrapping_add(const { N + M });
    let (front, rest) = to.get_mut(..end)?.split_first_chunk_mut()?;
    let (middle, back) = rest.split_last_chunk_mut()?;
    *front = *first;
    copy_from(middle, bytes)?;
    *back = *last;
    Some(end)
}

/// How much of a buffer answers may fill before what is in `spare`.
#[inline(always)]
fn end(buf: &[u8], spare: Option<&(dyn Spare + '_)>) -> usize {
    match spare.map_or(0, |spare| spare.at_once()) {
        0 => buf.len().saturating_sub(LINE_ROOM),
        _ => buf.len(),
    }
}
