//! The inference process seen from the gateway: started when needed, asked one thing at a time, ended at a deadline, at
//! garbage or at silence, and started anew. The gateway never waits on it without a limit and never dies with it.

use crate::{
    analysis::{
        derivative::Small,
        gates,
        job::{self, FrameError, ModelName, PREFIX, Prefix, Reply, Request},
    },
    faults,
};
use openssl::sha::sha256;
use std::{
    io,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};
use tokio::{
    fs,
    io::{AsyncReadExt, AsyncWriteExt},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep_until, timeout},
};

/// Opening library and session takes a tenth of a second; a busy machine many times that.
const SET_UP_LIMIT: Duration = Duration::from_secs(30);
/// Rest before a new start, doubled with every failure in a row up to the second.
const FIRST_REST: Duration = Duration::from_millis(250);
const LONGEST_REST: Duration = Duration::from_secs(60);

const SIGABRT: i32 = nix::sys::signal::Signal::SIGABRT as i32;
const SIGBUS: i32 = nix::sys::signal::Signal::SIGBUS as i32;
const SIGKILL: i32 = nix::sys::signal::Signal::SIGKILL as i32;
const SIGSEGV: i32 = nix::sys::signal::Signal::SIGSEGV as i32;
/// A small picture has 0.4 MB, and little more where even the strongest compression is not enough; one of a pair, 1500 pixels
/// at its longer side, not many times that.
const MOST_BACK: usize = 8_000_000;

/// How the inference process is started.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// This very binary, as `std::env::current_exe()` gives it.
    pub program: PathBuf,
    pub onnxruntime: PathBuf,
    /// Address space of the process, MiB.
    pub memory_mib: u32,
    /// Text of `face-regions.toml`.
    pub regions: String,
    /// Texts of `quality-gates.toml` and `cameras.toml`; empty: the usual numbers, no camera known.
    pub gates: String,
    pub cameras: String,
    /// One job: a photograph or a pair.
    pub deadline: Duration,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChildError {
    /// The process lives and says why not.
    #[error("{0}")]
    Refused(String),
    #[error("the inference process took longer than {} s and was ended", .0.as_secs_f64())]
    TimedOut(Duration),
    #[error("the inference process ended unexpectedly ({0})")]
    Died(String),
    #[error("the inference process cannot be started ({0})")]
    Start(String),
}

/// The process and what must be told to each new one.
#[derive(Debug)]
pub(super) struct Worker {
    recipe: Recipe,
    running: Option<Running>,
    /// The active models: activated again in every new process, as long as they are what they were.
    active: Vec<Active>,
    /// Those that lost their place, until somebody has asked for them.
    lost: Vec<Lost>,
    failures: u32,
    rest_until: Option<Instant>,
}

#[derive(Debug)]
struct Active {
    id: String,
    folder: PathBuf,
    /// SHA-256 of its manifest.
    pinned: String,
    /// Pictures in a row under which the process died while this model alone was at work.
    strikes: u32,
    /// New processes in a row that could not load it although its folder is the same.
    misses: u32,
}

/// A model that is in use no more although nobody put it out of use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lost {
    pub id: String,
    /// For people.
    pub why: String,
}

/// After so many a model is put out of use: until then it may have been the machine.
const MOST_STRIKES: u32 = 3;

#[derive(Debug)]
struct Running {
    child: Child,
    input: ChildStdin,
    output: ChildStdout,
}

impl Worker {
    pub(super) const fn new(recipe: Recipe) -> Self {
        Self { recipe, running: None, active: Vec::new(), lost: Vec::new(), failures: 0, rest_until: None }
    }

    /// One question, one answer; a process that died under it is replaced and asked once more. Waits out the rest after
    /// earlier failures. Cancelling ends the process.
    pub(super) async fn ask(&mut self, request: &Request, parts: &[&[u8]]) -> Result<Reply, ChildError> {
        Ok(self.ask_for_parts(request, parts).await?.0)
    }

    /// The small pictures of a photograph, made where a decoder's memory and faults are not the gateway's.
    pub(super) async fn derive(&mut self, picture: &[u8]) -> Result<Small, ChildError> {
        let asked = match self.ask_for_parts(&Request::Derive, &[picture]).await {
            // Without the library of inference nothing is measured; headquarters is owed the small picture nevertheless.
            Err(ChildError::Start(_)) => self.derive_alone(picture).await,
            asked => asked,
        };
        let (reply, parts) = asked?;
        match (&reply, <[Vec<u8>; 2]>::try_from(parts)) {
            (Reply::Derived, Ok([report, derivative])) if !report.is_empty() && !derivative.is_empty() => {
                Ok(Small { report, derivative })
            }
            _ => Err(self.garbage(&reply)),
        }
    }

