//! A JPEG's segments (ITU-T T.81, annex B): `FF marker`, length (u16, itself included), content; entropy-coded data
//! after each SOS, in which `FF` is followed by 0 or a restart marker.

use super::{
    door::{DoorError, Orientation, Walked, fits},
    exif,
};
use crate::domain::capture::Format;

const SOI: u8 = 0xD8;
const EOI: u8 = 0xD9;
const SOS: u8 = 0xDA;
const APP0: u8 = 0xE0;
const APP1: u8 = 0xE1;
const APP14: u8 = 0xEE;
const COM: u8 = 0xFE;
const EXIF: &[u8] = b"Exif\0\0";

/// A progressive picture has about ten scans. Each costs a walk over all pixels when it is decoded, and takes a few bytes of
/// file: a file of thousands would hold a processor for minutes.
const MOST_SCANS: usize = 64;

fn truncated(missing: &'static str) -> DoorError {
    DoorError::Truncated { format: Format::Jpeg, missing }
}

fn damaged(what: &'static str) -> DoorError {
    DoorError::Damaged { format: Format::Jpeg, what }
}

pub(super) fn walk(bytes: &[u8]) -> Result<Walked, DoorError> {
    let mut kept = Vec::with_capacity(bytes.len());
    let mut size = None;
    let mut orientation = None;
    let mut scans = 0;
    let mut at = 2;
    loop {
        let (marker, content) = segment(bytes, &mut at)?;
        match marker {
            EOI => break,
            APP1 if content.starts_with(EXIF) => {
                // The first EXIF block counts, as for every reader.
                orientation.get_or_insert_with(|| exif::orientation(&content[EXIF.len()..]));
            }
            APP0 if content.starts_with(b"JFIF\0") => keep(&mut kept, marker, content),
            APP14 if content.starts_with(b"Adobe") => keep(&mut kept, marker, content),
            APP0..=0xEF | COM => {}
            SOS => {
                let (width, height) = size.ok_or(damaged("pixels come before the size"))?;
                fits(width, height, Format::Jpeg)?;
                keep(&mut kept, marker, content);
                let start = at;
                at = end_of_scan(bytes, at)?;
                scans += 1;
                if scans > MOST_SCANS {
                    return Err(DoorError::Unsupported { what: "a JPEG of more than 64 scans" });
                }
                kept.extend_from_slice(&bytes[start..at]);
            }
            _ => {
                if let Some(found) = frame_size(marker, content)? {
                    if size.is_some() {
                        return Err(damaged("it states its size twice"));
                    }
                    size = Some(found);
                    fits(found.0, found.1, Format::Jpeg)?;
                }
                keep(&mut kept, marker, content);
            }
        }
    }
    let (width, height) = size.ok_or(damaged("it states no size"))?;
    if scans == 0 {
        return Err(damaged("it has no pixels"));
    }
    let orientation = orientation.unwrap_or(Orientation::Upright);
    Ok(Walked { width, height, orientation, bytes: assemble(orientation, &kept) })
}

/// Marker and content of the next segment; `at` stands behind it.
fn segment<'a>(bytes: &'a [u8], at: &mut usize) -> Result<(u8, &'a [u8]), DoorError> {
    const NO_END: &str = "no end marker";
    if *bytes.get(*at).ok_or(truncated(NO_END))? != 0xFF {
        return Err(damaged("a segment does not start with FF"));
    }
    while *bytes.get(*at).ok_or(truncated(NO_END))? == 0xFF {
        *at += 1; // FF may be repeated as filling
    }
    let marker = bytes[*at];
    *at += 1;
    if marker == EOI {
        return Ok((marker, &[]));
    }
    if matches!(marker, 0 | 1 | SOI | 0xD0..=0xD7) {
        return Err(damaged("a marker stands where none may"));
    }
    let length = bytes.get(*at..*at + 2).ok_or(truncated("half a segment"))?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length < 2 {
        return Err(damaged("a segment has no length"));
    }
    let content = bytes.get(*at + 2..*at + length).ok_or(truncated("half a segment"))?;
    *at += length;
    Ok((marker, content))
}

/// Where the marker behind the entropy-coded data stands.
fn end_of_scan(bytes: &[u8], from: usize) -> Result<usize, DoorError> {
    let mut at = from;
    while let Some(found) = bytes[at..].iter().position(|byte| *byte == 0xFF) {
        at += found;
        match bytes.get(at + 1) {
            None => break,
            Some(0 | 0xD0..=0xD7) => at += 2,
            Some(0xFF) => at += 1,
            Some(_) => return Ok(at),
        }
    }
    Err(truncated("no end marker"))
}

fn frame_size(marker: u8, content: &[u8]) -> Result<Option<(u32, u32)>, DoorError> {
    match marker {
        0xC0..=0xC2 => {}
        0xC4 | 0xC8 | 0xCC => return Ok(None),
        0xC3 | 0xC5..=0xCF => return Err(DoorError::Unsupported { what: "a lossless or arithmetic-coded JPEG" }),
        _ => return Ok(None),
    }
    let [bits, h1, h0, w1, w0, components, ..] = content else { return Err(damaged("its size is incomplete")) };
    if *bits != 8 {
        return Err(DoorError::Unsupported { what: "a JPEG with more than 8 bits" });
    }
    if !matches!(components, 1 | 3) {
        return Err(DoorError::Unsupported { what: "a JPEG that is neither grey nor RGB" });
    }
    let side = |high: &u8, low: &u8| u32::from(u16::from_be_bytes([*high, *low]));
    Ok(Some((side(w1, w0), side(h1, h0))))
}

fn keep(kept: &mut Vec<u8>, marker: u8, content: &[u8]) {
    let length = u16::try_from(content.len() + 2).expect("read from a u16 length");
    kept.extend([0xFF, marker]);
    kept.extend(length.to_be_bytes());
    kept.extend_from_slice(content);
}

fn assemble(orientation: Orientation, kept: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0xFF, SOI];
    // JFIF must come first, EXIF next to it.
    let jfif =
        if kept.starts_with(&[0xFF, APP0]) { 2 + usize::from(u16::from_be_bytes([kept[2], kept[3]])) } else { 0 };
    bytes.extend_from_slice(&kept[..jfif]);
    if orientation != Orientation::Upright {
        keep(&mut bytes, APP1, &[EXIF, &exif::block(orientation)].concat());
    }
    bytes.extend_from_slice(&kept[jfif..]);
    bytes.extend([0xFF, EOI]);
    bytes
}
