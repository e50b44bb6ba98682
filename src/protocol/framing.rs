//! How frames lie on the wire.
//!
//! Parts in wire order: start, type, length, payload, checksum, end; or start, type, length, payload, end, checksum where the
//! file says `after = "end"`. The type counts as the beginning of the payload. In frames that are stuffed (COBS, SLIP, escape
//! bytes) there are payload and checksum between the marks. Where neither start nor length says what a frame is
//! (`silence`), the first bytes of the messages and their fields do. A notification is a frame as it stands: the payload is the
//! number of its characteristic (two bytes for those of the SIG, 16 for others, as a protocol file writes them), then the value.

use super::{checksum::Algorithm, stuffing::Stuffing, width::Width};
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
        /// COBS, ended by a zero byte.
        Cobs = "cobs",
        /// SLIP of RFC 1055.
        Slip = "slip",
        /// Start and end mark; an escape byte before what would be a mark inside.
        Escaped = "escaped",
        /// Known by the message's own first bytes and fields; a silence ends what is left (Modbus RTU).
        Silence = "silence",
        /// One notification of a device in the air: the number of its characteristic, then its value.
        Notification = "notification",
    }
}

words! {
    /// A part of a frame.
    pub enum Part as "part of a frame" {
        Start = "start", Type = "type", Length = "length", Payload = "payload", End = "end",
    }
}

words! {
    /// Byte order of a checksum.
    pub enum Order as "byte order" { Big = "be", Little = "le" }
}

/// How a checksum is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    Bytes,
    /// Two hex digits a byte, behind this character where there is one.
    Hex {
        mark: Option<u8>,
    },
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
    pub written: Written,
}

impl Checksum {
    /// Bytes on the wire, mark included.
    #[must_use]
    pub fn wire_bytes(&self) -> usize {
        let plain = self.algorithm.bytes();
        match self.written {
            Written::Bytes => plain,
            Written::Hex { mark } => usize::from(mark.is_some()) + 2 * plain,
        }
    }

    /// What it is over a whole frame.
    pub(super) fn over(&self, framing: &Framing, frame: &[u8]) -> u64 {
        let (first, last) = self.covers;
        let (from, to) = (framing.part(first, frame.len()).start, framing.part(last, frame.len()).end);
        self.algorithm.compute(&frame[from..to])
    }

    pub(super) fn write(&self, sum: u64) -> Vec<u8> {
        let all = sum.to_be_bytes();
        let mut bytes = all[all.len() - self.algorithm.bytes()..].to_vec();
        if self.order == Order::Little {
            bytes.reverse();
        }
        match self.written {
            Written::Bytes => bytes,
            Written::Hex { mark } => mark.into_iter().chain(hex::encode_upper(bytes).into_bytes()).collect(),
        }
    }

    /// `None` where hex was expected and something else stands there.
    pub(super) fn read(&self, wire: &[u8]) -> Option<u64> {
        let mut bytes = [0; 8];
        let bytes = &mut bytes[..self.algorithm.bytes()];
        match self.written {
            Written::Bytes => bytes.copy_from_slice(wire),
            Written::Hex { mark } => {
                let digits = mark.map_or(Some(wire), |mark| wire.strip_prefix(&[mark]))?;
                hex::decode_to_slice(digits, bytes).ok()?;
            }
        }
        let step = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(match self.order {
            Order::Big => bytes.iter().fold(0, step),
            Order::Little => bytes.iter().rev().fold(0, step),
        })
    }
}

/// A payload that its first bytes make known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    pub begins: Vec<u8>,
    /// Bytes of the whole payload; `None`: until the line falls silent.
    pub bytes: Option<usize>,
}

/// How frames of one direction lie on the wire.
#[derive(Debug, Clone, PartialEq)]
pub struct Framing {
    pub kind: Kind,
    pub start: Vec<u8>,
    pub end: Vec<u8>,
    /// Bytes between start and length that say what the message is.
    pub type_bytes: usize,
    /// Width of the length in a start-length-end frame.
    pub length: Option<Width>,
    /// What the length counts beside the payload.
    pub length_adds: usize,
    /// The whole frame, for fixed-length.
    pub frame_bytes: usize,
    /// Between columns of delimited text.
    pub separator: Option<u8>,
    pub stuffing: Option<Stuffing>,
    pub checksum: Option<Checksum>,
    pub max_payload: usize,
    /// A frame that pauses longer than this in the middle is given up. Delimited lines wait for their end.
    pub gap: Duration,
    /// Frames that stand as they are, without checksum: ACK, NAK, EOT.
    pub control: Vec<Vec<u8>>,
    /// For `silence`: the payloads there are.
    pub known: Vec<Known>,
}

impl Framing {
    /// Bytes before the payload.
    #[must_use]
    pub fn head(&self) -> usize {
        self.start.len() + self.type_bytes + self.length.and_then(Width::bytes).unwrap_or(0)
    }

    /// Bytes behind the payload.
    #[must_use]
    pub fn tail(&self) -> usize {
        self.end.len() + self.checksum.map_or(0, |checksum| checksum.wire_bytes())
    }

    /// The longest frame there can be.
    #[must_use]
    pub fn max_frame(&self) -> usize {
        let plain = self.head() + self.max_payload + self.tail();
        match (self.kind, self.stuffing) {
            (Kind::FixedLength, _) => self.frame_bytes,
            (_, Some(stuffing)) => stuffing.most(plain),
            _ => plain,
        }
    }

    /// Where a part lies in a whole frame of `total` bytes. The payload is meant without the type.
    #[must_use]
    pub fn part(&self, part: Part, total: usize) -> Range<usize> {
        let check = self.checksum.map_or(0, |checksum| checksum.wire_bytes());
        let check_last = self.checksum.is_some_and(|checksum| checksum.after == Part::End);
        let end_at = total - self.end.len() - if check_last { check } else { 0 };
        let payload_end = end_at - if check_last { 0 } else { check };
        let behind_type = self.start.len() + self.type_bytes;
        match part {
            Part::Start => 0..self.start.len(),
            Part::Type => self.start.len()..behind_type,
            Part::Length => behind_type..self.head(),
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

    /// Whether payloads are text.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.kind == Kind::Delimited
    }

    /// A whole frame round `payload`.
    ///
    /// The caller keeps to [`Framing::max_payload`]; a fixed-length payload is filled up with zeros.
    #[must_use]
    pub fn wrap(&self, payload: &[u8]) -> Vec<u8> {
        if self.control.iter().any(|control| control == payload) {
            return payload.to_vec();
        }
        let mut payload = payload.to_vec();
        if self.kind == Kind::FixedLength {
            payload.resize(self.max_payload, 0);
        }
        let (kind, rest) = payload.split_at(self.type_bytes.min(payload.len()));
        let mut frame = self.start.clone();
        frame.extend(kind);
        if let Some(width) = self.length {
            let length = rest.len() + self.length_adds;
            width.order().split(length as u64, width.bytes().unwrap_or(0), &mut frame);
        }
        frame.extend(rest);
        let total = frame.len() + self.tail();
        frame.resize(total, 0);
        let end = self.part(Part::End, total);
        frame[end].copy_from_slice(&self.end);
        if let Some(checksum) = &self.checksum {
            let sum = checksum.over(self, &frame);
            let at = self.checksum_at(checksum, total);
            frame[at].copy_from_slice(&checksum.write(sum));
        }
        self.stuffing.map_or_else(|| frame.clone(), |stuffing| stuffing.wrap(&frame))
    }
}
