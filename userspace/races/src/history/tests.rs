// SPDX-License-Identifier: GPL-2.0-only
//! Histories made by hand.

use std::time::Duration;

use super::*;

/// A history, each request from its first to its second moment.
fn linear(requests: &[(u64, u64, Request, Answer)]) -> bool {
    let start = Instant::now();
    let at = |moment: u64| start + Duration::from_micros(moment);
    let events: Vec<Event> = requests
        .iter()
        .enumerate()
        .map(|(client, (asked, answered, request, answer))| Event {
            client,
            key: 0,
            operation: Operation {
                request: request.clone(),
                answer: answer.clone(),
            },
            asked: at(*asked),
            answered: at(*answered),
        })
        .collect();
    WGLChecker::<OneKey>::is_linearizable(history(&events.iter().collect::<Vec<_>>()))
}

fn set(text: &str) -> Request {
    Request::Set(text.into())
}

fn value(text: &str) -> Answer {
    Answer::Value(text.into(), None)
}

fn versioned(text: &str, cas: u64) -> Answer {
    Answer::Value(text.into(), Some(cas))
}

#[test]
fn what_was_answered_stays() {
    let stored = (0, 1, set("1"), Answer::Stored);
    assert!(linear(&[stored.clone(), (2, 3, Request::Get, value("1"))]));
    assert!(!linear(&[
        stored.clone(),
        (2, 3, Request::Get, Answer::Missing)
    ]));
    // Asked before, answered after: either is right.
    assert!(linear(&[
        (0, 9, set("1"), Answer::Stored),
        (2, 3, Request::Get, value("1"))
    ]));
    assert!(linear(&[
        (0, 9, set("1"), Answer::Stored),
        (2, 3, Request::Get, Answer::Missing)
    ]));
    // But not one and then the other.
    assert!(!linear(&[
        (0, 9, set("1"), Answer::Stored),
        (2, 3, Request::Get, value("1")),
        (4, 5, Request::Get, Answer::Missing)
    ]));
}

#[test]
fn nothing_is_added_twice_or_lost() {
    let (first, one) = ((0, 1, set("1"), Answer::Stored), Request::Incr(1));
    let twice = |a, b| {
        linear(&[
            first.clone(),
            (2, 9, one.clone(), Answer::Number(a)),
            (3, 8, one.clone(), Answer::Number(b)),
        ])
    };
    assert!(twice(2, 3) && twice(3, 2));
    assert!(!twice(2, 2) && !twice(3, 3) && !twice(3, 4));
    let appended = |text| {
        linear(&[
            first.clone(),
            (2, 9, Request::Append(b"2".to_vec()), Answer::Stored),
            (2, 9, Request::Append(b"3".to_vec()), Answer::Stored),
            (10, 11, Request::Get, value(text)),
        ])
    };
    assert!(appended("123") && appended("132"));
    assert!(!appended("12") && !appended("13") && !appended("1223"));
}

#[test]
fn a_cas_number_is_good_for_one_change() {
    let cas = |text: &str| Request::Cas(text.into(), 5);
    let history = |first, second| {
        linear(&[
            (0, 1, set("1"), Answer::Stored),
            (2, 3, Request::Gets, versioned("1", 5)),
            (4, 9, cas("2"), first),
            (4, 9, cas("3"), second),
        ])
    };
    assert!(history(Answer::Stored, Answer::Exists));
    assert!(history(Answer::Exists, Answer::Stored));
    assert!(!history(Answer::Stored, Answer::Stored));
    assert!(!history(Answer::Exists, Answer::Exists));
    let numbers = |second| {
        linear(&[
            (0, 1, set("1"), Answer::Stored),
            (2, 3, Request::Gets, versioned("1", 5)),
            (4, 5, set("1"), Answer::Stored),
            (6, 7, Request::Gets, versioned("1", second)),
        ])
    };
    assert!(numbers(6) && !numbers(5) && !numbers(4));
}
