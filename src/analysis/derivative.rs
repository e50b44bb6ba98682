//! A photograph made small, twice: the derivative that HQ gets, and the picture of the customer's report. JPEG, sRGB, upright,
//! no metadata.

use super::{
    door::Admitted,
    picture::{Undecodable, decode},
};
use image::{DynamicImage, ImageError, RgbImage, imageops::FilterType};
use skinlink_pixels::coded::jpeg;
use std::borrow::Cow;

/// Longest side of the derivative in pixels: fills a tablet, and at 13 px/mm originals still 6 px/mm.
pub const LONGEST_SIDE: u32 = 1600;

/// By agreement with HQ; bytes.
pub const MOST_BYTES: usize = 400_000;

/// Room in these for the word with which each picture says its role, see [`crate::sync::image_lane::named`].
pub(super) const WORD: usize = 16;

/// Tried in this order until the picture is small enough; the last one is taken as it is.
const QUALITIES: &[u8] = &[85, 75, 65, 50];

/// Longest side of a report's picture: twice what a telephone shows of it, and 370 dots an inch on paper.
pub const REPORT_SIDE: u32 = 960;

/// A report shows six photographs and weighs 400 kB with its page; bytes.
pub const REPORT_BYTES: usize = 60_000;

/// One photograph made small.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Small {
    /// At most [`REPORT_SIDE`] pixels long and [`REPORT_BYTES`] heavy.
    pub report: Vec<u8>,
    pub derivative: Vec<u8>,
}

/// Makes the small pictures from what the door let in.
///
/// # Errors
/// [`Undecodable`] with the decoder's reason.
pub fn derive(admitted: &Admitted) -> Result<Small, Undecodable> {
    let mut picture = decode(admitted)?;
    // Means of four are exact and cheap; the slow and careful filter only does the last step.
    while picture.width().max(picture.height()) >= 2 * LONGEST_SIDE {
        let Some(half) = picture.halved() else { break };
        picture = half;
    }
    let (width, height) = (picture.width(), picture.height());
    let pixels = RgbImage::from_raw(width, height, picture.rgb().to_vec());
    let image = DynamicImage::ImageRgb8(pixels.expect("a picture has width × height × 3 bytes"));
    drop(picture);
    let image = within(image, LONGEST_SIDE);
    let made = code(&image).and_then(|derivative| Ok(Small { report: report(image)?, derivative }));
    made.map_err(|fault| Undecodable(fault.to_string()))
}

fn within(image: DynamicImage, side: u32) -> DynamicImage {
    let larger = image.width().max(image.height()) > side;
    if larger { image.resize(side, side, FilterType::CatmullRom) } else { image }
}

/// JPEG of at most [`MOST_BYTES`] where some quality reaches that.
pub(super) fn code(image: &DynamicImage) -> Result<Vec<u8>, ImageError> {
    coded(image, MOST_BYTES)
}

/// Fewer pixels where no quality makes it light enough: a telephone far from home waits for all of it.
fn report(image: DynamicImage) -> Result<Vec<u8>, ImageError> {
    // Means over areas: the careful filter takes ten times as long, and a telephone shows no difference.
    let lighter = |image: DynamicImage, side: u32| {
        let larger = image.width().max(image.height()) > side;
        if larger { image.thumbnail(side, side) } else { image }
    };
    let mut image = lighter(image, REPORT_SIDE);
    loop {
        let bytes = coded(&image, REPORT_BYTES)?;
        let side = image.width().max(image.height()) * 3 / 4;
        if bytes.len() + WORD <= REPORT_BYTES || side == 0 {
            return Ok(bytes);
        }
        image = lighter(image, side);
    }
}

fn coded(image: &DynamicImage, most: usize) -> Result<Vec<u8>, ImageError> {
    let rgb = image.as_rgb8().map_or_else(|| Cow::Owned(image.to_rgb8()), Cow::Borrowed);
    let mut coded = Vec::new();
    for quality in QUALITIES {
        coded = jpeg(&rgb, rgb.width(), rgb.height(), *quality)?;
        if coded.len() + WORD <= most {
            break;
        }
    }
    Ok(coded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::door;

    fn noisy(width: u32, height: u32) -> Vec<u8> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let picture = RgbImage::from_fn(width, height, |_, _| image::Rgb([next(), next(), next()]));
        jpeg(&picture, width, height, 95).unwrap()
    }

    #[test]
    fn even_a_picture_of_noise_becomes_small_and_keeps_its_shape() {
        let admitted = door::admit(&noisy(2000, 1000)).unwrap();
        let Small { report, derivative } = derive(&admitted).unwrap();
        let small = door::admit(&derivative).unwrap();
        assert_eq!((small.width, small.height), (1600, 800));
        assert!(small.bytes.len() <= 1_000_000, "{} bytes", small.bytes.len());
        let small = door::admit(&report).unwrap();
        assert!(small.width <= REPORT_SIDE && small.width.abs_diff(2 * small.height) <= 1);
        assert!(small.bytes.len() <= REPORT_BYTES, "{} bytes", small.bytes.len());
    }

    #[test]
    fn a_small_picture_is_not_blown_up() {
        let admitted = door::admit(&noisy(300, 200)).unwrap();
        let Small { report, derivative } = derive(&admitted).unwrap();
        for small in [report, derivative] {
            let small = door::admit(&small).unwrap();
            assert_eq!((small.width, small.height), (300, 200));
            assert!(small.bytes.len() <= MOST_BYTES);
        }
    }
}
