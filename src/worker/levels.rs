//! One photograph: quality gates, then every model's level of every region, one region at a time so that only one
//! region's tensors are in memory.

use super::{
    engine::{Engine, decode, name_of},
    outputs, whole,
};
use crate::{
    adapters::onnx::Model,
    analysis::{
        gates::Gates,
        job::{EvaluatedScore, Level, Levels, ModelName},
        manifest::Fit,
        picture::Plane,
        quality,
        regions::{Grid, Mask, Pose, ViewRegions},
        seen::{self, Seen, Shot},
        tensor,
        tone::{self, Reference},
    },
    domain::{
        Region,
        capture::{ColourReference, FacePoints},
    },
    faults,
};
use skinlink_pixels::{
    look::NoSkin,
    sample::{Colour, Source},
};

/// A photograph ready to be cut.
pub(super) struct Shown {
    pub source: Source,
    pub pose: Pose,
    /// The nominal distance of the view's anchors.
    pub face_mm: f64,
    /// Regions of the view with their polygons in face millimetres; those in which certain metrics alone are read are not
    /// for models.
    pub regions: Vec<(Region, Vec<[f64; 2]>)>,
}

/// What is taken for no skin.
pub(super) const fn no_skin(gates: &Gates) -> NoSkin {
    let rule = &gates.occlusion;
    NoSkin { darker: rule.darker, brighter: rule.brighter, colour: rule.colour }
}

impl Shown {
    pub(super) fn open(engine: &Engine, view: &str, anchors: [[f64; 2]; 2], bytes: &[u8]) -> Result<Self, String> {
        let view = engine.view(view)?;
        let picture = decode(bytes)?;
        let pose = view.pose(anchors, picture.width(), picture.height()).map_err(|e| e.to_string())?;
        let face_mm = view.anchor_distance_mm;
        let reserved = |region: &Region| view.only.iter().any(|(known, _)| known == region);
        let mut regions = view.areas(&pose, picture.width(), picture.height());
        regions.retain(|(region, _)| !reserved(region));
        Ok(Self { source: Source::new(picture), pose, face_mm, regions })
    }

    /// A region's grid and which of its pixels the photograph shows; `None` where it would be too large to be drawn.
    fn cut(&self, polygon: &[[f64; 2]], px_per_mm: f64, margin_px: u32, multiple_of: u32) -> Option<(Grid, Mask)> {
        let grid = Grid::around(polygon, px_per_mm, margin_px, multiple_of);
        if grid.is_too_large() {
            return None;
        }
        let picture = self.source.picture();
        let mask = grid.mask(polygon, &[self.pose.shown(picture.width(), picture.height())]);
        Some((grid, mask))
    }

    fn planes(&mut self, grid: &Grid, colour: Colour) -> Vec<Plane> {
        let map = self.pose.to_picture.after(&grid.to_mm());
        self.source.sample_affine(grid.width, grid.height, [map.scale(); 2], colour, &map)
    }
}

/// The quality gates alone, and what they saw.
pub(super) fn look(
    engine: &Engine,
    view: &str,
    anchors: [[f64; 2]; 2],
    bytes: &[u8],
) -> Result<(Levels, Shown, Seen), String> {
    let mut shown = Shown::open(engine, view, anchors, bytes)?;
    let view = engine.view(view)?;
    let shot = Shot { view, pose: shown.pose, points: FacePoints { anchors, nose: anchors[0] }, nose_is_set: false };
    let seen = seen::see(&mut shown.source, &shot, no_skin(&engine.gates));
    let complaints = quality::judge(&engine.gates, &seen).iter().map(|failed| failed.complaint.to_string()).collect();
    let levels = Levels {
        width: seen.width,
        height: seen.height,
        px_per_mm: seen.px_per_mm,
        complaints,
        scores: Vec::new(),
        skipped: Vec::new(),
        failed: Vec::new(),
        colour: ColourReference::Unknown.to_string(),
    };
    Ok((levels, shown, seen))
}

/// What the colours are held against: a card in the picture, else what is known of the camera.
pub(super) fn reference(engine: &Engine, shown: &mut Shown, camera: &str) -> Option<Reference> {
    tone::card_in(&mut shown.source, &engine.gates.card).map(|(_, reference)| reference).or_else(|| {
        let (gains, kind) = engine.cameras.gains(camera)?;
        Some(Reference { kind, gains })
    })
}

