//! Machines that were replaced: what the pages, Prometheus and rollouts make of a gateway that is not in use any more.

use crate::{
    Side,
    house::{House, TOKEN, plain, row},
    rollouts::{chain, holding, later, says, state, under_way},
    stores::{MINUTE_MS, Store, about, ago},
};
use reqwest::StatusCode;
use skinlink::{
    clock,
    hq::{
        database::{Database, Place},
        office::{audit, people::Role},
        retirement,
        rollout::{self, State, plan::Limits, turn},
    },
    sync::package::Stand,
};
use std::{path::Path, process::Command};

/// Another gateway of the store.
fn another(store: &str, gateway: &str) -> Store {
    let mut other = Store::named(store);
    other.address.gateway = gateway.to_owned();
    other
}

fn retire(house: &House, gateway: &str) {
    let by = (audit::COMMAND, clock::now().wall);
    retirement::retire(&mut *house.engine(), gateway, by).unwrap_or_else(|fault| panic!("{gateway}: {fault}"));
}

/// The machine was replaced, and the new one has a name of its own. The store was red for ever, it had been online for no minute of the week,
/// and its alerts never ended.
pub async fn a_store_whose_machine_was_replaced_is_online_once_the_old_one_is_retired(side: Side) {
    let mut house = House::new(side).await;
    house.add("fleet", Role::Operator, "all");
    let (old, fresh) = (Store::named("sh-001"), another("sh-001", "sh-001-g2"));
    let at = |minutes: i64| ago(minutes * MINUTE_MS);
    let used = says(&old, vec![holding(7, Stand::Used, "", Some((10, 0)))]);
    house.take_at(&[old.says("offline"), old.hello(0), used, old.about(&about(false, 1_024))], at(20));
    house.take_at(&[fresh.says("online"), fresh.hello(0), fresh.about(&about(true, 20_480))], at(20));
    for second in (0..=20 * 60).step_by(50) {
        drop(house.database.downlink_due(ago(20 * MINUTE_MS - second * 1_000)).expect("a receiver is there"));
    }
    let cookie = house.log_in("fleet").await;
    let page = house.get("/", &cookie).await.text;
    let before = row(&page, "sh-001");
    assert!(before.contains("▲ ○ 离线") && before.contains("在线率 7 天 △ 0.00 %"), "{before}");
    let away = "skinlink_hq_gateway_online{store=\"sh-001\",gateway=\"sh-001-g1\"} 0";
    assert!(house.metrics(TOKEN).await.text.contains(away), "an alert fires on it");

    let listed = "SELECT begun_ms FROM streams WHERE gateway = 'sh-001-g1'";
    assert_eq!(house.engine().query(listed, &[]).expect("rows").len(), 1, "it has told something");
    let of_store = plain(&house.get("/stores/sh-001", &cookie).await.text);
    assert!(of_store.contains("sh-001-g1") && of_store.contains("model/pores-dog 7"), "{of_store}");

    retire(&house, "sh-001-g1");
    let page = house.until("/", &cookie, "it is online", |text| row(text, "sh-001").contains("● 在线")).await;
    // Its packages once stood there as in use, its streams and alarms as those of the store.
    let of_store = plain(&house.get("/stores/sh-001", &cookie).await.text);
    assert!(!of_store.contains("sh-001-g1") && !of_store.contains("pores-dog"), "{of_store}");
    let here = row(&page, "sh-001");
    assert!(here.contains("在线率 7 天 100.00 %") && here.contains("设备 2/2"), "{here}");
    assert!(here.contains("磁盘可用 66 %"), "the full disk is the old one's: {here}");
    let metrics = house.metrics(TOKEN).await.text;
    assert!(!metrics.contains("sh-001-g1") && metrics.contains("gateway=\"sh-001-g2\"} 1"), "{metrics}");

    // A store that closed is on the pages no more, until its machine is used again.
    let closed = house.opens("sh-002");
    house.until("/", &cookie, "it is there", |text| text.contains("data-store=\"sh-002\"")).await;
    house.take_at(&[closed.says("offline")], clock::now().wall);
    retire(&house, "sh-002-g1");
    house.until("/", &cookie, "it is gone", |text| !text.contains("data-store=\"sh-002\"")).await;
    assert_eq!(house.get("/stores/sh-002", &cookie).await.status, StatusCode::NOT_FOUND);
    house.take_at(&[closed.hello(0)], clock::now().wall);
    house.until("/", &cookie, "it is back", |text| text.contains("data-store=\"sh-002\"")).await;
    house.end().await;
}

