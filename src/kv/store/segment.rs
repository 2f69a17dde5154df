// SPDX-License-Identifier: GPL-2.0-only
//! Where an item is found: its size class, and the segment of that class's order of use.

use super::header::{Place, Shape};
use crate::limits::CLASSES_MAX;

/// Where an item is: a class, and a segment of its order of use, or no segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// None has the largest number.
    pub class: u8,
    /// A [`Place`].
    place: u8,
}

/// Bits that are enough for the numbers of all classes.
const CLASS_BITS: u32 = 6;

const _: () = assert!(CLASSES_MAX <= 1 << CLASS_BITS);

impl Segment {
    /// Of no item.
    pub(super) const NONE: Self = Self {
        class: u8::MAX,
        place: Place::Free as u8,
    };

    /// More than any index.
    pub(crate) const COUNT: usize = Place::ALL.len() << CLASS_BITS;

    /// Of an item of that class and shape.
    #[inline(always)]
    pub(super) fn of(class: u8, shape: Shape) -> Self {
        let place = shape.place_bits();
        Self { class, place }
    }

    /// Where new items of a class come.
    pub(crate) fn new_in(class: u8) -> Self {
        let place = Place::Hot as u8;
        Self { class, place }
    }

    /// All that a class has, and what is no segment as well.
    pub(crate) fn all_of(class: u8) -> impl Iterator<Item = (Self, Place)> {
        Place::ALL.into_iter().map(move |segment| {
            let place = segment as u8;
            (Self { class, place }, segment)
        })
    }

    /// A number of its own for each that there is.
    #[inline(always)]
    pub(crate) fn index(self) -> usize {
        const CLASS: u8 = (1 << CLASS_BITS) - 1;
        usize::from(self.place).wrapping_shl(CLASS_BITS) | usize::from(self.class & CLASS)
    }
}
