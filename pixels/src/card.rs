//! A grey card in the picture: three equal squares side by side, white, grey and black, in a row of any direction.
//!
//! Found by what only such a card is: three even patches of about one size, their middles in line and one patch apart, in
//! steps of light that are known, and all of one tint, whatever that tint is. Cells of `CELL` pixels of a picture made
//! small by [`MOST_SIDE`]; deterministic.

use crate::{colour::linear, picture::Picture};

/// Longest side of the picture that is searched; a patch must be about 20 of its pixels wide.
pub const MOST_SIDE: u32 = 1000;

const CELL: usize = 4;
/// SD of a channel within an even cell, grey levels; sensor noise is mostly gone by then.
const EVEN: f64 = 4.0;
/// How far a cell may be from the patch that it joins.
const JOIN: f64 = 7.0;
const LEAST_CELLS: usize = 6;
/// Share of its box that a patch fills; a square that stands on its corner fills half.
const FILLS: f64 = 0.45;
/// How much two patches' tints may differ, as a ratio of their red or blue to their green.
const TINT: f64 = 1.12;

/// Reflectances of the three squares, 0..1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Steps {
    pub white: f64,
    pub grey: f64,
    pub black: f64,
    /// How much a step of light may differ from the card's, as a ratio: more, and the camera bends its tones.
    pub tolerance: f64,
}

/// A card that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Card {
    /// Linear red, green and blue of the three squares.
    pub white: [f64; 3],
    pub grey: [f64; 3],
    pub black: [f64; 3],
    /// Middle of the grey square in pixels of the searched picture, and its side.
    pub at: [f64; 2],
    pub side: f64,
}

impl Card {
    /// What each channel's light must be multiplied with to be reflectance.
    #[must_use]
    pub fn gains(&self, steps: &Steps) -> [f64; 3] {
        [0, 1, 2].map(|c: usize| (steps.white / self.white[c] * steps.grey / self.grey[c]).sqrt())
    }
}

/// Patch of even cells.
#[derive(Debug, Clone, Copy)]
struct Patch {
    light: [f64; 3],
    level: [f64; 3],
    at: [f64; 2],
    side: f64,
}

/// Searches a picture whose longer side is at most [`MOST_SIDE`] or so.
#[must_use]
pub fn find(picture: &Picture, steps: &Steps) -> Option<Card> {
    let patches = patches(picture);
    let mut best: Option<(f64, Card)> = None;
    for grey in &patches {
        for white in patches.iter().filter(|white| step(white, grey, steps.white / steps.grey, steps.tolerance)) {
            // A burnt-out white has lost the tint it should tell.
            if white.level.iter().any(|level| *level > 251.0) || !neighbours(white, grey) {
                continue;
            }
            for black in patches.iter().filter(|black| black.light[1] * 2.5 < grey.light[1]) {
                let Some(off) = in_line(white, grey, black) else { continue };
                let off = off + tint(white, grey).ln();
                if best.is_none_or(|(least, _)| off < least) {
                    let (white, black) = (white.light, black.light);
                    best = Some((off, Card { white, grey: grey.light, black, at: grey.at, side: grey.side }));
                }
            }
        }
    }
    best.map(|(_, card)| card)
}

/// Whether both differ by the card's step of light, in every channel, and have one tint.
fn step(white: &Patch, grey: &Patch, expected: f64, tolerance: f64) -> bool {
    let fits = |c: usize| {
        let ratio = white.light[c] / grey.light[c].max(1e-6) / expected;
        (1.0 / tolerance..tolerance).contains(&ratio)
    };
    grey.light[1] > 0.01 && (0..3).all(fits) && tint(white, grey) < TINT
}

/// The larger ratio of their tints, either way.
fn tint(a: &Patch, b: &Patch) -> f64 {
    let against = |c: usize| {
        let ratio = (a.light[c] / a.light[1]) / (b.light[c] / b.light[1]).max(1e-6);
        ratio.max(1.0 / ratio.max(1e-6))
    };
    against(0).max(against(2))
}

fn alike(a: f64, b: f64, most: f64) -> bool {
    a.max(b) <= most * a.min(b)
}

fn neighbours(a: &Patch, b: &Patch) -> bool {
    let apart = (a.at[0] - b.at[0]).hypot(a.at[1] - b.at[1]);
    // The cells on a patch's rim are lost, so that it looks smaller than it is.
    alike(a.side, b.side, 1.5) && (1.0..2.4).contains(&(apart / f64::midpoint(a.side, b.side)))
}

/// How far the three middles are from a row of equal steps, as a share of a step.
fn in_line(white: &Patch, grey: &Patch, black: &Patch) -> Option<f64> {
    if !neighbours(grey, black) {
        return None;
    }
    let middle = [0, 1].map(|k: usize| f64::midpoint(white.at[k], black.at[k]));
    let step = (white.at[0] - black.at[0]).hypot(white.at[1] - black.at[1]) / 2.0;
    let off = (middle[0] - grey.at[0]).hypot(middle[1] - grey.at[1]) / step.max(1e-6);
    (off < 0.25).then_some(off)
}

#[derive(Clone, Copy)]
struct Cell {
    level: [f64; 3],
    even: bool,
}

fn patches(picture: &Picture) -> Vec<Patch> {
    let (columns, rows) = (picture.width() as usize / CELL, picture.height() as usize / CELL);
    let mut cells: Vec<Cell> = (0..columns * rows).map(|at| cell(picture, at % columns, at / columns)).collect();
    let mut found = Vec::new();
    for start in 0..cells.len() {
        if cells[start].even
            && let Some(patch) = grown(&mut cells, columns, start)
        {
            found.push(patch);
        }
    }
    // Walls and sky come in few large pieces, noise in many small ones: a card is among the larger of what is left.
    found.sort_by(|a, b| b.side.total_cmp(&a.side));
    found.truncate(300);
    found
}

