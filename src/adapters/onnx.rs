//! ONNX Runtime through `ort`: one library, one environment, sessions.
//!
//! The library is opened at run time and its SHA-256 is checked first, because a truncated one would end the process by
//! SIGBUS and another version would give other numbers. Version 1.28.0 and no other: later ones look a telemetry host up
//! (`docs/contracts/model-manifest.md`). Nothing of `ort` is touched before the library stands, since its lazy path
//! panics. Spinning is off, or an idle process burns CPU; memory patterns are off, or the arena keeps what the largest
//! region took.

use super::{deadline::Watch, onnx_words::plain};
use crate::analysis::{
    golden::Raw,
    manifest::{Element, Fit, Layout, Manifest},
    onnx_file,
    tensor::{self, Data, Tensor},
};
use openssl::sha::sha256;
use ort::{
    LoadDynamicError,
    environment::Environment,
    session::{
        RunOptions, Session,
        builder::{GraphOptimizationLevel, SessionBuilder},
    },
    value::{TensorElementType, TensorRef, ValueType},
};
use std::{
    error::Error as _,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub const VERSION: &str = "1.28.0";
/// As it stands in every engine: scores of two providers are never compared.
pub const PROVIDER: &str = "cpu/1.28.0";
/// What to do where the library is absent or not the one.
const REMEDY: &str = "run `make setup`, or name libonnxruntime.so.1.28.0 in scan.onnxruntime";

/// SHA-256 of libonnxruntime.so.1.28.0 as published in the Python wheels, by architecture.
const DIGESTS: &[(&str, &str)] = &[
    ("x86_64", "aa4079d18f4ea7a5f3a94d80cd4bbe0f2740436626622d64d793803a20381083"),
    ("aarch64", "23a37c2994bc273e1d59a4f49af6cba5bf1cfbc29f04907ec27df375aba50a7d"),
];

const THREADS: usize = 2;

/// Each tensor that a model gives is computed and kept for as long as a run takes, whether it is read or not.
const MOST_OUTPUTS: usize = 256;

#[derive(Debug, thiserror::Error)]
pub enum OnnxError {
    #[error("ONNX Runtime cannot be read at {path} ({why}); {REMEDY}", path = path.display())]
    Unreadable { path: PathBuf, why: String },
    #[error("{path} is not ONNX Runtime {VERSION} for this machine: its SHA-256 is {found}; {REMEDY}", path = path.display())]
    Foreign { path: PathBuf, found: String },
    #[error("no ONNX Runtime library is known for this processor ({0}); images cannot be measured on this machine")]
    Processor(&'static str),
    #[error("ONNX Runtime does not start: {0}; {REMEDY}")]
    Start(String),
    #[error(
        "{file} is not the file its manifest describes: its SHA-256 is {found}, the manifest says {stated}; copy the folder again"
    )]
    Digest { file: String, stated: String, found: String },
    #[error("{file} is no usable model: {why}")]
    Model { file: String, why: String },
    #[error("{file} does not fit its manifest: {why}")]
    Mismatch { file: String, why: String },
    #[error("the model took longer than its limit of {} ms", .0.as_millis())]
    Deadline(Duration),
    #[error("the model failed: {0}")]
    Run(String),
}

/// The library, opened once per process.
#[derive(Debug)]
pub struct Runtime {
    environment: Environment,
}

impl Runtime {
    /// Checks the library's digest, then opens it.
    ///
    /// # Errors
    /// One sentence that says what is wrong with the library and what to do. A second call in one process fails.
    pub fn load(path: &Path) -> Result<Self, OnnxError> {
        let processor = std::env::consts::ARCH;
        let (_, stated) = DIGESTS.iter().find(|(name, _)| *name == processor).ok_or(OnnxError::Processor(processor))?;
        let unreadable = |why: String| OnnxError::Unreadable { path: path.to_owned(), why };
        let found = hex::encode(sha256(&fs::read(path).map_err(|e| unreadable(e.to_string()))?));
        if found != *stated {
            return Err(OnnxError::Foreign { path: path.to_owned(), found });
        }
        let builder = ort::init_from(path).map_err(|e| match &e {
            LoadDynamicError::Dlopen { error, .. } => {
                unreadable(error.source().map_or_else(|| error.to_string(), ToString::to_string))
            }
            _ => OnnxError::Start(e.to_string()),
        })?;
        let environment = builder.with_name("skinlink").with_telemetry(false).build();
        Ok(Self { environment: environment.map_err(|e| OnnxError::Start(e.to_string()))? })
    }

