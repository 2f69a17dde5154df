// SPDX-License-Identifier: GPL-2.0-only
//! The module parameters: checked, completed, or refused with one clear line.

use crate::{
    budget,
    dispatch::Routing,
    sys::{
        hook::Point,
        ingress::DeviceName,
        memory,
        params::{self, Locked},
    },
};
use kernel::prelude::*;
use kv::limits;

const MIB: usize = 1 << 20;

/// Largest budget: a CPU's receive backlog takes 1,000 packets by default.
const BUDGET_MAX: i32 = 512;

/// Longest polling, in microseconds. Who wants more wants no sleep at all.
const POLL_MAX_US: i32 = 100_000;

/// What the module was asked to be.
pub(crate) struct Settings {
    /// UDP port, not 0.
    pub(crate) port: u16,
    /// Memory of the store in MiB.
    pub(crate) memory: u32,
    /// The CPU of each worker; at least one.
    pub(crate) cpus: KVec<u32>,
    /// CPUs that are online.
    pub(crate) online: KVec<u32>,
    /// How many may answer at a time: enough for these workers and this policy.
    pub(crate) responders: usize,
    /// Packets in a row, at least one.
    pub(crate) budget: i32,
    /// Microseconds that an idle worker polls.
    pub(crate) busy_poll_us: i32,
    /// Workers go before normal threads.
    pub(crate) fifo: bool,
    pub(crate) routing: Routing,
    pub(crate) place: Place,
}

/// Where packets are taken.
pub(crate) enum Place {
    /// In the stack, whatever device they came by.
    Stack(Point),
    /// From these devices, before the stack; at least one.
    Devices(KVec<DeviceName>),
}

impl Settings {
    /// Reads and checks the parameters.
    pub(crate) fn read(locked: &Locked) -> Result<Self> {
        let raw = params::read(locked);
        let online = params::online()?;
        let routing = routing(&raw.routing)?;
        let inline = match routing {
            Routing::Inline => online.len(),
            Routing::RoundRobin | Routing::Key => 0,
        };
        let limit = (raw.memory as usize).saturating_mul(MIB);
        let most = match raw.responders as usize {
            0 => budget::workers(limit),
            // What was chosen at load is in the parameter afterwards.
            given => given.saturating_sub(inline).max(1),
        };
        let cpus = cpus(raw.workers, raw.cpus_given, most, &online)?;
        Ok(Self {
            port: port(raw.port)?,
            memory: raw.memory,
            responders: responders(raw.responders, limit, [cpus.len(), inline, online.len()])?,
            cpus,
            online,
            budget: packets(raw.budget)?,
            busy_poll_us: busy_poll_us(raw.busy_poll_us)?,
            fifo: raw.fifo,
            routing,
            place: place(text(&raw.hook), text(&raw.dev))?,
        })
    }

    /// Shows in sysfs what was chosen where the command line left it open.
    pub(crate) fn publish(&self, locked: &Locked) {
        let responders = u32::try_from(self.responders).unwrap_or(u32::MAX);
        params::publish(locked, self.cpus.len() as u32, &self.cpus, responders);
    }
}

/// How the store shall be, with a key for its table.
pub(crate) fn store(locked: &Locked, hash_key: [u64; 2]) -> Result<kv::Config> {
    let raw = params::read(locked);
    let growth_percent = kv::parse_growth(text(&raw.growth)).ok_or_else(|| {
        pr_err!("growth= is not a factor with at most two decimals, such as 1.25\n");
        EINVAL
    })?;
    let config = kv::Config {
        stripes: raw.stripes as usize,
        min_chunk: raw.min_chunk as usize,
        growth_percent,
        item_max: raw.item_max as usize,
        ..kv::Config::new(hash_key)
    };
    if let Some(wrong) = config.wrong() {
        pr_err!("{}\n", format_args!("{wrong}"));
        return Err(EINVAL);
    }
    Ok(config)
}

/// A string of a parameter, without the 0 that ends it and the newline that
/// `echo` puts there.
fn text(given: &[u8]) -> &[u8] {
    let end = given.iter().position(|byte| *byte == 0);
    given
        .get(..end.unwrap_or(given.len()))
        .unwrap_or(given)
        .trim_ascii()
}

fn packets(given: u32) -> Result<i32> {
    match i32::try_from(given) {
        Ok(budget) if (1..=BUDGET_MAX).contains(&budget) => Ok(budget),
        _ => {
            pr_err!("budget={given} is out of range: give 1 to {BUDGET_MAX}\n");
            Err(EINVAL)
        }
    }
}

fn busy_poll_us(given: u32) -> Result<i32> {
    match i32::try_from(given) {
        Ok(us) if us <= POLL_MAX_US => Ok(us),
        _ => {
            pr_err!("busy_poll_us={given} is out of range: give 0 to {POLL_MAX_US}\n");
            Err(EINVAL)
        }
    }
}

fn place(hook: &[u8], dev: &[u8]) -> Result<Place> {
    let point = match hook {
        b"local_in" => Point::LocalIn,
        b"pre_routing" => Point::PreRouting,
        b"ingress" => return Ok(Place::Devices(devices(dev)?)),
        _ => {
            pr_err!("hook= is not one of local_in, pre_routing, ingress\n");
            return Err(EINVAL);
        }
    };
    if !dev.is_empty() {
        pr_err!("dev= is for hook=ingress alone\n");
        return Err(EINVAL);
    }
    Ok(Place::Stack(point))
}

