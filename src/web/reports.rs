//! The store's own desk: what the customers' links open here, and what they say here.

use crate::{
    clock,
    desk::{Away, Digest, Heard, Opened, Reports, Said},
    store::{NewFeedback, PictureRole, Store, StoreError},
};

/// The store's reports.
#[derive(Debug, Clone)]
pub struct OfStore(pub Store);

fn away(fault: &StoreError) -> Away {
    tracing::error!(%fault, "a customer's report cannot be read");
    Away
}

impl Reports for OfStore {
    async fn open(&self, token: Digest) -> Result<Option<Opened>, Away> {
        let open = self.0.open_report(token, clock::now().wall).await.map_err(|fault| away(&fault))?;
        Ok(open.map(|report| Opened { sheet: report.sheet, expires: report.expires }))
    }

    async fn picture(
        &self,
        _: Digest,
        capture: String,
        role: PictureRole,
    ) -> Result<Option<(&'static str, Vec<u8>)>, Away> {
        let Ok(capture) = capture.parse() else { return Ok(None) };
        match self.0.shown_picture(capture, role).await {
            Err(
                StoreError::Picture { .. }
                | StoreError::PictureGone(_)
                | StoreError::Erased
                | StoreError::KeyMissing { .. },
            ) => Ok(None),
            picture => picture.map_err(|fault| away(&fault)),
        }
    }

    async fn say(&self, token: Digest, said: Vec<Said>) -> Result<Heard, Away> {
        let now = clock::now().wall;
        let Some(report) = self.0.open_report(token, now).await.map_err(|fault| away(&fault))? else {
            return Ok(Heard::Closed);
        };
        let new = said.into_iter().map(|Said { id, topic, stars, words }| NewFeedback {
            id,
            visit: report.visit,
            topic,
            stars,
            words,
            given: now,
            at_hq: false,
        });
        match self.0.hear_feedback(new.collect()).await {
            Ok(true) => Ok(Heard::Kept),
            Ok(false) => Ok(Heard::Full),
            // Erased in between.
            Err(StoreError::NotFound { .. }) => Ok(Heard::Closed),
            Err(fault) => Err(away(&fault)),
        }
    }
}
