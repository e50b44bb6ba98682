//! AES-256-GCM with OpenSSL: `nonce (12) ‖ ciphertext ‖ tag (16)`. Keys are wiped when dropped. A leaf: the store seals its
//! files with it, headquarters what lies on its shelves.

use openssl::{
    rand::rand_bytes,
    symm::{Cipher, Crypter, Mode, decrypt_aead},
};
use zeroize::Zeroizing;

const NONCE: usize = 12;
const TAG: usize = 16;

/// 32 random bytes, or bytes derived from such.
pub type Key = Zeroizing<[u8; 32]>;

/// A fresh one.
///
/// # Panics
/// Without the system's randomness, which is there after boot.
#[must_use]
pub fn random_key() -> Key {
    let mut key = Zeroizing::new([0_u8; 32]);
    rand_bytes(key.as_mut()).expect("the system's randomness is available after boot");
    key
}

/// Encrypts `plain`, bound to `about`: it opens only under the same `about`.
#[must_use]
pub fn seal(key: &Key, about: &[u8], plain: &[u8]) -> Vec<u8> {
    let (mut sealing, nonce) = Sealing::begin(key, about);
    let mut sealed = vec![0_u8; NONCE + plain.len()];
    sealed[..NONCE].copy_from_slice(&nonce);
    sealing.update(plain, &mut sealed[NONCE..]);
    sealed.extend_from_slice(&sealing.end());
    sealed
}

const SOUND: &str = "AES-256-GCM takes any plaintext that fits in memory";

/// The same piece by piece: a photograph is not held in memory a second time.
pub struct Sealing(Crypter);

impl std::fmt::Debug for Sealing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealing")
    }
}

impl Sealing {
    /// The nonce stands before the first piece.
    ///
    /// # Panics
    /// Without the system's randomness.
    #[must_use]
    pub fn begin(key: &Key, about: &[u8]) -> (Self, [u8; NONCE]) {
        let mut nonce = [0_u8; NONCE];
        rand_bytes(&mut nonce).expect("the system's randomness is available after boot");
        let mut crypter =
            Crypter::new(Cipher::aes_256_gcm(), Mode::Encrypt, key.as_ref(), Some(&nonce)).expect("key and nonce fit");
        crypter.aad_update(about).expect(SOUND);
        (Self(crypter), nonce)
    }

    /// Fills `sealed`, which is as long as `plain`.
    ///
    /// # Panics
    /// Where it is not.
    pub fn update(&mut self, plain: &[u8], sealed: &mut [u8]) {
        // A stream cipher: as many bytes come out as go in.
        let written = self.0.update(plain, sealed).expect(SOUND);
        assert_eq!(written, plain.len(), "{SOUND}");
    }

    /// The tag, which stands after the last piece.
    ///
    /// # Panics
    /// Never: the cipher has no rest to give.
    #[must_use]
    pub fn end(mut self) -> [u8; TAG] {
        let mut tag = [0_u8; TAG];
        // And none at the end.
        let rest = self.0.finalize(&mut []).expect(SOUND);
        assert_eq!(rest, 0, "{SOUND}");
        self.0.get_tag(&mut tag).expect(SOUND);
        tag
    }
}

/// `None` when the key or `about` is another, or a bit was changed. Never gives unauthenticated bytes.
#[must_use]
pub fn open(key: &Key, about: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_at_checked(NONCE)?;
    let (cipher, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
    decrypt_aead(Cipher::aes_256_gcm(), key.as_ref(), Some(nonce), about, cipher, tag).ok().map(Zeroizing::new)
}

/// The same for a sealed key.
#[must_use]
pub fn open_key(key: &Key, about: &[u8], sealed: &[u8]) -> Option<Key> {
    let plain = open(key, about, sealed)?;
    plain.as_slice().try_into().ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_purpose_open_and_no_bit_may_change() {
        let (key, other) = (random_key(), random_key());
        let sealed = seal(&key, b"capture 1", b"a picture");
        assert_eq!(open(&key, b"capture 1", &sealed).unwrap().as_slice(), b"a picture");
        assert!(open(&key, b"capture 2", &sealed).is_none());
        assert!(open(&other, b"capture 1", &sealed).is_none());
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert!(open(&key, b"capture 1", &changed).is_none(), "byte {at}");
            assert!(open(&key, b"capture 1", &sealed[..at]).is_none(), "length {at}");
        }
    }

    #[test]
    fn in_pieces_of_any_size_it_is_the_same_layout() {
        let (key, plain) = (random_key(), [7_u8; 100]);
        for piece in 1..=plain.len() {
            let (mut sealing, nonce) = Sealing::begin(&key, b"capture 1");
            let mut file = nonce.to_vec();
            for plain in plain.chunks(piece) {
                let mut sealed = vec![0; plain.len()];
                sealing.update(plain, &mut sealed);
                file.extend(sealed);
            }
            file.extend(sealing.end());
            assert_eq!(open(&key, b"capture 1", &file).unwrap().as_slice(), plain, "pieces of {piece}");
        }
    }
}
