// SPDX-License-Identifier: GPL-2.0-only
//! The program as it is run: start, serve, refuse, end.
#![allow(missing_docs)]

mod common;

use std::io::Read;
use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

use common::{free_port, run, Twin};
use nix::sys::signal::Signal;

struct Client(UdpSocket);

impl Client {
    fn new(from: &str, to: &str, port: u16) -> Self {
        let socket = UdpSocket::bind(from).unwrap();
        socket
            .connect(SocketAddr::new(to.parse().unwrap(), port))
            .unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(2)))
            .unwrap();
        Self(socket)
    }

    fn send(&self, text: &str) {
        let datagram = [b"\x12\x34\0\0\0\x01\0\0", text.as_bytes()].concat();
        self.0.send(&datagram).unwrap();
    }

    /// One datagram: its frame and its text.
    fn receive(&self) -> Option<([u8; 8], Vec<u8>)> {
        let mut buffer = [0; 2000];
        let len = self.0.recv(&mut buffer).ok()?;
        Some((buffer[..8].try_into().unwrap(), buffer[8..len].to_vec()))
    }

    /// A whole message.
    fn ask(&self, text: &str) -> String {
        self.send(text);
        let mut datagrams = Vec::new();
        loop {
            let (frame, text) = self.receive().expect("an answer in time");
            assert_eq!(frame[..2], [0x12, 0x34]);
            let total = u16::from_be_bytes([frame[4], frame[5]]);
            datagrams.push((u16::from_be_bytes([frame[2], frame[3]]), text));
            if datagrams.len() == usize::from(total) {
                break;
            }
        }
        datagrams.sort();
        let text = datagrams.into_iter().flat_map(|(_, text)| text).collect();
        String::from_utf8(text).unwrap()
    }
}

#[test]
fn serves_both_families_and_ends_with_its_totals() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let port = free_port();
        let mut twin = Twin::start(&["--port", &port.to_string(), "--threads", "2"]);
        assert!(twin
            .first
            .contains(&format!(":{port} UDP and TCP, 64 MiB, 2 threads")));
        let client = Client::new("127.0.0.1:0", "127.0.0.1", port);
        assert_eq!(client.ask("set k 0 0 1\r\nx\r\n"), "STORED\r\n");
        if let Ok(socket) = UdpSocket::bind("[::1]:0") {
            drop(socket);
            let client = Client::new("[::1]:0", "::1", port);
            assert_eq!(client.ask("get k\r\n"), "VALUE k 0 1\r\nx\r\nEND\r\n");
        }
        assert_eq!(client.ask("get k\r\n"), "VALUE k 0 1\r\nx\r\nEND\r\n");
        assert!(client.ask("stats\r\n").contains("STAT threads 2\r\n"));
        twin.signal(signal);
        assert!(twin.child.wait().unwrap().success());
        let mut rest = String::new();
        twin.stdout.read_to_string(&mut rest).unwrap();
        assert!(rest.contains("1 sets; 0 evictions; 1 items"), "{rest}");
    }
}

#[test]
fn large_values_go_both_ways() {
    let port = free_port();
    let _twin = Twin::start(&["-p", &port.to_string(), "-t", "1", "-l", "127.0.0.1"]);
    let client = Client::new("127.0.0.1:0", "127.0.0.1", port);
    let value: String = ('a'..='z').cycle().take(60_000).collect();
    assert_eq!(
        client.ask(&format!("set k 0 0 60000\r\n{value}\r\n")),
        "STORED\r\n"
    );
    assert_eq!(
        client.ask("get k\r\n"),
        format!("VALUE k 0 60000\r\n{value}\r\nEND\r\n")
    );
}

#[test]
fn a_request_from_the_servers_own_port_number_is_dropped() {
    let port = free_port();
    let _twin = Twin::start(&["-p", &port.to_string(), "-t", "1", "-l", "127.0.0.1"]);
    let server = Client::new(&format!("127.0.0.2:{port}"), "127.0.0.1", port);
    server.send("version\r\n");
    // Whatever was sent before this is dealt with when this is answered.
    let client = Client::new("127.0.0.1:0", "127.0.0.1", port);
    assert!(client
        .ask("stats\r\n")
        .contains("STAT drop_source_port 1\r\n"));
    server.0.set_nonblocking(true).unwrap();
    assert!(server.receive().is_none());
}

#[test]
fn a_taken_port_is_said_so() {
    let port = free_port();
    let _twin = Twin::start(&["-p", &port.to_string(), "-t", "1"]);
    let second = run(&["-p", &port.to_string()]);
    assert_eq!(second.status.code(), Some(1));
    let stderr = String::from_utf8(second.stderr).unwrap();
    assert!(
        stderr.contains("EADDRINUSE") && stderr.contains(&port.to_string()),
        "{stderr}"
    );
}

#[test]
fn bad_arguments_are_refused() {
    for args in [
        ["--port", "0"],
        ["--port", "65536"],
        ["--memory", "0"],
        ["--memory", "32769"],
        ["--memory", "many"],
        ["--threads", "0"],
        ["--threads", "65"],
        ["--listen", "nowhere"],
        ["--nonsense", "1"],
    ] {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(String::from_utf8(output.stderr).unwrap().contains(args[0]));
    }
    let elsewhere = run(&["--listen", "192.0.2.1", "--port", "11211"]);
    assert_eq!(elsewhere.status.code(), Some(1));
    let help = run(&["--help"]);
    assert!(help.status.success());
    assert!(String::from_utf8(help.stdout)
        .unwrap()
        .contains("--memory <MIB>"));
}
