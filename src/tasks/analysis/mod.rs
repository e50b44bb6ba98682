//! Owner of the inference process and of the queue before it: photographs become scores, pairs become paired measures,
//! one after the other. Scores are durable before anyone is told of them. What a crash left half done is found at the
//! start and done then.
//!
//! It does not draw comparisons ([`crate::analysis::compare`], called by the station) and decodes no picture itself.

mod child;
mod exchange;
mod health;
mod left_over;
mod lost;
mod one_by_one;
mod pair_pictures;
mod pairs;
mod points;
mod small_picture;
mod trial;

pub use child::{ChildError, Recipe};
pub use health::Health;
pub use left_over::Remeasuring;
pub use pairs::{PairPicture, Whites};
pub use trial::{Evaluator, ModelTrial, Tried};

use crate::{
    analysis::{
        compare::PairedResult,
        job::{Gated, Level, Levels, ModelName, Placed, Reply, Request},
        manifest::{Manifest, ScoreRepeatability},
        regions::FaceRegions,
    },
    clock,
    domain::{
        CaptureId, Quantity, ScoreId, Stamp,
        capture::{ColourReference, View},
        metric::{Metric, MetricId},
        score::{Engine, Score},
    },
    faults,
    store::{Store, StoreError},
};
use child::Worker;
use left_over::{LeftOver, Waiting};
use pair_pictures::Due;
use small_picture::Later;
use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

/// Questions that wait: a visit has six photographs and three pairs, and the same few chairs share one process. When it is
/// full, askers wait.
const WAITING: usize = 64;

/// Pairs remembered: what the chairs of a store have under way, a few hundred bytes each.
const AHEAD: usize = 64;

#[derive(Debug, thiserror::Error)]
pub enum AnalysisError {
    #[error(transparent)]
    Child(#[from] ChildError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the analysis has stopped; the photograph is measured after the next start")]
    Stopped,
    #[error("the two photographs show different views")]
    ViewsDiffer,
    /// The house means something else by its metrics.
    #[error("{0}")]
    Metrics(String),
    #[error("there is no model {0:?} in the gateway's folder of models")]
    NoModel(String),
}

/// What the task needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    pub worker: Recipe,
    /// Model folders to activate at the start.
    pub models: Vec<PathBuf>,
    pub metrics: Vec<Metric>,
}

/// A photograph's measure.
#[derive(Debug, Clone, PartialEq)]
pub struct Analysed {
    /// Durable.
    pub scores: Vec<Score>,
    /// Words of the quality gates ([`crate::analysis::quality::Complaint`]).
    pub complaints: Vec<String>,
    /// Models or regions that gave no score, with the reason.
    pub skipped: Vec<String>,
}

/// A model in use.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveModel {
    pub engine: Engine,
    pub manifest: Manifest,
}

type Answer<T> = oneshot::Sender<Result<T, AnalysisError>>;

enum Command {
    Look {
        view: View,
        anchors: [[f64; 2]; 2],
        picture: Vec<u8>,
        before: Option<CaptureId>,
        reply: Answer<Gated>,
    },
    Analyse {
        capture: CaptureId,
        reply: Option<Answer<Analysed>>,
    },
    Pair {
        before: CaptureId,
        after: CaptureId,
        reply: Answer<Vec<PairedResult>>,
    },
    Pictures {
        before: CaptureId,
        after: CaptureId,
        whites: Option<Whites>,
        reply: Answer<Vec<PairPicture>>,
    },
    Activate {
        tried: Box<Tried>,
        reply: Answer<ActiveModel>,
    },
    Retire {
        id: String,
        reply: Answer<()>,
    },
    /// What is to be measured again by a model that has come stays as it was measured.
    LeaveAsMeasured {
        reply: Answer<usize>,
    },
    /// Photographs were struck out, restored or moved.
    LookAtPairs,
}

