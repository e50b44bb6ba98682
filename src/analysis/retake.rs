//! How photographs are retaken, for measuring what a comparison can tell: a head in a rig, a camera in the hand, and the
//! widest that registration still has to follow. Draws the circumstances from a seed and codes the picture as a camera
//! does; the pixels themselves are [`skinlink_pixels::recapture`]'s.
//!
//! Every photograph is drawn by itself, also the first of a pair: two of them differ by up to twice these spans.

use super::picture::Picture;
pub use skinlink_pixels::recapture::{Retake, Way};
use skinlink_pixels::sample::Source;

/// Spans of the circumstances; each value is drawn evenly from −span to span, or from low to high.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Manner {
    pub name: &'static str,
    pub degrees: f64,
    pub scale: f64,
    pub shift_px: f64,
    pub perspective: f64,
    pub gain: f32,
    pub slope: f32,
    pub vignette: f32,
    pub colour: f32,
    pub blur_px: [f32; 2],
    pub noise: [f32; 2],
    pub quality: [u8; 2],
}

/// Chin and forehead rest, fixed lamps, a camera on a stand.
pub const RIG: Manner = Manner {
    name: "rig",
    degrees: 1.0,
    scale: 0.01,
    shift_px: 13.0,
    perspective: 0.005,
    gain: 0.03,
    slope: 0.01,
    vignette: 0.01,
    colour: 0.01,
    blur_px: [0.3, 0.5],
    noise: [0.8, 1.2],
    quality: [92, 97],
};

/// A steady hand inside the framing guide.
pub const HANDHELD: Manner = Manner {
    name: "handheld",
    degrees: 3.0,
    scale: 0.04,
    shift_px: 40.0,
    perspective: 0.02,
    gain: 0.1,
    slope: 0.05,
    vignette: 0.05,
    colour: 0.02,
    blur_px: [0.3, 0.9],
    noise: [0.8, 2.0],
    quality: [85, 95],
};

/// As far as registration must reach: a careless hand.
pub const CARELESS: Manner = Manner {
    name: "careless",
    degrees: 8.0,
    scale: 0.1,
    shift_px: 60.0,
    perspective: 0.02,
    gain: 0.1,
    slope: 0.05,
    vignette: 0.05,
    colour: 0.02,
    blur_px: [0.3, 1.3],
    noise: [0.8, 4.0],
    quality: [85, 95],
};

/// One photograph's circumstances.
#[derive(Debug, Clone, PartialEq)]
pub struct Taken {
    pub retake: Retake,
    /// Of the JPEG.
    pub quality: u8,
}

impl Manner {
    /// `bend_px`: root mean square of the skin's own displacement, scene pixels.
    #[must_use]
    pub fn draw(&self, random: &mut fastrand::Rng, bend_px: f64) -> Taken {
        let within = |random: &mut fastrand::Rng, span: f64| span * (2.0 * random.f64() - 1.0);
        let within32 = |random: &mut fastrand::Rng, span: f32| span * (2.0 * random.f32() - 1.0);
        let between = |random: &mut fastrand::Rng, [low, high]: [f32; 2]| low + (high - low) * random.f32();
        let retake = Retake {
            degrees: within(random, self.degrees),
            scale: 1.0 + within(random, self.scale),
            shift: [within(random, self.shift_px), within(random, self.shift_px)],
            perspective: [within(random, self.perspective), within(random, self.perspective)],
            bend_px,
            bend_seed: random.u64(..),
            gain: 1.0 + within32(random, self.gain),
            slope: [within32(random, self.slope), within32(random, self.slope)],
            vignette: self.vignette * random.f32(),
            colour: [0; 3].map(|_| 1.0 + within32(random, self.colour)),
            blur_px: between(random, self.blur_px),
            noise: between(random, self.noise),
            noise_seed: random.u64(..),
        };
        Taken { retake, quality: random.u8(self.quality[0]..=self.quality[1]) }
    }
}

impl Taken {
    /// The photograph as a file.
    #[must_use]
    pub fn photograph(&self, scene: &mut Source) -> Vec<u8> {
        jpeg(&self.retake.of(scene), self.quality)
    }

    #[must_use]
    pub fn way(&self, scene: &Picture) -> Way {
        self.retake.way(scene.width(), scene.height())
    }
}

/// Codes a picture as a camera does; full colour resolution.
#[must_use]
pub fn jpeg(picture: &Picture, quality: u8) -> Vec<u8> {
    skinlink_pixels::coded::jpeg(picture.rgb(), picture.width(), picture.height(), quality)
        .expect("a picture within the format's sizes")
}
