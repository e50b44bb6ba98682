//! Tone, redness and pigment of a region, from colours that were brought to reflectance by a grey card in the picture, a locked
//! camera's profile or the device's white tile. Without one of them there are no values: a camera's own white balance moves tone
//! by a whole class, and matching skin to skin would take away the very change that is looked for.
//!
//! | metric | formula | source |
//! | --- | --- | --- |
//! | `photo-tone` | individual typology angle atan2(L* − 50, b*), degrees | Chardon 1991 |
//! | `photo-redness` | a* | CIELAB, D65 |
//! | `photo-pigment` | −100 · log10 of red reflectance | Yamamoto 2008 |

use super::gates::Card as Numbers;
use crate::domain::capture::ColourReference;
use skinlink_pixels::{
    card::{self, Card, Steps},
    colour,
    sample::Source,
};

/// Engine of these values: no model file stands behind them, so the digest is of this very text (SHA-256).
pub const MODEL: &str = "photo-colour";
pub const VERSION: &str = "1";
/// Of `photo-colour 1: ITA, a*, -100 log10 R; sRGB to CIELAB D65; mean linear light of the region`.
pub const DIGEST: &str = "a89a98321507f347fdc19da0c84bc3ee2eac7b8f45a3009f5aa05e7082534ea1";

/// The metrics that are read here.
pub const METRICS: [&str; 3] = ["photo-tone", "photo-redness", "photo-pigment"];

/// What a picture's colours are held against.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reference {
    pub kind: ColourReference,
    /// What each channel's linear light is multiplied with to be reflectance.
    pub gains: [f64; 3],
}

/// A grey card in the picture.
#[must_use]
pub fn card_in(source: &mut Source, numbers: &Numbers) -> Option<(Card, Reference)> {
    let Numbers { white, grey, black, tolerance, source: _ } = numbers;
    let steps = Steps { white: *white, grey: *grey, black: *black, tolerance: *tolerance };
    let card = card::find(source.smaller(card::MOST_SIDE), &steps)?;
    Some((card, Reference { kind: ColourReference::Card, gains: card.gains(&steps) }))
}

/// The values of a region by its mean linear light, in the order of [`METRICS`].
#[must_use]
pub fn values(light: [f64; 3], reference: &Reference) -> [f64; 3] {
    let reflectance = [0, 1, 2].map(|c: usize| (light[c] * reference.gains[c]).clamp(1e-4, 1.0));
    let lab = colour::lab(reflectance);
    [colour::typology(lab), lab[1], -100.0 * reflectance[0].log10()]
}

/// The six classes of the typology angle, lightest first; their lower bounds.
pub const CLASSES: [(f64, &str); 6] =
    [(55.0, "very light"), (41.0, "light"), (28.0, "intermediate"), (10.0, "tan"), (-30.0, "brown"), (-90.0, "dark")];

/// Index into [`CLASSES`].
#[must_use]
pub fn class(angle: f64) -> usize {
    CLASSES.iter().position(|(from, _)| angle > *from).unwrap_or(CLASSES.len() - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_is_of_the_words_that_say_what_is_done() {
        let words = "photo-colour 1: ITA, a*, -100 log10 R; sRGB to CIELAB D65; mean linear light of the region";
        assert_eq!(hex::encode(openssl::sha::sha256(words.as_bytes())), DIGEST);
    }

    #[test]
    fn grey_is_grey_under_any_lamp_once_it_is_known() {
        for tint in [[1.0, 1.0, 1.0], [1.1, 1.0, 0.8]] {
            let reference = Reference { kind: ColourReference::White, gains: tint.map(|t| 1.0 / t) };
            let [tone, redness, pigment] = values(tint.map(|t| 0.5 * t), &reference);
            assert!(redness.abs() < 0.01 && (pigment - 30.103).abs() < 0.01, "{redness} {pigment}");
            assert!((89.0..=91.0).contains(&tone), "no yellow at all: {tone}");
        }
    }

    #[test]
    fn classes_have_their_published_bounds() {
        let names: Vec<&str> = [70.0, 55.0, 41.5, 28.0, 10.1, 0.0, -30.0, -80.0].map(|a| CLASSES[class(a)].1).to_vec();
        assert_eq!(names, ["very light", "light", "light", "tan", "tan", "brown", "dark", "dark"]);
    }
}
