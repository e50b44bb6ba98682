//! Decoded pixels. [`Picture`] is what a file holds, upright: RGB, one byte a channel, rows from the top, no padding.
//! [`Plane`] is one channel as f32, for everything that computes.

use super::door::{Admitted, Orientation};
use crate::domain::capture::Format;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
use std::io::Cursor;

/// The coded pixels could not be read although the file's structure is whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the picture's pixels cannot be decoded ({0}); take it again")]
pub struct Undecodable(pub String);

/// Width × height × 3 bytes, RGB, upright.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({} × {})", self.width, self.height)
    }
}

impl Picture {
    /// `None` when the number of bytes is not width × height × 3, or zero.
    #[must_use]
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Option<Self> {
        let bytes = (width as usize).checked_mul(height as usize)?.checked_mul(3)?;
        (bytes > 0 && bytes == rgb.len()).then_some(Self { width, height, rgb })
    }

    /// Decodes what the door let in and turns it upright.
    ///
    /// # Errors
    /// [`Undecodable`] with the decoder's reason.
    pub fn decode(admitted: &Admitted) -> Result<Self, Undecodable> {
        let format = match admitted.format {
            Format::Jpeg => ImageFormat::Jpeg,
            Format::Png => ImageFormat::Png,
            Format::Webp => ImageFormat::WebP,
        };
        let fault = |e: image::ImageError| Undecodable(e.to_string());
        let decoder = ImageReader::with_format(Cursor::new(&admitted.bytes), format).into_decoder().map_err(fault)?;
        let coded = if admitted.orientation.swaps_sides() {
            (admitted.height, admitted.width)
        } else {
            (admitted.width, admitted.height)
        };
        // The door's limits were checked on what the header said; a decoder that sees another size must not get around them.
        if decoder.dimensions() != coded {
            return Err(Undecodable("two places of the file state different sizes".into()));
        }
        let mut image = DynamicImage::from_decoder(decoder).map_err(fault)?;
        if admitted.orientation != Orientation::Upright {
            let turn = image::metadata::Orientation::from_exif(admitted.orientation.exif());
            image.apply_orientation(turn.expect("exif() gives 1 to 8"));
        }
        let (width, height) = (image.width(), image.height());
        Self::new(width, height, image.into_rgb8().into_raw()).ok_or_else(|| Undecodable("it has no pixels".into()))
    }

    #[must_use]
    pub const fn width(&self) -> u32 {
        self.width
    }
    #[must_use]
    pub const fn height(&self) -> u32 {
        self.height
    }
    /// Row by row from the top, RGB.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    /// Half as wide and high, each pixel the mean of four; an odd last row or column is left out.
    #[must_use]
    pub fn halved(&self) -> Option<Self> {
        let (width, height) = ((self.width / 2) as usize, (self.height / 2) as usize);
        let row = self.width as usize * 3;
        let mut rgb = Vec::with_capacity(width * height * 3);
        for y in 0..height {
            let (upper, lower) = (&self.rgb[2 * y * row..][..row], &self.rgb[(2 * y + 1) * row..][..row]);
            for x in 0..width {
                for c in 0..3 {
                    let at = 6 * x + c;
                    let sum = u16::from(upper[at])
                        + u16::from(upper[at + 3])
                        + u16::from(lower[at])
                        + u16::from(lower[at + 3]);
                    rgb.push(((sum + 2) / 4) as u8);
                }
            }
        }
        Self::new(u32::try_from(width).ok()?, u32::try_from(height).ok()?, rgb)
    }
}

/// One channel: width × height values, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Plane {
    pub width: usize,
    pub height: usize,
    pub values: Vec<f32>,
}

impl Plane {
    #[must_use]
    pub fn filled(width: usize, height: usize, value: f32) -> Self {
        Self { width, height, values: vec![value; width * height] }
    }

    #[must_use]
    pub fn row(&self, y: usize) -> &[f32] {
        &self.values[y * self.width..][..self.width]
    }

    #[must_use]
    pub fn at(&self, x: usize, y: usize) -> f32 {
        self.values[y * self.width + x]
    }

