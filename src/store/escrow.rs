//! The second copy of the store key: sealed to HQ's public key, or printed once.
//!
//! RSA keys take it by OAEP with SHA-256; P-256 keys by an ephemeral Diffie-Hellman agreement whose secret, through
//! HMAC-SHA256 with both points' parameters as label, is the AES-256-GCM key. The sealed file is JSON beside the key file.

use super::{error::OpenError, files, keys::StoreKey};
use crate::seal;
use openssl::{
    derive::Deriver,
    ec::{EcGroup, EcKey},
    encrypt::{Decrypter, Encrypter},
    error::ErrorStack,
    hash::MessageDigest,
    nid::Nid,
    pkey::{Id, PKey, Private, Public},
    rsa::Padding,
};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use zeroize::Zeroizing;

const EC_LABEL: &str = "skinlink store key escrow 1";

/// How the key is kept a second time.
pub enum Escrow {
    /// Done at an earlier start.
    Kept,
    /// Sealed to HQ's key just now, in this file; hand it to HQ.
    Sealed(PathBuf),
    /// To be printed or written down now; shown until [`Escrow::printed`] is called.
    PrintOnce(Zeroizing<String>),
}

impl std::fmt::Debug for Escrow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Kept => f.write_str("Kept"),
            Self::Sealed(path) => f.debug_tuple("Sealed").field(path).finish(),
            Self::PrintOnce(_) => f.write_str("PrintOnce(***)"),
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    schema: u8,
    /// `rsa-oaep-sha256` or `ecdh-p256-aes256gcm`
    method: String,
    /// Tells which key is inside, see [`StoreKey::fingerprint`].
    fingerprint: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    ephemeral: Option<String>,
    sealed: String,
}

impl Escrow {
    /// Seals `key` to `hq_public_pem`, or asks for it to be printed where there is no such key. Does nothing when done.
    ///
    /// # Errors
    /// [`OpenError::Escrow`] for a PEM that is no usable public key; faults while writing the sealed file.
    pub fn ensure(key: &StoreKey, key_file: &Path, hq_public_pem: Option<&[u8]>) -> Result<Self, OpenError> {
        let sealed_file = key_file.with_extension("key.sealed");
        match hq_public_pem {
            _ if sealed_file.exists() => Ok(Self::Kept),
            Some(pem) => {
                let text = sealed(key, pem).map_err(OpenError::Escrow)?;
                files::write(&sealed_file, text.as_bytes()).map_err(|source| OpenError::Io {
                    what: "write",
                    path: sealed_file.clone(),
                    source,
                })?;
                Ok(Self::Sealed(sealed_file))
            }
            None if key_file.with_extension("key.printed").exists() => Ok(Self::Kept),
            None => Ok(Self::PrintOnce(key.hex())),
        }
    }

    /// Remembers that the key was printed, so that it is not shown again.
    ///
    /// # Errors
    /// When the note beside `key_file` cannot be written.
    pub fn printed(key: &StoreKey, key_file: &Path) -> Result<(), OpenError> {
        let path = key_file.with_extension("key.printed");
        files::write(&path, format!("{}\n", key.fingerprint()).as_bytes()).map_err(|source| OpenError::Io {
            what: "write",
            path,
            source,
        })
    }
}

fn sealed(key: &StoreKey, hq_public_pem: &[u8]) -> Result<String, String> {
    let hq = PKey::public_key_from_pem(hq_public_pem).map_err(|_| "it is no public key in PEM".to_owned())?;
    let sealed = match hq.id() {
        Id::RSA if hq.bits() >= 2048 => to_rsa(key, &hq),
        Id::EC => to_p256(key, &hq),
        _ => return Err("it is neither RSA of 2048 bits or more nor P-256".to_owned()),
    };
    let sealed = sealed.map_err(|_| "the key does not take a seal".to_owned())?;
    serde_json::to_string_pretty(&sealed).map_err(|e| e.to_string())
}

fn to_rsa(key: &StoreKey, hq: &PKey<Public>) -> Result<Sealed, ErrorStack> {
    let mut encrypter = Encrypter::new(hq)?;
    encrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
    encrypter.set_rsa_oaep_md(MessageDigest::sha256())?;
    let mut out = vec![0; encrypter.encrypt_len(key.bytes())?];
    let length = encrypter.encrypt(key.bytes(), &mut out)?;
    out.truncate(length);
    Ok(Sealed {
        schema: 1,
        method: "rsa-oaep-sha256".to_owned(),
        fingerprint: key.fingerprint(),
        ephemeral: None,
        sealed: hex::encode(out),
    })
}

