//! Answers as a commented protocol file and its notes.

use std::fmt::Write;

/// What was answered; empty where it does not apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Draft {
    pub id: String,
    pub title_zh: String,
    pub title_en: String,
    pub source: String,
    pub baud: String,
    pub usb: String,
    pub framing: String,
    pub start: String,
    pub length: String,
    pub frame_bytes: String,
    pub end: String,
    pub separator: String,
    pub checksum: String,
    pub matches: String,
    pub metric: String,
    pub width: String,
    pub scale: String,
    pub unit: String,
    pub command: String,
}

/// Text in quotes, with `\r` and `\n` as they were typed.
fn quoted(text: &str) -> String {
    let text = text.replace("\\r", "\r").replace("\\n", "\n").replace("\\t", "\t");
    format!("{text:?}")
}

/// Where comments behind keys begin.
const COMMENTS: usize = 37;

/// The line with its comment in the column of comments, as far as there is room.
fn aligned(line: &str) -> String {
    match line.split_once("   # ") {
        // Not inside a text in quotes.
        Some((code, comment)) if !line.starts_with('#') && code.matches('"').count() % 2 == 0 => {
            let code = format!("{} ", code.trim_end());
            format!("{code:COMMENTS$}# {}\n", comment.trim_start())
        }
        _ => format!("{line}\n"),
    }
}

impl Draft {
    fn is_text(&self) -> bool {
        self.framing == "delimited"
    }

    /// `protocol.toml`.
    pub(super) fn file(&self) -> String {
        let mut file = String::new();
        self.head(&mut file);
        self.frames(&mut file);
        self.messages(&mut file);
        self.flow(&mut file);
        self.tail(&mut file);
        file.lines().map(aligned).collect()
    }

    fn head(&self, file: &mut String) {
        let Self { id, title_zh, title_en, source, baud, usb, .. } = self;
        let usb = if usb.is_empty() {
            "# usb  = [\"1A86:7523\"]              # by which it is recognised; see lsusb".to_owned()
        } else {
            format!("usb  = [{usb:?}]")
        };
        let _ = write!(
            file,
            "\
#:schema ../../docs/contracts/protocol-file.schema.json
# How the {title_en} talks. Every key: docs/contracts/protocol-file.md
schema  = 1
id      = {id:?}                     # same as the folder
version = \"0.1.0\"                  # grows when a value would come out differently
title   = {{ zh = {title_zh:?}, en = {title_en:?} }}
source  = {source:?}

[transport.serial]
baud = {baud}
# data_bits = 8                      # 7 or 8
# parity = \"none\"                    # none, even, odd
# stop_bits = 1                      # 1 or 2
{usb}
"
        );
    }

    fn frames(&self, file: &mut String) {
        let _ = write!(file, "\n# --- how a frame lies on the wire\n\n[framing]\nkind = {:?}\n", self.framing);
        if self.is_text() {
            let _ = writeln!(file, "end = {}", quoted(&self.end));
            if !self.separator.is_empty() {
                let _ = writeln!(file, "separator = {}                   # between columns", quoted(&self.separator));
            }
        } else if matches!(self.framing.as_str(), "cobs" | "slip") {
            let _ = writeln!(file, "max_payload = 64");
        } else if self.framing == "silence" {
            let _ = writeln!(file, "max_payload = 64                     # where a message has no fixed length");
            let _ = writeln!(file, "# gap_ms = 300                      # a frame that pauses longer is given up");
        } else if self.framing == "escaped" {
            let _ = writeln!(file, "start = {:?}\nend = {:?}", self.start, self.end);
            let _ = writeln!(file, "escape = \"7D\"                      # before a byte that would be a mark");
            let _ =
                writeln!(file, "xor = \"20\"                         # what that byte is changed by\nmax_payload = 64");
            let _ = writeln!(file, "# also_escaped = \"11 13\"            # others that are escaped too");
        } else {
            let _ = writeln!(file, "start = {:?}                       # frames are found again by it", self.start);
            if self.framing == "start-length-end" {
                let _ = writeln!(
                    file,
                    "length = {:?}                      # counts the payload bytes\nmax_payload = 64",
                    self.length
                );
            } else {
                let _ = writeln!(file, "frame_bytes = {}                   # the whole frame", self.frame_bytes);
            }
            if !self.end.is_empty() {
                let _ = writeln!(file, "end = {:?}", self.end);
            }
        }
        self.checksum(file);
    }

    /// A checksum of the frame; its name is to be compared with the manual by what `123456789` gives.
    fn checksum(&self, file: &mut String) {
        let wide = !matches!(self.checksum.as_str(), "sum8" | "xor8" | "lrc");
        let order = if wide { ", order = \"be\"" } else { "" };
        let hex = if self.is_text() { ", hex_after = \"*\"" } else { "" };
        let covers = if self.framing == "start-length-end" { "length..payload" } else { "payload" };
        let line = |name: &str| format!("checksum = {{ algorithm = {name:?}, covers = {covers:?}{order}{hex} }}");
        let _ = match self.checksum.as_str() {
            "" | "none" => writeln!(file, "# {}", line("xor8").replace(order, "")),
            name => writeln!(
                file,
                "# by its standard name: `skinlink protocol show` prints what 123456789 gives\n{}",
                line(name)
            ),
        };
    }

