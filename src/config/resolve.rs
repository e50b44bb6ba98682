//! From what was typed to what it means: defaults, ranges, names, paths, and keys that must agree.

use super::{
    AcknowledgedBy, Complaints, Config, Device, Measures, Mqtt, Port, Report, Retention, Scan, Station, Store, Sync,
    Web,
    calendar::calendar,
    packages::packages,
    raw,
    typed::{At, Reader},
};
use crate::{
    domain::{
        Region,
        capture::View,
        device::bluetooth_address,
        look::{Colour, LEAST_CONTRAST},
        metric::{Label, MetricId},
    },
    sync::topic::{Address, is_name},
};
use core::net::SocketAddr;
use std::{
    collections::BTreeSet,
    fmt::Display,
    num::NonZeroU64,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

const MIB: u64 = 1024 * 1024;
const DAY_S: u64 = 24 * 60 * 60;
/// Names that a regular expression would call `[a-z0-9-]{1,60}`; they stand in topics and paths.
const NAME: &str = "use a-z, 0-9 and '-', at most 60 characters";

/// A contact scope's pixels lie between these, micrometres.
const UM_PER_PX: RangeInclusive<f64> = 0.5..=100.0;

pub(super) fn resolve(text: &str, file: &str, base: &Path) -> Result<Config, Complaints> {
    let (reader, typed) = Reader::read::<raw::File>(text);
    meaning(reader, typed.unwrap_or_default(), file, base)
}

/// What was typed, whichever file each key stands in; `reader` is the one whose keys are in doubt, and `file` its name.
pub(super) fn meaning(reader: Reader<'_>, typed: raw::File, file: &str, base: &Path) -> Result<Config, Complaints> {
    let mut desk = Desk { reader, base };
    let stations = desk.stations(typed.station);
    let config = Config {
        store: desk.store(typed.store),
        devices: desk.devices(typed.device, &stations),
        stations,
        mqtt: desk.mqtt(typed.mqtt),
        web: desk.web(typed.web),
        report: desk.report(typed.report),
        sync: desk.sync(typed.sync),
        retention: desk.retention(typed.retention),
        scan: desk.scan(typed.scan),
        calendar: calendar(unwrapped(typed.calendar).1, &mut desk.reader),
        packages: packages(unwrapped(typed.packages), &mut desk.reader, base),
    };
    desk.reader.finish(file).map(|()| config)
}

/// Where the values are judged. Every method gives a value even after a complaint, so that one mistake hides no other.
struct Desk<'a> {
    reader: Reader<'a>,
    base: &'a Path,
}

