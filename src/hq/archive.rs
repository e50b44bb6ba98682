//! Old months: the bodies of their events, some thousand at a time, packed, sealed and put on the shelf as one *segment*;
//! their rows stay without a body. So a key `(gateway, epoch, seq)` and an event's id hold for ever, whatever is archived: a
//! store restored from an old backup may tell again what is years old. Facts and views do not change.
//!
//! A segment is gzip over one JSON line an event: `n, gateway, epoch, seq, received_ms, body`.

use super::{
    HqError,
    database::engine::{Engine, Row, first, only, transaction, values},
    erasure::without_content,
    events::redacted,
    filing::{remove_later, sealed},
    shelf::{Sealed, Shelves},
};
use crate::domain::Timestamp;
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{Read as _, Write},
    ops::Range,
};

/// Events of one segment: some 8 MB of bodies, packed below 1 MB.
const EVENTS: usize = 10_000;

/// One line of a segment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub n: u64,
    pub gateway: String,
    pub epoch: String,
    pub seq: u64,
    pub received_ms: i64,
    pub body: String,
}

/// A month by HQ's clock, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Month {
    pub year: i32,
    /// 1 to 12
    pub month: u32,
}

/// What is archived of a month.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Archived {
    pub month: String,
    pub segments: u64,
    pub events: u64,
    /// Of the bodies before they were packed.
    pub bytes: u64,
}

impl std::str::FromStr for Month {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no month; write it as 2026-03");
        let (year, month) = text.split_once('-').ok_or_else(wrong)?;
        let (year, month) = (year.parse().map_err(|_| wrong())?, month.parse().map_err(|_| wrong())?);
        if !(1..=12).contains(&month) || !(1970..=9999).contains(&year) {
            return Err(wrong());
        }
        Ok(Self { year, month })
    }
}

impl std::fmt::Display for Month {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:04}-{:02}", self.year, self.month)
    }
}

impl Month {
    /// The month of a moment.
    ///
    /// # Panics
    /// Never: a timestamp prints as a date.
    #[must_use]
    pub fn of(at: Timestamp) -> Self {
        at.to_string().get(..7).and_then(|text| text.parse().ok()).expect("a date begins with its month")
    }

    #[must_use]
    pub fn next(self) -> Self {
        let Self { year, month } = self;
        if month == 12 { Self { year: year + 1, month: 1 } } else { Self { year, month: month + 1 } }
    }

    /// Its milliseconds since 1970.
    ///
    /// # Panics
    /// Never: the first of a month is a date.
    #[must_use]
    pub fn span(self) -> Range<i64> {
        let begins = |month: Self| format!("{month}-01T00:00:00.000Z").parse::<Timestamp>().expect("a date").unix_ms();
        begins(self)..begins(self.next())
    }
}

/// Archives every whole month before `before`; how many events that were. Receivers may go on meanwhile. An event without
/// facts yet, or a refused one, stays where it is.
///
/// # Errors
/// The database's or the shelf's; what was archived before stays so.
pub fn archive(engine: &mut dyn Engine, shelves: &Shelves, before: Month, now: Timestamp) -> Result<u64, HqError> {
    let mut all = 0;
    // Reads the whole table once; the order of `n` is no order in time where a clock was set back.
    let oldest: Option<i64> = only(engine, "SELECT min(received_ms) FROM events WHERE segment IS NULL", &[])?;
    let Some(oldest) = oldest else { return Ok(0) };
    let mut month = Month::of(Timestamp::from_unix_ms(oldest));
    while month < before {
        let mut after = 0;
        while let Some((last, events)) = segment(engine, shelves, month, after, now)? {
            (after, all) = (last, all + events);
        }
        month = month.next();
    }
    Ok(all)
}

