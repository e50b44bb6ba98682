//! Bytes → payloads.
//!
//! Slices from the link are cut anywhere; the framer never trusts their edges (those of notifications apart, which the radio
//! itself keeps). After a frame that does not hold it drops one
//! byte and looks for the next start inside what it had taken for a frame, so nothing sound is lost behind garbage; where
//! marks cannot appear inside a frame it goes on behind the mark. It holds at most two frames' worth of bytes, whatever is
//! fed. Payloads are lent, not given: nothing is allocated for a frame.

use super::{
    fault::FrameError,
    framing::{Framing, Kind, Part},
    item::hex_words,
    stuffing::Stuffing,
};
use memchr::memmem;
use std::ops::Range;

/// Finds frames in a stream of bytes.
#[derive(Debug)]
pub struct Framer {
    framing: Framing,
    buffer: Vec<u8>,
    /// Bytes dropped since the last report.
    skipped: usize,
    /// Inside a line that is longer than allowed: drop until its end.
    overlong: bool,
    /// A payload that does not lie in one piece in its frame.
    scratch: Vec<u8>,
    /// Where one mark begins and ends frames: it has been seen since something was given up. What stands before is no frame.
    marked: bool,
    /// The size of an answer that says nothing of itself, while one is awaited.
    awaited: Option<usize>,
    /// Which bytes begin a control frame: every byte of a line is asked.
    begins_control: [bool; 256],
}

/// What a look at the bytes found.
enum Look {
    /// Wait for more.
    Incomplete,
    /// A whole frame of so many bytes, and its payload.
    Frame(usize, Payload),
    /// Not a frame; drop so many bytes and look again.
    Fault(usize, Option<FrameError>),
}

/// Where a payload is.
enum Payload {
    /// There is none: a mark that only closes what was before it.
    None,
    /// Here in the frame.
    Within(Range<usize>),
    /// Put together in the scratch buffer.
    Scratch,
}

impl Framer {
    #[must_use]
    pub fn new(framing: Framing) -> Self {
        let mut begins_control = [false; 256];
        for first in framing.control.iter().filter_map(|control| control.first()) {
            begins_control[usize::from(*first)] = true;
        }
        Self {
            framing,
            buffer: Vec::new(),
            skipped: 0,
            overlong: false,
            scratch: Vec::new(),
            marked: false,
            awaited: None,
            begins_control,
        }
    }

    /// For `silence`: a payload of so many bytes that begins with nothing known is awaited, or none.
    pub fn expect(&mut self, payload_bytes: Option<usize>) {
        self.awaited = payload_bytes;
    }

    /// Takes bytes and hands every payload and every fault to `sink`, in order.
    pub fn feed(&mut self, bytes: &[u8], sink: &mut impl FnMut(Result<&[u8], FrameError>)) {
        if self.keeps_edges() {
            // The radio keeps its edges: what comes together is one, and nothing is held.
            let most = self.framing.max_payload;
            return match bytes.len() {
                0 => {}
                found if found > most => sink(Err(FrameError::TooLong { found, most })),
                _ => sink(Ok(bytes)),
            };
        }
        for slice in bytes.chunks(self.framing.max_frame().max(1)) {
            self.buffer.extend_from_slice(slice);
            self.look(sink);
        }
    }

    /// Whether what is fed at once is one frame, and nothing else.
    #[must_use]
    pub fn keeps_edges(&self) -> bool {
        self.framing.kind == Kind::Notification
    }

