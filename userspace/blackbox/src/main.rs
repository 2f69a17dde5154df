// SPDX-License-Identifier: GPL-2.0-only

//! The command line of the black-box tests.

#![forbid(unsafe_code)]

mod cli;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("blackbox: {error:#}");
            ExitCode::from(2)
        }
    }
}
