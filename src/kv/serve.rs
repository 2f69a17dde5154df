// SPDX-License-Identifier: GPL-2.0-only
//! The request path of a datagram: frame, request, exec, reply.

use crate::frame::{self, Datagrams, Drop};
use crate::limits::FRAME_LEN;
use crate::request::Requests;
use crate::{binary, exec, Context, Counters, Kv, Platform, Reply};

/// What is to be done after [`serve`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Send the reply's text, framed by [`Datagrams`] with this id.
    Reply {
        /// The request's id, which every datagram of the reply repeats.
        request_id: u16,
    },
    /// Executed, and nothing is to be said (`noreply`, `quit`).
    Silent,
    /// Not executed; it has been counted.
    Dropped(Drop),
}

/// Serves one UDP payload: frame header and text in, one message out.
///
/// Whatever is in the datagram, what it leaves behind in `kv` is only what its
/// complete commands say: the next datagram is read the same either way.
pub fn serve<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    datagram: &[u8],
    reply: &mut Reply<'_>,
) -> Outcome {
    reply.clear();
    count_in(cx.mine, datagram);
    let (request_id, text) = match frame::parse(datagram) {
        Ok(framed) => framed,
        Err(drop) => return dropped(cx.mine, drop),
    };
    kv.tick(cx.now);
    if binary::speaks(text) {
        if binary::datagram(kv, cx, text, reply).is_err() {
            cx.mine.reply_overflows.inc();
        }
        return answered(cx.mine, request_id, reply);
    }
    for mut request in Requests::new(text) {
        let mark = reply.mark();
        if !reply.has_room() || exec::run(kv, cx, &mut request, reply).is_err() {
            // The rest is not executed: nobody could be told how it went.
            cx.mine.reply_overflows.inc();
            reply.rewind(mark);
            reply.overflow();
            break;
        }
    }
    answered(cx.mine, request_id, reply)
}

fn answered(mine: &Counters, request_id: u16, reply: &Reply<'_>) -> Outcome {
    if reply.text().is_empty() {
        return Outcome::Silent;
    }
    count_out(mine, request_id, reply);
    Outcome::Reply { request_id }
}

fn dropped(mine: &Counters, drop: Drop) -> Outcome {
    match drop {
        Drop::Short => mine.drop_short.inc(),
        Drop::NotSingle => mine.drop_not_single.inc(),
        Drop::NoNewline => mine.drop_no_newline.inc(),
    }
    Outcome::Dropped(drop)
}

fn count_in(mine: &Counters, datagram: &[u8]) {
    mine.datagrams_in.inc();
    mine.bytes_read.add(datagram.len() as u64);
}

fn count_out(mine: &Counters, request_id: u16, reply: &Reply<'_>) {
    let datagrams = u64::from(Datagrams::new(request_id, reply.text()).total());
    let headers = datagrams.saturating_mul(FRAME_LEN as u64);
    mine.datagrams_out.add(datagrams);
    mine.bytes_written
        .add(headers.saturating_add(reply.text().len() as u64));
}
