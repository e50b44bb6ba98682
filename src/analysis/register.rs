//! Lays the after picture onto the before picture, so that every pore can be looked up at its own place.
//!
//! From the anchors to a part of a pixel in four steps: one wide search over turn, scale and shift on a thumbnail, wide
//! enough for anchors that nobody tapped; two steps of block matching on larger scales that follow the whole face by a
//! similarity; then region by region an affine map (a nose stands nearer than a forehead); then, in three rounds, a smooth
//! field of small shifts for what no affine map follows (expression). Why not features and RANSAC:
//! `docs/decisions/0019-registration-by-patches.md`. All in the green channel, freed of light by subtracting the local
//! mean. Deterministic.
//!
//! Frames: face millimetres as in [`super::regions`], each picture by its own anchors. The result maps before millimetres
//! to after millimetres. A pair is refused when too few patches are found again or when those found do not agree within
//! [`MAX_RESIDUAL_PX`] in the end: it says nothing on whose face it is.

use super::{
    picture::Plane,
    regions::{Affine, Grid, Mask, Pose, Shown},
};
use crate::domain::comparison::Refusal;
use skinlink_pixels::{
    bend::{Bend, Warp},
    blocks::{Blocks, Found, Sums, Template, find},
    fit::{Model, Pair, robust},
    sample::{Colour, Source},
};

/// Scale of the last steps, pixels per millimetre, and the unit of the residuals.
pub const PX_PER_MM: f64 = 13.0;
/// Largest 95th percentile of what is left after the last step, pixels of [`PX_PER_MM`].
pub const MAX_RESIDUAL_PX: f64 = 4.0;
/// Correlation from which a patch counts as found; strangers reach it in less than one patch of twenty.
const FOUND_FROM: f32 = 0.45;
/// Fewer patches, or a smaller share of them found again, register nothing.
const MIN_FOUND: usize = 8;
/// A map through patches of which fewer agree is not followed.
const MIN_AGREEING: f64 = 0.6;
const MIN_FOUND_SHARE: f64 = 0.35;
/// The same of that half of a region in which fewest are found, whichever way it is halved: where less than half of a half is
/// there, half of the skin asked about was not photographed. (Under a towel 0.00 to 0.16 was seen, on the skin itself 1.00.)
const MIN_HALF_SHARE: f64 = 0.5;
/// Blur against noise, and half width of the local mean that is taken for light, both before patches are compared.
const SOFT_PX: f32 = 0.8;
const REACH_PX: usize = 8;
/// One patch of the last look speaks for a square of this side.
const LAST_STEP_PX: usize = 40;
/// What is left out about a patch that was not found, in millimetres of the face: its own square and half of the next ones, which
/// may still be found with a hand's edge in them.
pub const UNSEEN_MM: f64 = 2.2 * LAST_STEP_PX as f64 / PX_PER_MM;
/// Scale ratio of the two pictures outside of which they are not compared.
const SCALES: std::ops::RangeInclusive<f64> = 0.8..=1.25;

const THUMBNAIL_PX_PER_MM: f64 = 0.8;
/// How far anchors may be off, in millimetres and in the turns and scales below.
const REACH_MM: f64 = 12.0;
const TURNS_DEGREES: [f64; 11] = [0.0, -2.5, 2.5, -5.0, 5.0, -7.5, 7.5, -10.0, 10.0, -12.5, 12.5];
const SIZES: [f64; 9] = [1.0, 0.95, 1.05, 0.9, 1.1, 0.86, 1.16, 0.82, 1.22];
/// How many of the thumbnail's best are followed.
const STARTS: usize = 6;
/// How much of the face round the regions helps to find the way.
const SURROUNDINGS_MM: f64 = 15.0;

/// One of the two pictures with its face.
#[derive(Debug)]
pub struct Face<'a> {
    pub source: &'a mut Source,
    pub pose: Pose,
}

