//! The seams with two real sides: bytes to and from a device, over a serial line, Bluetooth or a simulated wire; and the
//! channels to HQ's broker, so that the task that fills them names no network library.

use crate::domain::metric::Label;
use std::{fmt, future::Future, io, pin::Pin, sync::Arc};
use tokio::sync::mpsc;

/// Why a link ended or could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Not plugged in, switched off or not paired: wait and look again.
    #[error("{what} is not there; check its plug and its power")]
    Absent { what: String },
    /// Several devices fit: asked about, never guessed. Each candidate is named so that it can be written into the
    /// configuration.
    #[error("{} devices fit: {}; give this one its own path or serial_number in [[device]]", .candidates.len(), .candidates.join(" · "))]
    Alike { candidates: Vec<String> },
    /// Unplugged, hung up, out of range: close it, wait, open again by identity.
    #[error("the device is gone ({0})")]
    Gone(String),
    /// Another program holds the port.
    #[error("{port} is in use by another program; close it there, then plug the device in again")]
    Busy { port: String },
    #[error(
        "no right to open {port}; add the gateway's user to the group that owns it (usually dialout), then restart it"
    )]
    Forbidden { port: String },
    /// It answers, but it is not the one that was configured.
    #[error(
        "the device at {port} calls itself {found:?}, configured is {wanted:?}; plug the right one in, or correct serial_number"
    )]
    Stranger { port: String, wanted: String, found: String },
    /// In the air the neighbour's device looks the same: without a configured address none is taken, not even the only one.
    #[error("heard: {}; write the right one's address as address in [[device]]", .candidates.join(" · "))]
    NoAddress { candidates: Vec<String> },
    /// Nothing is heard of it in the air: switched off, empty or too far away.
    #[error("{what} is not heard; switch it on and bring it near")]
    Unheard { what: String },
    /// Bluetooth itself does not work here; the sentence says what is missing and what to do.
    #[error("{0}")]
    NoRadio(String),
    #[error("link fault: {0}")]
    Io(#[from] io::Error),
}

impl LinkError {
    /// What a person in the salon reads: what is wrong and what to do, in both languages.
    #[must_use]
    pub fn advice(&self) -> Label {
        let (zh, en) = match self {
            Self::Absent { .. } | Self::Gone(_) => (
                "设备未连接：请检查数据线和电源，插好后会自动恢复。",
                "The device is not connected: check its cable and power. It resumes by itself.",
            ),
            Self::Alike { .. } => (
                "发现多台相同的设备：请拔下其中一台，或请技术人员在配置中指定。",
                "Several equal devices are plugged in: unplug one, or ask the technician to name each in the configuration.",
            ),
            Self::Busy { .. } => (
                "设备正被其他程序占用：请关闭该程序，设备会自动恢复。",
                "Another program uses the device: close it there. The device resumes by itself.",
            ),
            Self::Forbidden { .. } => (
                "网关无权打开设备：请技术人员把网关的用户加入 dialout 组，再重启网关。",
                "The gateway may not open the device: the technician adds its user to the group dialout and restarts it.",
            ),
            Self::Stranger { .. } => (
                "插上的不是配置中的那台设备：请换回原来的设备，或请技术人员修改配置。",
                "This is not the device that was configured: plug that one in, or ask the technician to correct the configuration.",
            ),
            Self::NoAddress { .. } => (
                "收到无线设备信号，但配置中没有写明是哪一台：请技术人员在配置中填写设备地址。",
                "A device is heard, but the configuration does not say that it is ours: the technician writes its address there.",
            ),
            Self::Unheard { .. } => (
                "收不到设备的无线信号：请开机并靠近网关；若电量不足请先充电，之后会自动恢复。",
                "The device is not heard: switch it on and bring it near the gateway, charge it if it is empty. It resumes by itself.",
            ),
            Self::NoRadio(_) => (
                "网关的蓝牙不可用：请检查蓝牙适配器；若仍出错请联系技术人员。",
                "The gateway's Bluetooth does not work: check its adapter, else call the technician.",
            ),
            Self::Io(_) => (
                "设备连接出错：请重新插拔；若仍出错请联系技术人员。",
                "The connection to the device failed: unplug it and plug it in again, else call the technician.",
            ),
        };
        Label { zh: zh.to_owned(), en: en.to_owned() }
    }
}

/// A link just opened, and what is known of the device before it has said a word.
#[derive(Debug)]
pub struct Opened<L> {
    pub link: L,
    /// Names the device where it does not tell its own serial number: the unique USB serial, else the by-path name.
    pub serial: String,
    /// Where it is plugged in, for messages only: `/dev/ttyUSB0`.
    pub port: String,
    /// The serial number it must call itself by, where it is known by that alone.
    pub wanted: Option<String>,
    /// How strongly it was heard, in dBm; `None` on a wire.
    pub signal_dbm: Option<i16>,
}

/// A connected device: bytes both ways. Slices are cut anywhere; framing never trusts their edges.
pub trait Link: Send + fmt::Debug {
    /// Sends all of `bytes`. A cancelled call may have sent a part.
    fn send(&mut self, bytes: &[u8]) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Waits for bytes and says how many there are, at least one. Cancel-safe: a cancelled call has taken nothing.
    fn recv(&mut self, buffer: &mut [u8]) -> impl Future<Output = Result<usize, LinkError>> + Send;
}

