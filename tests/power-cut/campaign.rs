//! Many cuts: which, on how many threads, what failed and how to see it again.
//!
//! A recording has *points*, the moments after which the disk or the demands are others than before. A *round* makes one
//! cut at each of them. How much survives a cut follows from round and point alone, so that any cut can be made again.

use crate::{
    disk::{Disk, Laid, Mistake, Names, Survives},
    facts::Facts,
    kept_folder,
    log::{Log, Op},
    notebook::Note,
    recording::Recording,
    recovery,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    env, fmt, fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::Instant};

/// Parts of a round, each the work of one thread for a while.
const PARTS: usize = 16;

/// Failures of one kind that are told in full; more would only repeat them.
const TOLD: usize = 2;

/// After so many failures no further part is begun: the run has failed and need not take its time.
const ENOUGH: usize = 200;

/// What `SKINLINK_POWER_CUTS` asks for.
pub enum Wish {
    /// Nothing: everything, in short.
    All,
    /// `1000000`: that many cuts, going on where an earlier run was ended.
    Many(u64),
    /// `again:ROUND:POINT:LOG`: one cut of a kept recording.
    Again { round: u64, point: usize, log: PathBuf },
}

impl Wish {
    pub fn from_environment() -> Self {
        let Ok(text) = env::var("SKINLINK_POWER_CUTS") else { return Self::All };
        if let Ok(cuts) = text.parse() {
            return Self::Many(cuts);
        }
        let parts: Vec<&str> = text.splitn(4, ':').collect();
        match parts.as_slice() {
            ["again", round, point, log] => Self::Again {
                round: round.parse().expect("a round"),
                point: point.parse().expect("a point"),
                log: PathBuf::from(log),
            },
            _ => panic!("SKINLINK_POWER_CUTS is a number of cuts, or again:ROUND:POINT:LOG; it is {text:?}"),
        }
    }
}

/// One cut that lost something.
#[derive(Debug)]
struct Failure {
    round: u64,
    point: usize,
    why: String,
}

/// What cuts found.
#[derive(Debug, Default)]
pub struct Found {
    pub made: u64,
    failures: Vec<Failure>,
}

impl Found {
    pub fn failed(&self) -> usize {
        self.failures.len()
    }

    /// The failures by kind: their sentences without ids and numbers.
    fn by_kind(&self) -> BTreeMap<String, Vec<&Failure>> {
        let mut kinds: BTreeMap<String, Vec<&Failure>> = BTreeMap::new();
        for failure in &self.failures {
            let words = failure.why.split_whitespace().filter(|word| !word.contains(|c: char| c.is_ascii_digit()));
            kinds.entry(words.take(9).collect::<Vec<_>>().join(" ")).or_default().push(failure);
        }
        kinds
    }

    pub fn kinds(&self) -> String {
        let kinds = self.by_kind();
        kinds.iter().map(|(kind, of)| format!("{} × {kind:?}", of.len())).collect::<Vec<_>>().join(", ")
    }

    /// Fails if any cut failed; the recording is kept, and the commands that show the failures again are printed.
    pub fn hold(&self, log: &Path) {
        if self.failures.is_empty() {
            return;
        }
        let kept = kept_folder().join(format!("failed-{}.log", std::process::id()));
        fs::copy(log, &kept).unwrap();
        for Failure { round, point, why } in self.by_kind().values().flat_map(|of| of.iter().take(TOLD)) {
            println!("round {round}, point {point}: {why}");
            println!(
                "  again: SKINLINK_POWER_CUTS=again:{round}:{point}:{} cargo test --test power-cut -- --nocapture",
                kept.display()
            );
        }
        panic!("{} of {} power cuts lost something: {}", self.failed(), self.made, self.kinds());
    }
}

/// Cuts of one recording.
pub struct Campaign<'l> {
    log: &'l Log,
    mistake: Option<Mistake>,
    /// What the gateway promised, by the place of the record after which it is demanded.
    promised: BTreeMap<usize, Facts>,
}

/// One round's part that a thread takes.
#[derive(Debug, Clone, Copy)]
struct Part {
    round: u64,
    from: usize,
    to: usize,
    /// Of all points, so many are cut at.
    quota: usize,
}

impl Part {
    fn takes(&self, point: usize, points: usize) -> bool {
        let even = |point: usize| point * self.quota / points;
        (self.from..self.to).contains(&point) && even(point) != even(point + 1)
    }
}

impl<'l> Campaign<'l> {
    pub fn new(log: &'l Log, mistake: Option<Mistake>) -> Self {
        let promised = match mistake {
            Some(Mistake::Answer) => promised_too_early(log),
            _ => log.promised().clone(),
        };
        Self { log, mistake, promised }
    }

