//! A model that sees the whole picture at once: scores over the picture or region by region, what its detectors find, its
//! landmarks and classes.

use super::{levels::Shown, outputs::Outputs};
use crate::{
    adapters::onnx::Model,
    analysis::{
        golden::Raw,
        job::{Evaluated, EvaluatedScore, Point, Share, Thing},
        manifest::{Coordinates, Extent, Manifest, OutputKind, ScoreRule},
        regions::{Affine, Mask, Pose},
        scores::{self, Scale},
        tensor::{self, Placement},
    },
    domain::Region,
};
use skinlink_pixels::sample::Source;

/// Where the face lies in the picture, and its regions in face millimetres.
#[derive(Clone, Copy)]
pub(super) struct Face<'a> {
    pub pose: Pose,
    pub face_mm: f64,
    pub regions: &'a [(Region, Vec<[f64; 2]>)],
}

/// A picture whose face was placed.
pub(super) fn of_shown(model: &mut Model, shown: &mut Shown) -> Result<Evaluated, String> {
    let face = Face { pose: shown.pose, face_mm: shown.face_mm, regions: &shown.regions };
    see(model, &mut shown.source, Some(face), Some(shown.pose.px_per_mm))
}

/// `px_per_mm` is the picture's, where it is known.
pub(super) fn see(
    model: &mut Model,
    source: &mut Source,
    face: Option<Face<'_>>,
    px_per_mm: Option<f64>,
) -> Result<Evaluated, String> {
    let (tensor, placement) = tensor::from_picture(&model.manifest().input, source).map_err(|e| e.to_string())?;
    let raw = model.run(&tensor).map_err(|e| e.to_string())?;
    let manifest = model.manifest();
    let picture = source.picture();
    let found = found(manifest, &raw, &placement)?;
    let outputs = Outputs::of(manifest, raw)?;
    let mut seen = Evaluated { width: picture.width(), height: picture.height(), found, ..Evaluated::default() };
    for rule in &manifest.scores {
        let reading = Reading { manifest, outputs: &outputs, placement: &placement, face, px_per_mm };
        reading.score(rule, &mut seen);
    }
    for (at, output) in manifest.outputs.iter().enumerate() {
        let values = outputs.values(at).iter().map(|v| f64::from(*v));
        match output.kind {
            OutputKind::Landmarks { unit } => seen.points.extend(landmarks(&output.names, unit, values, &placement)),
            OutputKind::Class => {
                let share =
                    |(class, share): (&String, f64)| Share { output: output.name.clone(), class: class.clone(), share };
                seen.classes.extend(output.names.iter().zip(values).map(share));
            }
            _ => {}
        }
    }
    Ok(seen)
}

fn found(manifest: &Manifest, raw: &[Raw], placement: &Placement) -> Result<Vec<Thing>, String> {
    if manifest.detectors.is_empty() {
        return Ok(Vec::new());
    }
    let tables: Vec<Raw> =
        manifest.outputs.iter().zip(raw).map(|(output, raw)| scores::table_of(output, raw.clone())).collect();
    let mut things = Vec::new();
    for detector in &manifest.detectors {
        for found in detector.find(&tables, placement).map_err(|e| e.to_string())? {
            let points = detector.points.iter().zip(found.points);
            things.push(Thing {
                detector: detector.id.clone(),
                score: found.score,
                corners: found.corners,
                points: points.map(|(name, at)| Point { name: name.clone(), at }).collect(),
            });
        }
    }
    Ok(things)
}

fn landmarks<'a>(
    names: &'a [String],
    unit: Coordinates,
    values: impl Iterator<Item = f64>,
    placement: &Placement,
) -> impl Iterator<Item = Point> + 'a {
    let size = unit.size_of(placement);
    let values: Vec<f64> = values.collect();
    let placement = *placement;
    names.iter().enumerate().map(move |(k, name)| {
        let at = [0, 1].map(|axis| values[2 * k + axis] * size[axis]);
        Point { name: name.clone(), at: placement.to_picture(at) }
    })
}

/// What a score is read from.
struct Reading<'a> {
    manifest: &'a Manifest,
    outputs: &'a Outputs,
    placement: &'a Placement,
    face: Option<Face<'a>>,
    px_per_mm: Option<f64>,
}

impl Reading<'_> {
    fn score(&self, rule: &ScoreRule, seen: &mut Evaluated) {
        let plane = self.outputs.of_rule(rule);
        let OutputKind::Map { stride } = self.manifest.outputs[rule.output].kind else {
            return keep(seen, rule, Region::Face, self.outputs.score(rule, &Mask::whole(1, 1), Scale::default()));
        };
        let (stride, ratio) = (f64::from(stride), self.placement.ratio());
        // A stretched picture has two scales; areas come out right by their mean.
        let cells_per_mm = self.px_per_mm.map(|px_per_mm| px_per_mm / (ratio[0] * ratio[1]).sqrt() / stride);
        let scale = Scale { cells_per_mm, face_mm: self.face.map(|face| face.face_mm) };
        let picture = self.placement.picture;
        let [x, y] = self.placement.to_picture([0.5 * stride; 2]);
        let to_picture = Affine { m: [ratio[0] * stride, 0.0, 0.0, ratio[1] * stride], t: [x, y] };
        let within =
            |polygon: Option<&[[f64; 2]]>| Mask::within(plane.width, plane.height, &to_picture, picture, polygon);
        match (rule.by, self.face) {
            (Extent::Picture, _) => {
                keep(seen, rule, Region::Face, self.outputs.score(rule, &within(None), scale));
            }
            (Extent::Region, None) => {
                seen.skipped
                    .push(format!("{}: it is told by region, and nothing says where the face lies", rule.metric));
            }
            (Extent::Region, Some(face)) => {
                for (region, polygon) in face.regions {
                    let polygon: Vec<[f64; 2]> = polygon.iter().map(|mm| face.pose.to_picture.apply(*mm)).collect();
                    let mask = within(Some(&polygon));
                    keep(seen, rule, *region, self.outputs.score(rule, &mask, scale));
                }
            }
        }
    }
}

fn keep(seen: &mut Evaluated, rule: &ScoreRule, region: Region, value: Result<f64, String>) {
    match value {
        Ok(value) => {
            seen.scores.push(EvaluatedScore { metric: rule.metric.to_string(), region: region.to_string(), value })
        }
        Err(reason) => seen.skipped.push(format!("{}, {region}: {reason}", rule.metric)),
    }
}
