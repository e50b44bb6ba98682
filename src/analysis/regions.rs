//! Where the regions of the face lie in a photograph: `config/face-regions.toml`, and the way from its units to pixels.
//!
//! Three frames: **face units** (the anchor distance is 1, origin at the anchors' midpoint, x to the viewer's right, y down,
//! after turning the anchors' line along the view's axis), **face millimetres** (the same times the nominal anchor
//! distance) and **picture pixels** (upright; the middle of the top left pixel is 0, 0).
//!
//! A contact scope has no face: its whole field is the region, and its anchors are a ruler of one millimetre along the
//! picture's upper edge, laid there from the micrometres per pixel that the scope states ([`ruler`]).

use crate::domain::{
    Region,
    capture::{FacePoints, View},
    metric::Label,
};
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
    /// Regions in which these metrics alone are read: no pore is counted under an eye.
    pub only: Vec<(Region, Vec<String>)>,
    /// The tip of the nose, the third point that a person confirms.
    pub nose: Option<Nose>,
    /// A patch on the viewer's right whose light is held against its mirror image; empty where a view has no two sides.
    pub shade: Vec<[f64; 2]>,
    /// Whether both eyes are shown, so that a face can be told from something else.
    pub eyes: bool,
    /// The whole field is the region, and there is no face.
    pub whole: bool,
}

