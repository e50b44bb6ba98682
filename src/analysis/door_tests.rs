//! The door, on whole files: what passes passes bit for bit and upright; every cut and every flipped bit ends in a sentence.

use super::{
    door::{Admitted, DoorError, Orientation, admit},
    exif,
    picture::{Picture, decode},
};
use crate::domain::capture::Format;
use image::{ExtendedColorType, ImageEncoder, codecs};

/// 12 × 8 pixels, every one different.
fn pixels() -> Vec<u8> {
    (0..12 * 8 * 3).map(|i| (i * 37 % 251) as u8).collect()
}

fn coded(format: Format) -> Vec<u8> {
    let mut bytes = Vec::new();
    match format {
        Format::Jpeg => codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95).write_image(
            &pixels(),
            12,
            8,
            ExtendedColorType::Rgb8,
        ),
        Format::Png => codecs::png::PngEncoder::new(&mut bytes).write_image(&pixels(), 12, 8, ExtendedColorType::Rgb8),
        Format::Webp => {
            codecs::webp::WebPEncoder::new_lossless(&mut bytes).write_image(&pixels(), 12, 8, ExtendedColorType::Rgb8)
        }
    }
    .unwrap();
    bytes
}

fn jpeg_segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&[0xFF, marker], &length[..], content].concat()
}

/// As a telephone writes it: place, maker, thumbnail, a second picture behind the end.
fn talkative(format: Format, orientation: Orientation) -> Vec<u8> {
    let block = exif::block(orientation);
    let plain = coded(format);
    match format {
        Format::Jpeg => [
            &plain[..2],
            &jpeg_segment(0xE1, &[b"Exif\0\0", &block[..], b"GPS 39.9042 N"].concat()),
            &jpeg_segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta>Anna</x:xmpmeta>"),
            &jpeg_segment(0xE2, b"ICC_PROFILE\0\x01\x01camera 0417"),
            &jpeg_segment(0xFE, b"Anna, room 2"),
            &plain[2..],
            b"\xFF\xD8second picture, Anna\xFF\xD9",
        ]
        .concat(),
        Format::Png => {
            let mut bytes = plain[..33].to_vec();
            for (kind, content) in
                [(b"tEXt", &b"Author\0Anna"[..]), (b"eXIf", &block[..]), (b"iCCP", b"camera 0417\0\0")]
            {
                bytes.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
                let counted = [&kind[..], content].concat();
                bytes.extend_from_slice(&counted);
                bytes.extend(crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&counted).to_be_bytes());
            }
            [&bytes, &plain[33..], b"Anna"].concat()
        }
        Format::Webp => {
            let mut body = b"WEBP".to_vec();
            let picture = &plain[12..];
            let head: [u8; 10] = [0x2C, 0, 0, 0, 11, 0, 0, 7, 0, 0];
            for (kind, content) in [(b"VP8X", &head[..]), (b"ICCP", b"camera 0417")] {
                body.extend_from_slice(kind);
                body.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
                body.extend_from_slice(content);
                body.extend(vec![0; content.len() % 2]);
            }
            body.extend_from_slice(picture);
            for (kind, content) in [(b"EXIF", &block[..]), (b"XMP ", b"<x:xmpmeta>Anna</x:xmpmeta>")] {
                body.extend_from_slice(kind);
                body.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
                body.extend_from_slice(content);
                body.extend(vec![0; content.len() % 2]);
            }
            [b"RIFF", &u32::try_from(body.len()).unwrap().to_le_bytes()[..], &body].concat()
        }
    }
}

fn shown(admitted: &Admitted) -> Picture {
    decode(admitted).unwrap()
}

#[test]
fn metadata_goes_and_pixels_stay() {
    for format in Format::ALL {
        let plain = admit(&coded(*format)).unwrap();
        let stripped = admit(&talkative(*format, Orientation::Upright)).unwrap();
        for secret in ["Anna", "GPS", "camera 0417", "xmpmeta", "Exif", "EXIF", "eXIf"] {
            let found = stripped.bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
            assert!(!found, "{format}: {secret:?} is still there");
        }
        assert_eq!(stripped.bytes, plain.bytes, "{format}: the same picture, the same bytes");
        assert_eq!((stripped.width, stripped.height, stripped.orientation), (12, 8, Orientation::Upright));
        assert_eq!(shown(&stripped), shown(&plain));
        if *format != Format::Jpeg {
            assert_eq!(shown(&stripped).rgb(), pixels(), "{format} is lossless");
        }
    }
}

