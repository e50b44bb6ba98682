//! What passes on a line, for people: the time, who spoke, the bytes in hex, and right of them what they say. Fits the
//! terminal at any width from 40 columns on; colours only where someone sees them.

use crate::protocol::{
    Event,
    listing::{Row, Side, said},
};
use std::{io::IsTerminal, time::Duration};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Of a reader that tells no width: a file, a pipe.
const UNKNOWN_WIDTH: usize = 120;

/// Time and sign: `  12.345 < `.
const MARGIN: usize = 11;

/// How lines are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    width: usize,
    colours: bool,
}

impl Layout {
    /// As the terminal is now; a window may be resized at any time.
    #[must_use]
    pub fn of_terminal() -> Self {
        let stdout = std::io::stdout();
        let seen = stdout.is_terminal();
        let width =
            if seen { terminal_size::terminal_size_of(&stdout).map(|(width, _)| usize::from(width.0)) } else { None };
        let colours = seen && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        Self::new(width.unwrap_or(UNKNOWN_WIDTH), colours)
    }

    #[must_use]
    pub fn new(width: usize, colours: bool) -> Self {
        Self { width: width.max(40), colours }
    }

    /// Columns there are.
    #[must_use]
    pub const fn width(self) -> usize {
        self.width
    }

    /// Bytes a line: a multiple of four, so that bytes are found by counting.
    const fn bytes(self) -> usize {
        match self.width {
            ..64 => 4,
            64..112 => 8,
            _ => 16,
        }
    }

    /// A frame with what it says, or with what is wrong with it.
    #[must_use]
    pub fn row(self, at: Duration, side: Side, row: &Row) -> String {
        let (right, colour) = match (&row.meaning, side) {
            (Ok(decoded), Side::Device) => (said(decoded), "32"),
            (Ok(decoded), Side::Gateway) => (said(decoded), "2"),
            (Err(fault), _) => (format!("✗ {fault}"), "31"),
        };
        self.columns(at, side, &row.bytes, &right, colour)
    }

    /// The same frame of the device once more.
    #[must_use]
    pub fn again(self, at: Duration) -> String {
        let text = "the same once more: a value comes until it is acknowledged (--acknowledge)";
        self.columns(at, Side::Device, &[], text, "2")
    }

    /// Bytes of which nothing is known, with those that can be printed right of them.
    #[must_use]
    pub fn raw(self, at: Duration, side: Side, bytes: &[u8]) -> String {
        let printed = bytes.chunks(self.bytes()).map(|chunk| {
            let shown = chunk.iter().map(|byte| if (0x20..0x7F).contains(byte) { char::from(*byte) } else { '·' });
            shown.collect::<String>()
        });
        // Kept line by line beside their bytes: wrapped by its own words it would drift.
        let printed: Vec<String> = printed.collect();
        self.lay(at, side, bytes, &printed, "0")
    }

