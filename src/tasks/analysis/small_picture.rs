//! The small picture of a photograph, for report and HQ: made from the original, kept by the store, and made again where the
//! store could not keep it.

use super::{Analysis, AnalysisError, ChildError};
use crate::{
    analysis::{derivative, door},
    domain::{CaptureId, capture::Format},
    faults,
    store::StoreError,
    sync::image_lane::Role,
};
use std::{collections::BTreeSet, future::pending, mem, time::Duration};
use tokio::{
    task::spawn_blocking,
    time::{Instant, sleep_until},
};

/// A small picture that the store could not keep (a full disk, a visit that was moved while it was written) is made again after
/// this, and after twice as long each time up to six doublings: it takes a second of work.
const AGAIN: Duration = Duration::from_secs(5);
const DOUBLINGS: u32 = 6;

/// Photographs whose small picture the store could not keep.
#[derive(Debug, Default)]
pub(super) struct Later {
    captures: BTreeSet<CaptureId>,
    at: Option<Instant>,
    tries: u32,
}

impl Later {
    /// Waits until it is time to make them again; for ever while there is none. Cancel-safe.
    pub async fn due(&self) {
        match self.at {
            Some(at) => sleep_until(at).await,
            None => pending().await,
        }
    }
}

impl Analysis {
    /// HQ is owed the small picture: a fault of the store's must not leave it to the next start.
    pub(super) async fn derive_or_later(&mut self, capture: CaptureId) {
        let Err(error) = self.derive(capture).await else { return };
        tracing::warn!(%capture, %error, "no small picture was made");
        let AnalysisError::Store(fault) = error else { return };
        if let StoreError::NotCommitted(_) | StoreError::Full | StoreError::LowDisk { .. } | StoreError::Io { .. } =
            fault
        {
            let Later { captures, at, tries } = &mut self.later;
            captures.insert(capture);
            at.get_or_insert_with(|| Instant::now() + AGAIN * 2_u32.pow(*tries));
        }
    }

    pub(super) async fn derive_again(&mut self) {
        let Later { captures, tries, .. } = mem::take(&mut self.later);
        self.later.tries = (tries + 1).min(DOUBLINGS);
        for capture in captures {
            self.derive_or_later(capture).await;
        }
        if self.later.at.is_none() {
            self.later.tries = 0;
        }
    }

    /// Makes the small picture for report and HQ, unless an earlier run did.
    async fn derive(&mut self, capture: CaptureId) -> Result<(), AnalysisError> {
        if self.store.has_picture(capture, Role::Report).await? {
            return Ok(());
        }
        let original = self.store.capture_bytes(capture).await?;
        let small = match self.worker.derive(&original).await {
            // Without the inference process HQ is owed the picture nevertheless.
            Err(ChildError::Start(_)) => derived_here(original).await?,
            made => made?,
        };
        faults::point("analysis.derivative.made");
        self.store.save_picture(capture, Role::Report, Format::Jpeg, small).await?;
        faults::point("analysis.derivative.confirmed");
        Ok(())
    }
}

async fn derived_here(original: Vec<u8>) -> Result<Vec<u8>, AnalysisError> {
    let made = spawn_blocking(move || {
        let admitted = door::admit(&original).map_err(|fault| fault.to_string())?;
        derivative::derive(&admitted).map_err(|fault| fault.to_string())
    });
    made.await.map_err(|fault| fault.to_string()).flatten().map_err(AnalysisError::Picture)
}
