// SPDX-License-Identifier: GPL-2.0-only

//! A conversation for people to read.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::client::Client;
use crate::stream::{Connection, More};
use crate::template::{self, Vars};

/// How long a stream must be silent for an answer to be over.
const PAUSE: Duration = Duration::from_millis(100);

/// Sends each text as one datagram from `port` (0 for any) and prints both
/// sides. False when a request stayed without an answer.
pub fn converse(addr: SocketAddr, port: u16, texts: &[String], timeout: Duration) -> Result<bool> {
    let mut client = Client::connect_from(port, addr)?;
    let mut answered = true;
    let mut id: u16 = rand::random();
    for text in texts {
        id = id.wrapping_add(1);
        let request = template::bytes(text, &Vars::default())?;
        print_lines('>', &request);
        match client.ask(id, &request, timeout)? {
            Some(reply) => print_lines('<', &reply),
            None => {
                println!("< (no answer within {timeout:?})");
                answered = false;
            }
        }
    }
    Ok(answered)
}

/// The same over one connection. An answer is what comes until a pause.
pub fn converse_over_tcp(addr: SocketAddr, texts: &[String], timeout: Duration) -> Result<bool> {
    let mut connection = Connection::open(addr, timeout)?;
    let mut answered = true;
    for text in texts {
        let request = template::bytes(text, &Vars::default())?;
        print_lines('>', &request);
        connection.send(&request, None)?;
        let mut more = connection.read(Instant::now() + timeout)?;
        if more == More::Nothing {
            println!("< (no answer within {timeout:?})");
            answered = false;
        }
        while more == More::Some {
            more = connection.read(Instant::now() + PAUSE)?;
        }
        print_lines('<', &std::mem::take(&mut connection.received));
        if more == More::End {
            println!("< (the connection is closed)");
            return Ok(answered);
        }
    }
    Ok(answered)
}

/// One line of text each, without its line end, unprintable bytes escaped.
fn print_lines(mark: char, text: &[u8]) {
    for line in text.split_inclusive(|&b| b == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        println!("{mark} {}", template::show_short(bare, 400));
    }
}
