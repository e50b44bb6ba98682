//! The picture of a report and of HQ's dashboard: a photograph made small. JPEG, sRGB, upright, no metadata.

use super::{
    door::Admitted,
    picture::{Undecodable, decode},
};
use image::{DynamicImage, RgbImage, codecs::jpeg::JpegEncoder, imageops::FilterType};

/// Longest side in pixels: fills a tablet, and at 13 px/mm originals still 6 px/mm.
pub const LONGEST_SIDE: u32 = 1600;

/// By agreement with HQ; bytes.
pub const MOST_BYTES: usize = 400_000;

/// Tried in this order until the picture is small enough; the last one is taken as it is.
const QUALITIES: &[u8] = &[85, 75, 65, 50];

/// Makes the small picture from what the door let in.
///
/// # Errors
/// [`Undecodable`] with the decoder's reason.
pub fn derive(admitted: &Admitted) -> Result<Vec<u8>, Undecodable> {
    let mut picture = decode(admitted)?;
    // Means of four are exact and cheap; the slow and careful filter only does the last step.
    while picture.width().max(picture.height()) >= 2 * LONGEST_SIDE {
        let Some(half) = picture.halved() else { break };
        picture = half;
    }
    let (width, height) = (picture.width(), picture.height());
    let pixels = RgbImage::from_raw(width, height, picture.rgb().to_vec());
    let mut image = DynamicImage::ImageRgb8(pixels.expect("a picture has width × height × 3 bytes"));
    if width.max(height) > LONGEST_SIDE {
        image = image.resize(LONGEST_SIDE, LONGEST_SIDE, FilterType::CatmullRom);
    }
    code(&image).map_err(|fault| Undecodable(fault.to_string()))
}

/// JPEG of at most [`MOST_BYTES`] where some quality reaches that.
pub(super) fn code(image: &DynamicImage) -> Result<Vec<u8>, image::ImageError> {
    let mut coded = Vec::new();
    for quality in QUALITIES {
        coded.clear();
        image.write_with_encoder(JpegEncoder::new_with_quality(&mut coded, *quality))?;
        if coded.len() <= MOST_BYTES {
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
        let mut coded = Vec::new();
        DynamicImage::ImageRgb8(picture).write_with_encoder(JpegEncoder::new_with_quality(&mut coded, 95)).unwrap();
        coded
    }

    #[test]
    fn even_a_picture_of_noise_becomes_small_and_keeps_its_shape() {
        let admitted = door::admit(&noisy(2000, 1000)).unwrap();
        let small = door::admit(&derive(&admitted).unwrap()).unwrap();
        assert_eq!((small.width, small.height), (1600, 800));
        assert!(small.bytes.len() <= 1_000_000, "{} bytes", small.bytes.len());
    }

    #[test]
    fn a_small_picture_is_not_blown_up() {
        let admitted = door::admit(&noisy(300, 200)).unwrap();
        let small = door::admit(&derive(&admitted).unwrap()).unwrap();
        assert_eq!((small.width, small.height), (300, 200));
        assert!(small.bytes.len() <= MOST_BYTES);
    }
}
