//! The thirty lines of the documentation, run as they stand there.

use crate::{
    Side,
    gateway::{Running, settings},
    headquarters::{LIMIT, address},
    house::House,
};
use skinlink::{
    clock,
    domain::{Timestamp, consent::Purpose},
    hq::crm::keys::{self, Key, Scope, Stores},
    tasks::sync::SyncSettings,
};
use std::{path::Path, process::Output, time::Duration};
use tokio::{process::Command, sync::watch};

/// A store measures a customer, and its word arrives over a real broker; the CRM's thirty lines read the verdict, book her next visit,
/// and it stands in the store's day. Run again, they read nothing twice.
pub async fn thirty_lines_of_python_read_a_stores_visit_and_book_an_appointment(side: Side) {
    let house = House::new(side).await;
    let about = watch::channel("{\"version\":\"test\",\"downlinks\":[\"agenda\"]}".to_owned()).1;
    let settings = SyncSettings { about, ..settings() };
    let running = Running::start_with(&house.salon.store, house.headquarters.connector(&address()), settings);
    house.agree(Purpose::ALL).await;
    let visit = house.visit(false).await;
    house
        .eventually("the comparison is here", |engine| {
            let sql = "SELECT visit FROM comparison_facts";
            engine.query(sql, &[]).ok()?.first()?.get::<String>(0).ok().filter(|found| *found == visit.to_string())
        })
        .await;
    let stores = Stores::of(&["sh-001".to_owned()]).expect("a store");
    let key = Key { name: "crm".into(), scopes: Scope::ALL.to_vec(), stores };
    let key = keys::add(&mut *house.engine(), &key, clock::now().wall).expect("a key");
    let folder = tempfile::tempdir().expect("a folder");
    let starts = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 3_600_000);
    let book =
        format!(r#"{{"appointments":[{{"id":"crm-1","starts":"{starts}","member":"A10023","name":"林若溪"}}]}}"#);
    std::fs::write(folder.path().join("appointments.json"), book).expect("writable");
    let first = run(&house, folder.path(), &key).await;
    let verdict = format!("{} moisture forehead improved 19.4 27.6", house.salon.customer);
    assert!(first.contains(&verdict), "{first}");
    assert!(first.contains("{'changed': 1, 'unchanged': 0, 'called_off': 0}"), "{first}");
    let limit = tokio::time::Instant::now() + LIMIT;
    let day = |minutes: i64| Timestamp::from_unix_ms(clock::now().wall.unix_ms() + minutes * 60_000);
    while house.salon.store.expected(day(-720), day(720)).await.expect("a store").is_empty() {
        assert!(tokio::time::Instant::now() < limit, "the store is not told");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let second = run(&house, folder.path(), &key).await;
    assert!(!second.contains("moisture") && second.contains("'unchanged': 1"), "{second}");
    house.settled().await;
    house.end(Some(running)).await;
}

async fn run(house: &House, folder: &Path, key: &str) -> String {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/crm/example.py");
    let code = std::fs::read_to_string(&example).expect("readable");
    let lines = code.lines().skip_while(|line| !line.starts_with("import")).filter(|line| !line.is_empty()).count();
    assert!(lines <= 30, "{lines} lines");
    let shown = include_str!("../../docs/hq-crm.md");
    let hidden: Vec<&str> = code.lines().skip(4).filter(|line| !shown.contains(line)).collect();
    assert!(hidden.is_empty(), "not as docs/hq-crm.md shows it: {hidden:?}");
    let door = house.headquarters.crm.as_ref().expect("programs are served").listen;
    let program = Command::new("python3")
        .arg(&example)
        .arg("appointments.json")
        .envs([("HQ", format!("http://{door}").as_str()), ("KEY", key), ("STORE", "sh-001")])
        .env("no_proxy", "127.0.0.1")
        .current_dir(folder)
        .output();
    let Output { status, stdout, stderr } = program.await.expect("python3 runs");
    assert!(status.success(), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8_lossy(&stdout).into_owned()
}
