//! AES-256-GCM with OpenSSL: `nonce (12) ‖ ciphertext ‖ tag (16)`. Keys are wiped when dropped.

use openssl::{
    rand::rand_bytes,
    symm::{Cipher, Crypter, Mode, decrypt_aead},
};
use zeroize::Zeroizing;

const NONCE: usize = 12;
const TAG: usize = 16;

/// 32 random bytes, or bytes derived from such.
pub(super) type Key = Zeroizing<[u8; 32]>;

pub(super) fn random_key() -> Key {
    let mut key = Zeroizing::new([0_u8; 32]);
    rand_bytes(key.as_mut()).expect("the system's randomness is available after boot");
    key
}

/// Encrypts `plain`, bound to `about`: it opens only under the same `about`.
pub(super) fn seal(key: &Key, about: &[u8], plain: &[u8]) -> Vec<u8> {
    seal_behind(&[], key, about, plain)
}

/// The same with `head` before it, in one piece of memory: a photograph is not copied about.
pub(super) fn seal_behind(head: &[u8], key: &Key, about: &[u8], plain: &[u8]) -> Vec<u8> {
    const SOUND: &str = "AES-256-GCM takes any plaintext that fits in memory";
    let (mut nonce, mut tag) = ([0_u8; NONCE], [0_u8; TAG]);
    rand_bytes(&mut nonce).expect("the system's randomness is available after boot");
    let begin = head.len() + NONCE;
    let mut sealed = vec![0_u8; begin + plain.len() + TAG];
    sealed[..head.len()].copy_from_slice(head);
    sealed[head.len()..begin].copy_from_slice(&nonce);
    let mut crypter =
        Crypter::new(Cipher::aes_256_gcm(), Mode::Encrypt, key.as_ref(), Some(&nonce)).expect("key and nonce fit");
    crypter.aad_update(about).expect(SOUND);
    // A stream cipher: as many bytes come out as go in, and none at the end.
    let written = crypter.update(plain, &mut sealed[begin..]).expect(SOUND);
    let rest = crypter.finalize(&mut sealed[begin + written..]).expect(SOUND);
    assert_eq!(written + rest, plain.len(), "{SOUND}");
    crypter.get_tag(&mut tag).expect(SOUND);
    sealed[begin + plain.len()..].copy_from_slice(&tag);
    sealed
}

/// `None` when the key or `about` is another, or a bit was changed. Never gives unauthenticated bytes.
pub(super) fn open(key: &Key, about: &[u8], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, rest) = sealed.split_at_checked(NONCE)?;
    let (cipher, tag) = rest.split_at_checked(rest.len().checked_sub(TAG)?)?;
    decrypt_aead(Cipher::aes_256_gcm(), key.as_ref(), Some(nonce), about, cipher, tag).ok().map(Zeroizing::new)
}

pub(super) fn open_key(key: &Key, about: &[u8], sealed: &[u8]) -> Option<Key> {
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
}
