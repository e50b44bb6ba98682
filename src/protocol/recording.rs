//! A recording of a device, on a line or in the air: what passed, when and from which side. A text file that can be read, cut and mailed.
//!
//! ```text
//! # skinlink recording 1
//! # protocol: moist-line 1.0.0
//! # baud: 9600
//! # port: /dev/ttyUSB0
//! # began: 2026-03-02T10:00:00Z
//! 0.000000 > 3F 0D                  # measure
//! 0.012345 < 4D 2C 30 30 34 32      # bytes as they came, cut anywhere
//! ```
//! In the air a piece is one notification, the rate is 0 and the port an address.
//! Seconds since it began · `<` from the device, `>` from the gateway · bytes in hex. What follows a `#` is for people.

use super::{
    item::hex_words,
    listing::{Listing, Row, Side},
    spec::Spec,
    vector::hex_bytes,
};
use std::{fmt, sync::Arc, time::Duration};

/// What the first line says; a file that says otherwise is no recording, or a newer one.
const TITLE: &str = "# skinlink recording 1";

/// Where and with what it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Head {
    /// Id and version of the protocol file; empty where none was known.
    pub protocol: String,
    pub baud: u32,
    pub port: String,
    /// RFC 3339, UTC.
    pub began: String,
}

/// Bytes that came together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Since the recording began.
    pub at: Duration,
    pub from: Side,
    pub bytes: Vec<u8>,
}

/// A whole recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recording {
    pub head: Head,
    pub pieces: Vec<Piece>,
}

/// Why a file is no recording.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotARecording {
    #[error("does not begin with {TITLE:?}; record with `skinlink devices record`")]
    Title,
    #[error("line {line}: {problem}; a line is: seconds, < or >, bytes in hex")]
    Line { line: usize, problem: String },
}

impl Head {
    /// The id without the version; `None` where none was known.
    #[must_use]
    pub fn protocol_id(&self) -> Option<&str> {
        self.protocol.split_whitespace().next()
    }
}

/// The lines before the first piece.
impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { protocol, baud, port, began } = self;
        writeln!(f, "{TITLE}\n# protocol: {protocol}\n# baud: {baud}\n# port: {port}\n# began: {began}")
    }
}

impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, from, bytes } = self;
        let sign = if *from == Side::Device { '<' } else { '>' };
        write!(f, "{}.{:06} {sign} {}", at.as_secs(), at.subsec_micros(), hex_words(bytes))
    }
}

impl Recording {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`NotARecording`], with its line.
    pub fn parse(text: &str) -> Result<Self, NotARecording> {
        if text.lines().next().map(str::trim_end) != Some(TITLE) {
            return Err(NotARecording::Title);
        }
        let mut recording = Self::default();
        for (at, line) in text.lines().enumerate() {
            match line.trim().strip_prefix('#') {
                Some(note) => recording.head.note(note),
                None if line.trim().is_empty() => {}
                None => {
                    let piece = piece(line).map_err(|problem| NotARecording::Line { line: at + 1, problem })?;
                    recording.pieces.push(piece);
                }
            }
        }
        Ok(recording)
    }
}

impl Recording {
    /// Each frame with what it says by `spec`, cut as the session would have cut it: when it was over, who spoke. Gives back
    /// what had begun and had not ended.
    #[must_use]
    pub fn rows(&self, spec: &Arc<Spec>, mut told: impl FnMut(Duration, Side, Row)) -> Vec<Row> {
        let [mut device, mut gateway] = [Side::Device, Side::Gateway].map(|side| Listing::new(Arc::clone(spec), side));
        let mut before = Duration::ZERO;
        for piece in &self.pieces {
            if piece.at.saturating_sub(before) >= spec.framing.gap && !spec.framing.is_text() {
                device.quiet().into_iter().for_each(|row| told(before, Side::Device, row));
            }
            before = piece.at;
            let listing = if piece.from == Side::Device { &mut device } else { &mut gateway };
            for row in listing.feed(&piece.bytes) {
                if let (Side::Gateway, Ok(command)) = (piece.from, &row.meaning) {
                    device.asked(&command.name);
                }
                told(piece.at, piece.from, row);
            }
        }
        device.quiet()
    }
}

impl Head {
    fn note(&mut self, note: &str) {
        let Some((key, value)) = note.split_once(": ") else { return };
        let value = value.trim().to_owned();
        match key.trim() {
            "protocol" => self.protocol = value,
            "baud" => self.baud = value.parse().unwrap_or(0),
            "port" => self.port = value,
            "began" => self.began = value,
            _ => {}
        }
    }
}

fn piece(line: &str) -> Result<Piece, String> {
    let mut words = line.trim().splitn(3, ' ');
    let (seconds, sign, bytes) = (words.next().unwrap_or_default(), words.next(), words.next().unwrap_or_default());
    let at: f64 = seconds.parse().map_err(|_| format!("{seconds:?} is no number of seconds"))?;
    let at = Duration::try_from_secs_f64(at).map_err(|_| format!("{seconds:?} is no time since the beginning"))?;
    let from = match sign {
        Some("<") => Side::Device,
        Some(">") => Side::Gateway,
        _ => return Err("says neither < nor >".to_owned()),
    };
    let bytes = hex_bytes(bytes)?;
    if bytes.is_empty() { Err("has no bytes".to_owned()) } else { Ok(Piece { at, from, bytes }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let head = Head {
            protocol: "moist-line 1.0.0".to_owned(),
            baud: 9600,
            port: "/dev/ttyUSB0".to_owned(),
            began: "2026-03-02T10:00:00Z".to_owned(),
        };
        let pieces = vec![
            Piece { at: Duration::ZERO, from: Side::Gateway, bytes: b"?\r".to_vec() },
            Piece { at: Duration::from_micros(1_012_345), from: Side::Device, bytes: (0..=255).collect() },
        ];
        let text = format!("{head}\n{}  # measure\n{}\n", pieces[0], pieces[1]);
        let read = Recording::parse(&text).unwrap();
        assert_eq!(read.head.protocol_id(), Some("moist-line"));
        assert_eq!(read, Recording { head, pieces });
    }

    #[test]
    fn what_is_none_is_refused_with_its_line() {
        assert_eq!(Recording::parse("M,0042"), Err(NotARecording::Title));
        for wrong in ["x < 00", "-1 < 00", "NaN < 00", "1.0 = 00", "1.0 <", "1.0 < 0", "1.0 < zz", "1.0", "1e300 < 00"]
        {
            let answer = Recording::parse(&format!("{TITLE}\n{wrong}\n"));
            assert!(matches!(answer, Err(NotARecording::Line { line: 2, .. })), "{wrong}: {answer:?}");
        }
    }
}
