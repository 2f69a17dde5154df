// SPDX-License-Identifier: GPL-2.0-only
//! Who watches sees what he is there for: each of these does wrong in a process of
//! its own, which has to end with a report of that. Only for the suites `address`,
//! `thread` and `valgrind`, see `scripts/instrumented`.
#![cfg(any(watched_by = "address", watched_by = "thread", watched_by = "valgrind"))]
#![allow(missing_docs)]

#[path = "../../kv/tests/common/mod.rs"]
mod common;

use std::process::Command;

/// Runs an ignored test of this file alone, which must fail with those words.
#[track_caller]
fn is_seen(test: &str, words: &str) {
    let this = std::env::current_exe().unwrap();
    let mut command = match cfg!(watched_by = "valgrind") {
        true => Command::new("valgrind"),
        false => Command::new(&this),
    };
    if cfg!(watched_by = "valgrind") {
        command.args(["--quiet", "--error-exitcode=99", "--fair-sched=yes"]);
        command.arg(&this);
    }
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{test} passes: {said}");
    assert!(said.contains(words), "{test}: {said}");
}

#[cfg(any(watched_by = "address", watched_by = "valgrind"))]
mod memory {
    use kv::store::{Change, Entry, Look, Lookup};
    use kv::{Counters, Now};

    use super::common::{cx, store, MIB};

    #[cfg(watched_by = "address")]
    const WORDS: [&str; 2] = ["use-after-poison", "use-after-poison"];
    #[cfg(watched_by = "valgrind")]
    const WORDS: [&str; 2] = ["Invalid read of size 1", "Invalid write of size 1"];

    #[test]
    fn a_read_of_an_item_that_is_gone_is_seen() {
        super::is_seen("memory::reads_what_is_gone", WORDS[0]);
    }

    #[test]
    fn a_byte_too_many_is_seen() {
        super::is_seen("memory::writes_a_byte_too_many", WORDS[1]);
    }

    #[test]
    #[ignore = "wrong on purpose"]
    fn reads_what_is_gone() {
        let all = [Counters::new()];
        let (kv, cx) = (store(MIB), cx(&all, 0, 10));
        kv.update(b"k", &cx, |_| Change::Store(Entry::new(0, 0, b"data")));
        let data = kv.get(b"k", Look::Use, &cx, |value| value.data().as_ptr());
        let Lookup::Hit(data) = data else {
            panic!("it is there")
        };
        kv.update(b"k", &cx, |_| Change::Remove);
        // SAFETY: none; the memory is mapped.
        let _ = unsafe { data.read_volatile() };
    }

    #[test]
    #[ignore = "wrong on purpose"]
    fn writes_a_byte_too_many() {
        let all = [Counters::new()];
        let (kv, cx) = (store(MIB), cx(&all, 0, 10));
        // Fills its chunk, of a class that has cut no other.
        let chunk = kv.class_usage(4, Now(10)).unwrap().chunk_size as usize;
        let around = "k 0 100\r\n".len() + 2 + 33;
        let data = vec![b'a'; chunk - around];
        assert!((100..1000).contains(&data.len()), "{}", data.len());
        kv.update(b"k", &cx, |_| Change::Store(Entry::new(0, 0, &data)));
        let last = kv.get(b"k", Look::Use, &cx, |value| {
            value.data().as_ptr_range().end.wrapping_add(1).cast_mut()
        });
        let Lookup::Hit(last) = last else {
            panic!("it is there")
        };
        // SAFETY: the end of its own chunk, which nobody else knows of here.
        unsafe { last.write_volatile(b'\n') };
        println!("and now the next");
        // SAFETY: none; the memory is mapped.
        unsafe { last.wrapping_add(1).write_volatile(b'!') };
    }
}

#[cfg(watched_by = "thread")]
mod races {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use std::thread;

