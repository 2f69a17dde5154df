// SPDX-License-Identifier: GPL-2.0-only
//! The userspace twin of unbuckle: the same core, over ordinary sockets.

mod service;
mod socket;
mod status;
mod tcp;
mod udp;

use std::net::IpAddr;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use clap::Parser;
use host::{Region, Userspace};
use kv::limits::{
    GROWTH_MAX, GROWTH_MIN, ITEM_MAX, ITEM_MAX_MIN, MEMORY_MAX, MIN_CHUNK_MAX, MIN_CHUNK_MIN,
    STRIPES_MAX, WORKERS_MAX,
};
use kv::{parse_growth, Config, Counters, Kv};
use mio::Poll;
use nix::sys::signal::{SigSet, Signal};

use crate::service::Service;
use crate::socket::Sockets;
use crate::status::{Ports, Status};
use crate::tcp::{Connections, Inbox};

const MIB: usize = 1 << 20;

/// memcached in userspace: the same store and protocols as the kernel module
/// unbuckle, over ordinary sockets.
///
/// Speaks memcached's text, meta and binary protocols, over UDP and TCP on the
/// same port. Runs in the foreground until it is told to end (SIGINT, SIGTERM),
/// and then prints its totals.
#[derive(Debug, Parser)]
#[command(name = "unbuckle-twin", version)]
struct Args {
    /// Port to serve, of UDP and of TCP
    #[arg(short, long, default_value_t = 11211, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,

    /// Memory of the store in MiB: items, table, locks, all reserved at the start. Buffers
    /// of threads and connections come on top
    #[arg(short, long, value_name = "MIB", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=(MEMORY_MAX / MIB) as i64))]
    memory: u32,

    /// Bytes that the smallest chunk has for key, flags and value
    #[arg(long, value_name = "BYTES", default_value_t = 32,
          value_parser = clap::value_parser!(u32).range(MIN_CHUNK_MIN as i64..=MIN_CHUNK_MAX as i64))]
    min_chunk: u32,

    /// How large each size class's chunks are in those of the next smaller one
    #[arg(long, value_name = "FACTOR", default_value = "1.25", value_parser = growth)]
    growth: Growth,

    /// Bytes of the largest item, as memcached counts them; never more than a
    /// quarter of the memory's pages
    #[arg(long, value_name = "BYTES", default_value_t = ITEM_MAX as u32,
          value_parser = clap::value_parser!(u32).range(ITEM_MAX_MIN as i64..=ITEM_MAX as i64))]
    item_max: u32,

    /// Locks of the table, a power of two; 1 is a global lock
    #[arg(long, value_name = "N", default_value_t = 256, value_parser = stripes)]
    stripes: usize,

    /// Threads that serve datagrams, and as many that serve connections
    /// [default: one per CPU]
    #[arg(short, long, value_name = "N",
          value_parser = clap::value_parser!(u8).range(1..=WORKERS_MAX as i64))]
    threads: Option<u8>,

    /// Address to listen on [default: all, IPv6 and IPv4]
    #[arg(short, long, value_name = "ADDR")]
    listen: Option<IpAddr>,

    /// TCP connections at the same time; whoever comes then is told so, and
    /// the connection closed
    #[arg(short = 'c', long, value_name = "N", default_value_t = 1024,
          value_parser = clap::value_parser!(u32).range(1..))]
    max_connections: u32,

    /// Serve TCP alone
    #[arg(long, conflicts_with = "no_tcp")]
    no_udp: bool,

    /// Serve UDP alone
    #[arg(long)]
    no_tcp: bool,
}

/// A growth factor in hundredths.
#[derive(Clone, Copy, Debug)]
struct Growth(usize);

fn growth(text: &str) -> Result<Growth, String> {
    parse_growth(text.as_bytes())
        .filter(|percent| (GROWTH_MIN..=GROWTH_MAX).contains(percent))
        .map(Growth)
        .ok_or_else(|| {
            let factor = |percent: usize| percent as f64 / 100.0;
            let (least, most) = (factor(GROWTH_MIN), factor(GROWTH_MAX));
            format!("not a factor from {least:.2} to {most:.2} with at most two decimals")
        })
}

