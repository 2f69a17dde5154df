// SPDX-License-Identifier: GPL-2.0-only
//! Time: when items die, one by one or all together.

use core::sync::atomic::Ordering;

use super::header::Header;
use super::item::Item;
use super::Kv;
use crate::limits::RELATIVE_MAX;
use crate::{Now, Platform};

/// Whether an item in the table may still be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    Live,
    /// Its exptime has come.
    Expired,
    /// It was stored before the last `flush_all`.
    Flushed,
}

impl<P: Platform> Kv<P> {
    /// Makes everything that is stored when `exptime` comes dead from then on;
    /// at once, if that is not in the future. Replaces an earlier call that is
    /// still due.
    pub fn flush_all(&self, exptime: i64, now: Now, unix_now: u64) {
        let due = due(exptime, now, unix_now);
        let waiting = &mut *self.flush.lock();
        if due > now.0 {
            self.wait_for_flush(waiting, due);
        } else {
            self.wait_for_flush(waiting, 0);
            self.flush_now(now);
        }
    }

    /// Does what has come due. Called before anything else is done at `now`.
    #[inline]
    pub fn tick(&self, now: Now) {
        if self.second.load(Ordering::Relaxed) < now.0 {
            self.catch_up(now);
        }
    }

    #[cold]
    fn catch_up(&self, now: Now) {
        self.flush_if_due(now);
        let second = self.second.load(Ordering::Relaxed);
        if second < now.0 {
            // Acquire: who asked for a flush in this second before is seen below. Who asks
            // later sets the second back. Pairs with `wait_for_flush`.
            let first =
                self.second
                    .compare_exchange(second, now.0, Ordering::Acquire, Ordering::Relaxed);
            if first.is_ok() {
                self.flush_if_due(now);
                self.balance(now);
                self.plan_crawl();
            }
        }
    }

    fn flush_if_due(&self, now: Now) {
        let is_due = |at| at != 0 && at <= now.0;
        if is_due(self.flush_at.load(Ordering::Relaxed)) {
            let waiting = &mut *self.flush.lock();
            // Another worker may have been here first.
            if is_due(*waiting) {
                self.flush_now(now);
                self.wait_for_flush(waiting, 0);
            }
        }
    }

    fn wait_for_flush(&self, waiting: &mut u32, due: u32) {
        *waiting = due;
        self.flush_at.store(due, Ordering::Relaxed);
        if due != 0 {
            // For others that second may have begun.
            let back = |second: u32| Some(second.min(due.saturating_sub(1)));
            let _ = self
                .second
                .fetch_update(Ordering::Release, Ordering::Relaxed, back);
        }
    }

    fn flush_now(&self, now: Now) {
        let flush = |flushed: u32| Some(now.0.max(flushed.saturating_add(1)));
        let _ = self
            .flushed
            .fetch_update(Ordering::Release, Ordering::Relaxed, flush);
        self.mortals.store(true, Ordering::Relaxed);
    }

    /// When a new item was last used: now, and after the last flush.
    #[inline]
    pub(super) fn stamp(&self, now: Now) -> u32 {
        match self.flushed.load(Ordering::Acquire) {
            flushed if flushed < now.0 => now.0,
            flushed => flushed.saturating_add(1),
        }
    }

    pub(super) fn life(&self, item: Item, now: Now) -> Life {
        let header = self.arena.header(item);
        header.map_or(Life::Flushed, |header| self.life_of(header, now))
    }

    #[inline(always)]
    pub(super) fn life_of(&self, header: Header<'_>, now: Now) -> Life {
        self.life_at(header.used_at(), || header.expire(), now)
    }

    /// The same of an item that was last used then, and expires.
    #[inline(always)]
    pub(super) fn life_at(&self, used: u32, expire: impl FnOnce() -> u32, now: Now) -> Life {
        if used <= self.flushed.load(Ordering::Acquire) {
            return Life::Flushed;
        }
        match expire() {
            0 => Life::Live,
            expire if expire <= now.0 => Life::Expired,
            _ => Life::Live,
        }
    }
}

/// When an exptime is due by the host's clock: 0 never, 1 for "it was"
/// (`doc/protocol.txt`, "Expiration times").
#[inline]
pub(crate) fn due(exptime: i64, now: Now, unix_now: u64) -> u32 {
    let seconds = match exptime {
        0 => return 0,
        ..=-1 => return 1,
        1..=RELATIVE_MAX => exptime.unsigned_abs(),
        _ => match exptime.unsigned_abs().checked_sub(unix_now) {
            None | Some(0) => return 1,
            Some(seconds) => seconds,
        },
    };
    now.0
        .saturating_add(u32::try_from(seconds).unwrap_or(u32::MAX))
}
