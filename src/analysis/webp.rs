//! A WebP's chunks (RFC 9649): `RIFF`, size (u32, little-endian), `WEBP`, then type, size, content, padded to even length.
//! `VP8X` is the extended header: flags, canvas width − 1 and height − 1 in 24 bits each.

use super::{
    door::{DoorError, Orientation, Walked, fits},
    exif,
};
use crate::domain::capture::Format;

/// A still picture has a handful; endless tiny ones only cost time.
const MOST_CHUNKS: usize = 1_000;

const ALPHA: u8 = 0x10;
const HAS_EXIF: u8 = 0x08;
const ANIMATION: u8 = 0x02;

fn truncated() -> DoorError {
    DoorError::Truncated { format: Format::Webp, missing: "half a chunk" }
}

fn damaged(what: &'static str) -> DoorError {
    DoorError::Damaged { format: Format::Webp, what }
}

pub(super) fn walk(bytes: &[u8]) -> Result<Walked, DoorError> {
    let stated = u32::from_le_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]) as usize;
    let end = stated.checked_add(8).ok_or(truncated())?;
    let mut rest = bytes.get(12..end).ok_or(truncated())?;
    let (mut canvas, mut picture, mut alpha) = (None, None, None);
    let mut orientation = Orientation::Upright;
    let mut chunks = 0;
    while !rest.is_empty() {
        chunks += 1;
        if chunks > MOST_CHUNKS {
            return Err(DoorError::Unsupported { what: "a WebP in more than 1,000 pieces" });
        }
        let (kind, content) = chunk(&mut rest)?;
        match &kind {
            b"VP8X" => canvas = Some(canvas_size(content)?),
            b"VP8 " | b"VP8L" if picture.is_some() => return Err(damaged("it holds two pictures")),
            b"VP8 " => picture = Some((kind, content, lossy_size(content)?)),
            b"VP8L" => picture = Some((kind, content, lossless_size(content)?)),
            b"ALPH" => alpha = Some(content),
            b"ANIM" | b"ANMF" => return Err(DoorError::Unsupported { what: "a moving WebP" }),
            // Some writers put JPEG's "Exif\0\0" in front of the block.
            b"EXIF" => orientation = exif::orientation(content.strip_prefix(b"Exif\0\0").unwrap_or(content)),
            _ => {}
        }
    }
    let (kind, content, size) = picture.ok_or(damaged("it has no pixels"))?;
    fits(size.0, size.1, Format::Webp)?;
    if canvas.is_some_and(|canvas| canvas != size) {
        return Err(damaged("its two sizes differ"));
    }
    let extended = alpha.is_some() || orientation != Orientation::Upright;
    let mut body = b"WEBP".to_vec();
    if extended {
        append(&mut body, *b"VP8X", &header(size, alpha.is_some(), orientation));
    }
    if let Some(alpha) = alpha {
        append(&mut body, *b"ALPH", alpha);
    }
    append(&mut body, kind, content);
    if orientation != Orientation::Upright {
        append(&mut body, *b"EXIF", &exif::block(orientation));
    }
    let mut bytes = b"RIFF".to_vec();
    bytes.extend(u32::try_from(body.len()).map_err(|_| truncated())?.to_le_bytes());
    bytes.extend(body);
    Ok(Walked { width: size.0, height: size.1, orientation, bytes })
}

/// Type and content of the first chunk of `rest`, which stands behind it afterwards.
fn chunk<'a>(rest: &mut &'a [u8]) -> Result<([u8; 4], &'a [u8]), DoorError> {
    let head = rest.get(..8).ok_or(truncated())?;
    let size = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
    let content = size.checked_add(8).and_then(|end| rest.get(8..end)).ok_or(truncated())?;
    let kind = [head[0], head[1], head[2], head[3]];
    *rest = rest.get(8 + size + size % 2..).unwrap_or(&[]);
    Ok((kind, content))
}

fn append(body: &mut Vec<u8>, kind: [u8; 4], content: &[u8]) {
    body.extend(kind);
    body.extend(u32::try_from(content.len()).expect("read from a u32 size").to_le_bytes());
    body.extend_from_slice(content);
    if content.len() % 2 == 1 {
        body.push(0);
    }
}

fn canvas_size(content: &[u8]) -> Result<(u32, u32), DoorError> {
    let [flags, _, _, _, w0, w1, w2, h0, h1, h2, ..] = content else { return Err(damaged("its header is short")) };
    if flags & ANIMATION != 0 {
        return Err(DoorError::Unsupported { what: "a moving WebP" });
    }
    let side = |bytes: [&u8; 3]| 1 + u32::from_le_bytes([*bytes[0], *bytes[1], *bytes[2], 0]);
    let size = (side([w0, w1, w2]), side([h0, h1, h2]));
    fits(size.0, size.1, Format::Webp)?;
    Ok(size)
}

/// RFC 6386, 9.1: frame tag (3 bytes), start code `9D 01 2A`, width and height in 14 bits each.
fn lossy_size(content: &[u8]) -> Result<(u32, u32), DoorError> {
    let [_, _, _, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..] = content else {
        return Err(damaged("its first frame is none"));
    };
    let side = |low: &u8, high: &u8| u32::from(u16::from_le_bytes([*low, *high]) & 0x3FFF);
    Ok((side(w0, w1), side(h0, h1)))
}

/// RFC 9649, 3.4: signature `2F`, then width − 1 and height − 1 in 14 bits each.
fn lossless_size(content: &[u8]) -> Result<(u32, u32), DoorError> {
    let [0x2F, a, b, c, d, ..] = content else { return Err(damaged("its first frame is none")) };
    let bits = u32::from_le_bytes([*a, *b, *c, *d]);
    Ok((1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)))
}

fn header(size: (u32, u32), alpha: bool, orientation: Orientation) -> [u8; 10] {
    let flags = if alpha { ALPHA } else { 0 } | if orientation == Orientation::Upright { 0 } else { HAS_EXIF };
    let ([w0, w1, w2, _], [h0, h1, h2, _]) = ((size.0 - 1).to_le_bytes(), (size.1 - 1).to_le_bytes());
    [flags, 0, 0, 0, w0, w1, w2, h0, h1, h2]
}