    /// For a session made without a manifest.
    #[must_use]
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// A loaded model that fits its manifest.
#[derive(Debug)]
pub struct Model {
    manifest: Manifest,
    session: Session,
    watch: Watch,
}

impl Model {
    /// Checks the digest and what the file must not hold, builds the session, and holds its tensors against the manifest.
    ///
    /// # Errors
    /// [`OnnxError`]; nothing is kept.
    pub fn open(runtime: &Runtime, manifest: Manifest, bytes: &[u8]) -> Result<Self, OnnxError> {
        let found = hex::encode(sha256(bytes));
        if found != manifest.sha256 {
            return Err(OnnxError::Digest { file: manifest.file, stated: manifest.sha256, found });
        }
        let memory_mib = manifest.limits.memory_mib;
        let bad = |why: String| OnnxError::Model { file: manifest.file.clone(), why: with_limit(&why, memory_mib) };
        onnx_file::check(bytes).map_err(|e| bad(e.to_string()))?;
        let session = build(runtime, bytes).map_err(bad)?;
        fits(&manifest, &session).map_err(|why| OnnxError::Mismatch { file: manifest.file.clone(), why })?;
        let watch = Watch::start(manifest.limits.deadline).map_err(|e| OnnxError::Start(e.to_string()))?;
        Ok(Self { manifest, session, watch })
    }

