// SPDX-License-Identifier: GPL-2.0-only
//! Hit ratios of several servers on the same traces: `make bench-hits`.
//!
//! A trace asks for keys; what is not there is stored at once. Each server, of
//! each size, begins empty and gets the same trace over TCP; the first half of
//! it fills and settles the cache, hits of the second half are counted. Keys are
//! asked for many at a time, never one twice in a batch, and misses are stored
//! before anything else is asked for.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{bail, ensure, Context, Result};
use blackbox::case::Transport;
use blackbox::server::{free_address, Server};
use clap::Parser;
use core_bench::trace::{Asked, Sizes, Trace};

/// Hit ratios of servers, side by side.
#[derive(Parser)]
struct Arguments {
    /// NAME=COMMAND of a server; {addr}, {port} and {mib} are filled in. The
    /// first is compared with the others.
    #[arg(long = "server", required = true)]
    servers: Vec<String>,
    /// Sizes of the cache in MiB.
    #[arg(long, value_delimiter = ',', default_value = "16,32,64")]
    mib: Vec<u32>,
    /// Length of a trace.
    #[arg(long, default_value_t = 1_000_000)]
    requests: usize,
    /// Most keys of a batch.
    #[arg(long, default_value_t = 32)]
    batch: usize,
}

/// What came of the second half of a trace, scans left out.
#[derive(Clone, Copy, Default)]
struct Score {
    hits: u64,
    asked: u64,
}

impl Score {
    fn percent(self) -> f64 {
        self.hits as f64 * 100.0 / self.asked as f64
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let mut servers = Vec::new();
    for server in &arguments.servers {
        servers.push(server.split_once('=').context("NAME=COMMAND")?);
    }
    print!("| trace | values | MiB |");
    for (name, _) in &servers {
        print!(" {name} |");
    }
    println!(
        " better by |\n|---|---|---|{}---|",
        "---|".repeat(servers.len())
    );
    for scans in [false, true] {
        for sizes in [Sizes::Fixed(32), Sizes::Fixed(320), Sizes::Mixed] {
            for mib in &arguments.mib {
                let mut percents = Vec::new();
                for (_, command) in &servers {
                    let command = command.replace("{mib}", &mib.to_string());
                    let trace = Trace::new(scans, sizes).take(arguments.requests);
                    percents.push(run(&command, trace, &arguments)?.percent());
                }
                let name = if scans { "Zipf with scans" } else { "Zipf" };
                print!("| {name} | {sizes} | {mib} |");
                for percent in &percents {
                    print!(" {percent:.2} % |");
                }
                let best = percents.iter().skip(1).copied().fold(0.0, f64::max);
                println!(" {:+.2} |", percents[0] - best);
            }
        }
    }
    Ok(())
}

fn run(command: &str, trace: impl Iterator<Item = Asked>, arguments: &Arguments) -> Result<Score> {
    let addr = free_address(false)?;
    let _server = Server::start(command, addr, Transport::Tcp)?;
    let mut client = Client::connect(addr)?;
    let mut score = Score::default();
    let mut batch: Vec<Asked> = Vec::new();
    let mut keys = HashSet::new();
    for (number, asked) in trace.enumerate() {
        if batch.len() == arguments.batch || keys.contains(&asked.key) {
            client.ask(&batch, &mut score)?;
            batch.clear();
            keys.clear();
        }
        if number == arguments.requests / 2 {
            score = Score::default();
        }
        keys.insert(asked.key);
        batch.push(asked);
    }
    client.ask(&batch, &mut score)?;
    Ok(score)
}

struct Client {
    output: TcpStream,
    input: BufReader<TcpStream>,
    /// To be sent with what is sent next.
    pending: Vec<u8>,
    line: String,
    block: Vec<u8>,
}

impl Client {
    fn connect(addr: SocketAddr) -> Result<Self> {
        let output = TcpStream::connect(addr)?;
        output.set_nodelay(true)?;
        Ok(Self {
            input: BufReader::with_capacity(1 << 16, output.try_clone()?),
            output,
            pending: Vec::new(),
            line: String::new(),
            block: Vec::new(),
        })
    }

    /// Asks for a batch, and has what is missing stored before the next.
    fn ask(&mut self, batch: &[Asked], score: &mut Score) -> Result<()> {
        self.pending.extend_from_slice(b"get");
        for asked in batch {
            write!(self.pending, " {}", asked.name())?;
        }
        self.pending.extend_from_slice(b"\r\n");
        self.output.write_all(&self.pending)?;
        self.pending.clear();
        let mut next = self.read()?;
        for asked in batch {
            let hit = next.as_deref() == Some(&asked.name());
            if hit {
                ensure!(
                    self.block == asked.value(),
                    "another value of {}",
                    asked.name()
                );
                next = self.read()?;
            } else {
                let value = asked.value();
                let len = value.len() - 2;
                write!(self.pending, "set {} 0 0 {len} noreply\r\n", asked.name())?;
                self.pending.extend_from_slice(&value);
            }
            if !asked.is_scan {
                score.asked += 1;
                score.hits += u64::from(hit);
            }
        }
        ensure!(next.is_none(), "more than was asked for: {next:?}");
        Ok(())
    }

    /// Reads a value into the block, CRLF and all; its key, `None` at the end.
    fn read(&mut self) -> Result<Option<String>> {
        self.line.clear();
        self.input.read_line(&mut self.line)?;
        if self.line == "END\r\n" {
            return Ok(None);
        }
        let words: Vec<&str> = self.line.split_whitespace().collect();
        let ["VALUE", key, _, len] = words[..] else {
            bail!("an answer that is none: {:?}", self.line);
        };
        self.block.resize(len.parse::<usize>()? + 2, 0);
        self.input.read_exact(&mut self.block)?;
        Ok(Some(key.to_owned()))
    }
}
