//! Passwords and tokens: argon2id for what people remember, 128 random bits for what browsers keep, and by what a browser shows that
//! somebody has logged in in it before.

use argon2::{Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _, password_hash::SaltString};
use openssl::{hash::MessageDigest, memcmp, pkey::PKey, rand::rand_bytes, sha::sha256, sign::Signer};
use std::sync::LazyLock;

/// Characters of a password at least and at most: length is what guessing costs.
pub const SHORTEST: usize = 10;
pub const LONGEST: usize = 200;

/// Verified where nobody is known by a name, so that the answer takes as long.
static NOBODY: LazyLock<String> = LazyLock::new(|| hash("nobody's password"));

/// Why a password is not taken.
///
/// # Errors
/// A sentence.
pub fn acceptable(name: &str, password: &str) -> Result<(), String> {
    let length = password.chars().count();
    if !(SHORTEST..=LONGEST).contains(&length) {
        return Err(format!(
            "a password has {SHORTEST} to {LONGEST} characters, this one {length}; take some words that you can remember"
        ));
    }
    let first = password.chars().next().unwrap_or_default();
    if password.chars().all(|c| c == first) || password.to_lowercase().contains(&name.to_lowercase()) {
        return Err(
            "a password is neither one character repeated nor built on the name; take some words that you can remember"
                .to_owned(),
        );
    }
    Ok(())
}

/// Argon2id, 19 MiB, two passes (the crate's default, OWASP's smallest). Tens of milliseconds: off the async threads.
#[must_use]
pub fn hash(password: &str) -> String {
    let salt = SaltString::encode_b64(&drawn()).expect("16 bytes are a salt");
    let hash = Argon2::default().hash_password(password.as_bytes(), &salt);
    hash.expect("the crate's own parameters fit").to_string()
}

/// Whether `password` is the one behind `kept`; of nobody it never is, and takes as long to tell.
#[must_use]
pub fn is_right(password: &str, kept: Option<&str>) -> bool {
    let Ok(hash) = PasswordHash::new(kept.unwrap_or(&NOBODY)) else { return false };
    let right = Argon2::default().verify_password(password.as_bytes(), &hash).is_ok();
    right && kept.is_some()
}

fn drawn() -> [u8; 16] {
    let mut bytes = [0; 16];
    rand_bytes(&mut bytes).expect("the system's randomness is available after boot");
    bytes
}

/// A new token in 32 hexadecimal digits, and the digest that is kept of it.
#[must_use]
pub fn token() -> (String, [u8; 32]) {
    let bytes = drawn();
    (hex::encode(bytes), sha256(&bytes))
}

/// The digest of a token that a browser showed; `None` for what is none.
#[must_use]
pub fn digest(token: &str) -> Option<[u8; 32]> {
    let mut bytes = [0_u8; 16];
    hex::decode_to_slice(token, &mut bytes).ok().map(|()| sha256(&bytes))
}

/// What a browser keeps in which somebody has logged in: a number, and what proves that we gave it for this name and this password. It opens
/// nothing. Nothing is kept of it: with a new password it is worth nothing any more.
#[must_use]
pub fn known(name: &str, kept: &str) -> String {
    let number = hex::encode(drawn());
    let proof = proof(name, kept, &number);
    format!("{number}.{proof}")
}

/// The number of a browser that was given one for this name and password.
#[must_use]
pub fn is_known<'a>(shown: &'a str, name: &str, kept: &str) -> Option<&'a str> {
    let (number, shown) = shown.split_once('.')?;
    let proof = proof(name, kept, number);
    (shown.len() == proof.len() && memcmp::eq(shown.as_bytes(), proof.as_bytes())).then_some(number)
}

fn proof(name: &str, kept: &str, number: &str) -> String {
    let signed = PKey::hmac(kept.as_bytes()).and_then(|key| {
        let mut signer = Signer::new(MessageDigest::sha256(), &key)?;
        signer.update(format!("{name}\n{number}").as_bytes())?;
        signer.sign_to_vec()
    });
    hex::encode(signed.expect("a key of any bytes signs"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_known_for_one_name_and_one_password() {
        let shown = known("li-na", "a hash");
        let number = is_known(&shown, "li-na", "a hash").unwrap();
        assert_eq!(number.len(), 32);
        assert!(is_known(&shown, "wang", "a hash").is_none() && is_known(&shown, "li-na", "another hash").is_none());
        for at in 0..shown.len() {
            let mut forged = shown.clone().into_bytes();
            forged[at] ^= 1;
            assert!(is_known(&String::from_utf8_lossy(&forged), "li-na", "a hash").is_none(), "{at}");
            assert!(is_known(&shown[..at], "li-na", "a hash").is_none(), "{at}");
        }
    }

    #[test]
    fn a_password_is_right_for_its_own_hash_alone() {
        let kept = hash("four plain words here");
        assert!(kept.starts_with("$argon2id$") && is_right("four plain words here", Some(&kept)));
        assert!(!is_right("four plain words", Some(&kept)) && !is_right("nobody's password", None));
        assert!(acceptable("li", "short").is_err() && acceptable("li", "aaaaaaaaaaaa").is_err());
        assert!(acceptable("li-na", "Li-Na-Li-Na-1").is_err() && acceptable("li", "四个好记的词语连在一起").is_ok());
    }
}