/// Cloneable; the task ends when the last one is dropped.
#[derive(Debug, Clone)]
pub struct AnalysisHandle {
    commands: mpsc::Sender<Command>,
    models: watch::Receiver<Vec<Arc<ActiveModel>>>,
    health: watch::Receiver<BTreeMap<String, Health>>,
    lost: watch::Receiver<BTreeMap<String, String>>,
    remeasuring: watch::Receiver<Option<Remeasuring>>,
    waiting: Arc<watch::Sender<Waiting>>,
    recipe: watch::Receiver<Option<Recipe>>,
    /// One trial at a time: two would take the memory of two.
    trials: Arc<Semaphore>,
    /// Folder of model folders.
    home: Option<Arc<Path>>,
}

/// The task's end of the queue.
pub struct Inbox {
    commands: mpsc::Receiver<Command>,
    models: watch::Sender<Vec<Arc<ActiveModel>>>,
    health: watch::Sender<BTreeMap<String, Health>>,
    lost: watch::Sender<BTreeMap<String, String>>,
    remeasuring: watch::Sender<Option<Remeasuring>>,
    waiting: Arc<watch::Sender<Waiting>>,
    recipe: watch::Sender<Option<Recipe>>,
}

impl std::fmt::Debug for Inbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Inbox")
    }
}

/// A handle and the inbox that [`run`] takes.
#[must_use]
pub fn channel() -> (AnalysisHandle, Inbox) {
    let (commands, inbox) = mpsc::channel(WAITING);
    let (publish, models) = watch::channel(Vec::new());
    let (count, health) = watch::channel(BTreeMap::new());
    let (lose, lost) = watch::channel(BTreeMap::new());
    let (progress, remeasuring) = watch::channel(None);
    let waiting = Arc::new(watch::channel(Waiting::default()).0);
    let (told, recipe) = watch::channel(None);
    let inbox = Inbox {
        commands: inbox,
        models: publish,
        health: count,
        lost: lose,
        remeasuring: progress,
        waiting: Arc::clone(&waiting),
        recipe: told,
    };
    let trials = Arc::new(Semaphore::new(1));
    (AnalysisHandle { commands, models, health, lost, remeasuring, waiting, recipe, trials, home: None }, inbox)
}

impl AnalysisHandle {
    /// The quality gates on a photograph that is not stored yet: what to complain of before it is kept. `picture` as the
    /// door admitted it ([`crate::analysis::door::admit`]), anchors in pixels as shown.
    ///
    /// An after picture is held against its `before` too, and takes over that one's points where a person confirmed them.
    ///
    /// # Errors
    /// [`AnalysisError::Child`] with a sentence for people.
    pub async fn look(
        &self,
        view: View,
        anchors: [[f64; 2]; 2],
        picture: Vec<u8>,
        before: Option<CaptureId>,
    ) -> Result<Gated, AnalysisError> {
        self.ask(|reply| Command::Look { view, anchors, picture, before, reply }).await
    }

    /// Measures a stored photograph; answers when its scores are durable. A cancelled call is done nevertheless. Asked
    /// twice, it is measured twice.
    ///
    /// # Errors
    /// [`AnalysisError`]; nothing was stored then.
    pub async fn analyse(&self, capture: CaptureId) -> Result<Analysed, AnalysisError> {
        self.ask(|reply| Command::Analyse { capture, reply: Some(reply) }).await
    }

    /// The same without waiting for the outcome, which goes to the log; waits only for a place in the queue.
    ///
    /// # Errors
    /// [`AnalysisError::Stopped`].
    pub async fn enqueue(&self, capture: CaptureId) -> Result<(), AnalysisError> {
        self.waiting.send_modify(|waiting| waiting.enter(capture));
        let command = Command::Analyse { capture, reply: None };
        self.commands.send(command).await.map_err(|_| AnalysisError::Stopped)
    }

    /// Whether a photograph that has no scores may still get some: it waits, or what a crash left is not listed yet.
    #[must_use]
    pub fn awaits(&self, capture: CaptureId) -> bool {
        let waiting = self.waiting.borrow();
        !waiting.listed || waiting.captures.contains_key(&capture)
    }

    /// The same handle, which knows models by their id.
    #[must_use]
    pub fn with_home(self, folder: &Path) -> Self {
        Self { home: Some(folder.into()), ..self }
    }

    /// The models in use.
    #[must_use]
    pub fn models(&self) -> Vec<Arc<ActiveModel>> {
        self.models.borrow().clone()
    }

