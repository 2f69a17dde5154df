// SPDX-License-Identifier: GPL-2.0-only
//! Pinned items: their text stays, whatever becomes of the item, and their
//! memory comes back.
#![allow(missing_docs)]

mod common;
#[path = "common/pinned.rs"]
mod pinned;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use common::{cx, striped, MIB};
use kv::limits::PINNED_SHARE;
use kv::store::{Change, Done, Entry, Exptime, Look, Lookup, Part, Pin};
use kv::{Context, Counters, Now};
use pinned::{all_is_free, pin, set, text, text_of, Store};

#[test]
fn a_pinned_text_outlives_its_item() {
    let all = [Counters::new()];
    let cx = cx(&all, 0, 10);
    let changes: [fn(&Store, &Context<'_>); 7] = [
        |kv, cx| {
            assert!(matches!(
                set(kv, cx, "k", &[b'n'; 2000]),
                Done::Stored { .. }
            ))
        },
        |kv, cx| {
            assert!(matches!(
                set(kv, cx, "k", b"other size"),
                Done::Stored { .. }
            ))
        },
        |kv, cx| assert_eq!(kv.update(b"k", cx, |_| Change::Remove).done, Done::Removed),
        |kv, cx| {
            let data = [Part::Old, Part::Bytes(b"+")];
            let joined = |_: Option<&kv::store::Value<'_>>| {
                Change::Store(Entry {
                    data,
                    exptime: Exptime::Keep,
                    ..Entry::new(0, 0, b"")
                })
            };
            assert!(matches!(
                kv.update(b"k", cx, joined).done,
                Done::Stored { .. }
            ));
        },
        |kv, cx| {
            let number = [
                Part::Number {
                    value: 7,
                    width: 20,
                },
                Part::Bytes(&[b' '; 1980]),
            ];
            let counted = |_: Option<&kv::store::Value<'_>>| {
                Change::Store(Entry {
                    data: number,
                    ..Entry::new(0, 0, b"")
                })
            };
            assert!(matches!(
                kv.update(b"k", cx, counted).done,
                Done::Stored { .. }
            ));
        },
        |kv, cx| {
            kv.flush_all(0, cx.now, cx.unix_now);
            kv.crawl(1 << 17, cx);
            assert_eq!(kv.usage().items, 0);
        },
        |kv, cx| {
            for i in 0..5000 {
                set(kv, cx, &format!("other{i}"), &[b'o'; 2000]);
            }
            for i in 0..5000 {
                kv.update(format!("other{i}").as_bytes(), cx, |_| Change::Remove);
            }
        },
    ];
    for (number, change) in changes.iter().enumerate() {
        let kv = striped(MIB, 4);
        let old = [b'v'; 2000];
        set(&kv, &cx, "k", &old);
        let pins: Vec<Pin> = (0..3).map_while(|_| pin(&kv, &cx, "k")).collect();
        assert_eq!(pins.len(), 3);
        assert_eq!(kv.usage().pins, 3);
        change(&kv, &cx);
        // Whatever comes now takes other chunks.
        for i in 0..300 {
            set(&kv, &cx, &format!("fill{i}"), &[b'f'; 2000]);
        }
        for pin in pins {
            assert_eq!(text(&kv, &pin), text_of("k", &old), "change {number}");
            kv.unpin(pin);
        }
        kv.flush_all(0, cx.now, cx.unix_now);
        kv.crawl(1 << 17, &cx);
        all_is_free(&kv);
    }
}

#[test]
fn what_is_small_or_not_there_is_not_pinned() {
    let all = [Counters::new()];
    let cx = cx(&all, 0, 10);
    let kv = striped(MIB, 4);
    set(&kv, &cx, "small", &[b's'; 500]);
    set(&kv, &cx, "large", &[b'l'; 1500]);
    assert!(pin(&kv, &cx, "small").is_none());
    assert!(pin(&kv, &cx, "missing").is_none());
    // Nor what is another store's.
    let other = striped(MIB, 4);
    let strange = kv.get(b"large", Look::Peek, &cx, |value| {
        other.pin(value, &cx).is_none()
    });
    assert_eq!(strange, Lookup::Hit(true));
    assert_eq!(all[0].pins_refused.get(), 0);
}

#[test]
fn no_more_than_its_share_is_pinned() {
    let all = [Counters::new()];
    let cx = cx(&all, 0, 10);
    let kv = striped(MIB, 4);
    for i in 0..100 {
        set(&kv, &cx, &format!("k{i}"), &[b'v'; 5000]);
    }
    let pins: Vec<Pin> = (0..100)
        .filter_map(|i| pin(&kv, &cx, &format!("k{i}")))
        .collect();
    let usage = kv.usage();
    let most = (MIB / PINNED_SHARE) as u64;
    assert!(usage.pinned_bytes <= most && usage.pinned_bytes > most - 6000);
    assert_eq!(usage.pins, pins.len() as u64);
    assert_eq!(all[0].pins_refused.get(), 100 - usage.pins);
    // The store goes on.
    for i in 0..1000 {
        let done = set(&kv, &cx, &format!("new{i}"), &[b'n'; 5000]);
        assert!(matches!(done, Done::Stored { .. }));
    }
    for pin in pins {
        assert_eq!(
            text(&kv, &pin).iter().filter(|byte| **byte == b'v').count(),
            5000
        );
        kv.unpin(pin);
    }
    kv.unpin(pin(&kv, &cx, "new999").unwrap());
}