fn devices(list: &[u8]) -> Result<KVec<DeviceName>> {
    let mut names: KVec<DeviceName> = KVec::new();
    if list.is_empty() {
        pr_err!("hook=ingress needs dev=, the devices whose packets to take\n");
        return Err(EINVAL);
    }
    for text in list.split(|byte| *byte == b',') {
        let name = DeviceName::new(text).filter(|name| !names.iter().any(|other| other == name));
        let Some(name) = name else {
            pr_err!("dev= is not a list of different devices, such as eth0,eth1\n");
            return Err(EINVAL);
        };
        names.push(name, GFP_KERNEL)?;
    }
    Ok(names)
}

fn routing(given: &[u8]) -> Result<Routing> {
    Routing::named(text(given)).ok_or_else(|| {
        pr_err!("routing= is not one of rr, key, inline\n");
        EINVAL
    })
}

fn port(given: u32) -> Result<u16> {
    match u16::try_from(given) {
        Ok(port) if port != 0 => Ok(port),
        _ => {
            pr_err!("port={given} is not a port: give 1 to 65535\n");
            Err(EINVAL)
        }
    }
}

/// How many responders there are: 0 leaves that open.
fn responders(given: u32, limit: usize, [workers, inline, online]: [usize; 3]) -> Result<usize> {
    let most = limits::WORKERS_MAX.saturating_add(kernel::cpu::nr_cpu_ids() as usize);
    let needed = workers.saturating_add(inline);
    let given = match given as usize {
        // So that `routing=inline` can be had later.
        0 => budget::responders(limit, needed, workers.saturating_add(online)),
        given => given,
    };
    if given > most {
        pr_err!("responders={given} is more than {most}\n");
        return Err(EINVAL);
    }
    if given < needed {
        pr_err!("{workers} workers and {inline} CPUs that answer inline need responders={needed} or more, not {given}\n");
        return Err(EINVAL);
    }
    Ok(given)
}

/// The bytes of `given` MiB, if this host can give them now.
pub(crate) fn memory(given: u32) -> Result<usize> {
    let (min, max) = (limits::MEMORY_MIN / MIB, limits::MEMORY_MAX / MIB);
    let mib = usize::try_from(given)?;
    if mib < min || mib > max {
        pr_err!("memory={given} is out of range: give {min} to {max} (MiB)\n");
        return Err(EINVAL);
    }
    // A sixteenth is left to others, so that nobody is killed for our sake.
    let available = memory::available() >> 20;
    let most = available.saturating_sub(available >> 4);
    if mib as u64 > most {
        pr_err!("memory={given} is more than this host can give now: {most} MiB\n");
        return Err(ENOMEM);
    }
    Ok(mib.saturating_mul(MIB))
}

/// The CPU of each worker. `workers` 0 means: one on each CPU that `cpus=`
/// names, or without `cpus=` on each online CPU but the first, which is where
/// a host's interrupts usually go; `most` of them.
fn cpus(workers: u32, list_given: bool, most: usize, online: &[u32]) -> Result<KVec<u32>> {
    let mut cpus = if list_given {
        listed(online)?
    } else {
        copied(all_but_first(online))?
    };
    if workers == 0 {
        let most = if list_given {
            limits::WORKERS_MAX
        } else {
            most
        };
        cpus.truncate(most.min(limits::WORKERS_MAX));
    }
    let wanted = match usize::try_from(workers)? {
        0 => cpus.len(),
        wanted => wanted,
    };
    if wanted > limits::WORKERS_MAX {
        pr_err!("workers={workers} is more than {}\n", limits::WORKERS_MAX);
        return Err(EINVAL);
    }
    if !list_given && wanted > cpus.len() {
        cpus = copied(online)?;
    }
    if wanted > cpus.len() {
        pr_err!(
            "workers={workers} is more than the {} CPUs they could be pinned to\n",
            cpus.len()
        );
        return Err(EINVAL);
    }
    cpus.truncate(wanted);
    Ok(cpus)
}

fn listed(online: &[u32]) -> Result<KVec<u32>> {
    let cpus = params::cpus().inspect_err(|_| {
        pr_err!("cpus= is not a list of CPUs of this host, such as 1-3,5\n");
    })?;
    if let Some(cpu) = cpus.iter().find(|cpu| !online.contains(cpu)) {
        pr_err!("cpus= names CPU {cpu}, which is not online\n");
        return Err(EINVAL);
    }
    if cpus.is_empty() {
        pr_err!("cpus= names no CPU\n");
        return Err(EINVAL);
    }
    Ok(cpus)
}

fn all_but_first(online: &[u32]) -> &[u32] {
    match online {
        [_, others @ ..] if !others.is_empty() => others,
        all => all,
    }
}

fn copied(cpus: &[u32]) -> Result<KVec<u32>> {
    let mut copy = KVec::new();
    copy.extend_from_slice(cpus, GFP_KERNEL)?;
    Ok(copy)
}
