// SPDX-License-Identifier: GPL-2.0-only

//! Each check passes on a server that does right, and turns red on each that
//! does wrong what the check is about.

use crate::fake::{Fake, Fault};
use blackbox::checks::{self, Config, Report};

fn run(fault: Fault, name: &str, duration: f64) -> Report {
    let fake = Fake::start(fault);
    let config = Config {
        duration,
        only: Some(name.into()),
        timeout_ms: 100,
        rate: 500,
        ..Config::default()
    };
    let mut seen = None;
    checks::run_each(fake.addr, &config, |_, _, report| {
        seen = Some(report.clone());
    })
    .unwrap();
    seen.unwrap()
}

#[track_caller]
fn red(name: &str, faults: &[Fault]) {
    for &fault in faults {
        let report = run(fault, name, 0.2);
        assert!(!report.passed(), "{name} does not see {fault:?}: {report}");
        assert!(report.requests > 0, "{name} asked nothing: {report}");
        assert!(!report.faults.is_empty(), "{name} says nothing: {report}");
    }
}

#[test]
fn all_pass_on_an_honest_server() {
    for name in checks::names() {
        let report = run(Fault::None, name, 0.4);
        assert!(report.passed(), "{name}: {report} {:?}", report.faults);
        assert!(report.requests > 20, "{name}: {report}");
    }
}

#[test]
fn all_fail_without_a_server_and_without_time() {
    for name in checks::names() {
        let dead = run(Fault::Dead, name, 0.3);
        assert!(!dead.passed() && dead.lost > 0, "{name}: {dead}");
        let hurried = run(Fault::None, name, 0.0);
        assert!(!hurried.passed(), "{name} without time: {hurried}");
    }
}

#[test]
fn store_sees() {
    red(
        "store",
        &[Fault::NotStored, Fault::Lose, Fault::WrongId, Fault::Twice],
    );
}

#[test]
fn retrieve_sees() {
    red(
        "retrieve",
        &[Fault::Forget, Fault::Corrupt, Fault::OtherKey, Fault::Lose],
    );
}

#[test]
fn format_sees() {
    red(
        "format",
        &[
            Fault::ShortEnd,
            Fault::WrongTotal,
            Fault::WrongSeq,
            Fault::Reserved,
            Fault::Stump,
            Fault::Chatty,
            Fault::NoFlags,
            Fault::Twice,
        ],
    );
}

#[test]
fn corrupt_sees() {
    red(
        "corrupt",
        &[
            Fault::OtherKey,
            Fault::WrongId,
            Fault::Corrupt,
            Fault::Twice,
            Fault::Forget,
        ],
    );
}

#[test]
fn order_sees() {
    red(
        "order",
        &[
            Fault::WrongSeq,
            Fault::MissingPart,
            Fault::ShortParts,
            Fault::Oversized,
            Fault::Stale,
            Fault::WrongTotal,
        ],
    );
}

#[test]
fn loss_sees() {
    let report = run(Fault::Lose, "loss", 0.5);
    assert!(report.lost > 0 && !report.passed(), "{report}");
    let expected = report.requests / 7;
    assert_eq!(report.lost, expected, "every loss is counted, none hidden");
    red("loss", &[Fault::WrongId, Fault::ShortEnd]);
}

#[test]
fn values_sees() {
    red(
        "values",
        &[
            Fault::Corrupt,
            Fault::OtherKey,
            Fault::NoFlags,
            Fault::Forget,
            Fault::MissingPart,
        ],
    );
}

#[test]
fn an_unknown_check_is_an_error() {
    let fake = Fake::start(Fault::None);
    let config = Config {
        only: Some("nonsense".into()),
        ..Config::default()
    };
    assert!(checks::run(fake.addr, &config).is_err());
}