impl Face<'_> {
    /// What its picture shows of the face, places taken by `way` first.
    #[must_use]
    pub fn shown(&self, way: &Affine) -> Shown {
        let picture = self.source.picture();
        Shown { to_picture: self.pose.to_picture.after(way), width: picture.width(), height: picture.height() }
    }

    /// The green channel on a grid of face millimetres, taken by `way` first; freed of light, noise a little softened.
    fn relief(&mut self, grid: &Grid, way: &Affine, reach: usize) -> Plane {
        let map = self.pose.to_picture.after(&way.after(&grid.to_mm()));
        let [plane] = self
            .source
            .sample_affine(grid.width, grid.height, [map.scale(); 2], Colour::Green, &map)
            .try_into()
            .expect("one colour asked for");
        plane.blurred(SOFT_PX).high_passed(reach)
    }
}

/// Reach of the field's smoothing, in the first rounds and in the last: SD of a Gaussian, pixels of the grid looked at.
const WIDE_SMOOTH_PX: f64 = 40.0;
const CLOSE_SMOOTH_PX: f64 = 26.0;

/// Before millimetres to after millimetres over one region.
#[derive(Debug, Clone, PartialEq)]
pub struct Registered {
    affine: Affine,
    field: Bend,
    /// What the last look still found, in pixels of [`PX_PER_MM`].
    pub residual_median_px: f64,
    pub residual_p95_px: f64,
    /// Share of the patches that were found again.
    pub found_share: f64,
    /// The same over that half of the region in which it is least: a towel or a hand over the other picture empties one
    /// half and leaves the share of the whole region passable.
    pub half_share: f64,
    /// Middles (before millimetres) of the patches that were not found again: hair, a towel. About each [`UNSEEN_MM`] are left out.
    pub unseen: Vec<[f64; 2]>,
}

impl Registered {
    fn straight(affine: Affine, grid: &Grid) -> Self {
        let field = Bend::flat(grid);
        Self {
            affine,
            field,
            residual_median_px: 0.0,
            residual_p95_px: 0.0,
            found_share: 0.0,
            half_share: 0.0,
            unseen: Vec::new(),
        }
    }

    /// The way without its small bends.
    #[must_use]
    pub const fn affine(&self) -> &Affine {
        &self.affine
    }

    #[must_use]
    pub fn to_after_mm(&self, mm: [f64; 2]) -> [f64; 2] {
        let [dx, dy] = self.field.at(mm);
        self.affine.apply([mm[0] + dx, mm[1] + dy])
    }
}

/// The way over the whole view, good to a millimetre or so where the pictures belong together, arbitrary where not.
#[must_use]
pub fn coarse(before: &mut Face<'_>, after: &mut Face<'_>, regions: &[Vec<[f64; 2]>]) -> Affine {
    let Some(area) = surroundings(before, regions) else { return Affine::IDENTITY };
    // On a thumbnail a wrong turn may look as good as the right one; only the right one holds its patches together.
    let followed = thumbnail(before, after, &area).into_iter().map(|start| {
        let (first, _) = step(before, after, &area, &start, 1.6, Blocks { patch: 16, step: 8, search: 5 });
        step(before, after, &area, &first, 3.25, Blocks { patch: 24, step: 16, search: 5 })
    });
    let best = followed.max_by_key(|(_, agreeing)| *agreeing);
    let way = best.map_or(Affine::IDENTITY, |(way, _)| way);
    // A nod foreshortens forehead and chin against each other by more than the regions' first search reaches.
    let grid = Grid::around(&area, 3.25, 0, 1);
    let found = look(
        before,
        after,
        &grid,
        &Mask::whole(grid.width, grid.height),
        &way,
        Blocks { patch: 24, step: 16, search: 5 },
    );
    follow(&way, &grid, &found, Model::Affine, 2.0, 20).unwrap_or(way)
}

/// The way bent to what is found over the whole area, and how many patches agree with it.
fn step(
    before: &mut Face<'_>,
    after: &mut Face<'_>,
    area: &[[f64; 2]],
    way: &Affine,
    px_per_mm: f64,
    blocks: Blocks,
) -> (Affine, usize) {
    let grid = Grid::around(area, px_per_mm, 0, 1);
    let found = look(before, after, &grid, &Mask::whole(grid.width, grid.height), way, blocks);
    agreed(way, &grid, &found, Model::Similarity, 1.5, 6).unwrap_or((*way, 0))
}

