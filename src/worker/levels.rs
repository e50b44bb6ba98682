//! One photograph: quality gates, then every model's level of every region, one region at a time so that only one
//! region's tensors are in memory.

use super::engine::{Engine, decode, name_of};
use crate::{
    adapters::onnx::Model,
    analysis::{
        job::{Level, Levels},
        manifest::{Fit, OutputKind, Reduce},
        picture::Plane,
        quality,
        regions::{Grid, Mask, Pose},
        scores, tensor,
    },
    domain::Region,
    faults,
};
use skinlink_pixels::sample::{Colour, Source};

/// A photograph ready to be cut.
pub(super) struct Shown {
    pub source: Source,
    pub pose: Pose,
    /// Regions of the view with their polygons in face millimetres.
    pub regions: Vec<(Region, Vec<[f64; 2]>)>,
}

impl Shown {
    pub(super) fn open(engine: &Engine, view: &str, anchors: [[f64; 2]; 2], bytes: &[u8]) -> Result<Self, String> {
        let view = engine.view(view)?;
        let picture = decode(bytes)?;
        let pose = view.pose(anchors, picture.width(), picture.height()).map_err(|e| e.to_string())?;
        let regions = view.regions.iter().map(|(region, polygon)| (*region, view.polygon_mm(polygon))).collect();
        Ok(Self { source: Source::new(picture), pose, regions })
    }

    /// A region's grid and which of its pixels the photograph shows.
    fn cut(&self, polygon: &[[f64; 2]], px_per_mm: f64, margin_px: u32, multiple_of: u32) -> (Grid, Mask) {
        let grid = Grid::around(polygon, px_per_mm, margin_px, multiple_of);
        let picture = self.source.picture();
        let mask = grid.mask(polygon, &[self.pose.shown(picture.width(), picture.height())]);
        (grid, mask)
    }

    fn planes(&mut self, grid: &Grid, colour: Colour) -> Vec<Plane> {
        let map = self.pose.to_picture.after(&grid.to_mm());
        self.source.sample_affine(grid.width, grid.height, [map.scale(); 2], colour, &map)
    }
}

/// The quality gates alone.
pub(super) fn look(
    engine: &Engine,
    view: &str,
    anchors: [[f64; 2]; 2],
    bytes: &[u8],
) -> Result<(Levels, Shown), String> {
    let mut shown = Shown::open(engine, view, anchors, bytes)?;
    let looks: Vec<_> = shown
        .regions
        .clone()
        .iter()
        .map(|(_, polygon)| {
            let (grid, mask) = shown.cut(polygon, quality::LOOK_PX_PER_MM, 2, 1);
            if mask.count() == 0 { None } else { quality::look(&shown.planes(&grid, Colour::Green)[0], &mask) }
        })
        .collect();
    let (width, height) = (shown.source.picture().width(), shown.source.picture().height());
    let px_per_mm = shown.pose.px_per_mm;
    let complaints = quality::judge(width, height, px_per_mm, &looks).iter().map(ToString::to_string).collect();
    Ok((Levels { width, height, px_per_mm, complaints, scores: Vec::new(), skipped: Vec::new() }, shown))
}

