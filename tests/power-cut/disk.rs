//! A disk under a recording: what is durable for sure, what is only pending, and what a power cut may make of it.
//!
//! Bytes: a write is durable once its file was synced after it; until then each pending write may be kept, lost or torn at
//! 512 bytes, independently of the others. `fdatasync` makes the bytes and the length of a file durable and nothing else. Names,
//! in two models: [`Names::Journal`] (ext4 and the like: any `fsync` commits all names so far, a cut keeps a prefix of the rest;
//! an `fdatasync` commits none, though it may on a file that has grown) and [`Names::Strict`] (what POSIX promises: a name is
//! durable once its own folder was synced; a cut keeps any prefix of each folder's rest). Modes are those at creation.

use crate::log::{Op, Record};
use std::collections::{BTreeMap, HashMap};

/// A disk writes a sector whole or not at all.
const SECTOR: usize = 512;

/// A sync that the program is made to have forgotten, or to have not waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// A photograph's file is not synced before it gets its name.
    Image,
    /// The write-ahead log is not synced at commit, as with `synchronous=NORMAL`.
    WriteAheadLog,
    /// The folder of the photographs is not synced after a rename.
    Folder,
    /// Answers leave before the commit that they stand for is synced.
    Answer,
}

impl Mistake {
    pub const ALL: [Self; 4] = [Self::Image, Self::WriteAheadLog, Self::Folder, Self::Answer];

    fn forgets(self, target: &Target<'_>) -> bool {
        match (self, target) {
            (Self::Image, Target::File { name, .. }) => name.contains("/pictures/"),
            (Self::WriteAheadLog, Target::File { name, .. }) => name.ends_with("-wal"),
            (Self::Folder, Target::Folder(name)) => name.ends_with("/pictures"),
            _ => false,
        }
    }
}

/// How names become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Names {
    Journal,
    Strict,
}

/// How much of what is pending survives.
#[derive(Debug, Clone)]
pub enum Survives {
    Nothing,
    All,
    Some(fastrand::Rng),
}

impl Survives {
    fn up_to(&mut self, most: usize) -> usize {
        match self {
            Self::Nothing => 0,
            Self::All => most,
            Self::Some(rng) => rng.usize(0..=most),
        }
    }
}

#[derive(Debug, Clone, Copy)]
enum Change<'l> {
    Write { at: usize, bytes: &'l [u8] },
    Truncate(usize),
    Extend(usize),
}

#[derive(Debug, Default)]
struct File<'l> {
    durable: Vec<u8>,
    pending: Vec<Change<'l>>,
    /// Grows with every change, so that an equal number means equal bytes.
    version: u64,
}

/// What a name stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Node {
    File(usize),
    Folder,
}

/// What a handle was opened on.
#[derive(Debug, Clone, Copy)]
enum Target<'l> {
    File {
        file: usize,
        name: &'l str,
    },
    Folder(&'l str),
    /// There before the recording, and not the gateway's: certificates, logs.
    Foreign,
}

#[derive(Debug, Clone, Copy)]
enum Naming<'l> {
    Put(&'l str, Node),
    Remove(&'l str),
    Move(&'l str, &'l str),
}

impl<'l> Naming<'l> {
    fn folder(&self) -> &'l str {
        let (Self::Put(name, _) | Self::Remove(name) | Self::Move(_, name)) = self;
        parent(name)
    }

    fn apply(&self, names: &mut Tree<'l>) {
        match self {
            Self::Put(name, node) => {
                names.insert(name, *node);
            }
            Self::Remove(name) => {
                names.remove(name);
            }
            Self::Move(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to, node);
                }
            }
        }
    }
}

type Tree<'l> = BTreeMap<&'l str, Node>;

#[derive(Debug, Default)]
struct Folders<'l> {
    durable: Tree<'l>,
    pending: Vec<Naming<'l>>,
}

