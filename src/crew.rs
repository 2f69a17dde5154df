// SPDX-License-Identifier: GPL-2.0-only
//! The workers, as many as the parameters say, changed while they serve.

use crate::{respond::Shared, sys::kthread::KThread, worker::Worker};
use kernel::{
    prelude::*,
    sync::{atomic::Relaxed, Arc},
};

struct Member {
    thread: KThread<Worker>,
    cpu: u32,
}

/// The workers: member `n` serves lane `n`. Dropping it has them answer what
/// waits, and end.
pub(crate) struct Crew {
    shared: Arc<Shared>,
    members: KVec<Member>,
}

impl Crew {
    /// Nobody yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            members: KVec::new(),
        }
    }

    /// One worker on each of `cpus`, which are at least one, and online.
    /// Whatever is queued is answered: who stays is moved, and who goes
    /// finishes.
    pub(crate) fn assign(&mut self, cpus: &[u32]) -> Result {
        for (member, &cpu) in self.members.iter_mut().zip(cpus) {
            if member.cpu != cpu {
                member.thread.task().move_to(cpu);
                member.cpu = cpu;
            }
        }
        while let Some(&cpu) = cpus.get(self.members.len()) {
            self.hire(cpu)?;
        }
        self.dismiss(cpus.len());
        Ok(())
    }

    fn hire(&mut self, cpu: u32) -> Result {
        let index = self.members.len();
        let lane = self.shared.lanes.get(index).ok_or(EINVAL)?;
        let worker = Worker::new(self.shared.clone(), index)?;
        let thread = KThread::spawn(worker, cpu, u32::try_from(index)?)?;
        self.members.reserve(1, GFP_KERNEL)?;
        lane.queue.open(thread.task());
        self.members.push(Member { thread, cpu }, GFP_KERNEL)?;
        self.announce();
        Ok(())
    }

    /// Keeps the first `count`.
    fn dismiss(&mut self, count: usize) {
        for lane in self
            .shared
            .lanes
            .iter()
            .take(self.members.len())
            .skip(count)
        {
            lane.queue.close();
        }
        // Dropping a member waits until its worker has answered what it has.
        self.members.truncate(count);
        self.announce();
    }

    /// Tells the router. Relaxed: it may look at a lane that is closed already
    /// or not open yet, and then takes another.
    fn announce(&self) {
        let active = i32::try_from(self.members.len()).unwrap_or(i32::MAX);
        self.shared.active.store(active, Relaxed);
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.dismiss(0);
    }
}
