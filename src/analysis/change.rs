//! Pictures of a pair that a customer looks at: the after picture laid onto the before picture, both at the same exposure,
//! and where a metric changed. Colours that also people with red-green blindness tell apart; lost and gained differ in
//! shape too. No text in them: the page says what the marks mean, in its language.
//!
//! Nothing is decided here: a mark is a peak that one picture shows and the other does not, of which noise alone makes a
//! few on unchanged skin. Whether a region changed is said by [`super::compare`].

use super::{
    derivative::WORD,
    manifest::Unchanged,
    picture::Plane,
    regions::{Grid, Mask},
};
use image::{RgbImage, imageops::thumbnail};
pub use skinlink_pixels::peaks::Peak;
use skinlink_pixels::{
    coded::jpeg as code,
    paint::{Canvas, Ink},
};

/// Peaks that only the before picture shows: blue, open. That only the after picture shows: orange, filled. That stayed:
/// a small pale dot.
pub const LOST: Ink = [0.0, 84.0, 180.0];
pub const GAINED: Ink = [222.0, 100.0, 0.0];
const STAYED: Ink = [250.0, 250.0, 250.0];
/// Less is blue, more is orange, here too.
pub const LESS: Ink = LOST;
pub const MORE: Ink = GAINED;

/// Longest side in pixels, and finest scale: twice what a telephone shows of it.
const LONGEST_SIDE: f64 = 960.0;
const FINEST_PX_PER_MM: f64 = 13.0;
const MARGIN_MM: f64 = 5.0;

/// A report shows three pairs and weighs 400 kB with its page; bytes. The pictures of a pair have one size in pixels, so that they
/// lie over each other; see [`fitted`].
pub const MOST_BYTES: usize = 60_000;
const QUALITIES: &[u8] = &[85, 75, 65, 55, 45, 35, 25];
/// Reach of the local mean behind a tint, and the change that has the full colour.
const LOCAL_MM: f64 = 2.5;
const FULL_SHARE: f64 = 0.35;
/// Redness is log₁₀ of red over green in linear light; a strong flush changes it by about this.
const FULL_REDNESS: f32 = 0.06;
const QUIET_REDNESS: f32 = 0.012;
const TINT: f32 = 0.75;

/// The frame of a view's pictures: all its regions with a margin.
#[must_use]
pub fn frame(polygons: &[Vec<[f64; 2]>]) -> Grid {
    let all: Vec<[f64; 2]> = polygons.iter().flatten().copied().collect();
    let span = |axis: usize| {
        let side = || all.iter().map(|p| p[axis]);
        side().fold(f64::NEG_INFINITY, f64::max) - side().fold(f64::INFINITY, f64::min) + 2.0 * MARGIN_MM
    };
    let px_per_mm = (LONGEST_SIDE / span(0).max(span(1)).max(1.0)).min(FINEST_PX_PER_MM);
    Grid::around(&all, px_per_mm, (MARGIN_MM * px_per_mm) as u32, 1)
}

/// By what linear factor the after picture must be brightened to be as bright as the before picture: the ratio of the
/// medians of green over the regions. One factor for all colours, so that skin is never matched to skin in tone.
#[must_use]
pub fn exposure(before: &Plane, after: &Plane, mask: &Mask) -> f32 {
    let median = |plane: &Plane| {
        let inside = plane.values.iter().zip(&mask.inside).filter(|(_, inside)| **inside);
        let mut values: Vec<f32> = inside.map(|(v, _)| *v).collect();
        let middle = values.len() / 2;
        if values.is_empty() { 1.0 } else { *values.select_nth_unstable_by(middle, f32::total_cmp).1 }
    };
    let (before, after) = (median(before).max(1.0), median(after).max(1.0));
    // Far beyond what the gates let pass, an evened picture would show noise.
    (before / after).powf(2.2).clamp(0.4, 2.5)
}

/// Where peaks went and came, on the frame of the before picture.
#[derive(Debug)]
pub struct Marks {
    canvas: Canvas,
    grid: Grid,
}

impl Marks {
    /// `None` unless `before` is three planes.
    #[must_use]
    pub fn over(before: Vec<Plane>, grid: Grid) -> Option<Self> {
        let mut canvas = Canvas::new(before)?;
        canvas.fade_to_grey();
        Some(Self { canvas, grid })
    }

    /// Draws a region's outline.
    pub fn outline(&mut self, polygon: &[[f64; 2]]) {
        let mask = self.grid.mask(polygon, &[]);
        self.canvas.outline(&mask, 2, STAYED, 0.8);
    }

