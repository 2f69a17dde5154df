// SPDX-License-Identifier: GPL-2.0-only

//! Starting, restarting and ending a server of our own.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{bail, Context, Result};

use crate::case::Transport;
use crate::client::Client;
use crate::stream;

/// How long a server may take to answer its first request.
const STARTUP: Duration = Duration::from_secs(10);

/// A server process, ended when this is dropped.
#[derive(Debug)]
pub struct Server {
    command: String,
    addr: SocketAddr,
    transport: Transport,
    child: Child,
}

impl Server {
    /// Starts `command`, in which `{port}` and `{addr}` stand for the address
    /// to serve, and waits until it answers over `transport`.
    pub fn start(command: &str, addr: SocketAddr, transport: Transport) -> Result<Self> {
        let child = launch(command, addr)?;
        let mut server = Self {
            command: command.to_owned(),
            addr,
            transport,
            child,
        };
        server.await_ready()?;
        Ok(server)
    }

    /// Ends the process and starts it anew, on the same address.
    pub fn restart(&mut self) -> Result<()> {
        self.stop();
        self.child = launch(&self.command, self.addr)?;
        self.await_ready()
    }

    fn await_ready(&mut self) -> Result<()> {
        let ready = match self.transport {
            Transport::Udp => Client::connect(self.addr)?.wait_ready(STARTUP)?,
            Transport::Tcp => stream::wait_ready(self.addr, STARTUP)?,
        };
        if let Some(status) = self.child.try_wait()? {
            bail!("'{}' ended at once: {status}", self.command);
        }
        if ready.is_none() {
            bail!("'{}' answers nothing within {STARTUP:?}", self.command);
        }
        Ok(())
    }

    fn stop(&mut self) {
        // Both fail only when the process has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn launch(command: &str, addr: SocketAddr) -> Result<Child> {
    let filled = command
        .replace("{port}", &addr.port().to_string())
        .replace("{addr}", &addr.ip().to_string());
    let mut words = filled.split_whitespace();
    let program = words.next().context("an empty command to spawn")?;
    Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start '{filled}'"))
}

/// A loopback address whose port is free for UDP and TCP just now.
pub fn free_address(v6: bool) -> Result<SocketAddr> {
    let ip: IpAddr = if v6 {
        Ipv6Addr::LOCALHOST.into()
    } else {
        Ipv4Addr::LOCALHOST.into()
    };
    for _ in 0..100 {
        let udp = UdpSocket::bind((ip, 0))?;
        let addr = udp.local_addr()?;
        if TcpListener::bind(addr).is_ok() {
            return Ok(addr);
        }
    }
    bail!("no free port on {ip}")
}