/// Pages go to other classes, around those that are pinned, and these as soon as
/// they are not.
#[test]
fn pages_with_pins_stay_until_they_have_none() {
    let all = [Counters::new()];
    let cx = cx(&all, 0, 10);
    let kv = striped(MIB, 4);
    let mut stored = 0;
    while all[0].evictions.get() == 0 {
        set(&kv, &cx, &format!("k{stored}"), &[b'v'; 3000]);
        stored += 1;
    }
    // One in each page, as far as that is allowed.
    let per_page = kv.class_usage(0, Now(10)).map_or(0, |_| 128 * 1024 / 3100);
    let pins: Vec<(usize, Pin)> = (1..stored)
        .step_by(per_page)
        .filter_map(|i| Some((i, pin(&kv, &cx, &format!("k{i}"))?)))
        .collect();
    assert!(pins.len() >= 5, "{}", pins.len());
    // Classes that have no page: some get one from between the pins.
    for (i, len) in [100, 300, 700, 1500, 20_000].iter().enumerate() {
        let _ = set(&kv, &cx, &format!("other{i}"), &vec![b'o'; *len]);
    }
    for (i, pin) in pins {
        assert_eq!(text(&kv, &pin), text_of(&format!("k{i}"), &[b'v'; 3000]));
        kv.unpin(pin);
    }
    for (i, len) in [100, 300, 700, 1500, 20_000].iter().enumerate() {
        let done = set(&kv, &cx, &format!("again{i}"), &vec![b'a'; *len]);
        assert!(matches!(done, Done::Stored { .. }), "{len}: {done:?}");
    }
    kv.flush_all(0, cx.now, cx.unix_now);
    kv.crawl(1 << 17, &cx);
    all_is_free(&kv);
}

/// Threads that store, delete and pin the same few keys, and give back each
/// other's pins.
#[test]
fn threads_give_back_each_others_pins() {
    let all = [Counters::new()];
    let kv = striped(2 * MIB, 4);
    let stop = AtomicBool::new(false);
    let held: Mutex<Vec<Pin>> = Mutex::new(Vec::new());
    let seen = AtomicUsize::new(0);
    let whole = |pin: &Pin| {
        let text = text(&kv, pin);
        let end = text.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        let data = &text[end..text.len() - 2];
        assert!(data.iter().all(|byte| *byte == data[0]), "torn");
        seen.fetch_add(1, Ordering::Relaxed);
    };
    thread::scope(|scope| {
        for index in 0..4usize {
            let (kv, all, stop, held, whole) = (&kv, &all, &stop, &held, &whole);
            scope.spawn(move || {
                let mut number = index;
                // Nothing but the pins themselves says when others are done with these.
                let mut own = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    number = number
                        .wrapping_mul(0x5851_f42d_4c95_7f2d)
                        .wrapping_add(0x1405_7b7e);
                    let cx = cx(all, 0, 10);
                    // Often one of a few, which several have pinned.
                    let keys = if (number >> 30) % 2 == 0 { 4 } else { 500 };
                    let key = format!("k{}", (number >> 33) % keys);
                    match (number >> 24) % 8 {
                        0..4 => {
                            let len = 100 + (number >> 40) % 12_000;
                            let _ =
                                set(kv, &cx, &key, &vec![b'a' + (number >> 50) as u8 % 26; len]);
                        }
                        4 => {
                            kv.update(key.as_bytes(), &cx, |_| Change::Remove);
                        }
                        5 | 6 => {
                            if let Some(pin) = pin(kv, &cx, &key) {
                                whole(&pin);
                                match (number >> 28) % 4 {
                                    0 => held.lock().unwrap().push(pin),
                                    _ => own.push(pin),
                                }
                            }
                        }
                        _ => {
                            let pin = own.pop().or_else(|| held.lock().unwrap().pop());
                            if let Some(pin) = pin {
                                whole(&pin);
                                kv.unpin(pin);
                            }
                        }
                    }
                }
                held.lock().unwrap().extend(own);
            });
        }
        // A crowded machine takes longer for what is worth looking at.
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(2)
            || seen.load(Ordering::Relaxed) <= 1000 && started.elapsed() < Duration::from_secs(60)
        {
            thread::sleep(Duration::from_millis(100));
        }
        stop.store(true, Ordering::Relaxed);
    });
    for pin in held.into_inner().unwrap() {
        whole(&pin);
        kv.unpin(pin);
    }
    assert!(seen.load(Ordering::Relaxed) > 1000);
    let cx = cx(&all, 0, 20);
    kv.flush_all(0, cx.now, cx.unix_now);
    kv.crawl(1 << 17, &cx);
    all_is_free(&kv);
}
