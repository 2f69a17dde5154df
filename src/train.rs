// SPDX-License-Identifier: GPL-2.0-only
//! Replies that the request's own packet cannot become where it lies: of several
//! datagrams, or to be routed.
//!
//! Several datagrams travel as a train: one packet with as many of them as it has
//! parts for, or as a sheet has room for (`SKB_GSO_UDP_L4`). It goes through the stack
//! once, and whoever can't pass it on whole takes it apart: the device, or the
//! stack just before it, which hands the datagrams to the device with
//! `xmit_more`; or the receiving socket of the same host.

use crate::{
    pace::Pace,
    return_path::ReturnPath,
    stats::{Loss, Supplies, Supply},
    sys::{
        net::Net,
        rx_packet::RxPacket,
        sheets::{Sheets, Text, PARTS_MAX},
        stock::Stock,
        tx_packet::TxPacket,
    },
    tx::Sent,
};
use core::iter::Peekable;
use kernel::prelude::*;
use kv::{
    limits::{DATAGRAM_MAX, FRAME_LEN, TEXT_MAX},
    single_frame, Datagrams,
};

/// Most datagrams of a train: a UDP length of 16 bits is enough for it, and so
/// is what any device takes at a time.
const TRAIN_MAX: u32 = 40;

/// Where replies leave, and what they are made of.
pub(crate) struct Outlet<'a> {
    pub(crate) net: &'a Net,
    pub(crate) supplies: &'a Supplies,
    /// Packets, where the request's own will not do.
    pub(crate) stock: &'a mut Stock,
}

/// What is to be sent.
pub(crate) struct Message<'a> {
    pub(crate) request_id: u16,
    pub(crate) text: Text<'a>,
    /// All its frame headers, one behind the other, where the text is on a sheet
    /// and needs several.
    pub(crate) frames: Option<Text<'a>>,
}

/// Sends a text of one datagram, or one on a sheet: several datagrams in a packet.
/// The request's carries the first when its buffer allows.
#[inline(never)]
pub(crate) fn send(
    outlet: Outlet<'_>,
    request: RxPacket,
    message: &Message<'_>,
    pace: &mut impl Pace,
) -> Result<Sent, Loss> {
    let mut sender = Sender::new(outlet, request)?;
    let sent = match &message.frames {
        Some(frames) => sender.trains(&message.text, frames, pace),
        None => sender.single(message, pace),
    };
    sender.end();
    sent
}

/// Sends a text of several datagrams that is too long for a sheet: piece by piece
/// it is copied to some, with the frame headers.
#[inline(never)]
pub(crate) fn send_long(
    outlet: Outlet<'_>,
    sheets: &mut Sheets,
    request: RxPacket,
    request_id: u16,
    text: &[u8],
    pace: &mut impl Pace,
) -> Result<(), Loss> {
    let mut sender = Sender::new(outlet, request)?;
    let sent = sender.long(sheets, Datagrams::new(request_id, text), pace);
    sender.end();
    sent
}

struct Sender<'a> {
    outlet: Outlet<'a>,
    path: ReturnPath,
    /// The request, until its packet is used.
    spare: Option<RxPacket>,
}

impl<'a> Sender<'a> {
    fn new(outlet: Outlet<'a>, request: RxPacket) -> Result<Self, Loss> {
        Ok(Self {
            outlet,
            path: ReturnPath::of(&request).ok_or(Loss::Length)?,
            spare: Some(request),
        })
    }

    /// The request was answered.
    fn end(self) {
        if let Some(request) = self.spare {
            request.consume();
        }
    }

    fn trains(
        &mut self,
        text: &Text<'_>,
        frames: &Text<'_>,
        pace: &mut impl Pace,
    ) -> Result<Sent, Loss> {
        let headroom = self.path.headroom(DATAGRAM_MAX);
        let mut next = 0usize;
        let total = frames.bytes().len() / FRAME_LEN;
        while next < total {
            let mut packet = self.blank(headroom, FRAME_LEN).ok_or(Loss::Memory)?;
            let count = couple(&mut packet, text, frames, next).ok_or(Loss::Memory)?;
            next = next.saturating_add(count as usize);
            self.go(packet, DATAGRAM_MAX, count, pace)?;
        }
        Ok(Sent::Attached)
    }

    /// Sends a packet of `count` datagrams of `size` bytes, the last of which may
    /// be shorter.
    fn go(
        &mut self,
        mut packet: TxPacket,
        size: usize,
        count: u32,
        pace: &mut impl Pace,
    ) -> Result<(), Loss> {
        if count > 1 {
            packet.merge(size, count);
        }
        self.path.send(self.outlet.net, packet, size)?;
        for _ in 0..count {
            pace.step();
        }
        Ok(())
    }

