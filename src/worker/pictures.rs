//! Pictures of a pair for the report, all of one frame: [`crate::analysis::change`].

use super::{
    engine::Engine,
    levels::{Shown, reference},
    pairs::{self, Evened},
};
use crate::{
    adapters::onnx::Model,
    analysis::{
        blend::Blend,
        change::{self, Marks, Strong},
        job::{MAX_PARTS, PictureKind, PictureOf, Pictures},
        manifest::{Fit, ScoreRule},
        picture::Plane,
        regions::{Grid, Mask},
        register::{self, Face, Registered},
    },
    domain::Region,
};
use skinlink_pixels::{
    paint::Canvas,
    peaks::{self, Rule},
    sample::Colour,
};

/// The metric that a picture of redness goes with.
const REDNESS: &str = "photo-redness";

/// A region that was found again.
struct Seen<'a> {
    polygon: &'a [[f64; 2]],
    way: Registered,
}

pub(super) fn make(
    engine: &mut Engine,
    view: &str,
    anchors: [[[f64; 2]; 2]; 2],
    pictures: [&[u8]; 2],
    (cameras, whites): (&[String; 2], Option<[[f64; 3]; 2]>),
) -> Result<(Pictures, Vec<Vec<u8>>), String> {
    let mut before = Shown::open(engine, view, anchors[0], pictures[0])?;
    let mut after = Shown::open(engine, view, anchors[1], pictures[1])?;
    let whites = whites.or_else(|| whites_of(engine, [&mut before, &mut after], cameras));
    let coarser = before.pose.px_per_mm.min(after.pose.px_per_mm);
    let regions: Vec<(Region, Vec<[f64; 2]>)> = std::mem::take(&mut before.regions);
    let mut before = Face { source: &mut before.source, pose: before.pose };
    let mut after = Face { source: &mut after.source, pose: after.pose };
    let polygons: Vec<_> = regions.iter().map(|(_, polygon)| polygon.clone()).collect();
    let coarse = register::coarse(&mut before, &mut after, &polygons);
    let (mut seen, mut refused) = (Vec::new(), Vec::new());
    for (region, polygon) in &regions {
        match register::region(&mut before, &mut after, polygon, &coarse) {
            Ok(way) => seen.push(Seen { polygon, way }),
            Err(refusal) => refused.push((region.to_string(), refusal.to_string())),
        }
    }
    let mut made = Made { refused, pictures: Vec::new(), parts: Vec::new() };
    // Where nothing was found again there is nothing to lay over anything.
    if seen.is_empty() {
        return Ok(made.done());
    }
    let grid = change::frame(&polygons);
    let here = planes(&mut before, &grid);
    let there = laid_over(&mut after, &grid, &coarse, &seen);
    let mask = together(&grid, &seen);
    made.push(PictureKind::Before, None, coded(here.clone(), None));
    made.push(PictureKind::Aligned, None, coded(there.clone(), None));
    let factor = change::exposure(&here[1], &there[1], &mask);
    made.push(PictureKind::SameExposure, None, coded(there.clone(), Some(factor)));
    for model in &mut engine.models {
        let Fit::Region { min_px_per_mm, .. } = model.manifest().input.fit else { continue };
        if coarser >= min_px_per_mm {
            of_model(model, &mut made, &mut before, &mut after, &grid, &here, &seen)?;
        }
    }
    if let Some(whites) = whites {
        made.push(PictureKind::Redness, Some(REDNESS.to_owned()), change::redness(&here, &there, &grid, &mask, whites));
    }
    Ok(made.done())
}

/// What white looked like in both, where colours compare: by a reference of one kind, and by one camera.
fn whites_of(engine: &Engine, shown: [&mut Shown; 2], cameras: &[String; 2]) -> Option<[[f64; 3]; 2]> {
    if cameras[0] != cameras[1] {
        return None;
    }
    let [before, after] = shown;
    let (before, after) = (reference(engine, before, &cameras[0])?, reference(engine, after, &cameras[1])?);
    (before.kind == after.kind).then(|| [before, after].map(|found| found.gains.map(|gain| 1.0 / gain.max(1e-6))))
}

struct Made {
    refused: Vec<(String, String)>,
    pictures: Vec<PictureOf>,
    parts: Vec<Vec<u8>>,
}

impl Made {
    fn push(&mut self, kind: PictureKind, metric: Option<String>, part: Option<Vec<u8>>) {
        // A frame carries no more; the last place is kept for redness, which comes last.
        let most = if kind == PictureKind::Redness { MAX_PARTS } else { MAX_PARTS - 1 };
        if let Some(part) = part.filter(|_| self.parts.len() < most) {
            self.pictures.push(PictureOf { kind, metric });
            self.parts.push(part);
        }
    }

    fn done(self) -> (Pictures, Vec<Vec<u8>>) {
        (Pictures { pictures: self.pictures, refused: self.refused }, change::fitted(self.parts))
    }
}

