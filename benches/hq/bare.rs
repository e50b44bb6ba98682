//! The same rows, put into the same table by nothing but the database's own client: what the database can do here.

use crate::{house, salon::Stream, table::Row};
use skinlink::{
    hq::database::Place,
    sync::envelope::{Batch, Event},
};
use std::time::{Duration, Instant};

/// Rows of one commit.
const ROWS: usize = 1_000;

type Raw = (String, String, i64, Event, String);

/// Loads it three ways (PostgreSQL) or one (SQLite) and gives the best.
pub async fn run(side: &str, flood: &[Stream], server: &mut crate::Server) -> Row {
    let rows: Vec<Raw> = flood.iter().flat_map(rows).collect();
    let folder = tempfile::tempdir().unwrap();
    if side == "sqlite" {
        let url = house::url(side, folder.path(), server);
        drop(url.parse::<Place>().unwrap().open().unwrap());
        let took = sqlite(url.strip_prefix("sqlite:").unwrap(), &rows);
        return Row::bare("sqlite: bare loader, 1,000 rows a commit", rows.len() as u64, took);
    }
    let mut took = Vec::new();
    for copy in [false, true] {
        let url = house::url(side, folder.path(), server);
        drop(tokio::task::block_in_place(|| url.parse::<Place>().unwrap().open().unwrap()));
        took.push(postgres(&url, &rows, copy).await);
    }
    let rate = |took: Duration| rows.len() as f64 / took.as_secs_f64();
    Row::bare("postgresql: bare unnest, 1,000 rows a commit", rows.len() as u64, took[0])
        .note(format!("COPY into a temporary table, insert from it: {:.0} events/s", rate(took[1])))
}

fn rows(stream: &Stream) -> Vec<Raw> {
    let mut rows = Vec::new();
    for sent in &stream.sent {
        let batch: Batch = serde_json::from_slice(&sent.payload).unwrap();
        for (seq, raw) in (sent.first..).zip(batch.events) {
            let event = serde_json::from_str(raw.get()).unwrap();
            let seq = i64::try_from(seq).unwrap();
            rows.push((stream.address.gateway.clone(), batch.epoch.clone(), seq, event, raw.get().to_owned()));
        }
    }
    rows
}

fn sqlite(path: &str, rows: &[Raw]) -> Duration {
    let connection = rusqlite::Connection::open(path).unwrap();
    connection
        .execute_batch("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=4000;")
        .unwrap();
    let mut insert = connection
        .prepare(
            "INSERT INTO events(gateway, epoch, seq, id, kind, subject, time, body, received_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0) ON CONFLICT DO NOTHING",
        )
        .unwrap();
    let began = Instant::now();
    for some in rows.chunks(ROWS) {
        connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        for (gateway, epoch, seq, event, body) in some {
            let Event { id, kind, subject, time, .. } = event;
            insert.execute(rusqlite::params![gateway, epoch, seq, id, kind, subject, time, body]).unwrap();
        }
        connection.execute_batch("COMMIT").unwrap();
    }
    began.elapsed()
}

async fn postgres(url: &str, rows: &[Raw], copy: bool) -> Duration {
    let (mut client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
    let driver = tokio::spawn(connection);
    let columns = "gateway, epoch, seq, id, kind, subject, time, body, received_ms";
    client
        .batch_execute("CREATE TEMPORARY TABLE fresh (gateway TEXT, epoch TEXT, seq BIGINT, id TEXT, kind TEXT, subject TEXT, time TEXT, body TEXT)")
        .await
        .unwrap();
    let unnest = client
        .prepare(&format!(
            "INSERT INTO events({columns}) SELECT *, 0 FROM unnest($1::text[], $2::text[], $3::int8[], $4::text[], \
             $5::text[], $6::text[], $7::text[], $8::text[]) ON CONFLICT DO NOTHING"
        ))
        .await
        .unwrap();
    let began = Instant::now();
    for some in rows.chunks(ROWS) {
        let transaction = client.transaction().await.unwrap();
        if copy {
            let sink = transaction.copy_in("COPY fresh FROM STDIN").await.unwrap();
            futures_util::pin_mut!(sink);
            let text = some.iter().map(line).collect::<String>();
            futures_util::SinkExt::send(&mut sink, bytes::Bytes::from(text)).await.unwrap();
            sink.finish().await.unwrap();
            let insert = format!("INSERT INTO events({columns}) SELECT *, 0 FROM fresh ON CONFLICT DO NOTHING");
            transaction.batch_execute(&format!("{insert}; TRUNCATE fresh")).await.unwrap();
        } else {
            let text = |pick: fn(&Raw) -> &str| some.iter().map(pick).collect::<Vec<_>>();
            let seqs: Vec<i64> = some.iter().map(|row| row.2).collect();
            transaction
                .execute(
                    &unnest,
                    &[
                        &text(|row| &row.0),
                        &text(|row| &row.1),
                        &seqs,
                        &text(|row| &row.3.id),
                        &text(|row| &row.3.kind),
                        &text(|row| &row.3.subject),
                        &text(|row| &row.3.time),
                        &text(|row| &row.4),
                    ],
                )
                .await
                .unwrap();
        }
        transaction.commit().await.unwrap();
    }
    let took = began.elapsed();
    drop(client);
    let _ = driver.await;
    took
}

fn line((gateway, epoch, seq, event, body): &Raw) -> String {
    let Event { id, kind, subject, time, .. } = event;
    let body = body.replace('\\', "\\\\");
    format!("{gateway}\t{epoch}\t{seq}\t{id}\t{kind}\t{subject}\t{time}\t{body}\n")
}
