//! A scene photographed again, with whatever went wrong: turned, farther away, out of focus, in another light, grainy. Written
//! apart from the gateway's own sampling, so that an error there cannot cancel itself here. A package of its own because it is
//! optimised in every build; eight megapixels take a fifth of a second.

/// A scene in linear light, 0..1 and beyond.
#[derive(Debug, Clone)]
pub struct Scene {
    pub width: usize,
    pub height: usize,
    light: Vec<[f32; 3]>,
}

/// How it is photographed. [`Shot::STILL`] changes nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shot {
    /// About the middle of the picture, then shifted by pixels.
    pub degrees: f64,
    pub size: f64,
    pub shift: [f64; 2],
    pub gain: f64,
    /// Of linear red, green and blue.
    pub tint: [f64; 3],
    /// Slope of the light over half the picture, right and down.
    pub tilt: [f64; 2],
    /// Light on the right half of the picture, with a soft edge.
    pub right: f64,
    /// SD of a Gaussian, pixels.
    pub blur: f64,
    /// SD in grey levels.
    pub noise: f64,
    pub seed: u64,
}

impl Shot {
    pub const STILL: Self = Self {
        degrees: 0.0,
        size: 1.0,
        shift: [0.0; 2],
        gain: 1.0,
        tint: [1.0; 3],
        tilt: [0.0; 2],
        right: 1.0,
        blur: 0.0,
        noise: 0.0,
        seed: 1,
    };

    /// As a hand takes it that follows the guide: up to 3 degrees and 4 per cent, 10 per cent of light, a little blur and noise.
    #[must_use]
    pub fn hand_held(random: &mut fastrand::Rng) -> Self {
        let mut within = |most: f64| most * (2.0 * random.f64() - 1.0);
        Self {
            degrees: within(3.0),
            size: 1.0 + within(0.04),
            shift: [within(20.0), within(20.0)],
            gain: 1.0 + within(0.1),
            tint: [1.0; 3],
            tilt: [within(0.05), within(0.05)],
            right: 1.0,
            blur: 0.6 + within(0.3),
            noise: 1.4 + within(0.6),
            seed: random.u64(..),
        }
    }

    /// Where a place of the scene lands in the photograph.
    #[must_use]
    pub fn lands(&self, scene: &Scene, [x, y]: [f64; 2]) -> [f64; 2] {
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let middle = scene.middle();
        let (dx, dy) = (x - middle[0], y - middle[1]);
        [
            self.size * (cos * dx - sin * dy) + middle[0] + self.shift[0],
            self.size * (sin * dx + cos * dy) + middle[1] + self.shift[1],
        ]
    }

    fn comes_from(&self, scene: &Scene, [x, y]: [f64; 2]) -> [f64; 2] {
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let middle = scene.middle();
        let (dx, dy) = (x - middle[0] - self.shift[0], y - middle[1] - self.shift[1]);
        [(cos * dx + sin * dy) / self.size + middle[0], (cos * dy - sin * dx) / self.size + middle[1]]
    }
}

impl Scene {
    /// From sRGB bytes, row by row.
    ///
    /// # Panics
    /// When there are not width × height × 3 of them.
    #[must_use]
    pub fn new(width: u32, height: u32, rgb: &[u8]) -> Self {
        let (width, height) = (width as usize, height as usize);
        assert_eq!(rgb.len(), width * height * 3, "RGB of the size it is said to have");
        let table: Vec<f32> = (0..=255).map(|level| linear(f64::from(level) / 255.0) as f32).collect();
        let light = rgb.chunks_exact(3).map(|p| [0, 1, 2].map(|c: usize| table[usize::from(p[c])])).collect();
        Self { width, height, light }
    }

    /// Half as wide and high: for what does not look at pores.
    #[must_use]
    pub fn halved(&self) -> Self {
        let (width, height) = (self.width / 2, self.height / 2);
        let mut light = Vec::with_capacity(width * height);
        for y in 0..height {
            for x in 0..width {
                let at = |dx: usize, dy: usize| self.light[(2 * y + dy) * self.width + 2 * x + dx];
                let four = [at(0, 0), at(1, 0), at(0, 1), at(1, 1)];
                light.push([0, 1, 2].map(|c: usize| four.iter().map(|p| p[c]).sum::<f32>() / 4.0));
            }
        }
        Self { width, height, light }
    }

    fn middle(&self) -> [f64; 2] {
        [(self.width as f64 - 1.0) / 2.0, (self.height as f64 - 1.0) / 2.0]
    }

    /// The same scene behind a filter: darker skin, another lamp.
    #[must_use]
    pub fn filtered(&self, through: [f64; 3]) -> Self {
        let light = self.light.iter().map(|p| [0, 1, 2].map(|c: usize| p[c] * through[c] as f32)).collect();
        Self { light, ..*self }
    }

    /// Paints a rectangle, turned by `degrees` about its corner (x, y).
    pub fn paint(&mut self, [x, y]: [f64; 2], [across, down]: [f64; 2], degrees: f64, light: [f64; 3]) {
        let (sin, cos) = degrees.to_radians().sin_cos();
        let far = across.abs() + down.abs();
        let range = |at: f64, limit: usize| {
            let low = (at - far).max(0.0) as usize;
            low..((at + far).max(0.0) as usize + 1).min(limit)
        };
        for row in range(y, self.height) {
            for column in range(x, self.width) {
                let (dx, dy) = (column as f64 - x, row as f64 - y);
                let (u, v) = (cos * dx + sin * dy, cos * dy - sin * dx);
                if (0.0..across).contains(&u) && (0.0..down).contains(&v) {
                    self.light[row * self.width + column] = light.map(|v| v as f32);
                }
            }
        }
    }

