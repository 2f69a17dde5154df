// SPDX-License-Identifier: GPL-2.0-only
//! The stores that are measured, behind one interface: what a cache server does
//! with them. A hit copies the value into the reply, a set copies key and value
//! out of the request, since neither belongs to the store.
//!
//! Beside ours: `dashmap`, a table in locked shards, and `papaya`, one with
//! lock-free reads, which both never let anything go; `quick_cache` and `moka`,
//! which do. Each is as it comes, with the types that it is best at: values are
//! shared where a get would otherwise allocate a copy of them.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::Arc;

use dashmap::DashMap;
use host::{answer, Region, Userspace};
use kv::store::{Change, Condition, Done, Entry, Head, Lookup, Plain, Put, Value};
use kv::{Config, Context, Counters, Host, Kv, Now, Platform};
use quick_cache::{DefaultHashBuilder, UnitWeighter};

/// A store, as a server sees it.
pub trait Cache: Sync {
    /// Copies the value under `key` to the front of `reply`, if it is there.
    fn get(&self, key: &[u8], reply: &mut [u8]) -> bool;
    /// Puts a copy of a value under a copy of `key`; whether it is there now. The
    /// value comes as in a request, with a CRLF behind it.
    fn set(&self, key: &[u8], block: &[u8]) -> bool;
}

/// The value in a block.
fn value_of(block: &[u8]) -> &[u8] {
    block.strip_suffix(b"\r\n").unwrap_or(block)
}

/// Copies a value into a reply.
fn copy(value: &[u8], reply: &mut [u8]) -> bool {
    let room = reply.get_mut(..value.len());
    room.map(|room| room.copy_from_slice(value)).is_some()
}

/// A host that has nothing to say.
struct NoHost;

impl Host for NoHost {
    fn stats(&self, _emit: &mut dyn FnMut(&str, u64)) {}
    fn settings(&self, _emit: &mut dyn FnMut(&str, u64)) {}
}

/// Ours, on locks and memory of a userspace process.
pub struct Ours {
    /// The store itself.
    pub kv: Kv<Userspace>,
    /// For each of two threads that run at a time.
    counters: [Counters; 2],
}

impl Ours {
    /// A store of so many bytes, with so many locks.
    pub fn new(bytes: usize, stripes: usize) -> Self {
        let random = RandomState::new();
        Self::with_key(bytes, stripes, [1, 2].map(|n: u64| random.hash_one(n)))
    }

    /// A store whose hash is not secret.
    ///
    /// # Panics
    ///
    /// When there is no store of that size.
    pub fn with_key(bytes: usize, stripes: usize, hash_key: [u64; 2]) -> Self {
        let config = Config {
            stripes,
            ..Config::new(hash_key)
        };
        Self {
            kv: Kv::new(Region::new(bytes).unwrap(), &config).unwrap(),
            counters: [Counters::new(), Counters::new()],
        }
    }

    /// Serves a datagram, which is copied to `place` first; the length of the reply's text.
    pub fn serve(&self, datagram: &[u8], place: &mut [u8], text: &mut [u8]) -> usize {
        let len = datagram.len();
        place[..len].copy_from_slice(datagram);
        let answer = answer(&self.kv, &self.context(), place, len, text);
        answer.text.len()
    }

    fn context(&self) -> Context<'_> {
        Context {
            now: Now::START,
            unix_now: 1_800_000_000,
            mine: &self.counters[Userspace::here() % 2],
            all: &self.counters,
            host: &NoHost,
        }
    }
}

impl Cache for Ours {
    fn get(&self, key: &[u8], reply: &mut [u8]) -> bool {
        let room = reply.len();
        let found = self.kv.copy(key, Now::START, reply);
        matches!(found, Lookup::Hit(len) if len <= room)
    }

    fn set(&self, key: &[u8], block: &[u8]) -> bool {
        let (cx, value) = (self.context(), value_of(block));
        let head = Head::new(0, value.len());
        let new = Plain::new(key, &head, block, 0);
        if let Some(put) = self.kv.put(&new, Condition::Always, &cx) {
            return matches!(put, Put::Stored(_));
        }
        let store = |_: Option<&Value<'_>>| Change::Store(Entry::new(0, 0, value));
        matches!(self.kv.update(key, &cx, store).done, Done::Stored { .. })
    }
}

/// `dashmap`.
pub struct Dash(DashMap<Box<[u8]>, Box<[u8]>>);

impl Dash {
    /// Empty, and as its default is.
    pub fn new() -> Self {
        Self(DashMap::new())
    }
}

impl Default for Dash {
    fn default() -> Self {
        Self::new()
    }
}

impl Cache for Dash {
    fn get(&self, key: &[u8], reply: &mut [u8]) -> bool {
        self.0.get(key).is_some_and(|value| copy(&value, reply))
    }

    fn set(&self, key: &[u8], block: &[u8]) -> bool {
        let value = value_of(block);
        self.0.insert(key.into(), value.into());
        true
    }
}

/// `papaya`.
#[derive(Default)]
pub struct Papaya(papaya::HashMap<Box<[u8]>, Box<[u8]>>);

impl Cache for Papaya {
    fn get(&self, key: &[u8], reply: &mut [u8]) -> bool {
        let map = self.0.pin();
        map.get(key).is_some_and(|value| copy(value, reply))
    }

    fn set(&self, key: &[u8], block: &[u8]) -> bool {
        let value = value_of(block);
        self.0.pin().insert(key.into(), value.into());
        true
    }
}

/// `quick_cache`, by its own hash or by another.
pub struct Quick<S = DefaultHashBuilder>(
    quick_cache::sync::Cache<Box<[u8]>, Arc<[u8]>, UnitWeighter, S>,
);

impl<S: BuildHasher + Clone + Default> Quick<S> {
    /// For so many items.
    pub fn new(items: u64) -> Self {
        Self(quick_cache::sync::Cache::with(
            items as usize,
            items,
            UnitWeighter,
            S::default(),
            quick_cache::sync::DefaultLifecycle::default(),
        ))
    }
}

impl<S: BuildHasher + Clone + Send + Sync> Cache for Quick<S> {
    fn get(&self, key: &[u8], reply: &mut [u8]) -> bool {
        self.0.get(key).is_some_and(|value| copy(&value, reply))
    }

    fn set(&self, key: &[u8], block: &[u8]) -> bool {
        let value = value_of(block);
        self.0.insert(key.into(), value.into());
        true
    }
}

/// `moka`.
pub struct Moka(moka::sync::Cache<Box<[u8]>, Arc<[u8]>>);

impl Moka {
    /// For so many items.
    pub fn new(items: u64) -> Self {
        Self(moka::sync::Cache::new(items))
    }
}

impl Cache for Moka {
    fn get(&self, key: &[u8], reply: &mut [u8]) -> bool {
        self.0.get(key).is_some_and(|value| copy(&value, reply))
    }

    fn set(&self, key: &[u8], block: &[u8]) -> bool {
        let value = value_of(block);
        self.0.insert(key.into(), value.into());
        true
    }
}
