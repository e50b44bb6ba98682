//! Announcing a picture to HQ and cutting it into slices.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bytes of one slice; the last may be shorter. Below [`super::MAX_PUBLISH`] with room for the packet's own header.
pub const SLICE: u32 = 60 * 1024;

/// What a picture is of its capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    Report,
    Derivative,
    Original,
    // Since version 1.3, of an after photograph and its before photograph: which of them there are, and what each shows, stands
    // in the sheet of the report.
    /// The before photograph, cut to the frame of the pair
    PairBefore,
    /// The after photograph, laid onto it and brought to its exposure
    PairAfter,
    /// Where something changed
    Change1,
    Change2,
    Change3,
    Change4,
    Change5,
    Change6,
}

impl Role {
    pub const ALL: [Self; 11] = [
        Self::Report,
        Self::Derivative,
        Self::Original,
        Self::PairBefore,
        Self::PairAfter,
        Self::Change1,
        Self::Change2,
        Self::Change3,
        Self::Change4,
        Self::Change5,
        Self::Change6,
    ];

    /// The pictures of where something changed, in order: as many as one pair has at most.
    pub const CHANGES: [Self; 6] =
        [Self::Change1, Self::Change2, Self::Change3, Self::Change4, Self::Change5, Self::Change6];

    /// As on the wire, in tables and in the names of files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Derivative => "derivative",
            Self::Original => "original",
            Self::PairBefore => "pair_before",
            Self::PairAfter => "pair_after",
            Self::Change1 => "change1",
            Self::Change2 => "change2",
            Self::Change3 => "change3",
            Self::Change4 => "change4",
            Self::Change5 => "change5",
            Self::Change6 => "change6",
        }
    }

    /// The role of this word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == word)
    }

    /// Whether it is made of two photographs.
    #[must_use]
    pub const fn is_of_a_pair(self) -> bool {
        !matches!(self, Self::Report | Self::Derivative | Self::Original)
    }
}

/// Up, on `blobs/{capture}/offer`. HQ answers with what it misses.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    pub capture: String,
    pub visit: String,
    pub role: Role,
    pub format: String,
    pub bytes: u64,
    pub slice_bytes: u32,
    pub slices: u32,
    /// Lower-case hex of the whole picture.
    pub sha256: String,
}

/// How many slices `bytes` make.
#[must_use]
pub fn slices(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(u64::from(SLICE))).unwrap_or(u32::MAX)
}

/// A picture that was made here, with its role as a comment in it (JPEG's `COM`; anything else as it is). HQ's words name a
/// picture by its bytes, and of a photograph with few pixels the report's picture and the derivative would have the same: a word
/// on one, said twice, would settle the other.
#[must_use]
pub fn named(role: Role, mut picture: Vec<u8>) -> Vec<u8> {
    let at = match *picture {
        // Behind JFIF's own segment, which comes first.
        [0xFF, 0xD8, 0xFF, 0xE0, high, low, ..] => 4 + usize::from(u16::from_be_bytes([high, low])),
        [0xFF, 0xD8, ..] => 2,
        _ => return picture,
    };
    let word = role.as_str().as_bytes();
    let length = u8::try_from(2 + word.len()).expect("a role is a short word");
    if at <= picture.len() {
        picture.splice(at..at, [0xFF, 0xFE, 0, length].into_iter().chain(word.iter().copied()));
    }
    picture
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_says_its_role_and_shows_the_same() {
        let pixels = image::RgbImage::from_fn(40, 30, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let mut plain = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new(&mut plain);
        image::DynamicImage::ImageRgb8(pixels).write_with_encoder(encoder).expect("a picture");
        let shown = |bytes: &[u8]| image::load_from_memory(bytes).expect("a picture").to_rgb8();
        let all = Role::ALL.map(|role| named(role, plain.clone()));
        for (role, picture) in Role::ALL.iter().zip(&all) {
            assert_eq!(shown(picture), shown(&plain), "{role:?}");
            assert!(picture.len() <= plain.len() + 16, "{role:?}: more than its pictures leave room for");
            assert_eq!(all.iter().filter(|other| *other == picture).count(), 1, "{role:?}");
        }
        for cut in 0..plain.len().min(40) {
            let mut picture = named(Role::Report, plain[..cut].to_vec());
            if picture.len() > cut {
                let word = picture.windows(2).position(|bytes| bytes == [0xFF, 0xFE]).expect("a comment");
                picture.drain(word..word + 10);
            }
            assert_eq!(picture, plain[..cut]);
        }
        assert_eq!(named(Role::Report, b"no picture".to_vec()), b"no picture");
    }

    #[test]
    fn a_role_has_one_word_wherever_it_stands() {
        for role in Role::ALL {
            let written = serde_json::to_string(&role).expect("a word");
            assert_eq!(written, format!("\"{}\"", role.as_str()));
            assert_eq!(Role::of(role.as_str()), Some(role));
        }
        assert_eq!(Role::of("change7"), None);
    }
}
