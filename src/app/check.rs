//! `skinlink check`: looks at everything a gateway needs before it runs, without changing anything; a table with remedies.

pub(super) mod ordered;
mod store;

use super::{
    catalogue, holders,
    print::say,
    recognise::{Opener, Recognise, recognised_by},
    runtime,
};
use crate::{
    adapters::{
        ble::{self, Pinned, Wanted},
        discovery::Discovery,
        pki::TlsFiles,
    },
    cli::{self, exit},
    clock,
    config::{self, Config, Device, Measures, Mqtt, Port},
    desk,
    domain::ClockState,
    ports::LinkError,
    protocol::nearest,
    sync::package::PublicKey,
    tasks::analysis::{ModelTrial, Recipe, Tried},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fmt::Write as _,
    net::{TcpListener, TcpStream, ToSocketAddrs},
    path::Path,
    sync::Arc,
    time::Duration,
};

/// How long an unreachable broker may hold the table up.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Good,
    /// Works, but someone should look.
    Notice,
    Fault,
}

/// One row: what was looked at, how it stands, what to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Row {
    pub what: String,
    pub state: State,
    pub found: String,
    /// Empty where nothing is to be done; a line each where there are several.
    pub remedy: String,
}

impl Row {
    fn good(what: &str, found: impl Into<String>) -> Self {
        Self { what: what.to_owned(), state: State::Good, found: found.into(), remedy: String::new() }
    }
    fn fault(what: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.to_owned(), state: State::Fault, found: found.into(), remedy: remedy.into() }
    }
    fn notice(what: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.to_owned(), state: State::Notice, found: found.into(), remedy: remedy.into() }
    }
    /// For errors that carry their remedy in the sentence, after the last semicolon.
    fn error(what: &str, error: &dyn std::error::Error) -> Self {
        let text = error.to_string();
        match text.rsplit_once("; ") {
            Some((found, remedy)) if !text.contains('\n') => Self::fault(what, found, remedy),
            _ => Self::fault(what, text, ""),
        }
    }
}

/// Looks at everything `path` asks for.
#[must_use]
pub fn look(path: &Path) -> Vec<Row> {
    let config = match catalogue::config(path) {
        Ok(config) => config,
        Err(error) => return vec![Row::error("configuration", &error)],
    };
    let mut rows = vec![Row::good("configuration", path.display().to_string())];
    rows.extend(packages(&config.packages, &path.display().to_string()));
    rows.push(clock_row());
    rows.push(calendar(&config.calendar));
    rows.extend(store::look(&config.store));
    rows.push(metrics(&config));
    rows.push(treatments(&config));
    let protocols = protocols(&config, &mut rows);
    rows.extend(config.devices.iter().map(|device| port(device, &config.devices, protocols.as_ref())));
    rows.extend(protocols.iter().flat_map(|protocols| unknown_metrics(&config, protocols)));
    rows.push(runtime(&config));
    rows.extend(models(&config));
    rows.extend(broker(&config.mqtt, &config.store.address.gateway));
    rows.push(pages(&config));
    rows.extend(reports(&config.report));
    rows
}

fn clock_row() -> Row {
    let now = clock::now();
    match now.clock {
        ClockState::Synced => Row::good("clock", format!("{}, synchronised", now.wall)),
        ClockState::Holdover => Row::notice(
            "clock",
            format!("{}, not synchronised now", now.wall),
            "install systemd-timesyncd or chrony and let it reach a time server",
        ),
        ClockState::Unset => Row::fault(
            "clock",
            format!("{}, never set", now.wall),
            "set the date, then let a time service keep it; readings are kept and dated later",
        ),
    }
}

fn calendar(config: &config::Calendar) -> Row {
    match super::zone::calendar(config) {
        Err(error) => Row::error("calendar", &*error),
        Ok(_) => {
            let zone = config.time_zone.as_deref().unwrap_or("the machine's own time zone");
            Row::good("calendar", format!("{zone}, {} closed days", config.holidays.len()))
        }
    }
}

