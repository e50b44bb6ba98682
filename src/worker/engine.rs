//! The loaded models, and how a model comes in: manifest, digest, session, golden set. Only then it replaces the one of
//! the same id; until then, and if anything fails, the old one goes on.

use super::limits;
use crate::{
    adapters::onnx::{self, Model, Runtime},
    analysis::{
        cameras::Cameras,
        door,
        gates::Gates,
        golden::Golden,
        job::ModelName,
        manifest::{Fit, Manifest},
        picture::{self, Picture},
        regions::{FaceRegions, ViewRegions},
        tensor,
    },
    domain::capture::View,
    faults,
};
use openssl::sha::sha256;
use skinlink_pixels::sample::Source;
use std::{fs, io::Read, path::Path};

/// A model file above this is not for a salon's machine.
const MAX_MODEL_BYTES: u64 = 512 << 20;
/// A manifest or golden figures above this were not written by a person.
const MAX_TEXT_BYTES: u64 = 1 << 20;

pub(super) struct Engine {
    runtime: Runtime,
    regions: FaceRegions,
    pub gates: Gates,
    pub cameras: Cameras,
    pub models: Vec<Model>,
}

impl Engine {
    pub(super) const fn new(runtime: Runtime, regions: FaceRegions, gates: Gates, cameras: Cameras) -> Self {
        Self { runtime, regions, gates, cameras, models: Vec::new() }
    }

    pub(super) fn view(&self, word: &str) -> Result<&ViewRegions, String> {
        let view: View = word.parse().map_err(|e: crate::domain::UnknownWord| e.to_string())?;
        self.regions.view(view).ok_or_else(|| format!("face-regions.toml describes no view {word:?}"))
    }

    /// Some of the active models, by their ids; all where nobody chose.
    pub(super) fn models_of<'a>(&'a mut self, only: Option<&'a [String]>) -> impl Iterator<Item = &'a mut Model> {
        let chosen = move |model: &&mut Model| only.is_none_or(|ids| ids.contains(&model.manifest().id));
        self.models.iter_mut().filter(chosen)
    }

    /// The active model of this id.
    pub(super) fn model(&mut self, id: &str) -> Result<&mut Model, String> {
        let model = self.models.iter_mut().find(|model| model.manifest().id == id);
        model.ok_or_else(|| format!("no model {id:?} is active"))
    }

    /// With `bound` the process is for this one trial: what the model may add in memory is set as its limit first.
    pub(super) fn activate(&mut self, folder: &Path, pinned: Option<&str>, bound: bool) -> Result<ModelName, String> {
        let files = Files(folder);
        let text = files.text("manifest.toml", MAX_TEXT_BYTES)?;
        if pinned.is_some_and(|pinned| pinned != hex::encode(sha256(text.as_bytes()))) {
            return Err("manifest.toml was changed since the model was tried; activate it anew".to_owned());
        }
        let manifest = Manifest::parse(&text).map_err(|e| e.to_string())?;
        if bound {
            limits::leave(manifest.limits.memory_mib)?;
        }
        let bytes = files.read(&manifest.file, MAX_MODEL_BYTES)?;
        let mut model = Model::open(&self.runtime, manifest, &bytes).map_err(|e| e.to_string())?;
        drop(bytes);
        for golden in model.manifest().golden.clone() {
            let fault = |e: String| format!("golden picture {:?}: {e}", golden.name);
            let expected = Golden::parse(&files.text(&golden.expect, MAX_TEXT_BYTES)?).map_err(fault)?;
            let picture = files.read(&golden.input, door::MAX_BYTES as u64)?;
            let differs = prove(&mut model, &picture, &expected).map_err(fault)?;
            if !differs.is_empty() {
                return Err(fault(format!("the model answers otherwise than it must: {}", differs.join("; "))));
            }
        }
        let name = name_of(&model);
        self.models.retain(|old| old.manifest().id != name.id);
        self.models.push(model);
        faults::point("worker.model.loaded");
        Ok(name)
    }
}

/// The files of a model's folder.
struct Files<'a>(&'a Path);

impl Files<'_> {
    /// A file of at most `limit` bytes. A pipe or a device has no size, gives no end, and is none.
    fn read(&self, name: &str, limit: u64) -> Result<Vec<u8>, String> {
        let path = self.0.join(name);
        let unreadable = |e: std::io::Error| format!("{} cannot be read ({e})", path.display());
        let about = fs::metadata(&path).map_err(unreadable)?;
        if !about.is_file() {
            return Err(format!("{} is no file", path.display()));
        }
        if about.len() > limit {
            return Err(format!("{} has {} bytes, at most {limit} are loaded", path.display(), about.len()));
        }
        let mut bytes = Vec::new();
        fs::File::open(&path).and_then(|file| file.take(limit).read_to_end(&mut bytes)).map_err(unreadable)?;
        Ok(bytes)
    }

    fn text(&self, name: &str, limit: u64) -> Result<String, String> {
        String::from_utf8(self.read(name, limit)?).map_err(|_| format!("{name} is not UTF-8"))
    }
}

/// What differs from the golden figures.
fn prove(model: &mut Model, picture: &[u8], expected: &Golden) -> Result<Vec<String>, String> {
    let picture = decode(picture)?;
    let input = &model.manifest().input;
    let (tensor, placement) = match input.fit {
        Fit::Region { .. } => tensor::from_planes(input, &picture.planes()).map(|tensor| (tensor, None)),
        Fit::Whole { .. } => {
            tensor::from_picture(input, &mut Source::new(picture)).map(|(tensor, placed)| (tensor, Some(placed)))
        }
    }
    .map_err(|e| e.to_string())?;
    let outputs = model.run(&tensor).map_err(|e| e.to_string())?;
    Ok(expected.differences(model.manifest(), &outputs, placement.as_ref()))
}

pub(super) fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let admitted = door::admit(bytes).map_err(|e| e.to_string())?;
    picture::decode(&admitted).map_err(|e| e.to_string())
}

pub(super) fn name_of(model: &Model) -> ModelName {
    let manifest = model.manifest();
    ModelName {
        id: manifest.id.clone(),
        version: manifest.version.clone(),
        digest: manifest.sha256.clone(),
        provider: onnx::PROVIDER.to_owned(),
    }
}
