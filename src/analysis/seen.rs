//! What a photograph shows, in the numbers that the quality gates judge, and what two of them have in common.
//!
//! Looked at inside the regions only and at fixed scales of the face, so that hair, background and camera do not matter:
//! colour and exposure at `COARSE` px/mm, sharpness and noise at `FINE` px/mm in the middle of each region.

use super::{
    picture::Plane,
    regions::{Affine, Grid, Mask, Pose, Shown, ViewRegions},
    register::{self, Face},
};
use crate::domain::{Region, capture::FacePoints};
use skinlink_pixels::{
    colour,
    eyes::{self, Eyes},
    field::{self, Field},
    look::{self, Look, NoSkin},
    parity::{self, Detail},
    sample::{Colour, Source},
};

/// Scale of the look at colours, pixels per millimetre.
const COARSE: f64 = 3.0;
/// Scale of the look at detail; a coarser picture is looked at as it is.
const FINE: f64 = 13.0;
/// How much of a region's middle is looked at for detail, millimetres.
const MIDDLE_MM: f64 = 25.0;
/// Of a scope's field, which is a few millimetres, this many pixels across are looked at.
const FIELD_PX: f64 = 640.0;

/// What a photograph shows.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    pub width: u32,
    pub height: u32,
    pub px_per_mm: f64,
    pub regions: Vec<RegionSeen>,
    /// Only of a view that shows both.
    pub eyes: Option<Eyes>,
    /// Linear light on the viewer's left over that on the right; only of a view with two sides.
    pub shade: Option<f64>,
    /// Only of a contact scope.
    pub field: Option<Field>,
    /// How far the anchors' line is turned.
    pub roll_degrees: f64,
    /// How far the nose's tip is from the middle, in anchor distances; only of a front view with confirmed points.
    pub nose_aside: Option<f64>,
}

/// A region of it; `look` is `None` where the picture does not show the region.
#[derive(Debug, Clone, PartialEq)]
pub struct RegionSeen {
    pub region: Region,
    pub look: Option<Skin>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Skin {
    pub look: Look,
    /// Share of the region that is no skin.
    pub no_skin: f64,
    pub detail: Option<Detail>,
}

/// One photograph with its place on the face.
#[derive(Debug)]
pub struct Shot<'a> {
    pub view: &'a ViewRegions,
    pub pose: Pose,
    /// Only the anchors count where no person and no registration set the nose.
    pub points: FacePoints,
    pub nose_is_set: bool,
}

impl Seen {
    /// Hue in degrees and chroma of all regions together, where any is shown and bright enough to have a colour.
    #[must_use]
    pub fn tint(&self) -> Option<(f64, f64)> {
        let skins: Vec<&Skin> = self.regions.iter().filter_map(|region| region.look.as_ref()).collect();
        let middle = medians(&skins)?;
        let lab = colour::lab_of(middle);
        // In the dark a grey level or two decide on the hue: the exposure gate speaks then.
        (lab[0] >= 20.0).then(|| (colour::hue(lab), colour::chroma(lab)))
    }
}

/// Channel by channel the median over regions of their medians.
fn medians(skins: &[&Skin]) -> Option<[f64; 3]> {
    let middle = |channel: usize| {
        let mut levels: Vec<f64> = skins.iter().map(|skin| skin.look.median[channel]).collect();
        levels.sort_by(f64::total_cmp);
        levels.get(levels.len() / 2).copied()
    };
    Some([middle(0)?, middle(1)?, middle(2)?])
}

/// Looks at a photograph.
#[must_use]
pub fn see(source: &mut Source, shot: &Shot<'_>, no_skin: NoSkin) -> Seen {
    let (width, height) = (source.picture().width(), source.picture().height());
    let shown = shot.pose.shown(width, height);
    let areas = shot.view.areas(&shot.pose, width, height);
    let scales = if shot.view.whole {
        let px_per_mm = shot.pose.px_per_mm;
        let fine = px_per_mm * (FIELD_PX / f64::from(width)).min(1.0);
        [fine / 2.0, fine]
    } else {
        [COARSE, FINE.min(shot.pose.px_per_mm)]
    };
    let mut cuts: Vec<Option<([Plane; 3], Mask, Look)>> = Vec::new();
    for (_, polygon) in &areas {
        cuts.push(colours(source, &shot.pose, &shown, polygon, scales[0]));
    }
    // One idea of skin for the whole picture: a region that is covered must not be its own measure.
    let mut greens: Vec<[f64; 3]> = cuts.iter().flatten().map(|(_, _, look)| look.median).collect();
    greens.sort_by(|a, b| a[1].total_cmp(&b[1]));
    let skin = greens.get(greens.len() / 2).copied();
    let regions = areas
        .iter()
        .zip(cuts)
        .map(|((region, polygon), cut)| RegionSeen {
            region: *region,
            look: cut.zip(skin).map(|((planes, mask, look), skin)| Skin {
                look,
                no_skin: look::no_skin(&planes, &mask, skin, no_skin),
                detail: detail(source, &shot.pose, &shown, polygon, scales[1]),
            }),
        })
        .collect();
    let half = shot.view.anchor_distance_mm / 2.0;
    Seen {
        width,
        height,
        px_per_mm: shot.pose.px_per_mm,
        regions,
        eyes: shot
            .view
            .eyes
            .then(|| green(source, &shot.pose, &eyes::grid()))
            .and_then(|plane| eyes::eyes(&plane, half)),
        shade: shade(source, shot, &shown),
        field: if shot.view.whole { scope(source) } else { None },
        roll_degrees: if shot.view.whole { 0.0 } else { shot.view.roll_degrees(shot.points.anchors) },
        nose_aside: nose_aside(shot),
    }
}

