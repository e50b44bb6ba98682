//! Pixels of a picture on another grid: turned, scaled, bent; never blurred more than the new grid demands.
//!
//! Kernel: Keys' cubic convolution with a = −0.5 (Catmull-Rom), widened by the reduction where the grid is coarser than
//! the picture, so that nothing folds over. Outside the picture its border is repeated; a mask says what to leave out.

use crate::{affine::Affine, bend::Warp, picture::Picture, plane::Plane};

/// Above this reduction the picture is halved first: the same result to the eye for a quarter of the work.
const HALVE_FROM: f64 = 2.0;

/// Where a grid's pixel (column, row) lies in the picture; the middle of the top left pixel is 0, 0.
pub type Place<'a> = &'a dyn Fn(f32, f32) -> [f32; 2];

/// Which channels are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// One plane: the green channel, where pores are darkest and sensors are finest.
    Green,
    /// Three planes: red, green, blue.
    Rgb,
}

/// A picture with its halves, made when first needed and kept: several grids of one picture share them.
#[derive(Debug)]
pub struct Source {
    levels: Vec<Picture>,
}

impl Source {
    #[must_use]
    pub fn new(picture: Picture) -> Self {
        Self { levels: vec![picture] }
    }

    #[must_use]
    pub fn picture(&self) -> &Picture {
        &self.levels[0]
    }

    /// The picture, halved until neither side is longer than `side`.
    pub fn smaller(&mut self, side: u32) -> &Picture {
        let mut at = 0;
        while self.levels[at].width().max(self.levels[at].height()) > side {
            if at + 1 == self.levels.len() {
                let Some(half) = self.levels[at].halved() else { break };
                self.levels.push(half);
            }
            at += 1;
        }
        &self.levels[at]
    }

    /// Halves until no grid with `reduction` picture pixels to a grid pixel needs more.
    fn level_for(&mut self, reduction: f64) -> (&Picture, f32) {
        let mut at = 0;
        let mut left = reduction;
        while left >= HALVE_FROM {
            if at + 1 == self.levels.len() {
                let Some(half) = self.levels[at].halved() else { break };
                self.levels.push(half);
            }
            at += 1;
            left /= 2.0;
        }
        (&self.levels[at], (1_u32 << at) as f32)
    }

    /// Planes of `width` × `height` in 0..255. `reduction`: picture pixels to one grid pixel, across and down, at least
    /// roughly.
    pub fn sample(
        &mut self,
        width: usize,
        height: usize,
        reduction: [f64; 2],
        colour: Colour,
        map: Place<'_>,
    ) -> Vec<Plane> {
        self.resampled(width, height, reduction, colour, map)
    }

    fn resampled(
        &mut self,
        width: usize,
        height: usize,
        reduction: [f64; 2],
        colour: Colour,
        map: impl Fn(f32, f32) -> [f32; 2],
    ) -> Vec<Plane> {
        let (picture, factor) = self.level_for(reduction[0].min(reduction[1]));
        let stretch = reduction.map(|r| (r as f32 / factor).max(1.0));
        // The middle of a halved pixel lies between two of the finer ones.
        let shift = (factor - 1.0) / 2.0;
        let onto = |x: f32, y: f32| map(x, y).map(|v| (v - shift) / factor);
        match colour {
            Colour::Green => resample(picture, width, height, stretch, [1], onto),
            Colour::Rgb => resample(picture, width, height, stretch, [0, 1, 2], onto),
        }
    }

    /// Red, green and blue by a map of this package's own, inlined into the walk over the pixels.
    pub(crate) fn sample_rgb(
        &mut self,
        width: usize,
        height: usize,
        reduction: [f64; 2],
        map: &impl Fn(f32, f32) -> [f32; 2],
    ) -> Vec<Plane> {
        self.resampled(width, height, reduction, Colour::Rgb, map)
    }

    /// The same through a field of small shifts.
    pub fn sample_bent(
        &mut self,
        width: usize,
        height: usize,
        reduction: [f64; 2],
        colour: Colour,
        warp: &Warp<'_>,
    ) -> Vec<Plane> {
        self.resampled(width, height, reduction, colour, |x, y| warp.place(x, y))
    }

