// SPDX-License-Identifier: GPL-2.0-only
//! Requests that are answered in the buffer that they came in: as they would be elsewhere,
//! or not at all, and then they are as they were.

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{cx, store, striped, MIB};
use host::{Here, Userspace};
use kv::limits::{DATAGRAM_MAX, FRAME_LEN, KEY_MAX, REPLY_MAX};
use kv::{serve, serve_in_place, Context, Counters, InPlace, Kv, Now, Outcome, Reply, Waiter};
use proptest::prelude::*;

/// A store with one worker, who has so much room elsewhere.
struct Worker {
    kv: Kv<Userspace>,
    all: [Counters; 1],
    elsewhere: Vec<u8>,
}

/// One who has no counters.
struct Uncounted<'a>(Here<'a, Userspace>);

impl<'a> Waiter<'a, Userspace> for Uncounted<'a> {
    fn kv(&self) -> &'a Kv<Userspace> {
        self.0.kv()
    }
    fn now(&self) -> Now {
        self.0.now()
    }
    fn mine(&self) -> Option<&'a Counters> {
        None
    }
    fn context(&self) -> Option<Context<'a>> {
        None
    }
    fn elsewhere(self) -> &'a mut [u8] {
        self.0.elsewhere()
    }
}

/// What stands behind a datagram in its buffer.
const FILL: u8 = 0xee;

impl Worker {
    fn new(elsewhere: usize) -> Self {
        Self {
            kv: striped(4 * MIB, 16),
            all: [Counters::new()],
            elsewhere: vec![FILL; elsewhere],
        }
    }

    /// The whole buffer, with `room` bytes for a reply's text, and what was said.
    fn ask_in_place(&mut self, datagram: &[u8], room: usize) -> (Vec<u8>, InPlace) {
        let mut buffer = datagram.to_vec();
        buffer.resize(datagram.len().max(FRAME_LEN + room), FILL);
        let here = Here {
            kv: &self.kv,
            cx: &cx(&self.all, 0, Now::START.0),
            elsewhere: &mut self.elsewhere,
        };
        let served = serve_in_place(here, &mut buffer, datagram.len());
        (buffer, served)
    }

    fn ask_apart(&self, datagram: &[u8]) -> (Outcome, Vec<u8>) {
        let mut text = vec![0; REPLY_MAX];
        let mut reply = Reply::new(&mut text);
        let outcome = serve(
            &self.kv,
            &cx(&self.all, 0, Now::START.0),
            datagram,
            &mut reply,
        );
        (outcome, reply.text().to_vec())
    }

    fn counts(&self) -> [u64; 8] {
        let [all] = &self.all;
        [
            all.datagrams_in.get(),
            all.bytes_read.get(),
            all.datagrams_out.get(),
            all.bytes_written.get(),
            all.get_hits(),
            all.get_misses.get(),
            all.cmd_set.get(),
            all.total_items.get(),
        ]
    }
}

fn framed(text: &[u8]) -> Vec<u8> {
    [b"\xab\xcd\0\x07\0\x01\x12\x34", text].concat()
}

fn get(key: &str) -> Vec<u8> {
    framed(format!("get {key}\r\n").as_bytes())
}

fn set(key: &str, data: &str) -> Vec<u8> {
    framed(format!("set {key} 5 0 {}\r\n{data}\r\n", data.len()).as_bytes())
}

fn key() -> impl Strategy<Value = String> {
    // Few of each length, so that many are there.
    (1..=KEY_MAX, 0..2u8).prop_map(|(len, which)| {
        let letter = char::from(b'a' + which);
        letter.to_string().repeat(len)
    })
}

