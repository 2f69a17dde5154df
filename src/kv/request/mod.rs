// SPDX-License-Identifier: GPL-2.0-only
//! Text to commands, from a datagram or from a stream.
//!
//! Read as memcached 1.6.45 reads it: words are separated by spaces alone,
//! trailing words are ignored, `noreply` counts as the last word, a command
//! line may end in a bare newline, a data block may not, and what follows a
//! bad data block is read as commands. A key may hold any byte but space and
//! newline: `doc/protocol.txt` would have no control bytes in it, but memcached
//! takes them, and clients use them (every key of `memcaslap` starts with some).
//! Where we differ on purpose is listed in `doc/protocol.md`.

mod classic;
mod flags;
mod frequent;
mod meta;
mod words;

pub use self::classic::{Arith, Get, Keys, Mode, Store};
pub use self::meta::{Meta, Verb};
pub use self::words::Words;

pub(crate) use self::flags::{Flags, Scratch};
pub(crate) use self::frequent::{may_be_get, only_get, only_set, Frequent, OnlyGet, Set};

use crate::limits::{KEY_MAX, LINE_MAX, LINE_MIN};

/// One command, borrowed from the bytes it was read from.
#[derive(Debug, PartialEq, Eq)]
pub enum Request<'a> {
    /// `get`, `gets`, `gat`, `gats`
    Get(Get<'a>),
    /// `set`, `add`, `replace`, `append`, `prepend`, `cas`
    Store(Store<'a>),
    /// `mg`, `ms`, `md`, `ma`, `me`
    Meta(Meta<'a>),
    /// `mn`
    MetaNoop,
    /// `delete <key> [noreply]`
    Delete {
        /// The key.
        key: &'a [u8],
        /// Say nothing.
        noreply: bool,
    },
    /// `incr`, `decr`
    Arith(Arith<'a>),
    /// `touch <key> <exptime> [noreply]`
    Touch {
        /// The key.
        key: &'a [u8],
        /// As it was sent; what it means depends on the time.
        exptime: i64,
        /// Say nothing.
        noreply: bool,
    },
    /// `flush_all [exptime] [noreply]`
    FlushAll {
        /// As it was sent.
        exptime: i64,
        /// Say nothing.
        noreply: bool,
    },
    /// `verbosity <level> [noreply]`. There is nothing to be verbose about.
    Verbosity {
        /// Say nothing.
        noreply: bool,
    },
    /// `version`
    Version,
    /// `stats`, and the words behind it.
    Stats(Words<'a>),
    /// A command to the administrator's ends, and the words behind it.
    Admin(Admin, Words<'a>),
    /// `quit`: a stream ends here, a datagram passes it over.
    Quit,
    /// No command, but what a web browser sends. A stream ends here; for a
    /// datagram it is like any unknown command.
    Http,
    /// Anything else.
    Refused {
        /// The line to answer.
        line: &'static [u8],
        /// Say nothing.
        noreply: bool,
    },
}

/// The commands of the administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// `cache_memlimit <megabytes>`
    CacheMemlimit,
    /// `lru_crawler <what> …`
    LruCrawler,
    /// `lru <what> …`
    Lru,
    /// `slabs <what> …`
    Slabs,
    /// `watch <what> …`
    Watch,
    /// `shutdown [graceful]`
    Shutdown,
}

pub(crate) const ERROR: &[u8] = b"ERROR\r\n";
pub(crate) const BAD_FORMAT: &[u8] = b"CLIENT_ERROR bad command line format\r\n";
pub(crate) const BAD_EXPTIME: &[u8] = b"CLIENT_ERROR invalid exptime argument\r\n";
pub(crate) const BAD_DELTA: &[u8] = b"CLIENT_ERROR invalid numeric delta argument\r\n";

/// Where the bytes come from: what to do when they end too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A datagram: there is no more than this.
    Datagram,
    /// A stream: the rest is still on its way.
    Stream {
        /// Most bytes that the caller can hold at once. A line as long as that
        /// is too long; a data block that does not fit is left out of its
        /// request, and is to be skipped.
        room: usize,
    },
}

/// What [`parse`] found at the front of the bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// A command.
    Request {
        /// The command.
        request: Request<'a>,
        /// How many of the bytes are its own, data block included.
        len: usize,
        /// How many more bytes are, which are not there yet: to be thrown away
        /// as they arrive. Always 0 for a datagram.
        skip: usize,
    },
    /// Not all of it is there. Nothing new will be found before there are
    /// `total` bytes, counted from the same front.
    More {
        /// More than there are now.
        total: usize,
    },
    /// No command line is that long. A stream cannot go on.
    TooLong,
}

/// Reads the first command in `bytes`. Looks at one line, and steps over its
/// data block, if it has one.
///
/// ```text
/// loop {
///     match parse(buffer, Source::Stream { room }) {
///         Parsed::Request { request, len, skip } => execute, take `len`, skip `skip`
///         Parsed::More { total } => read until there are `total`
///         Parsed::TooLong => close
///     }
/// }
/// ```
pub fn parse(bytes: &[u8], source: Source) -> Parsed<'_> {
    frequent::parse(bytes).unwrap_or_else(|| parse_any(bytes, source))
}

/// As [`parse`], whatever the command.
pub(crate) fn parse_any(bytes: &[u8], source: Source) -> Parsed<'_> {
    let Some((line, line_len)) = line(bytes) else {
        return unfinished(bytes, source);
    };
    if matches!(source, Source::Stream { .. }) && line_len > LINE_MAX && !may_be_long(line) {
        return Parsed::TooLong;
    }
    let whole = |request| Parsed::Request {
        request,
        len: line_len,
        skip: 0,
    };
    if line_len < LINE_MIN {
        return whole(refused(BAD_FORMAT, false));
    }
    // A name is not looked for behind leading spaces.
    let end = words::find(line, b' ').unwrap_or(line.len());
    let (name, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
    let words = Words::new(rest);
    let mode = match name {
        b"get" => return whole(classic::get(words, false)),
        b"set" => Mode::Set,
        b"mg" => return whole(meta::command(Verb::Get, words)),
        b"ms" => {
            return match meta::set(words) {
                Ok(meta) => with_block(bytes, line_len, source, meta),
                Err(line) => whole(refused(line, false)),
            }
        }
        b"add" => Mode::Add,
        b"replace" => Mode::Replace,
        b"append" => Mode::Append,
        b"prepend" => Mode::Prepend,
        b"cas" => Mode::Cas,
        _ => return whole(without_block(name, words)),
    };
    match classic::StoreLine::new(mode, words) {
        Some(store) => with_block(bytes, line_len, source, store),
        None => whole(refused(BAD_FORMAT, false)),
    }
}

/// The first line without its end, and how long it is with it.
fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let newline = words::find(bytes, b'\n')?;
    let line = bytes.get(..newline)?;
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some((line, newline.checked_add(1)?))
}

