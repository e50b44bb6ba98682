//! Output tensors to scores: activation, then the reducer the manifest names, over one region.

use super::{
    compare::{PairedCounts, PairedResponse},
    golden::Raw,
    manifest::{Activation, KeptShare, Layout, Output, OutputKind, Per, Reduce},
    picture::Plane,
    regions::Mask,
};
use skinlink_pixels::{
    peaks::{self, Rule},
    shapes,
};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    #[error("output {name:?} has the shape {shape:?}; the manifest describes a map of {wanted}")]
    NoMap { name: String, shape: Vec<i64>, wanted: String },
    #[error("output {name:?} has {found} values; the manifest describes {wanted}")]
    Count { name: String, found: usize, wanted: usize },
    #[error(
        "the tensors of detector {detector:?} do not fit together: output {output} has the shape {shape:?}, {wanted} are needed"
    )]
    Shape { detector: String, output: usize, shape: Vec<i64>, wanted: String },
    #[error("output {name:?} holds a value that is no number; the model or the picture is broken")]
    NotFinite { name: String },
    #[error("the region is too small to be measured")]
    NoRegion,
    #[error("this measure is told in mm or cm², and nothing says how many pixels of this picture a millimetre has")]
    NoScale,
}

/// How large the cells of a map are, as far as it is known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Scale {
    pub cells_per_mm: Option<f64>,
    /// The distance of the view's two anchors.
    pub face_mm: Option<f64>,
}

impl From<f64> for Scale {
    /// Cells of the map to a millimetre.
    fn from(cells_per_mm: f64) -> Self {
        Self { cells_per_mm: Some(cells_per_mm), face_mm: None }
    }
}

impl Scale {
    /// What `cells` of a map are in square units of `per`; one for [`Per::Extent`].
    fn size(self, per: Per, cells: usize) -> Result<f64, ScoreError> {
        let side = |mm: f64| self.cells_per_mm.map(|cells| (cells * mm).powi(2)).ok_or(ScoreError::NoScale);
        match per {
            Per::Extent => Ok(1.0),
            Per::Cm2 => Ok(cells as f64 / side(10.0)?),
            Per::Face => Ok(cells as f64 / side(self.face_mm.ok_or(ScoreError::NoScale)?)?),
        }
    }
}

/// Applies an activation in place; softmax runs over each `step`th value, `count` of them, as often as there are such rows.
fn activate(activation: Activation, values: &mut [f32], count: usize, step: usize) {
    match activation {
        Activation::None => {}
        Activation::Sigmoid => values.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp())),
        Activation::Softmax => {
            for block in values.chunks_mut((count * step).max(1)) {
                for first in 0..step {
                    let top = block[first..].iter().step_by(step).copied().fold(f32::NEG_INFINITY, f32::max);
                    block[first..].iter_mut().step_by(step).for_each(|v| *v = (*v - top).exp());
                    let sum: f32 = block[first..].iter().step_by(step).sum();
                    block[first..].iter_mut().step_by(step).for_each(|v| *v /= sum);
                }
            }
        }
    }
}

/// The channels of a map output as planes, activated. A map of one channel may leave out axes of length one before its
/// height.
///
/// # Errors
/// [`ScoreError::NoMap`] for any other shape, [`ScoreError::NotFinite`].
pub fn channels_of(output: &Output, raw: Raw) -> Result<Vec<Plane>, ScoreError> {
    let (channels, layout, Raw { shape, mut values }) = (output.channels(), output.layout, raw);
    let wrong = |shape: &[i64]| {
        let wanted = if layout == Layout::Nchw { "[1, {}, height, width]" } else { "[1, height, width, {}]" };
        let wanted = wanted.replace("{}", &channels.to_string());
        Err(ScoreError::NoMap { name: output.name.clone(), shape: shape.to_vec(), wanted })
    };
    let sides: Option<Vec<usize>> = shape.iter().map(|side| usize::try_from(*side).ok()).collect();
    let (width, height) = match (sides.as_deref(), layout) {
        (Some([1, c, height, width]), Layout::Nchw) if *c == channels => (*width, *height),
        (Some([1, height, width, c]), Layout::Nhwc) if *c == channels => (*width, *height),
        (Some([1, height, width] | [height, width]), _) if channels == 1 => (*width, *height),
        _ => return wrong(&shape),
    };
    let cells = width.checked_mul(height).filter(|cells| cells.checked_mul(channels) == Some(values.len()));
    let Some(cells) = cells.filter(|cells| *cells > 0) else { return wrong(&shape) };
    // In one layout the channels of a cell lie `cells` apart, in the other beside each other.
    let step = if layout == Layout::Nchw { cells } else { 1 };
    activate(output.activation, &mut values, channels, step);
    finite(output, &values)?;
    let channel = |c: usize| match layout {
        Layout::Nchw => values[c * cells..][..cells].to_vec(),
        Layout::Nhwc => values[c..].iter().step_by(channels).copied().collect(),
    };
    if channels == 1 {
        return Ok(vec![Plane { width, height, values }]);
    }
    Ok((0..channels).map(|c| Plane { width, height, values: channel(c) }).collect())
}

