// SPDX-License-Identifier: GPL-2.0-only

//! The little language in which cases write bytes.
//!
//! | written           | means                                             |
//! |-------------------|---------------------------------------------------|
//! | `\r \n \t \0 \\`  | the usual bytes                                   |
//! | `\xNN`            | the byte with that hexadecimal value              |
//! | `\< \> \{ \}`     | those characters, where they would mean something |
//! | `<text*N>`        | `text` N times                                    |
//! | `{p}`             | this case's key prefix, always 8 bytes            |
//! | `{id}`            | a request id of the runner's choice, 2 bytes      |
//! | `{now}` `{now+N}` `{now-N}` | Unix time in seconds                    |
//! | `<b64 text>`      | `text` in base 64                                 |
//! | `<=name>`         | the bytes captured under that name                |
//! | `<req …>` `<res …>` | a packet of the binary protocol: [`packet`](crate::packet) |
//!
//! In an expectation also:
//!
//! | `<num>`      | one or more decimal digits                    |
//! |--------------|-----------------------------------------------|
//! | `<cas:name>` | the same, captured under `name`               |
//! | `<line>`     | one or more bytes without `\r` or `\n`        |
//! | `<any>`      | any bytes at all                              |

use std::collections::HashMap;

use anyhow::{anyhow, bail, Context, Result};

use crate::packet::Packet;

/// Captured bytes by name.
pub type Captures = HashMap<String, Vec<u8>>;

/// What placeholders stand for while one case runs.
#[derive(Debug, Clone, Default)]
pub struct Vars {
    /// `{p}`
    pub prefix: String,
    /// `{now}`, Unix seconds
    pub now: u64,
    /// `{id}`
    pub id: u16,
    /// `<=name>`
    pub captures: Captures,
}

/// One piece of an expectation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// exactly these bytes
    Bytes(Vec<u8>),
    /// digits, perhaps captured
    Num(Option<String>),
    /// one or more bytes of one line
    Line,
    /// anything
    Any,
    /// a packet of the binary protocol with something left open
    Packet(Box<Packet>),
}

/// Parses `text` into tokens, placeholders filled in from `vars`.
pub fn parse(text: &str, vars: &Vars) -> Result<Vec<Token>> {
    let mut parser = Parser {
        rest: text,
        vars,
        out: Vec::new(),
    };
    parser
        .run()
        .with_context(|| format!("in the text '{text}'"))?;
    Ok(parser.out)
}

/// Parses `text` where only definite bytes make sense.
pub fn bytes(text: &str, vars: &Vars) -> Result<Vec<u8>> {
    let mut all = Vec::new();
    for token in parse(text, vars)? {
        match token {
            Token::Bytes(b) => all.extend_from_slice(&b),
            _ => bail!("a wildcard in bytes to send: '{text}'"),
        }
    }
    Ok(all)
}

/// Whether all of `data` is what `tokens` describe; the captures made, if so.
pub fn matches(tokens: &[Token], data: &[u8]) -> Option<Captures> {
    let mut captures = Captures::new();
    match_from(tokens, data, &mut captures).then_some(captures)
}

fn match_from(tokens: &[Token], data: &[u8], captures: &mut Captures) -> bool {
    let Some((first, rest)) = tokens.split_first() else {
        return data.is_empty();
    };
    let (least, most) = match first {
        Token::Bytes(b) => {
            return data
                .strip_prefix(b.as_slice())
                .is_some_and(|d| match_from(rest, d, captures));
        }
        Token::Packet(packet) => {
            let Some((len, captured)) = packet.matches(data) else {
                return false;
            };
            captures.extend(captured);
            return match_from(rest, &data[len..], captures);
        }
        Token::Num(_) => (1, data.iter().take_while(|b| b.is_ascii_digit()).count()),
        Token::Line => (1, data.iter().take_while(|b| !b"\r\n".contains(b)).count()),
        Token::Any => (0, data.len()),
    };
    // Longest first: digits must not be cut short before a literal digit.
    for len in (least..=most).rev() {
        let (taken, left) = data.split_at(len);
        if match_from(rest, left, captures) {
            if let Token::Num(Some(name)) = first {
                captures.insert(name.clone(), taken.to_vec());
            }
            return true;
        }
    }
    false
}

struct Parser<'a> {
    rest: &'a str,
    vars: &'a Vars,
    out: Vec<Token>,
}

