//! A model on a folder of pictures. Each picture's answer is kept as soon as it is there, so that the evaluation can be ended at
//! any moment and goes on by the same command.

use super::{find, recipe};
use crate::{
    analysis::{
        evaluation::{Begun, Head, Record, Truth},
        job::ModelName,
        summary::{Errors, Summary},
    },
    app::{
        catalogue,
        print::{complain, say},
        progress::Progress,
        signals::Signals,
    },
    cli::{Eval, exit},
    tasks::analysis::{Evaluator, ModelTrial, Tried},
};
use anyhow::Context;
use openssl::sha::sha256;
use serde_json::json;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};
use tokio::time::Instant;

const ENDINGS: &[&str] = &["jpg", "jpeg", "png", "webp"];

pub(super) async fn eval(options: &Eval) -> anyhow::Result<u8> {
    let model = find(&options.model, &options.folder.models)?;
    let truth = match &options.truth {
        None => Truth::default(),
        Some(path) => match Truth::parse(&catalogue::read(path)?) {
            Ok(truth) => truth,
            Err(why) => return misunderstood(&path.display().to_string(), &why),
        },
    };
    let folder = options.pictures.as_deref().context("name a folder of pictures, or say --repeatability")?;
    let pictures = pictures(folder)?;
    let recipe = recipe(&options.folder)?;
    let tried = match ModelTrial::new(recipe.clone()).run(&model).await {
        Ok(tried) => tried,
        Err(reason) => {
            complain(&format!("skinlink: {}: REFUSED: {reason}", model.display()));
            return Ok(exit::FAULT);
        }
    };
    let head = head(&tried);
    let into = options.into.clone().unwrap_or_else(|| format!("eval-{}.jsonl", head.model.id).into());
    let mut kept = match Kept::open(&into, &head) {
        Ok(kept) => kept,
        Err(Unusable::Other(why)) => return misunderstood(&into.display().to_string(), &why),
        Err(Unusable::Io(error)) => return Err(error).with_context(|| format!("cannot use {}", into.display())),
    };
    let mut signals = Signals::install()?;
    let mut progress = Progress::new(pictures.len());
    let mut evaluator = Evaluator::start(recipe, &tried).await?;
    let mut records = Vec::new();
    for path in &pictures {
        let asked = Asked::of(path, &truth, options.px_per_mm)?;
        if let Some(known) = kept.known(&asked) {
            progress.known();
            records.push(known);
            continue;
        }
        // A stopped one is dropped in the middle, and its process with it: nothing of it is kept.
        let record = tokio::select! {
            record = measure(&mut evaluator, asked) => record,
            () = signals.stop_requested() => {
                progress.end();
                let (done, all, into) = (records.len(), pictures.len(), into.display());
                complain(&format!("ended after {done} of {all} pictures; the same command goes on there ({into})"));
                return Ok(exit::FAULT);
            }
        };
        kept.line(&record).with_context(|| format!("cannot write {}", into.display()))?;
        progress.step(&record.file, std::time::Duration::from_secs_f64(record.seconds));
        records.push(record);
    }
    progress.end();
    let detectors: Vec<String> = tried.manifest.detectors.iter().map(|detector| detector.id.clone()).collect();
    let summary = Summary::of(&records, &truth, &detectors);
    if options.json {
        let document = json!({ "model": head.model, "into": into.display().to_string(), "summary": summary });
        say!("{}", serde_json::to_string_pretty(&document)?);
    } else {
        print(&summary, &into);
    }
    for record in records.iter().filter(|record| record.fault.is_some()) {
        complain(&format!("{}: {}", record.file, record.fault.as_deref().unwrap_or_default()));
    }
    Ok(if summary.faults == 0 { exit::OK } else { exit::FAULT })
}

fn misunderstood(what: &str, why: &str) -> anyhow::Result<u8> {
    complain(&format!("skinlink: {what}: {why}"));
    Ok(exit::USAGE)
}

/// The pictures of a folder, by name; the folders in it are left alone.
fn pictures(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    let paths: Vec<PathBuf> = entries.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<_>>()?;
    let is_picture = |path: &PathBuf| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        path.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
    };
    let mut pictures: Vec<PathBuf> = paths.into_iter().filter(is_picture).collect();
    anyhow::ensure!(!pictures.is_empty(), "{} holds no picture ({})", folder.display(), ENDINGS.join(", "));
    pictures.sort();
    Ok(pictures)
}

fn head(tried: &Tried) -> Head {
    let engine = tried.engine.clone();
    let model = ModelName {
        id: engine.model,
        version: engine.model_version,
        digest: engine.model_digest,
        provider: engine.provider,
    };
    Head { skinlink_evaluation: 1, model, manifest: tried.digest().to_owned() }
}

/// A picture and what the model is told besides, as a record without an answer.
struct Asked {
    bytes: Vec<u8>,
    record: Record,
}

