// SPDX-License-Identifier: GPL-2.0-only

//! Strict reading of reply texts: a byte too many or too few is an error.

/// One `VALUE` of a retrieval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value<'a> {
    /// the key as answered
    pub key: &'a [u8],
    /// client flags
    pub flags: u32,
    /// cas unique, present in the answer to `gets`
    pub cas: Option<u64>,
    /// the data block without its `\r\n`
    pub data: &'a [u8],
}

/// Reads `VALUE …\r\n<data>\r\n … END\r\n` and nothing else.
pub fn values(text: &[u8], with_cas: bool) -> Result<Vec<Value<'_>>, String> {
    let mut values = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = line(rest)?;
        if line == b"END" {
            if !after.is_empty() {
                return Err(format!("{} bytes after END", after.len()));
            }
            return Ok(values);
        }
        let (value, after) = value(line, after, with_cas)?;
        values.push(value);
        rest = after;
    }
}

fn value<'a>(
    line: &'a [u8],
    after: &'a [u8],
    with_cas: bool,
) -> Result<(Value<'a>, &'a [u8]), String> {
    let words: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
    let (key, flags, len, cas) = match words.as_slice() {
        [b"VALUE", key, flags, len] if !with_cas => (*key, *flags, *len, None),
        [b"VALUE", key, flags, len, cas] if with_cas => (*key, *flags, *len, Some(*cas)),
        _ => return Err(format!("not a VALUE line: '{}'", line.escape_ascii())),
    };
    let len: usize = decimal(len)?;
    let (data, after) = after
        .split_at_checked(len)
        .ok_or_else(|| format!("{len} bytes announced, {} there", after.len()))?;
    let after = after
        .strip_prefix(b"\r\n")
        .ok_or_else(|| format!("no \\r\\n after {len} bytes of data"))?;
    let value = Value {
        key,
        flags: decimal(flags)?,
        cas: cas.map(decimal).transpose()?,
        data,
    };
    Ok((value, after))
}

/// The name-value pairs of `STAT …` lines up to `END\r\n`.
pub fn stats(text: &[u8]) -> Result<Vec<(String, String)>, String> {
    let mut stats = Vec::new();
    let mut rest = text;
    loop {
        let (line, after) = line(rest)?;
        if line == b"END" {
            return if after.is_empty() {
                Ok(stats)
            } else {
                Err(format!("{} bytes after END", after.len()))
            };
        }
        let text = std::str::from_utf8(line).map_err(|e| e.to_string())?;
        let mut words = text.splitn(3, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("STAT"), Some(name), Some(value)) if !name.is_empty() => {
                stats.push((name.to_owned(), value.to_owned()));
            }
            _ => return Err(format!("not a STAT line: '{text}'")),
        }
        rest = after;
    }
}

/// Splits off one line that ends in `\r\n`.
fn line(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let end = text
        .windows(2)
        .position(|w| w == b"\r\n")
        .ok_or_else(|| format!("no END after '{}'", text.escape_ascii()))?;
    Ok((&text[..end], &text[end + 2..]))
}

/// Plain digits without a sign or a leading zero.
fn decimal<T: std::str::FromStr>(word: &[u8]) -> Result<T, String> {
    let canonical = word == b"0" || !word.starts_with(b"0");
    let digits = !word.is_empty() && word.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(word)
        .ok()
        .filter(|_| canonical && digits)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("not a number: '{}'", word.escape_ascii()))
}
