// SPDX-License-Identifier: GPL-2.0
//! The userspace twin of unbuckle: the same core, over ordinary UDP sockets.

mod platform;
mod server;
mod socket;
mod status;

use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::Parser;
use kv::limits::{MEMORY_MAX, WORKERS_MAX};
use kv::{Config, Counters, Kv};
use nix::sys::signal::{SigSet, Signal};

use crate::platform::{Region, Userspace};
use crate::server::Server;
use crate::status::Status;

const MIB: usize = 1 << 20;

/// memcached over UDP in userspace: the same store and protocol as the kernel
/// module unbuckle, over ordinary sockets.
///
/// Runs in the foreground until it is told to end (SIGINT, SIGTERM), and then
/// prints its totals.
#[derive(Debug, Parser)]
#[command(name = "unbuckle-twin", version)]
struct Args {
    /// UDP port to serve
    #[arg(short, long, default_value_t = 11211, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// Memory for items, in MiB; all of it is reserved at the start
    #[arg(short, long, value_name = "MIB", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=(MEMORY_MAX / MIB) as i64))]
    memory: u32,

    /// Threads that serve [default: one per CPU]
    #[arg(short, long, value_name = "N",
          value_parser = clap::value_parser!(u8).range(1..=WORKERS_MAX as i64))]
    threads: Option<u8>,

    /// Address to listen on [default: all, IPv6 and IPv4]
    #[arg(short, long, value_name = "ADDR")]
    listen: Option<IpAddr>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("unbuckle-twin: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), String> {
    // Before any thread is started, so that all of them inherit it and the
    // signals wait for whoever asks for them.
    let signals = SigSet::from_iter([Signal::SIGINT, Signal::SIGTERM]);
    signals
        .thread_block()
        .map_err(|errno| format!("blocking signals: {errno}"))?;

    let (socket, listening) = socket::open(args.listen, args.port)?;
    let kv = store(args.memory)?;
    let threads = usize::from(args.threads.unwrap_or_else(default_threads));
    let counters: Vec<Counters> = (0..threads).map(|_| Counters::new()).collect();
    let status = Status::new(threads);
    let stop = AtomicBool::new(false);

    thread::scope(|scope| {
        for mine in &counters {
            let server = Server {
                socket: &socket,
                port: args.port,
                kv: &kv,
                mine,
                all: &counters,
                status: &status,
                stop: &stop,
            };
            scope.spawn(move || server.run());
        }
        println!(
            "unbuckle-twin: serving {listening} UDP, {} MiB, {threads} threads",
            args.memory
        );
        let signal = signals.wait();
        // Pairs with nothing: the threads look now and then, and share no data
        // that depends on it.
        stop.store(true, Ordering::Relaxed);
        match signal {
            Ok(signal) => println!("unbuckle-twin: {signal}, ending"),
            Err(errno) => eprintln!("unbuckle-twin: waiting for signals: {errno}"),
        }
    });
    println!("{}", status.totals(&kv, &counters));
    Ok(())
}

fn store(mebibytes: u32) -> Result<Kv<Userspace>, String> {
    let len = usize::try_from(mebibytes)
        .ok()
        .and_then(|mebibytes| mebibytes.checked_mul(MIB))
        .ok_or("more memory than can be addressed")?;
    let memory = Region::new(len).map_err(|errno| format!("reserving {mebibytes} MiB: {errno}"))?;
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| format!("random hash key: {error}"))?;
    let (high, low) = key.split_at(8);
    let word = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |word, byte| word << 8 | u64::from(*byte))
    };
    let config = Config::new([word(high), word(low)]);
    Kv::new(memory, &config).map_err(|error| format!("making the store: {error:?}"))
}

fn default_threads() -> u8 {
    let cpus = thread::available_parallelism().map_or(1, |cpus| cpus.get().min(WORKERS_MAX));
    u8::try_from(cpus).unwrap_or(1)
}