fn to_p256(key: &StoreKey, hq: &PKey<Public>) -> Result<Sealed, ErrorStack> {
    let ephemeral = EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?;
    let public = ephemeral.public_key_to_pem()?;
    let secret = agreed(&PKey::from_ec_key(ephemeral)?, hq)?;
    Ok(Sealed {
        schema: 1,
        method: "ecdh-p256-aes256gcm".to_owned(),
        fingerprint: key.fingerprint(),
        sealed: hex::encode(seal::seal(secret.key(), &public, key.bytes())),
        ephemeral: Some(String::from_utf8_lossy(&public).into_owned()),
    })
}

fn agreed(own: &PKey<Private>, other: &PKey<Public>) -> Result<StoreKey, ErrorStack> {
    let mut deriver = Deriver::new(own)?;
    deriver.set_peer(other)?;
    let secret = Zeroizing::new(deriver.derive_to_vec()?);
    let secret = StoreKey::from_bytes(&secret).ok_or_else(ErrorStack::get)?;
    Ok(secret.derive(EC_LABEL))
}

/// HQ's side: the store key out of a sealed file's text.
///
/// # Errors
/// A sentence, when the text is no sealed key or was sealed to another key.
pub fn unseal(text: &str, hq_private_pem: &[u8]) -> Result<StoreKey, String> {
    let sealed: Sealed = serde_json::from_str(text).map_err(|e| format!("this is no sealed store key: {e}"))?;
    let hq = PKey::private_key_from_pem(hq_private_pem).map_err(|_| "this is no private key in PEM".to_owned())?;
    let bytes = hex::decode(&sealed.sealed).map_err(|_| "the sealed part is not hexadecimal".to_owned())?;
    let key = match (sealed.method.as_str(), &sealed.ephemeral) {
        ("rsa-oaep-sha256", None) => from_rsa(&bytes, &hq).ok().flatten(),
        ("ecdh-p256-aes256gcm", Some(ephemeral)) => from_p256(&bytes, ephemeral, &hq).ok().flatten(),
        (other, _) => return Err(format!("unknown sealing method {other:?}")),
    };
    let key = key.ok_or_else(|| "this key was sealed to another HQ key, or the file is damaged".to_owned())?;
    if key.fingerprint() != sealed.fingerprint {
        return Err("the unsealed key does not match its fingerprint; the file is damaged".to_owned());
    }
    Ok(key)
}

fn from_rsa(bytes: &[u8], hq: &PKey<Private>) -> Result<Option<StoreKey>, ErrorStack> {
    let mut decrypter = Decrypter::new(hq)?;
    decrypter.set_rsa_padding(Padding::PKCS1_OAEP)?;
    decrypter.set_rsa_oaep_md(MessageDigest::sha256())?;
    let mut out = Zeroizing::new(vec![0; decrypter.decrypt_len(bytes)?]);
    let length = decrypter.decrypt(bytes, &mut out)?;
    Ok(StoreKey::from_bytes(&out[..length]))
}

fn from_p256(bytes: &[u8], ephemeral: &str, hq: &PKey<Private>) -> Result<Option<StoreKey>, ErrorStack> {
    let secret = agreed(hq, &PKey::public_key_from_pem(ephemeral.as_bytes())?)?;
    let plain = seal::open(secret.key(), ephemeral.as_bytes(), bytes);
    Ok(plain.and_then(|plain| StoreKey::from_bytes(&plain)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::rsa::Rsa;

    fn round_trip(hq: &PKey<Private>) {
        let key = StoreKey::parse(&"ab".repeat(32)).unwrap();
        let text = sealed(&key, &hq.public_key_to_pem().unwrap()).unwrap();
        let private = hq.private_key_to_pem_pkcs8().unwrap();
        assert_eq!(unseal(&text, &private).unwrap().bytes(), key.bytes());
        assert!(!text.contains(&"ab".repeat(32)), "the key itself must not stand in the file");
    }

    #[test]
    fn hq_unseals_what_was_sealed_to_it_and_nobody_else_does() {
        let rsa = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let (ec, other) = (EcKey::generate(&group).unwrap(), EcKey::generate(&group).unwrap());
        round_trip(&rsa);
        round_trip(&PKey::from_ec_key(ec.clone()).unwrap());
        let key = StoreKey::parse(&"01".repeat(32)).unwrap();
        let text = sealed(&key, &PKey::from_ec_key(ec).unwrap().public_key_to_pem().unwrap()).unwrap();
        let other = PKey::from_ec_key(other).unwrap().private_key_to_pem_pkcs8().unwrap();
        assert!(unseal(&text, &other).unwrap_err().contains("another HQ key"));
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        let key = StoreKey::parse(&"01".repeat(32)).unwrap();
        let small = PKey::from_rsa(Rsa::generate(1024).unwrap()).unwrap().public_key_to_pem().unwrap();
        let other = PKey::generate_ed25519().unwrap().public_key_to_pem().unwrap();
        for pem in [b"".to_vec(), b"-----BEGIN PUBLIC KEY-----".to_vec(), small, other] {
            assert!(sealed(&key, &pem).is_err());
        }
    }
}
