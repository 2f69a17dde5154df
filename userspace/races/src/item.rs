// SPDX-License-Identifier: GPL-2.0-only
//! What is under one key, as one client after the other sees it.

use todc_utils::specifications::Specification;

use crate::words::{number, Answer, Request};

/// A request with its answer.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    pub(crate) request: Request,
    pub(crate) answer: Answer,
}

/// The item, if there is one, and what is known of cas numbers, which the server
/// chooses: each is greater than all that the key had before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct State {
    item: Option<Item>,
    /// The last cas number that was seen.
    seen: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Item {
    data: Vec<u8>,
    /// `None` until somebody has seen it.
    cas: Option<u64>,
}

/// What memcached's protocol says of one key, without expiry and eviction.
pub(crate) struct OneKey;

impl Specification for OneKey {
    type State = State;
    type Operation = Operation;

    fn init() -> State {
        State::default()
    }

    fn apply(operation: &Operation, state: &State) -> (bool, State) {
        match state.after(&operation.request, &operation.answer) {
            Some(next) => (true, next),
            None => (false, state.clone()),
        }
    }
}

impl State {
    /// The state after a request that was answered like this; `None` when it
    /// would have been answered otherwise.
    fn after(&self, request: &Request, answer: &Answer) -> Option<Self> {
        let item = self.item.as_ref();
        match (request, answer) {
            (Request::Set(data), Answer::Stored) => Some(self.with(data)),
            (Request::Set(_), _) => None,
            (_, Answer::Missing) => item.is_none().then(|| self.clone()),
            (Request::Get | Request::Gets, Answer::Value(data, cas)) => {
                let same = item.is_some_and(|item| item.data == *data);
                same.then_some(())?;
                cas.map_or(Some(self.clone()), |cas| self.seeing(cas))
            }
            // Who knows a number has seen it, hence so have we.
            (Request::Cas(data, cas), Answer::Stored) => {
                (item?.cas == Some(*cas)).then(|| self.with(data))
            }
            (Request::Cas(_, cas), Answer::Exists) => {
                (item?.cas != Some(*cas)).then(|| self.clone())
            }
            (Request::Incr(delta), Answer::Number(sum)) => {
                let text = &item?.data;
                let is_sum = counter(text)?.wrapping_add(*delta) == *sum;
                // A shorter number keeps its length, in spaces.
                let data = format!("{sum:<width$}", width = text.len());
                is_sum.then(|| self.with(data.as_bytes()))
            }
            (Request::Incr(_), Answer::NotANumber) => {
                let is_number = counter(&item?.data).is_some();
                (!is_number).then(|| self.clone())
            }
            (Request::Append(tail), Answer::Stored) => {
                Some(self.with(&[&item?.data[..], tail].concat()))
            }
            (Request::Delete, Answer::Deleted) => item.map(|_| Self {
                item: None,
                seen: self.seen,
            }),
            _ => None,
        }
    }

    /// With a new item.
    fn with(&self, data: &[u8]) -> Self {
        Self {
            item: Some(Item {
                data: data.to_vec(),
                cas: None,
            }),
            seen: self.seen,
        }
    }

    /// With its item's cas number known.
    fn seeing(&self, cas: u64) -> Option<Self> {
        let item = self.item.clone()?;
        match item.cas {
            Some(known) => (known == cas).then(|| self.clone()),
            None => (cas > self.seen).then_some(Self {
                item: Some(Item {
                    cas: Some(cas),
                    ..item
                }),
                seen: cas,
            }),
        }
    }
}

/// The number in front of an item's data; behind it may be a space, and whatever
/// was appended since that came to be there.
fn counter(data: &[u8]) -> Option<u64> {
    number(data.split(|byte| *byte == b' ').next()?)
}
