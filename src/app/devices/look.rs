//! Looks at each port: what it shows, whether it can be opened, what it would be taken for and why.

use super::catalogue;
use crate::{
    adapters::{
        discovery::{self, By, Discovery, Port},
        serial::SerialLink,
    },
    app::{
        holders::{self, Holder},
        print::complain,
        recognise::{ask_who, recognised_by},
    },
    cli,
    config::{self, Config},
    domain::device::DeviceIdentity,
    ports::LinkError,
    protocol::{Spec, spec::Serial},
};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::IsTerminal,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// What was found at one port.
#[derive(Debug, Serialize)]
pub struct Seen {
    pub node: PathBuf,
    /// `0403:6001`; none for a port that is not on USB.
    pub usb: Option<String>,
    pub product: String,
    pub serial: Option<String>,
    pub by_path: Option<String>,
    pub stable_names: Vec<PathBuf>,
    pub state: State,
    /// What is the matter, in both languages; none where it is free.
    pub advice: Option<Advice>,
    pub held_by: Vec<Holder>,
    /// Protocols it may speak, likeliest first.
    pub taken_for: Vec<Taken>,
    pub configured: Option<Configured>,
    /// A `[[device]]` to be copied; none where it is configured, or nobody knows what it is.
    pub block: Option<String>,
    /// The others that cannot be told from it.
    pub alike: Vec<PathBuf>,
}

/// Whether a port can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    Free,
    Busy,
    Forbidden,
    Absent,
    Fault,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Advice {
    pub what: String,
    pub zh: String,
    pub en: String,
}

/// One protocol that a device may speak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Taken {
    pub protocol: String,
    pub title_zh: String,
    pub title_en: String,
    pub why: String,
    /// What it said when asked.
    pub says: Option<Said>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    pub serial: String,
    pub probe: String,
    pub firmware: String,
}

impl From<DeviceIdentity> for Said {
    fn from(identity: DeviceIdentity) -> Self {
        let DeviceIdentity { protocol: _, protocol_version: _, serial, probe, firmware } = identity;
        Self { serial, probe, firmware }
    }
}

/// The `[[device]]` that describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Configured {
    pub station: String,
    pub protocol: String,
    pub by: String,
}

impl Seen {
    /// A person has to act: it cannot be opened by a gateway, or it cannot be told from another.
    #[must_use]
    pub fn needs_someone(&self) -> bool {
        let held = self.state == State::Busy && !in_good_hands(&self.held_by);
        held || matches!(self.state, State::Forbidden | State::Absent | State::Fault) || !self.alike.is_empty()
    }
}

/// Held by a gateway, and by nobody who would take bytes away from it.
fn in_good_hands(held_by: &[Holder]) -> bool {
    !held_by.is_empty() && held_by.iter().all(Holder::is_gateway)
}

/// What is known before looking.
#[derive(Debug)]
pub struct Surroundings {
    pub config: Option<Config>,
    pub protocols: BTreeMap<String, Arc<Spec>>,
    discovery: Discovery,
}

impl Surroundings {
    /// Reads the configuration, where there is one, and the protocols.
    ///
    /// # Errors
    /// When what is there cannot be understood.
    pub fn read(options: &cli::Look) -> anyhow::Result<Self> {
        let config = if options.config.exists() { Some(catalogue::config(&options.config)?) } else { None };
        let folder = options.protocols.clone();
        let folder = folder.or_else(|| config.as_ref().map(|config| config.scan.protocols.clone()));
        let protocols = catalogue::protocols(&folder.unwrap_or_else(|| "firmware-protocols".into()))?.sound;
        Ok(Self { config, protocols, discovery: Discovery::new(&options.sysfs, &options.dev) })
    }

    fn devices(&self) -> &[config::Device] {
        self.config.as_ref().map_or(&[], |config| &config.devices)
    }

    /// The station a block is written for.
    #[must_use]
    pub fn station(&self) -> &str {
        self.config.as_ref().and_then(|config| config.stations.first()).map_or("chair-1", |station| &station.id)
    }

    /// Everything that is plugged in, and what was named besides.
    pub async fn look(&self, options: &cli::Look) -> Vec<Seen> {
        let ports = self.discovery.ports();
        let mut seen = Vec::new();
        for port in &ports {
            seen.push(self.on_usb(port, &ports, options.ask).await);
        }
        for path in &options.port {
            seen.push(self.named(path, options.ask).await);
        }
        alike(&mut seen);
        for one in &mut seen {
            one.block = self.block(one);
        }
        seen
    }

