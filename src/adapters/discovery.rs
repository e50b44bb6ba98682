//! Finds the serial port of a device by what it is and not by its number: `ttyUSB0` becoming `ttyUSB1` changes nothing.
//!
//! Reads sysfs under a root handed in, so that tests can show any USB tree; opens no port. What identifies a port: the
//! serial number of its USB adapter where no second port shows the same, else where it is plugged in (by-path). The
//! device's own serial number, told when it is asked, goes before both; whoever opens the ports asks ([`Discovery::candidates`]).
//!
//! Looking costs one directory read and some link reads (a few hundred system calls), so it is done only while a device is
//! missing, and then when something was plugged in ([`super::hotplug`]). A device that is there is watched by its open
//! descriptor, at no cost.
//!
//! Layout read: `<sysfs>/class/tty/<name>/device` → `…/usb1/1-2/1-2:1.0[/ttyUSB0]`; `idVendor`, `idProduct`, `serial`
//! stand in the folder of the USB device (`1-2`), `port_number` in that of a USB-serial port.

use crate::{ports::LinkError, protocol::spec::UsbId};
use std::{
    ffi::OsStr,
    fmt, fs, io,
    path::{Component, Path, PathBuf},
};

/// A USB serial port as the kernel shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Port {
    /// Node to open: `/dev/ttyUSB0`.
    pub node: PathBuf,
    pub usb: UsbId,
    /// What the adapter calls itself, maker first: `FTDI FT232R USB UART`; empty where it does not.
    pub product: String,
    /// Serial number of the adapter; `None` where it has none. Cheap adapters share one.
    pub serial: Option<String>,
    /// Where it is plugged in, as udev names it: `pci-0000:00:14.0-usb-0:2:1.0-port0`.
    pub by_path: String,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, usb, product: _, serial, by_path } = self;
        let (usb, serial) = (shown(*usb), serial.as_deref().unwrap_or("none"));
        write!(f, "{} (USB {usb}, serial {serial}, plugged in at {by_path})", node.display())
    }
}

/// How a device is recognised.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// Configured: this node, or a symlink to it. Wins over everything, needs no USB.
    Path(PathBuf),
    /// Configured: the serial number of the USB adapter, or, where no adapter shows it, the one the device tells when asked.
    UsbSerial(String),
    /// The protocol file's list.
    UsbIds(Vec<UsbId>),
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", path.display()),
            Self::UsbSerial(serial) => write!(f, "the USB device with serial number {serial}"),
            Self::UsbIds(ids) => {
                let ids: Vec<String> = ids.iter().map(|id| shown(*id)).collect();
                write!(f, "a USB device {}", ids.join(" or "))
            }
        }
    }
}

/// A port that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub node: PathBuf,
    /// Names the device where its protocol cannot: unique USB serial, else by-path, else the configured path.
    pub serial: String,
}

/// Where to look.
#[derive(Debug, Clone)]
pub struct Discovery {
    sysfs: PathBuf,
    dev: PathBuf,
}

impl Discovery {
    /// This machine: `/sys` and `/dev`.
    #[must_use]
    pub fn system() -> Self {
        Self::new("/sys", "/dev")
    }

    pub fn new(sysfs: impl Into<PathBuf>, dev: impl Into<PathBuf>) -> Self {
        Self { sysfs: sysfs.into(), dev: dev.into() }
    }

    /// All USB serial ports there are, by node. Blocks for some milliseconds. A port that vanishes while it is read, or
    /// whose folder lacks its numbers, is left out; a machine without sysfs has none.
    #[must_use]
    pub fn ports(&self) -> Vec<Port> {
        let Ok(entries) = fs::read_dir(self.sysfs.join("class/tty")) else { return Vec::new() };
        let names = entries.filter_map(|entry| Some(entry.ok()?.file_name()));
        let mut ports: Vec<Port> = names.filter_map(|name| self.port(&name)).collect();
        ports.sort_by(|a, b| a.node.cmp(&b.node));
        ports
    }

    /// The port of the device described by `wanted`, never one that `others` (configured devices) describe.
    /// Blocks for some milliseconds.
    ///
    /// # Errors
    /// [`LinkError::Absent`] where none fits; [`LinkError::Alike`] where more than one does.
    pub fn find(&self, wanted: &By, others: &[By]) -> Result<Found, LinkError> {
        let ports = self.ports();
        if let By::Path(path) = wanted {
            return configured(path, &ports);
        }
        let fits: Vec<&Port> = ports
            .iter()
            .filter(|port| wanted.describes(port) && !others.iter().any(|other| other.claims(port)))
            .collect();
        match fits.as_slice() {
            [] => Err(LinkError::Absent { what: wanted.to_string() }),
            [port] => Ok(Found { node: port.node.clone(), serial: name(port, &ports) }),
            several => Err(LinkError::Alike { candidates: several.iter().map(ToString::to_string).collect() }),
        }
    }

    /// Ports where a device with one of `ids` (none: any) may be found by asking, in order of their nodes; never one that
    /// `others` (configured devices) describe. Blocks for some milliseconds.
    #[must_use]
    pub fn candidates(&self, ids: &[UsbId], others: &[By]) -> Vec<Port> {
        let mut ports = self.ports();
        ports.retain(|port| ids.is_empty() || ids.contains(&port.usb));
        ports.retain(|port| !others.iter().any(|other| other.claims(port)));
        ports
    }

