// SPDX-License-Identifier: GPL-2.0-only
//! Values that are read from where they lie while others change them: pinned, or in pieces.

use super::*;

#[test]
fn a_chunk_is_not_used_again_while_it_is_pinned() {
    let tasks: [Task; 2] = [
        |kv| {
            let Some(pin) = pin(kv, "k") else { return };
            for _ in 0..2 {
                for piece in kv.pieces(&pin) {
                    assert!(piece.ends_with(b"a\r\n"), "written while it was pinned");
                }
            }
            kv.unpin(pin);
        },
        |kv| {
            delete(kv, "k");
            // In the same chunk, if it is free.
            stored(kv, "j", &[b'b'; LONG]);
        },
    ];
    Scene::new(config(), |kv| stored(kv, "k", &[b'a'; LONG])).play(&tasks, |kv| {
        assert_eq!((get(kv, "k"), get(kv, "j")), (None, Some((b'b', LONG))));
        assert_eq!(kv.usage().items, 1);
        all_is_free_without(kv, &["j"]);
    });
}

/// Long enough for two chunks.
const TWO_PIECES: usize = 16_200;

/// The data of a key in all its pieces, which are of one letter.
fn get_pieces(kv: &Store, key: &str) -> Option<(u8, usize, usize)> {
    let copy = |value: &Value<'_>| {
        let mut found: Option<(u8, usize, usize)> = None;
        for piece in kv.data(value) {
            let (letter, len) = whole(piece);
            let (first, before, pieces) = found.unwrap_or((letter, 0, 0));
            assert_eq!(letter, first, "of two values");
            found = Some((letter, before + len, pieces + 1));
        }
        found
    };
    match kv.get(key.as_bytes(), Look::Use, &cx(), copy) {
        Lookup::Hit(found) => found,
        _ => None,
    }
}

#[test]
fn a_value_in_pieces_is_old_or_new() {
    let tasks: [Task; 2] = [
        |kv| stored(kv, "k", &[b'b'; TWO_PIECES]),
        |kv| {
            let found = get_pieces(kv, "k");
            let expected = |letter| Some((letter, TWO_PIECES, 2));
            assert!(
                found == expected(b'a') || found == expected(b'b'),
                "{found:?}"
            );
        },
    ];
    let scene = Scene::new(config(), |kv| stored(kv, "k", &[b'a'; TWO_PIECES]));
    scene.play(&tasks, |kv| {
        assert_eq!(get_pieces(kv, "k"), Some((b'b', TWO_PIECES, 2)));
        assert_eq!(kv.usage().items, 1);
    });
}

#[test]
fn no_piece_is_used_again_while_the_value_is_pinned() {
    let tasks: [Task; 2] = [
        |kv| {
            let Some(pin) = pin(kv, "k") else { return };
            for piece in kv.pieces(&pin) {
                let end = piece.strip_suffix(b"\r\n").unwrap_or(piece);
                assert!(end.ends_with(b"a"), "written while it was pinned");
            }
            kv.unpin(pin);
        },
        |kv| {
            delete(kv, "k");
            // In the same chunks, if they are free.
            stored(kv, "j", &[b'b'; TWO_PIECES]);
        },
    ];
    let scene = Scene::new(config(), |kv| stored(kv, "k", &[b'a'; TWO_PIECES]));
    scene.play(&tasks, |kv| {
        let found = get_pieces(kv, "j");
        assert_eq!(found, Some((b'b', TWO_PIECES, 2)));
        assert_eq!((get(kv, "k"), kv.usage().items), (None, 1));
        all_is_free_without(kv, &["j"]);
    });
}

#[test]
fn two_pins_and_a_change() {
    fn reader(kv: &Store) {
        let Some(pin) = pin(kv, "k") else { return };
        for piece in kv.pieces(&pin) {
            let last = piece[piece.len() - 3];
            assert!(last == b'a' || last == b'b');
        }
        kv.unpin(pin);
    }
    /// Perhaps in the chunk that the last pin has just freed.
    fn reader_and_writer(kv: &Store) {
        reader(kv);
        stored(kv, "j", &[b'c'; LONG]);
    }
    let tasks: [Task; 3] = [reader, reader_and_writer, |kv| {
        stored(kv, "k", &[b'b'; LONG]);
    }];
    Scene::new(config(), |kv| stored(kv, "k", &[b'a'; LONG])).play(&tasks, |kv| {
        let found = (get(kv, "k"), get(kv, "j"));
        assert_eq!(found, (Some((b'b', LONG)), Some((b'c', LONG))));
        all_is_free_without(kv, &["k", "j"]);
    });
}
