//! The command line: arguments only, no logic. What each command does stands in `app`.

mod model;

pub use model::{Activate, Eval, Model, ModelFolder};

use crate::sim::Faults;
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
    /// What is plugged in, what each would be taken for and why, and how to configure it.
    Devices(Devices),
    /// Look at, try, write and test the protocol files: how analysers talk.
    #[command(subcommand)]
    Protocol(Protocol),
    /// Look at the models this gateway can run.
    #[command(subcommand)]
    Model(Model),
    /// Who works here, and a new PIN for a manager who forgot theirs; run it as the gateway's own user.
    #[command(subcommand)]
    Staff(Staff),
    /// What headquarters has rolled out to this gateway, what is in use of it, and why something is not.
    Packages(Packages),
    /// The inference process; started by the gateway itself.
    #[command(hide = true)]
    Worker,
}

#[derive(Debug, Args)]
pub struct Packages {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Print one JSON document instead of the list.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum Staff {
    /// Numbers, roles and names.
    List(ConfigFile),
    /// Make a new PIN for a person and show it once; ends their sessions and a lock after wrong PINs.
    Pin {
        /// The staff number, such as b-01.
        #[arg(value_name = "NUMBER")]
        person: String,
        #[command(flatten)]
        file: ConfigFile,
    },
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
    /// Id of the protocol, a folder of firmware-protocols/; with --replay the one of the recording.
    #[arg(required_unless_present = "replay")]
    pub protocol: Option<String>,
    /// Where the serial port appears: a link to a pseudo-terminal.
    #[arg(long, value_name = "PATH", default_value = "/tmp/skinlink-device")]
    pub port: PathBuf,
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
    /// Serial number the device names.
    #[arg(long, default_value = "SIM-0001", value_name = "TEXT")]
    pub serial: String,
    /// What goes wrong, by name and how often for every frame: garbage, split, late, repeated, silent, wrong-checksum,
    /// unplug, lying-identify, lost, flipped, all; as `garbage,split=0.5`. The seed decides what happens when.
    #[arg(long, value_name = "FAULTS", default_value = "none", value_parser = clap::value_parser!(Faults))]
    pub faults: Faults,
    /// Answer as the device did in this recording (`skinlink devices record`).
    #[arg(long, value_name = "FILE", conflicts_with_all = ["faults", "ledger"])]
    pub replay: Option<PathBuf>,
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
#[command(args_conflicts_with_subcommands = true, after_help = AFTER_DEVICES)]
pub struct Devices {
    #[command(subcommand)]
    pub command: Option<DevicesCommand>,
    #[command(flatten)]
    pub look: Look,
}

const AFTER_DEVICES: &str = "\
Exit codes: 0 looked · 1 a port cannot be opened, or devices cannot be told apart · 2 the configuration cannot be understood.";

#[derive(Debug, Args)]
pub struct Look {
    /// The configuration: which devices are known already. Without the file, none is.
    #[arg(long, value_name = "FILE", default_value = "config/gateway.toml")]
    pub config: PathBuf,
    /// Ask each device who it is. Bytes of a protocol go only to ports that it may be behind.
    #[arg(long)]
    pub ask: bool,
    /// Listen to the air instead: what advertises over Bluetooth, for 8 s.
    #[arg(long, conflicts_with_all = ["ask", "port"])]
    pub air: bool,
    /// Look at this port too: one that is not on USB, or a simulated one. May be repeated.
    #[arg(long, value_name = "PATH")]
    pub port: Vec<PathBuf>,
    /// Print one JSON document instead of the table.
    #[arg(long)]
    pub json: bool,
    /// Folder of protocol folders. Default: the one of the configuration, else firmware-protocols.
    #[arg(long, value_name = "FOLDER")]
    pub protocols: Option<PathBuf>,
    /// Where the kernel shows devices; for tests.
    #[arg(long, value_name = "FOLDER", default_value = "/sys", hide = true)]
    pub sysfs: PathBuf,
    #[arg(long, value_name = "FOLDER", default_value = "/dev", hide = true)]
    pub dev: PathBuf,
}

#[derive(Debug, Subcommand)]
pub enum DevicesCommand {
    /// Keep what passes on a line or in the air, both ways and with times, in a file, and show it.
    Record(Record),
}

/// Where a device is.
#[derive(Debug, Args)]
pub struct DevicePlace {
    /// The port: /dev/ttyUSB0, or its stable name under /dev/serial/by-id.
    #[arg(long, value_name = "PATH", required_unless_present = "address")]
    pub port: Option<PathBuf>,
    /// Or in the air: its Bluetooth address, F0:F1:F2:F3:F4:F5.
    #[arg(long, value_name = "ADDRESS", conflicts_with_all = ["port", "baud"])]
    pub address: Option<String>,
    /// A file with the key of a device that advertises encrypted, 32 digits 0-9 a-f, as the gateway's configuration names it.
    #[arg(long, value_name = "FILE", requires = "address")]
    pub key_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct Record {
    #[command(flatten)]
    pub place: DevicePlace,
    /// Speak and decode by this protocol: an id, a file or a folder. Without it a line is only listened to.
    #[arg(long, value_name = "ID", required_unless_present = "baud")]
    pub protocol: Option<PathBuf>,
    /// Bits per second, where no protocol says so or it differs.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(50..=4_000_000))]
    pub baud: Option<u32>,
    /// The file to write; an old one is never written over.
    #[arg(long, value_name = "FILE")]
    pub into: PathBuf,
    /// End by itself after so long; else by Ctrl-C.
    #[arg(long, value_name = "N")]
    pub seconds: Option<f64>,
    /// Tell the device that its values are safe, as the gateway does once it has stored them. The device may forget them.
    #[arg(long)]
    pub acknowledge: bool,
    #[command(flatten)]
    pub folder: ProtocolFolder,
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
    /// Begin a new protocol: asks what the manual's tables say and writes a commented file.
    New(Box<NewProtocol>),
    /// Speak by a protocol file on a real line: bytes left, what they say right, live. The file is read again when saved.
    Try(Try),
    /// Show a recording again, each frame with what it says: by the protocol as it is today, with no device.
    Replay(Replay),
    /// Make vectors from a recording: one of each message, command and fault that it holds.
    Vectors(Vectors),
    /// Write one page per protocol, and a list of them.
    Docs {
        /// The folder of the pages.
        #[arg(long, value_name = "FOLDER", default_value = "docs/protocols")]
        into: PathBuf,
        #[command(flatten)]
        folder: ProtocolFolder,
    },
    /// Write the JSON Schema of protocol files, by which editors complete and check them.
    Schema {
        /// The file to write; without it the schema is printed.
        #[arg(long, value_name = "FILE")]
        into: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct Try {
    /// The protocol file, its folder, or the id of a folder of firmware-protocols/.
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    #[command(flatten)]
    pub place: DevicePlace,
    /// Bits per second, where it differs from the protocol file.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(50..=4_000_000))]
    pub baud: Option<u32>,
    /// End by itself after so long; else by Ctrl-C.
    #[arg(long, value_name = "N")]
    pub seconds: Option<f64>,
    /// Tell the device that its values are safe. The device may forget them.
    #[arg(long)]
    pub acknowledge: bool,
    #[command(flatten)]
    pub folder: ProtocolFolder,
}

#[derive(Debug, Args)]
pub struct Replay {
    /// A recording of `skinlink devices record`.
    pub recording: PathBuf,
    /// Read it by this protocol, an id, a file or a folder; default: the one of the recording.
    #[arg(long, value_name = "ID")]
    pub protocol: Option<PathBuf>,
    #[command(flatten)]
    pub folder: ProtocolFolder,
}

#[derive(Debug, Args)]
pub struct Vectors {
    /// A recording of `skinlink devices record`.
    pub recording: PathBuf,
    /// Id of the protocol; default: the one of the recording.
    #[arg(long, value_name = "ID")]
    pub protocol: Option<String>,
    /// Write them here instead of into the protocol's own vectors/. A file that is there is never written over.
    #[arg(long, value_name = "FOLDER")]
    pub into: Option<PathBuf>,
    #[command(flatten)]
    pub folder: ProtocolFolder,
}

/// Answers to the questions; what is not given is asked in a terminal; with `--yes` it has its default.
#[derive(Debug, Args, Clone, Default)]
pub struct NewProtocol {
    /// Name of the folder: a-z, 0-9 and '-'.
    pub id: Option<String>,
    /// What the device is called in Chinese.
    #[arg(long, value_name = "TEXT")]
    pub title_zh: Option<String>,
    /// What the device is called in English.
    #[arg(long, value_name = "TEXT")]
    pub title_en: Option<String>,
    /// Where this is learnt: manual, revision, page.
    #[arg(long, value_name = "TEXT")]
    pub source: Option<String>,
    /// Bits per second.
    #[arg(long, value_name = "N")]
    pub baud: Option<String>,
    /// USB vendor and product, as lsusb prints them: 1a86:7523.
    #[arg(long, value_name = "ID")]
    pub usb: Option<String>,
    /// How frames lie on the wire: delimited, start-length-end, fixed-length, cobs, slip, escaped, silence.
    #[arg(long, value_name = "KIND")]
    pub framing: Option<String>,
    /// First bytes of a frame in hex: "A5 5A"; none for lines of text.
    #[arg(long, value_name = "HEX")]
    pub start: Option<String>,
    /// Width of the length behind them: u8, u16be, u16le.
    #[arg(long, value_name = "WIDTH")]
    pub length: Option<String>,
    /// Bytes of a whole frame of fixed length.
    #[arg(long, value_name = "N")]
    pub frame_bytes: Option<String>,
    /// Last bytes: in hex, or for lines of text as \r\n.
    #[arg(long, value_name = "BYTES")]
    pub end: Option<String>,
    /// Between the columns of a line; empty where there are none.
    #[arg(long, value_name = "CHARACTER")]
    pub separator: Option<String>,
    /// Checksum: none, sum8, xor8, lrc or a name of the CRC catalogue such as CRC-16/MODBUS.
    #[arg(long, value_name = "NAME")]
    pub checksum: Option<String>,
    /// How the message with the value begins: payload bytes in hex, or the first column of a line; -: with nothing of its own.
    #[arg(long, value_name = "BYTES")]
    pub matches: Option<String>,
    /// What it measures, by its id in config/metrics.toml.
    #[arg(long, value_name = "ID")]
    pub metric: Option<String>,
    /// How the value stands there: u16be, i16le, f32le, decimal, …
    #[arg(long, value_name = "WIDTH")]
    pub width: Option<String>,
    /// What the raw number is multiplied with.
    #[arg(long, value_name = "NUMBER")]
    pub scale: Option<String>,
    /// Unit, as printed beside the number.
    #[arg(long, value_name = "TEXT")]
    pub unit: Option<String>,
    /// The command that asks for a value, as it begins; none where the device measures by its own button.
    #[arg(long, value_name = "BYTES")]
    pub command: Option<String>,
    /// Ask nothing: what is not given has its default.
    #[arg(long)]
    pub yes: bool,
    #[arg(long, value_name = "FOLDER", default_value = "firmware-protocols")]
    pub protocols: PathBuf,
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
