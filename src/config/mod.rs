//! What the installer wrote, and what it means. Pure: gets text, gives values; whether a path exists is the caller's to see.
//!
//! Two steps: `raw` is what was typed (keys, lines), [`Config`] what it means (durations, limits that agree, defaults).
//! All complaints come in one report with file, line, key and remedy. Each task gets its own section only. No section
//! holds a secret, only paths of files that do; so all of it may be printed.

pub mod calendar;
pub mod complaint;
pub mod metrics;
mod packages;
mod raw;
mod resolve;
mod settings;
pub mod suggestions;
pub mod treatments;
mod typed;

pub use calendar::Calendar;
pub use complaint::{Complaint, Complaints};
pub use packages::{KeyFile, Packages};

use crate::{
    domain::{
        Region,
        capture::View,
        look::Colour,
        metric::{Label, MetricId},
        word::words,
    },
    sync::topic::Address,
};
use core::net::SocketAddr;
use std::{
    num::NonZeroU64,
    path::{Path, PathBuf},
    time::Duration,
};

/// `gateway.toml`, resolved once at the start.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    pub store: Store,
    /// At least one; ids are unique.
    pub stations: Vec<Station>,
    pub devices: Vec<Device>,
    pub mqtt: Mqtt,
    pub web: Web,
    pub report: Report,
    pub sync: Sync,
    pub retention: Retention,
    pub scan: Scan,
    pub calendar: Calendar,
    pub packages: Packages,
}

/// A configuration as it was read, to be resolved again with what headquarters lays over it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub text: String,
    /// Stands in complaints.
    pub file: String,
    /// Relative paths are taken from here: the folder of the file.
    pub folder: PathBuf,
}

impl Source {
    /// What it means by itself.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn config(&self) -> Result<Config, Complaints> {
        Config::parse(&self.text, &self.file, &self.folder)
    }

    /// What it means with the keys of `settings` instead of its own: those that headquarters may set.
    ///
    /// # Errors
    /// Everything that is wrong with `settings`, at once; `file` stands in the complaints.
    pub fn with_settings(&self, settings: &str, file: &str) -> Result<Config, Complaints> {
        settings::laid_over(&self.text, settings, file, &self.folder)
    }
}

impl Config {
    /// Reads `text`. Relative paths are taken from `base_folder`, the folder of the file; `file_name` stands in complaints.
    ///
    /// # Errors
    /// Everything that is wrong, at once.
    pub fn parse(text: &str, file_name: &str, base_folder: &Path) -> Result<Self, Complaints> {
        resolve::resolve(text, file_name, base_folder)
    }
}

/// Who we are and where our data lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Store {
    pub address: Address,
    /// Folder of database, photographs and keys.
    pub data: PathBuf,
    pub key_file: PathBuf,
    /// HQ's public key, PEM.
    pub escrow_key: Option<PathBuf>,
    /// Free space below which new photographs are refused; bytes.
    pub min_free: u64,
}

/// A chair with its devices.
#[derive(Debug, Clone, PartialEq)]
pub struct Station {
    pub id: String,
    pub label: Label,
    /// Where a camera's own program leaves photographs.
    pub pictures_from: Option<PathBuf>,
    /// Of the contact scope that takes them, micrometres a pixel; `None`: they show the face.
    pub um_per_px: Option<f64>,
}

words! {
    /// Whom or what a device measures.
    pub enum Measures as "subject of measurement" {
        /// Skin: values belong to a scan, or lie in the tray until someone says whose they are.
        Customers = "customers",
        /// The store itself (the climate of a room, a reference plate): values belong to no visit and go to HQ as they come.
        Store = "store",
    }
}

/// One configured analyser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Id of a station above.
    pub station: String,
    pub measures: Measures,
    /// A folder of `firmware-protocols/`.
    pub protocol: String,
    /// How it is recognised.
    pub port: Port,
    /// The key of a sensor that encrypts what it advertises: 32 hex digits.
    pub key_file: Option<PathBuf>,
    /// Bits per second, where it differs from the protocol file.
    pub baud: Option<u32>,
}

