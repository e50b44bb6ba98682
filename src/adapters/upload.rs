//! One sealed picture to the address that headquarters named: HTTP PUT with a known length, in pieces, so that it takes no
//! more of the line than it may.

use crate::ports::{Parcel, UploadError, Uploader};
use futures_util::stream;
use reqwest::{
    Body, Certificate, Client,
    header::{CONTENT_LENGTH, CONTENT_TYPE},
};
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Handed to the line at once.
const PIECE: usize = 16 * 1024;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Slower than this it is given up and begun again: 64 kbit/s.
const SLOWEST: u64 = 8 * 1024;

/// What the sync task is handed for it.
#[must_use]
pub fn uploader() -> Uploader {
    Uploader::new(|parcel| Box::pin(put(parcel)))
}

async fn put(parcel: Parcel) -> Result<(), UploadError> {
    let Parcel { url, authority, bytes, rate } = parcel;
    let length = bytes.len() as u64;
    let slowest = rate.map_or(SLOWEST, |rate| rate.min(SLOWEST)).max(1);
    let limit = Duration::from_secs(60 + length / slowest);
    // The address holds a signature: it is for nobody's log.
    let line = |fault: reqwest::Error| UploadError::Line(fault.without_url().to_string());
    let mut client = Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(limit).tls_built_in_root_certs(false);
    if !authority.is_empty() {
        client = client.add_root_certificate(Certificate::from_pem(authority.as_bytes()).map_err(line)?);
    }
    let request = client.build().map_err(line)?.put(url).header(CONTENT_LENGTH, length);
    let request = request.header(CONTENT_TYPE, "application/octet-stream").body(paced(bytes, rate));
    let answer = request.send().await.map_err(line)?;
    let status = answer.status();
    if status.is_success() {
        return Ok(());
    }
    let said = answer.text().await.unwrap_or_default();
    let code = said.split("<Code>").nth(1).and_then(|rest| rest.split("</Code>").next()).unwrap_or_default();
    Err(UploadError::Refused(format!("{status} {}", code.chars().take(60).collect::<String>())))
}

/// The bytes in pieces, none before its time.
fn paced(bytes: Vec<u8>, rate: Option<u64>) -> Body {
    let began = Instant::now();
    Body::wrap_stream(stream::unfold((bytes, 0_usize), move |(bytes, at)| async move {
        if at >= bytes.len() {
            return None;
        }
        if let Some(rate) = rate {
            sleep_until(began + Duration::from_secs_f64(at as f64 / rate.max(1) as f64)).await;
        }
        let end = bytes.len().min(at + PIECE);
        let piece = bytes[at..end].to_vec();
        Some((Ok::<_, std::io::Error>(piece), (bytes, end)))
    }))
}
