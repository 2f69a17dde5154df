// SPDX-License-Identifier: GPL-2.0
//! The store and the protocol of unbuckle.
#![no_std]
