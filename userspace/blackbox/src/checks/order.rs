// SPDX-License-Identifier: GPL-2.0-only

//! Order: the datagrams of a long reply make one whole, and once a version
//! of a key is acknowledged, no older one comes back.

use std::collections::HashMap;
use std::time::Instant;

use anyhow::Result;
use rand::Rng;

use super::session::{Answer, Session};
use super::{value, Context, Report};
use crate::text;

/// A value whose reply needs two datagrams though its request needs one
/// frame only.
const LONG: usize = 1400;

pub(super) fn run(context: &mut Context) -> Result<Report> {
    let mut report = Report::default();
    let mut session = Session::new(context)?;
    let mut history = History::default();
    let (mut long, mut turn) = (0u64, 0);
    while context.running() {
        turn += 1;
        if sequence(context, &mut session, &mut report, turn)? {
            long += 1;
        }
        for _ in 0..8 {
            if !context.running() {
                break;
            }
            history.write_and_read(context, &mut session, &mut report)?;
        }
    }
    session.drain(&mut report, |_, _| ())?;
    if long == 0 || history.read == 0 {
        report.mismatch("too little was done to show anything".into());
    }
    report.detail = format!(
        "{long} replies of several datagrams, {} reads of {} versions",
        history.read, history.version
    );
    Ok(report)
}

/// Stores values and gets them back in a reply of several datagrams, whose
/// sequence numbers the session checks; whether it was right.
fn sequence(
    context: &mut Context,
    session: &mut Session,
    report: &mut Report,
    turn: u64,
) -> Result<bool> {
    let count = if context.multi_get {
        context.rng.random_range(1..=12)
    } else {
        1
    };
    let mut request = "get".to_owned();
    let mut reply = Vec::new();
    for at in 0..count {
        let key = format!("{}q{}", context.tag, (turn + at) % 40);
        let data = value::make(&key, turn, LONG);
        if !session.expect(report, &value::set(&key, 0, &data), b"STORED\r\n")? {
            return Ok(false);
        }
        request.push_str(&format!(" {key}"));
        reply.extend_from_slice(format!("VALUE {key} 0 {LONG}\r\n").as_bytes());
        reply.extend_from_slice(&data);
        reply.extend_from_slice(b"\r\n");
    }
    request.push_str("\r\n");
    reply.extend_from_slice(b"END\r\n");
    session.expect(report, request.as_bytes(), &reply)
}

/// What was acknowledged for each key.
#[derive(Default)]
struct History {
    acknowledged: HashMap<String, u64>,
    version: u64,
    read: u64,
}

impl History {
    /// Reads a key before, while and after a new version of it is stored.
    fn write_and_read(
        &mut self,
        context: &mut Context,
        session: &mut Session,
        report: &mut Report,
    ) -> Result<()> {
        let key = format!("{}o{}", context.tag, context.rng.random_range(0..8));
        let get = format!("get {key}\r\n").into_bytes();
        let least = self.acknowledged.get(&key).copied().unwrap_or(0);
        self.version += 1;
        let version = self.version;
        let len = context.rng.random_range(40..=600);
        let data = value::make(&key, version, len);

        session.keep_pace();
        let before = session.issue(report, &get)?;
        let writing = session.issue(report, &value::set(&key, 0, &data))?;
        let during = session.issue(report, &get)?;
        let mut answers = HashMap::new();
        while session.in_flight() > 0 {
            let deadline = Instant::now() + context.timeout;
            if let Some(Answer { id, text, .. }) = session.poll(report, deadline)? {
                answers.insert(id, text);
            }
        }
        for id in [before, during] {
            if let Some(text) = answers.get(&id) {
                self.judge(report, &key, text, least, version);
            }
        }
        match answers.get(&writing) {
            Some(text) if text == b"STORED\r\n" => {
                self.acknowledged.insert(key.clone(), version);
                if let Some(text) = session.call(report, &get)? {
                    self.judge(report, &key, &text, version, version);
                }
            }
            Some(text) => report.mismatch(format!("a set answered '{}'", text.escape_ascii())),
            None => {}
        }
        Ok(())
    }

    /// The version in a reply must lie between these two; 0 is a miss.
    fn judge(&mut self, report: &mut Report, key: &str, reply: &[u8], least: u64, most: u64) {
        let found = text::values(reply, false).and_then(|values| match values.as_slice() {
            [] => Ok(0),
            [one] => value::version(key, one.data),
            _ => Err(format!("{} values for one key", values.len())),
        });
        self.read += 1;
        match found {
            Ok(version) if (least..=most).contains(&version) => {}
            Ok(version) => report.mismatch(format!(
                "{key} has version {version}, after {least} was acknowledged and {most} sent"
            )),
            Err(fault) => report.mismatch(fault),
        }
    }
}
