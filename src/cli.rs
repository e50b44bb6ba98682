//! The command line: arguments only, no logic. What each command does stands in `app`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Exit codes, the same for every command.
pub mod exit {
    /// Done as asked.
    pub const OK: u8 = 0;
    /// It ran and found a fault; the last lines say which.
    pub const FAULT: u8 = 1;
    /// The command line or a configuration cannot be understood; nothing was changed.
    pub const USAGE: u8 = 2;
}

const AFTER_HELP: &str = "\
Exit codes: 0 done as asked · 1 a fault, named in the last lines · 2 the command line or a configuration cannot be
understood, nothing was changed.";

/// Gateway between a salon's skin analysers, its visits and headquarters.
#[derive(Debug, Parser)]
#[command(name = "skinlink", version, about, after_help = AFTER_HELP)]
pub struct Cli {
    /// What is logged to standard error: error, warn, info, debug or trace, also by module (`info,skinlink::tasks=debug`).
    #[arg(long, global = true, env = "SKINLINK_LOG", default_value = "info", value_name = "LEVEL")]
    pub log: String,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gateway until SIGTERM or Ctrl-C.
    Run(ConfigFile),
    /// Look at configuration, ports, models, broker, certificate, clock and disk; a table with remedies.
    Check(Check),
    /// Play a whole visit through real parts and leave the pages open.
    Demo(Demo),
    /// Be a simulated analyser on a pseudo-terminal.
    Simulate(Simulate),
    /// Look at the analysers this gateway can speak with.
    #[command(subcommand)]
    Protocol(Protocol),
    /// Look at the models this gateway can run.
    #[command(subcommand)]
    Model(Model),
    /// The inference process; started by the gateway itself.
    #[command(hide = true)]
    Worker,
}

#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "config/gateway.toml")]
    pub config: PathBuf,
}

#[derive(Debug, Args)]
pub struct Check {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Print one JSON document instead of the table.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Args)]
pub struct Demo {
    /// End by itself after the visit; exit 0 only if every step happened.
    #[arg(long)]
    pub once: bool,
    /// Print a summary as one JSON document on standard output.
    #[arg(long)]
    pub json: bool,
    /// Seed of the simulated analysers.
    #[arg(long, default_value_t = 7, value_name = "N")]
    pub seed: u64,
    /// Where the demo keeps its data; emptied at start. Default: a fresh folder that is removed at the end.
    #[arg(long, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,
    /// Rendered photographs, as `make setup` leaves them.
    #[arg(long, value_name = "FOLDER", default_value = "target/demo-photos")]
    pub photos: PathBuf,
    /// Port of the station's pages on 127.0.0.1; 0 takes a free one.
    #[arg(long, default_value_t = 8470, value_name = "PORT")]
    pub port: u16,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct Simulate {
    #[command(subcommand)]
    pub many: Option<Many>,
    /// Id of the protocol, a folder of firmware-protocols/.
    #[arg(required = true)]
    pub protocol: Option<String>,
    /// Where the serial port appears: a link to a pseudo-terminal.
    #[arg(long, value_name = "PATH", default_value = "/tmp/skinlink-device")]
    pub port: PathBuf,
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Serial number the device names.
    #[arg(long, default_value = "SIM-0001", value_name = "TEXT")]
    pub serial: String,
    /// Append what the device sent as JSON lines: the independent ledger.
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    #[command(flatten)]
    pub folder: ProtocolFolder,
}

#[derive(Debug, Subcommand)]
pub enum Many {
    /// Be a whole chain of stores that records, goes offline and comes back; ends when all is acknowledged.
    Fleet(Fleet),
}

#[derive(Debug, Args)]
pub struct Fleet {
    #[arg(long, default_value_t = 200, value_name = "N")]
    pub stores: u32,
    /// Events a second, all stores together.
    #[arg(long, default_value_t = 200.0, value_name = "RATE")]
    pub rate: f64,
    /// How long they record.
    #[arg(long = "for", default_value_t = 60, value_name = "SECONDS")]
    pub seconds: u64,
    /// Mean time between two outages of a store; none without it.
    #[arg(long, value_name = "SECONDS")]
    pub disturbed_every: Option<u64>,
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Host of the broker, as its certificate says it.
    #[arg(long, default_value = "127.0.0.1", value_name = "HOST")]
    pub host: String,
    #[arg(long, default_value_t = 8883, value_name = "PORT")]
    pub port: u16,
    /// Folder with ca.pem and, for each store, sim-0000-g1.pem and .key, sim-0001-g1 and so on.
    #[arg(long, value_name = "FOLDER")]
    pub certificates: PathBuf,
    /// Folder for the stores' own data; made where absent.
    #[arg(long, value_name = "FOLDER")]
    pub data: PathBuf,
}

#[derive(Debug, Args)]
pub struct ProtocolFolder {
    /// Folder of protocol folders.
    #[arg(long, value_name = "FOLDER", default_value = "firmware-protocols")]
    pub protocols: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum Protocol {
    /// All protocols with their devices and metrics, and what is wrong with broken ones.
    List(ProtocolFolder),
    /// One protocol as a page to read beside the manual.
    Show {
        id: String,
        #[command(flatten)]
        folder: ProtocolFolder,
    },
    /// Hold protocols against their vectors; all of them when none is named.
    Test {
        id: Option<String>,
        #[command(flatten)]
        folder: ProtocolFolder,
    },
}

#[derive(Debug, Args)]
pub struct ModelFolder {
    /// Folder of model folders.
    #[arg(long, value_name = "FOLDER", default_value = "models")]
    pub models: PathBuf,
    /// The ONNX Runtime library.
    #[arg(long, value_name = "FILE", env = "SKINLINK_ONNXRUNTIME")]
    pub onnxruntime: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub enum Model {
    /// All models with version, digest and what they measure.
    List(ModelFolder),
    /// Run models against their golden sets in the worker process; all of them when none is named.
    Test {
        id: Option<String>,
        #[command(flatten)]
        folder: ModelFolder,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