    #[must_use]
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// One inference; the outputs come in the manifest's order, not yet activated. Blocks up to the manifest's deadline, and
    /// past it as long as one node of the graph takes.
    ///
    /// # Errors
    /// [`OnnxError::Deadline`], [`OnnxError::Run`]; the model stays usable.
    pub fn run(&mut self, tensor: &Tensor) -> Result<Vec<Raw>, OnnxError> {
        let fault = |e: ort::Error| OnnxError::Run(e.to_string());
        let options = Arc::new(RunOptions::new().map_err(fault)?);
        self.watch.begin(&options);
        let outputs = infer(&mut self.session, &self.manifest, tensor, &options);
        // The runtime has no code of its own for a run that was ended: the watch knows.
        if self.watch.end() {
            return Err(OnnxError::Deadline(self.manifest.limits.deadline));
        }
        outputs.map_err(|why| OnnxError::Run(with_limit(&why, self.manifest.limits.memory_mib)))
    }
}

/// Of memory it is said how much there was, and where that stands.
fn with_limit(why: &str, memory_mib: u32) -> String {
    let why = plain(why);
    if why.contains("allocate memory") || why.contains("bad_alloc") {
        return format!("{why}; see limits.memory_mib ({memory_mib}) and scan.inference_memory_mib");
    }
    why
}

fn infer(
    session: &mut Session,
    manifest: &Manifest,
    tensor: &Tensor,
    options: &RunOptions,
) -> Result<Vec<Raw>, String> {
    let text = |e: ort::Error| e.to_string();
    let outputs = match &tensor.data {
        Data::F32(values) => {
            let value = TensorRef::from_array_view((tensor.shape, values.as_slice())).map_err(text)?;
            session.run_with_options(ort::inputs![value], options)
        }
        Data::U8(values) => {
            let value = TensorRef::from_array_view((tensor.shape, values.as_slice())).map_err(text)?;
            session.run_with_options(ort::inputs![value], options)
        }
    }
    .map_err(text)?;
    let raw = |name: &str| {
        let output = outputs.get(name).ok_or_else(|| format!("it gave no output {name:?}"))?;
        let (shape, values) = output.try_extract_tensor::<f32>().map_err(text)?;
        // Before they are copied: what is too large for an input is too large for an output.
        if values.len() > tensor::MAX_ELEMENTS {
            return Err(format!(
                "output {name:?} has {} values, at most {} are taken",
                values.len(),
                tensor::MAX_ELEMENTS
            ));
        }
        Ok(Raw { shape: shape.to_vec(), values: values.to_vec() })
    };
    manifest.outputs.iter().map(|output| raw(&output.name)).collect()
}

fn build(runtime: &Runtime, bytes: &[u8]) -> Result<Session, String> {
    let text = |e: ort::Error<SessionBuilder>| e.to_string();
    let builder = Session::builder(&runtime.environment).map_err(|e| e.to_string())?;
    let builder = builder.with_optimization_level(GraphOptimizationLevel::All).map_err(text)?;
    let builder = builder.with_intra_threads(THREADS).map_err(text)?;
    let builder = builder.with_inter_threads(1).map_err(text)?;
    let builder = builder.with_intra_op_spinning(false).map_err(text)?;
    let mut builder = builder.with_memory_pattern(false).map_err(text)?;
    builder.commit_from_memory(bytes).map_err(|e| e.to_string())
}

/// Whether the file's tensors are those the manifest describes.
fn fits(manifest: &Manifest, session: &Session) -> Result<(), String> {
    let [input] = session.inputs() else {
        let names: Vec<String> = session.inputs().iter().map(|input| format!("{:?}", input.name())).collect();
        return Err(format!(
            "it has {} inputs ({}); one picture is all a model gets here: export it with the others as constants",
            names.len(),
            names.join(", ")
        ));
    };
    if input.name() != manifest.input.name {
        return Err(format!("its input is {:?}, input.name says {:?}", input.name(), manifest.input.name));
    }
    let element = match manifest.input.element {
        Element::F32 => TensorElementType::Float32,
        Element::U8 => TensorElementType::Uint8,
    };
    match input.dtype() {
        ValueType::Tensor { ty, shape, .. } if *ty == element && shape.len() == 4 => sides(manifest, shape)?,
        ValueType::Tensor { ty, shape, .. } => {
            let (sides, wanted) = (shape.to_vec(), manifest.input.element);
            return Err(format!("its input is {ty:?} {sides:?}, expected a tensor of four axes of {wanted}"));
        }
        _ => return Err("its input is no tensor".to_owned()),
    }
    let gives = session.outputs().len();
    if gives > MOST_OUTPUTS {
        return Err(format!("it gives {gives} tensors, at most {MOST_OUTPUTS} are taken: leave out what nobody reads"));
    }
    for output in &manifest.outputs {
        let found = session.outputs().iter().find(|outlet| outlet.name() == output.name);
        let Some(found) = found else {
            let names: Vec<&str> = session.outputs().iter().map(|outlet| outlet.name()).take(20).collect();
            return Err(format!("it has no output {:?}; it has {}", output.name, names.join(", ")));
        };
        if !matches!(found.dtype(), ValueType::Tensor { ty: TensorElementType::Float32, .. }) {
            return Err(format!(
                "output {:?} is no tensor of f32; export it with one (a Cast at its end)",
                output.name
            ));
        }
    }
    Ok(())
}

/// Whether the input's sides are those the manifest gives; where the file leaves one open, the manifest fixes it.
fn sides(manifest: &Manifest, shape: &[i64]) -> Result<(), String> {
    let input = &manifest.input;
    let [batch, channels, height, width] = match input.layout {
        Layout::Nchw => [0, 1, 2, 3],
        Layout::Nhwc => [0, 3, 1, 2],
    };
    let open = |axis: usize| shape[axis] < 0;
    let is = |axis: usize, side: usize| open(axis) || usize::try_from(shape[axis]) == Ok(side);
    if !is(batch, 1) {
        return Err(format!("its input takes {} pictures at once, here it gets one: export it for one", shape[batch]));
    }
    if !is(channels, input.channels.count()) {
        let (found, layout) = (shape[channels], input.layout);
        return Err(format!(
            "its input {shape:?} has {found} channels where input.layout {layout} has them, input.channels {} has {}",
            input.channels,
            input.channels.count()
        ));
    }
    match input.fit {
        Fit::Region { .. } if open(height) && open(width) => Ok(()),
        Fit::Region { .. } => Err(format!(
            "its input {shape:?} has a fixed size, and regions of a face have any: leave height and width open, or take whole pictures"
        )),
        Fit::Whole { width: w, height: h, .. } if is(width, w as usize) && is(height, h as usize) => Ok(()),
        Fit::Whole { width: w, height: h, .. } => {
            Err(format!("its input {shape:?} is not the {w} × {h} of input.width and input.height"))
        }
    }
}