fn nose_aside(shot: &Shot<'_>) -> Option<f64> {
    let nose = shot.view.nose.filter(|_| shot.nose_is_set && shot.view.eyes)?;
    Some(shot.view.in_units(&shot.pose, shot.points.nose)?[0] - nose.at[0])
}

fn green(source: &mut Source, pose: &Pose, grid: &Grid) -> Plane {
    let map = pose.to_picture.after(&grid.to_mm());
    source.sample_affine(grid.width, grid.height, [map.scale(); 2], Colour::Green, &map).swap_remove(0)
}

fn colours(
    source: &mut Source,
    pose: &Pose,
    shown: &Shown,
    polygon: &[[f64; 2]],
    px_per_mm: f64,
) -> Option<([Plane; 3], Mask, Look)> {
    let grid = Grid::around(polygon, px_per_mm, 0, 1);
    let mask = grid.mask(polygon, &[*shown]);
    if mask.count() == 0 {
        return None;
    }
    let map = pose.to_picture.after(&grid.to_mm());
    let planes = source.sample_affine(grid.width, grid.height, [map.scale(); 2], Colour::Rgb, &map);
    let planes: [Plane; 3] = planes.try_into().ok()?;
    let look = look::look(&planes, &mask)?;
    Some((planes, mask, look))
}

/// The middle of a region, as fine as skin is measured.
fn detail(source: &mut Source, pose: &Pose, shown: &Shown, polygon: &[[f64; 2]], px_per_mm: f64) -> Option<Detail> {
    let count = polygon.len().max(1) as f64;
    let middle = [0, 1].map(|k: usize| polygon.iter().map(|p| p[k]).sum::<f64>() / count);
    let reach = |axis: usize| {
        let far = polygon.iter().map(|p| (p[axis] - middle[axis]).abs()).fold(0.0, f64::max);
        far.min(MIDDLE_MM / 2.0)
    };
    let [x, y] = [reach(0), reach(1)];
    let corners = [[-x, -y], [x, -y], [x, y], [-x, y]].map(|[dx, dy]| [middle[0] + dx, middle[1] + dy]);
    let grid = Grid::around(&corners, px_per_mm, 0, 1);
    let mask = grid.mask(polygon, &[*shown]);
    if mask.count() == 0 {
        return None;
    }
    parity::detail(&green(source, pose, &grid), &mask)
}

/// Light of the shade patch's mirror image over the patch itself.
fn shade(source: &mut Source, shot: &Shot<'_>, shown: &Shown) -> Option<f64> {
    if shot.view.shade.is_empty() {
        return None;
    }
    let right = shot.view.polygon_mm(&shot.view.shade);
    let left: Vec<[f64; 2]> = right.iter().map(|[x, y]| [-x, *y]).collect();
    let mut light = |polygon: &[[f64; 2]]| {
        let (_, _, look) = colours(source, &shot.pose, shown, polygon, COARSE / 2.0)?;
        Some(colour::linear(look.median[1]))
    };
    let (left, right) = (light(&left)?, light(&right)?);
    (right > 1e-4).then(|| left / right)
}

/// The whole picture of a scope, small.
fn scope(source: &mut Source) -> Option<Field> {
    let (width, height) = (f64::from(source.picture().width()), f64::from(source.picture().height()));
    let reduction = width / field::WIDTH as f64;
    let rows = (height / reduction).round().max(1.0) as usize;
    // No scope's field is a strip; drawn to this width, one a few pixels wide would take a gigabyte.
    if rows > 4 * field::WIDTH || reduction < 0.125 {
        return None;
    }
    let onto = Affine { m: [reduction, 0.0, 0.0, reduction], t: [0.5 * reduction - 0.5; 2] };
    let plane = source.sample_affine(field::WIDTH, rows, [reduction; 2], Colour::Green, &onto).swap_remove(0);
    field::look(&plane)
}