/// Three of ten pilots have a machine that was replaced. The old ones never took the package: with seven of ten the ring was proven never.
pub async fn a_ring_is_proven_without_a_gateway_that_is_retired(side: Side) {
    let mut house = House::new(side).await;
    let stores = chain(&mut house, 20);
    let (n, pilots) = under_way(&house, &stores);
    let old: Vec<Store> = pilots[..3]
        .iter()
        .map(|at| {
            let store = &stores[*at].address.store;
            another(store, &format!("{store}-g0"))
        })
        .collect();
    let about = serde_json::json!({ "version": "1.5.0", "downlinks": ["packages"] });
    let mut told: Vec<_> = old.iter().flat_map(|one| [one.hello(0), one.about(&about)]).collect();
    told.extend(pilots.iter().map(|at| says(&stores[*at], vec![holding(7, Stand::Used, "", Some((10, 0)))])));
    house.take(&told);
    let limits = Limits { soak_ms: 0, photographs: 1, ..house.rollouts.limits.clone() };
    turn(&mut *house.engine(), &limits, later(5_000)).expect("weighed");
    assert_eq!(state(&house, n), (State::Running, 0, None), "seven of ten use it");
    for one in &old {
        retire(&house, &one.address.gateway);
    }
    turn(&mut *house.engine(), &limits, later(10_000)).expect("weighed");
    assert_eq!(state(&house, n), (State::Running, 1, None));
    house.end().await;
}

/// It was retired with three dead letters before the rollout began, and comes back in the middle of it: they are none of the package's.
pub async fn no_package_is_blamed_for_a_gateway_that_comes_back(side: Side) {
    let mut house = House::new(side).await;
    let mut stores = chain(&mut house, 20);
    let mut old = another("sh-001", "sh-001-g0");
    let letters: Vec<_> = (0..3).map(|_| old.babble()).collect();
    house.take(&letters);
    retire(&house, "sh-001-g0");
    let (n, _) = under_way(&house, &stores);
    let seen = |house: &House| {
        let mut engine = house.engine();
        let entry = rollout::one(&mut *engine, n).expect("the database").expect("the rollout");
        let seen = rollout::seen(&mut *engine, &entry, clock::now().wall).expect("the stores");
        let one = seen.stores.into_iter().find(|one| one.name == "sh-001").expect("the store");
        (one.letters, one.behind)
    };
    assert_eq!(seen(&house), (0, 0));
    house.take(&[old.hello(3)]);
    assert_eq!(seen(&house), (0, 0), "they were there before");
    let fresh = stores[0].babble();
    house.take(&[fresh]);
    assert_eq!(seen(&house), (1, 0), "what comes on top counts");
    house.take(&[old.says("offline")]);
    retire(&house, "sh-001-g0");
    assert_eq!(seen(&house), (1, 0), "and goes on to count");
    house.end().await;
}

fn stores(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink-hq"));
    let done =
        command.arg("stores").args(arguments).env("SUDO_USER", "wang").current_dir(folder).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (done.status.code(), text(&done.stdout), text(&done.stderr))
}

/// The file is named before the command or behind it, as people happen to type. Who did it stands in the audit, as of any other command.
#[test]
fn gateways_are_retired_and_taken_back_on_the_command_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("hq");
    let mut database = Database::at(&Place::in_folder(&data), &data, 1 << 20).expect("a receiver was here");
    let store = Store::named("sh-001");
    database.take(&[store.hello(4)], clock::now().wall).expect("it is taken");
    drop(database);
    let (code, said, wrong) = stores(folder.path(), &["--data", "hq", "retire", "sh-001-g1"]);
    assert_eq!(code, Some(0), "{wrong}");
    assert!(said.contains("sh-001-g1 of store sh-001 is retired; skinlink-hq stores back sh-001-g1"), "{said}");
    assert!(said.contains("4 events that it spoke of never came"), "{said}");
    assert!(said.contains("store sh-001 has no gateway in use now"), "{said}");
    let (_, listed, _) = stores(folder.path(), &["--data", "hq"]);
    assert!(listed.starts_with("sh-001 ") && listed.contains("alarms 0, retired 20"), "{listed}");
    let (_, listed, _) = stores(folder.path(), &["--data", "hq", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    assert!(listed["retired_ms"].is_i64(), "{listed}");
    let (code, said, wrong) = stores(folder.path(), &["back", "--data", "hq", "sh-001-g1"]);
    assert_eq!((code, said.as_str()), (Some(0), "sh-001-g1 of store sh-001 is in use again\n"), "{wrong}");
    let rows = audit::newest(&mut *Place::in_folder(&data).open().expect("opens"), None, 9).expect("the audit");
    let done: Vec<(&str, &str)> = rows.iter().map(|row| (&*row.who, &*row.what)).collect();
    let wang = "command line (wang)";
    assert_eq!(done, [(wang, "gateway back in use"), (wang, "gateway retired")]);
    for (arguments, why) in [
        (["retire", "--data", "hq", "sh-009-g1"], "no gateway sh-009-g1 was ever heard; skinlink-hq stores lists them"),
        (["back", "--data", "hq", "sh-001-g1"], "sh-001-g1 is in use; there is nothing to take back"),
    ] {
        let (code, _, wrong) = stores(folder.path(), &arguments);
        assert!(code == Some(1) && wrong.contains(why), "{wrong}");
    }
}
