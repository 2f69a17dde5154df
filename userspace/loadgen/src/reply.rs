// SPDX-License-Identifier: GPL-2.0-only

//! Holding a reply's text against its request.

use crate::items::Items;
use crate::wire::Request;

/// What a reply turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// So many of the keys asked for came, each with a value of its own.
    Values(u64),
    /// `STORED`
    Stored,
    /// The server said why not (`SERVER_ERROR`, `NOT_STORED`).
    Refused,
    /// Not a reply to this request.
    Wrong,
}

/// Judges the whole text of a reply.
pub(crate) fn judge(request: &Request, text: &[u8], items: &Items) -> Outcome {
    if text.starts_with(b"SERVER_ERROR ") {
        return Outcome::Refused;
    }
    match request {
        Request::Get(keys) => match values(keys, text, items) {
            Some(count) => Outcome::Values(count),
            None => Outcome::Wrong,
        },
        Request::Miss(_) if text == b"END\r\n" => Outcome::Values(0),
        Request::Miss(_) => Outcome::Wrong,
        Request::Set(..) => match text {
            b"STORED\r\n" => Outcome::Stored,
            b"NOT_STORED\r\n" => Outcome::Refused,
            _ => Outcome::Wrong,
        },
    }
}

/// How many values there are, in the order of the keys; `None` when anything
/// else is.
fn values(keys: &[u64], mut text: &[u8], items: &Items) -> Option<u64> {
    let mut wanted = keys.iter();
    let mut count = 0;
    let mut name = Vec::with_capacity(32);
    while text != b"END\r\n" {
        text = text.strip_prefix(b"VALUE ")?;
        // Keys that are not there are passed over, in order.
        let (key, rest) = wanted.by_ref().find_map(|&key| {
            name.clear();
            items.put_key(key, &mut name);
            name.push(b' ');
            Some((key, text.strip_prefix(name.as_slice())?))
        })?;
        let (flags, rest) = number(rest, b" ")?;
        let (len, rest) = number(rest, b"\r\n")?;
        let (value, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
        if flags != u64::from(Items::flags(key)) || !items.is_value(key, value) {
            return None;
        }
        text = rest.strip_prefix(b"\r\n")?;
        count += 1;
    }
    Some(count)
}

/// A decimal number and what follows it and `end`.
fn number<'a>(text: &'a [u8], end: &[u8]) -> Option<(u64, &'a [u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (number, rest) = text.split_at(digits);
    let number = std::str::from_utf8(number).ok()?.parse().ok()?;
    Some((number, rest.strip_prefix(end)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use loadgen::sizes::Sizes;

    fn items() -> Items {
        Items::new(4, Sizes::fixed(10))
    }

    fn value(key: u64) -> Vec<u8> {
        let mut out = format!("VALUE k{key:03} {key} 10\r\n").into_bytes();
        items().put_value(key, 1, &mut out);
        out.extend_from_slice(b"\r\n");
        out
    }

    fn get(keys: &[u64], text: &[u8]) -> Outcome {
        judge(&Request::Get(keys.to_vec()), text, &items())
    }

    #[test]
    fn hits_and_misses_are_counted() {
        let both = [value(1), value(2), b"END\r\n".to_vec()].concat();
        assert_eq!(get(&[1, 2], &both), Outcome::Values(2));
        assert_eq!(get(&[1, 7, 2], &both), Outcome::Values(2));
        assert_eq!(get(&[1], b"END\r\n"), Outcome::Values(0));
    }

    #[test]
    fn what_was_not_asked_is_wrong() {
        let both = [value(1), value(2), b"END\r\n".to_vec()].concat();
        for keys in [&[2, 1][..], &[1], &[]] {
            assert_eq!(get(keys, &both), Outcome::Wrong, "{keys:?}");
        }
        assert_eq!(get(&[1], &both[..both.len() - 1]), Outcome::Wrong);
        assert_eq!(get(&[1], b""), Outcome::Wrong);
        assert_eq!(get(&[1], b"STORED\r\n"), Outcome::Wrong);
        let mut bent = value(1);
        bent[20] ^= 4;
        bent.extend_from_slice(b"END\r\n");
        assert_eq!(get(&[1], &bent), Outcome::Wrong);
    }

    #[test]
    fn a_set_is_stored_or_refused() {
        let set = Request::Set(1, 1);
        let ask = |text: &[u8]| judge(&set, text, &items());
        assert_eq!(ask(b"STORED\r\n"), Outcome::Stored);
        assert_eq!(
            ask(b"SERVER_ERROR out of memory storing object\r\n"),
            Outcome::Refused
        );
        assert_eq!(ask(b"END\r\n"), Outcome::Wrong);
    }

    #[test]
    fn a_miss_finds_nothing() {
        let miss = Request::Miss(1);
        assert_eq!(judge(&miss, b"END\r\n", &items()), Outcome::Values(0));
        let hit = [value(1), b"END\r\n".to_vec()].concat();
        assert_eq!(judge(&miss, &hit, &items()), Outcome::Wrong);
    }
}
