//! What one frame says, item by item in wire order: the same words in decoded output, in vectors and in the documentation.

use super::field::Status;
use crate::domain::{Quantity, Region, metric::MetricId, reading::QualityFlag, word::words};
use std::{fmt, sync::Arc};

words! {
    /// What a field means to the conversation, where it is no measured value.
    pub enum Role as "role" {
        /// The device's own running number of its measurements: an independent ledger.
        Counter = "counter",
        /// Milliseconds since the device was switched on.
        DeviceTime = "device_time_ms",
        /// Chosen by the gateway per request and repeated in the answer; 0 where the device began by itself.
        Request = "request",
        /// One of the `[codes]` tables, naming regions.
        Region = "region",
        /// Quality flags by bit.
        Flags = "flags",
        /// One of the `[codes]` tables, saying how values are to be taken.
        Status = "status",
        /// Bits that say which of the fields behind are there.
        Presence = "presence",
        /// How often the group behind stands there.
        Count = "count",
        /// How the device is set; shown, never used.
        Mode = "mode",
        /// A code of the `[[error]]` table.
        Error = "error",
        Serial = "serial",
        Probe = "probe",
        Firmware = "firmware",
        Battery = "battery_percent",
        /// Seconds since 1970-01-01 UTC, from the gateway.
        Clock = "clock_unix_s",
        /// Size of a picture in bytes.
        PictureBytes = "picture_bytes",
        /// Bytes in every chunk but the last.
        ChunkBytes = "chunk_bytes",
        PictureCheck = "picture_check",
        /// Index of a chunk, from 0; in a request the first one wanted.
        Chunk = "chunk",
        /// How many chunks are wanted.
        Chunks = "chunks",
        /// Bytes of a chunk.
        Data = "data",
        /// Bytes nobody has explained yet; kept, shown, never used.
        Unknown = "unknown",
    }
}

/// Why there is no number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoValue {
    /// The device says that it has none.
    Absent,
    UnderRange,
    OverRange,
    /// The device refused, with its own code.
    DeviceError {
        code: String,
    },
    /// No answer after all retries.
    NoReply,
    /// Something came after the question, and nothing of it was an answer that the file knows.
    NotUnderstood,
    /// The device has no such metric, or no code for this region.
    NotMeasuredHere,
    /// The gateway gave the request up.
    Cancelled,
}

impl NoValue {
    /// The word used in vectors and logs.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Absent => "absent",
            Self::UnderRange => "under_range",
            Self::OverRange => "over_range",
            Self::DeviceError { .. } => "device_error",
            Self::NoReply => "no_reply",
            Self::NotUnderstood => "not_understood",
            Self::NotMeasuredHere => "not_measured_here",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for NoValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceError { code } => write!(f, "device_error {code}"),
            other => f.write_str(other.as_str()),
        }
    }
}

/// One item of a decoded frame, and what an encoder takes.
#[derive(Debug, Clone, PartialEq)]
pub enum Item {
    /// A measured value with its precision, or why there is none.
    Value {
        metric: MetricId,
        unit: Arc<str>,
        region: Option<Region>,
        value: Result<Quantity, NoValue>,
    },
    Number {
        role: Role,
        value: u64,
    },
    Text {
        role: Role,
        text: String,
    },
    Bytes {
        role: Role,
        bytes: Vec<u8>,
    },
    Region(Region),
    Status(Status),
    /// Flags that are set, in the file's order of bits.
    Flags(Vec<QualityFlag>),
    /// A stretch of an array that several frames bring together.
    Array {
        name: String,
        first: usize,
        values: Vec<f32>,
    },
}

impl Item {
    /// The item as the words of a vector: `[("metric", "moisture"), ("value", "35.2"), ("unit", "%")]`.
    #[must_use]
    pub fn words(&self) -> Vec<(String, String)> {
        let one = |key: &str, value: String| vec![(key.to_owned(), value)];
        match self {
            Self::Value { metric, unit, region, value } => {
                let text = value.as_ref().map_or_else(ToString::to_string, ToString::to_string);
                let mut words = one("metric", metric.to_string());
                words.extend(one("value", text));
                words.extend((!unit.is_empty()).then(|| ("unit".to_owned(), unit.to_string())));
                words.extend(region.map(|region| ("region".to_owned(), region.to_string())));
                words
            }
            Self::Number { role, value } => one(role.as_str(), value.to_string()),
            Self::Text { role, text } => one(role.as_str(), text.clone()),
            Self::Bytes { role, bytes } => one(role.as_str(), hex_words(bytes)),
            Self::Region(region) => one("region", region.to_string()),
            Self::Status(status) => one("status", status.to_string()),
            Self::Flags(flags) => one("flags", flags.iter().map(|flag| flag.as_str()).collect::<Vec<_>>().join(" ")),
            Self::Array { name, first, values } => {
                let mut words = one("array", name.clone());
                words.extend(one("first", first.to_string()));
                words.extend(one("values", values.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")));
                words
            }
        }
    }
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.words().iter().map(|(key, value)| format!("{key} {value}")).collect();
        f.write_str(&words.join(" "))
    }
}

/// A frame's message and items.
#[derive(Debug, Clone, PartialEq)]
pub struct Decoded {
    /// Name of the message or command in the file.
    pub name: String,
    pub items: Vec<Item>,
}

impl Decoded {
    #[must_use]
    pub fn number(&self, wanted: Role) -> Option<u64> {
        self.items.iter().find_map(|item| match item {
            Item::Number { role, value } if *role == wanted => Some(*value),
            _ => None,
        })
    }
    #[must_use]
    pub fn text(&self, wanted: Role) -> Option<&str> {
        self.items.iter().find_map(|item| match item {
            Item::Text { role, text } if *role == wanted => Some(text.as_str()),
            _ => None,
        })
    }
    #[must_use]
    pub fn bytes(&self, wanted: Role) -> Option<&[u8]> {
        self.items.iter().find_map(|item| match item {
            Item::Bytes { role, bytes } if *role == wanted => Some(bytes.as_slice()),
            _ => None,
        })
    }
    #[must_use]
    pub fn region(&self) -> Option<Region> {
        self.items.iter().find_map(|item| match item {
            Item::Region(region) => Some(*region),
            _ => None,
        })
    }
    #[must_use]
    pub fn flags(&self) -> Vec<QualityFlag> {
        let mut all = Vec::new();
        for item in &self.items {
            match item {
                Item::Flags(flags) => all.extend(flags),
                Item::Status(Status::WeakContact) => all.push(QualityFlag::WeakContact),
                _ => {}
            }
        }
        all
    }
}

/// `"A5 5A 00"`.
#[must_use]
pub fn hex_words(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(" ")
}
