// SPDX-License-Identifier: GPL-2.0-only
//! Requests and answers, to and from memcached's text protocol.

use std::str;

/// What is asked of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Get,
    Gets,
    Set(Vec<u8>),
    Cas(Vec<u8>, u64),
    Incr(u64),
    Append(Vec<u8>),
    Delete,
}

/// What is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// What there is, and its cas number if that was asked for.
    Value(Vec<u8>, Option<u64>),
    /// There is nothing under the key.
    Missing,
    Stored,
    /// The cas number is another.
    Exists,
    Deleted,
    Number(u64),
    NotANumber,
}

impl Request {
    /// As it is sent.
    pub(crate) fn text(&self, key: &str) -> Vec<u8> {
        let (line, data) = match self {
            Self::Get => (format!("get {key}"), None),
            Self::Gets => (format!("gets {key}"), None),
            Self::Set(data) => (format!("set {key} 0 0 {}", data.len()), Some(data)),
            Self::Cas(data, cas) => (format!("cas {key} 0 0 {} {cas}", data.len()), Some(data)),
            Self::Incr(delta) => (format!("incr {key} {delta}"), None),
            Self::Append(data) => (format!("append {key} 0 0 {}", data.len()), Some(data)),
            Self::Delete => (format!("delete {key}"), None),
        };
        let mut text = line.into_bytes();
        text.extend_from_slice(b"\r\n");
        if let Some(data) = data {
            text.extend_from_slice(data);
            text.extend_from_slice(b"\r\n");
        }
        text
    }

    /// What a reply to it says; `None` when it can say no such thing.
    pub(crate) fn read(&self, key: &str, reply: &[u8]) -> Option<Answer> {
        match (self, reply) {
            (Self::Get | Self::Gets, b"END\r\n") => Some(Answer::Missing),
            (Self::Get | Self::Gets, _) => value(key, *self == Self::Gets, reply),
            (Self::Append(_), b"NOT_STORED\r\n") => Some(Answer::Missing),
            (Self::Cas(..) | Self::Incr(_) | Self::Delete, b"NOT_FOUND\r\n") => {
                Some(Answer::Missing)
            }
            (Self::Set(_) | Self::Cas(..) | Self::Append(_), b"STORED\r\n") => Some(Answer::Stored),
            (Self::Cas(..), b"EXISTS\r\n") => Some(Answer::Exists),
            (Self::Delete, b"DELETED\r\n") => Some(Answer::Deleted),
            (Self::Incr(_), reply) if reply.starts_with(b"CLIENT_ERROR cannot increment") => {
                Some(Answer::NotANumber)
            }
            (Self::Incr(_), reply) => number(reply.strip_suffix(b"\r\n")?).map(Answer::Number),
            _ => None,
        }
    }
}

/// The one value in a reply, whose data are a line.
fn value(key: &str, with_cas: bool, reply: &[u8]) -> Option<Answer> {
    let mut lines = str::from_utf8(reply).ok()?.split("\r\n");
    let mut head = lines.next()?.split(' ');
    let data = lines.next()?;
    if (lines.next(), lines.next(), lines.next()) != (Some("END"), Some(""), None) {
        return None;
    }
    if (head.next(), head.next(), head.next()) != (Some("VALUE"), Some(key), Some("0")) {
        return None;
    }
    let len: usize = head.next()?.parse().ok()?;
    let cas = match head.next() {
        Some(cas) if with_cas => Some(cas.parse().ok()?),
        None if !with_cas => None,
        _ => return None,
    };
    let whole = head.next().is_none() && len == data.len();
    whole.then(|| Answer::Value(data.as_bytes().to_vec(), cas))
}

/// A decimal number and nothing else.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().all(u8::is_ascii_digit);
    str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_their_answers() {
        let cas = Request::Cas(b"12".to_vec(), 7);
        assert_eq!(cas.text("k"), b"cas k 0 0 2 7\r\n12\r\n");
        assert_eq!(cas.read("k", b"EXISTS\r\n"), Some(Answer::Exists));
        assert_eq!(cas.read("k", b"DELETED\r\n"), None);
        let gets = Request::Gets;
        let reply = b"VALUE k 0 2 9\r\n12\r\nEND\r\n";
        assert_eq!(
            gets.read("k", reply),
            Some(Answer::Value(b"12".to_vec(), Some(9)))
        );
        for wrong in [
            &b"VALUE k 0 2\r\n12\r\nEND\r\n"[..],
            b"VALUE j 0 2 9\r\n12\r\nEND\r\n",
            b"VALUE k 0 3 9\r\n12\r\nEND\r\n",
            b"VALUE k 0 2 9\r\n12\r\nEND\r\nEND\r\n",
            b"VALUE k 0 2 9\r\n12\r\n",
        ] {
            assert_eq!(gets.read("k", wrong), None);
        }
        assert_eq!(
            Request::Incr(1).read("k", b"18\r\n"),
            Some(Answer::Number(18))
        );
        assert_eq!(Request::Incr(1).read("k", b"+8\r\n"), None);
    }
}
