// SPDX-License-Identifier: GPL-2.0-only
//! Where a reply is written that does not fit its request's packet, and how it is sent
//! from there.

use crate::{
    lent::Lent,
    pace::{Hurried, Pace},
    stats::{Loss, Supplies},
    sys::{
        rx_packet::RxPacket,
        sheets::{Sheets, Text},
    },
    train::{self, Message, Outlet},
    tx::{self, Sent},
};
use kernel::{prelude::*, sync::Arc};
use kv::{limits, Spare};

/// Bytes of where replies are written while there is no sheet. What is longer goes into
/// a buffer that is [`Lent`].
pub(crate) const SMALL: usize = 4096;

/// Where replies are written that have no room in the request's packet.
pub(crate) struct Writer {
    /// Most of them,
    sheets: Sheets,
    /// or, while packets have all of these, here;
    loose: KVec<u8>,
    /// and those that are too long for either.
    long: Long,
}

impl Writer {
    /// One with so many sheets, and with those long buffers. May sleep.
    pub(crate) fn new(sheets: usize, long: Arc<Lent>) -> Result<Self> {
        Ok(Self {
            sheets: Sheets::new(sheets)?,
            loose: KVec::from_elem(0, SMALL, GFP_KERNEL)?,
            long: Long {
                all: long,
                mine: None,
            },
        })
    }

    /// What one takes, besides the long buffers.
    pub(crate) fn bytes(sheets: usize) -> usize {
        Sheets::bytes(sheets).saturating_add(SMALL)
    }

    /// Where the next reply goes on.
    #[inline(always)]
    pub(crate) fn pages<'a>(&'a mut self, supplies: &'a Supplies) -> Pages<'a> {
        Pages {
            writer: Some(self),
            supplies,
        }
    }

    /// Where a reply may be written that is no longer than that.
    #[inline(always)]
    pub(crate) fn window(&mut self, supplies: &Supplies) -> &mut [u8] {
        self.sheets.window(&mut self.loose, supplies)
    }

    /// A reply that may have been written there is not sent.
    pub(crate) fn forget(&mut self) {
        self.long.put_back();
    }

    /// Sends the `len` bytes of a reply that is not in its request's packet from where
    /// they were written.
    #[inline(never)]
    pub(crate) fn send(
        &mut self,
        outlet: Outlet<'_>,
        request: RxPacket,
        request_id: u16,
        len: usize,
        pace: &mut impl Pace,
    ) -> Result<(), Loss> {
        let Self {
            sheets,
            loose,
            long,
        } = self;
        if long.mine.is_some() {
            return send_long(outlet, sheets, long, request, request_id, len, pace);
        }
        let request = match request.move_to(sheets, len) {
            Ok(packet) => return tx::send_moved(packet, request_id, len, pace),
            Err(request) => request,
        };
        let many = len > limits::TEXT_MAX;
        let on_sheet = sheets.are_at_hand();
        if !on_sheet && many {
            let text = loose.get(..len).ok_or(Loss::Memory)?;
            return train::send_long(outlet, sheets, request, request_id, text, pace);
        }
        let used = match many {
            true => sheets.put_behind(len, kv::frames(request_id, len)),
            false => Some(len),
        };
        let used = used.ok_or(Loss::Memory)?;
        let written = match on_sheet {
            true => sheets.written(used),
            false => loose.get(..used).map(Text::loose),
        };
        let written = written.ok_or(Loss::Memory)?;
        let message = Message {
            request_id,
            text: written.part(0, len).ok_or(Loss::Memory)?,
            frames: match many {
                true => written.part(len, used.saturating_sub(len)),
                false => None,
            },
        };
        let sent = train::send(outlet, request, &message, pace);
        // Some may be on their way when sending fails.
        if on_sheet && !matches!(sent, Ok(Sent::Copied)) {
            sheets.keep(used);
        }
        sent.map(|_| ())
    }
}

/// Long buffers.
struct Long {
    all: Arc<Lent>,
    /// One of them, while a reply is in it.
    mine: Option<VVec<u8>>,
}

impl Long {
    fn put_back(&mut self) {
        if let Some(buffer) = self.mine.take() {
            self.all.put(buffer);
        }
    }
}

impl Spare for Long {
    fn at_once(&self) -> usize {
        0
    }

    fn go_on(&mut self) -> (&mut [u8], Option<&mut (dyn Spare + '_)>) {
        self.mine = self.all.take();
        (self.mine.as_deref_mut().unwrap_or_default(), None)
    }
}

/// Where replies go on that do not fit the request's packet: in a window of the
/// writer's sheets, and then in a long buffer.
pub(crate) struct Pages<'a> {
    /// Until they do.
    writer: Option<&'a mut Writer>,
    supplies: &'a Supplies,
}

impl Pages<'_> {
    /// A reply was written there, and not in the packet.
    #[inline(always)]
    pub(crate) fn are_used(&self) -> bool {
        self.writer.is_none()
    }
}

impl Spare for Pages<'_> {
    #[inline(always)]
    fn at_once(&self) -> usize {
        // A window has more.
        SMALL
    }

    fn go_on(&mut self) -> (&mut [u8], Option<&mut (dyn Spare + '_)>) {
        let Some(writer) = self.writer.take() else {
            return (&mut [], None);
        };
        let Writer {
            sheets,
            loose,
            long,
        } = writer;
        (sheets.window(loose, self.supplies), Some(long))
    }
}

/// Sends a reply that is in a long buffer. When others wait for that, it is sent in one go,
/// and whose turn it is then is seen afterwards.
#[cold]
#[inline(never)]
fn send_long(
    outlet: Outlet<'_>,
    sheets: &mut Sheets,
    long: &mut Long,
    request: RxPacket,
    request_id: u16,
    len: usize,
    pace: &mut impl Pace,
) -> Result<(), Loss> {
    let all = long.all.clone();
    let mut hurried = Hurried::new(pace, || all.is_wanted());
    let buffer = long.mine.as_deref().unwrap_or_default();
    let sent = match buffer.get(..len) {
        Some(text) => train::send_long(outlet, sheets, request, request_id, text, &mut hurried),
        None => Err(Loss::Memory),
    };
    long.put_back();
    hurried.end();
    sent
}
