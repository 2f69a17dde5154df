// SPDX-License-Identifier: GPL-2.0-only
//! Datagrams, served as hosts do: where they are, if they are for that.

use kv::limits::{DATAGRAM_MAX, FRAME_LEN};
use kv::{
    serve, serve_in_place, Context, Counters, InPlace, Kv, Now, Outcome, Platform, Reply, Waiter,
};

/// What came of a datagram.
#[derive(Debug)]
pub struct Answer<'a> {
    /// Whether there is anything to be sent.
    pub outcome: Outcome,
    /// The reply's text.
    pub text: &'a [u8],
    /// All of the reply, where it is one datagram and its frame stands before the text.
    pub datagram: Option<&'a [u8]>,
}

/// Who serves in place, at a moment that is known already.
pub struct Here<'a, P: Platform> {
    /// The store.
    pub kv: &'a Kv<P>,
    /// The time, who counts, and so on.
    pub cx: &'a Context<'a>,
    /// Where a text goes that has no room in the request's buffer.
    pub elsewhere: &'a mut [u8],
}

impl<'a, P: Platform> Waiter<'a, P> for Here<'a, P> {
    fn kv(&self) -> &'a Kv<P> {
        self.kv
    }

    fn now(&self) -> Now {
        self.cx.now
    }

    fn mine(&self) -> Option<&'a Counters> {
        Some(self.cx.mine)
    }

    fn context(&self) -> Option<Context<'a>> {
        Some(*self.cx)
    }

    fn elsewhere(self) -> &'a mut [u8] {
        self.elsewhere
    }
}

/// Serves the datagram that is the first `len` bytes of `buffer`. Its reply may be written
/// over it, as far as a reply of one datagram can be long, or into `text`.
pub fn answer<'a, P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    buffer: &'a mut [u8],
    len: usize,
    text: &'a mut [u8],
) -> Answer<'a> {
    let room = buffer.len().min(DATAGRAM_MAX);
    let here = Here {
        kv,
        cx,
        elsewhere: &mut *text,
    };
    let served = match len <= room {
        true => serve_in_place(here, &mut buffer[..room], len),
        false => InPlace::Not,
    };
    match served {
        InPlace::Here(len) => {
            let datagram = &buffer[..len as usize];
            let request_id = u16::from_be_bytes([datagram[0], datagram[1]]);
            Answer {
                outcome: Outcome::Reply { request_id },
                text: &datagram[FRAME_LEN..],
                datagram: Some(datagram),
            }
        }
        InPlace::Elsewhere { request_id, len } => Answer {
            outcome: Outcome::Reply { request_id },
            text: &text[..len as usize],
            datagram: None,
        },
        InPlace::Not => {
            let mut reply = Reply::new(text);
            let outcome = serve(kv, cx, &buffer[..len], &mut reply);
            let len = reply.written();
            Answer {
                outcome,
                text: &text[..len],
                datagram: None,
            }
        }
    }
}
