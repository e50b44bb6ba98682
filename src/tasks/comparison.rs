//! Draws a comparison: chooses the two scans, lets [`crate::analysis`] judge, keeps the result.
//!
//! Within one visit the last finished *before* is held against the last finished *after*. Against the first or the last
//! visit, this visit's *after* (or, where there is none, its *before*) is held against the same phase of that visit, or the
//! other phase where that visit has only one. Struck-out records take no part.

use crate::{
    analysis::{
        colour_repeats::{self, ColourRepeats},
        compare::{self, PairedResult, Question, Side},
        manifest::{Manifest, ScoreRepeatability},
    },
    clock,
    domain::{
        ComparisonId, VisitId,
        capture::{Capture, View},
        comparison::{Baseline, Comparison},
        metric::{Metric, Repeatability},
        reading::Reading,
        scan::{Phase, ScanState},
        score::Score,
        visit::VisitState,
    },
    faults,
    protocol::Spec,
    store::{ScanView, Store, StoreError, VisitView},
    tasks::analysis::AnalysisHandle,
};
use std::sync::Arc;

/// What is known of how far devices and models repeat themselves.
#[derive(Debug, Clone)]
pub struct Judges {
    pub metrics: Arc<[Metric]>,
    pub specs: Vec<Arc<Spec>>,
    pub manifests: Vec<Arc<Manifest>>,
    /// Of colours, which no model reads.
    pub colours: Arc<[ColourRepeats]>,
}

/// Why nothing was compared.
#[derive(Debug, thiserror::Error)]
pub enum DrawError {
    #[error("the visit has no finished scan from {0}; measure and finish it first")]
    NoScan(Phase),
    #[error("the customer has no earlier visit with a finished scan; compare within this visit")]
    NoEarlierVisit,
    #[error("the visit is voided; restore it first")]
    Voided,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The standing part of one scan.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    pub readings: Vec<Reading>,
    pub captures: Vec<Capture>,
    pub scores: Vec<Score>,
}

/// The two scans that are held against each other.
#[derive(Debug, Clone)]
pub struct Chosen {
    pub baseline: Baseline,
    pub before: ScanView,
    pub after: ScanView,
}

impl Standing {
    /// What of `scan` was not struck out.
    #[must_use]
    pub fn of(scan: &ScanView) -> Self {
        let captures: Vec<Capture> = scan.captures.iter().filter(|e| !e.voided).map(|e| e.item.clone()).collect();
        let of_standing = |score: &&Score| captures.iter().any(|capture| capture.id == score.capture);
        Self {
            readings: scan.readings.iter().filter(|e| !e.voided).map(|e| e.item.clone()).collect(),
            scores: scan.scores.iter().filter(of_standing).cloned().collect(),
            captures,
        }
    }

    const fn side(&self) -> Side<'_> {
        Side { readings: self.readings.as_slice(), scores: self.scores.as_slice(), captures: self.captures.as_slice() }
    }
}

impl Judges {
    /// The same with the models in use now.
    #[must_use]
    pub fn with_models(&self, manifests: impl Iterator<Item = Manifest>) -> Self {
        let Self { metrics, specs, manifests: _, colours } = self.clone();
        Self { metrics, specs, manifests: manifests.map(Arc::new).collect(), colours }
    }

    fn device(&self, reading: &Reading) -> Option<Repeatability> {
        let device = &reading.device;
        let of = |spec: &&Arc<Spec>| spec.id == device.protocol && spec.version == device.protocol_version;
        self.specs.iter().find(of)?.repeatability(&reading.metric).cloned()
    }

    /// `captures`: those behind the scores of that side.
    fn model(&self, score: &Score, captures: &[Capture]) -> Option<ScoreRepeatability> {
        let engine = &score.engine;
        if let Some(capture) = captures.iter().find(|capture| capture.id == score.capture)
            && let Some(known) = colour_repeats::of(&self.colours, engine, &score.metric, capture.colour)
        {
            return Some(known);
        }
        // One file may serve under two names, with other thresholds.
        let of = |manifest: &&Arc<Manifest>| {
            (&manifest.id, &manifest.version, &manifest.sha256)
                == (&engine.model, &engine.model_version, &engine.model_digest)
        };
        self.manifests.iter().find(of)?.score(&score.metric)?.repeatability.clone()
    }
}

