// SPDX-License-Identifier: GPL-2.0-only

//! What is counted, and how it is told.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde::Serialize;

/// Counts of one phase.
#[derive(Debug)]
pub(crate) struct Tally {
    pub(crate) requests: u64,
    pub(crate) replies: u64,
    pub(crate) hits: u64,
    pub(crate) misses: u64,
    pub(crate) stored: u64,
    pub(crate) refused: u64,
    pub(crate) wrong: u64,
    pub(crate) lost: u64,
    pub(crate) stray: u64,
    pub(crate) bytes_out: u64,
    pub(crate) bytes_in: u64,
    /// The time that counts.
    pub(crate) busy: Duration,
    latencies: Histogram<u64>,
    /// The time of each round, and the requests of one.
    rounds: Vec<Duration>,
    round_size: usize,
}

impl Tally {
    pub(crate) fn new() -> Self {
        Self {
            requests: 0,
            replies: 0,
            hits: 0,
            misses: 0,
            stored: 0,
            refused: 0,
            wrong: 0,
            lost: 0,
            stray: 0,
            bytes_out: 0,
            bytes_in: 0,
            busy: Duration::ZERO,
            // Three digits are no invalid precision: this cannot fail.
            latencies: Histogram::new(3).expect("3 digits"),
            rounds: Vec::new(),
            round_size: 0,
        }
    }

    /// Notes how long a round of `size` requests took.
    pub(crate) fn round(&mut self, time: Duration, size: usize) {
        self.rounds.push(time);
        self.round_size = size;
    }

    /// Nanoseconds per request of the usual round: the mean of all but the
    /// fastest and the slowest tenth, into which the system's own work falls.
    fn usual_round(&self) -> Option<f64> {
        let mut rounds = self.rounds.clone();
        rounds.sort_unstable();
        let cut = rounds.len() / 10;
        let usual = rounds.get(cut..rounds.len() - cut)?;
        let requests = usual.len() * self.round_size;
        let time: Duration = usual.iter().sum();
        (requests > 0).then(|| nanoseconds(time) as f64 / requests as f64)
    }

    /// Notes how long a reply took.
    pub(crate) fn latency(&mut self, time: Duration) {
        // The histogram grows as it must.
        let _ = self.latencies.record(nanoseconds(time));
    }
}

/// The one line that is printed.
#[derive(Debug, Serialize)]
pub(crate) struct Report<'a> {
    label: &'a str,
    requests: u64,
    replies: u64,
    hits: u64,
    misses: u64,
    stored: u64,
    refused: u64,
    wrong: u64,
    lost: u64,
    stray: u64,
    bytes_out: u64,
    bytes_in: u64,
    busy_ns: u64,
    ns_per_reply: f64,
    /// Of rounds only.
    ns_per_request_usual: Option<f64>,
    replies_per_second: f64,
    latency_ns: Latency,
}

#[derive(Debug, Serialize)]
struct Latency {
    min: u64,
    mean: f64,
    p50: u64,
    p90: u64,
    p99: u64,
    p999: u64,
    max: u64,
}

impl<'a> Report<'a> {
    pub(crate) fn new(label: &'a str, tally: &Tally) -> Self {
        let busy_ns = nanoseconds(tally.busy);
        let replies = tally.replies.max(1) as f64;
        let latencies = &tally.latencies;
        Self {
            label,
            requests: tally.requests,
            replies: tally.replies,
            hits: tally.hits,
            misses: tally.misses,
            stored: tally.stored,
            refused: tally.refused,
            wrong: tally.wrong,
            lost: tally.lost,
            stray: tally.stray,
            bytes_out: tally.bytes_out,
            bytes_in: tally.bytes_in,
            busy_ns,
            ns_per_reply: busy_ns as f64 / replies,
            ns_per_request_usual: tally.usual_round(),
            replies_per_second: tally.replies as f64 / tally.busy.as_secs_f64().max(1e-9),
            latency_ns: Latency {
                min: latencies.min(),
                mean: latencies.mean(),
                p50: latencies.value_at_quantile(0.5),
                p90: latencies.value_at_quantile(0.9),
                p99: latencies.value_at_quantile(0.99),
                p999: latencies.value_at_quantile(0.999),
                max: latencies.max(),
            },
        }
    }
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_usual_round_knows_no_extremes() {
        let mut tally = Tally::new();
        assert_eq!(tally.usual_round(), None);
        for time in [1, 20, 20, 20, 20, 20, 20, 20, 20, 900] {
            tally.round(Duration::from_nanos(time), 4);
        }
        assert_eq!(tally.usual_round(), Some(5.0));
    }
}
