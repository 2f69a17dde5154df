// SPDX-License-Identifier: GPL-2.0-only
//! A host for the core, made for tests: guarded memory, a clock that is set by
//! hand, and a session that asks and answers in text.
#![allow(dead_code, missing_docs, unreachable_pub)]

use std::alloc::{alloc_zeroed, dealloc, handle_alloc_error, Layout};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ptr::NonNull;
use std::slice;

use kv::limits::REPLY_MAX;
use kv::{serve, Config, Context, Counters, CpuTime, Drop as Dropped, Host, Kv, Now, Outcome};
use kv::{Memory, NoMemory, Platform, RawRwLock, RawSpinLock, Reply};
use parking_lot::lock_api::{RawMutex as _, RawRwLock as _};

pub const MIB: usize = 1 << 20;
pub const UNIX: u64 = 1_800_000_000;

pub enum Test {}

impl Platform for Test {
    type RwLock = TableLock;
    type SpinLock = ClassLock;
    type Memory = Region;
    type Array<T: Send + Sync> = Box<[T]>;

    fn array<T: Send + Sync>(
        len: usize,
        make: impl FnMut(usize) -> Result<T, NoMemory>,
    ) -> Result<Box<[T]>, NoMemory> {
        (0..len).map(make).collect()
    }
    fn relax() {
        std::thread::yield_now();
    }
}

pub struct TableLock(parking_lot::RawRwLock);

// SAFETY: `parking_lot`'s lock excludes, acquires and releases as asked.
unsafe impl RawRwLock for TableLock {
    fn new() -> Result<Self, NoMemory> {
        Ok(Self(parking_lot::RawRwLock::INIT))
    }
    fn read_lock(&self) {
        self.0.lock_shared();
    }
    unsafe fn read_unlock(&self) {
        // SAFETY: the caller has a shared hold.
        unsafe { self.0.unlock_shared() }
    }
    fn write_lock(&self) {
        self.0.lock_exclusive();
    }
    fn try_write_lock(&self) -> bool {
        self.0.try_lock_exclusive()
    }
    unsafe fn write_unlock(&self) {
        // SAFETY: the caller has the exclusive hold.
        unsafe { self.0.unlock_exclusive() }
    }
}

pub struct ClassLock(parking_lot::RawMutex);

// SAFETY: `parking_lot`'s lock excludes, acquires and releases as asked.
unsafe impl RawSpinLock for ClassLock {
    fn new() -> Result<Self, NoMemory> {
        Ok(Self(parking_lot::RawMutex::INIT))
    }
    fn lock(&self) {
        self.0.lock();
    }
    fn try_lock(&self) -> bool {
        self.0.try_lock()
    }
    unsafe fn unlock(&self) {
        // SAFETY: the caller has the hold.
        unsafe { self.0.unlock() }
    }
}

const GUARD: usize = 4096;
const PATTERN: u8 = 0xa5;

/// A region between two guards, which must be untouched when it goes.
pub struct Region {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: memory is as good in one thread as in another.
unsafe impl Send for Region {}
// SAFETY: shared, it gives out its address only.
unsafe impl Sync for Region {}

impl Region {
    pub fn new(len: usize) -> Self {
        let layout = Self::layout(len);
        // SAFETY: the layout is not empty.
        let start = NonNull::new(unsafe { alloc_zeroed(layout) });
        let region = Self {
            start: start.unwrap_or_else(|| handle_alloc_error(layout)),
            len,
        };
        for guard in [0, GUARD + len] {
            // SAFETY: in the allocation, and in front of or behind the region.
            unsafe { region.start.as_ptr().add(guard).write_bytes(PATTERN, GUARD) };
        }
        region
    }

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(GUARD + len + GUARD, 4096).unwrap()
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        for guard in [0, GUARD + self.len] {
            // SAFETY: in the allocation, written by `new`.
            let guard = unsafe { slice::from_raw_parts(self.start.as_ptr().add(guard), GUARD) };
            let intact = guard.iter().all(|byte| *byte == PATTERN);
            assert!(
                intact || std::thread::panicking(),
                "wrote outside the region"
            );
        }
        // SAFETY: allocated by `new` with this layout.
        unsafe { dealloc(self.start.as_ptr(), Self::layout(self.len)) }
    }
}

// SAFETY: `GUARD` keeps the alignment; the allocation lives as long as this,
// and its middle is given to nobody else.
unsafe impl Memory for Region {
    fn base(&self) -> NonNull<u8> {
        // SAFETY: the allocation is longer than `GUARD`.
        unsafe { self.start.add(GUARD) }
    }
    fn len(&self) -> usize {
        self.len
    }
}

pub struct NoHost;

