//! Whether two eyes are where a face should have them, without knowing faces: dark and bright close together on both sides, the
//! one the mirror of the other, and skin between them. Enough to tell a framed face from a cheek, a mole or a room; it says
//! nothing of whose face it is, and finds no face that is not framed.
//!
//! Green channel on a grid of [`PX_PER_MM`] that reaches [`HALF_MM`] from the anchors' midpoint, face millimetres as everywhere.

use crate::{grid::Grid, plane::Plane};

pub const PX_PER_MM: f64 = 1.6;
/// How far the plane reaches to the left and right, up and down.
pub const HALF_MM: [f64; 2] = [58.0, 46.0];

/// Half an eye's surroundings, and how far an eye may be off its anchor.
const EYE_MM: [f64; 2] = [24.0, 18.0];
const OFF: i32 = 14;

/// What stands where eyes should.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Eyes {
    /// Largest correlation of one side with the mirrored other.
    pub mirror: f64,
    /// The less dark of the two darkest spots, as a share of the cheeks' median.
    pub dark: f64,
    /// The smaller range from darkest to brightest spot, as a share of the same.
    pub range: f64,
    /// Between the eyes, as a share of the same.
    pub bridge: f64,
}

/// The grid that [`eyes`] wants.
#[must_use]
pub fn grid() -> Grid {
    let [x, y] = HALF_MM;
    Grid::around(&[[-x, -y], [x, -y], [x, y], [-x, y]], PX_PER_MM, 0, 1)
}

/// Looks at a plane on [`grid`]; anchors at ∓ `half_distance_mm`, 0.
#[must_use]
pub fn eyes(green: &Plane, half_distance_mm: f64) -> Option<Eyes> {
    let grid = grid();
    if (green.width, green.height) != (grid.width, grid.height) {
        return None;
    }
    let cheek = middle(
        [-1.0, 1.0].iter().flat_map(|side| cut(green, &grid, [side * half_distance_mm, 33.0], [11.0, 9.0]).values),
    )?;
    let bridge = middle(cut(green, &grid, [0.0, 4.0], [5.0, 6.0]).values.into_iter())?;
    let sides = [-1.0, 1.0].map(|side| cut(green, &grid, [side * half_distance_mm, 0.0], EYE_MM));
    let extremes = sides.each_ref().map(extremes);
    let cheek = f64::from(cheek).max(1.0);
    let [left, right] = sides.map(|side| side.box_mean(1));
    Some(Eyes {
        mirror: mirrored(&left, &right),
        dark: extremes.iter().map(|(low, _)| low / cheek).fold(0.0, f64::max),
        range: extremes.iter().map(|(low, high)| (high - low) / cheek).fold(f64::INFINITY, f64::min),
        bridge: f64::from(bridge) / cheek,
    })
}

/// Round a middle, in millimetres.
fn cut(green: &Plane, grid: &Grid, [x, y]: [f64; 2], half: [f64; 2]) -> Plane {
    let first = |axis: usize, at: f64| ((at - half[axis] - grid.origin_mm[axis]) * PX_PER_MM).round().max(0.0) as usize;
    let size = |axis: usize| (2.0 * half[axis] * PX_PER_MM).round() as usize;
    let (left, top) = (first(0, x), first(1, y));
    let (width, height) = (size(0).min(green.width - left), size(1).min(green.height - top));
    let values = (top..top + height).flat_map(|row| green.row(row)[left..][..width].iter().copied()).collect();
    Plane { width, height, values }
}

fn middle(values: impl Iterator<Item = f32>) -> Option<f32> {
    let mut values: Vec<f32> = values.collect();
    let at = values.len() / 2;
    (!values.is_empty()).then(|| *values.select_nth_unstable_by(at, f32::total_cmp).1)
}