    /// sRGB bytes of a photograph of the same size; outside the scene its border goes on.
    #[must_use]
    pub fn taken(&self, shot: &Shot) -> Vec<u8> {
        let (width, height) = (self.width, self.height);
        let mut seen = vec![[0.0_f32; 3]; width * height];
        for y in 0..height {
            for x in 0..width {
                seen[y * width + x] = self.between(shot.comes_from(self, [x as f64, y as f64]));
            }
        }
        if shot.blur > 0.05 {
            blur(&mut seen, width, height, shot.blur);
        }
        let curve: Vec<f32> = (0..=4096).map(|v| (coded(f64::from(v) / 4096.0) * 255.0) as f32).collect();
        let mut random = fastrand::Rng::with_seed(shot.seed);
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            let down = 1.0 + shot.tilt[1] * (2.0 * y as f64 / height as f64 - 1.0);
            for x in 0..width {
                let place = 2.0 * x as f64 / width as f64 - 1.0;
                let side = 1.0 + (shot.right - 1.0) * (0.5 + 0.5 * (place * 4.0).tanh());
                let gain = shot.gain * down * (1.0 + shot.tilt[0] * place) * side;
                for (value, tint) in seen[y * width + x].iter().zip(shot.tint) {
                    let light = f64::from(*value) * gain * tint;
                    // Three uniform numbers: normal enough, SD 0.5.
                    let grain = (random.f32() + random.f32() + random.f32() - 1.5) * 2.0 * shot.noise as f32;
                    let level = curve[(light * 4096.0).clamp(0.0, 4096.0) as usize] + grain;
                    rgb.push((level + 0.5).clamp(0.0, 255.0) as u8);
                }
            }
        }
        rgb
    }

    fn between(&self, [x, y]: [f64; 2]) -> [f32; 3] {
        let (x, y) = (x.clamp(0.0, self.width as f64 - 1.001), y.clamp(0.0, self.height as f64 - 1.001));
        let (left, top) = (x as usize, y as usize);
        let (across, down) = (cubic(x - left as f64), cubic(y - top as f64));
        let mut sum = [0.0_f32; 3];
        for (row, by) in down.iter().enumerate() {
            let row = (top + row).saturating_sub(1).min(self.height - 1) * self.width;
            for (column, bx) in across.iter().enumerate() {
                let pixel = self.light[row + (left + column).saturating_sub(1).min(self.width - 1)];
                for (sum, value) in sum.iter_mut().zip(pixel) {
                    *sum += by * bx * value;
                }
            }
        }
        sum.map(|v| v.max(0.0))
    }
}

/// Lagrange's cubic through four neighbours: another kernel than the gateway's.
fn cubic(t: f64) -> [f32; 4] {
    [
        -t * (t - 1.0) * (t - 2.0) / 6.0,
        (t + 1.0) * (t - 1.0) * (t - 2.0) / 2.0,
        -(t + 1.0) * t * (t - 2.0) / 2.0,
        (t + 1.0) * t * (t - 1.0) / 6.0,
    ]
    .map(|v| v as f32)
}

fn blur(pixels: &mut Vec<[f32; 3]>, width: usize, height: usize, sigma: f64) {
    let reach = (3.0 * sigma).ceil() as usize;
    let taps: Vec<f32> =
        (0..=2 * reach).map(|k| (-0.5 * ((k as f64 - reach as f64) / sigma).powi(2)).exp() as f32).collect();
    let sum: f32 = taps.iter().sum();
    for stride in [(1, width, width, height), (width, 1, height, width)] {
        let (step, jump, length, lines) = stride;
        let mut out = vec![[0.0_f32; 3]; width * height];
        for line in 0..lines {
            for at in 0..length {
                let mut value = [0.0_f32; 3];
                for (k, tap) in taps.iter().enumerate() {
                    let from = (at + k).saturating_sub(reach).min(length - 1);
                    let pixel = pixels[line * jump + from * step];
                    for (v, p) in value.iter_mut().zip(pixel) {
                        *v += tap / sum * p;
                    }
                }
                out[line * jump + at * step] = value;
            }
        }
        *pixels = out;
    }
}

/// IEC 61966-2-1, both ways.
#[must_use]
pub fn linear(v: f64) -> f64 {
    if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
}

#[must_use]
pub fn coded(light: f64) -> f64 {
    if light <= 0.003_130_8 { 12.92 * light } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_still_shot_changes_nothing_and_a_place_lands_where_it_is_seen() {
        let rgb: Vec<u8> = (0..60 * 50 * 3).map(|i| (i * 7 % 200) as u8).collect();
        let mut scene = Scene::new(60, 50, &rgb);
        assert_eq!(scene.taken(&Shot::STILL).len(), rgb.len());
        let off = scene.taken(&Shot::STILL).iter().zip(&rgb).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0);
        assert!(off <= 1, "{off}");
        scene.paint([0.0, 0.0], [60.0, 50.0], 0.0, [0.01; 3]);
        scene.paint([38.0, 18.0], [5.0, 5.0], 0.0, [0.9; 3]);
        let shot = Shot { degrees: 10.0, size: 1.1, shift: [2.0, -1.0], ..Shot::STILL };
        let [x, y] = shot.lands(&scene, [40.0, 20.0]);
        let seen = scene.taken(&shot);
        assert!(seen[(y.round() as usize * 60 + x.round() as usize) * 3] > 200, "{x} {y}");
    }
}
