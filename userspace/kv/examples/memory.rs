// SPDX-License-Identifier: GPL-2.0-only
//! How many items go into a store: loads more than fits, and reads back.
//!
//!     cargo run --release --example memory MIB VALUE [HOST:PORT]
//!
//! VALUE is the length of the values. With an address the same is done to the
//! memcached there, over TCP; it should just have been started with -m MIB, since
//! it does not give pages back to other sizes soon.

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use common::{store, NoHost, MIB, UNIX};
use kv::store::{Change, Done, Entry, Look, Lookup};
use kv::{Context, Counters, Now};

const KEY_LEN: usize = 16;

fn key(number: usize) -> String {
    format!("{number:0>width$}", width = KEY_LEN)
}

/// How many keys make more than fits: half as much again as there are bytes.
fn keys(mib: usize, value: usize) -> usize {
    mib * MIB * 3 / 2 / (KEY_LEN + value)
}

fn ours(mib: usize, value: usize) -> usize {
    let kv = store(mib * MIB);
    let counters = [Counters::new()];
    let cx = Context {
        now: Now::START,
        unix_now: UNIX,
        mine: &counters[0],
        all: &counters,
        host: &NoHost,
    };
    let data = vec![b'v'; value];
    for number in 0..keys(mib, value) {
        let key = key(number);
        let stored = kv.update(key.as_bytes(), &cx, |_| {
            Change::Store(Entry::new(0, 0, &data))
        });
        let done = stored.done;
        assert!(matches!(done, Done::Stored { .. }), "{done:?}");
    }
    let whole = |number: &usize| {
        let key = key(*number);
        let same = |found: &kv::store::Value<'_>| found.data() == data;
        kv.get(key.as_bytes(), Look::Peek, &cx, same) == Lookup::Hit(true)
    };
    let held = (0..keys(mib, value)).filter(whole).count();
    assert_eq!(held as u64, kv.usage().items);
    held
}

fn theirs(address: &str, mib: usize, value: usize) -> std::io::Result<usize> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut answers = BufReader::new(stream.try_clone()?);
    stream.write_all(b"flush_all\r\n")?;
    let mut line = String::new();
    answers.read_line(&mut line)?;
    let data = "v".repeat(value);
    let mut batch = Vec::new();
    for number in 0..keys(mib, value) {
        write!(
            batch,
            "set {} 0 0 {value} noreply\r\n{data}\r\n",
            key(number)
        )?;
        if batch.len() > 1 << 16 {
            stream.write_all(&batch)?;
            batch.clear();
        }
    }
    batch.extend_from_slice(b"version\r\n");
    stream.write_all(&batch)?;
    answers.read_line(&mut line)?;
    let mut held = 0;
    let all: Vec<usize> = (0..keys(mib, value)).collect();
    for numbers in all.chunks(50) {
        let names: String = numbers.iter().map(|n| format!(" {}", key(*n))).collect();
        stream.write_all(format!("get{names}\r\n").as_bytes())?;
        loop {
            line.clear();
            answers.read_line(&mut line)?;
            if line == "END\r\n" {
                break;
            }
            let mut block = vec![0; value + 2];
            answers.read_exact(&mut block)?;
            held += 1;
        }
    }
    Ok(held)
}

fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default| arguments.next().map_or(default, |n| n.parse().unwrap());
    let (mib, value) = (number(64), number(32));
    let per_item = |held: usize| (mib * MIB) as f64 / held as f64;
    let held = ours(mib, value);
    print!("{KEY_LEN}-byte keys, {value}-byte values, {mib} MiB: ");
    print!("{held} items, {:.1} bytes each", per_item(held));
    if let Some(address) = arguments.next() {
        let other = theirs(&address, mib, value)?;
        let more = (held as f64 / other as f64 - 1.0) * 100.0;
        print!("; memcached {other}, {:.1}; {more:+.1} %", per_item(other));
    }
    println!();
    Ok(())
}
