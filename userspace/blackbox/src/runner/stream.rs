// SPDX-License-Identifier: GPL-2.0-only

//! One request over TCP and the bytes it is answered with.

use std::net::SocketAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{bail, ensure, Context, Result};

use super::BUSY_PAUSE;
use crate::stream::{Connection, More};
use crate::template::{self, show_short, Captures, Token, Vars};

/// The probe of a binary connection, and what answers it.
const NOOP: &str = "<req noop opaque=6e6f6f70>";
const NOOP_REPLY: &str = "<res noop opaque=6e6f6f70>";

/// A connection, and a request that can be sent to see whether all before it
/// has been answered.
struct Line {
    connection: Connection,
    probe: Vec<u8>,
    echo: Vec<u8>,
}

/// Three connections: one for what the runner itself wants to know, and one
/// for each of the two protocols, since a connection keeps to the first.
pub(super) struct Stream {
    server: SocketAddr,
    timeout: Duration,
    own: Option<Line>,
    text: Option<Line>,
    binary: Option<Line>,
}

/// What to send, and what may answer it.
pub(super) struct Request<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) cut: Option<usize>,
    /// any of these
    pub(super) wanted: &'a [Vec<Token>],
    /// and then the end of the connection
    pub(super) closes: bool,
    /// after this it is sent again
    pub(super) busy: Option<&'a [u8]>,
}

impl Stream {
    pub(super) fn new(server: SocketAddr, timeout: Duration) -> Self {
        Self {
            server,
            timeout,
            own: None,
            text: None,
            binary: None,
        }
    }

    /// Drops all connections, so that nothing for the old ones can be heard.
    pub(super) fn reset(&mut self) {
        (self.own, self.text, self.binary) = (None, None, None);
    }

    /// Asks for the runner's own sake.
    pub(super) fn ask_for_us(&mut self, bytes: &[u8], reply: &[u8]) -> Result<()> {
        let line = take(&mut self.own, || Line::text(self.server, self.timeout))?;
        let wanted = [vec![Token::Bytes(reply.to_vec())]];
        let request = Request {
            bytes,
            cut: None,
            wanted: &wanted,
            closes: false,
            busy: None,
        };
        line.ask(&request, self.timeout).map(|_| ())
    }

    /// Which of what is wanted came, and its captures.
    pub(super) fn ask(&mut self, request: &Request<'_>) -> Result<(usize, Captures)> {
        let (server, timeout) = (self.server, self.timeout);
        let slot = if request.bytes.first() == Some(&0x80) {
            take(&mut self.binary, || Line::binary(server, timeout))?;
            &mut self.binary
        } else {
            take(&mut self.text, || Line::text(server, timeout))?;
            &mut self.text
        };
        let line = slot.as_mut().context("no connection")?;
        let outcome = line.ask(request, timeout);
        if request.closes || outcome.is_err() {
            *slot = None;
        }
        outcome
    }
}

/// The connection in `slot`, made first when there is none.
fn take(slot: &mut Option<Line>, make: impl FnOnce() -> Result<Line>) -> Result<&mut Line> {
    if slot.is_none() {
        *slot = Some(make()?);
    }
    slot.as_mut().context("no connection")
}

impl Line {
    fn text(server: SocketAddr, timeout: Duration) -> Result<Self> {
        let mut connection = Connection::open(server, timeout)?;
        let echo = connection.version(timeout)?;
        let echo = echo.context("a new connection does not answer 'version'")?;
        ensure!(
            echo.starts_with(b"VERSION "),
            "'version' is answered '{}'",
            show_short(&echo, 300)
        );
        Ok(Self {
            connection,
            probe: b"version\r\n".to_vec(),
            echo,
        })
    }

    fn binary(server: SocketAddr, timeout: Duration) -> Result<Self> {
        Ok(Self {
            connection: Connection::open(server, timeout)?,
            probe: template::bytes(NOOP, &Vars::default())?,
            echo: template::bytes(NOOP_REPLY, &Vars::default())?,
        })
    }

    fn ask(&mut self, request: &Request<'_>, timeout: Duration) -> Result<(usize, Captures)> {
        let connection = &mut self.connection;
        // Anything already here answers a request that was done with.
        let early = connection.read(Instant::now())?;
        ensure!(
            early == More::Nothing && connection.received.is_empty(),
            "before it was sent: {}",
            describe(&connection.received, early)
        );
        connection.send(request.bytes, request.cut)?;
        // Where nothing is a possible answer, or the beginning of another,
        // only an answer to something sent afterwards shows the end.
        let silence = request.wanted.iter().any(Vec::is_empty);
        let probed = !request.closes && (silence || request.wanted.len() > 1);
        if probed {
            connection.send(&self.probe, None)?;
        }
        let deadline = Instant::now() + timeout;
        let mut ended = More::Some;
        loop {
            let answer = match (probed, request.closes) {
                (true, _) => connection.received.strip_suffix(&self.echo[..]),
                (false, true) if ended != More::End => None,
                (false, _) => Some(&connection.received[..]),
            };
            if let Some(answer) = answer {
                for (which, tokens) in request.wanted.iter().enumerate() {
                    if let Some(captures) = template::matches(tokens, answer) {
                        connection.received.clear();
                        return Ok((which, captures));
                    }
                }
            }
            if request.busy == Some(&connection.received[..]) {
                connection.received.clear();
                sleep(BUSY_PAUSE);
                connection.send(request.bytes, request.cut)?;
            }
            if ended != More::Some {
                let got = &connection.received;
                let got = got
                    .strip_suffix(&self.echo[..])
                    .filter(|_| probed)
                    .unwrap_or(got);
                bail!("got {}", describe(got, ended));
            }
            ended = connection.read(deadline)?;
        }
    }
}

fn describe(got: &[u8], ended: More) -> String {
    let mut text = match got {
        [] => "nothing".to_owned(),
        _ => format!("'{}'", show_short(got, 300)),
    };
    if ended == More::End {
        text.push_str(" and the end of the connection");
    }
    text
}
