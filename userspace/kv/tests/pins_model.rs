// SPDX-License-Identifier: GPL-2.0-only
//! Pinned items beside a model of what they are.
#![allow(missing_docs)]

mod common;
#[path = "common/pinned.rs"]
mod pinned;

use std::collections::HashMap;

use common::{cx, striped, MIB};
use kv::store::{Change, Done, Entry, Part, Pin};
use kv::Counters;
use pinned::{all_is_free, pin, set, text, text_of};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Set { key: u8, len: usize },
    Append { key: u8, len: usize },
    Delete { key: u8 },
    Pin { key: u8 },
    Unpin { which: usize },
    Flush,
    Crawl,
}

fn step() -> impl Strategy<Value = Step> {
    let len = prop_oneof![1 => 0usize..900, 6 => 900usize..6000, 1 => 6000usize..100_000];
    prop_oneof![
        8 => (any::<u8>(), len).prop_map(|(key, len)| Step::Set { key, len }),
        2 => (any::<u8>(), 1usize..2000).prop_map(|(key, len)| Step::Append { key, len }),
        2 => any::<u8>().prop_map(|key| Step::Delete { key }),
        6 => any::<u8>().prop_map(|key| Step::Pin { key }),
        4 => any::<usize>().prop_map(|which| Step::Unpin { which }),
        1 => Just(Step::Flush),
        1 => Just(Step::Crawl),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..Default::default() })]

    /// A store that forgets, and never what is pinned.
    #[test]
    fn pins_hold_whatever_happens(steps in prop::collection::vec(step(), 1..300)) {
        let all = [Counters::new()];
        let kv = striped(MIB, 4);
        let mut model: HashMap<String, Vec<u8>> = HashMap::new();
        let mut pins: Vec<(Pin, Vec<u8>)> = Vec::new();
        for (number, step) in steps.iter().enumerate() {
            let cx = cx(&all, 0, 10 + number as u32 / 8);
            kv.tick(cx.now);
            let name = |key: u8| format!("k{}", key % 60);
            let fill = [b'a' + (number % 26) as u8, b'0' + (number % 10) as u8];
            let data = |len| -> Vec<u8> { fill.iter().copied().cycle().take(len).collect() };
            match step {
                Step::Set { key, len } => {
                    model.remove(&name(*key));
                    if matches!(set(&kv, &cx, &name(*key), &data(*len)), Done::Stored { .. }) {
                        model.insert(name(*key), data(*len));
                    }
                }
                Step::Append { key, len } => {
                    let more = data(*len);
                    let done = kv.update(name(*key).as_bytes(), &cx, |old| match old {
                        None => Change::Keep,
                        Some(_) => Change::Store(Entry {
                            data: [Part::Old, Part::Bytes(&more)],
                            ..Entry::new(0, 0, b"")
                        }),
                    });
                    match done.done {
                        Done::Stored { .. } => {
                            model.get_mut(&name(*key)).unwrap().extend_from_slice(&more);
                        }
                        Done::Nothing => { model.remove(&name(*key)); }
                        _ => {}
                    }
                }
                Step::Delete { key } => {
                    kv.update(name(*key).as_bytes(), &cx, |_| Change::Remove);
                    model.remove(&name(*key));
                }
                Step::Pin { key } => {
                    if let Some(pin) = pin(&kv, &cx, &name(*key)) {
                        let expected = text_of(&name(*key), &model[&name(*key)]);
                        pins.push((pin, expected));
                    }
                }
                Step::Unpin { which } if !pins.is_empty() => {
                    let (pin, expected) = pins.swap_remove(which % pins.len());
                    prop_assert_eq!(text(&kv, &pin), expected);
                    kv.unpin(pin);
                }
                Step::Unpin { .. } => {}
                Step::Flush => {
                    kv.flush_all(0, cx.now, cx.unix_now);
                    model.clear();
                }
                Step::Crawl => kv.crawl(1000, &cx),
            }
            prop_assert_eq!(kv.usage().pins, pins.len() as u64);
        }
        for (pin, expected) in pins {
            prop_assert_eq!(text(&kv, &pin), expected);
            kv.unpin(pin);
        }
        let cx = cx(&all, 0, 100);
        kv.flush_all(0, cx.now, cx.unix_now);
        kv.crawl(1 << 17, &cx);
        all_is_free(&kv);
    }
}
