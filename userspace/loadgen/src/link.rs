// SPDX-License-Identifier: GPL-2.0-only

//! The socket: many datagrams to a system call, or a stream.

use std::array;
use std::io::{IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use anyhow::{bail, Context, Result};
use arrayvec::ArrayVec;
use clap::ValueEnum;
use nix::errno::Errno;
use nix::poll::{ppoll, PollFd, PollFlags};
use nix::sys::socket::{
    recv, recvmmsg, send, sendmmsg, setsockopt, sockopt, MsgFlags, MultiHeaders,
};
use nix::sys::time::TimeSpec;

use crate::inbox::{Inbox, Outbox};

/// Most datagrams per system call.
pub(crate) const BATCH_MAX: usize = 128;

/// Bytes of receive buffer asked for; without privilege the system gives less.
const RECEIVE_BUFFER: usize = 32 << 20;

/// What a system call takes. On the stack: what an allocator costs depends on
/// what it did before, and the client's share is to be always the same.
type Slices<T> = ArrayVec<[T; 1], BATCH_MAX>;

/// What carries requests and replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// A datagram for a request
    Udp,
    /// One connection
    Tcp,
}

/// A socket connected to the server.
pub(crate) struct Link {
    socket: OwnedFd,
    /// None for a stream.
    batches: Option<Batches>,
}

/// What moves many datagrams at once, at most `size` of them.
struct Batches {
    send: MultiHeaders<()>,
    receive: MultiHeaders<()>,
    size: usize,
}

impl Link {
    /// Over UDP, a port of the system's choosing, and calls that move at most
    /// `batch` datagrams; waiting for a reply ends after `timeout`.
    pub(crate) fn connect(
        server: SocketAddr,
        transport: Transport,
        batch: usize,
        timeout: Duration,
    ) -> Result<Self> {
        match transport {
            Transport::Udp => Self::datagrams(server, batch, timeout),
            Transport::Tcp => Self::stream(server, timeout),
        }
        .with_context(|| format!("cannot reach {server}"))
    }

    fn datagrams(server: SocketAddr, batch: usize, timeout: Duration) -> Result<Self> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).context("cannot bind")?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(timeout))?;
        if setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER).is_err() {
            setsockopt(&socket, sockopt::RcvBuf, &RECEIVE_BUFFER)?;
        }
        Ok(Self {
            socket: socket.into(),
            batches: Some(Batches {
                send: MultiHeaders::preallocate(BATCH_MAX, None),
                receive: MultiHeaders::preallocate(BATCH_MAX, None),
                size: batch.min(BATCH_MAX),
            }),
        })
    }

    fn stream(server: SocketAddr, timeout: Duration) -> Result<Self> {
        let socket = TcpStream::connect(server)?;
        socket.set_read_timeout(Some(timeout))?;
        socket.set_nodelay(true)?;
        Ok(Self {
            socket: socket.into(),
            batches: None,
        })
    }

    /// An inbox for what comes here.
    pub(crate) fn inbox(&self) -> Inbox {
        match self.batches {
            Some(_) => Inbox::datagrams(),
            None => Inbox::stream(),
        }
    }

    /// Whether requests and replies are datagrams.
    pub(crate) fn has_datagrams(&self) -> bool {
        self.batches.is_some()
    }

    /// Sends all of `outbox`. Replies that a stream's peer must get rid of before
    /// it takes more go to `inbox`.
    pub(crate) fn send(&mut self, outbox: &Outbox, inbox: &mut Inbox) -> Result<()> {
        match &mut self.batches {
            Some(batches) => batches.send(&self.socket, outbox),
            None => self.write(outbox.bytes(), inbox),
        }
    }

    fn write(&self, mut bytes: &[u8], inbox: &mut Inbox) -> Result<()> {
        let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_NOSIGNAL;
        while !bytes.is_empty() {
            match send(self.socket.as_raw_fd(), bytes, flags) {
                Ok(count) => bytes = &bytes[count..],
                Err(Errno::EAGAIN) => {
                    self.poll(PollFlags::POLLIN | PollFlags::POLLOUT, Duration::MAX)?;
                    self.read(inbox, false)?;
                }
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno).context("cannot send"),
            }
        }
        Ok(())
    }

    /// Waits for a reply, or a datagram of one, when `wait` is said, and takes
    /// what else is there. Returns how many came: none when nothing is there in
    /// time; of a stream also none when none is whole.
    pub(crate) fn receive(&mut self, inbox: &mut Inbox, wait: bool) -> Result<Received> {
        match &mut self.batches {
            Some(batches) => batches.receive(&self.socket, inbox, wait),
            None => self.read(inbox, wait),
        }
    }

    fn read(&self, inbox: &mut Inbox, wait: bool) -> Result<Received> {
        let flags = if wait {
            MsgFlags::empty()
        } else {
            MsgFlags::MSG_DONTWAIT
        };
        let room = inbox.room();
        if room.is_empty() {
            bail!("a reply is too large");
        }
        match recv(self.socket.as_raw_fd(), room, flags) {
            Ok(0) => bail!("the server has closed the connection"),
            Ok(len) => Ok(Received::Pieces(inbox.grown(len))),
            Err(Errno::EAGAIN | Errno::EINTR) => Ok(Received::Nothing),
            Err(errno) => Err(errno).context("cannot receive"),
        }
    }

    /// Waits until something can be received, `time` at most.
    pub(crate) fn wait(&self, time: Duration) -> Result<()> {
        self.poll(PollFlags::POLLIN, time)
    }

    fn poll(&self, what: PollFlags, time: Duration) -> Result<()> {
        let mut polled = [PollFd::new(self.socket.as_fd(), what)];
        // The system knows no such thing as for ever and a day.
        let time = TimeSpec::from_duration(time.min(Duration::from_secs(3600)));
        match ppoll(&mut polled, Some(time), None) {
            Ok(_) | Err(Errno::EINTR) => Ok(()),
            Err(errno) => Err(errno).context("cannot wait"),
        }
    }
}

