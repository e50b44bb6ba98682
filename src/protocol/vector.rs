//! Vectors: frames with what they mean, which prove a protocol file.

/// Bytes written as `"AA 5A"`, on one line or many; `#` begins a comment that ends with its line.
///
/// # Errors
/// A sentence for anything else.
pub(super) fn hex_bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.lines().map(|line| line.split('#').next().unwrap_or_default()).collect();
    let digits: String = digits.split_whitespace().collect();
    hex::decode(&digits).map_err(|fault| format!("{digits:?} is no row of bytes in hex such as \"AA 5A\" ({fault})"))
}
