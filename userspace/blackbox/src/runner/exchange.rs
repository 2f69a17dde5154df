// SPDX-License-Identifier: GPL-2.0-only

//! One request and the messages it is answered with, or proof of silence.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{anyhow, bail, ensure, Result};

use crate::case::BARE_HEADER;
use crate::client::Client;
use crate::frame::{self, Assembler, Header};
use crate::template::show_short;

/// How long to listen for what should not come.
const GRACE: Duration = Duration::from_millis(10);
/// The same where no probe can be sent afterwards.
const LONG_GRACE: Duration = Duration::from_millis(100);

/// A message of an answer, put together from its datagrams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    Text(Vec<u8>),
    /// eight bytes with a total of 0: an error unless it is expected
    Bare,
}

impl Message {
    pub(super) fn show(&self) -> String {
        match self {
            Self::Text(text) => format!("'{}'", show_short(text, 300)),
            Self::Bare => BARE_HEADER.into(),
        }
    }
}

/// The socket, and the ids used on it.
pub(super) struct Exchange {
    client: Client,
    timeout: Duration,
    id: u16,
}

impl Exchange {
    pub(super) fn new(client: Client, timeout: Duration) -> Self {
        Self {
            client,
            timeout,
            id: rand::random(),
        }
    }

    /// A new socket, so that nothing for the old one can be heard.
    pub(super) fn reconnect(&mut self, server: SocketAddr) -> Result<()> {
        self.client = Client::connect(server)?;
        Ok(())
    }

    /// After a failure: lets stragglers arrive, so that they do not count
    /// against the next case.
    pub(super) fn settle(&mut self) {
        let until = Instant::now() + LONG_GRACE;
        while let Ok(Some(_)) = self.client.recv(until) {}
    }

    /// Without a newline in it, since some cases have it stand in a text.
    pub(super) fn next_id(&mut self) -> u16 {
        loop {
            self.id = self.id.wrapping_add(1);
            if !self.id.to_be_bytes().contains(&b'\n') {
                return self.id;
            }
        }
    }

    pub(super) fn send(&mut self, datagram: &[u8]) -> Result<()> {
        // Anything already here answers a request that was done with.
        if let Some(early) = self.client.recv(Instant::now())? {
            bail!("an answer nobody waits for: '{}'", show_short(early, 300));
        }
        self.client.send(datagram)
    }

    /// Waits for `count` messages with this id.
    pub(super) fn collect(&mut self, id: u16, count: usize) -> Result<Vec<Message>> {
        let deadline = Instant::now() + self.timeout;
        let mut messages = Vec::new();
        while messages.len() < count {
            match self.message(&[id], deadline)? {
                Some((_, message)) => messages.push(message),
                None => break,
            }
        }
        Ok(messages)
    }

    /// Takes whatever messages come with this id before the answer to a
    /// request that is sent afterwards.
    pub(super) fn collect_probed(&mut self, id: u16) -> Result<Vec<Message>> {
        let probe = self.next_id();
        self.client.send(&frame::request(probe, b"version\r\n"))?;
        let deadline = Instant::now() + self.timeout;
        let mut messages = Vec::new();
        while let Some((from, message)) = self.message(&[id, probe], deadline)? {
            if from == probe {
                return Ok(messages);
            }
            messages.push(message);
        }
        bail!("the probe after it is not answered")
    }

    /// Takes whatever messages come with this id until there is a pause, from
    /// a server the case may have upset.
    pub(super) fn collect_unprobed(&mut self, id: u16) -> Result<Vec<Message>> {
        let mut deadline = Instant::now() + LONG_GRACE;
        let mut messages = Vec::new();
        while let Some((_, message)) = self.message(&[id], deadline)? {
            messages.push(message);
            deadline = Instant::now() + LONG_GRACE;
        }
        Ok(messages)
    }

    /// The next message with one of these ids, and its id.
    fn message(&mut self, ids: &[u16], deadline: Instant) -> Result<Option<(u16, Message)>> {
        let mut assembler = Assembler::default();
        let mut some = None;
        while let Some(datagram) = self.client.recv(deadline)? {
            let (header, text) = Header::decode(datagram).ok_or_else(|| {
                anyhow!(
                    "an answer without a header: '{}'",
                    show_short(datagram, 300)
                )
            })?;
            let id = match (some, ids) {
                (Some(begun), _) => begun,
                (None, [only]) => *only,
                (None, _) if ids.contains(&header.id) => header.id,
                (None, _) => ids.first().copied().unwrap_or_default(),
            };
            ensure!(
                header.id == id,
                "an answer with id {:#06x} instead of {id:#06x}: '{}'",
                header.id,
                show_short(text, 300)
            );
            if header.total == 0 && text.is_empty() {
                return Ok(Some((id, Message::Bare)));
            }
            match assembler.add(header, text) {
                Ok(Some(whole)) => return Ok(Some((id, Message::Text(whole)))),
                Ok(None) => some = Some(id),
                Err(fault) => bail!("{fault}: '{}'", show_short(text, 300)),
            }
        }
        ensure!(some.is_none(), "an answer whose other datagrams never came");
        Ok(None)
    }

    /// Proves that nothing answers what was sent before: a request sent after
    /// it is answered, and then there is a pause.
    pub(super) fn silence(&mut self) -> Result<()> {
        let id = self.next_id();
        self.client.send(&frame::request(id, b"version\r\n"))?;
        let deadline = Instant::now() + self.timeout;
        match self.message(&[id], deadline)? {
            Some((_, Message::Text(text))) if text.starts_with(b"VERSION ") => {}
            Some((_, other)) => bail!("the probe after it is answered {}", other.show()),
            None => bail!("the probe after it is not answered"),
        }
        self.quiet(GRACE)
    }

    /// The same without a probe, for a server the case has upset.
    pub(super) fn silence_unprobed(&mut self) -> Result<()> {
        self.quiet(LONG_GRACE)
    }

    fn quiet(&mut self, grace: Duration) -> Result<()> {
        if let Some(datagram) = self.client.recv(Instant::now() + grace)? {
            bail!("expected silence, got '{}'", show_short(datagram, 300));
        }
        Ok(())
    }

    /// Sends from the server's own port number, and proves silence there.
    pub(super) fn silence_from_server_port(
        &mut self,
        server: SocketAddr,
        datagram: &[u8],
    ) -> Result<bool> {
        let mut twin = Client::connect_from_server_port(server)?;
        twin.send(datagram)?;
        self.silence()?;
        Ok(twin.recv(Instant::now() + GRACE)?.is_none())
    }
}
