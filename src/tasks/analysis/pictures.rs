//! Pictures of a pair for the report, drawn by the inference process from two stored photographs.

use super::{Analysis, AnalysisError};
use crate::{
    analysis::job::{PictureOf, Reply, Request},
    domain::CaptureId,
};

/// What white looked like in each picture; see [`Request::Pictures`].
pub type Whites = [[f64; 3]; 2];

/// A picture of a pair for the report: JPEG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairPicture {
    pub of: PictureOf,
    pub bytes: Vec<u8>,
}

impl Analysis {
    pub(super) async fn pictures(
        &mut self,
        before: CaptureId,
        after: CaptureId,
        whites: Option<Whites>,
    ) -> Result<Vec<PairPicture>, AnalysisError> {
        let (first, second) = (self.store.capture(before).await?, self.store.capture(after).await?);
        if first.view != second.view {
            return Err(AnalysisError::ViewsDiffer);
        }
        let pictures = [self.store.capture_bytes(before).await?, self.store.capture_bytes(after).await?];
        let request = Request::Pictures {
            view: first.view.to_string(),
            before_anchors: first.anchors,
            after_anchors: second.anchors,
            whites,
        };
        match self.worker.ask_for_parts(&request, &[&pictures[0], &pictures[1]]).await? {
            (Reply::Pictures(named), parts) => {
                let named = named.pictures.into_iter().zip(parts);
                Ok(named.map(|(of, bytes)| PairPicture { of, bytes }).collect())
            }
            (other, _) => Err(self.worker.garbage(&other).into()),
        }
    }
}
