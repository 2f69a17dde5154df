// SPDX-License-Identifier: GPL-2.0-only
//! `stats`: the names that exporters and dashboards read, and the truth behind
//! each. What cannot happen in this build is 0; what only the host knows comes
//! from [`crate::Host`]; what has no meaning here is left out.

mod classes;
mod settings;

use crate::exec::dump;
use crate::reply::{Full, Reply};
use crate::request::{Words, ERROR};
use crate::{Context, Counters, Kv, Platform, VERSION};

/// Commands and machinery that this build does not have.
const NEVER: &[&str] = &[
    "auth_cmds",
    "auth_errors",
    "hash_is_expanding",
    "slab_reassign_running",
    "lru_crawler_running",
    "lru_crawler_starts",
];

/// What a worker has counted of something.
type Pick = fn(&Counters) -> u64;

/// Names of the numbers that are sums over all workers.
const SUMS: &[(&str, Pick)] = &[
    ("cmd_get", Counters::cmd_get),
    ("cmd_set", |c| c.cmd_set.get()),
    ("cmd_flush", |c| c.cmd_flush.get()),
    ("cmd_touch", |c| c.cmd_touch.get()),
    ("cmd_meta", |c| c.cmd_meta.get()),
    ("get_hits", Counters::get_hits),
    ("get_misses", |c| c.get_misses.get()),
    ("get_expired", |c| c.get_expired.get()),
    ("get_flushed", |c| c.get_flushed.get()),
    ("delete_misses", |c| c.delete_misses.get()),
    ("delete_hits", |c| c.delete_hits.get()),
    ("incr_misses", |c| c.incr_misses.get()),
    ("incr_hits", |c| c.incr_hits.get()),
    ("decr_misses", |c| c.decr_misses.get()),
    ("decr_hits", |c| c.decr_hits.get()),
    ("cas_misses", |c| c.cas_misses.get()),
    ("cas_hits", |c| c.cas_hits.get()),
    ("cas_badval", |c| c.cas_badval.get()),
    ("touch_hits", |c| c.touch_hits.get()),
    ("touch_misses", |c| c.touch_misses.get()),
    ("store_too_large", |c| c.store_too_large.get()),
    ("store_no_memory", |c| c.store_no_memory.get()),
    ("bytes_read", |c| c.bytes_read.get()),
    ("bytes_written", |c| c.bytes_written.get()),
    ("total_items", |c| c.total_items.get()),
    ("evictions", |c| c.evictions.get()),
    ("reclaimed", |c| c.reclaimed.get()),
    ("slabs_moved", |c| c.slabs_moved.get()),
    ("udp_datagrams_in", |c| c.datagrams_in.get()),
    ("udp_datagrams_out", |c| c.datagrams_out.get()),
    ("udp_drop_short", |c| c.drop_short.get()),
    ("udp_drop_not_single", |c| c.drop_not_single.get()),
    ("udp_drop_no_newline", |c| c.drop_no_newline.get()),
    ("reply_pins_refused", |c| c.pins_refused.get()),
    ("udp_reply_overflows", |c| c.reply_overflows.get()),
];

const DETAIL: &[u8] = b"CLIENT_ERROR stats detail not allowed\r\n";

/// Answers `stats`, and what the words behind it ask for.
pub(crate) fn run<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    mut words: Words<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let Some(what) = words.next() else {
        general(kv, cx, reply)?;
        return reply.put(b"END\r\n");
    };
    match what {
        b"reset" => {
            reset(kv, cx);
            return reply.put(b"RESET\r\n");
        }
        b"settings" => settings::put(kv, cx, reply)?,
        b"items" => classes::items(kv, cx, reply)?,
        b"slabs" => classes::slabs(kv, cx, reply)?,
        // There is no histogram, as in memcached without track_sizes.
        b"sizes" => line(reply, "sizes_status", |reply| reply.put(b"disabled"))?,
        b"conns" => connections(cx, reply)?,
        // Whoever sends keys chooses how many prefixes there are: a table of them
        // would need a bound, and wrong counts beyond it.
        b"detail" => return reply.put(DETAIL),
        b"cachedump" => return dump::cached(kv, cx, words, reply),
        _ => return reply.put(ERROR),
    }
    reply.put(b"END\r\n")
}

