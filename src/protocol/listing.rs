//! A stream of bytes as rows to read: the bytes of each frame beside what they say, or beside what is wrong with them.
//!
//! For eyes and recordings, not for speed: bytes go into the framer one by one, so that every byte stands in exactly one row.

use super::{
    fault::FrameError,
    framer::Framer,
    item::{Decoded, Item},
    spec::Spec,
};
use std::sync::Arc;

/// Who spoke.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    Device,
    Gateway,
}

/// One frame, or bytes that were none.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Empty where a fault became known after its bytes had been shown.
    pub bytes: Vec<u8>,
    pub meaning: Result<Decoded, FrameError>,
}

/// Cuts one side's stream into rows.
#[derive(Debug)]
pub struct Listing {
    spec: Arc<Spec>,
    side: Side,
    framer: Framer,
    /// Came in and is in no row yet.
    pending: Vec<u8>,
    /// Bytes of refused frames: they stand in a row, and the framer will call them garbage once more.
    shown: usize,
    /// What the last question asks for.
    awaited: Vec<String>,
}

impl Listing {
    #[must_use]
    pub fn new(spec: Arc<Spec>, side: Side) -> Self {
        let framing = if side == Side::Device { &spec.framing } else { &spec.command_framing };
        Self { framer: Framer::new(framing.clone()), spec, side, pending: Vec::new(), shown: 0, awaited: Vec::new() }
    }

    /// The gateway has sent this command: what comes now may be its answer.
    pub fn asked(&mut self, command: &str) {
        self.awaited = self.spec.flow.replies_to(command).into_iter().map(str::to_owned).collect();
        let awaited: Vec<&str> = self.awaited.iter().map(String::as_str).collect();
        self.framer.expect(self.spec.bare_bytes(&awaited));
    }

    /// The rows that `bytes` complete.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Row> {
        let mut rows = Vec::new();
        // Notifications keep their edges; of a stream each frame is wanted with its own bytes.
        let size = if self.framer.keeps_edges() { bytes.len().max(1) } else { 1 };
        for piece in bytes.chunks(size) {
            self.pending.extend(piece);
            let mut found = Vec::new();
            self.framer.feed(piece, &mut |result| found.push(result.map(<[u8]>::to_vec)));
            self.take(found, &mut rows);
        }
        rows
    }

    /// Nothing more comes: what has begun is given up.
    pub fn quiet(&mut self) -> Vec<Row> {
        if self.pending.is_empty() {
            return Vec::new();
        }
        let (mut found, mut rows) = (Vec::new(), Vec::new());
        self.framer.give_up(&mut |result| found.push(result.map(<[u8]>::to_vec)));
        self.take(found, &mut rows);
        if !self.pending.is_empty() {
            let bytes = std::mem::take(&mut self.pending);
            let fault = FrameError::Unfinished { bytes: bytes.len() };
            rows.push(Row { bytes, meaning: Err(fault) });
        }
        rows
    }

    /// Whether a frame has begun and not ended.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty()
    }

    /// One row carries the bytes: the sound frame, where there is one, else the first fault. A framer that looks for frames
    /// inside a broken one finds a fault at every byte of it: one of them tells enough.
    fn take(&mut self, found: Vec<Result<Vec<u8>, FrameError>>, rows: &mut Vec<Row>) {
        let sound = found.iter().position(Result::is_ok);
        let fault = found.iter().position(|result| !matches!(result, Err(FrameError::Garbage { .. })));
        let (carrier, mut faults) = (sound.or(fault), 0);
        for (at, result) in found.into_iter().enumerate() {
            let bytes = match &result {
                Err(FrameError::Garbage { bytes }) => match self.garbage(*bytes) {
                    None => continue,
                    Some(bytes) => bytes,
                },
                _ if Some(at) == carrier => std::mem::take(&mut self.pending),
                Err(_) if faults > 0 => continue,
                _ => Vec::new(),
            };
            faults += usize::from(result.is_err());
            match &result {
                Ok(_) => self.shown = 0,
                Err(FrameError::Garbage { .. }) => {}
                // All but the first byte, which it has dropped.
                Err(_) => self.shown += bytes.len().saturating_sub(1),
            }
            let (spec, awaited) = (&self.spec, self.awaited.iter().map(String::as_str).collect::<Vec<_>>());
            let meaning = result.and_then(|payload| match self.side {
                Side::Device => spec.decode_reply(&payload, &awaited),
                Side::Gateway => spec.decode_command(&payload),
            });
            if meaning.as_ref().is_ok_and(|said| self.spec.is_known_by_its_question(&said.name)) {
                self.awaited.clear();
                self.framer.expect(None);
            }
            rows.push(Row { bytes, meaning });
        }
    }

    /// The bytes that were skipped, as far as they stand in no row yet; `None` where all of them do.
    fn garbage(&mut self, count: usize) -> Option<Vec<u8>> {
        let known = count.min(self.shown);
        self.shown -= known;
        let fresh = (count - known).min(self.pending.len());
        (fresh > 0).then(|| self.pending.drain(..fresh).collect())
    }
}

