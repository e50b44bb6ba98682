//! PINs and tokens: argon2id for what people remember, 128 random bits for what browsers keep.

use super::error::WebError;
use crate::domain::staff::acceptable_pin;
use argon2::{Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _, password_hash::SaltString};
use openssl::{rand::rand_bytes, sha::sha256};

/// Hashes a PIN: argon2id, 19 MiB, two passes (the crate's default, OWASP's smallest). Tens of milliseconds, off the async
/// threads.
///
/// # Errors
/// A fault of ours only.
pub async fn hash(pin: String) -> Result<String, WebError> {
    let work = move || {
        let mut bytes = [0_u8; 16];
        rand_bytes(&mut bytes).expect("the system's randomness is available after boot");
        let salt = SaltString::encode_b64(&bytes).map_err(|fault| WebError::fault(&fault))?;
        let hash = Argon2::default().hash_password(pin.as_bytes(), &salt).map_err(|fault| WebError::fault(&fault))?;
        Ok(hash.to_string())
    };
    tokio::task::spawn_blocking(work).await.map_err(|fault| WebError::fault(&fault))?
}

/// Whether `pin` is the one behind `kept`.
///
/// # Errors
/// A fault of ours only: what is kept is no digest.
pub async fn is_right(pin: String, kept: String) -> Result<bool, WebError> {
    let work = move || {
        let kept = PasswordHash::new(&kept).map_err(|fault| WebError::fault(&fault))?;
        Ok(Argon2::default().verify_password(pin.as_bytes(), &kept).is_ok())
    };
    tokio::task::spawn_blocking(work).await.map_err(|fault| WebError::fault(&fault))?
}

/// A new token in 32 hexadecimal digits, and the digest that is kept of it.
#[must_use]
pub fn token() -> (String, [u8; 32]) {
    let mut bytes = [0_u8; 16];
    rand_bytes(&mut bytes).expect("the system's randomness is available after boot");
    (hex::encode(bytes), sha256(&bytes))
}

/// A PIN for someone who forgot theirs: six digits that nobody tries first.
#[must_use]
pub fn fresh() -> String {
    loop {
        let pin = digits(6);
        if acceptable_pin(&pin).is_ok() {
            return pin;
        }
    }
}

/// So many random digits, at most 18, each number as likely as the other.
#[must_use]
pub fn digits(count: u32) -> String {
    let numbers = 10_u64.pow(count);
    loop {
        let mut bytes = [0_u8; 8];
        rand_bytes(&mut bytes).expect("the system's randomness is available after boot");
        let number = u64::from_be_bytes(bytes);
        // Of 2^64 the last part that would make small numbers likelier is drawn again.
        if number < u64::MAX / numbers * numbers {
            return format!("{:0width$}", number % numbers, width = count as usize);
        }
    }
}

/// The digest of a token that a browser showed; `None` for what is none.
#[must_use]
pub fn digest(token: &str) -> Option<[u8; 32]> {
    let mut bytes = [0_u8; 16];
    hex::decode_to_slice(token, &mut bytes).ok().map(|()| sha256(&bytes))
}
