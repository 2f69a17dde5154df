// SPDX-License-Identifier: GPL-2.0-only
//! The store by itself: changes, pages, the crawler, many threads.
#![allow(missing_docs)]

mod common;
#[path = "common/direct.rs"]
mod direct;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use common::{cx, striped, MIB, UNIX};
use direct::{get, keys, set, STRIPES};
use host::{Region, Userspace};
use kv::store::{Amend, Cas, Change, Done, Entry, Exptime, Part, Was};
use kv::{parse_growth, Config, Counters, Kv, Now};

#[test]
fn a_shape_is_checked_and_the_nearest_taken_if_nobody_asks() {
    let good = Config::new([0, 0]);
    assert_eq!(good.wrong(), None);
    let wrong = [
        (
            Config {
                min_chunk: 15,
                ..good.clone()
            },
            "min_chunk=15 is out of range: give 16 to 4096 (bytes)",
        ),
        (
            Config {
                growth_percent: 109,
                ..good.clone()
            },
            "growth=1.09 is out of range: give 1.10 to 4.00",
        ),
        (
            Config {
                growth_percent: 401,
                ..good.clone()
            },
            "growth=4.01 is out of range: give 1.10 to 4.00",
        ),
        (
            Config {
                item_max: 1023,
                ..good.clone()
            },
            "item_max=1023 is out of range: give 1024 to 1048576 (bytes)",
        ),
        (
            Config {
                stripes: 0,
                ..good.clone()
            },
            "stripes=0 is not a power of two from 1 to 4096",
        ),
        (
            Config {
                stripes: 12,
                ..good.clone()
            },
            "stripes=12 is not a power of two from 1 to 4096",
        ),
    ];
    for (config, line) in wrong {
        assert_eq!(config.wrong().unwrap().to_string(), line);
        let kv = Kv::<Userspace>::new(Region::new(MIB).unwrap(), &config).unwrap();
        assert_eq!(kv.config().wrong(), None, "{line}");
    }
    for (text, percent) in [("1.25", 125), ("2", 200), ("1.5", 150), ("01.05", 105)] {
        assert_eq!(parse_growth(text.as_bytes()), Some(percent), "{text}");
    }
    for text in [
        "",
        ".",
        "1.",
        ".5",
        "1.255",
        "1,5",
        "-1",
        "1.2.3",
        "x",
        "99999999999999999999",
    ] {
        assert_eq!(parse_growth(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn chunks_are_as_the_shape_says() {
    for (min_chunk, growth_percent) in [(16, 110), (32, 125), (48, 400), (4096, 125)] {
        let config = Config {
            min_chunk,
            growth_percent,
            ..Config::new([0, 0])
        };
        let kv = Kv::<Userspace>::new(Region::new(16 * MIB).unwrap(), &config).unwrap();
        let sizes: Vec<u64> = (0..=u8::MAX)
            .map_while(|class| kv.class_usage(class, Now(2)))
            .map(|class| class.chunk_size)
            .collect();
        let least = 32 + min_chunk as u64;
        assert!((least..least + least / 4).contains(&sizes[0]), "{sizes:?}");
        // Aligned, and as long as can be where few chunks go into a page: in a
        // page of a quarter of a mebibyte.
        let percent = growth_percent as u64;
        for pair in sizes.windows(2).filter(|pair| pair[1] < 16 << 10) {
            let grown = pair[0] * percent / 100;
            let slack = grown / 8 + 16;
            assert!(pair[1].abs_diff(grown) < slack, "{pair:?}");
        }
    }
}

#[test]
fn a_change_sees_what_is_there_and_becomes_what_it_says() {
    let all = [Counters::new()];
    let cx = cx(&all, 0, 10);
    // Cas numbers are 1, 2, 3 and so on.
    let kv = striped(MIB, 1);
    let update = kv.update(b"k", &cx, |old| {
        assert!(old.is_none());
        Change::Amend(Amend::default())
    });
    assert_eq!((update.was, update.done), (Was::Missing, Done::Nothing));
    assert_eq!(set(&kv, &cx, "k", 100, b"old"), Done::Stored { cas: 1 });
    // Old data on both sides, in the same class and in another one.
    for (before, after, expected) in [
        (Part::Old, Part::Bytes(b"+"), b"old+".to_vec()),
        (Part::Bytes(b"-"), Part::Old, b"-old+".to_vec()),
        (Part::Old, Part::Old, b"-old+-old+".to_vec()),
    ] {
        let update = kv.update(b"k", &cx, |old| {
            let old = old.unwrap();
            assert_eq!((old.flags(), old.ttl()), (7, Some(100)));
            Change::Store(Entry {
                exptime: Exptime::Keep,
                data: [before, after],
                ..Entry::new(old.flags(), 0, b"")
            })
        });
        assert!(matches!(update.done, Done::Stored { .. }));
        assert_eq!(get(&kv, &cx, "k"), Some(expected));
    }
    for (value, width, expected) in [(9, 2, "9 "), (u64::MAX, 0, "18446744073709551615")] {
        let number = [Part::Number { value, width }, Part::Bytes(b"")];
        kv.update(b"k", &cx, |_| {
            Change::Store(Entry {
                data: number,
                cas: Cas::Is(77),
                ..Entry::new(0, 0, b"")
            })
        });
        assert_eq!(get(&kv, &cx, "k").unwrap(), expected.as_bytes());
    }
    let amend = Amend {
        exptime: Some(-1),
        stale: Some(true),
        ..Amend::default()
    };
    let update = kv.update(b"k", &cx, |_| Change::Amend(amend));
    assert_eq!(update.done, Done::Amended { cas: 77 });
    let update = kv.update(b"k", &cx, |old| {
        assert!(old.is_none());
        Change::Remove
    });
    assert_eq!((update.was, update.done), (Was::Expired, Done::Nothing));
    assert_eq!(kv.usage().items, 0);
}

#[test]
fn too_large_keeps_the_old_unless_told_otherwise() {
    let all = [Counters::new()];
    let cx = cx(&all, 0, 10);
    let kv = striped(MIB, 4);
    let large = vec![b'x'; 200_000];
    set(&kv, &cx, "k", 0, b"old");
    assert_eq!(set(&kv, &cx, "k", 0, &large), Done::TooLarge);
    assert!(get(&kv, &cx, "k").is_some());
    let update = kv.update(b"k", &cx, |_| {
        Change::Store(Entry {
            or_remove: true,
            ..Entry::new(0, 0, &large)
        })
    });
    assert_eq!(update.done, Done::TooLarge);
    assert!(get(&kv, &cx, "k").is_none());
}

#[test]
fn the_crawler_finds_the_dead_and_only_them() {
    let all = [Counters::new()];
    let kv = striped(4 * MIB, 16);
    for i in 0..2000 {
        let exptime = if i % 2 == 0 { 5 } else { 0 };
        set(&kv, &cx(&all, 0, 10), &format!("{i}"), exptime, b"x");
    }
    let later = cx(&all, 0, 20);
    kv.crawl(20_000, &later);
    assert_eq!(kv.usage().items, 1000);
    let reclaimed: u64 = (0..=u8::MAX)
        .map_while(|class| kv.class_usage(class, later.now))
        .map(|class| class.history.crawler_reclaimed)
        .sum();
    assert_eq!(reclaimed, 1000);
    assert!((0..2000).all(|i| get(&kv, &later, &format!("{i}")).is_some() == (i % 2 == 1)));
    kv.flush_all(0, later.now, UNIX);
    kv.crawl(20_000, &later);
    assert_eq!(kv.usage().items, 0);
    // Stores crawl by themselves.
    for i in 0..2000 {
        set(&kv, &later, &format!("{i}"), 5, b"x");
    }
    for second in 30..200 {
        let cx = cx(&all, 0, second);
        kv.tick(cx.now);
        for _ in 0..200 {
            set(&kv, &cx, "another", 0, b"x");
        }
    }
    assert_eq!(kv.usage().items, 1);
}

#[test]
fn pages_follow_a_shift_in_sizes() {
    let all = [Counters::new()];
    let kv = striped(16 * MIB, 16);
    for i in 0..350_000 {
        set(&kv, &cx(&all, 0, 10), &format!("small{i}"), 0, b"x");
    }
    assert_eq!(kv.usage().free_pages, 0);
    let data = vec![b'v'; 3000];
    for second in 11..100 {
        let cx = cx(&all, 0, second);
        kv.tick(cx.now);
        for i in 0..200 {
            set(&kv, &cx, &format!("large{second}-{i}"), 0, &data);
        }
    }
    let class = |size: u64| {
        (0..=u8::MAX)
            .map_while(|class| kv.class_usage(class, Now(100)))
            .find(|class| class.chunk_size >= size)
            .unwrap()
    };
    let (small, large) = (class(46), class(3040));
    assert!(
        large.pages > 40,
        "{} large, {} small",
        large.pages,
        small.pages
    );
    let held = keys(&kv, &cx(&all, 0, 100));
    let large = held.iter().filter(|key| key.starts_with(b"large")).count();
    assert!(large > 1500, "{large}");
    assert_eq!(held.len() as u64, kv.usage().items);
}

/// Adds threads' numbers to the same few counters, in texts of many lengths,
/// while others push everything out: what is left must be whole, and counted
/// right as long as it was there.
#[test]
fn changes_are_atomic_whatever_the_stripes() {
    for stripes in STRIPES {
        let all: Vec<Counters> = (0..4).map(|_| Counters::new()).collect();
        let kv = striped(4 * MIB, stripes);
        let stop = AtomicBool::new(false);
        let keys = ["a", "b", "c"];
        let counts: Vec<u64> = thread::scope(|scope| {
            let adders: Vec<_> = (0..2)
                .map(|index| {
                    let (kv, all, stop) = (&kv, &all, &stop);
                    scope.spawn(move || {
                        let cx = cx(all, index, 10);
                        let mut count = 0;
                        while !stop.load(Ordering::Relaxed) {
                            let key = keys[count as usize % 3];
                            let update = kv.update(key.as_bytes(), &cx, |_| {
                                Change::Store(Entry {
                                    data: [Part::Old, Part::Bytes(b".")],
                                    ..Entry::new(0, 0, b"")
                                })
                            });
                            match update.done {
                                Done::Stored { .. } => count += 1,
                                done => panic!("{done:?}"),
                            }
                            let _ = get(kv, &cx, key);
                            if count > 20_000 {
                                break;
                            }
                        }
                        count
                    })
                })
                .collect();
            for index in 2..4 {
                let (kv, all, stop) = (&kv, &all, &stop);
                scope.spawn(move || {
                    let cx = cx(all, index, 10);
                    let mut i = 0u64;
                    while !stop.load(Ordering::Relaxed) {
                        i += 1;
                        let key = format!("{index}-{}", i % 500);
                        let len = (i * i % 1500) as usize;
                        set(kv, &cx, &key, 0, key.repeat(len / key.len() + 1).as_bytes());
                        let other = format!("{}-{}", 5 - index, i * 7 % 500);
                        if let Some(data) = get(kv, &cx, &other) {
                            assert!(data.starts_with(other.as_bytes()));
                            assert_eq!(data.len() % other.len(), 0);
                        }
                    }
                });
            }
            thread::sleep(Duration::from_millis(700));
            stop.store(true, Ordering::Relaxed);
            adders
                .into_iter()
                .map(|adder| adder.join().unwrap())
                .collect()
        });
        let cx = cx(&all, 0, 10);
        let dots: usize = keys
            .iter()
            .map(|key| get(&kv, &cx, key).unwrap().len())
            .sum();
        let evicted: u64 = all.iter().map(|counters| counters.evictions.get()).sum();
        assert_eq!(evicted, 0, "nothing had to go: the sums must be right");
        assert_eq!(dots as u64, counts.iter().sum::<u64>());
    }
}