/// Whose packages are taken, and by which keys.
fn packages(config: &config::Packages, file: &str) -> Vec<Row> {
    let Some(chain) = &config.chain else { return Vec::new() };
    let row = |key: Result<PublicKey, String>| match key {
        Ok(key) => Row::good("packages", format!("of {chain}, signed by the key {}", key.fingerprint())),
        Err(fault) => Row::fault("packages", fault, "until it can be read, no packages are taken at all"),
    };
    catalogue::keys(config, file).into_iter().map(row).collect()
}

fn metrics(config: &Config) -> Row {
    match catalogue::metrics_file(&config.scan.metrics_file) {
        Err(error) => Row::error("metrics", &error),
        Ok(known) => match config.scan.metrics.iter().find(|id| known.iter().all(|metric| metric.id != **id)) {
            Some(id) => {
                Row::fault("metrics", format!("scan.metrics names {id}"), "add it to metrics.toml or take it out")
            }
            None => match catalogue::suggestions_file(&config.scan.suggestions_file, &known) {
                Err(error) => Row::error("suggestions", &error),
                Ok(rules) => {
                    Row::good("metrics", format!("{} known, {} rules of what to suggest", known.len(), rules.len()))
                }
            },
        },
    }
}

fn treatments(config: &Config) -> Row {
    match catalogue::treatments_file(&config.scan.treatments_file) {
        Err(error) => Row::error("treatments", &error),
        Ok(known) => {
            let steps: usize = known.iter().map(|one| one.steps.len()).sum();
            Row::good("treatments", format!("{} known, with {steps} steps", known.len()))
        }
    }
}

fn protocols(config: &Config, rows: &mut Vec<Row>) -> Option<catalogue::Protocols> {
    match catalogue::protocols(&config.scan.protocols) {
        Err(error) => {
            rows.push(Row::error("protocols", &error));
            None
        }
        Ok(found) => {
            let sound: Vec<&str> = found.sound.keys().map(String::as_str).collect();
            rows.push(Row::good("protocols", sound.join(", ")));
            rows.extend(found.broken.iter().map(|(id, broken)| Row::error(&format!("protocol {id}"), broken)));
            Some(found)
        }
    }
}

/// Protocols in use that measure what the house has no name for.
fn unknown_metrics(config: &Config, protocols: &catalogue::Protocols) -> Vec<Row> {
    let Ok(known) = catalogue::metrics_file(&config.scan.metrics_file) else { return Vec::new() };
    let used: BTreeSet<&String> = config
        .devices
        .iter()
        .filter(|device| device.measures == Measures::Customers)
        .map(|device| &device.protocol)
        .collect();
    let row = |id: &String| {
        let unknown = super::build::unknown_metrics(protocols.sound.get(id)?, &known);
        let file = config.scan.metrics_file.display();
        (!unknown.is_empty()).then(|| {
            Row::notice(
                &format!("protocol {id}"),
                format!("measures {unknown}, which {file} does not know"),
                "such values lie in the tray and can be bound to no scan: add the metric there, then restart the gateway",
            )
        })
    };
    used.into_iter().filter_map(row).collect()
}

fn port(device: &Device, all: &[Device], protocols: Option<&catalogue::Protocols>) -> Row {
    let what = format!("{} at {}", device.protocol, device.station);
    let sound = |id: &str| protocols.and_then(|found| found.sound.get(id));
    let Some(spec) = sound(&device.protocol) else {
        let known = protocols.into_iter().flat_map(|found| found.sound.keys().chain(found.broken.keys()));
        let near = nearest(&device.protocol, known.map(String::as_str));
        let remedy = near.map_or_else(
            || "see the rows of the protocols, or correct device.protocol".to_owned(),
            |near| format!("did you mean {near}? correct device.protocol, or see that protocol's row"),
        );
        return Row::fault(&what, "its protocol is not among the sound ones", remedy);
    };
    if let Some(pinned) = super::build::in_the_air(device, spec) {
        return air(&what, pinned);
    }
    let Some(mut line) = spec.serial.clone().filter(|_| !matches!(device.port, Port::Address(_))) else {
        return Row::fault(
            &what,
            "its protocol is not for this way of connecting",
            "device.address is for [transport.ble], device.path and device.serial_number for [transport.serial]",
        );
    };
    let others = all.iter().filter(|other| *other != device);
    line.baud = device.baud.unwrap_or(line.baud);
    let recognise = Recognise {
        discovery: Discovery::system(),
        wanted: recognised_by(&device.port, spec),
        others: others.filter_map(|other| Some(recognised_by(&other.port, sound(&other.protocol)?))).collect(),
        spec: Arc::clone(spec),
        line,
    };
    let mut opener = Opener::new(recognise, None);
    match super::block_on_any(async { opener.open().await.map(|opened| opened.port) }) {
        Err(error) => Row::fault(&what, error.to_string(), "run it again"),
        Ok(Ok(port)) => Row::good(&what, port),
        Ok(Err(error)) => unopened(&what, &device.port, &error),
    }
}

