// SPDX-License-Identifier: GPL-2.0-only

//! Over TCP, whole and cut: the same cases, and the same suspicion.

use std::time::Duration;

use crate::fake::{Fake, Fault};
use blackbox::case::{self, Transport};
use blackbox::runner::{Options, Runner, Summary, Target, Verdict};

fn play(fault: Fault, target: Target, cut: bool, table: &str) -> Summary {
    let fake = Fake::start_tcp(fault);
    let options = Options {
        target,
        addr: fake.addr,
        transport: Transport::Tcp,
        cut,
        timeout: Duration::from_millis(200),
        filter: None,
        large: false,
        nat: false,
    };
    let cases = case::parse(table).unwrap();
    Runner::new(options, None).unwrap().run(&cases, |_, _| ())
}

const THREE: &str = r"
[[case]]
name = 'a hit, large or not'
large = true
setup = ['set {p}k 7 0 5\r\nhello\r\n', 'set {p}l 0 0 90000\r\n<v*90000>\r\n']
steps = [
  { send = 'get {p}k\r\n', expect = 'VALUE {p}k 7 5\r\nhello\r\nEND\r\n' },
  { send = 'get {p}l\r\n', expect = 'VALUE {p}l 0 90000\r\n<v*90000>\r\nEND\r\n' },
]

[[case]]
name = 'silence, a pause, two requests at once'
steps = [
  { send = 'set {p}j 0 0 1 noreply\r\nx\r\n', expect = 'silence', wait_ms = 20 },
  { send = 'set {p}k 0 0 2\r\nxy\r\nget {p}j\r\n', expect = 'STORED\r\nVALUE {p}j 0 1\r\nx\r\nEND\r\n' },
]

[[case]]
name = 'quit'
only = 'tcp'
steps = [{ send = 'quit\r\n', expect = 'silence', closes = true }]

[[case]]
name = 'not for a stream'
steps = [{ raw = '{id}\0\0\0\x02\0\0version\r\n', expect = 'silence' }]

[[case]]
name = 'not for a stream either'
only = 'udp'
steps = [{ send = 'version', expect = 'silence' }]
";

#[test]
fn an_honest_server_passes() {
    let summary = play(Fault::None, Target::Twin, false, THREE);
    assert_eq!(summary.line(), "3 passed, 0 failed", "{summary:?}");
    assert_eq!(summary.cuts, 0);
}

#[test]
fn an_honest_server_passes_in_pieces() {
    let summary = play(Fault::None, Target::Twin, true, THREE);
    assert_eq!(summary.line(), "3 passed, 0 failed", "{summary:?}");
    // 'get ', a prefix of eight bytes and 'k\r\n' have 14 places, twice; the
    // others 32 and 37, all but the last of them within a request, and 5.
    assert!(summary.cuts >= 14 * 2 + 32 + 37 + 5, "{}", summary.cuts);
}

#[test]
fn every_fault_fails_a_case() {
    use Fault::*;
    for fault in [
        Dead,
        Twice,
        Chatty,
        Corrupt,
        Forget,
        NotStored,
        ShortEnd,
        NoFlags,
        HangsUp,
        Clings,
        Afterthought,
    ] {
        let summary = play(fault, Target::Twin, false, THREE);
        assert!(summary.counts().1 > 0, "{fault:?} is not seen");
    }
}

#[test]
fn what_fails_only_in_pieces_is_seen() {
    // Nothing so large that it comes in several reads of its own accord.
    let table = THREE.replace("90000", "900");
    for fault in [Fault::WholeReads, Fault::LosesAtCut] {
        let whole = play(fault, Target::Twin, false, &table);
        assert_eq!(whole.line(), "3 passed, 0 failed", "{fault:?} {whole:?}");
        let cut = play(fault, Target::Twin, true, &table);
        assert!(cut.counts().1 > 0, "{fault:?} is not seen");
        let said = format!("{:?}", cut.verdicts);
        assert!(said.contains("cut after "), "{said}");
    }
}

#[test]
fn many_messages_are_one_text() {
    let table = r"
[[case]]
name = 'the same in one piece'
steps = [{ send = 'bogus\r\nbogus\r\n', expect = '<ERROR\r\n*2>', oracle = { expect = ['ERROR\r\n', 'bare header', 'ERROR\r\n'], why = 'so' } }]
";
    let summary = play(Fault::None, Target::Oracle, false, table);
    assert!(
        matches!(summary.verdicts.as_slice(), [(_, Verdict::Passed(why))] if why.is_empty()),
        "{summary:?}"
    );
}

#[test]
fn the_oracle_may_differ_only_as_written() {
    let table = |answer: &str| {
        format!(
            r"
[[case]]
name = 'different'
steps = [{{ send = 'bogus\r\n', expect = 'silence', oracle = {{ expect = '{answer}\r\n', why = 'so' }} }}]
"
        )
    };
    let play = |target, answer| play(Fault::None, target, false, &table(answer)).line();
    assert_eq!(play(Target::Oracle, "ERROR"), "1 passed, 0 failed");
    assert_eq!(play(Target::Oracle, "THIRD"), "0 passed, 1 failed");
    assert_eq!(play(Target::Twin, "ERROR"), "0 passed, 1 failed");
}

#[test]
fn datagrams_cannot_be_cut() {
    let fake = Fake::start(Fault::None);
    let options = Options {
        target: Target::Twin,
        addr: fake.addr,
        transport: Transport::Udp,
        cut: true,
        timeout: Duration::from_millis(100),
        filter: None,
        large: false,
        nat: false,
    };
    assert!(Runner::new(options, None).is_err());
}