    /// So many cuts, spread evenly over the whole recording: whole rounds, and one of every so manieth point.
    pub fn cuts(&self, cuts: u64) -> Found {
        let points = self.log.points();
        let (rounds, rest) = (cuts / points as u64, usize::try_from(cuts).unwrap() % points);
        let mut parts: Vec<Part> = (0..rounds).flat_map(|round| self.round(round, points)).collect();
        parts.extend(self.round(rounds, rest));
        let begun = Instant::now();
        let found = self.make(&parts);
        let took = begun.elapsed().as_secs_f64();
        if self.mistake.is_none() {
            println!("{} cuts in {took:.1} s, {:.0} a second", found.made, found.made as f64 / took);
        }
        found
    }

    /// Cuts that hunt the seeded mistake. Promises made too early are caught only just after they were made: there alone it is
    /// cut, round after round.
    pub fn hunt(&self, cuts: u64) -> Found {
        match self.mistake {
            Some(Mistake::Answer) => {
                let rounds = cuts / self.promised.len() as u64;
                self.make(&(0..rounds).flat_map(|round| self.round(round, self.log.points())).collect::<Vec<_>>())
            }
            _ => self.cuts(cuts),
        }
    }

    fn is_cut_at(&self, place: usize) -> bool {
        self.mistake != Some(Mistake::Answer) || self.promised.contains_key(&place)
    }

    /// A round that cuts at `quota` of the points.
    fn round(&self, round: u64, quota: usize) -> impl Iterator<Item = Part> + use<> {
        let points = self.log.points();
        (0..PARTS).map(move |part| {
            let (from, to) = (points * part / PARTS, points * (part + 1) / PARTS);
            Part { round, from, to, quota }
        })
    }

    fn make(&self, parts: &[Part]) -> Found {
        let (next, found) = (AtomicUsize::new(0), Mutex::new(Found::default()));
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from).min(parts.len()) {
                scope.spawn(|| {
                    let mut scratch = Scratch::new();
                    while let Some(part) = parts.get(next.fetch_add(1, Ordering::Relaxed)) {
                        let (made, failures) = self.part(*part, &mut scratch);
                        let mut found = found.lock().unwrap();
                        found.made += made;
                        found.failures.extend(failures);
                        if found.failed() >= ENOUGH {
                            break;
                        }
                    }
                });
            }
        });
        let mut found = found.into_inner().unwrap();
        found.failures.sort_by_key(|failure| (failure.round, failure.point));
        found
    }

    fn part(&self, part: Part, scratch: &mut Scratch) -> (u64, Vec<Failure>) {
        let (round, points) = (part.round, self.log.points());
        let (mut disk, mut demands) = (Disk::new(self.mistake), Facts::new());
        let (mut made, mut failures) = (0, Vec::new());
        let mut point = 0;
        scratch.forget();
        for (place, record) in self.log.records().iter().enumerate() {
            disk.apply(record);
            if let Some(facts) = self.promised.get(&place) {
                demands.extend(facts.clone());
            }
            if record.op == Op::Note {
                noted(record.rest, &mut demands);
            }
            if !record.is_point() {
                continue;
            }
            if part.takes(point, points) && self.is_cut_at(place) {
                made += 1;
                if let Err(why) = scratch.cut(&disk, round, point, &demands) {
                    failures.push(Failure { round, point, why });
                }
            }
            point += 1;
            if point == part.to {
                break;
            }
        }
        (made, failures)
    }

    /// One cut once more, told in full.
    pub fn again(&self, round: u64, point: usize) {
        let mut scratch = Scratch::new();
        let (_, failures) =
            self.part(Part { round, from: point, to: point + 1, quota: self.log.points() }, &mut scratch);
        let before = self.log.records().into_iter().filter(|record| record.is_point()).take(point + 1);
        println!("the last records before the cut:");
        for record in before.collect::<Vec<_>>().iter().rev().take(12).rev() {
            println!("  {:?} {} number {} bytes {}", record.op, record.name, record.number, record.rest.len());
        }
        let (names, survives) = fate(round, point);
        println!("names {names:?}, survives {survives:?}");
        let left = scratch.keep();
        println!("the folder after its recovery: {}", left.display());
        assert!(failures.is_empty(), "{}", failures[0].why);
    }
}

/// Each promise as if it had been made before the last commit before it was synced.
fn promised_too_early(log: &Log) -> BTreeMap<usize, Facts> {
    let (mut names, mut before_sync) = (HashMap::new(), 0);
    let mut early: BTreeMap<usize, Facts> = BTreeMap::new();
    for (place, record) in log.records().iter().enumerate() {
        let key = (record.process, record.handle);
        match record.op {
            Op::Create | Op::Open => drop(names.insert(key, record.name)),
            Op::Sync if names.get(&key).is_some_and(|name| name.ends_with("-wal")) => before_sync = place - 1,
            _ => {}
        }
        if let Some(facts) = log.promised().get(&place) {
            early.entry(before_sync).or_default().extend(facts.clone());
        }
    }
    early
}

fn noted(text: &[u8], demands: &mut Facts) {
    let Note { kept, released } = serde_json::from_slice(text).unwrap();
    demands.extend(kept);
    released.iter().for_each(|key| drop(demands.remove(key)));
}

