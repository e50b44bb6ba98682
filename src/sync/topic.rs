//! MQTT topics: `skinlink/1/{store}/{gateway}/{lane}…`. Nothing personal ever stands in a topic.

use std::fmt;

/// First two levels of every topic; the number grows only with an incompatible wire.
pub const ROOT: &str = "skinlink/1";

/// A name that may stand as one topic level: `a-z`, `0-9`, `-`, at most 60 characters.
#[must_use]
pub fn is_name(text: &str) -> bool {
    (1..=60).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Whose topics: `{gateway}` is the certificate's common name and the MQTT client id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    pub store: String,
    pub gateway: String,
}

/// What a topic carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lane {
    /// Up: batches of events.
    Events,
    /// Up: who is there and how far, on every connect.
    Hello,
    /// Up, retained, last will: `online` or `offline`.
    Status,
    /// Up, retained: version, devices, models.
    About,
    /// Up: announces a picture. `blobs/{capture}/offer`
    Offer { capture: String },
    /// Up: one slice of a picture, bytes as they are. `blobs/{capture}/{index}`
    Chunk { capture: String, index: u32 },
    /// Down: everything HQ answers ([`super::reply::Reply`]).
    Ack,
}

impl Address {
    #[must_use]
    pub fn topic(&self, lane: &Lane) -> String {
        format!("{ROOT}/{}/{}/{lane}", self.store, self.gateway)
    }

    /// Reads a topic back; `None` for any that no gateway of this version sends.
    #[must_use]
    pub fn parse(topic: &str) -> Option<(Self, Lane)> {
        let mut levels = topic.strip_prefix(ROOT)?.strip_prefix('/')?.split('/');
        let (store, gateway) = (levels.next()?, levels.next()?);
        if !is_name(store) || !is_name(gateway) {
            return None;
        }
        let lane = match (levels.next()?, levels.next(), levels.next(), levels.next()) {
            ("events", None, None, None) => Lane::Events,
            ("hello", None, None, None) => Lane::Hello,
            ("status", None, None, None) => Lane::Status,
            ("about", None, None, None) => Lane::About,
            ("ack", None, None, None) => Lane::Ack,
            ("blobs", Some(capture), Some("offer"), None) => Lane::Offer { capture: capture.to_owned() },
            ("blobs", Some(capture), Some(index), None) => {
                Lane::Chunk { capture: capture.to_owned(), index: index.parse().ok()? }
            }
            _ => return None,
        };
        Some((Self { store: store.to_owned(), gateway: gateway.to_owned() }, lane))
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Events => f.write_str("events"),
            Self::Hello => f.write_str("hello"),
            Self::Status => f.write_str("status"),
            Self::About => f.write_str("about"),
            Self::Offer { capture } => write!(f, "blobs/{capture}/offer"),
            Self::Chunk { capture, index } => write!(f, "blobs/{capture}/{index}"),
            Self::Ack => f.write_str("ack"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lane_reads_back() {
        let address = Address { store: "sh-001".into(), gateway: "sh-001-g1".into() };
        let capture = "01919d3e-7c00-7abc-8def-0123456789ab".to_owned();
        for lane in [
            Lane::Events,
            Lane::Hello,
            Lane::Status,
            Lane::About,
            Lane::Ack,
            Lane::Offer { capture: capture.clone() },
            Lane::Chunk { capture, index: 41 },
        ] {
            assert_eq!(Address::parse(&address.topic(&lane)), Some((address.clone(), lane)));
        }
    }

    #[test]
    fn foreign_topics_are_none_of_ours() {
        for topic in [
            "",
            "skinlink",
            "skinlink/1/a/b",
            "skinlink/2/a/b/events",
            "skinlink/1/A/b/events",
            "skinlink/1/a/b/events/x",
        ] {
            assert_eq!(Address::parse(topic), None, "{topic}");
        }
    }
}
