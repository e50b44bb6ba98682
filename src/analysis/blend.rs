//! One smooth way over a whole view, made of the ways of its regions: each holds in its own region, fades out beyond it,
//! and far from all of them the coarse way holds. For pictures people look at, not for measuring.

use super::{regions::Affine, register::Registered};

/// Distance of the nodes, and how far a region's way reaches beyond it (SD of a Gaussian).
const NODE_MM: f64 = 3.0;
const REACH_MM: f64 = 6.0;
/// Weight of the coarse way: little beside a region, all where none is near.
const COARSE: f64 = 0.02;

/// Before millimetres to after millimetres over a rectangle.
#[derive(Debug, Clone, PartialEq)]
pub struct Blend {
    origin_mm: [f64; 2],
    columns: usize,
    rows: usize,
    places: Vec<[f64; 2]>,
}

impl Blend {
    /// Over the rectangle from `origin_mm` of `size_mm`; `ways` with their regions' polygons in before millimetres.
    #[must_use]
    pub fn over(origin_mm: [f64; 2], size_mm: [f64; 2], coarse: &Affine, ways: &[(&[[f64; 2]], &Registered)]) -> Self {
        let nodes = |mm: f64| (mm / NODE_MM).ceil() as usize + 2;
        let (columns, rows) = (nodes(size_mm[0]), nodes(size_mm[1]));
        let place = |at: usize| {
            let offset = [(at % columns) as f64 * NODE_MM, (at / columns) as f64 * NODE_MM];
            let mm = [origin_mm[0] + offset[0], origin_mm[1] + offset[1]];
            let mut sum = coarse.apply(mm).map(|v| COARSE * v);
            let mut weight = COARSE;
            for (polygon, way) in ways {
                let w = (-0.5 * (distance(polygon, mm) / REACH_MM).powi(2)).exp();
                let [x, y] = way.to_after_mm(mm);
                sum = [sum[0] + w * x, sum[1] + w * y];
                weight += w;
            }
            sum.map(|v| v / weight)
        };
        Self { origin_mm, columns, rows, places: (0..columns * rows).map(place).collect() }
    }

    /// Bilinear between the nodes.
    #[must_use]
    pub fn to_after_mm(&self, mm: [f64; 2]) -> [f64; 2] {
        let place = |axis: usize, count: usize| {
            let at = ((mm[axis] - self.origin_mm[axis]) / NODE_MM).clamp(0.0, count as f64 - 1.001);
            (at as usize, at.fract())
        };
        let ((x, fx), (y, fy)) = (place(0, self.columns), place(1, self.rows));
        let node = |x: usize, y: usize| self.places[y * self.columns + x];
        let (a, b, c, d) = (node(x, y), node(x + 1, y), node(x, y + 1), node(x + 1, y + 1));
        [0, 1].map(|k: usize| (a[k] * (1.0 - fx) + b[k] * fx) * (1.0 - fy) + (c[k] * (1.0 - fx) + d[k] * fx) * fy)
    }
}

/// Zero inside.
fn distance(polygon: &[[f64; 2]], [x, y]: [f64; 2]) -> f64 {
    let mut inside = false;
    let mut nearest = f64::INFINITY;
    for (a, b) in polygon.iter().zip(polygon.iter().cycle().skip(1)) {
        if (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0] {
            inside = !inside;
        }
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let along = (((x - a[0]) * dx + (y - a[1]) * dy) / (dx * dx + dy * dy).max(1e-12)).clamp(0.0, 1.0);
        nearest = nearest.min((a[0] + along * dx - x).hypot(a[1] + along * dy - y));
    }
    if inside { 0.0 } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_is_zero_inside_and_grows_outside() {
        let square = [[0.0, 0.0], [10.0, 0.0], [10.0, 10.0], [0.0, 10.0]];
        for (place, expected) in [([5.0, 5.0], 0.0), ([13.0, 5.0], 3.0), ([13.0, 14.0], 5.0), ([5.0, -2.0], 2.0)] {
            assert!((distance(&square, place) - expected).abs() < 1e-9, "{place:?}");
        }
    }

    #[test]
    fn without_regions_the_coarse_way_holds_everywhere() {
        let coarse = Affine { m: [1.1, 0.1, -0.1, 1.1], t: [3.0, -4.0] };
        let blend = Blend::over([-20.0, -10.0], [60.0, 40.0], &coarse, &[]);
        for mm in [[-20.0, -10.0], [0.3, 0.7], [39.0, 29.0]] {
            let (found, true_place) = (blend.to_after_mm(mm), coarse.apply(mm));
            assert!((found[0] - true_place[0]).hypot(found[1] - true_place[1]) < 1e-9);
        }
    }
}
