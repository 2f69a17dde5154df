// SPDX-License-Identifier: GPL-2.0-only
//! A twin to talk to.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::process::{Child, ChildStdout, Command, Output, Stdio};

use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

/// A twin that serves, ended when dropped.
pub struct Twin {
    pub child: Child,
    pub stdout: BufReader<ChildStdout>,
    pub first: String,
}

pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unbuckle-twin"));
    command.args(args);
    command
}

pub fn run(args: &[&str]) -> Output {
    command(args).output().unwrap()
}

impl Twin {
    /// Returns when it serves: the line that says so comes after the socket.
    pub fn start(args: &[&str]) -> Self {
        let mut child = command(args).stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut first = String::new();
        stdout.read_line(&mut first).unwrap();
        Self {
            child,
            stdout,
            first,
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }
}

impl Drop for Twin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody has, of UDP or TCP.
pub fn free_port() -> u16 {
    loop {
        let socket = UdpSocket::bind("[::]:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        if TcpListener::bind(("::", port)).is_ok() {
            return port;
        }
    }
}
