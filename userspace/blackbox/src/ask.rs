// SPDX-License-Identifier: GPL-2.0-only

//! A conversation for people to read.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;

use crate::client::Client;
use crate::template::{self, Vars};

/// Sends each text as one datagram and prints both sides. False when a
/// request stayed without an answer.
pub fn converse(addr: SocketAddr, texts: &[String], timeout: Duration) -> Result<bool> {
    let mut client = Client::connect(addr)?;
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

/// One line of text each, without its line end, unprintable bytes escaped.
fn print_lines(mark: char, text: &[u8]) {
    for line in text.split_inclusive(|&b| b == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        let bare = bare.strip_suffix(b"\r").unwrap_or(bare);
        println!("{mark} {}", template::show_short(bare, 400));
    }
}
