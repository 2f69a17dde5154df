// SPDX-License-Identifier: GPL-2.0-only

//! The books of a run: how often each case is still to be played, and what
//! has come of it so far.

use std::collections::HashMap;

use super::play::Play;
use super::{Summary, Verdict};
use crate::case::Case;

/// Where one case stands.
#[derive(Default)]
struct Standing {
    left: usize,
    verdict: Option<Verdict>,
}

/// All cases of a run. A case passes when each of its plays does.
pub(super) struct Round<'a, T> {
    /// plays expected so far
    pub(super) plays: usize,
    pub(super) summary: Summary,
    standings: HashMap<&'a str, Standing>,
    tick: T,
}

impl<'a, T: FnMut(&str, &Verdict)> Round<'a, T> {
    pub(super) fn new(tick: T) -> Self {
        Self {
            plays: 0,
            summary: Summary::default(),
            standings: HashMap::new(),
            tick,
        }
    }

    /// One more play of `case` is to come.
    pub(super) fn expect(&mut self, case: &'a Case) {
        self.plays += 1;
        self.standings.entry(&case.name).or_default().left += 1;
    }

    pub(super) fn has_failed(&self, case: &Case) -> bool {
        let standing = self.standings.get(case.name.as_str());
        matches!(
            standing.and_then(|s| s.verdict.as_ref()),
            Some(Verdict::Failed(_))
        )
    }

    /// A play has ended with `verdict`, or was left out after a failure. The
    /// first verdict counts, but a failure counts more.
    pub(super) fn ended(&mut self, play: &Play<'a>, verdict: Option<Verdict>) {
        self.summary.cuts += play.cuts;
        let name = play.case.name.as_str();
        let standing = self.standings.entry(name).or_default();
        standing.left = standing.left.saturating_sub(1);
        if standing.verdict.is_none() || matches!(verdict, Some(Verdict::Failed(_))) {
            standing.verdict = verdict.or_else(|| standing.verdict.take());
        }
        if standing.left > 0 {
            return;
        }
        if let Some(verdict) = standing.verdict.take() {
            (self.tick)(name, &verdict);
            self.summary.verdicts.push((name.to_owned(), verdict));
        }
    }
}
