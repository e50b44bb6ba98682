//! What is there apart from bluetoothd: adapters, devices, their radio. A test changes it; bluetoothd shows it.

use crate::Fault;
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
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
    /// The only adapter that hears it: `hci0`.
    pub adapter: &'static str,
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

/// One adapter.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Radio {
    pub powered: bool,
    pub plugged: bool,
    pub scanning: bool,
}

impl Radio {
    const NEW: Self = Self { powered: true, plugged: true, scanning: false };
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// By name: `hci0`.
    pub radios: BTreeMap<&'static str, Radio>,
    pub bodies: BTreeMap<String, Body>,
    /// Method → what it is answered with, the next times.
    pub faults: BTreeMap<String, VecDeque<Option<Fault>>>,
    /// Adapter → what every start of a scan by it is answered with; `None`: with nothing.
    pub jams: BTreeMap<&'static str, Option<Fault>>,
    /// Adapters that do not say who they are when they are asked themselves.
    pub nameless: BTreeSet<&'static str>,
    pub calls: Vec<String>,
    /// Pulse of the radio; each change shows devices anew.
    pub pulse: u64,
}

impl State {
    /// Ends the connections by this adapter, where `gone`.
    pub fn cut(&mut self, adapter: &str, gone: bool) {
        let by_it = self.bodies.values_mut().filter(|body| body.sensor.adapter == adapter);
        by_it.for_each(|body| body.connected &= !gone);
    }
}

/// The adapters, devices and faults there are. Cheap to clone: all clones are the same world.
#[derive(Debug, Clone)]
pub struct World {
    state: Arc<Mutex<State>>,
    changed: Arc<watch::Sender<u64>>,
}

impl Default for World {
    fn default() -> Self {
        Self::with_adapters(&["hci0"])
    }
}

impl World {
    /// With these adapters, plugged in and switched on.
    #[must_use]
    pub fn with_adapters(names: &[&'static str]) -> Self {
        let radios = names.iter().map(|name| (*name, Radio::NEW)).collect();
        let state = State { radios, ..State::default() };
        Self { state: Arc::new(Mutex::new(state)), changed: Arc::new(watch::channel(0).0) }
    }

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

    /// Pulls the first adapter or plugs it in.
    pub fn plug(&self, plugged: bool) {
        self.plug_in("hci0", plugged);
    }

    /// Pulls this adapter or plugs it in.
    pub fn plug_in(&self, adapter: &'static str, plugged: bool) {
        self.change(|state| {
            state.radios.insert(adapter, Radio { powered: plugged, plugged, scanning: false });
            state.cut(adapter, !plugged);
        });
    }

    /// The next call of `method` (`Connect`, `WriteValue`, …) is answered with `fault`; with `None` it is never answered.
    pub fn fail(&self, method: &str, fault: Option<Fault>) {
        self.change(|state| state.faults.entry(method.to_owned()).or_default().push_back(fault));
    }

    /// From now on every start of a scan by this adapter is answered with `fault`; with `None` it is never answered.
    pub fn jam(&self, adapter: &'static str, fault: Option<Fault>) {
        self.change(|state| state.jams.insert(adapter, fault));
    }

    /// Ends what [`Self::jam`] began.
    pub fn unjam(&self, adapter: &str) {
        self.change(|state| state.jams.remove(adapter));
    }

    /// From now on this adapter stands in the list of all and does not say who it is when it is asked itself.
    pub fn make_nameless(&self, adapter: &'static str) {
        self.change(|state| state.nameless.insert(adapter));
    }

    /// Somebody else switches this adapter off: its connections and its scan end, it stays where it is.
    pub fn switch_off(&self, adapter: &'static str) {
        self.change(|state| {
            state.radios.insert(adapter, Radio { powered: false, ..Radio::NEW });
            state.cut(adapter, true);
        });
    }

    /// The scan of this adapter ends, and nobody is told.
    pub fn end_scan(&self, adapter: &'static str) {
        self.change_radio(adapter, |radio| radio.scanning = false);
    }

    /// Takes back what [`Self::fail`] has laid out for `method`.
    pub fn heal(&self, method: &str) {
        self.change(|state| state.faults.remove(method));
    }

    /// Whether a fault of [`Self::fail`] has not been met yet.
    #[must_use]
    pub fn has_faults_ahead(&self) -> bool {
        self.state().faults.values().any(|ahead| !ahead.is_empty())
    }

    /// Every call so far, in order: `Connect F0:…`, `StartNotify <uuid>`, `StartDiscovery hci0`, `RestartUnit <unit>`.
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

    /// How many calls so far begin with this.
    #[must_use]
    pub fn count(&self, call: &str) -> usize {
        self.state().calls.iter().filter(|made| made.starts_with(call)).count()
    }

    #[must_use]
    pub fn is_scanning(&self) -> bool {
        self.state().radios.values().any(|radio| radio.scanning)
    }

    pub(crate) fn radio(&self, adapter: &str) -> Radio {
        let off = Radio { powered: false, plugged: false, scanning: false };
        self.state().radios.get(adapter).copied().unwrap_or(off)
    }

    pub(crate) fn change_radio<T>(&self, adapter: &'static str, change: impl FnOnce(&mut Radio) -> T) -> T {
        self.change(|state| change(state.radios.entry(adapter).or_insert(Radio::NEW)))
    }

    /// The adapter that hears this device.
    pub(crate) fn adapter_of(&self, address: &str) -> &'static str {
        self.state().bodies.get(address).map_or("hci0", |body| body.sensor.adapter)
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
