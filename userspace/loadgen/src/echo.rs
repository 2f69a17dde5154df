// SPDX-License-Identifier: GPL-2.0-only

//! A server that sends every datagram back: the least that one in userspace
//! can do.

use std::io::{IoSlice, IoSliceMut};
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use anyhow::{Context, Result};
use nix::sys::socket::{recvmmsg, sendmmsg, MsgFlags, MultiHeaders, SockaddrStorage};

const ROOM: usize = 2048;

/// Serves until it is killed, `batch` datagrams to a system call. With a batch
/// of 1 it uses the calls that take one.
pub(crate) fn serve(addr: SocketAddr, batch: usize) -> Result<()> {
    let socket = UdpSocket::bind(addr).with_context(|| format!("cannot bind {addr}"))?;
    if batch == 1 {
        one_by_one(&socket)
    } else {
        in_batches(&socket, batch)
    }
}

fn one_by_one(socket: &UdpSocket) -> Result<()> {
    let mut buffer = [0; ROOM];
    loop {
        // An error is one of an earlier datagram's (ICMP): the next may do.
        if let Ok((len, from)) = socket.recv_from(&mut buffer) {
            let _ = socket.send_to(&buffer[..len], from);
        }
    }
}

fn in_batches(socket: &UdpSocket, batch: usize) -> Result<()> {
    let mut receive = MultiHeaders::preallocate(batch, None);
    let mut send = MultiHeaders::preallocate(batch, None);
    let mut buffers = vec![0; batch * ROOM];
    let mut arrivals: Vec<(usize, Option<SockaddrStorage>)> = Vec::with_capacity(batch);
    loop {
        arrivals.clear();
        let rooms = buffers.chunks_exact_mut(ROOM);
        let mut slices: Vec<_> = rooms.map(|room| [IoSliceMut::new(room)]).collect();
        let flags = MsgFlags::MSG_WAITFORONE;
        let slices = slices.iter_mut();
        let Ok(received) = recvmmsg(socket.as_raw_fd(), &mut receive, slices, flags, None) else {
            continue;
        };
        arrivals.extend(received.map(|message| (message.bytes, message.address)));
        let rooms = buffers.chunks_exact(ROOM).zip(&arrivals);
        let slices: Vec<_> = rooms
            .map(|(room, (len, _))| [IoSlice::new(&room[..*len])])
            .collect();
        let to: Vec<_> = arrivals.iter().map(|(_, from)| *from).collect();
        let mut sent = 0;
        while sent < slices.len() {
            let rest = (&slices[sent..], &to[sent..]);
            let flags = MsgFlags::empty();
            // What cannot be sent is passed over.
            sent += match sendmmsg(socket.as_raw_fd(), &mut send, rest.0, rest.1, [], flags) {
                Ok(results) => results.count().max(1),
                Err(_) => 1,
            };
        }
    }
}
