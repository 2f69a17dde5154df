// SPDX-License-Identifier: GPL-2.0-only

//! A UDP socket connected to the server under test.

use std::fmt;
use std::io::{Error, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::frame::{self, Assembler, Header};

/// What a test needs and cannot have where it runs, so that it is skipped.
#[derive(Debug)]
pub struct Unavailable(pub String);

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unavailable {}

/// One socket, one server.
#[derive(Debug)]
pub struct Client {
    socket: UdpSocket,
    buffer: Vec<u8>,
}

impl Client {
    /// A client with a port of the system's choosing.
    pub fn connect(server: SocketAddr) -> Result<Self> {
        Self::connect_from(0, server)
    }

    /// A client with this port, or one of the system's choosing for 0.
    pub fn connect_from(port: u16, server: SocketAddr) -> Result<Self> {
        let any: IpAddr = match server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        Self::bind(SocketAddr::new(any, port), server)
    }

    /// A client whose source port is the server's port number. On loopback
    /// it takes 127.0.0.2, since the server has that port on 127.0.0.1.
    pub fn connect_from_server_port(server: SocketAddr) -> Result<Self> {
        let local: IpAddr = match server.ip() {
            IpAddr::V4(ip) if ip.is_loopback() => Ipv4Addr::new(127, 0, 0, 2).into(),
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let local = SocketAddr::new(local, server.port());
        if let Err(e) = UdpSocket::bind(local) {
            return Err(Unavailable(format!("cannot send from {local}: {e}")).into());
        }
        Self::bind(local, server)
    }

    fn bind(local: SocketAddr, server: SocketAddr) -> Result<Self> {
        let socket = UdpSocket::bind(local).with_context(|| format!("cannot bind {local}"))?;
        socket
            .connect(server)
            .with_context(|| format!("cannot reach {server}"))?;
        Ok(Self {
            socket,
            buffer: vec![0; 1 << 16],
        })
    }

    /// Sends one datagram. A refusal left over from an earlier one (ICMP port
    /// unreachable) is not this one's failure.
    pub fn send(&self, datagram: &[u8]) -> Result<()> {
        let sent = match self.socket.send(datagram) {
            Err(e) if e.kind() == ErrorKind::ConnectionRefused => self.socket.send(datagram),
            other => other,
        };
        sent.with_context(|| format!("cannot send {} bytes", datagram.len()))?;
        Ok(())
    }

    /// The next datagram, or `None` once `deadline` has passed. A deadline in
    /// the past still takes what has already arrived.
    pub fn recv(&mut self, deadline: Instant) -> Result<Option<&[u8]>> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.recv_within(left) {
                Ok(len) => return Ok(Some(&self.buffer[..len])),
                Err(e) if would_block(&e) => {
                    if left.is_zero() {
                        return Ok(None);
                    }
                }
                Err(e) if e.kind() == ErrorKind::ConnectionRefused => {
                    if left.is_zero() {
                        return Ok(None);
                    }
                    sleep(Duration::from_millis(1));
                }
                Err(e) => return Err(e).context("cannot receive"),
            }
        }
    }

    fn recv_within(&mut self, left: Duration) -> Result<usize, Error> {
        self.socket.set_nonblocking(left.is_zero())?;
        if !left.is_zero() {
            self.socket.set_read_timeout(Some(left))?;
        }
        self.socket.recv(&mut self.buffer)
    }

    /// Sends `text` as one request and waits for its whole reply. Everything
    /// that is not a sound reply to it counts as none.
    pub fn ask(&mut self, id: u16, text: &[u8], timeout: Duration) -> Result<Option<Vec<u8>>> {
        self.send(&frame::request(id, text))?;
        let deadline = Instant::now() + timeout;
        let mut assembler = Assembler::default();
        while let Some(datagram) = self.recv(deadline)? {
            let Some((header, body)) = Header::decode(datagram) else {
                continue;
            };
            if header.id != id {
                continue;
            }
            if let Ok(Some(reply)) = assembler.add(header, body) {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    /// Polls with `version` until it is answered; the answer, or `None` when
    /// `timeout` passes first.
    pub fn wait_ready(&mut self, timeout: Duration) -> Result<Option<Vec<u8>>> {
        let deadline = Instant::now() + timeout;
        let mut id: u16 = 1;
        // Often at first, since most servers are there at once.
        let mut step = Duration::from_millis(10);
        loop {
            step = (step * 2).min(Duration::from_millis(100));
            // A send can fail while the network is still coming up.
            match self.ask(id, b"version\r\n", step) {
                Ok(Some(reply)) => return Ok(Some(reply)),
                Ok(None) => {}
                Err(_) => sleep(step),
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            id = id.wrapping_add(1);
        }
    }
}

fn would_block(e: &Error) -> bool {
    matches!(
        e.kind(),
        ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
    )
}
