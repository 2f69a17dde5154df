// SPDX-License-Identifier: GPL-2.0-only
//! The parser by itself: where commands end, in datagrams and in streams.
#![allow(missing_docs)]

use kv::limits::{DATA_MAX, KEY_MAX, LINE_MAX};
use kv::request::{parse, Arith, Get, Meta, Mode, Parsed, Request, Source, Store, Verb};
use proptest::prelude::*;

const ROOM: usize = 1 << 16;
const STREAM: Source = Source::Stream { room: ROOM };
const FORMAT: Request<'_> = Request::Refused {
    line: b"CLIENT_ERROR bad command line format\r\n",
    noreply: false,
};

#[track_caller]
fn whole(text: &str) -> Request<'_> {
    for source in [Source::Datagram, STREAM] {
        let Parsed::Request { len, skip, .. } = parse(text.as_bytes(), source) else {
            panic!("{text:?} is no request of a {source:?}");
        };
        assert_eq!((len, skip), (text.len(), 0), "{text:?}");
    }
    match parse(text.as_bytes(), STREAM) {
        Parsed::Request { request, .. } => request,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn more(text: &[u8], source: Source) -> usize {
    match parse(text, source) {
        Parsed::More { total } => total,
        other => panic!("{other:?}"),
    }
}

fn words(request: Request<'_>) -> Vec<String> {
    let words: Vec<&[u8]> = match request {
        Request::Get(Get { keys, .. }) => keys.collect(),
        Request::Meta(Meta { flags, .. }) => flags.collect(),
        Request::Stats(words) | Request::Admin(_, words) => words.collect(),
        other => panic!("{other:?} has no words"),
    };
    let text = |word: &&[u8]| String::from_utf8_lossy(word).into_owned();
    words.iter().map(text).collect()
}

/// A line that is read in one go says the same as one that is not: with a
/// word behind it that is passed over, or another space.
#[test]
fn frequent_lines_say_what_others_say() {
    let long = "k".repeat(KEY_MAX);
    let ends = [
        ("k", "\n"),
        ("\r", "\r\n"),
        ("a\rb", "\n"),
        ("\x01\x7f", "\r\n"),
    ];
    for (key, end) in ends
        .into_iter()
        .chain([(&*long, "\r\n"), ("key-000000000123", "\r\n")])
    {
        let (frequent, other) = (format!("get {key}{end}"), format!("get  {key} {end}"));
        assert_eq!(words(whole(&frequent)), [key], "{frequent:?}");
        assert_eq!(words(whole(&other)), [key], "{other:?}");
    }
    for (key, numbers, data) in [
        ("k", "0 0 0", ""),
        ("k\r", "4294967 100 2", "ab"),
        (&long, "1 999999999 3", "\r\nx"),
        ("k", "000000001 007 01", "y"),
        ("k", "4294967295 1000000000 1", "y"),
    ] {
        let frequent = format!("set {key} {numbers}\r\n{data}\r\nget next\r\n");
        let other = format!("set {key} {numbers} more\r\n{data}\r\nget next\r\n");
        assert_eq!(first(&frequent), first(&other), "{frequent:?}");
    }
    for broken in [
        "set k 4294967296 0 1\r\nx\r\n",
        "set k 0 0 1\r\nxy\r\n",
        "set k 0 0\r\nx\r\n",
        "set k  0 0 1\r\nx\r\n",
        "set k 0 0 1 \r\nx\r\n",
        "set k -1 0 1\r\nx\r\n",
        "set k 0 -1 1\r\nx\r\n",
    ] {
        let other = broken.replacen("\r\n", " more\r\n", 1);
        assert_eq!(first(broken), first(&other), "{broken:?}");
    }
    for refused in [format!("get {long}k\r\n"), "get \r\n".to_owned()] {
        assert!(
            matches!(whole(&refused), Request::Refused { .. }),
            "{refused:?}"
        );
    }
}

/// The first command.
#[track_caller]
fn first(text: &str) -> Request<'_> {
    match parse(text.as_bytes(), Source::Datagram) {
        Parsed::Request { request, .. } => request,
        other => panic!("{other:?}"),
    }
}

#[test]
fn retrieval_takes_the_line() {
    for (line, cas, touch) in [
        ("get a  bc d \r\n", false, None),
        ("gets a bc d\n", true, None),
        ("gat 7  a bc d\r\n", false, Some(7)),
        ("gats -1 a bc d\r\n", true, Some(-1)),
    ] {
        let Request::Get(get) = whole(line) else {
            panic!("{line:?}")
        };
        assert_eq!((get.cas, get.touch), (cas, touch), "{line:?}");
        assert_eq!(words(Request::Get(get)), ["a", "bc", "d"], "{line:?}");
    }
}

