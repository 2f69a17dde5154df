// SPDX-License-Identifier: GPL-2.0-only

//! A TCP connection to the server under test.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Between the two pieces of a request that is cut: long enough for the
/// server to have read the first.
const BETWEEN_PIECES: Duration = Duration::from_micros(100);

/// What an attempt to read more came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// there is more in `received`
    Some,
    /// nothing by the deadline
    Nothing,
    /// the server has closed the connection
    End,
}

/// One connection, and all that has come in on it and is not yet taken.
#[derive(Debug)]
pub struct Connection {
    socket: TcpStream,
    /// bytes that were read
    pub received: Vec<u8>,
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects, with every write sent at once.
    pub fn open(server: SocketAddr, timeout: Duration) -> Result<Self> {
        let socket = TcpStream::connect_timeout(&server, timeout);
        let socket = socket.with_context(|| format!("cannot connect to {server}"))?;
        socket.set_nodelay(true)?;
        socket.set_write_timeout(Some(timeout.max(Duration::from_secs(5))))?;
        Ok(Self {
            socket,
            received: Vec::new(),
            buffer: vec![0; 1 << 16],
        })
    }

    /// Sends `bytes`, in two pieces when `cut` lies within them.
    pub fn send(&mut self, bytes: &[u8], cut: Option<usize>) -> Result<()> {
        let at = cut.filter(|&at| at > 0 && at < bytes.len()).unwrap_or(0);
        let (first, second) = bytes.split_at(at);
        if !first.is_empty() {
            self.socket.write_all(first).context("cannot send")?;
            sleep(BETWEEN_PIECES);
        }
        self.socket.write_all(second).context("cannot send")
    }

    /// Reads once, if anything comes by `deadline`; a deadline in the past
    /// still takes what is here already.
    pub fn read(&mut self, deadline: Instant) -> Result<More> {
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            self.socket.set_nonblocking(left.is_zero())?;
            if !left.is_zero() {
                self.socket.set_read_timeout(Some(left))?;
            }
            let read = self.socket.read(&mut self.buffer);
            self.socket.set_nonblocking(false)?;
            match read {
                Ok(0) => return Ok(More::End),
                Ok(len) => {
                    self.received.extend_from_slice(&self.buffer[..len]);
                    return Ok(More::Some);
                }
                Err(e) if e.kind() == ErrorKind::ConnectionReset => return Ok(More::End),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    if left.is_zero() {
                        return Ok(More::Nothing);
                    }
                }
                Err(e) => return Err(e).context("cannot receive"),
            }
        }
    }

    /// Sends `version` and waits for the line that answers it.
    pub fn version(&mut self, timeout: Duration) -> Result<Option<Vec<u8>>> {
        self.send(b"version\r\n", None)?;
        let deadline = Instant::now() + timeout;
        while !self.received.ends_with(b"\r\n") {
            if self.read(deadline)? != More::Some {
                return Ok(None);
            }
        }
        Ok(Some(std::mem::take(&mut self.received)))
    }
}

/// Connects and polls with `version` until it is answered; the answer, or
/// `None` when `timeout` passes first.
pub fn wait_ready(server: SocketAddr, timeout: Duration) -> Result<Option<Vec<u8>>> {
    let deadline = Instant::now() + timeout;
    let step = Duration::from_millis(100);
    loop {
        let reply = Connection::open(server, step).and_then(|mut c| c.version(step));
        if let Ok(Some(reply)) = reply {
            return Ok(Some(reply));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        sleep(step / 5);
    }
}