fn cell(picture: &Picture, x: usize, y: usize) -> Cell {
    let width = picture.width() as usize;
    let (mut sums, mut squares) = ([0.0; 3], [0.0; 3]);
    for row in y * CELL..(y + 1) * CELL {
        for pixel in picture.rgb()[(row * width + x * CELL) * 3..][..CELL * 3].chunks_exact(3) {
            for (c, value) in pixel.iter().enumerate() {
                let value = f64::from(*value);
                sums[c] += value;
                squares[c] += value * value;
            }
        }
    }
    let n = (CELL * CELL) as f64;
    let level = sums.map(|sum| sum / n);
    let even = (0..3).all(|c| squares[c] / n - level[c] * level[c] <= EVEN * EVEN);
    Cell { level, even }
}

/// Takes a patch of even cells of one colour out; `None` where it is too small or of another shape.
fn grown(cells: &mut [Cell], columns: usize, start: usize) -> Option<Patch> {
    let seed = cells[start].level;
    let mut waiting = vec![start];
    cells[start].even = false;
    let (mut taken, mut sums, mut place) = (0_usize, [0.0; 3], [0.0; 2]);
    let (mut low, mut high) = ([usize::MAX; 2], [0_usize; 2]);
    while let Some(at) = waiting.pop() {
        let here = [at % columns, at / columns];
        taken += 1;
        for (sum, level) in sums.iter_mut().zip(cells[at].level) {
            *sum += level;
        }
        for k in 0..2 {
            place[k] += here[k] as f64;
            low[k] = low[k].min(here[k]);
            high[k] = high[k].max(here[k]);
        }
        let steps = [(here[0] > 0, at.wrapping_sub(1)), (here[0] + 1 < columns, at + 1)];
        let more = [(here[1] > 0, at.wrapping_sub(columns)), (at + columns < cells.len(), at + columns)];
        for (inside, next) in steps.into_iter().chain(more) {
            if inside && cells[next].even && (0..3).all(|c| (cells[next].level[c] - seed[c]).abs() <= JOIN) {
                cells[next].even = false;
                waiting.push(next);
            }
        }
    }
    let (width, height) = (high[0] - low[0] + 1, high[1] - low[1] + 1);
    let fills = taken as f64 / (width * height) as f64;
    if taken < LEAST_CELLS || fills < FILLS || !alike(width as f64, height as f64, 1.7) {
        return None;
    }
    let n = taken as f64;
    let level = sums.map(|sum| sum / n);
    let at = place.map(|v| (v / n + 0.5) * CELL as f64);
    Some(Patch { light: level.map(linear), level, at, side: n.sqrt() * CELL as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: Steps = Steps { white: 0.9, grey: 0.18, black: 0.035, tolerance: 1.3 };

    fn level(light: f64) -> f64 {
        let v = if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
        v * 255.0
    }

    /// A wall of skin colour with noise, and three squares of `side` pixels from (x, y) on.
    fn scene(card: Option<([f64; 3], f64, f64)>, gains: [f64; 3], seed: u64) -> Picture {
        let mut random = fastrand::Rng::with_seed(seed);
        let (width, height) = (600_usize, 800_usize);
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                let inside = card.and_then(|(squares, side, turn)| {
                    let (sin, cos) = turn.to_radians().sin_cos();
                    let (dx, dy) = (x as f64 - 200.0, y as f64 - 600.0);
                    let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
                    let at = (u / side).floor();
                    (v >= 0.0 && v < side && (0.0..3.0).contains(&at)).then(|| squares[at as usize])
                });
                let wave = 1.0 + 0.1 * (x as f64 / 9.0).sin() * (y as f64 / 7.0).cos();
                let light = inside.map_or([0.5 * wave, 0.3 * wave, 0.2 * wave], |grey| [grey; 3]);
                for c in 0..3 {
                    let noise = (random.f64() - 0.5) * 6.0;
                    rgb.push((level((light[c] * gains[c]).min(1.0)) + noise).round().clamp(0.0, 255.0) as u8);
                }
            }
        }
        Picture::new(width as u32, height as u32, rgb).unwrap()
    }

    #[test]
    fn a_card_is_found_turned_tinted_and_dim_and_gives_the_tint_back() {
        for (turn, gains) in [(0.0, [0.9; 3]), (12.0, [0.95, 0.85, 0.75]), (-70.0, [0.5, 0.55, 0.6]), (180.0, [0.9; 3])]
        {
            let picture = scene(Some(([0.9, 0.18, 0.035], 40.0, turn)), gains, 5);
            let card = find(&picture, &STEPS).unwrap_or_else(|| panic!("turned by {turn}"));
            for (found, planted) in card.gains(&STEPS).iter().zip(gains) {
                assert!((found * planted - 1.0).abs() < 0.02, "{turn}: {found} for {planted}");
            }
        }
    }

    #[test]
    fn what_is_no_card_is_none() {
        assert_eq!(find(&scene(None, [0.9; 3], 5), &STEPS), None);
        for squares in [[0.9, 0.5, 0.035], [0.18, 0.9, 0.035], [0.9, 0.18, 0.18], [0.9, 0.9, 0.9]] {
            assert_eq!(find(&scene(Some((squares, 40.0, 0.0)), [0.9; 3], 5), &STEPS), None, "{squares:?}");
        }
        let burnt = scene(Some(([0.9, 0.18, 0.035], 40.0, 0.0)), [1.4; 3], 5);
        assert_eq!(find(&burnt, &STEPS), None, "a white that is burnt out tells nothing");
    }
}
