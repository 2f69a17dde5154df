// SPDX-License-Identifier: GPL-2.0-only

//! Black-box tests for anything that speaks memcached over UDP or TCP:
//! bytes in, bytes out, with no knowledge of what is inside.
//!
//! Three suites share the client: [`runner`] plays the table of cases in
//! `tests/cases`, [`checks`] runs the seven timed regression checks, and
//! [`histories`] has several clients at the same keys. [`density`] counts what a
//! server holds.

#![forbid(unsafe_code)]

pub mod ask;
pub mod case;
pub mod checks;
pub mod client;
pub mod density;
pub mod frame;
pub mod histories;
pub mod packet;
mod patient;
pub mod runner;
pub mod server;
pub mod stream;
pub mod template;
pub mod text;
