//! SIGKILL at every named point: the gateway starts with the old or the new, and comes to the new by itself.

use crate::house::{House, model};
use skinlink::{
    faults,
    sync::package::{Slot, Stand},
};
use std::fs;

/// How a point is passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Model,
    Rules,
}

const PLACES: &[(&str, u32, By)] = &[
    ("packages.wanted.kept", 1, By::Rules),
    ("packages.slice.came", 1, By::Rules),
    ("packages.slice.came", 2, By::Model),
    ("packages.slice.written", 3, By::Model),
    ("packages.slice.written", 1, By::Rules),
    ("packages.file.synced", 1, By::Model),
    ("packages.file.renamed", 1, By::Rules),
    ("packages.unpacking", 1, By::Model),
    ("packages.unpacked", 1, By::Model),
    ("packages.unpacked", 1, By::Rules),
    ("packages.model.exchanged", 1, By::Model),
    ("packages.used.kept", 1, By::Model),
    ("packages.used.kept", 1, By::Rules),
    // At the second reading: the first one is that of the start.
    ("packages.anew.reading", 1, By::Rules),
    ("packages.anew.built", 1, By::Rules),
    ("packages.settled", 1, By::Rules),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_anywhere_a_gateway_comes_back_with_the_old_or_the_new() {
    let mut killed_at: Vec<&str> = PLACES.iter().map(|(point, ..)| *point).chain(["packages.removed"]).collect();
    killed_at.sort_unstable();
    killed_at.dedup();
    let mut points = faults::PACKAGE_POINTS.to_vec();
    points.sort_unstable();
    assert_eq!(killed_at, points, "every point is killed at");

    let mut house = House::closed().await;
    let orders = house.folder.join("orders");
    fs::create_dir_all(&orders).unwrap();
    let environment = [("SKINLINK_KILL_ORDERS", orders.display().to_string())];
    house.starts(&environment).await;
    let mut version = 0;
    for (point, passings, by) in PLACES {
        version += 1;
        let called = format!("9.0.{version}");
        let (slot, package) = match by {
            By::Model => (model(), house.model(version, &called, |_, bytes| bytes)),
            By::Rules => {
                let settings = format!("[report]\nvalid_days = {version}\n");
                (Slot::Settings, house.rules(Slot::Settings, version, &settings))
            }
        };
        fs::write(orders.join(point), passings.to_string()).unwrap();
        house.hq.wishes(&[&package]).await;
        house.dies().await;
        assert!(!orders.join(point).exists(), "{point}: it died of something else:\n{}", house.log());
        house.starts(&environment).await;
        house.hq.until(&slot, version, Stand::Used).await;
        house.answers().await;
        if *by == By::Model {
            assert_eq!(house.model_in_use().await, called, "{point}");
        }
        println!("{point}:{passings} {by:?}: whole");
    }
    // What nobody needs goes at the start, and a kill in the middle of that loses nothing.
    house.stops().await;
    let before = house.shelf();
    fs::write(house.folder.join("data/packages").join(format!("{}.part", "a".repeat(64))), "left over").unwrap();
    fs::write(orders.join("packages.removed"), "1").unwrap();
    house.begins(&environment);
    house.dies().await;
    house.starts(&environment).await;
    assert_eq!(
        house.model_in_use().await,
        format!("9.0.{}", PLACES.iter().rposition(|(.., by)| *by == By::Model).unwrap() + 1)
    );
    house.stops().await;
    assert_eq!(house.shelf(), before);
}

/// As one that makes the process die would: the order of death lies there at every start.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_package_under_which_the_gateway_dies_at_its_start_twice_is_refused() {
    let mut house = House::closed().await;
    let orders = house.folder.join("orders");
    fs::create_dir_all(&orders).unwrap();
    let environment = [("SKINLINK_KILL_ORDERS", orders.display().to_string())];
    house.starts(&environment).await;
    let good = house.rules(Slot::Settings, 1, "[report]\nvalid_days = 10\n");
    house.hq.wishes(&[&good]).await;
    house.hq.until(&Slot::Settings, 1, Stand::Used).await;
    // It stands with the first one before the next one comes.
    let order = orders.join("packages.anew.built");
    fs::write(&order, "1").unwrap();
    let deadly = house.rules(Slot::Settings, 2, "[report]\nvalid_days = 20\n");
    house.hq.wishes(&[&deadly]).await;
    house.dies().await;
    fs::write(&order, "1").unwrap();
    house.begins(&environment);
    house.dies().await;
    house.starts(&environment).await;
    let told = house.hq.until(&Slot::Settings, 2, Stand::Refused).await;
    assert!(told.reason.contains("died 2 times while it started with it"), "{}", told.reason);
    house.hq.until(&Slot::Settings, 1, Stand::Used).await;
    // Stopped politely in its first seconds, a package has done nothing wrong.
    let sound = house.rules(Slot::Settings, 3, "[report]\nvalid_days = 30\n");
    house.hq.wishes(&[&sound]).await;
    house.hq.until(&Slot::Settings, 3, Stand::Used).await;
    for _ in 0..3 {
        house.answers().await;
        house.stops().await;
        house.starts(&environment).await;
    }
    assert!(house.hq.of(&Slot::Settings, 3).is_some_and(|one| one.stand == Stand::Used), "{:?}", house.hq.told());
}