    /// What the gateway makes of it; `None` where the rows have said it already.
    #[must_use]
    pub fn event(self, at: Duration, event: &Event) -> Option<String> {
        let text = match event {
            Event::Identified(who) => {
                let told = [("serial", &who.serial), ("probe", &who.probe), ("firmware", &who.firmware)];
                let told = told.iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| format!("{key} {text}"));
                let told: Vec<String> = told.collect();
                if told.is_empty() { return None } else { format!("= this is {}", told.join(", ")) }
            }
            Event::Measured(measured) => {
                let values =
                    measured.values.iter().map(|value| format!("{} {} {}", value.metric, value.value, value.unit));
                let flags: Vec<&str> = measured.flags.iter().map(|flag| flag.as_str()).collect();
                let flags = if flags.is_empty() { String::new() } else { format!(" ({})", flags.join(", ")) };
                format!(
                    "= measured {}{flags}",
                    values.map(|text| text.trim_end().to_owned()).collect::<Vec<_>>().join(", ")
                )
            }
            Event::Refused { reason, advice, .. } => format!("= no value ({reason}): {} {}", advice.zh, advice.en),
            Event::Battery(percent) => format!("= battery {percent} %"),
            Event::Silent => "= the device does not answer; it is asked again 设备没有应答".to_owned(),
            Event::Picture { bytes, .. } => format!("= a picture of {} bytes", bytes.len()),
            Event::Busy { .. } => "= it is measuring already".to_owned(),
            Event::BadFrame(_) => return None,
        };
        Some(self.note(at, &text))
    }

    /// A line over the whole width, with the time.
    #[must_use]
    pub fn note(self, at: Duration, text: &str) -> String {
        let lines = wrap(text, self.width - MARGIN);
        let first = format!("{:8.3}   ", at.as_secs_f64());
        let lines = lines.iter().enumerate().map(|(line, text)| {
            let margin = if line == 0 { first.clone() } else { " ".repeat(MARGIN) };
            format!("{margin}{}", self.coloured(text, "36"))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn columns(self, at: Duration, side: Side, bytes: &[u8], right: &str, colour: &str) -> String {
        let hex = 3 * self.bytes() - 1;
        self.lay(at, side, bytes, &wrap(right, self.width - MARGIN - hex - 2), colour)
    }

    fn lay(self, at: Duration, side: Side, bytes: &[u8], right: &[String], colour: &str) -> String {
        let hex_width = 3 * self.bytes() - 1;
        let hex: Vec<String> = bytes.chunks(self.bytes()).map(crate::protocol::item::hex_words).collect();
        let sign = if side == Side::Device { '<' } else { '>' };
        let lines = (0..hex.len().max(right.len()).max(1)).map(|line| {
            let margin = if line == 0 { format!("{:8.3} {sign} ", at.as_secs_f64()) } else { " ".repeat(MARGIN) };
            let hex = hex.get(line).map_or("", String::as_str);
            let right = right.get(line).map_or(String::new(), |text| self.coloured(text, colour));
            format!("{margin}{hex:hex_width$}  {right}").trim_end().to_owned()
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    fn coloured(self, text: &str, colour: &str) -> String {
        if self.colours && colour != "0" { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Lines of at most `width` columns, broken at spaces where there are any; Chinese characters take two columns.
#[must_use]
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for word in text.split_inclusive(' ') {
        if line.width() + word.trim_end().width() > width && !line.is_empty() {
            lines.push(std::mem::take(&mut line).trim_end().to_owned());
        }
        for character in word.chars() {
            if line.width() + character.width().unwrap_or(0) > width && character != ' ' {
                lines.push(std::mem::take(&mut line));
            }
            line.push(character);
        }
    }
    if !line.trim_end().is_empty() || lines.is_empty() {
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Spec;
    use std::sync::Arc;

    fn rows() -> Vec<Row> {
        let text = include_str!("../../firmware-protocols/derma-reference/protocol.toml");
        let spec = Arc::new(Spec::parse("derma-reference", text).unwrap_or_else(|faults| panic!("{faults}")));
        let identity = [
            ("SN-0417", crate::protocol::Role::Serial),
            ("P-22", crate::protocol::Role::Probe),
            ("1.4.2", crate::protocol::Role::Firmware),
        ];
        let items = identity.map(|(text, role)| crate::protocol::Item::Text { role, text: text.to_owned() });
        let mut frame = spec.encode_message("identity", &items).unwrap();
        frame.extend(spec.encode_message("clock-set", &[]).unwrap());
        frame[5] ^= 1;
        let mut listing = crate::protocol::listing::Listing::new(spec, Side::Device);
        let mut rows = listing.feed(&frame);
        rows.extend(listing.quiet());
        rows
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_no_byte_is_left_out() {
        for width in [40, 63, 64, 80, 111, 112, 120, 200] {
            let layout = Layout::new(width, false);
            let mut bytes = String::new();
            for row in rows() {
                let text = layout.row(Duration::from_millis(12_345), Side::Device, &row);
                for line in text.lines() {
                    assert!(line.width() <= width, "{width}: {line:?} has {}", line.width());
                    bytes.push_str(
                        line.get(MARGIN..(MARGIN + 3 * layout.bytes() - 1).min(line.len())).unwrap_or_default(),
                    );
                    bytes.push(' ');
                }
            }
            let bytes: Vec<&str> = bytes.split_whitespace().collect();
            assert_eq!(bytes.len(), 36 + 8, "{width}: {bytes:?}");
        }
    }

    #[test]
    fn long_words_and_chinese_are_broken_at_the_edge() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap("设备没有应答", 5), ["设备", "没有", "应答"]);
        assert_eq!(wrap("abcdefgh", 3), ["abc", "def", "gh"]);
        assert_eq!(wrap("", 9), [""]);
    }
}
