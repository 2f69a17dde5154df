// SPDX-License-Identifier: GPL-2.0-only

//! Where a reply ends. A reply to `get` is any number of `VALUE` lines, each
//! with as many bytes of data as it says, and another line; every other reply is
//! one line.

/// How far a reply has been read.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Scan {
    /// Bytes understood: a line begins here.
    at: usize,
}

impl Scan {
    /// The length of the reply that `text` begins with; `None` when more of it
    /// must come. It goes on where it stopped, with the same text or a longer.
    pub(crate) fn end(&mut self, text: &[u8]) -> Option<usize> {
        loop {
            let rest = text.get(self.at..)?;
            let line = rest.iter().position(|&byte| byte == b'\n')? + 1;
            match data_len(&rest[..line]) {
                // The data has a line end of its own.
                Some(data) => self.at = self.at.saturating_add(line + data + 2),
                None => return Some(self.at + line),
            }
        }
    }
}

/// The bytes of data that follow a `VALUE` line; `None` for any other line.
fn data_len(line: &[u8]) -> Option<usize> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.strip_prefix("VALUE ")?.split_ascii_whitespace();
    let len: u32 = words.nth(2)?.parse().ok()?;
    usize::try_from(len).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_as_long_as_it_says() {
        let two = b"VALUE a 0 3\r\nEND\r\nVALUE b 7 0\r\n\r\nEND\r\n";
        for reply in [&two[..], b"END\r\n", b"STORED\r\n", b"VALUE a\r\n"] {
            let text = [reply, b"STORED\r\n"].concat();
            assert_eq!(Scan::default().end(&text), Some(reply.len()));
        }
    }

    #[test]
    fn it_may_come_in_pieces() {
        let reply = b"VALUE a 0 3\r\nEND\r\nEND\r\n";
        let mut scan = Scan::default();
        for len in 0..reply.len() {
            assert_eq!(scan.end(&reply[..len]), None, "{len}");
        }
        assert_eq!(scan.end(reply), Some(reply.len()));
    }
}
