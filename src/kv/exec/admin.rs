// SPDX-License-Identifier: GPL-2.0
//! The administrator's commands.

use super::answer;
use crate::reply::{Full, Reply};
use crate::request::{Admin, Words, ERROR};
use crate::{Context, Kv, Platform};

pub(super) fn run<P: Platform>(
    _kv: &Kv<P>,
    _cx: &Context<'_>,
    _command: Admin,
    words: &Words<'_>,
    reply: &mut Reply<'_>,
) -> Result<(), Full> {
    answer(ERROR, words.say_noreply(), reply)
}
