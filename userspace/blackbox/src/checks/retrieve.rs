// SPDX-License-Identifier: GPL-2.0-only

//! Retrieve: what was stored is found, however long ago.

use anyhow::Result;
use rand::Rng;

use super::session::Session;
use super::{value, Context, Report};
use crate::text;

const KEYS: usize = 1000;

pub(super) fn run(context: &mut Context) -> Result<Report> {
    let mut report = Report::default();
    let mut session = Session::new(context)?;
    let mut stored: Vec<String> = Vec::new();
    let mut found = 0u64;
    while context.running() {
        // One key more for every four looked up, until there are enough.
        if stored.len() < KEYS {
            let key = format!("{}r{}", context.tag, stored.len());
            let len = context.rng.random_range(30..=300);
            let request = value::set(&key, 0, &value::make(&key, 1, len));
            if session.expect(&mut report, &request, b"STORED\r\n")? {
                stored.push(key);
            }
        }
        for _ in 0..4 {
            if stored.is_empty() {
                break;
            }
            let key = &stored[context.rng.random_range(0..stored.len())];
            let request = format!("get {key}\r\n");
            let Some(reply) = session.call(&mut report, request.as_bytes())? else {
                continue;
            };
            match look(key, &reply) {
                Ok(()) => found += 1,
                Err(fault) => report.mismatch(fault),
            }
        }
    }
    session.drain(&mut report, |_, _| ())?;
    report.detail = format!("{} keys, found {found} times", stored.len());
    if found == 0 {
        report.mismatch("not one key was found".into());
    }
    Ok(report)
}

fn look(key: &str, reply: &[u8]) -> Result<(), String> {
    let values = text::values(reply, false)?;
    match values.as_slice() {
        [] => Err(format!("{key} was stored and is not found")),
        [one] if one.key == key.as_bytes() => value::version(key, one.data).map(|_| ()),
        _ => Err(format!("asked for {key}, got {} others", values.len())),
    }
}