/// Where the tip of the nose stands in an ordinary face, and how far from there it may be, in face units.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nose {
    pub at: [f64; 2],
    pub reach: f64,
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
    #[serde(default)]
    region: Vec<FileRegion>,
    #[serde(default)]
    nose: Option<Nose>,
    #[serde(default)]
    shade: Vec<[f64; 2]>,
    #[serde(default)]
    eyes: bool,
    #[serde(default)]
    whole: bool,
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
    #[serde(default)]
    only: Vec<String>,
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
    if raw.whole != raw.region.is_empty() {
        complain("region: list regions, or write whole = true where the whole field is the region".into());
    }
    if !raw.shade.is_empty() && (raw.shade.len() < 3 || area(&raw.shade).abs() < 1e-6) {
        complain("shade: give at least three corners that enclose an area".into());
    }
    if let Some(nose) = raw.nose
        && (!(0.01..=2.0).contains(&nose.reach) || nose.at.iter().any(|v| !(-20.0..=20.0).contains(v)))
    {
        complain("nose: give its place and how far it may be from there, in anchor distances".into());
    }
    let (mut regions, mut reserved) = (Vec::new(), Vec::new());
    for FileRegion { id, polygon, only } in raw.region {
        let far = polygon.iter().flatten().any(|v| !(-20.0..=20.0).contains(v));
        if polygon.len() < 3 || far || area(&polygon).abs() < 1e-6 {
            complain(format!("region {id:?}: give at least three corners, in anchor distances, that enclose an area"));
        }
        match id.parse::<Region>() {
            Ok(region) => {
                if !only.is_empty() {
                    reserved.push((region, only));
                }
                regions.push((region, polygon));
            }
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
        only: reserved,
        nose: raw.nose,
        shade: raw.shade,
        eyes: raw.eyes,
        whole: raw.whole,
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

/// Points that no face of this view could have.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
pub enum Implausible {
    #[error(transparent)]
    Anchors(#[from] BadAnchors),
    #[error("the picture is turned by {0:.0} degrees between the two anchors; tap them in their order")]
    Turned(f64),
    #[error("the tip of the nose lies {0:.1} anchor distances from where a nose can be; tap it again")]
    Nose(f64),
}

/// What a detector takes for the points of a face. It may pre-place them; only a person confirms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Proposal {
    pub points: FacePoints,
    /// 0 to 1.
    pub confidence: f64,
}

impl Proposal {
    /// A proposal below this is none: pictures without a framed face reach 0.25 with a common detector, faces 0.9.
    pub const CONFIDENT: f64 = 0.8;

    /// From the five points that face detectors commonly give, pixels as shown: the eye and the corner of the mouth on the picture's
    /// left, then right, with the tip of the nose between (right eye, left eye, nose, right and left corner of the mouth). They
    /// hold the points of the front view only.
    #[must_use]
    pub const fn from_five([right_eye, left_eye, nose, _, _]: [[f64; 2]; 5], confidence: f64) -> Self {
        Self { points: FacePoints { anchors: [right_eye, left_eye], nose }, confidence }
    }
}

/// The anchors of a contact scope: one millimetre along the upper edge.
#[must_use]
pub fn ruler(um_per_px: f64) -> [[f64; 2]; 2] {
    [[0.0, 0.0], [1000.0 / um_per_px, 0.0]]
}

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

    /// How far the anchors' line is turned from the view's axis, degrees, clockwise as shown.
    #[must_use]
    pub fn roll_degrees(&self, [a, b]: [[f64; 2]; 2]) -> f64 {
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        match self.axis {
            Axis::X => dy.atan2(dx).to_degrees(),
            Axis::Y => (-dx).atan2(dy).to_degrees(),
        }
    }

    /// A place of the picture in face units.
    #[must_use]
    pub fn in_units(&self, pose: &Pose, place: [f64; 2]) -> Option<[f64; 2]> {
        Some(pose.to_picture.inverse()?.apply(place).map(|mm| mm / self.anchor_distance_mm))
    }

    /// Whether a face can have its points there; asked of a person's taps and of a detector's proposals alike.
    ///
    /// # Errors
    /// [`Implausible`], with what to do.
    pub fn plausible(&self, points: &FacePoints, width: u32, height: u32) -> Result<Pose, Implausible> {
        let pose = self.pose(points.anchors, width, height)?;
        let roll = self.roll_degrees(points.anchors);
        if roll.abs() > 60.0 {
            return Err(Implausible::Turned(roll));
        }
        if let (Some(nose), Some([x, y])) = (self.nose, self.in_units(&pose, points.nose)) {
            let off = (x - nose.at[0]).hypot(y - nose.at[1]);
            if !off.is_finite() || off > nose.reach {
                return Err(Implausible::Nose(off));
            }
        }
        Ok(pose)
    }

    /// A detector's proposal, where it is confident and a face can have its points so.
    #[must_use]
    pub fn accept(&self, proposal: &Proposal, width: u32, height: u32) -> Option<FacePoints> {
        let fits = self.eyes && proposal.confidence >= Proposal::CONFIDENT;
        (fits && self.plausible(&proposal.points, width, height).is_ok()).then_some(proposal.points)
    }

    /// Where the framing guide has the points in a picture of this size.
    #[must_use]
    pub fn guided(&self, width: u32, height: u32) -> FacePoints {
        let anchors = self.guide.map(|[x, y]| [x * f64::from(width), y * f64::from(height)]);
        let unit = self.nose.map_or([0.0, 0.0], |nose| nose.at).map(|v| v * self.anchor_distance_mm);
        let nose = self.pose(anchors, width, height).map_or(anchors[0], |pose| pose.to_picture.apply(unit));
        FacePoints { anchors, nose }
    }

    /// Whether a metric is read in a region of this view.
    #[must_use]
    pub fn reads(&self, region: Region, metric: &str) -> bool {
        self.only.iter().find(|(known, _)| *known == region).is_none_or(|(_, only)| only.iter().any(|m| m == metric))
    }

    /// All regions with their polygons in face millimetres; of a scope the whole field.
    #[must_use]
    pub fn areas(&self, pose: &Pose, width: u32, height: u32) -> Vec<(Region, Vec<[f64; 2]>)> {
        if self.whole {
            let (right, bottom) = (f64::from(width - 1), f64::from(height - 1));
            let Some(back) = pose.to_picture.inverse() else { return Vec::new() };
            let corners = [[0.0, 0.0], [right, 0.0], [right, bottom], [0.0, bottom]].map(|corner| back.apply(corner));
            return vec![(Region::Field, corners.to_vec())];
        }
        self.regions.iter().map(|(region, polygon)| (*region, self.polygon_mm(polygon))).collect()
    }

    /// A region's polygon in face millimetres.
    #[must_use]
    pub fn polygon_mm(&self, polygon: &[[f64; 2]]) -> Vec<[f64; 2]> {
        polygon.iter().map(|p| p.map(|v| v * self.anchor_distance_mm)).collect()
    }
}