    fn place(&self, at: [f64; 2], from: &Grid) -> [f32; 2] {
        let mm = from.to_mm().apply(at);
        [0, 1].map(|axis| ((mm[axis] - self.grid.origin_mm[axis]) * self.grid.px_per_mm) as f32)
    }

    /// Draws a region's peaks, which lie on `from`; those that stayed first, so that none hides one that did not.
    pub fn peaks(&mut self, peaks: &[Peak], from: &Grid) {
        let px_per_mm = self.grid.px_per_mm as f32;
        let size = |mm: f32, least: f32| (mm * px_per_mm).max(least);
        for stayed in [true, false] {
            for peak in peaks.iter().filter(|peak| peak.kept == stayed) {
                let place = self.place([peak.x as f64, peak.y as f64], from);
                match (peak.kept, peak.after) {
                    (true, false) => self.canvas.dot(place, size(0.08, 0.6), STAYED, 0.8),
                    (true, true) => {}
                    (false, false) => self.canvas.ring(place, size(0.5, 3.5), size(0.22, 1.6), LOST, 0.95),
                    (false, true) => self.canvas.dot(place, size(0.36, 2.6), GAINED, 0.95),
                }
            }
        }
    }

    /// Tints a region by how the strengths at its peaks changed near by, where that exceeds what noise does to so few.
    pub fn strengths(&mut self, polygon: &[[f64; 2]], from: &Grid, strengths: &[Strong], unchanged: Option<Unchanged>) {
        const STEP: usize = 8;
        let n = strengths.len() as f64;
        if strengths.len() < 20 {
            return;
        }
        let mean = strengths.iter().map(|s| s.before).sum::<f64>() / n;
        let change = strengths.iter().map(|s| s.after - s.before).sum::<f64>() / n;
        let scatter = (strengths.iter().map(|s| (s.after - s.before - change).powi(2)).sum::<f64>() / n).sqrt() / mean;
        let spread = unchanged.map_or(0.02, |u| u.sd.max(u.floor));
        let mask = self.grid.mask(polygon, &[]);
        let reach = LOCAL_MM * self.grid.px_per_mm;
        let places: Vec<[f64; 2]> = strengths.iter().map(|s| self.place(s.at, from).map(f64::from)).collect();
        let (columns, rows) = (self.grid.width.div_ceil(STEP) + 1, self.grid.height.div_ceil(STEP) + 1);
        let mut small = Plane::filled(columns, rows, 0.0);
        for (at, value) in small.values.iter_mut().enumerate() {
            let here = [(at % columns * STEP) as f64, (at / columns * STEP) as f64];
            let (mut sum, mut weights, mut squares) = (0.0, 0.0, 0.0);
            for (place, strong) in places.iter().zip(strengths) {
                let far = ((place[0] - here[0]).powi(2) + (place[1] - here[1]).powi(2)) / reach.powi(2);
                if far < 9.0 {
                    let w = (-0.5 * far).exp();
                    sum += w * (strong.after - strong.before);
                    weights += w;
                    squares += w * w;
                }
            }
            if weights > 0.0 {
                let share = sum / weights / mean;
                let noise = (2.0 * spread.powi(2) + scatter.powi(2) * squares / (weights * weights)).sqrt();
                let seen = ((share.abs() - 2.0 * noise) / noise).clamp(0.0, 1.0);
                *value = (share / FULL_SHARE * seen).clamp(-1.0, 1.0) as f32;
            }
        }
        let map = small.enlarged(STEP, self.grid.width, self.grid.height);
        self.canvas.tint(&map, &mask, LESS, MORE, TINT);
    }

    #[must_use]
    pub fn jpeg(&self) -> Vec<u8> {
        jpeg(&self.canvas)
    }
}

/// A map's strength at one peak that both pictures show, on the grid of the region.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strong {
    pub at: [f64; 2],
    pub before: f64,
    pub after: f64,
}