    /// In a process of its own that loads no library and ends with this picture.
    async fn derive_alone(&self, picture: &[u8]) -> Result<Heard, ChildError> {
        let mut running = spawn(&self.recipe)?;
        let heard = match timeout(self.recipe.deadline, exchange(&mut running, &Request::Derive, &[picture])).await {
            Ok(Ok(heard)) => heard,
            Ok(Err(fault)) => return Err(ChildError::Died(ending(running, fault).await)),
            Err(_) => return Err(ChildError::TimedOut(self.recipe.deadline)),
        };
        if let (Reply::Failed { reason }, _) = heard { Err(ChildError::Refused(reason)) } else { Ok(heard) }
    }

    /// The same as [`Self::ask`], for an answer that comes with parts.
    pub(super) async fn ask_for_parts(&mut self, request: &Request, parts: &[&[u8]]) -> Result<Heard, ChildError> {
        match self.try_once(request, parts).await {
            Err(ChildError::Died(why)) => {
                tracing::warn!(why, "inference process ended; starting another");
                self.try_once(request, parts).await
            }
            other => other,
        }
    }

    /// Loads a model that passed its trial; from now on every new process loads it too.
    pub(super) async fn activate(&mut self, folder: PathBuf, pinned: String) -> Result<ModelName, ChildError> {
        let request = Request::Activate { folder: folder.display().to_string(), pinned: Some(pinned.clone()) };
        let model = self.loaded(&request).await?;
        self.active.retain(|old| old.id != model.id);
        self.lost.retain(|lost| lost.id != model.id);
        self.active.push(Active { id: model.id.clone(), folder, pinned, strikes: 0, misses: 0 });
        Ok(model)
    }

    /// Puts a model out of use; whether it was in use. The process that has it loaded goes, the next one starts without it.
    pub(super) fn retire(&mut self, id: &str) -> bool {
        let before = self.active.len();
        self.active.retain(|model| model.id != id);
        self.lost.retain(|lost| lost.id != id);
        let was = self.active.len() < before;
        if was {
            self.running = None;
        }
        was
    }

    /// Whether the last picture of any model was one it died over.
    pub(super) fn has_strikes(&self) -> bool {
        self.active.iter().any(|model| model.strikes > 0)
    }

    /// How long one job may take.
    pub(super) const fn deadline(&self) -> Duration {
        self.recipe.deadline
    }

    /// What became of a picture that was given to one model alone. After too many that it died of it is out of use.
    pub(super) fn strike(&mut self, id: &str, died: bool) {
        let Some(model) = self.active.iter_mut().find(|model| model.id == id) else { return };
        model.strikes = if died { model.strikes + 1 } else { 0 };
        if model.strikes >= MOST_STRIKES {
            self.lose(id, "the inference process died of it over photograph after photograph".to_owned());
        }
    }

    /// A new process could not load it. After too many of them it is out of use.
    fn missed(&mut self, id: &str, reason: &str) {
        let Some(model) = self.active.iter_mut().find(|model| model.id == id) else { return };
        model.misses += 1;
        if model.misses >= MOST_STRIKES {
            self.lose(id, not_again(reason));
        }
    }

    /// Puts a model out of use, for somebody to be told.
    fn lose(&mut self, id: &str, why: String) {
        tracing::error!(model = id, why, "the model is out of use; activate it again");
        self.active.retain(|model| model.id != id);
        self.lost.push(Lost { id: id.to_owned(), why });
    }

    /// The models that lost their place since this was asked last.
    pub(super) fn take_lost(&mut self) -> Vec<Lost> {
        std::mem::take(&mut self.lost)
    }

    /// Why a model lost its place, where nobody has taken that yet.
    pub(super) fn why_lost(&self, id: &str) -> Option<&str> {
        self.lost.iter().find(|lost| lost.id == id).map(|lost| lost.why.as_str())
    }

    /// Whether a model is in use.
    pub(super) fn has(&self, id: &str) -> bool {
        self.active.iter().any(|model| model.id == id)
    }

