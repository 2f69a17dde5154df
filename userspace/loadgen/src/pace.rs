// SPDX-License-Identifier: GPL-2.0-only

//! When requests leave.
//!
//! Closed loop: so many are under way, and a new one follows a reply, or a new
//! round of them follows the last. Open loop: they leave at their time, whether
//! or not replies come, and a reply's latency counts from the time its request
//! should have left.

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::link::{Received, BATCH_MAX};
use crate::mix::Source;
use crate::progress::Progress;
use crate::session::{Goal, Session};

/// How requests follow one another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Pace {
    /// So many are under way.
    Window(usize),
    /// So many are sent, then all their replies are waited for. Only this is
    /// timed: making requests and judging replies happens between the rounds.
    Rounds(usize),
    /// So many a second.
    Rate(f64),
}

/// Sends requests of `source` at that pace until the goal is reached.
pub(crate) fn run(
    session: &mut Session,
    source: &mut Source,
    pace: Pace,
    goal: Goal,
    progress: &Progress,
) -> Result<()> {
    session.tally.busy = match pace {
        Pace::Rounds(size) => rounds(session, source, size, goal, progress)?,
        _ => flow(session, source, pace, goal, progress)?,
    };
    Ok(())
}

fn flow(
    session: &mut Session,
    source: &mut Source,
    pace: Pace,
    goal: Goal,
    progress: &Progress,
) -> Result<Duration> {
    let start = Instant::now();
    loop {
        let now = Instant::now();
        let left = goal.requests.saturating_sub(session.tally.requests);
        let over = left == 0 || now.duration_since(start) >= goal.time;
        if over && session.flight.open() == 0 {
            return Ok(start.elapsed());
        }
        let mut until = now + session.timeout;
        if !over {
            until = until.min(pace.prepare(session, source, left, start, now));
        }
        session.send()?;
        if session.take(false)? == Received::Nothing {
            session
                .link
                .wait(until.saturating_duration_since(Instant::now()))?;
            session.take(false)?;
        }
        let now = Instant::now();
        session.settle(now);
        session.expire(now);
        progress.show(&session.tally, start.elapsed());
    }
}

impl Pace {
    /// Makes what requests are due, `left` at most, and says until when there is
    /// nothing to do but wait for replies.
    fn prepare(
        self,
        session: &mut Session,
        source: &mut Source,
        left: u64,
        start: Instant,
        now: Instant,
    ) -> Instant {
        match self {
            Self::Window(window) | Self::Rounds(window) => {
                let free = window.saturating_sub(session.flight.open());
                let count = usize::try_from(left).map_or(free, |left| left.min(free));
                session.prepare_from(source, count);
                now + session.timeout
            }
            Self::Rate(rate) => {
                let due_at = |n: u64| start + Duration::from_secs_f64(n as f64 / rate);
                let first = session.tally.requests;
                let mut next = first;
                // A full flight means later than it should be, as its latency tells.
                while next - first < left.min(BATCH_MAX as u64)
                    && due_at(next) <= now
                    && !session.flight.is_full()
                {
                    session.prepare(source.next(), due_at(next));
                    next += 1;
                }
                due_at(next)
            }
        }
    }
}

fn rounds(
    session: &mut Session,
    source: &mut Source,
    size: usize,
    goal: Goal,
    progress: &Progress,
) -> Result<Duration> {
    let mut busy = Duration::ZERO;
    while session.tally.requests < goal.requests && busy < goal.time {
        session.prepare_from(source, size);
        let start = Instant::now();
        session.send()?;
        session.gather(size)?;
        let end = Instant::now();
        let time = end.duration_since(start);
        busy += time;
        session.tally.round(time, size);
        session.settle(end);
        // What did not come by now does not come.
        session.expire(end + session.timeout);
        progress.show(&session.tally, busy);
    }
    Ok(busy)
}
