// SPDX-License-Identifier: GPL-2.0-only

//! Replies received and not looked at, and requests not sent.

use std::io::IoSliceMut;
use std::ops::Range;

use crate::framing::Scan;
use crate::wire::Header;

/// Room for a reply datagram: none that is right has more than 1,400 bytes.
const ROOM: usize = 2048;

/// Bytes that are kept until they are looked at.
const KEPT: usize = 16 << 20;

/// Requests to be sent, end to end.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Outbox {
    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    /// Adds the request that `write` appends.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All of them, end to end.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The requests from the `first` on.
    pub(crate) fn since(&self, first: usize) -> impl Iterator<Item = &[u8]> {
        let mut start = match first.checked_sub(1) {
            Some(before) => self.ends[before],
            None => 0,
        };
        self.ends[first..].iter().map(move |&end| {
            let request = &self.bytes[start..end];
            start = end;
            request
        })
    }
}

/// What came, as datagrams or as a stream.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    /// Where each datagram, or each whole reply of a stream, is.
    pieces: Vec<Range<usize>>,
    stream: Option<Stream>,
}

/// A stream's end. Replies come in the order of the requests, whose identifiers
/// count up: so a reply's follows from its place.
#[derive(Debug, Default)]
struct Stream {
    /// Bytes that came.
    filled: usize,
    /// Where the reply begins that is not whole.
    start: usize,
    scan: Scan,
    /// The identifier of the first piece's request.
    first: u16,
}

impl Inbox {
    /// For datagrams.
    pub(crate) fn datagrams() -> Self {
        Self {
            // Not touched, no memory, until something comes.
            bytes: vec![0; KEPT],
            pieces: Vec::with_capacity(KEPT / ROOM),
            stream: None,
        }
    }

    /// For a stream.
    pub(crate) fn stream() -> Self {
        Self {
            stream: Some(Stream::default()),
            ..Self::datagrams()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.pieces.len()
    }

    /// Whether nothing more can be kept.
    pub(crate) fn is_full(&self) -> bool {
        match &self.stream {
            None => self.pieces.len() == KEPT / ROOM,
            Some(stream) => stream.filled == KEPT,
        }
    }

    /// Forgets all but a reply that has begun.
    pub(crate) fn clear(&mut self) {
        if let Some(stream) = &mut self.stream {
            // In wrapping arithmetic, as identifiers are given out.
            stream.first = stream.first.wrapping_add(self.pieces.len() as u16);
            self.bytes.copy_within(stream.start..stream.filled, 0);
            stream.filled -= stream.start;
            stream.start = 0;
        }
        self.pieces.clear();
    }

    /// The replies from the `first` on, their place and their text; `None` for a
    /// datagram that is no reply.
    pub(crate) fn since(&self, first: usize) -> impl Iterator<Item = Option<(Header, &[u8])>> {
        let pieces = self.pieces.iter().enumerate().skip(first);
        pieces.map(|(n, piece)| {
            let bytes = &self.bytes[piece.clone()];
            match &self.stream {
                None => Header::decode(bytes),
                Some(stream) => Some((Header::alone(stream.first.wrapping_add(n as u16)), bytes)),
            }
        })
    }

    /// Room for `count` datagrams more, for fewer when there is no more of it.
    pub(crate) fn rooms(&mut self, count: usize) -> impl Iterator<Item = IoSliceMut<'_>> {
        let rooms = self.bytes.chunks_exact_mut(ROOM);
        rooms
            .skip(self.pieces.len())
            .take(count)
            .map(IoSliceMut::new)
    }

    /// Takes up datagrams that came in the rooms, of those lengths.
    pub(crate) fn filled(&mut self, lens: impl Iterator<Item = usize>) -> usize {
        let before = self.pieces.len();
        for len in lens {
            let start = self.pieces.len() * ROOM;
            self.pieces.push(start..start + len);
        }
        self.pieces.len() - before
    }

    /// Room for more of a stream.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        let filled = self.stream.as_ref().map_or(0, |stream| stream.filled);
        &mut self.bytes[filled..]
    }

    /// Takes up `len` bytes that came there; returns how many replies are whole.
    pub(crate) fn grown(&mut self, len: usize) -> usize {
        let before = self.pieces.len();
        if let Some(stream) = &mut self.stream {
            stream.filled += len;
            while let Some(len) = stream.scan.end(&self.bytes[stream.start..stream.filled]) {
                self.pieces.push(stream.start..stream.start + len);
                stream.start += len;
                stream.scan = Scan::default();
            }
        }
        self.pieces.len() - before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(inbox: &Inbox) -> Vec<(u16, Vec<u8>)> {
        let replies = inbox.since(0).flatten();
        replies
            .map(|(header, text)| (header.id, text.to_vec()))
            .collect()
    }

    fn put(inbox: &mut Inbox, text: &[u8]) -> usize {
        inbox.room()[..text.len()].copy_from_slice(text);
        inbox.grown(text.len())
    }

    #[test]
    fn a_stream_is_cut_into_replies() {
        let mut inbox = Inbox::stream();
        assert_eq!(put(&mut inbox, b"END\r\nSTORED\r\nVALUE a 0 1\r\nx"), 2);
        assert_eq!(
            texts(&inbox),
            [(0, b"END\r\n".to_vec()), (1, b"STORED\r\n".to_vec())]
        );
        inbox.clear();
        assert_eq!(put(&mut inbox, b"\r\nEND\r\n"), 1);
        assert_eq!(
            texts(&inbox),
            [(2, b"VALUE a 0 1\r\nx\r\nEND\r\n".to_vec())]
        );
        assert!(!inbox.is_full());
    }

    #[test]
    fn an_outbox_keeps_the_order() {
        let mut outbox = Outbox::default();
        for text in [&b"one"[..], b"", b"three"] {
            outbox.push(|out| out.extend_from_slice(text));
        }
        assert_eq!(outbox.since(1).collect::<Vec<_>>(), [&b""[..], b"three"]);
        assert_eq!((outbox.len(), outbox.bytes()), (3, &b"onethree"[..]));
        outbox.clear();
        assert_eq!(outbox.since(0).count(), 0);
    }
}