    /// Asks for a model to be loaded or tried.
    pub(super) async fn loaded(&mut self, request: &Request) -> Result<ModelName, ChildError> {
        match self.ask(request, &[]).await? {
            Reply::Activated { model } => Ok(model),
            other => Err(self.garbage(&other)),
        }
    }

    /// An answer that does not belong to the question: the process is not to be trusted any more.
    pub(super) fn garbage(&mut self, reply: &Reply) -> ChildError {
        self.failed();
        // It may be an answer behind; the next one would be taken for another picture's.
        self.running = None;
        let name: String = format!("{reply:?}").chars().take(40).collect();
        ChildError::Died(format!("it answered something else: {name}"))
    }

    async fn try_once(&mut self, request: &Request, parts: &[&[u8]]) -> Result<Heard, ChildError> {
        // Taken out, so that a cancelled call drops the process in the middle of its frame.
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start().await?,
        };
        let answered = timeout(self.recipe.deadline, exchange(&mut running, request, parts)).await;
        let reply = match answered {
            Ok(Ok(reply)) => reply,
            Ok(Err(fault)) => {
                self.failed();
                return Err(ChildError::Died(ending(running, fault).await));
            }
            Err(_) => {
                self.failed();
                let _ = running.child.kill().await;
                return Err(ChildError::TimedOut(self.recipe.deadline));
            }
        };
        self.running = Some(running);
        self.failures = 0;
        if let (Reply::Failed { reason }, _) = reply { Err(ChildError::Refused(reason)) } else { Ok(reply) }
    }

    async fn start(&mut self) -> Result<Running, ChildError> {
        loop {
            if let Some(rest) = self.rest_until.take() {
                sleep_until(rest).await;
            }
            let (error, model) = match self.start_now().await {
                Ok(running) => return Ok(running),
                Err(failed) => failed,
            };
            self.failed();
            let Some(id) = model else { return Err(error) };
            // The process is gone with its unanswered question; the next one starts without what it died of, if it dies again.
            tracing::error!(model = id, %error, "a model stopped a new inference process");
            match error {
                ChildError::Refused(reason) => self.missed(&id, &reason),
                _ => self.strike(&id, true),
            }
        }
    }

    /// A failure comes with the model that was being loaded. One that cannot be loaded any more is in use no more: the process
    /// would measure without it, and nobody would know why its scores are missing.
    async fn start_now(&mut self) -> Result<Running, (ChildError, Option<String>)> {
        let without_model = |error| (error, None);
        let mut running = spawn(&self.recipe).map_err(without_model)?;
        let set_up = Request::Setup {
            onnxruntime: self.recipe.onnxruntime.display().to_string(),
            memory_mib: self.recipe.memory_mib,
        };
        let Recipe { regions, gates, cameras, .. } = &self.recipe;
        let gates = if gates.is_empty() { gates::USUAL } else { gates };
        let cameras = if cameras.is_empty() { "schema = 1" } else { cameras };
        let texts = [regions.as_bytes(), gates.as_bytes(), cameras.as_bytes()];
        match told(&mut running, &set_up, &texts, SET_UP_LIMIT).await.map_err(without_model)? {
            Reply::Failed { reason } => return Err(without_model(ChildError::Start(reason))),
            Reply::Ready { .. } => {}
            other => return Err(without_model(ChildError::Start(format!("it answered something else: {other:?}")))),
        }
        let limit = SET_UP_LIMIT.max(self.recipe.deadline);
        let mut unloaded = Vec::new();
        for Active { id, folder, pinned, .. } in &self.active {
            let request = Request::Activate { folder: folder.display().to_string(), pinned: Some(pinned.clone()) };
            let with_model = |error| (error, Some(id.clone()));
            match told(&mut running, &request, &[], limit).await.map_err(with_model)? {
                Reply::Activated { model } if model.id == *id => {}
                // It passed before. Where another folder lies there now, nothing brings the one back that was tried, and the others go
                // on; else the disk or the machine failed, perhaps for a moment: a few tries will tell.
                Reply::Failed { reason } => {
                    if !is_another(folder, pinned).await {
                        return Err(with_model(ChildError::Refused(reason)));
                    }
                    unloaded.push((id.clone(), reason));
                }
                other => return Err(with_model(ChildError::Died(format!("it answered something else: {other:?}")))),
            }
        }
        for (id, reason) in unloaded {
            self.lose(&id, not_again(&reason));
        }
        for model in &mut self.active {
            model.misses = 0;
        }
        faults::point("analysis.worker.started");
        Ok(running)
    }

    fn failed(&mut self) {
        let rest = FIRST_REST.saturating_mul(1 << self.failures.min(16)).min(LONGEST_REST);
        self.failures += 1;
        self.rest_until = Some(Instant::now() + rest);
    }
}

