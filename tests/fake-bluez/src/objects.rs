//! The D-Bus objects, with exactly what btleplug needs: an object that lacks one of these is silently passed over by it.

use crate::{Fault, Gatt, World, Written, bluetoothd::settle};
use std::{
    collections::HashMap,
    sync::atomic::{AtomicBool, AtomicI16, Ordering::SeqCst},
    time::Duration,
};
use tokio::time::sleep;
use zbus::{
    Connection, interface,
    message::Header,
    object_server::SignalEmitter,
    zvariant::{OwnedObjectPath, OwnedValue, Value},
};

type Options = HashMap<String, OwnedValue>;
/// The macro looks at the name of the result's type.
type Result<T> = std::result::Result<T, Fault>;

/// Object path of an adapter.
pub(crate) fn adapter_path(name: &str) -> String {
    format!("/org/bluez/{name}")
}

/// Object path of a device.
pub(crate) fn device_path(world: &World, address: &str) -> String {
    format!("{}/dev_{}", adapter_path(world.adapter_of(address)), address.replace(':', "_"))
}

fn object(path: &str) -> OwnedObjectPath {
    OwnedObjectPath::try_from(path).expect("paths are made of sound parts")
}

/// Notes a call down, and fails or hangs where the test says so.
async fn called(world: &World, method: &str, what: &str) -> Result<()> {
    match world.called(method, what) {
        None => Ok(()),
        Some(Some(fault)) => Err(fault),
        Some(None) => std::future::pending().await,
    }
}

pub(crate) struct Adapter {
    world: World,
    name: &'static str,
    /// Whether `Powered` was last shown so.
    pub shown: AtomicBool,
}

impl Adapter {
    pub(crate) fn new(world: World, name: &'static str) -> Self {
        let shown = world.radio(name).powered.into();
        Self { world, name, shown }
    }
}

#[interface(name = "org.bluez.Adapter1")]
impl Adapter {
    #[zbus(property)]
    fn address(&self) -> String {
        let number: String = self.name.chars().filter(char::is_ascii_digit).collect();
        format!("00:AA:01:00:00:{number:0>2}")
    }
    #[zbus(property)]
    fn address_type(&self) -> &str {
        "public"
    }
    #[zbus(property)]
    fn name(&self) -> &str {
        "fake"
    }
    #[zbus(property)]
    fn alias(&self) -> &str {
        "fake"
    }
    /// In the list of all there is no question to this object.
    #[zbus(property)]
    #[expect(clippy::needless_pass_by_value, reason = "the bus hands it over so")]
    fn modalias(&self, #[zbus(header)] asked: Option<Header<'_>>) -> zbus::fdo::Result<String> {
        if asked.is_some() && self.world.state().nameless.contains(self.name) {
            return Err(zbus::fdo::Error::UnknownProperty("Modalias".to_owned()));
        }
        Ok("usb:v1D6Bp0246d0542".to_owned())
    }
    #[zbus(property)]
    fn powered(&self) -> bool {
        self.world.radio(self.name).powered
    }
    #[zbus(property)]
    fn set_powered(&self, on: bool) {
        self.world.called(if on { "Powered on" } else { "Powered off" }, self.name);
        self.shown.store(on, SeqCst);
        self.world.change_radio(self.name, |radio| {
            radio.powered = on;
            radio.scanning &= on;
        });
        self.world.change(|state| state.cut(self.name, !on));
    }
    #[zbus(property)]
    fn discovering(&self) -> bool {
        self.world.radio(self.name).scanning
    }
    fn set_discovery_filter(&self, _filter: Options) {}
    async fn start_discovery(&self) -> Result<()> {
        called(&self.world, "StartDiscovery", self.name).await?;
        let jam = self.world.state().jams.get(self.name).cloned();
        match jam {
            None => {}
            Some(Some(fault)) => return Err(fault),
            Some(None) => std::future::pending().await,
        }
        self.world.change_radio(self.name, |radio| match (radio.powered, radio.scanning) {
            (false, _) => Err(Fault::new("NotReady", "Resource Not Ready")),
            (true, true) => Err(Fault::new("InProgress", "Operation already in progress")),
            (true, false) => {
                radio.scanning = true;
                Ok(())
            }
        })
    }
    async fn stop_discovery(&self) -> Result<()> {
        called(&self.world, "StopDiscovery", self.name).await?;
        let ran = self.world.change_radio(self.name, |radio| std::mem::take(&mut radio.scanning));
        if ran { Ok(()) } else { Err(Fault::failed("No discovery started")) }
    }
}

