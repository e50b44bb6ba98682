//! What stands above a threshold of a map: how many pieces, how large, how long, how strong.
//!
//! Cells that touch by a side or a corner belong to one piece.

use crate::{grid::Mask, plane::Plane};

/// Cells of a map that stand at or above `threshold` inside the mask, in pieces of at least `min_cells`, and how many
/// pieces that are.
#[must_use]
pub fn pieces(map: &Plane, mask: &Mask, threshold: f32, min_cells: usize) -> (Mask, usize) {
    let (width, height) = (map.width, map.height);
    let mut left: Vec<bool> = map.values.iter().zip(&mask.inside).map(|(v, i)| *i && *v >= threshold).collect();
    let mut kept = Mask { width, height, inside: vec![false; width * height] };
    let (mut count, mut piece) = (0, Vec::new());
    for start in 0..left.len() {
        if !left[start] {
            continue;
        }
        left[start] = false;
        piece.clear();
        piece.push(start);
        let mut next = 0;
        while next < piece.len() {
            let (x, y) = (piece[next] % width, piece[next] / width);
            next += 1;
            for row in y.saturating_sub(1)..(y + 2).min(height) {
                for column in x.saturating_sub(1)..(x + 2).min(width) {
                    let at = row * width + column;
                    if std::mem::take(&mut left[at]) {
                        piece.push(at);
                    }
                }
            }
        }
        if piece.len() >= min_cells {
            count += 1;
            piece.iter().for_each(|at| kept.inside[*at] = true);
        }
    }
    (kept, count)
}

/// Mean of the map over its cells at or above `threshold` inside the mask; `None` where there is none.
#[must_use]
pub fn mean_above(map: &Plane, mask: &Mask, threshold: f32) -> Option<f64> {
    let inside = map.values.iter().zip(&mask.inside).filter(|(value, inside)| **inside && **value >= threshold);
    let (count, sum) = inside.fold((0_usize, 0.0), |(count, sum), (value, _)| (count + 1, sum + f64::from(*value)));
    (count > 0).then(|| sum / count as f64)
}

/// Length of the middle lines of all pieces of a mask, in cells: a step to a side counts 1, one to a corner √2. A piece that
/// thins to a single cell has none. The ends of a line of width `w` are thinned away by about `w / 2` each.
#[must_use]
pub fn length(mask: &Mask) -> f64 {
    let thin = thinned(mask);
    let at = |x: usize, y: usize| thin.at(x, y);
    let (mut sides, mut corners) = (0_usize, 0_usize);
    for y in 0..thin.height {
        for x in (0..thin.width).filter(|x| at(*x, y)) {
            sides += usize::from(at(x + 1, y)) + usize::from(at(x, y + 1));
            // Where the way round the corner is there as well, it was counted by its sides.
            corners += usize::from(at(x + 1, y + 1) && !at(x + 1, y) && !at(x, y + 1));
            corners += usize::from(x > 0 && at(x - 1, y + 1) && !at(x - 1, y) && !at(x, y + 1));
        }
    }
    sides as f64 + corners as f64 * std::f64::consts::SQRT_2
}

/// Thinned to lines of one cell by the parallel method of Zhang and Suen (1984): border cells go from the south-east and
/// from the north-west in turn, as long as they are no end and hold nothing together.
fn thinned(mask: &Mask) -> Mask {
    let mut thin = mask.clone();
    let mut cells: Vec<usize> = (0..thin.inside.len()).filter(|at| thin.inside[*at]).collect();
    loop {
        let before = cells.len();
        for second in [false, true] {
            let gone: Vec<usize> = cells.iter().copied().filter(|at| goes(&thin, *at, second)).collect();
            gone.iter().for_each(|at| thin.inside[*at] = false);
            cells.retain(|at| thin.inside[*at]);
        }
        if cells.len() == before {
            return thin;
        }
    }
}