/// Why a port is not open, in both languages; a gateway that runs holds its ports rightly.
fn unopened(what: &str, port: &Port, error: &LinkError) -> Row {
    let holders = match error {
        LinkError::Busy { port } => holders::of(Path::new(port)),
        _ => Vec::new(),
    };
    if let Some(gateway) = holders.iter().find(|holder| holder.is_gateway()) {
        return Row::good(what, format!("{gateway} has it open"));
    }
    let held: Vec<String> = holders.iter().map(|holder| format!("; held by {holder}")).collect();
    let advice = error.advice();
    let key = match (error, port) {
        (LinkError::Absent { .. }, Port::Path(path)) => format!("\nor correct device.path ({})", path.display()),
        (LinkError::Absent { .. }, Port::UsbSerial(serial)) => format!("\nor correct device.serial_number ({serial})"),
        (LinkError::Absent { .. }, Port::UsbIds) => "\nif it has no USB id of its own, name device.path".to_owned(),
        (LinkError::Forbidden { .. }, _) => "\nsudo usermod -aG dialout USER, then restart the gateway".to_owned(),
        _ => String::new(),
    };
    Row::fault(what, format!("{error}{}", held.concat()), format!("{}\n{}{key}", advice.zh, advice.en))
}

/// Listens for a device in the air, as long as it may take to be heard.
fn air(what: &str, pinned: Pinned) -> Row {
    let broadcast = pinned.ble.broadcast.is_some();
    let wanted = Wanted { address: pinned.address, advertises: pinned.ble.advertises, broadcast };
    match super::block_on_any(ble::listen_for(wanted)).map_err(LinkError::from).and_then(|heard| heard) {
        Ok(sighting) => Row::good(what, format!("{} is heard by {}", sighting.address, sighting.adapter)),
        Err(error) => {
            let advice = error.advice();
            Row::fault(what, error.to_string(), format!("{}\n{}", advice.zh, advice.en))
        }
    }
}

fn runtime(config: &Config) -> Row {
    match runtime::find(config.scan.onnxruntime.as_deref()) {
        Ok(path) => Row::good("ONNX Runtime", path.display().to_string()),
        Err(error) => Row::error("ONNX Runtime", &error),
    }
}

/// Runs every model against its golden set, as the gateway does before it uses one: a wrong library or a damaged file
/// shows here and not when the first customer sits there.
fn tried(config: &Config, folder: &Path) -> Result<String, String> {
    let (gates, cameras) = catalogue::gates_and_cameras(&config.scan).map_err(|e| e.to_string())?;
    let recipe = Recipe {
        program: std::env::current_exe().map_err(|e| e.to_string())?,
        onnxruntime: runtime::find(config.scan.onnxruntime.as_deref()).map_err(|e| e.to_string())?,
        memory_mib: u32::try_from(config.scan.inference_memory >> 20).unwrap_or(u32::MAX),
        regions: catalogue::read(&config.scan.regions_file).map_err(|e| e.to_string())?,
        gates,
        cameras,
        deadline: config.scan.inference_deadline,
    };
    let trial = super::block_on_any(async { ModelTrial::new(recipe).run(folder).await });
    let Tried { engine, manifest, .. } = trial.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?;
    manifest.agrees(&catalogue::metrics_file(&config.scan.metrics_file).map_err(|e| e.to_string())?)?;
    Ok(format!("version {}, its golden set holds ({})", engine.model_version, engine.provider))
}