    fn messages(&self, file: &mut String) {
        let Self { matches, metric, width, scale, unit, .. } = self;
        let scale = if self.is_text() || scale == "1" { String::new() } else { format!(", scale = {scale}") };
        let unit = if unit.is_empty() { String::new() } else { format!(", unit = {unit:?}") };
        let float = if width.starts_with("f32") { ", decimals = 1" } else { "" };
        let absent = if self.is_text() { "absent = \"---\"" } else { "absent = 0xFFFF" };
        let begins = match matches.is_empty() {
            true => "# match = \"…\"                       # it begins with nothing of its own".to_owned(),
            false => format!("match = {matches:?}                       # how its payload begins"),
        };
        let _ = write!(
            file,
            "
# --- what the device says: a table for each message, fields in wire order

[[message]]
name  = \"value\"
{begins}
field = [
  # {{ skip = 2 }},                    # bytes (or columns) that mean nothing
  # {{ role = \"counter\", width = \"{}\" }},    # the device's own running number
  # add {absent} where a code means: no value
  {{ metric = {metric:?}, width = {width:?}{scale}{unit}{float} }},
]
",
            if self.is_text() { "digits" } else { "u16be" },
        );
    }

    fn flow(&self, file: &mut String) {
        let Self { command, metric, .. } = self;
        let _ = match command.is_empty() {
            true => writeln!(
                file,
                "
# --- what the gateway says. Without commands the device measures by its own button.

# [[command]]
# name  = \"measure\"
# match = \"\"
#
# [[flow.measure]]
# metrics = [{metric:?}]
# steps = [{{ send = \"measure\", reply = \"value\", timeout_ms = 3000, retries = 1 }}]"
            ),
            false => writeln!(
                file,
                "
# --- what the gateway says

[[command]]
name  = \"measure\"
match = {command:?}

# --- conversations: send, reply, how long it may take, how often again

# [flow]                             # where it can say who it is
# identify = [{{ send = \"identify\", reply = \"identity\", timeout_ms = 500, retries = 3 }}]

[[flow.measure]]
metrics = [{metric:?}]
steps = [{{ send = \"measure\", reply = \"value\", timeout_ms = 3000, retries = 1 }}]"
            ),
        };
    }

    fn tail(&self, file: &mut String) {
        let _ = write!(
            file,
            "
# --- what it measures. Without repeatability values are shown, and verdicts refused.

[[metric]]
id = {:?}
# repeatability = {{ repeat_sd = 0.0, placement_sd = 0.0, degrees_of_freedom = 60, source = \"30 double measurements on …\" }}
",
            self.metric
        );
    }

    /// `NOTES.md`.
    pub(super) fn notes(&self) -> String {
        let Self { id, title_zh, title_en, source, .. } = self;
        format!(
            "# {id}\n\n{title_zh} · {title_en}\n\n## Learnt from\n\n- {source}\n\n## Unsure\n\n- Nothing has been compared with a real device yet.\n"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Spec;

    fn draft(framing: &str, checksum: &str, command: &str) -> Draft {
        let text = framing == "delimited";
        let of = |text: &str| text.to_owned();
        Draft {
            id: of("new-pen"),
            title_zh: of("新\"笔\""),
            title_en: of("New \\ pen"),
            source: of("manual, page 3"),
            baud: of("9600"),
            usb: of(if text { "" } else { "1a86:7523" }),
            framing: of(framing),
            start: of("AA 55"),
            length: of("u8"),
            frame_bytes: of("16"),
            end: of(if text { "\\r\\n" } else { "" }),
            separator: of(if text { "," } else { "" }),
            checksum: of(checksum),
            matches: of(if text { "M" } else { "01" }),
            metric: of("moisture"),
            width: of(if text { "decimal" } else { "u16be" }),
            scale: of("0.1"),
            unit: of("%"),
            command: of(command),
        }
    }

    /// Whatever is answered, the file loads.
    #[test]
    fn every_kind_of_answer_makes_a_sound_file() {
        for framing in ["delimited", "start-length-end", "fixed-length"] {
            for checksum in ["none", "xor8", "CRC-16/MODBUS"] {
                for command in ["", "81"] {
                    let file = draft(framing, checksum, command).file();
                    let read = Spec::parse("new-pen", &file);
                    let spec =
                        read.unwrap_or_else(|faults| panic!("{framing} {checksum}\n{}\n{file}", faults.with_lines()));
                    assert_eq!((spec.title.zh.as_str(), spec.title.en.as_str()), ("新\"笔\"", "New \\ pen"));
                    assert_eq!(spec.framing.checksum.is_some(), checksum != "none");
                }
            }
        }
    }
}