/// The disk at one moment of a recording.
#[derive(Debug)]
pub struct Disk<'l> {
    mistake: Option<Mistake>,
    files: Vec<File<'l>>,
    names: Tree<'l>,
    journal: Folders<'l>,
    strict: Folders<'l>,
    open: HashMap<(u32, u64), Target<'l>>,
}

/// A file of a cut: which it is while nothing of it is pending, and its bytes.
pub struct Laid<'d> {
    /// `None` while something is pending: no two cuts need agree then.
    pub settled: Option<(usize, u64)>,
    pub bytes: Box<dyn FnOnce() -> Vec<u8> + 'd>,
}

fn parent(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| if folder.is_empty() { "/" } else { folder })
}

impl<'l> Disk<'l> {
    /// An empty one.
    pub fn new(mistake: Option<Mistake>) -> Self {
        let (files, names, open) = (Vec::new(), Tree::new(), HashMap::new());
        Self { mistake, files, names, journal: Folders::default(), strict: Folders::default(), open }
    }

    /// What the program did next.
    pub fn apply(&mut self, record: &Record<'l>) {
        let key = (record.process, record.handle);
        match record.op {
            Op::Create => {
                self.files.push(File::default());
                let file = self.files.len() - 1;
                self.name(Naming::Put(record.name, Node::File(file)));
                self.open.insert(key, Target::File { file, name: record.name });
            }
            Op::Open => {
                let target = match self.names.get(record.name) {
                    Some(Node::File(file)) => Target::File { file: *file, name: record.name },
                    Some(Node::Folder) => Target::Folder(record.name),
                    None if record.name == "/" => Target::Folder("/"),
                    None => Target::Foreign,
                };
                self.open.insert(key, target);
            }
            Op::Write => self.change(key, Change::Write { at: size(record.number), bytes: record.rest }),
            Op::Truncate => self.change(key, Change::Truncate(size(record.number))),
            Op::Extend => self.change(key, Change::Extend(size(record.number))),
            Op::Sync => self.sync(key, record.number == 1),
            Op::Rename => {
                let to = std::str::from_utf8(record.rest).unwrap();
                assert_eq!(parent(record.name), parent(to), "a rename from folder to folder is not modelled");
                assert_ne!(self.names.get(record.name), Some(&Node::Folder), "renaming a folder is not modelled");
                self.name(Naming::Move(record.name, to));
            }
            Op::Link => {
                let node = self.names[record.name];
                self.name(Naming::Put(std::str::from_utf8(record.rest).unwrap(), node));
            }
            Op::Unlink | Op::RemoveFolder => self.name(Naming::Remove(record.name)),
            Op::MakeFolder => self.name(Naming::Put(record.name, Node::Folder)),
            Op::Said | Op::Note => {}
        }
    }

    fn name(&mut self, naming: Naming<'l>) {
        naming.apply(&mut self.names);
        self.journal.pending.push(naming);
        self.strict.pending.push(naming);
    }

    fn change(&mut self, key: (u32, u64), change: Change<'l>) {
        match self.open[&key] {
            Target::File { file, .. } => {
                self.files[file].pending.push(change);
                self.files[file].version += 1;
            }
            other => panic!("{other:?} was written to, but the recording did not see it made"),
        }
    }

    fn sync(&mut self, key: (u32, u64), data_only: bool) {
        let target = self.open[&key];
        if self.mistake.is_some_and(|mistake| mistake.forgets(&target)) {
            return;
        }
        match target {
            Target::File { file, .. } => {
                let File { durable, pending, .. } = &mut self.files[file];
                pending.drain(..).for_each(|change| change.apply(durable));
                if data_only {
                    return;
                }
            }
            Target::Folder(name) => {
                let (now, later) = std::mem::take(&mut self.strict.pending)
                    .into_iter()
                    .partition::<Vec<_>, _>(|naming| naming.folder() == name);
                now.iter().for_each(|naming| naming.apply(&mut self.strict.durable));
                self.strict.pending = later;
            }
            Target::Foreign => return,
        }
        // The entries of a folder are its data: either sync makes them durable.
        let Folders { durable, pending } = &mut self.journal;
        pending.drain(..).for_each(|naming| naming.apply(durable));
    }

