// SPDX-License-Identifier: GPL-2.0-only
//! The locks of a userspace process: who has one keeps others out, whatever its kind is.
#![allow(missing_docs)]

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use host::{Lock, ShardLock, StripeLock};
use kv::platform::{RwLock, SpinLock};
use kv::RawSpinLock;

const THREADS: u64 = 4;
const TIMES: u64 = 20_000;

/// All threads do something at a time.
fn at_once(work: impl Fn() + Sync) {
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| (0..TIMES).for_each(|_| work()));
        }
    });
}

/// Has `held` done while another thread has what `hold` gives.
fn while_held<G>(hold: impl Fn() -> G + Sync, held: impl FnOnce()) {
    let (is_held, done) = (AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        scope.spawn(|| {
            let _guard = hold();
            is_held.store(true, Ordering::Release);
            while !done.load(Ordering::Acquire) {
                thread::yield_now();
            }
        });
        while !is_held.load(Ordering::Acquire) {
            thread::yield_now();
        }
        held();
        done.store(true, Ordering::Release);
    });
}

fn excludes<L: RawSpinLock>() {
    let lock = SpinLock::<L, u64>::new(0).unwrap();
    at_once(|| *lock.lock() += 1);
    assert_eq!(*lock.lock(), THREADS * TIMES);
    while_held(|| lock.lock(), || assert!(lock.try_lock().is_none()));
    assert!(lock.try_lock().is_some());
}

#[test]
fn those_of_classes_and_shards_have_one_holder() {
    excludes::<Lock>();
    excludes::<ShardLock>();
}

#[test]
fn those_of_stripes_keep_writers_apart_from_all() {
    for is_only in [false, true] {
        let lock = RwLock::<StripeLock, [u64; 2]>::new(is_only, [0, 0]).unwrap();
        at_once(|| {
            let mut value = lock.write();
            value[0] += 1;
            value[1] += 1;
            drop(value);
            let [one, other] = *lock.read();
            assert_eq!(one, other);
        });
        assert_eq!(*lock.read(), [THREADS * TIMES; 2]);
        while_held(|| lock.write(), || assert!(lock.try_write().is_none()));
        while_held(|| lock.read(), || assert!(lock.try_write().is_none()));
        assert!(lock.try_write().is_some());
    }
}

/// Of the table under one lock, as it was at first.
#[test]
fn readers_share_the_only_one() {
    let lock = RwLock::<StripeLock, u64>::new(true, 7).unwrap();
    while_held(|| lock.read(), || assert_eq!(*lock.read(), 7));
}

/// Whoever has it can lose his CPU, or sleep: that is waited for.
#[test]
fn who_waits_for_long_gets_it() {
    let lock = SpinLock::<ShardLock, u64>::new(0).unwrap();
    let has_it = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut value = lock.lock();
            has_it.store(true, Ordering::Release);
            thread::sleep(Duration::from_millis(100));
            *value = 1;
        });
        while !has_it.load(Ordering::Acquire) {
            thread::yield_now();
        }
        assert_eq!(*lock.lock(), 1);
    });
}
