//! A picture as a JPEG, as a camera codes it: in full colour resolution. Here, because the encoder is generic over what it writes to and
//! is compiled with whoever names it.

use image::{ExtendedColorType, ImageEncoder as _, ImageError, codecs::jpeg::JpegEncoder};

/// Codes `rgb`, three bytes a pixel and row by row from the top left; `quality` from 1 to 100.
///
/// # Errors
/// Sides that the format cannot say: none, or beyond 65,535 pixels.
///
/// # Panics
/// Where `rgb` is not `width` × `height` × 3 bytes long.
pub fn jpeg(rgb: &[u8], width: u32, height: u32, quality: u8) -> Result<Vec<u8>, ImageError> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality).write_image(rgb, width, height, ExtendedColorType::Rgb8)?;
    Ok(bytes)
}