/// Registers one region from the coarse way on.
///
/// # Errors
/// [`Refusal::ScaleDiffers`], [`Refusal::NotRegistered`].
pub fn region(
    before: &mut Face<'_>,
    after: &mut Face<'_>,
    polygon: &[[f64; 2]],
    coarse: &Affine,
) -> Result<Registered, Refusal> {
    let mut way = *coarse;
    // Far from the middle of the face the coarse way may be millimetres beside.
    let quarter = Grid::around(polygon, PX_PER_MM / 4.0, 24, 1);
    let mask = both_show(before, after, &quarter, polygon, &way);
    let found = look(before, after, &quarter, &mask, &way, Blocks { patch: 20, step: 10, search: 9 });
    way = follow(&way, &quarter, &found, Model::Similarity, 2.0, 6).unwrap_or(way);

    let half = Grid::around(polygon, PX_PER_MM / 2.0, 16, 1);
    let mask = both_show(before, after, &half, polygon, &way);
    let found = look(before, after, &half, &mask, &way, Blocks { patch: 32, step: 24, search: 6 });
    way = follow_closely(&way, &half, &found);

    let grid = Grid::around(polygon, PX_PER_MM, 16, 1);
    let mask = both_show(before, after, &grid, polygon, &way);
    let here = before.relief(&grid, &Affine::IDENTITY, REACH_PX);
    let there = after.relief(&grid, &way, REACH_PX);
    way = follow_closely(&way, &grid, &find(&here, &there, &mask, Blocks { patch: 32, step: 32, search: 8 }));
    let ratio = after.pose.px_per_mm * way.scale() / before.pose.px_per_mm;
    if !SCALES.contains(&ratio) {
        return Err(Refusal::ScaleDiffers);
    }
    let mut registered = Registered::straight(way, &grid);
    // The first field, on half the scale, reaches far; the second is still too smooth for the skin's own bends, having to
    // bridge mistaken patches; the third follows what it left, on smaller patches that need not search far.
    let coarsely = before.relief(&half, &Affine::IDENTITY, REACH_PX);
    let there = warped_relief(after, &half, &registered);
    let mask_half = both_show(before, after, &half, polygon, &way);
    let found = find(&coarsely, &there, &mask_half, Blocks { patch: 32, step: 16, search: 7 });
    registered.field.add(&trusted(&found), &half, WIDE_SMOOTH_PX);
    for (blocks, smooth_px) in [
        (Blocks { patch: 32, step: 20, search: 6 }, WIDE_SMOOTH_PX),
        (Blocks { patch: 24, step: 16, search: 4 }, CLOSE_SMOOTH_PX),
    ] {
        let there = warped_relief(after, &grid, &registered);
        registered.field.add(&trusted(&find(&here, &there, &mask, blocks)), &grid, smooth_px);
    }
    finish(after, &grid, &mask, &here, registered)
}

fn warped_relief(after: &mut Face<'_>, grid: &Grid, registered: &Registered) -> Plane {
    warped(after, grid, registered, Colour::Green).swap_remove(0).blurred(SOFT_PX).high_passed(REACH_PX)
}

/// Affine where enough was found for one, else a similarity, else as it was.
fn follow_closely(way: &Affine, grid: &Grid, found: &[Found]) -> Affine {
    follow(way, grid, found, Model::Affine, 3.0, 12)
        .or_else(|| follow(way, grid, found, Model::Similarity, 3.0, 5))
        .unwrap_or(*way)
}

