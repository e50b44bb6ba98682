//! The gates on a photograph that is held against an earlier one, and the earlier one's points carried over to it.

use super::{Analysis, AnalysisError, one_by_one::is_lethal};
use crate::{
    analysis::{
        job::{Carried, Gated, Placed, Reply, Request, Thing},
        quality::Complaint,
        regions::Proposal,
    },
    domain::{
        CaptureId,
        capture::{Capture, FacePoints, View},
    },
};

/// Where a photograph's face lies, with the nose where somebody set it.
fn placed(capture: &Capture) -> Placed {
    Placed { anchors: capture.anchors, nose: capture.points.as_ref().map(|set| set.points.nose) }
}

impl Analysis {
    /// The gates, also against `before` where it can still be read.
    pub(super) async fn gate(
        &mut self,
        view: View,
        shot: Placed,
        picture: &[u8],
        before: Option<CaptureId>,
    ) -> Result<Gated, AnalysisError> {
        let mut earlier = None;
        if let Some(before) = before {
            earlier = Some((placed(&self.store.capture(before).await?), self.store.capture_bytes(before).await?));
        }
        let request = Request::Gate { view: view.to_string(), shot, before: earlier.as_ref().map(|(at, _)| *at) };
        let parts: Vec<&[u8]> = [picture].into_iter().chain(earlier.as_ref().map(|(_, bytes)| &bytes[..])).collect();
        match self.worker.ask(&request, &parts).await? {
            Reply::Gated(gated) => Ok(gated),
            other => Err(self.worker.garbage(&other).into()),
        }
    }

    /// Judges a photograph anew once its points are set: only then can the gates see where the nose is, and at which scale. What was
    /// said against its before picture stays.
    pub(super) async fn judge_again(&mut self, capture: &Capture, picture: &[u8]) -> Result<(), AnalysisError> {
        if capture.points.is_none() {
            return Ok(());
        }
        let gated = self.gate(capture.view, placed(capture), picture, None).await?;
        let of_a_pair = |word: &&String| word.parse().is_ok_and(Complaint::is_of_a_pair);
        let mut complaints: Vec<String> = gated.failed.into_iter().map(|failed| failed.gate).collect();
        complaints.dedup();
        complaints.extend(capture.complaints.iter().filter(of_a_pair).cloned());
        if complaints != capture.complaints {
            self.store.set_complaints(capture.id, complaints).await?;
        }
        Ok(())
    }

    /// Takes the points of an earlier photograph over, where a person confirmed them there and both match. A photograph that does
    /// not match keeps the points it has.
    pub(super) async fn inherit(&mut self, capture: CaptureId) {
        match self.carried(capture).await {
            Ok(Some(Carried { anchors, nose })) => {
                let kept = self.store.inherit_points(capture, FacePoints { anchors, nose }).await;
                if let Err(error) = kept {
                    tracing::warn!(%capture, %error, "points that were carried over could not be kept");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::warn!(%capture, %error, "no points were carried over"),
        }
    }

    /// Asks the detectors of the models in use where the face lies, for a photograph of which nobody has said so. The first one
    /// that is confident and plausible counts, until a person confirms.
    pub(super) async fn propose(&mut self, capture: &Capture, picture: &[u8]) {
        // Only where both eyes are the anchors does a common detector know them.
        let view = self.faces.as_ref().and_then(|faces| faces.view(capture.view)).filter(|view| view.eyes);
        let Some(view) = view.cloned() else { return };
        let detecting = self.models.iter().filter(|model| model.manifest.detectors.iter().any(|d| d.points.len() >= 3));
        let detecting: Vec<String> = detecting.map(|model| model.engine.model.clone()).collect();
        for model in detecting {
            let request = Request::Evaluate { model: model.clone(), face: None, px_per_mm: None };
            let asked = self.worker.ask(&request, &[picture]).await;
            let asked = asked.and_then(|reply| match reply {
                Reply::Evaluated(seen) => Ok(seen),
                other => Err(self.worker.garbage(&other)),
            });
            let seen = match asked.map_err(AnalysisError::from) {
                Ok(seen) => seen,
                Err(error) if is_lethal(&error) => {
                    self.died_of(&model, &error);
                    continue;
                }
                Err(error) => {
                    tracing::warn!(capture = %capture.id, model, %error, "no points were proposed");
                    continue;
                }
            };
            let best = seen.found.iter().max_by(|a, b| a.score.total_cmp(&b.score)).and_then(proposal);
            let accepted = best.and_then(|proposal| view.accept(&proposal, seen.width, seen.height));
            let Some(points) = accepted else { continue };
            if let Err(error) = self.store.propose_points(capture.id, points).await {
                tracing::warn!(capture = %capture.id, %error, "proposed points could not be kept");
            }
            return;
        }
    }

    async fn carried(&mut self, capture: CaptureId) -> Result<Option<Carried>, AnalysisError> {
        let Some(baseline) = self.store.baseline_of(capture).await? else { return Ok(None) };
        if self.store.has_carried_from(capture, baseline).await? {
            return Ok(None);
        }
        let about = self.store.capture(capture).await?;
        let picture = self.store.capture_bytes(capture).await?;
        let shot = Placed { anchors: about.anchors, nose: None };
        Ok(self.gate(about.view, shot, &picture, Some(baseline)).await?.inherited)
    }
}

/// The eyes and the tip of the nose among a detector's points, by the names its manifest gives them.
fn proposal(thing: &Thing) -> Option<Proposal> {
    let at = |name: &str| thing.points.iter().find(|point| point.name == name).map(|point| point.at);
    let points = FacePoints { anchors: [at("right_eye")?, at("left_eye")?], nose: at("nose")? };
    Some(Proposal { points, confidence: thing.score })
}
