// SPDX-License-Identifier: GPL-2.0-only

//! Requests under way: which reply belongs to which, and which never came.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::framing::Scan;
use crate::wire::{Header, Request};

/// Every identifier that a header can carry.
const IDS: usize = 1 << 16;

/// A request without its whole reply.
#[derive(Debug)]
struct Pending {
    request: Request,
    sent: Instant,
    /// Datagrams of a message of several; empty for most.
    parts: Vec<Option<Vec<u8>>>,
    /// Messages of a reply of several.
    text: Vec<u8>,
}

/// What became of a datagram.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// It ends a reply. The text is given when it is not the datagram's own.
    Whole {
        request: Request,
        sent: Instant,
        text: Option<Vec<u8>>,
    },
    /// More of this reply must come.
    Part,
    /// Nobody waits for it: late, twice, or somebody else's.
    Stray,
}

/// The requests under way, by identifier.
#[derive(Debug)]
pub(crate) struct Flight {
    pending: Vec<Option<Pending>>,
    order: VecDeque<u16>,
    next: u16,
    open: usize,
    split: bool,
}

impl Flight {
    /// With `split`, a reply may come as several messages, whose text ends it.
    pub(crate) fn new(split: bool) -> Self {
        Self {
            split,
            pending: (0..IDS).map(|_| None).collect(),
            order: VecDeque::with_capacity(IDS),
            next: 0,
            open: 0,
        }
    }

    /// How many are under way.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Whether there is no identifier left.
    pub(crate) fn is_full(&self) -> bool {
        self.open == IDS
    }

    /// Notes a request, and says the identifier to send it with.
    pub(crate) fn depart(&mut self, request: Request, sent: Instant) -> u16 {
        while self.pending[usize::from(self.next)].is_some() && !self.is_full() {
            self.next = self.next.wrapping_add(1);
        }
        let id = self.next;
        self.next = id.wrapping_add(1);
        self.pending[usize::from(id)] = Some(Pending {
            request,
            sent,
            parts: Vec::new(),
            text: Vec::new(),
        });
        self.order.push_back(id);
        self.open += 1;
        id
    }

    /// Assigns a datagram to its request.
    pub(crate) fn arrive(&mut self, header: Header, text: &[u8]) -> Arrival {
        let slot = &mut self.pending[usize::from(header.id)];
        let Some(pending) = slot else {
            return Arrival::Stray;
        };
        let (seq, total) = (usize::from(header.seq), usize::from(header.total));
        let mut joined = None;
        if total > 1 {
            if pending.parts.is_empty() {
                pending.parts.resize(total, None);
            }
            let known = pending.parts.len();
            match pending.parts.get_mut(seq) {
                Some(part @ None) if total == known => *part = Some(text.to_vec()),
                _ => return Arrival::Stray,
            }
            if pending.parts.iter().any(Option::is_none) {
                return Arrival::Part;
            }
            joined = Some(pending.parts.drain(..).flatten().flatten().collect());
        } else if seq != 0 || total != 1 {
            return Arrival::Stray;
        }
        if self.split {
            pending.text.extend(joined.as_deref().unwrap_or(text));
            if Scan::default().end(&pending.text).is_none() {
                return Arrival::Part;
            }
            joined = Some(std::mem::take(&mut pending.text));
        }
        let Some(pending) = slot.take() else {
            return Arrival::Stray;
        };
        self.open -= 1;
        self.forget_settled();
        Arrival::Whole {
            request: pending.request,
            sent: pending.sent,
            text: joined,
        }
    }

    /// Gives up those that were sent more than `timeout` before `now`, and says
    /// how many that were.
    pub(crate) fn expire(&mut self, now: Instant, timeout: Duration) -> u64 {
        let mut lost = 0;
        while let Some(&id) = self.order.front() {
            let slot = &mut self.pending[usize::from(id)];
            match slot {
                Some(pending) if now.saturating_duration_since(pending.sent) < timeout => break,
                Some(_) => {
                    *slot = None;
                    self.open -= 1;
                    lost += 1;
                }
                None => {}
            }
            self.order.pop_front();
        }
        lost
    }