/// The last finished scan of a phase.
#[must_use]
pub fn last_finished(view: &VisitView, phase: Phase) -> Option<&ScanView> {
    view.scans.iter().rev().find(|s| s.scan.phase == phase && s.scan.state == ScanState::Finished)
}

/// Chooses the two scans.
///
/// # Errors
/// [`DrawError`] says which one is missing.
pub async fn choose(store: &Store, visit: VisitId, baseline: Baseline) -> Result<Chosen, DrawError> {
    let view = store.visit_view(visit).await?;
    if view.visit.state == VisitState::Voided {
        return Err(DrawError::Voided);
    }
    let of = |phase| last_finished(&view, phase).cloned();
    if baseline == Baseline::SameVisit {
        let before = of(Phase::Before).ok_or(DrawError::NoScan(Phase::Before))?;
        let after = of(Phase::After).ok_or(DrawError::NoScan(Phase::After))?;
        return Ok(Chosen { baseline, before, after });
    }
    let after = of(Phase::After).or_else(|| of(Phase::Before)).ok_or(DrawError::NoScan(Phase::Before))?;
    let before = earlier(store, &view, baseline, after.scan.phase).await?;
    Ok(Chosen { baseline, before, after })
}

async fn earlier(store: &Store, view: &VisitView, baseline: Baseline, phase: Phase) -> Result<ScanView, DrawError> {
    let mut visits = store.visits_of(view.visit.customer).await?;
    if baseline == Baseline::FirstVisit {
        visits.reverse();
    }
    let ours = visits.iter().position(|v| v.id == view.visit.id);
    let candidates = visits.iter().enumerate().filter(|(at, visit)| {
        let earlier = match baseline {
            Baseline::FirstVisit => ours.is_none_or(|ours| *at < ours),
            _ => ours.is_none_or(|ours| *at > ours),
        };
        earlier && visit.state != VisitState::Voided
    });
    let other = if phase == Phase::Before { Phase::After } else { Phase::Before };
    for (_, visit) in candidates {
        let view = store.visit_view(visit.id).await?;
        if let Some(scan) = last_finished(&view, phase).or_else(|| last_finished(&view, other)) {
            return Ok(scan.clone());
        }
    }
    Err(DrawError::NoEarlierVisit)
}

/// Pairs the photographs of the chosen scans, view by view, the last of each. Only within one visit: photographs of two
/// visits stand side by side without a verdict. A pair that cannot be analysed is left out, with a word in the log; its
/// scores then stand without a paired verdict.
pub async fn pairs(analysis: &AnalysisHandle, chosen: &Chosen) -> Vec<PairedResult> {
    if chosen.baseline != Baseline::SameVisit {
        return Vec::new();
    }
    let (before, after) = (Standing::of(&chosen.before), Standing::of(&chosen.after));
    let mut found = Vec::new();
    for view in View::ALL {
        let last = |of: &Standing| of.captures.iter().rev().find(|capture| capture.view == *view).map(|c| c.id);
        let (Some(first), Some(second)) = (last(&before), last(&after)) else { continue };
        match analysis.pair(first, second).await {
            Ok(results) => found.extend(results),
            Err(error) => tracing::warn!(before = %first, after = %second, %error, "photographs were not paired"),
        }
    }
    found
}

/// Judges the chosen scans and keeps the comparison; `paired` is what the analysis found in their photographs.
///
/// # Errors
/// The store's.
pub async fn draw(
    store: &Store,
    judges: &Judges,
    visit: VisitId,
    chosen: &Chosen,
    paired: &[PairedResult],
) -> Result<Comparison, DrawError> {
    let (before, after) = (Standing::of(&chosen.before), Standing::of(&chosen.after));
    let question = Question {
        baseline: chosen.baseline,
        metrics: &judges.metrics,
        before: before.side(),
        after: after.side(),
        paired,
    };
    let drawn =
        compare::compare(&question, |reading| judges.device(reading), |score| judges.model(score, &after.captures));
    let comparison = Comparison {
        id: clock::mint(ComparisonId::from_bits),
        visit,
        baseline: chosen.baseline,
        before: chosen.before.scan.id,
        after: chosen.after.scan.id,
        tested: drawn.tested,
        items: drawn.items,
    };
    store.save_comparison(comparison.clone()).await?;
    faults::point("station.comparison.drawn");
    Ok(comparison)
}