    async fn on_usb(&self, port: &Port, all: &[Port], ask: bool) -> Seen {
        let usb = discovery::shown(port.usb);
        let lists = |spec: &&Arc<Spec>| spec.usb().contains(&port.usb);
        let likely: Vec<_> = self.protocols.values().filter(lists).cloned().collect();
        let why = format!("its file lists USB {usb}");
        let unique = discovery::name(port, all);
        let mut seen = self.at(&port.node, likely, &why, ask).await;
        seen.usb = Some(usb);
        seen.product.clone_from(&port.product);
        seen.serial = port.serial.clone().filter(|serial| *serial == unique);
        seen.by_path = Some(port.by_path.clone());
        seen.stable_names = self.discovery.stable_names(&port.node);
        seen.configured = self.configured(|by| by.describes(port));
        seen
    }

    /// A port without USB: nothing shows what it is. Asking tries every protocol that can be asked.
    async fn named(&self, path: &Path, ask: bool) -> Seen {
        // Any bytes would be the answer of a device that says nothing of itself and has no checksum.
        let proves = |spec: &Spec| {
            let told = spec.flow.identify.last().map_or(&[][..], |step| step.reply.as_slice());
            spec.framing.checksum.is_some() || !told.iter().any(|reply| spec.is_known_by_its_question(reply))
        };
        let askable = |spec: &&Arc<Spec>| spec.serial.is_some() && !spec.flow.identify.is_empty() && proves(spec);
        let here = |by: &By| matches!(by, By::Path(known) if discovery::same_node(known, path));
        let configured = self.configured(here);
        let likely = match &configured {
            Some(configured) => self.protocols.get(&configured.protocol).into_iter().cloned().collect(),
            None if ask => self.protocols.values().filter(askable).cloned().collect(),
            None => Vec::new(),
        };
        let mut seen = self.at(path, likely, "you named the port", ask).await;
        if configured.is_none() {
            seen.taken_for.retain(|taken| taken.says.is_some());
        }
        seen.configured = configured;
        seen
    }

    async fn at(&self, node: &Path, likely: Vec<Arc<Spec>>, why: &str, ask: bool) -> Seen {
        let mut taken_for = Vec::new();
        let line = likely.first().map_or_else(super::plain, |spec| line_of(spec));
        let (mut link, mut fault) = match SerialLink::open(node, &line).await {
            Ok(link) => (Some(link), None),
            Err(fault) => (None, Some(fault)),
        };
        // One that does not answer leaves the line as it was; one that hangs up leaves others to be asked.
        let (opened, mut answered) = (fault.is_none(), false);
        for spec in likely {
            let mut own = None;
            let says = if ask && opened { ask_at(node, link.take(), &spec, &mut own).await } else { None };
            fault = own.or(fault);
            answered |= says.is_some();
            let why = if says.is_some() { format!("{why}, and it answers as the file says") } else { why.to_owned() };
            let (title_zh, title_en) = (spec.title.zh.clone(), spec.title.en.clone());
            taken_for.push(Taken { protocol: spec.id.clone(), title_zh, title_en, why, says });
        }
        taken_for.sort_by_key(|taken| taken.says.is_none());
        fault = fault.filter(|_| !answered);
        let held_by = if matches!(fault, Some(LinkError::Busy { .. })) { holders::of(node) } else { Vec::new() };
        Seen {
            node: node.to_owned(),
            usb: None,
            product: String::new(),
            serial: None,
            by_path: None,
            stable_names: Vec::new(),
            state: state(fault.as_ref()),
            advice: fault.map(|fault| {
                let label = fault.advice();
                Advice { what: fault.to_string(), zh: label.zh, en: label.en }
            }),
            held_by,
            taken_for,
            configured: None,
            block: None,
            alike: Vec::new(),
        }
    }

    /// The first `[[device]]` whose way of recognising fits.
    fn configured(&self, fits: impl Fn(&By) -> bool) -> Option<Configured> {
        self.devices().iter().find_map(|device| {
            let by = recognised_by(&device.port, self.protocols.get(&device.protocol)?);
            let (station, protocol) = (device.station.clone(), device.protocol.clone());
            fits(&by).then(|| Configured { station, protocol, by: by.to_string() })
        })
    }