/// Tone, redness and pigment of every region that is shown and has its colours left; the others with the reason.
fn colours(view: &ViewRegions, seen: &Seen, gates: &Gates, reference: &Reference, levels: &mut Levels) {
    let model = ModelName {
        id: tone::MODEL.to_owned(),
        version: tone::VERSION.to_owned(),
        digest: tone::DIGEST.to_owned(),
        provider: "gateway".to_owned(),
    };
    for (region, skin) in seen.regions.iter().filter_map(|r| Some((r.region, r.look.as_ref()?))) {
        if skin.look.colourless > gates.clipping.colourless {
            levels.skipped.push(format!("{}, {region}: burnt out, its colour is lost", tone::MODEL));
            continue;
        }
        let values = tone::values(skin.look.light, reference);
        let read = tone::METRICS.iter().zip(values).filter(|(metric, _)| view.reads(region, metric));
        levels.scores.extend(read.map(|(metric, value)| Level {
            model: model.clone(),
            metric: (*metric).to_owned(),
            region: region.to_string(),
            value,
        }));
    }
}

pub(super) fn measure(
    engine: &mut Engine,
    view: &str,
    anchors: [[f64; 2]; 2],
    bytes: &[u8],
    camera: &str,
    only: Option<&[String]>,
) -> Result<Levels, String> {
    let (mut levels, mut shown, seen) = look(engine, view, anchors, bytes)?;
    let found = reference(engine, &mut shown, camera);
    levels.colour = found.map_or(ColourReference::None, |reference| reference.kind).to_string();
    if let Some(reference) = found.filter(|_| only.is_none_or(<[String]>::is_empty)) {
        colours(engine.view(view)?, &seen, &engine.gates, &reference, &mut levels);
    }
    for model in engine.models_of(only) {
        let id = model.manifest().id.clone();
        match model.manifest().input.fit.clone() {
            Fit::Region { .. } if too_coarse(model, shown.pose.px_per_mm).is_some() => {
                levels.skipped.extend(too_coarse(model, shown.pose.px_per_mm));
            }
            Fit::Region { .. } => {
                for (region, polygon) in shown.regions.clone() {
                    match of_region(model, &mut shown, &polygon) {
                        Ok(values) => levels.scores.extend(named(model, region, values)),
                        Err(missed) => {
                            levels.skipped.push(format!("{id}, {region}: {}", missed.reason()));
                            if matches!(missed, Missed::Failed(_)) && !levels.failed.contains(&id) {
                                levels.failed.push(id.clone());
                            }
                        }
                    }
                    faults::point("worker.region.measured");
                }
            }
            Fit::Whole { .. } => match whole::of_shown(model, &mut shown) {
                Ok(seen) => {
                    levels.skipped.extend(seen.skipped.into_iter().map(|reason| format!("{id}, {reason}")));
                    levels.scores.extend(seen.scores.into_iter().map(|EvaluatedScore { metric, region, value }| {
                        Level { model: name_of(model), metric, region, value }
                    }));
                }
                Err(reason) => {
                    levels.skipped.push(format!("{id}: {reason}"));
                    levels.failed.push(id);
                }
            },
        }
    }
    Ok(levels)
}

/// What to say of a picture that shows too little detail for the model.
pub(super) fn too_coarse(model: &Model, px_per_mm: f64) -> Option<String> {
    let manifest = model.manifest();
    let Fit::Region { min_px_per_mm, .. } = manifest.input.fit else { return None };
    let coarse = px_per_mm < min_px_per_mm;
    coarse.then(|| format!("{} needs {min_px_per_mm} px/mm, this picture has {px_per_mm:.1}", manifest.id))
}

/// Values in the order of the manifest's scores.
fn named(model: &Model, region: Region, values: Vec<f64>) -> impl Iterator<Item = Level> {
    let rules = model.manifest().scores.iter().zip(values);
    rules.map(move |(rule, value)| Level {
        model: name_of(model),
        metric: rule.metric.to_string(),
        region: region.to_string(),
        value,
    })
}

pub(super) fn of_region(model: &mut Model, shown: &mut Shown, polygon: &[[f64; 2]]) -> Result<Vec<f64>, Missed> {
    let Fit::Region { px_per_mm, margin_px, multiple_of, .. } = model.manifest().input.fit else {
        return Err(Missed::Failed(tensor::TensorError::NeedsWhole.to_string()));
    };
    let Some((grid, mask)) = shown.cut(polygon, px_per_mm, margin_px, multiple_of) else {
        return Err(Missed::Unsuited(format!("it is too large to be looked at with {px_per_mm} px/mm")));
    };
    if mask.count() == 0 {
        return Err(Missed::Unsuited("the picture does not show it".into()));
    }
    let given = outputs::of_planes(model, &shown.planes(&grid, Colour::Rgb)).map_err(Missed::Failed)?;
    // What is too small to be read is the picture's affair.
    outputs::scores_of(model.manifest(), &given, &mask, px_per_mm, Some(shown.face_mm)).map_err(Missed::Unsuited)
}

/// Why a region has no values of a model.
pub(super) enum Missed {
    /// The picture is not for this model there.
    Unsuited(String),
    /// The model gave no answer, or none that its manifest describes.
    Failed(String),
}

impl Missed {
    pub(super) fn reason(&self) -> &str {
        let (Self::Unsuited(reason) | Self::Failed(reason)) = self;
        reason
    }
}
