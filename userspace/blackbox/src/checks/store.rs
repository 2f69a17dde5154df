// SPDX-License-Identifier: GPL-2.0-only

//! Store: every `set` is answered `STORED`.

use anyhow::Result;
use rand::Rng;

use super::session::Session;
use super::{value, Context, Report};

/// Enough keys to spread, few enough to stay far from eviction.
const KEYS: u64 = 500;

pub(super) fn run(context: &mut Context) -> Result<Report> {
    let mut report = Report::default();
    let mut session = Session::new(context)?;
    let mut version = 0;
    while context.running() {
        let key = format!("{}s{}", context.tag, version % KEYS);
        let len = context.rng.random_range(1..=1300);
        let data = value::make(&key, version, len);
        session.expect(&mut report, &value::set(&key, 0, &data), b"STORED\r\n")?;
        version += 1;
    }
    session.drain(&mut report, |_, _| ())?;
    report.detail = format!("{} keys", version.min(KEYS));
    Ok(report)
}
