// SPDX-License-Identifier: GPL-2.0-only

//! Values: of every size, with any bytes and flags, what is read equals what
//! was written.

use anyhow::Result;
use rand::Rng;

use super::session::Session;
use super::{value, Context, Report};
use crate::text;

/// Sizes around the edges of a datagram, tried first.
const EDGES: [usize; 8] = [1, 2, 63, 64, 1023, 1024, 1300, 1360];
const LARGEST: usize = 60_000;

pub(super) fn run(context: &mut Context) -> Result<Report> {
    let mut report = Report::default();
    let mut session = Session::new(context)?;
    let (mut turn, mut bytes, mut largest) = (0u64, 0, 0);
    while context.running() {
        let len = match EDGES.get(turn as usize) {
            Some(&edge) => edge,
            None if context.large && turn % 10 == 0 => context.rng.random_range(1400..=LARGEST),
            None => context.rng.random_range(1..=1300),
        };
        let key = format!("{}v{}", context.tag, turn % 100);
        let flags = context.rng.random();
        let data = value::make(&key, turn, len);
        turn += 1;
        if !session.expect(&mut report, &value::set(&key, flags, &data), b"STORED\r\n")? {
            continue;
        }
        let request = format!("get {key}\r\n");
        let Some(reply) = session.call(&mut report, request.as_bytes())? else {
            continue;
        };
        match equal(&key, flags, &data, &reply) {
            Ok(()) => {
                bytes += len;
                largest = largest.max(len);
            }
            Err(fault) => report.mismatch(fault),
        }
    }
    session.drain(&mut report, |_, _| ())?;
    report.detail = format!("{bytes} bytes of values equal, the largest {largest}");
    Ok(report)
}

fn equal(key: &str, flags: u32, data: &[u8], reply: &[u8]) -> Result<(), String> {
    let values = text::values(reply, false).map_err(|e| format!("{key}: {e}"))?;
    let [one] = values.as_slice() else {
        return Err(format!("{} values for {key}", values.len()));
    };
    if one.key != key.as_bytes() || one.flags != flags {
        let got = one.key.escape_ascii();
        return Err(format!(
            "{key} flags {flags}: got {got} flags {}",
            one.flags
        ));
    }
    value::compare(data, one.data).map_err(|e| format!("{key}: {e}"))
}
