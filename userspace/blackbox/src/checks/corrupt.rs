// SPDX-License-Identifier: GPL-2.0-only

//! Corrupt: with many requests under way on several sockets, no reply holds
//! bytes of another key, or goes to another request or socket.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use rand::Rng;

use super::session::{Answer, Session};
use super::{value, Context, Report};
use crate::text;

const SOCKETS: usize = 4;
const WINDOW: usize = 8;
const KEYS: usize = 64;

/// A socket and what each of its requests asked for.
struct Lane {
    session: Session,
    asked: HashMap<u16, Asked>,
}

#[derive(Clone)]
enum Asked {
    Get(String),
    Set,
}

pub(super) fn run(context: &mut Context) -> Result<Report> {
    let mut report = Report::default();
    let mut lanes = Vec::new();
    for at in 0..SOCKETS as u32 {
        let share = (1 << 16) / SOCKETS as u32;
        lanes.push(Lane {
            session: Session::with_ids(context, at * share..(at + 1) * share)?,
            asked: HashMap::new(),
        });
    }
    let mut checked = 0u64;
    let mut version = 0;
    for at in 0..KEYS {
        if !context.running() {
            break;
        }
        let (_, request) = set(context, at, &mut version);
        lanes[0]
            .session
            .expect(&mut report, &request, b"STORED\r\n")?;
    }
    while context.running() {
        for lane in &mut lanes {
            lane.session.keep_pace();
            while lane.session.in_flight() < WINDOW {
                let at = context.rng.random_range(0..KEYS);
                let (key, mut request) = set(context, at, &mut version);
                let mut asked = Asked::Set;
                if context.rng.random_ratio(4, 5) {
                    request = format!("get {key}\r\n").into_bytes();
                    asked = Asked::Get(key);
                }
                let id = lane.session.issue(&mut report, &request)?;
                lane.asked.insert(id, asked);
            }
            let deadline = Instant::now() + Duration::from_millis(2);
            while let Some(answer) = lane.session.poll(&mut report, deadline)? {
                checked += lane.take(&mut report, &answer);
            }
        }
    }
    for Lane { session, asked } in &mut lanes {
        session.drain(&mut report, |report, answer| {
            checked += take(asked, report, &answer);
        })?;
    }
    if checked == 0 {
        report.mismatch("not one value was checked".into());
    }
    report.detail = format!("{checked} values checked, {WINDOW} at a time on {SOCKETS} sockets");
    Ok(report)
}

fn set(context: &mut Context, at: usize, version: &mut u64) -> (String, Vec<u8>) {
    *version += 1;
    let key = format!("{}c{at}", context.tag);
    let len = context.rng.random_range(40..=1200);
    let request = value::set(&key, 0, &value::make(&key, *version, len));
    (key, request)
}

impl Lane {
    fn take(&mut self, report: &mut Report, answer: &Answer) -> u64 {
        take(&mut self.asked, report, answer)
    }
}

/// Judges an answer by what its request asked for; the values checked.
fn take(asked: &mut HashMap<u16, Asked>, report: &mut Report, answer: &Answer) -> u64 {
    let verdict = match asked.remove(&answer.id) {
        None => Err(format!("id {} was answered before", answer.id)),
        Some(Asked::Set) if answer.text == b"STORED\r\n" => Ok(0),
        Some(Asked::Set) => Err(format!(
            "a set answered '{}'",
            crate::template::show_short(&answer.text, 100)
        )),
        Some(Asked::Get(key)) => whose(&key, &answer.text).map(|()| 1),
    };
    verdict.unwrap_or_else(|fault| {
        report.mismatch(fault);
        0
    })
}

fn whose(key: &str, reply: &[u8]) -> Result<(), String> {
    let values = text::values(reply, false)?;
    match values.as_slice() {
        [one] if one.key == key.as_bytes() => value::version(key, one.data).map(|_| ()),
        [one] => Err(format!("asked for {key}, got {}", one.key.escape_ascii())),
        _ => Err(format!("asked for {key}, got {} values", values.len())),
    }
}
