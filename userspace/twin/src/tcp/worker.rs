// SPDX-License-Identifier: GPL-2.0-only
//! The loop of one thread that serves connections.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::atomic::Ordering;

use kv::Counters;
use mio::{Events, Interest, Poll, Token};

use super::connection::{After, Buffers, Connection};
use super::{Inbox, WAKE};
use crate::service::Service;

/// Most events per system call.
const EVENTS: usize = 256;

/// What one thread works with.
pub(crate) struct Worker<'a> {
    pub(crate) service: &'a Service<'a>,
    pub(crate) mine: &'a Counters,
    pub(crate) inbox: &'a Inbox,
}

/// Its connections, each at the place that is its token.
#[derive(Default)]
struct Places {
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
}

impl Worker<'_> {
    /// Serves until told to stop; connections that are open then are closed.
    pub(crate) fn run(&self, mut poll: Poll) {
        let mut places = Places::default();
        let mut buffers = Buffers::new();
        let mut events = Events::with_capacity(EVENTS);
        // Whose turn it is again, without anything new having happened.
        let mut waiting = VecDeque::new();
        loop {
            let patience = (!waiting.is_empty()).then_some(std::time::Duration::ZERO);
            if let Err(error) = poll.poll(&mut events, patience) {
                if error.kind() != ErrorKind::Interrupted {
                    eprintln!("unbuckle-twin: waiting for connections: {error}");
                    break;
                }
            }
            if self.service.stop.load(Ordering::Relaxed) {
                break;
            }
            let round = waiting.len();
            for event in &events {
                match event.token() {
                    WAKE => self.adopt(&poll, &mut places),
                    Token(place) => self.work(place, &mut places, &mut buffers, &mut waiting),
                }
            }
            for _ in 0..round {
                if let Some(place) = waiting.pop_front() {
                    self.work(place, &mut places, &mut buffers, &mut waiting);
                }
            }
        }
        for _ in places.connections.iter().flatten() {
            self.service.status.connections.close();
        }
    }

    /// Takes what has arrived. Data that is there already is an event, too.
    fn adopt(&self, poll: &Poll, places: &mut Places) {
        for stream in self.inbox.take() {
            let mut connection = Connection::new(mio::net::TcpStream::from_std(stream));
            let place = places.free.pop().unwrap_or(places.connections.len());
            let both = Interest::READABLE | Interest::WRITABLE;
            let registry = poll.registry();
            if registry
                .register(&mut connection.stream, Token(place), both)
                .is_err()
            {
                self.service.status.connections.close();
                places.free.push(place);
                continue;
            }
            match places.connections.get_mut(place) {
                Some(free) => *free = Some(connection),
                None => places.connections.push(Some(connection)),
            }
        }
    }

    fn work(
        &self,
        place: usize,
        places: &mut Places,
        buffers: &mut Buffers,
        waiting: &mut VecDeque<usize>,
    ) {
        let Some(slot) = places.connections.get_mut(place) else {
            return;
        };
        let Some(connection) = slot else {
            return;
        };
        let cx = self.service.context(self.mine);
        match connection.work(self.service.kv, &cx, buffers) {
            After::Wait => {}
            After::Yield => {
                let yields = &self.service.status.connections.yields;
                yields.fetch_add(1, Ordering::Relaxed);
                if !waiting.contains(&place) {
                    waiting.push_back(place);
                }
            }
            After::Close => {
                // Dropped, hence closed, hence no longer waited for.
                *slot = None;
                places.free.push(place);
                self.service.status.connections.close();
            }
        }
    }
}
