// SPDX-License-Identifier: GPL-2.0-only
//! What changes while the module serves.

use crate::{
    crew::Crew, dispatch::Routing, params::Settings, respond::Shared, rx::Rx, sys::params::Locked,
};
use core::sync::atomic::Ordering::Relaxed;
use kernel::{
    new_mutex,
    prelude::*,
    sync::{Arc, Mutex},
};

/// The parts that parameters act on.
#[pin_data]
pub(crate) struct Control {
    rx: Arc<Rx>,
    shared: Arc<Shared>,
    #[pin]
    crew: Mutex<Crew>,
}

impl Control {
    pub(crate) fn new(rx: Arc<Rx>, shared: Arc<Shared>, crew: Crew) -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                rx,
                shared,
                crew <- new_mutex!(crew, "unbuckle::crew"),
            }),
            GFP_KERNEL,
        )
    }

    /// Does what the parameters say now. Nothing that is queued is lost.
    pub(crate) fn reconfigure(&self, locked: &Locked) -> Result {
        let settings = Settings::read(locked)?;
        self.apply(&settings)?;
        settings.publish(locked);
        Ok(())
    }

    /// Workers, budget and policy of `settings`.
    pub(crate) fn apply(&self, settings: &Settings) -> Result {
        let manners = &self.shared.manners;
        manners.budget.store(settings.budget, Relaxed);
        manners.poll_us.store(settings.busy_poll_us, Relaxed);
        manners.fifo.store(i32::from(settings.fifo), Relaxed);
        let assign = || self.crew.lock().assign(&settings.cpus, settings.fifo);
        let route = || {
            self.rx
                .dispatch
                .set_routing(settings.routing, &settings.online)
        };
        // Whoever gives responders back goes first.
        match settings.routing {
            Routing::Inline => assign().and_then(|()| route()),
            Routing::RoundRobin | Routing::Key => route().and_then(|()| assign()),
        }
    }
}
