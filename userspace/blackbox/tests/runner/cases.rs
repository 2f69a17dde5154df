// SPDX-License-Identifier: GPL-2.0-only

//! The runner passes what is right and fails what is wrong.

use std::path::Path;
use std::time::Duration;

use crate::fake::{Fake, Fault};
use blackbox::case::{self, Transport};
use blackbox::runner::{Options, Runner, Summary, Target, Verdict};

fn play(fault: Fault, target: Target, table: &str) -> Summary {
    let fake = Fake::start(fault);
    let options = Options {
        target,
        addr: fake.addr,
        transport: Transport::Udp,
        cut: false,
        timeout: Duration::from_millis(150),
        filter: None,
        large: false,
        nat: false,
    };
    let cases = case::parse(table).unwrap();
    Runner::new(options, None).unwrap().run(&cases, |_, _| ())
}

/// The verdict's text on the only case of a table.
fn only(summary: &Summary) -> String {
    match summary.verdicts.as_slice() {
        [(_, Verdict::Failed(why))] => why.clone(),
        [(_, other)] => format!("{other:?}"),
        more => panic!("{} verdicts", more.len()),
    }
}

const TWO: &str = r"
[[case]]
name = 'a hit'
setup = ['set {p}k 7 0 5\r\nhello\r\n']
steps = [{ send = 'get {p}k\r\n', expect = 'VALUE {p}k 7 5\r\nhello\r\nEND\r\n' }]

[[case]]
name = 'two datagrams, a pause, and silence'
setup = ['set {p}k 0 0 1400\r\n<v*1400>\r\n']
steps = [
  { send = 'get {p}k\r\n', expect = 'VALUE {p}k 0 1400\r\n<v*1400>\r\nEND\r\n' },
  { send = 'set {p}j 0 0 1 noreply\r\nx\r\n', expect = 'silence', wait_ms = 20 },
  { raw = '{id}\0\0\0\x02\0\0version\r\n', expect = 'silence' },
  { send = 'gets {p}j\r\n', expect = 'VALUE {p}j 0 1 <cas:a>\r\nx\r\nEND\r\n' },
  { send = 'gets {p}j\r\n', expect = 'VALUE {p}j 0 1 <=a>\r\nx\r\nEND\r\n' },
]
";

#[test]
fn an_honest_server_passes() {
    let summary = play(Fault::None, Target::Twin, TWO);
    assert_eq!(summary.line(), "2 passed, 0 failed", "{summary:?}");
}

#[test]
fn every_fault_fails_a_case() {
    use Fault::*;
    for fault in [
        Dead,
        Lose,
        WrongId,
        WrongSeq,
        WrongTotal,
        Reserved,
        Twice,
        MissingPart,
        ShortParts,
        Oversized,
        Stump,
        Chatty,
        Corrupt,
        Forget,
        NotStored,
        ShortEnd,
        NoFlags,
    ] {
        let summary = play(fault, Target::Twin, TWO);
        assert!(summary.counts().1 > 0, "{fault:?} is not seen");
    }
}

#[test]
fn an_answer_instead_of_silence_fails() {
    let table = r"
[[case]]
name = 'chatter'
steps = [{ send = 'set {p}k 0 0 1 noreply\r\nx\r\n', expect = 'silence' }]
";
    let why = only(&play(Fault::Chatty, Target::Twin, table));
    assert!(why.contains("STORED"), "{why}");
}

#[test]
fn a_failure_says_what_was_sent_expected_and_got() {
    let table = r"
[[case]]
name = 'wrong'
steps = [{ send = 'get {p}k\r\n', expect = 'VALUE\r\n' }]
";
    let why = only(&play(Fault::None, Target::Twin, table));
    for part in [
        "step 1",
        "get ",
        "expected 'VALUE\\r\\n'",
        "got 'END\\r\\n'",
    ] {
        assert!(why.contains(part), "no {part} in: {why}");
    }
}

const DIFFERENT: &str = r"
[[case]]
name = 'different'
steps = [{ send = 'bogus\r\n', expect = 'OTHER\r\n', oracle = { expect = 'ERROR\r\n', why = 'so' } }]
";

#[test]
fn only_the_oracle_may_differ_and_the_reason_is_kept() {
    let oracle = play(Fault::None, Target::Oracle, DIFFERENT);
    assert!(
        matches!(oracle.verdicts.as_slice(), [(_, Verdict::Passed(why))] if why == &["so"]),
        "{oracle:?}"
    );
    let twin = play(Fault::None, Target::Twin, DIFFERENT);
    assert_eq!(twin.line(), "0 passed, 1 failed");
}

#[test]
fn the_oracle_may_not_differ_in_another_way() {
    let table = DIFFERENT.replace("ERROR", "THIRD");
    let oracle = play(Fault::None, Target::Oracle, &table);
    assert_eq!(oracle.line(), "0 passed, 1 failed");
}

#[test]
fn what_cannot_be_run_is_counted_as_skipped() {
    let table = r"
[[case]]
name = 'large'
large = true
steps = [{ send = 'version\r\n', expect = '<line>\r\n' }]

[[case]]
name = 'fresh'
fresh = true
steps = [{ send = 'version\r\n', expect = '<line>\r\n' }]
";
    let summary = play(Fault::None, Target::Twin, table);
    assert_eq!(summary.line(), "0 passed, 0 failed, 2 skipped");
}

#[test]
fn mistakes_in_the_table_are_found() {
    let step = |inner: &str| format!("[[case]]\nname = 'x'\nsteps = [{{ {inner} }}]\n");
    for wrong in [
        step(r"send = 'a', raw = 'b', expect = 'c'"),
        step(r"send = 'a'"),
        step(r"expect = 'a'"),
        step(r"send = 'a', expect = 'b', oracle = { expect = 'b', why = 'c' }"),
        step(r"send = 'a', expect = 'b', oracle = { expect = 'c', why = '' }"),
        step(r"send = '\q', expect = 'b'"),
        step(r"send = 'a', expect = 'b', typo = true"),
        step(r"send = 'a', expect = 'b', closes = true"),
        step(r"send = '<req nonsense>', expect = 'b'"),
        step(r"send = '<req get cas=*>', expect = 'b'"),
        step(r"raw = 'a', expect = 'b'").replace("steps", "only = 'tcp'\nsteps"),
        step(r"send = 'a', expect = 'b'").replace("steps", "only = 'sctp'\nsteps"),
        "[[case]]\nname = 'x'\nsteps = []\n".to_owned(),
    ] {
        assert!(case::parse(&wrong).is_err(), "taken: {wrong}");
    }
}

#[test]
fn the_table_is_sound_and_large_enough() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
    let cases = case::load(&dir).unwrap();
    assert!(cases.len() >= 600, "{} cases", cases.len());
}