/// There is no newline yet.
fn unfinished(bytes: &[u8], source: Source) -> Parsed<'_> {
    let total = bytes.len().saturating_add(1);
    match source {
        Source::Stream { room } if total > room => Parsed::TooLong,
        Source::Stream { .. } if bytes.len() >= LINE_MAX && !may_be_long(bytes) => Parsed::TooLong,
        _ => Parsed::More { total },
    }
}

/// Only lists of keys are longer than [`LINE_MAX`].
fn may_be_long(bytes: &[u8]) -> bool {
    let end = words::find(bytes, b' ').and_then(|end| bytes.get(..end));
    matches!(end, Some(b"get" | b"gets" | b"gat" | b"gats"))
}

/// A line that says how long the data block behind it is. The block goes the
/// way of the line, whatever else is wrong with that: data is never executed.
trait WithBlock<'a> {
    /// Length of the block, without its CRLF.
    fn data_len(&self) -> usize;
    /// The command, now that its block is known: `None` when that is of another
    /// length, or not all there.
    fn finish(self, block: Option<&'a [u8]>) -> Request<'a>;
}

fn with_block<'a>(
    bytes: &'a [u8],
    line_len: usize,
    source: Source,
    command: impl WithBlock<'a>,
) -> Parsed<'a> {
    let total = line_len
        .saturating_add(command.data_len())
        .saturating_add(b"\r\n".len());
    if let Some(block) = bytes.get(line_len..total) {
        let block = Some(block).filter(|block| block.ends_with(b"\r\n"));
        return Parsed::Request {
            request: command.finish(block),
            len: total,
            skip: 0,
        };
    }
    match source {
        Source::Stream { room } if total <= room => Parsed::More { total },
        Source::Stream { .. } => Parsed::Request {
            request: command.finish(None),
            len: bytes.len(),
            skip: total.saturating_sub(bytes.len()),
        },
        Source::Datagram => Parsed::Request {
            request: command.finish(None),
            len: bytes.len(),
            skip: 0,
        },
    }
}

/// The rarer commands, none of which comes with data.
fn without_block<'a>(name: &[u8], words: Words<'a>) -> Request<'a> {
    match name {
        b"gets" => classic::get(words, true),
        b"gat" => classic::gat(words, false),
        b"gats" => classic::gat(words, true),
        b"md" => meta::command(Verb::Delete, words),
        b"ma" => meta::command(Verb::Arith, words),
        b"me" => meta::command(Verb::Debug, words),
        b"mn" => Request::MetaNoop,
        b"delete" => classic::delete(words),
        b"incr" => classic::arith(words, true),
        b"decr" => classic::arith(words, false),
        b"touch" => classic::touch(words),
        b"version" => Request::Version,
        b"stats" => Request::Stats(words),
        b"quit" => Request::Quit,
        b"flush_all" => classic::flush_all(words),
        b"verbosity" => classic::verbosity(words),
        b"cache_memlimit" => Request::Admin(Admin::CacheMemlimit, words),
        b"lru_crawler" => Request::Admin(Admin::LruCrawler, words),
        b"lru" => Request::Admin(Admin::Lru, words),
        b"slabs" => Request::Admin(Admin::Slabs, words),
        b"watch" => Request::Admin(Admin::Watch, words),
        b"shutdown" => Request::Admin(Admin::Shutdown, words),
        _ if is_http(words.clone()) => Request::Http,
        _ => refused(ERROR, words.say_noreply()),
    }
}

/// `GET / HTTP/1.1`: memcached, too, looks at the last word alone.
fn is_http(words: Words<'_>) -> bool {
    words.last().is_some_and(|word| word.starts_with(b"HTTP/"))
}

/// A word is not empty, and holds neither space nor newline.
fn is_key(word: &[u8]) -> bool {
    word.len() <= KEY_MAX
}

fn refused(line: &'static [u8], noreply: bool) -> Request<'static> {
    Request::Refused { line, noreply }
}
