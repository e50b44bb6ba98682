//! `skinlink demo`: a whole visit of a returning customer through real parts.
//!
//! Analysers are simulated on real pseudo-terminals; the daemon, mosquitto with TLS, headquarters' receiver and the browser
//! pages are the real ones, each a process of its own. What it prints at the end is counted from the devices' own ledgers
//! and from headquarters' tables, never from the daemon's opinion of itself.

pub mod analysers;
mod children;
pub mod plant;
pub mod stage;
pub mod summary;

pub use children::Process;

use super::{
    print::{complain, tell},
    runtime,
    signals::Signals,
};
use crate::{
    cli::{self, exit},
    domain::scan::Phase,
    sim::beautician::{Beautician, Photograph, Plan, Turn},
};
use analysers::Analysers;
use anyhow::{Context, bail};
use plant::Rendered;
use serde_json::Value;
use stage::{GATEWAY, Places, STATION, Stage};
use std::{
    fs,
    io::IsTerminal,
    path::{Path, PathBuf},
    time::Duration,
};
use summary::{AtHq, Summary};
use tokio::time::{Instant, sleep, timeout};

/// The whole visit; on a slow machine some 20 s.
const PLAY_LIMIT: Duration = Duration::from_secs(180);

/// After the visit: until headquarters has everything.
const SYNC_LIMIT: Duration = Duration::from_secs(60);

/// Name of the made-up customer.
pub const CUSTOMER: &str = "林晓月";

/// Plays the demo; the answer is an exit code.
///
/// # Errors
/// When a part cannot be started or the visit cannot be played to its end.
pub async fn run(options: &cli::Demo) -> anyhow::Result<u8> {
    let rendered = Rendered::read(&options.photos)?;
    let folder = Folder::take(options.keep.as_deref())?;
    let started = Instant::now();
    let mut signals = Signals::install()?;
    let played = tokio::select! {
        () = signals.stop_requested() => bail!("interrupted"),
        played = timeout(PLAY_LIMIT, play(options, &rendered, &folder.path)) => played,
    };
    let (stage, daemon, analysers, view) = played.context("the visit did not end within its limit")??;
    say(options, "waiting until headquarters has everything");
    let hq = until_synced(&stage, &view, &analysers).await?;
    let summary = Summary::draw(&view, &rendered, &stage.address(), hq, started.elapsed().as_secs_f64())?;
    let faults = summary.faults();
    if options.json {
        tell(&serde_json::to_string_pretty(&summary)?);
    } else {
        tell(&summary.for_people());
    }
    for fault in &faults {
        complain(&format!("demo: {fault}"));
    }
    if !options.once {
        tell("\nThe pages stay open until Ctrl-C:");
        tell(&format!("  station  {}/station/{STATION}", stage.address()));
        tell(&format!("  report   {}", summary.report["html"].as_str().unwrap_or_default()));
        signals.stop_requested().await;
    }
    daemon.stop().await?;
    analysers.stop().await;
    Ok(if faults.is_empty() { exit::OK } else { exit::FAULT })
}

type Played = (Stage, Process, Analysers, Value);

async fn play(options: &cli::Demo, rendered: &Rendered, folder: &Path) -> anyhow::Result<Played> {
    let places = Places {
        folder: folder.to_owned(),
        program: std::env::current_exe()?,
        project: project(&options.photos)?,
        onnxruntime: runtime::find(None)?,
    };
    say(options, "starting mosquitto with TLS, headquarters' receiver and two simulated analysers");
    let stage = Stage::set(places, options.port).await?;
    let analysers = Analysers::start(&stage, options.seed)?;
    let mut daemon = stage.start_daemon(&[])?;
    stage.until_ready(&mut daemon).await?;
    say(options, &format!("the gateway serves {}", stage.address()));

    say(options, "an earlier visit, so that the customer is a returning one");
    let earlier = Plan { phases: vec![Phase::Before], ..Plan::default() };
    act(options, Beautician::new(&stage.address(), STATION, CUSTOMER, earlier), &analysers, &mut daemon).await?;
    say(options, "today's visit");
    let beautician = Beautician::new(&stage.address(), STATION, CUSTOMER, today(rendered, &options.photos));
    let view = act(options, beautician, &analysers, &mut daemon).await?;
    Ok((stage, daemon, analysers, view))
}

/// Both scans with their photographs, a treatment between, compared within the visit and with the last one.
#[must_use]
pub fn today(rendered: &Rendered, photos: &Path) -> Plan {
    let photographs = rendered.photos.iter().filter_map(|photo| {
        Some(Photograph {
            phase: photo.phase.parse().ok()?,
            view: photo.view.clone(),
            path: photos.join(&photo.file),
            anchors: photo.anchors,
        })
    });
    Plan {
        phases: vec![Phase::Before, Phase::After],
        photographs: photographs.collect(),
        steps: ["清洁", "深层清洁毛孔", "补水导入", "舒缓面膜"].map(str::to_owned).to_vec(),
        baselines: ["same_visit", "last_visit"].map(str::to_owned).to_vec(),
        deeds: Vec::new(),
    }
}

