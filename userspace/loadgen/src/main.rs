// SPDX-License-Identifier: GPL-2.0-only

//! Load for anything that speaks memcached over UDP or TCP. Every reply is verified,
//! every loss counted; the result is one line of JSON.

#![forbid(unsafe_code)]

mod cli;
mod echo;
mod flight;
mod framing;
mod inbox;
mod items;
mod link;
mod mix;
mod pace;
mod progress;
mod reply;
mod report;
mod session;
mod wire;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("loadgen: {error:#}");
            ExitCode::from(2)
        }
    }
}