    /// Whether a frame has begun and not ended: if nothing more comes within the framing's gap, call [`Self::give_up`].
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.framing.kind != Kind::Delimited && (self.overlong || !self.buffer.is_empty())
    }

    /// Bytes it holds now.
    #[must_use]
    pub fn held(&self) -> usize {
        self.buffer.len()
    }

    /// The line has fallen silent: what has begun ends here or is given up, and others are looked for inside it.
    pub fn give_up(&mut self, sink: &mut impl FnMut(Result<&[u8], FrameError>)) {
        self.overlong = false;
        self.marked = false;
        if self.ended_by_silence(sink) {
            return;
        }
        // Where every byte may begin a frame, one lost byte would be told as many.
        let marked = self.framing.kind == Kind::Delimited || self.framing.stuffing.is_some() || self.awaited.is_some();
        while !self.buffer.is_empty() {
            let held = self.buffer.len();
            if marked || self.begins(0) {
                self.report_skipped(sink);
                sink(Err(FrameError::Unfinished { bytes: held }));
            } else {
                self.skipped += 1;
            }
            self.buffer.drain(..if marked { held } else { 1 });
            self.look(sink);
        }
        self.report_skipped(sink);
    }

    /// A payload without a length of its own lasts until the silence.
    fn ended_by_silence(&mut self, sink: &mut impl FnMut(Result<&[u8], FrameError>)) -> bool {
        let Self { framing, buffer, .. } = self;
        let open = framing.known.iter().any(|known| known.bytes.is_none() && buffer.starts_with(&known.begins));
        let Some(payload) = framing.open(buffer).ok().filter(|_| open && buffer.len() > framing.tail()) else {
            return false;
        };
        self.report_skipped(sink);
        sink(Ok(&self.buffer[payload]));
        self.buffer.clear();
        true
    }

    fn look(&mut self, sink: &mut impl FnMut(Result<&[u8], FrameError>)) {
        let mut from = 0;
        loop {
            match self.look_at(from) {
                Look::Incomplete => break,
                Look::Frame(length, payload) => {
                    self.report_skipped(sink);
                    match payload {
                        Payload::None => {}
                        Payload::Within(range) => sink(Ok(&self.buffer[from + range.start..from + range.end])),
                        Payload::Scratch => sink(Ok(&self.scratch)),
                    }
                    from += length;
                }
                Look::Fault(length, fault) => {
                    match fault {
                        None => self.skipped += length,
                        Some(fault) => {
                            self.report_skipped(sink);
                            sink(Err(fault));
                        }
                    }
                    from += length;
                }
            }
        }
        self.buffer.drain(..from);
    }

    fn report_skipped(&mut self, sink: &mut impl FnMut(Result<&[u8], FrameError>)) {
        match std::mem::take(&mut self.skipped) {
            0 => {}
            bytes => sink(Err(FrameError::Garbage { bytes })),
        }
    }

    fn look_at(&mut self, from: usize) -> Look {
        let bytes = &self.buffer[from..];
        if bytes.is_empty() {
            return Look::Incomplete;
        }
        if let Some(control) = self.control_at(bytes) {
            return Look::Frame(control, Payload::Within(0..control));
        }
        match (self.framing.kind, self.framing.stuffing) {
            (Kind::Delimited, _) => self.look_for_line(from),
            (_, Some(stuffing)) => self.look_for_mark(from, stuffing),
            (Kind::Silence, _) => self.look_for_known(from),
            _ => self.look_for_frame(from),
        }
    }

    /// Whether a frame may begin here (a part of its start at the very end counts).
    fn begins(&self, at: usize) -> bool {
        let Self { framing, buffer, .. } = self;
        let fits = |start: &[u8]| buffer[at..].iter().zip(start).all(|(found, wanted)| found == wanted);
        if framing.kind == Kind::Silence {
            let known = framing.known.iter().map(|known| &known.begins).chain(&framing.control);
            return self.awaited.is_some() || known.into_iter().any(|begins| fits(begins));
        }
        fits(&framing.start) || framing.control.iter().any(|control| fits(control))
    }

    /// How many bytes to drop before a frame may begin.
    fn garbage(&self, from: usize) -> usize {
        (from..self.buffer.len()).find(|at| self.begins(*at)).unwrap_or(self.buffer.len()) - from
    }

    fn look_for_frame(&mut self, from: usize) -> Look {
        match self.garbage(from) {
            0 => {}
            garbage => return Look::Fault(garbage, None),
        }
        let Self { framing, buffer, .. } = self;
        let bytes = &buffer[from..];
        let Some(total) = framing.size_of(bytes) else { return Look::Incomplete };
        let around = framing.head() + framing.tail();
        if total < around || total > framing.max_frame() {
            let found = total.saturating_sub(around);
            return Look::Fault(1, Some(FrameError::TooLong { found, most: framing.max_payload }));
        }
        if bytes.len() < total {
            return Look::Incomplete;
        }
        self.opened(from, total)
    }

    /// A frame whose extent is known: taken, or dropped by one byte.
    fn opened(&mut self, from: usize, total: usize) -> Look {
        let frame = &self.buffer[from..from + total];
        let payload = match self.framing.open(frame) {
            Ok(payload) => payload,
            Err(fault) => return Look::Fault(1, Some(fault)),
        };
        if self.framing.type_bytes == 0 {
            return Look::Frame(total, Payload::Within(payload));
        }
        self.scratch.clear();
        self.scratch.extend_from_slice(&frame[self.framing.part(Part::Type, total)]);
        self.scratch.extend_from_slice(&frame[payload]);
        Look::Frame(total, Payload::Scratch)
    }

    fn look_for_known(&mut self, from: usize) -> Look {
        match self.garbage(from) {
            0 => {}
            garbage => return Look::Fault(garbage, None),
        }
        let Self { framing, buffer, .. } = self;
        let bytes = &buffer[from..];
        let known = framing.known.iter().find(|known| bytes.starts_with(&known.begins));
        match known.map(|known| known.bytes).or(self.awaited.map(Some)) {
            Some(Some(payload)) if bytes.len() >= payload + framing.tail() => {
                let total = payload + framing.tail();
                self.opened(from, total)
            }
            Some(None) if bytes.len() > framing.max_frame() => {
                Look::Fault(1, Some(FrameError::TooLong { found: bytes.len(), most: framing.max_payload }))
            }
            _ => Look::Incomplete,
        }
    }

    /// The length of the control frame that begins here.
    fn control_at(&self, bytes: &[u8]) -> Option<usize> {
        let begins = bytes.first().is_some_and(|first| self.begins_control[usize::from(*first)]);
        let control = self.framing.control.iter().filter(|_| begins).find(|control| bytes.starts_with(control));
        control.map(Vec::len)
    }

    /// Where a control frame stands inside a line: the line was cut off, for its text holds none.
    fn control_within(&self, line: &[u8]) -> Option<usize> {
        if self.framing.control.is_empty() {
            return None;
        }
        (1..line.len()).find(|at| self.control_at(&line[*at..]).is_some())
    }

    fn look_for_line(&mut self, from: usize) -> Look {
        // Garbage before a line that has a start mark is cut off; without one the checksum tells.
        if !self.framing.start.is_empty() {
            match self.garbage(from) {
                0 => {}
                garbage => return Look::Fault(garbage, None),
            }
        }
        let line = &self.buffer[from..];
        let at = first_of(line, &self.framing.end);
        if let Some(cut) = self.control_within(&line[..at.unwrap_or(line.len())]) {
            return Look::Fault(cut, None);
        }
        let Self { framing, buffer, .. } = self;
        let (bytes, end) = (&buffer[from..], &framing.end);
        let Some(at) = at else {
            return self.without_end(from, end_len(&self.framing));
        };
        let total = at + end.len();
        if std::mem::take(&mut self.overlong) {
            return Look::Fault(total, None);
        }
        if at == 0 {
            return Look::Frame(total, Payload::None);
        }
        // A line that was cut off by the next one: begin with that.
        match last_of(&bytes[..at], &framing.start) {
            Some(begins) if begins > 0 => Look::Fault(begins, None),
            _ if total > framing.max_frame() => {
                Look::Fault(total, Some(FrameError::TooLong { found: at, most: framing.max_payload }))
            }
            _ => match framing.open(&bytes[..total]) {
                Ok(payload) => Look::Frame(total, Payload::Within(payload)),
                Err(fault) => Look::Fault(total, Some(fault)),
            },
        }
    }

    /// No end mark among the bytes: wait, or drop what is too long (the end mark may have begun to arrive).
    fn without_end(&mut self, from: usize, end: usize) -> Look {
        let held = self.buffer.len() - from;
        if held <= self.framing.max_frame() {
            return Look::Incomplete;
        }
        let fault = FrameError::TooLong { found: held, most: self.framing.max_payload };
        let end_alone =
            self.framing.stuffing.map(|stuffing| stuffing.start().is_none_or(|start| start == stuffing.end()));
        if !end_alone.unwrap_or(self.framing.start.is_empty()) {
            return Look::Fault(1, Some(fault));
        }
        let first = !std::mem::replace(&mut self.overlong, true);
        Look::Fault(held + 1 - end, first.then_some(fault))
    }

    fn look_for_mark(&mut self, from: usize, stuffing: Stuffing) -> Look {
        let bytes = &self.buffer[from..];
        let Some(at) = memchr::memchr(stuffing.end(), bytes) else {
            return self.without_end(from, 1);
        };
        let marked = std::mem::replace(&mut self.marked, true);
        if std::mem::take(&mut self.overlong) {
            return Look::Fault(at + 1, None);
        }
        if at > 0 && !marked && stuffing.has_one_mark() {
            return Look::Fault(at, None);
        }
        let bytes = &self.buffer[from..];
        let mut between = &bytes[..at];
        if let Some(start) = stuffing.start().filter(|start| *start != stuffing.end()) {
            match between.iter().rposition(|byte| *byte == start) {
                None => return Look::Fault(at + 1, None),
                Some(0) => between = &between[1..],
                Some(garbage) => return Look::Fault(garbage, None),
            }
        }
        if between.is_empty() {
            return Look::Frame(at + 1, Payload::None);
        }
        if !stuffing.unwrap_into(between, &mut self.scratch) {
            return Look::Fault(at + 1, Some(FrameError::Stuffing));
        }
        if self.scratch.len() > self.framing.max_payload + self.framing.tail() {
            let fault = FrameError::TooLong { found: self.scratch.len(), most: self.framing.max_payload };
            return Look::Fault(at + 1, Some(fault));
        }
        match self.framing.open(&self.scratch) {
            Ok(payload) => {
                self.scratch.truncate(payload.end);
                Look::Frame(at + 1, Payload::Scratch)
            }
            Err(fault) => Look::Fault(at + 1, Some(fault)),
        }
    }
}

