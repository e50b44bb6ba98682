//! The field of a contact scope: its rim, and hair that lies across it. Green channel of the whole picture, [`WIDTH`] wide.

use crate::plane::Plane;

/// Pixels across; the height follows the picture's shape.
pub const WIDTH: usize = 512;

/// Half the width of the widest line that counts as a hair, and how much darker than its surroundings it is.
const REACH: usize = 4;
const DARKER: f32 = 0.12;
/// Its surroundings are at least this share of the field's upper quartile.
const SKIN: f32 = 0.7;
/// What is left out all round, pixels.
const RIM: usize = WIDTH / 50;
/// A line is at least so long, as a share of the width, and so many times longer than wide.
const LONG: f64 = 0.12;
const THIN: f64 = 6.0;

#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Field {
    /// The darkest corner's mean, as a share of the middle's median; in grey levels.
    pub corner: f64,
    /// Length of all dark lines, in widths of the field.
    pub hair: f64,
}

/// `None` for a plane without room for corners.
#[must_use]
pub fn look(green: &Plane) -> Option<Field> {
    let (width, height) = (green.width, green.height);
    if width < 64 || height < 64 {
        return None;
    }
    let mean = |left: usize, top: usize, side: usize| {
        let rows = top..top + side;
        let sum: f64 = rows.map(|y| green.row(y)[left..][..side].iter().map(|v| f64::from(*v)).sum::<f64>()).sum();
        sum / (side * side) as f64
    };
    let side = width.min(height) / 12;
    let corners = [(0, 0), (width - side, 0), (0, height - side), (width - side, height - side)];
    let darkest = corners.map(|(x, y)| mean(x, y, side)).into_iter().fold(f64::INFINITY, f64::min);
    // The middle may hold a mole: the median over the inner half does not mind.
    let mut inner: Vec<f32> =
        (height / 4..height * 3 / 4).flat_map(|y| green.row(y)[width / 4..width * 3 / 4].iter().copied()).collect();
    let at = inner.len() / 2;
    let middle = f64::from(*inner.select_nth_unstable_by(at, f32::total_cmp).1).max(1.0);
    Some(Field { corner: darkest / middle, hair: lines(green) })
}

fn lines(green: &Plane) -> f64 {
    let closed = extreme(&extreme(green, f32::max), f32::min);
    // A hair lies on skin: the dark pattern within a mole is none.
    let mut levels = green.values.clone();
    let at = levels.len() * 3 / 4;
    let skin = SKIN * *levels.select_nth_unstable_by(at, f32::total_cmp).1;
    let mut dark: Vec<bool> =
        green.values.iter().zip(&closed.values).map(|(here, round)| hair_of(*here, *round, skin)).collect();
    // Many pictures come with a drawn border of a pixel or two.
    let (width, height) = (green.width, green.height);
    for (at, dark) in dark.iter_mut().enumerate() {
        let (x, y) = (at % width, at / width);
        *dark &= (RIM..width - RIM).contains(&x) && (RIM..height - RIM).contains(&y);
    }
    let least = LONG * green.width as f64;
    let mut length = 0.0;
    for start in 0..dark.len() {
        if dark[start] {
            let (area, long) = grown(&mut dark, green.width, start);
            if long >= least && area as f64 <= long * long / THIN {
                length += long;
            }
        }
    }
    length / green.width as f64
}

fn hair_of(here: f32, round: f32, skin: f32) -> bool {
    round > skin && round - here > DARKER * round.max(20.0)
}

/// Takes one connected patch out; its area and the diagonal of its box.
fn grown(dark: &mut [bool], width: usize, start: usize) -> (usize, f64) {
    let (mut left, mut right, mut top, mut bottom) = (usize::MAX, 0, usize::MAX, 0);
    let mut area = 0;
    let mut waiting = vec![start];
    dark[start] = false;
    while let Some(at) = waiting.pop() {
        let (x, y) = (at % width, at / width);
        area += 1;
        (left, right, top, bottom) = (left.min(x), right.max(x), top.min(y), bottom.max(y));
        for row in y.saturating_sub(1)..(y + 2).min(dark.len() / width) {
            for column in x.saturating_sub(1)..(x + 2).min(width) {
                let next = row * width + column;
                if dark[next] {
                    dark[next] = false;
                    waiting.push(next);
                }
            }
        }
    }
    (area, ((right - left + 1) as f64).hypot((bottom - top + 1) as f64))
}

/// Largest or smallest value of a square round each pixel.
fn extreme(plane: &Plane, pick: fn(f32, f32) -> f32) -> Plane {
    let (width, height) = (plane.width, plane.height);
    let mut across = plane.clone();
    for y in 0..height {
        let row = plane.row(y);
        for x in 0..width {
            let window = &row[x.saturating_sub(REACH)..(x + REACH + 1).min(width)];
            across.values[y * width + x] = window.iter().copied().fold(window[0], pick);
        }
    }
    let mut down = across.clone();
    for y in 0..height {
        for from in y.saturating_sub(REACH)..(y + REACH + 1).min(height) {
            let (out, row) = (&mut down.values[y * width..][..width], &across.values[from * width..][..width]);
            for (o, v) in out.iter_mut().zip(row) {
                *o = pick(*o, *v);
            }
        }
    }
    down
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(paint: impl Fn(f64, f64) -> f32) -> Field {
        let mut plane = Plane::filled(WIDTH, 384, 0.0);
        for y in 0..384 {
            for x in 0..WIDTH {
                plane.values[y * WIDTH + x] = paint(x as f64, y as f64);
            }
        }
        look(&plane).unwrap()
    }

    #[test]
    fn a_hair_a_mole_and_a_rim_are_told_apart() {
        let plain = field(|_, _| 160.0);
        assert!((plain.corner - 1.0).abs() < 1e-6 && plain.hair == 0.0);
        let hair = field(|x, y| if (x - 200.0 - 0.4 * y).abs() < 1.6 { 60.0 } else { 160.0 });
        assert!(hair.hair > 0.6 && hair.corner > 0.9, "{hair:?}");
        let mole = field(|x, y| if (x - 250.0).hypot(y - 190.0) < 60.0 { 60.0 } else { 160.0 });
        assert_eq!(mole.hair, 0.0);
        let rim = field(|x, y| if (x - 256.0).hypot(y - 192.0) < 250.0 { 160.0 } else { 10.0 });
        assert!(rim.corner < 0.2, "{rim:?}");
    }
}
