//! The installer's tools over the air: the real program beside a fake BlueZ.

use crate::{
    room::ADDRESS,
    standards::{sensor, sig},
    story::alone,
    whole_scan::{program, project},
};
use skinlink_fake_bluez::{Bluetoothd, Bus, Gatt, World};
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

#[test]
fn a_file_is_tried_on_a_device_in_the_air() {
    alone("tools::a_file_is_tried_on_a_device_in_the_air", async |folder| {
        let bus = Bus::start(&folder).await;
        let world = World::default();
        let characteristics =
            vec![Gatt::new(&sig("2A1C"), &["indicate"]), Gatt::new(&sig("2A19"), &["read"]).holding(&[87])];
        let _inbox = world.add(sensor("1809", characteristics));
        let daemon = Bluetoothd::start(&bus, &world).await;
        let button = async {
            while !world.is_subscribed(ADDRESS, &sig("2A1C")) {
                sleep(Duration::from_millis(20)).await;
            }
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