/// A device that bluetoothd knows of.
pub(crate) struct Device {
    pub world: World,
    pub address: String,
    /// [`NOT_HEARD`]: remembered, not heard in the running scan.
    pub rssi: AtomicI16,
    pub resolved: AtomicBool,
    /// Whether `Connected` was last shown so.
    pub shown: AtomicBool,
    /// An attempt to connect goes on until someone disconnects.
    trying: AtomicBool,
}

/// No radio is so strong.
pub(crate) const NOT_HEARD: i16 = i16::MAX;

impl Device {
    pub(crate) fn new(world: World, address: &str, rssi: i16, connected: bool) -> Self {
        Self {
            world,
            address: address.to_owned(),
            rssi: rssi.into(),
            resolved: connected.into(),
            shown: connected.into(),
            trying: false.into(),
        }
    }

    fn of<T>(&self, read: impl Fn(&crate::world::Body) -> T) -> T
    where
        T: Default,
    {
        self.world.state().bodies.get(&self.address).map(read).unwrap_or_default()
    }
}

#[interface(name = "org.bluez.Device1")]
impl Device {
    #[zbus(property)]
    fn address(&self) -> String {
        self.address.clone()
    }
    #[zbus(property)]
    fn address_type(&self) -> &str {
        "random"
    }
    #[zbus(property)]
    fn name(&self) -> String {
        self.of(|body| body.sensor.name.clone())
    }
    #[zbus(property)]
    fn alias(&self) -> String {
        self.of(|body| body.sensor.name.clone())
    }
    #[zbus(property)]
    fn paired(&self) -> bool {
        false
    }
    #[zbus(property)]
    fn trusted(&self) -> bool {
        false
    }
    #[zbus(property)]
    fn blocked(&self) -> bool {
        false
    }
    #[zbus(property)]
    fn legacy_pairing(&self) -> bool {
        false
    }
    #[zbus(property)]
    fn connected(&self) -> bool {
        self.of(|body| body.connected)
    }
    #[zbus(property)]
    fn services_resolved(&self) -> bool {
        self.resolved.load(SeqCst)
    }
    #[zbus(property, name = "RSSI")]
    pub(crate) fn rssi(&self) -> zbus::fdo::Result<i16> {
        Some(self.rssi.load(SeqCst))
            .filter(|rssi| *rssi != NOT_HEARD)
            .ok_or_else(|| zbus::fdo::Error::UnknownProperty("RSSI".to_owned()))
    }
    /// Whoever advertises data of a service does not list that service, too: there is no room.
    #[zbus(property, name = "UUIDs")]
    fn uuids(&self) -> Vec<String> {
        self.of(|body| if body.said.is_empty() { vec![body.sensor.service.clone()] } else { Vec::new() })
    }
    #[zbus(property)]
    pub(crate) fn service_data(&self) -> HashMap<String, OwnedValue> {
        let (service, said) = self.of(|body| (body.sensor.service.clone(), body.said.clone()));
        let value = || OwnedValue::try_from(Value::from(said.clone())).expect("bytes are a value");
        if said.is_empty() { HashMap::new() } else { HashMap::from([(service, value())]) }
    }
    #[zbus(property)]
    fn adapter(&self) -> OwnedObjectPath {
        object(&adapter_path(self.world.adapter_of(&self.address)))
    }

    async fn connect(
        &self,
        #[zbus(connection)] connection: &Connection,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) -> Result<()> {
        if self.trying.swap(true, SeqCst) {
            self.world.called("Connect", &self.address);
            return Err(Fault::new("InProgress", "Operation already in progress"));
        }
        called(&self.world, "Connect", &self.address).await?;
        if !self.of(|body| body.on) {
            // It goes on trying.
            sleep(Duration::from_millis(200)).await;
            return Err(Fault::failed("le-connection-abort-by-local"));
        }
        self.world.change(|state| {
            if let Some(body) = state.bodies.get_mut(&self.address) {
                body.connected = true;
                body.notifying.clear();
            }
        });
        show_services(connection, &self.world, &self.address).await?;
        self.trying.store(false, SeqCst);
        self.shown.store(true, SeqCst);
        self.connected_changed(&emitter).await?;
        self.resolved.store(true, SeqCst);
        self.services_resolved_changed(&emitter).await?;
        Ok(())
    }

    async fn disconnect(&self, #[zbus(connection)] connection: &Connection) -> Result<()> {
        called(&self.world, "Disconnect", &self.address).await?;
        self.trying.store(false, SeqCst);
        let was = self.world.change(|state| {
            state.bodies.get_mut(&self.address).is_some_and(|body| std::mem::take(&mut body.connected))
        });
        if !was {
            return Err(Fault::new("NotConnected", "Not Connected"));
        }
        settle(connection.clone(), self.world.clone());
        Ok(())
    }
}

