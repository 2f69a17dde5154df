// SPDX-License-Identifier: GPL-2.0-only
//! What others use of the load generator as well.

#![forbid(unsafe_code)]

pub mod sizes;
