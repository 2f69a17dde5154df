// SPDX-License-Identifier: GPL-2.0-only
//! No request allocates: all memory is taken when a store is made.
#![allow(missing_docs)]

mod common;
#[path = "common/packet.rs"]
mod packet;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;

use common::{store, NoHost, MIB, UNIX};
use host::{answer, Region, Userspace};
use kv::limits::{DATAGRAM_MAX, INPUT_MAX, REPLY_MAX, STREAM_REPLY};
use kv::{serve, Config, Context, Counters, Kv, Now, Reply, Session};

/// The system's allocator, which counts what the current thread asks of it.
struct Counting;

thread_local! {
    static ASKED: Cell<u64> = const { Cell::new(0) };
    /// Bytes that it has.
    static BYTES: Cell<usize> = const { Cell::new(0) };
}

fn count(more: usize, less: usize) {
    // A thread that is ending has no counter any more, nor a test.
    let _ = ASKED.try_with(|asked| asked.set(asked.get() + 1));
    // What another thread has allocated may be freed here.
    let change = |bytes: usize| bytes.wrapping_add(more).wrapping_sub(less);
    let _ = BYTES.try_with(|bytes| bytes.set(change(bytes.get())));
}

// SAFETY: the system's allocator does it all.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, at: *mut u8, layout: Layout, len: usize) -> *mut u8 {
        count(len, layout.size());
        // SAFETY: as the caller promises.
        unsafe { System.realloc(at, layout, len) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the core is tried with; all that is allocated is allocated here.
struct Bench {
    kv: Kv<Userspace>,
    counters: Box<[Counters]>,
    buffer: Vec<u8>,
}

impl Bench {
    fn new(len: usize) -> Self {
        Self {
            kv: store(len),
            counters: Box::new([Counters::new()]),
            buffer: vec![0; STREAM_REPLY],
        }
    }

    /// How often the allocator was asked for something during `what`.
    fn asked(
        &mut self,
        second: u32,
        what: impl FnOnce(&Kv<Userspace>, &Context<'_>, &mut Reply<'_>),
    ) -> u64 {
        let cx = Context {
            now: Now(Now::START.0 + second),
            unix_now: UNIX + u64::from(second),
            mine: &self.counters[0],
            all: &self.counters,
            host: &NoHost,
        };
        let before = ASKED.get();
        what(&self.kv, &cx, &mut Reply::new(&mut self.buffer));
        ASKED.get() - before
    }

    /// Serves a text as a datagram, and as a stream; both ways must answer.
    #[track_caller]
    fn ask(&mut self, second: u32, text: &[u8]) {
        let datagram = [b"\0\x01\0\0\0\x01\0\0", text].concat();
        let asked = self.asked(second, |kv, cx, reply| {
            let _ = serve(kv, cx, &datagram, reply);
        });
        assert_eq!(asked, 0, "{}", text.escape_ascii());
        let mut place = [&datagram[..], &[0; DATAGRAM_MAX]].concat();
        let mut other = vec![0; REPLY_MAX];
        let asked = self.asked(second, |kv, cx, _| {
            let _ = answer(kv, cx, &mut place, datagram.len(), &mut other);
        });
        assert_eq!(asked, 0, "in place: {}", text.escape_ascii());
        let asked = self.asked(second, |kv, cx, reply| {
            let _ = Session::new().serve(kv, cx, text, INPUT_MAX, reply);
        });
        assert_eq!(asked, 0, "as a stream: {}", text.escape_ascii());
    }
}

#[test]
fn a_store_takes_what_it_is_given_and_no_more() {
    for (memory, stripes) in [(MIB, 1), (MIB, 4096), (64 * MIB, 256), (256 * MIB, 4096)] {
        let config = Config {
            memory,
            stripes,
            ..Config::new([1, 2])
        };
        let beside = Kv::<Userspace>::beside(&config);
        let region = Region::new(memory - beside).unwrap();
        let before = BYTES.get();
        let kv = Box::new(Kv::<Userspace>::new(region, &config).unwrap());
        let taken = BYTES.get().wrapping_sub(before);
        assert!(
            (beside / 4..=beside).contains(&taken),
            "{taken} of {beside}"
        );
        let usage = kv.usage();
        assert_eq!(usage.limit, memory as u64);
        // The pages are those of a region of the whole length, but for what was taken off.
        let whole = store(memory).usage();
        let page = memory.next_power_of_two() / 64;
        let lost = beside.div_ceil(page.clamp(128 << 10, MIB)) as u64;
        assert!(usage.free_pages + lost >= whole.free_pages, "{usage:?}");
    }
}

#[test]
fn the_counter_counts() {
    let mut bench = Bench::new(MIB);
    assert_eq!(bench.asked(0, |_, _, _| drop(black_box(Box::new(1)))), 2);
    assert_eq!(bench.asked(0, |_, _, _| ()), 0);
}

#[test]
fn no_command_allocates() {
    let mut bench = Bench::new(4 * MIB);
    let large = [
        b"set large 0 0 1000000\r\n",
        &vec![b'v'; 1_000_000][..],
        b"\r\n",
    ]
    .concat();
    let texts = [
        "set k 1 0 5\r\nvalue\r\n",
        "add k 0 0 1\r\nx\r\n",
        "replace k 0 9 2\r\n10\r\n",
        "append k 0 0 1\r\n0\r\n",
        "prepend k 0 0 1\r\n1\r\n",
        "cas k 0 0 1 1\r\n1\r\n",
        "get k none k\r\n",
        "gets k\r\n",
        "gat 5 k\r\n",
        "gats 5 k none\r\n",
        "touch k 9\r\n",
        "incr k 995\r\n",
        "decr k 3\r\n",
        "incr none 1\r\n",
        "delete none\r\n",
        "ms m 5 T9 F3 c O1\r\nhello\r\n",
        "ms m 2 MA I\r\n..\r\n",
        "mg m v t f s k c h l O9 q\r\n",
        "mg none N5 v\r\n",
        "mg none R9 v\r\n",
        "ms bm9t 1 b\r\nx\r\n",
        "mg bm9t b v k\r\n",
        "ma n N0 J5 v\r\n",
        "ma n MD v\r\n",
        "me m\r\n",
        "md m I T3\r\n",
        "md m q\r\n",
        "mn\r\n",
        "stats\r\n",
        "stats items\r\n",
        "stats slabs\r\n",
        "stats sizes\r\n",
        "stats settings\r\n",
        "stats conns\r\n",
        "stats reset\r\n",
        "lru_crawler metadump all\r\n",
        "lru_crawler mgdump all\r\n",
        "lru_crawler crawl all\r\n",
        "slabs automove 1\r\n",
        "cache_memlimit 64\r\n",
        "verbosity 1\r\n",
        "version\r\n",
        "flush_all\r\n",
        "flush_all 5\r\n",
        "nonsense\r\n",
        "get\r\n",
        "set k 0 0 x\r\n",
        "set k 0 0 5\r\nlonger than five\r\n",
        "quit\r\n",
    ];
    for (second, text) in texts.iter().enumerate() {
        bench.ask(second as u32, text.as_bytes());
        bench.ask(second as u32, &large);
        bench.ask(second as u32, b"get large large\r\n");
    }
}

#[test]
fn no_packet_allocates() {
    let mut bench = Bench::new(4 * MIB);
    for opcode in 0..=u8::MAX {
        for packet in [
            packet::packet(opcode),
            packet::packet(opcode).key("k"),
            packet::packet(opcode).key("k").value("value"),
            packet::packet(opcode).key("k").word(9),
            packet::packet(opcode).key("k").word(0).word(0).value("10"),
            packet::packet(opcode).key("k").long(1).long(5).word(0),
        ] {
            bench.ask(u32::from(opcode), &packet.bytes());
        }
    }
}

/// The table grows, items go to make room, expire, are crawled, and pages move
/// between the classes.
#[test]
fn no_growth_allocates() {
    let mut bench = Bench::new(8 * MIB);
    let (mut second, mut serial) = (0, 0);
    for round in 0..4 {
        for (len, count) in [(1, 60_000), (400, 20_000), (9000, 2000), (100_000, 200)] {
            for _ in 0..count / 4 {
                serial += 1;
                let exptime = if serial % 3 == 0 { 2 } else { 0 };
                let value = "v".repeat(len + round);
                let text = format!("set key{serial} 0 {exptime} {}\r\n{value}\r\n", value.len());
                if serial % 500 == 0 {
                    second += 1;
                }
                bench.ask(second, text.as_bytes());
            }
        }
    }
    let counters = &bench.counters[0];
    for (what, counter) in [
        ("evictions", &counters.evictions),
        ("reclaimed", &counters.reclaimed),
        ("slabs_moved", &counters.slabs_moved),
    ] {
        assert!(counter.get() > 0, "no {what}");
    }
    assert!(bench.kv.usage().items < serial);
}
