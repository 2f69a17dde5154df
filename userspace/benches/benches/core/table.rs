// SPDX-License-Identifier: GPL-2.0-only
//! Cases, how they are measured, and the tables that they make.

use std::fmt;
use std::time::Duration;

use core_bench::work::median;
use criterion::Criterion;

/// Turns that everybody who is compared takes.
const TURNS: usize = 25;

/// How long a turn should be.
const TURN: Duration = Duration::from_millis(3);

/// Somebody who does something so many times, and says how long it took.
pub(crate) struct Who<'a> {
    pub(crate) name: &'a str,
    pub(crate) run: Box<dyn Fn(u64) -> Duration + 'a>,
}

impl<'a> Who<'a> {
    pub(crate) fn new(name: &'a str, run: impl Fn(u64) -> Duration + 'a) -> Self {
        Self {
            name,
            run: Box::new(run),
        }
    }
}

/// A table: a row for each case, a column for each name.
pub(crate) struct Table {
    title: String,
    names: Vec<String>,
    /// Behind the first name.
    unit: &'static str,
    rows: Vec<(String, Vec<String>)>,
}

impl Table {
    /// Ratios will be to the first of `names`.
    pub(crate) fn new(title: impl Into<String>, names: &[&str]) -> Self {
        Self {
            title: title.into(),
            names: names.iter().map(|name| name.to_string()).collect(),
            unit: ", ns",
            rows: Vec::new(),
        }
    }

    /// Of other things than times.
    pub(crate) fn of_counts(title: impl Into<String>, names: &[&str]) -> Self {
        Self {
            unit: "",
            ..Self::new(title, names)
        }
    }

    /// Adds a row of numbers; who has none is not in it.
    pub(crate) fn add(&mut self, case: &str, numbers: &[(&str, f64)]) {
        let cell = |name: &String| {
            let number = numbers.iter().find(|(who, _)| who == name);
            number.map_or("–".to_owned(), |(_, number)| format!("{number:.2}"))
        };
        let cells = self.names.iter().map(cell).collect();
        self.rows.push((case.to_owned(), cells));
    }

    /// Measures what everybody takes for one thing, and adds a row when the
    /// table is to be whole.
    pub(crate) fn measure(
        &mut self,
        criterion: &mut Criterion,
        whole: bool,
        case: &str,
        everybody: &[Who<'_>],
    ) {
        let mut group = criterion.benchmark_group(format!("{}: {case}", self.title));
        for who in everybody {
            group.bench_function(who.name, |bench| {
                bench.iter_custom(|count| (who.run)(count))
            });
        }
        group.finish();
        if whole {
            let figures = in_turn(everybody);
            let cell = |name: &String| {
                let at = everybody.iter().position(|who| who.name == name);
                match at.and_then(|at| Some((at, figures.get(at)?))) {
                    None => "–".to_owned(),
                    Some((0, (nanoseconds, _))) => format!("{nanoseconds:.1}"),
                    Some((_, (_, ratio))) => format!("{ratio:.2}"),
                }
            };
            let cells = self.names.iter().map(cell).collect();
            self.rows.push((case.to_owned(), cells));
        }
    }
}

/// Lets everybody take turns: the medians of nanoseconds, and of what part of
/// the first one's these were in the same turn.
fn in_turn(everybody: &[Who<'_>]) -> Vec<(f64, f64)> {
    let nanoseconds = |who: &Who<'_>, count| (who.run)(count).as_nanos() as f64 / count as f64;
    let counts: Vec<u64> = everybody
        .iter()
        .map(|who| (TURN.as_nanos() as f64 / nanoseconds(who, 1000)).clamp(100.0, 1e7) as u64)
        .collect();
    let mut all = vec![(Vec::new(), Vec::new()); everybody.len()];
    for _ in 0..TURNS {
        let turn: Vec<f64> = everybody
            .iter()
            .zip(&counts)
            .map(|(who, count)| nanoseconds(who, *count))
            .collect();
        for ((times, ratios), time) in all.iter_mut().zip(&turn) {
            times.push(*time);
            ratios.push(time / turn[0]);
        }
    }
    all.into_iter()
        .map(|(times, ratios)| (median(times), median(ratios)))
        .collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "### {}\n", self.title)?;
        let (first, others) = self.names.split_first().ok_or(fmt::Error)?;
        write!(f, "| | {first}{} |", self.unit)?;
        for name in others {
            write!(f, " {name} |")?;
        }
        writeln!(f, "\n|---|{}", "---|".repeat(self.names.len()))?;
        for (case, cells) in &self.rows {
            writeln!(f, "| {case} | {} |", cells.join(" | "))?;
        }
        Ok(())
    }
}
