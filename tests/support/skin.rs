//! Skin drawn for tests, and pictures of it; nothing of the program under test has a part in it.

use image::{
    ExtendedColorType, ImageEncoder,
    codecs::png::{CompressionType, FilterType, PngEncoder},
};

/// A left cheek at 13 px/mm, drawn from a seed: light, texture, moles and pores.
pub struct Skin {
    canvas: Vec<f32>,
}

/// Canvas and picture size; the anchors stand where a left view has them at 13 px/mm.
pub const SIZE: [usize; 2] = [1100, 1350];
pub const ANCHORS: [[f64; 2]; 2] = [[280.0, 200.0], [280.0, 1110.0]];

/// How a picture of a skin was taken.
#[derive(Clone, Copy)]
pub struct Shot {
    pub degrees: f64,
    pub size: f64,
    pub shift: [f64; 2],
    pub gain: f64,
    pub noise: f64,
    pub seed: u64,
}

pub const STILL: Shot = Shot { degrees: 0.0, size: 1.0, shift: [0.0, 0.0], gain: 1.0, noise: 1.0, seed: 1 };

impl Skin {
    /// Without the first `removed` of its pores.
    pub fn new(seed: u64, removed: usize) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let [width, height] = SIZE;
        let mut canvas = vec![150.0_f32; width * height];
        let mut blot = |x: f64, y: f64, sigma: f64, depth: f64| {
            let reach = (3.0 * sigma) as i64;
            for row in (y as i64 - reach).max(0)..(y as i64 + reach).min(height as i64) {
                for column in (x as i64 - reach).max(0)..(x as i64 + reach).min(width as i64) {
                    let squared = (column as f64 - x).powi(2) + (row as f64 - y).powi(2);
                    canvas[row as usize * width + column as usize] -=
                        (depth * (-0.5 * squared / sigma.powi(2)).exp()) as f32;
                }
            }
        };
        let mut place = || (random.f64() * width as f64, random.f64() * height as f64, random.f64(), random.f64());
        for (count, sigma, depth) in [(40, 90.0, 14.0), (500, 14.0, 5.0), (9_000, 3.5, 3.0), (25, 7.0, 30.0)] {
            for _ in 0..count {
                let (x, y, a, b) = place();
                blot(x, y, sigma * (0.7 + 0.6 * a), depth * (2.0 * b - 0.7));
            }
        }
        let mut pores: Vec<(f64, f64)> = Vec::new();
        while pores.len() < 4_000 {
            let (x, y, a, b) = place();
            let near = |p: &(f64, f64)| (p.0 - x).powi(2) + (p.1 - y).powi(2) < 100.0;
            if !pores.iter().any(near) {
                if pores.len() >= removed {
                    blot(x, y, 1.5 + 0.6 * a, 18.0 + 16.0 * b);
                }
                pores.push((x, y));
            }
        }
        Self { canvas }
    }

    /// The same skin through a lens out of focus: three passes of a box of so many pixels to each side.
    #[must_use]
    pub fn out_of_focus(mut self, reach: usize) -> Self {
        let [width, height] = SIZE;
        for _ in 0..3 {
            for (along, across, step, stride) in [(width, height, 1, width), (height, width, width, 1)] {
                for line in 0..across {
                    let at = |k: usize| line * stride + k * step;
                    let was: Vec<f32> = (0..along).map(|k| self.canvas[at(k)]).collect();
                    for k in 0..along {
                        let near = &was[k.saturating_sub(reach)..(k + reach + 1).min(along)];
                        self.canvas[at(k)] = near.iter().sum::<f32>() / near.len() as f32;
                    }
                }
            }
        }
        self
    }

    /// The same skin under a band of cloth with a weave of its own, `rows` of the canvas high.
    #[must_use]
    pub fn covered(mut self, rows: std::ops::Range<usize>) -> Self {
        let width = SIZE[0];
        for row in rows {
            for column in 0..width {
                self.canvas[row * width + column] = 210.0 + if (row / 4 + column / 4) % 2 == 0 { 6.0 } else { -6.0 };
            }
        }
        self
    }

    /// PNG bytes of a picture of it.
    pub fn taken(&self, shot: Shot) -> Vec<u8> {
        let [width, height] = SIZE;
        let mut random = fastrand::Rng::with_seed(shot.seed);
        let (sin, cos) = shot.degrees.to_radians().sin_cos();
        let middle = [width as f64 / 2.0, height as f64 / 2.0];
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            for x in 0..width {
                let (dx, dy) = (x as f64 - middle[0] - shot.shift[0], y as f64 - middle[1] - shot.shift[1]);
                let at = [(cos * dx + sin * dy) / shot.size + middle[0], (cos * dy - sin * dx) / shot.size + middle[1]];
                let noise: f64 = (0..4).map(|_| random.f64() - 0.5).sum::<f64>() * shot.noise * 1.73;
                let value = self.between(at) * shot.gain + noise;
                for tint in [1.15, 1.0, 0.85] {
                    rgb.push((value * tint).round().clamp(0.0, 255.0) as u8);
                }
            }
        }
        png(width as u32, height as u32, &rgb)
    }

    fn between(&self, [x, y]: [f64; 2]) -> f64 {
        let [width, height] = SIZE;
        let (x, y) = (x.clamp(0.0, width as f64 - 1.001), y.clamp(0.0, height as f64 - 1.001));
        let (left, top) = (x as usize, y as usize);
        let (fx, fy) = (x - left as f64, y - top as f64);
        let at = |x: usize, y: usize| f64::from(self.canvas[y.min(height - 1) * width + x.min(width - 1)]);
        let upper = at(left, top) * (1.0 - fx) + at(left + 1, top) * fx;
        let lower = at(left, top + 1) * (1.0 - fx) + at(left + 1, top + 1) * fx;
        upper * (1.0 - fy) + lower * fy
    }
}

pub fn png(width: u32, height: u32, rgb: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::NoFilter);
    encoder.write_image(rgb, width, height, ExtendedColorType::Rgb8).expect("into memory");
    bytes
}
