//! Where the regions of the face lie in a photograph: `config/face-regions.toml`, and the way from its units to pixels.
//!
//! Three frames: **face units** (the anchor distance is 1, origin at the anchors' midpoint, x to the viewer's right, y down,
//! after turning the anchors' line along the view's axis), **face millimetres** (the same times the nominal anchor
//! distance) and **picture pixels** (upright; the middle of the top left pixel is 0, 0).

use crate::domain::{Region, capture::View, metric::Label};
use serde::Deserialize;
pub use skinlink_pixels::{
    affine::Affine,
    grid::{Grid, Mask, Shown},
};

/// Why `face-regions.toml` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegionsError {
    #[error("face-regions.toml cannot be read: {0}")]
    Unreadable(String),
    #[error("face-regions.toml says what cannot be:{}", .0.iter().map(|c| format!("\n  {c}")).collect::<String>())]
    Wrong(Vec<String>),
}

/// All views with their regions.
#[derive(Debug, Clone, PartialEq)]
pub struct FaceRegions {
    pub views: Vec<ViewRegions>,
}

/// One view: two anchors, their nominal distance, and polygons in face units.
#[derive(Debug, Clone, PartialEq)]
pub struct ViewRegions {
    pub view: View,
    pub label: Label,
    /// What an operator taps, in this order.
    pub anchors: [String; 2],
    pub axis: Axis,
    pub anchor_distance_mm: f64,
    /// Where the anchors lie when the face fills the framing guide, as shares of width and height.
    pub guide: [[f64; 2]; 2],
    pub regions: Vec<(Region, Vec<[f64; 2]>)>,
}

/// Along which axis the line from the first anchor to the second runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Axis {
    X,
    Y,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    schema: u32,
    view: Vec<FileView>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileView {
    id: String,
    label: FileLabel,
    anchors: [String; 2],
    axis: Axis,
    anchor_distance_mm: f64,
    guide: [[f64; 2]; 2],
    region: Vec<FileRegion>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLabel {
    zh: String,
    en: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRegion {
    id: String,
    polygon: Vec<[f64; 2]>,
}

impl FaceRegions {
    /// # Errors
    /// [`RegionsError`], with all complaints together once the file is readable.
    pub fn parse(text: &str) -> Result<Self, RegionsError> {
        let file: File = toml::from_str(text).map_err(|e| RegionsError::Unreadable(e.to_string()))?;
        let mut complaints = Vec::new();
        if file.schema != 1 {
            complaints.push("schema: write 1; this program knows no other".to_owned());
        }
        let mut views: Vec<ViewRegions> = Vec::new();
        for raw in file.view {
            let id = raw.id.clone();
            let mut complain = |what: String| complaints.push(format!("view {id:?}: {what}"));
            if let Some(view) = view(raw, &mut complain) {
                if views.iter().any(|known| known.view == view.view) {
                    complain("stands twice; keep one".into());
                }
                views.push(view);
            }
        }
        if complaints.is_empty() { Ok(Self { views }) } else { Err(RegionsError::Wrong(complaints)) }
    }

    #[must_use]
    pub fn view(&self, view: View) -> Option<&ViewRegions> {
        self.views.iter().find(|known| known.view == view)
    }
}

fn view(raw: FileView, complain: &mut impl FnMut(String)) -> Option<ViewRegions> {
    let view = raw.id.parse().map_err(|e: crate::domain::UnknownWord| complain(e.to_string())).ok();
    if !(1.0..=1000.0).contains(&raw.anchor_distance_mm) {
        complain("anchor_distance_mm: give 1 to 1000".into());
    }
    let [a, b] = raw.guide;
    if [a, b].iter().flatten().any(|v| !(0.0..=1.0).contains(v)) || a == b {
        complain("guide: give two different points as shares from 0 to 1".into());
    }
    let mut regions = Vec::new();
    for FileRegion { id, polygon } in raw.region {
        let far = polygon.iter().flatten().any(|v| !(-20.0..=20.0).contains(v));
        if polygon.len() < 3 || far || area(&polygon).abs() < 1e-6 {
            complain(format!("region {id:?}: give at least three corners, in anchor distances, that enclose an area"));
        }
        match id.parse::<Region>() {
            Ok(region) => regions.push((region, polygon)),
            Err(e) => complain(e.to_string()),
        }
    }
    Some(ViewRegions {
        view: view?,
        label: Label { zh: raw.label.zh, en: raw.label.en },
        anchors: raw.anchors,
        axis: raw.axis,
        anchor_distance_mm: raw.anchor_distance_mm,
        guide: raw.guide,
        regions,
    })
}

/// Signed, by the shoelace formula.
fn area(polygon: &[[f64; 2]]) -> f64 {
    let next = polygon.iter().cycle().skip(1);
    polygon.iter().zip(next).map(|(a, b)| a[0] * b[1] - b[0] * a[1]).sum::<f64>() / 2.0
}

/// Anchors that give no scale.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("the two anchors lie {0:.0} pixels apart or outside the picture; tap them again")]
pub struct BadAnchors(pub f64);

/// How a face lies in one photograph: a similarity from face millimetres to picture pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    pub to_picture: Affine,
    pub px_per_mm: f64,
}

impl Pose {
    /// What a picture of `width` × `height` shows of the face.
    #[must_use]
    pub fn shown(&self, width: u32, height: u32) -> Shown {
        Shown { to_picture: self.to_picture, width, height }
    }
}

impl ViewRegions {
    /// # Errors
    /// [`BadAnchors`] when they are closer than 20 pixels, not finite, or outside the picture.
    pub fn pose(&self, anchors: [[f64; 2]; 2], width: u32, height: u32) -> Result<Pose, BadAnchors> {
        let [a, b] = anchors;
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let distance = dx.hypot(dy);
        let inside =
            |p: [f64; 2]| (0.0..=f64::from(width)).contains(&p[0]) && (0.0..=f64::from(height)).contains(&p[1]);
        if !distance.is_finite() || distance < 20.0 || !inside(a) || !inside(b) {
            return Err(BadAnchors(distance));
        }
        let mm = self.anchor_distance_mm;
        // The unit vector of x in pixels per millimetre; y stands on it, clockwise as the picture's y points down.
        let (xx, xy) = match self.axis {
            Axis::X => (dx / mm, dy / mm),
            Axis::Y => (dy / mm, -dx / mm),
        };
        let middle = [f64::midpoint(a[0], b[0]), f64::midpoint(a[1], b[1])];
        let to_picture = Affine { m: [xx, -xy, xy, xx], t: middle };
        Ok(Pose { to_picture, px_per_mm: distance / mm })
    }

    /// A region's polygon in face millimetres.
    #[must_use]
    pub fn polygon_mm(&self, polygon: &[[f64; 2]]) -> Vec<[f64; 2]> {
        polygon.iter().map(|p| p.map(|v| v * self.anchor_distance_mm)).collect()
    }
}
