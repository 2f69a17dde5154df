// SPDX-License-Identifier: GPL-2.0-only
//! A byte stream, cut into pieces.
//!
//! The input's first byte says what the input is. Bit 0: bytes as they come, which
//! must be answered alike in pieces and whole; else a program for the model, which
//! says what is answered. Bits 1 to 3: how many bytes follow that are the lengths of
//! the pieces (less one), used in turn.
#![no_main]

#[path = "../../kv/tests/common/mod.rs"]
mod common;
mod model;
#[path = "../../kv/tests/common/stream.rs"]
mod stream;

use common::MIB;
use libfuzzer_sys::fuzz_target;
use model::{Model, Step};
use stream::Stream;

/// Enough for any program's items.
const MEMORY: usize = 16 * MIB;

/// Room for the answers to some commands.
const REPLY: usize = 64 << 10;

fuzz_target!(|input: &[u8]| {
    let Some((first, rest)) = input.split_first() else {
        return;
    };
    let count = usize::from(first >> 1 & 7).min(rest.len());
    let (lens, rest) = rest.split_at(count);
    if first & 1 == 0 {
        against_model(lens, rest);
    } else {
        in_pieces_and_whole(lens, rest);
    }
});

fn against_model(lens: &[u8], program: &[u8]) {
    let mut stream = Stream::in_one_stripe(MEMORY, REPLY);
    let mut model = Model::new();
    let mut text = Vec::new();
    for step in program.chunks_exact(4) {
        match model.step([step[0], step[1], step[2], step[3]]) {
            Step::Send(command) => text.extend_from_slice(&command),
            Step::Pass(seconds) => {
                send(&mut stream, lens, &text);
                text.clear();
                stream.now.0 += seconds;
            }
        }
    }
    send(&mut stream, lens, &text);
    same(&stream.output, &model.expected);
    assert!(!stream.closed);
}

fn in_pieces_and_whole(lens: &[u8], text: &[u8]) {
    let mut whole = Stream::with_reply(MIB, REPLY);
    whole.push(text);
    let mut cut = Stream::with_reply(MIB, REPLY);
    send(&mut cut, lens, text);
    same(&cut.output, &whole.output);
    assert_eq!(whole.closed, cut.closed);
}

/// Shows where they part.
fn same(said: &[u8], expected: &[u8]) {
    if said == expected {
        return;
    }
    let pairs = said.iter().zip(expected);
    let at = pairs.take_while(|(one, other)| one == other).count();
    let near = |text: &[u8]| {
        let end = text.len().min(at + 60);
        text[at.saturating_sub(60).min(end)..end]
            .escape_ascii()
            .to_string()
    };
    panic!(
        "from byte {at} on:\n  '{}', not\n  '{}'",
        near(said),
        near(expected)
    );
}

/// Sends a text in pieces of these lengths, over and over; whole without any.
fn send(stream: &mut Stream, lens: &[u8], text: &[u8]) {
    let mut rest = text;
    for len in lens.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(rest.len().min(usize::from(*len) + 1));
        stream.push(piece);
        rest = behind;
    }
    stream.push(rest);
}
