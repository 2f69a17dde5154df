// SPDX-License-Identifier: GPL-2.0-only

//! Loss: requests sent by the clock, whatever became of the ones before,
//! are all answered.

use std::time::{Duration, Instant};

use anyhow::Result;
use rand::Rng;

use super::session::{Answer, Session};
use super::{value, Context, Report};
use crate::template::show_short;

const KEYS: usize = 100;

pub(super) fn run(context: &mut Context) -> Result<Report> {
    let mut report = Report::default();
    let mut session = Session::new(context)?;
    let mut times = Vec::new();
    let mut take = |report: &mut Report, answer: Answer| {
        times.push(answer.took);
        if !(answer.text == b"STORED\r\n" || answer.text.ends_with(b"END\r\n")) {
            report.mismatch(format!("answered '{}'", show_short(&answer.text, 100)));
        }
    };
    let gap = Duration::from_secs(1) / context.rate;
    let mut next = Instant::now();
    let mut version = 0;
    while context.running() {
        version += 1;
        let key = format!("{}l{}", context.tag, context.rng.random_range(0..KEYS));
        let request = if context.rng.random_ratio(1, 10) {
            let len = context.rng.random_range(1..=1000);
            value::set(&key, 0, &value::make(&key, version, len))
        } else {
            format!("get {key}\r\n").into_bytes()
        };
        session.issue(&mut report, &request)?;
        next += gap;
        while let Some(answer) = session.poll(&mut report, next)? {
            take(&mut report, answer);
        }
    }
    session.drain(&mut report, &mut take)?;
    report.detail = latencies(&mut times, context.rate);
    Ok(report)
}

fn latencies(times: &mut [Duration], rate: u32) -> String {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).copied();
    match (at(50), at(99), times.last()) {
        (Some(half), Some(most), Some(worst)) => {
            format!("{rate}/s, answered in {half:.1?} (half), {most:.1?} (99 %), {worst:.1?} (all)")
        }
        _ => format!("{rate}/s"),
    }
}
