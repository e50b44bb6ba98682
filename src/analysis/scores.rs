//! Output tensors to scores: activation, then the reducer the manifest names, over one region.

use super::{
    compare::{PairedCounts, PairedResponse},
    manifest::{Activation, KeptShare, Output, OutputKind, Reduce},
    picture::Plane,
    regions::Mask,
};
use skinlink_pixels::peaks::{self, Rule};

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    #[error("output {name:?} has the shape {shape:?}; a map is [1, 1, height, width]")]
    NoMap { name: String, shape: Vec<i64> },
    #[error("output {name:?} has {found} values; a scalar has one")]
    NoScalar { name: String, found: usize },
    #[error("output {name:?} holds a value that is no number; the model or the picture is broken")]
    NotFinite { name: String },
    #[error("the region is too small to be measured")]
    NoRegion,
}

/// Applies the output's activation in place; `last_axis` is the length of the last axis, for softmax.
pub fn activate(activation: Activation, values: &mut [f32], last_axis: usize) {
    match activation {
        Activation::None => {}
        Activation::Sigmoid => values.iter_mut().for_each(|v| *v = 1.0 / (1.0 + (-*v).exp())),
        Activation::Softmax => {
            for row in values.chunks_mut(last_axis.max(1)) {
                let top = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                row.iter_mut().for_each(|v| *v = (*v - top).exp());
                let sum: f32 = row.iter().sum();
                row.iter_mut().for_each(|v| *v /= sum);
            }
        }
    }
}

/// A map output as a plane, activated.
///
/// # Errors
/// [`ScoreError::NoMap`] for any other shape, [`ScoreError::NotFinite`].
pub fn map_of(output: &Output, shape: &[i64], mut values: Vec<f32>) -> Result<Plane, ScoreError> {
    let wrong = || ScoreError::NoMap { name: output.name.clone(), shape: shape.to_vec() };
    let side = |at: usize| usize::try_from(shape[at]).map_err(|_| wrong());
    if shape.len() != 4 || shape[..2] != [1, 1] {
        return Err(wrong());
    }
    let (height, width) = (side(2)?, side(3)?);
    if height.checked_mul(width) != Some(values.len()) || values.is_empty() {
        return Err(wrong());
    }
    activate(output.activation, &mut values, width);
    if values.iter().any(|v| !v.is_finite()) {
        return Err(ScoreError::NotFinite { name: output.name.clone() });
    }
    Ok(Plane { width, height, values })
}

/// A scalar output's value, activated.
///
/// # Errors
/// [`ScoreError::NoScalar`], [`ScoreError::NotFinite`].
pub fn scalar_of(output: &Output, mut values: Vec<f32>) -> Result<f64, ScoreError> {
    if values.len() != 1 {
        return Err(ScoreError::NoScalar { name: output.name.clone(), found: values.len() });
    }
    activate(output.activation, &mut values, 1);
    let value = f64::from(values[0]);
    if value.is_finite() { Ok(value) } else { Err(ScoreError::NotFinite { name: output.name.clone() }) }
}

/// The picture's mask at the scale of a map.
#[must_use]
pub fn map_mask(kind: OutputKind, picture: &Mask, map: &Plane) -> Mask {
    let OutputKind::Map { stride } = kind else { return Mask::whole(map.width, map.height) };
    picture.strided(stride as usize, map.width, map.height)
}

/// One number from a map over a mask of the same size; `px_per_mm` is the map's.
///
/// # Errors
/// [`ScoreError::NoRegion`] when nothing is inside.
pub fn reduce(how: Reduce, map: &Plane, mask: &Mask, px_per_mm: f64) -> Result<f64, ScoreError> {
    let count = mask.count();
    if count == 0 {
        return Err(ScoreError::NoRegion);
    }
    Ok(match how {
        Reduce::PeakDensity { threshold, window } => {
            peaks::peaks(map, mask, threshold, window).len() as f64 / (count as f64 / (px_per_mm * 10.0).powi(2))
        }
        Reduce::AreaFraction { threshold } => 100.0 * peaks::share_above(map, mask, threshold),
        Reduce::Mean | Reduce::Scalar => peaks::mean(map, mask),
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
    fn a_tensor_of_another_shape_is_refused() {
        let output = |activation| Output { name: "m".into(), kind: OutputKind::Map { stride: 1 }, activation };
        assert!(map_of(&output(Activation::None), &[1, 1, 2, 2], vec![0.0; 4]).is_ok());
        for shape in [&[1, 1, 2, 3][..], &[1, 2, 2, 1], &[2, 2], &[1, 1, -1, 4], &[1, 1, i64::MAX, i64::MAX]] {
            assert!(map_of(&output(Activation::None), shape, vec![0.0; 4]).is_err(), "{shape:?}");
        }
        assert!(map_of(&output(Activation::None), &[1, 1, 1, 1], vec![f32::NAN]).is_err());
        assert_eq!(map_of(&output(Activation::Softmax), &[1, 1, 2, 2], vec![5.0; 4]).unwrap().values, [0.5; 4]);
        assert!(scalar_of(&output(Activation::Sigmoid), vec![0.0]).is_ok_and(|v| v == 0.5));
        assert!(scalar_of(&output(Activation::None), vec![]).is_err());
    }
}