/// The next segment of a month; the last row looked at, and how many events went.
fn segment(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    month: Month,
    after: u64,
    now: Timestamp,
) -> Result<Option<(u64, u64)>, HqError> {
    let Range { start, end } = month.span();
    let rows = engine.query(
        "SELECT e.n, e.gateway, e.epoch, e.seq, e.received_ms, e.body,
             CASE WHEN e.refused IS NULL AND e.seq <= coalesce(p.upto, 0) THEN 1 ELSE 0 END
         FROM events e LEFT JOIN projected p ON p.gateway = e.gateway AND p.epoch = e.epoch
         WHERE e.n > ?1 AND e.received_ms >= ?2 AND e.received_ms < ?3 AND e.segment IS NULL ORDER BY e.n LIMIT ?4",
        values![after, start, end, EVENTS as u64],
    )?;
    let Some(last) = rows.last() else { return Ok(None) };
    let last = last.get(0)?;
    let may_go = |row: &&Row| row.get::<bool>(6).unwrap_or(false);
    let lines = rows.iter().filter(may_go).map(Line::from_row).collect::<Result<Vec<_>, _>>()?;
    if lines.is_empty() {
        return Ok(Some((last, 0)));
    }
    let place = shelves.place(shelves.newest(), name(&month.to_string()));
    let bytes: u64 = lines.iter().map(|line| line.body.len() as u64).sum();
    shelves.put(&place, &pack(&lines))?;
    // Nothing is taken out of the rows before it can be read there.
    if shelves.get(&place)?.as_deref().map(unpack).transpose()?.as_deref() != Some(&lines[..]) {
        return Err(HqError::Unsealed { name: place.name });
    }
    let events = lines.len() as u64;
    transaction(engine, |engine| {
        let Sealed { which, name, key } = &place;
        let number: i64 = only(
            engine,
            "INSERT INTO segments(month, events, bytes, shelf, object, sealed_key, written_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING n",
            values![&month.to_string(), events, bytes, which.word(), name, key.as_slice(), now.unix_ms()],
        )?;
        for Line { n, body, .. } in &lines {
            // A row that was redacted meanwhile keeps what it holds now, and the segment is written anew without it.
            engine.execute(
                "UPDATE events SET body = CASE WHEN body = ?3 THEN '' ELSE body END, segment = ?2 WHERE n = ?1",
                values![*n, number, body],
            )?;
        }
        let changed: u64 =
            only(engine, "SELECT count(*) FROM events WHERE segment = ?1 AND body <> ''", values![number])?;
        if changed > 0 { write_anew(engine, shelves, number) } else { Ok(()) }
    })?;
    Ok(Some((last, events)))
}

/// A name of its own each time.
fn name(month: &str) -> String {
    format!("archive/{month}/{:016x}.jsonl.gz.sealed", fastrand::u64(..))
}

impl Line {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        let (n, gateway, epoch, seq) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?);
        Ok(Self { n, gateway, epoch, seq, received_ms: row.get(4)?, body: row.get(5)? })
    }
}

fn pack(lines: &[Line]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    for line in lines {
        serde_json::to_writer(&mut packed, line).expect("texts and numbers into memory");
        packed.write_all(b"\n").expect("into memory");
    }
    packed.finish().expect("into memory")
}

fn unpack(bytes: &[u8]) -> Result<Vec<Line>, HqError> {
    let wrong = |reason: String| HqError::Segment { reason };
    let mut text = String::new();
    GzDecoder::new(bytes).read_to_string(&mut text).map_err(|fault| wrong(fault.to_string()))?;
    text.lines().map(|line| serde_json::from_str(line).map_err(|fault| wrong(fault.to_string()))).collect()
}

fn read(engine: &mut dyn Engine, shelves: &Shelves, number: i64) -> Result<(Sealed, Vec<Line>), HqError> {
    let row = first(engine, "SELECT shelf, object, sealed_key FROM segments WHERE n = ?1", values![number])?;
    let place = row.map(|row| sealed(&row, 0)).transpose()?.flatten();
    let place = place.ok_or(HqError::Shape { at: 0, expected: "the segment's row" })?;
    let bytes = shelves.get(&place)?.ok_or_else(|| HqError::Gone { name: place.name.clone() })?;
    Ok((place, unpack(&bytes)?))
}

/// Fills in bodies that are archived: `segment, n, body`.
pub(super) fn bring<'a>(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    wanted: impl Iterator<Item = (i64, u64, &'a mut String)>,
) -> Result<(), HqError> {
    let mut open: Option<(i64, BTreeMap<u64, String>)> = None;
    for (segment, n, body) in wanted {
        if open.as_ref().is_none_or(|(number, _)| *number != segment) {
            let (_, lines) = read(engine, shelves, segment)?;
            open = Some((segment, lines.into_iter().map(|line| (line.n, line.body)).collect()));
        }
        if let Some((_, bodies)) = &mut open {
            *body = bodies.remove(&n).ok_or(HqError::Shape { at: 0, expected: "the archived body" })?;
        }
    }
    Ok(())
}