fn models(config: &Config) -> Vec<Row> {
    match catalogue::models(&config.scan.models) {
        Err(error) => vec![Row::error("models", &error)],
        Ok(models) if models.is_empty() => {
            vec![Row::notice("models", "none", "photographs are kept, no measures are taken from them")]
        }
        Ok(models) => models
            .into_iter()
            .map(|(id, model)| {
                let what = format!("model {id}");
                match model {
                    Ok(_) => match tried(config, &config.scan.models.join(&id)) {
                        Ok(found) => Row::good(&what, found),
                        Err(why) => Row::fault(
                            &what,
                            why,
                            "copy the model's folder and the library again; `make setup` fetches the library",
                        ),
                    },
                    Err(broken) => Row::error(&what, &broken),
                }
            })
            .collect(),
    }
}

fn broker(mqtt: &Mqtt, gateway: &str) -> Vec<Row> {
    if !mqtt.enabled {
        return vec![Row::notice("headquarters", "mqtt.enabled is false", "everything is kept until it is true")];
    }
    let files = TlsFiles { ca: mqtt.ca.clone(), certificate: mqtt.certificate.clone(), key: mqtt.key.clone() };
    let certificate = match files.check(gateway, clock::now().wall) {
        Ok(own) => Row::good("certificate", format!("{gateway}, valid until {}", own.not_after)),
        Err(error) => Row::error("certificate", &error),
    };
    let address = format!("{}:{}", mqtt.host, mqtt.port);
    let reached = address
        .to_socket_addrs()
        .and_then(|mut found| found.next().ok_or_else(|| std::io::Error::other("the name has no address")))
        .and_then(|found| TcpStream::connect_timeout(&found, CONNECT_LIMIT));
    let broker = match reached {
        Ok(_) => Row::good("broker", address),
        Err(error) => Row::fault(
            "broker",
            format!("{address}: {error}"),
            "check mqtt.host, mqtt.port and the store's network; everything is kept meanwhile",
        ),
    };
    vec![certificate, broker]
}

fn pages(config: &Config) -> Row {
    let listen = config.web.listen;
    match TcpListener::bind(listen) {
        Ok(_) => Row::good("pages", format!("http://{listen}")),
        Err(error) => Row::notice(
            "pages",
            format!("{listen}: {error}"),
            "the gateway runs already, or another program holds the port: change web.listen",
        ),
    }
}

/// The way in for customers' phones, where there is one.
fn reports(report: &config::Report) -> Option<Row> {
    let listen = report.listen?;
    if listen.ip().is_loopback() && !report.behind_proxy {
        let (found, remedy) = desk::lonely(listen);
        return Some(Row::notice("reports", found, remedy));
    }
    Some(match TcpListener::bind(listen) {
        Ok(_) => Row::good("reports", format!("http://{listen}")),
        Err(error) => Row::notice(
            "reports",
            format!("{listen}: {error}"),
            "the gateway runs already, or another program holds the port: change report.listen",
        ),
    })
}

/// The table, one line a row, for people.
#[must_use]
pub fn table(rows: &[Row]) -> String {
    let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or(0);
    let mut text = String::new();
    for Row { what, state, found, remedy } in rows {
        let sign = match state {
            State::Good => "good  ",
            State::Notice => "notice",
            State::Fault => "FAULT ",
        };
        let indent = " ".repeat(width + 10);
        let found = found.replace('\n', &format!("\n{indent}"));
        let _ = writeln!(text, "{what:width$}  {sign}  {found}");
        for line in remedy.lines() {
            let _ = writeln!(text, "{indent}→ {line}");
        }
    }
    text
}

/// Prints the table or one JSON document; exit code 0 without a fault, 2 for a configuration that cannot be understood.
///
/// # Errors
/// Never but for JSON itself.
pub fn command(options: &cli::Check) -> anyhow::Result<u8> {
    let rows = look(&options.file.config);
    if options.json {
        say!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        say!("{}", table(&rows).trim_end());
    }
    let fault = rows.iter().any(|row| row.state == State::Fault);
    Ok(match (fault, rows.len()) {
        (false, _) => exit::OK,
        // Only the configuration's own row: it could not be read.
        (true, 1) => exit::USAGE,
        (true, _) => exit::FAULT,
    })
}
