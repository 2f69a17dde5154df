// SPDX-License-Identifier: GPL-2.0-only

//! How many items a server holds: stores more than fits, reads every key back, and
//! counts those that are there, whole.

use std::fmt::Write;
use std::net::SocketAddr;
use std::ops::Range;
use std::time::Duration;

use anyhow::{bail, ensure, Context, Result};

use crate::case::Transport;
use crate::patient::Patient;

/// Bytes of a key.
const KEY_LEN: usize = 16;

/// Keys that are stored with one request, which a datagram has room for,
const SETS: u64 = 800;
/// and read with one.
const GETS: u64 = 200;

/// Longest value with which so many sets fit into a datagram.
pub const VALUE_MAX: usize = 32;

/// Counts how many of `keys` items with values of `value` bytes are left when all
/// have been stored, one after the other.
pub fn count(
    addr: SocketAddr,
    transport: Transport,
    keys: u64,
    value: usize,
    timeout: Duration,
) -> Result<u64> {
    ensure!(value <= VALUE_MAX, "values of {VALUE_MAX} bytes at most");
    let mut client = Patient::new(addr, transport, timeout)?;
    for numbers in parts(keys, SETS) {
        let mut request = String::new();
        for number in numbers.clone() {
            let data = data(number, value);
            write!(
                request,
                "set {} 0 0 {value} noreply\r\n{data}\r\n",
                key(number)
            )?;
        }
        request.push_str("mn\r\n");
        let reply = client.reply(request.as_bytes())?;
        ensure!(reply == b"MN\r\n", "a set failed: {}", reply.escape_ascii());
    }
    let mut held = 0;
    for numbers in parts(keys, GETS) {
        let names = numbers
            .clone()
            .fold(String::new(), |names, number| names + " " + &key(number));
        let reply = client.reply(format!("get{names}\r\n").as_bytes())?;
        held += judge(&reply, numbers, value)?;
    }
    Ok(held)
}

fn parts(all: u64, each: u64) -> impl Iterator<Item = Range<u64>> {
    let begin = move |part: u64| all.min(part * each);
    (0..all.div_ceil(each)).map(move |part| begin(part)..begin(part + 1))
}

fn key(number: u64) -> String {
    format!("{number:0>KEY_LEN$}")
}

/// No two keys have the same, as long as there is room for a number.
fn data(number: u64, len: usize) -> String {
    format!("{number:v>len$}")[..len].to_owned()
}

/// How many of these keys a reply has: in their order, with their values, and nothing
/// else.
fn judge(reply: &[u8], mut numbers: Range<u64>, value: usize) -> Result<u64> {
    let mut rest = std::str::from_utf8(reply).context("a reply that is no text")?;
    let mut held = 0;
    while rest != "END\r\n" {
        let found = numbers.find_map(|number| {
            let whole = format!(
                "VALUE {} 0 {value}\r\n{}\r\n",
                key(number),
                data(number, value)
            );
            rest.strip_prefix(&whole)
        });
        let Some(behind) = found else {
            bail!("a wrong reply, from '{:.80}' on", rest);
        };
        rest = behind;
        held += 1;
    }
    Ok(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(numbers: &[u64]) -> String {
        let items = numbers
            .iter()
            .map(|&number| format!("VALUE {} 0 20\r\n{}\r\n", key(number), data(number, 20)));
        items.collect::<String>() + "END\r\n"
    }

    #[test]
    fn what_is_there_is_counted() {
        let judge = |numbers: &[u64]| judge(text(numbers).as_bytes(), 0..5, 20).ok();
        assert_eq!(judge(&[]), Some(0));
        assert_eq!(judge(&[0, 3, 4]), Some(3));
        assert_eq!(judge(&[0, 1, 2, 3, 4]), Some(5));
        assert_eq!(judge(&[3, 0]), None, "out of order");
        assert_eq!(judge(&[3, 3]), None, "twice");
        assert_eq!(judge(&[5]), None, "not asked for");
    }

    #[test]
    fn a_wrong_value_is_an_error() {
        let bent = text(&[1, 2]).replace("v1", "v7");
        assert!(judge(bent.as_bytes(), 0..5, 20).is_err());
        assert!(judge(b"SERVER_ERROR\r\n", 0..5, 20).is_err());
        assert!(judge(b"", 0..5, 20).is_err());
    }

    #[test]
    fn parts_are_all_of_them() {
        assert_eq!(parts(5, 2).collect::<Vec<_>>(), [0..2, 2..4, 4..5]);
        assert_eq!(parts(4, 2).count(), 2);
    }
}
