//! The pure part of the gateway alone, mounted here by path: a build for the fuzzer takes seconds, and it would fail if the
//! protocol language came to need a socket, a clock or a file.

#[path = "../../src/analysis/mod.rs"]
pub mod analysis;
#[path = "../../src/domain/mod.rs"]
pub mod domain;
#[path = "../../src/protocol/mod.rs"]
pub mod protocol;

use protocol::{Spec, Vector, vector::Meaning};
use std::{
    fs,
    path::PathBuf,
    sync::{Arc, LazyLock},
};

/// One protocol with its frames that hold, each with what it means.
pub struct Device {
    pub spec: Arc<Spec>,
    pub vectors: Vec<Vector>,
}

/// Every protocol of the catalogue, by name.
pub static CATALOGUE: LazyLock<Vec<Device>> = LazyLock::new(|| {
    let mut folders = sorted(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../firmware-protocols"));
    folders.retain(|path| path.is_dir());
    folders.into_iter().map(device).collect()
});

fn sorted(folder: PathBuf) -> Vec<PathBuf> {
    let entries = fs::read_dir(&folder).unwrap_or_else(|fault| panic!("{}: {fault}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    paths
}

fn device(folder: PathBuf) -> Device {
    let read = |path: PathBuf| fs::read_to_string(&path).unwrap_or_else(|fault| panic!("{}: {fault}", path.display()));
    let id = folder.file_name().and_then(|name| name.to_str()).expect("a plain name").to_owned();
    let spec = Spec::parse(&id, &read(folder.join("protocol.toml"))).unwrap_or_else(|faults| panic!("{faults}"));
    let vector = |path: PathBuf| {
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a plain name").to_owned();
        Vector::parse(&name, &read(path)).unwrap_or_else(|faults| panic!("{faults}"))
    };
    Device { spec: Arc::new(spec), vectors: sorted(folder.join("vectors")).into_iter().map(vector).collect() }
}

impl Device {
    /// Frames that the device sends and that hold.
    pub fn sound(&self) -> impl Iterator<Item = &Vector> {
        self.vectors.iter().filter(|vector| matches!(vector.meaning, Meaning::Message { .. }))
    }

    /// Frames that the gateway sends and that hold.
    pub fn commands(&self) -> impl Iterator<Item = &Vector> {
        self.vectors.iter().filter(|vector| matches!(vector.meaning, Meaning::Command { .. }))
    }
}

/// The first byte chooses a protocol, the others are for it.
pub fn chosen(data: &[u8]) -> Option<(&'static Device, &[u8])> {
    let (first, rest) = data.split_first()?;
    Some((&CATALOGUE[usize::from(*first) % CATALOGUE.len()], rest))
}