fn not_again(reason: &str) -> String {
    format!("it cannot be loaded again: {reason}")
}

/// Whether a folder's manifest is not any more the one with this SHA-256, or is gone. One that cannot be read just now may be the same.
async fn is_another(folder: &Path, pinned: &str) -> bool {
    match fs::read(folder.join("manifest.toml")).await {
        Ok(bytes) => hex::encode(sha256(&bytes)) != pinned,
        Err(fault) => matches!(fault.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
    }
}

fn spawn(recipe: &Recipe) -> Result<Running, ChildError> {
    let start = |e: io::Error| ChildError::Start(format!("{}: {e}", recipe.program.display()));
    let mut child = Command::new(&recipe.program)
        .arg("worker")
        // Whatever version of the library: it must never look a host up.
        .env("ORT_DISABLE_TELEMETRY", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        // Ctrl-C at the terminal is for the gateway; it ends its child itself.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(start)?;
    let (input, output) = child.stdin.take().zip(child.stdout.take()).expect("both were piped");
    Ok(Running { child, input, output })
}

/// A step of setting up. After an error the process is of no use any more: it may still answer.
async fn told(running: &mut Running, request: &Request, parts: &[&[u8]], limit: Duration) -> Result<Reply, ChildError> {
    match timeout(limit, exchange(running, request, parts)).await {
        Ok(Ok((reply, _))) => Ok(reply),
        Ok(Err(fault)) => Err(ChildError::Start(fault.to_string())),
        Err(_) => Err(ChildError::TimedOut(limit)),
    }
}

#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Frame(#[from] FrameError),
}

/// An answer with its parts, as many as [`Reply::parts`] says.
type Heard = (Reply, Vec<Vec<u8>>);

async fn exchange(running: &mut Running, request: &Request, parts: &[&[u8]]) -> Result<Heard, Fault> {
    running.input.write_all(&job::head(request, parts)?).await?;
    for part in parts {
        running.input.write_all(part).await?;
    }
    running.input.flush().await?;
    faults::point("analysis.request.written");
    let mut prefix = [0; PREFIX];
    running.output.read_exact(&mut prefix).await?;
    let Prefix { header, parts } = Prefix::parse(prefix)?;
    let mut lengths = vec![0; 4 * parts];
    running.output.read_exact(&mut lengths).await?;
    let lengths = Prefix::part_lengths(&lengths)?;
    if let Some(&found) = lengths.iter().find(|length| **length > MOST_BACK) {
        return Err(FrameError::TooLarge { what: "a part", found, limit: MOST_BACK }.into());
    }
    let mut bytes = vec![0; header];
    running.output.read_exact(&mut bytes).await?;
    let reply: Reply = job::parse_header(&bytes)?;
    if parts != reply.parts() {
        return Err(FrameError::TooLarge { what: "a number of parts", found: parts, limit: reply.parts() }.into());
    }
    let mut heard = Vec::with_capacity(parts);
    for length in lengths {
        let mut part = vec![0; length];
        running.output.read_exact(&mut part).await?;
        heard.push(part);
    }
    faults::point("analysis.answer.read");
    Ok((reply, heard))
}

/// How the process ended, for the log.
async fn ending(mut running: Running, fault: Fault) -> String {
    // It may still be alive, talking nonsense; after a closed pipe it ends by itself at once.
    let patience = Duration::from_millis(200);
    let status = match timeout(patience, running.child.wait()).await {
        Ok(Ok(status)) => told_in_words(status),
        _ => {
            let _ = running.child.kill().await;
            "it was ended".to_owned()
        }
    };
    format!("{fault}; {status}")
}

/// What a signal most likely means here; a limit on memory shows as a process that gives itself up.
fn told_in_words(status: ExitStatus) -> String {
    let meaning = match status.signal() {
        Some(SIGABRT) => ", most likely for want of memory: see limits.memory_mib and scan.inference_memory_mib",
        Some(SIGSEGV | SIGBUS) => ": it crashed",
        Some(SIGKILL) => ", perhaps by the system for want of memory",
        _ => "",
    };
    format!("{status}{meaning}")
}
