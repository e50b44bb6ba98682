//! The one EXIF tag that matters here, read from anything and written alone.
//!
//! Layout (TIFF 6.0): byte order `II`/`MM` · 42 (u16) · offset of the first directory (u32) · there: number of entries (u16),
//! entries of 12 bytes: tag, type (3 = u16), count (u32), value in the first bytes of the last four.

use super::door::Orientation;

const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;

/// The orientation a TIFF block states; anything unreadable counts as upright.
pub(super) fn orientation(tiff: &[u8]) -> Orientation {
    read(tiff).and_then(Orientation::from_exif).unwrap_or(Orientation::Upright)
}

fn read(tiff: &[u8]) -> Option<u16> {
    let big = match tiff.get(..4)? {
        [b'I', b'I', 42, 0] => false,
        [b'M', b'M', 0, 42] => true,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes: [u8; 2] = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes: [u8; 4] = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let directory = usize::try_from(long(4)?).ok()?;
    let entries = usize::from(short(directory)?);
    for entry in 0..entries {
        let at = directory.checked_add(2 + 12 * entry)?;
        if short(at)? == ORIENTATION && short(at + 2)? == SHORT {
            return short(at + 8);
        }
    }
    None
}

/// A TIFF block that states an orientation and nothing else, 26 bytes.
pub(super) fn block(orientation: Orientation) -> [u8; 26] {
    let value = orientation.exif();
    #[rustfmt::skip]
    let bytes = [
        b'M', b'M', 0, 42, 0, 0, 0, 8,
        0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, value, 0, 0,
        0, 0, 0, 0,
    ];
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        for orientation in Orientation::ALL {
            assert_eq!(super::orientation(&block(*orientation)), *orientation);
        }
    }

    #[test]
    fn a_broken_block_is_upright() {
        let good = block(Orientation::QuarterTurn);
        for at in 0..good.len() {
            let _ = orientation(&good[..at]);
            for flip in 0..8 {
                let mut bytes = good;
                bytes[at] ^= 1 << flip;
                let _ = orientation(&bytes);
            }
        }
        assert_eq!(orientation(b"MM\0*\xff\xff\xff\xff"), Orientation::Upright);
    }
}
