// SPDX-License-Identifier: GPL-2.0-only
//! How long it takes to get a chunk and to give one back, by the store's buckets and by
//! allocators: `make bench-allocator`. Prints tables, and draws the distributions.
//!
//! Each thread keeps some objects; a step frees one of them, whichever, and allocates
//! another in its place. Who is measured takes turns with the others, and each of the
//! two is timed by itself: the clock's own time, which is measured too, is in all
//! figures. The longest of all is more often the machine's doing than the allocator's.
//!
//! Where memory is nearly full, the store has no page left and a fiftieth of its
//! chunks free; the others hold as many objects of the same sizes.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::PathBuf;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use core_bench::caches::Ours;
use core_bench::figure::{draw, Line};
use core_bench::work::{mix, MIB};
use hdrhistogram::Histogram;
use kv::store::Chunk;
use loadgen::sizes::Sizes;
use mimalloc::MiMalloc;

/// Objects that a thread keeps where there is room for more.
const KEPT: usize = 20_000;
/// Steps of a turn, and turns.
const STEPS: u64 = 20_000;
const TURNS: u64 = 20;
/// Memory that is to be filled, and of how many objects one is freed again then.
const SMALL: usize = 64 * MIB;
const FREE_AGAIN: usize = 50;
/// What an item has besides key and value: header, digits, spaces, line ends.
const AROUND: usize = 33 + 8 + 2;
/// Percentiles that are printed.
const PERCENTILES: [f64; 3] = [50.0, 99.0, 99.9];

/// Latency of getting and giving back memory.
#[derive(Parser)]
struct Arguments {
    /// Where the figure of the distributions goes (SVG).
    #[arg(long)]
    figure: Option<PathBuf>,
}

/// Memory, one object after the other.
trait Allocator: Sync {
    type Object: Send;
    /// `None` when there is no memory.
    fn allocate(&self, len: usize) -> Option<Self::Object>;
    fn free(&self, object: Self::Object);
}

impl Allocator for Ours {
    type Object = Chunk;

    fn allocate(&self, len: usize) -> Option<Chunk> {
        self.kv.hold(len)
    }

    fn free(&self, object: Chunk) {
        self.kv.give_back(object);
    }
}

/// An allocator for everything.
struct General<A>(A);

/// What it gave.
struct Object {
    start: *mut u8,
    layout: Layout,
}

// SAFETY: memory is as good in one thread as in another.
unsafe impl Send for Object {}

impl<A: GlobalAlloc + Sync> Allocator for General<A> {
    type Object = Object;

    fn allocate(&self, len: usize) -> Option<Object> {
        let layout = Layout::from_size_align(len.max(1), 8).ok()?;
        // SAFETY: the layout is not empty.
        let start = unsafe { self.0.alloc(layout) };
        if start.is_null() {
            return None;
        }
        // A chunk of ours has its header written to as well.
        // SAFETY: it was just allocated, and is a byte long at least.
        unsafe { start.write(1) };
        Some(Object { start, layout })
    }

    fn free(&self, object: Object) {
        // SAFETY: allocated here with this layout, and given up by who had it.
        unsafe { self.0.dealloc(object.start, object.layout) }
    }
}

/// The clock alone.
struct Nothing;

impl Allocator for Nothing {
    type Object = usize;

    fn allocate(&self, len: usize) -> Option<usize> {
        Some(std::hint::black_box(len))
    }

    fn free(&self, object: usize) {
        std::hint::black_box(object);
    }
}

/// Items: their keys' length, and how long the values are.
struct Kind {
    name: &'static str,
    key: usize,
    values: Sizes,
}

impl Kind {
    fn all() -> Result<[Self; 4]> {
        let kind = |name, key, values: &str| {
            let values = values.parse()?;
            Ok::<_, anyhow::Error>(Self { name, key, values })
        };
        Ok([
            kind("16/32", 16, "32")?,
            kind("64/320", 64, "320")?,
            kind("64/1024", 64, "1024")?,
            kind("Facebook's ETC", 32, "etc")?,
        ])
    }

    /// Bytes of an item.
    fn size(&self, step: u64) -> usize {
        AROUND + self.key + self.values.of(step)
    }
}

/// What is measured at a time.
#[derive(Clone, Copy)]
struct Case<'k> {
    kind: &'k Kind,
    full: bool,
    threads: u64,
}

/// Nanoseconds of steps.
struct Measured {
    allocate: Histogram<u64>,
    free: Histogram<u64>,
}

impl Measured {
    fn new() -> Result<Self> {
        let histogram = || Histogram::new_with_bounds(1, 10_000_000_000, 3);
        Ok(Self {
            allocate: histogram()?,
            free: histogram()?,
        })
    }

    fn row(&self, case: &str, name: &str) -> String {
        let columns = [&self.allocate, &self.free].map(|times| {
            let columns = PERCENTILES.map(|at| format!(" {} |", times.value_at_percentile(at)));
            format!("{} {} |", columns.concat(), times.max())
        });
        format!("| {case} | {name} |{}", columns.concat())
    }
}

/// An object, and how long it is.
type Kept<A> = (usize, <A as Allocator>::Object);

/// One allocator with each thread's objects.
struct Subject<'a, A: Allocator> {
    allocator: &'a A,
    case: Case<'a>,
    kept: Vec<Vec<Kept<A>>>,
    measured: Measured,
}

/// Whoever is measured takes turns.
trait Turn {
    fn turn(&mut self, number: u64);
    fn measured(self: Box<Self>) -> Measured;
}

