//! The main job over the air: the real daemon, a whole scan through to headquarters, the analyser lost in the middle of it.

use crate::story::alone;
use skinlink::{
    adapters::serial::SerialLink,
    app::demo::{
        CUSTOMER,
        analysers::Analysers,
        stage::{Places, STATION, Stage},
    },
    domain::scan::Phase,
    hq::ledger::Ledger,
    ports::Link,
    protocol::Spec,
    sim::beautician::{Beautician, Plan, Turn},
};
use skinlink_fake_bluez::{Bluetoothd, Bus, Gatt, Sensor, World};
use std::{env, fs, path::PathBuf, time::Duration};
use tokio::time::{Instant, sleep, timeout};

const ADDRESS: &str = "F0:F1:F2:F3:F4:F5";
const COMMAND: &str = "5b1e0002-6d0c-4c7a-9f3e-2a7d5c1b0000";
const NOTIFY: &str = "5b1e0003-6d0c-4c7a-9f3e-2a7d5c1b0000";

/// An everyday analyser's; a notification carries so much less 3 bytes.
const MTU: u16 = 65;

const LIMIT: Duration = Duration::from_secs(120);

pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the project")
}

/// The daemon's program lies beside the tests' folder; the tests of one `cargo test` are built before any is run.
pub fn program() -> PathBuf {
    let tests = env::current_exe().expect("this very program");
    let program = tests.ancestors().nth(2).expect("target/<profile>/deps/<test>").join("skinlink");
    assert!(program.exists(), "{} is missing: `cargo build` makes it", program.display());
    program
}

fn analyser() -> Sensor {
    let characteristics = vec![Gatt::new(COMMAND, &["write"]), Gatt::new(NOTIFY, &["notify"])];
    let service = "5b1e0001-6d0c-4c7a-9f3e-2a7d5c1b0000".to_owned();
    Sensor { address: ADDRESS.into(), name: "Derma".into(), service, characteristics, mtu: MTU, adapter: "hci0" }
}

/// The analyser's radio: what is written goes into its serial port, what comes out of it is notified, cut as the link wants.
async fn radio(port: PathBuf, world: World, daemon: Bluetoothd) {
    let text = fs::read_to_string(project().join("firmware-protocols/derma-reference/protocol.toml")).expect("a file");
    let line = Spec::parse("derma-reference", &text).expect("a sound file").serial.expect("a serial line");
    let mut written = world.add(analyser());
    let mut port = SerialLink::open(&port, &line).await.expect("the simulated analyser's port");
    let mut buffer = [0; 1024];
    loop {
        tokio::select! {
            command = written.recv() => {
                let Some(command) = command else { return };
                port.send(&command.bytes).await.expect("the analyser's port");
            }
            said = port.recv(&mut buffer) => {
                let said = said.expect("the analyser's port");
                for part in buffer[..said].chunks(usize::from(MTU) - 3) {
                    daemon.notify(ADDRESS, NOTIFY, part).await;
                }
            }
        }
    }
}

#[test]
fn a_whole_scan_over_the_air_reaches_headquarters_though_the_analyser_was_off_in_its_middle() {
    let name = "whole_scan::a_whole_scan_over_the_air_reaches_headquarters_though_the_analyser_was_off_in_its_middle";
    alone(name, async |folder| {
        let bus = Bus::start(&folder).await;
        let world = World::default();
        let daemon = Bluetoothd::start(&bus, &world).await;
        let places = Places {
            folder: folder.join("stage"),
            program: program(),
            project: project(),
            onnxruntime: project().join("target/onnxruntime").join(skinlink::app::runtime::FILE),
        };
        let mut stage = Stage::set(places, 0).await.expect("the stage");
        stage.scan = "repeats = 2\nregions = [\"chin\", \"forehead\"]\n".to_owned();
        stage.in_the_air = vec![("derma-reference", ADDRESS.to_owned())];
        let analysers = Analysers::start(&stage, 5).expect("the simulated analysers");
        let port = stage.device_port("derma-reference");
        let appears = async {
            while !port.exists() {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(LIMIT, appears).await.expect("the simulated analyser's port appears");
        let radio = tokio::spawn(radio(port, world.clone(), daemon));
        let mut gateway = stage.start_daemon(&[]).expect("the daemon");
        stage.until_ready(&mut gateway).await.expect("an answer");

        let plan = Plan { phases: vec![Phase::Before], ..Plan::default() };
        let mut beautician = Beautician::new(&stage.address(), STATION, CUSTOMER, plan);
        let (begun, mut done, mut outages) = (Instant::now(), 0, 0);
        loop {
            assert!(begun.elapsed() < LIMIT, "the scan is not done within {LIMIT:?}: {}", stage.daemon_log());
            match beautician.turn().await.expect("a turn") {
                Turn::Done => break,
                Turn::Places(region) => analysers.place(region).await.expect("analysers"),
                Turn::Did(_) => {
                    done += 1;
                    if done == 4 {
                        outages += 1;
                        world.switch(ADDRESS, false);
                        sleep(Duration::from_millis(300)).await;
                        world.switch(ADDRESS, true);
                    }
                }
                Turn::Waits(_) => sleep(Duration::from_millis(20)).await,
                Turn::Treated(_) | Turn::Presses(..) => {}
            }
        }
        assert_eq!(outages, 1, "the analyser was off once");
        // Three metrics at two regions; sebum and elasticity come through the air.
        let readings = loop {
            let ledger = Ledger::open(&stage.hq_data()).expect("headquarters' database");
            let readings = ledger.readings().expect("readings");
            if readings.len() >= 6 {
                break readings;
            }
            assert!(begun.elapsed() < LIMIT, "headquarters has {} readings", readings.len());
            sleep(Duration::from_millis(50)).await;
        };
        let aired: Vec<_> = readings.iter().filter(|(_, reading)| reading.device.serial == "DR-0417").collect();
        assert_eq!((readings.len(), aired.len()), (6, 4), "each reading once");
        gateway.stop().await.expect("a polite end");
        assert!(!world.is_connected(ADDRESS), "at its end the gateway lets go of the analyser");
        radio.abort();
        analysers.stop().await;
    });
}
