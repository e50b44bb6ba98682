//! The verbs over whole sets, one statement each. Arrays go in, `unnest` makes rows of them.

use super::Postgres;
use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Cell, Held, NewRow, Reach, Stored},
        events::redacted,
        records::tables::{Kind, Table},
        standing,
    },
    sync::topic::Address,
};
use std::collections::{HashMap, HashSet};
use tokio_postgres::types::ToSql;

type Place = (String, String, i64);

/// Rows are locked in the order of `gateways`, so that two receivers never wait for each other in a circle.
pub(super) fn heard(
    postgres: &mut Postgres,
    gateways: &[(&Address, bool)],
    at: Timestamp,
) -> Result<Vec<String>, HqError> {
    let names: Vec<&str> = gateways.iter().map(|(address, _)| address.gateway.as_str()).collect();
    let stores: Vec<&str> = gateways.iter().map(|(address, _)| address.store.as_str()).collect();
    let heard: Vec<i64> = gateways.iter().map(|(_, now)| if *now { at.unix_ms() } else { 0 }).collect();
    let rows = postgres.set(
        "INSERT INTO gateways(gateway, store, first_heard_ms, last_heard_ms)
         SELECT gateway, store, ?4, heard FROM unnest(?1::text[], ?2::text[], ?3::int8[]) AS t(gateway, store, heard)
         ORDER BY gateway COLLATE \"C\"
         ON CONFLICT (gateway) DO UPDATE SET
             last_heard_ms = CASE WHEN excluded.last_heard_ms > 0 THEN excluded.last_heard_ms ELSE gateways.last_heard_ms END
         RETURNING gateway, store",
        &[&names, &stores, &heard, &at.unix_ms()],
    )?;
    let mut known: HashMap<String, String> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    names.iter().map(|name| known.remove(*name).ok_or(HqError::Shape { at: 0, expected: "every gateway" })).collect()
}

pub(super) fn begin_epochs(
    postgres: &mut Postgres,
    epochs: &[(&str, &str)],
    at: Timestamp,
) -> Result<Vec<u64>, HqError> {
    let (gateways, names): (Vec<&str>, Vec<&str>) = epochs.iter().copied().unzip();
    postgres.set(
        "INSERT INTO streams(gateway, epoch, begun_ms)
         SELECT gateway, epoch, ?3 FROM unnest(?1::text[], ?2::text[]) AS t(gateway, epoch) ON CONFLICT DO NOTHING",
        &[&gateways, &names, &at.unix_ms()],
    )?;
    let rows = postgres
        .set("SELECT gateway, count(*) FROM streams WHERE gateway = ANY(?1::text[]) GROUP BY gateway", &[&gateways])?;
    let known: HashMap<&str, i64> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    Ok(gateways.iter().map(|gateway| known.get(gateway).map_or(0, |count| count.unsigned_abs())).collect())
}

