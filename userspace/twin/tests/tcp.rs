// SPDX-License-Identifier: GPL-2.0-only
//! TCP beside UDP: connections, their limits and their end.
#![allow(missing_docs)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use common::{free_port, run, Twin};
use nix::sys::signal::Signal;

const PATIENCE: Duration = Duration::from_secs(10);

/// A twin on a port of its own.
fn twin(args: &[&str]) -> (Twin, u16) {
    let port = free_port();
    let port_text = port.to_string();
    let all = [&["-p", &port_text, "-t", "2", "-l", "127.0.0.1"], args].concat();
    (Twin::start(&all), port)
}

struct Client(TcpStream);

impl Client {
    fn new(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    #[track_caller]
    fn ask(&mut self, request: &str, expected: &str) {
        self.0.write_all(request.as_bytes()).unwrap();
        self.expect(expected.as_bytes());
    }

    #[track_caller]
    fn expect(&mut self, expected: &[u8]) {
        let mut answer = vec![0; expected.len()];
        self.0.read_exact(&mut answer).unwrap();
        assert!(
            answer == expected,
            "{:?}",
            String::from_utf8_lossy(&answer[..answer.len().min(200)])
        );
    }

    /// Everything until the twin closes.
    fn rest(&mut self) -> String {
        let mut rest = String::new();
        self.0.read_to_string(&mut rest).unwrap();
        rest
    }

    fn stat(&mut self, name: &str) -> u64 {
        self.0.write_all(b"stats\r\n").unwrap();
        let mut text = Vec::new();
        while !text.ends_with(b"END\r\n") {
            let mut piece = [0; 4096];
            let len = self.0.read(&mut piece).unwrap();
            assert!(len > 0);
            text.extend_from_slice(&piece[..len]);
        }
        let text = String::from_utf8(text).unwrap();
        let start = format!("STAT {name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap().parse().unwrap()
    }
}

/// Waits for what another thread of the twin does a moment later.
#[track_caller]
fn soon(mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "not in time");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn one_store_for_both() {
    let (_twin, port) = twin(&[]);
    let mut client = Client::new(port);
    client.ask("set k 1 0 5\r\nhello\r\n", "STORED\r\n");
    client.ask(
        "get k\r\nget x\r\n",
        "VALUE k 1 5\r\nhello\r\nEND\r\nEND\r\n",
    );
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    udp.set_read_timeout(Some(PATIENCE)).unwrap();
    udp.connect(("127.0.0.1", port)).unwrap();
    udp.send(b"\0\x01\0\0\0\x01\0\0get k\r\n").unwrap();
    let mut answer = [0; 100];
    let len = udp.recv(&mut answer).unwrap();
    assert_eq!(&answer[8..len], b"VALUE k 1 5\r\nhello\r\nEND\r\n");
    let mut binary = Client::new(port);
    binary
        .0
        .write_all(b"\x80\0\0\x01\0\0\0\0\0\0\0\x01abcd\0\0\0\0\0\0\0\0k")
        .unwrap();
    let mut answer = [0; 24 + 9];
    binary.0.read_exact(&mut answer).unwrap();
    assert_eq!(answer[..16], *b"\x81\0\0\0\x04\0\0\0\0\0\0\x09abcd");
    assert_eq!(answer[24..], *b"\0\0\0\x01hello");
}

#[test]
fn requests_in_any_pieces() {
    let (_twin, port) = twin(&[]);
    let mut client = Client::new(port);
    for byte in b"set k 0 0 5\r\nhello\r\nget k\r\n" {
        client.0.write_all(&[*byte]).unwrap();
    }
    client.expect(b"STORED\r\nVALUE k 0 5\r\nhello\r\nEND\r\n");
    let value = "v".repeat(1_048_516);
    for _ in 0..3 {
        let request = format!("set k 0 0 1048516\r\n{value}\r\nget k k\r\n");
        let hit = format!("VALUE k 0 1048516\r\n{value}\r\n");
        client.ask(&request, &format!("STORED\r\n{hit}{hit}END\r\n"));
    }
    client.ask("version\r\n", &format!("VERSION {}\r\n", kv::VERSION));
}

#[test]
fn goodbyes() {
    let (twin, port) = twin(&[]);
    let mut client = Client::new(port);
    client.0.write_all(b"get k\r\nquit\r\nget k\r\n").unwrap();
    assert_eq!(client.rest(), "END\r\n");
    // Who says no more is answered all the same.
    let mut client = Client::new(port);
    client.0.write_all(b"get k\r\nget k").unwrap();
    client.0.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.rest(), "END\r\n");
    let mut client = Client::new(port);
    soon(|| client.stat("curr_connections") == 1);
    assert_eq!(client.stat("total_connections"), 3);
    twin.signal(Signal::SIGTERM);
    assert_eq!(client.rest(), "");
}

#[test]
fn too_many_connections() {
    let (_twin, port) = twin(&["--max-connections", "2"]);
    let mut first = Client::new(port);
    let mut second = Client::new(port);
    first.ask("get k\r\n", "END\r\n");
    second.ask("get k\r\n", "END\r\n");
    let mut third = Client::new(port);
    assert_eq!(third.rest(), "ERROR Too many open connections\r\n");
    assert_eq!(first.stat("rejected_connections"), 1);
    assert_eq!(first.stat("curr_connections"), 2);
    assert_eq!(first.stat("max_connections"), 2);
    drop(second);
    soon(|| first.stat("curr_connections") == 1);
    let mut fourth = Client::new(port);
    fourth.ask("get k\r\n", "END\r\n");
    assert_eq!(fourth.stat("total_connections"), 3);
    fourth.ask("stats reset\r\n", "RESET\r\n");
    assert_eq!(fourth.stat("total_connections"), 0);
    assert_eq!(fourth.stat("curr_connections"), 2);
}

/// A client that asks and does not read costs no more than one reply, and
/// nobody else their turn.
#[test]
fn who_does_not_read_is_not_read() {
    let (twin, port) = twin(&[]);
    let mut client = Client::new(port);
    let value = "v".repeat(500_000);
    client.ask(&format!("set k 0 0 500000\r\n{value}\r\n"), "STORED\r\n");
    let slow = Client::new(port);
    let mut writer = slow.0.try_clone().unwrap();
    let count = 2000;
    let writing = thread::spawn(move || {
        for _ in 0..count {
            writer.write_all(b"get k\r\n").unwrap();
        }
    });
    let mut others: Vec<Client> = (0..4).map(|_| Client::new(port)).collect();
    for _ in 0..50 {
        for other in &mut others {
            other.ask("get none\r\n", "END\r\n");
        }
    }
    let status = fs::read_to_string(format!("/proc/{}/status", twin.child.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kib: u64 = line
        .unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap();
    assert!(kib < 100 << 10, "{kib} KiB, 64 MiB of them for items");
    let mut slow = slow;
    let one = format!("VALUE k 0 500000\r\n{value}\r\nEND\r\n");
    for _ in 0..count {
        slow.expect(one.as_bytes());
    }
    writing.join().unwrap();
}

#[test]
fn either_can_be_left_out() {
    let (twin, port) = twin(&["--no-tcp"]);
    assert!(twin.first.contains(" UDP, "), "{}", twin.first);
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
    let (twin, port) = self::twin(&["--no-udp"]);
    assert!(twin.first.contains(" TCP, "), "{}", twin.first);
    assert!(UdpSocket::bind(("127.0.0.1", port)).is_ok());
    Client::new(port).ask("get k\r\n", "END\r\n");
    let neither = run(&["--no-udp", "--no-tcp"]);
    assert_eq!(neither.status.code(), Some(2));
}

#[test]
fn a_taken_port_is_said_so() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let second = run(&["-l", "127.0.0.1", "-p", &port]);
    assert_eq!(second.status.code(), Some(1));
    let stderr = String::from_utf8(second.stderr).unwrap();
    assert!(stderr.contains("TCP port") && stderr.contains("EADDRINUSE"));
}
