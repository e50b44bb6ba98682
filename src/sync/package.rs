//! Packages: what headquarters rolls out to its stores (a model, the rules of suggestions, settings), signed by somebody who holds
//! the chain's key. Pure: the file, its signature, what a gateway takes and what it refuses; nothing is fetched or written here.
//!
//! A package is one file: a line that says which format, the header as one line of JSON, the signature as one line, and then
//! the files one after another, as long as the header says. The Ed25519 signature covers the first two lines to the byte, and the
//! header names each file's SHA-256, so that it covers all. Headquarters passes packages on and holds no key: whoever breaks into
//! it, or into the broker, can hold a package back or take one back, but not make one.

mod holdings;
mod signed;

pub use holdings::{Holdings, InUse, Refusal, Took};
pub use signed::{PackageError, PublicKey, SigningKey, read, read_again, sign};

use crate::domain::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Word among a gateway's `downlinks`: it knows what to do with [`super::reply::Reply::Wanted`].
pub const PACKAGES: &str = "packages";

/// Bytes of a package in one slice; as base64 and with what stands around it, it stays below what a publish may have.
pub const SLICE: usize = 45_000;

/// Bytes of a whole package: a model of some ten megabytes with its golden pictures, and room.
pub const LARGEST: u64 = 64 * 1024 * 1024;

/// What a package is for; a gateway uses one package of each slot at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub enum Slot {
    /// A model's folder (`manifest.toml`, `model.onnx`, `golden/…`), by the id of its manifest: `model/pores-dog`.
    Model(String),
    /// `suggestions.toml`: what to suggest after a scan.
    Suggestions,
    /// `treatments.toml`: the salon's treatments and their steps.
    Treatments,
    /// `settings.toml`: keys of the gateway's configuration that headquarters may set.
    Settings,
}

/// The one file of a package of rules or settings.
pub const SUGGESTIONS: &str = "suggestions.toml";
pub const TREATMENTS: &str = "treatments.toml";
pub const SETTINGS: &str = "settings.toml";

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model(id) => write!(f, "model/{id}"),
            Self::Suggestions => f.write_str("suggestions"),
            Self::Treatments => f.write_str("treatments"),
            Self::Settings => f.write_str("settings"),
        }
    }
}

impl Slot {
    /// The one file of rules or settings; `None` for a model, which has a folder.
    #[must_use]
    pub const fn file(&self) -> Option<&'static str> {
        match self {
            Self::Model(_) => None,
            Self::Suggestions => Some(SUGGESTIONS),
            Self::Treatments => Some(TREATMENTS),
            Self::Settings => Some(SETTINGS),
        }
    }
}

impl TryFrom<String> for Slot {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "suggestions" => Ok(Self::Suggestions),
            "treatments" => Ok(Self::Treatments),
            "settings" => Ok(Self::Settings),
            other => match other.strip_prefix("model/") {
                Some(id) if super::topic::is_name(id) => Ok(Self::Model(id.to_owned())),
                _ => Err(format!(
                    "{:?} is no slot; there are model/<id>, suggestions, treatments and settings",
                    other.chars().take(80).collect::<String>()
                )),
            },
        }
    }
}

impl From<Slot> for String {
    fn from(slot: Slot) -> Self {
        slot.to_string()
    }
}

/// What stands before the contents, and is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Header {
    /// Whose stores it is for: the same word as in the gateways' `[packages] chain`. A package of another chain is refused.
    pub chain: String,
    pub slot: Slot,
    /// From 1, higher with each package of a slot: what is not newer than what a gateway uses is refused.
    pub version: u64,
    /// When it was signed; RFC 3339, UTC.
    pub made: String,
    /// No gateway begins to use it afterwards; absent: no end. What is in use stays in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// For whoever looks at a rollout: what is new in it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// In the order in which their bytes follow.
    pub files: Vec<File>,
}

impl Header {
    /// Whether no gateway begins to use it any more.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.until.as_ref().and_then(|until| until.parse::<Timestamp>().ok()).is_some_and(|until| until < now)
    }
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Relative, `/` between its parts, of letters, digits, `.`, `_` and `-`; no part begins with a dot.
    pub path: String,
    pub bytes: u64,
    /// 64 hex digits.
    pub sha256: String,
}

/// A package that a gateway shall use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    pub slot: Slot,
    pub version: u64,
    /// Of the whole file; 64 hex digits. What is fetched is named by it.
    pub sha256: String,
    pub bytes: u64,
}

/// Versions of a slot that no gateway may use any more. One that does goes back to the newest one that it still holds and that
/// is not among them, or to what it was installed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Withdrawn {
    pub slot: Slot,
    pub versions: Vec<u64>,
}

/// What became of a package in a gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stand {
    /// Fetched and found sound; used as soon as nothing is under way that it would disturb.
    Held,
    /// In use.
    Used,
    /// Not taken, with the reason; what was used before goes on.
    Refused,
    /// Was in use, and is not any more, since it was withdrawn.
    Left,
}

impl Stand {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Used => "used",
            Self::Refused => "refused",
            Self::Left => "left",
        }
    }
}

/// What a gateway says of one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Holding {
    pub slot: Slot,
    pub version: u64,
    pub stand: Stand,
    /// Why it was refused, for people; nothing personal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Of a model in use since it is: photographs measured with it, and others over which it failed. Each is counted once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<u64>,
}

/// Which slices a gateway wants next: those of `sha256` from number `from` on. Headquarters says some of them and is asked
/// again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fetch {
    pub sha256: String,
    pub from: u32,
}

/// How many slices a package of `bytes` has.
#[must_use]
pub const fn slices(bytes: u64) -> u32 {
    bytes.div_ceil(SLICE as u64) as u32
}

/// Whether text is a SHA-256 as this wire writes it.
#[must_use]
pub fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}
