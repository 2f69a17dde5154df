// SPDX-License-Identifier: GPL-2.0-only
//! The text of one reply, built in a buffer that the caller owns.

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
}

impl<'b> Reply<'b> {
    /// An empty reply in `buf`, which should be
    /// [`REPLY_MAX`](crate::limits::REPLY_MAX) bytes long; in a shorter one,
    /// answers stop fitting earlier.
    pub fn new(buf: &'b mut [u8]) -> Self {
        Self { buf, len: 0 }
    }

    /// What has been written so far.
    pub fn text(&self) -> &[u8] {
        self.buf.get(..self.len).unwrap_or_default()
    }

    /// Forgets what has been written.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Whether a command with a short answer may still be executed. Asked
    /// before it is, since a `set` cannot be taken back.
    pub(crate) fn has_room(&self) -> bool {
        self.room() >= LINE_ROOM
    }

    /// Appends `bytes`, all or nothing.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<(), Full> {
        if bytes.len() > self.room() {
            return Err(Full);
        }
        self.append(bytes)
    }

    /// Appends `value` in decimal.
    pub(crate) fn put_decimal(&mut self, value: u64) -> Result<(), Full> {
        self.put(Decimal::new(value).as_bytes())
    }

    /// A point to come back to with [`Reply::overflow`].
    pub(crate) fn mark(&self) -> usize {
        self.len
    }

    /// Takes everything since `mark` back.
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
        let free = self.buf.len().saturating_sub(self.len);
        let middle = self.len.saturating_add(free / 2);
        let (near, far) = self.buf.split_at_mut_checked(middle).ok_or(Full)?;
        let mut text = Reply::new(far);
        write(&mut text)?;
        let mut answer = Reply {
            buf: near,
            len: self.len,
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
    pub(crate) fn room(&self) -> usize {
        self.buf
            .len()
            .saturating_sub(self.len)
            .saturating_sub(LINE_ROOM)
    }

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
