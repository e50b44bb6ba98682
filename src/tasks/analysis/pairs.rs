//! Pairs of photographs of one view: what changed between them, in numbers and in pictures.

use super::{AHEAD, Analysis, AnalysisError, AnalysisHandle, Command, engine};
use crate::{
    analysis::{
        compare::PairedResult,
        job::{PairedMeasure, PictureOf, Reply, Request},
    },
    domain::{CaptureId, metric::MetricId},
    faults,
};

/// What white looked like in each picture; see [`Request::Pictures`].
pub type Whites = [[f64; 3]; 2];

/// A picture of a pair for the report: JPEG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairPicture {
    pub of: PictureOf,
    pub bytes: Vec<u8>,
}

impl AnalysisHandle {
    /// Paired measures of two stored photographs of one view; nothing is stored.
    ///
    /// # Errors
    /// [`AnalysisError`]; a pair that cannot be compared is an `Ok` with refusals.
    pub async fn pair(&self, before: CaptureId, after: CaptureId) -> Result<Vec<PairedResult>, AnalysisError> {
        self.ask(|reply| Command::Pair { before, after, reply }).await
    }

    /// Pictures of two stored photographs of one view: aligned, at the same exposure, where what changed; nothing is
    /// stored. Empty where the photographs do not belong together.
    ///
    /// # Errors
    /// [`AnalysisError`].
    pub async fn pictures(
        &self,
        before: CaptureId,
        after: CaptureId,
        whites: Option<Whites>,
    ) -> Result<Vec<PairPicture>, AnalysisError> {
        self.ask(|reply| Command::Pictures { before, after, whites, reply }).await
    }
}

impl Analysis {
    /// What follows the scores: the small picture, and the pair where its other half is there.
    pub(super) async fn finish(&mut self, capture: CaptureId) {
        self.derive_or_later(capture).await;
        if let Err(error) = self.pair_ahead(capture).await {
            tracing::warn!(%capture, %error, "the pair was not measured ahead");
        }
        self.pictures_due(capture).await;
    }

    /// A pair takes seconds: it is measured as soon as its second photograph is there, not when somebody waits for the
    /// comparison.
    pub(super) async fn pair_ahead(&mut self, after: CaptureId) -> Result<(), AnalysisError> {
        if let Some(before) = self.store.partner_of(after).await? {
            self.pair(before, after).await?;
        }
        Ok(())
    }

    /// A photograph is measured anew because its points were set: what was found with it by the old ones no longer holds.
    pub(super) fn forget_pairs_of(&mut self, capture: CaptureId) {
        self.paired.retain(|((before, after), _)| ![*before, *after].contains(&capture));
    }

    pub(super) async fn pair(
        &mut self,
        before: CaptureId,
        after: CaptureId,
    ) -> Result<Vec<PairedResult>, AnalysisError> {
        if let Some((_, known)) = self.paired.iter().find(|(pair, _)| *pair == (before, after)) {
            return Ok(known.clone());
        }
        let measured = self.measure_pair(before, after).await?;
        faults::point("analysis.pair.measured");
        if self.worker.has_strikes() {
            // A model may be missing in it.
            return Ok(measured);
        }
        if self.paired.len() == AHEAD {
            self.paired.pop_front();
        }
        self.paired.push_back(((before, after), measured.clone()));
        Ok(measured)
    }

    pub(super) async fn pictures(
        &mut self,
        before: CaptureId,
        after: CaptureId,
        whites: Option<Whites>,
    ) -> Result<Vec<PairPicture>, AnalysisError> {
        let pair = self.stored(before, after).await?;
        Ok(self.drawn(&pair, whites).await?.0)
    }

    /// The pictures, and the words of the refusals by region.
    pub(super) async fn drawn(
        &mut self,
        pair: &Pair,
        whites: Option<Whites>,
    ) -> Result<(Vec<PairPicture>, Vec<String>), AnalysisError> {
        let Pair { view, anchors: [before_anchors, after_anchors], cameras, pictures: [first, second] } = pair;
        let request = Request::Pictures {
            view: view.clone(),
            before_anchors: *before_anchors,
            after_anchors: *after_anchors,
            cameras: cameras.clone(),
            whites,
        };
        match self.worker.ask_for_parts(&request, &[first, second]).await? {
            (Reply::Pictures(named), parts) => {
                let refused = named.refused.into_iter().map(|(_, word)| word).collect();
                let named = named.pictures.into_iter().zip(parts);
                Ok((named.map(|(of, bytes)| PairPicture { of, bytes }).collect(), refused))
            }
            (other, _) => Err(self.worker.garbage(&other).into()),
        }
    }

    async fn measure_pair(&mut self, before: CaptureId, after: CaptureId) -> Result<Vec<PairedResult>, AnalysisError> {
        let Pair { view, anchors: [before_anchors, after_anchors], cameras: _, pictures: [first, second] } =
            self.stored(before, after).await?;
        let whole = Request::Paired { view: view.clone(), before_anchors, after_anchors };
        let by = |models| Request::PairedBy { view: view.clone(), before_anchors, after_anchors, models };
        let measures = self.measures_of(whole, by, [&first, &second]).await?;
        Ok(measures.iter().filter_map(|measure| result(before, after, measure)).collect())
    }

    pub(super) async fn stored(&self, before: CaptureId, after: CaptureId) -> Result<Pair, AnalysisError> {
        let (first, second) = (self.store.capture(before).await?, self.store.capture(after).await?);
        if first.view != second.view {
            return Err(AnalysisError::ViewsDiffer);
        }
        let pictures = [self.store.capture_bytes(before).await?, self.store.capture_bytes(after).await?];
        let (anchors, cameras) = ([first.anchors, second.anchors], [first.camera, second.camera]);
        Ok(Pair { view: first.view.to_string(), anchors, cameras, pictures })
    }
}

/// Two photographs of one view, before first.
pub(super) struct Pair {
    pub view: String,
    pub anchors: [[[f64; 2]; 2]; 2],
    pub cameras: [String; 2],
    pub pictures: [Vec<u8>; 2],
}

fn result(before: CaptureId, after: CaptureId, measure: &PairedMeasure) -> Option<PairedResult> {
    Some(PairedResult {
        before,
        after,
        engine: engine(&measure.model),
        metric: MetricId::new(&measure.metric).ok()?,
        region: measure.region.parse().ok()?,
        outcome: measure.outcome(),
        levels: measure.levels,
    })
}
