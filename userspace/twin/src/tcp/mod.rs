// SPDX-License-Identifier: GPL-2.0-only
//! TCP: one thread takes connections, the others serve them.
//!
//! A connection stays with the thread it was given to, and costs nothing while
//! it is idle: neither time nor a buffer.

mod connection;
mod worker;

use std::io::{ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use mio::{Poll, Token, Waker};
use nix::errno::Errno;
use parking_lot::Mutex;

pub(crate) use self::worker::Worker;
use crate::status::Status;

/// What a client is told that comes when all connections are taken; memcached's
/// own words.
const TOO_MANY: &[u8] = b"ERROR Too many open connections\r\n";

/// How long nothing is accepted when the system has no more descriptors.
const RECOVERY: Duration = Duration::from_millis(100);

/// Wakes a worker: there are new connections, or it is to end.
const WAKE: Token = Token(usize::MAX);

/// Connections on their way to one worker.
pub(crate) struct Inbox {
    waker: Waker,
    arrived: Mutex<Vec<TcpStream>>,
}

impl Inbox {
    /// One that wakes whoever waits on `poll`.
    pub(crate) fn new(poll: &Poll) -> std::io::Result<Self> {
        Ok(Self {
            waker: Waker::new(poll.registry(), WAKE)?,
            arrived: Mutex::default(),
        })
    }

    /// Wakes the worker. A system without memory for that is out of it for
    /// everything else too; the next one to try will have more luck.
    pub(crate) fn wake(&self) {
        let _ = self.waker.wake();
    }

    fn give(&self, stream: TcpStream) {
        self.arrived.lock().push(stream);
        self.wake();
    }

    fn take(&self) -> Vec<TcpStream> {
        std::mem::take(&mut *self.arrived.lock())
    }
}

/// Takes connections until told to stop, and gives them to the workers in turn.
/// Whoever tells it shuts the listener down, so that waiting ends.
pub(crate) fn accept(
    listener: &TcpListener,
    inboxes: &[Inbox],
    status: &Status,
    stop: &AtomicBool,
) {
    let mut turns = inboxes.iter().cycle();
    while !stop.load(Ordering::Relaxed) {
        match listener.accept() {
            Ok((stream, _)) => {
                if !status.connections.open() {
                    refuse(&stream);
                } else if let (Ok(()), Ok(()), Some(inbox)) = (
                    stream.set_nodelay(true),
                    stream.set_nonblocking(true),
                    turns.next(),
                ) {
                    inbox.give(stream);
                } else {
                    status.connections.close();
                }
            }
            Err(error) if is_shortage(&error) => {
                status.connections.pause(|| thread::sleep(RECOVERY));
            }
            // The client has gone, or we are to end.
            Err(_) => {}
        }
    }
}

/// The socket's buffer is empty: what does not fit at once never will.
fn refuse(mut stream: &TcpStream) {
    let _ = stream.set_nonblocking(true);
    let _ = stream.write(TOO_MANY);
}

fn is_shortage(error: &std::io::Error) -> bool {
    let errno = error.raw_os_error().map(Errno::from_raw);
    matches!(
        errno,
        Some(Errno::EMFILE | Errno::ENFILE | Errno::ENOBUFS | Errno::ENOMEM)
    ) || error.kind() == ErrorKind::OutOfMemory
}

/// Counts connections. All relaxed: nothing but `stats` and the limit depends
/// on them, and only the accepting thread opens.
#[derive(Debug)]
pub(crate) struct Connections {
    max: u64,
    current: AtomicU64,
    peak: AtomicU64,
    total: AtomicU64,
    rejected: AtomicU64,
    pauses: AtomicU64,
    accepting: AtomicBool,
    pub(crate) yields: AtomicU64,
}

impl Connections {
    /// None is open; `max` may be.
    pub(crate) fn new(max: u64) -> Self {
        Self {
            max,
            current: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            total: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            pauses: AtomicU64::new(0),
            accepting: AtomicBool::new(max > 0),
            yields: AtomicU64::new(0),
        }
    }

    /// Counts one more, unless there are too many.
    fn open(&self) -> bool {
        if self.current.load(Ordering::Relaxed) >= self.max {
            self.rejected.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let current = self.current.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(current, Ordering::Relaxed);
        self.total.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn close(&self) {
        self.current.fetch_sub(1, Ordering::Relaxed);
    }

    fn pause(&self, sleep: impl FnOnce()) {
        self.pauses.fetch_add(1, Ordering::Relaxed);
        self.accepting.store(false, Ordering::Relaxed);
        sleep();
        self.accepting.store(true, Ordering::Relaxed);
    }

    /// Most there may be at once.
    pub(crate) fn max(&self) -> u64 {
        self.max
    }

    /// For `stats`.
    pub(crate) fn stats(&self, emit: &mut dyn FnMut(&str, u64)) {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        emit("max_connections", self.max);
        emit("curr_connections", get(&self.current));
        emit("total_connections", get(&self.total));
        emit("rejected_connections", get(&self.rejected));
        emit("connection_structures", get(&self.peak));
        emit("conn_yields", get(&self.yields));
        emit("listen_disabled_num", get(&self.pauses));
        let accepting = self.accepting.load(Ordering::Relaxed);
        emit("accepting_conns", u64::from(accepting));
    }

    /// For `stats reset`: what has been counted, not what there is.
    pub(crate) fn reset(&self) {
        for number in [&self.total, &self.rejected, &self.pauses, &self.yields] {
            number.store(0, Ordering::Relaxed);
        }
    }
}