    /// The same by an affine map, and much faster: nothing is called for a pixel.
    pub fn sample_affine(
        &mut self,
        width: usize,
        height: usize,
        reduction: [f64; 2],
        colour: Colour,
        map: &Affine,
    ) -> Vec<Plane> {
        let m = map.m.map(|v| v as f32);
        let t = map.t.map(|v| v as f32);
        self.resampled(width, height, reduction, colour, |x, y| {
            [m[0] * x + m[1] * y + t[0], m[2] * x + m[3] * y + t[1]]
        })
    }
}

/// Writes a weighted sum of red, green and blue, scaled and lifted, to every `step`th place of `out`.
pub fn spread(planes: &[Plane; 3], weights: [f32; 3], out: &mut [f32], step: usize, scale: f32, offset: f32) {
    let [red, green, blue] = planes;
    let colours = red.values.iter().zip(&green.values).zip(&blue.values);
    for (to, ((red, green), blue)) in out.iter_mut().step_by(step).zip(colours) {
        *to = (weights[0] * red + weights[1] * green + weights[2] * blue) * scale + offset;
    }
}

fn resample<const N: usize>(
    picture: &Picture,
    width: usize,
    height: usize,
    stretch: [f32; 2],
    channels: [usize; N],
    map: impl Fn(f32, f32) -> [f32; 2],
) -> Vec<Plane> {
    let mut planes: Vec<Plane> = channels.iter().map(|_| Plane::filled(width, height, 0.0)).collect();
    let (mut across, mut down) = (Taps::new(stretch[0]), Taps::new(stretch[1]));
    let (right, bottom) = (picture.width() as usize - 1, picture.height() as usize - 1);
    let row_bytes = picture.width() as usize * 3;
    let rgb = picture.rgb();
    for y in 0..height {
        for x in 0..width {
            let [px, py] = map(x as f32, y as f32);
            across.aim(px, right);
            down.aim(py, bottom);
            let mut sums = [0.0_f32; N];
            for (row, by) in down.iter() {
                let line = &rgb[row * row_bytes..][..row_bytes];
                for (column, bx) in across.iter() {
                    let weight = by * bx;
                    for (sum, channel) in sums.iter_mut().zip(channels) {
                        *sum += weight * f32::from(line[3 * column + channel]);
                    }
                }
            }
            for (plane, sum) in planes.iter_mut().zip(sums) {
                plane.values[y * width + x] = sum.clamp(0.0, 255.0);
            }
        }
    }
    planes
}

/// Weights of one axis for one place; reused, so that sampling allocates nothing per pixel.
struct Taps {
    stretch: f32,
    count: usize,
    at: [usize; MOST_TAPS],
    weights: [f32; MOST_TAPS],
}

/// Four taps for every pixel of reduction, which is below twice [`HALVE_FROM`] along the longer axis of a stretched
/// picture in all but absurd shapes; those lose the outermost of their taps.
const MOST_TAPS: usize = 32;

impl Taps {
    const fn new(stretch: f32) -> Self {
        Self { stretch, count: 0, at: [0; MOST_TAPS], weights: [0.0; MOST_TAPS] }
    }

    fn aim(&mut self, place: f32, last: usize) {
        // A place far outside or no number at all reads the border.
        let place = if place.is_finite() { place.clamp(-8.0, last as f32 + 8.0) } else { 0.0 };
        if self.stretch <= 1.0 {
            return self.aim_closely(place, last);
        }
        let reach = 2.0 * self.stretch;
        let (first, end) = ((place - reach).ceil() as i32, (place + reach).floor() as i32);
        // Where there are more than fit, the middle ones: the left ones alone would move the picture.
        let beyond = (end - first + 1 - MOST_TAPS as i32).max(0);
        let first = first + beyond / 2;
        let mut sum = 0.0;
        self.count = 0;
        for at in (first..=end).take(MOST_TAPS) {
            let weight = cubic((at as f32 - place) / self.stretch);
            self.at[self.count] = usize::try_from(at).unwrap_or(0).min(last);
            self.weights[self.count] = weight;
            self.count += 1;
            sum += weight;
        }
        self.weights[..self.count].iter_mut().for_each(|weight| *weight /= sum);
    }

