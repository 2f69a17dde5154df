// SPDX-License-Identifier: GPL-2.0-only
//! What a store without limits does: a `HashMap`, and the answers it gives.

use std::collections::HashMap;

/// Keys that a program can name.
const KEYS: u8 = 6;

/// What there is under a key.
#[derive(Clone, Debug)]
struct Item {
    data: Vec<u8>,
    flags: u32,
    /// The second from which on it is dead.
    end: Option<u32>,
    cas: u64,
}

/// What a step of a program is.
pub enum Step {
    /// A command for the server.
    Send(Vec<u8>),
    /// That many seconds go by.
    Pass(u32),
}

/// The map, and all answers so far.
pub struct Model {
    now: u32,
    cas: u64,
    items: HashMap<String, Item>,
    pub expected: Vec<u8>,
}

impl Model {
    pub fn new() -> Self {
        Self {
            now: 0,
            cas: 0,
            items: HashMap::new(),
            expected: Vec::new(),
        }
    }

    /// Does a step: what to do (and in the top bit, whether to be told), a key, and
    /// two numbers more.
    pub fn step(&mut self, [what, key, a, b]: [u8; 4]) -> Step {
        let noreply = what & 0x80 != 0;
        let name = key_name(key);
        let command = match what & 0x7f {
            mode @ 0..=4 => {
                let mode = ["set", "add", "replace", "append", "prepend"][usize::from(mode)];
                return Step::Send(self.store(mode, key, a, b, None, noreply));
            }
            5 => {
                // The right number, or one that is not.
                let known = self.items.get(&name).map_or(1, |item| item.cas);
                let number = known + u64::from(a & 1);
                return Step::Send(self.store("cas", key, a, b, Some(number), noreply));
            }
            6 | 7 => {
                let verb = ["get", "gets"][usize::from(what & 1)];
                let names = (0..=a % 3).map(|more| key_name(key.wrapping_add(more)));
                let names: Vec<String> = names.collect();
                for name in &names {
                    self.value(name, verb == "gets");
                }
                self.expected.extend_from_slice(b"END\r\n");
                return Step::Send(format!("{verb} {}\r\n", names.join(" ")).into_bytes());
            }
            8 | 9 => self.arith(&name, what & 1 == 0, u64::from(a) * u64::from(b), noreply),
            10 => {
                let had = self.items.remove(&name).is_some();
                self.say(if had { "DELETED" } else { "NOT_FOUND" }, noreply);
                format!("delete {name}")
            }
            11 => {
                let end = self.end(a);
                let found = self.items.get_mut(&name).map(|item| item.end = end);
                self.say(found.map_or("NOT_FOUND", |()| "TOUCHED"), noreply);
                format!("touch {name} {}", exptime(a))
            }
            12 => {
                let end = self.end(a);
                if let Some(item) = self.items.get_mut(&name) {
                    item.end = end;
                }
                self.value(&name, true);
                self.expected.extend_from_slice(b"END\r\n");
                self.bury();
                return Step::Send(format!("gats {} {name}\r\n", exptime(a)).into_bytes());
            }
            13 => {
                self.items.clear();
                self.say("OK", noreply);
                "flush_all".to_owned()
            }
            14 => {
                self.now += u32::from(a % 8);
                self.bury();
                return Step::Pass(u32::from(a % 8));
            }
            _ => {
                self.expected.extend_from_slice(b"ERROR\r\n");
                return Step::Send(b"nonsense\r\n".to_vec());
            }
        };
        self.bury();
        let noreply = if noreply { " noreply" } else { "" };
        Step::Send(format!("{command}{noreply}\r\n").into_bytes())
    }

    fn say(&mut self, line: &str, noreply: bool) {
        if !noreply {
            self.expected.extend_from_slice(line.as_bytes());
            self.expected.extend_from_slice(b"\r\n");
        }
    }

