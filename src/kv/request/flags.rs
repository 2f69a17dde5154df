// SPDX-License-Identifier: GPL-2.0-only
//! The flags of the meta commands: a letter each, its argument right behind it.

use super::{Meta, Verb, Words, BAD_FORMAT};
use crate::limits::{KEY_MAX, META_WORDS_MAX, OPAQUE_MAX};
use crate::{base64, decimal};

const TOO_MANY: &[u8] = b"CLIENT_ERROR options flags are too long\r\n";
const DUPLICATE: &[u8] = b"CLIENT_ERROR duplicate flag\r\n";
const INVALID: &[u8] = b"CLIENT_ERROR invalid flag\r\n";
const INVALID_ARITH: &[u8] = b"CLIENT_ERROR invalid or duplicate flag\r\n";
const BAD_KEY: &[u8] = b"CLIENT_ERROR error decoding key\r\n";
const BAD_TOKEN: &[u8] = b"CLIENT_ERROR bad token in command line format\r\n";
const BAD_OPAQUE: &[u8] = b"CLIENT_ERROR opaque token too long\r\n";
const BAD_INITIAL: &[u8] = b"CLIENT_ERROR invalid numeric initial value\r\n";
const BAD_DELTA: &[u8] = b"CLIENT_ERROR invalid numeric delta value\r\n";
const BAD_SET_MODE: &[u8] = b"CLIENT_ERROR invalid mode for ms M token\r\n";
const BAD_ARITH_MODE: &[u8] = b"CLIENT_ERROR invalid mode for ma M token\r\n";

/// Room for a key that was sent in base 64.
pub(crate) struct Scratch([u8; KEY_MAX]);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self([0; KEY_MAX])
    }

    /// A key from its base 64.
    pub(crate) fn decode(&mut self, text: &[u8]) -> Option<&[u8]> {
        let len = base64::decode(text, &mut self.0)?;
        self.0.get(..len)
    }
}

/// The flags of a meta command. Those whose only effect is a word in the reply
/// (`c f h k O s t`) are looked for in [`Flags::words`] when it is written.
pub(crate) struct Flags<'a> {
    /// The key, decoded.
    pub(crate) key: &'a [u8],
    /// `b`: the key was in base 64.
    pub(crate) binary: bool,
    /// `C`: the cas number to find.
    pub(crate) cas: Option<u64>,
    /// `E`: the cas number to leave.
    pub(crate) new_cas: Option<u64>,
    /// `D`: what to add or take off.
    pub(crate) delta: u64,
    /// `F`: the client's flags.
    pub(crate) client_flags: u32,
    /// `I`: a lower cas number will do, and the item is stale then.
    pub(crate) invalidate: bool,
    /// `J`: what to begin with.
    pub(crate) initial: u64,
    /// `M`: first letter of the mode, 0 without one.
    pub(crate) mode: u8,
    /// `N`: make the item when it is missing, with this exptime.
    pub(crate) vivify: Option<i64>,
    /// `q`
    pub(crate) quiet: bool,
    /// `R`: who is first below this time to live is to fetch anew.
    pub(crate) recache: Option<i64>,
    /// `T`: the new exptime.
    pub(crate) ttl: Option<i64>,
    /// `u`: leave the order of use as it is.
    pub(crate) no_bump: bool,
    /// `v`: with the value.
    pub(crate) value: bool,
    /// `x`: remove the value, keep the item.
    pub(crate) remove: bool,
    /// All flags, in their order.
    pub(crate) words: Words<'a>,
}