impl Asked {
    fn of(path: &Path, truth: &Truth, px_per_mm: Option<f64>) -> anyhow::Result<Self> {
        let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let known = truth.of(&file);
        let record = Record {
            sha256: hex::encode(sha256(&bytes)),
            face: known.and_then(|known| known.placed()),
            px_per_mm: known.and_then(|known| known.px_per_mm).or(px_per_mm),
            file,
            seconds: 0.0,
            evaluated: None,
            fault: None,
        };
        Ok(Self { bytes, record })
    }
}

async fn measure(evaluator: &mut Evaluator, asked: Asked) -> Record {
    let Asked { bytes, mut record } = asked;
    let begun = Instant::now();
    match evaluator.measure(&bytes, record.face.clone(), record.px_per_mm).await {
        Ok(evaluated) => record.evaluated = Some(evaluated),
        Err(fault) => record.fault = Some(fault.to_string()),
    }
    record.seconds = begun.elapsed().as_secs_f64();
    record
}

/// The file of an evaluation, open at its end.
struct Kept {
    file: File,
    begun: Option<Begun>,
}

enum Unusable {
    /// It is another's.
    Other(String),
    Io(io::Error),
}

impl From<io::Error> for Unusable {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Kept {
    /// Goes on with a file of the same model, or begins a new one.
    fn open(path: &Path, head: &Head) -> Result<Self, Unusable> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(Unusable::Other("it is no file of an evaluation; name another with --into".into()));
            }
            Err(error) => return Err(error.into()),
        };
        let begun = Begun::parse(&text).map_err(|why| Unusable::Other(format!("{why}; name another with --into")))?;
        let own = |begun: &Begun| begun.head == *head;
        if begun.as_ref().is_some_and(|begun| !own(begun)) {
            let other = begun.map(|begun| format!("{} {}", begun.head.model.id, begun.head.model.version));
            return Err(Unusable::Other(format!(
                "it is of another model or manifest ({}); name another with --into, or remove it",
                other.unwrap_or_default()
            )));
        }
        // Text that is no line of ours is somebody's.
        const START: &str = "{\"skinlink_evaluation\"";
        if begun.is_none() && !text.starts_with(START) && !START.starts_with(&text) {
            return Err(Unusable::Other("it is no file of an evaluation; name another with --into".into()));
        }
        let file = File::options().create(true).append(true).open(path)?;
        file.set_len(begun.as_ref().map_or(0, |begun| begun.whole) as u64)?;
        let mut kept = Self { file, begun };
        if kept.begun.is_none() {
            kept.line(head)?;
        }
        Ok(kept)
    }

    fn known(&self, asked: &Asked) -> Option<Record> {
        let Record { file, sha256, face, px_per_mm, .. } = &asked.record;
        let known = self.begun.as_ref()?.has(sha256, file, face.as_ref(), *px_per_mm)?;
        // What failed is tried again.
        known.fault.is_none().then(|| known.clone())
    }

    /// One write a line: what a kill cuts off is the last line and no other.
    fn line(&mut self, what: &impl serde::Serialize) -> io::Result<()> {
        let text = serde_json::to_string(what).map_err(io::Error::other)?;
        self.file.write_all(format!("{text}\n").as_bytes())
    }
}

fn print(summary: &Summary, into: &Path) {
    let Summary { pictures, faults, seconds, scores, detectors, points, classes, skipped } = summary;
    say!("{pictures} pictures in {seconds:.1} s of work, {faults} could not be measured; each one: {}", into.display());
    for score in scores {
        let (name, n) = (format!("{} {}", score.metric, score.region), score.count);
        say!(
            "{name:30} {n:5} ×  mean {:.3}  SD {:.3}  from {:.3} to {:.3}",
            score.mean,
            score.sd,
            score.min,
            score.max
        );
        if let Some(Errors { count, bias, mean_absolute, rms, correlation }) = &score.known {
            let r = correlation.map_or_else(|| "unknown".to_owned(), |r| format!("{r:.3}"));
            say!(
                "{:30} {count:5} known  off by {bias:+.3} on average, {mean_absolute:.3} in size, {rms:.3} RMS; r {r}",
                ""
            );
        }
    }
    for found in detectors {
        say!("{:30} found {}, nothing in {} pictures", found.detector, found.found, found.empty);
        if let Some(known) = found.known {
            say!("{:30} of the known ones {} right, {} missed; {} wrong", "", known.right, known.missed, known.wrong);
        }
    }
    for point in points {
        say!(
            "{:30} {:5} known  {:.1} px off on average, {:.1} at most",
            point.point,
            point.count,
            point.mean_px,
            point.max_px
        );
    }
    for (reason, count) in skipped {
        say!("{:30} {count:5} ×  left out: {reason}", "");
    }
    for class in classes {
        say!("{:30} {:5} known  {} right", class.output, class.count, class.right);
    }
}
