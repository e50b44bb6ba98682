//! Block matching: where a patch of one plane lies in another, by normalised cross-correlation to a part of a pixel.

use crate::{grid::Mask, plane::Plane};

/// How patches are cut and searched, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blocks {
    pub patch: usize,
    pub step: usize,
    /// Half width of the search.
    pub search: usize,
}

/// One patch and where it was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Found {
    /// Middle of the patch.
    pub at: [f64; 2],
    /// From there to the place found.
    pub shift: [f64; 2],
    /// Correlation at that place, -1 to 1.
    pub likeness: f32,
    /// The best place lies on the rim of the search, so the true one may lie beyond.
    pub on_rim: bool,
}

impl Found {
    fn nowhere(left: usize, top: usize, patch: usize) -> Self {
        Self { at: [left, top].map(|at| middle(at, patch)), shift: [0.0; 2], likeness: 0.0, on_rim: true }
    }
}

fn middle(at: usize, length: usize) -> f64 {
    at as f64 + (length as f64 - 1.0) / 2.0
}

/// Patches with less contrast than this (SD in grey levels) show nothing that could be found again.
const MIN_SD: f32 = 0.25;

/// Looks every patch that lies in `mask` by at least three quarters up in `there`; both planes have the mask's size. A flat
/// patch is found nowhere: where a hand lies over the skin, that is what is to be known.
#[must_use]
pub fn find(here: &Plane, there: &Plane, mask: &Mask, blocks: Blocks) -> Vec<Found> {
    let Blocks { patch, step, search } = blocks;
    let sums = Sums::of(there);
    let mut found = Vec::new();
    if here.width < patch + 2 * search || here.height < patch + 2 * search {
        return found;
    }
    for top in (search..=here.height - patch - search).step_by(step) {
        for left in (search..=here.width - patch - search).step_by(step) {
            if filled(mask, left, top, patch) {
                let template = Template::cut(here, left, top, patch, patch);
                found.push(template.map_or_else(
                    || Found::nowhere(left, top, patch),
                    |template| template.search(there, &sums, left, top, search),
                ));
            }
        }
    }
    found
}

/// Whether three quarters of a patch lie inside, judged on a raster of 4 × 4 places.
fn filled(mask: &Mask, left: usize, top: usize, patch: usize) -> bool {
    let place = |at: usize, k: usize| at + (2 * k + 1) * patch / 8;
    let inside = (0..16).filter(|k| mask.at(place(left, k % 4), place(top, k / 4))).count();
    inside >= 12
}

/// A patch with mean zero and length one.
#[derive(Debug)]
pub struct Template {
    width: usize,
    height: usize,
    values: Vec<f32>,
}

impl Template {
    /// `None` when the patch is flat.
    #[must_use]
    pub fn cut(plane: &Plane, left: usize, top: usize, width: usize, height: usize) -> Option<Self> {
        let mut values = Vec::with_capacity(width * height);
        for y in top..top + height {
            values.extend_from_slice(&plane.row(y)[left..left + width]);
        }
        let n = values.len() as f32;
        let mean = values.iter().sum::<f32>() / n;
        values.iter_mut().for_each(|v| *v -= mean);
        let length = values.iter().map(|v| v * v).sum::<f32>().sqrt();
        if length < MIN_SD * n.sqrt() {
            return None;
        }
        values.iter_mut().for_each(|v| *v /= length);
        Some(Self { width, height, values })
    }

    /// Correlation with the patch of `plane` whose top left corner is given.
    fn likeness(&self, plane: &Plane, sums: &Sums, left: usize, top: usize) -> f32 {
        let mut dot = 0.0_f32;
        for (y, line) in self.values.chunks_exact(self.width).enumerate() {
            let other = &plane.row(top + y)[left..left + self.width];
            dot += product(line, other);
        }
        let n = (self.width * self.height) as f64;
        let (sum, squares) = sums.over(left, top, self.width, self.height);
        let variance = squares - sum * sum / n;
        if variance < f64::from(MIN_SD).powi(2) * n { 0.0 } else { dot / variance.sqrt() as f32 }
    }

