// SPDX-License-Identifier: GPL-2.0-only
//! Recording what clients are told, and judging it.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use todc_utils::linearizability::history::{Action, History};
use todc_utils::linearizability::WGLChecker;

use crate::item::{OneKey, Operation};
use crate::random::Random;
use crate::words::{Answer, Request};

/// Somebody who can ask the server, and waits for the answer.
pub trait Client: Send {
    /// One request in memcached's text protocol; its whole answer.
    ///
    /// # Errors
    ///
    /// What went wrong, when there was no answer.
    fn ask(&mut self, request: &[u8]) -> Result<Vec<u8>, String>;
}

/// Keys that all clients of a round ask for.
const KEYS: usize = 3;

/// What clients do at once.
struct Plan {
    /// In front of every key. The keys must not have been used before.
    prefix: String,
    /// Requests of each client.
    requests: usize,
    /// Of the random choices.
    seed: u64,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Requests that were asked and answered.
    pub requests: u64,
    /// Those during which another was asked for the same key: without them
    /// nothing is shown.
    pub overlapping: u64,
}

/// One request, who asked it, and when.
#[derive(Debug)]
struct Event {
    client: usize,
    key: usize,
    operation: Operation,
    asked: Instant,
    answered: Instant,
}

/// Seconds between two words of how far it has got.
const SAY: Duration = Duration::from_secs(5);

/// Plays rounds for some time, each on three keys that nobody has used: every
/// client sends so many random `requests`. `name` is in front of the keys, which
/// are free of everything else.
///
/// # Errors
///
/// The history of a key that no order explains; or that a request was not
/// answered, or with something that is no answer to it.
pub fn play_for<C: Client>(
    time: Duration,
    clients: &mut [C],
    name: &str,
    requests: usize,
) -> Result<Played, String> {
    let start = Instant::now();
    let until = start + time;
    let mut said = start;
    let mut all = Played::default();
    for seed in 0.. {
        if Instant::now() >= until {
            break;
        }
        let plan = Plan {
            prefix: format!("{name}-{seed}-"),
            requests,
            seed,
        };
        let played = play(clients, &plan)?;
        all.requests += played.requests;
        all.overlapping += played.overlapping;
        if said.elapsed() >= SAY {
            said = Instant::now();
            let seconds = start.elapsed().as_secs();
            eprintln!("{} requests in {seconds} s, all explained", all.requests);
        }
    }
    Ok(all)
}

/// Plays one round, and judges what the clients were told.
fn play<C: Client>(clients: &mut [C], plan: &Plan) -> Result<Played, String> {
    let waiting = AtomicUsize::new(clients.len());
    let waiting = &waiting;
    let events: Result<Vec<Vec<Event>>, String> = thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .enumerate()
            .map(|(index, client)| scope.spawn(move || one_client(client, index, plan, waiting)))
            .collect();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|_| Err("a panic".to_owned()))
        };
        threads.into_iter().map(join).collect()
    });
    let mut events: Vec<Event> = events?.into_iter().flatten().collect();
    events.sort_by_key(|event| event.asked);
    let mut played = Played::default();
    for key in 0..KEYS {
        let of_key: Vec<&Event> = events.iter().filter(|event| event.key == key).collect();
        if of_key.is_empty() {
            continue;
        }
        played.requests += of_key.len() as u64;
        played.overlapping += overlapping(&of_key);
        if !WGLChecker::<OneKey>::is_linearizable(history(&of_key)) {
            return Err(told(&of_key));
        }
    }
    Ok(played)
}

fn one_client(
    client: &mut impl Client,
    index: usize,
    plan: &Plan,
    waiting: &AtomicUsize,
) -> Result<Vec<Event>, String> {
    let mut random = Random::new(plan.seed.wrapping_mul(64).wrapping_add(index as u64));
    let mut cas = [None; KEYS];
    let mut events = Vec::with_capacity(plan.requests);
    // All at once. Relaxed: it is only about time.
    waiting.fetch_sub(1, Ordering::Relaxed);
    while waiting.load(Ordering::Relaxed) > 0 {
        thread::yield_now();
    }
    for _ in 0..plan.requests {
        let key = random.below(KEYS as u64) as usize;
        let name = format!("{}{key}", plan.prefix);
        let request = choose(&mut random, cas[key]);
        let text = request.text(&name);
        let asked = Instant::now();
        let reply = client.ask(&text);
        let answered = Instant::now();
        let reply = reply.map_err(|fault| format!("{request:?}: {fault}"))?;
        let answer = request
            .read(&name, &reply)
            .ok_or_else(|| format!("{request:?} was answered '{}'", reply.escape_ascii()))?;
        if let Answer::Value(_, Some(number)) = answer {
            cas[key] = Some(number);
        }
        events.push(Event {
            client: index,
            key,
            operation: Operation { request, answer },
            asked,
            answered,
        });
    }
    Ok(events)
}

/// A request; `cas` is the last cas number that the client has seen.
fn choose(random: &mut Random, cas: Option<u64>) -> Request {
    let digits = |below, random: &mut Random| random.below(below).to_string().into_bytes();
    match (random.below(20), cas) {
        (0..4, _) => Request::Get,
        (4..8, _) => Request::Gets,
        (8..10, _) => Request::Set(digits(1000, random)),
        (10..13, Some(cas)) => Request::Cas(digits(1000, random), cas),
        (10..16, _) => Request::Incr(1 + random.below(9)),
        (16..18, _) => Request::Append(digits(10, random)),
        _ => Request::Delete,
    }
}

/// Calls and responses in order of time. Of two at the same time the call comes
/// first: they may have been at once.
fn history(events: &[&Event]) -> History<Operation> {
    let mut moments: Vec<(Instant, bool, &Event)> = Vec::with_capacity(2 * events.len());
    for event in events {
        moments.push((event.asked, false, event));
        moments.push((event.answered, true, event));
    }
    moments.sort_by_key(|(at, is_answer, _)| (*at, *is_answer));
    let action = |(_, is_answer, event): (Instant, bool, &Event)| {
        let operation = event.operation.clone();
        let action = match is_answer {
            false => Action::Call(operation),
            true => Action::Response(operation),
        };
        (event.client, action)
    };
    History::from_actions(moments.into_iter().map(action).collect())
}

/// How many were asked while another of these was under way.
fn overlapping(events: &[&Event]) -> u64 {
    let mut latest = None;
    let mut count = 0;
    for event in events {
        count += u64::from(latest.is_some_and(|latest| event.asked < latest));
        latest = latest.max(Some(event.answered));
    }
    count
}

/// A history to be read by people: who, from when to when in microseconds, what.
fn told(events: &[&Event]) -> String {
    let mut text = String::from("no order of these requests explains their answers:\n");
    let start = events.first().map(|event| event.asked);
    for event in events {
        let since = |at: Instant| start.map_or(0.0, |start| (at - start).as_secs_f64() * 1e6);
        let (from, to) = (since(event.asked), since(event.answered));
        let Operation { request, answer } = &event.operation;
        let client = event.client;
        let _ = writeln!(
            text,
            "  client {client} {from:10.2} {to:10.2}  {request:?} -> {answer:?}"
        );
    }
    text
}

#[cfg(test)]
mod tests;
