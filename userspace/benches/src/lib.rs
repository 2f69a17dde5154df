// SPDX-License-Identifier: GPL-2.0-only
//! What the measurements of the store have in common: the stores that are
//! measured, and the work that they are given.

pub mod caches;
pub mod counting;
pub mod figure;
pub mod trace;
pub mod work;
