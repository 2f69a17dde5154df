// SPDX-License-Identifier: GPL-2.0
//! Text to commands.
//!
//! Read as memcached 1.6.45 reads it: words are separated by spaces alone,
//! trailing words are ignored, `noreply` counts as the last word, a command
//! line may end in a bare newline, a data block may not, and what follows a
//! bad data block is read as commands. A key may hold any byte but space and
//! newline: `doc/protocol.txt` would have no control bytes in it, but memcached
//! takes them, and clients use them (every key of `memcaslap` starts with some).
//! On purpose different:
//!
//! - Client flags above 32 bits are refused; memcached drops the upper bits.
//! - An exptime is read as 64 bits: one after 2038 lies in the future.
//!   memcached keeps 32 bits and may find it in the past.
//! - A `get` with a bad key among its keys looks none of them up, and is
//!   answered one line; 1.6.45 sends an empty line more.
//! - `quit` is passed over, and the commands behind it executed; over UDP,
//!   memcached stops there and sends a datagram without text.
//! - A data block cut short by the end of the datagram is a bad data chunk;
//!   memcached waits for the rest, and takes another client's request for it.
//! - The storage commands that are not served yet (`add`, `cas`, ...) answer
//!   `ERROR`, and their data blocks are passed over like that of a bad `set`.
//! - A last line without its newline is ignored (as by memcached), and does
//!   not wait for its rest (as it does in memcached).

use crate::decimal;
use crate::limits::{DATA_MAX, KEY_MAX};

/// Shortest command line that is looked at, its newline included.
const LINE_MIN: usize = 4;

/// One command, borrowed from the datagram.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request<'a> {
    /// `get <key>*`, or `gets <key>*` with `cas`.
    Get { keys: Words<'a>, cas: bool },
    /// `set <key> <flags> <exptime> <bytes> [noreply]` and its data block.
    Set { set: Set<'a>, noreply: bool },
    /// `delete <key> [noreply]`
    Delete { key: &'a [u8], noreply: bool },
    /// `flush_all [exptime] [noreply]`
    FlushAll { exptime: i64, noreply: bool },
    /// `verbosity <level> [noreply]`. There is nothing to be verbose about.
    Verbosity { noreply: bool },
    /// `version`
    Version,
    /// `stats`
    Stats,
    /// `stats reset`
    StatsReset,
    /// `quit`
    Quit,
    /// Anything else; the line to answer, if any.
    Refused { line: &'static [u8], noreply: bool },
}

/// The operands of a `set`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Set<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) flags: u32,
    pub(crate) exptime: i64,
    /// Announced length, without CRLF.
    pub(crate) len: usize,
    /// The block with its CRLF, `None` when it is not of that length, or not
    /// all there.
    pub(crate) block: Option<&'a [u8]>,
}

pub(crate) const ERROR: &[u8] = b"ERROR\r\n";
pub(crate) const BAD_FORMAT: &[u8] = b"CLIENT_ERROR bad command line format\r\n";
pub(crate) const BAD_EXPTIME: &[u8] = b"CLIENT_ERROR invalid exptime argument\r\n";

/// The words of a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Words<'a>(&'a [u8]);

impl<'a> Iterator for Words<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while let Some(rest) = self.0.strip_prefix(b" ") {
            self.0 = rest;
        }
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().position(|byte| *byte == b' ');
        let (word, rest) = self.0.split_at_checked(end.unwrap_or(self.0.len()))?;
        self.0 = rest;
        Some(word)
    }
}

/// The commands of one datagram, in order. Ends at a line without newline.
pub(crate) struct Requests<'a> {
    rest: &'a [u8],
}

impl<'a> Requests<'a> {
    pub(crate) fn new(text: &'a [u8]) -> Self {
        Self { rest: text }
    }

