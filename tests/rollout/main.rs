//! The rollout drill: a whole chain of stores that speak to two real receivers over a real mosquitto, and what must happen when a model is
//! good, bad, forged, replayed or older, a store is away for all of it, a receiver dies, headquarters is put back to an earlier day.
//!
//! A short form runs here on both databases; `make rollout` plays it with 200 stores.

#[expect(dead_code, reason = "shared with the stories of the databases")]
#[path = "../support/postgres.rs"]
mod postgres;

mod chain;
mod store;
mod tools;

use chain::{Chain, Scale};
use openssl::sha::sha256;
use skinlink::{
    hq::database::engine::Value,
    sync::package::{self, Header, SLICE, SigningKey, Slot},
};
use std::time::Duration;

/// Which database stands behind headquarters.
#[derive(Debug, Clone, Copy)]
pub enum Side {
    Sqlite,
    Postgres,
}

/// Versions of the model, in the order in which they come.
const FIRST: u64 = 1;
const BAD: u64 = 2;
const FORGED: u64 = 3;
const NEXT: u64 = 4;
const LAST: u64 = 5;

fn scale() -> Scale {
    if std::env::var("SKINLINK_ROLLOUT").is_ok_and(|form| form == "long") {
        return Scale {
            stores: 200,
            pilot: 10,
            rings: "[50, 100]",
            soak_s: 6.0,
            photographs: 200,
            tick: Duration::from_secs(1),
        };
    }
    Scale { stores: 12, pilot: 5, rings: "[100]", soak_s: 1.0, photographs: 40, tick: Duration::from_millis(250) }
}