pub(super) fn measure(engine: &mut Engine, view: &str, anchors: [[f64; 2]; 2], bytes: &[u8]) -> Result<Levels, String> {
    let (mut levels, mut shown) = look(engine, view, anchors, bytes)?;
    for model in &mut engine.models {
        let id = model.manifest().id.clone();
        match model.manifest().input.fit.clone() {
            Fit::Region { min_px_per_mm, .. } if shown.pose.px_per_mm < min_px_per_mm => {
                let found = shown.pose.px_per_mm;
                levels.skipped.push(format!("{id} needs {min_px_per_mm} px/mm, this picture has {found:.1}"));
            }
            Fit::Region { .. } => {
                for (region, polygon) in shown.regions.clone() {
                    match of_region(model, &mut shown, &polygon) {
                        Ok(values) => levels.scores.extend(named(model, region, values)),
                        Err(reason) => levels.skipped.push(format!("{id}, {region}: {reason}")),
                    }
                    faults::point("worker.region.measured");
                }
            }
            Fit::Whole { .. } => match of_whole(model, &mut shown) {
                Ok(values) => levels.scores.extend(named(model, Region::Face, values)),
                Err(reason) => levels.skipped.push(format!("{id}: {reason}")),
            },
        }
    }
    Ok(levels)
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

fn of_region(model: &mut Model, shown: &mut Shown, polygon: &[[f64; 2]]) -> Result<Vec<f64>, String> {
    let Fit::Region { px_per_mm, margin_px, multiple_of, .. } = model.manifest().input.fit else {
        return Err(tensor::TensorError::NeedsWhole.to_string());
    };
    let (grid, mask) = shown.cut(polygon, px_per_mm, margin_px, multiple_of);
    if mask.count() == 0 {
        return Err("the picture does not show it".into());
    }
    let maps = maps_of(model, &shown.planes(&grid, Colour::Rgb))?;
    let rules = &model.manifest().scores;
    rules.iter().map(|rule| level(model, rule.output, rule.reduce, &maps[rule.output], &mask, px_per_mm)).collect()
}

fn of_whole(model: &mut Model, shown: &mut Shown) -> Result<Vec<f64>, String> {
    let input = &model.manifest().input;
    let tensor = tensor::from_picture(input, &mut shown.source).map_err(|e| e.to_string())?;
    let raw = model.run(&tensor).map_err(|e| e.to_string())?;
    let manifest = model.manifest();
    let value = |rule: &crate::analysis::manifest::ScoreRule| {
        let (output, raw) = (&manifest.outputs[rule.output], &raw[rule.output]);
        match output.kind {
            OutputKind::Scalar => scores::scalar_of(output, raw.values.clone()).map_err(|e| e.to_string()),
            _ => {
                let map = scores::map_of(output, &raw.shape, raw.values.clone()).map_err(|e| e.to_string())?;
                // Without regions there is no scale: only reducers that need none make sense here.
                let mask = Mask::whole(map.width, map.height);
                scores::reduce(rule.reduce, &map, &mask, shown.pose.px_per_mm).map_err(|e| e.to_string())
            }
        }
    };
    manifest.scores.iter().map(value).collect()
}

/// All outputs of a model on a region's red, green and blue planes, activated; scalars become maps of one cell.
pub(super) fn maps_of(model: &mut Model, planes: &[Plane]) -> Result<Vec<Plane>, String> {
    let planes: &[Plane; 3] = planes.try_into().map_err(|_| "three planes are needed")?;
    let tensor = tensor::from_planes(&model.manifest().input, planes).map_err(|e| e.to_string())?;
    let outputs = model.run(&tensor).map_err(|e| e.to_string())?;
    let described = model.manifest().outputs.iter();
    described
        .zip(outputs)
        .map(|(output, raw)| match output.kind {
            OutputKind::Map { .. } => scores::map_of(output, &raw.shape, raw.values).map_err(|e| e.to_string()),
            _ => Ok(Plane { width: raw.values.len(), height: 1, values: raw.values }),
        })
        .collect()
}

fn level(
    model: &Model,
    output: usize,
    reduce: Reduce,
    map: &Plane,
    mask: &Mask,
    px_per_mm: f64,
) -> Result<f64, String> {
    let output = &model.manifest().outputs[output];
    match output.kind {
        OutputKind::Map { stride } => {
            let mask = scores::map_mask(output.kind, mask, map);
            scores::reduce(reduce, map, &mask, px_per_mm / f64::from(stride)).map_err(|e| e.to_string())
        }
        _ => scores::scalar_of(output, map.values.clone()).map_err(|e| e.to_string()),
    }
}