fn request() -> impl Strategy<Value = Vec<u8>> {
    let len = prop_oneof![4 => 0..100usize, 2 => 1000..1500usize, 1 => 0..5000usize];
    prop_oneof![
        6 => key().prop_map(|key| get(&key)),
        6 => (key(), len).prop_map(|(key, len)| set(&key, &"v".repeat(len))),
        1 => (key(), key()).prop_map(|(one, other)| get(&format!("{one} {other}"))),
        1 => key().prop_map(|key| [get(&key), b"mn\r\n".to_vec()].concat()),
        // Cut, or with a byte that is another.
        2 => (key(), any::<prop::sample::Index>()).prop_map(|(key, end)| {
            let whole = get(&key);
            whole[..end.index(whole.len())].to_vec()
        }),
        2 => (key(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(key, at, byte)| {
            let mut whole = get(&key);
            let at = at.index(whole.len());
            whole[at] = byte;
            whole
        }),
        1 => (key(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(key, at, byte)| {
            let mut whole = set(&key, "value");
            let at = at.index(whole.len());
            whole[at] = byte;
            whole
        }),
    ]
}

/// Digits, as many as there may be and some more, and perhaps a byte that is none.
fn number() -> impl Strategy<Value = String> {
    let byte = prop_oneof!["[/:-?]", "[\t!-.@-~]", "[\u{280}-\u{3ff}]"];
    let other = prop::option::weighted(0.3, (any::<prop::sample::Index>(), byte));
    let digits = prop_oneof!["[0-9/:-?]?", "[1-9][0-9]{1,10}", "[0-9]{1,11}"];
    (digits, other).prop_map(|(mut digits, other)| {
        if let Some((at, byte)) = other {
            digits.insert_str(at.index(digits.len() + 1), &byte);
        }
        digits
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn they_are_answered_as_they_would_be_apart(
        requests in prop::collection::vec((request(), 0..=DATAGRAM_MAX - FRAME_LEN), 1..60),
        elsewhere in prop_oneof![Just(0), 0..3000usize],
    ) {
        let (mut ours, theirs) = (Worker::new(elsewhere), Worker::new(0));
        let mut answered = 0;
        for (datagram, room) in &requests {
            let (_, text) = theirs.ask_apart(datagram);
            let (buffer, served) = ours.ask_in_place(datagram, *room);
            match served {
                InPlace::Here(len) => {
                    answered += 1;
                    let (reply, behind) = buffer.split_at(len as usize);
                    prop_assert_eq!(&reply[..2], &datagram[..2]);
                    prop_assert_eq!(&reply[2..FRAME_LEN], b"\0\0\0\x01\0\0");
                    prop_assert_eq!(&reply[FRAME_LEN..], &text);
                    let rest = behind.iter().skip(datagram.len().saturating_sub(reply.len()));
                    prop_assert!(rest.into_iter().all(|byte| *byte == FILL));
                }
                InPlace::Elsewhere { request_id, len } => {
                    prop_assert_eq!(&request_id.to_be_bytes(), &datagram[..2]);
                    prop_assert_eq!(&ours.elsewhere[..len as usize], &text);
                    prop_assert_eq!(&buffer[..datagram.len()], datagram);
                }
                InPlace::Not => {
                    prop_assert_eq!(&buffer[..datagram.len()], datagram);
                    prop_assert_eq!(ours.ask_apart(datagram).1, text);
                }
            }
            prop_assert_eq!(ours.counts(), theirs.counts());
        }
        prop_assert!(answered > 0 || requests.len() < 20, "nothing is answered in place");
    }

    /// Read in one go, or word by word since there is one more.
    #[test]
    fn numbers_in_a_plain_set_are_what_they_are_in_another(
        space in prop_oneof![9 => Just(' '), 1 => any::<char>()],
        flags in number(),
        exptime in number(),
        data in "[a-z]{0,9}",
    ) {
        let (mut ours, theirs) = (Worker::new(0), Worker::new(0));
        let line = format!("set key{space}{flags} {exptime} {}", data.len());
        let [plain, other] = ["", " more"].map(|more| format!("{line}{more}\r\n{data}\r\n"));
        let plain = framed(plain.as_bytes());
        let (buffer, served) = ours.ask_in_place(&plain, 100);
        let text = match served {
            InPlace::Here(len) => buffer[FRAME_LEN..len as usize].to_vec(),
            _ => ours.ask_apart(&plain).1,
        };
        prop_assert_eq!(text, theirs.ask_apart(framed(other.as_bytes()).as_slice()).1);
        for question in ["get key\r\n", "mg key f t s v\r\n"] {
            let question = framed(question.as_bytes());
            prop_assert_eq!(ours.ask_apart(&question), theirs.ask_apart(&question));
        }
    }
}

#[test]
fn usual_requests_are_answered_in_place_and_others_are_not() {
    let mut worker = Worker::new(2000);
    let room = DATAGRAM_MAX - FRAME_LEN;
    for len in 1..=KEY_MAX {
        let key = "k".repeat(len);
        let (_, stored) = worker.ask_in_place(&set(&key, "value"), room);
        assert_eq!(stored, InPlace::Here(16), "{len}");
        let (_, found) = worker.ask_in_place(&get(&key), room);
        let whole = FRAME_LEN + format!("VALUE {key} 5 5\r\nvalue\r\nEND\r\n").len();
        let expected = match len {
            8..=64 => InPlace::Here(whole as u32),
            _ => InPlace::Not,
        };
        assert_eq!(found, expected, "{len}");
        let (_, missed) = worker.ask_in_place(&get(&"m".repeat(len)), room);
        let expected = match len {
            8..=64 => InPlace::Here(13),
            _ => InPlace::Not,
        };
        assert_eq!(missed, expected, "{len}");
    }
    for other in [
        "mg kkkkkkkk v\r\n",
        "gets kkkkkkkk\r\n",
        "add kkkkkkkk 0 0 1\r\na\r\n",
    ] {
        let (_, served) = worker.ask_in_place(&framed(other.as_bytes()), room);
        assert_eq!(served, InPlace::Not, "{other}");
    }
}

/// The end of the region, where nobody looks without a lock, is the last to be used.
#[test]
fn items_are_answered_in_place_wherever_they_are() {
    let mut worker = Worker::new(0);
    let key = |number: usize| format!("key-{number:06}");
    for number in 0..10_000 {
        worker.ask_apart(&set(&key(number), &"v".repeat(200)));
    }
    assert_eq!(worker.kv.usage().items, 10_000, "none had to go");
    for number in 0..10_000 {
        let (_, served) = worker.ask_in_place(&get(&key(number)), 500);
        assert!(matches!(served, InPlace::Here(_)), "{number}: {served:?}");
    }
}

#[test]
fn a_value_without_room_goes_elsewhere() {
    let mut worker = Worker::new(1500);
    let data = "v".repeat(1000);
    worker.ask_in_place(&set("12345678", &data), 2000);
    let text = format!("VALUE 12345678 5 1000\r\n{data}\r\nEND\r\n");
    for (room, expected) in [
        (text.len(), InPlace::Here((FRAME_LEN + text.len()) as u32)),
        (
            text.len() - 1,
            InPlace::Elsewhere {
                request_id: 0xabcd,
                len: text.len() as u32,
            },
        ),
    ] {
        let (_, served) = worker.ask_in_place(&get("12345678"), room);
        assert_eq!(served, expected);
    }
    assert_eq!(&worker.elsewhere[..text.len()], text.as_bytes());
    worker.elsewhere.truncate(text.len() - 1);
    let (buffer, served) = worker.ask_in_place(&get("12345678"), text.len() - 1);
    assert_eq!(served, InPlace::Not);
    assert!(buffer.starts_with(&get("12345678")));
}

#[test]
fn nobody_is_served_who_does_not_count() {
    let mut worker = Worker::new(0);
    worker.ask_in_place(&set("12345678", "value"), 100);
    let before = worker.counts();
    for datagram in [get("12345678"), get("87654321"), set("12345678", "other")] {
        let mut buffer = [&datagram[..], &[FILL; 100]].concat();
        let cx = cx(&worker.all, 0, Now::START.0);
        let here = Uncounted(Here {
            kv: &worker.kv,
            cx: &cx,
            elsewhere: &mut [],
        });
        assert_eq!(
            serve_in_place(here, &mut buffer, datagram.len()),
            InPlace::Not
        );
        assert!(buffer.starts_with(&datagram));
    }
    assert_eq!(worker.counts(), before);
    let (buffer, _) = worker.ask_in_place(&get("12345678"), 100);
    assert!(buffer[FRAME_LEN..].starts_with(b"VALUE 12345678 5 5\r\nvalue\r\nEND\r\n"));
}

/// Has the others stop, however this thread ends.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A request whose item is changed while it is copied: nobody is told what was half of it,
/// and the request is there again for who looks once more.
#[test]
fn what_cannot_be_believed_is_undone() {
    /// So often at least, or as long as somebody waits for it.
    const UNDONE: usize = 200;
    const PATIENCE: Duration = Duration::from_secs(60);
    let kv = store(4 * MIB);
    let all = [Counters::new(), Counters::new()];
    let stop = AtomicBool::new(false);
    // No byte is like one near it.
    let letters: String = (b'0'..b'0' + 64).map(char::from).collect();
    let keys = [8, 9, 15, 16, 17, 31, 32, 33, 64].map(|len| letters[..len].to_owned());
    let start = Instant::now();
    let undone = thread::scope(|scope| {
        scope.spawn(|| {
            let mut text = vec![0; REPLY_MAX];
            for turn in 0u32.. {
                let letter = char::from(b'a' + (turn % 26) as u8);
                let data = letter.to_string().repeat(900);
                for key in &keys {
                    let mut reply = Reply::new(&mut text);
                    serve(
                        &kv,
                        &cx(&all, 1, Now::START.0),
                        &set(key, &data),
                        &mut reply,
                    );
                }
                if stop.load(Ordering::Relaxed) {
                    break;
                }
            }
        });
        let _stop = Stop(&stop);
        let mut undone = 0;
        for key in keys.iter().cycle() {
            if undone >= UNDONE || start.elapsed() > PATIENCE {
                break;
            }
            let datagram = get(key);
            let mut buffer = [&datagram[..], &[FILL; DATAGRAM_MAX]].concat();
            let here = Here {
                kv: &kv,
                cx: &cx(&all, 0, Now::START.0),
                elsewhere: &mut [],
            };
            match serve_in_place(here, &mut buffer, datagram.len()) {
                InPlace::Here(len) => {
                    let text = &buffer[FRAME_LEN..len as usize];
                    let head = format!("VALUE {key} 5 900\r\n");
                    let data = text.strip_prefix(head.as_bytes()).map(|data| &data[..900]);
                    let is_whole = |data: &[u8]| data.iter().all(|byte| *byte == data[0]);
                    assert!(text == b"END\r\n" || data.is_some_and(is_whole));
                }
                // Written over and undone, if there is something behind it.
                InPlace::Not => {
                    assert_eq!(&buffer[..datagram.len()], &datagram);
                    undone += usize::from(buffer[datagram.len()] != FILL);
                }
                other => panic!("{other:?}"),
            }
        }
        undone
    });
    assert!(undone >= UNDONE, "seen {undone} times");
}
