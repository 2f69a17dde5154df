// SPDX-License-Identifier: GPL-2.0-only
//! The administrator's commands. What makes no sense here is refused in the
//! words in which memcached, otherwise configured, would refuse it.

use super::{answer, dump};
use crate::limits::CRAWL_MAX;
use crate::reply::{Full, Reply};
use crate::request::{Admin, Words, BAD_FORMAT, ERROR};
use crate::{decimal, Context, Kv, Platform};

const OK: &[u8] = b"OK\r\n";
const UNSUPPORTED: &[u8] = b"SERVER_ERROR not supported\r\n";
const BAD_CLASS: &[u8] = b"BADCLASS invalid class id\r\n";

pub(super) fn run<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    command: Admin,
    words: &Words<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let line = match command {
        Admin::CacheMemlimit => memlimit(kv, words.clone()),
        Admin::Lru => lru(words.clone()),
        Admin::Slabs => slabs(words.clone()),
        Admin::LruCrawler => match crawler(kv, cx, words.clone()) {
            Ok(line) => line,
            Err(dump) => return dump.run(kv, cx, reply),
        },
        Admin::Watch => return reply.put(b"CLIENT_ERROR watch commands not allowed\r\n"),
        Admin::Shutdown => b"SERVER_ERROR: shutdown not enabled\r\n",
    };
    answer(line, words.say_noreply(), reply)
}

/// `cache_memlimit <megabytes>`: all memory is taken when the store is made.
fn memlimit<P: Platform>(kv: &Kv<P>, mut words: Words<'_>) -> &'static [u8] {
    let Some(megabytes) = words.next().and_then(number) else {
        return ERROR;
    };
    match megabytes {
        0..=7 => b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n",
        1_000_000_001.. => b"MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n",
        _ if u64::from(megabytes) << 20 == kv.usage().limit => OK,
        _ => b"MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n",
    }
}

/// `lru tune|mode|temp_ttl …`: there is nothing to tune.
fn lru(mut words: Words<'_>) -> &'static [u8] {
    let what = words.next();
    let count = words.clone().count();
    match (what, count) {
        (Some(b"mode"), 1..) if words.next() == Some(b"segmented") => OK,
        (Some(b"tune"), 4..) | (Some(b"mode" | b"temp_ttl"), 1..) => UNSUPPORTED,
        _ => ERROR,
    }
}

/// `slabs automove …`, `slabs reassign <from> <to>`: pages move by themselves,
/// and always.
fn slabs(mut words: Words<'_>) -> &'static [u8] {
    match (words.next(), words.clone().count()) {
        (Some(b"reassign"), 2) => b"CLIENT_ERROR slab reassignment disabled\r\n",
        (Some(b"automove"), 1..) => match words.next() {
            Some(b"ratio" | b"freeratio" | b"window") => UNSUPPORTED,
            Some(level) => match number(level) {
                Some(1) => OK,
                Some(0 | 2) => UNSUPPORTED,
                Some(_) => ERROR,
                None => BAD_FORMAT,
            },
            None => ERROR,
        },
        _ => ERROR,
    }
}

/// `lru_crawler <what> [<argument>]`: a line to answer, or a dump.
///
/// A crawl is a piece of work now; the rest the store does by itself.
fn crawler<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    mut words: Words<'_>,
) -> Result<&'static [u8], dump::Dump> {
    let (what, argument, more) = (words.next(), words.next(), words.next());
    if more.is_some() {
        return Ok(ERROR);
    }
    let classes = argument.and_then(dump::Classes::parse);
    Ok(match (what, argument, classes) {
        (Some(b"metadump" | b"mgdump" | b"crawl"), Some(_), None) => BAD_CLASS,
        (Some(b"metadump"), _, Some(classes)) => return Err(dump::Dump::meta(classes)),
        (Some(b"mgdump"), _, Some(classes)) => return Err(dump::Dump::keys(classes)),
        (Some(b"crawl"), _, Some(_)) => {
            kv.crawl(CRAWL_MAX, cx);
            OK
        }
        (Some(b"sleep" | b"tocrawl"), Some(argument), _) => match number(argument) {
            Some(_) => UNSUPPORTED,
            None => BAD_FORMAT,
        },
        // It always crawls, and nobody stops it.
        (Some(b"enable"), None, _) => b"ERROR failed to start lru crawler thread\r\n",
        (Some(b"disable"), None, _) => b"ERROR failed to stop lru crawler thread\r\n",
        _ => ERROR,
    })
}

fn number(word: &[u8]) -> Option<u32> {
    u32::try_from(decimal::parse(word)?).ok()
}
