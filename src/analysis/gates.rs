//! The numbers of the quality gates: `config/quality-gates.toml`, checked once at the door. What they are applied to:
//! [`super::quality`].

use super::colour_repeats::{self, ColourRepeats};
use serde::Deserialize;

/// Why `quality-gates.toml` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GatesError {
    #[error("quality-gates.toml cannot be read: {0}")]
    Unreadable(String),
    #[error("quality-gates.toml says what cannot be:{}", .0.iter().map(|c| format!("\n  {c}")).collect::<String>())]
    Wrong(Vec<String>),
}

macro_rules! sections {
    ($($(#[$doc:meta])* $section:ident { $($(#[$field_doc:meta])* $field:ident: $type:ty),+ $(,)? })+) => { $(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $section {
            $($(#[$field_doc])* pub $field: $type,)+
            /// Where the numbers come from.
            pub source: String,
        }
    )+ };
}

sections! {
    /// Pixels of the picture and of a millimetre of face.
    Size { pixels: u64, refuse_px_per_mm: f64, flag_px_per_mm: f64 }
    /// What two eyes look like.
    Face { mirror: f64, dark: f64, range: f64, bridge: [f64; 2] }
    /// What is no skin, and how much of it a region bears.
    Occlusion { share: f64, darker: f64, brighter: f64, colour: f64 }
    Blur { sharpness: f64 }
    Noise { sd: f64 }
    Exposure { dark_share: f64, bright_share: f64, median: [f64; 2] }
    Clipping { share: f64, colourless: f64 }
    Cast { hue: [f64; 2], chroma: f64 }
    Shadow { ratio: f64 }
    /// Of a contact scope.
    Field { vignette: f64, hair: f64 }
    Pose { roll_degrees: f64, nose: f64 }
    /// What an after picture may differ from its before picture.
    Parity { gain: f64, shade: f64, blur_px: f64, scale: [f64; 2], roll_degrees: f64, nose_mm: f64 }
    /// The grey card's three squares.
    Card { white: f64, grey: f64, black: f64, tolerance: f64 }
}

/// All numbers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gates {
    schema: u32,
    pub size: Size,
    pub face: Face,
    pub occlusion: Occlusion,
    pub blur: Blur,
    pub noise: Noise,
    pub exposure: Exposure,
    pub clipping: Clipping,
    pub cast: Cast,
    pub shadow: Shadow,
    pub field: Field,
    pub pose: Pose,
    pub parity: Parity,
    pub card: Card,
    /// How far colours repeat themselves; what is not listed is never compared.
    #[serde(default)]
    pub colour: Vec<ColourRepeats>,
}

/// The numbers this program was built with: those of the file where none is named.
pub const USUAL: &str = include_str!("../../config/quality-gates.toml");

impl Gates {
    /// The numbers of [`USUAL`].
    #[must_use]
    pub fn usual() -> Self {
        Self::parse(USUAL).expect("the file of this very build; a test reads it")
    }

    /// # Errors
    /// [`GatesError`], with all complaints together once the file is readable.
    pub fn parse(text: &str) -> Result<Self, GatesError> {
        let gates: Self = toml::from_str(text).map_err(|e| GatesError::Unreadable(e.to_string()))?;
        let complaints = gates.complaints();
        if complaints.is_empty() { Ok(gates) } else { Err(GatesError::Wrong(complaints)) }
    }

    fn complaints(&self) -> Vec<String> {
        let Self { schema, size, face, occlusion, blur, noise, exposure, clipping, cast, shadow, field, pose, .. } =
            self;
        let Self { parity, card, colour, .. } = self;
        let mut found = colour_repeats::complaints(colour);
        if *schema != 1 {
            found.push("schema: write 1; this program knows no other".to_owned());
        }
        let mut number = |key: &str, value: f64, low: f64, high: f64| {
            if !(low..=high).contains(&value) {
                found.push(format!("{key}: is {value}; give {low} to {high}"));
            }
        };
        number("size.pixels", size.pixels as f64, 0.0, 1e9);
        number("size.refuse_px_per_mm", size.refuse_px_per_mm, 0.1, 100.0);
        number("size.flag_px_per_mm", size.flag_px_per_mm, size.refuse_px_per_mm, 100.0);
        number("face.mirror", face.mirror, 0.0, 1.0);
        number("face.dark", face.dark, 0.0, 1.0);
        number("face.range", face.range, 0.0, 5.0);
        number("face.bridge", face.bridge[0], 0.0, 1.0);
        number("face.bridge", face.bridge[1], 1.0, 10.0);
        number("occlusion.share", occlusion.share, 0.0, 1.0);
        number("occlusion.darker", occlusion.darker, 0.0, 1.0);
        number("occlusion.brighter", occlusion.brighter, 1.0, 10.0);
        number("occlusion.colour", occlusion.colour, 1.0, 100.0);
        number("blur.sharpness", blur.sharpness, 0.0, 10.0);
        number("noise.sd", noise.sd, 0.0, 100.0);
        number("exposure.dark_share", exposure.dark_share, 0.0, 1.0);
        number("exposure.bright_share", exposure.bright_share, 0.0, 1.0);
        number("exposure.median", exposure.median[0], 0.0, exposure.median[1]);
        number("exposure.median", exposure.median[1], exposure.median[0], 255.0);
        number("clipping.share", clipping.share, 0.0, 1.0);
        number("clipping.colourless", clipping.colourless, 0.0, 1.0);
        number("cast.hue", cast.hue[0], -180.0, cast.hue[1]);
        number("cast.hue", cast.hue[1], cast.hue[0], 180.0);
        number("cast.chroma", cast.chroma, 0.0, 100.0);
        number("shadow.ratio", shadow.ratio, 1.0, 100.0);
        number("field.vignette", field.vignette, 0.0, 1.0);
        number("field.hair", field.hair, 0.0, 10.0);
        number("pose.roll_degrees", pose.roll_degrees, 0.0, 90.0);
        number("pose.nose", pose.nose, 0.0, 1.0);
        number("parity.gain", parity.gain, 1.0, 100.0);
        number("parity.shade", parity.shade, 1.0, 100.0);
        number("parity.blur_px", parity.blur_px, 0.0, 1.6);
        number("parity.scale", parity.scale[0], 0.1, 1.0);
        number("parity.scale", parity.scale[1], 1.0, 10.0);
        number("parity.roll_degrees", parity.roll_degrees, 0.0, 90.0);
        number("parity.nose_mm", parity.nose_mm, 0.0, 50.0);
        number("card.black", card.black, 0.001, card.grey);
        number("card.grey", card.grey, card.black, card.white);
        number("card.white", card.white, card.grey, 1.0);
        number("card.tolerance", card.tolerance, 1.0, 2.0);
        for (section, source) in [
            ("size", &size.source),
            ("face", &face.source),
            ("occlusion", &occlusion.source),
            ("blur", &blur.source),
            ("noise", &noise.source),
            ("exposure", &exposure.source),
            ("clipping", &clipping.source),
            ("cast", &cast.source),
            ("shadow", &shadow.source),
            ("field", &field.source),
            ("pose", &pose.source),
            ("parity", &parity.source),
            ("card", &card.source),
        ] {
            if source.trim().len() < 10 {
                found.push(format!("{section}.source: say where its numbers come from"));
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = USUAL;

    #[test]
    fn the_files_numbers_make_sense_and_say_where_they_come_from() {
        assert!(Gates::parse(FILE).is_ok(), "{:?}", Gates::parse(FILE).err());
    }

    #[test]
    fn what_cannot_be_is_told_with_its_place() {
        let wrong = FILE
            .replace("refuse_px_per_mm = 8.0", "refuse_px_per_mm = 800.0")
            .replace("hue = [25.0, 80.0]", "hue = [80.0, 25.0]")
            .replace("sd = 2.5", "sd = nan")
            .replace("schema = 1", "schema = 2");
        let Err(GatesError::Wrong(complaints)) = Gates::parse(&wrong) else { panic!("it passed") };
        let all = complaints.join("\n");
        for word in ["schema", "size.refuse_px_per_mm: is 800", "cast.hue", "noise.sd: is NaN"] {
            assert!(all.contains(word), "{word}: {all}");
        }
        let empty = FILE.lines().map(|l| if l.starts_with("source") { "source = \"\"" } else { l });
        let Err(GatesError::Wrong(complaints)) = Gates::parse(&empty.collect::<Vec<_>>().join("\n")) else {
            panic!("numbers without a source passed")
        };
        assert_eq!(complaints.len(), 13, "{complaints:?}");
        let unknown = FILE.replace("[blur]", "[blur]\nfuzzy = 1.0");
        assert!(matches!(Gates::parse(&unknown), Err(GatesError::Unreadable(_))));
        for missing in ["[pose]", "mirror = 0.55", "source = \"noise"] {
            let cut: String = FILE.lines().filter(|l| !l.starts_with(missing)).collect::<Vec<_>>().join("\n");
            assert!(Gates::parse(&cut).is_err(), "{missing} is needed");
        }
    }
}