pub(super) fn store(postgres: &mut Postgres, rows: &[NewRow<'_>], at: Timestamp) -> Result<Vec<bool>, HqError> {
    fn each<'a, T>(rows: &'a [NewRow<'a>], pick: fn(&'a NewRow<'a>) -> T) -> Vec<T> {
        rows.iter().map(pick).collect()
    }
    let stored = postgres.set(
        "INSERT INTO events(gateway, epoch, seq, id, kind, subject, time, body, refused, received_ms, same_as)
         SELECT t.gateway, t.epoch, t.seq, t.id, t.kind, t.subject, t.time, t.body, t.refused, ?11,
             CASE WHEN t.may_be_here THEN
                 (SELECT min(e.n) FROM events e WHERE e.id = t.id AND e.gateway = t.gateway
                  AND NOT (e.epoch = t.epoch AND e.seq = t.seq) AND e.refused IS NULL AND e.kind <> ?12)
             END
         FROM unnest(?1::text[], ?2::text[], ?3::int8[], ?4::text[], ?5::text[], ?6::text[], ?7::text[], ?8::text[],
                     ?9::text[], ?10::bool[])
             AS t(gateway, epoch, seq, id, kind, subject, time, body, refused, may_be_here)
         ON CONFLICT (gateway, epoch, seq) DO NOTHING RETURNING gateway, epoch, seq",
        &[
            &each(rows, |row| row.from.gateway.as_str()),
            &each(rows, |row| row.epoch),
            &each(rows, |row| signed(row.seq)),
            &each(rows, |row| row.id),
            &each(rows, |row| row.kind),
            &each(rows, |row| row.subject),
            &each(rows, |row| row.time),
            &each(rows, |row| row.body),
            &each(rows, |row| row.refused),
            &each(rows, |row| row.may_be_here),
            &at.unix_ms(),
            &redacted(),
        ],
    )?;
    if stored.len() == rows.len() {
        return Ok(vec![true; rows.len()]);
    }
    let stored: HashSet<Place> = stored.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect();
    Ok(rows.iter().map(|row| stored.contains(&place(row))).collect())
}

pub(super) fn came_again(postgres: &mut Postgres, rows: &[&NewRow<'_>]) -> Result<Vec<Held>, HqError> {
    let gateways: Vec<&str> = rows.iter().map(|row| row.from.gateway.as_str()).collect();
    let epochs: Vec<&str> = rows.iter().map(|row| row.epoch).collect();
    let seqs: Vec<i64> = rows.iter().map(|row| signed(row.seq)).collect();
    postgres.set(
        "UPDATE streams s SET redeliveries = s.redeliveries + t.times
         FROM (SELECT gateway, epoch, count(*) AS times FROM unnest(?1::text[], ?2::text[]) AS a(gateway, epoch)
               GROUP BY gateway, epoch) AS t
         WHERE s.gateway = t.gateway AND s.epoch = t.epoch",
        &[&gateways, &epochs],
    )?;
    let found = postgres.set(
        "SELECT e.gateway, e.epoch, e.seq, e.id, e.kind, e.refused
         FROM unnest(?1::text[], ?2::text[], ?3::int8[]) AS t(gateway, epoch, seq)
         JOIN events e ON e.gateway = t.gateway AND e.epoch = t.epoch AND e.seq = t.seq",
        &[&gateways, &epochs, &seqs],
    )?;
    let mut held: HashMap<Place, Held> = found
        .iter()
        .map(|row| {
            let held = Held { id: row.get(3), kind: row.get(4), refused: row.get(5) };
            ((row.get(0), row.get(1), row.get(2)), held)
        })
        .collect();
    rows.iter()
        .map(|row| held.remove(&place(row)).ok_or(HqError::Shape { at: 0, expected: "the row that is there" }))
        .collect()
}

pub(super) fn taken_out(postgres: &mut Postgres, rows: &[&NewRow<'_>]) -> Result<Vec<u64>, HqError> {
    let gateways: Vec<&str> = rows.iter().map(|row| row.from.gateway.as_str()).collect();
    let ids: Vec<&str> = rows.iter().map(|row| row.id).collect();
    let found = postgres.set(
        "SELECT DISTINCT e.n FROM unnest(?1::text[], ?2::text[]) AS a(gateway, id)
         JOIN events e ON e.id = a.id AND e.gateway = a.gateway
         JOIN streams s ON s.gateway = e.gateway AND s.epoch = e.epoch
         WHERE e.kind <> ?3 AND e.refused IS NULL AND EXISTS (
             SELECT 1 FROM events r JOIN streams t ON t.gateway = r.gateway AND t.epoch = r.epoch
             WHERE r.id = e.id AND r.gateway = e.gateway AND r.kind = ?3 AND r.refused IS NULL
             AND (s.begun_ms, e.seq) < (t.begun_ms, r.seq))
         ORDER BY e.n",
        &[&gateways, &ids, &redacted()],
    )?;
    Ok(found.iter().map(|row| row.get::<_, i64>(0).unsigned_abs()).collect())
}

/// From each epoch's prefix on, one look-up for each number until one is missing; what just came in need not be looked up.
pub(super) fn advance(postgres: &mut Postgres, stored: &[Stored<'_>]) -> Result<Vec<Reach>, HqError> {
    let ranges = || stored.iter().flat_map(|stream| stream.ranges.iter().map(move |range| (stream, range)));
    let gateways: Vec<&str> = ranges().map(|(stream, _)| stream.gateway).collect();
    let epochs: Vec<&str> = ranges().map(|(stream, _)| stream.epoch).collect();
    let (first, last): (Vec<i64>, Vec<i64>) =
        ranges().map(|(_, (first, last))| (signed(*first), signed(*last))).unzip();
    let rows = postgres.set(
        "WITH RECURSIVE touched AS (
             SELECT s.gateway, s.epoch, s.upto AS had, max(t.last) AS top,
                 greatest(s.upto, max(t.last) FILTER (WHERE t.first <= s.upto + 1)) AS start
             FROM unnest(?1::text[], ?2::text[], ?3::int8[], ?4::int8[]) AS t(gateway, epoch, first, last)
             JOIN streams s ON s.gateway = t.gateway AND s.epoch = t.epoch
             GROUP BY s.gateway, s.epoch, s.upto
         ), run AS (
             SELECT gateway, epoch, start AS seq FROM touched
             UNION ALL
             SELECT r.gateway, r.epoch, e.seq FROM run r
             JOIN events e ON e.gateway = r.gateway AND e.epoch = r.epoch AND e.seq = r.seq + 1
         ), ends AS (SELECT gateway, epoch, max(seq) AS upto FROM run GROUP BY gateway, epoch)
         UPDATE streams s SET upto = ends.upto, last_seq = greatest(s.last_seq, touched.top)
         FROM ends JOIN touched ON touched.gateway = ends.gateway AND touched.epoch = ends.epoch
         WHERE s.gateway = ends.gateway AND s.epoch = ends.epoch
         RETURNING s.gateway, s.epoch, s.upto, s.last_seq,
             (SELECT min(a.seq) FROM alarms a WHERE a.gateway = s.gateway AND a.epoch = s.epoch AND a.seq > 0),
             EXISTS (SELECT 1 FROM lost l WHERE l.gateway = s.gateway AND l.epoch = s.epoch
                     AND l.first <= s.upto + 1 AND l.last > s.upto),
             touched.had",
        &[&gateways, &epochs, &first, &last],
    )?;
    let mut reached: HashMap<(String, String), Reach> = rows
        .iter()
        .map(|row| {
            let conflict = row.get::<_, Option<i64>>(4).map(i64::unsigned_abs);
            let (upto, last_seq) = (row.get::<_, i64>(2).unsigned_abs(), row.get::<_, i64>(3).unsigned_abs());
            let before = row.get::<_, i64>(6).unsigned_abs();
            ((row.get(0), row.get(1)), Reach { upto, before, last_seq, conflict, before_lost: row.get(5) })
        })
        .collect();
    let mut reaches = Vec::with_capacity(stored.len());
    for Stored { gateway, epoch, .. } in stored {
        let mut reach = reached
            .remove(&((*gateway).to_owned(), (*epoch).to_owned()))
            .ok_or(HqError::Shape { at: 0, expected: "every epoch" })?;
        if reach.before_lost {
            standing::advance(postgres, gateway, epoch, (0, 0))?;
            reach.upto = standing::prefix(postgres, gateway, epoch)?;
        }
        reaches.push(reach);
    }
    Ok(reaches)
}

/// One array a column.
pub(super) fn fill(postgres: &mut Postgres, table: &Table, rows: &[&[Cell]]) -> Result<(), HqError> {
    let columns: Vec<&str> = table.row().map(|(name, _)| *name).collect();
    let arrays: Vec<String> = (1..)
        .zip(table.row())
        .map(|(at, (_, kind))| match kind {
            Kind::Text => format!("?{at}::text[]"),
            Kind::Int => format!("?{at}::int8[]"),
            Kind::Real => format!("?{at}::float8[]"),
        })
        .collect();
    let sql = format!(
        "INSERT INTO {} ({}) SELECT * FROM unnest({}) ON CONFLICT DO NOTHING",
        table.name,
        columns.join(", "),
        arrays.join(", ")
    );
    let values: Vec<Box<dyn ToSql + Sync + '_>> =
        table.row().enumerate().map(|(at, (_, kind))| array(*kind, rows.iter().map(move |row| row.get(at)))).collect();
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as _).collect();
    postgres.set(&sql, &values).map(drop)
}

fn array<'a>(kind: Kind, cells: impl Iterator<Item = Option<&'a Cell>>) -> Box<dyn ToSql + Sync + 'a> {
    match kind {
        Kind::Text => Box::new(
            cells
                .map(|cell| match cell {
                    Some(Cell::Text(value)) => Some(value.as_str()),
                    _ => None,
                })
                .collect::<Vec<_>>(),
        ),
        Kind::Int => Box::new(
            cells
                .map(|cell| match cell {
                    Some(Cell::Int(value)) => Some(*value),
                    _ => None,
                })
                .collect::<Vec<_>>(),
        ),
        Kind::Real => Box::new(
            cells
                .map(|cell| match cell {
                    Some(Cell::Real(value)) => Some(*value),
                    _ => None,
                })
                .collect::<Vec<_>>(),
        ),
    }
}

fn place(row: &NewRow<'_>) -> Place {
    (row.from.gateway.clone(), row.epoch.to_owned(), signed(row.seq))
}

/// Sequences are held to 63 bits at the door.
fn signed(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
