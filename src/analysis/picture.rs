//! Decoded pixels: [`Picture`] is what a file holds, upright; [`Plane`] is one channel as f32, for everything that computes.

use super::door::{Admitted, Orientation};
use crate::domain::capture::Format;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader};
pub use skinlink_pixels::{picture::Picture, plane::Plane};
use std::io::Cursor;

/// The coded pixels could not be read although the file's structure is whole.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the picture's pixels cannot be decoded ({0}); take it again")]
pub struct Undecodable(pub String);

/// Decodes what the door let in and turns it upright.
///
/// # Errors
/// [`Undecodable`] with the decoder's reason.
pub fn decode(admitted: &Admitted) -> Result<Picture, Undecodable> {
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
    Picture::new(width, height, image.into_rgb8().into_raw()).ok_or_else(|| Undecodable("it has no pixels".into()))
}
