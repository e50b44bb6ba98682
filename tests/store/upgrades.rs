//! Old databases open in this version. `fixtures/v1.sql` and `v4.sql` are frozen databases of those schemas as text; they are
//! never regenerated.

use crate::{
    measurements::climate,
    salon::{LIMIT, new_repeat, open, options, person},
};
use rusqlite::{Connection, types::ValueRef};
use skinlink::{
    domain::{CustomerId, Timestamp, VisitId, Zone, consent::Purpose, follow_up::Kind},
    store::{DATABASE, OpenError, SCHEMA_VERSION, Store},
};
use std::{fmt::Write, fs, path::Path};
use tempfile::TempDir;

const V1: &str = include_str!("fixtures/v1.sql");
const V4: &str = include_str!("fixtures/v4.sql");

/// Who and what is in the fixture.
const CUSTOMER: &str = "01932f00-0000-7000-8000-000000000001";
const VISIT: &str = "01a20011-81d3-76b2-930d-43d2185c25f5";

fn frozen(extra: &str) -> TempDir {
    frozen_as(V1, extra)
}

fn frozen_as(text: &str, extra: &str) -> TempDir {
    let folder = TempDir::new().unwrap();
    let data = folder.path().join("data");
    options(data.clone());
    let conn = keyed(&data);
    conn.execute_batch(text).unwrap();
    conn.execute_batch(extra).unwrap();
    drop(conn);
    folder
}

fn keyed(data: &Path) -> Connection {
    let conn = Connection::open(data.join(DATABASE)).unwrap();
    let hex = fs::read_to_string(data.join("store.key")).unwrap();
    conn.execute_batch(&format!("PRAGMA key = \"x'{}'\";", hex.trim())).unwrap();
    conn
}

fn version(data: &Path) -> i64 {
    keyed(data).query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn a_database_of_schema_1_opens_with_all_it_holds() {
    let folder = frozen("");
    let store = open(&folder);
    let visit: VisitId = VISIT.parse().unwrap();
    let view = store.visit_view(visit).await.unwrap();
    assert_eq!(view.customer, person(CUSTOMER.parse::<CustomerId>().unwrap()));
    assert!(view.agreed(Purpose::ShareNumbers));
    let scan = &view.scans[0];
    assert_eq!(scan.readings[0].item.value.to_string(), "35.00");
    assert_eq!(scan.readings[0].item.repeats.len(), 3);
    assert_eq!(scan.repeats.len(), 1);
    assert_eq!(store.tray("chair-1".to_owned()).await.unwrap().len(), 1);
    assert_eq!(crate::salon::events(&store).await.len(), 4);
    assert!(store.verify_audit().await.unwrap().is_ok());
    // What came later works in it too, and the database from before is kept.
    store.withdraw_report_links(visit, "staff-1".to_owned()).await.unwrap();
    let backup = folder.path().join("data/backups").join(format!("before-schema-{SCHEMA_VERSION}.db"));
    assert!(backup.exists());
    assert!(store.close(LIMIT).await);
    assert_eq!(version(&folder.path().join("data")), SCHEMA_VERSION);
}

/// Schema 3 keeps what HQ has as a prefix and ranges; before, every event carried a mark. What waited must wait, what was
/// acknowledged or refused must not be told again, and an older epoch can still be asked for.
#[tokio::test]
async fn what_hq_had_and_what_waited_is_the_same_after_the_upgrade() {
    let folder = frozen(
        "UPDATE outbox SET state = 1, settled_ms = queued_ms WHERE seq IN (1, 4);
         UPDATE outbox SET state = 2, settled_ms = queued_ms, reason = 'no such state' WHERE seq = 2;
         INSERT INTO outbox SELECT x'01a2001100007714906142036875a434', seq + 6, event, kind, gate, customer, visit, object,
             1, queued_ms, queued_ms, NULL, body FROM outbox WHERE seq = 1;",
    );
    let store = open(&folder);
    let waiting = store.unacknowledged(0, 100, usize::MAX).await.unwrap();
    assert_eq!(waiting.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), [3]);
    let backlog = store.backlog().await.unwrap();
    assert_eq!((backlog.events, backlog.dead_letters), (1, 1));
    assert_eq!(store.dead_letters(5).await.unwrap()[0].reason, "no such state");
    let epoch = store.epoch().await.unwrap();
    assert_eq!((store.last_seq().await.unwrap(), store.oldest_kept().await.unwrap()), (4, 1));
    assert_eq!(store.acknowledge(epoch, 4, Vec::new()).await.unwrap(), 1, "only 3 was left");
    let older = "01a20011-0000-7714-9061-42036875a434".parse().unwrap();
    assert_eq!(store.range(older, 1, 100, 10, usize::MAX).await.unwrap()[0].0, 7);
}

