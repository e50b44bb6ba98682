//! `skinlink model eval MODEL --repeatability`: photographs of unchanged skin are retaken as a hand or a rig would, measured
//! through the inference process like a customer's, and what differs between them becomes the model's standard error.
//!
//! A trial is drawn from the seed and its number, so it can be done again alone. Each finished one is a line in a journal:
//! the same command after Ctrl-C, a power cut or a crash goes on where that one ended, and asks for nothing twice.

use super::{find, recipe};
use crate::{
    analysis::{
        door,
        manifest::{Manifest, ScoreRule},
        picture,
        repeatability::{Figures, Trial, figures, written},
        retake::{self, Manner},
    },
    app::{
        catalogue,
        print::{complain, say},
        signals::Signals,
    },
    cli::{Eval, exit},
    tasks::analysis::{Evaluator, ModelTrial, Recipe},
};
use anyhow::{Context, bail, ensure};
use serde::{Deserialize, Serialize};
use skinlink_pixels::sample::Source;
use std::{
    fs::{self, File, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{task::spawn_blocking, time::Instant};

/// Two whole photographs and every region of both, on a machine that does other work too.
const DEADLINE: Duration = Duration::from_secs(120);
/// How far a tapped anchor lies from where it should, at most, each way. Two of them turn and scale the picture too.
const TAP_MM: f64 = 1.0;

/// `planted.json` of the renderer, or a file like it beside a salon's own photographs: view, file, anchors in pixels.
#[derive(Deserialize)]
struct Listing {
    photos: Vec<Photo>,
}

#[derive(Deserialize, Clone)]
struct Photo {
    /// Only the first phase is retaken; the other one may have changed.
    #[serde(default)]
    phase: Option<String>,
    view: String,
    file: PathBuf,
    anchors: [[f64; 2]; 2],
    px_per_mm: f64,
}

/// First line of a journal: what its trials were of.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Heading {
    model: String,
    version: String,
    sha256: String,
    /// SHA-256 of the manifest without the repeatability that is being measured: another threshold is another measurement.
    rules: String,
    manner: String,
    seed: u64,
    /// View, file, anchors and SHA-256 of each: what was rendered or taken anew under an old name is another photograph.
    photos: Vec<String>,
}

/// Runs until all pairs are done, or until Ctrl-C, which keeps what was done.
///
/// # Errors
/// A sentence saying what is missing and what to do.
pub(super) async fn run(options: &Eval) -> anyhow::Result<u8> {
    let Eval { model, folder: places, retaken: options, .. } = options;
    let manner = manner(&options.manner)?;
    let folder = find(model, &places.models)?;
    let path = folder.join("manifest.toml");
    let text = catalogue::read(&path)?;
    let manifest = Manifest::parse(&text)?;
    let photos = photos(&options.photos)?;
    let heading = Heading {
        model: manifest.id.clone(),
        version: manifest.version.clone(),
        sha256: manifest.sha256.clone(),
        rules: rules(&text, &manifest)?,
        manner: manner.name.to_owned(),
        seed: options.seed,
        photos: photos.iter().map(told).collect::<anyhow::Result<_>>()?,
    };
    let mut journal = Journal::open(&options.journal, &heading)?;
    let recipe = Recipe { deadline: DEADLINE, ..recipe(places)? };
    let tried = ModelTrial::new(recipe.clone()).run(&folder).await.context("the model is not usable")?;
    let mut evaluator = Evaluator::start(recipe, &tried).await?;
    let mut signals = Signals::install()?;
    let started = Instant::now();
    let (had, mut done) = (journal.first(options.pairs).len(), 0_u32);
    for at in 0..options.pairs {
        if journal.trials.iter().any(|trial| trial.at == at) {
            continue;
        }
        let photo = &photos[at as usize % photos.len()];
        let measured = tokio::select! {
            () = signals.stop_requested() => {
                let pairs = journal.first(options.pairs).len();
                complain(&format!("stopped after {pairs} of {} pairs; the same command goes on from there", options.pairs));
                return Ok(exit::FAULT);
            }
            measured = one(&mut evaluator, photo, manner, options.seed, at) => measured?,
        };
        journal.add(measured)?;
        done += 1;
        let left = started.elapsed() / done * (options.pairs.saturating_sub(u32::try_from(had)? + done));
        let pairs = journal.first(options.pairs).len();
        complain(&format!("pair {pairs} of {}, {} left", options.pairs, minutes(left)));
    }
    let found = figures(&journal.first(options.pairs));
    report(&found);
    let source = source(&options.photos, manner, options.pairs, options.seed);
    if options.write {
        let new = written(&text, &found, &source).map_err(anyhow::Error::msg)?;
        // A manifest cut off in the middle would be no model any more.
        let aside = path.with_extension("toml.new");
        let put = fs::write(&aside, new).and_then(|()| fs::rename(&aside, &path));
        put.with_context(|| format!("{} cannot be written", path.display()))?;
        say!("{}: written. Give the manifest a new version before it is used beside older scores.", path.display());
    } else {
        say!("source = {source:?}");
    }
    Ok(exit::OK)
}

/// Digest of a manifest's text with its repeatability blanked out. A score without a place for it is told here, before an hour of
/// work, not after it.
fn rules(text: &str, manifest: &Manifest) -> anyhow::Result<String> {
    let blank = |rule: &ScoreRule| Figures {
        metric: rule.metric.to_string(),
        unchanged: Some([1.0, 0.0]),
        level_mean: None,
        level_sd: Some(0.0),
        degrees_of_freedom: 0,
        measures: 0,
        refused: 0,
    };
    let blank: Vec<Figures> = manifest.scores.iter().map(blank).collect();
    let bare = written(text, &blank, "").map_err(anyhow::Error::msg)?;
    Ok(hex::encode(openssl::sha::sha256(bare.as_bytes())))
}

fn manner(name: &str) -> anyhow::Result<Manner> {
    let known = [retake::RIG, retake::HANDHELD, retake::CARELESS];
    let names: Vec<&str> = known.iter().map(|manner| manner.name).collect();
    let found = known.into_iter().find(|manner| manner.name == name);
    found.with_context(|| format!("--manner {name:?} is not known; use {}", names.join(", ")))
}

fn photos(folder: &Path) -> anyhow::Result<Vec<Photo>> {
    let path = folder.join("planted.json");
    let text = catalogue::read(&path).context("`make setup` renders photographs, or list your own as it does")?;
    let listing: Listing = serde_json::from_str(&text).with_context(|| format!("{} is no listing", path.display()))?;
    let first = |photo: &Photo| photo.phase.as_deref().is_none_or(|phase| phase == "before");
    let photos: Vec<Photo> = listing
        .photos
        .into_iter()
        .filter(first)
        .map(|photo| Photo { file: folder.join(&photo.file), ..photo })
        .collect();
    ensure!(!photos.is_empty(), "{} lists no photograph of the phase \"before\"", path.display());
    Ok(photos)
}

/// A photograph as a journal's heading names it.
fn told(photo: &Photo) -> anyhow::Result<String> {
    let bytes = fs::read(&photo.file).with_context(|| format!("{} cannot be read", photo.file.display()))?;
    let digest = hex::encode(openssl::sha::sha256(&bytes));
    let Photo { view, file, anchors, px_per_mm, phase: _ } = photo;
    Ok(format!("{view} {} {anchors:?} {px_per_mm} {digest}", file.display()))
}

/// The trial's two photographs, taken, measured and compared.
async fn one(evaluator: &mut Evaluator, photo: &Photo, manner: Manner, seed: u64, at: u32) -> anyhow::Result<Trial> {
    let listed = photo.clone();
    let taken = spawn_blocking(move || take(&listed, manner, seed, at));
    let [before, after] = taken.await??;
    let levels = [
        evaluator.levels(&photo.view, before.anchors, &before.bytes).await?,
        evaluator.levels(&photo.view, after.anchors, &after.bytes).await?,
    ];
    let paired = evaluator.paired(&photo.view, [before.anchors, after.anchors], [&before.bytes, &after.bytes]).await?;
    Ok(Trial::of(at, &levels[0], &levels[1], &paired))
}

struct Shot {
    bytes: Vec<u8>,
    anchors: [[f64; 2]; 2],
}

fn take(photo: &Photo, manner: Manner, seed: u64, at: u32) -> anyhow::Result<[Shot; 2]> {
    let bytes = fs::read(&photo.file).with_context(|| format!("{} cannot be read", photo.file.display()))?;
    let scene = picture::decode(&door::admit(&bytes)?)?;
    let mut source = Source::new(scene.clone());
    let mut random = fastrand::Rng::with_seed(seed ^ (u64::from(at) << 32));
    let mut shot = || {
        let taken = manner.draw(&mut random, 0.0);
        let way = taken.way(&scene);
        let tap = TAP_MM * photo.px_per_mm;
        let anchors = photo.anchors.map(|anchor| way.onto(anchor).map(|v| v + tap * (2.0 * random.f64() - 1.0)));
        Shot { bytes: taken.photograph(&mut source), anchors }
    };
    Ok([shot(), shot()])
}

/// Finished trials, each on disk before the next begins.
struct Journal {
    file: File,
    trials: Vec<Trial>,
}

impl Journal {
    fn open(path: &Path, heading: &Heading) -> anyhow::Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("{} cannot be read", path.display())),
        };
        // A line that a power cut tore off is done again.
        let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
        let mut lines = whole.lines();
        let mut trials = Vec::new();
        if let Some(first) = lines.next() {
            let known: Heading =
                serde_json::from_str(first).with_context(|| format!("{} is no journal", path.display()))?;
            if known != *heading {
                bail!(
                    "{} is of another model, manner, seed or photographs; name another --journal or remove it",
                    path.display()
                );
            }
            for line in lines {
                trials.push(serde_json::from_str(line).with_context(|| format!("{} is torn", path.display()))?);
            }
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        let mut file = file.with_context(|| format!("{} cannot be written", path.display()))?;
        file.set_len(whole.len() as u64)?;
        if whole.is_empty() {
            writeln!(file, "{}", serde_json::to_string(heading)?)?;
        }
        Ok(Self { file, trials })
    }

    /// Those of so many pairs: what an earlier, longer run found beyond them is none of this one's figures.
    fn first(&self, pairs: u32) -> Vec<Trial> {
        self.trials.iter().filter(|trial| trial.at < pairs).cloned().collect()
    }

    fn add(&mut self, trial: Trial) -> anyhow::Result<()> {
        writeln!(self.file, "{}", serde_json::to_string(&trial)?)?;
        self.file.sync_data()?;
        self.trials.push(trial);
        Ok(())
    }
}

