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

/// Stores, finds, misses, deletes and finds again, with values that are a key and what makes
/// them as long as that.
fn try_out(len: usize, stripes: usize, value_len: usize) {
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
    let value = |number: usize| {
        let mut value = key(number).to_vec();
        value.resize(value_len.max(value.len()), b'v');
        value
    };
    let has = |number: usize| {
        let (key, right) = (key(number), value(number));
        let found = kv.get(&key, Look::Peek, &cx, |value| value.data() == right);
        let mut copied = vec![0; right.len()];
        let glanced = match kv.copy(&key, cx.now, &mut copied) {
            Lookup::Hit(len) => Lookup::Hit(copied[..len] == right),
            _ => Lookup::Miss,
        };
        assert_eq!(glanced, found, "{len}");
        match found {
            Lookup::Hit(right) => {
                assert!(right, "{len}: another's value");
                true
            }
            _ => false,
        }
    };
    let set = |number: usize| {
        let (key, value) = (key(number), value(number));
        let updated = kv.update(&key, &cx, |_| Change::Store(Entry::new(0, 0, &value)));
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

/// Keys of one length that differ in one byte or two, in one chain often, whose links do not
/// tell them apart.
#[test]
fn keys_are_told_apart_by_every_byte() {
    for len in [
        1usize, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 63, 64, 65, 79, 96, 200, 249, 250,
    ] {
        let config = Config::new([5, 6]);
        let kv = Kv::<Large>::new(Sparse::new(MEMORY_MAX), &config).unwrap();
        let counters = [Counters::new()];
        let cx = common::cx(&counters, 0, 10);
        let bytes = (0..len).flat_map(|at| (1..=255u8).map(move |byte| (at, byte)));
        let keys: Vec<Vec<u8>> = bytes
            .step_by((len * 255).div_ceil(4000))
            .map(|(at, byte)| {
                let mut key = vec![b'k'; len];
                key[at] ^= byte;
                key
            })
            .collect();
        for key in &keys {
            let store = Change::Store(Entry::new(0, 0, key));
            let mut store = Some(store);
            let done = kv.update(key, &cx, |_| store.take().unwrap()).done;
            assert!(matches!(done, Done::Stored { .. }));
        }
        for key in &keys {
            let mut copied = vec![0; len];
            assert_eq!(kv.copy(key, cx.now, &mut copied), Lookup::Hit(len));
            assert_eq!(&copied, key);
            let same = kv.get(key, Look::Peek, &cx, |value| value.data() == key);
            assert_eq!(same, Lookup::Hit(true));
        }
    }
}

#[test]
fn links_have_as_many_bits_as_are_left() {
    for len in [MEMORY_MIN, 3 << 20, 64 << 20, 1 << 33, 1 << 34, MEMORY_MAX] {
        for stripes in [1, 256] {
            try_out(len, stripes, 0);
            if len > MEMORY_MIN {
                // As many heads as have an item beside each chain.
                try_out(len, stripes, 600);
            }
        }
    }
}
