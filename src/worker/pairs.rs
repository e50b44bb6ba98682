//! Two photographs of one view: registered region by region, then every model's paired measure.

use super::{
    engine::{Engine, name_of},
    levels::Shown,
    outputs::{self, Outputs},
};
use crate::{
    adapters::onnx::Model,
    analysis::{
        compare::{PairedCounts, PairedResponse},
        job::{Paired, PairedMeasure},
        manifest::{Fit, KeptShare, OutputKind, Reduce, ScoreRule},
        picture::Plane,
        regions::{Affine, Grid, Mask},
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
    only: Option<&[String]>,
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
        for model in engine.models_of(only) {
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
    let rules: Vec<ScoreRule> = model.manifest().scores.iter().filter(|rule| is_paired(rule)).cloned().collect();
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let found = match registered {
        _ if coarser < min_px_per_mm => Err(Refusal::TooCoarse),
        Err(refusal) => Err(*refusal),
        Ok(registered) => compared(model, &rules, polygon, before, after, registered)?,
    };
    let measure = |(at, rule): (usize, &ScoreRule)| {
        let (found, refusal) = match &found {
            Ok(found) => (found.get(at), None),
            Err(refusal) => (None, Some(refusal.to_string())),
        };
        PairedMeasure {
            model: name_of(model),
            metric: rule.metric.to_string(),
            region: region.to_string(),
            counts: found.and_then(|found| found.counts),
            response: found.and_then(|found| found.response),
            levels: found.and_then(|found| found.levels),
            refusal,
            residual_px: registered.as_ref().ok().map(|r| [r.residual_median_px, r.residual_p95_px]),
        }
    };
    Ok(rules.iter().enumerate().map(measure).collect())
}

pub(super) const fn is_paired(rule: &ScoreRule) -> bool {
    rule.paired.is_some() || rule.peaks_of.is_some()
}

/// One score of one region.
struct OfRule {
    counts: Option<PairedCounts>,
    response: Option<PairedResponse>,
    levels: Option<[f64; 2]>,
}

/// Both maps of one output with the mask at their scale, and pixels per millimetre.
struct Maps<'a> {
    maps: [&'a Plane; 2],
    mask: Mask,
    px_per_mm: f64,
}

/// A region of both pictures on the before picture's grid and at the same sharpness, as a model sees it.
pub(super) struct Evened {
    pub grid: Grid,
    pub mask: Mask,
    pub before: Outputs,
    pub after: Outputs,
}

/// What the after picture does not show again, though the region as a whole is found, is left out: else whatever lies beneath hair
/// or a towel's edge would count as gone. Refused where the two cannot be brought to one sharpness.
pub(super) fn evened(
    model: &mut Model,
    polygon: &[[f64; 2]],
    before: &mut Face<'_>,
    after: &mut Face<'_>,
    registered: &Registered,
) -> Result<Result<Evened, Refusal>, String> {
    let Fit::Region { px_per_mm, margin_px, multiple_of, .. } = model.manifest().input.fit else {
        return Err("paired measures need regions".into());
    };
    let grid = Grid::around(polygon, px_per_mm, margin_px, multiple_of);
    if grid.is_too_large() {
        // No photograph of so much skin is as fine as that.
        return Ok(Err(Refusal::TooCoarse));
    }
    let mut mask = grid.mask(polygon, &[before.shown(&Affine::IDENTITY), after.shown(registered.affine())]);
    registered.unseen.iter().for_each(|middle| mask.hide(&grid, *middle, register::UNSEEN_MM));
    let here = before.pose.to_picture.after(&grid.to_mm());
    let reduction = [here.scale(); 2];
    let mut first = before.source.sample_affine(grid.width, grid.height, reduction, Colour::Rgb, &here);
    let mut second = register::warped(after, &grid, registered, Colour::Rgb);
    if !parity::equalise(&mut first, &mut second, &mask) {
        return Ok(Err(Refusal::SharpnessDiffers));
    }
    let (before, after) = (outputs::of_planes(model, &first)?, outputs::of_planes(model, &second)?);
    Ok(Ok(Evened { grid, mask, before, after }))
}

/// Compared rule by rule.
fn compared(
    model: &mut Model,
    rules: &[ScoreRule],
    polygon: &[[f64; 2]],
    before: &mut Face<'_>,
    after: &mut Face<'_>,
    registered: &Registered,
) -> Result<Result<Vec<OfRule>, Refusal>, String> {
    let Evened { grid, mask, before: first, after: second } = match evened(model, polygon, before, after, registered)? {
        Ok(evened) => evened,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let px_per_mm = grid.px_per_mm;
    let manifest = model.manifest();
    let maps = |rule: &ScoreRule| {
        let kind = manifest.outputs[rule.output].kind;
        let stride = if let OutputKind::Map { stride } = kind { stride } else { 1 };
        let maps = [first.of_rule(rule), second.of_rule(rule)];
        Maps { maps, mask: scores::map_mask(kind, &mask, maps[0]), px_per_mm: px_per_mm / f64::from(stride) }
    };
    let of_rule = |rule: &ScoreRule| {
        let Maps { maps: here, mask, px_per_mm } = maps(rule);
        let level = |map: &Plane| scores::reduce(rule.reduce, map, &mask, px_per_mm).ok();
        let counts = peaks_rule(rule)
            .map(|(threshold, window, kept)| scores::paired(here[0], here[1], &mask, threshold, window, kept));
        let peaks = rule.peaks_of.as_ref().and_then(|metric| manifest.score(metric));
        let response = peaks.and_then(|peaks| {
            let (threshold, window, kept) = peaks_rule(peaks)?;
            let peaks = maps(peaks).maps;
            // The manifest says so; the model may not keep to it.
            let alike = peaks.iter().all(|map| (map.width, map.height) == (here[0].width, here[0].height));
            alike.then(|| scores::response(peaks, here, &mask, threshold, window, kept))
        });
        let levels = level(here[0]).zip(level(here[1])).map(|(before, after)| [before, after]);
        OfRule { counts, response, levels }
    };
    Ok(Ok(rules.iter().map(of_rule).collect()))
}

/// Threshold, window and what counts as kept, of a score whose peaks are paired.
pub(super) fn peaks_rule(rule: &ScoreRule) -> Option<(f32, u32, KeptShare)> {
    match (rule.reduce, rule.paired) {
        (Reduce::PeakDensity { threshold, window }, Some(kept)) => Some((threshold, window, kept)),
        _ => None,
    }
}