/// Where a configured device is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Port {
    /// This node, or a symlink to one.
    Path(PathBuf),
    /// The USB adapter with this serial number, wherever it is plugged in.
    UsbSerial(String),
    /// In the air, the device with this address: `F0:F1:F2:F3:F4:F5`.
    Address(String),
    /// Any USB device with the numbers of the protocol file.
    UsbIds,
}

/// The broker. Where disabled, `host` may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mqtt {
    pub enabled: bool,
    pub host: String,
    pub port: u16,
    pub ca: PathBuf,
    /// Chain, PEM; its common name equals [`Address::gateway`].
    pub certificate: PathBuf,
    /// PKCS#8, PEM.
    pub key: PathBuf,
    pub keep_alive: Duration,
}

/// The pages in the salon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// A loopback address: this machine's own screen.
    pub listen: SocketAddr,
    /// Where the salon's network is served over TLS; `None`: not at all.
    pub lan: Option<SocketAddr>,
    /// Names and addresses under which tablets reach it; they stand in the certificate.
    pub names: Vec<String>,
    /// Those of them that end with `.local` are said by multicast DNS, so that they lead here whatever the router does.
    pub announce: bool,
}

/// What the customer's report says of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Headquarters' address, without the slash at its end: where the links of customers lead who share their numbers with it;
    /// `None`: all links lead to this store.
    pub public_url: Option<String>,
    /// Where this store serves reports to customers' phones; `None`: it does not.
    pub listen: Option<SocketAddr>,
    /// A proxy of the salon's own stands before it and names whom it speaks for in `X-Forwarded-For`.
    pub behind_proxy: bool,
    /// How phones in the store reach that, without the slash at its end.
    pub local_url: Option<String>,
    /// A link is dead after so many days.
    pub valid_days: u32,
    pub store_name: Label,
    /// The salon's own colour, dark enough to be read; `None`: the house's.
    pub colour: Option<Colour>,
    /// SVG or PNG file of the salon's logo.
    pub logo: Option<PathBuf>,
}

words! {
    /// Whose word lets an event leave the outbox.
    pub enum AcknowledgedBy as "acknowledger" { Hq = "hq", Broker = "broker" }
}

/// How events and pictures go to HQ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sync {
    pub acknowledged_by: AcknowledgedBy,
    /// Publishes under way at once, 1 to 64.
    pub window: usize,
    /// Events in one batch, at most.
    pub batch_events: usize,
    pub resend_after: Duration,
    /// Bytes per second of the image lane; `None`: no cap.
    pub image_rate: Option<NonZeroU64>,
    /// Stores that share the broker: so many reconnect when it comes back.
    pub chain_stores: u32,
}

/// How long what HQ is not owed stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retention {
    pub acknowledged_events: Duration,
    pub photographs: Duration,
}

/// What a scan consists of, and what measures it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scan {
    /// Values per metric and region, 1 to 9.
    pub repeats: u8,
    pub metrics: Vec<MetricId>,
    pub regions: Vec<Region>,
    pub views: Vec<View>,
    /// Folder of the protocol files.
    pub protocols: PathBuf,
    /// Folder of the models.
    pub models: PathBuf,
    pub metrics_file: PathBuf,
    pub regions_file: PathBuf,
    /// The salon's own rules of what to suggest after a scan; where there is no such file nothing is suggested.
    pub suggestions_file: PathBuf,
    /// The salon's own treatments and their steps; where there is no such file, those that this program was built with.
    pub treatments_file: PathBuf,
    /// The numbers of the quality gates; `None`: those that this program was built with.
    pub gates_file: Option<PathBuf>,
    /// Cameras whose colours are known; `None`: none is.
    pub cameras_file: Option<PathBuf>,
    /// The inference library; `None`: looked for beside the program, then in `target/onnxruntime/`.
    pub onnxruntime: Option<PathBuf>,
    /// A picture that takes longer ends the worker.
    pub inference_deadline: Duration,
    /// Address space of the worker; bytes.
    pub inference_memory: u64,
}
