//! The gateway on a real Bluetooth stack: Debian's own kernel in an emulated machine, its bluetoothd and D-Bus, the gateway's
//! real program, and a virtual controller with analysers behind it. Everything above the radio is what runs in a salon.
//!
//! `make test` runs ten rounds in two guests; `make ble-lab` fifty, with a device that is away for two minutes, and holds the
//! promise that 15 s after a fault's end it is measured again. Beside all other tests, two emulated machines on few cores, the
//! short form allows twice that; both print what it took. What it cannot show: the radio itself, and pairing, which its
//! controller refuses.
//!
//! One program, twice: outside it packs itself, the gateway and their libraries for the guest and reads what comes out of its
//! console; inside (`inside_the_guest`) it is the salon and all that goes wrong there. `guest.py` and `init.sh` are the guest.
//! x86-64 only, by software: it needs neither KVM nor root nor a network.

#![cfg(target_arch = "x86_64")]
#![expect(clippy::disallowed_methods, reason = "a test may panic, looks at the time and starts what it watches")]

mod boot;
mod controller;
mod gatt;
mod guest;
mod pen;
mod radio;
mod stories;

use boot::Guest;
use std::{
    env,
    time::{Duration, Instant},
};

fn long() -> bool {
    env::var("SKINLINK_BLE_LAB").is_ok_and(|form| form == "long")
}

#[test]
fn the_gateway_heals_by_itself_on_a_real_stack() {
    let (rounds, minutes, back, limit) = if long() { (50, 2, 15, 1500) } else { (10, 0, 30, 280) };
    let lab = boot::pack();
    let stories = ["one_pen", "two_pens"];
    let guests = stories.map(|story| {
        let settings =
            format!("LAB_STORY={story} LAB_ROUNDS={rounds} LAB_MINUTES_AWAY={minutes} LAB_BACK_SECONDS={back}");
        Guest::start(&lab, story, &settings)
    });
    let until = Instant::now() + Duration::from_secs(limit);
    let told = guests.map(|guest| guest.wait(until));
    for (story, console) in stories.into_iter().zip(told) {
        let lines = console.lines().filter_map(|line| line.find("lab: ").map(|at| &line[at..]));
        println!("{story}\n{}", lines.collect::<Vec<_>>().join("\n"));
        let whole = console.contains("none lost, none twice") && console.contains("guest: the stories ended with 0");
        assert!(whole, "{story}:\n{console}");
    }
}

#[test]
#[ignore = "told inside the guest, where there is nothing else"]
fn inside_the_guest() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    match env::var("LAB_STORY").as_deref() {
        Ok("one_pen") => runtime.block_on(stories::one_pen()),
        Ok("two_pens") => runtime.block_on(stories::two_pens()),
        other => panic!("LAB_STORY is {other:?}"),
    }
}