/// Plays one visit to its end and says what happens; the analysers' skin is treated when the beautician says so.
async fn act(
    options: &cli::Demo,
    mut beautician: Beautician,
    analysers: &Analysers,
    daemon: &mut Process,
) -> anyhow::Result<Value> {
    analysers.skin(Phase::Before).await?;
    loop {
        daemon.still_running()?;
        match beautician.turn().await? {
            Turn::Did(what) => say(options, &what),
            Turn::Places(region) => analysers.place(region).await?,
            Turn::Presses(metric, region) => analysers.press(metric, region).await?,
            Turn::Treated(steps) => {
                analysers.skin(Phase::After).await?;
                say(options, &format!("treatment: {steps}"));
            }
            Turn::Waits(_) => sleep(Duration::from_millis(50)).await,
            Turn::Done => return Ok(beautician.view().await?),
        }
    }
}

/// Waits until the daemon owes headquarters nothing and headquarters' tables hold the devices' ledgers.
async fn until_synced(stage: &Stage, view: &Value, analysers: &Analysers) -> anyhow::Result<AtHq> {
    let captures = view["scans"].as_array().into_iter().flatten().flat_map(|scan| scan["captures"].as_array());
    let captures = captures.map(Vec::len).sum::<usize>() as u64;
    let visit = view["id"].as_str().unwrap_or_default();
    let sent = analysers.sent().await?;
    let limit = Instant::now() + SYNC_LIMIT;
    loop {
        let hq = AtHq::count(&stage.hq_data(), GATEWAY, &sent)?;
        // Every pair is photographed twice; its pictures are made in the background. Of each photograph there are a picture for the
        // report and a derivative.
        let (pairs, pictures) = pairs_of(stage, visit).await;
        let expected = 2 * captures + pictures;
        let whole =
            hq.gaps == 0 && 2 * pairs == captures && hq.images_verified == expected && owes_nothing(stage).await;
        if whole || Instant::now() > limit {
            return Ok(hq);
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// How many pairs of photographs were laid onto each other, and how many pictures that made.
async fn pairs_of(stage: &Stage, visit: &str) -> (u64, u64) {
    let Ok(answer) = reqwest::get(format!("{}/api/v1/visits/{visit}", stage.address())).await else { return (0, 0) };
    let view: Value = answer.json().await.unwrap_or_default();
    let pairs = view["pairs"].as_array().map_or(&[][..], Vec::as_slice);
    let pictures = pairs.iter().filter_map(|pair| pair["pictures"].as_array());
    (pairs.len() as u64, pictures.map(Vec::len).sum::<usize>() as u64)
}

async fn owes_nothing(stage: &Stage) -> bool {
    let Ok(answer) = reqwest::get(format!("{}/api/v1/status", stage.address())).await else { return false };
    let status: Value = answer.json().await.unwrap_or_default();
    status["backlog"]["waiting"] == 0 && status["backlog"]["images"] == 0
}

/// The project's root, two folders above `target/demo-photos`, else the current folder.
fn project(photos: &Path) -> anyhow::Result<PathBuf> {
    let photos = fs::canonicalize(photos)?;
    let candidates = [std::env::current_dir()?].into_iter().chain(photos.ancestors().skip(1).map(Path::to_owned));
    let root = candidates.into_iter().find(|folder| folder.join("firmware-protocols").is_dir());
    root.context("cannot find firmware-protocols/; run the demo from the project's folder")
}

fn say(options: &cli::Demo, what: &str) {
    if !options.json || std::io::stderr().is_terminal() {
        complain(&format!("  {what}"));
    }
}

/// The demo's folder; removed at the end unless it is to be kept.
#[derive(Debug)]
struct Folder {
    path: PathBuf,
    keep: bool,
}

impl Folder {
    fn take(keep: Option<&Path>) -> anyhow::Result<Self> {
        let path = match keep {
            Some(path) => std::path::absolute(path)?,
            None => std::env::temp_dir().join(format!("skinlink-demo-{}", std::process::id())),
        };
        // Only what a demo made is emptied: a mistyped folder of somebody's keeps what it has.
        if path.exists() {
            let ours = path.join("gateway.toml").exists() || fs::read_dir(&path)?.next().is_none();
            anyhow::ensure!(ours, "{} holds other things than a demo; name an empty folder", path.display());
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        Ok(Self { path, keep: keep.is_some() })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if !self.keep {
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
