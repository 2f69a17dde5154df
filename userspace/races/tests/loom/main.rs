// SPDX-License-Identifier: GPL-2.0-only
//! What two or three threads do to a store, in every order that makes a
//! difference, as loom finds them: who may read a text while another writes it,
//! that no one waits for ever, and what there is in the end.
//!
//! Of the orders in which a thread is stopped where it need not be, those are
//! tried in which that happens twice or less often.
#![allow(missing_docs)]

mod glances;
mod pins;
mod platform;
mod room;

use std::sync::atomic::{AtomicUsize, Ordering};

use kv::limits::MIN_CHUNK_MAX;
use kv::store::{
    Amend, Change, Condition, Done, Entry, Head, Look, Lookup, Pin, Plain, Put, Value,
};
use kv::{Config, Context, Counters, Host, Kv, Now};
use platform::{Modelled, Scene};

struct NoHost;

impl Host for NoHost {
    fn stats(&self, _: &mut dyn FnMut(&str, u64)) {}
    fn settings(&self, _: &mut dyn FnMut(&str, u64)) {}
}

type Store = Kv<Modelled>;
type Task = fn(&Store);

const NOW: u32 = 10;

/// Long enough to be pinned.
const LONG: usize = 6000;

static COUNTERS: [Counters; 1] = [Counters::new()];

fn cx() -> Context<'static> {
    cx_at(Now(NOW))
}

fn cx_at(now: Now) -> Context<'static> {
    Context {
        now,
        unix_now: 1_800_000_000,
        mine: &COUNTERS[0],
        all: &COUNTERS,
        host: &NoHost,
    }
}

/// Few stripes, few classes.
fn config() -> Config {
    Config {
        stripes: 2,
        growth_percent: 1000,
        ..Config::new([1, 2])
    }
}

fn stored(kv: &Store, key: &str, data: &[u8]) {
    stored_at(kv, key, data, Now(NOW));
}

fn stored_at(kv: &Store, key: &str, data: &[u8], now: Now) {
    let store = |_: Option<&Value<'_>>| Change::Store(Entry::new(0, 0, data));
    let done = kv.update(key.as_bytes(), &cx_at(now), store).done;
    assert!(matches!(done, Done::Stored { .. }), "{key}: {done:?}");
}

fn delete(kv: &Store, key: &str) -> Done {
    kv.update(key.as_bytes(), &cx(), |_| Change::Remove).done
}

/// The data of a key, which are of one piece.
fn get(kv: &Store, key: &str) -> Option<(u8, usize)> {
    get_with(kv, key, Look::Use)
}

fn get_with(kv: &Store, key: &str, how: Look) -> Option<(u8, usize)> {
    let copy = |value: &Value<'_>| whole(value.data());
    match kv.get(key.as_bytes(), how, &cx(), copy) {
        Lookup::Hit(found) => Some(found),
        _ => None,
    }
}

fn look(kv: &Store) {
    let _ = get(kv, "k");
}

/// The one byte that data are made of, and how many of it.
fn whole(data: &[u8]) -> (u8, usize) {
    let first = data.first().copied().unwrap_or(0);
    assert!(data.iter().all(|byte| *byte == first), "torn");
    (first, data.len())
}

fn pin(kv: &Store, key: &str) -> Option<Pin> {
    match kv.get(key.as_bytes(), Look::Use, &cx(), |value| {
        kv.pin(value, &cx())
    }) {
        Lookup::Hit(pin) => pin,
        _ => None,
    }
}

fn add(kv: &Store, key: &str) {
    let data = |old: &Value<'_>| old.data().first().map_or(0, |byte| byte + 1);
    let done = kv.update(key.as_bytes(), &cx(), |old| match old {
        // Any other change would see nothing of it.
        Some(old) => {
            let sum: &'static [u8] = &[[0], [1], [2], [3], [4]][usize::from(data(old))];
            Change::Store(Entry::new(0, 0, sum))
        }
        None => Change::Keep,
    });
    assert!(matches!(done.done, Done::Stored { .. }));
}

#[test]
fn a_value_is_old_or_new_whoever_reads_it() {
    let tasks: [Task; 2] = [
        |kv| stored(kv, "k", b"bb"),
        |kv| {
            let found = get(kv, "k");
            assert!(
                found == Some((b'a', 2)) || found == Some((b'b', 2)),
                "{found:?}"
            );
        },
    ];
    Scene::new(config(), |kv| stored(kv, "k", b"aa")).play(&tasks, |kv| {
        assert_eq!(get(kv, "k"), Some((b'b', 2)));
    });
}

