//! What is there apart from bluetoothd: adapters, devices, their radio. A test changes it; bluetoothd shows it.

use crate::Fault;
use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::sync::{mpsc, watch};

/// A characteristic of a device.
#[derive(Debug, Clone)]
pub struct Gatt {
    pub uuid: String,
    /// In BlueZ's words: `notify`, `write`, `write-without-response`, …
    pub flags: Vec<String>,
    /// What it holds, for whoever reads it.
    pub value: Vec<u8>,
}

impl Gatt {
    #[must_use]
    pub fn new(uuid: &str, flags: &[&str]) -> Self {
        Self {
            uuid: uuid.to_lowercase(),
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            value: Vec::new(),
        }
    }

    /// The same, holding this value.
    #[must_use]
    pub fn holding(mut self, value: &[u8]) -> Self {
        self.value = value.to_vec();
        self
    }
}

/// A device as it is made.
#[derive(Debug, Clone)]
pub struct Sensor {
    /// `F0:F1:F2:F3:F4:F5`.
    pub address: String,
    pub name: String,
    /// Advertised, and the one its characteristics belong to.
    pub service: String,
    pub characteristics: Vec<Gatt>,
    pub mtu: u16,
}

/// What the gateway wrote to a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    pub uuid: String,
    pub bytes: Vec<u8>,
    /// `request` or `command`.
    pub how: String,
}

/// One device and its radio.
#[derive(Debug)]
pub(crate) struct Body {
    pub sensor: Sensor,
    pub on: bool,
    pub connected: bool,
    pub notifying: Vec<String>,
    /// Data of its service in its advertisements.
    pub said: Vec<u8>,
    /// It was said and not yet shown.
    pub new: bool,
    pub inbox: mpsc::UnboundedSender<Written>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub powered: bool,
    pub plugged: bool,
    pub scanning: bool,
    pub bodies: BTreeMap<String, Body>,
    /// Method → what it is answered with, the next times.
    pub faults: BTreeMap<String, VecDeque<Option<Fault>>>,
    pub calls: Vec<String>,
    /// Pulse of the radio; each change shows devices anew.
    pub pulse: u64,
}

/// The adapters, devices and faults there are. Cheap to clone: all clones are the same world.
#[derive(Debug, Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Default for World {
    fn default() -> Self {
        let state = State { powered: true, plugged: true, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), changed: Arc::new(watch::channel(0).0) }
    }
}

impl World {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let outcome = change(&mut self.state());
        self.changed.send_modify(|count| *count += 1);
        outcome
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Switches a new device on. What it is written comes out here.
    pub fn add(&self, sensor: Sensor) -> mpsc::UnboundedReceiver<Written> {
        let (inbox, written) = mpsc::unbounded_channel();
        let address = sensor.address.clone();
        let body =
            Body { sensor, on: true, connected: false, notifying: Vec::new(), said: Vec::new(), new: false, inbox };
        self.change(|state| state.bodies.insert(address, body));
        written
    }

    /// Switches a device on or off; off ends its connection.
    pub fn switch(&self, address: &str, on: bool) {
        self.change(|state| {
            if let Some(body) = state.bodies.get_mut(address) {
                body.on = on;
                body.connected &= on;
            }
        });
    }

    /// A device says this of its service in every advertisement from now on.
    pub fn says(&self, address: &str, data: &[u8]) {
        self.change(|state| {
            if let Some(body) = state.bodies.get_mut(address) {
                body.new = body.said != data;
                body.said = data.to_vec();
            }
        });
    }

    /// Pulls the adapter or plugs it in.
    pub fn plug(&self, plugged: bool) {
        self.change(|state| {
            state.plugged = plugged;
            state.powered = plugged;
            state.scanning = false;
            state.bodies.values_mut().for_each(|body| body.connected &= plugged);
        });
    }

    /// The next call of `method` (`Connect`, `WriteValue`, …) is answered with `fault`; with `None` it is never answered.
    pub fn fail(&self, method: &str, fault: Option<Fault>) {
        self.change(|state| state.faults.entry(method.to_owned()).or_default().push_back(fault));
    }

    /// Whether a fault of [`Self::fail`] has not been met yet.
    #[must_use]
    pub fn has_faults_ahead(&self) -> bool {
        self.state().faults.values().any(|ahead| !ahead.is_empty())
    }

    /// Every call so far, in order: `Connect F0:…`, `StartNotify <uuid>`.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    #[must_use]
    pub fn is_connected(&self, address: &str) -> bool {
        self.state().bodies.get(address).is_some_and(|body| body.connected)
    }

    /// Whether someone hears what this characteristic sends.
    #[must_use]
    pub fn is_subscribed(&self, address: &str, uuid: &str) -> bool {
        let subscribed = |body: &Body| body.connected && body.notifying.iter().any(|notifying| notifying == uuid);
        self.state().bodies.get(address).is_some_and(subscribed)
    }

    #[must_use]
    pub fn is_scanning(&self) -> bool {
        self.state().scanning
    }

    /// Waits until the world is as `wanted` says.
    pub async fn until(&self, wanted: impl Fn(&Self) -> bool) {
        let mut changes = self.changes();
        while !wanted(self) {
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    /// Whether it says something that was not shown before. Does not wake the radio.
    pub(crate) fn take_new(&self, address: &str) -> bool {
        self.state().bodies.get_mut(address).is_some_and(|body| std::mem::take(&mut body.new))
    }

    /// Writes a call down; `Some`: what to answer instead of doing it.
    pub(crate) fn called(&self, method: &str, what: &str) -> Option<Option<Fault>> {
        self.change(|state| {
            state.calls.push(format!("{method} {what}").trim_end().to_owned());
            state.faults.get_mut(method).and_then(VecDeque::pop_front)
        })
    }
}
