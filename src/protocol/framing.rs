//! How frames lie on the wire.
//!
//! Parts in wire order: start, length, payload, checksum, end; or start, length, payload, end, checksum where the file
//! says `after = "end"`. The length counts payload bytes. A delimited frame is a line of text; its checksum, where it has
//! one, is written in hex after a mark.

use super::{checksum::Algorithm, field::Width};
use crate::domain::word::words;
use std::{ops::Range, time::Duration};

words! {
    /// How a frame's extent is known.
    pub enum Kind as "framing" {
        /// Start bytes, a length, end bytes (may be none).
        StartLengthEnd = "start-length-end",
        /// Start bytes and a constant size.
        FixedLength = "fixed-length",
        /// Lines of text with an end mark.
        Delimited = "delimited",
    }
}

words! {
    /// A part of a frame.
    pub enum Part as "part of a frame" { Start = "start", Length = "length", Payload = "payload", End = "end" }
}

words! {
    /// Byte order of a checksum.
    pub enum Order as "byte order" { Big = "be", Little = "le" }
}

/// The checksum of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Checksum {
    pub algorithm: Algorithm,
    /// First and last part it covers.
    pub covers: (Part, Part),
    /// The part it stands behind: payload or end.
    pub after: Part,
    pub order: Order,
    /// `Some(mark)`: two hex characters a byte, behind this character.
    pub hex_after: Option<u8>,
}

impl Checksum {
    /// Bytes on the wire, mark included.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        let plain = self.algorithm.bytes();
        if self.hex_after.is_some() { 1 + 2 * plain } else { plain }
    }
}

/// How frames of one direction lie on the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct Framing {
    pub kind: Kind,
    pub start: Vec<u8>,
    pub end: Vec<u8>,
    /// Width of the length in a start-length-end frame.
    pub length: Option<Width>,
    /// The whole frame, for fixed-length.
    pub frame_bytes: usize,
    /// Between columns of delimited text.
    pub separator: Option<u8>,
    pub checksum: Option<Checksum>,
    pub max_payload: usize,
    /// A frame that pauses longer than this in the middle is given up. Delimited lines wait for their end.
    pub gap: Duration,
}

impl Framing {
    /// Bytes before the payload.
    #[must_use]
    pub fn head(&self) -> usize {
        self.start.len() + self.length.and_then(Width::bytes).unwrap_or(0)
    }

    /// Bytes behind the payload.
    #[must_use]
    pub fn tail(&self) -> usize {
        self.end.len() + self.checksum.map_or(0, |checksum| checksum.wire_bytes())
    }

    /// The longest frame there can be.
    #[must_use]
    pub fn max_frame(&self) -> usize {
        match self.kind {
            Kind::FixedLength => self.frame_bytes,
            Kind::StartLengthEnd | Kind::Delimited => self.head() + self.max_payload + self.tail(),
        }
    }

    /// Where a part lies in a whole frame of `total` bytes.
    #[must_use]
    pub fn part(&self, part: Part, total: usize) -> Range<usize> {
        let check = self.checksum.map_or(0, |checksum| checksum.wire_bytes());
        let check_last = self.checksum.is_some_and(|checksum| checksum.after == Part::End);
        let end_at = total - self.end.len() - if check_last { check } else { 0 };
        let payload_end = end_at - if check_last { 0 } else { check };
        match part {
            Part::Start => 0..self.start.len(),
            Part::Length => self.start.len()..self.head(),
            Part::Payload => self.head()..payload_end,
            Part::End => end_at..end_at + self.end.len(),
        }
    }

    /// Where the checksum lies in a whole frame of `total` bytes, mark included.
    #[must_use]
    pub fn checksum_at(&self, checksum: &Checksum, total: usize) -> Range<usize> {
        let from = self.part(checksum.after, total).end;
        from..from + checksum.wire_bytes()
    }
}
