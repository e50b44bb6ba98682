//! Finds and opens a configured device, each time anew: it is known by what it is, not by its port.
//!
//! By path, by the serial number of its USB adapter, by the USB ids of its protocol file; and where a serial number is
//! configured that no adapter shows, by asking: each port that may be it is opened and asked who is there. A port that
//! another `[[device]]` names is never asked, and the same ports are not asked again and again.
//!
//! After a failure it waits until something is plugged in, or for a while: looking costs hundreds of system calls, and who
//! holds a port does not tell when he lets go of it.

use super::holders;
use crate::{
    adapters::{
        discovery::{By, Discovery, Found, Port},
        hotplug::Plugged,
        serial::SerialLink,
    },
    config,
    domain::device::DeviceIdentity,
    ports::{Link, LinkError, Opened},
    protocol::{Event, Input, Output, Session, Spec, spec::Serial},
};
use std::{io, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep_until, timeout};

/// What nobody tells of (a program that lets go of a port, a group that changed) is looked at so often.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// While a device is missing: plugging in is told, this is for machines where it is not.
const LOOK_FOR_MISSING: Duration = Duration::from_secs(5);

/// The same ports are asked again after this: the device may have been switched on since.
const ASK_AGAIN: Duration = Duration::from_secs(3);

/// No identify of any protocol takes longer; a device that babbles is given up then.
const ASK_LIMIT: Duration = Duration::from_secs(5);

/// How a configured device is recognised.
#[must_use]
pub fn recognised_by(port: &config::Port, spec: &Spec) -> By {
    match port {
        config::Port::Path(path) => By::Path(path.clone()),
        config::Port::UsbSerial(serial) => By::UsbSerial(serial.clone()),
        // In the air nothing is plugged in.
        config::Port::Address(_) => By::UsbIds(Vec::new()),
        config::Port::UsbIds => By::UsbIds(spec.usb().to_vec()),
    }
}

/// One configured device.
#[derive(Debug, Clone)]
pub struct Recognise {
    pub discovery: Discovery,
    pub wanted: By,
    /// The other configured devices: their ports are not ours.
    pub others: Vec<By>,
    pub spec: Arc<Spec>,
    /// The protocol file's line, with what the configuration overrides.
    pub line: Serial,
}

/// Opens a device again and again.
#[derive(Debug)]
pub struct Opener {
    what: Recognise,
    plugged: Option<Plugged>,
    /// How long to wait before the next look; `None` after a success.
    wait: Option<Duration>,
    /// Ports behind which another device has answered, or none.
    asked: Vec<(Port, Instant)>,
}

impl Opener {
    /// Without `plugged` it looks whenever it is called.
    #[must_use]
    pub const fn new(what: Recognise, plugged: Option<Plugged>) -> Self {
        Self { what, plugged, wait: None, asked: Vec::new() }
    }

    /// Finds and opens the device. After a failure it first waits until another look may be worth it.
    ///
    /// # Errors
    /// [`LinkError`]: what keeps it from being opened, and what to do.
    pub async fn open(&mut self) -> Result<Opened<SerialLink>, LinkError> {
        if let (Some(wait), Some(plugged)) = (self.wait.take(), &mut self.plugged) {
            // Another device may be behind the same port now.
            if plugged.changed(wait).await {
                self.asked.clear();
            }
        }
        let opened = self.look().await;
        self.wait = match &opened {
            Ok(_) => None,
            Err(LinkError::Absent { .. } | LinkError::Alike { .. }) if !self.asks() => Some(LOOK_FOR_MISSING),
            Err(_) => Some(LOOK_AGAIN),
        };
        opened
    }

    /// Whether the device may be found by asking for its serial number.
    fn asks(&self) -> bool {
        matches!(self.what.wanted, By::UsbSerial(_)) && !self.what.spec.flow.identify.is_empty()
    }