async fn drill(side: Side) {
    let seed =
        std::env::var("SKINLINK_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    eprintln!("{side:?}: seed {seed} (SKINLINK_SEED)");
    let mut chain = Chain::start(side, scale(), [BAD].into(), seed).await;
    // One store is away for all that follows.
    let dice = usize::try_from(seed % u64::from(chain.scale.stores)).expect("a place");
    let away = chain.stores[dice].clone();
    away.be(false);
    chain.note(format!("{} goes away", away.address.store));
    let there: Vec<store::Handle> = chain.stores.iter().filter(|one| one.address != away.address).cloned().collect();

    a_good_model_goes_through_all_rings(&mut chain, &there).await;
    a_bad_one_is_halted_in_the_pilot(&mut chain, &there).await;
    what_nobody_signed_is_refused_by_every_store(&mut chain, &there).await;
    a_rollout_survives_a_dead_receiver_and_a_restored_headquarters(&mut chain, &there).await;
    a_store_that_was_away_catches_up(&mut chain, &away).await;
    an_older_package_said_again_is_refused(&mut chain).await;
    one_command_takes_it_back_after_it_has_finished(&mut chain).await;

    let events = chain.everything_is_here_once().await;
    chain.note(format!("{events} events are at headquarters, each once"));
    eprintln!("{side:?}, seed {seed}\n{}", chain.table());
}

async fn a_good_model_goes_through_all_rings(chain: &mut Chain, there: &[store::Handle]) {
    chain.add(FIRST);
    let n = chain.roll_out(FIRST);
    finishes(chain, n, FIRST, there).await;
}

async fn finishes(chain: &mut Chain, n: u64, version: u64, there: &[store::Handle]) {
    chain.until("the rollout finishes", |chain| chain.state(n) == "finished").await;
    chain.note(format!("version {version} is proven in every ring"));
    chain.until("all use it", |_| there.iter().all(|one| one.used() == Some(version))).await;
    let rings = chain.number(&format!("SELECT count(*) FROM rollout_steps WHERE rollout = {n} AND what = 'ring'"));
    let planned = chain.number(&format!("SELECT rings FROM rollouts WHERE n = {n}"));
    assert_eq!(rings, planned - 1, "each ring was begun once");
}

async fn a_bad_one_is_halted_in_the_pilot(chain: &mut Chain, there: &[store::Handle]) {
    chain.add(BAD);
    let n = chain.roll_out(BAD);
    chain.until("it is halted by itself", |chain| chain.state(n) == "halted").await;
    let cause = chain.text(&format!("SELECT cause FROM rollout_steps WHERE rollout = {n} AND what = 'halted'"));
    assert!(cause.contains("failing"), "{cause}");
    chain.note(format!("version {BAD} is halted by itself: {cause}"));
    assert_eq!(chain.number(&format!("SELECT ring FROM rollouts WHERE n = {n}")), 0, "in the pilot ring");
    let by = chain.text(&format!("SELECT who FROM rollout_steps WHERE rollout = {n} AND what = 'halted'"));
    assert_eq!(by, "headquarters");
    chain.until("all are back", |_| there.iter().all(|one| one.used() == Some(FIRST))).await;
    chain.note(format!("its pilot uses version {FIRST} again"));
    let pilot: Vec<String> = chain.ring(n, 0).iter().map(|one| one.address.store.clone()).collect();
    let digest = chain.text(&format!("SELECT sha256 FROM packages WHERE version = {BAD}"));
    for store in there {
        let diary = store.diary();
        let is_pilot = pilot.contains(&store.address.store);
        assert!(is_pilot || !diary.fetched.contains(&digest), "{} is no pilot and fetched it", store.address.store);
        assert_eq!(diary.ever.contains(&BAD), is_pilot, "{}", store.address.store);
    }
    let (again, said) = chain.tried(&["rollout", "go", "--config", &chain.path("hq-1.toml"), &n.to_string()]);
    assert!(!again && said.contains("higher version"), "{said}");
}

/// Whoever can write headquarters' database can wish for anything; no store takes it.
async fn what_nobody_signed_is_refused_by_every_store(chain: &mut Chain, there: &[store::Handle]) {
    let stranger = SigningKey::generate().expect("a key");
    let slot = Slot::Model("pores-dog".into());
    let header = Header {
        chain: "qinghe".into(),
        slot,
        version: FORGED,
        made: "2026-11-28T06:30:00.000Z".into(),
        until: None,
        note: String::new(),
        files: Vec::new(),
    };
    let forged = package::sign(header, &[("model.onnx".into(), vec![7; 1_000])], &stranger).expect("a package");
    let file = chain.path("forged.package");
    std::fs::write(&file, &forged).expect("a file");
    let (taken, said) = chain.tried(&["package", "add", "--config", &chain.path("hq-1.toml"), &file]);
    assert!(!taken && said.contains("signed by none of the keys"), "{said}");
    let digest = hex::encode(sha256(&forged));
    let bytes = i64::try_from(forged.len()).expect("few");
    let mut engine = chain.engine();
    let values = [Value::Text(&digest), Value::Int(FORGED as i64), Value::Int(bytes)];
    let mut put = |sql: &str, values: &[Value<'_>]| engine.execute(sql, values).expect("whoever broke in may write");
    put(
        "INSERT INTO packages(sha256, slot, version, bytes, header, signer, added_ms, added_by)
         SELECT ?1, slot, ?2, ?3, header, signer, added_ms, added_by FROM packages WHERE version = 1",
        &values,
    );
    for (n, data) in (0_i64..).zip(forged.chunks(SLICE)) {
        put(
            "INSERT INTO package_slices(sha256, n, data) VALUES (?1, ?2, ?3)",
            &[Value::Text(&digest), Value::Int(n), Value::Bytes(data)],
        );
    }
    put(
        "INSERT INTO rollouts(n, slot, version, sha256, state, ring, rings, since_ms, started_ms, changed_ms)
         SELECT 3, slot, ?2, ?1, 'finished', 0, 1, since_ms, started_ms, changed_ms FROM rollouts WHERE n = 1",
        &values[..2],
    );
    put("UPDATE wanted_book SET version = version + 1", &[]);
    chain.note("a forged package was written into the database, for all stores".to_owned());
    chain.until("every store refuses it", |_| there.iter().all(|one| one.diary().refused.contains_key(&FORGED))).await;
    for store in there {
        let diary = store.diary();
        assert!(diary.refused[&FORGED].contains("signature"), "{:?}", diary.refused);
        assert!(!diary.ever.contains(&FORGED) && diary.used == Some(FIRST), "{}", store.address.store);
    }
    chain.note("every store refused it, and uses what it used".to_owned());
    let config = chain.path("hq-1.toml");
    chain.command(&["rollout", "back", "--config", &config, "3"]);
}

async fn a_rollout_survives_a_dead_receiver_and_a_restored_headquarters(chain: &mut Chain, there: &[store::Handle]) {
    chain.add(NEXT);
    let n = chain.roll_out(NEXT);
    chain.back_up().await;
    let reached = |chain: &Chain| chain.number(&format!("SELECT ring FROM rollouts WHERE n = {n}"));
    chain.until("the pilot is proven", |chain| reached(chain) >= 1).await;
    chain.note("its second ring begins".to_owned());
    chain.kill_receiver("hq-2").await;
    let second = chain.ring(n, 1);
    chain.until("the second ring uses it", |_| second.iter().any(|one| one.used() == Some(NEXT))).await;
    chain.restore().await;
    assert_eq!(reached(chain), 0, "the backup knows of the pilot alone");
    finishes(chain, n, NEXT, there).await;
    chain
        .until("the stores hold what this headquarters says", |chain| {
            let held =
                "SELECT count(*) FROM wanted_told t JOIN wanted_book b ON b.book = t.book AND b.version = t.version";
            chain.number(held) == there.len() as i64
        })
        .await;
}

async fn a_store_that_was_away_catches_up(chain: &mut Chain, away: &store::Handle) {
    assert_eq!(away.used(), None);
    away.be(true);
    chain.note(format!("{} comes back", away.address.store));
    chain.until("it catches up", |_| away.used() == Some(NEXT)).await;
    let diary = away.diary();
    assert_eq!(diary.ever, [NEXT].into(), "with the newest, and nothing between");
    chain.note(format!("it uses version {NEXT}"));
}

/// The genuine first package, said again by whoever broke into headquarters.
async fn an_older_package_said_again_is_refused(chain: &mut Chain) {
    let mut engine = chain.engine();
    let mut put = |sql: &str| engine.execute(sql, &[]).expect("whoever broke in may write");
    put("UPDATE rollouts SET state = 'back' WHERE version = 4");
    put("UPDATE wanted_book SET version = version + 1");
    chain.note(format!("the genuine version {FIRST} is wished again in the database"));
    let all = chain.stores.clone();
    chain.until("every store refuses it", |_| all.iter().all(|one| one.diary().refused.contains_key(&FIRST))).await;
    for store in &all {
        let diary = store.diary();
        assert!(diary.refused[&FIRST].contains("not newer than version 4"), "{:?}", diary.refused);
        assert_eq!(diary.used, Some(NEXT), "{}", store.address.store);
    }
    chain.note("every store refused it, and uses what it used".to_owned());
    let mut engine = chain.engine();
    let mut put = |sql: &str| engine.execute(sql, &[]).expect("put right");
    put("UPDATE rollouts SET state = 'finished' WHERE version = 4");
    put("UPDATE wanted_book SET version = version + 1");
}

async fn one_command_takes_it_back_after_it_has_finished(chain: &mut Chain) {
    chain.add(LAST);
    let n = chain.roll_out(LAST);
    let all = chain.stores.clone();
    finishes(chain, n, LAST, &all).await;
    chain.command(&["rollout", "back", "--config", &chain.path("hq-1.toml"), &n.to_string()]);
    chain.note(format!("version {LAST} is taken back by one command"));
    chain.until("all are back", |_| all.iter().all(|one| one.used() == Some(NEXT))).await;
    chain.note(format!("all use version {NEXT} again"));
    assert_eq!(chain.state(n), "back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn drill_on_sqlite() {
    drill(Side::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn drill_on_postgresql() {
    drill(Side::Postgres).await;
}
