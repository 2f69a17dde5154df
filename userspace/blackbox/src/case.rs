// SPDX-License-Identifier: GPL-2.0-only

//! What a case is, and reading the table of them.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use anyhow::{bail, ensure, Context, Result};
use serde::Deserialize;

use crate::template::{self, Vars};

/// One file of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    case: Vec<Case>,
}

/// A named conversation with nothing else in its key space.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// says what is shown; unique in the table
    pub name: String,
    /// requests sent first, each of which must be answered `STORED`
    #[serde(default)]
    pub setup: Vec<String>,
    /// the conversation
    pub steps: Vec<Step>,
    /// changes the whole store (`flush_all`), so nobody else may be under way
    #[serde(default)]
    pub exclusive: bool,
    /// wants a server just started
    #[serde(default)]
    pub fresh: bool,
    /// the same, on the oracle only, since the case upsets it; the case ends
    /// there at the first step in which the oracle differs
    #[serde(default)]
    pub oracle_fresh: bool,
    /// why the oracle cannot be asked this at all
    pub oracle_skip: Option<String>,
    /// has a datagram that needs IP fragments
    #[serde(default)]
    pub large: bool,
    /// makes sense over this transport only
    pub only: Option<Transport>,
}

impl Case {
    /// Whether it can be asked over `transport` at all.
    pub fn runs_over(&self, transport: Transport) -> bool {
        match self.only {
            Some(only) => only == transport,
            None => {
                let datagrams = |s: &Step| s.raw.is_some() || s.from_server_port;
                transport == Transport::Udp || !self.steps.iter().any(datagrams)
            }
        }
    }
}

/// What carries the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// datagrams, each with its header
    Udp,
    /// a stream of nothing but requests
    Tcp,
}

/// One request out, and what must come back.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// text to send after a proper header
    pub send: Option<String>,
    /// a whole datagram to send, header and all
    pub raw: Option<String>,
    /// what is answered
    pub expect: Option<Expect>,
    /// where Debian's memcached answers something else
    pub oracle: Option<Oracle>,
    /// what the oracle says while a thread of its own is still at work: it is
    /// asked again, for as long as an answer may take
    pub busy: Option<String>,
    /// pause before sending
    #[serde(default)]
    pub wait_ms: u64,
    /// send from a source port equal to the server's own
    #[serde(default)]
    pub from_server_port: bool,
    /// the server closes the connection once it has answered
    #[serde(default)]
    pub closes: bool,
}

/// The messages of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Expect {
    /// one message; `silence` and `bare header` have their own meaning
    One(String),
    /// several messages, one after the other (the oracle's habit)
    Many(Vec<String>),
}

impl Expect {
    /// The messages to wait for: none when silence is expected.
    pub fn messages(&self) -> &[String] {
        match self {
            Self::One(text) if text == "silence" => &[],
            Self::One(text) => std::slice::from_ref(text),
            Self::Many(texts) => texts,
        }
    }
}

/// A difference from the oracle that is meant.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oracle {
    /// what the oracle answers
    pub expect: Expect,
    /// why we do not
    pub why: String,
}

/// A message that stands for eight bytes of header with a total of 0, which
/// the oracle sends in some places; we never do.
pub const BARE_HEADER: &str = "bare header";

/// Reads every `*.toml` in `dir`, in the order of their names.
pub fn load(dir: &Path) -> Result<Vec<Case>> {
    let mut paths = Vec::new();
    let entries = fs::read_dir(dir).with_context(|| format!("no cases in {}", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let mut cases = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path)?;
        cases.extend(parse(&text).with_context(|| path.display().to_string())?);
    }
    ensure!(!cases.is_empty(), "no cases in {}", dir.display());
    check_names(&cases)?;
    Ok(cases)
}

/// Reads the text of one file of the table.
pub fn parse(text: &str) -> Result<Vec<Case>> {
    let file: File = toml::from_str(text)?;
    for case in &file.case {
        ensure!(!case.steps.is_empty(), "'{}' has no steps", case.name);
        for step in &case.steps {
            check_transport(case, step).with_context(|| format!("case '{}'", case.name))?;
            check_step(step).with_context(|| format!("case '{}'", case.name))?;
        }
    }
    check_names(&file.case)?;
    Ok(file.case)
}

fn check_names(cases: &[Case]) -> Result<()> {
    let mut names = HashSet::new();
    for case in cases {
        ensure!(names.insert(&case.name), "two cases named '{}'", case.name);
    }
    Ok(())
}

fn check_transport(case: &Case, step: &Step) -> Result<()> {
    if case.only == Some(Transport::Tcp) {
        let datagrams = step.raw.is_some() || step.from_server_port;
        ensure!(!datagrams, "a stream has no datagrams");
    } else {
        ensure!(
            !step.closes,
            "only a connection can be closed: only = 'tcp'"
        );
    }
    Ok(())
}

fn check_step(step: &Step) -> Result<()> {
    if step.send.is_some() == step.raw.is_some() {
        bail!("a step has either send or raw");
    }
    let Some(expect) = &step.expect else {
        bail!("a step expects nothing at all; write 'silence' if that is meant");
    };
    if let Some(oracle) = &step.oracle {
        ensure!(oracle.expect != *expect, "the oracle's answer is the same");
        ensure!(!oracle.why.is_empty(), "a difference without a reason");
    }
    // Captures are not known yet, so only what holds none can be tried here.
    let vars = Vars {
        prefix: "prefix00".into(),
        ..Vars::default()
    };
    let alternatives = step.oracle.iter().flat_map(|o| o.expect.messages());
    let waits_for_capture = |text: &&String| text.contains("<=") || text.contains("cas==");
    for text in step.send.iter().chain(&step.raw) {
        if !waits_for_capture(&text) {
            template::bytes(text, &vars)?;
        }
    }
    for text in expect.messages().iter().chain(alternatives) {
        if !waits_for_capture(&text) {
            template::parse(text, &vars)?;
        }
    }
    Ok(())
}