impl Host for NoHost {
    fn stats(&self, emit: &mut dyn FnMut(&str, u64)) {
        emit("pid", 4711);
    }
    fn settings(&self, emit: &mut dyn FnMut(&str, u64)) {
        emit("udpport", 11211);
    }
    fn cpu_time(&self) -> Option<CpuTime> {
        Some(CpuTime {
            user_us: 1_000_042,
            system_us: 999_999,
        })
    }
}

/// A store with so many stripes.
pub fn striped(len: usize, stripes: usize) -> Kv<Test> {
    let config = Config {
        stripes,
        ..Config::new([1, 2])
    };
    Kv::new(Region::new(len), &config).unwrap()
}

pub fn store(len: usize) -> Kv<Test> {
    Kv::new(Region::new(len), &Config::new([1, 2])).unwrap()
}

/// One worker's view of a store, on a clock set by hand.
pub struct Session {
    pub kv: Kv<Test>,
    pub counters: Box<[Counters]>,
    now: Cell<u32>,
    buffer: RefCell<Vec<u8>>,
}

impl Session {
    pub fn new(len: usize) -> Self {
        Self::with_reply(len, REPLY_MAX)
    }

    /// With a reply buffer of `room` bytes.
    pub fn with_reply(len: usize, room: usize) -> Self {
        Self {
            kv: store(len),
            counters: Box::new([Counters::new(), Counters::new()]),
            now: Cell::new(Now::START.0),
            buffer: RefCell::new(vec![0; room]),
        }
    }

    pub fn mine(&self) -> &Counters {
        &self.counters[0]
    }

    /// Seconds pass, on both clocks.
    pub fn pass(&self, seconds: u32) {
        self.now.set(self.now.get() + seconds);
    }

    pub fn unix(&self) -> u64 {
        UNIX + u64::from(self.now.get() - Now::START.0)
    }

    /// Sends a whole datagram.
    pub fn send(&self, datagram: &[u8]) -> (Outcome, Vec<u8>) {
        let cx = Context {
            now: Now(self.now.get()),
            unix_now: self.unix(),
            mine: &self.counters[0],
            all: &self.counters,
            host: &NoHost,
        };
        let mut buffer = self.buffer.borrow_mut();
        let mut reply = Reply::new(&mut buffer);
        let outcome = serve(&self.kv, &cx, datagram, &mut reply);
        (outcome, reply.text().to_vec())
    }

    /// Sends text in a frame, and returns the text of the reply: empty for a
    /// silent command.
    #[track_caller]
    pub fn ask_bytes(&self, text: &[u8]) -> Vec<u8> {
        let mut datagram = vec![0xab, 0xcd, 0, 0, 0, 1, 0, 0];
        datagram.extend_from_slice(text);
        match self.send(&datagram) {
            (Outcome::Reply { request_id: 0xabcd }, text) => {
                assert!(!text.is_empty());
                text
            }
            (Outcome::Silent, text) => {
                assert!(text.is_empty());
                text
            }
            (Outcome::Dropped(Dropped::NoNewline), _) => b"(dropped)".to_vec(),
            (outcome, _) => panic!("{outcome:?}"),
        }
    }

    #[track_caller]
    pub fn ask(&self, text: impl AsRef<[u8]>) -> String {
        String::from_utf8(self.ask_bytes(text.as_ref())).unwrap()
    }

    #[track_caller]
    pub fn set(&self, key: &str, exptime: i64, data: &str) {
        let answer = self.ask(format!(
            "set {key} 0 {exptime} {}\r\n{data}\r\n",
            data.len()
        ));
        assert_eq!(answer, "STORED\r\n", "set {key}");
    }

    /// The data under a key.
    #[track_caller]
    pub fn get(&self, key: &str) -> Option<String> {
        let answer = self.ask(format!("get {key}\r\n"));
        if answer == "END\r\n" {
            return None;
        }
        let (head, rest) = answer.split_once("\r\n").unwrap();
        let data = rest.strip_suffix("\r\nEND\r\n").unwrap();
        assert_eq!(head, format!("VALUE {key} 0 {}", data.len()));
        Some(data.to_owned())
    }

    #[track_caller]
    pub fn stats(&self) -> BTreeMap<String, String> {
        let answer = self.ask("stats\r\n");
        let lines = answer.strip_suffix("END\r\n").unwrap().lines();
        lines
            .map(|line| {
                let (name, value) = line.strip_prefix("STAT ").unwrap().split_once(' ').unwrap();
                (name.to_owned(), value.to_owned())
            })
            .collect()
    }

    #[track_caller]
    pub fn stat(&self, name: &str) -> u64 {
        self.stats()[name].parse().unwrap()
    }
}
