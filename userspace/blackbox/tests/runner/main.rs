// SPDX-License-Identifier: GPL-2.0-only

//! Tests of the tests: what passes must pass, and above all, what is wrong
//! must be seen to be wrong.

mod cases;
mod checks;
mod fake;
mod packets;
mod streams;
mod units;
