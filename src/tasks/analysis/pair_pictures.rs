//! The pictures of a pair for those who look at it: made when nobody asks for anything, kept by the store, and made again where
//! points, models or photographs have become others.

use super::{Analysis, AnalysisError, AnalysisHandle, Command, pairs::Pair};
use crate::{
    analysis::job::{PictureKind, PictureOf},
    clock,
    domain::{
        CaptureId, Timestamp,
        comparison::{Drawn, Refusal},
        metric::MetricId,
        score::Engine,
    },
    faults,
    store::{NewChange, NewPair, NewPictures, StoreError},
    tasks::analysis::PairPicture,
};
use openssl::sha::Sha256;
use std::collections::{BTreeMap, VecDeque};

/// A visit that was closed longer ago has the pictures that it has: a gateway that was just brought up to date does not draw those
/// of years.
const LOOKED_BACK_MS: i64 = 2 * 86_400_000;

/// Part of what pictures are made from: grows when they are drawn otherwise.
const MANNER: &str = "pictures of a pair 1";

/// Pairs whose pictures are to be looked at, before and after; each once.
#[derive(Debug, Default)]
pub(super) struct Due(VecDeque<(CaptureId, CaptureId)>);

impl Due {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn add(&mut self, pairs: Vec<(CaptureId, CaptureId)>) {
        for pair in pairs {
            if !self.0.contains(&pair) {
                self.0.push_back(pair);
            }
        }
    }
}

impl AnalysisHandle {
    /// Photographs were struck out, restored, moved or agreed to again: pairs that have come about get their pictures. Waits only
    /// for a place in the queue; while the gateway stops, they get them after the next start.
    pub async fn look_at_pairs(&self) {
        let _ = self.commands.send(Command::LookAtPairs).await;
    }
}

impl Analysis {
    /// The pairs of one photograph are looked at once nobody waits for anything.
    pub(super) async fn pictures_due(&mut self, capture: CaptureId) {
        match self.store.pairs_of(capture).await {
            Ok(pairs) => self.due.add(pairs),
            Err(error) => tracing::warn!(%capture, %error, "the pairs of a photograph cannot be listed"),
        }
    }

    /// The same for all of open visits, and for those closed lately that nobody tried.
    pub(super) async fn all_pictures_due(&mut self) {
        let since = Timestamp::from_unix_ms(clock::now().wall.unix_ms() - LOOKED_BACK_MS);
        match self.store.pairs_to_look_at(since).await {
            Ok(pairs) => self.due.add(pairs),
            Err(error) => tracing::error!(%error, "pairs of photographs cannot be listed"),
        }
    }

    /// Makes the pictures of the next pair, unless those that stand were made from the same.
    pub(super) async fn draw_next(&mut self) {
        if let Some(pair) = self.due.0.pop_front() {
            self.draw_or_later(pair).await;
        }
    }

    /// The pairs of a photograph of which the store could not keep something.
    pub(super) async fn draw_again(&mut self, capture: CaptureId) {
        match self.store.pairs_of(capture).await {
            Ok(pairs) => {
                for pair in pairs {
                    self.draw_or_later(pair).await;
                }
            }
            Err(error) => tracing::warn!(%capture, %error, "the pairs of a photograph cannot be listed"),
        }
    }

    async fn draw_or_later(&mut self, (before, after): (CaptureId, CaptureId)) {
        match self.draw(before, after).await {
            Ok(()) => {}
            // Its analysis, which comes next, asks for it again.
            Err(AnalysisError::Store(StoreError::Refused(why))) => {
                tracing::info!(%after, why, "pictures of a pair were not kept")
            }
            Err(error) => {
                tracing::warn!(%after, %error, "no pictures of a pair were made");
                if let AnalysisError::Store(fault) = error {
                    self.later.note(after, &fault);
                }
            }
        }
    }

    async fn draw(&mut self, before: CaptureId, after: CaptureId) -> Result<(), AnalysisError> {
        let basis = self.basis(before, after).await?;
        if self.store.pair_basis(after).await? == Some(basis) {
            return Ok(());
        }
        let pair = self.stored(before, after).await?;
        let made = if pair.cameras[0] == pair.cameras[1] {
            let (pictures, refused) = self.drawn(&pair, None).await?;
            made(pictures, &refused)
        } else {
            Err(Refusal::CameraDiffers)
        };
        faults::point("analysis.pair.drawn");
        if self.worker.has_strikes() {
            // A model may be missing in them; they are looked at again with the next photograph or start.
            return Ok(());
        }
        let Pair { anchors, .. } = pair;
        Ok(self.store.save_pair(NewPair { before, after, basis, anchors, made }).await?)
    }

    /// Digest of all that the pictures are made from.
    async fn basis(&self, before: CaptureId, after: CaptureId) -> Result<[u8; 32], AnalysisError> {
        let mut hash = Sha256::new();
        hash.update(MANNER.as_bytes());
        for capture in [before, after] {
            let about = self.store.capture(capture).await?;
            hash.update(&capture.bits().to_be_bytes());
            for value in about.anchors.as_flattened() {
                hash.update(&value.to_be_bytes());
            }
        }
        let mut engines: Vec<&Engine> =
            self.models.iter().filter(|m| !m.manifest.scores.is_empty()).map(|model| &model.engine).collect();
        engines.sort_by(|a, b| a.model.cmp(&b.model));
        for Engine { model, model_version, model_digest, provider } in engines {
            for text in [model, model_version, model_digest, provider] {
                hash.update(text.as_bytes());
                hash.update(b"\n");
            }
        }
        Ok(hash.finish())
    }
}

/// What the process drew as the store keeps it; without both photographs laid onto each other the refusal that most regions met.
fn made(pictures: Vec<PairPicture>, refused: &[String]) -> Result<NewPictures, Refusal> {
    let (mut before, mut after, mut changes) = (None, None, Vec::new());
    for PairPicture { of: PictureOf { kind, metric }, bytes } in pictures {
        let drawn = match kind {
            PictureKind::Before => {
                before = Some(bytes);
                continue;
            }
            PictureKind::SameExposure => {
                after = Some(bytes);
                continue;
            }
            PictureKind::Aligned => continue,
            PictureKind::Change => Drawn::Marks,
            PictureKind::Strength | PictureKind::Redness => Drawn::Tint,
        };
        if let Some(metric) = metric.and_then(|metric| MetricId::new(&metric).ok()) {
            changes.push(NewChange { metric, drawn, bytes });
        }
    }
    before.zip(after).map(|(before, after)| NewPictures { before, after, changes }).ok_or_else(|| most(refused))
}

fn most(refused: &[String]) -> Refusal {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for word in refused {
        *counts.entry(word).or_default() += 1;
    }
    let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(word, _)| word);
    most.and_then(|word| word.parse().ok()).unwrap_or(Refusal::NotRegistered)
}