/// The change of every paired metric of one model.
fn of_model(
    model: &mut Model,
    made: &mut Made,
    before: &mut Face<'_>,
    after: &mut Face<'_>,
    grid: &Grid,
    here: &[Plane],
    seen: &[Seen<'_>],
) -> Result<(), String> {
    let mut evened = Vec::new();
    for region in seen {
        // A region that cannot be brought to one sharpness has no marks, as it has no verdict.
        if let Ok(cut) = pairs::evened(model, region.polygon, before, after, &region.way)? {
            evened.push((region, cut));
        }
    }
    let manifest = model.manifest();
    for rule in manifest.scores.iter().filter(|rule| pairs::is_paired(rule)) {
        let Some(mut marks) = Marks::over(here.to_vec(), *grid) else { continue };
        for (region, cut) in &evened {
            marks.outline(region.polygon);
            match rule.peaks_of.as_ref().and_then(|metric| manifest.score(metric)) {
                None => marks.peaks(&found(rule, cut), &cut.grid),
                Some(peaks) => {
                    let unchanged = rule.repeatability.as_ref().and_then(|known| known.paired);
                    marks.strengths(region.polygon, &cut.grid, &strengths(rule, peaks, cut), unchanged);
                }
            }
        }
        let kind = if rule.peaks_of.is_some() { PictureKind::Strength } else { PictureKind::Change };
        made.push(kind, Some(rule.metric.to_string()), Some(marks.jpeg()));
    }
    Ok(())
}

/// A picture shows maps that have the pictures' own scale; others would lie at wrong places.
fn at_scale(cut: &Evened, maps: [&Plane; 2]) -> bool {
    maps.iter().all(|map| (map.width, map.height) == (cut.grid.width, cut.grid.height))
}

fn found(rule: &ScoreRule, cut: &Evened) -> Vec<peaks::Peak> {
    let Some((threshold, window, kept)) = pairs::peaks_rule(rule) else { return Vec::new() };
    let how = Rule { threshold, window, kept: kept.kept_threshold, search: kept.search_px };
    let (before, after) = (cut.before.of_rule(rule), cut.after.of_rule(rule));
    if !at_scale(cut, [before, after]) {
        return Vec::new();
    }
    peaks::places(before, after, &cut.mask, how)
}

fn strengths(rule: &ScoreRule, peaks_of: &ScoreRule, cut: &Evened) -> Vec<Strong> {
    let Some((_, _, kept)) = pairs::peaks_rule(peaks_of) else { return Vec::new() };
    let reach = kept.search_px as usize;
    let strongest = |map: &Plane, x: usize, y: usize| f64::from(peaks::strongest(map, x, y, reach));
    let (before, after) = (cut.before.of_rule(rule), cut.after.of_rule(rule));
    if !at_scale(cut, [before, after]) {
        return Vec::new();
    }
    let stayed = found(peaks_of, cut).into_iter().filter(|peak| peak.kept);
    stayed
        .map(|peak| Strong {
            at: [peak.x as f64, peak.y as f64],
            before: strongest(before, peak.x, peak.y),
            after: strongest(after, peak.x, peak.y),
        })
        .collect()
}

fn coded(planes: Vec<Plane>, factor: Option<f32>) -> Option<Vec<u8>> {
    let mut canvas = Canvas::new(planes)?;
    if let Some(factor) = factor {
        canvas.expose(factor);
    }
    Some(change::jpeg(&canvas))
}

fn planes(face: &mut Face<'_>, grid: &Grid) -> Vec<Plane> {
    let map = face.pose.to_picture.after(&grid.to_mm());
    face.source.sample_affine(grid.width, grid.height, [map.scale(); 2], Colour::Rgb, &map)
}

fn laid_over(
    after: &mut Face<'_>,
    grid: &Grid,
    coarse: &crate::analysis::regions::Affine,
    seen: &[Seen<'_>],
) -> Vec<Plane> {
    let ways: Vec<_> = seen.iter().map(|region| (region.polygon, &region.way)).collect();
    let size = [grid.width, grid.height].map(|pixels| pixels as f64 / grid.px_per_mm);
    let blend = Blend::over(grid.origin_mm, size, coarse, &ways);
    let (to_mm, to_picture) = (grid.to_mm(), after.pose.to_picture);
    let reduction = to_picture.scale() * coarse.scale() / grid.px_per_mm;
    let place = |x: f32, y: f32| {
        let mm = to_mm.apply([f64::from(x), f64::from(y)]);
        to_picture.apply(blend.to_after_mm(mm)).map(|v| v as f32)
    };
    after.source.sample(grid.width, grid.height, [reduction; 2], Colour::Rgb, &place)
}

fn together(grid: &Grid, seen: &[Seen<'_>]) -> Mask {
    let mut all = Mask { width: grid.width, height: grid.height, inside: vec![false; grid.width * grid.height] };
    for region in seen {
        let mask = grid.mask(region.polygon, &[]);
        all.inside.iter_mut().zip(mask.inside).for_each(|(all, inside)| *all |= inside);
    }
    all
}
