//! Devices that keep to the Bluetooth SIG's own services: whole values in notifications of several characteristics.

use crate::{
    room::{ADDRESS, BACK_WITHIN, Room},
    story::alone,
};
use skinlink::{
    adapters::ble,
    domain::{Region, metric::MetricId},
    protocol::{Event, Measurement, Request, Spec},
    sim::{Setup, SimDevice, SimInput, SimOutput},
    tasks::observation::Observation,
};
use skinlink_fake_bluez::{Bluetoothd, Bus, Gatt, Sensor, World};
use std::{
    fs,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::time::timeout;

/// A UUID of the SIG in BlueZ's writing.
pub fn sig(number: &str) -> String {
    format!("0000{}-0000-1000-8000-00805f9b34fb", number.to_lowercase())
}

pub fn catalogued(id: &str) -> Arc<Spec> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../firmware-protocols").join(id);
    let text = fs::read_to_string(folder.join("protocol.toml")).expect("a protocol of the catalogue");
    Arc::new(Spec::parse(id, &text).unwrap_or_else(|faults| panic!("{faults}")))
}

pub fn sensor(service: &str, characteristics: Vec<Gatt>) -> Sensor {
    Sensor {
        address: ADDRESS.into(),
        name: "Standard".into(),
        service: sig(service),
        characteristics,
        mtu: 23,
        adapter: "hci0",
    }
}

impl Room {
    /// The device sends a value of one of its characteristics.
    async fn sends(&self, number: &str, value: &[u8]) {
        let daemon = self.daemon.lock().await;
        daemon.as_ref().expect("it runs").notify(ADDRESS, &sig(number), value).await;
    }

    async fn measured(&mut self) -> Measurement {
        loop {
            let observed = timeout(BACK_WITHIN, self.inbox.recv()).await;
            let Observation { event, .. } =
                observed.unwrap_or_else(|_| panic!("nothing measured: {:#?}", self.world.calls())).expect("runs");
            if let Event::Measured(measured) = event {
                return measured;
            }
        }
    }
}

pub fn told(measured: &Measurement) -> Vec<String> {
    let values = measured.values.iter();
    values.map(|value| format!("{} {} {}", value.metric, value.value, value.unit)).collect()
}

#[test]
fn a_thermometer_measures_by_its_button_and_for_a_scan_that_waits() {
    alone("standards::a_thermometer_measures_by_its_button_and_for_a_scan_that_waits", async |folder| {
        let characteristics =
            vec![Gatt::new(&sig("2A1C"), &["indicate"]), Gatt::new(&sig("2A19"), &["read"]).holding(&[87])];
        let thermometer = sensor("1809", characteristics);
        let (mut room, _inbox) = Room::with(folder, catalogued("health-thermometer"), thermometer, Some(ADDRESS)).await;
        room.start_bluetoothd().await;
        let state = room.until("its battery is read", BACK_WITHIN, |state| state.battery_percent.is_some()).await;
        assert_eq!((state.battery_percent, state.signal_dbm.is_some()), (Some(87), true));
        assert_eq!(
            state.identity.map(|identity| identity.serial).as_deref(),
            Some(ADDRESS),
            "it tells no number of its own"
        );

        room.sends("2A1C", &[0x00, 0x6D, 0x01, 0x00, 0xFF]).await;
        let measured = room.measured().await;
        assert_eq!((told(&measured), measured.token), (vec!["temperature 36.5 °C".to_owned()], None));

        let metric = MetricId::new("temperature").expect("a name");
        room.device.measure(Request { token: 7, metric, region: Region::Chin }).await.expect("it is connected");
        room.sends("2A1C", &[0x05, 0xA4, 0x03, 0x00, 0xFF, 0x06]).await;
        let measured = room.measured().await;
        assert_eq!((told(&measured), measured.token), (vec!["temperature 34.0 °C".to_owned()], Some(7)));
    });
}