#[test]
fn readers_may_mark_what_one_writes() {
    let tasks: [Task; 3] = [look, look, |kv| {
        // In the old chunk, beside its marks.
        let amend = |_: Option<&Value<'_>>| {
            Change::Amend(Amend {
                stale: Some(true),
                ..Amend::default()
            })
        };
        kv.update(b"k", &cx(), amend);
    }];
    Scene::new(config(), |kv| stored(kv, "k", b"aa")).play(&tasks, |kv| {
        let marks = kv.get(b"k", Look::Peek, &cx(), |value| {
            (value.stale(), value.fetched())
        });
        assert!(matches!(marks, Lookup::Hit((true, true))), "{marks:?}");
    });
}

#[test]
fn nothing_that_is_added_is_lost() {
    let tasks: [Task; 2] = [|kv| add(kv, "k"), |kv| add(kv, "k")];
    Scene::new(config(), |kv| stored(kv, "k", &[0])).play(&tasks, |kv| {
        assert_eq!(get(kv, "k"), Some((2, 1)));
    });
}

#[test]
fn deleted_once_and_stored_anew() {
    static DELETED: AtomicUsize = AtomicUsize::new(0);
    fn remove(kv: &Store) {
        let done = delete(kv, "k");
        DELETED.fetch_add(usize::from(done == Done::Removed), Ordering::Relaxed);
    }
    let tasks: [Task; 3] = [remove, remove, |kv| stored(kv, "j", b"b")];
    let scene = Scene::new(config(), |kv| {
        DELETED.store(0, Ordering::Relaxed);
        stored(kv, "k", b"a");
    });
    scene.play(&tasks, |kv| {
        assert_eq!(DELETED.load(Ordering::Relaxed), 1);
        assert_eq!((get(kv, "k"), get(kv, "j")), (None, Some((b'b', 1))));
        assert_eq!(kv.usage().items, 1);
    });
}

/// Chunks that an item, or who had it, forgot to give back would be missing.
fn all_is_free_without(kv: &Store, keys: &[&str]) {
    for key in keys {
        delete(kv, key);
    }
    for class in (0..=u8::MAX).map_while(|class| kv.class_usage(class, Now(NOW))) {
        let (free, all) = (class.free_chunks, class.pages * class.chunks_per_page);
        assert_eq!(free, all, "chunks of {} bytes", class.chunk_size);
    }
}

/// A chunk comes from one thread to another by way of what is set aside, with no lock
/// between the two: their keys are in different stripes in one scene at least.
#[test]
fn a_chunk_that_is_set_aside_is_done_with() {
    fn give(kv: &Store) {
        delete(kv, "k");
        stored(kv, "x", b"x");
    }
    let others: [Task; 3] = [
        |kv| stored(kv, "y", b"y"),
        |kv| stored(kv, "z", b"z"),
        |kv| stored(kv, "w", b"w"),
    ];
    for other in others {
        let scene = Scene::new(config(), |kv| stored(kv, "k", b"a"));
        scene.play(&[give, other], |kv| {
            assert_eq!((get(kv, "x"), kv.usage().items), (Some((b'x', 1)), 2));
        });
    }
}

#[test]
fn a_flush_takes_what_was_there_and_nothing_else() {
    let tasks: [Task; 2] = [
        |kv| kv.flush_all(0, Now(NOW), 1_800_000_000),
        |kv| {
            stored(kv, "j", b"b");
            look(kv);
        },
    ];
    Scene::new(config(), |kv| stored(kv, "k", b"a")).play(&tasks, |kv| {
        assert_eq!(get(kv, "k"), None);
        // The store may have come before the flush or after it.
        let found = get(kv, "j");
        assert!(found.is_none() || found == Some((b'b', 1)));
    });
}

/// The models see what they are for: an item written under no lock.
#[test]
#[should_panic(expected = "Causality violation")]
fn an_unprotected_write_is_seen() {
    platform::without_locks(|| {
        let tasks: [Task; 2] = [|kv| stored(kv, "k", b"bb"), look];
        Scene::new(config(), |kv| stored(kv, "k", b"aa")).play(&tasks, |_| {});
    });
}
