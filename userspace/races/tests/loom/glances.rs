// SPDX-License-Identifier: GPL-2.0-only
//! Who looks without a lock, while others change what he looks at: he is given what was
//! there at one moment, whole, and what he notes is noted of what he was given.

use std::sync::atomic::{AtomicUsize, Ordering};

use kv::store::{Amend, Change, Look, Lookup, Value};
use kv::Now;

use super::platform::Scene;
use super::{
    all_is_free_without, config, cx, delete, get, stored, stored_at, whole, Store, Task, NOW,
};

/// The data of a key, copied without a lock if nobody is in the way.
fn glance(kv: &Store, key: &str) -> Option<(u8, usize)> {
    let mut data = [0; 8];
    match kv.copy(key.as_bytes(), Now(NOW), &mut data) {
        Lookup::Hit(len) => Some(whole(&data[..len])),
        _ => None,
    }
}

fn fetched(kv: &Store, key: &str) -> Option<bool> {
    match kv.get(key.as_bytes(), Look::Peek, &cx(), |value| value.fetched()) {
        Lookup::Hit(fetched) => Some(fetched),
        _ => None,
    }
}

// Who looks is first, so that he is interrupted before others are.

/// In the same chunk, of the same length and of another.
#[test]
fn a_value_is_old_or_new() {
    let as_long: [Task; 2] = [
        |kv| {
            let found = glance(kv, "k");
            assert!(matches!(found, Some((b'a' | b'b', 2))), "{found:?}");
        },
        |kv| stored(kv, "k", b"bb"),
    ];
    let longer: [Task; 2] = [
        |kv| {
            let found = glance(kv, "k");
            let known = [Some((b'a', 2)), Some((b'b', 3))];
            assert!(known.contains(&found), "{found:?}");
        },
        |kv| stored(kv, "k", b"bbb"),
    ];
    for tasks in [as_long, longer] {
        let scene = Scene::new(config(), |kv| stored(kv, "k", b"aa"));
        scene.with_glances().play(&tasks, |kv| {
            assert!(matches!(glance(kv, "k"), Some((b'b', 2 | 3))));
        });
    }
}

/// The item goes, and another comes in its chunk. It was not asked for, and so nobody has
/// noted that it was.
#[test]
fn an_item_that_goes_is_not_taken_for_its_successor() {
    let reuse: Task = |kv| {
        delete(kv, "k");
        // Has the chunk that was set aside, and the next one that of the first.
        stored(kv, "i", b"i");
        stored(kv, "j", b"bb");
    };
    let look: Task = |kv| {
        let found = glance(kv, "k");
        assert!(found.is_none() || found == Some((b'a', 2)), "{found:?}");
    };
    let set_up: Task = |kv| stored_at(kv, "k", b"aa", Now(NOW - 1));
    let scene = Scene::new(config(), set_up).with_glances();
    scene.play(&[look, reuse], |kv| {
        assert_eq!((fetched(kv, "k"), fetched(kv, "j")), (None, Some(false)));
        assert_eq!((get(kv, "j"), kv.usage().items), (Some((b'b', 2)), 2));
        all_is_free_without(kv, &["i", "j"]);
    });
}

#[test]
fn what_is_noted_and_what_is_changed_are_both_there() {
    let look: Task = |kv| assert_eq!(glance(kv, "k"), Some((b'a', 2)));
    let change: Task = |kv| {
        // In the old chunk, beside what is noted.
        let amend = |_: Option<&Value<'_>>| {
            Change::Amend(Amend {
                stale: Some(true),
                ..Amend::default()
            })
        };
        kv.update(b"k", &cx(), amend);
    };
    Scene::new(config(), |kv| stored(kv, "k", b"aa"))
        .with_glances()
        .play(&[look, look, change], |kv| {
            let marks = kv.get(b"k", Look::Peek, &cx(), |value| {
                (value.stale(), value.fetched())
            });
            assert!(matches!(marks, Lookup::Hit((true, true))), "{marks:?}");
        });
}

/// Pairs of heads have one chain from now on, since an item comes that is large: none of those
/// that are there is out of sight meanwhile.
#[test]
fn an_item_is_found_while_its_pair_changes_its_use() {
    /// The number of the item that is looked for.
    static LOOKED_FOR: AtomicUsize = AtomicUsize::new(0);
    let tasks: [Task; 2] = [
        |kv| {
            let key = format!("old {}", LOOKED_FOR.load(Ordering::Relaxed));
            assert_eq!(glance(kv, &key), Some((b'o', 2)));
        },
        |kv| stored(kv, "new", &[b'n'; 9000]),
    ];
    // Some of them are in the first two pairs of the stripe of the one that comes.
    let set_up: Task = |kv| {
        (0..16).for_each(|number| old(kv, number));
        let usage = kv.usage();
        assert_eq!(usage.chains, 2 * usage.pairs);
    };
    for number in 0..16 {
        LOOKED_FOR.store(number, Ordering::Relaxed);
        Scene::new(config(), set_up)
            .with_glances()
            .play(&tasks, |kv| {
                let usage = kv.usage();
                assert_eq!(
                    usage.chains + 2,
                    2 * usage.pairs,
                    "two of them have one chain"
                );
            });
    }
}

/// How many items there are before one more divides a pair of chains.
static MANY: AtomicUsize = AtomicUsize::new(0);

fn old(kv: &Store, number: usize) {
    stored(kv, &format!("old {number}"), b"oo");
}

fn count_many(kv: &Store) {
    let pairs = kv.usage().pairs;
    let mut many = 0;
    while kv.usage().pairs == pairs {
        old(kv, many);
        many += 1;
    }
    MANY.store(many - 1, Ordering::Relaxed);
}

/// A pair is divided, and items come to another; none is out of sight meanwhile. Each is
/// looked for in turn: some are in that pair.
#[test]
fn an_item_is_found_while_its_chain_is_divided() {
    /// The number of the item that is looked for.
    static LOOKED_FOR: AtomicUsize = AtomicUsize::new(0);
    let counted = Scene::new(config(), count_many).with_glances();
    let others: [Task; 2] = [
        |kv| assert_eq!(glance(kv, "old 0"), Some((b'o', 2))),
        |kv| stored(kv, "new", b"n"),
    ];
    counted.play(&others, |_| ());
    let many = MANY.load(Ordering::Relaxed);
    assert!(many > 16, "{many} of them");
    let tasks: [Task; 2] = [
        |kv| {
            let key = format!("old {}", LOOKED_FOR.load(Ordering::Relaxed));
            assert_eq!(glance(kv, &key), Some((b'o', 2)));
        },
        |kv| {
            old(kv, MANY.load(Ordering::Relaxed));
            stored(kv, "new", b"n");
        },
    ];
    let set_up: Task = |kv| (0..MANY.load(Ordering::Relaxed)).for_each(|number| old(kv, number));
    for number in 0..many {
        LOOKED_FOR.store(number, Ordering::Relaxed);
        Scene::new(config(), set_up)
            .with_glances()
            .play(&tasks, |kv| assert!(kv.usage().pairs > 16));
    }
}
