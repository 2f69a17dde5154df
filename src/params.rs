// SPDX-License-Identifier: GPL-2.0-only
//! The module parameters: checked, completed, or refused with one clear line.

use crate::{
    dispatch::Routing,
    sys::{
        memory,
        params::{self, Locked},
    },
};
use kernel::prelude::*;
use kv::limits;

/// Largest budget: a CPU's receive backlog takes 1,000 packets by default.
const BUDGET_MAX: i32 = 512;

/// What the module was asked to be.
pub(crate) struct Settings {
    /// UDP port, not 0.
    pub(crate) port: u16,
    /// Memory of the store in MiB.
    pub(crate) memory: u32,
    /// The CPU of each worker; at least one.
    pub(crate) cpus: KVec<u32>,
    /// Packets in a row, at least one.
    pub(crate) budget: i32,
    pub(crate) routing: Routing,
}

impl Settings {
    /// Reads and checks the parameters.
    pub(crate) fn read(locked: &Locked) -> Result<Self> {
        let raw = params::read(locked);
        Ok(Self {
            port: port(raw.port)?,
            memory: raw.memory,
            cpus: cpus(raw.workers, raw.cpus_given)?,
            budget: budget(raw.budget)?,
            routing: routing(&raw.routing)?,
        })
    }

    /// Shows in sysfs what was chosen where the command line left it open.
    pub(crate) fn publish(&self, locked: &Locked) {
        params::publish(locked, self.cpus.len() as u32, &self.cpus);
    }
}

fn budget(given: u32) -> Result<i32> {
    match i32::try_from(given) {
        Ok(budget) if (1..=BUDGET_MAX).contains(&budget) => Ok(budget),
        _ => {
            pr_err!("budget={given} is out of range: give 1 to {BUDGET_MAX}\n");
            Err(EINVAL)
        }
    }
}

fn routing(given: &[u8]) -> Result<Routing> {
    let end = given.iter().position(|byte| *byte == 0);
    let name = given.get(..end.unwrap_or(given.len())).unwrap_or(given);
    Routing::named(name.trim_ascii()).ok_or_else(|| {
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

/// The bytes of `given` MiB, if this host can give them now.
pub(crate) fn memory(given: u32) -> Result<usize> {
    const MIB: usize = 1 << 20;
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
/// a host's interrupts usually go.
fn cpus(workers: u32, list_given: bool) -> Result<KVec<u32>> {
    let online = params::online()?;
    let mut cpus = if list_given {
        listed(&online)?
    } else {
        all_but_first(online)
    };
    if workers == 0 && cpus.len() > limits::WORKERS_MAX {
        cpus.truncate(limits::WORKERS_MAX);
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
        cpus = params::online()?;
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

fn all_but_first(mut online: KVec<u32>) -> KVec<u32> {
    if online.len() > 1 {
        // The list is not empty, so its first entry is there to go.
        let _ = online.remove(0);
    }
    online
}
