// SPDX-License-Identifier: GPL-2.0-only
//! What the store takes for its work, beside other stores: `make bench-core`.
//!
//! Every case is measured twice. Criterion looks at each store by itself, says
//! how sure it is, and compares with its last run. Then all stores do the same
//! slice of work in turn, again and again, and the medians of how they compare
//! in a turn make the tables at the end: whatever else the machine does, it does
//! to all of them.

mod flood;
mod parts;
mod stores;
mod table;

use std::time::Duration;

use core_bench::counting::Counting;
use criterion::Criterion;
use table::Table;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    // Tests of this program, and a choice of cases, need no tables.
    let whole = std::env::args().skip(1).all(|word| word == "--bench");
    let mut criterion = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(150))
        .measurement_time(Duration::from_millis(350))
        .nresamples(5_000)
        .without_plots()
        .configure_from_args();
    let tables: Vec<Table> = [stores::all, parts::all, flood::all]
        .into_iter()
        .flat_map(|all| all(&mut criterion, whole))
        .collect();
    criterion.final_summary();
    for table in tables {
        println!("\n{table}");
    }
}
