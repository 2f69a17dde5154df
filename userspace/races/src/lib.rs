// SPDX-License-Identifier: GPL-2.0-only
//! Linearizability: could what several clients at once were told also have come
//! about with one request after the other, each at some moment between when it
//! was asked and when it was answered?
//!
//! [`play_for`] has clients send random requests to the same few keys, notes when
//! each was sent and answered, and searches for such an order (Wing and Gong's
//! search, with Lowe's memory of what was tried). An order for each key by
//! itself is an order for all (Herlihy and Wing, 1990), so that keys are judged
//! one by one.

mod history;
mod item;
pub mod random;
mod words;

pub use history::{play_for, Client, Played};
