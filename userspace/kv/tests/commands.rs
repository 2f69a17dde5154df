// SPDX-License-Identifier: GPL-2.0-only
//! Random commands of both families, on few keys, against a map that does what
//! the protocol says.
#![allow(missing_docs)]

mod common;

use std::collections::HashMap;

use common::{Session, MIB};
use proptest::prelude::*;

/// A conditional or joining store, in the words of both families.
#[derive(Clone, Copy, Debug)]
enum Mode {
    Set,
    Add,
    Replace,
    Append,
    Prepend,
}

impl Mode {
    fn names(self) -> (&'static str, char) {
        match self {
            Mode::Set => ("set", 'S'),
            Mode::Add => ("add", 'E'),
            Mode::Replace => ("replace", 'R'),
            Mode::Append => ("append", 'A'),
            Mode::Prepend => ("prepend", 'P'),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Store(Mode, u32, i64, String),
    /// With the item's cas number, or with another.
    Cas(bool, String),
    Get,
    Touch(i64),
    Gat(i64),
    Arith(bool, u64),
    Delete,
    Invalidate,
    Vivify(i64),
    Pass(u32),
}

fn step() -> impl Strategy<Value = Step> {
    let mode = prop::sample::select(vec![
        Mode::Set,
        Mode::Set,
        Mode::Add,
        Mode::Replace,
        Mode::Append,
        Mode::Prepend,
    ]);
    let data = prop_oneof!["[0-9]{1,19}", "[a-z]{0,40}", " [0-9]{1,3} "];
    let exptime = prop_oneof![3 => Just(0), 2 => 1i64..20, 1 => Just(-1)];
    let delta = prop_oneof![0u64..200, Just(u64::MAX)];
    prop_oneof![
        8 => (mode, 0u32..3, exptime.clone(), data.clone())
            .prop_map(|(mode, flags, exptime, data)| Step::Store(mode, flags, exptime, data)),
        2 => (any::<bool>(), data).prop_map(|(right, data)| Step::Cas(right, data)),
        4 => Just(Step::Get),
        1 => exptime.clone().prop_map(Step::Touch),
        1 => exptime.clone().prop_map(Step::Gat),
        4 => (any::<bool>(), delta).prop_map(|(up, delta)| Step::Arith(up, delta)),
        2 => Just(Step::Delete),
        1 => Just(Step::Invalidate),
        1 => exptime.prop_map(Step::Vivify),
        2 => (1u32..6).prop_map(Step::Pass),
    ]
}

#[derive(Clone)]
struct Entry {
    flags: u32,
    end: Option<u32>,
    data: String,
    stale: bool,
    won: bool,
}

#[derive(Default)]
struct Model {
    now: u32,
    entries: HashMap<usize, Entry>,
}

impl Model {
    fn end(&self, exptime: i64) -> Option<u32> {
        match u32::try_from(exptime) {
            Ok(0) => None,
            Ok(seconds) => Some(self.now + seconds),
            Err(_) => Some(0),
        }
    }

    fn bury(&mut self) {
        let now = self.now;
        self.entries
            .retain(|_, entry| entry.end.is_none_or(|end| end > now));
    }

    fn new_entry(&self, flags: u32, exptime: i64, data: &str) -> Entry {
        Entry {
            flags,
            end: self.end(exptime),
            data: data.to_owned(),
            stale: false,
            won: false,
        }
    }

    /// Whether it is stored.
    fn store(&mut self, key: usize, mode: Mode, flags: u32, exptime: i64, data: &str) -> bool {
        let new = self.new_entry(flags, exptime, data);
        let old = self.entries.get(&key).cloned();
        let entry = match (mode, old) {
            (Mode::Set, _) | (Mode::Add, None) | (Mode::Replace, Some(_)) => new,
            (Mode::Append | Mode::Prepend, Some(old)) => Entry {
                data: match mode {
                    Mode::Append => old.data + data,
                    _ => data.to_owned() + &old.data,
                },
                flags: old.flags,
                end: old.end,
                ..new
            },
            _ => return false,
        };
        self.entries.insert(key, entry);
        true
    }

    /// The number that is there now.
    fn arith(&mut self, key: usize, up: bool, delta: u64) -> Option<Option<u64>> {
        let entry = self.entries.get_mut(&key)?;
        let text = entry.data.trim_start();
        let digits = text.split(' ').next().unwrap_or_default();
        let Ok(number) = digits.parse::<u64>() else {
            return Some(None);
        };
        let number = match up {
            true => number.wrapping_add(delta),
            false => number.saturating_sub(delta),
        };
        entry.data = format!("{number:<width$}", width = entry.data.len());
        Some(Some(number))
    }
}

/// Every step, said in one family's words or in the other's.
fn run(steps: &[(usize, bool, Step)]) {
    let session = Session::new(4 * MIB);
    let mut model = Model::default();
    for (key, meta, step) in steps {
        let (text, expected) = play(&session, &mut model, *key, *meta, step);
        assert_eq!(session.ask(&text), expected, "{text:?}");
        model.bury();
    }
}

fn play(
    session: &Session,
    model: &mut Model,
    key: usize,
    meta: bool,
    step: &Step,
) -> (String, String) {
    let pick = |meta: bool, one: String, other: String| if meta { one } else { other };
    let name = format!("key{key}");
    let there = model.entries.get(&key).cloned();
    match step {
        Step::Store(mode, flags, exptime, data) => {
            let len = data.len();
            let (word, letter) = mode.names();
            let stored = model.store(key, *mode, *flags, *exptime, data);
            (
                pick(
                    meta,
                    format!("ms {name} {len} M{letter} F{flags} T{exptime}\r\n{data}\r\n"),
                    format!("{word} {name} {flags} {exptime} {len}\r\n{data}\r\n"),
                ),
                match (meta, stored) {
                    (true, true) => "HD\r\n",
                    (true, false) => "NS\r\n",
                    (false, true) => "STORED\r\n",
                    (false, false) => "NOT_STORED\r\n",
                }
                .to_owned(),
            )
        }
        Step::Cas(right, data) => {
            let shown = session.ask(format!("mg {name} c u\r\n"));
            // Looking makes whoever looks the winner.
            if let Some(entry) = model.entries.get_mut(&key) {
                entry.won |= entry.stale;
            }
            let cas = shown.strip_prefix("HD c").map_or(1, |rest| {
                let end = rest.find([' ', '\r']).unwrap();
                rest[..end].parse::<u64>().unwrap()
            });
            let cas = if *right { cas } else { cas + 1_000_000 };
            if there.is_some() && *right {
                let new = model.new_entry(0, 0, data);
                model.entries.insert(key, new);
            }
            let len = data.len();
            (
                pick(
                    meta,
                    format!("ms {name} {len} C{cas}\r\n{data}\r\n"),
                    format!("cas {name} 0 0 {len} {cas}\r\n{data}\r\n"),
                ),
                match (there.is_some(), right) {
                    (true, true) => pick(meta, "HD\r\n".into(), "STORED\r\n".into()),
                    (true, false) => pick(meta, "EX\r\n".into(), "EXISTS\r\n".into()),
                    (false, _) => pick(meta, "NF\r\n".into(), "NOT_FOUND\r\n".into()),
                },
            )
        }
        Step::Get if meta => {
            if let Some(entry) = model.entries.get_mut(&key) {
                entry.won |= entry.stale;
            }
            (
                format!("mg {name} v f t\r\n"),
                there.map_or("EN\r\n".into(), |entry| shown(&entry, model.now)),
            )
        }
        Step::Get => (format!("get {name}\r\n"), value(&name, there.as_ref())),
        Step::Touch(exptime) | Step::Gat(exptime) => {
            let end = model.end(*exptime);
            if let Some(entry) = model.entries.get_mut(&key) {
                entry.end = end;
            }
            match step {
                Step::Gat(_) => (
                    format!("gat {exptime} {name}\r\n"),
                    value(&name, there.as_ref()),
                ),
                _ => (
                    format!("touch {name} {exptime}\r\n"),
                    there.map_or("NOT_FOUND\r\n", |_| "TOUCHED\r\n").into(),
                ),
            }
        }
        Step::Arith(up, delta) => {
            let number = model.arith(key, *up, *delta);
            let (word, sign) = if *up { ("incr", '+') } else { ("decr", '-') };
            let refusal = "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n";
            (
                pick(
                    meta,
                    format!("ma {name} v M{sign} D{delta}\r\n"),
                    format!("{word} {name} {delta}\r\n"),
                ),
                match number {
                    None => pick(meta, "NF\r\n".into(), "NOT_FOUND\r\n".into()),
                    Some(None) => refusal.into(),
                    Some(Some(number)) => {
                        let len = number.to_string().len();
                        pick(
                            meta,
                            format!("VA {len}\r\n{number}\r\n"),
                            format!("{number}\r\n"),
                        )
                    }
                },
            )
        }
        Step::Delete => {
            let gone = model.entries.remove(&key).is_some();
            (
                pick(meta, format!("md {name}\r\n"), format!("delete {name}\r\n")),
                match gone {
                    true => pick(meta, "HD\r\n".into(), "DELETED\r\n".into()),
                    false => pick(meta, "NF\r\n".into(), "NOT_FOUND\r\n".into()),
                },
            )
        }
        Step::Invalidate => {
            if let Some(entry) = model.entries.get_mut(&key) {
                (entry.stale, entry.won) = (true, false);
            }
            let code = if there.is_some() { "HD" } else { "NF" };
            (format!("md {name} I\r\n"), format!("{code}\r\n"))
        }
        Step::Vivify(exptime) => {
            let text = format!("mg {name} s N{exptime}\r\n");
            match there {
                Some(entry) => {
                    let marks = marks(&entry);
                    if let Some(entry) = model.entries.get_mut(&key) {
                        entry.won |= entry.stale;
                    }
                    (text, format!("HD s{}{marks}\r\n", entry.data.len()))
                }
                None => {
                    let mut new = model.new_entry(0, *exptime, "");
                    new.won = true;
                    model.entries.insert(key, new);
                    (text, "HD s0 W\r\n".into())
                }
            }
        }
        Step::Pass(seconds) => {
            session.pass(*seconds);
            model.now += seconds;
            ("mn\r\n".into(), "MN\r\n".into())
        }
    }
}

fn value(name: &str, entry: Option<&Entry>) -> String {
    entry.map_or("END\r\n".into(), |entry| {
        let (flags, data) = (entry.flags, &entry.data);
        format!("VALUE {name} {flags} {}\r\n{data}\r\nEND\r\n", data.len())
    })
}

fn marks(entry: &Entry) -> String {
    let win = entry.stale && !entry.won;
    let marks = [(entry.won, " Z"), (entry.stale, " X"), (win, " W")];
    marks
        .iter()
        .filter(|mark| mark.0)
        .map(|mark| mark.1)
        .collect()
}

fn shown(entry: &Entry, now: u32) -> String {
    let ttl = entry
        .end
        .map_or("-1".to_owned(), |end| (end - now).to_string());
    let (flags, data) = (entry.flags, &entry.data);
    format!(
        "VA {} f{flags} t{ttl}{}\r\n{data}\r\n",
        data.len(),
        marks(entry)
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..Default::default() })]

    #[test]
    fn both_families_do_what_the_protocol_says(
        steps in prop::collection::vec((0usize..4, any::<bool>(), step()), 1..200)
    ) {
        run(&steps);
    }
}
