// SPDX-License-Identifier: GPL-2.0-only
//! Chains of the table in regions of any size: what is left of a link's bits says
//! more of the item, and in the largest region nothing is left.
#![allow(missing_docs)]

mod common;

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use common::NoHost;
use host::Process;
use kv::limits::{MEMORY_MAX, MEMORY_MIN};
use kv::store::{Change, Done, Entry, Look, Lookup};
use kv::{Config, Context, Counters, Kv, Memory, Now};
use nix::sys::mman::{mmap_anonymous, munmap, MapFlags, ProtFlags};

/// Pages that there are once they are touched.
struct Sparse(NonNull<u8>, usize);

impl Sparse {
    fn new(len: usize) -> Self {
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_NORESERVE;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping, where the system likes, replaces nothing.
        let start = unsafe { mmap_anonymous(None, NonZeroUsize::new(len).unwrap(), access, flags) };
        Self(start.unwrap().cast(), len)
    }
}

impl Drop for Sparse {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`, and nobody has a reference into it any more.
        unsafe { munmap(self.0.cast(), self.1) }.unwrap();
    }
}

// SAFETY: a mapping is as good in one thread as in another.
unsafe impl Send for Sparse {}
// SAFETY: shared, it gives out its address only.
unsafe impl Sync for Sparse {}

// SAFETY: a private mapping, which is aligned, zeroed, and stays where it is.
unsafe impl Memory for Sparse {
    fn base(&self) -> NonNull<u8> {
        self.0
    }
    fn len(&self) -> usize {
        self.1
    }
}

type Large = Process<Sparse>;

const KEYS: usize = 3000;

fn key(number: usize) -> Vec<u8> {
    format!("key-{number}").into_bytes()
}

/// Stores, finds, misses, deletes and finds again.
fn try_out(len: usize, stripes: usize) {
    let config = Config {
        stripes,
        ..Config::new([3, 4])
    };
    let kv = Kv::<Large>::new(Sparse::new(len), &config).unwrap();
    let counters = [Counters::new()];
    let cx = Context {
        now: Now::START,
        unix_now: common::UNIX,
        mine: &counters[0],
        all: &counters,
        host: &NoHost,
    };
    let has = |number: usize| {
        let key = key(number);
        let found = kv.get(&key, Look::Peek, &cx, |value| value.data() == key);
        match found {
            Lookup::Hit(right) => {
                assert!(right, "{len}: another's value");
                true
            }
            _ => false,
        }
    };
    let set = |number: usize| {
        let key = key(number);
        let updated = kv.update(&key, &cx, |_| Change::Store(Entry::new(0, 0, &key)));
        let done = updated.done;
        assert!(matches!(done, Done::Stored { .. }), "{len}: {done:?}");
    };
    (0..KEYS).for_each(set);
    for number in 0..2 * KEYS {
        assert_eq!(has(number), number < KEYS, "{len}: {number}");
    }
    // From the front, from the middle and from the end of chains, until some are
    // empty.
    for divisor in [3, 2, 5] {
        for number in (0..KEYS).filter(|number| number % divisor == 0) {
            let there = has(number);
            let done = kv.update(&key(number), &cx, |_| Change::Remove).done;
            assert_eq!(done == Done::Removed, there, "{len}: {number}");
        }
        for number in 0..KEYS {
            let gone = [3, 2, 5].into_iter().take_while(|other| *other != divisor);
            let gone = gone.chain([divisor]).any(|other| number % other == 0);
            assert_eq!(has(number), !gone, "{len}: {number}");
        }
    }
    (0..KEYS).for_each(set);
    assert!((0..KEYS).all(has), "{len}: lost");
}

#[test]
fn links_have_as_many_bits_as_are_left() {
    for len in [MEMORY_MIN, 3 << 20, 64 << 20, 1 << 33, 1 << 34, MEMORY_MAX] {
        try_out(len, 1);
        try_out(len, 256);
    }
}
