//! A picture taken again: another pose, another light, a little bend of the skin, another focus, noise. What a
//! comparison can tell from a true change is measured on such pictures, because two real ones never come with the truth.
//!
//! Flat: no turn of the head in depth beyond a perspective, no moving highlight, no shadow that wanders. Real retakes
//! differ in more ways, so figures from here are a best case. All values are those of the coded picture (sRGB), so a gain
//! of 10 % is more than a tenth of the light.

use crate::{picture::Picture, plane::Plane, sample::Source};

/// How the picture is taken again; [`Retake::STILL`] changes nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Retake {
    /// Turn and growth about the middle of the picture, then a shift in pixels.
    pub degrees: f64,
    pub scale: f64,
    pub shift: [f64; 2],
    /// Share by which the picture shrinks over half its width and half its height.
    pub perspective: [f64; 2],
    /// Root mean square of a smooth displacement of the skin, pixels of the scene, and its seed.
    pub bend_px: f64,
    pub bend_seed: u64,
    pub gain: f32,
    /// The light's slope over half the width and half the height, and how much the middle is brighter than the corners.
    pub slope: [f32; 2],
    pub vignette: f32,
    /// One more gain for each of red, green and blue.
    pub colour: [f32; 3],
    pub blur_px: f32,
    /// SD in grey levels of 255, and its seed.
    pub noise: f32,
    pub noise_seed: u64,
}

impl Retake {
    pub const STILL: Self = Self {
        degrees: 0.0,
        scale: 1.0,
        shift: [0.0, 0.0],
        perspective: [0.0, 0.0],
        bend_px: 0.0,
        bend_seed: 0,
        gain: 1.0,
        slope: [0.0, 0.0],
        vignette: 0.0,
        colour: [1.0; 3],
        blur_px: 0.0,
        noise: 0.0,
        noise_seed: 0,
    };

    /// Where places of a scene of `width` × `height` pixels come to lie.
    #[must_use]
    pub fn way(&self, width: u32, height: u32) -> Way {
        let middle = [f64::from(width - 1) / 2.0, f64::from(height - 1) / 2.0];
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let turn = [self.scale * cos, -self.scale * sin, self.scale * sin, self.scale * cos];
        Way {
            middle,
            turn,
            shift: self.shift,
            perspective: self.perspective,
            bend: Bend::new(self.bend_px, self.bend_seed),
        }
    }

    /// The picture taken again, of the scene's own size; beyond its border the border is repeated.
    #[must_use]
    pub fn of(&self, scene: &mut Source) -> Picture {
        let (width, height) = (scene.picture().width(), scene.picture().height());
        let way = self.way(width, height);
        let reduction = [1.0 / self.scale; 2];
        let place = |x: f32, y: f32| way.back([f64::from(x), f64::from(y)]).map(|v| v as f32);
        let mut planes = scene.sample_rgb(width as usize, height as usize, reduction, &place);
        for (plane, colour) in planes.iter_mut().zip(self.colour) {
            if self.blur_px > 0.0 {
                *plane = plane.blurred(self.blur_px);
            }
            self.light(plane, self.gain * colour);
        }
        let mut noise = Noise(fastrand::Rng::with_seed(self.noise_seed));
        let mut rgb = Vec::with_capacity(width as usize * height as usize * 3);
        for at in 0..width as usize * height as usize {
            for plane in &planes {
                let value = plane.values[at] + self.noise * noise.normal();
                rgb.push((value + 0.5).clamp(0.0, 255.0) as u8);
            }
        }
        Picture::new(width, height, rgb).expect("as many bytes as pixels times three")
    }

    fn light(&self, plane: &mut Plane, gain: f32) {
        let (width, height) = (plane.width, plane.height);
        for (y, row) in plane.values.chunks_exact_mut(width).enumerate() {
            let v = 2.0 * y as f32 / height as f32 - 1.0;
            for (x, value) in row.iter_mut().enumerate() {
                let u = 2.0 * x as f32 / width as f32 - 1.0;
                let field =
                    (1.0 + self.slope[0] * u) * (1.0 + self.slope[1] * v) - self.vignette * (u * u + v * v) / 2.0;
                *value *= gain * field;
            }
        }
    }
}

/// From places of the scene to places of the picture, and back.
#[derive(Debug, Clone, PartialEq)]
pub struct Way {
    middle: [f64; 2],
    turn: [f64; 4],
    shift: [f64; 2],
    perspective: [f64; 2],
    bend: Bend,
}

impl Way {
    /// Picture to scene.
    #[must_use]
    pub fn back(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [mx, my] = self.middle;
        let (x, y) = ((x - mx - self.shift[0]), (y - my - self.shift[1]));
        // The inverse of q = p / (1 + a p.x / mx + b p.y / my) is p = q / (1 − a q.x / mx − b q.y / my).
        let depth = 1.0 - self.perspective[0] * x / mx - self.perspective[1] * y / my;
        let (x, y) = (x / depth, y / depth);
        let [a, b, c, d] = self.turn;
        let determinant = a * d - b * c;
        let flat = [(d * x - b * y) / determinant + mx, (a * y - c * x) / determinant + my];
        let [dx, dy] = self.bend.at(flat);
        [flat[0] + dx, flat[1] + dy]
    }