    /// Without reduction four taps do, and they sum to one.
    fn aim_closely(&mut self, place: f32, last: usize) {
        let low = place.floor();
        let t = place - low;
        let (t2, t3) = (t * t, t * t * t);
        self.count = 4;
        self.weights[0] = -0.5 * t3 + t2 - 0.5 * t;
        self.weights[1] = 1.5 * t3 - 2.5 * t2 + 1.0;
        self.weights[2] = -1.5 * t3 + 2.0 * t2 + 0.5 * t;
        self.weights[3] = 0.5 * t3 - 0.5 * t2;
        let first = low as i32 - 1;
        for k in 0..4 {
            self.at[k] = usize::try_from(first + k as i32).unwrap_or(0).min(last);
        }
    }

    fn iter(&self) -> impl Iterator<Item = (usize, f32)> + '_ {
        self.at[..self.count].iter().copied().zip(self.weights[..self.count].iter().copied())
    }
}

fn cubic(x: f32) -> f32 {
    let x = x.abs();
    if x < 1.0 {
        (1.5 * x - 2.5) * x * x + 1.0
    } else if x < 2.0 {
        ((-0.5 * x + 2.5) * x - 4.0) * x + 2.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slope(width: u32, height: u32) -> Source {
        let rgb = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, (x + y) as u8, y as u8])).collect();
        Source::new(Picture::new(width, height, rgb).unwrap())
    }

    #[test]
    fn a_slope_stays_a_slope_at_every_scale_and_turn() {
        let mut source = slope(120, 100);
        for (scale, degrees) in [(1.0, 0.0), (0.7, 3.0), (1.3, -4.0), (3.1, 2.0)] {
            let (sin, cos) = f64::to_radians(degrees).sin_cos();
            let map = Affine { m: [scale * cos, -scale * sin, scale * sin, scale * cos], t: [30.3, 30.6] };
            let planes = source.sample_affine(12, 12, [scale; 2], Colour::Rgb, &map);
            for (x, y) in [(3, 4), (11, 0), (5, 11)] {
                let [px, py] = map.apply([x as f64, y as f64]);
                for (plane, expected) in planes.iter().zip([px, px + py, py]) {
                    assert!(
                        (f64::from(plane.at(x, y)) - expected).abs() < 0.75,
                        "scale {scale}: {} for {expected}",
                        plane.at(x, y)
                    );
                }
            }
        }
    }

    /// Squeezed far more along one side than along the other, a picture moved to the left: of more taps than there is room for, the
    /// left ones were taken.
    #[test]
    fn a_picture_squeezed_along_one_side_stays_in_its_place() {
        let rgb = (0..30).flat_map(|_| (0..4000).flat_map(|x| [(x / 16) as u8; 3])).collect();
        let mut source = Source::new(Picture::new(4000, 30, rgb).unwrap());
        for squeeze in [4.0, 20.0, 40.0, 63.0] {
            let map = Affine { m: [squeeze, 0.0, 0.0, 3.0], t: [800.0, 5.0] };
            let planes = source.sample_affine(30, 4, [squeeze, 3.0], Colour::Green, &map);
            for x in [0, 10, 29] {
                let (found, expected) = (f64::from(planes[0].at(x, 2)), (800.0 + squeeze * x as f64) / 16.0 - 0.47);
                assert!((found - expected).abs() < 0.75, "squeeze {squeeze}: {found} for {expected}");
            }
        }
    }

    #[test]
    fn outside_the_picture_its_border_is_repeated() {
        let mut source = slope(10, 10);
        let far = Affine { m: [1.0, 0.0, 0.0, 1.0], t: [1e9, -1e9] };
        assert_eq!(source.sample_affine(2, 2, [1.0; 2], Colour::Green, &far)[0].values, [9.0; 4]);
    }
}