    async fn look(&mut self) -> Result<Opened<SerialLink>, LinkError> {
        match (self.what.find().await, &self.what.wanted) {
            (Err(absent @ LinkError::Absent { .. }), By::UsbSerial(serial)) if self.asks() => {
                self.ask_for(&serial.clone(), absent).await
            }
            (Err(other), _) => Err(other),
            (Ok(found), _) => {
                let link = SerialLink::open(&found.node, &self.what.line).await?;
                Ok(Opened {
                    link,
                    serial: found.serial,
                    port: found.node.display().to_string(),
                    wanted: None,
                    signal_dbm: None,
                })
            }
        }
    }

    /// Asks every port that may be it for its serial number; `absent` is the answer where none is.
    async fn ask_for(&mut self, serial: &str, absent: LinkError) -> Result<Opened<SerialLink>, LinkError> {
        self.asked.retain(|(_, at)| at.elapsed() < ASK_AGAIN);
        let mut fault = absent;
        for port in self.what.candidates().await? {
            if self.asked.iter().any(|(asked, _)| *asked == port) {
                continue;
            }
            match self.what.ask(&port).await {
                Ok((link, Some(identity))) if identity.serial == serial => {
                    let port = port.node.display().to_string();
                    return Ok(Opened {
                        link,
                        serial: serial.to_owned(),
                        port,
                        wanted: Some(serial.to_owned()),
                        signal_dbm: None,
                    });
                }
                Ok(_) => self.asked.push((port, Instant::now())),
                // Our own other device is behind it.
                Err(LinkError::Busy { .. }) if holders::is_ours(&port.node) => {}
                Err(LinkError::Gone(_) | LinkError::Absent { .. }) => {}
                // It may be behind this very port.
                Err(other) => fault = other,
            }
        }
        Err(fault)
    }
}

impl Recognise {
    async fn find(&self) -> Result<Found, LinkError> {
        let Self { discovery, wanted, others, .. } = self.clone();
        let looked = tokio::task::spawn_blocking(move || discovery.find(&wanted, &others)).await;
        looked.map_err(io::Error::other)?
    }

    async fn candidates(&self) -> Result<Vec<Port>, LinkError> {
        let Self { discovery, others, spec, .. } = self.clone();
        let looked = tokio::task::spawn_blocking(move || discovery.candidates(spec.usb(), &others)).await;
        Ok(looked.map_err(io::Error::other)?)
    }

    async fn ask(&self, port: &Port) -> Result<(SerialLink, Option<DeviceIdentity>), LinkError> {
        let mut link = SerialLink::open(&port.node, &self.line).await?;
        let identity = ask_who(&mut link, &self.spec).await?;
        Ok((link, identity))
    }
}

/// Asks an open device who it is; `None` where it does not answer as `spec` says, or where `spec` has no such question.
///
/// # Errors
/// When the link breaks.
pub async fn ask_who<L: Link>(link: &mut L, spec: &Arc<Spec>) -> Result<Option<DeviceIdentity>, LinkError> {
    if spec.flow.identify.is_empty() {
        return Ok(None);
    }
    timeout(ASK_LIMIT, converse(link, spec)).await.unwrap_or(Ok(None))
}

async fn converse<L: Link>(link: &mut L, spec: &Arc<Spec>) -> Result<Option<DeviceIdentity>, LinkError> {
    let mut session = Session::new(Arc::clone(spec), Instant::now().into_std());
    let mut buffer = [0; 1024];
    loop {
        let wake = match session.poll_output() {
            Output::Transmit(bytes) => {
                link.send(&bytes).await?;
                continue;
            }
            Output::Event(Event::Identified(identity)) => return Ok(Some(identity)),
            Output::Event(Event::Silent) => return Ok(None),
            Output::Event(_) => continue,
            Output::WaitUntil(wake) => wake,
        };
        let input = tokio::select! {
            received = link.recv(&mut buffer) => Input::Bytes(&buffer[..received?]),
            () = sleep_until(wake.into()) => Input::Tick,
        };
        session.handle_input(Instant::now().into_std(), input);
    }
}