    /// Scene to picture.
    #[must_use]
    pub fn onto(&self, place: [f64; 2]) -> [f64; 2] {
        // The bend is small and smooth: each round leaves a tenth or less of the error.
        let mut flat = place;
        for _ in 0..12 {
            let [dx, dy] = self.bend.at(flat);
            flat = [place[0] - dx, place[1] - dy];
        }
        let [mx, my] = self.middle;
        let (x, y) = (flat[0] - mx, flat[1] - my);
        let [a, b, c, d] = self.turn;
        let (x, y) = (a * x + b * y, c * x + d * y);
        let depth = 1.0 + self.perspective[0] * x / mx + self.perspective[1] * y / my;
        [x / depth + mx + self.shift[0], y / depth + my + self.shift[1]]
    }
}

/// Six waves of 200 to 450 pixels each way: at 13 px/mm the reach of a muscle under the skin.
#[derive(Debug, Clone, PartialEq)]
struct Bend {
    waves: Vec<Wave>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Wave {
    along: [f64; 2],
    phase: f64,
    size: [f64; 2],
}

const WAVES: u32 = 6;

impl Bend {
    fn new(rms_px: f64, seed: u64) -> Self {
        if rms_px == 0.0 {
            return Self { waves: Vec::new() };
        }
        let mut random = fastrand::Rng::with_seed(seed);
        let mut wave = || {
            let length = 200.0 + 250.0 * random.f64();
            let (sin, cos) = (std::f64::consts::TAU * random.f64()).sin_cos();
            let towards = (std::f64::consts::TAU * random.f64()).sin_cos();
            // A sine's mean square is a half; the waves' squares add.
            let size = rms_px * (2.0 / f64::from(WAVES)).sqrt();
            Wave {
                along: [std::f64::consts::TAU * cos / length, std::f64::consts::TAU * sin / length],
                phase: std::f64::consts::TAU * random.f64(),
                size: [size * towards.0, size * towards.1],
            }
        };
        Self { waves: (0..WAVES).map(|_| wave()).collect() }
    }

    fn at(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        self.waves.iter().fold([0.0, 0.0], |sum, wave| {
            let height = (wave.along[0] * x + wave.along[1] * y + wave.phase).sin();
            [sum[0] + wave.size[0] * height, sum[1] + wave.size[1] * height]
        })
    }
}

/// Deviates near enough to normal: the sum of four uniform ones out of one draw.
struct Noise(fastrand::Rng);

impl Noise {
    fn normal(&mut self) -> f32 {
        let draw = self.0.u64(..);
        let sum: u64 = (0..4).map(|k| (draw >> (16 * k)) & 0xFFFF).sum();
        // Four uniform numbers of 0 to 65,535: mean 131,070, SD 65,536 / √3.
        (sum as f32 - 131_070.0) / 37_837.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handheld() -> Retake {
        Retake {
            degrees: 7.0,
            scale: 1.08,
            shift: [31.0, -22.0],
            perspective: [0.02, -0.015],
            bend_px: 3.0,
            bend_seed: 5,
            ..Retake::STILL
        }
    }

    #[test]
    fn there_and_back_is_the_same_place() {
        let way = handheld().way(1000, 1200);
        for place in [[10.0, 20.0], [500.0, 600.0], [990.0, 15.0], [333.3, 1100.0]] {
            let [x, y] = way.back(way.onto(place));
            assert!((x - place[0]).hypot(y - place[1]) < 1e-6, "{place:?} became {x}, {y}");
        }
    }

    #[test]
    fn the_bend_has_the_size_that_was_asked_for() {
        let bend = Bend::new(3.0, 11);
        let places = (0..100).flat_map(|y| (0..100).map(move |x| [f64::from(x) * 20.0, f64::from(y) * 20.0]));
        let squares: Vec<f64> = places.map(|p| bend.at(p).iter().map(|v| v * v).sum()).collect();
        let rms = (squares.iter().sum::<f64>() / squares.len() as f64).sqrt();
        assert!((2.4..3.6).contains(&rms), "{rms}");
    }

    /// The truth of a retake is where its own pixels went: a dark spot is looked for where `onto` says.
    #[test]
    fn a_spot_is_where_the_way_says() {
        let spot = [140_u32, 90];
        let rgb = (0..160 * 200).flat_map(|at| {
            let (x, y) = (at % 200_u32, at / 200);
            let far = x.abs_diff(spot[0]).pow(2) + y.abs_diff(spot[1]).pow(2);
            [200 - (150.0 * (-f64::from(far) / 18.0).exp()) as u8; 3]
        });
        let mut scene = Source::new(Picture::new(200, 160, rgb.collect()).unwrap());
        let retake = handheld();
        let taken = retake.of(&mut scene).planes()[1].blurred(2.0);
        let darkest = (0..taken.values.len()).min_by(|a, b| taken.values[*a].total_cmp(&taken.values[*b])).unwrap();
        let [x, y] = retake.way(200, 160).onto([f64::from(spot[0]), f64::from(spot[1])]);
        let off = ((darkest % 200) as f64 - x).hypot((darkest / 200) as f64 - y);
        assert!(off < 1.0, "{off} px beside");
    }

    #[test]
    fn noise_gain_and_blur_are_as_asked() {
        let grey = || Source::new(Picture::new(200, 200, vec![100; 120_000]).unwrap());
        let still = Retake::STILL.of(&mut grey());
        assert_eq!(&still, grey().picture());
        let noisy = Retake { noise: 3.0, noise_seed: 1, gain: 1.1, ..Retake::STILL }.of(&mut grey());
        let values: Vec<f64> = noisy.rgb().iter().map(|v| f64::from(*v)).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let sd = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt();
        assert!((mean - 110.0).abs() < 0.1 && (sd - 3.0).abs() < 0.1, "{mean} ± {sd}");
    }
}