fn goes(mask: &Mask, at: usize, second: bool) -> bool {
    let (x, y) = (at % mask.width, at / mask.width);
    // Clockwise from the north; wrapping below zero lies outside every mask.
    let around = [(0, -1), (1, -1), (1, 0), (1, 1), (0, 1), (-1, 1), (-1, 0), (-1, -1)];
    let near = around.map(|(dx, dy)| mask.at(x.wrapping_add_signed(dx), y.wrapping_add_signed(dy)));
    let count = near.iter().filter(|set| **set).count();
    let begins = (0..8).filter(|k| !near[*k] && near[(k + 1) % 8]).count();
    let [north, east, south, west] = [near[0], near[2], near[4], near[6]];
    let held = if second { north && west && (east || south) } else { east && south && (north || west) };
    (2..=6).contains(&count) && begins == 1 && !held
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(rows: &[&str]) -> (Plane, Mask) {
        let (width, height) = (rows[0].len(), rows.len());
        let values = rows.iter().flat_map(|row| row.bytes().map(|b| f32::from(b.saturating_sub(b'0')))).collect();
        (Plane { width, height, values }, Mask::whole(width, height))
    }

    #[test]
    fn pieces_touch_by_corners_and_small_ones_are_left_out() {
        let (map, mask) = drawn(&["9000000", "0900050", "0000000", "0000990"]);
        assert_eq!(pieces(&map, &mask, 5.0, 1).1, 3);
        assert_eq!(pieces(&map, &mask, 6.0, 1).1, 2, "a threshold is reached, not exceeded");
        let (kept, count) = pieces(&map, &mask, 5.0, 2);
        assert_eq!((kept.count(), count), (4, 2));
        let left = Mask { inside: (0..28).map(|at| at % 7 < 5).collect(), ..mask };
        assert_eq!(pieces(&map, &left, 5.0, 1).1, 2, "outside the mask is nothing");
        assert_eq!(pieces(&map, &Mask { inside: vec![false; 28], ..left }, 5.0, 1).1, 0);
    }

    #[test]
    fn strength_is_of_what_stands_out() {
        let (map, mask) = drawn(&["1290"]);
        assert_eq!(mean_above(&map, &mask, 2.0), Some(5.5));
        assert_eq!(mean_above(&map, &mask, 9.5), None);
    }

    #[test]
    fn lines_keep_their_length_however_thick_they_are() {
        let bar = |width: usize, height: usize| {
            let mut mask = Mask { width: 60, height: 40, inside: vec![false; 2400] };
            (0..height).for_each(|y| (0..width).for_each(|x| mask.inside[(y + 10) * 60 + x + 5] = true));
            length(&mask)
        };
        assert_eq!(bar(40, 1), 39.0);
        assert_eq!(bar(1, 20), 19.0);
        assert_eq!(bar(1, 1), 0.0);
        for thick in [2, 3, 5] {
            let found = bar(40, thick);
            assert!((39.0 - thick as f64..=40.0).contains(&found), "{thick} thick: {found}");
        }
        let mut slope = Mask { width: 30, height: 30, inside: vec![false; 900] };
        (3..23).for_each(|k| slope.inside[k * 31] = true);
        assert!((length(&slope) - 19.0 * std::f64::consts::SQRT_2).abs() < 1e-9);
    }

    /// Every pattern of 4 × 4 cells: thinning ends, adds no cell and breaks no piece in two.
    #[test]
    fn thinning_splits_no_piece() {
        for pattern in 0_u32..1 << 16 {
            let mut mask = Mask { width: 6, height: 6, inside: vec![false; 36] };
            (0..16).for_each(|k| mask.inside[(k / 4 + 1) * 6 + k % 4 + 1] = pattern >> k & 1 == 1);
            let thin = thinned(&mask);
            let count = |mask: &Mask| {
                let values = mask.inside.iter().map(|set| f32::from(u8::from(*set))).collect();
                pieces(&Plane { width: 6, height: 6, values }, &Mask::whole(6, 6), 1.0, 1).1
            };
            assert!(thin.inside.iter().zip(&mask.inside).all(|(thin, thick)| !thin || *thick));
            // Fewer is right: of this method it is known that a square of two by two goes altogether.
            assert!(count(&thin) <= count(&mask), "{pattern:#x}");
        }
    }
}