#[test]
fn what_was_stripped_once_passes_unchanged() {
    for format in Format::ALL {
        for orientation in Orientation::ALL {
            let first = admit(&talkative(*format, *orientation)).unwrap();
            let second = admit(&first.bytes).unwrap();
            assert_eq!(first, second, "{format} {orientation}");
        }
    }
}

#[test]
fn a_turned_picture_is_shown_upright() {
    // Where the coded top left pixel is shown, by EXIF orientation 1 to 8, in a picture of 12 × 8.
    let corner = [(0, 0), (11, 0), (11, 7), (0, 7), (0, 0), (7, 0), (7, 11), (0, 11)];
    let first = &pixels()[..3];
    for (orientation, (x, y)) in Orientation::ALL.iter().zip(corner) {
        let admitted = admit(&talkative(Format::Png, *orientation)).unwrap();
        assert_eq!(admitted.orientation, *orientation);
        let picture = shown(&admitted);
        assert_eq!((picture.width(), picture.height()), (admitted.width, admitted.height));
        let at = (y * picture.width() as usize + x) * 3;
        assert_eq!(&picture.rgb()[at..at + 3], first, "{orientation}");
    }
}

#[test]
fn every_cut_is_refused() {
    for format in Format::ALL {
        let whole = coded(*format);
        for length in 0..whole.len() {
            let refused = admit(&whole[..length]);
            assert!(refused.is_err(), "{format} cut to {length} of {} came in", whole.len());
        }
    }
}

#[test]
fn every_flipped_bit_ends_in_a_value_or_a_sentence() {
    for format in Format::ALL {
        for source in [coded(*format), talkative(*format, Orientation::QuarterTurn)] {
            for at in 0..source.len() {
                for bit in 0..8 {
                    let mut bytes = source.clone();
                    bytes[at] ^= 1 << bit;
                    if let Ok(admitted) = admit(&bytes) {
                        let _ = decode(&admitted);
                    }
                }
            }
        }
    }
}

#[test]
fn a_huge_picture_is_refused_before_it_is_decoded() {
    let with_size = |width: u32, height: u32| {
        let mut bytes = coded(Format::Png);
        bytes[16..20].copy_from_slice(&width.to_be_bytes());
        bytes[20..24].copy_from_slice(&height.to_be_bytes());
        let sum = crc::Crc::<u32>::new(&crc::CRC_32_ISO_HDLC).checksum(&bytes[12..29]);
        bytes[29..33].copy_from_slice(&sum.to_be_bytes());
        admit(&bytes)
    };
    for (width, height) in [(30_000, 10), (10, 20_001), (10_000, 6_001), (u32::MAX, u32::MAX)] {
        assert_eq!(with_size(width, height), Err(DoorError::TooLarge { width, height }));
    }
    assert!(with_size(20_000, 3_000).is_ok(), "60 megapixels pass");
    let sentence = with_size(30_000, 10).unwrap_err().to_string();
    assert!(sentence.contains("30000 × 10") && sentence.contains("lower the camera's resolution"), "{sentence}");

    let mut jpeg = coded(Format::Jpeg);
    let frame = jpeg.windows(2).position(|w| w == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 7..frame + 9].copy_from_slice(&30_000_u16.to_be_bytes());
    assert_eq!(admit(&jpeg), Err(DoorError::TooLarge { width: 30_000, height: 8 }));
}

#[test]
fn what_is_no_picture_is_told_so() {
    for bytes in [&b""[..], b"GIF89a", b"\0\0\0\x20ftypheic", b"<html>", b"%PDF-1.7", b"\xFF\xD8"] {
        assert_eq!(admit(bytes), Err(DoorError::NotAPicture), "{bytes:?}");
    }
    assert!(matches!(admit(&vec![0; 100_000_001]), Err(DoorError::TooManyBytes { found: 100_000_001 })));
}