/// The last look, through affine map and field together, and the judgement.
fn finish(
    after: &mut Face<'_>,
    grid: &Grid,
    mask: &Mask,
    here: &Plane,
    mut registered: Registered,
) -> Result<Registered, Refusal> {
    let there = warped_relief(after, grid, &registered);
    let found = find(here, &there, mask, Blocks { patch: 32, step: LAST_STEP_PX, search: 6 });
    let to_mm = grid.to_mm();
    registered.unseen = found.iter().filter(|f| f.likeness < FOUND_FROM).map(|f| to_mm.apply(f.at)).collect();
    let mut left: Vec<f64> = good(&found).map(|f| f.shift[0].hypot(f.shift[1])).collect();
    registered.found_share = left.len() as f64 / found.len().max(1) as f64;
    registered.half_share = least_half(&found);
    if left.len() < MIN_FOUND || registered.found_share < MIN_FOUND_SHARE || registered.half_share < MIN_HALF_SHARE {
        return Err(Refusal::NotRegistered);
    }
    left.sort_by(f64::total_cmp);
    registered.residual_median_px = left[left.len() / 2];
    registered.residual_p95_px = left[(left.len() * 95 / 100).min(left.len() - 1)];
    if registered.residual_p95_px > MAX_RESIDUAL_PX { Err(Refusal::NotRegistered) } else { Ok(registered) }
}

/// The least share of found patches over the halves of where patches lie, halved eight ways through their middle.
fn least_half(found: &[Found]) -> f64 {
    const WAYS: u32 = 16;
    let n = found.len().max(1) as f64;
    let middle = [0, 1].map(|axis| found.iter().map(|f| f.at[axis]).sum::<f64>() / n);
    let share = |way: u32| {
        let (sin, cos) = (std::f64::consts::TAU * f64::from(way) / f64::from(WAYS)).sin_cos();
        let half = || found.iter().filter(move |f| (f.at[0] - middle[0]) * cos + (f.at[1] - middle[1]) * sin > 0.0);
        good(half()).count() as f64 / half().count().max(1) as f64
    };
    (0..WAYS).map(share).fold(1.0, f64::min)
}

/// The after picture's planes on a grid over the before picture's face.
pub fn warped(after: &mut Face<'_>, grid: &Grid, registered: &Registered, colour: Colour) -> Vec<Plane> {
    let to_picture = after.pose.to_picture;
    let reduction = to_picture.scale() * registered.affine.scale() / grid.px_per_mm;
    let warp = Warp { to_mm: grid.to_mm(), bend: &registered.field, onto: to_picture.after(&registered.affine) };
    after.source.sample_bent(grid.width, grid.height, [reduction; 2], colour, &warp)
}

