// SPDX-License-Identifier: GPL-2.0-only

//! The socket, many datagrams to a system call.

use std::array;
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, AsRawFd};
use std::time::Duration;

use anyhow::{Context, Result};
use arrayvec::ArrayVec;
use nix::errno::Errno;
use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::socket::{recvmmsg, sendmmsg, setsockopt, sockopt, MsgFlags, MultiHeaders};
use nix::sys::time::TimeSpec;

/// Most datagrams per system call.
pub(crate) const BATCH_MAX: usize = 128;

/// Room for a reply datagram: none that is right has more than 1,400 bytes.
const ROOM: usize = 2048;

/// Reply datagrams that are kept until they are looked at.
const KEPT: usize = 1024;

/// Bytes of receive buffer asked for; the system may give less.
const RECEIVE_BUFFER: usize = 4 << 20;

/// What a system call takes. On the stack: what an allocator costs depends on
/// what it did before, and the client's share is to be always the same.
type Slices<T> = ArrayVec<[T; 1], BATCH_MAX>;

/// Datagrams to be sent, end to end.
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

    /// Adds the datagram that `write` appends.
    pub(crate) fn push(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// At most `count` datagrams from the `first` on.
    fn slices(&self, first: usize, count: usize) -> Slices<IoSlice<'_>> {
        let mut start = match first.checked_sub(1) {
            Some(before) => self.ends[before],
            None => 0,
        };
        let ends = self.ends.iter().skip(first).take(count.min(BATCH_MAX));
        ends.map(|&end| {
            let slice = IoSlice::new(&self.bytes[start..end]);
            start = end;
            [slice]
        })
        .collect()
    }
}

/// Datagrams received and not looked at.
#[derive(Debug)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    lens: Vec<usize>,
}

impl Inbox {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; KEPT * ROOM],
            lens: Vec::with_capacity(KEPT),
        }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.lens.len() == KEPT
    }

    pub(crate) fn clear(&mut self) {
        self.lens.clear();
    }

    /// The datagrams from the `first` on.
    pub(crate) fn since(&self, first: usize) -> impl Iterator<Item = &[u8]> {
        let rooms = self.bytes.chunks_exact(ROOM).zip(&self.lens);
        rooms.skip(first).map(|(room, &len)| &room[..len])
    }

    pub(crate) fn len(&self) -> usize {
        self.lens.len()
    }
}

/// A UDP socket connected to the server.
pub(crate) struct Link {
    socket: UdpSocket,
    send: MultiHeaders<()>,
    receive: MultiHeaders<()>,
    batch: usize,
}

impl Link {
    /// A socket with a port of the system's choosing. Calls move at most
    /// `batch` datagrams; waiting for one ends after `timeout`.
    pub(crate) fn connect(server: SocketAddr, batch: usize, timeout: Duration) -> Result<Self> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).context("cannot bind")?;
        socket
            .connect(server)
            .with_context(|| format!("cannot reach {server}"))?;
        socket.set_read_timeout(Some(timeout))?;
        setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        Ok(Self {
            socket,
            send: MultiHeaders::preallocate(BATCH_MAX, None),
            receive: MultiHeaders::preallocate(BATCH_MAX, None),
            batch: batch.min(BATCH_MAX),
        })
    }

    /// Sends all of `outbox`.
    pub(crate) fn send(&mut self, outbox: &Outbox) -> Result<()> {
        let mut sent = 0;
        while sent < outbox.len() {
            let slices = outbox.slices(sent, self.batch);
            let to = [None; BATCH_MAX];
            let flags = MsgFlags::empty();
            match sendmmsg(
                self.socket.as_raw_fd(),
                &mut self.send,
                &slices,
                to,
                [],
                flags,
            ) {
                Ok(results) => sent += results.count(),
                // A refusal of earlier datagrams, or a full queue, is no end.
                Err(Errno::ECONNREFUSED | Errno::EINTR | Errno::ENOBUFS | Errno::EAGAIN) => {}
                Err(errno) => return Err(errno).context("cannot send"),
            }
        }
        Ok(())
    }

    /// Waits for a datagram when `wait` is said, and takes what else is there.
    /// Returns how many came: none when nothing is there in time.
    pub(crate) fn receive(&mut self, inbox: &mut Inbox, wait: bool) -> Result<usize> {
        let flags = if wait {
            MsgFlags::MSG_WAITFORONE
        } else {
            MsgFlags::MSG_DONTWAIT
        };
        let rooms = inbox.bytes.chunks_exact_mut(ROOM).skip(inbox.lens.len());
        let count = self.batch.min(KEPT - inbox.lens.len());
        let mut rooms = rooms.take(count);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH_MAX] =
            array::from_fn(|_| [IoSliceMut::new(rooms.next().unwrap_or_default())]);
        // No further: the rest has no room.
        let slices = slices.iter_mut().take(count);
        match recvmmsg(
            self.socket.as_raw_fd(),
            &mut self.receive,
            slices,
            flags,
            None,
        ) {
            Ok(results) => {
                let before = inbox.lens.len();
                inbox.lens.extend(results.map(|message| message.bytes));
                Ok(inbox.lens.len() - before)
            }
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => Ok(0),
            Err(errno) => Err(errno).context("cannot receive"),
        }
    }

    /// Waits for a datagram, `time` at most.
    pub(crate) fn wait(&self, time: Duration) -> Result<()> {
        let mut polled = [PollFd::new(self.socket.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut polled, Some(TimeSpec::from_duration(time)), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno).context("cannot wait"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sent_comes() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let timeout = Duration::from_millis(200);
        let mut link = Link::connect(server.local_addr().unwrap(), 2, timeout).unwrap();
        let mut outbox = Outbox::default();
        for text in [&b"one"[..], b"", b"three"] {
            outbox.push(|out| out.extend_from_slice(text));
        }
        link.send(&outbox).unwrap();
        let mut buffer = [0; 16];
        for text in [&b"one"[..], b"", b"three"] {
            let (len, from) = server.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], text);
            server.send_to(text, from).unwrap();
        }
        let mut inbox = Inbox::new();
        while inbox.len() < 3 {
            assert!(link.receive(&mut inbox, true).unwrap() > 0);
        }
        assert_eq!(inbox.since(1).collect::<Vec<_>>(), [&b""[..], b"three"]);
        assert_eq!(link.receive(&mut inbox, true).unwrap(), 0);
    }
}
