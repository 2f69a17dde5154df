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

mod budget;
mod clock;
mod control;
mod crew;
mod dispatch;
mod headers;
mod lent;
mod nodes;
mod pace;
mod pages;
mod params;
mod platform;
mod respond;
mod return_path;
mod rx;
mod stats;
#[allow(unsafe_code)]
mod sys;
mod train;
mod tx;
mod views;
mod worker;

use budget::Budget;
use clock::Clock;
use control::Control;
use core::sync::atomic::AtomicUsize;
use crew::Crew;
use dispatch::{Dispatch, Lane};
use kernel::{prelude::*, sync::Arc};
use kv::{
    limits::{REQUEST_MAX, WORKERS_MAX},
    Config, Counters, Kv,
};
use lent::Lent;
use nodes::Rosters;
use pace::Manners;
use params::{Place, Settings};
use respond::{workers_max, Pool, Shared};
use rx::{Port, Rx};
use stats::{Losses, Supplies};
use sys::{
    hook::Hooks,
    ingress::DeviceHooks,
    memory::Region,
    net::Net,
    params::{Locked, Subscription},
    socket::Reservation,
    sysfs::Directory,
    time,
};
use views::Drops;

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
    _door: Door,
    _port: Reservation<Rx>,
    _control: Arc<Control>,
    _drops: Directory<Drops>,
    _supplies: Directory<views::Supplies>,
    _memory: Directory<views::Memory>,
}

/// Where packets come in, as long as this lives.
enum Door {
    Stack { _hooks: Hooks<Rx> },
    Devices { _hooks: DeviceHooks<Rx> },
}

impl kernel::Module for Unbuckle {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Locked::with(Self::load)
    }
}

impl Unbuckle {
    fn load(locked: &Locked) -> Result<Self> {
        let settings = Settings::read(locked)?;
        let shared = share(&settings, params::store(locked, time::random_key())?)?;
        let rx = Rx {
            port: Port::new(settings.port),
            dispatch: Dispatch::new(shared.clone(), time::random_key())?,
        };
        let rx = Arc::new(rx, GFP_KERNEL)?;
        let control = Control::new(rx.clone(), shared.clone(), Crew::new(shared.clone())?)?;
        control.apply(&settings)?;
        let port = reserve(&settings, &rx)?;
        let door = open(&settings.place, rx)?;

        settings.publish(locked);
        pr_info!(
            "serving UDP port {}, {} MiB, {} workers\n",
            settings.port,
            settings.memory,
            settings.cpus.len()
        );
        Ok(Self {
            _subscription: Subscription::new(locked, control.clone()),
            _door: door,
            _port: port,
            _control: control,
            _drops: Drops::directory(shared.clone())?,
            _supplies: views::Supplies::directory(shared.clone())?,
            _memory: views::Memory::directory(shared)?,
        })
    }
}

/// Lets packets in.
fn open(place: &Place, rx: Arc<Rx>) -> Result<Door> {
    let net = Net::initial();
    match place {
        Place::Stack(point) => Ok(Door::Stack {
            _hooks: Hooks::register(net, *point, rx)?,
        }),
        Place::Devices(names) => {
            let hooks = DeviceHooks::register(net, names, rx)?;
            let mut all = true;
            hooks.missing(|name| {
                all = false;
                pr_err!("dev= names {name}, which is no device of this host\n");
            });
            all.then_some(Door::Devices { _hooks: hooks }).ok_or(ENODEV)
        }
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

/// Zero all of them. A function of its own: they are large, for a kernel's stack.
#[inline(never)]
fn counters() -> Result<KVVec<Counters>> {
    let cpus = kernel::cpu::nr_cpu_ids() as usize;
    let count = workers_max().saturating_add(cpus);
    let mut counters = KVVec::with_capacity(count, GFP_KERNEL)?;
    for _ in 0..count {
        counters.push(Counters::new(), GFP_KERNEL)?;
    }
    Ok(counters)
}

/// The store, and what router and responders share.
/// Not part of its caller: what each has on the stack would be added up.
#[inline(never)]
fn share(settings: &Settings, mut config: Config) -> Result<Arc<Shared>> {
    config.memory = params::memory(settings.memory)?;
    let budget = Budget::new(config.memory, &config, settings.responders)?;
    let region = Region::new(budget.store).inspect_err(|_| {
        pr_err!("memory={}: there is not so much\n", settings.memory);
    })?;
    let lent = budget::lent(budget.limit, settings.responders);
    let replies = Lent::new(lent, budget::reply(budget.limit))?;
    let replies = Arc::new(replies, GFP_KERNEL)?;
    let stores = budget::stores(budget.limit, settings.responders);
    // Made where it stays: it is large, for a kernel's stack.
    let shared = try_init!(Shared {
        // Each adaptor of a result would copy the store once more on the way.
        kv: match Kv::new(region, &config) {
            Ok(kv) => kv,
            Err(_) => return Err(ENOMEM),
        },
        counters: counters()?,
        lanes: lanes()?,
        active: AtomicUsize::new(0),
        manners: Manners::new(),
        rosters: Rosters::new()?,
        pool: Pool::new(settings.responders, stores, &replies)?,
        budget,
        losses: Losses::new(),
        supplies: Supplies::new(),
        requests: Lent::new(lent, REQUEST_MAX)?,
        replies,
        net: Net::initial(),
        port: settings.port,
        clock: Clock::new(),
    });
    Arc::init(shared, GFP_KERNEL)
}

fn lanes() -> Result<KVec<Lane>> {
    let mut lanes = KVec::new();
    for _ in 0..WORKERS_MAX {
        lanes.push(Lane::new()?, GFP_KERNEL)?;
    }
    Ok(lanes)
}