    /// Keeps the order short: an identifier in it twice would be given up early.
    fn forget_settled(&mut self) {
        while let Some(&id) = self.order.front() {
            if self.pending[usize::from(id)].is_some() {
                break;
            }
            self.order.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(id: u16, seq: u16, total: u16) -> Header {
        Header { id, seq, total }
    }

    #[test]
    fn a_reply_comes_once() {
        let mut flight = Flight::new(false);
        let id = flight.depart(Request::Miss(7), Instant::now());
        let Arrival::Whole { request, text, .. } = flight.arrive(header(id, 0, 1), b"x") else {
            panic!("no reply");
        };
        assert_eq!((request, text), (Request::Miss(7), None));
        assert!(matches!(
            flight.arrive(header(id, 0, 1), b"x"),
            Arrival::Stray
        ));
        assert_eq!(flight.open(), 0);
    }

    #[test]
    fn a_reply_of_several_datagrams_is_put_together() {
        let mut flight = Flight::new(false);
        let id = flight.depart(Request::Miss(7), Instant::now());
        assert!(matches!(
            flight.arrive(header(id, 2, 3), b"c"),
            Arrival::Part
        ));
        assert!(matches!(
            flight.arrive(header(id, 2, 3), b"c"),
            Arrival::Stray
        ));
        assert!(matches!(
            flight.arrive(header(id, 0, 3), b"a"),
            Arrival::Part
        ));
        assert!(matches!(
            flight.arrive(header(id, 0, 4), b"a"),
            Arrival::Stray
        ));
        let Arrival::Whole { text, .. } = flight.arrive(header(id, 1, 3), b"b") else {
            panic!("not whole");
        };
        assert_eq!(text.unwrap(), b"abc");
    }

    #[test]
    fn a_reply_of_several_messages_is_put_together() {
        let mut flight = Flight::new(true);
        let id = flight.depart(Request::Miss(7), Instant::now());
        let pieces = [
            (0, 1, &b"VALUE a 0 1\r\na\r\n"[..]),
            (1, 2, b"b\r\n"),
            (0, 2, b"VALUE b 0 1\r\n"),
        ];
        for (seq, total, text) in pieces {
            let arrival = flight.arrive(header(id, seq, total), text);
            assert!(matches!(arrival, Arrival::Part), "{text:?}");
        }
        let Arrival::Whole { text, .. } = flight.arrive(header(id, 0, 1), b"END\r\n") else {
            panic!("not whole");
        };
        let whole = b"VALUE a 0 1\r\na\r\nVALUE b 0 1\r\nb\r\nEND\r\n";
        assert_eq!(text.unwrap(), whole);
        assert_eq!(flight.open(), 0);
    }

    #[test]
    fn what_does_not_come_is_lost() {
        let mut flight = Flight::new(false);
        let start = Instant::now();
        let first = flight.depart(Request::Miss(1), start);
        flight.depart(Request::Miss(2), start);
        flight.depart(Request::Miss(3), start + Duration::from_secs(5));
        flight.arrive(header(first, 0, 1), b"");
        let later = start + Duration::from_secs(2);
        assert_eq!(flight.expire(later, Duration::from_secs(1)), 1);
        assert_eq!(flight.open(), 1);
    }

    #[test]
    fn identifiers_in_use_are_not_given_out() {
        let mut flight = Flight::new(false);
        let start = Instant::now();
        let slow = flight.depart(Request::Miss(0), start);
        for _ in 0..IDS {
            let id = flight.depart(Request::Miss(1), start);
            assert_ne!(id, slow);
            flight.arrive(header(id, 0, 1), b"");
        }
        assert_eq!(flight.open(), 1);
    }
}