/// One publish on its way to the broker, always QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// The sender's own number for it; comes back with the broker's word.
    pub token: u64,
    pub topic: String,
    /// At most [`crate::sync::MAX_PUBLISH`] bytes.
    pub payload: Vec<u8>,
    pub retain: bool,
}

/// What the broker said to one publish. `Taken` is no promise that anyone got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BrokerWord {
    Taken,
    /// Nobody subscribes to the topic: the publish is lost.
    NobodyListens,
    /// Not authorised, over a quota, or wrong in the broker's eyes; the reason is MQTT's own.
    Refused(String),
}

/// What comes from the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromBroker {
    Word { token: u64, word: BrokerWord },
    Message { topic: String, payload: Vec<u8> },
}

/// Why there is no connection to HQ's broker, or no longer one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UplinkError {
    /// Found before connecting: a broker would only hang up on it.
    #[error("our own certificate cannot be used: {0}")]
    OwnCertificate(String),
    #[error("cannot reach the broker at {host}:{port} ({reason}); check the address, the cable and the firewall")]
    Unreachable { host: String, port: u16, reason: String },
    #[error("the broker's certificate is not accepted ({0}); check the host's name and the file `ca`")]
    BrokerCertificate(String),
    /// With TLS 1.3 a refused client certificate shows only after the handshake, and not always with its reason.
    #[error("the broker hung up before answering ({0}); it probably refuses this certificate, its log says why")]
    HungUp(String),
    #[error("the broker refuses this client: {0}; check its access list for the name in this client's certificate")]
    Refused(String),
    #[error("the connection ended: {0}")]
    Lost(String),
}

impl UplinkError {
    /// Whether someone has to act: trying again alone does not help.
    #[must_use]
    pub fn needs_a_person(&self) -> bool {
        matches!(self, Self::OwnCertificate(_) | Self::BrokerCertificate(_) | Self::HungUp(_) | Self::Refused(_))
    }
}

/// A live connection to HQ's broker: subscribed, last will set. One connection is one `Uplink`; after any error it is
/// thrown away with everything in it, and what was not acknowledged is read again from the outbox.
pub struct Uplink {
    /// Capacity 1: a publish accepted here is about to be written. Never wait on it without also receiving from
    /// [`Self::arrived`], or both sides stand still.
    pub publish: mpsc::Sender<Publish>,
    pub arrived: mpsc::Receiver<FromBroker>,
    /// Moves the connection; it must be polled for anything to happen and ends only with the reason it ended.
    pub driver: Pin<Box<dyn Future<Output = UplinkError> + Send>>,
}

impl fmt::Debug for Uplink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Uplink").finish_non_exhaustive()
    }
}

/// Makes one connection per call. Handed in by the composition root, so that tasks name no adapter.
pub type Connector = Arc<dyn Fn() -> Pin<Box<dyn Future<Output = Result<Uplink, UplinkError>> + Send>> + Send + Sync>;

/// A sealed picture on its way to an address that HQ named.
#[derive(Clone)]
pub struct Parcel {
    /// Holds a signature: for nobody's log.
    pub url: String,
    /// The only authority (PEM) whose certificates are accepted there; empty for an address without TLS.
    pub authority: String,
    pub bytes: Vec<u8>,
    /// At most so many bytes a second.
    pub rate: Option<u64>,
}

/// Why it did not arrive. Either way it is offered again, and HQ names a new address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UploadError {
    #[error("the object store refuses it: {0}")]
    Refused(String),
    #[error("the line to the object store: {0}")]
    Line(String),
}

type Uploading = Pin<Box<dyn Future<Output = Result<(), UploadError>> + Send>>;

/// Puts one parcel where it belongs per call. Dropping the future gives it up.
#[derive(Clone)]
pub struct Uploader(Arc<dyn Fn(Parcel) -> Uploading + Send + Sync>);

impl Uploader {
    pub fn new(put: impl Fn(Parcel) -> Uploading + Send + Sync + 'static) -> Self {
        Self(Arc::new(put))
    }

    pub fn put(&self, parcel: Parcel) -> Uploading {
        (self.0)(parcel)
    }
}

impl fmt::Debug for Uploader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Uploader")
    }
}

impl fmt::Debug for Parcel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parcel").field("bytes", &self.bytes.len()).finish_non_exhaustive()
    }
}

type Looking = Pin<Box<dyn Future<Output = Result<String, String>> + Send>>;

/// Looks at everything the gateway needs, as `skinlink check` does, per call: what was found as JSON, fit for one event, or why nobody
/// could look. Dropping the future gives it up.
#[derive(Clone)]
pub struct Checker(Arc<dyn Fn() -> Looking + Send + Sync>);

impl Checker {
    pub fn new(look: impl Fn() -> Looking + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    pub fn look(&self) -> Looking {
        (self.0)()
    }
}

impl fmt::Debug for Checker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Checker")
    }
}