/// Darkest and brightest spot of three millimetres, away from the rim.
fn extremes(side: &Plane) -> (f64, f64) {
    let soft = side.box_mean(2);
    let rim = 8;
    let mut found = (f64::INFINITY, f64::NEG_INFINITY);
    for y in rim..soft.height.saturating_sub(rim) {
        for value in &soft.row(y)[rim..soft.width - rim] {
            found = (found.0.min(f64::from(*value)), found.1.max(f64::from(*value)));
        }
    }
    found
}

fn mirrored(left: &Plane, right: &Plane) -> f64 {
    let (width, height) = (left.width.min(right.width) as i32, left.height.min(right.height) as i32);
    let mut best = -1.0_f64;
    for dy in (-OFF..=OFF).step_by(2) {
        for dx in (-OFF..=OFF).step_by(2) {
            best = best.max(likeness(left, right, [width, height], [dx, dy]));
        }
    }
    best
}

fn likeness(left: &Plane, right: &Plane, [width, height]: [i32; 2], [dx, dy]: [i32; 2]) -> f64 {
    let mut sums = [0.0_f64; 5];
    let mut n = 0.0;
    for y in OFF..height - OFF {
        for x in OFF..width - OFF {
            let a = f64::from(left.at(x as usize, y as usize));
            let b = f64::from(right.at((width - 1 - x - dx) as usize, (y + dy) as usize));
            for (sum, term) in sums.iter_mut().zip([a, b, a * a, b * b, a * b]) {
                *sum += term;
            }
            n += 1.0;
        }
    }
    let [a, b, aa, bb, ab] = sums.map(|sum| sum / n);
    let spread = ((aa - a * a) * (bb - b * b)).max(0.0).sqrt();
    if spread > 1e-6 { (ab - a * b) / spread } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Skin with what `paint` draws on it, by millimetres from the anchors' midpoint.
    fn drawn(paint: impl Fn(f64, f64) -> f32) -> Plane {
        let grid = grid();
        let to_mm = grid.to_mm();
        let mut plane = Plane::filled(grid.width, grid.height, 0.0);
        for y in 0..grid.height {
            for x in 0..grid.width {
                let [mx, my] = to_mm.apply([x as f64, y as f64]);
                plane.values[y * grid.width + x] = paint(mx, my);
            }
        }
        plane
    }

    fn eye(x: f64, y: f64, at: f64) -> Option<f32> {
        let (dx, dy) = (x - at, y);
        if dx.hypot(dy) < 5.5 {
            return Some(40.0);
        }
        if (dx / 14.0).hypot(dy / 5.0) < 1.0 {
            return Some(200.0);
        }
        ((dy + 13.0).abs() < 2.0 && dx.abs() < 14.0).then_some(70.0)
    }

    #[test]
    fn two_eyes_are_seen_also_a_little_off_their_anchors() {
        for off in [0.0, 3.0] {
            let face = drawn(|x, y| {
                eye(x - off, y + off / 2.0, -31.5).or_else(|| eye(x - off, y + off / 2.0, 31.5)).unwrap_or(150.0)
            });
            let seen = eyes(&face, 31.5).unwrap();
            assert!(seen.mirror > 0.8 && seen.dark < 0.4 && seen.range > 0.8, "{off}: {seen:?}");
            assert!((0.9..1.1).contains(&seen.bridge), "{seen:?}");
        }
    }

    #[test]
    fn plain_skin_and_one_mole_are_no_eyes() {
        let skin = eyes(&drawn(|x, y| 150.0 + ((x * 3.0).sin() + (y * 2.0).cos()) as f32 * 4.0), 31.5).unwrap();
        assert!(skin.range < 0.2 && skin.dark > 0.9, "{skin:?}");
        let mole = eyes(&drawn(|x, y| if x.hypot(y) < 28.0 { 60.0 } else { 150.0 }), 31.5).unwrap();
        assert!(mole.bridge < 0.5, "{mole:?}");
        assert_eq!(eyes(&Plane::filled(10, 10, 1.0), 31.5), None, "another grid");
    }
}