impl<'a, A: Allocator> Subject<'a, A> {
    /// With so many objects for each thread, or as many as there is memory for.
    fn new(allocator: &'a A, case: Case<'a>, most: usize) -> Result<Box<Self>> {
        let mut kept: Vec<_> = (0..case.threads).map(|_| Vec::new()).collect();
        for (step, thread) in (0..most as u64 * case.threads).zip((0..kept.len()).cycle()) {
            let size = case.kind.size(step);
            let Some(object) = allocator.allocate(size) else {
                break;
            };
            kept[thread].push((size, object));
        }
        if case.full {
            for kept in &mut kept {
                for index in 0..kept.len() / FREE_AGAIN {
                    let which = mix(index as u64) as usize % kept.len();
                    allocator.free(kept.swap_remove(which).1);
                }
            }
        }
        Ok(Box::new(Self {
            allocator,
            case,
            kept,
            measured: Measured::new()?,
        }))
    }

    /// How many objects each thread has.
    fn objects(&self) -> usize {
        self.kept.iter().map(Vec::len).max().unwrap_or(0)
    }
}

impl<A: Allocator> Turn for Subject<'_, A> {
    fn turn(&mut self, number: u64) {
        let barrier = Barrier::new(self.kept.len());
        let (barrier, allocator, case) = (&barrier, self.allocator, self.case);
        let run = |thread: u64, kept: &mut Vec<Kept<A>>| {
            let mut times = Vec::with_capacity(STEPS as usize);
            let seed = ((thread + 1) << 40) ^ (number << 20);
            barrier.wait();
            for step in seed..seed + STEPS {
                let which = mix(!step) as usize % kept.len();
                let (before, object) = kept.swap_remove(which);
                // In full memory a chunk of another size may be nowhere.
                let size = if case.full {
                    before
                } else {
                    case.kind.size(step)
                };
                let start = Instant::now();
                allocator.free(object);
                let freed = Instant::now();
                let object = allocator.allocate(size);
                let allocated = Instant::now();
                times.push([freed - start, allocated - freed]);
                kept.push((size, object.expect("as much as was free")));
            }
            times
        };
        let times: Vec<Vec<[Duration; 2]>> = thread::scope(|scope| {
            let threads = self.kept.iter_mut().zip(0..);
            let handles: Vec<_> = threads
                .map(|(kept, thread)| scope.spawn(move || run(thread, kept)))
                .collect();
            let join = |handle: thread::ScopedJoinHandle<'_, _>| handle.join().unwrap();
            handles.into_iter().map(join).collect()
        });
        for [free, allocate] in times.iter().flatten() {
            let nanoseconds = |time: &Duration| time.as_nanos() as u64;
            self.measured.free.saturating_record(nanoseconds(free));
            let allocate = nanoseconds(allocate);
            self.measured.allocate.saturating_record(allocate);
        }
    }

    fn measured(self: Box<Self>) -> Measured {
        for (_, object) in self.kept.into_iter().flatten() {
            self.allocator.free(object);
        }
        self.measured
    }
}

/// Measures everybody in one case.
fn measure(case: Case<'_>) -> Result<[(&'static str, Measured); 4]> {
    // New for each case, so that no pages belong to classes that it has no use for.
    let (size, most) = match case.full {
        true => (SMALL, SMALL / case.kind.size(0).min(AROUND)),
        false => (512 * MIB, KEPT),
    };
    let ours = Ours::new(size, 256);
    let buckets = Subject::new(&ours, case, most)?;
    // Of those that are freed again, the others are given none first.
    let objects = buckets.objects();
    let others = if case.full {
        objects * FREE_AGAIN / (FREE_AGAIN - 1)
    } else {
        objects
    };
    let (malloc, mimalloc) = (General(System), General(MiMalloc));
    let mut subjects: [(&str, Box<dyn Turn + '_>); 4] = [
        ("buckets", buckets),
        ("malloc", Subject::new(&malloc, case, others)?),
        ("mimalloc", Subject::new(&mimalloc, case, others)?),
        ("the clock alone", Subject::new(&Nothing, case, KEPT)?),
    ];
    for number in 0..TURNS {
        for (_, subject) in &mut subjects {
            subject.turn(number);
        }
    }
    Ok(subjects.map(|(name, subject)| (name, subject.measured())))
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let kinds = Kind::all()?;
    let mut lines = Vec::new();
    for (full, threads) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
        let room = if full {
            "Memory nearly full"
        } else {
            "Room for more"
        };
        let plural = if threads == 1 { "thread" } else { "threads" };
        println!("### {room}, {threads} {plural}\n");
        println!(
            "| items | ns | get p50 | p99 | p99.9 | max | give back p50 | p99 | p99.9 | max |"
        );
        println!("|{}", "---|".repeat(10));
        for kind in &kinds {
            let case = Case {
                kind,
                full,
                threads,
            };
            for (name, measured) in measure(case)? {
                println!("{}", measured.row(kind.name, name));
                // One case is drawn: what a server with two workers comes to.
                if full && threads == 2 && kind.name == kinds[3].name {
                    let halves = [("get", &measured.allocate), ("give back", &measured.free)];
                    lines.extend(
                        halves.map(|(what, times)| Line::new(format!("{name}, {what}"), times)),
                    );
                }
            }
        }
        println!();
    }
    if let Some(path) = arguments.figure {
        draw(&path, &lines).with_context(|| format!("cannot draw {}", path.display()))?;
    }
    Ok(())
}
