//! What happens to picture bytes at the door. (Skeleton: limits only.)

/// Largest picture file taken in, bytes.
pub const MAX_BYTES: usize = 100_000_000;
