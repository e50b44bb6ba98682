//! Bytes → payloads, and payload → bytes.
//!
//! Slices from the link are cut anywhere; the framer never trusts their edges. After a frame that does not hold it drops one
//! byte and looks for the next start inside what it had taken for a frame, so nothing sound is lost behind garbage. It holds
//! at most two frames' worth of bytes, whatever is fed.

use super::{
    fault::FrameError,
    framing::{Checksum, Framing, Kind, Order},
    item::hex_words,
};

/// Finds frames in a stream of bytes.
#[derive(Debug)]
pub struct Framer {
    framing: Framing,
    buffer: Vec<u8>,
    /// Bytes dropped since the last report.
    skipped: usize,
    /// Inside a line that is longer than allowed: drop until its end.
    overlong: bool,
}

/// What a look at the buffer found.
enum Look {
    /// Wait for more.
    Incomplete,
    /// A whole frame of so many bytes, its payload taken out.
    Frame(usize, Vec<u8>),
    /// Not a frame; drop so many bytes and look again.
    Fault(usize, Option<FrameError>),
}

impl Framer {
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        Self { framing, buffer: Vec::new(), skipped: 0, overlong: false }
    }

    /// Takes bytes and hands every payload and every fault to `sink`, in order.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(Result<Vec<u8>, FrameError>)) {
        for slice in bytes.chunks(self.framing.max_frame().max(1)) {
            self.buffer.extend_from_slice(slice);
            self.look(sink);
        }
    }

    /// Whether a frame has begun and not ended: if nothing more comes within the framing's gap, call [`Self::give_up`].
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.framing.kind != Kind::Delimited && !self.buffer.is_empty()
    }

    /// Bytes it holds now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// Gives the frame up that has begun and looks for others inside it.
    pub fn give_up(&mut self, sink: &mut impl FnMut(Result<Vec<u8>, FrameError>)) {
        while !self.buffer.is_empty() {
            if self.buffer.starts_with(&self.framing.start) {
                self.report_skipped(sink);
                sink(Err(FrameError::Unfinished { bytes: self.buffer.len() }));
            } else {
                self.skipped += 1;
            }
            self.buffer.remove(0);
            self.look(sink);
        }
        self.report_skipped(sink);
    }

    fn look(&mut self, sink: &mut impl FnMut(Result<Vec<u8>, FrameError>)) {
        loop {
            let look = match self.framing.kind {
                Kind::Delimited => self.look_for_line(),
                Kind::StartLengthEnd | Kind::FixedLength => self.look_for_frame(),
            };
            match look {
                Look::Incomplete => return,
                Look::Frame(length, payload) => {
                    self.report_skipped(sink);
                    self.buffer.drain(..length);
                    if !payload.is_empty() {
                        sink(Ok(payload));
                    }
                }
                Look::Fault(length, None) => {
                    self.skipped += length;
                    self.buffer.drain(..length);
                }
                Look::Fault(length, Some(fault)) => {
                    self.report_skipped(sink);
                    self.buffer.drain(..length);
                    sink(Err(fault));
                }
            }
        }
    }

    fn report_skipped(&mut self, sink: &mut impl FnMut(Result<Vec<u8>, FrameError>)) {
        match std::mem::take(&mut self.skipped) {
            0 => {}
            bytes => sink(Err(FrameError::Garbage { bytes })),
        }
    }

    fn look_for_frame(&self) -> Look {
        let Self { framing, buffer, .. } = self;
        let garbage = distance_to(&framing.start, buffer);
        if garbage > 0 {
            return Look::Fault(garbage, None);
        }
        let Some(total) = self.frame_size() else { return Look::Incomplete };
        if total > framing.max_frame() {
            let found = total - framing.head() - framing.tail();
            return Look::Fault(1, Some(FrameError::TooLong { found, most: framing.max_payload }));
        }
        let Some(frame) = buffer.get(..total) else { return Look::Incomplete };
        match framing.open(frame) {
            Ok(payload) => Look::Frame(total, payload),
            Err(fault) => Look::Fault(1, Some(fault)),
        }
    }

    /// `None` while the length has not arrived.
    fn frame_size(&self) -> Option<usize> {
        let framing = &self.framing;
        if framing.kind == Kind::FixedLength {
            return Some(framing.frame_bytes);
        }
        let length = self.buffer.get(framing.start.len()..framing.head())?;
        let little = framing.length.is_some_and(super::field::Width::is_little_endian);
        Some(framing.head() + unsigned(length, little) as usize + framing.tail())
    }

    fn look_for_line(&mut self) -> Look {
        let Self { framing, buffer, .. } = self;
        let end = &framing.end;
        let Some(at) = buffer.windows(end.len()).position(|window| window == end) else {
            if buffer.len() <= framing.max_frame() {
                return Look::Incomplete;
            }
            // The end mark may have begun to arrive.
            let drop = buffer.len() + 1 - end.len();
            let fault = FrameError::TooLong { found: buffer.len(), most: framing.max_payload };
            let first = !std::mem::replace(&mut self.overlong, true);
            return Look::Fault(drop, first.then_some(fault));
        };
        let total = at + end.len();
        if std::mem::take(&mut self.overlong) {
            return Look::Fault(total, None);
        }
        if at == 0 {
            return Look::Frame(total, Vec::new());
        }
        if total > framing.max_frame() {
            return Look::Fault(total, Some(FrameError::TooLong { found: at, most: framing.max_payload }));
        }
        // Garbage before a line that has a start mark is cut off; without one the checksum tells.
        let start = &framing.start;
        let from = buffer[..at].windows(start.len().max(1)).rposition(|window| window == start.as_slice());
        match (start.is_empty(), from) {
            (false, None) => Look::Fault(total, None),
            (false, Some(from)) if from > 0 => Look::Fault(from, None),
            _ => match framing.open(&buffer[..total]) {
                Ok(payload) => Look::Frame(total, payload),
                Err(fault) => Look::Fault(total, Some(fault)),
            },
        }
    }
}