impl Desk<'_> {
    fn store(&mut self, typed: Option<At<raw::Store>>) -> Store {
        let (line, typed) = unwrapped(typed);
        let address = Address {
            store: self.name(typed.id, line, "store.id"),
            gateway: self.name(typed.gateway, line, "store.gateway"),
        };
        let data = self.required(typed.data, line, "store.data", "name the folder for database, photographs and keys");
        let data = self.base.join(data);
        let key_file = match typed.key_file {
            Some(path) => match path.value.strip_prefix("<data>/") {
                Some(inside) => data.join(inside),
                None => self.base.join(path.value),
            },
            None => data.join("store.key"),
        };
        Store {
            address,
            data,
            key_file,
            escrow_key: filled(typed.escrow_key).map(|path| self.base.join(path.value)),
            min_free: self.number(typed.min_free_mib, 512, 16..=MIB) * MIB,
        }
    }

    fn stations(&mut self, typed: Option<At<Vec<At<raw::Station>>>>) -> Vec<Station> {
        let typed = typed.map_or_else(Vec::new, |at| at.value);
        if typed.is_empty() {
            self.reader.complain(1, "station", "there is none; add [[station]] with an id such as \"chair-1\"");
        }
        let mut seen = BTreeSet::new();
        let mut stations = Vec::new();
        for At { value: station, line, key: _ } in typed {
            let id_at = station.id.as_ref().map_or(line, |at| at.line);
            let id = self.name(station.id, line, "station.id");
            if !seen.insert(id.clone()) && !id.is_empty() {
                self.reader.complain(id_at, "station.id", format!("{id} stands twice; give each station its own id"));
            }
            let label = self.label(station.label, &Label { zh: id.clone(), en: id.clone() });
            let pictures_from = filled(station.pictures_from).map(|path| self.base.join(path.value));
            let um_per_px = station.pictures_um_per_px.filter(|at| at.value != 0.0).and_then(|at| {
                if UM_PER_PX.contains(&at.value) {
                    return Some(at.value);
                }
                self.reader.complain_at(&at, format!("{} is outside 0.5 to 100 micrometres a pixel", at.value));
                None
            });
            let taken =
                |path: &&PathBuf| stations.iter().any(|other: &Station| other.pictures_from.as_ref() == Some(*path));
            if let Some(folder) = pictures_from.as_ref().filter(taken) {
                let what = format!("{} is another station's; nobody would know whose a picture is", folder.display());
                self.reader.complain(line, "station.pictures_from", what);
            }
            stations.push(Station { id, label, pictures_from, um_per_px });
        }
        stations
    }

    fn devices(&mut self, typed: Option<At<Vec<At<raw::Device>>>>, stations: &[Station]) -> Vec<Device> {
        let mut ports: Vec<Port> = Vec::new();
        let mut devices = Vec::new();
        for At { value: device, line, key: _ } in typed.map_or_else(Vec::new, |at| at.value) {
            let measures = self.word(device.measures.as_ref(), Measures::Customers);
            let station_at = device.station.as_ref().map_or(line, |at| at.line);
            let station = self.name(device.station, line, "device.station");
            if !station.is_empty() && !stations.iter().any(|known| known.id == station) {
                let known: Vec<&str> = stations.iter().map(|known| known.id.as_str()).collect();
                let what = format!("no [[station]] has the id {station}; known are {}", known.join(", "));
                self.reader.complain(station_at, "device.station", what);
            }
            let port = self.port(filled(device.path), filled(device.serial_number), filled(device.address));
            if port != Port::UsbIds && ports.contains(&port) {
                self.reader.complain(line, "device", "another [[device]] has the same path, serial_number or address");
            }
            ports.push(port.clone());
            let key_file = filled(device.key_file);
            if let Some(at) = key_file.as_ref().filter(|_| !matches!(port, Port::Address(_))) {
                self.reader.complain_at(at, "is for a device in the air; give its address too, or leave key_file out");
            }
            let baud = device.baud.map(|baud| self.number(Some(baud), 0, 50..=4_000_000));
            devices.push(Device {
                station,
                measures,
                protocol: self.name(device.protocol, line, "device.protocol"),
                port,
                key_file: key_file.map(|at| self.base.join(at.value)),
                baud: baud.and_then(|baud| u32::try_from(baud).ok()),
            });
        }
        devices
    }

    fn port(&mut self, path: Option<At<String>>, serial: Option<At<String>>, address: Option<At<String>>) -> Port {
        if let Some(extra) = serial
            .as_ref()
            .filter(|_| path.is_some())
            .or(address.as_ref().filter(|_| path.is_some() || serial.is_some()))
        {
            let what =
                "stands beside another; keep one of path, serial_number and address, by which the device is known";
            self.reader.complain_at(extra, what);
        }
        match (path, serial, address) {
            (Some(path), _, _) => Port::Path(self.base.join(path.value)),
            (None, Some(serial), _) => Port::UsbSerial(serial.value),
            (None, None, Some(address)) => {
                let written = bluetooth_address(&address.value).unwrap_or_else(|| {
                    self.reader.complain_at(&address, "is no Bluetooth address; write it as F0:F1:F2:F3:F4:F5");
                    String::new()
                });
                Port::Address(written)
            }
            (None, None, None) => Port::UsbIds,
        }
    }

    fn mqtt(&mut self, typed: Option<At<raw::Mqtt>>) -> Mqtt {
        let (line, typed) = unwrapped(typed);
        let enabled = typed.enabled.is_some_and(|at| at.value);
        let host = filled(typed.host);
        if let Some(at) = host.as_ref().filter(|at| at.value.contains([':', '/', ' '])) {
            self.reader.complain_at(at, "is a host name only, without scheme and port: hq.example");
        }
        if enabled && host.is_none() {
            self.reader.missing(line, "mqtt.host", "enabled = true needs the name of HQ's broker");
        }
        Mqtt {
            enabled,
            host: host.map_or_else(String::new, |at| at.value),
            port: small(self.number(typed.port, 8883, 1..=65_535)),
            ca: self.path(typed.ca, "ca.pem"),
            certificate: self.path(typed.certificate, "gateway.pem"),
            key: self.path(typed.key, "gateway.key"),
            keep_alive: Duration::from_secs(self.number(typed.keep_alive_s, 30, 5..=1_200)),
        }
    }

    fn web(&mut self, typed: Option<At<raw::Web>>) -> Web {
        let typed = unwrapped(typed).1;
        let fallback = SocketAddr::from(([127, 0, 0, 1], 8470));
        let listen = typed.listen.map_or(fallback, |at| match at.value.parse::<SocketAddr>() {
            Ok(listen) if listen.ip().is_loopback() => listen,
            Ok(_) => {
                let remedy =
                    "only this machine is served without TLS: use 127.0.0.1:8470 here, and web.lan for tablets";
                self.reader.complain_at(&at, remedy);
                fallback
            }
            Err(_) => {
                self.reader.complain_at(&at, format!("{:?} is no address with port; use 127.0.0.1:8470", at.value));
                fallback
            }
        });
        let lan = filled(typed.lan).and_then(|at| {
            let parsed = at.value.parse::<SocketAddr>();
            if parsed.is_err() {
                self.reader.complain_at(&at, format!("{:?} is no address with port; use 0.0.0.0:8443", at.value));
            }
            parsed.ok()
        });
        let names = self.list(typed.names, vec!["skinlink.local".to_owned()], host_name);
        let announce = typed.announce.is_none_or(|at| at.value);
        Web { listen, lan, names, announce }
    }

    fn report(&mut self, typed: Option<At<raw::Report>>) -> Report {
        let typed = unwrapped(typed).1;
        let listen = filled(typed.listen).and_then(|at| match at.value.parse::<SocketAddr>() {
            Ok(listen) => Some(listen),
            Err(_) => {
                self.reader
                    .complain_at(&at, format!("{:?} is no address with port; write it as 0.0.0.0:8480", at.value));
                None
            }
        });
        let (public_url, local_url) = (self.url(typed.public_url), self.url(typed.local_url));
        let fallback = Label { zh: "清和肌研".to_owned(), en: "Qinghe Skin Studio".to_owned() };
        Report {
            public_url,
            listen,
            behind_proxy: typed.behind_proxy.is_some_and(|at| at.value),
            local_url,
            valid_days: small(self.number(typed.valid_days, 90, 1..=730)),
            store_name: self.label(typed.store_name, &fallback),
            colour: self.colour(typed.colour),
            logo: filled(typed.logo).map(|path| self.base.join(path.value)),
        }
    }

    /// A colour that can be read on the pages of reports, and white on it.
    fn colour(&mut self, typed: Option<At<String>>) -> Option<Colour> {
        let at = filled(typed)?;
        let Some(colour) = Colour::parse(&at.value) else {
            self.reader.complain_at(&at, format!("{:?} is no colour; write it as #1E6B5C", at.value));
            return None;
        };
        let contrast = colour.contrast();
        if contrast < LEAST_CONTRAST {
            let why = format!(
                "is too light to be read: its contrast is {contrast:.1}, {LEAST_CONTRAST} are needed; choose a darker one"
            );
            self.reader.complain_at(&at, why);
        }
        Some(colour)
    }

    /// A web address, without the slash at its end.
    fn url(&mut self, typed: Option<At<String>>) -> Option<String> {
        let at = filled(typed)?;
        let known = |scheme: &&str| at.value.len() > scheme.len() && at.value.starts_with(*scheme);
        if !["https://", "http://"].iter().any(known) {
            self.reader.complain_at(&at, "is no web address; write it as https://reports.example");
        }
        Some(at.value.trim_end_matches('/').to_owned())
    }

    fn sync(&mut self, typed: Option<At<raw::Sync>>) -> Sync {
        let typed = unwrapped(typed).1;
        let kib = self.number(typed.image_kib_per_s, 512, 0..=MIB);
        Sync {
            acknowledged_by: self.word(typed.acknowledged_by.as_ref(), AcknowledgedBy::Hq),
            window: small(self.number(typed.window, 16, 1..=64)),
            batch_events: small(self.number(typed.batch_events, 200, 1..=1_000)),
            resend_after: Duration::from_secs(self.number(typed.resend_after_s, 20, 1..=3_600)),
            image_rate: NonZeroU64::new(kib * 1024),
            chain_stores: small(self.number(typed.chain_stores, 40, 1..=100_000)),
        }
    }

    fn retention(&mut self, typed: Option<At<raw::Retention>>) -> Retention {
        let typed = unwrapped(typed).1;
        Retention {
            // A restored HQ may ask again for 30 days: less would break that promise.
            acknowledged_events: self.days(typed.acknowledged_events_days, 30, 30..=3_650),
            photographs: self.days(typed.photographs_days, 365, 1..=3_650),
        }
    }

    fn scan(&mut self, typed: Option<At<raw::Scan>>) -> Scan {
        let typed = unwrapped(typed).1;
        let metrics = ["moisture", "sebum", "elasticity"].iter().filter_map(|id| MetricId::new(id).ok()).collect();
        Scan {
            repeats: small(self.number(typed.repeats, 3, 1..=9)),
            metrics: self.list(typed.metrics, metrics, MetricId::new),
            regions: self.regions(typed.regions),
            views: self.list(typed.views, vec![View::Front, View::Left, View::Right], View::from_str),
            protocols: self.path(typed.protocols, "../firmware-protocols"),
            models: self.path(typed.models, "../models"),
            metrics_file: self.path(typed.metrics_file, "metrics.toml"),
            regions_file: self.path(typed.regions_file, "face-regions.toml"),
            suggestions_file: self.path(typed.suggestions_file, "suggestions.toml"),
            treatments_file: self.path(typed.treatments_file, "treatments.toml"),
            gates_file: filled(typed.gates_file).map(|path| self.base.join(path.value)),
            cameras_file: filled(typed.cameras_file).map(|path| self.base.join(path.value)),
            onnxruntime: filled(typed.onnxruntime).map(|path| self.base.join(path.value)),
            inference_deadline: Duration::from_secs(self.number(typed.inference_deadline_s, 20, 1..=600)),
            inference_memory: self.number(typed.inference_memory_mib, 3_072, 256..=MIB) * MIB,
        }
    }

    fn required(&mut self, at: Option<At<String>>, line: usize, key: &str, remedy: &str) -> String {
        match filled(at) {
            Some(at) => at.value,
            None => {
                self.reader.missing(line, key, remedy);
                String::new()
            }
        }
    }

    /// A required name; empty after a complaint.
    fn name(&mut self, at: Option<At<String>>, line: usize, key: &str) -> String {
        if let Some(bad) = at.as_ref().filter(|at| !at.value.is_empty() && !is_name(&at.value)) {
            self.reader.complain_at(bad, format!("{:?} cannot be a name; {NAME}", bad.value));
            return String::new();
        }
        self.required(at, line, key, NAME)
    }

    fn number(&mut self, at: Option<At<u64>>, default: u64, range: RangeInclusive<u64>) -> u64 {
        let Some(at) = at else { return default };
        if range.contains(&at.value) {
            return at.value;
        }
        self.reader.complain_at(&at, format!("{} is outside {} to {}", at.value, range.start(), range.end()));
        *range.start()
    }

    fn days(&mut self, at: Option<At<u64>>, default: u64, range: RangeInclusive<u64>) -> Duration {
        Duration::from_secs(self.number(at, default, range) * DAY_S)
    }

    fn path(&mut self, at: Option<At<String>>, default: &str) -> PathBuf {
        if let Some(empty) = at.as_ref().filter(|at| at.value.is_empty()) {
            self.reader.complain_at(empty, format!("is empty; leave the key out for {default}"));
        }
        self.base.join(at.map_or_else(|| default.to_owned(), |at| at.value))
    }

    fn label(&mut self, at: Option<At<raw::Label>>, default: &Label) -> Label {
        let Some(at) = at else { return default.clone() };
        match (filled_in(&at.value.zh), filled_in(&at.value.en)) {
            (Some(zh), Some(en)) => Label { zh, en },
            _ => {
                self.reader.complain_at(&at, "needs both languages: { zh = \"一号护理位\", en = \"Chair 1\" }");
                default.clone()
            }
        }
    }

    fn word<T: FromStr<Err: Display>>(&mut self, at: Option<&At<String>>, default: T) -> T {
        let Some(at) = at else { return default };
        at.value.parse().unwrap_or_else(|error: T::Err| {
            self.reader.complain_at(at, error.to_string());
            default
        })
    }

    /// A list without repeats; an empty one is meant (a station without photographs).
    /// A list that says where: an empty one would leave nothing to measure.
    fn regions(&mut self, at: Option<At<Vec<At<String>>>>) -> Vec<Region> {
        if let Some(at) = at.as_ref().filter(|at| at.value.is_empty() && !self.reader.complained(&at.key)) {
            self.reader.complain_at(at, "names no region; name at least one, or leave the key out for the usual five");
        }
        let usual = vec![Region::Forehead, Region::Nose, Region::LeftCheek, Region::RightCheek, Region::Chin];
        self.list(at, usual, Region::from_str)
    }

    fn list<T: PartialEq, E: Display>(
        &mut self,
        at: Option<At<Vec<At<String>>>>,
        default: Vec<T>,
        parse: impl Fn(&str) -> Result<T, E>,
    ) -> Vec<T> {
        let Some(at) = at else { return default };
        let mut list = Vec::new();
        for item in at.value {
            match parse(&item.value) {
                Ok(value) if list.contains(&value) => {
                    self.reader.complain_at(&item, format!("{} stands twice", item.value));
                }
                Ok(value) => list.push(value),
                Err(error) => self.reader.complain_at(&item, error.to_string()),
            }
        }
        list
    }
}

/// A name or address as it stands in a browser's address line, without port.
fn host_name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    if !text.is_empty() && text.len() <= 253 && text.chars().all(plain) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("{text:?} is no name or address as tablets open it; write skinlink.local or 192.168.1.10"))
    }
}

/// A table's line and contents; a table that is not there has line 1 and no keys.
fn unwrapped<T: Default>(typed: Option<At<T>>) -> (usize, T) {
    typed.map_or_else(|| (1, T::default()), |at| (at.line, at.value))
}

/// The empty text means the same as no key.
fn filled(at: Option<At<String>>) -> Option<At<String>> {
    at.filter(|at| !at.value.is_empty())
}

fn filled_in(at: &Option<At<String>>) -> Option<String> {
    filled(at.clone()).map(|at| at.value)
}

/// A number that its range keeps small.
fn small<T: TryFrom<u64>>(number: u64) -> T {
    T::try_from(number).ok().expect("the range of every key fits its type")
}