/// Schema 5 knows a value that is sent again without the wall clock; what was remembered before still counts: of the sensor's
/// values 5 and 6 the last one, and the probe's fourth.
#[tokio::test]
async fn what_devices_still_waited_for_is_known_after_the_upgrade() {
    let folder = frozen_as(V4, "");
    let store = open(&folder);
    let before = store.last_seq().await.unwrap();
    let measured = |counter| vec![climate(counter, "22.40", true)].into();
    assert_eq!(store.record_measurements(measured(6)).await.unwrap(), 1, "sent again");
    assert_eq!(store.record_measurements(measured(5)).await.unwrap(), 0, "6 came after the old 5");
    assert_eq!(store.last_seq().await.unwrap(), before + 1);
    assert!(store.record_repeat(new_repeat(None, "36.1", Some(4))).await.unwrap().again);
}

/// Since schema 11 a course counts from the day it was set; one that was set before counts every visit, as it did.
#[tokio::test]
async fn a_course_from_before_counts_as_it_did() {
    let folder = frozen("");
    let store = open(&folder);
    let customer = CUSTOMER.parse::<CustomerId>().unwrap();
    let seen = store.record(customer).await.unwrap();
    assert_eq!(seen.card.course_since, None);
    let since = Timestamp::from_unix_ms(1_795_400_000_000);
    let set = move |_: &mut _, card: &mut skinlink::domain::card::Card| card.course_since = Some(since);
    store.change_record(customer, seen.version, set, "staff-1".to_owned()).await.unwrap();
    assert_eq!(store.card(customer).await.unwrap().course_since, Some(since));
}

/// A visit that was closed under a wall clock years ahead kept its photographs for years: its end came from that clock.
#[tokio::test]
async fn a_visit_closed_under_a_clock_that_ran_ahead_counts_from_the_upgrade() {
    let reached = 1_795_400_000_000_i64;
    let folder = frozen_as(
        V4,
        &format!(
            "DELETE FROM retention_clock;
             INSERT INTO retention_clock VALUES (1, {reached}, x'0000000000004000800000000000b007', 1);
             UPDATE visits SET state = 'closed', closed_ms = {reached} + 86400000 * 3000;"
        ),
    );
    assert!(open(&folder).close(LIMIT).await);
    let ended = "SELECT ended_ms FROM visits";
    let ended: i64 = keyed(&folder.path().join("data")).query_row(ended, [], |row| row.get(0)).unwrap();
    assert_eq!(ended, reached);
}

/// Schema 12 lists what follows a visit: those that ended before the upgrade are on it too.
#[tokio::test]
async fn what_follows_old_visits_is_known_after_the_upgrade() {
    let ended = 1_795_400_000_000_i64;
    for text in [V1, V4] {
        let folder = frozen_as(
            text,
            &format!(
                "UPDATE visits SET state = 'closed', closed_boot = boot, closed_ns = ns, closed_clock = clock,
             closed_ms = {ended};"
            ),
        );
        let store = open(&folder);
        let at = Timestamp::from_unix_ms;
        let today = Zone::UTC.day(at(ended));
        let found = store.ended_visits(at(ended - 1), at(ended + 1), today).await.unwrap();
        assert!(!found.is_empty() && found.iter().all(|one| one.ended.done.is_empty()), "{found:?}");
        store.follow_up(found[0].visit, Kind::Care, true, "b-07".to_owned()).await.unwrap();
        let found = store.ended_visits(at(ended), at(ended + 1), today).await.unwrap();
        assert_eq!(found[0].ended.done, [Kind::Care]);
    }
}

