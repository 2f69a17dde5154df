// SPDX-License-Identifier: GPL-2.0-only

//! A bar on a terminal, nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::report::Tally;
use crate::session::Goal;

/// How far a phase is: by requests where their number is given, else by time.
pub(crate) struct Progress {
    bar: ProgressBar,
    by_time: bool,
}

impl Progress {
    pub(crate) fn new(name: &'static str, goal: Goal) -> Self {
        let by_time = goal.requests == u64::MAX;
        let (len, style) = if by_time {
            (
                milliseconds(goal.time),
                "  {prefix:9} {bar:30} {elapsed}, {msg} replies",
            )
        } else {
            (
                goal.requests,
                "  {prefix:9} {bar:30} {pos}/{len} replies, {per_sec}, {elapsed}",
            )
        };
        // The templates are right, and a plain bar is no harm.
        let style = ProgressStyle::with_template(style);
        let bar = ProgressBar::new(len)
            .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
            .with_prefix(name);
        Self { bar, by_time }
    }

    pub(crate) fn show(&self, tally: &Tally, time: Duration) {
        if self.bar.is_hidden() {
            return;
        }
        if self.by_time {
            self.bar.set_message(tally.replies.to_string());
            self.bar.set_position(milliseconds(time));
        } else {
            self.bar.set_position(tally.replies);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
