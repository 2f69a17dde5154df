// SPDX-License-Identifier: GPL-2.0-only
//! The core's atomics, and its items' bytes, for loom: a model checker that runs
//! what a few threads do in every order that makes a difference.
//!
//! The store's words lie in its region, where loom's own atomics cannot. So an
//! atomic here is an ordinary one that loom's stands in for while a model runs,
//! found by its address. Loom has to know of them all before the threads begin,
//! and they must be the same in every run: hence a store stays at one address. What
//! is used is learned: [`end`] says what loom was not told of, and the model begins
//! anew with that.
//!
//! Bytes are not copied through loom. It is told who reads and who writes which of
//! them, and finds fault when nothing orders the one before the other.
//!
//! All threads of a model are coroutines of one thread, so that the state here is
//! that thread's own.

use core::any::Any;
use core::cell::RefCell;
use core::mem::take;
use core::sync::atomic::{self as plain, Ordering};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::thread_local;

use loom::cell::UnsafeCell;
use loom::sync::atomic as modelled;

/// Of a long text, only so many bytes at both ends are watched.
const ENDS: usize = 8;

/// How loom's atomic is made from the ordinary one, and put back.
#[derive(Clone, Copy, Debug)]
struct Kind {
    make: fn(usize) -> Rc<dyn Any>,
    put_back: fn(usize, &dyn Any),
}

/// What a store uses: its atomics and its bytes, by their addresses.
#[derive(Clone, Debug, Default)]
pub struct Used {
    words: BTreeMap<usize, Kind>,
    bytes: BTreeSet<usize>,
}

impl Used {
    const fn none() -> Self {
        Self {
            words: BTreeMap::new(),
            bytes: BTreeSet::new(),
        }
    }

    /// Adds what another knows.
    pub fn learn(&mut self, more: Used) {
        self.words.extend(more.words);
        self.bytes.extend(more.bytes);
    }
}

struct World {
    /// Threads run, and loom chooses who. Without them, what is done is done on the
    /// ordinary atomics.
    running: bool,
    used: Used,
    words: BTreeMap<usize, Rc<dyn Any>>,
    bytes: BTreeMap<usize, Rc<UnsafeCell<()>>>,
    unknown: Used,
    /// What loom takes for the things that are read without a lock.
    pauses: Option<Rc<modelled::AtomicUsize>>,
}

thread_local! {
    static WORLD: RefCell<World> = const {
        RefCell::new(World {
            running: false,
            used: Used::none(),
            words: BTreeMap::new(),
            bytes: BTreeMap::new(),
            unknown: Used::none(),
            pauses: None,
        })
    };
}

/// From now on loom sees what is used, as far as it is told here. Called in a model,
/// by its first thread, before it starts others. With `glances` it is told of what is read
/// without a lock, so that others come in between.
pub fn begin(used: &Used, glances: bool) {
    let make = |(at, kind): (&usize, &Kind)| (*at, (kind.make)(*at));
    let words = used.words.iter().map(make).collect();
    let cell = |at: &usize| (*at, Rc::new(UnsafeCell::new(())));
    let bytes = used.bytes.iter().map(cell).collect();
    WORLD.with_borrow_mut(|world| {
        *world = World {
            running: true,
            used: used.clone(),
            words,
            bytes,
            unknown: Used::none(),
            pauses: glances.then(|| Rc::new(modelled::AtomicUsize::new(0))),
        };
    });
}

/// The opposite, once all others have ended.
///
/// # Errors
///
/// What loom was not told of: this run has shown nothing.
pub fn end() -> Result<(), Used> {
    let (used, words, unknown) = WORLD.with_borrow_mut(|world| {
        world.bytes.clear();
        world.pauses = None;
        let unknown = take(&mut world.unknown);
        (take(&mut world.used), take(&mut world.words), unknown)
    });
    for (at, word) in words {
        if let Some(kind) = used.words.get(&at) {
            (kind.put_back)(at, &*word);
        }
    }
    WORLD.with_borrow_mut(|world| world.running = false);
    match unknown.words.is_empty() && unknown.bytes.is_empty() {
        true => Ok(()),
        false => Err(unknown),
    }
}

/// Whether threads run, so that locks are to be loom's.
pub fn running() -> bool {
    WORLD.with_borrow(|world| world.running)
}

/// Loom's atomic for the one at `at`, while threads run.
fn word(at: usize, kind: Kind) -> Option<Rc<dyn Any>> {
    WORLD.with_borrow_mut(|world| {
        if !world.running {
            return None;
        }
        let known = world.words.get(&at).cloned();
        if known.is_none() {
            world.unknown.words.insert(at, kind);
        }
        known
    })
}

