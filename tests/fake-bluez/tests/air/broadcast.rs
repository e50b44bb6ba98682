//! A room sensor that only advertises: heard through the air, opened by its key, never connected.

use crate::{
    room::{ADDRESS, BACK_WITHIN, Heard},
    standards::{catalogued, sensor},
    story::alone,
};
use skinlink::protocol::bthome::Key;
use skinlink_fake_bluez::Bluetoothd;
use std::time::Duration;
use tokio::time::sleep;

/// From the format's own description of an encrypted packet: 25.06 °C and 50.55 %.
pub const KEY: &str = "231d39c1d7cc1ab1aee224cd096db932";
pub const ITS_ADDRESS: &str = "54:48:E6:8F:80:A5";

pub fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

#[test]
fn a_sensor_that_only_advertises_is_heard_and_never_connected() {
    alone("broadcast::a_sensor_that_only_advertises_is_heard_and_never_connected", async |folder| {
        let mut heard = Heard::open(folder, catalogued("bthome-room"), sensor("FCD2", vec![]), ADDRESS, None).await;
        // Packet number, battery, temperature, humidity.
        heard.world.says(ADDRESS, &bytes("400009015d025d0903b718"));
        let _daemon = Bluetoothd::start(&heard.bus, &heard.world).await;
        assert_eq!(heard.measured(BACK_WITHIN).await, ["ambient-temperature 23.97 °C"]);
        assert_eq!(heard.measured(BACK_WITHIN).await, ["ambient-humidity 63.27 %"]);
        let state = heard.until("its battery", |state| state.battery_percent == Some(93)).await;
        assert!(state.connected && state.signal_dbm.is_some(), "{state:?}");
        // The same again and again is one measurement; the same number is the same packet.
        sleep(Duration::from_millis(300)).await;
        heard.world.says(ADDRESS, &bytes("40000a023f09"));
        assert_eq!(heard.measured(BACK_WITHIN).await, ["ambient-temperature 23.67 °C"]);
        let calls = heard.world.calls();
        assert!(!calls.iter().any(|call| call.starts_with("Connect")), "{calls:#?}");
    });
}

#[test]
fn an_encrypted_sensor_is_opened_and_nobody_speaks_in_its_place() {
    alone("broadcast::an_encrypted_sensor_is_opened_and_nobody_speaks_in_its_place", async |folder| {
        let sensor = skinlink_fake_bluez::Sensor { address: ITS_ADDRESS.into(), ..sensor("FCD2", vec![]) };
        let key = Key::parse(KEY);
        assert!(key.is_some());
        let mut heard = Heard::open(folder, catalogued("bthome-room"), sensor, ITS_ADDRESS, key).await;
        heard.world.says(ITS_ADDRESS, &bytes("41a47266c95f730011223378237214"));
        let daemon = Bluetoothd::start(&heard.bus, &heard.world).await;
        assert_eq!(heard.measured(BACK_WITHIN).await, ["ambient-temperature 25.06 °C"]);
        assert_eq!(heard.measured(BACK_WITHIN).await, ["ambient-humidity 50.55 %"]);
        // Plain, another's, and changed: none of it is taken.
        for forged in ["40023f09", "41d2fcefe52eb212d600112233bc38c966", "41a47266c95f730011223478237214"] {
            heard.world.says(ITS_ADDRESS, &bytes(forged));
            sleep(Duration::from_millis(200)).await;
        }
        heard.nothing_more();
        // The stack is started anew and an old packet played again: its number is known.
        daemon.kill().await;
        heard.world.says(ITS_ADDRESS, &bytes("41a47266c95f730011223378237214"));
        let _daemon = Bluetoothd::start(&heard.bus, &heard.world).await;
        sleep(Duration::from_secs(2)).await;
        heard.nothing_more();
    });
}
