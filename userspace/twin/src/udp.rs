// SPDX-License-Identifier: GPL-2.0-only
//! UDP, the loop of one thread: receive a batch, serve it, send the replies.
//!
//! All threads receive from one socket; the kernel gives each datagram to one
//! of them. Every buffer is made before the first request.

use std::array;
use std::io::{IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;

use host::answer;
use kv::limits::{DATAGRAM_MAX, REPLY_MAX};
use kv::{Counters, Datagrams, Outcome};
use nix::errno::Errno;
use nix::sys::socket::{recvmmsg, sendmmsg, MsgFlags, MultiHeaders, SockaddrStorage};

use crate::service::Service;

/// Most datagrams per system call.
const BATCH: usize = 32;

/// Room for one request: more than a UDP datagram can carry, so that none is
/// ever cut short.
const REQUEST_ROOM: usize = 1 << 16;

/// What one thread works with.
pub(crate) struct Server<'a> {
    pub(crate) service: &'a Service<'a>,
    pub(crate) mine: &'a Counters,
    pub(crate) socket: &'a OwnedFd,
    /// Our own port, for requests that come from a server like us.
    pub(crate) port: u16,
}

impl Server<'_> {
    /// Serves until told to stop. Whoever tells it shuts the socket down, so
    /// that waiting ends.
    pub(crate) fn run(&self) {
        let mut inbox = Inbox::new();
        let mut outbox = Outbox::new();
        let mut text = vec![0; REPLY_MAX];
        while !self.service.stop.load(Ordering::Relaxed) {
            let count = inbox.receive(self.socket);
            let cx = self.service.context(self.mine);
            for (buffer, len, from) in inbox.iter(count) {
                if port_of(from) == Some(self.port) {
                    let drops = &self.service.status.drops;
                    drops.own_port.fetch_add(1, Ordering::Relaxed);
                    continue;
                }
                let answer = answer(self.service.kv, &cx, buffer, len, &mut text);
                if let Some(datagram) = answer.datagram {
                    self.push(&mut outbox, [datagram, &[]], from);
                } else if let Outcome::Reply { request_id } = answer.outcome {
                    for (frame, text) in Datagrams::new(request_id, answer.text) {
                        self.push(&mut outbox, [&frame, text], from);
                    }
                }
            }
            self.send(&mut outbox);
        }
    }

    fn push(&self, outbox: &mut Outbox, parts: [&[u8]; 2], to: &SockaddrStorage) {
        if outbox.is_full() {
            self.send(outbox);
        }
        outbox.push(parts, to);
    }

    fn send(&self, outbox: &mut Outbox) {
        let unsent = outbox.send(self.socket);
        let drops = &self.service.status.drops;
        drops.unsent.fetch_add(unsent, Ordering::Relaxed);
    }
}

fn port_of(address: &SockaddrStorage) -> Option<u16> {
    let v6 = address.as_sockaddr_in6().map(|address| address.port());
    v6.or_else(|| address.as_sockaddr_in().map(|address| address.port()))
}

/// A batch of requests.
struct Inbox {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: Vec<u8>,
    /// Length and sender of each request received.
    arrivals: [(usize, Option<SockaddrStorage>); BATCH],
}

impl Inbox {
    fn new() -> Self {
        Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            buffers: vec![0; BATCH * REQUEST_ROOM],
            arrivals: [(0, None); BATCH],
        }
    }

    /// Waits for a request, takes what else is there, and says how many came.
    /// None came when an earlier reply bounced, or we are to end.
    fn receive(&mut self, socket: &OwnedFd) -> usize {
        let mut buffers = self.buffers.chunks_exact_mut(REQUEST_ROOM);
        let mut slices: [[IoSliceMut<'_>; 1]; BATCH] =
            array::from_fn(|_| [IoSliceMut::new(buffers.next().unwrap_or_default())]);
        let received = recvmmsg(
            socket.as_raw_fd(),
            &mut self.headers,
            slices.iter_mut(),
            MsgFlags::MSG_WAITFORONE,
            None,
        );
        let Ok(received) = received else {
            return 0;
        };
        let mut count = 0;
        for (arrival, message) in self.arrivals.iter_mut().zip(received) {
            *arrival = (message.bytes, message.address);
            count += 1;
        }
        count
    }

    /// The buffers of the first `count` requests, their lengths, and who sent them.
    fn iter(&mut self, count: usize) -> impl Iterator<Item = (&mut [u8], usize, &SockaddrStorage)> {
        let buffers = self.buffers.chunks_exact_mut(REQUEST_ROOM);
        let arrivals = self.arrivals.iter().zip(buffers).take(count);
        arrivals.filter_map(|((len, from), buffer)| Some((buffer, *len, from.as_ref()?)))
    }
}

/// A batch of reply datagrams.
struct Outbox {
    headers: MultiHeaders<SockaddrStorage>,
    buffers: [[u8; DATAGRAM_MAX]; BATCH],
    lens: [usize; BATCH],
    to: [Option<SockaddrStorage>; BATCH],
    count: usize,
}

impl Outbox {
    fn new() -> Box<Self> {
        Box::new(Self {
            headers: MultiHeaders::preallocate(BATCH, None),
            buffers: [[0; DATAGRAM_MAX]; BATCH],
            lens: [0; BATCH],
            to: [None; BATCH],
            count: 0,
        })
    }

    fn is_full(&self) -> bool {
        self.count == BATCH
    }

    /// Adds a datagram of two parts; there must be room for one.
    fn push(&mut self, [front, back]: [&[u8]; 2], to: &SockaddrStorage) {
        let len = front.len() + back.len();
        let buffer = &mut self.buffers[self.count][..len];
        buffer[..front.len()].copy_from_slice(front);
        buffer[front.len()..].copy_from_slice(back);
        self.lens[self.count] = len;
        self.to[self.count] = Some(*to);
        self.count += 1;
    }

    /// Sends everything, and says how many datagrams the system refused. One
    /// that is refused (its receiver gone, no route) does not hold the others.
    fn send(&mut self, socket: &OwnedFd) -> u64 {
        let mut unsent = 0;
        let mut start = 0;
        let slices: [[IoSlice<'_>; 1]; BATCH] =
            array::from_fn(|i| [IoSlice::new(&self.buffers[i][..self.lens[i]])]);
        while start < self.count {
            let sent = sendmmsg(
                socket.as_raw_fd(),
                &mut self.headers,
                &slices[start..self.count],
                &self.to[start..self.count],
                [],
                MsgFlags::empty(),
            );
            match sent {
                Ok(sent) => start += sent.count().max(1),
                Err(Errno::EINTR) => {}
                Err(_) => {
                    unsent += 1;
                    start += 1;
                }
            }
        }
        self.count = 0;
        unsent
    }
}