/// A scalar output's one value, the shares of a class output's classes, or the coordinates of landmarks, activated.
///
/// # Errors
/// [`ScoreError::Count`], [`ScoreError::NotFinite`].
pub fn values_of(output: &Output, raw: &Raw) -> Result<Vec<f64>, ScoreError> {
    let wanted = match output.kind {
        OutputKind::Scalar => 1,
        OutputKind::Class => output.names.len(),
        OutputKind::Landmarks { .. } => 2 * output.names.len(),
        OutputKind::Map { .. } | OutputKind::Vector | OutputKind::Boxes => raw.values.len(),
    };
    if raw.values.len() != wanted {
        return Err(ScoreError::Count { name: output.name.clone(), found: raw.values.len(), wanted });
    }
    let mut values = raw.values.clone();
    activate(output.activation, &mut values, wanted, 1);
    finite(output, &values)?;
    Ok(values.into_iter().map(f64::from).collect())
}

/// One number from the values of a scalar or class output; a class's share in percent.
#[must_use]
pub fn of_values(how: Reduce, values: &[f64]) -> f64 {
    match how {
        Reduce::Class(class) => 100.0 * values.get(class).copied().unwrap_or(0.0),
        _ => values.first().copied().unwrap_or(0.0),
    }
}

/// A tensor for a detector, activated along its last axis. What holds no number is found where it is read: a detector may
/// leave rubbish in rows that it gives no score.
#[must_use]
pub fn table_of(output: &Output, mut raw: Raw) -> Raw {
    let last = raw.shape.last().and_then(|side| usize::try_from(*side).ok()).unwrap_or(1).max(1);
    activate(output.activation, &mut raw.values, last, 1);
    raw
}

fn finite(output: &Output, values: &[f32]) -> Result<(), ScoreError> {
    if values.iter().all(|v| v.is_finite()) { Ok(()) } else { Err(ScoreError::NotFinite { name: output.name.clone() }) }
}

/// The picture's mask at the scale of a map.
#[must_use]
pub fn map_mask(kind: OutputKind, picture: &Mask, map: &Plane) -> Mask {
    let OutputKind::Map { stride } = kind else { return Mask::whole(map.width, map.height) };
    picture.strided(stride as usize, map.width, map.height)
}

/// One number from a map over a mask of the same size.
///
/// # Errors
/// [`ScoreError::NoRegion`] when nothing is inside, [`ScoreError::NoScale`] for what needs a scale that is not known.
pub fn reduce(how: Reduce, map: &Plane, mask: &Mask, scale: impl Into<Scale>) -> Result<f64, ScoreError> {
    let scale = scale.into();
    let count = mask.count();
    if count == 0 {
        return Err(ScoreError::NoRegion);
    }
    Ok(match how {
        Reduce::PeakDensity { threshold, window } => {
            peaks::peaks(map, mask, threshold, window).len() as f64 / scale.size(Per::Cm2, count)?
        }
        Reduce::AreaFraction { threshold } => 100.0 * peaks::share_above(map, mask, threshold),
        Reduce::Mean | Reduce::Scalar | Reduce::Class(_) => peaks::mean(map, mask),
        Reduce::MeanAbove { threshold } => shapes::mean_above(map, mask, threshold).unwrap_or(0.0),
        Reduce::Pieces { threshold, min_cells, per } => {
            shapes::pieces(map, mask, threshold, min_cells as usize).1 as f64 / scale.size(per, count)?
        }
        Reduce::Length { threshold, min_cells, per } => {
            let (kept, _) = shapes::pieces(map, mask, threshold, min_cells as usize);
            let mm = shapes::length(&kept) / scale.cells_per_mm.ok_or(ScoreError::NoScale)?;
            mm / scale.size(per, count)?
        }
    })
}

/// Peaks of both maps looked up in the other one; both lie on the same grid, after onto before.
#[must_use]
pub fn paired(
    before: &Plane,
    after: &Plane,
    mask: &Mask,
    threshold: f32,
    window: u32,
    kept: KeptShare,
) -> PairedCounts {
    let rule = Rule { threshold, window, kept: kept.kept_threshold, search: kept.search_px };
    let fate = peaks::fate(before, after, mask, rule);
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    PairedCounts {
        before_peaks: number(fate.before),
        lost: number(fate.lost),
        after_peaks: number(fate.after),
        gained: number(fate.gained),
    }
}