/// A message in one line: `moisture · counter 42 · moisture 35.2 %`.
#[must_use]
pub fn said(decoded: &Decoded) -> String {
    let items = decoded.items.iter().map(|item| match item {
        Item::Value { metric, unit, region, value } => {
            let text = value.as_ref().map_or_else(ToString::to_string, ToString::to_string);
            let unit = if unit.is_empty() { String::new() } else { format!(" {unit}") };
            let region = region.map(|region| format!(" at {region}")).unwrap_or_default();
            format!("{metric} {text}{unit}{region}")
        }
        Item::Array { name, first, values } => {
            let last = (first + values.len()).saturating_sub(1);
            format!(
                "{name}[{first} to {last}] {}",
                values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
            )
        }
        Item::Flags(flags) if flags.is_empty() => String::new(),
        other => other.to_string().trim_end().to_owned(),
    });
    std::iter::once(decoded.name.clone()).chain(items.filter(|item| !item.is_empty())).collect::<Vec<_>>().join(" · ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pen() -> Arc<Spec> {
        let text = include_str!("../../firmware-protocols/moist-line/protocol.toml");
        Arc::new(Spec::parse("moist-line", text).unwrap_or_else(|faults| panic!("{faults}")))
    }

    fn analyser() -> Arc<Spec> {
        let text = include_str!("../../firmware-protocols/derma-reference/protocol.toml");
        Arc::new(Spec::parse("derma-reference", text).unwrap_or_else(|faults| panic!("{faults}")))
    }

    #[test]
    fn every_frame_is_a_row_with_its_bytes() {
        let mut listing = Listing::new(pen(), Side::Device);
        let rows = listing.feed(b"M,0042,35.2,%*58\r\nM,0043,---.-,%*6B\r\nM,00");
        assert_eq!(rows[0].bytes, b"M,0042,35.2,%*58\r\n");
        assert_eq!(said(rows[0].meaning.as_ref().unwrap()), "moisture · counter 42 · moisture 35.2 %");
        assert_eq!(rows.len(), 2);
        let rest = listing.quiet();
        assert_eq!((rest.len(), rest[0].bytes.as_slice()), (1, b"M,00".as_slice()));
        assert!(matches!(rest[0].meaning, Err(FrameError::Unfinished { bytes: 4 })));
    }

    #[test]
    fn no_byte_stands_in_two_rows_and_none_in_none() {
        let spec = analyser();
        let alive = spec.encode_message("clock-set", &[]).unwrap();
        let mut wrong = alive.clone();
        wrong[5] ^= 0x40;
        let stream = [b"\x00\x01".as_slice(), &wrong, b"\x02\x03", &alive, &alive].concat();
        let mut listing = Listing::new(spec, Side::Device);
        let mut rows = listing.feed(&stream);
        rows.extend(listing.quiet());
        let all: Vec<u8> = rows.iter().flat_map(|row| row.bytes.clone()).collect();
        assert_eq!(all, stream, "{rows:#?}");
        assert_eq!(rows.iter().filter(|row| row.meaning.is_ok()).count(), 2, "{rows:#?}");
    }
}
