// SPDX-License-Identifier: GPL-2.0-only

//! Arguments, and what is printed.

mod cases;

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{bail, Context, Result};
use blackbox::case::Transport;
use blackbox::client::Client;
use blackbox::server::{self, Server};
use blackbox::template::show;
use blackbox::{ask, checks, density, histories, stream};
use clap::{Args, Parser, Subcommand};

/// Black-box tests for anything that speaks memcached.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Play the table of cases: bytes in, bytes out
    Cases(cases::CasesArgs),
    /// Run the seven timed regression checks
    Checks(ChecksArgs),
    /// Have several clients at the same keys, and check that an order of their
    /// requests explains what each was told (linearizability)
    Histories(HistoriesArgs),
    /// Count how many items a server holds: store more than that, read all back
    Density(DensityArgs),
    /// Send each text as one request and print the conversation
    Ask(AskArgs),
    /// Wait until the server answers
    Wait(WaitArgs),
}

/// Where the server is, or how to start one.
#[derive(Debug, Args)]
struct ServerArgs {
    /// Address of the server (with --spawn: a free port of loopback)
    #[arg(long)]
    addr: Option<SocketAddr>,
    /// Start this command first ({addr} and {port} filled in), end it last
    #[arg(long, value_name = "COMMAND")]
    spawn: Option<String>,
    /// Use IPv6 loopback for a spawned server
    #[arg(long)]
    v6: bool,
}

impl ServerArgs {
    fn start(&self, transport: Transport) -> Result<(SocketAddr, Option<Server>)> {
        let addr = match (self.addr, &self.spawn) {
            (Some(addr), _) if self.v6 && addr.is_ipv4() => {
                bail!("--v6, but {addr} is an IPv4 address")
            }
            (Some(addr), _) => addr,
            (None, Some(_)) => server::free_address(self.v6)?,
            (None, None) => bail!("one of --addr and --spawn is needed"),
        };
        let spawn = self.spawn.as_deref();
        let server = spawn
            .map(|c| Server::start(c, addr, transport))
            .transpose()?;
        Ok((addr, server))
    }
}

#[derive(Debug, Args)]
struct ChecksArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    config: checks::Config,
}

#[derive(Debug, Args)]
struct HistoriesArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// What carries the requests
    #[arg(long, value_enum, default_value = "udp")]
    transport: Transport,
    /// Seconds
    #[arg(long, default_value_t = 5.0)]
    duration: f64,
    /// Milliseconds an answer may take
    #[arg(long, default_value_t = 1000)]
    timeout_ms: u64,
}

#[derive(Debug, Args)]
struct DensityArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// What carries the requests
    #[arg(long, value_enum, default_value = "udp")]
    transport: Transport,
    /// How many keys, of 16 bytes, are stored
    #[arg(long, default_value_t = 800_000)]
    keys: u64,
    /// Bytes of a value
    #[arg(long, default_value_t = 32)]
    value_size: usize,
    /// Milliseconds an answer may take
    #[arg(long, default_value_t = 5000)]
    timeout_ms: u64,
}

#[derive(Debug, Args)]
struct AskArgs {
    /// Address of the server
    #[arg(long)]
    addr: SocketAddr,
    /// Milliseconds an answer may take
    #[arg(long, default_value_t = 2000)]
    timeout_ms: u64,
    /// Over one TCP connection instead of in datagrams
    #[arg(long)]
    tcp: bool,
    /// Send from this port (UDP only)
    #[arg(long, conflicts_with = "tcp")]
    source_port: Option<u16>,
    /// Requests, with \r\n and the other escapes written out
    #[arg(required = true)]
    texts: Vec<String>,
}

#[derive(Debug, Args)]
struct WaitArgs {
    /// Address of the server
    #[arg(long)]
    addr: SocketAddr,
    /// Seconds to wait at most
    #[arg(long, default_value_t = 30)]
    timeout: u64,
    /// Until it answers over TCP
    #[arg(long)]
    tcp: bool,
}

impl Cli {
    /// Does what was asked; false when a test failed.
    pub(crate) fn run(self) -> Result<bool> {
        match self.command {
            Command::Cases(args) => cases::run(&args),
            Command::Checks(args) => {
                let (addr, _server) = args.server.start(Transport::Udp)?;
                checks::run(addr, &args.config)
            }
            Command::Histories(args) => {
                let (addr, _server) = args.server.start(args.transport)?;
                let time = Duration::try_from_secs_f64(args.duration)?;
                let timeout = Duration::from_millis(args.timeout_ms);
                histories::run(addr, args.transport, time, timeout)
            }
            Command::Density(args) => {
                let (addr, _server) = args.server.start(args.transport)?;
                let timeout = Duration::from_millis(args.timeout_ms);
                let (keys, size) = (args.keys, args.value_size);
                let held = density::count(addr, args.transport, keys, size, timeout)?;
                println!("{held} of {keys}");
                Ok(true)
            }
            Command::Ask(args) => {
                let timeout = Duration::from_millis(args.timeout_ms);
                if args.tcp {
                    ask::converse_over_tcp(args.addr, &args.texts, timeout)
                } else {
                    let port = args.source_port.unwrap_or(0);
                    ask::converse(args.addr, port, &args.texts, timeout)
                }
            }
            Command::Wait(args) => wait(&args),
        }
    }
}

fn wait(args: &WaitArgs) -> Result<bool> {
    let timeout = Duration::from_secs(args.timeout);
    let reply = if args.tcp {
        stream::wait_ready(args.addr, timeout)?
    } else {
        Client::connect(args.addr)?.wait_ready(timeout)?
    };
    let reply = reply.with_context(|| format!("{} answers nothing in {timeout:?}", args.addr))?;
    println!("{} answers '{}'", args.addr, show(&reply));
    Ok(true)
}
