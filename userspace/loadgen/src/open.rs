// SPDX-License-Identifier: GPL-2.0-only

//! Open loop: requests leave at their time, whether or not replies come. A
//! reply's latency counts from the time its request should have left.

use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::ProgressBar;

use crate::link::BATCH_MAX;
use crate::mix::Source;
use crate::session::{Goal, Session};

/// Sends `rate` requests a second until the goal is reached.
pub(crate) fn run(
    session: &mut Session,
    source: &mut Source,
    rate: f64,
    goal: Goal,
    bar: &ProgressBar,
) -> Result<()> {
    let start = Instant::now();
    let timeout = session.timeout;
    let due_at = |n: u64| start + Duration::from_secs_f64(n as f64 / rate);
    let mut next = 0;
    loop {
        let now = Instant::now();
        let over = next >= goal.requests || now.duration_since(start) >= goal.time;
        if over && session.flight.open() == 0 {
            break;
        }
        let mut batch = 0;
        while !over && batch < BATCH_MAX && next < goal.requests && due_at(next) <= now {
            if session.flight.is_full() {
                // Later than it should be, which its latency will say.
                break;
            }
            session.prepare(source.next(), due_at(next));
            next += 1;
            batch += 1;
        }
        session.send()?;
        if session.take(false)? == 0 && batch == 0 {
            let until = if over { now + timeout } else { due_at(next) };
            session.link.wait(until.saturating_duration_since(now))?;
            session.take(false)?;
        }
        let now = Instant::now();
        session.settle(now);
        session.expire(now);
        bar.set_position(session.tally.replies);
    }
    session.tally.busy = start.elapsed();
    Ok(())
}
