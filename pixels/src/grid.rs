//! Rasters over a part of a face, and which of their pixels count. A face is measured in millimetres.

use crate::affine::Affine;

/// A raster over a part of the face: `px_per_mm` pixels to the millimetre, the middle of its first pixel at `origin_mm`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    pub origin_mm: [f64; 2],
    pub px_per_mm: f64,
    pub width: usize,
    pub height: usize,
}

impl Grid {
    /// Most pixels that a raster for a model may have: a face cut at the scale of a contact scope would have thousands of millions. Three
    /// planes of this size are 201 MB, and as much again as a tensor, for either side of a pair.
    pub const MOST: usize = 1 << 24;

    /// Whether nothing of this size may be drawn: asked before anything is allocated for it.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        self.width.checked_mul(self.height).is_none_or(|pixels| pixels > Self::MOST)
    }

    /// Round a polygon (millimetres), grown by `margin_px` on every side and to a multiple of `multiple_of`.
    #[must_use]
    pub fn around(polygon: &[[f64; 2]], px_per_mm: f64, margin_px: u32, multiple_of: u32) -> Self {
        let bound =
            |axis: usize, pick: fn(f64, f64) -> f64| polygon.iter().map(|p| p[axis]).reduce(pick).unwrap_or(0.0);
        let size = |axis: usize| {
            let span = (bound(axis, f64::max) - bound(axis, f64::min)) * px_per_mm;
            let need = (span.ceil().max(1.0) as usize) + 2 * margin_px as usize;
            need.div_ceil(multiple_of.max(1) as usize) * multiple_of.max(1) as usize
        };
        let (width, height) = (size(0), size(1));
        let origin = |axis: usize, pixels: usize| {
            f64::midpoint(bound(axis, f64::min), bound(axis, f64::max)) - (pixels as f64 - 1.0) / 2.0 / px_per_mm
        };
        Self { origin_mm: [origin(0, width), origin(1, height)], px_per_mm, width, height }
    }

    /// From this raster's pixels to face millimetres.
    #[must_use]
    pub fn to_mm(&self) -> Affine {
        let mm = 1.0 / self.px_per_mm;
        Affine { m: [mm, 0.0, 0.0, mm], t: self.origin_mm }
    }

    /// Which pixels lie inside the polygon (millimetres) and are shown by all pictures.
    #[must_use]
    pub fn mask(&self, polygon: &[[f64; 2]], pictures: &[Shown]) -> Mask {
        let to_mm = self.to_mm();
        let mut mask = Mask { width: self.width, height: self.height, inside: vec![false; self.width * self.height] };
        let mut polygon_px = 0;
        for y in 0..self.height {
            for x in 0..self.width {
                let mm = to_mm.apply([x as f64, y as f64]);
                if contains(polygon, mm) {
                    polygon_px += 1;
                    mask.inside[y * self.width + x] = pictures.iter().all(|picture| picture.shows(mm));
                }
            }
        }
        // A region half out of the picture would be another region.
        if mask.count() * 10 < polygon_px * 9 {
            mask.inside.fill(false);
        }
        mask
    }
}

/// What a picture shows of a face: where a place (millimetres) lies in it, and how far it reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    pub to_picture: Affine,
    pub width: u32,
    pub height: u32,
}

impl Shown {
    #[must_use]
    pub fn shows(&self, mm: [f64; 2]) -> bool {
        let [x, y] = self.to_picture.apply(mm);
        x >= 0.0 && y >= 0.0 && x <= f64::from(self.width - 1) && y <= f64::from(self.height - 1)
    }
}

/// Which pixels of a grid count; all false when less than nine tenths of the region are in the picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    pub width: usize,
    pub height: usize,
    pub inside: Vec<bool>,
}

