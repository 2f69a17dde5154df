// SPDX-License-Identifier: GPL-2.0-only
//! The parts of a request: hash, parse, lock; and a whole one.

use std::cell::RefCell;
use std::hash::Hasher;
use std::hint::black_box;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use core_bench::caches::Ours;
use core_bench::work::{fill, Size, ITEMS, MIB, SIZES};
use criterion::Criterion;
use host::Userspace;
use kv::hash::{siphash13, Keyed};
use kv::platform::{Platform, RwLock};
use kv::request::{parse, Source};

use crate::table::{Table, Who};

pub(crate) fn all(criterion: &mut Criterion, whole: bool) -> Vec<Table> {
    vec![
        hash(criterion, whole),
        requests(criterion, whole),
        locks(criterion, whole),
    ]
}

fn repeat<R>(count: u64, mut what: impl FnMut() -> R) -> Duration {
    let start = Instant::now();
    for _ in 0..count {
        black_box(what());
    }
    start.elapsed()
}

/// Ours, and the one of the standard library, SipHash-1-3, from which our secret is drawn.
fn hash(criterion: &mut Criterion, whole: bool) -> Table {
    let names = ["multilinear", "SipHash-1-3 (ours)", "SipHash-1-3 (std)"];
    let mut table = Table::new("Hash", &names);
    let keyed = Keyed::new([1, 2]);
    for len in [16, 64, 250] {
        let key = vec![b'k'; len];
        let ours = |count| repeat(count, || black_box(&keyed).hash(black_box(&key)));
        let sip = |count| repeat(count, || siphash13(black_box([1, 2]), black_box(&key)));
        let theirs = |count| {
            repeat(count, || {
                let mut hasher = black_box(std::hash::DefaultHasher::new());
                hasher.write(black_box(&key));
                hasher.finish()
            })
        };
        let everybody = [
            Who::new(names[0], ours),
            Who::new(names[1], sip),
            Who::new(names[2], theirs),
        ];
        table.measure(criterion, whole, &format!("{len} bytes"), &everybody);
    }
    table
}

fn get_of(size: Size) -> Vec<u8> {
    format!("get {}\r\n", "k".repeat(size.key)).into_bytes()
}

fn set_of(size: Size) -> Vec<u8> {
    let (key, value) = ("k".repeat(size.key), "v".repeat(size.value));
    format!("set {key} 0 0 {}\r\n{value}\r\n", size.value).into_bytes()
}

/// What becomes of a datagram: text to command, and all the way to a reply.
fn requests(criterion: &mut Criterion, whole: bool) -> Table {
    let names = ["parse get", "parse set", "serve get", "serve set"];
    let mut table = Table::new("Request", &names);
    for size in SIZES {
        let ours = Ours::new(16 * MIB + 2 * ITEMS as usize * (size.key + size.value), 256);
        fill(&ours, size);
        let place = RefCell::new(vec![0; 2 * kv::limits::DATAGRAM_MAX]);
        let text = RefCell::new(vec![0; kv::limits::REPLY_MAX]);
        let (get, set) = (get_of(size), set_of(size));
        let read = |text: &[u8], count| {
            repeat(count, || {
                black_box(parse(black_box(text), Source::Datagram));
            })
        };
        let datagrams = [&get, &set].map(|text| [b"\0\x01\0\0\0\x01\0\0", &text[..]].concat());
        let serve = |datagram: &[u8], count| {
            let (place, text) = (&mut place.borrow_mut(), &mut text.borrow_mut());
            repeat(count, || ours.serve(black_box(datagram), place, text))
        };
        let stored = ours.serve(
            &datagrams[1],
            &mut place.borrow_mut(),
            &mut text.borrow_mut(),
        );
        assert_eq!(stored, b"STORED\r\n".len());
        let everybody = [
            Who::new(names[0], |count| read(&get, count)),
            Who::new(names[1], |count| read(&set, count)),
            Who::new(names[2], |count| serve(&datagrams[0], count)),
            Who::new(names[3], |count| serve(&datagrams[1], count)),
        ];
        table.measure(criterion, whole, &size.to_string(), &everybody);
    }
    table
}

type Lock = RwLock<<Userspace as Platform>::RwLock, u64>;

/// What a stripe's lock takes: alone, by two threads at once, and by two threads
/// that seldom meet.
fn locks(criterion: &mut Criterion, whole: bool) -> Table {
    let names = ["1 thread", "2 threads, 1 lock", "2 threads, 256 locks"];
    let mut table = Table::new("Lock", &names);
    let locks: Vec<Lock> = (0..256).map(|n| Lock::new(false, n).unwrap()).collect();
    let pick = |step: u64, among: usize| core_bench::work::mix(step) as usize % among;
    let read = |step, among| *locks[pick(step, among)].read();
    let write = |step, among| {
        let mut value = locks[pick(step, among)].write();
        *value = value.wrapping_add(1);
        *value
    };
    let mut measure = |case: &str, hold: &(dyn Fn(u64, usize) -> u64 + Sync)| {
        let everybody = [
            Who::new(names[0], |count| at_once(1, count, |step| hold(step, 1))),
            Who::new(names[1], |count| at_once(2, count, |step| hold(step, 1))),
            Who::new(names[2], |count| at_once(2, count, |step| hold(step, 256))),
        ];
        table.measure(criterion, whole, case, &everybody);
    };
    measure("read", &read);
    measure("write", &write);
    table
}

/// How long it takes until all threads have done something so many times each.
fn at_once(threads: u64, count: u64, what: impl Fn(u64) -> u64 + Sync) -> Duration {
    let barrier = Barrier::new(threads as usize);
    let run = |thread: u64| {
        barrier.wait();
        let start = Instant::now();
        for step in 0..count {
            black_box(what(step ^ (thread << 40)));
        }
        start.elapsed()
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|thread| scope.spawn(move || run(thread)))
            .collect();
        let times = handles.into_iter().map(|handle| handle.join().unwrap());
        times.max().unwrap_or_default()
    })
}
