//! Output tensors of a detector to boxes and points in the picture, by a decoder that the manifest names.
//!
//! - `corners`: one tensor of boxes `[1, N, 4]` (left, top, right, bottom), one of scores `[1, N, classes]`.
//! - `anchor-free`: for each stride `s` a grid of cells, row by row, each with one candidate: box `[1, cells, 4]` (middle as
//!   an offset from the cell's corner, logarithm of width and height, all in strides), scores `[1, cells, classes]`, points
//!   `[1, cells, 2 × points]` (offsets from the cell's corner in strides).
//!
//! Where several score tensors are named, their geometric mean counts. Of overlapping candidates the best is kept (greedy
//! suppression by intersection over union). Layout and order of the cells as in the published models that name these
//! decoders: UltraFace (corners), YuNet (anchor-free).

use super::{golden::Raw, manifest::Coordinates, scores::ScoreError, tensor::Placement};

/// The best this many candidates are looked at; a sound detector has a few hundred above its threshold.
const CANDIDATES: usize = 2_000;

/// What a `[[detector]]` of a manifest says.
#[derive(Debug, Clone, PartialEq)]
pub struct Detector {
    pub id: String,
    pub decoder: Decoder,
    /// Which column of the scores counts.
    pub class: usize,
    /// Score from which a candidate counts, 0 to 1.
    pub threshold: f32,
    /// Of two candidates that overlap by more than this share of their union the better one is kept.
    pub overlap: f32,
    /// What the points are called, in the tensor's order; empty without points.
    pub points: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Decoder {
    Corners { unit: Coordinates, tensors: Tensors },
    AnchorFree(Vec<(u32, Tensors)>),
}

/// Which outputs of the manifest hold what, by index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensors {
    pub boxes: usize,
    /// One or two: their geometric mean counts.
    pub scores: Vec<usize>,
    pub points: Option<usize>,
}

/// One thing found; pixels of the picture as shown, the middle of the top left one is 0, 0.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    pub score: f64,
    /// Left, top, right, bottom; may reach beyond the picture.
    pub corners: [f64; 4],
    /// In the order of [`Detector::points`].
    pub points: Vec<[f64; 2]>,
}

impl Detector {
    /// Everything found, best first. `outputs` in the manifest's order, activated.
    ///
    /// # Errors
    /// [`ScoreError::Shape`] where a tensor is not what the decoder needs, [`ScoreError::NotFinite`].
    pub fn find(&self, outputs: &[Raw], placement: &Placement) -> Result<Vec<Found>, ScoreError> {
        let mut candidates = Vec::new();
        match &self.decoder {
            Decoder::Corners { unit, tensors } => {
                let size = unit.size_of(placement);
                self.gather(tensors, outputs, None, &mut candidates, |at| {
                    let (boxes, points) = (row(&outputs[tensors.boxes], at, 4), tensors.points.map(|p| &outputs[p]));
                    let scaled = |k: usize, v: f32| f64::from(v) * size[k % 2];
                    let corners = [0, 1, 2, 3].map(|k| scaled(k, boxes[k]));
                    let points = points.map(|raw| row(raw, at, 2 * self.points.len()));
                    (
                        corners,
                        points
                            .unwrap_or_default()
                            .chunks_exact(2)
                            .map(|p| [scaled(0, p[0]), scaled(1, p[1])])
                            .collect(),
                    )
                })?;
            }
            Decoder::AnchorFree(levels) => {
                for (stride, tensors) in levels {
                    let columns = placement.tensor[0].div_ceil(*stride as usize);
                    let cells = columns * placement.tensor[1].div_ceil(*stride as usize);
                    let s = f64::from(*stride);
                    self.gather(tensors, outputs, Some(cells), &mut candidates, |at| {
                        let corner = [(at % columns) as f64, (at / columns) as f64];
                        let place = |p: &[f32]| [0, 1].map(|k| (corner[k] + f64::from(p[k])) * s);
                        let b = row(&outputs[tensors.boxes], at, 4);
                        let ([x, y], [w, h]) = (place(b), [b[2], b[3]].map(|v| f64::from(v).exp() * s));
                        let corners = [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0];
                        let points = tensors.points.map(|p| row(&outputs[p], at, 2 * self.points.len()));
                        (corners, points.unwrap_or_default().chunks_exact(2).map(place).collect())
                    })?;
                }
            }
        }
        candidates.sort_by(|a: &Found, b| b.score.total_cmp(&a.score));
        candidates.truncate(CANDIDATES);
        let mut kept = suppressed(candidates, f64::from(self.overlap));
        for found in &mut kept {
            let [l, t, r, b] = found.corners;
            let ([l, t], [r, b]) = (placement.to_picture([l, t]), placement.to_picture([r, b]));
            found.corners = [l, t, r, b];
            found.points.iter_mut().for_each(|p| *p = placement.to_picture(*p));
        }
        Ok(kept)
    }

