// SPDX-License-Identifier: GPL-2.0-only
//! The userspace twin of unbuckle: the same core, over ordinary sockets.

mod platform;
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
use kv::limits::{MEMORY_MAX, WORKERS_MAX};
use kv::{Config, Counters, Kv};
use mio::Poll;
use nix::sys::signal::{SigSet, Signal};

use crate::platform::{Region, Userspace};
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

    /// Memory for items, in MiB; all of it is reserved at the start
    #[arg(short, long, value_name = "MIB", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..=(MEMORY_MAX / MIB) as i64))]
    memory: u32,

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
    let kv = store(args.memory)?;
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
