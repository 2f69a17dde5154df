// SPDX-License-Identifier: GPL-2.0-only
//! Which workers are on which NUMA node, for the router.

use crate::sys::node;
use kernel::{
    prelude::*,
    sync::atomic::{Atomic, Relaxed},
};
use kv::limits::WORKERS_MAX;

/// The lanes that are served on one node: the first `count`. Written by the
/// crew while the router reads; relaxed, since every number that was ever in
/// here is a lane, and the router goes on to another when nobody serves it.
pub(crate) struct Roster {
    count: Atomic<i32>,
    lanes: KVec<Atomic<i32>>,
}

/// One for each node; none where there is only one node.
pub(crate) struct Rosters(KVec<Roster>);

impl Rosters {
    /// All are empty.
    pub(crate) fn new() -> Result<Self> {
        let mut rosters = KVec::new();
        let nodes = match node::count() {
            0 | 1 => 0,
            many => many,
        };
        for _ in 0..nodes {
            let mut lanes = KVec::new();
            for _ in 0..WORKERS_MAX {
                lanes.push(Atomic::new(0), GFP_KERNEL)?;
            }
            let count = Atomic::new(0);
            rosters.push(Roster { count, lanes }, GFP_KERNEL)?;
        }
        Ok(Self(rosters))
    }

    /// From now on lane `n` is served on the `n`th of `cpus`.
    pub(crate) fn assign(&self, cpus: impl Iterator<Item = u32> + Clone) {
        for (roster, node) in self.0.iter().zip(0u32..) {
            let here = cpus.clone().zip(0i32..);
            let here = here.filter(|&(cpu, _)| node::of_cpu(cpu) == node);
            let mut count = 0i32;
            for (slot, (_, lane)) in roster.lanes.iter().zip(here) {
                slot.store(lane, Relaxed);
                count = count.saturating_add(1);
            }
            roster.count.store(count, Relaxed);
        }
    }

    /// Who serves on this CPU's node; nobody where there is only one, or none does.
    #[inline]
    pub(crate) fn here(&self) -> Option<&Roster> {
        match self.0.is_empty() {
            true => None,
            false => self.on_this_node(),
        }
    }

    #[inline(never)]
    fn on_this_node(&self) -> Option<&Roster> {
        let roster = self.0.get(node::this())?;
        (roster.len() > 0).then_some(roster)
    }
}

impl Roster {
    /// How many lanes.
    pub(crate) fn len(&self) -> usize {
        usize::try_from(self.count.load(Relaxed)).unwrap_or(0)
    }

    /// The `turn`th of them.
    pub(crate) fn lane(&self, turn: usize) -> Option<usize> {
        usize::try_from(self.lanes.get(turn)?.load(Relaxed)).ok()
    }
}
