//! The installer's tools over the air: the real program beside a fake BlueZ.

use crate::{
    broadcast::{ITS_ADDRESS, KEY, bytes},
    room::ADDRESS,
    standards::{sensor, sig},
    story::alone,
    whole_scan::{program, project},
};
use skinlink_fake_bluez::{Bluetoothd, Bus, Gatt, Sensor, World};
use std::{process::Stdio, time::Duration};
use tokio::{
    process::Command,
    time::{sleep, timeout},
};

const LIMIT: Duration = Duration::from_secs(60);

/// What the program says until it ends by itself, and its exit code.
async fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let program =
        Command::new(program()).args(arguments).current_dir(project()).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(LIMIT, program).await.expect("it ends").expect("it starts");
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    (output.status.code(), format!("{out}\n{err}"))
}

/// A thermometer in the air whose battery is at 87 %.
async fn thermometer(bus: &Bus) -> (World, Bluetoothd) {
    let world = World::default();
    let characteristics =
        vec![Gatt::new(&sig("2A1C"), &["indicate"]), Gatt::new(&sig("2A19"), &["read"]).holding(&[87])];
    // Nothing is written to it.
    drop(world.add(sensor("1809", characteristics)));
    let daemon = Bluetoothd::start(bus, &world).await;
    (world, daemon)
}

/// Waits until somebody would hear its button.
async fn is_listened_to(world: &World) {
    while !world.is_subscribed(ADDRESS, &sig("2A1C")) {
        sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn a_file_is_tried_on_a_device_in_the_air() {
    alone("tools::a_file_is_tried_on_a_device_in_the_air", async |folder| {
        let bus = Bus::start(&folder).await;
        let (world, daemon) = thermometer(&bus).await;
        let button = async {
            is_listened_to(&world).await;
            daemon.notify(ADDRESS, &sig("2A1C"), &[0x00, 0x6D, 0x01, 0x00, 0xFF]).await;
            daemon.notify(ADDRESS, &sig("2A1C"), &[0x00, 0x6D]).await;
        };
        let tried = ["protocol", "try", "health-thermometer", "--address", ADDRESS, "--seconds", "4"];
        let ((code, said), ()) = tokio::join!(said(&tried), button);
        for part in ["is connected", "temperature 36.5 °C", "battery 87 %", "2 frames understood, 1 not"] {
            assert!(said.contains(part), "{part}: {said}");
        }
        assert_eq!(code, Some(0));
        assert!(!world.is_connected(ADDRESS), "it is free for others");
    });
}

#[test]
fn a_device_in_the_air_is_recorded_and_read_again_by_its_notifications() {
    alone("tools::a_device_in_the_air_is_recorded_and_read_again_by_its_notifications", async |folder| {
        let bus = Bus::start(&folder).await;
        let (world, daemon) = thermometer(&bus).await;
        let button = async {
            is_listened_to(&world).await;
            // Two at once: on a line nobody could tell where the second begins.
            daemon.notify(ADDRESS, &sig("2A1C"), &[0x00, 0x6D, 0x01, 0x00, 0xFF]).await;
            daemon.notify(ADDRESS, &sig("2A1C"), &[0x00, 0x6E, 0x01, 0x00, 0xFF]).await;
        };
        let file = folder.join("visit.rec");
        let file = file.to_str().expect("a path in words");
        let record = ["devices", "record", "--protocol", "health-thermometer", "--address", ADDRESS];
        let record = [&record[..], &["--into", file, "--seconds", "4"]].concat();
        let ((code, text), ()) = tokio::join!(said(&record), button);
        assert!(code == Some(0) && text.contains("3 frames understood, 0 not"), "{text}");
        assert!(!text.contains("simulate --replay"), "no pseudo-terminal can play it: {text}");
        daemon.kill().await;
        let (code, text) = said(&["protocol", "replay", file]).await;
        for part in ["battery_percent 87", "temperature 36.5 °C", "temperature 36.6 °C", "3 frames understood, 0 not"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(code, Some(0));
        let written = ["devices", "record", "--protocol", "health-thermometer", "--address", "F0:F1", "--into", file];
        let (code, text) = said(&written).await;
        assert!(code == Some(1) && text.contains("is no Bluetooth address"), "{code:?} {text}");
    });
}

#[test]
fn a_device_that_only_advertises_is_tried_by_its_key() {
    alone("tools::a_device_that_only_advertises_is_tried_by_its_key", async |folder| {
        let bus = Bus::start(&folder).await;
        let world = World::default();
        let sensor = Sensor { address: ITS_ADDRESS.into(), ..sensor("FCD2", vec![]) };
        let _inbox = world.add(sensor);
        world.says(ITS_ADDRESS, &bytes("41a47266c95f730011223378237214"));
        let _daemon = Bluetoothd::start(&bus, &world).await;
        let key = folder.join("key");
        std::fs::write(&key, "not a key").expect("it can be written");
        let file = key.to_str().expect("a path in words");
        let tried = ["protocol", "try", "bthome-room", "--address", ITS_ADDRESS, "--key-file", file, "--seconds", "4"];
        let (code, text) = said(&tried).await;
        assert!(code == Some(1) && text.contains("32 hex digits"), "{code:?} {text}");
        std::fs::write(&key, KEY).expect("it can be written");
        let (code, text) = said(&tried).await;
        for part in ["is heard", "ambient-temperature 25.06 °C", "ambient-humidity 50.55 %"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(code, Some(0));
        assert!(!world.calls().iter().any(|call| call.starts_with("Connect")), "{:#?}", world.calls());
    });
}

#[test]
fn what_is_in_the_air_is_told_with_a_block_to_copy() {
    alone("tools::what_is_in_the_air_is_told_with_a_block_to_copy", async |folder| {
        let bus = Bus::start(&folder).await;
        let list = ["devices", "--air", "--config", "/nonexistent"];
        let (code, text) = said(&list).await;
        assert!(code == Some(1) && text.contains("install bluez") && text.contains("蓝牙不可用"), "{text}");
        let world = World::default();
        let _inbox = world.add(sensor("1809", Vec::new()));
        let _daemon = Bluetoothd::start(&bus, &world).await;
        let (code, text) = said(&list).await;
        for part in [
            "dBm at hci0",
            "taken for health-thermometer",
            "it advertises service 1809",
            &format!("address = \"{ADDRESS}\""),
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert_eq!(code, Some(0));
    });
}