impl<'a> Flags<'a> {
    /// Reads the flags of `meta`, whose key may need `scratch`.
    ///
    /// # Errors
    ///
    /// The line to answer.
    pub(crate) fn parse(meta: &Meta<'a>, scratch: &'a mut Scratch) -> Result<Self, &'static [u8]> {
        check_words(meta)?;
        let mut flags = Self::none(meta);
        let errors = |error| match meta.verb {
            Verb::Arith => INVALID_ARITH,
            _ => error,
        };
        flags.read().map_err(errors)?;
        if flags.binary {
            flags.key = scratch.decode(meta.key).ok_or(errors(BAD_KEY))?;
        }
        match (meta.verb, flags.mode) {
            (Verb::Set, 0 | b'E' | b'A' | b'P' | b'R' | b'S') => {}
            (Verb::Set, _) => return Err(BAD_SET_MODE),
            (Verb::Arith, 0 | b'I' | b'+' | b'D' | b'-') => {}
            (Verb::Arith, _) => return Err(BAD_ARITH_MODE),
            _ => {}
        }
        let too_long = |word: &[u8]| word.starts_with(b"O") && word.len() > OPAQUE_MAX;
        if meta.flags.clone().any(too_long) {
            return Err(BAD_OPAQUE);
        }
        Ok(flags)
    }

    /// Of `T` and `N` the one behind the other: the exptime of a new item.
    pub(crate) fn last_exptime(&self) -> Option<i64> {
        let letters = self.words.clone().filter_map(|word| word.first());
        match letters.filter(|letter| b"TN".contains(letter)).last() {
            Some(b'T') => self.ttl,
            _ => self.vivify,
        }
    }

    fn none(meta: &Meta<'a>) -> Self {
        Self {
            key: meta.key,
            binary: false,
            cas: None,
            new_cas: None,
            delta: 1,
            client_flags: 0,
            invalidate: false,
            initial: 0,
            mode: 0,
            vivify: None,
            quiet: false,
            recache: None,
            ttl: None,
            no_bump: false,
            value: false,
            remove: false,
            words: meta.flags.clone(),
        }
    }

    /// The last flag that cannot be read is the one that is complained of, but
    /// a flag that is none, or there twice, comes before it.
    fn read(&mut self) -> Result<(), &'static [u8]> {
        let mut seen = 0u128;
        let mut result = Ok(());
        for word in self.words.clone() {
            let Some((&letter, argument)) = word.split_first() else {
                continue;
            };
            let bit = 1u128.checked_shl(u32::from(letter)).unwrap_or(0);
            if seen & bit != 0 {
                return Err(DUPLICATE);
            }
            seen |= bit;
            if !b"bcfhklOPLqstuvxIFCENRTMJD".contains(&letter) {
                return Err(INVALID);
            }
            if let Err(error) = self.take(letter, argument) {
                result = Err(error);
            }
        }
        result
    }

    fn take(&mut self, letter: u8, argument: &[u8]) -> Result<(), &'static [u8]> {
        let number = |error| decimal::parse(argument).ok_or(error);
        let exptime = || decimal::parse_signed(argument).ok_or(BAD_TOKEN);
        match letter {
            b'b' => self.binary = true,
            b'v' => self.value = true,
            b'u' => self.no_bump = true,
            b'q' => self.quiet = true,
            b'x' => self.remove = true,
            b'I' => self.invalidate = true,
            b'M' => self.mode = argument.first().copied().unwrap_or(b' '),
            b'T' => self.ttl = Some(exptime()?),
            b'N' => self.vivify = Some(exptime()?),
            b'R' => self.recache = Some(exptime()?),
            b'C' => self.cas = Some(number(BAD_TOKEN)?),
            b'E' => self.new_cas = Some(number(BAD_TOKEN)?),
            b'J' => self.initial = number(BAD_INITIAL)?,
            b'D' => self.delta = number(BAD_DELTA)?,
            b'F' => {
                self.client_flags = u32::try_from(number(BAD_FORMAT)?).map_err(|_| BAD_FORMAT)?;
            }
            // Written back, or passed over.
            _ => {}
        }
        Ok(())
    }
}

/// What memcached's tokenizer refuses before any flag is looked at.
fn check_words(meta: &Meta<'_>) -> Result<(), &'static [u8]> {
    let before = match meta.verb {
        Verb::Set => 3usize,
        _ => 2,
    };
    let mut words = before;
    for word in meta.flags.clone() {
        let begins_well = |byte: &u8| byte.is_ascii_digit() || (b'A'..=b'z').contains(byte);
        if !word.first().is_some_and(begins_well) {
            return Err(BAD_FORMAT);
        }
        words = words.saturating_add(1);
    }
    if meta.key.len() > KEY_MAX {
        return Err(BAD_FORMAT);
    }
    if words > META_WORDS_MAX {
        return Err(TOO_MANY);
    }
    Ok(())
}