/// What a call brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Received {
    /// Nothing was there, in time.
    Nothing,
    /// Something, and so many pieces are whole with it.
    Pieces(usize),
}

impl Batches {
    fn send(&mut self, socket: &OwnedFd, outbox: &Outbox) -> Result<()> {
        let mut sent = 0;
        while sent < outbox.len() {
            let datagrams = outbox.since(sent).take(self.size);
            let slices: Slices<_> = datagrams.map(|bytes| [IoSlice::new(bytes)]).collect();
            let to = [None; BATCH_MAX];
            let flags = MsgFlags::empty();
            match sendmmsg(socket.as_raw_fd(), &mut self.send, &slices, to, [], flags) {
                Ok(results) => sent += results.count(),
                // A refusal of earlier datagrams, or a full queue, is no end.
                Err(Errno::ECONNREFUSED | Errno::EINTR | Errno::ENOBUFS | Errno::EAGAIN) => {}
                Err(errno) => return Err(errno).context("cannot send"),
            }
        }
        Ok(())
    }

    fn receive(&mut self, socket: &OwnedFd, inbox: &mut Inbox, wait: bool) -> Result<Received> {
        let flags = if wait {
            MsgFlags::MSG_WAITFORONE
        } else {
            MsgFlags::MSG_DONTWAIT
        };
        let mut count = 0;
        let mut rooms = inbox.rooms(self.size).inspect(|_| count += 1);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH_MAX] =
            array::from_fn(|_| [rooms.next().unwrap_or(IoSliceMut::new(&mut []))]);
        drop(rooms);
        // No further: the rest has no room.
        let slices = slices.iter_mut().take(count);
        match recvmmsg(socket.as_raw_fd(), &mut self.receive, slices, flags, None) {
            Ok(results) => {
                let lens: ArrayVec<_, BATCH_MAX> = results.map(|message| message.bytes).collect();
                Ok(Received::Pieces(inbox.filled(lens.into_iter())))
            }
            Err(Errno::EAGAIN | Errno::EINTR | Errno::ECONNREFUSED) => Ok(Received::Nothing),
            Err(errno) => Err(errno).context("cannot receive"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    const TIMEOUT: Duration = Duration::from_millis(200);

    #[test]
    fn what_is_sent_comes() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = server.local_addr().unwrap();
        let mut link = Link::connect(addr, Transport::Udp, 2, TIMEOUT).unwrap();
        let mut outbox = Outbox::default();
        let datagrams = [
            &b"\0\x01\0\0\0\x01\0\0one"[..],
            b"",
            b"\0\x02\0\0\0\x01\0\0three",
        ];
        for datagram in datagrams {
            outbox.push(|out| out.extend_from_slice(datagram));
        }
        let mut inbox = link.inbox();
        link.send(&outbox, &mut inbox).unwrap();
        let mut buffer = [0; 16];
        for datagram in datagrams {
            let (len, from) = server.recv_from(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], datagram);
            server.send_to(datagram, from).unwrap();
        }
        while inbox.len() < 3 {
            assert_ne!(link.receive(&mut inbox, true).unwrap(), Received::Nothing);
        }
        let replies: Vec<_> = inbox.since(0).map(|r| r.map(|(h, t)| (h.id, t))).collect();
        assert_eq!(
            replies,
            [Some((1, &b"one"[..])), None, Some((2, &b"three"[..]))]
        );
        assert_eq!(link.receive(&mut inbox, true).unwrap(), Received::Nothing);
    }

    /// A peer that takes no request before it got rid of its replies.
    #[test]
    fn a_stream_does_not_jam() {
        const REPLIES: usize = 1 << 20;
        const REQUESTS: usize = 8 << 20;
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = server.local_addr().unwrap();
        let peer = thread::spawn(move || {
            let (mut socket, _) = server.accept().unwrap();
            socket.write_all(&b"END\r\n".repeat(REPLIES / 5)).unwrap();
            let mut taken = vec![0; REQUESTS];
            socket.read_exact(&mut taken).unwrap();
        });
        let mut link = Link::connect(addr, Transport::Tcp, 1, TIMEOUT).unwrap();
        let mut outbox = Outbox::default();
        outbox.push(|out| out.resize(REQUESTS, b'x'));
        let mut inbox = link.inbox();
        link.send(&outbox, &mut inbox).unwrap();
        while inbox.len() < REPLIES / 5 {
            assert_ne!(link.receive(&mut inbox, true).unwrap(), Received::Nothing);
        }
        peer.join().unwrap();
    }
}
