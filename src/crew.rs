// SPDX-License-Identifier: GPL-2.0-only
//! The workers, as many as the parameters say, changed while they serve.

use crate::{
    respond::Shared,
    sys::{kthread::KThread, queue::Queue, sysfs::Directory},
    views::{self, WorkerDirectory},
    worker::Worker,
};
use kernel::{
    prelude::*,
    sync::{atomic::Relaxed, Arc},
};

struct Member {
    thread: KThread<Worker>,
    cpu: u32,
    _view: WorkerDirectory,
}

/// The workers: member `n` serves lane `n`. Dropping it has them answer what
/// waits, and end.
pub(crate) struct Crew {
    shared: Arc<Shared>,
    members: KVec<Member>,
    /// Theirs in sysfs.
    view: Directory<()>,
}

impl Crew {
    /// Nobody yet.
    pub(crate) fn new(shared: Arc<Shared>) -> Result<Self> {
        Ok(Self {
            shared,
            members: KVec::new(),
            view: views::workers()?,
        })
    }

    /// One worker on each of `cpus`, which are at least one, and online.
    /// Whatever is queued is answered: who stays is moved, and who goes
    /// finishes.
    /// `fifo`: they go before normal threads.
    pub(crate) fn assign(&mut self, cpus: &[u32], fifo: bool) -> Result {
        for member in &self.members {
            member.thread.task().set_fifo(fifo);
        }
        let lanes = self.shared.lanes.iter();
        for ((member, lane), &cpu) in self.members.iter_mut().zip(lanes).zip(cpus) {
            if member.cpu != cpu {
                member.thread.task().move_to(cpu);
                member.cpu = cpu;
                lane.cpu.store(i32::try_from(cpu)?, Relaxed);
            }
        }
        while let Some(&cpu) = cpus.get(self.members.len()) {
            self.hire(cpu, fifo)?;
        }
        self.dismiss(cpus.len());
        Ok(())
    }

    fn hire(&mut self, cpu: u32, fifo: bool) -> Result {
        let index = self.members.len();
        let lane = self.shared.lanes.get(index).ok_or(EINVAL)?;
        let worker = Worker::new(self.shared.clone(), index)?;
        let thread = KThread::spawn(worker, cpu, u32::try_from(index)?, fifo)?;
        let view = views::Worker::directory(&self.view, self.shared.clone(), index)?;
        self.members.reserve(1, GFP_KERNEL)?;
        lane.cpu.store(i32::try_from(cpu)?, Relaxed);
        lane.queue.open(thread.task());
        let member = Member {
            thread,
            cpu,
            _view: view,
        };
        self.members.push(member, GFP_KERNEL)?;
        self.announce();
        Ok(())
    }

    /// Keeps the first `count`.
    fn dismiss(&mut self, count: usize) {
        if count < self.members.len() {
            let lanes = self.shared.lanes.iter().take(self.members.len());
            Queue::close(lanes.skip(count).map(|lane| &lane.queue));
        }
        // Dropping a member waits until its worker has answered what it has.
        self.members.truncate(count);
        self.announce();
    }

    /// Tells the router.
    fn announce(&self) {
        let cpus = self.members.iter().map(|member| member.cpu);
        self.shared.rosters.assign(cpus);
        self.shared.set_active_lanes(self.members.len());
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.dismiss(0);
    }
}
