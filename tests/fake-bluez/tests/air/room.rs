//! A treatment room with one probe in the air: private bus, bluetoothd, the gateway's own device task, and the probe, which is
//! written from its manual and not with our codec.

use crate::standards::told;
use skinlink::{
    adapters::ble::{self, Air, Overheard, Pinned},
    domain::{Region, metric::MetricId},
    protocol::{Event, Measurement, Request, Spec, bthome::Key},
    tasks::{
        device::{Device, DeviceHandle, DeviceState},
        observation::{self, Observation},
    },
};
use skinlink_fake_bluez::{Bluetoothd, Bus, Gatt, Sensor, World, Written};
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::{
    sync::{Mutex, mpsc},
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

pub const ADDRESS: &str = "F0:F1:F2:F3:F4:F5";
pub const SERVICE: &str = "6e400001-b5a3-f393-e0a9-e50e24dcca9e";
pub const COMMAND: &str = "6e400002-b5a3-f393-e0a9-e50e24dcca9e";
pub const NOTIFY: &str = "6e400003-b5a3-f393-e0a9-e50e24dcca9e";

/// After the end of a fault the probe measures again within this.
pub const BACK_WITHIN: Duration = Duration::from_secs(15);

/// `W` who are you → `I,<serial>,<firmware>` · `G,<request>` → `M,<request>,<counter>,<value>` · `A,<counter>`.
const MANUAL: &str = r#"
schema = 1
id = "air-probe"
version = "1"
title = { zh = "无线探头", en = "Probe in the air" }
source = "its manual above"
[transport.ble]
advertises = { service = "6E400001-B5A3-F393-E0A9-E50E24DCCA9E" }
characteristic = [
  { uuid = "6E400002-B5A3-F393-E0A9-E50E24DCCA9E", role = "command", write = "with-response" },
  { uuid = "6E400003-B5A3-F393-E0A9-E50E24DCCA9E", role = "notify" },
]
[framing]
kind = "delimited"
end = "\r\n"
separator = ","
[[message]]
name = "identity"
match = "I"
field = [{ role = "serial", width = "ascii" }, { role = "firmware", width = "ascii" }]
[[message]]
name = "moisture"
match = "M"
field = [{ role = "request", width = "digits" }, { role = "counter", width = "digits" }, { metric = "moisture", width = "decimal", unit = "%" }]
[[command]]
name = "who"
match = "W"
[[command]]
name = "measure"
match = "G"
field = [{ role = "request", width = "digits" }]
[[command]]
name = "acknowledge"
match = "A"
field = [{ role = "counter", width = "digits" }]
[[metric]]
id = "moisture"
[flow]
identify = [{ send = "who", reply = "identity", timeout_ms = 1000, retries = 2 }]
acknowledge = "acknowledge"
[flow.keep_alive]
every_ms = 2000
steps = [{ send = "who", reply = "identity", timeout_ms = 1000, retries = 1 }]
[[flow.measure]]
metrics = ["moisture"]
steps = [{ send = "measure", reply = "moisture", timeout_ms = 1500, retries = 0 }]
"#;

pub fn spec() -> Arc<Spec> {
    Arc::new(Spec::parse("air-probe", MANUAL).unwrap_or_else(|faults| panic!("{faults}")))
}

pub fn sensor(address: &str) -> Sensor {
    let characteristics =
        vec![Gatt::new(COMMAND, &["write", "write-without-response"]), Gatt::new(NOTIFY, &["notify", "read"])];
    Sensor {
        address: address.into(),
        name: "SkinProbe".into(),
        service: SERVICE.into(),
        characteristics,
        mtu: 23,
        adapter: "hci0",
    }
}

type Daemon = Arc<Mutex<Option<Bluetoothd>>>;

pub struct Room {
    pub bus: Arc<Mutex<Bus>>,
    pub world: World,
    pub daemon: Daemon,
    pub device: DeviceHandle,
    pub inbox: mpsc::Receiver<Observation>,
    air: Air,
    token: u64,
}

impl Room {
    /// Everything there is, the probe switched on.
    pub async fn open(folder: PathBuf) -> Self {
        let mut room = Self::without_bluetooth(folder, Some(ADDRESS)).await;
        room.start_bluetoothd().await;
        room.world.until(|world| world.is_connected(ADDRESS)).await;
        room
    }

    /// A bus and nobody on it.
    pub async fn without_bluetooth(folder: PathBuf, address: Option<&str>) -> Self {
        let (room, written) = Self::with(folder, spec(), sensor(ADDRESS), address).await;
        tokio::spawn(probe(ADDRESS.to_owned(), written, Arc::clone(&room.daemon)));
        room
    }

    /// The same with another device, whose inbox is given along.
    pub async fn with(
        folder: PathBuf,
        spec: Arc<Spec>,
        sensor: Sensor,
        address: Option<&str>,
    ) -> (Self, mpsc::UnboundedReceiver<Written>) {
        Self::of(World::default(), folder, spec, sensor, address).await
    }

    /// The same in a world that is given.
    pub async fn of(
        world: World,
        folder: PathBuf,
        spec: Arc<Spec>,
        sensor: Sensor,
        address: Option<&str>,
    ) -> (Self, mpsc::UnboundedReceiver<Written>) {
        let bus = Arc::new(Mutex::new(Bus::start(&folder).await));
        let (air, owner) = ble::air();
        tokio::spawn(owner.run(CancellationToken::new()));
        Self::with_air((bus, world, Daemon::default()), air, &spec, sensor, address)
    }

    /// One more device of the same gateway.
    pub fn beside(
        &self,
        spec: &Arc<Spec>,
        sensor: Sensor,
        address: Option<&str>,
    ) -> (Self, mpsc::UnboundedReceiver<Written>) {
        let shared = (Arc::clone(&self.bus), self.world.clone(), Arc::clone(&self.daemon));
        Self::with_air(shared, self.air.clone(), spec, sensor, address)
    }

    fn with_air(
        (bus, world, daemon): (Arc<Mutex<Bus>>, World, Daemon),
        air: Air,
        spec: &Arc<Spec>,
        sensor: Sensor,
        address: Option<&str>,
    ) -> (Self, mpsc::UnboundedReceiver<Written>) {
        let written = world.add(sensor);
        let (station, inbox) = observation::queue();
        let (device, task) = Device::new(Arc::clone(spec), station);
        let pinned = Pinned { address: address.map(str::to_owned), ble: spec.ble.clone().expect("it has one") };
        tokio::spawn(task.run(ble::opener(air.clone(), pinned), CancellationToken::new()));
        (Self { bus, world, daemon, device, inbox, air, token: 0 }, written)
    }

    pub async fn start_bluetoothd(&mut self) {
        *self.daemon.lock().await = Some(Bluetoothd::start(&*self.bus.lock().await, &self.world).await);
    }

    pub async fn kill_bluetoothd(&mut self) {
        let daemon = self.daemon.lock().await.take();
        daemon.expect("it runs").kill().await;
    }

    /// Waits until the device's state is as wanted.
    pub async fn until(&self, what: &str, limit: Duration, wanted: impl FnMut(&DeviceState) -> bool) -> DeviceState {
        let mut state = self.device.state();
        let now = self.device.state();
        match timeout(limit, state.wait_for(wanted)).await {
            Ok(state) => state.expect("the task lives").clone(),
            Err(_) => {
                panic!("{what}: not within {limit:?}; state {:?}\ncalls {:#?}", *now.borrow(), self.world.calls())
            }
        }
    }

    /// Asks for one value until it comes, as a station does, and says how long that took.
    pub async fn measure(&mut self, limit: Duration) -> Duration {
        let begun = Instant::now();
        loop {
            let left = limit.saturating_sub(begun.elapsed());
            self.until("connected", left, |state| state.connected).await;
            self.token += 1;
            let request =
                Request { token: self.token, metric: MetricId::new("moisture").expect("a name"), region: Region::Chin };
            if self.device.measure(request).await.is_err() {
                continue;
            }
            if let Some(measured) = self.answer(limit.saturating_sub(begun.elapsed())).await {
                assert_eq!(measured.values[0].value.to_string(), "35.2");
                return begun.elapsed();
            }
        }
    }

    /// What became of the last request; `None` where it was not measured.
    async fn answer(&mut self, limit: Duration) -> Option<Measurement> {
        loop {
            let observed = timeout(limit, self.inbox.recv()).await;
            let Observation { device: _, event } = observed
                .unwrap_or_else(|_| panic!("no answer within {limit:?}: {:#?}", self.world.calls()))
                .expect("runs");
            match event {
                Event::Measured(measured) if measured.token == Some(self.token) => return Some(measured),
                Event::Refused { token, .. } if token == Some(self.token) => return None,
                Event::Busy { .. } => return None,
                _ => {}
            }
        }
    }
}

/// A room with a device that only advertises.
pub struct Heard {
    pub bus: Bus,
    pub world: World,
    device: DeviceHandle,
    inbox: mpsc::Receiver<Observation>,
}

impl Heard {
    /// A bus and nobody on it.
    pub async fn open(folder: PathBuf, spec: Arc<Spec>, sensor: Sensor, address: &str, key: Option<Key>) -> Self {
        let bus = Bus::start(&folder).await;
        let world = World::default();
        let _inbox = world.add(sensor);
        let (station, inbox) = observation::queue();
        let (device, task) = Device::new(Arc::clone(&spec), station);
        let (air, owner) = ble::air();
        let stop = CancellationToken::new();
        tokio::spawn(owner.run(stop.clone()));
        let overheard = Overheard { address: address.to_owned(), key, spec };
        tokio::spawn(task.run(ble::listener(air, overheard), stop));
        Self { bus, world, device, inbox }
    }

    /// The next values.
    pub async fn measured(&mut self, limit: Duration) -> Vec<String> {
        loop {
            let observed = timeout(limit, self.inbox.recv()).await;
            let state = self.device.state().borrow().clone();
            match observed.unwrap_or_else(|_| panic!("nothing within {limit:?}: {state:?}")).expect("runs").event {
                Event::Measured(measured) => return told(&measured),
                _ => continue,
            }
        }
    }

    /// Nothing was measured meanwhile.
    pub fn nothing_more(&mut self) {
        while let Ok(Observation { event, .. }) = self.inbox.try_recv() {
            assert!(!matches!(event, Event::Measured(_)), "{event:?}");
        }
    }

    pub async fn until(&self, what: &str, wanted: impl FnMut(&DeviceState) -> bool) -> DeviceState {
        let mut state = self.device.state();
        let found = timeout(BACK_WITHIN, state.wait_for(wanted)).await;
        found.unwrap_or_else(|_| panic!("{what}: not within {BACK_WITHIN:?}")).expect("the task lives").clone()
    }
}

/// The probe: answers line by line, in notifications of a few bytes cut anywhere.
pub async fn probe(address: String, mut written: mpsc::UnboundedReceiver<Written>, daemon: Daemon) {
    let (mut pending, mut counter) = (Vec::new(), 0_u32);
    while let Some(Written { bytes, .. }) = written.recv().await {
        pending.extend(bytes);
        while let Some(at) = pending.windows(2).position(|pair| pair == b"\r\n") {
            let line = String::from_utf8_lossy(&pending[..at]).into_owned();
            pending.drain(..at + 2);
            let answer = match line.split(',').collect::<Vec<_>>()[..] {
                ["W"] => "I,AP-1,1.0\r\n".to_owned(),
                ["G", request] => {
                    counter += 1;
                    format!("M,{request},{counter},35.2\r\n")
                }
                _ => continue,
            };
            for part in answer.as_bytes().chunks(5) {
                if let Some(daemon) = &*daemon.lock().await {
                    daemon.notify(&address, NOTIFY, part).await;
                }
            }
        }
    }
}
