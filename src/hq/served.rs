//! A router behind a door of headquarters': in plain on this machine or behind a proxy, else over TLS with a certificate that is looked at
//! again now and then, so that a renewed one needs no restart.

use super::HqError;
use crate::doorway::{self, Door, Patience, tls::Secured};
use axum::Router;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether the certificate was renewed.
const LOOK: Duration = Duration::from_secs(60);

/// Serves until `stop`. `tls`: certificate chain and private key (PKCS#8), PEM.
///
/// # Errors
/// [`HqError::File`] or [`HqError::Config`] for a certificate that cannot be served.
pub(super) async fn serve(
    door: Door,
    tls: Option<(PathBuf, PathBuf)>,
    router: Router,
    patience: Patience,
    stop: CancellationToken,
) -> Result<(), HqError> {
    let Some((certificate, key)) = tls else {
        doorway::serve(door, router, patience, stop).await;
        return Ok(());
    };
    let mut served = (read(&certificate)?, read(&key)?);
    let unusable = |fault: native_tls::Error| HqError::Config { path: certificate.clone(), reason: fault.to_string() };
    let (secured, renewal) = Secured::new(door, &served.0, &served.1).map_err(unusable)?;
    let renewing = async {
        loop {
            sleep(LOOK).await;
            let Ok(fresh) = read(&certificate).and_then(|chain| Ok((chain, read(&key)?))) else { continue };
            if fresh == served {
                continue;
            }
            // Between the two files' writing they do not fit: the next look finds both.
            if renewal.replace(&fresh.0, &fresh.1).is_ok() {
                tracing::info!(certificate = %certificate.display(), "a renewed certificate is served");
                served = fresh;
            }
        }
    };
    tokio::select! {
        () = doorway::serve(secured, router, patience, stop) => {}
        () = renewing => {}
    }
    Ok(())
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>, HqError> {
    fs::read(path).map_err(|source| HqError::File { path: path.to_owned(), source })
}
