//! Arguments of `skinlink model`.

use super::ConfigFile;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct ModelFolder {
    /// Folder of model folders.
    #[arg(long, value_name = "FOLDER", default_value = "models")]
    pub models: PathBuf,
    /// The metrics that scores must agree with.
    #[arg(long, value_name = "FILE", default_value = "config/metrics.toml")]
    pub metrics: PathBuf,
    /// Where the regions of a face lie.
    #[arg(long, value_name = "FILE", default_value = "config/face-regions.toml")]
    pub regions: PathBuf,
    /// The ONNX Runtime library.
    #[arg(long, value_name = "FILE", env = "SKINLINK_ONNXRUNTIME")]
    pub onnxruntime: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Model {
    /// All models with version, digest and what they measure.
    List {
        /// Print one JSON document instead of the lines.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        folder: ModelFolder,
    },
    /// One model as its manifest describes it.
    Show {
        /// Id of a model, or a folder elsewhere.
        #[arg(value_name = "MODEL")]
        model: PathBuf,
        /// Print one JSON document instead of the page.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        folder: ModelFolder,
    },
    /// Run models against their golden sets in a process of their own; all of them when none is named.
    Test {
        /// Id of a model, or a folder elsewhere.
        #[arg(value_name = "MODEL")]
        model: Option<PathBuf>,
        /// Print one JSON document instead of the lines.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        folder: ModelFolder,
    },
    /// Run a model on a folder of pictures and say what they come to, or measure how far it repeats itself; ended by Ctrl-C,
    /// the same command goes on.
    Eval(Eval),
    /// Put a model into a gateway's folder and into use, while it runs; refused, the old one goes on.
    Activate(Activate),
}

#[derive(Debug, Args)]
#[command(after_help = AFTER_EVAL)]
pub struct Eval {
    /// Id of a model, or a folder elsewhere.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// A folder of JPEG, PNG or WebP pictures.
    #[arg(value_name = "FOLDER", required_unless_present = "repeatability")]
    pub pictures: Option<PathBuf>,
    /// What is known of the pictures (docs/models.md).
    #[arg(long, value_name = "FILE")]
    pub truth: Option<PathBuf>,
    /// Where each picture's answer is kept as soon as it is there. Default: eval-MODEL.jsonl in the present folder.
    #[arg(long, value_name = "FILE")]
    pub into: Option<PathBuf>,
    /// Pixels of a millimetre in all pictures of which the truth does not say it.
    #[arg(long, value_name = "N")]
    pub px_per_mm: Option<f64>,
    /// Print the summary as one JSON document.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub retaken: Retaken,
    #[command(flatten)]
    pub folder: ModelFolder,
}

/// Options of `--repeatability`.
#[derive(Debug, Args)]
#[command(next_help_heading = "Repeatability")]
pub struct Retaken {
    /// Retake photographs of unchanged skin and derive the standard error of each metric, as the manifest carries it.
    #[arg(long, conflicts_with_all = ["pictures", "truth", "into", "px_per_mm", "json"])]
    pub repeatability: bool,
    /// Folder with photographs and planted.json, as `make setup` renders them.
    #[arg(long, value_name = "FOLDER", default_value = "target/demo-photos", requires = "repeatability")]
    pub photos: PathBuf,
    /// How they are retaken: rig, handheld or careless.
    #[arg(long, value_name = "NAME", default_value = "handheld", requires = "repeatability")]
    pub manner: String,
    /// Pairs of photographs; the degrees of freedom, of which a verdict needs 30.
    #[arg(long, value_name = "N", default_value_t = 60, requires = "repeatability")]
    pub pairs: u32,
    /// What the pairs are drawn from.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "repeatability")]
    pub seed: u64,
    /// Where finished pairs are kept until all are done.
    #[arg(long, value_name = "FILE", default_value = "target/repeatability.jsonl", requires = "repeatability")]
    pub journal: PathBuf,
    /// Put the figures into the manifest.
    #[arg(long, requires = "repeatability")]
    pub write: bool,
}

const AFTER_EVAL: &str = "\
Exit codes: 0 every picture was measured · 1 some could not be, or it was ended before the last · 2 the command line, the truth \
or a file of an earlier evaluation cannot be understood, nothing was changed.";

#[derive(Debug, Args)]
pub struct Activate {
    /// Id of a model that lies in the gateway's folder, or a folder elsewhere, which is copied there.
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Print one JSON document instead of the sentence.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub file: ConfigFile,
}