    /// Adds every candidate above the threshold. Shapes are held against one another first, so that no row is missing.
    fn gather(
        &self,
        tensors: &Tensors,
        outputs: &[Raw],
        cells: Option<usize>,
        candidates: &mut Vec<Found>,
        place: impl Fn(usize) -> ([f64; 4], Vec<[f64; 2]>),
    ) -> Result<(), ScoreError> {
        let count = cells.unwrap_or(outputs[tensors.boxes].values.len() / 4);
        let wrong = |at: usize, wanted: String| {
            let shape = outputs[at].shape.clone();
            Err(ScoreError::Shape { detector: self.id.clone(), output: at, shape, wanted })
        };
        let fits = |at: usize, wanted: usize| match columns(&outputs[at], count) {
            Some(found) if found == wanted => Ok(()),
            _ => wrong(at, format!("{count} rows of {wanted}")),
        };
        fits(tensors.boxes, 4)?;
        tensors.points.map_or(Ok(()), |at| fits(at, 2 * self.points.len()))?;
        let mut scores = Vec::new();
        for (nth, at) in tensors.scores.iter().enumerate() {
            let Some(columns) = columns(&outputs[*at], count) else { return wrong(*at, format!("{count} rows")) };
            // A second tensor with one column says whether there is anything at all, of whatever class.
            let column = if nth > 0 && columns == 1 { 0 } else { self.class };
            if column >= columns {
                return wrong(*at, format!("a column {column}, counted from 0"));
            }
            scores.push((&outputs[*at], columns, column));
        }
        for at in 0..count {
            let mut score = 1.0;
            for (raw, columns, column) in &scores {
                let value = f64::from(row(raw, at, *columns)[*column]);
                if !value.is_finite() {
                    return Err(ScoreError::NotFinite { name: self.id.clone() });
                }
                score *= value.max(0.0);
            }
            score = if tensors.scores.len() == 2 { score.sqrt() } else { score };
            if score < f64::from(self.threshold) {
                continue;
            }
            let (corners, points) = place(at);
            if corners.iter().chain(points.iter().flatten()).any(|v| !v.is_finite()) {
                return Err(ScoreError::NotFinite { name: self.id.clone() });
            }
            candidates.push(Found { score, corners, points });
        }
        Ok(())
    }
}

/// Columns of a tensor of `count` rows; `None` where its shape is no such table.
fn columns(raw: &Raw, count: usize) -> Option<usize> {
    if count == 0 || !raw.values.len().is_multiple_of(count) || raw.values.is_empty() {
        return None;
    }
    let columns = raw.values.len() / count;
    let last = raw.shape.last().and_then(|side| usize::try_from(*side).ok());
    (columns == 1 || last == Some(columns)).then_some(columns)
}

fn row(raw: &Raw, at: usize, columns: usize) -> &[f32] {
    &raw.values[at * columns..][..columns]
}

/// Best first; each that overlaps a better one too much is left out.
fn suppressed(candidates: Vec<Found>, overlap: f64) -> Vec<Found> {
    let mut kept: Vec<Found> = Vec::new();
    for candidate in candidates {
        if kept.iter().all(|better| shared(better.corners, candidate.corners) <= overlap) {
            kept.push(candidate);
        }
    }
    kept
}