    fn store(
        &mut self,
        mode: &str,
        key: u8,
        a: u8,
        b: u8,
        cas: Option<u64>,
        noreply: bool,
    ) -> Vec<u8> {
        let (name, new) = (key_name(key), data(a, b));
        let (flags, end) = (u32::from(a), self.end(b % 32));
        let number = cas.map_or(String::new(), |cas| format!(" {cas}"));
        let tail = if noreply { " noreply" } else { "" };
        let line = format!(
            "{mode} {name} {flags} {} {}{number}{tail}\r\n",
            exptime(b % 32),
            new.len()
        );
        let text = [line.as_bytes(), &new, b"\r\n"].concat();
        let old = self.items.get(&name).cloned();
        let fresh = |data: Vec<u8>| Item {
            data,
            flags,
            end,
            cas: 0,
        };
        let item = match (mode, old) {
            ("set", _) | ("add", None) | ("replace", Some(_)) => Ok(fresh(new)),
            ("append", Some(old)) => Ok(Item {
                data: [&old.data[..], &new].concat(),
                ..old
            }),
            ("prepend", Some(old)) => Ok(Item {
                data: [&new[..], &old.data].concat(),
                ..old
            }),
            ("cas", None) => Err("NOT_FOUND"),
            ("cas", Some(old)) if Some(old.cas) != cas => Err("EXISTS"),
            ("cas", Some(_)) => Ok(fresh(new)),
            _ => Err("NOT_STORED"),
        };
        let answer = item.as_ref().map_or_else(|refused| *refused, |_| "STORED");
        self.say(answer, noreply);
        if let Ok(item) = item {
            self.put(name, item);
        }
        text
    }

    /// Puts an item there, with the next cas number.
    fn put(&mut self, name: String, item: Item) {
        self.cas += 1;
        let cas = self.cas;
        self.items.insert(name, Item { cas, ..item });
        self.bury();
    }

    fn arith(&mut self, name: &str, up: bool, delta: u64, noreply: bool) -> String {
        let old = self.items.get(name).cloned();
        let number = old.as_ref().map(|item| number(&item.data));
        match (old, number) {
            (Some(item), Some(Some(number))) => {
                let sum = match up {
                    true => number.wrapping_add(delta),
                    false => number.saturating_sub(delta),
                };
                self.say(&sum.to_string(), noreply);
                // It stays as long as it was, unless it has to grow.
                let data = format!("{sum:<width$}", width = item.data.len());
                let data = data.into_bytes();
                self.put(name.to_owned(), Item { data, ..item });
            }
            (Some(_), _) => self.say(
                "CLIENT_ERROR cannot increment or decrement non-numeric value",
                noreply,
            ),
            (None, _) => self.say("NOT_FOUND", noreply),
        }
        format!("{} {name} {delta}", if up { "incr" } else { "decr" })
    }

    fn value(&mut self, name: &str, with_cas: bool) {
        let Some(item) = self.items.get(name) else {
            return;
        };
        let cas = if with_cas {
            format!(" {}", item.cas)
        } else {
            String::new()
        };
        let line = format!("VALUE {name} {} {}{cas}\r\n", item.flags, item.data.len());
        let text = [line.as_bytes(), &item.data, b"\r\n"].concat();
        self.expected.extend_from_slice(&text);
    }

    fn end(&self, seconds: u8) -> Option<u32> {
        match exptime(seconds) {
            0 => None,
            seconds => Some(self.now.saturating_add_signed(seconds)),
        }
    }

    fn bury(&mut self) {
        let now = self.now;
        self.items
            .retain(|_, item| item.end.is_none_or(|end| end > now));
    }
}

/// Keys of many lengths.
fn key_name(key: u8) -> String {
    let key = usize::from(key % KEYS);
    format!("{key}{}", "k".repeat(key * key * 9))
}

/// Mostly none; up to 15 seconds, and one that is past at once.
fn exptime(seconds: u8) -> i32 {
    match seconds % 32 {
        seconds @ 0..=15 => i32::from(seconds),
        16 => -1,
        _ => 0,
    }
}

/// A number or bytes of any kind, short or long.
fn data(a: u8, b: u8) -> Vec<u8> {
    match b >> 6 {
        0 => (u64::from(a) * u64::from(a)).to_string().into_bytes(),
        1 => b"ab\r\nset \0x"[..usize::from(a % 10)].to_vec(),
        2 => vec![b'0' + a % 10; usize::from(a % 24)],
        _ => vec![a; usize::from(a) * 16],
    }
}

/// What a counter holds: behind spaces, digits up to the next space, as strtoull
/// reads them. Too long a text is refused.
fn number(data: &[u8]) -> Option<u64> {
    let text = data.trim_ascii_start();
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let digits = text.split(u8::is_ascii_whitespace).next()?;
    let all = data.len() <= 1044 && digits.iter().all(u8::is_ascii_digit);
    // More digits than fit are no number, nor are none.
    std::str::from_utf8(digits)
        .ok()
        .filter(|_| all)?
        .parse()
        .ok()
}
