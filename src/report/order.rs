//! What the desk and the process that makes papers of reports say to one another: one order in, one answer out, then it ends.
//!
//! Layout of both, little endian: length of the header (u32) · header (JSON) · the files it names, one after another.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Longest header: data of a report with its drawings; the largest there is has a tenth of it.
const MOST_HEADER: usize = 16 << 20;

/// All files together: 24 photographs of 400 kB are a third of it.
const MOST_FILES: usize = 32 << 20;

/// What a report is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    Pdf,
    Picture,
}

/// A report to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    pub forms: Vec<Form>,
    /// Of [`super::paper::data`].
    pub data: Value,
    pub files: Vec<Named>,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// Why nothing was made: a sentence for the log.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub refused: Option<String>,
    /// In the order of the forms; named by their media types.
    pub files: Vec<Named>,
    /// The most memory it held; bytes.
    pub held: u64,
}

/// A file that follows the header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Named {
    pub name: String,
    pub bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderError {
    #[error("it is cut off: {have} of {want} bytes")]
    Short { have: usize, want: usize },
    #[error("{0} bytes are more than may be said at once")]
    Long(usize),
    #[error("its header is none: {0}")]
    Header(String),
    #[error("{0} bytes follow its last file")]
    Rest(usize),
}

/// What lists the files that follow it.
pub trait Header: Serialize + DeserializeOwned {
    fn files(&self) -> &[Named];
}

impl Header for Order {
    fn files(&self) -> &[Named] {
        &self.files
    }
}

impl Header for Answer {
    fn files(&self) -> &[Named] {
        &self.files
    }
}

impl Named {
    #[must_use]
    pub fn of(name: &str, bytes: &[u8]) -> Self {
        Self { name: name.to_owned(), bytes: bytes.len() }
    }
}

/// The bytes of `header`, to be followed by the files it names.
///
/// # Errors
/// [`OrderError::Long`]: the header is longer than whoever reads it takes.
pub fn head(header: &impl Header) -> Result<Vec<u8>, OrderError> {
    let text = serde_json::to_vec(header).map_err(|fault| OrderError::Header(fault.to_string()))?;
    let length = u32::try_from(text.len()).ok().filter(|_| text.len() <= MOST_HEADER);
    let length = length.ok_or(OrderError::Long(text.len()))?;
    let mut bytes = length.to_le_bytes().to_vec();
    bytes.extend_from_slice(&text);
    Ok(bytes)
}

/// The header in `bytes` and its files.
///
/// # Errors
/// [`OrderError`]: `bytes` are cut off, too many, or something else.
pub fn read<H: Header>(bytes: &[u8]) -> Result<(H, Vec<&[u8]>), OrderError> {
    let short = |want: usize| OrderError::Short { have: bytes.len(), want };
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or(short(4))?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > MOST_HEADER {
        return Err(OrderError::Long(length));
    }
    let (text, mut rest) = rest.split_at_checked(length).ok_or(short(4 + length))?;
    let header: H = serde_json::from_slice(text).map_err(|fault| OrderError::Header(fault.to_string()))?;
    let all = header.files().iter().fold(0_usize, |sum, file| sum.saturating_add(file.bytes));
    if all > MOST_FILES {
        return Err(OrderError::Long(all));
    }
    let mut files = Vec::with_capacity(header.files().len());
    for file in header.files() {
        let (one, after) = rest.split_at_checked(file.bytes).ok_or(short(4 + length + all))?;
        files.push(one);
        rest = after;
    }
    if rest.is_empty() { Ok((header, files)) } else { Err(OrderError::Rest(rest.len())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Vec<u8> {
        let files = vec![Named::of("0-before.jpg", b"abc"), Named::of("0-after.jpg", b"de")];
        let order = Order { forms: vec![Form::Pdf, Form::Picture], data: Value::Null, files };
        let mut bytes = head(&order).unwrap();
        bytes.extend_from_slice(b"abcde");
        bytes
    }

    #[test]
    fn an_order_is_read_as_it_was_written() {
        let bytes = whole();
        let (order, files) = read::<Order>(&bytes).unwrap();
        assert_eq!(
            (order.forms.as_slice(), files.as_slice()),
            (&[Form::Pdf, Form::Picture][..], &[&b"abc"[..], b"de"][..])
        );
    }

    #[test]
    fn every_cut_and_every_longer_one_is_refused() {
        let mut bytes = whole();
        for length in 0..bytes.len() {
            assert!(read::<Order>(&bytes[..length]).is_err(), "{length} of {} bytes were taken", bytes.len());
        }
        bytes.push(0);
        assert_eq!(read::<Order>(&bytes), Err(OrderError::Rest(1)));
    }

    #[test]
    fn no_flipped_byte_is_a_panic_and_no_length_more_memory_than_may_be_said() {
        for at in 0..whole().len() {
            for bit in 0..8 {
                let mut bytes = whole();
                bytes[at] ^= 1 << bit;
                let _ = read::<Order>(&bytes);
            }
        }
        assert_eq!(read::<Order>(&u32::MAX.to_le_bytes()), Err(OrderError::Long(u32::MAX as usize)));
        let named = Named { bytes: MOST_FILES + 1, ..Named::of("0-before.jpg", b"") };
        let order = Order { forms: vec![Form::Pdf], data: Value::Null, files: vec![named] };
        assert_eq!(read::<Order>(&head(&order).unwrap()), Err(OrderError::Long(MOST_FILES + 1)));
    }
}
