// SPDX-License-Identifier: GPL-2.0-only

//! A small memcached over UDP or TCP that can be told to misbehave, to show
//! that every kind of misbehaviour is noticed.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use blackbox::frame::{Header, HEADER, MAX_REPLY};

/// What the server does wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// nothing
    None,
    /// answers nobody
    Dead,
    /// loses every seventh answer
    Lose,
    /// answers with the id of another request
    WrongId,
    /// counts datagrams from 1
    WrongSeq,
    /// says one datagram more than there are
    WrongTotal,
    /// reserved field not 0
    Reserved,
    /// sends every answer twice
    Twice,
    /// never sends the last datagram of several
    MissingPart,
    /// splits at 700 bytes
    ShortParts,
    /// never splits
    Oversized,
    /// answers half a header
    Stump,
    /// answers requests that want no answer
    Chatty,
    /// changes the last byte of a value
    Corrupt,
    /// gives the value of another key
    OtherKey,
    /// gives the value before the last
    Stale,
    /// finds nothing
    Forget,
    /// stores nothing and says so
    NotStored,
    /// leaves out the last newline
    ShortEnd,
    /// forgets the flags
    NoFlags,
    /// TCP: takes what one read gives for one request
    WholeReads,
    /// TCP: loses the byte that begins the second piece of a request
    LosesAtCut,
    /// TCP: closes after each answer
    HangsUp,
    /// TCP: does not close on quit
    Clings,
    /// TCP: sends more once it has answered
    Afterthought,
}

/// A server on its own thread, ended when dropped.
pub(crate) struct Fake {
    pub(crate) addr: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Fake {
    pub(crate) fn start(fault: Fault) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let timeout = Some(Duration::from_millis(20));
        socket.set_read_timeout(timeout).unwrap();
        let addr = socket.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut server = Server {
                socket: Some(socket),
                fault,
                items: HashMap::new(),
                answers: 0,
            };
            // Pairs with nothing: only the flag itself matters.
            while !stopped.load(Ordering::Relaxed) {
                server.turn();
            }
        });
        Self {
            addr,
            stop,
            thread: Some(thread),
        }
    }
}