fn minutes(left: Duration) -> String {
    match left.as_secs() {
        seconds if seconds < 90 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}

fn report(found: &[Figures]) {
    for figures in found {
        let Figures { metric, unchanged, level_mean, level_sd, degrees_of_freedom, measures, refused } = figures;
        say!("{metric}: {measures} measures in {degrees_of_freedom} pairs, {refused} refused");
        if let Some([mean, sd]) = unchanged {
            say!("  unchanged_mean = {mean:.4}\n  unchanged_sd = {sd:.4}");
        }
        if let Some((mean, sd)) = level_mean.zip(*level_sd) {
            say!("  level_sd = {sd:.3}      # {:.1} % of {mean:.2}", 100.0 * sd / mean);
        }
        say!("  degrees_of_freedom = {degrees_of_freedom}");
    }
}

fn source(photos: &Path, manner: Manner, pairs: u32, seed: u64) -> String {
    let of = photos.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let Manner { name, degrees, scale, gain, blur_px, noise, quality, .. } = manner;
    format!(
        "{pairs} pairs retaken from {of} ({name}, seed {seed}): turn {degrees} degrees, scale {:.0} %, gain {:.0} %, blur {} to {} px, noise to {} grey levels, JPEG {} to {}; anchors {TAP_MM} mm off; registered as in use; no real re-captures",
        100.0 * scale,
        100.0 * gain,
        blur_px[0],
        blur_px[1],
        noise[1],
        quality[0],
        quality[1]
    )
}