/// Shows the characteristics of a device, as BlueZ does once it has asked for them.
pub(crate) async fn show_services(connection: &Connection, world: &World, address: &str) -> zbus::Result<()> {
    let Some(sensor) = world.state().bodies.get(address).map(|body| body.sensor.clone()) else { return Ok(()) };
    let service = format!("{}/service000a", device_path(world, address));
    let server = connection.object_server();
    server.at(service.as_str(), Service { uuid: sensor.service.clone(), device: device_path(world, address) }).await?;
    for (at, gatt) in sensor.characteristics.into_iter().enumerate() {
        let path = format!("{service}/char{:04x}", 0x0b + 2 * at);
        let characteristic = Characteristic {
            world: world.clone(),
            address: address.to_owned(),
            service: service.clone(),
            value: gatt.value.clone(),
            gatt,
            mtu: sensor.mtu,
        };
        server.at(path, characteristic).await?;
    }
    Ok(())
}

/// Where a characteristic stands, if the device has it.
pub(crate) fn characteristic_path(world: &World, address: &str, uuid: &str) -> Option<String> {
    let device = device_path(world, address);
    let state = world.state();
    let at = state.bodies.get(address)?.sensor.characteristics.iter().position(|gatt| gatt.uuid == uuid)?;
    Some(format!("{device}/service000a/char{:04x}", 0x0b + 2 * at))
}

struct Service {
    uuid: String,
    device: String,
}

#[interface(name = "org.bluez.GattService1")]
impl Service {
    #[zbus(property, name = "UUID")]
    fn uuid(&self) -> String {
        self.uuid.clone()
    }
    #[zbus(property)]
    fn primary(&self) -> bool {
        true
    }
    #[zbus(property)]
    fn device(&self) -> OwnedObjectPath {
        object(&self.device)
    }
}

pub(crate) struct Characteristic {
    world: World,
    address: String,
    service: String,
    gatt: Gatt,
    mtu: u16,
    pub value: Vec<u8>,
}

impl Characteristic {
    fn connected(&self) -> Result<()> {
        if self.world.is_connected(&self.address) { Ok(()) } else { Err(Fault::failed("Not connected")) }
    }
}

#[interface(name = "org.bluez.GattCharacteristic1")]
impl Characteristic {
    #[zbus(property, name = "UUID")]
    fn uuid(&self) -> String {
        self.gatt.uuid.clone()
    }
    #[zbus(property)]
    fn service(&self) -> OwnedObjectPath {
        object(&self.service)
    }
    #[zbus(property)]
    fn flags(&self) -> Vec<String> {
        self.gatt.flags.clone()
    }
    #[zbus(property)]
    pub(crate) fn value(&self) -> Vec<u8> {
        self.value.clone()
    }
    #[zbus(property)]
    fn notifying(&self) -> bool {
        false
    }
    #[zbus(property, name = "MTU")]
    fn mtu(&self) -> u16 {
        self.mtu
    }
    async fn read_value(&self, _options: Options) -> Result<Vec<u8>> {
        called(&self.world, "ReadValue", &self.gatt.uuid).await?;
        self.connected()?;
        Ok(self.value.clone())
    }
    async fn start_notify(&self) -> Result<()> {
        called(&self.world, "StartNotify", &self.gatt.uuid).await?;
        self.connected()?;
        self.world.change(|state| {
            if let Some(body) = state.bodies.get_mut(&self.address) {
                body.notifying.push(self.gatt.uuid.clone());
            }
        });
        Ok(())
    }
    async fn stop_notify(&self) -> Result<()> {
        called(&self.world, "StopNotify", &self.gatt.uuid).await
    }
    async fn write_value(&self, value: Vec<u8>, options: Options) -> Result<()> {
        let how = options.get("type").and_then(|how| String::try_from(how.clone()).ok()).unwrap_or_default();
        called(&self.world, "WriteValue", &format!("{how} {}", value.len())).await?;
        self.connected()?;
        if value.len() + 3 > usize::from(self.mtu) {
            return Err(Fault::failed("Failed to initiate write"));
        }
        let state = self.world.state();
        if let Some(body) = state.bodies.get(&self.address) {
            // A test that no longer listens has ended.
            let _ = body.inbox.send(Written { uuid: self.gatt.uuid.clone(), bytes: value, how });
        }
        Ok(())
    }
}