/// Where redness changed, on the frame of the before picture; `whites` as [`super::job::Request::Pictures`] has them.
/// `None` when the planes are not three of one size.
#[must_use]
pub fn redness(before: &[Plane], after: &[Plane], grid: &Grid, mask: &Mask, whites: [[f64; 3]; 2]) -> Option<Vec<u8>> {
    let index = |planes: &[Plane], white: [f64; 3]| {
        let ([red, green, _], [wr, wg, _]) = (planes, white) else { return None };
        let linear = |v: f32| f64::from((v / 255.0).max(0.02)).powf(2.2);
        let zero = (wr.max(1e-6) / wg.max(1e-6)).log10();
        let values = red.values.iter().zip(&green.values);
        let values = values.map(|(r, g)| ((linear(*r) / linear(*g)).log10() - zero) as f32).collect();
        let plane = Plane { width: red.width, height: red.height, values };
        // A pore's edge that lies half a pixel beside would else look red.
        Some(plane.blurred((0.8 * grid.px_per_mm) as f32))
    };
    let (first, second) = (index(before, whites[0])?, index(after, whites[1])?);
    let values = first.values.iter().zip(&second.values).map(|(a, b)| {
        let change = b - a;
        let seen = ((change.abs() - QUIET_REDNESS) / QUIET_REDNESS).clamp(0.0, 1.0);
        change / FULL_REDNESS * seen
    });
    let map = Plane { width: first.width, height: first.height, values: values.collect() };
    let mut canvas = Canvas::new(before.to_vec())?;
    canvas.fade_to_grey();
    canvas.tint(&map, mask, LESS, MORE, TINT);
    canvas.outline(mask, 2, STAYED, 0.8);
    Some(jpeg(&canvas))
}

/// A canvas as JPEG of a size fit for a report.
#[must_use]
pub fn jpeg(canvas: &Canvas) -> Vec<u8> {
    let (width, height) = (canvas.width() as u32, canvas.height() as u32);
    coded(&RgbImage::from_raw(width, height, canvas.bytes()).expect("as many bytes as pixels times three"))
}

/// The pictures of one pair, each within [`MOST_BYTES`] and all of one size: where one is heavier at the lowest quality, all get
/// fewer pixels. What cannot be decoded stays as it is.
#[must_use]
pub fn fitted(parts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let heavy = |parts: &[Vec<u8>]| parts.iter().any(|part| part.len() + WORD > MOST_BYTES);
    if !heavy(&parts) {
        return parts;
    }
    let decoded = parts.iter().map(|part| image::load_from_memory(part).map(|picture| picture.into_rgb8()));
    let Ok(whole) = decoded.collect::<Result<Vec<_>, _>>() else { return parts };
    let (mut parts, mut share) = (parts, 1.0);
    while heavy(&parts) && share > 0.1 {
        share *= 0.8;
        let side = |pixels: u32| ((f64::from(pixels) * share) as u32).max(1);
        parts = whole.iter().map(|one| coded(&thumbnail(one, side(one.width()), side(one.height())))).collect();
    }
    parts
}

/// In the best quality that is light enough, else in the lowest.
fn coded(pixels: &RgbImage) -> Vec<u8> {
    let mut coded = Vec::new();
    for quality in QUALITIES {
        coded = code(pixels, pixels.width(), pixels.height(), *quality).expect("a picture within the format's sizes");
        if coded.len() + WORD <= MOST_BYTES {
            break;
        }
    }
    coded
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a sharp camera and bright light make of skin at its worst: every pixel another.
    fn noisy(seed: u64) -> Vec<u8> {
        let mut dice = fastrand::Rng::with_seed(seed);
        coded(&RgbImage::from_fn(960, 880, |_, _| image::Rgb([dice.u8(..), dice.u8(..), dice.u8(..)])))
    }

    /// A picture of a pair that was too heavy at the lowest quality was taken as it was, and a page with three of such pairs weighed
    /// more than it may.
    #[test]
    fn the_pictures_of_a_pair_are_light_whatever_they_show_and_lie_over_each_other() {
        let even = coded(&RgbImage::from_pixel(960, 880, image::Rgb([190, 150, 130])));
        assert_eq!(fitted(vec![even.clone(), even.clone()]), [even.clone(), even.clone()], "light ones stay");
        let heavy = noisy(7);
        assert!(heavy.len() > MOST_BYTES, "{} bytes", heavy.len());
        let pair = fitted(vec![heavy, noisy(8), even]);
        let sizes: Vec<_> = pair.iter().map(|part| image::load_from_memory(part).unwrap()).collect();
        assert!(
            pair.iter().all(|part| part.len() <= MOST_BYTES),
            "{:?}",
            pair.iter().map(Vec::len).collect::<Vec<_>>()
        );
        assert!(sizes.iter().all(|one| (one.width(), one.height()) == (sizes[0].width(), sizes[0].height())));
        assert!(sizes[0].width() >= 240, "{} pixels wide", sizes[0].width());
    }
}