/// Bytes are about to be read, or, in the whole slice, written.
pub(crate) fn touch(at: *const u8, len: usize, write: bool) {
    if write {
        pause();
    }
    let watched = (0..len).filter(|i| *i < ENDS || len.saturating_sub(*i) <= ENDS);
    for i in watched {
        let at = at.addr().wrapping_add(i);
        let cell = WORLD.with_borrow_mut(|world| {
            if !world.running {
                return None;
            }
            let known = world.bytes.get(&at).cloned();
            if known.is_none() {
                world.unknown.bytes.insert(at);
            }
            known
        });
        match cell {
            Some(cell) if write => cell.with_mut(|_| ()),
            Some(cell) => cell.with(|_| ()),
            None => {}
        }
    }
}

/// Something is about to be read without a lock, or written that may be: in which order that
/// is makes a difference.
pub(crate) fn pause() {
    if let Some(pauses) = WORLD.with_borrow(|world| world.pauses.clone()) {
        pauses.fetch_add(1, Ordering::Relaxed);
    }
}

/// As the ordinary one.
pub fn fence(order: Ordering) {
    if running() {
        modelled::fence(order);
    }
}

macro_rules! atomics {
    ($($name:ident: $value:ty, [$($op:ident)*];)*) => {$(
        /// As the ordinary one of that name.
        #[derive(Debug)]
        #[repr(transparent)]
        pub struct $name(plain::$name);

        impl $name {
            const KIND: Kind = Kind {
                make: |at| {
                    // SAFETY: recorded there, where nothing has moved since.
                    let word = unsafe { &*core::ptr::with_exposed_provenance::<plain::$name>(at) };
                    Rc::new(modelled::$name::new(word.load(Ordering::Relaxed)))
                },
                put_back: |at, modelled| {
                    // SAFETY: as above.
                    let word = unsafe { &*core::ptr::with_exposed_provenance::<plain::$name>(at) };
                    if let Some(modelled) = modelled.downcast_ref::<modelled::$name>() {
                        word.store(modelled.load(Ordering::Relaxed), Ordering::Relaxed);
                    }
                },
            };

            /// As the ordinary one's.
            pub const fn new(value: $value) -> Self {
                Self(plain::$name::new(value))
            }

            fn with<R>(
                &self,
                modelled: impl FnOnce(&modelled::$name) -> R,
                plain: impl FnOnce(&plain::$name) -> R,
            ) -> R {
                let at = core::ptr::from_ref(&self.0).expose_provenance();
                match word(at, Self::KIND) {
                    Some(word) => match word.downcast_ref() {
                        Some(word) => modelled(word),
                        None => unreachable!("another kind of atomic"),
                    },
                    None => plain(&self.0),
                }
            }

            /// As the ordinary one's.
            pub fn load(&self, order: Ordering) -> $value {
                self.with(|word| word.load(order), |word| word.load(order))
            }

            /// As the ordinary one's.
            pub fn store(&self, value: $value, order: Ordering) {
                self.with(|word| word.store(value, order), |word| word.store(value, order))
            }

            $(
                /// As the ordinary one's.
                pub fn $op(&self, value: $value, order: Ordering) -> $value {
                    self.with(|word| word.$op(value, order), |word| word.$op(value, order))
                }
            )*

            /// As the ordinary one's.
            ///
            /// # Errors
            ///
            /// The value that was there instead.
            pub fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.with(
                    |word| word.compare_exchange(old, new, success, failure),
                    |word| word.compare_exchange(old, new, success, failure),
                )
            }

            /// As the ordinary one's.
            ///
            /// # Errors
            ///
            /// The value for which there was no new one.
            pub fn fetch_update(
                &self,
                set: Ordering,
                fetch: Ordering,
                mut update: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut old = self.load(fetch);
                while let Some(new) = update(old) {
                    match self.compare_exchange(old, new, set, fetch) {
                        Ok(old) => return Ok(old),
                        Err(now) => old = now,
                    }
                }
                Err(old)
            }
        }
    )*};
}

/// As words that a lock owns: those are no atomics to loom, which is told who reads
/// and who writes them as it is of bytes.
impl AtomicU32 {
    pub(crate) fn load_owned(&self) -> u32 {
        touch(self.0.as_ptr().cast_const().cast(), 1, false);
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn store_owned(&self, value: u32) {
        touch(self.0.as_ptr().cast_const().cast(), 1, true);
        self.0.store(value, Ordering::Relaxed);
    }

    /// What it says now, whether it is an atomic to loom or a lock's own.
    pub(crate) fn peek(&self) -> u32 {
        pause();
        let at = self.0.as_ptr().expose_provenance();
        let known = WORLD.with_borrow(|world| world.words.get(&at).cloned());
        match known.as_ref().and_then(|word| word.downcast_ref()) {
            Some(word) => modelled::AtomicU32::load(word, Ordering::Relaxed),
            None => self.0.load(Ordering::Relaxed),
        }
    }
}

atomics! {
    AtomicBool: bool, [swap];
    AtomicU32: u32, [swap fetch_add fetch_sub fetch_or fetch_and fetch_xor];
    AtomicU64: u64, [swap fetch_add fetch_sub fetch_and fetch_or];
    AtomicUsize: usize, [swap fetch_add fetch_sub];
}
