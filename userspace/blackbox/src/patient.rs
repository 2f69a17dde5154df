// SPDX-License-Identifier: GPL-2.0-only

//! Somebody who asks one thing at a time, whatever carries it.

use std::mem;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{bail, Result};

use crate::case::Transport;
use crate::client::Client;
use crate::stream::{Connection, More};

/// Somebody who asks over the network.
enum Asker {
    Udp { client: Client, id: u16 },
    Tcp(Connection),
}

/// A client that has one request under way at a time, over UDP or TCP.
pub(crate) struct Patient {
    asker: Asker,
    timeout: Duration,
}

impl Patient {
    pub(crate) fn new(addr: SocketAddr, transport: Transport, timeout: Duration) -> Result<Self> {
        let asker = match transport {
            Transport::Udp => Asker::Udp {
                client: Client::connect(addr)?,
                id: 0,
            },
            Transport::Tcp => Asker::Tcp(Connection::open(addr, timeout)?),
        };
        Ok(Self { asker, timeout })
    }

    /// The whole answer to a request; an error when none comes in time.
    pub(crate) fn reply(&mut self, request: &[u8]) -> Result<Vec<u8>> {
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

/// Whether nothing more can come in answer to one request.
fn is_whole(reply: &[u8]) -> bool {
    let end: &[u8] = match reply.starts_with(b"V") {
        true => b"\r\nEND\r\n",
        false => b"\r\n",
    };
    reply.ends_with(end)
}
