// SPDX-License-Identifier: GPL-2.0-only

//! Where a request is cut in two.

/// Requests up to this length are cut at every byte.
const EVERY_BYTE: usize = 256;
/// Longer ones at every byte of this many at either end,
const ENDS: usize = 64;
/// this close to every line end, up to [`LINES`] of them,
const AROUND: usize = 2;
const LINES: usize = 16;
/// and at this many places spread over the rest.
const SPREAD: usize = 16;
/// Beyond this length a request is cut in some [`SPREAD`] places in all.
const HUGE: usize = 100_000;

/// The places to cut `request` at, ascending, none of them at its ends.
pub(super) fn places(request: &[u8]) -> Vec<usize> {
    let len = request.len();
    if len <= EVERY_BYTE {
        return (1..len).collect();
    }
    let line_end = |(at, &byte): (usize, &u8)| (byte == b'\n').then_some(at);
    let lines = request.iter().enumerate().filter_map(line_end);
    let mut places: Vec<usize> = (1..=SPREAD).map(|i| len * i / (SPREAD + 1)).collect();
    let (ends, lines) = if len > HUGE {
        (2, lines.take(1).collect())
    } else {
        (ENDS, lines.take(LINES).collect::<Vec<_>>())
    };
    places.extend((1..=ends).chain(len - ends..len));
    for at in lines {
        places.extend(at.saturating_sub(AROUND)..=at + AROUND);
    }
    places.retain(|&at| at > 0 && at < len);
    places.sort_unstable();
    places.dedup();
    places
}

#[cfg(test)]
mod tests {
    use super::places;

    #[test]
    fn short_requests_are_cut_at_every_byte() {
        assert_eq!(places(b"get k\r\n"), [1, 2, 3, 4, 5, 6]);
        assert_eq!(places(b"x"), []);
        assert_eq!(places(b""), []);
    }

    #[test]
    fn long_requests_are_cut_around_their_structure() {
        for data in [1000, 60_000, 1_000_000] {
            let mut request = format!("set k 0 0 {data}\r\n").into_bytes();
            let line = request.len();
            request.extend(vec![b'v'; data]);
            request.extend(b"\r\n");
            let places = places(&request);
            for at in [1, line - 2, line - 1, line, line + 1, request.len() - 1] {
                assert!(places.contains(&at), "{at} of {data}");
            }
            assert!(places.len() < 200, "{} of {data}", places.len());
            assert!(places.iter().any(|&at| at > line + 70 && at < data / 2));
        }
    }
}