/// Writes a segment again without what was redacted since; the old object goes from the shelf, and its key with it.
pub(super) fn write_anew(engine: &mut dyn Engine, shelves: &Shelves, number: i64) -> Result<(), HqError> {
    let (old, mut lines) = read(engine, shelves, number)?;
    let rows =
        engine.query("SELECT n, body FROM events WHERE segment = ?1 AND kind = ?2", values![number, &redacted()])?;
    let gone = rows.iter().map(|row| Ok::<_, HqError>((row.get::<u64>(0)?, row.get::<String>(1)?)));
    let gone: BTreeMap<u64, String> = gone.collect::<Result<_, _>>()?;
    for line in &mut lines {
        match gone.get(&line.n) {
            // Redacted by the store: its own words stand in the row.
            Some(body) if !body.is_empty() => line.body.clone_from(body),
            Some(_) => line.body = without_content(&line.body),
            None => {}
        }
    }
    let month: String = only(engine, "SELECT month FROM segments WHERE n = ?1", values![number])?;
    let place = shelves.place(shelves.newest(), name(&month));
    shelves.put(&place, &pack(&lines))?;
    remove_later(engine, Some(&old))?;
    engine.execute(
        "UPDATE segments SET shelf = ?2, object = ?3, sealed_key = ?4 WHERE n = ?1",
        values![number, place.which.word(), &place.name, place.key.as_slice()],
    )?;
    engine.execute("UPDATE events SET body = '' WHERE segment = ?1 AND body <> ''", values![number])?;
    Ok(())
}

/// Writes anew what holds something that was redacted since.
pub(super) fn write_stale_anew(engine: &mut dyn Engine, shelves: &Shelves) -> Result<(), HqError> {
    for row in engine.query("SELECT n FROM stale_segments ORDER BY n", &[])? {
        let number: i64 = row.get(0)?;
        transaction(engine, |engine| {
            write_anew(engine, shelves, number)?;
            engine.execute("DELETE FROM stale_segments WHERE n = ?1", values![number])
        })?;
    }
    Ok(())
}

/// What is archived, by month.
///
/// # Errors
/// The database's.
pub fn list(engine: &mut dyn Engine) -> Result<Vec<Archived>, HqError> {
    let rows = engine.query(
        "SELECT month, count(*), CAST(sum(events) AS BIGINT), CAST(sum(bytes) AS BIGINT) FROM segments
         GROUP BY month ORDER BY month",
        &[],
    )?;
    let archived =
        |row: &Row| Ok(Archived { month: row.get(0)?, segments: row.get(1)?, events: row.get(2)?, bytes: row.get(3)? });
    rows.iter().map(archived).collect()
}

fn segments(engine: &mut dyn Engine, month: Month) -> Result<Vec<i64>, HqError> {
    let rows = engine.query("SELECT n FROM segments WHERE month = ?1 ORDER BY n", values![&month.to_string()])?;
    rows.iter().map(|row| row.get(0)).collect()
}

/// Prints the events of an archived month, one line each, bodies as they came.
///
/// # Errors
/// The database's or the shelf's; a closed output ends it in peace.
pub fn show(engine: &mut dyn Engine, shelves: &Shelves, month: Month, out: &mut impl Write) -> Result<u64, HqError> {
    let mut shown = 0;
    for number in segments(engine, month)? {
        for line in read(engine, shelves, number)?.1 {
            if writeln!(out, "{}", line.body).is_err() {
                return Ok(shown);
            }
            shown += 1;
        }
    }
    Ok(shown)
}

/// Puts the bodies of a month back into their rows and takes its segments off the shelf; how many events.
///
/// # Errors
/// The database's or the shelf's; what was brought back before stays so.
pub fn bring_back(engine: &mut dyn Engine, shelves: &Shelves, month: Month) -> Result<u64, HqError> {
    let mut back = 0;
    for number in segments(engine, month)? {
        let (place, lines) = read(engine, shelves, number)?;
        transaction(engine, |engine| {
            for Line { n, body, .. } in &lines {
                let sql = "UPDATE events SET body = ?2, segment = NULL WHERE n = ?1 AND segment = ?3";
                engine.execute(sql, values![*n, body, number])?;
            }
            remove_later(engine, Some(&place))?;
            engine.execute("DELETE FROM segments WHERE n = ?1", values![number])
        })?;
        back += lines.len() as u64;
    }
    Ok(back)
}
