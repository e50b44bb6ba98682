//! Cameras whose colours are known: `cameras.toml`, checked once at the door.

use crate::domain::capture::ColourReference;
use serde::Deserialize;
use skinlink_pixels::colour::linear;

/// Why `cameras.toml` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CamerasError {
    #[error("cameras.toml cannot be read: {0}")]
    Unreadable(String),
    #[error("cameras.toml says what cannot be:{}", .0.iter().map(|c| format!("\n  {c}")).collect::<String>())]
    Wrong(Vec<String>),
}

/// All cameras that are known.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cameras(Vec<Camera>);

/// One camera.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Camera {
    camera: String,
    kind: String,
    levels: [f64; 3],
    reflectance: f64,
    made: String,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u32,
    #[serde(default)]
    camera: Vec<Camera>,
}

impl Cameras {
    /// # Errors
    /// [`CamerasError`], with all complaints together once the file is readable.
    pub fn parse(text: &str) -> Result<Self, CamerasError> {
        let file: File = toml::from_str(text).map_err(|e| CamerasError::Unreadable(e.to_string()))?;
        let mut complaints = Vec::new();
        if file.schema != 1 {
            complaints.push("schema: write 1; this program knows no other".to_owned());
        }
        for (at, camera) in file.camera.iter().enumerate() {
            let name = &camera.camera;
            let mut complain = |what: &str| complaints.push(format!("camera {name:?}: {what}"));
            if name.is_empty() || file.camera[..at].iter().any(|known| known.camera == *name) {
                complain("give every camera its own name, once");
            }
            if !matches!(camera.kind.as_str(), "profile" | "white") {
                complain("kind: write profile or white");
            }
            // A surface that is burnt out or black says nothing of a camera's colours.
            if camera.levels.iter().any(|level| !(20.0..=250.0).contains(level)) {
                complain("levels: give three grey levels from 20 to 250; expose so that the surface is not burnt out");
            }
            if !(0.05..=1.0).contains(&camera.reflectance) {
                complain("reflectance: give 0.05 to 1");
            }
            if camera.made.is_empty() || camera.source.is_empty() {
                complain("made and source: say when and how it was measured");
            }
        }
        if complaints.is_empty() { Ok(Self(file.camera)) } else { Err(CamerasError::Wrong(complaints)) }
    }

    /// What each channel's light of this camera must be multiplied with to be reflectance, and by what that is known.
    #[must_use]
    pub fn gains(&self, camera: &str) -> Option<([f64; 3], ColourReference)> {
        let known = self.0.iter().find(|known| known.camera == camera)?;
        let kind = if known.kind == "white" { ColourReference::White } else { ColourReference::Profile };
        Some((known.levels.map(|level| known.reflectance / linear(level)), kind))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = include_str!("../../config/cameras.toml");

    #[test]
    fn the_example_in_the_file_is_sound_and_gives_grey_back() {
        assert_eq!(Cameras::parse(FILE).unwrap(), Cameras::default());
        let example = FILE.replace("# [[camera]]", "[[camera]]");
        let example: String = example
            .lines()
            .map(|line| line.strip_prefix("# ").filter(|l| l.contains(" = ") && !l.contains("  ")).unwrap_or(line))
            .collect::<Vec<_>>()
            .join("\n");
        let cameras = Cameras::parse(&example).unwrap();
        let (gains, kind) = cameras.gains("DermaScope 3 (0417)").unwrap();
        assert_eq!(kind, ColourReference::White);
        for (gain, level) in gains.iter().zip([231.0, 229.0, 224.0]) {
            assert!((gain * linear(level) - 0.9).abs() < 1e-12);
        }
        assert_eq!(cameras.gains("another"), None);
    }

    #[test]
    fn what_cannot_be_is_told() {
        let camera = "camera = \"a\"\nkind = \"grey\"\nlevels = [255, 100, 100]\nreflectance = 18\nmade = \"\"\nsource = \"x\"\n";
        let text = format!("schema = 2\n[[camera]]\n{camera}[[camera]]\n{camera}");
        let Err(CamerasError::Wrong(complaints)) = Cameras::parse(&text) else { panic!("it passed") };
        assert_eq!(complaints.len(), 10, "{complaints:?}");
        assert!(matches!(Cameras::parse("schema = 1\ngrey = 1"), Err(CamerasError::Unreadable(_))));
    }
}