fn stripes(text: &str) -> Result<usize, String> {
    let stripes = text.parse().ok();
    stripes
        .filter(|stripes: &usize| stripes.is_power_of_two() && *stripes <= STRIPES_MAX)
        .ok_or_else(|| format!("not a power of two from 1 to {STRIPES_MAX}"))
}

impl Args {
    /// What is served, for people.
    fn protocols(&self) -> &'static str {
        match (self.no_udp, self.no_tcp) {
            (true, _) => "TCP",
            (_, true) => "UDP",
            _ => "UDP and TCP",
        }
    }
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

    let sockets = Sockets::open(args.listen, args.port, (!args.no_udp, !args.no_tcp))?;
    let kv = store(args)?;
    let threads = usize::from(args.threads.unwrap_or_else(default_threads));
    let counters: Vec<Counters> = (0..threads).map(|_| Counters::new()).collect();
    let max = if args.no_tcp { 0 } else { args.max_connections };
    let ports = Ports {
        tcp: if args.no_tcp { 0 } else { args.port },
        udp: if args.no_udp { 0 } else { args.port },
    };
    let status = Status::new(threads, ports, Connections::new(u64::from(max)));
    let stop = AtomicBool::new(false);
    let service = Service {
        kv: &kv,
        counters: &counters,
        status: &status,
        stop: &stop,
    };
    let (polls, inboxes) = inboxes(threads).map_err(|error| format!("epoll: {error}"))?;

    thread::scope(|scope| {
        if let Some(socket) = &sockets.udp {
            for mine in &counters {
                let server = udp::Server {
                    service: &service,
                    mine,
                    socket,
                    port: args.port,
                };
                scope.spawn(move || server.run());
            }
        }
        if let Some(listener) = &sockets.tcp {
            for ((mine, inbox), poll) in counters.iter().zip(&inboxes).zip(polls) {
                let worker = tcp::Worker {
                    service: &service,
                    mine,
                    inbox,
                };
                scope.spawn(move || worker.run(poll));
            }
            scope.spawn(|| tcp::accept(listener, &inboxes, &status, &stop));
        }
        println!(
            "unbuckle-twin: serving {} {}, {} MiB, {threads} threads",
            sockets.address,
            args.protocols(),
            args.memory
        );
        let signal = signals.wait();
        // Relaxed: the threads share no data that depends on it.
        stop.store(true, Ordering::Relaxed);
        sockets.shut_down();
        inboxes.iter().for_each(Inbox::wake);
        match signal {
            Ok(signal) => println!("unbuckle-twin: {signal}, ending"),
            Err(errno) => eprintln!("unbuckle-twin: waiting for signals: {errno}"),
        }
    });
    println!("{}", status.totals(&kv, &counters));
    Ok(())
}

/// For each thread that serves connections, what it waits on and what wakes it.
fn inboxes(threads: usize) -> std::io::Result<(Vec<Poll>, Vec<Inbox>)> {
    let polls = (0..threads)
        .map(|_| Poll::new())
        .collect::<Result<Vec<_>, _>>()?;
    let inboxes = polls.iter().map(Inbox::new).collect::<Result<_, _>>()?;
    Ok((polls, inboxes))
}

fn store(args: &Args) -> Result<Kv<Userspace>, String> {
    let mebibytes = args.memory;
    let len = usize::try_from(mebibytes)
        .ok()
        .and_then(|mebibytes| mebibytes.checked_mul(MIB))
        .ok_or("more memory than can be addressed")?;
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| format!("random hash key: {error}"))?;
    let (high, low) = key.split_at(8);
    let word = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0, |word, byte| (word << 8) | u64::from(*byte))
    };
    let config = Config {
        hash_key: [word(high), word(low)],
        memory: len,
        stripes: args.stripes,
        min_chunk: args.min_chunk as usize,
        growth_percent: args.growth.0,
        item_max: args.item_max as usize,
    };
    let region = len.saturating_sub(Kv::<Userspace>::beside(&config));
    let memory =
        Region::new(region).map_err(|errno| format!("reserving {mebibytes} MiB: {errno}"))?;
    Kv::new(memory, &config).map_err(|error| format!("making the store: {error:?}"))
}

fn default_threads() -> u8 {
    let cpus = thread::available_parallelism().map_or(1, |cpus| cpus.get().min(WORKERS_MAX));
    u8::try_from(cpus).unwrap_or(1)
}