    /// What is known of the repeatability of a score's engine; `None` when that very model is not in use any more.
    #[must_use]
    pub fn repeatability(&self, engine: &Engine, metric: &MetricId) -> Option<ScoreRepeatability> {
        let models = self.models.borrow();
        let model = models.iter().find(|model| model.engine == *engine)?;
        model.manifest.score(metric)?.repeatability.clone()
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, AnalysisError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| AnalysisError::Stopped)?;
        answer.await.map_err(|_| AnalysisError::Stopped)?
    }
}

/// Runs until the last handle is dropped, or until `stop`, which also ends a job under way.
pub async fn run(settings: Settings, store: Store, mut inbox: Inbox, stop: CancellationToken) {
    let trial = ModelTrial::new(settings.worker.clone());
    // Before the models of the start are in use others may be asked for already: they come after those.
    let mut analysis = Analysis {
        faces: FaceRegions::parse(&settings.worker.regions).ok(),
        worker: Worker::new(settings.worker.clone()),
        metrics: settings.metrics,
        store,
        models: Vec::new(),
        publish: inbox.models,
        health: inbox.health,
        lost: inbox.lost,
        waiting: inbox.waiting,
        paired: VecDeque::new(),
        later: Later::default(),
        left: LeftOver::new(inbox.remeasuring),
        due: Due::default(),
    };
    let work = async {
        for folder in settings.models {
            match trial.run(&folder).await {
                Ok(tried) => {
                    if let Err(error) = analysis.activate(tried).await {
                        analysis.never_began(&folder, error.to_string()).await;
                    }
                }
                Err(error) => {
                    not_used(&folder, &error);
                    analysis.never_began(&folder, error.to_string()).await;
                }
            }
        }
        // One that was sound may have been spoilt while the next was tried.
        analysis.give_up_lost_models();
        inbox.recipe.send_replace(Some(settings.worker));
        analysis.list_half_done().await;
        for model in analysis.models.clone() {
            analysis.measure_open_visits_by(&model).await;
        }
        analysis.all_pictures_due().await;
        loop {
            // Whoever stands at a chair comes before what was left over.
            let (left, due) = (!analysis.left.is_empty(), !analysis.due.is_empty());
            tokio::select! {
                biased;
                command = inbox.commands.recv() => match command {
                    Some(command) => analysis.handle(command).await,
                    None => break,
                },
                () = analysis.later.due() => analysis.derive_again().await,
                () = std::future::ready(()), if left => analysis.resume().await,
                () = std::future::ready(()), if due => analysis.draw_next().await,
            }
            analysis.give_up_lost_models();
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = work => {}
    }
}

struct Analysis {
    worker: Worker,
    metrics: Vec<Metric>,
    /// What a face's points must be like; `None` where the gateway has no sound file of them.
    faces: Option<FaceRegions>,
    store: Store,
    models: Vec<Arc<ActiveModel>>,
    publish: watch::Sender<Vec<Arc<ActiveModel>>>,
    health: watch::Sender<BTreeMap<String, Health>>,
    lost: watch::Sender<BTreeMap<String, String>>,
    waiting: Arc<watch::Sender<Waiting>>,
    /// Pairs measured ahead, the latest last; made anew when it is forgotten, so nothing is lost with it.
    paired: VecDeque<((CaptureId, CaptureId), Vec<PairedResult>)>,
    later: Later,
    /// Photographs to be measured when nobody asks for anything.
    left: LeftOver,
    /// Pairs whose pictures are to be looked at after that.
    due: Due,
}

impl Analysis {
    async fn handle(&mut self, command: Command) {
        // Whoever asked may be gone; the work was done nevertheless.
        match command {
            Command::Look { view, anchors, picture, before, reply } => {
                // A page waits a few seconds and then keeps the photograph unjudged.
                if reply.is_closed() {
                    return;
                }
                let shot = Placed { anchors, nose: None };
                let _ = reply.send(self.gate(view, shot, &picture, before).await);
            }
            Command::Analyse { capture, reply } => {
                faults::point("analysis.capture.queued");
                let outcome = self.measured(capture).await;
                self.finish(capture).await;
                match reply {
                    Some(reply) => {
                        let _ = reply.send(outcome);
                    }
                    None => self.awaits_no_more(capture),
                }
            }
            Command::Pair { before, after, reply } => {
                let _ = reply.send(self.pair(before, after).await);
            }
            Command::Pictures { before, after, whites, reply } => {
                let _ = reply.send(self.pictures(before, after, whites).await);
            }
            Command::LookAtPairs => self.all_pictures_due().await,
            Command::Activate { tried, reply } => {
                let activated = self.activate(*tried).await;
                if let Ok(model) = &activated {
                    self.measure_open_visits_by(model).await;
                    self.all_pictures_due().await;
                }
                let _ = reply.send(activated);
            }
            Command::Retire { id, reply } => {
                self.retire(&id);
                let _ = reply.send(Ok(()));
            }
            Command::LeaveAsMeasured { reply } => {
                let _ = reply.send(Ok(self.leave_as_measured()));
            }
        }
    }

    async fn measured(&mut self, capture: CaptureId) -> Result<Analysed, AnalysisError> {
        let outcome = self.analyse(capture).await;
        if let Err(error) = &outcome {
            tracing::warn!(%capture, %error, "photograph was not measured");
        }
        outcome
    }

    async fn levels(&mut self, request: &Request, picture: &[u8]) -> Result<Levels, AnalysisError> {
        match self.worker.ask(request, &[picture]).await? {
            Reply::Levels(levels) => Ok(levels),
            other => Err(self.worker.garbage(&other).into()),
        }
    }

    async fn analyse(&mut self, capture: CaptureId) -> Result<Analysed, AnalysisError> {
        self.forget_pairs_of(capture);
        self.inherit(capture).await;
        let picture = self.store.capture_bytes(capture).await?;
        // As old as the points that are read next: others may be set while it is measured.
        let mut begun = clock::now();
        let mut about = self.store.capture(capture).await?;
        if about.points.is_none() {
            self.propose(&about, &picture).await;
            begun = clock::now();
            about = self.store.capture(capture).await?;
        }
        self.judge_again(&about, &picture).await?;
        let (view, camera) = (about.view.to_string(), about.camera.clone());
        let mut levels = self.levels_of(view, about.anchors, camera, &picture).await?;
        faults::point("analysis.scores.received");
        self.give_up_over(&mut levels);
        self.count(&levels);
        let colour = levels.colour.parse().unwrap_or(ColourReference::Unknown);
        let colour = (colour != about.colour).then_some(colour);
        let scores: Vec<Score> = levels.scores.iter().filter_map(|level| self.score(capture, begun, level)).collect();
        self.store.save_scores_beside(capture, scores.clone(), self.without_answer(&levels), colour).await?;
        let Levels { complaints, skipped, .. } = levels;
        faults::point("analysis.scores.confirmed");
        Ok(Analysed { scores, complaints, skipped })
    }

    /// A level as a score; `None`, with a word in the log, where this house does not know its metric or its value is none.
    fn score(&self, capture: CaptureId, computed: Stamp, level: &Level) -> Option<Score> {
        let found = self.metrics.iter().find(|metric| metric.id.as_str() == level.metric).and_then(|metric| {
            let value = metric.accept(Quantity::new(level.value, metric.decimals)?).ok()?;
            Some(Score {
                id: clock::mint(ScoreId::from_bits),
                capture,
                engine: engine(&level.model),
                metric: metric.id.clone(),
                region: level.region.parse().ok()?,
                value,
                unit: metric.unit.clone(),
                computed,
            })
        });
        if found.is_none() {
            tracing::warn!(%capture, metric = level.metric, value = level.value, "a model's score is no value of a known metric");
        }
        found
    }
}

fn engine(name: &ModelName) -> Engine {
    let ModelName { id, version, digest, provider } = name.clone();
    Engine { model: id, model_version: version, model_digest: digest, provider }
}

fn not_used(folder: &Path, error: &dyn std::fmt::Display) {
    tracing::error!(folder = %folder.display(), %error, "model is not used");
}
