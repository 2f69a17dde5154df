// SPDX-License-Identifier: GPL-2.0-only
//! What two or three threads do to a store, in every order that makes a
//! difference, as loom finds them: who may read a text while another writes it,
//! that no one waits for ever, and what there is in the end.
//!
//! Of the orders in which a thread is stopped where it need not be, those are
//! tried in which that happens twice or less often.
#![allow(missing_docs)]

mod glances;
mod platform;

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

/// Long enough to be pinned.
const LONG: usize = 6000;

#[test]
fn a_chunk_is_not_used_again_while_it_is_pinned() {
    let tasks: [Task; 2] = [
        |kv| {
            let Some(pin) = pin(kv, "k") else { return };
            for _ in 0..2 {
                for piece in kv.pieces(&pin) {
                    assert!(piece.ends_with(b"a\r\n"), "written while it was pinned");
                }
            }
            kv.unpin(pin);
        },
        |kv| {
            delete(kv, "k");
            // In the same chunk, if it is free.
            stored(kv, "j", &[b'b'; LONG]);
        },
    ];
    Scene::new(config(), |kv| stored(kv, "k", &[b'a'; LONG])).play(&tasks, |kv| {
        assert_eq!((get(kv, "k"), get(kv, "j")), (None, Some((b'b', LONG))));
        assert_eq!(kv.usage().items, 1);
        all_is_free_without(kv, &["j"]);
    });
}

/// Long enough for two chunks.
const TWO_PIECES: usize = 16_200;

/// The data of a key in all its pieces, which are of one letter.
fn get_pieces(kv: &Store, key: &str) -> Option<(u8, usize, usize)> {
    let copy = |value: &Value<'_>| {
        let mut found: Option<(u8, usize, usize)> = None;
        for piece in kv.data(value) {
            let (letter, len) = whole(piece);
            let (first, before, pieces) = found.unwrap_or((letter, 0, 0));
            assert_eq!(letter, first, "of two values");
            found = Some((letter, before + len, pieces + 1));
        }
        found
    };
    match kv.get(key.as_bytes(), Look::Use, &cx(), copy) {
        Lookup::Hit(found) => found,
        _ => None,
    }
}

#[test]
fn a_value_in_pieces_is_old_or_new() {
    let tasks: [Task; 2] = [
        |kv| stored(kv, "k", &[b'b'; TWO_PIECES]),
        |kv| {
            let found = get_pieces(kv, "k");
            let expected = |letter| Some((letter, TWO_PIECES, 2));
            assert!(
                found == expected(b'a') || found == expected(b'b'),
                "{found:?}"
            );
        },
    ];
    let scene = Scene::new(config(), |kv| stored(kv, "k", &[b'a'; TWO_PIECES]));
    scene.play(&tasks, |kv| {
        assert_eq!(get_pieces(kv, "k"), Some((b'b', TWO_PIECES, 2)));
        assert_eq!(kv.usage().items, 1);
    });
}

#[test]
fn no_piece_is_used_again_while_the_value_is_pinned() {
    let tasks: [Task; 2] = [
        |kv| {
            let Some(pin) = pin(kv, "k") else { return };
            for piece in kv.pieces(&pin) {
                let end = piece.strip_suffix(b"\r\n").unwrap_or(piece);
                assert!(end.ends_with(b"a"), "written while it was pinned");
            }
            kv.unpin(pin);
        },
        |kv| {
            delete(kv, "k");
            // In the same chunks, if they are free.
            stored(kv, "j", &[b'b'; TWO_PIECES]);
        },
    ];
    let scene = Scene::new(config(), |kv| stored(kv, "k", &[b'a'; TWO_PIECES]));
    scene.play(&tasks, |kv| {
        let found = get_pieces(kv, "j");
        assert_eq!(found, Some((b'b', TWO_PIECES, 2)));
        assert_eq!((get(kv, "k"), kv.usage().items), (None, 1));
        all_is_free_without(kv, &["j"]);
    });
}