impl Fake {
    pub(crate) fn start_tcp(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut server = Server {
                socket: None,
                fault,
                items: HashMap::new(),
                answers: 0,
            };
            let mut peers = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                if let Ok((socket, _)) = listener.accept() {
                    socket.set_nonblocking(true).unwrap();
                    socket.set_nodelay(true).unwrap();
                    peers.push((socket, Vec::new()));
                }
                peers.retain_mut(|(socket, pending)| server.talk(socket, pending));
                std::thread::sleep(Duration::from_micros(20));
            }
        });
        Self {
            addr,
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// How long the request is that `pending` begins with, once it is all there.
fn request_length(pending: &[u8]) -> Option<usize> {
    let line = pending.iter().position(|&b| b == b'\n')? + 1;
    let text = String::from_utf8_lossy(&pending[..line]);
    let words: Vec<&str> = text.split_whitespace().collect();
    let data = match words.as_slice() {
        ["set", _, _, _, len, ..] => len.parse::<usize>().ok()? + 2,
        _ => 0,
    };
    (pending.len() >= line + data).then_some(line + data)
}

#[derive(Clone)]
struct Item {
    flags: String,
    data: Vec<u8>,
    cas: u64,
    older: Option<Vec<u8>>,
}

struct Server {
    socket: Option<UdpSocket>,
    fault: Fault,
    items: HashMap<String, Item>,
    answers: u64,
}

impl Server {
    fn turn(&mut self) {
        let mut buffer = vec![0; 1 << 16];
        let Some(Ok((len, from))) = self.socket.as_ref().map(|s| s.recv_from(&mut buffer)) else {
            return;
        };
        let Some((header, text)) = Header::decode(&buffer[..len]) else {
            return;
        };
        if text.is_empty() || header.total != 1 || self.fault == Fault::Dead {
            return;
        }
        if let Some(mut reply) = self.execute(text) {
            if self.fault == Fault::ShortEnd {
                reply.pop();
            }
            self.send(header.id, &reply, from);
        }
    }

    /// Answers what has come on a connection; whether to keep it.
    fn talk(&mut self, socket: &mut TcpStream, pending: &mut Vec<u8>) -> bool {
        let mut buffer = vec![0; 1 << 16];
        match socket.read(&mut buffer) {
            Ok(0) => return false,
            Ok(len) => {
                let lost = self.fault == Fault::LosesAtCut && !pending.is_empty();
                pending.extend_from_slice(&buffer[usize::from(lost)..len]);
            }
            Err(_) => return true,
        }
        if self.fault == Fault::Dead {
            return true;
        }
        while let Some(len) = request_length(pending) {
            let request: Vec<u8> = pending.drain(..len).collect();
            if request.starts_with(b"quit") && self.fault != Fault::Clings {
                return false;
            }
            let mut reply = self.execute(&request).unwrap_or_default();
            match self.fault {
                Fault::ShortEnd => drop(reply.pop()),
                Fault::Twice => reply.extend(reply.clone()),
                _ => {}
            }
            let _ = socket.write_all(&reply);
            if self.fault == Fault::Afterthought {
                std::thread::sleep(Duration::from_millis(1));
                let _ = socket.write_all(b"!\r\n");
            }
            if self.fault == Fault::HangsUp {
                return false;
            }
        }
        if self.fault == Fault::WholeReads && !pending.is_empty() {
            pending.clear();
            let _ = socket.write_all(b"ERROR\r\n");
        }
        true
    }

    fn execute(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        let end = text.iter().position(|&b| b == b'\n')?;
        let line = String::from_utf8_lossy(&text[..end]).trim_end().to_owned();
        let words: Vec<&str> = line.split(' ').collect();
        let silent = words.last() == Some(&"noreply") && self.fault != Fault::Chatty;
        let long = words.iter().any(|w| w.len() > 250);
        let reply = match words.as_slice() {
            _ if long => b"CLIENT_ERROR bad command line format\r\n".to_vec(),
            ["set", key, flags, _, len, ..] => {
                let data = text[end + 1..].get(..len.parse().ok()?)?;
                self.set(key, flags, data)
            }
            ["get", keys @ ..] => self.get(keys, false),
            ["gets", keys @ ..] => self.get(keys, true),
            ["delete", key, ..] => match self.items.remove(*key) {
                Some(_) => b"DELETED\r\n".to_vec(),
                None => b"NOT_FOUND\r\n".to_vec(),
            },
            ["version"] => b"VERSION fake\r\n".to_vec(),
            ["verbosity", _] => b"OK\r\n".to_vec(),
            _ => b"ERROR\r\n".to_vec(),
        };
        (!silent).then_some(reply)
    }

    fn set(&mut self, key: &str, flags: &str, data: &[u8]) -> Vec<u8> {
        if self.fault == Fault::NotStored {
            return b"NOT_STORED\r\n".to_vec();
        }
        let before = self.items.get(key).map(|item| item.data.clone());
        let item = Item {
            flags: flags.to_owned(),
            data: data.to_vec(),
            cas: self.items.len() as u64,
            older: before,
        };
        self.items.insert(key.to_owned(), item);
        b"STORED\r\n".to_vec()
    }

    fn get(&self, keys: &[&str], with_cas: bool) -> Vec<u8> {
        let mut reply = Vec::new();
        for key in keys {
            let Some(mut item) = self.items.get(*key).cloned() else {
                continue;
            };
            let other = self.items.iter().find(|(k, _)| k != key);
            match (self.fault, item.data.last_mut(), other) {
                (Fault::Forget, _, _) => continue,
                (Fault::Corrupt, Some(byte), _) => *byte ^= 0x40,
                (Fault::OtherKey, _, Some((_, other))) => item.data = other.data.clone(),
                (Fault::Stale, _, _) => item.data = item.older.unwrap_or(item.data),
                (Fault::NoFlags, _, _) => item.flags = "0".into(),
                _ => {}
            }
            let mut line = format!("VALUE {key} {} {}", item.flags, item.data.len());
            if with_cas {
                line.push_str(&format!(" {}", item.cas));
            }
            reply.extend_from_slice(line.as_bytes());
            reply.extend_from_slice(b"\r\n");
            reply.extend_from_slice(&item.data);
            reply.extend_from_slice(b"\r\n");
        }
        reply.extend_from_slice(b"END\r\n");
        reply
    }

    fn send(&mut self, id: u16, reply: &[u8], to: SocketAddr) {
        self.answers += 1;
        if self.fault == Fault::Lose && self.answers % 7 == 0 {
            return;
        }
        let step = match self.fault {
            Fault::ShortParts => 700,
            Fault::Oversized => 60_000,
            _ => MAX_REPLY - HEADER,
        };
        let parts: Vec<&[u8]> = reply.chunks(step).collect();
        let total = parts.len() as u16;
        for (seq, part) in (0..total).zip(&parts) {
            let mut header = Header {
                id,
                seq,
                total,
                reserved: 0,
            };
            match self.fault {
                Fault::WrongId => header.id ^= 1,
                Fault::WrongSeq => header.seq += 1,
                Fault::WrongTotal => header.total += 1,
                Fault::Reserved => header.reserved = 1,
                Fault::MissingPart if total > 1 && seq + 1 == total => continue,
                _ => {}
            }
            let mut datagram = header.encode().to_vec();
            datagram.extend_from_slice(part);
            if self.fault == Fault::Stump {
                datagram.truncate(4);
            }
            let copies = if self.fault == Fault::Twice { 2 } else { 1 };
            for socket in self.socket.iter().cycle().take(copies) {
                socket.send_to(&datagram, to).unwrap();
            }
        }
    }
}
