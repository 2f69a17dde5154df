// SPDX-License-Identifier: GPL-2.0-only
//! An in-kernel, memcached-compatible key-value store.
//!
//! A packet travels through the files in this order: [`rx`] claims it in a
//! netfilter hook, [`dispatch`] hands it to a worker, [`worker`] has the core
//! (`kv`) answer it, [`tx`] sends the answer. `doc/datapath.md` has contexts,
//! ownership and lock order.

#![deny(
    unsafe_op_in_unsafe_fn,
    clippy::undocumented_unsafe_blocks,
    clippy::arithmetic_side_effects,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

mod dispatch;
mod pace;
mod params;
mod platform;
mod rx;
mod stats;
#[allow(unsafe_code)]
mod sys;
mod tx;
mod worker;

use dispatch::{Dispatch, Lane};
use kernel::{prelude::*, sync::Arc};
use kv::{Config, Counters, Kv};
use params::Settings;
use rx::Rx;
use stats::Losses;
use sys::{hook::Hooks, kthread::KThread, memory::Region, net::Net, socket::Reservation, time};
use worker::{Shared, Worker};

module! {
    type: Unbuckle,
    name: "unbuckle",
    authors: ["The unbuckle authors"],
    description: "In-kernel memcached-compatible key-value store",
    license: "GPL v2",
}

/// Not among the errors that the `kernel` crate names.
const EADDRINUSE: i32 = -(kernel::bindings::EADDRINUSE as i32);

/// The loaded module. Fields are dropped in order, and so is the data path:
/// no packet is claimed any more, the port is given back, the workers answer
/// what still waits and end; the last of them takes the store along.
struct Unbuckle {
    _hooks: Hooks<Rx>,
    _port: Reservation<Rx>,
    _workers: KVec<KThread<Worker>>,
}

impl kernel::Module for Unbuckle {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let settings = Settings::read()?;
        let net = Net::initial();
        let shared = share(&settings, net)?;
        let workers = start(&shared, &settings.cpus)?;

        let mut wakers = KVec::with_capacity(workers.len(), GFP_KERNEL)?;
        for worker in &workers {
            wakers.push(worker.task().clone(), GFP_KERNEL)?;
        }
        let rx = Rx {
            port: settings.port,
            dispatch: Dispatch::new(shared, wakers)?,
        };
        let rx = Arc::new(rx, GFP_KERNEL)?;
        let port = Reservation::new(&net, settings.port, rx.clone()).inspect_err(|&err| {
            if err.to_errno() == EADDRINUSE {
                pr_err!("port={} is taken by another UDP socket\n", settings.port);
            } else {
                pr_err!(
                    "port={} cannot be bound: error {}\n",
                    settings.port,
                    err.to_errno()
                );
            }
        })?;
        let hooks = Hooks::register(net, rx)?;

        pr_info!(
            "serving UDP port {}, {} MiB, {} workers\n",
            settings.port,
            settings.memory >> 20,
            workers.len()
        );
        Ok(Self {
            _hooks: hooks,
            _port: port,
            _workers: workers,
        })
    }
}

/// The store, and what workers and router share.
fn share(settings: &Settings, net: Net) -> Result<Arc<Shared>> {
    let config = Config::new(time::random_key());
    let region = Region::new(settings.memory).inspect_err(|_| {
        pr_err!("memory={}: there is not so much\n", settings.memory >> 20);
    })?;
    let kv = Kv::new(region, &config).map_err(|_| ENOMEM)?;
    let mut counters = KVec::with_capacity(settings.cpus.len(), GFP_KERNEL)?;
    let mut lanes = KVec::with_capacity(settings.cpus.len(), GFP_KERNEL)?;
    for _ in &settings.cpus {
        counters.push(Counters::new(), GFP_KERNEL)?;
        lanes.push(Lane::new()?, GFP_KERNEL)?;
    }
    let shared = Shared {
        kv,
        counters,
        lanes,
        losses: Losses::new(),
        net,
        port: settings.port,
        started: time::monotonic(),
    };
    Ok(Arc::new(shared, GFP_KERNEL)?)
}

/// One worker on each of `cpus`.
fn start(shared: &Arc<Shared>, cpus: &[u32]) -> Result<KVec<KThread<Worker>>> {
    let mut workers = KVec::with_capacity(cpus.len(), GFP_KERNEL)?;
    for (index, &cpu) in cpus.iter().enumerate() {
        let worker = Worker::new(shared.clone(), index)?;
        workers.push(KThread::spawn(worker, cpu, index as u32)?, GFP_KERNEL)?;
    }
    Ok(workers)
}
