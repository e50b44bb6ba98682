//! A smooth field of small shifts over a region, and pixels taken through it.

use crate::{affine::Affine, blocks::Found, grid::Grid};

/// Small shifts over a region, in millimetres: smooth between nodes, zero where nothing was found.
#[derive(Debug, Clone, PartialEq)]
pub struct Bend {
    grid: Grid,
    columns: usize,
    rows: usize,
    /// Shift at each node, millimetres.
    shifts: Vec<[f64; 2]>,
}

/// From a grid's pixels to a picture's: onto the face, bent, onto the picture.
#[derive(Debug, Clone, Copy)]
pub struct Warp<'a> {
    pub to_mm: Affine,
    pub bend: &'a Bend,
    pub onto: Affine,
}

impl Warp<'_> {
    #[must_use]
    pub fn place(&self, x: f32, y: f32) -> [f32; 2] {
        let mm = self.to_mm.apply([f64::from(x), f64::from(y)]);
        let [dx, dy] = self.bend.at(mm);
        self.onto.apply([mm[0] + dx, mm[1] + dy]).map(|v| v as f32)
    }
}

/// Distance of the nodes, pixels of the region's grid.
const NODE_PX: f64 = 24.0;
/// A patch whose shift differs more from its neighbours' median was mistaken; they stand within this of it.
const ODD_PX: f64 = 2.0;
const NEIGHBOURS_PX: f64 = 60.0;

impl Bend {
    #[must_use]
    pub fn flat(grid: &Grid) -> Self {
        let nodes = |pixels: usize| (pixels as f64 / NODE_PX).ceil() as usize + 1;
        let (columns, rows) = (nodes(grid.width), nodes(grid.height));
        Self { grid: *grid, columns, rows, shifts: vec![[0.0, 0.0]; columns * rows] }
    }

    /// Adds what was found on a grid through the field so far, smoothed by a Gaussian of `smooth_px` pixels of that grid.
    /// The shifts were found on the grid, where the map that follows the field is still to be applied: the same place to
    /// within the bend of a shift.
    pub fn add(&mut self, found: &[Found], on: &Grid, smooth_px: f64) {
        let agreeing: Vec<&Found> = found.iter().filter(|f| fits_in(f, found)).collect();
        for (at, shift) in self.shifts.iter_mut().enumerate() {
            let node = [(at % self.columns) as f64 * NODE_PX, (at / self.columns) as f64 * NODE_PX];
            let here = [0, 1].map(|axis: usize| {
                let mm = self.grid.origin_mm[axis] + node[axis] / self.grid.px_per_mm;
                (mm - on.origin_mm[axis]) * on.px_per_mm
            });
            let mut sum = [0.0, 0.0];
            // The weight of "no shift" fades out as soon as anything was found near by.
            let mut weight = 0.05;
            for f in &agreeing {
                let squared = (f.at[0] - here[0]).powi(2) + (f.at[1] - here[1]).powi(2);
                if squared > 16.0 * smooth_px.powi(2) {
                    continue;
                }
                let w = f64::from(f.likeness).powi(2) * (-0.5 * squared / smooth_px.powi(2)).exp();
                sum = [sum[0] + w * f.shift[0], sum[1] + w * f.shift[1]];
                weight += w;
            }
            for (shift, sum) in shift.iter_mut().zip(sum) {
                *shift += sum / weight / on.px_per_mm;
            }
        }
    }

    /// Bilinear between the nodes; beyond them the border's.
    #[must_use]
    pub fn at(&self, mm: [f64; 2]) -> [f64; 2] {
        let place = |axis: usize, count: usize| {
            let at = (mm[axis] - self.grid.origin_mm[axis]) * self.grid.px_per_mm / NODE_PX;
            let at = at.clamp(0.0, count as f64 - 1.0);
            let low = (at as usize).min(count.saturating_sub(2));
            (low, at - low as f64)
        };
        let ((x, fx), (y, fy)) = (place(0, self.columns), place(1, self.rows));
        let node = |x: usize, y: usize| self.shifts[y.min(self.rows - 1) * self.columns + x.min(self.columns - 1)];
        let (a, b, c, d) = (node(x, y), node(x + 1, y), node(x, y + 1), node(x + 1, y + 1));
        [0, 1].map(|k: usize| (a[k] * (1.0 - fx) + b[k] * fx) * (1.0 - fy) + (c[k] * (1.0 - fx) + d[k] * fx) * fy)
    }
}

fn fits_in(f: &Found, all: &[Found]) -> bool {
    let near = |g: &&Found| (g.at[0] - f.at[0]).abs() < NEIGHBOURS_PX && (g.at[1] - f.at[1]).abs() < NEIGHBOURS_PX;
    let middle = |axis: usize| {
        let mut shifts: Vec<f64> = all.iter().filter(near).map(|g| g.shift[axis]).collect();
        shifts.sort_by(f64::total_cmp);
        shifts[shifts.len() / 2]
    };
    (f.shift[0] - middle(0)).hypot(f.shift[1] - middle(1)) <= ODD_PX
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid() -> Grid {
        Grid { origin_mm: [-10.0, 5.0], px_per_mm: 13.0, width: 400, height: 300 }
    }

    fn found(shift: [f64; 2]) -> Vec<Found> {
        let places = (0..12).flat_map(|y| (0..16).map(move |x| [f64::from(x) * 25.0, f64::from(y) * 25.0]));
        places.map(|at| Found { at, shift, likeness: 0.9, on_rim: false }).collect()
    }

    #[test]
    fn an_even_shift_is_followed_and_a_mistaken_patch_is_not() {
        let mut all = found([2.6, -1.3]);
        all[77].shift = [-5.0, 5.0];
        let mut bend = Bend::flat(&grid());
        bend.add(&all, &grid(), 26.0);
        for mm in [[-10.0, 5.0], [3.0, 12.0], [20.0, 27.0]] {
            let [dx, dy] = bend.at(mm);
            assert!((dx - 0.2).abs() < 0.01 && (dy + 0.1).abs() < 0.01, "{dx} {dy} mm at {mm:?}");
        }
        // Beyond the border the corner's counts, where a quarter of the patches stand against "no shift".
        let [dx, dy] = bend.at([500.0, -500.0]);
        assert!((0.18..0.2).contains(&dx) && (-0.1..-0.09).contains(&dy), "{dx} {dy} mm beyond the border");
    }

    #[test]
    fn what_is_found_on_half_the_scale_counts_double() {
        let half = Grid { px_per_mm: 6.5, width: 200, height: 150, ..grid() };
        let mut on_half = found([1.3, 0.0]);
        on_half.retain(|f| f.at[0] < 200.0 && f.at[1] < 150.0);
        let mut bend = Bend::flat(&grid());
        bend.add(&on_half, &half, 40.0);
        assert!((bend.at([4.0, 15.0])[0] - 0.2).abs() < 0.01);
    }
}
