// SPDX-License-Identifier: GPL-2.0-only
//! `stats items` and `stats slabs`: what the size classes say of themselves.
//! Classes are numbered from 1, as memcached's are.

use super::{number, put_of};
use crate::counters::OfClass;
use crate::reply::{Full, Reply};
use crate::store::{ClassUsage, History};
use crate::{Context, Counters, Kv, PerClass, Platform};

/// Every class and its number.
fn classes<'a, P: Platform>(
    kv: &'a Kv<P>,
    cx: &'a Context<'_>,
) -> impl Iterator<Item = (u64, ClassUsage)> + 'a {
    (0u8..=u8::MAX).map_while(move |class| {
        let usage = kv.class_usage(class, cx.now)?;
        Some((u64::from(class).saturating_add(1), usage))
    })
}

/// Names of what is counted of commands, in the order of [`crate::PerClass`].
const COMMANDS: [&str; PerClass::Crawled as usize] = [
    "cmd_set",
    "delete_hits",
    "incr_hits",
    "decr_hits",
    "cas_hits",
    "cas_badval",
    "touch_hits",
];

/// What has been counted of a class since that was last forgotten.
fn counted(cx: &Context<'_>, class: u64, usage: &ClassUsage) -> OfClass {
    let index = u8::try_from(class.saturating_sub(1)).unwrap_or(u8::MAX);
    Counters::sums_of(cx.all, index).since(&usage.since)
}

/// How many items of a class the crawler has looked at.
fn crawled(counted: &OfClass) -> u64 {
    let [.., crawled] = counted.commands;
    crawled
}

/// Has all classes count anew.
pub(super) fn reset<P: Platform>(kv: &Kv<P>, cx: &Context<'_>) {
    kv.reset_classes(|class| Counters::sums_of(cx.all, class));
}

/// How often who stored had to make room: nobody else does.
fn direct_reclaims(history: &History) -> u64 {
    history.evicted.wrapping_add(history.reclaimed)
}

fn used_chunks(usage: &ClassUsage) -> u64 {
    let total = usage.pages.saturating_mul(usage.chunks_per_page);
    total.saturating_sub(usage.free_chunks)
}

/// What `stats` says of all classes together.
pub(super) fn sums<P: Platform>(kv: &Kv<P>, cx: &Context<'_>) -> [(&'static str, u64); 6] {
    let mut sums = [
        ("crawler_reclaimed", 0u64),
        ("crawler_items_checked", 0),
        ("moves_to_cold", 0),
        ("moves_to_warm", 0),
        ("moves_within_lru", 0),
        ("direct_reclaims", 0),
    ];
    for (class, usage) in classes(kv, cx) {
        let history = &usage.history;
        let more = [
            history.crawler_reclaimed,
            crawled(&counted(cx, class, &usage)),
            history.moves_to_cold,
            history.moves_to_warm,
            history.moves_within_lru,
            direct_reclaims(history),
        ];
        for ((_, sum), more) in sums.iter_mut().zip(more) {
            *sum = sum.wrapping_add(more);
        }
    }
    sums
}

pub(super) fn items<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    for (class, usage) in classes(kv, cx) {
        let [hot, warm, cold] = usage.items;
        let items = hot.saturating_add(warm).saturating_add(cold);
        if items == 0 {
            continue;
        }
        let [age_hot, age_warm, age_cold] = usage.ages.map(u64::from);
        let history = &usage.history;
        let counted = counted(cx, class, &usage);
        let [to_hot, to_warm, to_cold, _] = counted.hits;
        for (name, value) in [
            ("number", items),
            ("number_hot", hot),
            ("number_warm", warm),
            ("number_cold", cold),
            ("age_hot", age_hot),
            ("age_warm", age_warm),
            ("age", age_cold),
            (
                "mem_requested",
                used_chunks(&usage).saturating_mul(usage.chunk_size),
            ),
            ("evicted", history.evicted),
            ("evicted_nonzero", history.evicted_nonzero),
            ("evicted_time", u64::from(history.evicted_time)),
            ("outofmemory", history.out_of_memory),
            ("tailrepairs", 0),
            ("reclaimed", history.reclaimed),
            ("expired_unfetched", history.expired_unfetched),
            ("evicted_unfetched", history.evicted_unfetched),
            ("evicted_active", history.evicted_active),
            ("crawler_reclaimed", history.crawler_reclaimed),
            ("crawler_items_checked", crawled(&counted)),
            ("lrutail_reflocked", 0),
            ("moves_to_cold", history.moves_to_cold),
            ("moves_to_warm", history.moves_to_warm),
            ("moves_within_lru", history.moves_within_lru),
            ("direct_reclaims", direct_reclaims(history)),
            ("hits_to_hot", to_hot),
            ("hits_to_warm", to_warm),
            ("hits_to_cold", to_cold),
            ("hits_to_temp", 0),
        ] {
            reply.put(b"STAT items:")?;
            reply.put_decimal(class)?;
            reply.put(b":")?;
            reply.put(name.as_bytes())?;
            reply.put(b" ")?;
            reply.put_decimal(value)?;
            reply.put(b"\r\n")?;
        }
    }
    Ok(())
}

pub(super) fn slabs<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mut active = 0u64;
    for (class, usage) in classes(kv, cx).filter(|(_, usage)| usage.pages != 0) {
        active = active.saturating_add(1);
        let counted = counted(cx, class, &usage);
        for (name, value) in [
            ("chunk_size", usage.chunk_size),
            ("chunks_per_page", usage.chunks_per_page),
            ("total_pages", usage.pages),
            (
                "total_chunks",
                usage.pages.saturating_mul(usage.chunks_per_page),
            ),
            ("used_chunks", used_chunks(&usage)),
            ("free_chunks", usage.free_chunks),
            ("free_chunks_end", 0),
            ("get_hits", counted.get_hits()),
        ] {
            put_of(reply, &[class], name, |reply| reply.put_decimal(value))?;
        }
        for (name, count) in COMMANDS.iter().zip(counted.commands) {
            put_of(reply, &[class], name, |reply| reply.put_decimal(count))?;
        }
    }
    number(reply, "active_slabs", active)?;
    number(reply, "total_malloced", kv.usage().page_bytes)
}