/// What survives the cut of this round at this point: the extremes in turn, half of all cuts at random.
fn fate(round: u64, point: usize) -> (Names, Survives) {
    let mut rng = fastrand::Rng::with_seed(round.wrapping_mul(1_000_003).wrapping_add(point as u64));
    match (round + point as u64) % 6 {
        0 => (Names::Strict, Survives::Nothing),
        1 => (Names::Journal, Survives::Nothing),
        2 => (Names::Journal, Survives::All),
        _ => {
            let names = if rng.bool() { Names::Strict } else { Names::Journal };
            (names, Survives::Some(rng))
        }
    }
}

/// A folder in which the disks are laid out, one after another.
struct Scratch {
    folder: TempDir,
    runtime: Runtime,
    /// Photographs and backups that lie there as they should from the cut before. Databases are written anew for every cut: the
    /// recovery of the last one changed them.
    laid: HashMap<String, (usize, u64)>,
}

impl Scratch {
    fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Self { folder: folder.unwrap(), runtime, laid: HashMap::new() }
    }

    fn forget(&mut self) {
        self.laid.clear();
    }

    fn keep(self) -> PathBuf {
        self.folder.keep()
    }

    fn cut(&mut self, disk: &Disk<'_>, round: u64, point: usize, demands: &Facts) -> Result<(), String> {
        let (names, mut survives) = fate(round, point);
        let (folders, files) = disk.after_cut(names, &mut survives);
        let backups = self.lay(&folders, files);
        self.runtime.block_on(recovery::holds(self.folder.path(), &backups, demands))
    }

    /// Makes the folder what the cut left; gives the backups that were not looked at in the cut before.
    fn lay(&mut self, folders: &[&str], files: BTreeMap<&str, Laid<'_>>) -> Vec<PathBuf> {
        let mut backups = Vec::new();
        let root = self.folder.path().to_owned();
        let wanted: BTreeSet<PathBuf> =
            folders.iter().copied().chain(files.keys().copied()).map(|name| root.join(&name[1..])).collect();
        remove_all_but(&wanted, &root);
        for folder in folders {
            fs::create_dir_all(root.join(&folder[1..])).unwrap();
        }
        for (name, Laid { settled, bytes }) in files {
            let path = root.join(&name[1..]);
            let stays = settled.is_some() && self.laid.get(name) == settled.as_ref() && path.exists();
            if stays {
                continue;
            }
            fs::write(&path, bytes()).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            let backup = name.contains("/backups/");
            if backup && name.ends_with(".db") {
                backups.push(path);
            }
            match settled.filter(|_| backup || name.contains("/pictures/")) {
                Some(settled) => self.laid.insert(name.to_owned(), settled),
                None => self.laid.remove(name),
            };
        }
        backups
    }
}

fn remove_all_but(wanted: &BTreeSet<PathBuf>, folder: &Path) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let path = entry.path();
        match (entry.file_type().unwrap().is_dir(), wanted.contains(&path)) {
            (true, true) => remove_all_but(wanted, &path),
            (true, false) => fs::remove_dir_all(path).unwrap(),
            (false, true) => {}
            (false, false) => fs::remove_file(path).unwrap(),
        }
    }
}

/// How far the long campaign has come.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Progress {
    rounds: u64,
    cuts: u64,
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cuts in {} rounds", self.cuts, self.rounds)
    }
}

/// The long campaign: one recording, round after round until `cuts` were made. It may be ended at any time and goes on
/// with the same recording; the first failing round ends it.
pub async fn resume(cuts: u64) {
    let folder = kept_folder().join("campaign");
    fs::create_dir_all(&folder).unwrap();
    let (log, state) = (folder.join("recording.log"), folder.join("progress.json"));
    let known = fs::read(&state).ok().and_then(|text| serde_json::from_slice::<Progress>(&text).ok());
    let mut progress = match known.filter(|progress| progress.cuts < cuts && log.exists()) {
        Some(progress) => progress,
        None => {
            let recording = Recording::of_a_visit().await;
            fs::copy(&recording.log, &log).unwrap();
            Progress::default()
        }
    };
    println!("{progress} so far; again from the start: remove {}", folder.display());
    let work = move || {
        let recorded = Log::read(&log);
        let (campaign, begun, before) = (Campaign::new(&recorded, None), Instant::now(), progress.cuts);
        while progress.cuts < cuts {
            let found = campaign.make(&campaign.round(progress.rounds, recorded.points()).collect::<Vec<_>>());
            found.hold(&log);
            progress = Progress { rounds: progress.rounds + 1, cuts: progress.cuts + found.made };
            fs::write(&state, serde_json::to_vec(&progress).unwrap()).unwrap();
            let rate = (progress.cuts - before) as f64 / begun.elapsed().as_secs_f64();
            let left = cuts.saturating_sub(progress.cuts) as f64 / rate / 60.0;
            println!("{progress} of {cuts}; {rate:.0} a second, {left:.0} minutes left");
        }
    };
    tokio::task::spawn_blocking(work).await.unwrap();
}