    /// The stable names that udev gives `node`: by-id first, then by-path; none without udev.
    #[must_use]
    pub fn stable_names(&self, node: &Path) -> Vec<PathBuf> {
        let mut names = Vec::new();
        for folder in STABLE_NAMES {
            let Ok(entries) = fs::read_dir(self.dev.join(folder)) else { continue };
            let links = entries.filter_map(|entry| Some(entry.ok()?.path()));
            let mut links: Vec<PathBuf> = links.filter(|link| same_node(link, node)).collect();
            links.sort();
            names.extend(links);
        }
        names
    }

    /// Folders in which a device node or a stable name appears when something is plugged in; not all may be there now.
    #[must_use]
    pub fn folders(&self) -> Vec<PathBuf> {
        let parts = ["", "serial"].into_iter().chain(STABLE_NAMES);
        parts.map(|part| self.dev.join(part)).collect()
    }

    fn port(&self, name: &OsStr) -> Option<Port> {
        let place = fs::canonicalize(self.sysfs.join("class/tty").join(name).join("device")).ok()?;
        let device = place.ancestors().find(|folder| folder.join("idVendor").is_file())?;
        let usb = UsbId { vendor: hex_file(device, "idVendor")?, product: hex_file(device, "idProduct")? };
        let serial = text_file(device, "serial").filter(|serial| !serial.is_empty());
        let words = ["manufacturer", "product"].into_iter().filter_map(|file| text_file(device, file));
        let product = words.collect::<Vec<_>>().join(" ").trim().to_owned();
        Some(Port { node: self.dev.join(name), usb, product, serial, by_path: by_path(&place)? })
    }
}

impl By {
    /// Whether it fits `port`.
    #[must_use]
    pub fn describes(&self, port: &Port) -> bool {
        match self {
            Self::Path(path) => same_node(path, &port.node),
            Self::UsbSerial(serial) => port.serial.as_ref() == Some(serial),
            Self::UsbIds(ids) => ids.contains(&port.usb),
        }
    }

    /// Only what someone wrote down claims a port; two devices known by the same USB numbers are asked about instead.
    fn claims(&self, port: &Port) -> bool {
        !matches!(self, Self::UsbIds(_)) && self.describes(port)
    }
}

fn configured(path: &Path, ports: &[Port]) -> Result<Found, LinkError> {
    match fs::metadata(path) {
        Ok(_) => {
            let known = ports.iter().find(|port| same_node(path, &port.node));
            let serial = known.map_or_else(|| path.display().to_string(), |port| name(port, ports));
            Ok(Found { node: path.to_owned(), serial })
        }
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => {
            Err(LinkError::Forbidden { port: path.display().to_string() })
        }
        Err(_) => Err(LinkError::Absent { what: path.display().to_string() }),
    }
}

const STABLE_NAMES: [&str; 2] = ["serial/by-id", "serial/by-path"];

/// A serial number names a port only while no second port shows it: cheap adapters are all "0001", and the four ports of
/// one adapter share theirs.
#[must_use]
pub fn name(port: &Port, all: &[Port]) -> String {
    match &port.serial {
        Some(serial) if all.iter().filter(|other| other.serial.as_ref() == Some(serial)).count() == 1 => serial.clone(),
        _ => port.by_path.clone(),
    }
}

/// As `lsusb` prints it: `0403:6001`.
#[must_use]
pub fn shown(id: UsbId) -> String {
    format!("{:04x}:{:04x}", id.vendor, id.product)
}

/// Whether both lead to the same node.
#[must_use]
pub fn same_node(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    }
}

/// `…/0000:00:14.0/usb1/1-2/1-2:1.0/ttyUSB0` → `pci-0000:00:14.0-usb-0:2:1.0-port0`. The bus number changes with the order
/// in which controllers wake up and is therefore left out.
fn by_path(place: &Path) -> Option<String> {
    let levels: Vec<&str> = place
        .components()
        .filter_map(|level| match level {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let interface_at = levels.iter().rposition(|level| level.contains(':') && level.contains('-'))?;
    let (_, where_on_bus) = levels[interface_at].split_once('-')?;
    let bus_at = levels.iter().position(|level| is_bus(level))?;
    let controller = match levels.get(bus_at.checked_sub(1)?) {
        Some(address) if address.split(':').count() == 3 => format!("pci-{address}"),
        Some(other) => format!("platform-{other}"),
        None => return None,
    };
    let port = text_file(place, "port_number").map_or_else(String::new, |number| format!("-port{number}"));
    Some(format!("{controller}-usb-0:{where_on_bus}{port}"))
}

fn is_bus(level: &str) -> bool {
    level.strip_prefix("usb").is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn text_file(folder: &Path, name: &str) -> Option<String> {
    Some(fs::read_to_string(folder.join(name)).ok()?.trim().to_owned())
}

fn hex_file(folder: &Path, name: &str) -> Option<u16> {
    u16::from_str_radix(&text_file(folder, name)?, 16).ok()
}