    /// The best place within `search` of `left`, `top`; the whole search must lie in the plane.
    #[must_use]
    pub fn search(&self, plane: &Plane, sums: &Sums, left: usize, top: usize, search: usize) -> Found {
        let side = 2 * search + 1;
        let mut scores = vec![0.0_f32; side * side];
        for (at, score) in scores.iter_mut().enumerate() {
            *score = self.likeness(plane, sums, left + at % side - search, top + at / side - search);
        }
        let best = (0..scores.len()).max_by(|a, b| scores[*a].total_cmp(&scores[*b])).unwrap_or(0);
        let (x, y) = (best % side, best / side);
        let on_rim = x == 0 || y == 0 || x + 1 == side || y + 1 == side;
        let fine = |low: usize, high: usize| if on_rim { 0.0 } else { vertex(scores[low], scores[best], scores[high]) };
        let fine_x = fine(best.saturating_sub(1), (best + 1).min(scores.len() - 1));
        let fine_y = fine(best.saturating_sub(side), (best + side).min(scores.len() - 1));
        Found {
            at: [middle(left, self.width), middle(top, self.height)],
            shift: [x as f64 - search as f64 + fine_x, y as f64 - search as f64 + fine_y],
            likeness: scores[best],
            on_rim,
        }
    }
}

/// Sum of products. Eight sums side by side: one alone would wait for each addition before the next.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (left, right) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = left.remainder().iter().zip(right.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in left.zip(right) {
        for k in 0..8 {
            sums[k] += a[k] * b[k];
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// Where the parabola through three neighbouring scores has its top, from the middle one.
fn vertex(low: f32, middle: f32, high: f32) -> f64 {
    let bend = f64::from(low - 2.0 * middle + high);
    if bend >= -1e-9 { 0.0 } else { (0.5 * f64::from(low - high) / bend).clamp(-0.5, 0.5) }
}

/// Sums and sums of squares over any rectangle.
#[derive(Debug)]
pub struct Sums {
    stride: usize,
    sums: Vec<[f64; 2]>,
}

impl Sums {
    #[must_use]
    pub fn of(plane: &Plane) -> Self {
        let stride = plane.width + 1;
        let mut sums = vec![[0.0; 2]; stride * (plane.height + 1)];
        for y in 0..plane.height {
            let mut line = [0.0; 2];
            for (x, value) in plane.row(y).iter().enumerate() {
                let value = f64::from(*value);
                line = [line[0] + value, line[1] + value * value];
                let above = sums[y * stride + x + 1];
                sums[(y + 1) * stride + x + 1] = [above[0] + line[0], above[1] + line[1]];
            }
        }
        Self { stride, sums }
    }

    fn over(&self, left: usize, top: usize, width: usize, height: usize) -> (f64, f64) {
        let corner = |x: usize, y: usize| self.sums[y * self.stride + x];
        let [a, b] = [corner(left, top), corner(left + width, top)];
        let [c, d] = [corner(left, top + height), corner(left + width, top + height)];
        (d[0] - b[0] - c[0] + a[0], d[1] - b[1] - c[1] + a[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(width: usize, height: usize, seed: u64) -> Plane {
        let mut random = fastrand::Rng::with_seed(seed);
        let rough = Plane { width, height, values: (0..width * height).map(|_| random.f32() * 200.0).collect() };
        rough.blurred(1.5)
    }

    #[test]
    fn a_shifted_plane_is_found_to_a_fifth_of_a_pixel() {
        let here = noise(96, 80, 3);
        let mut there = Plane::filled(96, 80, 0.0);
        for y in 0..80 {
            for x in 0..96 {
                // Half a pixel to the right of three, two up, twice as bright and lifted.
                let at = |x: usize| here.at(x.min(95), (y + 2).min(79));
                there.values[y * 96 + x] = 40.0 + f32::midpoint(at(x.saturating_sub(3)), at(x.saturating_sub(4)));
            }
        }
        let found = find(&here, &there, &Mask::whole(96, 80), Blocks { patch: 24, step: 12, search: 6 });
        assert!(found.len() >= 12, "{}", found.len());
        for Found { shift, likeness, on_rim, .. } in found {
            assert!((shift[0] - 3.5).abs() < 0.2 && (shift[1] + 2.0).abs() < 0.2, "{shift:?}");
            assert!(likeness > 0.9 && !on_rim);
        }
    }

    #[test]
    fn strangers_do_not_look_alike() {
        let found = find(
            &noise(200, 200, 3),
            &noise(200, 200, 4),
            &Mask::whole(200, 200),
            Blocks { patch: 32, step: 16, search: 5 },
        );
        let alike = found.iter().filter(|f| f.likeness > 0.45).count();
        assert!(found.len() > 80 && alike * 20 < found.len(), "{alike} of {}", found.len());
    }

    #[test]
    fn flat_patches_are_found_nowhere() {
        let flat = Plane::filled(64, 64, 100.0);
        let found = find(&flat, &flat, &Mask::whole(64, 64), Blocks { patch: 16, step: 8, search: 4 });
        assert_eq!(found.len(), 36, "as many as there is room for");
        assert!(found.iter().all(|f| f.likeness == 0.0 && f.on_rim && f.shift == [0.0; 2]));
    }
}