impl Framing {
    /// A whole frame round `payload`.
    ///
    /// The caller keeps to [`Framing::max_payload`]; a fixed-length payload is filled up with zeros.
    #[must_use]
    pub fn wrap(&self, payload: &[u8]) -> Vec<u8> {
        let mut payload = payload.to_vec();
        if self.kind == Kind::FixedLength {
            payload.resize(self.max_payload, 0);
        }
        let mut frame = self.start.clone();
        if let Some(bytes) = self.length.and_then(super::field::Width::bytes) {
            let little = self.length.is_some_and(super::field::Width::is_little_endian);
            frame.extend(to_bytes(payload.len() as u64, bytes, little));
        }
        frame.extend(payload);
        let total = frame.len() + self.tail();
        frame.resize(total, 0);
        let end = self.part(super::framing::Part::End, total);
        frame[end].copy_from_slice(&self.end);
        if let Some(checksum) = &self.checksum {
            let sum = checksum.over(self, &frame);
            let at = self.checksum_at(checksum, total);
            frame[at].copy_from_slice(&checksum.written(sum));
        }
        frame
    }

    /// The payload of a whole frame.
    fn open(&self, frame: &[u8]) -> Result<Vec<u8>, FrameError> {
        let total = frame.len();
        if total < self.head() + self.tail() {
            return Err(FrameError::NoChecksum);
        }
        if frame[self.part(super::framing::Part::End, total)] != self.end {
            return Err(FrameError::End { expected: hex_words(&self.end) });
        }
        if let Some(checksum) = &self.checksum {
            let computed = checksum.over(self, frame);
            let found = checksum.read(&frame[self.checksum_at(checksum, total)]).ok_or(FrameError::NoChecksum)?;
            if computed != found {
                return Err(FrameError::Checksum { computed, found });
            }
        }
        Ok(frame[self.part(super::framing::Part::Payload, total)].to_vec())
    }
}

impl Checksum {
    fn over(&self, framing: &Framing, frame: &[u8]) -> u64 {
        let (first, last) = self.covers;
        let from = framing.part(first, frame.len()).start;
        let to = framing.part(last, frame.len()).end;
        self.algorithm.compute(&frame[from..to])
    }

    fn written(&self, sum: u64) -> Vec<u8> {
        let bytes = to_bytes(sum, self.algorithm.bytes(), self.order == Order::Little);
        match self.hex_after {
            None => bytes,
            Some(mark) => {
                let mut text = vec![mark];
                text.extend(hex::encode_upper(bytes).into_bytes());
                text
            }
        }
    }

    /// `None` where hex was expected and something else stands there.
    fn read(&self, wire: &[u8]) -> Option<u64> {
        let little = self.order == Order::Little;
        match self.hex_after {
            None => Some(unsigned(wire, little)),
            Some(mark) => {
                let (first, digits) = wire.split_first()?;
                (*first == mark).then(|| hex::decode(digits).ok()).flatten().map(|bytes| unsigned(&bytes, little))
            }
        }
    }
}

/// How many bytes to drop before `start` may begin (a part of it at the very end counts).
fn distance_to(start: &[u8], buffer: &[u8]) -> usize {
    let fits = |at: usize| buffer[at..].iter().zip(start).all(|(found, wanted)| found == wanted);
    (0..buffer.len()).find(|at| fits(*at)).unwrap_or(buffer.len())
}

/// Up to eight bytes as an unsigned number.
#[must_use]
pub(super) fn unsigned(bytes: &[u8], little: bool) -> u64 {
    let join = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    if little { bytes.iter().rev().fold(0, join) } else { bytes.iter().fold(0, join) }
}

/// The lowest `count` bytes of a number.
#[must_use]
pub(super) fn to_bytes(number: u64, count: usize, little: bool) -> Vec<u8> {
    let all = number.to_be_bytes();
    let mut bytes = all[all.len() - count.min(all.len())..].to_vec();
    if little {
        bytes.reverse();
    }
    bytes
}
