//! The salon's own authority, for tablets to install: its certificate as a file that iPads, Androids and Windows take, and its
//! fingerprint, by which whoever installs it sees that nobody in the network put another one in its place.

use super::{AppState, error::WebError};
use axum::{
    extract::State,
    http::header,
    response::{IntoResponse, Response},
};
use openssl::{error::ErrorStack, hash::MessageDigest, x509::X509};

/// The authority that tablets must trust. Its private key is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trust {
    /// DER: what every system takes by a tap.
    pub certificate: Vec<u8>,
    /// SHA-256 of it in groups of four hexadecimal digits, as systems show it.
    pub fingerprint: String,
    /// Where tablets open the pages: `https://skinlink.local:8443`.
    pub addresses: Vec<String>,
}

impl Trust {
    /// # Errors
    /// When `pem` is no certificate.
    pub fn new(pem: &[u8], names: &[String], port: u16) -> Result<Self, ErrorStack> {
        let certificate = X509::from_pem(pem)?;
        let digits = hex::encode_upper(certificate.digest(MessageDigest::sha256())?);
        let groups: Vec<&str> = (0..digits.len()).step_by(4).map(|at| &digits[at..at + 4]).collect();
        let port = if port == 443 { String::new() } else { format!(":{port}") };
        // An address of IPv6 stands in brackets.
        let host = |name: &String| if name.contains(':') { format!("[{name}]") } else { name.clone() };
        let addresses = names.iter().map(|name| format!("https://{}{port}", host(name)));
        Ok(Self { certificate: certificate.to_der()?, fingerprint: groups.join(" "), addresses: addresses.collect() })
    }
}

/// `GET /trust/skinlink-ca.crt`
pub async fn certificate(State(state): State<AppState>) -> Result<Response, WebError> {
    let trust = state.trust.as_deref().ok_or_else(|| WebError::not_found("certificate; web.lan is not set"))?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-x509-ca-cert"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"skinlink-ca.crt\""),
    ];
    Ok((headers, trust.certificate.clone()).into_response())
}