/// Where a mark stands first; most are one byte.
fn first_of(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    if let [byte] = mark { memchr::memchr(*byte, bytes) } else { memmem::find(bytes, mark) }
}

/// Where a mark stands last; nowhere if there is no mark.
fn last_of(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    match mark {
        [] => None,
        [byte] => memchr::memrchr(*byte, bytes),
        mark => memmem::rfind(bytes, mark),
    }
}

fn end_len(framing: &Framing) -> usize {
    framing.end.len().max(1)
}

impl Framing {
    /// Bytes of the frame that begins here; `None` while its length has not arrived.
    fn size_of(&self, bytes: &[u8]) -> Option<usize> {
        if self.kind == Kind::FixedLength {
            return Some(self.frame_bytes);
        }
        let head = self.head();
        let length = bytes.get(self.start.len() + self.type_bytes..head)?;
        let counted = self.length.map_or(0, |width| width.order().join(length)) as usize;
        // A length less than what it counts beside the payload is as wrong as one too long.
        Some(counted.checked_sub(self.length_adds).map_or(0, |payload| head + payload + self.tail()))
    }

    /// Where the payload lies in a whole frame that holds.
    pub(super) fn open(&self, frame: &[u8]) -> Result<Range<usize>, FrameError> {
        let total = frame.len();
        if total < self.head() + self.tail() {
            return Err(FrameError::NoChecksum);
        }
        if frame[self.part(Part::End, total)] != self.end {
            return Err(FrameError::End { expected: hex_words(&self.end) });
        }
        if let Some(checksum) = &self.checksum {
            let found = checksum.read(&frame[self.checksum_at(checksum, total)]).ok_or(FrameError::NoChecksum)?;
            let computed = checksum.over(self, frame);
            if computed != found {
                return Err(FrameError::Checksum { computed, found });
            }
        }
        Ok(self.part(Part::Payload, total))
    }
}