impl Mask {
    #[must_use]
    pub fn whole(width: usize, height: usize) -> Self {
        Self { width, height, inside: vec![true; width * height] }
    }
    /// On a map that shows a whole picture: which of its cells lie in the picture and, with one, in a polygon of picture
    /// pixels. `to_picture` leads from a cell's column and row to its middle. Nothing, where less than nine tenths of the
    /// polygon are in the picture.
    #[must_use]
    pub fn within(
        width: usize,
        height: usize,
        to_picture: &Affine,
        picture: [usize; 2],
        polygon: Option<&[[f64; 2]]>,
    ) -> Self {
        let shown =
            |[x, y]: [f64; 2]| x >= -0.5 && y >= -0.5 && x <= picture[0] as f64 - 0.5 && y <= picture[1] as f64 - 0.5;
        let mut mask = Self { width, height, inside: vec![false; width * height] };
        if polygon.is_some_and(|polygon| !mostly(polygon, shown)) {
            return mask;
        }
        for y in 0..height {
            for x in 0..width {
                let place = to_picture.apply([x as f64, y as f64]);
                mask.inside[y * width + x] = shown(place) && polygon.is_none_or(|polygon| contains(polygon, place));
            }
        }
        mask
    }
    /// Takes a square of `side_mm` about `middle_mm` out; `grid` is the raster of this mask.
    pub fn hide(&mut self, grid: &Grid, middle_mm: [f64; 2], side_mm: f64) {
        let span = |axis: usize, limit: usize| {
            let middle = (middle_mm[axis] - grid.origin_mm[axis]) * grid.px_per_mm;
            let half = side_mm / 2.0 * grid.px_per_mm;
            let low = (middle - half).ceil().clamp(0.0, limit as f64) as usize;
            let end = (middle + half).ceil().clamp(0.0, limit as f64) as usize;
            low..end
        };
        for y in span(1, self.height) {
            let row = &mut self.inside[y * self.width..][..self.width];
            row[span(0, self.width)].fill(false);
        }
    }

    #[must_use]
    pub fn count(&self) -> usize {
        self.inside.iter().filter(|inside| **inside).count()
    }
    /// The same on a map with one cell for `stride` pixels: the pixel in the middle of a cell decides.
    #[must_use]
    pub fn strided(&self, stride: usize, width: usize, height: usize) -> Self {
        let mut inside = vec![false; width * height];
        for y in 0..height {
            for x in 0..width {
                inside[y * width + x] = self.at(x * stride + stride / 2, y * stride + stride / 2);
            }
        }
        Self { width, height, inside }
    }
    #[must_use]
    pub fn at(&self, x: usize, y: usize) -> bool {
        x < self.width && y < self.height && self.inside[y * self.width + x]
    }
}

/// Whether nine tenths of a polygon are shown, looked at in 64 × 64 places.
fn mostly(polygon: &[[f64; 2]], shown: impl Fn([f64; 2]) -> bool) -> bool {
    let bound = |axis: usize, pick: fn(f64, f64) -> f64| polygon.iter().map(|p| p[axis]).reduce(pick).unwrap_or(0.0);
    let (low, high) = ([0, 1].map(|axis| bound(axis, f64::min)), [0, 1].map(|axis| bound(axis, f64::max)));
    let place = |k: [usize; 2]| [0, 1].map(|axis| low[axis] + (high[axis] - low[axis]) * (k[axis] as f64 + 0.5) / 64.0);
    let places = (0..64 * 64).map(|at| place([at % 64, at / 64])).filter(|place| contains(polygon, *place));
    let (all, seen) = places.fold((0, 0), |(all, seen), place| (all + 1, seen + usize::from(shown(place))));
    all > 0 && seen * 10 >= all * 9
}

/// Even-odd rule.
fn contains(polygon: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    let next = polygon.iter().cycle().skip(1);
    polygon
        .iter()
        .zip(next)
        .filter(|(a, b)| (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0])
        .count()
        % 2
        == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scopes_field_is_drawn_and_a_face_at_its_scale_is_not() {
        let square = |mm: f64| [[0.0, 0.0], [mm, 0.0], [mm, mm], [0.0, mm]];
        // 2 mm at half a micrometre a pixel: 4000² pixels, just within 2²⁴.
        assert!(!Grid::around(&square(2.0), 2000.0, 0, 1).is_too_large());
        // 4 mm would take 768 MB a side, twice: more than the inference process may hold.
        assert!(Grid::around(&square(4.0), 2000.0, 0, 1).is_too_large());
        assert!(Grid::around(&square(40.0), 2000.0, 0, 1).is_too_large());
        assert!(Grid::around(&square(1e12), 2000.0, 0, 1).is_too_large(), "nor does its size overflow");
    }
}