/// Answers `stats`.
fn general<P: Platform>(kv: &Kv<P>, cx: &Context<'_>, reply: &mut Reply<'_>) -> Result<(), Full> {
    number(reply, "uptime", u64::from(cx.now.uptime()))?;
    number(reply, "time", cx.unix_now)?;
    line(reply, "version", |reply| reply.put(VERSION.as_bytes()))?;
    number(reply, "pointer_size", u64::from(usize::BITS))?;
    host(cx, reply)?;
    for (name, pick) in SUMS {
        let sum = cx
            .all
            .iter()
            .fold(0u64, |sum, counters| sum.wrapping_add(pick(counters)));
        number(reply, name, sum)?;
    }
    let usage = kv.usage();
    number(reply, "limit_maxbytes", usage.limit)?;
    number(reply, "hash_power_level", u64::from(usage.hash_power))?;
    number(reply, "hash_bytes", usage.hash_bytes)?;
    number(reply, "total_malloced", usage.page_bytes)?;
    number(reply, "slab_global_page_pool", usage.free_pages)?;
    number(reply, "bytes", usage.bytes)?;
    number(reply, "curr_items", usage.items)?;
    number(reply, "reply_pins", usage.pins)?;
    number(reply, "reply_pinned_bytes", usage.pinned_bytes)?;
    for (name, sum) in classes::sums(kv, cx) {
        number(reply, name, sum)?;
    }
    for name in NEVER {
        number(reply, name, 0)?;
    }
    Ok(())
}

fn connections(cx: &Context<'_>, reply: &mut Reply<'_>) -> Result<(), Full> {
    let mut result = Ok(());
    cx.host.connections(&mut |number, name, value| {
        if result.is_ok() {
            result = put_of(reply, &[number], name, |reply| reply.put(value));
        }
    });
    result
}

/// `STAT <number>:…:<name> <value>`
fn put_of<'b>(
    reply: &mut Reply<'b>,
    numbers: &[u64],
    name: &str,
    value: impl FnOnce(&mut Reply<'b>) -> Result<(), Full>,
) -> Result<(), Full> {
    reply.put(b"STAT ")?;
    for number in numbers {
        reply.put_decimal(*number)?;
        reply.put(b":")?;
    }
    reply.put(name.as_bytes())?;
    reply.put(b" ")?;
    value(reply)?;
    reply.put(b"\r\n")
}

/// Answers nothing itself: sets back what `stats` counts.
fn reset<P: Platform>(kv: &Kv<P>, cx: &Context<'_>) {
    classes::reset(kv, cx);
    cx.all.iter().for_each(Counters::reset);
    cx.host.reset();
}

fn host(cx: &Context<'_>, reply: &mut Reply<'_>) -> Result<(), Full> {
    let mut result = Ok(());
    cx.host.stats(&mut |name, value| {
        if result.is_ok() {
            result = number(reply, name, value);
        }
    });
    result?;
    if let Some(time) = cx.host.cpu_time() {
        line(reply, "rusage_user", |reply| seconds(reply, time.user_us))?;
        line(reply, "rusage_system", |reply| {
            seconds(reply, time.system_us)
        })?;
    }
    Ok(())
}

fn number(reply: &mut Reply<'_>, name: &str, value: u64) -> Result<(), Full> {
    line(reply, name, |reply| reply.put_decimal(value))
}

fn line<'b>(
    reply: &mut Reply<'b>,
    name: &str,
    value: impl FnOnce(&mut Reply<'b>) -> Result<(), Full>,
) -> Result<(), Full> {
    reply.put(b"STAT ")?;
    reply.put(name.as_bytes())?;
    reply.put(b" ")?;
    value(reply)?;
    reply.put(b"\r\n")
}

/// Seconds with six decimals.
fn seconds(reply: &mut Reply<'_>, microseconds: u64) -> Result<(), Full> {
    fixed(reply, microseconds, 1_000_000)
}

/// A number with two decimals.
fn hundredths(reply: &mut Reply<'_>, value: u64) -> Result<(), Full> {
    fixed(reply, value, 100)
}

/// `value` of parts, of which `one`, a power of ten, make a whole.
fn fixed(reply: &mut Reply<'_>, value: u64, one: u64) -> Result<(), Full> {
    reply.put_decimal(value.checked_div(one).unwrap_or(0))?;
    reply.put(b".")?;
    // With a digit in front, which keeps the zeros, and goes.
    let fraction = value.checked_rem(one).unwrap_or(0).wrapping_add(one);
    let fraction = crate::decimal::Decimal::new(fraction);
    reply.put(fraction.as_bytes().strip_prefix(b"1").unwrap_or_default())
}
