// SPDX-License-Identifier: GPL-2.0-only
//! Loom as the core's host: its locks, and a store that is at the same place in
//! every run of a model.
#![allow(unreachable_pub, clippy::arc_with_non_send_sync)]

use std::alloc::{alloc_zeroed, Layout};
use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::panic::resume_unwind;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::Arc;
use std::thread;

use kv::modelled::{self, Used};
use kv::{Config, Kv, Memory, NoMemory, Platform, RawRwLock, RawSpinLock};
use loom::sync::{Condvar, Mutex};

pub enum Modelled {}

impl Platform for Modelled {
    type RwLock = Lock;
    type SpinLock = Lock;
    type OrderLock = Lock;
    type GateLock = Lock;
    type Memory = Region;
    type Array<T: Send + Sync> = Fixed<T>;

    fn array<T: Send + Sync>(
        len: usize,
        make: impl FnMut(usize) -> Result<T, NoMemory>,
    ) -> Result<Fixed<T>, NoMemory> {
        (0..len)
            .map(make)
            .collect::<Result<Vec<T>, _>>()
            .map(Fixed::new)
    }

    fn relax(_tries: usize) {
        if modelled::running() {
            loom::thread::yield_now();
        }
    }
}

/// An array, at the address that it had in the last store.
pub struct Fixed<T>(NonNull<[T]>);

// SAFETY: an array is as good in one thread as in another.
unsafe impl<T: Send> Send for Fixed<T> {}
// SAFETY: shared, it gives out shared references.
unsafe impl<T: Sync> Sync for Fixed<T> {}

impl<T> Fixed<T> {
    fn new(things: Vec<T>) -> Self {
        let layout = Layout::array::<T>(things.len().max(1)).unwrap();
        let nth = ARRAYS_MADE.replace(ARRAYS_MADE.get() + 1);
        let place = ARRAYS.with_borrow(|arrays| {
            let mut arrays = arrays.lock().unwrap();
            if nth == arrays.len() {
                // SAFETY: the layout is of one thing at least, none of no size.
                let place = unsafe { alloc_zeroed(layout) };
                arrays.push((place.expose_provenance(), layout));
            }
            assert_eq!(arrays[nth].1, layout, "another store");
            std::ptr::with_exposed_provenance_mut::<T>(arrays[nth].0)
        });
        let len = things.len();
        for (index, thing) in things.into_iter().enumerate() {
            // SAFETY: leaked, long enough, and of one store at a time.
            unsafe { place.add(index).write(thing) };
        }
        let things = std::ptr::slice_from_raw_parts_mut(place, len);
        Self(NonNull::new(things).unwrap())
    }
}

impl<T> std::ops::Deref for Fixed<T> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        // SAFETY: written by `new`, and dropped with this.
        unsafe { self.0.as_ref() }
    }
}

impl<T> std::ops::DerefMut for Fixed<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: written by `new`, and dropped with this.
        unsafe { self.0.as_mut() }
    }
}

impl<T> Drop for Fixed<T> {
    fn drop(&mut self) {
        // SAFETY: written by `new`; nobody has a reference any more.
        unsafe { self.0.drop_in_place() }
    }
}

/// Where the arrays of a scene are, in the order in which they are made.
type Arrays = Arc<std::sync::Mutex<Vec<(usize, Layout)>>>;

thread_local! {
    static ARRAYS: RefCell<Arrays> = RefCell::default();
    static ARRAYS_MADE: Cell<usize> = const { Cell::new(0) };
    static NO_LOCKS: Cell<bool> = const { Cell::new(false) };
    static CHEAP: Cell<bool> = const { Cell::new(false) };
}

/// In `models` locks exclude nobody.
pub fn without_locks(models: impl FnOnce()) {
    NO_LOCKS.set(true);
    models();
}

/// Who has a lock: so many readers, or -1 for a writer.
type Holders = (Mutex<isize>, Condvar);

/// A lock while a model runs, and nothing before and after: there is one thread
/// then. Made of loom's mutex and condition variable, since a try of loom's own
/// locks may wait.
pub struct Lock {
    holders: RefCell<Option<Rc<Holders>>>,
}

