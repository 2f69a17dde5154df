// SPDX-License-Identifier: GPL-2.0-only

//! Four clients at three keys: whether an order of their requests explains what
//! each of them was told. See the crate `races`.

use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{bail, Result};
use races::{play_for, Played};

use crate::case::Transport;
use crate::client::Client;
use crate::stream::{Connection, More};

const CLIENTS: usize = 4;

/// Requests of each client to the same keys.
const REQUESTS: usize = 40;

/// Somebody who asks over the network.
enum Asker {
    Udp { client: Client, id: u16 },
    Tcp(Connection),
}

struct Patient {
    asker: Asker,
    timeout: Duration,
}

impl Patient {
    fn new(addr: SocketAddr, transport: Transport, timeout: Duration) -> Result<Self> {
        let asker = match transport {
            Transport::Udp => Asker::Udp {
                client: Client::connect(addr)?,
                id: 0,
            },
            Transport::Tcp => Asker::Tcp(Connection::open(addr, timeout)?),
        };
        Ok(Self { asker, timeout })
    }

    fn reply(&mut self, request: &[u8]) -> Result<Vec<u8>> {
        match &mut self.asker {
            Asker::Udp { client, id } => {
                *id = id.wrapping_add(1);
                match client.ask(*id, request, self.timeout)? {
                    Some(reply) => Ok(reply),
                    None => bail!("no answer within {:?}", self.timeout),
                }
            }
            Asker::Tcp(connection) => {
                connection.send(request, None)?;
                let deadline = Instant::now() + self.timeout;
                while !is_whole(&connection.received) {
                    if connection.read(deadline)? != More::Some {
                        bail!("no whole answer within {:?}", self.timeout);
                    }
                }
                Ok(mem::take(&mut connection.received))
            }
        }
    }
}

impl races::Client for Patient {
    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        self.reply(request).map_err(|error| format!("{error:#}"))
    }
}

/// Whether nothing more can come in answer to one request for one key.
fn is_whole(reply: &[u8]) -> bool {
    let end: &[u8] = match reply.starts_with(b"V") {
        true => b"\r\nEND\r\n",
        false => b"\r\n",
    };
    reply.ends_with(end)
}

/// Plays, and prints what came of it; false when no order explains it.
pub fn run(
    addr: SocketAddr,
    transport: Transport,
    time: Duration,
    timeout: Duration,
) -> Result<bool> {
    let clients: Result<Vec<_>> = (0..CLIENTS)
        .map(|_| Patient::new(addr, transport, timeout))
        .collect();
    let name = format!("{:08x}", rand::random::<u32>());
    let said = match play_for(time, &mut clients?, &name, REQUESTS) {
        // Without requests at the same time nothing was shown.
        Ok(played) if played.overlapping < 100 => Err(format!("too little: {played:?}")),
        said => said,
    };
    match &said {
        Ok(Played {
            requests,
            overlapping,
        }) => println!("ok   histories: {requests} requests, {overlapping} of them beside another"),
        Err(fault) => println!("FAIL histories: {fault}"),
    }
    let (passed, failed) = (u8::from(said.is_ok()), u8::from(said.is_err()));
    println!("{passed} passed, {failed} failed");
    Ok(said.is_ok())
}