    /// Separable filter with an odd number of taps; the border is repeated.
    #[must_use]
    pub fn filtered(&self, taps: &[f32]) -> Self {
        let reach = taps.len() / 2;
        let (width, height) = (self.width, self.height);
        let mut across = Self::filled(width, height, 0.0);
        let mut padded = vec![0.0; width + 2 * reach];
        for y in 0..height {
            let row = self.row(y);
            padded[..reach].fill(row[0]);
            padded[reach..reach + width].copy_from_slice(row);
            padded[reach + width..].fill(row[width - 1]);
            let out = &mut across.values[y * width..][..width];
            for (k, tap) in taps.iter().enumerate() {
                for (o, v) in out.iter_mut().zip(&padded[k..k + width]) {
                    *o += v * tap;
                }
            }
        }
        let mut down = Self::filled(width, height, 0.0);
        for y in 0..height {
            let out = &mut down.values[y * width..][..width];
            for (k, tap) in taps.iter().enumerate() {
                let from = (y + k).saturating_sub(reach).min(height - 1);
                for (o, v) in out.iter_mut().zip(across.row(from)) {
                    *o += v * tap;
                }
            }
        }
        down
    }

    /// Gaussian blur; a sigma of zero or less changes nothing.
    #[must_use]
    pub fn blurred(&self, sigma: f32) -> Self {
        if sigma <= 0.0 { self.clone() } else { self.filtered(&gaussian(sigma)) }
    }

    /// What is finer than a box of `2 · reach + 1` pixels: the plane minus its local mean.
    #[must_use]
    pub fn high_passed(&self, reach: usize) -> Self {
        let mean = self.box_mean(reach);
        let values = self.values.iter().zip(&mean.values).map(|(v, m)| v - m).collect();
        Self { width: self.width, height: self.height, values }
    }

    /// Mean over a square of `2 · reach + 1` pixels, cut at the border.
    #[must_use]
    pub fn box_mean(&self, reach: usize) -> Self {
        let (width, height) = (self.width, self.height);
        let mut across = Self::filled(width, height, 0.0);
        for y in 0..height {
            running_mean(self.row(y), reach, |x, mean| across.values[y * width + x] = mean);
        }
        let mut mean = Self::filled(width, height, 0.0);
        // Down, a whole row at a time: walking columns would miss the cache with every step.
        let mut sums = vec![0.0_f64; width];
        let add = |sums: &mut [f64], y: usize, sign: f64| {
            for (sum, value) in sums.iter_mut().zip(across.row(y)) {
                *sum += sign * f64::from(*value);
            }
        };
        (0..reach.min(height)).for_each(|y| add(&mut sums, y, 1.0));
        for y in 0..height {
            if y + reach < height {
                add(&mut sums, y + reach, 1.0);
            }
            if y > reach {
                add(&mut sums, y - reach - 1, -1.0);
            }
            let count = ((y + reach + 1).min(height) - y.saturating_sub(reach)) as f64;
            for (out, sum) in mean.values[y * width..][..width].iter_mut().zip(&sums) {
                *out = (sum / count) as f32;
            }
        }
        mean
    }
}

fn running_mean(values: &[f32], reach: usize, mut write: impl FnMut(usize, f32)) {
    // f64, so that a long row's sum does not drift.
    let mut sum: f64 = values.iter().take(reach).map(|v| f64::from(*v)).sum();
    for at in 0..values.len() {
        if let Some(next) = values.get(at + reach) {
            sum += f64::from(*next);
        }
        if at > reach {
            sum -= f64::from(values[at - reach - 1]);
        }
        let count = (at + reach + 1).min(values.len()) - at.saturating_sub(reach);
        write(at, (sum / count as f64) as f32);
    }
}

/// Taps of a Gaussian out to three sigma, summing to 1.
#[must_use]
pub fn gaussian(sigma: f32) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as i32;
    let taps: Vec<f32> = (-reach..=reach).map(|x| (-0.5 * (x as f32 / sigma).powi(2)).exp()).collect();
    let sum: f32 = taps.iter().sum();
    taps.into_iter().map(|tap| tap / sum).collect()
}
