// SPDX-License-Identifier: GPL-2.0-only
//! The frame around a UDP datagram's text (`doc/protocol.txt`, "UDP protocol"):
//! eight bytes, four 16-bit fields in network order: request id, sequence
//! number, total datagrams of this message, reserved.

use crate::limits::{FRAME_LEN, TEXT_MAX};

/// Why a datagram gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// No text behind the frame header, or not even a whole header.
    Short,
    /// The request says it is part of several datagrams, or of none.
    NotSingle,
    /// No newline anywhere, or for the binary protocol not even a whole
    /// header: hence no command.
    NoNewline,
}

/// Takes the frame off a request: its id and its text.
///
/// A request's sequence number and reserved field mean nothing to memcached,
/// and so neither to us.
///
/// # Errors
///
/// Why the datagram must be dropped in silence.
#[inline]
pub(crate) fn parse(datagram: &[u8]) -> Result<(u16, &[u8]), Drop> {
    let (header, text) = datagram
        .split_first_chunk::<FRAME_LEN>()
        .ok_or(Drop::Short)?;
    if text.is_empty() {
        return Err(Drop::Short);
    }
    let [id_high, id_low, _, _, total_high, total_low, _, _] = *header;
    if u16::from_be_bytes([total_high, total_low]) != 1 {
        return Err(Drop::NotSingle);
    }
    Ok((u16::from_be_bytes([id_high, id_low]), text))
}

/// The frame header of a reply that is one datagram.
#[inline]
pub fn single_frame(request_id: u16) -> [u8; FRAME_LEN] {
    header(request_id, 0, 1)
}

/// The same for a reply to the request with that header.
#[inline(always)]
pub(crate) fn answering([id_high, id_low, ..]: [u8; FRAME_LEN]) -> [u8; FRAME_LEN] {
    single_frame(u16::from_be_bytes([id_high, id_low]))
}

/// The frame headers of a reply whose text has `len` bytes, in order: what
/// [`Datagrams`] puts before each part.
pub fn frames(request_id: u16, len: usize) -> impl Iterator<Item = [u8; FRAME_LEN]> {
    let total = datagrams(len);
    (0..total).map(move |sequence| header(request_id, sequence, total))
}

#[inline]
fn header(request_id: u16, sequence: u16, total: u16) -> [u8; FRAME_LEN] {
    let [id_high, id_low] = request_id.to_be_bytes();
    let [seq_high, seq_low] = sequence.to_be_bytes();
    let [total_high, total_low] = total.to_be_bytes();
    [
        id_high, id_low, seq_high, seq_low, total_high, total_low, 0, 0,
    ]
}

/// How many datagrams a text of that length takes.
#[inline]
pub(crate) fn datagrams(len: usize) -> u16 {
    if (1..=TEXT_MAX).contains(&len) {
        return 1;
    }
    u16::try_from(len.div_ceil(TEXT_MAX)).unwrap_or(u16::MAX)
}

/// Cuts a reply's text into datagrams: each item is a frame header and at most
/// [`TEXT_MAX`] bytes to send right behind it.
///
/// A reply without text is no datagram at all. Text is never longer than
/// [`crate::limits::REPLY_MAX`]; if it were, what cannot be counted in 16 bits
/// would not be sent.
#[derive(Clone, Debug)]
pub struct Datagrams<'a> {
    request_id: u16,
    sequence: u16,
    total: u16,
    text: &'a [u8],
}

impl<'a> Datagrams<'a> {
    /// Starts at sequence number 0.
    #[inline]
    pub fn new(request_id: u16, text: &'a [u8]) -> Self {
        Self {
            request_id,
            sequence: 0,
            total: datagrams(text.len()),
            text,
        }
    }

    /// How many datagrams the whole message takes, those gone by included.
    #[inline]
    pub fn total(&self) -> u16 {
        self.total
    }
}

impl<'a> Iterator for Datagrams<'a> {
    type Item = ([u8; FRAME_LEN], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.sequence == self.total {
            return None;
        }
        let (text, rest) = match self.text.split_at_checked(TEXT_MAX) {
            Some(split) => split,
            None => (self.text, <&[u8]>::default()),
        };
        let header = header(self.request_id, self.sequence, self.total);
        self.sequence = self.sequence.saturating_add(1);
        self.text = rest;
        Some((header, text))
    }
}
