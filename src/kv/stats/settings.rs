// SPDX-License-Identifier: GPL-2.0-only
//! `stats settings`: memcached's names, where they mean something here.

use super::{hundredths, line, number};
use crate::limits::FLAGS_LEN;
use crate::reply::{Full, Reply};
use crate::{Context, Kv, Platform};

/// What no configuration changes.
const FIXED: &[(&str, &str)] = &[
    ("verbosity", "0"),
    ("evictions", "on"),
    ("shutdown_command", "no"),
    ("stat_key_prefix", ":"),
    ("detail_enabled", "no"),
    ("cas_enabled", "yes"),
    ("binding_protocol", "auto-negotiate"),
    ("auth_enabled_sasl", "no"),
    ("auth_enabled_ascii", "no"),
    ("slab_reassign", "no"),
    ("slab_automove", "1"),
    ("lru_crawler", "yes"),
    ("flush_enabled", "yes"),
    ("dump_enabled", "yes"),
    ("hash_algorithm", "multilinear"),
    ("track_sizes", "no"),
];

pub(super) fn put<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    number(reply, "maxbytes", kv.usage().limit)?;
    let mut result = Ok(());
    cx.host.settings(&mut |name, value| {
        if result.is_ok() {
            result = number(reply, name, value);
        }
    });
    result?;
    let config = kv.config();
    number(reply, "item_size_max", config.item_max as u64)?;
    number(reply, "chunk_size", config.min_chunk as u64)?;
    number(reply, "slab_chunk_max", kv.chunk_max() as u64)?;
    line(reply, "growth_factor", |reply| {
        hundredths(reply, config.growth_percent as u64)
    })?;
    number(reply, "hash_stripes", config.stripes as u64)?;
    for (name, value) in FIXED {
        line(reply, name, |reply| reply.put(value.as_bytes()))?;
    }
    number(reply, "client_flags_size", FLAGS_LEN as u64)
}