impl<'a> Parser<'a> {
    fn run(&mut self) -> Result<()> {
        while let Some(c) = self.rest.chars().next() {
            self.rest = &self.rest[c.len_utf8()..];
            match c {
                '\\' => {
                    let byte = self.escape()?;
                    self.push(&[byte]);
                }
                '{' => {
                    let name = self.take_until('}')?;
                    let value = self.placeholder(name)?;
                    self.push(&value);
                }
                '<' => self.angle()?,
                '>' | '}' => bail!("a stray '{c}' (write \\{c})"),
                _ => self.push(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Ok(())
    }

    fn push(&mut self, bytes: &[u8]) {
        if let Some(Token::Bytes(last)) = self.out.last_mut() {
            last.extend_from_slice(bytes);
        } else {
            self.out.push(Token::Bytes(bytes.to_vec()));
        }
    }

    fn escape(&mut self) -> Result<u8> {
        let c = self.rest.chars().next().context("a lone \\ at the end")?;
        self.rest = &self.rest[c.len_utf8()..];
        Ok(match c {
            'r' => b'\r',
            'n' => b'\n',
            't' => b'\t',
            '0' => 0,
            '\\' | '<' | '>' | '{' | '}' => c as u8,
            'x' => {
                let hex = self.rest.get(..2).context("\\x wants two digits")?;
                self.rest = &self.rest[2..];
                u8::from_str_radix(hex, 16).with_context(|| format!("\\x{hex}"))?
            }
            _ => bail!("unknown escape \\{c}"),
        })
    }

    fn take_until(&mut self, end: char) -> Result<&'a str> {
        let (name, rest) = self
            .rest
            .split_once(end)
            .ok_or_else(|| anyhow!("no closing '{end}'"))?;
        self.rest = rest;
        Ok(name)
    }

    fn placeholder(&self, name: &str) -> Result<Vec<u8>> {
        let now = self.vars.now;
        let shifted = |n: &str| n.parse::<u64>().with_context(|| format!("{{{name}}}"));
        Ok(match name {
            "p" => self.vars.prefix.clone().into_bytes(),
            "id" => self.vars.id.to_be_bytes().to_vec(),
            "now" => now.to_string().into_bytes(),
            _ => {
                let then = if let Some(n) = name.strip_prefix("now+") {
                    now.saturating_add(shifted(n)?)
                } else if let Some(n) = name.strip_prefix("now-") {
                    now.saturating_sub(shifted(n)?)
                } else {
                    bail!("unknown placeholder {{{name}}}");
                };
                then.to_string().into_bytes()
            }
        })
    }

    /// What follows a `<`: a wildcard, a captured value or a repetition.
    fn angle(&mut self) -> Result<()> {
        let end = closing(self.rest).context("no closing '>'")?;
        let body = &self.rest[..end];
        self.rest = &self.rest[end + 1..];
        match body {
            "num" => self.out.push(Token::Num(None)),
            "line" => self.out.push(Token::Line),
            "any" => self.out.push(Token::Any),
            _ => {
                if let Some(packet) = Packet::parse(body, self.vars)? {
                    match packet.encode() {
                        Ok(bytes) => self.push(&bytes),
                        Err(_) => self.out.push(Token::Packet(Box::new(packet))),
                    }
                } else if let Some(text) = body.strip_prefix("b64 ") {
                    let plain = bytes(text, self.vars)?;
                    self.push(base64(&plain).as_bytes());
                } else if let Some(name) = body.strip_prefix("cas:") {
                    self.out.push(Token::Num(Some(name.to_owned())));
                } else if let Some(name) = body.strip_prefix('=') {
                    let value = self.vars.captures.get(name);
                    let value = value.with_context(|| format!("nothing captured as {name}"))?;
                    self.push(&value.clone());
                } else {
                    let (unit, count) = body
                        .rsplit_once('*')
                        .with_context(|| format!("unknown form <{body}>"))?;
                    let count = count.parse().with_context(|| format!("<{body}>"))?;
                    let unit = bytes(unit, self.vars)?;
                    self.push(&unit.repeat(count));
                }
            }
        }
        Ok(())
    }
}

/// Base 64 with its padding.
fn base64(plain: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in plain.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = (byte(0) << 16) | (byte(1) << 8) | byte(2);
        for at in 0..4 {
            let digit = DIGITS[((bits >> (18 - 6 * at)) & 63) as usize];
            out.push(if at <= group.len() {
                digit as char
            } else {
                '='
            });
        }
    }
    out
}

/// Where the `>` is that closes an already opened `<`.
fn closing(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '<' => depth += 1,
            '>' if depth == 0 => return Some(at),
            '>' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Writes bytes the way cases do, long runs of one byte as `<x*N>`.
pub fn show(data: &[u8]) -> String {
    let mut out = String::new();
    let mut rest = data;
    while let Some(&byte) = rest.first() {
        let run = rest.iter().take_while(|&&b| b == byte).count();
        if run > 16 {
            out.push_str(&format!("<{}*{run}>", show_byte(byte)));
            rest = &rest[run..];
        } else {
            out.push_str(&show_byte(byte));
            rest = &rest[1..];
        }
    }
    out
}

fn show_byte(byte: u8) -> String {
    match byte {
        b'\r' => "\\r".into(),
        b'\n' => "\\n".into(),
        b'\t' => "\\t".into(),
        0 => "\\0".into(),
        b'\\' | b'<' | b'>' | b'{' | b'}' => format!("\\{}", byte as char),
        0x20..=0x7e => (byte as char).to_string(),
        _ => format!("\\x{byte:02x}"),
    }
}

/// [`show`], cut after `limit` characters with the whole length said.
pub fn show_short(data: &[u8], limit: usize) -> String {
    let all = show(data);
    if all.len() <= limit {
        return all;
    }
    // `show` writes ASCII only, so any index is a boundary.
    format!("{}… ({} bytes in all)", &all[..limit], data.len())
}
