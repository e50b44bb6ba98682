//! Local maxima of a map, and whether another map still shows them.
//!
//! A peak is a cell above the threshold that no cell of the window round it exceeds; the window is cut at the map's
//! border, and of equal neighbours the first in reading order counts.

use crate::{grid::Mask, plane::Plane};

/// How peaks are found, and when the other map still shows one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rule {
    pub threshold: f32,
    /// Odd.
    pub window: u32,
    /// A peak is still there from this share of the threshold upwards, within `search` cells of its place.
    pub kept: f32,
    pub search: u32,
}

/// Peaks of both maps looked up in the other one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fate {
    pub before: usize,
    pub lost: usize,
    pub after: usize,
    pub gained: usize,
}

/// Share of the mask's cells at or above `threshold`, 0 to 1; zero for an empty mask.
#[must_use]
pub fn share_above(map: &Plane, mask: &Mask, threshold: f32) -> f64 {
    let inside = map.values.iter().zip(&mask.inside).filter(|(_, inside)| **inside);
    inside.filter(|(value, _)| **value >= threshold).count() as f64 / mask.count().max(1) as f64
}

/// Mean over the mask; zero for an empty one.
#[must_use]
pub fn mean(map: &Plane, mask: &Mask) -> f64 {
    let inside = map.values.iter().zip(&mask.inside).filter(|(_, inside)| **inside);
    inside.map(|(value, _)| f64::from(*value)).sum::<f64>() / mask.count().max(1) as f64
}

/// Column and row of every peak inside the mask.
#[must_use]
pub fn peaks(map: &Plane, mask: &Mask, threshold: f32, window: u32) -> Vec<(usize, usize)> {
    let reach = window as usize / 2;
    let mut found = Vec::new();
    for y in 0..map.height {
        for (x, value) in map.row(y).iter().enumerate() {
            if *value > threshold && mask.at(x, y) && is_peak(map, x, y, reach) {
                found.push((x, y));
            }
        }
    }
    found
}

fn is_peak(map: &Plane, x: usize, y: usize, reach: usize) -> bool {
    let here = map.at(x, y);
    let columns = x.saturating_sub(reach)..(x + reach + 1).min(map.width);
    (y.saturating_sub(reach)..(y + reach + 1).min(map.height)).all(|row| {
        columns.clone().all(|column| {
            let other = map.at(column, row);
            other < here || (other == here && (row, column) >= (y, x))
        })
    })
}

/// A peak of one of the two maps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peak {
    pub x: usize,
    pub y: usize,
    /// Whether it stands in the after map.
    pub after: bool,
    /// Whether the other map still shows it.
    pub kept: bool,
}

/// Every peak of both maps with its fate, for a picture of them; both lie on the same grid, after onto before.
#[must_use]
pub fn places(before: &Plane, after: &Plane, mask: &Mask, rule: Rule) -> Vec<Peak> {
    let Rule { threshold, window, kept, search } = rule;
    let of = |own: &Plane, other: &Plane, after: bool| {
        let peak = |(x, y): (usize, usize)| {
            let kept = reaches(other, x, y, search as usize, threshold * kept);
            Peak { x, y, after, kept }
        };
        peaks(own, mask, threshold, window).into_iter().map(peak).collect::<Vec<_>>()
    };
    [of(before, after, false), of(after, before, true)].concat()
}

/// Both maps lie on the same grid, after onto before.
#[must_use]
pub fn fate(before: &Plane, after: &Plane, mask: &Mask, rule: Rule) -> Fate {
    let Rule { threshold, window, kept, search } = rule;
    let missing = |peaks: &[(usize, usize)], other: &Plane| {
        peaks.iter().filter(|(x, y)| !reaches(other, *x, *y, search as usize, threshold * kept)).count()
    };
    let (first, second) = (peaks(before, mask, threshold, window), peaks(after, mask, threshold, window));
    Fate { before: first.len(), lost: missing(&first, after), after: second.len(), gained: missing(&second, before) }
}

/// Peaks that both pictures show, and how strong another map is there.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strength {
    pub places: usize,
    /// Means over the places, of the strongest cell within the search.
    pub before: f64,
    pub after: f64,
    /// SD over the places of after minus before.
    pub scatter: f64,
}

/// Peaks are found and looked up on the maps of `peaks`, strengths read from those of `strengths`; before first. Peaks of
/// either picture count alike, so that picking what stands out in one of them favours neither.
#[must_use]
pub fn strength(peaks_of: [&Plane; 2], strengths: [&Plane; 2], mask: &Mask, rule: Rule) -> Strength {
    let Rule { threshold, window, kept, search } = rule;
    let reach = search as usize;
    let mut pairs = Vec::new();
    for (own, other) in [(0, 1), (1, 0)] {
        for (x, y) in peaks(peaks_of[own], mask, threshold, window) {
            if reaches(peaks_of[other], x, y, reach, threshold * kept) {
                pairs.push(strengths.map(|map| f64::from(strongest(map, x, y, reach))));
            }
        }
    }
    let n = pairs.len().max(1) as f64;
    let mean = |side: usize| pairs.iter().map(|pair| pair[side]).sum::<f64>() / n;
    let (before, after) = (mean(0), mean(1));
    let off = |pair: &[f64; 2]| (pair[1] - pair[0] - (after - before)).powi(2);
    let scatter = (pairs.iter().map(off).sum::<f64>() / n).sqrt();
    // Most places are met from both sides and tell the same twice.
    Strength { places: pairs.len().div_ceil(2), before, after, scatter }
}

/// The strongest cell within `search` of a place.
#[must_use]
pub fn strongest(map: &Plane, x: usize, y: usize, search: usize) -> f32 {
    let columns = x.saturating_sub(search)..(x + search + 1).min(map.width);
    (y.saturating_sub(search)..(y + search + 1).min(map.height))
        .flat_map(|row| map.row(row)[columns.clone()].iter().copied())
        .fold(f32::NEG_INFINITY, f32::max)
}

fn reaches(map: &Plane, x: usize, y: usize, search: usize, limit: f32) -> bool {
    let columns = x.saturating_sub(search)..(x + search + 1).min(map.width);
    (y.saturating_sub(search)..(y + search + 1).min(map.height))
        .any(|row| map.row(row)[columns.clone()].iter().any(|value| *value > limit))
}
