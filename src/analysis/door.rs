//! What happens to picture bytes at the door: which format, how large, is it whole, and off with its metadata.
//!
//! Works on the file's structure and never decodes a pixel: the size is read from the header and refused before any
//! memory is taken for it. Stripping is lossless, the coded pixels pass bit for bit. What stays is what decoding needs:
//! JPEG: JFIF (APP0) and Adobe (APP14); PNG: the critical chunks, transparency and the sRGB, gamma and chromaticity chunks;
//! WebP: the picture, its alpha and the extended header. Colour profiles go too: they name devices, and no measure here
//! uses them. An orientation other than upright is written back alone, as the smallest possible EXIF, so that the
//! stripped file still shows upright everywhere. Bytes behind the picture's end (second pictures, vendors' trailers) go.

use super::{jpeg, png, webp};
use crate::domain::{capture::Format, word::words};

/// Largest picture file taken in, bytes.
pub const MAX_BYTES: usize = 100_000_000;
/// Longest side, pixels.
pub const MAX_SIDE: u32 = 20_000;
/// Most pixels; decoded they take three bytes each.
pub const MAX_PIXELS: u64 = 60_000_000;

/// Why a picture is not taken in; the sentence is for whoever holds the camera.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DoorError {
    #[error("the file has {found} bytes, at most {MAX_BYTES} are taken in; lower the camera's resolution")]
    TooManyBytes { found: usize },
    #[error("this is no JPEG, PNG or WebP picture; set the camera or the upload to JPEG")]
    NotAPicture,
    #[error("the {format} picture ends before it is complete ({missing}); send it again")]
    Truncated { format: Format, missing: &'static str },
    #[error("the {format} picture is damaged ({what}); take it again")]
    Damaged { format: Format, what: &'static str },
    #[error("{what} is not supported; save the picture as an ordinary JPEG")]
    Unsupported { what: &'static str },
    #[error(
        "the picture is {width} × {height} pixels, at most {MAX_SIDE} a side and 60 megapixels are taken in; lower the camera's resolution"
    )]
    TooLarge { width: u32, height: u32 },
}

words! {
    /// How the coded picture must be turned to stand upright; the EXIF orientations 1 to 8 in their order.
    pub enum Orientation as "orientation" {
        Upright = "upright",
        Mirrored = "mirrored",
        HalfTurn = "half_turn",
        Flipped = "flipped",
        Transposed = "transposed",
        QuarterTurn = "quarter_turn",
        Transversed = "transversed",
        ThreeQuarterTurn = "three_quarter_turn",
    }
}

impl Orientation {
    #[must_use]
    pub fn from_exif(value: u16) -> Option<Self> {
        Self::ALL.get(usize::from(value).checked_sub(1)?).copied()
    }
    /// 1 to 8.
    #[must_use]
    pub const fn exif(self) -> u8 {
        self as u8 + 1
    }
    /// Whether width and height change places.
    #[must_use]
    pub const fn swaps_sides(self) -> bool {
        self.exif() > 4
    }
}

/// A picture that may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admitted {
    pub format: Format,
    /// As shown, that is with the orientation applied; pixels.
    pub width: u32,
    pub height: u32,
    /// Already written into `bytes`; decoding must apply it.
    pub orientation: Orientation,
    /// Stripped of metadata: this is the original from here on.
    pub bytes: Vec<u8>,
}

/// What a format's walk through its segments finds.
#[derive(Debug)]
pub(super) struct Walked {
    /// As coded.
    pub width: u32,
    pub height: u32,
    pub orientation: Orientation,
    pub bytes: Vec<u8>,
}

/// Sniffs, measures and strips.
///
/// # Errors
/// [`DoorError`]; nothing is kept then.
pub fn admit(bytes: &[u8]) -> Result<Admitted, DoorError> {
    if bytes.len() > MAX_BYTES {
        return Err(DoorError::TooManyBytes { found: bytes.len() });
    }
    let format = sniff(bytes).ok_or(DoorError::NotAPicture)?;
    let Walked { width, height, orientation, bytes } = match format {
        Format::Jpeg => jpeg::walk(bytes)?,
        Format::Png => png::walk(bytes)?,
        Format::Webp => webp::walk(bytes)?,
    };
    let (width, height) = if orientation.swaps_sides() { (height, width) } else { (width, height) };
    Ok(Admitted { format, width, height, orientation, bytes })
}

/// By the first bytes, never by a name.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<Format> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some(Format::Jpeg),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1A, b'\n', ..] => Some(Format::Png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Format::Webp),
        _ => None,
    }
}

/// The limits on a coded size.
pub(super) fn fits(width: u32, height: u32, format: Format) -> Result<(), DoorError> {
    if width == 0 || height == 0 {
        return Err(DoorError::Damaged { format, what: "it has no pixels" });
    }
    let pixels = u64::from(width) * u64::from(height);
    if width > MAX_SIDE || height > MAX_SIDE || pixels > MAX_PIXELS {
        return Err(DoorError::TooLarge { width, height });
    }
    Ok(())
}