#[test]
fn two_pins_and_a_change() {
    fn reader(kv: &Store) {
        let Some(pin) = pin(kv, "k") else { return };
        for piece in kv.pieces(&pin) {
            let last = piece[piece.len() - 3];
            assert!(last == b'a' || last == b'b');
        }
        kv.unpin(pin);
    }
    /// Perhaps in the chunk that the last pin has just freed.
    fn reader_and_writer(kv: &Store) {
        reader(kv);
        stored(kv, "j", &[b'c'; LONG]);
    }
    let tasks: [Task; 3] = [reader, reader_and_writer, |kv| {
        stored(kv, "k", &[b'b'; LONG]);
    }];
    Scene::new(config(), |kv| stored(kv, "k", &[b'a'; LONG])).play(&tasks, |kv| {
        let found = (get(kv, "k"), get(kv, "j"));
        assert_eq!(found, (Some((b'b', LONG)), Some((b'c', LONG))));
        all_is_free_without(kv, &["k", "j"]);
    });
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

/// Keys of both stripes that fill the store: what is stored then drives out others,
/// of either stripe.
#[test]
fn threads_that_drive_out_each_others_items_wait_for_no_circle() {
    let tasks: [Task; 2] = [
        |kv| stored(kv, "new a", &[b'a'; LONG]),
        |kv| stored(kv, "new b", &[b'b'; LONG]),
    ];
    let scene = Scene::new(config(), |kv| {
        let mut number = 0;
        while kv.usage().items == number {
            number += 1;
            stored(kv, &format!("old {number}"), &[b'o'; LONG]);
        }
        assert!(number > 3);
    });
    scene.play(&tasks, |kv| {
        // Where the oldest are busy a newer one goes, even that of the other thread.
        let letter = |key| get(kv, key).map(|(letter, _)| letter);
        let found = (letter("new a"), letter("new b"));
        assert!(matches!(found.0, None | Some(b'a')) && matches!(found.1, None | Some(b'b')));
        assert!(found != (None, None));
    });
}

/// Of a class in two shards, and short enough for a plain store.
const MIDDLE: usize = 800;

/// As [`stored`], in the way of nearly every store.
fn put(kv: &Store, key: &str, letter: u8) {
    let mut block = [letter; MIDDLE + 2];
    block[MIDDLE..].copy_from_slice(b"\r\n");
    let head = Head::new(0, MIDDLE);
    let new = Plain::new(key.as_bytes(), &head, &block, 0);
    match kv.put(&new, Condition::Always, &cx()) {
        Some(Put::Stored(_)) => {}
        // A stripe was in use.
        None => stored(kv, key, &block[..MIDDLE]),
        other => panic!("{key}: {other:?}"),
    }
}

/// Puts items of that kind into the store until it is full; how many.
fn fill(kv: &Store) -> u64 {
    let mut number = 0;
    while kv.usage().items == number {
        number += 1;
        put(kv, &format!("old {number}"), b'o');
    }
    number
}

/// All items that [`fill`] may have left are whole, and with them and those of `keys`
/// all chunks go.
fn all_is_whole_and_goes(kv: &Store, keys: &[&str]) {
    for number in 1..1000 {
        let key = format!("old {number}");
        let found = get(kv, &key);
        assert!(found.is_none() || found == Some((b'o', MIDDLE)), "{key}");
        delete(kv, &key);
    }
    all_is_free_without(kv, keys);
    assert_eq!((kv.usage().items, kv.usage().bytes), (0, 0));
}

/// Two at once: the second finds the first one's shard locked, or its chunk in the
/// order of use and not yet filled.
#[test]
fn threads_that_evict_take_different_chunks() {
    static ITEMS: AtomicUsize = AtomicUsize::new(0);
    let tasks: [Task; 2] = [
        |kv| put(kv, "new a", b'a'),
        |kv| {
            put(kv, "new b", b'b');
            delete(kv, "new a");
        },
    ];
    let scene = Scene::new(config(), |kv| {
        fill(kv);
        ITEMS.store(kv.usage().items as usize, Ordering::Relaxed);
    });
    scene.play(&tasks, |kv| {
        assert_eq!(get(kv, "new b"), Some((b'b', MIDDLE)));
        let found = get(kv, "new a");
        assert!(found.is_none() || found == Some((b'a', MIDDLE)));
        let items = kv.usage().items as usize;
        let before = ITEMS.load(Ordering::Relaxed);
        assert!((before - 1..=before).contains(&items), "{items}, {before}");
        all_is_whole_and_goes(kv, &["new a", "new b"]);
    });
}

/// Begins to move a page of a class of which every eighth chunk is in use; those are
/// moved too, some from shard to shard.
fn begin_a_move(kv: &Store) {
    let items = fill(kv);
    for number in (1..=items).filter(|number| number % 8 != 0) {
        delete(kv, &format!("old {number}"));
    }
    // Gets a page at once, and will get another for that.
    stored(kv, "small", b"s");
    kv.tick(Now(NOW + 1));
}

#[test]
fn a_page_moves_while_its_items_go() {
    let tasks: [Task; 2] = [
        |kv| kv.crawl(0, &cx()),
        |kv| {
            delete(kv, "old 16");
            put(kv, "new", b'n');
        },
    ];
    Scene::new(config(), begin_a_move).play(&tasks, |kv| {
        assert_eq!(get(kv, "new"), Some((b'n', MIDDLE)));
        assert_eq!(get(kv, "old 24"), Some((b'o', MIDDLE)));
        while kv.class_usage(0, Now(NOW)).unwrap().pages < 2 {
            kv.crawl(0, &cx());
        }
        assert_eq!(get(kv, "old 24"), Some((b'o', MIDDLE)));
        all_is_whole_and_goes(kv, &["new", "small"]);
    });
}

/// The letter of a long item of [`begin_a_full_move`].
const OLD: u8 = b'o';

/// The key of the oldest that there is.
const OLDEST: &str = "long 17";

/// Begins to move a page of a class without free chunks to one whose items had to go:
/// all that is in it has to go too, as there is no other place for it.
fn begin_a_full_move(kv: &Store) {
    let mut number = 0;
    while kv.usage().items == number {
        number += 1;
        stored_at(kv, &format!("long {number}"), &[OLD; LONG], Now(1));
    }
    // Gets a page, and fills that.
    stored(kv, "small", b"s");
    kv.tick(Now(NOW));
    let items = kv.usage().items;
    let small = |number: u64| format!("small {number}");
    let full = (1..).find(|number| {
        stored(kv, &small(*number), b"s");
        kv.usage().items < items + number
    });
    assert!(full.is_some_and(|full| (10..100).contains(&full)));
    kv.tick(Now(NOW + 1));
    assert!(get_with(kv, OLDEST, Look::Peek).is_some());
}

/// Whoever looks for an item of the page finds it whole or not at all; whoever needs a
/// chunk takes that of the oldest, which the move is about to empty, and fills it
/// again; and the page goes in the end.
#[test]
fn a_full_page_moves_while_others_evict_and_read() {
    let tasks: [Task; 3] = [
        |kv| kv.crawl(0, &cx()),
        |kv| stored(kv, "new", &[b'n'; LONG]),
        |kv| {
            let found = get(kv, OLDEST);
            assert!(found.is_none() || found == Some((OLD, LONG)), "{found:?}");
        },
    ];
    // Two classes: what is set up takes less time.
    let config = Config {
        min_chunk: MIN_CHUNK_MAX,
        ..config()
    };
    Scene::new(config, begin_a_full_move).play(&tasks, |kv| {
        let found = get(kv, "new");
        assert!(found.is_none() || found == Some((b'n', LONG)), "{found:?}");
        let pages = || kv.class_usage(0, Now(NOW)).unwrap().pages;
        // Twice around at most: nobody is in the way any more.
        for _ in 0..4 {
            kv.crawl(0, &cx());
        }
        assert_eq!(pages(), 2);
        assert_eq!(get(kv, OLDEST), None);
    });
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