/// What an after photograph has in common with its before.
#[derive(Debug, Clone, PartialEq)]
pub struct Against {
    /// Whether enough of the face was found again.
    pub matched: bool,
    /// Of the after to the before.
    pub scale: f64,
    pub roll_degrees: f64,
    /// How far the nose's tip moved against the rest of the face, where it was found again.
    pub nose_mm: Option<f64>,
    /// Ratio of linear light, after to before; the middle one of all regions.
    pub gain: f64,
    /// How the ratio of both sides' light changed.
    pub shade: Option<f64>,
    pub blur_px: f32,
    /// The before picture's points in the after picture, where it matched.
    pub points: Option<FacePoints>,
}

/// Holds the after photograph against its before; both as seen by their own anchors.
#[must_use]
pub fn against(before: (&mut Source, &Shot<'_>, &Seen), after: (&mut Source, &Shot<'_>, &Seen)) -> Against {
    let (first_source, first_shot, first) = before;
    let (second_source, second_shot, second) = after;
    let way = carried(first_source, first_shot, second_source, second_shot);
    let gains = paired(first, second, |a, b| b.look.light[1] / a.look.light[1].max(1e-6));
    let blurs = paired(first, second, |a, b| match (&a.detail, &b.detail) {
        (Some(a), Some(b)) => f64::from(parity::apart(a, b)),
        _ => 0.0,
    });
    let Carried { way, matched, nose_mm } = way;
    let m = second_shot.pose.to_picture.after(&way).m;
    let turned = |m: [f64; 4]| m[2].atan2(m[0]).to_degrees();
    let pose = first_shot.pose;
    Against {
        matched,
        scale: second_shot.pose.px_per_mm * way.scale() / pose.px_per_mm,
        roll_degrees: turned(m) - turned(pose.to_picture.m),
        nose_mm,
        gain: middle(gains).unwrap_or(1.0),
        shade: second.shade.zip(first.shade).map(|(after, before)| after / before.max(1e-9)),
        blur_px: middle(blurs).unwrap_or(0.0) as f32,
        points: matched.then(|| carry(&first_shot.points, &pose, &second_shot.pose, &way)).flatten(),
    }
}

fn carry(points: &FacePoints, before: &Pose, after: &Pose, way: &Affine) -> Option<FacePoints> {
    let onto = after.to_picture.after(&way.after(&before.to_picture.inverse()?));
    Some(FacePoints { anchors: points.anchors.map(|p| onto.apply(p)), nose: onto.apply(points.nose) })
}

struct Carried {
    way: Affine,
    matched: bool,
    nose_mm: Option<f64>,
}

/// The way from before to after millimetres, and whether the regions are found again along it.
fn carried(before: &mut Source, first: &Shot<'_>, after: &mut Source, second: &Shot<'_>) -> Carried {
    let (width, height) = (before.picture().width(), before.picture().height());
    let areas = first.view.areas(&first.pose, width, height);
    let polygons: Vec<_> = areas.iter().map(|(_, polygon)| polygon.clone()).collect();
    let (mut before, mut after) =
        (Face { source: before, pose: first.pose }, Face { source: after, pose: second.pose });
    let way = register::coarse(&mut before, &mut after, &polygons);
    let mut matched = 0;
    let mut nose_mm = None;
    // The two largest say enough, and the nose stands nearer to the camera than the rest.
    let mut order: Vec<usize> = (0..areas.len()).collect();
    order.sort_by(|a, b| extent(&polygons[*b]).total_cmp(&extent(&polygons[*a])));
    let nose = areas.iter().position(|(region, _)| *region == Region::Nose);
    let mut tried = 0;
    for at in order.into_iter().filter(|at| Some(*at) != nose).take(1).chain(nose) {
        tried += 1;
        if let Ok(found) = register::region(&mut before, &mut after, &polygons[at], &way) {
            matched += 1;
            if Some(at) == nose {
                let count = polygons[at].len() as f64;
                let tip = [0, 1].map(|k: usize| polygons[at].iter().map(|p| p[k]).sum::<f64>() / count);
                let ([x, y], [u, v]) = (found.to_after_mm(tip), way.apply(tip));
                nose_mm = Some((x - u).hypot(y - v));
            }
        }
    }
    Carried { way, matched: tried > 0 && matched * 2 >= tried, nose_mm }
}

fn extent(polygon: &[[f64; 2]]) -> f64 {
    let span = |k: usize| {
        let values = polygon.iter().map(|p| p[k]);
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        high - low
    };
    span(0) * span(1)
}

fn paired(first: &Seen, second: &Seen, of: impl Fn(&Skin, &Skin) -> f64) -> Vec<f64> {
    let look =
        |seen: &Seen, region: Region| seen.regions.iter().find(|r| r.region == region).and_then(|r| r.look.clone());
    let regions = first.regions.iter().map(|r| r.region);
    regions.filter_map(|region| Some(of(&look(first, region)?, &look(second, region)?))).collect()
}

fn middle(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}