// SAFETY: all threads of a model are coroutines of one thread, and give way only
// inside of loom, where nothing here is borrowed.
unsafe impl Send for Lock {}
// SAFETY: as above.
unsafe impl Sync for Lock {}

impl Lock {
    fn holders(&self) -> Option<Rc<Holders>> {
        let wanted = modelled::running() && !NO_LOCKS.get();
        wanted.then(|| {
            let make = || Rc::new((Mutex::new(0), Condvar::new()));
            Rc::clone(self.holders.borrow_mut().get_or_insert_with(make))
        })
    }

    /// Waits while the holders are too many, and becomes one.
    fn wait(&self, busy: fn(isize) -> bool, more: isize) {
        if let Some(lock) = self.holders() {
            let (mutex, changed) = &*lock;
            let mut holders = mutex.lock().unwrap();
            while busy(*holders) {
                holders = changed.wait(holders).unwrap();
            }
            *holders += more;
        }
    }

    fn read(&self) {
        self.wait(|holders| holders < 0, 1);
    }

    fn write(&self) {
        self.wait(|holders| holders != 0, -1);
    }

    fn try_write(&self) -> bool {
        let Some(lock) = self.holders() else {
            return true;
        };
        let mut holders = lock.0.lock().unwrap();
        let free = *holders == 0;
        *holders -= isize::from(free);
        free
    }

    fn release(&self, less: isize) {
        if let Some(lock) = self.holders() {
            let (mutex, changed) = &*lock;
            *mutex.lock().unwrap() -= less;
            changed.notify_all();
        }
    }
}

// SAFETY: `wait` and `try_write` exclude; the mutex acquires and releases as asked; without a model
// there is one thread.
unsafe impl RawRwLock for Lock {
    fn is_cheap() -> bool {
        CHEAP.get()
    }
    fn new(_is_only: bool) -> Result<Self, NoMemory> {
        let holders = RefCell::new(None);
        Ok(Self { holders })
    }
    fn read_lock(&self) {
        self.read();
    }
    unsafe fn read_unlock(&self) {
        self.release(1);
    }
    fn write_lock(&self) {
        self.write();
    }
    fn try_write_lock(&self) -> bool {
        self.try_write()
    }
    unsafe fn write_unlock(&self) {
        self.release(-1);
    }
}

// SAFETY: as above.
unsafe impl RawSpinLock for Lock {
    fn new() -> Result<Self, NoMemory> {
        <Self as RawRwLock>::new(true)
    }
    fn lock(&self) {
        self.write();
    }
    fn try_lock(&self) -> bool {
        self.try_write()
    }
    unsafe fn unlock(&self) {
        self.release(-1);
    }
}

const MIB: usize = 1 << 20;

/// One region for all stores, one after the other.
pub struct Region(NonNull<u8>);

// SAFETY: see `Lock`.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

// SAFETY: leaked, aligned, zeroed by whoever makes the next store, and of one store
// at a time.
unsafe impl Memory for Region {
    fn base(&self) -> NonNull<u8> {
        self.0
    }
    fn len(&self) -> usize {
        MIB
    }
}

/// A store at one place, and what it holds when threads begin.
pub struct Scene {
    config: Config,
    set_up: fn(&Kv<Modelled>),
    region: NonNull<u8>,
    place: NonNull<MaybeUninit<Kv<Modelled>>>,
    glances: bool,
    /// How many were tried.
    orders: AtomicUsize,
}