#[test]
fn storage_takes_the_data_block() {
    for (name, mode) in [
        ("set", Mode::Set),
        ("add", Mode::Add),
        ("replace", Mode::Replace),
        ("append", Mode::Append),
        ("prepend", Mode::Prepend),
        ("cas", Mode::Cas),
    ] {
        let text = format!("{name} k 1 2 3 44 noreply\r\na\nc\r\n");
        let cas = if mode == Mode::Cas { 44 } else { 0 };
        let expected = Request::Store(Store {
            mode,
            key: b"k",
            flags: 1,
            exptime: 2,
            cas,
            len: 3,
            block: Some(b"a\nc\r\n"),
            noreply: true,
        });
        assert_eq!(whole(&text), expected, "{name}");
    }
}

#[test]
fn meta_commands_keep_their_flags_for_later() {
    for (line, verb, block) in [
        ("mg k v  t\r\n", Verb::Get, None),
        ("md k v t\n", Verb::Delete, None),
        ("ma k v t\r\n", Verb::Arith, None),
        ("me k v t\r\n", Verb::Debug, None),
        ("ms k 2 v t\r\nab\r\n", Verb::Set, Some(&b"ab\r\n"[..])),
    ] {
        let Request::Meta(meta) = whole(line) else {
            panic!("{line:?}")
        };
        assert_eq!((meta.verb, meta.key, meta.block), (verb, &b"k"[..], block));
        assert_eq!(words(Request::Meta(meta)), ["v", "t"], "{line:?}");
    }
    assert_eq!(whole("mn\r\n"), Request::MetaNoop);
}

#[test]
fn the_rest_is_one_line_each() {
    let arith = |up| {
        Request::Arith(Arith {
            key: b"k",
            delta: u64::MAX,
            up,
            noreply: false,
        })
    };
    assert_eq!(whole("incr k 18446744073709551615\r\n"), arith(true));
    assert_eq!(whole("decr k 18446744073709551615\r\n"), arith(false));
    let touch = Request::Touch {
        key: b"k",
        exptime: -3,
        noreply: true,
    };
    assert_eq!(whole("touch k -3 noreply\r\n"), touch);
    assert_eq!(whole("version\r\n"), Request::Version);
    assert_eq!(whole("quit\r\n"), Request::Quit);
    assert_eq!(whole("GET / HTTP/1.1\r\n"), Request::Http);
    assert_eq!(words(whole("stats  items\r\n")), ["items"]);
    assert_eq!(words(whole("lru_crawler crawl all\r\n")), ["crawl", "all"]);
    for line in [
        "get\r\n",
        "gat\r\n",
        "gat 0\r\n",
        "mg\r\n",
        "ms k\r\n",
        "ms k x\r\n",
        "incr k\r\n",
    ] {
        assert_eq!(whole(line), FORMAT, "{line:?}");
    }
}

#[test]
fn a_line_is_awaited_byte_by_byte() {
    for text in ["", "g", "get k", "get k\r", "set k 0 0 1"] {
        assert_eq!(more(text.as_bytes(), STREAM), text.len() + 1);
        assert_eq!(more(text.as_bytes(), Source::Datagram), text.len() + 1);
    }
}

#[test]
fn a_block_is_awaited_as_a_whole() {
    let text = b"set k 0 0 10\r\n0123456789\r\nget k\r\n";
    for cut in 14..26 {
        assert_eq!(more(&text[..cut], STREAM), 26, "cut at {cut}");
    }
    let Parsed::Request {
        len: 26, skip: 0, ..
    } = parse(text, STREAM)
    else {
        panic!()
    };
}

