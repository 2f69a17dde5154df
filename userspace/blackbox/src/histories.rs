// SPDX-License-Identifier: GPL-2.0-only

//! Four clients at three keys: whether an order of their requests explains what
//! each of them was told. See the crate `races`.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use races::{play_for, Played};

use crate::case::Transport;
use crate::patient::Patient;

const CLIENTS: usize = 4;

/// Requests of each client to the same keys.
const REQUESTS: usize = 40;

impl races::Client for Patient {
    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, String> {
        self.reply(request).map_err(|error| format!("{error:#}"))
    }
}

/// Plays, and prints what came of it; false when no order explains it.
pub fn run(
    addr: SocketAddr,
    transport: Transport,
    time: Duration,
    timeout: Duration,
) -> Result<bool> {
    let clients: Result<Vec<_>> = (0..CLIENTS)
        .map(|_| Patient::new(addr, transport, timeout))
        .collect();
    let name = format!("{:08x}", rand::random::<u32>());
    let said = match play_for(time, &mut clients?, &name, REQUESTS) {
        // Without requests at the same time nothing was shown.
        Ok(played) if played.overlapping < 100 => Err(format!("too little: {played:?}")),
        said => said,
    };
    match &said {
        Ok(Played {
            requests,
            overlapping,
        }) => println!("ok   histories: {requests} requests, {overlapping} of them beside another"),
        Err(fault) => println!("FAIL histories: {fault}"),
    }
    let (passed, failed) = (u8::from(said.is_ok()), u8::from(said.is_err()));
    println!("{passed} passed, {failed} failed");
    Ok(said.is_ok())
}
