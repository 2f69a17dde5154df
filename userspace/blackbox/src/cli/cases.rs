// SPDX-License-Identifier: GPL-2.0-only

//! `blackbox cases`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{ensure, Result};
use blackbox::case::{self, Transport};
use blackbox::runner::{Options, Runner, Summary, Target, Verdict};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use regex::Regex;

use super::ServerArgs;

#[derive(Debug, Args)]
pub(super) struct CasesArgs {
    /// Who is asked; differences that are meant are allowed to the oracle
    #[arg(long, value_enum)]
    target: Target,
    #[command(flatten)]
    server: ServerArgs,
    /// What carries the requests
    #[arg(long, value_enum, default_value = "udp")]
    transport: Transport,
    /// Play each case over and over, its requests cut in two at another place
    /// each time (TCP only)
    #[arg(long)]
    cut: bool,
    /// Directory of the table
    #[arg(long, value_name = "DIR", default_value = "tests/cases")]
    cases: PathBuf,
    /// Only cases whose name matches this regular expression
    #[arg(long, value_name = "RE")]
    filter: Option<Regex>,
    /// Milliseconds an answer may take
    #[arg(long, default_value_t = 1000)]
    timeout_ms: u64,
    /// Skip cases whose datagrams need IP fragments
    #[arg(long)]
    no_large: bool,
    /// Source ports do not reach the server unchanged: skip what needs that
    #[arg(long)]
    nat: bool,
    /// Print each case, not only those that fail
    #[arg(long, short)]
    verbose: bool,
}

pub(super) fn run(args: &CasesArgs) -> Result<bool> {
    let cases = case::load(&args.cases)?;
    let (addr, server) = args.server.start(args.transport)?;
    let options = Options {
        target: args.target,
        addr,
        transport: args.transport,
        cut: args.cut,
        timeout: Duration::from_millis(args.timeout_ms),
        filter: args.filter.clone(),
        large: !args.no_large,
        nat: args.nat,
    };
    let bar = ProgressBar::new(cases.len() as u64);
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} cases {elapsed}",
    )?);
    let mut runner = Runner::new(options, server)?;
    let summary = runner.run(&cases, |name, verdict| {
        bar.inc(1);
        bar.suspend(|| print_verdict(name, verdict, args.verbose));
    });
    bar.finish_and_clear();
    print_differences(&summary);
    if args.cut {
        println!("{} requests were sent in two pieces", summary.cuts);
        ensure!(summary.cuts > 0, "not one request was cut");
    }
    println!("{}", summary.line());
    let (passed, failed, _) = summary.counts();
    ensure!(passed + failed > 0, "not one case was run");
    Ok(failed == 0)
}

fn print_verdict(name: &str, verdict: &Verdict, verbose: bool) {
    match verdict {
        Verdict::Failed(why) => println!("FAIL {name}: {why}"),
        Verdict::Skipped(why) => println!("skip {name}: {why}"),
        Verdict::Passed(_) if verbose => println!("ok   {name}"),
        Verdict::Passed(_) => {}
    }
}

/// Every difference from the oracle that was seen, under its reason.
fn print_differences(summary: &Summary) {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for (name, verdict) in &summary.verdicts {
        let Verdict::Passed(whys) = verdict else {
            continue;
        };
        for why in whys {
            match reasons.iter_mut().find(|(known, _)| known == why) {
                Some((_, names)) if names.last() == Some(&name.as_str()) => {}
                Some((_, names)) => names.push(name),
                None => reasons.push((why, vec![name])),
            }
        }
    }
    if reasons.is_empty() {
        return;
    }
    println!("The oracle differs, as known:");
    for (why, names) in reasons {
        println!("  {why}");
        for name in names {
            println!("    - {name}");
        }
    }
}