    /// Named by what stays the same: the adapter's own serial number, the device's, else where it is plugged in.
    fn block(&self, seen: &Seen) -> Option<String> {
        if seen.configured.is_some() && seen.alike.is_empty() {
            return None;
        }
        let taken = seen.taken_for.first()?;
        let told = taken.says.as_ref().map(|said| &said.serial).filter(|serial| !serial.is_empty());
        // By the number that it tells a device is looked for behind USB adapters alone.
        let key = match (&seen.serial, told) {
            (Some(serial), _) => format!("serial_number = {serial:?}"),
            (None, Some(serial)) if seen.usb.is_some() => {
                format!("serial_number = {serial:?}   # the one it tells when asked")
            }
            (None, _) => format!("path = {:?}", stable_path(seen).display().to_string()),
        };
        let (station, protocol) = (self.station(), &taken.protocol);
        Some(format!("[[device]]\nstation = {station:?}\nprotocol = {protocol:?}\n{key}\n"))
    }
}

/// Asks by one protocol, on `link` or on the port opened anew: another protocol may want another rate.
async fn ask_at(
    node: &Path,
    link: Option<SerialLink>,
    spec: &Arc<Spec>,
    fault: &mut Option<LinkError>,
) -> Option<Said> {
    if std::io::stderr().is_terminal() {
        complain(&format!("asking {} by {} …", node.display(), spec.id));
    }
    let asked = async {
        let mut link = match link {
            Some(link) => link,
            None => reopen(node, spec).await?,
        };
        ask_who(&mut link, spec).await
    };
    match asked.await {
        Ok(identity) => identity.map(Said::from),
        Err(error) => {
            *fault = Some(error);
            None
        }
    }
}

/// A port that was just closed may take a moment until it can be opened again.
async fn reopen(node: &Path, spec: &Spec) -> Result<SerialLink, LinkError> {
    let line = line_of(spec);
    for _ in 0..5 {
        if let Ok(link) = SerialLink::open(node, &line).await {
            return Ok(link);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    SerialLink::open(node, &line).await
}

fn line_of(spec: &Spec) -> Serial {
    spec.serial.clone().unwrap_or_else(super::plain)
}

fn stable_path(seen: &Seen) -> PathBuf {
    let by_path = |name: &&PathBuf| name.parent().is_some_and(|folder| folder.ends_with("by-path"));
    let link = seen.stable_names.iter().find(by_path).cloned();
    let made = seen.by_path.as_ref().map(|by_path| Path::new("/dev/serial/by-path").join(by_path));
    link.or(made).unwrap_or_else(|| seen.node.clone())
}

const fn state(fault: Option<&LinkError>) -> State {
    match fault {
        None => State::Free,
        Some(LinkError::Busy { .. }) => State::Busy,
        Some(LinkError::Forbidden { .. }) => State::Forbidden,
        Some(LinkError::Absent { .. } | LinkError::Gone(_)) => State::Absent,
        Some(_) => State::Fault,
    }
}

/// Says of each device which others a gateway could not tell from it: taken for the same, and named by no one.
fn alike(seen: &mut [Seen]) {
    let claimed = |seen: &Seen| seen.configured.as_ref().is_some_and(|known| !known.by.starts_with("a USB device"));
    let kinds: Vec<_> = seen
        .iter()
        .map(|seen| {
            (
                seen.node.clone(),
                seen.usb.clone(),
                seen.taken_for.first().map(|taken| taken.protocol.clone()),
                claimed(seen),
            )
        })
        .collect();
    for (at, one) in seen.iter_mut().enumerate() {
        let (_, usb, protocol, claimed) = &kinds[at];
        if *claimed || protocol.is_none() || usb.is_none() {
            continue;
        }
        let twins = kinds
            .iter()
            .enumerate()
            .filter(|(other, kind)| *other != at && !kind.3 && kind.1 == *usb && kind.2 == *protocol);
        one.alike = twins.map(|(_, kind)| kind.0.clone()).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_in_good_hands_with_a_gateway_alone() {
        let holder = |words: &str| {
            let (name, command) = words.split_once(' ').map_or((words, None), |(name, command)| (name, Some(command)));
            Holder { name: name.to_owned(), pid: 1, command: command.map(Into::into) }
        };
        let held_by = |all: &[&str]| -> Vec<Holder> { all.iter().copied().map(holder).collect() };
        assert!(in_good_hands(&held_by(&["skinlink run"])));
        assert!(!in_good_hands(&held_by(&["screen", "skinlink run"])), "the other takes bytes away");
        assert!(!in_good_hands(&held_by(&["screen"])));
        assert!(!in_good_hands(&held_by(&["skinlink protocol"])), "who tries a file takes bytes away as well");
        assert!(!in_good_hands(&[]), "whoever it is, nobody knows");
    }
}