    /// Every file as the program sees it now.
    pub fn now(&self) -> Vec<(&'l str, Vec<u8>)> {
        let files = self.names.iter().filter_map(|(name, node)| match node {
            Node::File(file) => Some((*name, self.files[*file].after_cut(&mut Survives::All))),
            Node::Folder => None,
        });
        files.collect()
    }

    /// What is found after a power cut now: the folders, and the files with their bytes.
    pub fn after_cut(&self, names: Names, survives: &mut Survives) -> (Vec<&'l str>, BTreeMap<&'l str, Laid<'_>>) {
        let tree = match names {
            Names::Journal => self.journal.prefix(survives),
            Names::Strict => self.strict.prefix_of_each_folder(survives),
        };
        let reachable = |name: &str| {
            let mut folder = parent(name);
            while folder != "/" {
                if tree.get(folder) != Some(&Node::Folder) {
                    return false;
                }
                folder = parent(folder);
            }
            true
        };
        let (mut folders, mut files) = (Vec::new(), BTreeMap::new());
        for (name, node) in tree.iter().filter(|(name, _)| reachable(name)) {
            match node {
                Node::Folder => folders.push(*name),
                Node::File(at) => {
                    let file = &self.files[*at];
                    let settled = file.pending.is_empty().then_some((*at, file.version));
                    let mut survives = survives.split();
                    let bytes = Box::new(move || file.after_cut(&mut survives));
                    files.insert(*name, Laid { settled, bytes });
                }
            }
        }
        (folders, files)
    }
}

impl Survives {
    /// A source of its own for one file, so that a file's fate does not hang on whether another was written out.
    fn split(&mut self) -> Self {
        match self {
            Self::Some(rng) => Self::Some(rng.fork()),
            same => same.clone(),
        }
    }
}

impl<'l> Folders<'l> {
    fn prefix(&self, survives: &mut Survives) -> Tree<'l> {
        let mut tree = self.durable.clone();
        let kept = survives.up_to(self.pending.len());
        self.pending[..kept].iter().for_each(|naming| naming.apply(&mut tree));
        tree
    }

    fn prefix_of_each_folder(&self, survives: &mut Survives) -> Tree<'l> {
        let mut tree = self.durable.clone();
        let mut left: BTreeMap<&str, usize> = BTreeMap::new();
        for naming in &self.pending {
            *left.entry(naming.folder()).or_default() += 1;
        }
        left.values_mut().for_each(|count| *count = survives.up_to(*count));
        for naming in &self.pending {
            let left = left.get_mut(naming.folder()).unwrap();
            if *left > 0 {
                *left -= 1;
                naming.apply(&mut tree);
            }
        }
        tree
    }
}

impl File<'_> {
    fn after_cut(&self, survives: &mut Survives) -> Vec<u8> {
        let mut bytes = self.durable.clone();
        for change in &self.pending {
            match (survives.up_to(2), change) {
                (0, _) => {}
                (1, Change::Write { at, bytes: written }) => torn(&mut bytes, *at, written, survives),
                _ => change.apply(&mut bytes),
            }
        }
        bytes
    }
}

/// Some sectors of a write.
fn torn(file: &mut Vec<u8>, at: usize, written: &[u8], survives: &mut Survives) {
    let mut from = 0;
    while from < written.len() {
        let to = (from + SECTOR - (at + from) % SECTOR).min(written.len());
        if survives.up_to(1) == 1 {
            Change::Write { at: at + from, bytes: &written[from..to] }.apply(file);
        }
        from = to;
    }
}

impl Change<'_> {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Write { at, bytes } => {
                let end = at + bytes.len();
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*at..end].copy_from_slice(bytes);
            }
            Self::Truncate(length) => file.resize(*length, 0),
            Self::Extend(length) => file.resize(file.len().max(*length), 0),
        }
    }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap()
}