    /// The next line, with its newline.
    fn line(&mut self) -> Option<&'a [u8]> {
        let newline = self.rest.iter().position(|byte| *byte == b'\n')?;
        let (line, rest) = self.rest.split_at_checked(newline.checked_add(1)?)?;
        self.rest = rest;
        Some(line)
    }

    /// Takes a data block of `len` bytes and its CRLF, or all that is left.
    fn block(&mut self, len: usize) -> Option<&'a [u8]> {
        match self.rest.split_at_checked(len.saturating_add(2)) {
            Some((block, rest)) => {
                self.rest = rest;
                Some(block).filter(|block| block.ends_with(b"\r\n"))
            }
            None => {
                self.rest = &[];
                None
            }
        }
    }

    /// A storage command that is not served yet. Its data must not be read as
    /// commands: whoever chose the data would have chosen those.
    fn skip(&mut self, words: Words<'a>) -> Request<'a> {
        if let Some(line) = SetLine::new(words.clone()) {
            self.block(line.len);
        }
        refused(ERROR, says_noreply(words))
    }

    fn set(&mut self, words: Words<'a>) -> Request<'a> {
        let noreply = says_noreply(words.clone());
        let Some(line) = SetLine::new(words) else {
            return refused(BAD_FORMAT, false);
        };
        // From here on the line says how long its data block is, so that the
        // block goes the way of the line, whatever else is wrong with that.
        let block = self.block(line.len);
        match line.numbers() {
            Some((flags, exptime)) if is_key(line.key) => Request::Set {
                set: Set {
                    key: line.key,
                    flags,
                    exptime,
                    len: line.len,
                    block,
                },
                noreply,
            },
            _ => refused(BAD_FORMAT, noreply),
        }
    }
}

/// The words of a `set` line, of which only the length has been read.
struct SetLine<'a> {
    key: &'a [u8],
    flags: &'a [u8],
    exptime: &'a [u8],
    len: usize,
}

impl<'a> SetLine<'a> {
    /// `None` when a word is missing or the length is none, so that nothing is
    /// known of a data block.
    fn new(mut words: Words<'a>) -> Option<Self> {
        Some(Self {
            key: words.next()?,
            flags: words.next()?,
            exptime: words.next()?,
            len: decimal::parse(words.next()?)
                .filter(|len| *len <= DATA_MAX)
                .and_then(|len| usize::try_from(len).ok())?,
        })
    }

    fn numbers(&self) -> Option<(u32, i64)> {
        let flags = decimal::parse_c(self.flags)?;
        let exptime = decimal::parse_c(self.exptime)?;
        Some((u32::try_from(flags).ok()?, exptime))
    }
}

impl<'a> Iterator for Requests<'a> {
    type Item = Request<'a>;

    fn next(&mut self) -> Option<Request<'a>> {
        let line = self.line()?;
        if line.len() < LINE_MIN {
            return Some(refused(BAD_FORMAT, false));
        }
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A name is not looked for behind leading spaces.
        let end = line.iter().position(|byte| *byte == b' ');
        let (name, rest) = line.split_at_checked(end.unwrap_or(line.len()))?;
        let words = Words(rest);
        Some(match name {
            b"get" => get(words, false),
            b"gets" => get(words, true),
            b"set" => self.set(words),
            b"add" | b"replace" | b"append" | b"prepend" | b"cas" => self.skip(words),
            b"delete" => delete(words),
            b"flush_all" => flush_all(words),
            b"verbosity" => verbosity(words),
            b"version" => Request::Version,
            b"stats" => stats(words),
            b"quit" => Request::Quit,
            _ => refused(ERROR, says_noreply(words)),
        })
    }
}

fn get(keys: Words<'_>, cas: bool) -> Request<'_> {
    if keys.clone().next().is_none() || !keys.clone().all(is_key) {
        return refused(BAD_FORMAT, false);
    }
    Request::Get { keys, cas }
}

fn delete(mut words: Words<'_>) -> Request<'_> {
    let noreply = says_noreply(words.clone());
    match words.next() {
        Some(key) if is_key(key) => Request::Delete { key, noreply },
        _ => refused(BAD_FORMAT, noreply),
    }
}

fn flush_all(mut words: Words<'_>) -> Request<'_> {
    let noreply = says_noreply(words.clone());
    let exptime = match (words.next(), words.next()) {
        (None, _) => Some(0),
        (Some(_), None) if noreply => Some(0),
        (Some(word), _) => {
            decimal::parse_signed(word).filter(|exptime| i32::try_from(*exptime).is_ok())
        }
    };
    match exptime {
        Some(exptime) => Request::FlushAll { exptime, noreply },
        None => refused(BAD_EXPTIME, noreply),
    }
}

fn verbosity(mut words: Words<'_>) -> Request<'_> {
    let noreply = says_noreply(words.clone());
    let level = words.next().and_then(decimal::parse);
    match level {
        Some(level) if u32::try_from(level).is_ok() => Request::Verbosity { noreply },
        _ => refused(BAD_FORMAT, noreply),
    }
}

fn stats(mut words: Words<'_>) -> Request<'_> {
    match words.next() {
        None => Request::Stats,
        Some(b"reset") => Request::StatsReset,
        Some(_) => refused(ERROR, false),
    }
}

fn says_noreply(words: Words<'_>) -> bool {
    words.last() == Some(b"noreply")
}

/// A word is not empty, and holds neither space nor newline.
fn is_key(word: &[u8]) -> bool {
    word.len() <= KEY_MAX
}

fn refused(line: &'static [u8], noreply: bool) -> Request<'static> {
    Request::Refused { line, noreply }
}
