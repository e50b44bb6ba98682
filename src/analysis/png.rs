//! A PNG's chunks (PNG, third edition): length (u32, big-endian), type, content, CRC-32 of type and content.

use super::{
    door::{DoorError, Orientation, Walked, fits},
    exif,
};
use crate::domain::capture::Format;
use crc::{CRC_32_ISO_HDLC, Crc};

const SIGNATURE: usize = 8;
const SUM: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
/// What decoding needs; sRGB, gAMA and cHRM say how bright and which red, nothing about the customer.
const KEPT: &[&[u8; 4]] = &[b"IHDR", b"PLTE", b"tRNS", b"sRGB", b"gAMA", b"cHRM", b"IDAT"];

/// libpng writes chunks of 8 KiB, so 60 megapixels take fewer; endless tiny ones only cost time.
const MOST_CHUNKS: usize = 50_000;

fn truncated() -> DoorError {
    DoorError::Truncated { format: Format::Png, missing: "no end chunk" }
}

fn damaged(what: &'static str) -> DoorError {
    DoorError::Damaged { format: Format::Png, what }
}

pub(super) fn walk(bytes: &[u8]) -> Result<Walked, DoorError> {
    let mut kept = bytes[..SIGNATURE].to_vec();
    let mut size = None;
    let mut orientation = Orientation::Upright;
    let mut pixels = false;
    let mut at = SIGNATURE;
    let mut chunks = 0;
    loop {
        chunks += 1;
        if chunks > MOST_CHUNKS {
            return Err(DoorError::Unsupported { what: "a PNG in more than 50,000 pieces" });
        }
        let (kind, content, whole) = chunk(bytes, &mut at)?;
        if size.is_none() && kind != *b"IHDR" {
            return Err(damaged("its header does not come first"));
        }
        match &kind {
            b"IEND" => break,
            b"IHDR" if size.is_some() => return Err(damaged("it states its size twice")),
            b"IHDR" => {
                let [w3, w2, w1, w0, h3, h2, h1, h0, bits, ..] = content else {
                    return Err(damaged("its header is short"));
                };
                if *bits == 16 {
                    return Err(DoorError::Unsupported { what: "a PNG with more than 8 bits" });
                }
                let found = (u32::from_be_bytes([*w3, *w2, *w1, *w0]), u32::from_be_bytes([*h3, *h2, *h1, *h0]));
                fits(found.0, found.1, Format::Png)?;
                size = Some(found);
            }
            b"acTL" | b"fcTL" | b"fdAT" => return Err(DoorError::Unsupported { what: "a moving PNG" }),
            b"eXIf" => orientation = exif::orientation(content),
            b"IDAT" => pixels = true,
            other if KEPT.contains(&other) => {}
            // Bit 5 of the first letter: a reader may leave the chunk out.
            other if other[0] & 0x20 == 0 => return Err(DoorError::Unsupported { what: "a PNG with unknown parts" }),
            _ => {}
        }
        if KEPT.contains(&&kind) {
            kept.extend_from_slice(whole);
        }
    }
    let (width, height) = size.ok_or(damaged("it states no size"))?;
    if !pixels {
        return Err(damaged("it has no pixels"));
    }
    if orientation != Orientation::Upright {
        append(&mut kept, *b"eXIf", &exif::block(orientation));
    }
    append(&mut kept, *b"IEND", &[]);
    Ok(Walked { width, height, orientation, bytes: kept })
}

type Chunk<'a> = ([u8; 4], &'a [u8], &'a [u8]);

/// Type, content and the whole of the next chunk; `at` stands behind it.
fn chunk<'a>(bytes: &'a [u8], at: &mut usize) -> Result<Chunk<'a>, DoorError> {
    let head = bytes.get(*at..*at + 8).ok_or(truncated())?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    let kind = [head[4], head[5], head[6], head[7]];
    let end = length.checked_add(12).and_then(|n| n.checked_add(*at)).ok_or(truncated())?;
    let whole = bytes.get(*at..end).ok_or(truncated())?;
    let (counted, sum) = whole[4..].split_at(length + 4);
    if SUM.checksum(counted).to_be_bytes() != *sum {
        return Err(damaged("a checksum does not fit"));
    }
    *at = end;
    Ok((kind, &counted[4..], whole))
}

fn append(kept: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    let length = u32::try_from(content.len()).expect("an orientation block or nothing");
    let counted = [&kind, content].concat();
    kept.extend(length.to_be_bytes());
    kept.extend_from_slice(&counted);
    kept.extend(SUM.checksum(&counted).to_be_bytes());
}
