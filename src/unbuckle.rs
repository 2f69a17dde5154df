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

mod control;
mod crew;
mod dispatch;
mod pace;
mod params;
mod platform;
mod respond;
mod rx;
mod stats;
#[allow(unsafe_code)]
mod sys;
mod tx;
mod worker;

use control::Control;
use crew::Crew;
use dispatch::{Dispatch, Lane};
use kernel::{
    prelude::*,
    sync::{atomic::Atomic, Arc},
};
use kv::{limits::WORKERS_MAX, Config, Counters, Kv};
use params::Settings;
use respond::Shared;
use rx::Rx;
use stats::Losses;
use sys::{
    hook::Hooks,
    memory::Region,
    net::Net,
    params::{Locked, Subscription},
    socket::Reservation,
    time,
};

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
/// parameters change nothing any more, no packet is claimed, the port is given
/// back, the workers answer what still waits and end; the last of them takes
/// the store along.
struct Unbuckle {
    _subscription: Subscription,
    _hooks: Hooks<Rx>,
    _port: Reservation<Rx>,
    _control: Arc<Control>,
}

impl kernel::Module for Unbuckle {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Locked::with(Self::load)
    }
}

impl Unbuckle {
    fn load(locked: &Locked) -> Result<Self> {
        let settings = Settings::read(locked)?;
        let shared = share(&settings)?;
        let rx = Rx {
            port: settings.port,
            dispatch: Dispatch::new(shared.clone(), time::random_key())?,
        };
        let rx = Arc::new(rx, GFP_KERNEL)?;
        let control = Control::new(rx.clone(), shared.clone(), Crew::new(shared))?;
        control.apply(&settings)?;
        let port = reserve(&settings, &rx)?;
        let hooks = Hooks::register(Net::initial(), rx)?;

        settings.publish(locked);
        pr_info!(
            "serving UDP port {}, {} MiB, {} workers\n",
            settings.port,
            settings.memory,
            settings.cpus.len()
        );
        Ok(Self {
            _subscription: Subscription::new(locked, control.clone()),
            _hooks: hooks,
            _port: port,
            _control: control,
        })
    }
}

fn reserve(settings: &Settings, rx: &Arc<Rx>) -> Result<Reservation<Rx>> {
    let port = settings.port;
    Reservation::new(&Net::initial(), port, rx.clone()).inspect_err(|&err| {
        if err.to_errno() == EADDRINUSE {
            pr_err!("port={port} is taken by another UDP socket\n");
        } else {
            pr_err!("port={port} cannot be bound: error {}\n", err.to_errno());
        }
    })
}

/// The store, and what router and responders share.
fn share(settings: &Settings) -> Result<Arc<Shared>> {
    let bytes = params::memory(settings.memory)?;
    let region = Region::new(bytes).inspect_err(|_| {
        pr_err!("memory={}: there is not so much\n", settings.memory);
    })?;
    let kv = Kv::new(region, &Config::new(time::random_key())).map_err(|_| ENOMEM)?;
    let cpus = kernel::cpu::nr_cpu_ids() as usize;
    let mut counters = KVec::new();
    for _ in 0..WORKERS_MAX.saturating_add(cpus) {
        counters.push(Counters::new(), GFP_KERNEL)?;
    }
    let mut lanes = KVec::new();
    for _ in 0..WORKERS_MAX {
        lanes.push(Lane::new()?, GFP_KERNEL)?;
    }
    let shared = Shared {
        kv,
        counters,
        lanes,
        active: Atomic::new(0),
        budget: Atomic::new(settings.budget),
        losses: Losses::new(),
        net: Net::initial(),
        port: settings.port,
        started: time::monotonic(),
    };
    Ok(Arc::new(shared, GFP_KERNEL)?)
}