    use host::{Lock, Process, Region, ShardLock, StripeLock};
    use kv::store::{Change, Entry, Look, Value};
    use kv::{Config, Counters, Kv, NoMemory, Platform, RawRwLock, RawSpinLock};

    use super::common::{cx, MIB};

    /// Excludes nobody.
    struct Nothing;

    // SAFETY: none: that is what is to be seen.
    unsafe impl RawRwLock for Nothing {
        fn new(_is_only: bool) -> Result<Self, NoMemory> {
            Ok(Self)
        }
        fn read_lock(&self) {}
        unsafe fn read_unlock(&self) {}
        fn write_lock(&self) {}
        fn try_write_lock(&self) -> bool {
            true
        }
        unsafe fn write_unlock(&self) {}
    }

    // SAFETY: as above.
    unsafe impl RawSpinLock for Nothing {
        fn new() -> Result<Self, NoMemory> {
            Ok(Self)
        }
        fn lock(&self) {}
        fn try_lock(&self) -> bool {
            true
        }
        unsafe fn unlock(&self) {}
    }

    /// A process with those locks.
    type With<R, S, O> = Process<Region, R, S, O>;

    /// Too long for a chunk that is set aside: who takes such a one from another
    /// thread is in order with all that this did before, by no lock.
    const DATA: [u8; 6000] = [b'a'; 6000];

    /// Two threads store and read in turn, under the same key or under keys of their
    /// own. Whose turn it is they tell each other by what orders nothing else, so that
    /// only the store's locks do, and each meets what the other has just left.
    fn play<P: Platform<Memory = Region>>(keys: [&'static str; 2]) {
        let config = Config {
            stripes: 256,
            ..Config::new([1, 2])
        };
        let kv = Kv::<P>::new(Region::new(MIB).unwrap(), &config).unwrap();
        let all = [Counters::new(), Counters::new()];
        let turn = AtomicUsize::new(0);
        thread::scope(|scope| {
            for (index, key) in keys.into_iter().enumerate() {
                let (kv, all, turn) = (&kv, &all, &turn);
                scope.spawn(move || {
                    let cx = cx(all, index, 10);
                    for number in 0..200 {
                        while turn.load(Relaxed) != 2 * number + index {
                            thread::yield_now();
                        }
                        // Now in a chunk of one class, then in one of another.
                        let data = &DATA[number % 2 * 1500..];
                        let store = |_: Option<&Value<'_>>| Change::Store(Entry::new(0, 0, data));
                        kv.update(key.as_bytes(), &cx, store);
                        let copy = |value: &Value<'_>| value.data().to_vec();
                        let _ = kv.get(key.as_bytes(), Look::Use, &cx, copy);
                        turn.store(2 * number + index + 1, Relaxed);
                    }
                });
            }
        });
    }

    const WORDS: &str = "WARNING: ThreadSanitizer: data race";

    #[test]
    fn a_table_without_locks_is_seen() {
        super::is_seen("races::table_without_locks", WORDS);
    }

    #[test]
    fn classes_without_locks_are_seen() {
        super::is_seen("races::classes_without_locks", WORDS);
    }

    #[test]
    fn shards_without_locks_are_seen() {
        super::is_seen("races::shards_without_locks", WORDS);
    }

    #[test]
    fn threads_with_locks_may_do_the_same() {
        play::<With<StripeLock, Lock, ShardLock>>(["k", "k"]);
        play::<With<StripeLock, Lock, ShardLock>>(["k", "j"]);
    }

    #[test]
    #[ignore = "wrong on purpose"]
    fn table_without_locks() {
        play::<With<Nothing, Lock, Lock>>(["k", "k"]);
    }

    #[test]
    #[ignore = "wrong on purpose"]
    fn classes_without_locks() {
        play::<With<StripeLock, Nothing, ShardLock>>(["k", "j"]);
    }

    #[test]
    #[ignore = "wrong on purpose"]
    fn shards_without_locks() {
        play::<With<StripeLock, Lock, Nothing>>(["k", "j"]);
    }
}
