// SPDX-License-Identifier: GPL-2.0-only
//! How many items go into a store: loads more than fits, and reads back.
//!
//!     cargo run --release --example memory MIB VALUE [REGION [HOST:PORT]]
//!
//! VALUE is the length of the values. REGION are the bytes that the store's region has
//! of the memory, as /sys/module/unbuckle/memory/store says of a module; 0 stands for all
//! that the store leaves for it. With an address the same is done to the
//! memcached there, over TCP; it should just have been started with -m MIB, since
//! it does not give pages back to other sizes soon.

#[path = "../tests/common/mod.rs"]
mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use common::{cx, MIB};
use host::{Region, Userspace};
use kv::store::{Change, Done, Entry, Look, Lookup};
use kv::{Config, Counters, Kv, Now};

const KEY_LEN: usize = 16;

fn key(number: usize) -> String {
    format!("{number:0>width$}", width = KEY_LEN)
}

/// How many keys make more than fits: half as much again as there are bytes.
fn keys(mib: usize, value: usize) -> usize {
    mib * MIB * 3 / 2 / (KEY_LEN + value)
}

fn ours(mib: usize, value: usize, region: usize) -> usize {
    let config = Config {
        memory: mib * MIB,
        ..Config::new([1, 2])
    };
    let region = match region {
        0 => config.memory - Kv::<Userspace>::beside(&config),
        region => region,
    };
    let kv = Kv::<Userspace>::new(Region::new(region).unwrap(), &config).unwrap();
    let counters = [Counters::new()];
    let cx = cx(&counters, 0, Now::START.0);
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
        let same =
            |found: &kv::store::Value<'_>| kv.data(found).collect::<Vec<_>>().concat() == data;
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
    let (mib, value, region) = (number(64), number(32), number(0));
    let per_item = |held: usize| (mib * MIB) as f64 / held as f64;
    let held = ours(mib, value, region);
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
