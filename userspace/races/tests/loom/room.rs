// SPDX-License-Identifier: GPL-2.0-only
//! Who needs a chunk: items go for others, and pages move.

use super::*;

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
