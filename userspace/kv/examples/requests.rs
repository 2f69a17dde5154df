// SPDX-License-Identifier: GPL-2.0-only
//! What a request costs the core, in instructions, counted by valgrind.
//!
//!     cargo run --profile kernel --example requests [WORKLOAD…]
//!
//! Each workload is run twice, the second time with more requests; the
//! difference is what those cost, from [`kv::serve_in_place`] or [`kv::serve`] to its return,
//! without what the loop itself costs. To see where they go:
//!
//!     valgrind --tool=callgrind target/kernel/examples/requests run WORKLOAD 2000
//!
//! The profile `kernel` has the kernel's optimisation flags. What differs there:
//! the locks, copying (no vector registers), and returns (thunks).

#[path = "../tests/common/mod.rs"]
mod common;

use std::env;
use std::hint::black_box;
use std::process::{Command, ExitCode};

use common::{store, NoHost, MIB, UNIX};
use host::Here;
use kv::limits::{DATAGRAM_MAX, FRAME_LEN, REPLY_MAX};
use kv::{serve, serve_in_place, Context, Counters, InPlace, Now, Reply};

const KEYS: usize = 1000;

/// Requests of the two runs.
const RUNS: [usize; 2] = [KEYS, 3 * KEYS];

/// The loop alone.
const NOTHING: &str = "nothing";

/// Keys that are stored in turn where others have to go: more than there is room for.
const NEW_KEYS: usize = 30 * KEYS;

const WORKLOADS: [&str; 11] = [
    "get-32",
    "get-1024",
    "miss",
    "gets-32",
    "mget10-32",
    "mg-32",
    "set-32",
    "set-1024",
    "evict-32",
    "add-32",
    "incr",
];

/// Keys as the load generator makes them.
fn key(number: usize) -> String {
    format!("key-{number:0>12}")
}

fn datagram(text: &str) -> Vec<u8> {
    let frame = [0x12, 0x34, 0, 0, 0, 1, 0, 0];
    [&frame, text.as_bytes()].concat()
}

/// What the store holds before.
fn fill(workload: &str, number: usize) -> String {
    let data = match workload.rsplit_once('-') {
        _ if workload == "incr" => "1000000".to_owned(),
        Some((_, len)) => "v".repeat(len.parse().unwrap_or(32)),
        None => "v".repeat(32),
    };
    format!("set {} 0 0 {}\r\n{data}\r\n", key(number), data.len())
}

fn request(workload: &str, number: usize) -> String {
    let name = key(number);
    match workload {
        "miss" => format!("get {}\r\n", key(number + KEYS)),
        "gets-32" => format!("gets {name}\r\n"),
        "mget10-32" => {
            let keys: String = (0..10)
                .map(|n| format!(" {}", key((number + n) % KEYS)))
                .collect();
            format!("get{keys}\r\n")
        }
        "mg-32" => format!("mg {name} v\r\n"),
        "set-32" | "set-1024" | "evict-32" => fill(workload, number),
        "add-32" => fill(workload, number).replacen("set", "add", 1),
        "incr" => format!("incr {name} 1\r\n"),
        _ => format!("get {name}\r\n"),
    }
}

fn run(workload: &str, count: usize) {
    let evict = workload.starts_with("evict");
    let (size, keys) = if evict {
        (MIB, NEW_KEYS)
    } else {
        (64 * MIB, KEYS)
    };
    let kv = store(size);
    let counters = [Counters::new()];
    let cx = Context {
        now: Now(100),
        unix_now: UNIX,
        mine: &counters[0],
        all: &counters,
        host: &NoHost,
    };
    let mut place = vec![0; 2 * DATAGRAM_MAX];
    let mut text = vec![0; REPLY_MAX];
    let before: Vec<_> = (0..KEYS).map(|n| datagram(&fill(workload, n))).collect();
    // A datagram is answered where it came in, and so it is put there each time.
    let mut ask = |datagram: &[u8], nothing: bool| {
        place[..datagram.len()].copy_from_slice(datagram);
        if nothing {
            return black_box(&place).len();
        }
        let here = Here {
            kv: &kv,
            cx: &cx,
            elsewhere: &mut text,
        };
        match serve_in_place(here, &mut place[..DATAGRAM_MAX], datagram.len()) {
            InPlace::Here(len) => len as usize - FRAME_LEN,
            InPlace::Elsewhere { len, .. } => len as usize,
            InPlace::Not => {
                let mut reply = Reply::new(&mut text);
                serve(&kv, &cx, &place[..datagram.len()], &mut reply);
                reply.written()
            }
        }
    };
    for datagram in &before {
        assert_eq!(ask(datagram, false), b"STORED\r\n".len());
    }
    let requests: Vec<_> = (0..keys).map(|n| datagram(&request(workload, n))).collect();
    // Twice each, so that nothing happens for the first time when it is counted.
    for datagram in requests.iter().cycle().take(2 * keys) {
        ask(datagram, false);
    }
    let mut answered = 0;
    for datagram in requests.iter().cycle().take(count) {
        answered += usize::from(ask(black_box(datagram), workload == NOTHING) > 0);
    }
    assert_eq!(answered, count);
    assert!(!evict || counters[0].evictions.get() > count as u64);
}

/// Instructions of one run.
fn instructions(workload: &str, count: usize) -> u64 {
    let own = env::current_exe().expect("who this is");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own)
        .args(["run", workload, &count.to_string()])
        .output()
        .expect("valgrind should be installed");
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let collected = log.lines().find_map(|line| line.split_once("Collected : "));
    match collected.and_then(|(_, number)| number.trim().parse().ok()) {
        Some(number) if output.status.success() => number,
        _ => panic!("{workload}: {log}"),
    }
}

fn per_request(workload: &str) -> f64 {
    let [few, many] = RUNS.map(|count| instructions(workload, count));
    (many - few) as f64 / (RUNS[1] - RUNS[0]) as f64
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [command, workload, count] = arguments.as_slice() {
        if command == "run" {
            run(workload, count.parse().expect("a number of requests"));
            return ExitCode::SUCCESS;
        }
    }
    let chosen =
        |workload: &&&str| arguments.is_empty() || arguments.iter().any(|a| a == **workload);
    let nothing = per_request(NOTHING);
    let mut any = false;
    for workload in WORKLOADS.iter().filter(chosen) {
        println!("{workload:<10} {:8.1}", per_request(workload) - nothing);
        any = true;
    }
    if any {
        return ExitCode::SUCCESS;
    }
    eprintln!("no such workload; there are: {}", WORKLOADS.join(" "));
    ExitCode::FAILURE
}