/// Whoever changes an old step instead of adding one is caught here: old databases would lack what new ones have.
#[tokio::test]
async fn an_upgraded_database_has_the_shape_of_a_new_one() {
    let (old, newer, new) = (frozen(""), frozen_as(V4, ""), TempDir::new().unwrap());
    for folder in [&old, &newer, &new] {
        assert!(open(folder).close(LIMIT).await);
    }
    let shape = |folder: &TempDir| {
        let conn = keyed(&folder.path().join("data"));
        let mut select = conn
            .prepare(
                "SELECT m.name, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk FROM sqlite_master m
                 JOIN pragma_table_info(m.name) c UNION ALL
                 SELECT name, tbl_name, type, 0, NULL, 0 FROM sqlite_master WHERE type = 'index' ORDER BY 1, 2",
            )
            .unwrap();
        let columns = select
            .query_map([], |row| Ok((0..6).map(|at| literal(row.get_ref(at).unwrap())).collect::<Vec<_>>().join(" ")))
            .unwrap();
        columns.collect::<Result<Vec<_>, _>>().unwrap()
    };
    assert_eq!(shape(&old), shape(&new));
    assert_eq!(shape(&newer), shape(&new));
    assert!(shape(&new).len() > 150, "the shape was really read: {} columns and indexes", shape(&new).len());
}

/// Something stands in the way of the upgrade: it is undone whole, the data is as it was, and the sentence says so.
#[tokio::test]
async fn an_upgrade_that_fails_leaves_the_data_as_it_was() {
    let folder = frozen("CREATE TABLE links (x INTEGER) STRICT;");
    let data = folder.path().join("data");
    let fault = Store::open(options(data.clone())).unwrap_err();
    assert!(matches!(fault, OpenError::Upgrade { .. }), "{fault}");
    assert!(fault.to_string().contains("as it was"), "{fault}");
    assert_eq!(version(&data), 1);
    let visits: i64 = keyed(&data).query_row("SELECT count(*) FROM visits", [], |row| row.get(0)).unwrap();
    assert_eq!(visits, 1);
    keyed(&data).execute_batch("DROP TABLE links").unwrap();
    open(&folder).visit(VISIT.parse().unwrap()).await.unwrap();
}

/// Writes a database as text, for freezing the next version: copy a closed data folder to `SKINLINK_DUMP` and run
/// `cargo test --test store dump -- --ignored --nocapture`.
#[test]
#[ignore = "a tool for freezing a version, not a test"]
fn dump() {
    let data = std::env::var("SKINLINK_DUMP").expect("SKINLINK_DUMP names the data folder");
    let conn = keyed(Path::new(&data));
    let mut text = String::new();
    let mut select = conn.prepare("SELECT name, type, sql FROM sqlite_master WHERE sql IS NOT NULL").unwrap();
    let mut rows = select.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let (name, kind, sql): (String, String, String) =
            (row.get(0).unwrap(), row.get(1).unwrap(), row.get(2).unwrap());
        writeln!(text, "{sql};").unwrap();
        if kind == "table" {
            dump_rows(&conn, &name, &mut text);
        }
    }
    let version: i64 = conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap();
    println!("PRAGMA foreign_keys = OFF;\nBEGIN;\n{text}COMMIT;\nPRAGMA user_version = {version};");
}

fn dump_rows(conn: &Connection, table: &str, text: &mut String) {
    let mut select = conn.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let columns = select.column_count();
    let mut rows = select.query([]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let values: Vec<String> = (0..columns).map(|at| literal(row.get_ref(at).unwrap())).collect();
        writeln!(text, "INSERT INTO {table} VALUES ({});", values.join(", ")).unwrap();
    }
}

fn literal(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => "NULL".to_owned(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => format!("{number:?}"),
        ValueRef::Text(text) => format!("'{}'", String::from_utf8_lossy(text).replace('\'', "''")),
        ValueRef::Blob(bytes) => format!("x'{}'", hex::encode(bytes)),
    }
}
