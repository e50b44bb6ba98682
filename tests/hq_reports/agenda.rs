//! Appointments that the CRM hands over, from its file to the day of the store and through what may come between.

use crate::{
    Side,
    gateway::{Running, settings},
    headquarters::address,
    house::House,
    salon::{NAME, PHONE},
};
use skinlink::{
    clock,
    domain::{
        Timestamp,
        appointment::{Appointment, AppointmentState, Deed},
    },
    hq::database::Place,
    tasks::sync::SyncSettings,
};
use std::process::{Command, Output};
use tokio::sync::watch;

fn at(minutes: i64) -> Timestamp {
    Timestamp::from_unix_ms(clock::now().wall.unix_ms() + minutes * 60_000)
}

/// The line of a gateway that understands appointments.
fn connect(house: &House) -> Running {
    let about = watch::channel("{\"version\":\"test\",\"downlinks\":[\"agenda\"]}".to_owned()).1;
    let settings = SyncSettings { about, ..settings() };
    Running::start_with(&house.salon.store, house.headquarters.connector(&address()), settings)
}

/// What the CRM does: a file, and the program.
fn hand_over(house: &House, text: &str, more: &[&str]) -> Output {
    let file = house.headquarters.folder.path().join("agenda.json");
    std::fs::write(&file, text).expect("writable");
    let database = match &house.headquarters.database {
        Place::Sqlite(path) => format!("sqlite:{}", path.display()),
        postgres @ Place::Postgres(_) => postgres.to_string(),
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink-hq"));
    command
        .args(["--log", "error", "agenda", "put", "--database", &database, "--store", "sh-001"])
        .args(more)
        .arg(&file);
    command.output().expect("the program runs")
}

fn said(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

async fn until(house: &House, what: &str, mut wanted: impl FnMut(&[Appointment]) -> bool) -> Vec<Appointment> {
    let limit = tokio::time::Instant::now() + crate::headquarters::LIMIT;
    loop {
        let day = house.salon.store.appointments(at(-720), at(720)).await.expect("a store");
        if wanted(&day) {
            return day;
        }
        if tokio::time::Instant::now() > limit {
            house.headquarters.give_up(what);
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

fn file(starts: &Timestamp, state: &str, more: &str) -> String {
    let end = &PHONE[PHONE.len() - 4..];
    format!(
        r#"{{"appointments":[{{"id":"crm-1","starts":"{starts}","state":"{state}","service":"补水护理","staff":"b-07","phone":"{end}","name":"{NAME}"}}{more}]}}"#
    )
}

pub async fn what_the_crm_books_stands_in_the_stores_day(side: Side) {
    let mut house = House::new(side).await;
    let running = connect(&house);
    house
        .eventually("the store is known", |engine| {
            let known = engine.query("SELECT 1 FROM gateways WHERE epoch IS NOT NULL", &[]).ok()?;
            (!known.is_empty()).then_some(())
        })
        .await;
    let wrong = hand_over(&house, r#"{"appointments":[{"id":"x","starts":"soon","name":"N"}]}"#, &[]);
    let complaint = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(!wrong.status.success() && complaint.contains("appointments[0].starts"), "{complaint}");
    let (first, second) = (at(60), at(120));
    assert!(said(&hand_over(&house, &file(&first, "booked", ""), &[])).starts_with("1 written"));
    let day = until(&house, "it is booked", |day| !day.is_empty()).await;
    assert_eq!((day[0].customer, day[0].starts, day[0].service.as_str()), (house.salon.customer, first, "补水护理"));
    // Moved while the store is away; it is told when it comes back, and of nothing else.
    running.stop().await;
    assert!(said(&hand_over(&house, &file(&second, "booked", ""), &[])).starts_with("1 written"));
    let running = connect(&house);
    let day = until(&house, "it is moved", |day| day[0].starts == second).await;
    assert_eq!(day.len(), 1);
    // The receiver is away when the CRM calls it off; both come back.
    house.headquarters.stop_receiver().await;
    said(&hand_over(&house, &file(&second, "cancelled", ""), &[]));
    house.headquarters.start_receiver();
    until(&house, "it is called off", |day| day[0].state == AppointmentState::Cancelled).await;
    said(&hand_over(&house, &file(&second, "booked", ""), &[]));
    until(&house, "it is booked again", |day| day[0].state == AppointmentState::Booked).await;
    // She comes; what the CRM says now is too late.
    let store = &house.salon.store;
    let came = store.set_appointment(day[0].id, Deed::Arrive, "staff-1".to_owned()).await.expect("she came");
    let visit = house.salon.visit().await;
    let more = format!(r#",{{"id":"crm-2","starts":"{second}","member":"N-1","name":"Neu Gast"}}"#);
    said(&hand_over(&house, &file(&second, "cancelled", &more), &["--whole"]));
    let limit = tokio::time::Instant::now() + crate::headquarters::LIMIT;
    while store.expected(at(-720), at(720)).await.expect("a store").is_empty() {
        assert!(tokio::time::Instant::now() < limit, "the new guest is not told");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let day = store.appointments(at(-720), at(720)).await.expect("a store");
    assert_eq!((day[0].visit, day[0].arrived, day[0].state), (Some(visit), came.arrived, AppointmentState::Seated));
    house
        .eventually("the store says that it holds all of it", |engine| {
            let sql = "SELECT 1 FROM agenda_told t JOIN agenda_books b ON b.book = t.book AND b.version = t.version";
            (!engine.query(sql, &[]).ok()?.is_empty()).then_some(())
        })
        .await;
    house.settled().await;
    house.end(Some(running)).await;
}
