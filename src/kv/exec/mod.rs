// SPDX-License-Identifier: GPL-2.0-only
//! Commands to answers.

mod admin;
mod arith;
pub(crate) mod dump;
mod get;
mod meta;
mod mget;
mod store;

pub(crate) use self::get::{count_get, get, look, END, VALUE};
pub(crate) use self::store::at_once as set_at_once;
use crate::base64;
use crate::reply::{Full, Reply};
use crate::request::{Flags, Request, Set, Store, ERROR};
use crate::store::{Change, Done, Value};
use crate::{stats, Context, Kv, PerClass, Platform, VERSION};

/// Executes one command and appends its answer.
///
/// # Errors
///
/// [`Full`] when the answer does not fit; part of it may have been appended.
/// Happens only to commands that change nothing in the store, and to those of
/// several keys: then the keys answered are gone from the request, and their
/// answers in the reply. A stream can send that and come back with the rest.
pub(crate) fn run<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    request: &mut Request<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    match request {
        Request::Get(get) => get::run(kv, cx, get, reply),
        Request::Store(store) => self::store(kv, cx, store, reply),
        Request::Meta(meta) => meta::run(kv, cx, meta, reply),
        Request::MetaNoop => {
            cx.mine.cmd_meta.inc();
            reply.put(b"MN\r\n")
        }
        Request::Delete { key, noreply } => answer(delete(kv, cx, key), *noreply, reply),
        Request::Arith(arith) => arith::classic(kv, cx, arith, reply),
        Request::Touch {
            key,
            exptime,
            noreply,
        } => answer(get::touch(kv, cx, key, *exptime), *noreply, reply),
        Request::FlushAll { exptime, noreply } => {
            cx.mine.cmd_flush.inc();
            kv.flush_all(*exptime, cx.now, cx.unix_now);
            answer(b"OK\r\n", *noreply, reply)
        }
        Request::Verbosity { noreply } => answer(b"OK\r\n", *noreply, reply),
        Request::Version => version(reply),
        Request::Stats(words) => stats::run(kv, cx, words.clone(), reply),
        Request::Admin(command, words) => admin::run(kv, cx, *command, words, reply),
        Request::Quit => Ok(()),
        Request::Http => reply.put(ERROR),
        Request::Refused { line, noreply } => answer(line, *noreply, reply),
    }
}

/// A plain `set`; as [`run`].
#[inline(always)]
pub(crate) fn set<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    set: &Set<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    reply.put(store::set(kv, cx, set))
}

fn store<P: Platform>(
    kv: &Kv<P>,
    cx: &Context<'_>,
    store: &Store<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    answer(store::classic(kv, cx, store), store.noreply, reply)
}

#[inline]
fn answer(line: &[u8], noreply: bool, reply: &mut Reply<'_>) -> Result<(), Full> {
    if noreply {
        return Ok(());
    }
    reply.put(line)
}

fn version(reply: &mut Reply<'_>) -> Result<(), Full> {
    reply.put(b"VERSION ")?;
    reply.put(VERSION.as_bytes())?;
    reply.put(b"\r\n")
}

fn delete<P: Platform>(kv: &Kv<P>, cx: &Context<'_>, key: &[u8]) -> &'static [u8] {
    let updated = kv.update(key, cx, |_| Change::Remove);
    if updated.done == Done::Removed {
        cx.mine.delete_hits.inc();
        cx.mine.count_in(updated.segment.class, PerClass::Delete);
        b"DELETED\r\n"
    } else {
        cx.mine.delete_misses.inc();
        b"NOT_FOUND\r\n"
    }
}

/// What a value has behind its first piece. Called with the item locked.
#[inline(always)]
fn put_rest<P: Platform>(kv: &Kv<P>, value: &Value<'_>, reply: &mut Reply<'_>) -> Result<(), Full> {
    match value.is_whole() {
        true => Ok(()),
        false => put_pieces(kv, value, reply),
    }
}

#[cold]
#[inline(never)]
fn put_pieces<P: Platform>(
    kv: &Kv<P>,
    value: &Value<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    let mut rest = kv.slices(value, value.text.len()..value.text_len);
    rest.try_for_each(|piece| reply.put(piece))
}

/// A word of a meta command's answer, behind its flag's letter.
enum Word {
    Number(u64),
    /// Seconds left, `None` for ever.
    Ttl(Option<u32>),
}

/// Appends the words that the flags ask for, in the flags' order. Opaque and
/// key are written whatever the command; `word` knows the rest.
fn put_words(
    flags: &Flags<'_>,
    binary: bool,
    reply: &mut Reply<'_>,
    mut word: impl FnMut(u8) -> Option<Word>,
) -> Result<(), Full> {
    for flag in flags.words.clone() {
        let Some(letter) = flag.first() else { continue };
        match letter {
            b'O' => {
                reply.put(b" ")?;
                reply.put(flag)?;
            }
            b'k' => put_key(flags.key, binary, reply)?,
            letter => match word(*letter) {
                None => {}
                Some(Word::Ttl(None)) => reply.put(b" t-1")?,
                Some(Word::Ttl(Some(ttl))) => put_number(*letter, u64::from(ttl), reply)?,
                Some(Word::Number(number)) => put_number(*letter, number, reply)?,
            },
        }
    }
    Ok(())
}

fn put_number(letter: u8, number: u64, reply: &mut Reply<'_>) -> Result<(), Full> {
    reply.put(&[b' ', letter])?;
    reply.put_decimal(number)
}

fn put_key(key: &[u8], binary: bool, reply: &mut Reply<'_>) -> Result<(), Full> {
    reply.put(b" k")?;
    if !binary {
        return reply.put(key);
    }
    base64::encode(key, |digits| reply.put(digits))?;
    reply.put(b" b")
}