    /// Trains of one part each; a packet for each datagram while there is no sheet.
    fn long(
        &mut self,
        sheets: &mut Sheets,
        datagrams: Datagrams<'_>,
        pace: &mut impl Pace,
    ) -> Result<(), Loss> {
        let headroom = self.path.headroom(DATAGRAM_MAX);
        let mut rest = datagrams.peekable();
        let mut nothing = KVec::new();
        while rest.peek().is_some() {
            let (count, used) =
                write_train(sheets.window(&mut nothing, self.outlet.supplies), &mut rest);
            if count == 0 {
                if let Some((frame, text)) = rest.next() {
                    self.copied(&frame, text, pace)?;
                }
                continue;
            }
            let written = sheets.written(used).ok_or(Loss::Memory)?;
            let mut packet = self.blank(headroom, 0).ok_or(Loss::Memory)?;
            packet.attach(&written).ok_or(Loss::Memory)?;
            let sent = self.go(packet, DATAGRAM_MAX, count, pace);
            sheets.keep(used);
            sent?;
        }
        Ok(())
    }

    /// A datagram in a packet of its own.
    fn copied(
        &mut self,
        frame: &[u8; FRAME_LEN],
        text: &[u8],
        pace: &mut impl Pace,
    ) -> Result<(), Loss> {
        let size = FRAME_LEN.saturating_add(text.len());
        let headroom = self.path.headroom(size);
        let mut packet = self.blank(headroom, size).ok_or(Loss::Memory)?;
        packet.put(frame).ok_or(Loss::Memory)?;
        packet.put(text).ok_or(Loss::Memory)?;
        self.go(packet, size, 1, pace)
    }

    /// A text of one datagram: copied into the packet where that is none the larger
    /// for it, attached to it if need be.
    fn single(&mut self, message: &Message<'_>, pace: &mut impl Pace) -> Result<Sent, Loss> {
        let text = &message.text;
        let frame = single_frame(message.request_id);
        let size = FRAME_LEN.saturating_add(text.bytes().len());
        let headroom = self.path.headroom(size);
        if !text.is_on_sheet() || Stock::suits(headroom, size) {
            self.copied(&frame, text.bytes(), pace)?;
            return Ok(Sent::Copied);
        }
        let mut packet = self.blank(headroom, FRAME_LEN).ok_or(Loss::Memory)?;
        packet.put(&frame).ok_or(Loss::Memory)?;
        packet.attach(text).ok_or(Loss::Memory)?;
        self.go(packet, size, 1, pace)?;
        Ok(Sent::Attached)
    }

    /// An empty packet: the request's own, once, if it is large enough.
    fn blank(&mut self, headroom: usize, room: usize) -> Option<TxPacket> {
        match self
            .spare
            .take()
            .map(|request| request.recycle(headroom, room))
        {
            Some(Ok(packet)) => return Some(packet),
            Some(Err(request)) => self.spare = Some(request),
            None => {}
        }
        let stocked = self.outlet.stock.take(headroom, room);
        stocked.or_else(|| {
            self.outlet.supplies.count(Supply::Packets);
            TxPacket::new(headroom, room)
        })
    }
}

/// Fills a packet with datagrams from number `first` on, as many as it has parts
/// for. How many that were.
fn couple(packet: &mut TxPacket, text: &Text<'_>, frames: &Text<'_>, first: usize) -> Option<u32> {
    let total = frames.bytes().len() / FRAME_LEN;
    let mut count = 0u32;
    while count < TRAIN_MAX {
        let number = first.checked_add(count as usize)?;
        // A frame header, and the text.
        if number >= total || packet.parts().saturating_add(2) > PARTS_MAX {
            break;
        }
        let frame = frames.part(number.checked_mul(FRAME_LEN)?, FRAME_LEN)?;
        match count {
            0 => packet.put(frame.bytes())?,
            _ => packet.attach(&frame)?,
        }
        let start = number.checked_mul(TEXT_MAX)?;
        let len = text.bytes().len().checked_sub(start)?.min(TEXT_MAX);
        packet.attach(&text.part(start, len)?)?;
        count = count.checked_add(1)?;
    }
    Some(count)
}

/// Writes datagrams, each behind its frame header, into `window`, as many as there
/// is room for. How many that were, and their bytes.
fn write_train(window: &mut [u8], datagrams: &mut Peekable<Datagrams<'_>>) -> (u32, usize) {
    let (mut count, mut used) = (0u32, 0usize);
    while count < TRAIN_MAX {
        let Some(end) = datagrams
            .peek()
            .and_then(|(frame, text)| put_at(window, used, frame, text))
        else {
            break;
        };
        datagrams.next();
        used = end;
        count = count.saturating_add(1);
    }
    (count, used)
}

/// Copies both into `window`, from `at` on. Where they end; nothing, and nothing is
/// copied, when there is no room.
fn put_at(window: &mut [u8], at: usize, frame: &[u8; FRAME_LEN], text: &[u8]) -> Option<usize> {
    let len = FRAME_LEN.checked_add(text.len())?;
    let end = at.checked_add(len)?;
    let (head, body) = window.get_mut(at..end)?.split_first_chunk_mut()?;
    *head = *frame;
    body.copy_from_slice(text);
    Some(end)
}
