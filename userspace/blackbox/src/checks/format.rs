// SPDX-License-Identifier: GPL-2.0-only

//! Format: each kind of reply is what the protocol says, to the byte.

use anyhow::Result;
use rand::Rng;

use super::session::Session;
use super::{value, Context, Report};
use crate::text;

const KINDS: usize = 12;

pub(super) fn run(context: &mut Context) -> Result<Report> {
    let mut report = Report::default();
    let mut session = Session::new(context)?;
    let mut turn = 0;
    while context.running() {
        let mut round = Round {
            key: format!("{}f{}", context.tag, turn % 200),
            flags: context.rng.random(),
            data: Vec::new(),
            multi_get: context.multi_get,
        };
        let len = context.rng.random_range(0..=1300);
        round.data = value::make(&round.key, turn, len);
        for kind in 0..KINDS {
            if !context.running() {
                break;
            }
            round.play(kind, &mut session, &mut report)?;
        }
        turn += 1;
    }
    session.drain(&mut report, |_, _| ())?;
    report.detail = format!("{turn} rounds of {KINDS} kinds of request");
    Ok(report)
}

/// A key and what is stored there, asked about in every way.
struct Round {
    key: String,
    flags: u32,
    data: Vec<u8>,
    multi_get: bool,
}

impl Round {
    fn play(&self, kind: usize, session: &mut Session, report: &mut Report) -> Result<()> {
        let key = &self.key;
        let (request, reply) = match kind {
            0 => (
                value::set(key, self.flags, &self.data),
                b"STORED\r\n".to_vec(),
            ),
            1 => (format!("get {key}\r\n").into(), self.hits(1)),
            2 => return self.gets(session, report),
            3 => (format!("get {key}x\r\n").into(), b"END\r\n".to_vec()),
            4 if self.multi_get => (format!("get {key} {key}x {key}\r\n").into(), self.hits(2)),
            4 => return Ok(()),
            5 => return self.version(session, report),
            6 => (b"verbosity 0\r\n".to_vec(), b"OK\r\n".to_vec()),
            7 => (b"nonsense\r\n".to_vec(), b"ERROR\r\n".to_vec()),
            8 => (
                format!("get {key} {}\r\n", "k".repeat(251)).into(),
                b"CLIENT_ERROR bad command line format\r\n".to_vec(),
            ),
            9 => {
                // Its silence is proven by the answers that follow.
                let request = format!("set {key} 0 0 1 noreply\r\nx\r\n");
                session.keep_pace();
                return session.issue_silent(request.as_bytes());
            }
            10 => return self.delete(session, report),
            _ => (
                format!("delete {key}x\r\n").into(),
                b"NOT_FOUND\r\n".to_vec(),
            ),
        };
        session.expect(report, &request, &reply)?;
        Ok(())
    }

    fn hits(&self, times: usize) -> Vec<u8> {
        let (key, flags) = (&self.key, self.flags);
        let mut hit = format!("VALUE {key} {flags} {}\r\n", self.data.len()).into_bytes();
        hit.extend_from_slice(&self.data);
        hit.extend_from_slice(b"\r\n");
        let mut reply = hit.repeat(times);
        reply.extend_from_slice(b"END\r\n");
        reply
    }

    fn gets(&self, session: &mut Session, report: &mut Report) -> Result<()> {
        let request = format!("gets {}\r\n", self.key);
        let Some(reply) = session.call(report, request.as_bytes())? else {
            return Ok(());
        };
        match text::values(&reply, true) {
            Ok(values) => match values.as_slice() {
                [one] if one.data == self.data && one.flags == self.flags => {}
                _ => report.mismatch(format!("gets {}: not what was stored", self.key)),
            },
            Err(fault) => report.mismatch(format!("gets {}: {fault}", self.key)),
        }
        Ok(())
    }

    /// A `noreply` before it may be executed by another worker later, so the
    /// key may be there or, once it was deleted, be there again.
    fn delete(&self, session: &mut Session, report: &mut Report) -> Result<()> {
        let request = format!("delete {}\r\n", self.key);
        session.expect(report, request.as_bytes(), b"DELETED\r\n")?;
        Ok(())
    }

    fn version(&self, session: &mut Session, report: &mut Report) -> Result<()> {
        let Some(reply) = session.call(report, b"version\r\n")? else {
            return Ok(());
        };
        let body = reply.strip_prefix(b"VERSION ");
        let body = body.and_then(|b| b.strip_suffix(b"\r\n"));
        if !body.is_some_and(|b| !b.is_empty() && b.iter().all(u8::is_ascii_graphic)) {
            report.mismatch(format!("version: '{}'", reply.escape_ascii()));
        }
        Ok(())
    }
}
