// SPDX-License-Identifier: GPL-2.0-only
//! The store and the protocol of unbuckle, shared by the kernel module and its
//! userspace twin, and tested on its own.
//!
//! A host gives [`Kv::new`] one region of memory, and then [`serve`] one UDP
//! payload at a time, from as many threads as it likes; each gets one reply
//! back. What the host must provide is in [`platform`]; time, counters and
//! replies' buffers are arguments. Nothing here allocates, sleeps, panics or
//! knows which world it is in.
#![no_std]
#![deny(
    missing_docs,
    unsafe_op_in_unsafe_fn,
    clippy::undocumented_unsafe_blocks,
    clippy::arithmetic_side_effects,
    clippy::as_underscore,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::panic_in_result_fn,
    clippy::string_slice,
    clippy::todo,
    clippy::unimplemented,
    clippy::unreachable,
    clippy::unwrap_used
)]

#[cfg(feature = "loom")]
extern crate std;

mod atomic;
mod base64;
mod binary;
mod copy;
mod counters;
mod decimal;
mod exec;
mod frame;
pub mod hash;
mod host;
mod in_place;
pub mod limits;
#[cfg(feature = "loom")]
#[path = "../../userspace/kv/modelled.rs"]
pub mod modelled;
pub mod platform;
mod reply;
pub mod request;
mod route;
mod serve;
mod session;
mod stats;
pub mod store;

pub use copy::copy;
pub use counters::{Counter, Counters, PerClass};
pub use frame::{frames, single_frame, Datagrams, Drop};
pub use host::{Context, CpuTime, Host, Now};
pub use in_place::{serve_in_place, InPlace, Waiter};
pub use platform::{Memory, NoMemory, Platform, RawRwLock, RawSpinLock};
pub use reply::{Reply, Spare};
pub use route::routing_key;
pub use serve::{serve, Outcome};
pub use session::{Next, Progress, Session};
pub use store::{parse_growth, Config, Error, Kv, Usage};

/// What `version` answers, and `stats` says: the memcached whose protocol this
/// is, since clients (libmemcached) read a number there and choose by it, then
/// ourselves.
pub const VERSION: &str = "1.6.45-unbuckle-0.1.0";
