//! Two photographs of one view: registered region by region, then every model's paired measure.

use super::{
    engine::{Engine, name_of},
    levels::Shown,
    outputs::of_planes,
};
use crate::{
    adapters::onnx::Model,
    analysis::{
        compare::PairedCounts,
        job::{Paired, PairedMeasure},
        manifest::{Fit, KeptShare, Reduce, ScoreRule},
        regions::{Affine, Grid},
        register::{self, Face, Registered},
        scores,
    },
    domain::{Region, comparison::Refusal},
};
use skinlink_pixels::{parity, sample::Colour};

pub(super) fn measure(
    engine: &mut Engine,
    view: &str,
    anchors: [[[f64; 2]; 2]; 2],
    pictures: [&[u8]; 2],
) -> Result<Paired, String> {
    let mut before = Shown::open(engine, view, anchors[0], pictures[0])?;
    let mut after = Shown::open(engine, view, anchors[1], pictures[1])?;
    let coarser = before.pose.px_per_mm.min(after.pose.px_per_mm);
    let regions = std::mem::take(&mut before.regions);
    let mut before = Face { source: &mut before.source, pose: before.pose };
    let mut after = Face { source: &mut after.source, pose: after.pose };
    let polygons: Vec<_> = regions.iter().map(|(_, polygon)| polygon.clone()).collect();
    let coarse = register::coarse(&mut before, &mut after, &polygons);
    let mut measures = Vec::new();
    for (region, polygon) in &regions {
        let registered = register::region(&mut before, &mut after, polygon, &coarse);
        for model in &mut engine.models {
            measures.extend(of_region(model, *region, polygon, &mut before, &mut after, &registered, coarser)?);
        }
    }
    Ok(Paired { measures })
}

fn of_region(
    model: &mut Model,
    region: Region,
    polygon: &[[f64; 2]],
    before: &mut Face<'_>,
    after: &mut Face<'_>,
    registered: &Result<Registered, Refusal>,
    coarser: f64,
) -> Result<Vec<PairedMeasure>, String> {
    let Fit::Region { min_px_per_mm, .. } = model.manifest().input.fit else { return Ok(Vec::new()) };
    let rules: Vec<ScoreRule> = model.manifest().scores.iter().filter(|rule| rule.paired.is_some()).cloned().collect();
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let counted = match registered {
        _ if coarser < min_px_per_mm => Err(Refusal::TooCoarse),
        Err(refusal) => Err(*refusal),
        Ok(registered) => Ok(count(model, &rules, polygon, before, after, registered)?),
    };
    let measure = |(at, rule): (usize, &ScoreRule)| {
        let counts: Result<PairedCounts, Refusal> = counted.as_ref().map(|c| c[at]).map_err(|refusal| *refusal);
        PairedMeasure {
            model: name_of(model),
            metric: rule.metric.to_string(),
            region: region.to_string(),
            counts: counts.ok(),
            refusal: counts.err().map(|refusal| refusal.to_string()),
            residual_px: registered.as_ref().ok().map(|r| [r.residual_median_px, r.residual_p95_px]),
        }
    };
    Ok(rules.iter().enumerate().map(measure).collect())
}

/// Both pictures on the before picture's grid and at the same sharpness, through the model, counted.
fn count(
    model: &mut Model,
    rules: &[ScoreRule],
    polygon: &[[f64; 2]],
    before: &mut Face<'_>,
    after: &mut Face<'_>,
    registered: &Registered,
) -> Result<Vec<PairedCounts>, String> {
    let Fit::Region { px_per_mm, margin_px, multiple_of, .. } = model.manifest().input.fit else {
        return Err("paired measures need regions".into());
    };
    let grid = Grid::around(polygon, px_per_mm, margin_px, multiple_of);
    let mask = grid.mask(polygon, &[before.shown(&Affine::IDENTITY), after.shown(registered.affine())]);
    let here = before.pose.to_picture.after(&grid.to_mm());
    let reduction = [here.scale(); 2];
    let mut first = before.source.sample_affine(grid.width, grid.height, reduction, Colour::Rgb, &here);
    let mut second = register::warped(after, &grid, registered, Colour::Rgb);
    parity::equalise(&mut first, &mut second, &mask);
    let (first, second) = (of_planes(model, &first)?, of_planes(model, &second)?);
    let counts = |rule: &ScoreRule| {
        let (Reduce::PeakDensity { threshold, window }, Some(kept)) = (rule.reduce, rule.paired) else {
            return PairedCounts { before_peaks: 0, lost: 0, after_peaks: 0, gained: 0 };
        };
        let (first, second) = (first.of_rule(rule), second.of_rule(rule));
        let mask = scores::map_mask(model.manifest().outputs[rule.output].kind, &mask, first);
        let kept: KeptShare = kept;
        scores::paired(first, second, &mask, threshold, window, kept)
    };
    Ok(rules.iter().map(counts).collect())
}
