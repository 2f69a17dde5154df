// SPDX-License-Identifier: GPL-2.0-only
//! The table as it grows, and as its items become large and small.
#![allow(missing_docs)]

mod common;
#[path = "common/direct.rs"]
mod direct;

use std::collections::BTreeSet;

use common::{cx, striped, MIB};
use direct::{get, keys, set, STRIPES};
use kv::store::{Change, Done, Lookup};
use kv::{Context, Counters};

/// All pages are a class's when many small items come, and heads for them have to be where
/// some of those pages were.
#[test]
fn heads_come_where_items_were() {
    for stripes in STRIPES {
        let all = [Counters::new()];
        let start = cx(&all, 0, 10);
        // So that there are heads of little more than half a page at first.
        let kv = striped(8 * MIB + (66 << 10), stripes);
        // By kind: a letter, and how often the number is repeated.
        let data = |kind: char, i: usize| match kind {
            'l' => format!("{i} ").repeat(100),
            _ => String::new(),
        };
        let fill = |cx: &Context<'_>, kind: char, i: usize| {
            set(&kv, cx, &format!("{kind}{i}"), 0, data(kind, i).as_bytes());
        };
        let few = kv.usage();
        (0..30_000).for_each(|i| fill(&start, 'e', i));
        (0..20_000).for_each(|i| fill(&start, 'l', i));
        let before = kv.usage();
        assert!(before.free_pages == 0 && before.hash_bytes > few.hash_bytes);
        for i in (0..20_000).filter(|i| i % 50 > 0) {
            kv.update(format!("l{i}").as_bytes(), &start, |_| Change::Remove);
        }
        for i in 0..300_000 {
            // Time passes: pages go to who needs them.
            let cx = cx(&all, 0, 10 + i as u32 / 1000);
            kv.tick(cx.now);
            fill(&cx, 's', i);
            kv.crawl(1, &cx);
        }
        let after = kv.usage();
        assert!(after.hash_bytes > before.hash_bytes, "{after:?}");
        let mut found = 0;
        for (kind, count) in [('e', 30_000), ('l', 20_000), ('s', 300_000)] {
            for i in 0..count {
                if let Some(there) = get(&kv, &start, &format!("{kind}{i}")) {
                    assert!(there == data(kind, i).as_bytes(), "{kind}{i}");
                    found += 1;
                }
            }
        }
        assert_eq!(found, after.items);
    }
}

/// Items become large, which have a pair of heads each, with one chain, and small again.
#[test]
fn pairs_change_their_use_and_nothing_is_lost_on_the_way() {
    for stripes in STRIPES {
        let all = [Counters::new()];
        let cx = cx(&all, 0, 10);
        let kv = striped(24 * MIB, stripes);
        let name = |round: usize, i: usize| format!("{round} {i}");
        let data = |round: usize| vec![b'a' + round as u8; if round % 2 == 0 { 1000 } else { 1 }];
        // How many chains there are for all pairs that there are, of each two.
        let single = || {
            let usage = kv.usage();
            2 * usage.pairs - usage.chains
        };
        let mut there = BTreeSet::new();
        let count = |round: usize| if round % 2 == 0 { 4000 } else { 12_000 };
        for round in 0..4 {
            for i in 0..count(round) {
                let key = name(round, i);
                assert!(matches!(
                    set(&kv, &cx, &key, 0, &data(round)),
                    Done::Stored { .. }
                ));
                there.insert(key);
                // One of those that were there before goes for each, or three do, until few
                // are left, of whatever place they have.
                let before = round.checked_sub(1).map_or(0, count);
                for i in (i..before.saturating_sub(50)).step_by(count(round)) {
                    let gone = name(round - 1, i);
                    let done = kv.update(gone.as_bytes(), &cx, |_| Change::Remove).done;
                    assert_eq!(done, Done::Removed, "{gone}");
                    assert!(there.remove(&gone));
                }
                if i % 101 == 0 {
                    let key = name(round, i / 2);
                    assert_eq!(get(&kv, &cx, &key), Some(data(round)), "{key} at {i}");
                }
            }
            // The more stores, the more of them.
            match round {
                0 => assert_eq!(single(), kv.usage().pairs),
                2 => assert!(single() > 1000),
                _ => assert_eq!(single(), 0),
            }
            let seen = keys(&kv, &cx);
            assert_eq!(seen.len(), there.len());
            let seen: BTreeSet<_> = seen.into_iter().collect();
            assert!(there.iter().all(|key| seen.contains(key.as_bytes())));
            for key in &there {
                let mut copied = [0; 1000];
                let len = match kv.copy(key.as_bytes(), cx.now, &mut copied) {
                    Lookup::Hit(len) => len,
                    other => panic!("{key}: {other:?}"),
                };
                let round: usize = key.split(' ').next().unwrap().parse().unwrap();
                assert_eq!(copied[..len], data(round), "{key}");
            }
        }
    }
}

#[test]
fn the_table_grows_and_nothing_is_lost_on_the_way() {
    for stripes in STRIPES {
        let all = [Counters::new()];
        let cx = cx(&all, 0, 10);
        let kv = striped(24 * MIB, stripes);
        let before = kv.usage();
        // More than the heads of the first page: others are added.
        let count = 150_000;
        for i in 0..count {
            assert!(matches!(
                set(&kv, &cx, &format!("{i}"), 0, b""),
                Done::Stored { .. }
            ));
            if i % 1009 == 0 {
                let some = format!("{}", i / 2);
                assert!(get(&kv, &cx, &some).is_some(), "{some} of {i}");
            }
        }
        let after = kv.usage();
        assert_eq!(after.items, count);
        assert!(after.chains >= count, "{} chains", after.chains);
        assert!(after.hash_bytes > before.hash_bytes && before.chains < 20_000);
        for i in 0..count {
            assert!(get(&kv, &cx, &format!("{i}")).is_some(), "{i}");
        }
        let seen = keys(&kv, &cx);
        assert_eq!(seen.len() as u64, count);
        assert_eq!(seen.iter().collect::<BTreeSet<_>>().len() as u64, count);
        for i in 0..count {
            kv.update(format!("{i}").as_bytes(), &cx, |_| Change::Remove);
        }
        assert_eq!((kv.usage().items, kv.usage().bytes), (0, 0));
    }
}
