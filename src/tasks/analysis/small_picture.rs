//! The small pictures of a photograph, for report and HQ: made from the original, kept by the store, and made again where the
//! store could not keep them.

use super::{Analysis, AnalysisError};
use crate::{
    analysis::derivative::Small,
    domain::{CaptureId, capture::Format},
    faults,
    store::StoreError,
    sync::image_lane::Role,
};
use std::{collections::BTreeSet, future::pending, mem, time::Duration};
use tokio::time::{Instant, sleep_until};

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

    /// What is to be kept of this photograph is made again where the fault is one that passes.
    pub fn note(&mut self, capture: CaptureId, fault: &StoreError) {
        if let StoreError::NotCommitted(_) | StoreError::Full | StoreError::LowDisk { .. } | StoreError::Io { .. } =
            fault
        {
            self.captures.insert(capture);
            self.at.get_or_insert_with(|| Instant::now() + AGAIN * 2_u32.pow(self.tries));
        }
    }
}

impl Analysis {
    /// HQ is owed the small picture: a fault of the store's must not leave it to the next start.
    pub(super) async fn derive_or_later(&mut self, capture: CaptureId) {
        let Err(error) = self.derive(capture).await else { return };
        tracing::warn!(%capture, %error, "no small picture was made");
        let AnalysisError::Store(fault) = error else { return };
        self.later.note(capture, &fault);
    }

    pub(super) async fn derive_again(&mut self) {
        let Later { captures, tries, .. } = mem::take(&mut self.later);
        self.later.tries = (tries + 1).min(DOUBLINGS);
        for capture in captures {
            self.derive_or_later(capture).await;
            self.draw_again(capture).await;
        }
        if self.later.at.is_none() {
            self.later.tries = 0;
        }
    }

    /// Makes the small pictures for report and HQ, unless an earlier run did. The report's is kept last: where it is, both are.
    async fn derive(&mut self, capture: CaptureId) -> Result<(), AnalysisError> {
        if self.store.has_picture(capture, Role::Report).await? {
            return Ok(());
        }
        let original = self.store.capture_bytes(capture).await?;
        let Small { report, derivative } = self.worker.derive(&original).await?;
        faults::point("analysis.derivative.made");
        if !self.store.has_picture(capture, Role::Derivative).await? {
            self.store.save_picture(capture, Role::Derivative, Format::Jpeg, derivative).await?;
        }
        self.store.save_picture(capture, Role::Report, Format::Jpeg, report).await?;
        faults::point("analysis.derivative.confirmed");
        Ok(())
    }
}