/// What a thread of the model needs; all of them end before the store does.
#[derive(Clone, Copy)]
struct Shared(&'static Kv<Modelled>, fn(&Kv<Modelled>));

// SAFETY: see `Lock`.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Scene {
    pub fn new(config: Config, set_up: fn(&Kv<Modelled>)) -> Self {
        let layout = Layout::from_size_align(MIB, 4096).unwrap();
        // SAFETY: the layout is not empty.
        let region = unsafe { alloc_zeroed(layout) };
        Self {
            config,
            set_up,
            region: NonNull::new(region).unwrap(),
            place: NonNull::from(Box::leak(Box::new(MaybeUninit::uninit()))),
            glances: false,
            orders: AtomicUsize::new(0),
        }
    }

    /// The same, where somebody looks without a lock.
    pub fn with_glances(self) -> Self {
        Self {
            glances: true,
            ..self
        }
    }

    /// A new store, where the last one was, set up.
    fn fresh(&self) -> &'static Kv<Modelled> {
        // SAFETY: of the region's length, and the last store is gone or forgotten.
        unsafe { self.region.write_bytes(0, MIB) };
        ARRAYS_MADE.set(0);
        let kv = Kv::new(Region(self.region), &self.config).unwrap();
        // SAFETY: leaked, and nobody has a reference to the last store any more.
        let kv = unsafe { (*self.place.as_ptr()).write(kv) };
        (self.set_up)(kv);
        kv
    }

    /// Runs the tasks, each in a thread, in all orders; `judge` sees what each
    /// leaves behind. Who looks without a lock marks things in one of two ways: both are tried.
    pub fn play(self, tasks: &[fn(&Kv<Modelled>)], judge: fn(&Kv<Modelled>)) {
        let scene = Arc::new(self);
        Self::play_with(false, &scene, tasks, judge);
        if scene.glances {
            Self::play_with(true, &scene, tasks, judge);
        }
    }

    /// The same, with locks that are [cheap](RawRwLock::is_cheap), or not.
    fn play_with(
        cheap: bool,
        scene: &Arc<Self>,
        tasks: &[fn(&Kv<Modelled>)],
        judge: fn(&Kv<Modelled>),
    ) {
        let mut used = Used::default();
        let arrays = Arrays::default();
        for _ in 0..200 {
            let run = Run {
                scene: Arc::clone(scene),
                tasks: tasks.to_vec(),
                used: used.clone(),
            };
            scene.orders.store(0, Ordering::Relaxed);
            // Loom does not begin anew where it has stopped: each in a thread.
            let locks = NO_LOCKS.get();
            let arrays = Arc::clone(&arrays);
            let thread = thread::spawn(move || {
                NO_LOCKS.set(locks);
                CHEAP.set(cheap);
                ARRAYS.set(arrays);
                let mut builder = loom::model::Builder::new();
                builder.preemption_bound = Some(2);
                builder.max_branches = 100_000;
                builder.check(move || run.once(judge));
            });
            match thread.join() {
                Ok(()) => {
                    let orders = scene.orders.load(Ordering::Relaxed);
                    println!("{orders} orders");
                    assert!(orders > 10, "{orders} orders");
                    return;
                }
                Err(panic) => match panic.downcast::<Used>() {
                    Ok(unknown) => used.learn(*unknown),
                    Err(panic) => resume_unwind(panic),
                },
            }
        }
        panic!("what is used lies elsewhere in every run");
    }
}

/// What a model is made of.
struct Run {
    scene: Arc<Scene>,
    tasks: Vec<fn(&Kv<Modelled>)>,
    used: Used,
}

// SAFETY: see `Lock`; and one model runs after the other.
unsafe impl Send for Run {}
// SAFETY: as above.
unsafe impl Sync for Run {}

impl Run {
    /// One order. Ends with a panic that is no failure when there is more to be
    /// learned of what is used.
    fn once(&self, judge: fn(&Kv<Modelled>)) {
        let kv = self.scene.fresh();
        modelled::begin(&self.used, self.scene.glances);
        let start = |task: &fn(&Kv<Modelled>)| {
            let shared = Shared(kv, *task);
            loom::thread::spawn(move || {
                let Shared(kv, task) = { shared };
                task(kv);
            })
        };
        let threads: Vec<_> = self.tasks.iter().map(start).collect();
        for thread in threads {
            thread.join().unwrap();
        }
        match modelled::end() {
            Ok(()) => judge(kv),
            Err(unknown) => resume_unwind(Box::new(unknown)),
        }
        self.scene.orders.fetch_add(1, Ordering::Relaxed);
        // SAFETY: written by `fresh`, and all who knew it have ended.
        unsafe { (*self.scene.place.as_ptr()).assume_init_drop() };
    }
}