/// Intersection over union of two boxes; zero for boxes without area.
#[must_use]
pub fn shared(a: [f64; 4], b: [f64; 4]) -> f64 {
    let area = |b: [f64; 4]| (b[2] - b[0]).max(0.0) * (b[3] - b[1]).max(0.0);
    let both = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let either = area(a) + area(b) - both;
    if either > 0.0 { both / either } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::manifest::Whole;

    fn raw(rows: &[&[f32]]) -> Raw {
        let shape = vec![1, rows.len() as i64, rows[0].len() as i64];
        Raw { shape, values: rows.concat() }
    }

    fn corners(unit: Coordinates) -> Detector {
        let tensors = Tensors { boxes: 1, scores: vec![0], points: None };
        let decoder = Decoder::Corners { unit, tensors };
        Detector { id: "face".into(), decoder, class: 1, threshold: 0.5, overlap: 0.3, points: Vec::new() }
    }

    #[test]
    fn corners_are_brought_back_to_the_picture_and_the_best_of_a_heap_is_kept() {
        let scores = raw(&[&[0.1, 0.9], &[0.05, 0.95], &[0.3, 0.7], &[0.8, 0.2]]);
        let boxes = raw(&[&[0.1, 0.1, 0.5, 0.5], &[0.12, 0.1, 0.5, 0.5], &[0.6, 0.6, 0.9, 0.9], &[0.0, 0.0, 1.0, 1.0]]);
        let placement = Placement::of(Whole::Stretch, [100, 50], [200, 400]);
        let found = corners(Coordinates::Share).find(&[scores, boxes], &placement).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        let near = |a: [f64; 4], b: [f64; 4]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-4);
        // Twice and eight times as large; a pixel's middle is half a pixel in.
        assert!(near(found[0].corners, [23.5, 39.5, 99.5, 199.5]), "{found:?}");
        assert!((found[0].score - 0.95).abs() < 1e-6 && (found[1].score - 0.7).abs() < 1e-6);
    }

    #[test]
    fn cells_without_anchors_are_decoded_at_every_stride() {
        let level = |at: usize| Tensors { boxes: at, scores: vec![at + 1, at + 2], points: Some(at + 3) };
        let decoder = Decoder::AnchorFree(vec![(8, level(0)), (16, level(4))]);
        let points = vec!["a".to_owned(), "b".to_owned()];
        let detector = Detector { id: "face".into(), decoder, class: 0, threshold: 0.5, overlap: 0.3, points };
        let mut outputs = Vec::new();
        for cells in [8, 2] {
            let mut boxes = vec![0.0; cells * 4];
            let (mut cls, mut obj, mut kps) = (vec![0.0; cells], vec![0.0; cells], vec![0.0; cells * 4]);
            if cells == 8 {
                // Row 1, column 2 of a grid of 4 × 2.
                boxes[24..28].copy_from_slice(&[0.5, 0.25, 2.0_f32.ln(), 0.0]);
                (cls[6], obj[6]) = (0.81, 1.0);
                kps[24..28].copy_from_slice(&[0.0, 0.0, 1.0, -1.0]);
            }
            let table = |values: Vec<f32>| Raw { shape: vec![1, cells as i64, (values.len() / cells) as i64], values };
            outputs.extend([boxes, cls, obj, kps].map(table));
        }
        let placement = Placement::of(Whole::PadCorner, [32, 16], [64, 20]);
        let found = detector.find(&outputs, &placement).unwrap();
        let [face] = &found[..] else { panic!("{found:?}") };
        assert!((face.score - 0.9).abs() < 1e-6);
        // The middle at 20, 10, width 16 and height 8 in the tensor, which shows the picture at half its size.
        let expected = [23.5, 11.5, 55.5, 27.5];
        assert!(face.corners.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{face:?}");
        assert!(face.points[1].iter().zip([47.5, -0.5]).all(|(a, b)| (a - b).abs() < 1e-4), "{face:?}");
    }

    #[test]
    fn what_has_another_shape_or_is_no_number_is_an_error_and_no_box() {
        let placement = Placement::of(Whole::Stretch, [10, 10], [10, 10]);
        let find = |scores: Raw, boxes: Raw| corners(Coordinates::Pixel).find(&[scores, boxes], &placement);
        let (score, square) = (raw(&[&[0.0, 1.0]]), raw(&[&[0.0, 0.0, 9.0, 9.0]]));
        assert_eq!(find(score.clone(), square.clone()).unwrap().len(), 1);
        for (scores, boxes) in [
            (score.clone(), raw(&[&[0.0, 0.0, 9.0]])),
            (raw(&[&[1.0]]), Raw { shape: vec![1, 0, 4], values: Vec::new() }),
            (raw(&[&[0.0, 1.0], &[0.0, 1.0], &[0.0, 1.0]]), raw(&[&[0.0; 4], &[0.0; 4]])),
            (score.clone(), Raw { shape: vec![1, 4, 1], values: vec![0.0, 0.0, 9.0, 9.0] }),
            (score.clone(), raw(&[&[0.0, 0.0, f32::NAN, 9.0]])),
            (raw(&[&[0.0, f32::INFINITY]]), square.clone()),
            (Raw { shape: vec![], values: Vec::new() }, square),
        ] {
            assert!(find(scores.clone(), boxes.clone()).is_err(), "{scores:?} {boxes:?}");
        }
    }
}