/// How strong a map is at the peaks that two other maps both show; all four lie on one grid, after onto before.
#[must_use]
pub fn response(
    peaks_of: [&Plane; 2],
    maps: [&Plane; 2],
    mask: &Mask,
    threshold: f32,
    window: u32,
    kept: KeptShare,
) -> PairedResponse {
    let rule = Rule { threshold, window, kept: kept.kept_threshold, search: kept.search_px };
    let found = peaks::strength(peaks_of, maps, mask, rule);
    PairedResponse {
        places: u32::try_from(found.places).unwrap_or(u32::MAX),
        before: found.before,
        after: found.after,
        scatter: found.scatter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 9 × 5, peaks of 3 at (2, 2) and 2 at (6, 1), a plateau of 1 at (8, 4) and (7, 4).
    fn map() -> Plane {
        let mut map = Plane::filled(9, 5, 0.0);
        for (x, y, value) in [(2, 2, 3.0), (6, 1, 2.0), (7, 4, 1.0), (8, 4, 1.0)] {
            map.values[y * 9 + x] = value;
        }
        map
    }

    #[test]
    fn peaks_are_counted_once_and_only_inside() {
        let whole = Mask::whole(9, 5);
        assert_eq!(peaks::peaks(&map(), &whole, 0.5, 3), [(6, 1), (2, 2), (7, 4)]);
        assert_eq!(peaks::peaks(&map(), &whole, 1.0, 3), [(6, 1), (2, 2)], "a threshold is exceeded, not reached");
        assert_eq!(peaks::peaks(&map(), &whole, 0.5, 9), [(2, 2)], "one window holds them all");
        let left = Mask { inside: (0..45).map(|at| at % 9 < 4).collect(), ..whole };
        assert_eq!(peaks::peaks(&map(), &left, 0.5, 3), [(2, 2)]);
    }

    #[test]
    fn density_counts_per_square_centimetre() {
        let reduce = |how| reduce(how, &map(), &Mask::whole(9, 5), 0.5).unwrap();
        // 45 pixels of 2 mm are 1.8 cm².
        assert!((reduce(Reduce::PeakDensity { threshold: 0.5, window: 3 }) - 3.0 / 1.8).abs() < 1e-12);
        assert!((reduce(Reduce::AreaFraction { threshold: 2.0 }) - 100.0 * 2.0 / 45.0).abs() < 1e-12);
        assert!((reduce(Reduce::Mean) - 7.0 / 45.0).abs() < 1e-12);
    }

    #[test]
    fn a_peak_is_kept_when_its_place_still_shows_it() {
        let mut after = Plane::filled(9, 5, 0.0);
        after.values[3 * 9 + 3] = 1.3; // the first, moved by one and weaker
        after.values[0] = 5.0; // a new one
        let kept = KeptShare { kept_threshold: 0.6, search_px: 1 };
        let counts = paired(&map(), &after, &Mask::whole(9, 5), 1.5, 3, kept);
        assert_eq!(counts, PairedCounts { before_peaks: 2, lost: 1, after_peaks: 1, gained: 1 });
    }

    #[test]
    fn strength_is_read_where_both_show_a_peak() {
        let whole = Mask::whole(9, 5);
        let kept = KeptShare { kept_threshold: 0.6, search_px: 1 };
        let weaker = Plane { values: map().values.iter().map(|v| v * 0.75).collect(), ..map() };
        let found = response([&map(), &map()], [&map(), &weaker], &whole, 1.5, 3, kept);
        assert_eq!((found.places, found.before, found.after), (2, 2.5, 1.875));
        assert!((found.scatter - 0.125).abs() < 1e-9, "0.75 and 0.5 less: {}", found.scatter);
        let mut gone = map();
        gone.values[2 * 9 + 2] = 0.0;
        let found = response([&map(), &gone], [&map(), &gone], &whole, 1.5, 3, kept);
        assert_eq!((found.places, found.before, found.after), (1, 2.0, 2.0), "a lost peak did not fade");
    }

    #[test]
    fn pieces_and_lines_count_per_what_the_manifest_says() {
        let scale = Scale { cells_per_mm: Some(0.5), face_mm: Some(30.0) };
        let found = |how, scale| reduce(how, &map(), &Mask::whole(9, 5), scale);
        let pieces = |per| Reduce::Pieces { threshold: 1.0, min_cells: 1, per };
        assert_eq!(found(pieces(Per::Extent), Scale::default()), Ok(3.0));
        assert!((found(pieces(Per::Cm2), scale).unwrap() - 3.0 / 1.8).abs() < 1e-12);
        // A face of 30 mm is 15 cells wide.
        assert!((found(pieces(Per::Face), scale).unwrap() - 3.0 / (45.0 / 225.0)).abs() < 1e-12);
        assert_eq!(found(pieces(Per::Face), Scale::from(0.5)), Err(ScoreError::NoScale));
        assert_eq!(found(pieces(Per::Cm2), Scale::default()), Err(ScoreError::NoScale));
        let line = Reduce::Length { threshold: 1.0, min_cells: 2, per: Per::Extent };
        assert_eq!(found(line, scale), Ok(2.0), "two cells of 2 mm, from middle to middle");
        assert_eq!(found(Reduce::MeanAbove { threshold: 2.0 }, Scale::default()), Ok(2.5));
        assert_eq!(found(Reduce::MeanAbove { threshold: 9.0 }, Scale::default()), Ok(0.0));
    }

    const MAP: OutputKind = OutputKind::Map { stride: 1 };

    fn output(kind: OutputKind, layout: Layout, activation: Activation, names: &[&str]) -> Output {
        Output { name: "m".into(), kind, layout, activation, names: names.iter().map(ToString::to_string).collect() }
    }

    fn raw(shape: &[i64], values: &[f32]) -> Raw {
        Raw { shape: shape.to_vec(), values: values.to_vec() }
    }

    #[test]
    fn a_tensor_of_another_shape_is_refused() {
        let one = output(MAP, Layout::Nchw, Activation::None, &[]);
        for shape in [&[1, 1, 2, 2][..], &[1, 2, 2], &[2, 2]] {
            assert!(channels_of(&one, raw(shape, &[0.0; 4])).is_ok(), "{shape:?}");
        }
        for shape in [&[1, 1, 2, 3][..], &[1, 2, 2, 1], &[4], &[1, 1, -1, 4], &[1, 1, i64::MAX, i64::MAX], &[]] {
            assert!(channels_of(&one, raw(shape, &[0.0; 4])).is_err(), "{shape:?}");
        }
        assert!(channels_of(&one, raw(&[1, 1, 0, 0], &[])).is_err());
        assert!(channels_of(&one, raw(&[1, 1, 1, 1], &[f32::NAN])).is_err());
        let scalar = |activation| output(OutputKind::Scalar, Layout::Nchw, activation, &[]);
        assert_eq!(values_of(&scalar(Activation::Sigmoid), &raw(&[1, 1], &[0.0])).unwrap(), [0.5]);
        assert!(values_of(&scalar(Activation::None), &raw(&[0], &[])).is_err());
        let class = output(OutputKind::Class, Layout::Nchw, Activation::None, &["a"]);
        assert!(values_of(&class, &raw(&[2], &[0.0; 2])).is_err());
    }

    #[test]
    fn channels_lie_as_the_manifest_says_and_softmax_runs_across_them() {
        let map = |layout, activation| output(MAP, layout, activation, &["skin", "hair"]);
        let planes = |output, raw| channels_of(&output, raw).unwrap().into_iter().map(|p| p.values).collect::<Vec<_>>();
        let apart = planes(map(Layout::Nchw, Activation::None), raw(&[1, 2, 1, 2], &[1.0, 2.0, 3.0, 4.0]));
        assert_eq!(apart, [[1.0, 2.0], [3.0, 4.0]]);
        let beside = planes(map(Layout::Nhwc, Activation::None), raw(&[1, 1, 2, 2], &[1.0, 3.0, 2.0, 4.0]));
        assert_eq!(apart, beside);
        let ln3 = 3.0_f32.ln();
        for shares in [
            planes(map(Layout::Nchw, Activation::Softmax), raw(&[1, 2, 1, 2], &[0.0, ln3, ln3, 0.0])),
            planes(map(Layout::Nhwc, Activation::Softmax), raw(&[1, 1, 2, 2], &[0.0, ln3, ln3, 0.0])),
        ] {
            for (found, wanted) in shares.concat().iter().zip([0.25, 0.75, 0.75, 0.25]) {
                assert!((found - wanted).abs() < 1e-6, "{shares:?}");
            }
        }
        let classes = output(OutputKind::Class, Layout::Nchw, Activation::Softmax, &["dry", "oily"]);
        let shares = values_of(&classes, &raw(&[1, 2], &[1000.0, 1000.0 + ln3])).unwrap();
        assert!((shares[1] - 0.75).abs() < 1e-4, "{shares:?}");
    }
}