/// The bounding box of the regions with their surroundings, as far as the before picture shows it; a rectangle.
fn surroundings(before: &Face<'_>, regions: &[Vec<[f64; 2]>]) -> Option<Vec<[f64; 2]>> {
    let back = before.pose.to_picture.inverse()?;
    let picture = before.source.picture();
    let (right, bottom) = (f64::from(picture.width() - 1), f64::from(picture.height() - 1));
    let shown: Vec<[f64; 2]> =
        [[0.0, 0.0], [right, 0.0], [0.0, bottom], [right, bottom]].iter().map(|corner| back.apply(*corner)).collect();
    let bounds = |points: &mut dyn Iterator<Item = f64>| {
        points.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let mut sides = [(0.0, 0.0); 2];
    for (axis, side) in sides.iter_mut().enumerate() {
        let (low, high) = bounds(&mut regions.iter().flatten().map(|p| p[axis]));
        let (first, last) = bounds(&mut shown.iter().map(|p| p[axis]));
        *side = ((low - SURROUNDINGS_MM).max(first), (high + SURROUNDINGS_MM).min(last));
        if side.1 - side.0 < 20.0 {
            return None;
        }
    }
    let [(left, right), (top, bottom)] = sides;
    Some(vec![[left, top], [right, top], [right, bottom], [left, bottom]])
}

/// The best few of all turns, sizes and shifts on a thumbnail.
fn thumbnail(before: &mut Face<'_>, after: &mut Face<'_>, area: &[[f64; 2]]) -> Vec<Affine> {
    let reach = (REACH_MM * THUMBNAIL_PX_PER_MM).round() as usize;
    let inner = Grid::around(area, THUMBNAIL_PX_PER_MM, 0, 1);
    let outer = Grid {
        origin_mm: inner.origin_mm.map(|v| v - reach as f64 / THUMBNAIL_PX_PER_MM),
        width: inner.width + 2 * reach,
        height: inner.height + 2 * reach,
        ..inner
    };
    let here = before.relief(&inner, &Affine::IDENTITY, 10);
    let Some(template) = Template::cut(&here, 0, 0, inner.width, inner.height) else { return Vec::new() };
    let middle = inner.to_mm().apply([inner.width as f64 / 2.0, inner.height as f64 / 2.0]);
    let mut tried: Vec<(f32, Affine)> = Vec::new();
    for degrees in TURNS_DEGREES {
        for size in SIZES {
            let turn = about(middle, degrees, size);
            let there = after.relief(&outer, &turn, 10);
            let found = template.search(&there, &Sums::of(&there), reach, reach, reach);
            let mm = found.shift.map(|v| v / THUMBNAIL_PX_PER_MM);
            tried.push((found.likeness, turn.after(&Affine { t: mm, ..Affine::IDENTITY })));
        }
    }
    tried.sort_by(|a, b| b.0.total_cmp(&a.0));
    tried.into_iter().take(STARTS).map(|(_, way)| way).collect()
}

/// A turn and growth that leaves `middle` where it is.
fn about(middle: [f64; 2], degrees: f64, size: f64) -> Affine {
    let (sin, cos) = degrees.to_radians().sin_cos();
    let m = [size * cos, -size * sin, size * sin, size * cos];
    let [x, y] = Affine { m, t: [0.0, 0.0] }.apply(middle);
    Affine { m, t: [middle[0] - x, middle[1] - y] }
}

fn both_show(before: &Face<'_>, after: &Face<'_>, grid: &Grid, polygon: &[[f64; 2]], way: &Affine) -> Mask {
    grid.mask(polygon, &[before.shown(&Affine::IDENTITY), after.shown(way)])
}

fn look(
    before: &mut Face<'_>,
    after: &mut Face<'_>,
    grid: &Grid,
    mask: &Mask,
    way: &Affine,
    blocks: Blocks,
) -> Vec<Found> {
    let here = before.relief(grid, &Affine::IDENTITY, REACH_PX);
    let there = after.relief(grid, way, REACH_PX);
    find(&here, &there, mask, blocks)
}

/// Those that were found and not at the rim of their search.
fn trusted(found: &[Found]) -> Vec<Found> {
    good(found).filter(|f| !f.on_rim).copied().collect()
}

fn good<'a>(found: impl IntoIterator<Item = &'a Found>) -> impl Iterator<Item = &'a Found> {
    found.into_iter().filter(|f| f.likeness >= FOUND_FROM)
}

/// The way bent to what was found on the grid.
fn follow(way: &Affine, grid: &Grid, found: &[Found], model: Model, tolerance: f64, need: usize) -> Option<Affine> {
    agreed(way, grid, found, model, tolerance, need).map(|(way, _)| way)
}

/// The same, and how many patches agree.
fn agreed(
    way: &Affine,
    grid: &Grid,
    found: &[Found],
    model: Model,
    tolerance: f64,
    need: usize,
) -> Option<(Affine, usize)> {
    let pairs: Vec<Pair> =
        trusted(found).iter().map(|f| Pair { from: f.at, to: [f.at[0] + f.shift[0], f.at[1] + f.shift[1]] }).collect();
    let (step, agree) = robust(&pairs, model, tolerance, need)?;
    // Skin that bends by more than the tolerance splits into parts: a map of one part would throw the others far off, and
    // the field of small shifts follows all of them from where the last step left them.
    let agreeing = agree.iter().filter(|agree| **agree).count();
    if (agreeing as f64) < MIN_AGREEING * pairs.len() as f64 {
        return None;
    }
    // No two handheld pictures differ so much between two steps; such a map comes from chance.
    if !(0.7..1.4).contains(&step.scale()) {
        return None;
    }
    let to_mm = grid.to_mm();
    Some((way.after(&to_mm.after(&step.after(&to_mm.inverse()?))), agreeing))
}
