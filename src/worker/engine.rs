//! The loaded models, and how a model comes in: manifest, digest, session, golden set. Only then it replaces the one of
//! the same id; until then, and if anything fails, the old one goes on.

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
use skinlink_pixels::sample::Source;
use std::{fs, path::Path};

/// A model file above this is not for a salon's machine.
const MAX_MODEL_BYTES: u64 = 512 << 20;

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

    pub(super) fn activate(&mut self, folder: &Path) -> Result<ModelName, String> {
        let read = |name: &str| {
            let path = folder.join(name);
            let size = fs::metadata(&path).map_err(|e| format!("{} cannot be read ({e})", path.display()))?.len();
            if size > MAX_MODEL_BYTES {
                return Err(format!("{} has {size} bytes, at most {MAX_MODEL_BYTES} are loaded", path.display()));
            }
            fs::read(&path).map_err(|e| format!("{} cannot be read ({e})", path.display()))
        };
        let text = |name: &str| String::from_utf8(read(name)?).map_err(|_| format!("{name} is not UTF-8"));
        let manifest = Manifest::parse(&text("manifest.toml")?).map_err(|e| e.to_string())?;
        let bytes = read(&manifest.file)?;
        let mut model = Model::open(&self.runtime, manifest, &bytes).map_err(|e| e.to_string())?;
        for golden in model.manifest().golden.clone() {
            let fault = |e: String| format!("golden picture {:?}: {e}", golden.name);
            let expected = Golden::parse(&text(&golden.expect)?).map_err(fault)?;
            let differs = prove(&mut model, &read(&golden.input)?, &expected).map_err(fault)?;
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

/// What differs from the golden figures.
fn prove(model: &mut Model, picture: &[u8], expected: &Golden) -> Result<Vec<String>, String> {
    let picture = decode(picture)?;
    let input = &model.manifest().input;
    let tensor = match input.fit {
        Fit::Region { .. } => tensor::from_planes(input, &picture.planes()),
        Fit::Whole { .. } => tensor::from_picture(input, &mut Source::new(picture)),
    };
    let outputs = model.run(&tensor.map_err(|e| e.to_string())?).map_err(|e| e.to_string())?;
    Ok(expected.differences(model.manifest(), &outputs))
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