/// Two characteristics, of which one is sent at a time: told apart by their numbers alone.
#[test]
fn a_room_sensor_tells_temperature_and_humidity_apart() {
    alone("standards::a_room_sensor_tells_temperature_and_humidity_apart", async |folder| {
        let characteristics =
            vec![Gatt::new(&sig("2A6E"), &["notify", "read"]), Gatt::new(&sig("2A6F"), &["notify", "read"])];
        let climate = sensor("181A", characteristics);
        let (mut room, _inbox) = Room::with(folder, catalogued("environmental-sensing"), climate, Some(ADDRESS)).await;
        room.start_bluetoothd().await;
        room.until("there, without a battery to read", BACK_WITHIN, |state| state.connected).await;
        for (number, value, wanted) in [
            ("2A6E", [0x0A, 0x09], "ambient-temperature 23.14 °C"),
            ("2A6F", [0x0A, 0x09], "ambient-humidity 23.14 %"),
            ("2A6E", [0x8E, 0xFE], "ambient-temperature -3.70 °C"),
        ] {
            room.sends(number, &value).await;
            assert_eq!(told(&room.measured().await), [wanted]);
        }
        // What is no value is no value, and disturbs nothing.
        room.sends("2A6F", &[0xFF, 0xFF]).await;
        room.sends("2A6F", &[0x01]).await;
        room.until("the short one is counted", BACK_WITHIN, |state| state.bad_frames == 1).await;
        room.sends("2A6F", &[0xA8, 0x11]).await;
        assert_eq!(told(&room.measured().await), ["ambient-humidity 45.20 %"]);
    });
}

/// No line can play such a file, the air can: the simulated device sends what its own file says, by characteristic.
#[test]
fn the_simulated_thermometer_of_the_catalogue_is_measured_as_it_measured_itself() {
    alone("standards::the_simulated_thermometer_of_the_catalogue_is_measured_as_it_measured_itself", async |folder| {
        let spec = catalogued("health-thermometer");
        let characteristics = vec![Gatt::new(&sig("2A1C"), &["indicate"]), Gatt::new(&sig("2A19"), &["read"])];
        let (mut room, _inbox) =
            Room::with(folder, Arc::clone(&spec), sensor("1809", characteristics), Some(ADDRESS)).await;
        room.start_bluetoothd().await;
        while !room.world.is_subscribed(ADDRESS, &sig("2A1C")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let setup = Setup { measuring: Duration::ZERO, ..Setup::new("SIM-1", 11) };
        let mut simulated = SimDevice::new(spec, setup, Instant::now());
        for _ in 0..5 {
            let metric = MetricId::new("temperature").expect("a name");
            simulated.handle_input(Instant::now(), SimInput::Press { metric, region: Region::Chin });
            let mut recorded = None;
            loop {
                simulated.handle_input(Instant::now(), SimInput::Tick);
                match simulated.poll_output() {
                    SimOutput::Record(line) => recorded = Some(line.value),
                    SimOutput::Transmit(frame) => {
                        let (number, value) = frame.split_at(2);
                        room.sends(&format!("{:02X}{:02X}", number[0], number[1]), value).await;
                    }
                    SimOutput::WaitUntil(_) if recorded.is_some() => break,
                    SimOutput::WaitUntil(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
            let value = recorded.expect("it has measured");
            assert_eq!(told(&room.measured().await), [format!("temperature {value} °C")], "seed 11");
        }
    });
}

/// For people: what is in the air, and where nothing can be heard, why.
#[test]
fn what_is_in_the_air_is_listed_with_what_makes_it_known() {
    alone("standards::what_is_in_the_air_is_listed_with_what_makes_it_known", async |folder| {
        let bus = Bus::start(&folder).await;
        let missing = ble::survey(Duration::from_millis(10)).await.expect_err("no bluetoothd");
        assert!(missing.to_string().contains("install bluez"), "{missing}");
        let world = World::default();
        let _inbox = world.add(sensor("1809", Vec::new()));
        let quiet = Sensor { address: "F0:F1:F2:F3:F4:F6".into(), ..sensor("181A", Vec::new()) };
        let _other = world.add(quiet);
        world.switch("F0:F1:F2:F3:F4:F6", false);
        let _daemon = Bluetoothd::start(&bus, &world).await;
        let heard = ble::survey(Duration::from_secs(3)).await.expect("it listens");
        let [one] = &heard[..] else { panic!("{heard:?}") };
        assert_eq!(
            (one.address.as_str(), one.adapter.as_str(), one.name.as_deref()),
            (ADDRESS, "hci0", Some("Standard"))
        );
        let thermometer = catalogued("health-thermometer").ble.clone().expect("the air");
        assert!(
            thermometer.advertises.fits(&one.services, one.name.as_deref(), one.companies.iter().copied()),
            "{one:?}"
        );
        assert!(!world.calls().iter().any(|call| call.starts_with("Connect")), "nobody is touched");
    });
}
