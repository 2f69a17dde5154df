// SPDX-License-Identifier: GPL-2.0-only

//! Closed loop: so many requests are under way, and a new one follows a reply.

use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::ProgressBar;

use crate::mix::Source;
use crate::session::{Goal, Session};

/// Keeps `window` requests under way until the goal is reached.
pub(crate) fn sliding(
    session: &mut Session,
    source: &mut Source,
    window: usize,
    goal: Goal,
    bar: &ProgressBar,
) -> Result<()> {
    let start = Instant::now();
    loop {
        let now = Instant::now();
        let left = goal.requests.saturating_sub(session.tally.requests);
        let over = left == 0 || now.duration_since(start) >= goal.time;
        if over && session.flight.open() == 0 {
            break;
        }
        if !over {
            let free = window.saturating_sub(session.flight.open());
            let count = usize::try_from(left).map_or(free, |left| left.min(free));
            session.prepare_from(source, count);
            session.send()?;
        }
        session.take(true)?;
        let now = Instant::now();
        session.settle(now);
        session.expire(now);
        bar.set_position(session.tally.replies);
    }
    session.tally.busy = start.elapsed();
    Ok(())
}

/// Sends `window` requests, waits for all their replies, and so on. Only this
/// is timed: making requests and judging replies happens between the rounds.
pub(crate) fn rounds(
    session: &mut Session,
    source: &mut Source,
    window: usize,
    goal: Goal,
    bar: &ProgressBar,
) -> Result<()> {
    let mut busy = Duration::ZERO;
    while session.tally.requests < goal.requests && busy < goal.time {
        session.prepare_from(source, window);
        let start = Instant::now();
        session.send()?;
        session.gather(window)?;
        let end = Instant::now();
        busy += end.duration_since(start);
        session.settle(end);
        // What did not come by now does not come.
        session.expire(end + session.timeout);
        bar.set_position(session.tally.replies);
    }
    session.tally.busy = busy;
    Ok(())
}
