//! What can be wrong with bytes from a device. None of these ever becomes a value.

use std::fmt;

/// Why bytes were not taken as a message. The framer has already found its way on when this is reported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    #[error("{bytes} bytes that belong to no frame were skipped; check baud rate and cable if this repeats")]
    Garbage { bytes: usize },
    #[error("a frame claims {found} bytes, this protocol allows {most}; skipped to the next start")]
    TooLong { found: usize, most: usize },
    #[error("the frame does not end with {expected}; skipped to the next start")]
    End { expected: String },
    #[error("checksum is {found:#x}, the bytes add up to {computed:#x}; the frame was dropped")]
    Checksum { computed: u64, found: u64 },
    #[error("the line carries no checksum; it was dropped")]
    NoChecksum,
    #[error("the bytes between two marks are not escaped as the protocol file says; the frame was dropped")]
    Stuffing,
    #[error("a frame stopped after {bytes} bytes; the rest never came")]
    Unfinished { bytes: usize },
    #[error("no message of this protocol begins with {begins}; add it to the protocol file if the manual knows it")]
    UnknownMessage { begins: String },
    #[error("message {message:?} has {found} {what}, the protocol file says {expected}")]
    Size { message: String, what: SizeOf, expected: usize, found: usize },
    #[error("message {message:?}, field {field}: {problem}")]
    Field { message: String, field: String, problem: String },
}

/// What a size counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SizeOf {
    Bytes,
    Columns,
}

impl fmt::Display for SizeOf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bytes => "payload bytes",
            Self::Columns => "columns",
        })
    }
}

impl FrameError {
    /// The word used in vectors: `fault = "checksum"`.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Garbage { .. } => "garbage",
            Self::TooLong { .. } => "too_long",
            Self::End { .. } => "end",
            Self::Checksum { .. } => "checksum",
            Self::NoChecksum => "no_checksum",
            Self::Stuffing => "stuffing",
            Self::Unfinished { .. } => "unfinished",
            Self::UnknownMessage { .. } => "unknown_message",
            Self::Size { .. } => "size",
            Self::Field { .. } => "field",
        }
    }

    /// Whether a frame came and did not hold, so that the device may be asked to send it again.
    #[must_use]
    pub const fn spoilt_a_frame(&self) -> bool {
        !matches!(self, Self::Garbage { .. } | Self::TooLong { .. } | Self::UnknownMessage { .. })
    }

    /// Every word of [`Self::word`].
    pub const WORDS: &'static [&'static str] = &[
        "garbage",
        "too_long",
        "end",
        "checksum",
        "no_checksum",
        "stuffing",
        "unfinished",
        "unknown_message",
        "size",
        "field",
    ];
}