#[test]
fn a_datagram_has_no_more_to_come() {
    let text = b"set k 0 0 10\r\n012345\r\n";
    match parse(text, Source::Datagram) {
        Parsed::Request {
            request: Request::Store(store),
            len,
            skip: 0,
        } => {
            assert_eq!((store.block, store.len, len), (None, 10, text.len()));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_block_that_finds_no_room_is_skipped() {
    for line in [
        "set k 0 0 70000\r\n",
        "ms k 70000 q\r\n",
        "set k bad 0 70000\r\n",
    ] {
        for there in [0, 1, 500] {
            let text = [line.as_bytes(), &vec![b'x'; there]].concat();
            let Parsed::Request { request, len, skip } = parse(&text, STREAM) else {
                panic!("{line:?}")
            };
            assert_eq!((len, skip), (text.len(), 70_002 - there), "{line:?}");
            match request {
                Request::Store(Store { block, len, .. }) => {
                    assert_eq!((block, len), (None, 70_000))
                }
                Request::Meta(Meta { block, len, .. }) => assert_eq!((block, len), (None, 70_000)),
                other => assert_eq!(other, FORMAT),
            }
        }
    }
    let largest = format!("set k 0 0 {DATA_MAX}\r\n");
    let Parsed::Request { skip, .. } = parse(largest.as_bytes(), STREAM) else {
        panic!()
    };
    assert_eq!(skip as u64, DATA_MAX + 2);
}

#[test]
fn a_block_may_fill_the_room() {
    let line = "set k 0 0 1000\r\n";
    let room = line.len() + 1002;
    assert_eq!(more(line.as_bytes(), Source::Stream { room }), room);
    let less = Source::Stream { room: room - 1 };
    let Parsed::Request { skip: 1002, .. } = parse(line.as_bytes(), less) else {
        panic!()
    };
}

#[test]
fn lines_are_too_long_in_streams_only_and_wherever_they_are_cut() {
    let text = "x".repeat(3000) + "\r\n";
    for cut in LINE_MAX..text.len() {
        assert_eq!(
            parse(&text.as_bytes()[..cut], STREAM),
            Parsed::TooLong,
            "{cut}"
        );
    }
    assert_eq!(more(&text.as_bytes()[..LINE_MAX - 1], STREAM), LINE_MAX);
    assert!(matches!(
        parse(text.as_bytes(), Source::Datagram),
        Parsed::Request { .. }
    ));
    // The longest that is not.
    let text = "x".repeat(LINE_MAX - 1) + "\n";
    whole(&text);
}

#[test]
fn only_lists_of_keys_may_be_long() {
    let keys = " key".repeat(1000);
    for line in ["get", "gets", "gat 0", "gats 0"] {
        let text = format!("{line}{keys}\r\n");
        assert_eq!(words(whole(&text)).len(), 1000);
        for cut in [LINE_MAX - 1, LINE_MAX, text.len() - 1] {
            assert_eq!(more(&text.as_bytes()[..cut], STREAM), cut + 1);
        }
    }
    for line in ["mg", "touch", "gett", "stats"] {
        let text = format!("{line}{keys}");
        assert_eq!(parse(text.as_bytes(), STREAM), Parsed::TooLong, "{line}");
    }
    let endless = "get ".to_owned() + &"k".repeat(ROOM);
    assert_eq!(parse(&endless.as_bytes()[..ROOM], STREAM), Parsed::TooLong);
    assert_eq!(more(&endless.as_bytes()[..ROOM - 1], STREAM), ROOM);
}

#[test]
fn keys_have_a_length_and_no_other_rule() {
    let longest = "k".repeat(KEY_MAX);
    for line in ["get", "gat 0", "delete"] {
        assert_ne!(whole(&format!("{line} {longest}\r\n")), FORMAT);
        assert_eq!(whole(&format!("{line} {longest}k\r\n")), FORMAT);
    }
    assert_ne!(whole("get \u{1}\u{7f}\u{fc}\r\n"), FORMAT);
}

/// What a session would do with the requests of `text`: one line each.
fn transcript(text: &[u8], cuts: &[usize]) -> Vec<String> {
    let mut said = Vec::new();
    let (mut from, mut skip) = (0, 0);
    for cut in cuts.iter().copied().chain([text.len()]) {
        loop {
            let skipped = skip.min(cut - from);
            (from, skip) = (from + skipped, skip - skipped);
            match parse(&text[from..cut], STREAM) {
                Parsed::Request {
                    request,
                    len,
                    skip: later,
                } => {
                    assert!(len > 0 && (later == 0 || len == cut - from));
                    // What is skipped depends on the cut, what is found does not.
                    said.push(format!("{request:?}"));
                    (from, skip) = (from + len, later);
                }
                Parsed::More { total } => {
                    assert!(total > cut - from);
                    break;
                }
                Parsed::TooLong => {
                    said.push("too long".to_owned());
                    return said;
                }
            }
        }
    }
    said
}

const PIECES: &[&str] = &[
    "get a b\r\n",
    "gets a\n",
    "set k 0 0 3\r\nabc\r\n",
    "ms k 5 v\r\nab\r\nc\r\n",
    "mn\r\n",
    "set k bad 0 3\r\nabc\r\n",
    "set k 0 0 70000\r\n",
    "x\r\n",
    "\r\n",
    "quit\r\n",
    "set k 0 0 1\r\nxyz\r\n",
    "GET / HTTP/1.0\r\n",
    "cas k 0 0 1\r\nx\r\n",
    "delete k\r\n",
];

proptest! {
    #[test]
    fn a_stream_may_be_cut_anywhere(
        pieces in prop::collection::vec(prop::sample::select(PIECES), 1..12),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let text = pieces.concat().into_bytes();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(text.len())).collect();
        cuts.sort_unstable();
        let whole = transcript(&text, &[]);
        prop_assert_eq!(&transcript(&text, &cuts), &whole);
        let everywhere: Vec<usize> = (0..text.len()).collect();
        prop_assert_eq!(&transcript(&text, &everywhere), &whole);
    }

    #[test]
    fn no_bytes_upset_it(bytes in prop::collection::vec(any::<u8>(), 0..300), room in 0usize..400) {
        for source in [Source::Datagram, Source::Stream { room }] {
            if let Parsed::Request { len, .. } = parse(&bytes, source) {
                prop_assert!(len > 0 && len <= bytes.len());
            }
        }
    }
}
