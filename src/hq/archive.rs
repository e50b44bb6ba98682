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
    filing::{kept_after_all, remove_after_all, remove_later, remove_unless_named, sealed},
    shelf::{Sealed, Shelves},
    waits,
};
use crate::{domain::Timestamp, sync::envelope::Event};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    io::{Read as _, Write},
    ops::Range,
};
use tokio::time::Instant;

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
    let (mut all, begun) = (0, Instant::now());
    // Reads the whole table once; the order of `n` is no order in time where a clock was set back.
    let oldest: Option<i64> = transaction(engine, |engine| {
        engine.take_time()?;
        only(engine, "SELECT min(received_ms) FROM events WHERE segment IS NULL", &[])
    })?;
    let Some(oldest) = oldest else { return Ok(0) };
    let mut month = Month::of(Timestamp::from_unix_ms(oldest));
    while month < before {
        let mut after = Place::default();
        // A place is kept for a quarter of an hour, and this may take longer.
        let by_now =
            || Timestamp::from_unix_ms(now.unix_ms() + i64::try_from(begun.elapsed().as_millis()).unwrap_or(0));
        while let Some((last, events)) = segment(engine, shelves, month, &after, by_now())? {
            (after, all) = (last, all + events);
        }
        month = month.next();
    }
    Ok(all)
}

/// The key of an event: gateway, epoch, sequence.
type Place = (String, String, u64);

/// The next segment of a month; the last row looked at, and how many events went. In the order of their keys, since facts are made again
/// in that order: a segment that held a few events of every store would be read once for each of them.
/// It is put on its shelf in no transaction, since a shelf that takes its time must hold up nobody's commits; then the rows let go of
/// their contents in one, if they still have them: where something was taken out of them meanwhile, it is written anew.
fn segment(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    month: Month,
    after: &Place,
    now: Timestamp,
) -> Result<Option<(Place, u64)>, HqError> {
    loop {
        let Some((last, lines)) = waiting(engine, month, after)? else { return Ok(None) };
        if lines.is_empty() {
            return Ok(Some((last, 0)));
        }
        let place = announced(engine, shelves, &month.to_string(), now)?;
        let put = put_away(shelves, &lines, &place).and_then(|()| let_go(engine, month, &lines, &place, now));
        if !matches!(put, Ok(true)) {
            remove_after_all(engine, &place)?;
        }
        if put? {
            return Ok(Some((last, lines.len() as u64)));
        }
    }
}

fn took_too_long(place: &Sealed) -> HqError {
    HqError::Objects { name: place.name.clone(), reason: "writing it took longer than its place was kept".to_owned() }
}

/// A place for a segment, among the removals until a row names it: where this ends in between, nothing lies there for ever.
fn announced(engine: &mut dyn Engine, shelves: &Shelves, month: &str, now: Timestamp) -> Result<Sealed, HqError> {
    let place = shelves.place(shelves.newest(), name(month));
    remove_unless_named(engine, &place, now)?;
    Ok(place)
}

/// The next rows of a month: the last one's key, and what may go of them. A database in one file is held for the time of the
/// reading.
fn waiting(
    engine: &mut dyn Engine,
    month: Month,
    (gateway, epoch, seq): &Place,
) -> Result<Option<(Place, Vec<Line>)>, HqError> {
    let Range { start, end } = month.span();
    let rows = transaction(engine, |engine| {
        engine.take_time()?;
        engine.query(
            "SELECT e.n, e.gateway, e.epoch, e.seq, e.received_ms, e.body,
                 CASE WHEN e.refused IS NULL AND e.seq <= coalesce(p.upto, 0) THEN 1 ELSE 0 END
             FROM events e LEFT JOIN projected p ON p.gateway = e.gateway AND p.epoch = e.epoch
             WHERE (e.gateway, e.epoch, e.seq) > (?1, ?2, ?3) AND e.received_ms >= ?4 AND e.received_ms < ?5
             AND e.segment IS NULL ORDER BY e.gateway, e.epoch, e.seq LIMIT ?6",
            values![gateway, epoch, *seq, start, end, EVENTS as u64],
        )
    })?;
    let Some(last) = rows.last() else { return Ok(None) };
    let last = (last.get(1)?, last.get(2)?, last.get(3)?);
    let may_go = |row: &&Row| row.get::<bool>(6).unwrap_or(false);
    let lines = rows.iter().filter(may_go).map(Line::from_row).collect::<Result<_, _>>()?;
    Ok(Some((last, lines)))
}

/// Nothing is taken out of the rows before it can be read there.
fn put_away(shelves: &Shelves, lines: &[Line], place: &Sealed) -> Result<(), HqError> {
    shelves.put(place, &pack(lines))?;
    match shelves.get(place)?.as_deref().map(unpack).transpose()?.as_deref() {
        Some(there) if there == lines => Ok(()),
        _ => Err(HqError::Unsealed { name: place.name.clone() }),
    }
}

/// Takes the contents out of the rows, which name the segment from then on; `false`, with nothing done, where a row has another content, or
/// no facts any more, by now. Everyone else is kept from taking content out of events meanwhile.
fn let_go(
    engine: &mut dyn Engine,
    month: Month,
    lines: &[Line],
    place: &Sealed,
    now: Timestamp,
) -> Result<bool, HqError> {
    let bytes: u64 = lines.iter().map(|line| line.body.len() as u64).sum();
    let (mut others, mut late) = (false, false);
    let done = transaction(engine, |engine| {
        engine.take_time()?;
        engine.keep_records(true)?;
        let Sealed { which, name, key } = place;
        let number: i64 = only(
            engine,
            "INSERT INTO segments(month, events, bytes, shelf, object, sealed_key, written_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING n",
            values![&month.to_string(), lines.len() as u64, bytes, which.word(), name, key.as_slice(), now.unix_ms()],
        )?;
        for Line { n, body, .. } in lines {
            let sql = "UPDATE events SET body = '', segment = ?2 WHERE n = ?1 AND segment IS NULL AND body = ?3
                AND EXISTS (SELECT 1 FROM projected p WHERE p.gateway = events.gateway AND p.epoch = events.epoch
                    AND events.seq <= p.upto)";
            if engine.execute(sql, values![*n, number, body])? == 0 {
                others = true;
                // Whatever ends the transaction without effect: nobody reads it.
                return Err(HqError::Stopped);
            }
        }
        late = !kept_after_all(engine, place)?;
        if late { Err(took_too_long(place)) } else { Ok(()) }
    });
    if late {
        // Somebody has removed what did not lie there yet: it is to be removed once more.
        remove_later(engine, Some(place))?;
    }
    match done {
        Err(_) if others => Ok(false),
        done => done.map(|()| true),
    }
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

    fn is_redacted(&self) -> bool {
        serde_json::from_str::<Event>(&self.body).is_ok_and(|event| event.kind == redacted())
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

/// Where a segment lies.
fn named(engine: &mut dyn Engine, number: i64) -> Result<Sealed, HqError> {
    let row = first(engine, "SELECT shelf, object, sealed_key FROM segments WHERE n = ?1", values![number])?;
    let place = row.map(|row| sealed(&row, 0)).transpose()?.flatten();
    place.ok_or_else(|| HqError::Segment { reason: format!("no row names segment {number}") })
}

/// A segment as it counts now: without what was taken out since it was written.
fn read(engine: &mut dyn Engine, shelves: &Shelves, number: i64) -> Result<(Sealed, Vec<Line>), HqError> {
    let mut place = named(engine, number)?;
    let bytes = loop {
        if let Some(bytes) = shelves.get(&place)? {
            break bytes;
        }
        // Perhaps it was written anew while it was fetched, and what lay there is gone.
        let now = named(engine, number)?;
        if now.name == place.name {
            return Err(HqError::Gone { name: place.name });
        }
        place = now;
    };
    let mut lines = unpack(&bytes)?;
    let rows =
        engine.query("SELECT n, body FROM events WHERE segment = ?1 AND kind = ?2", values![number, &redacted()])?;
    let gone = rows.iter().map(|row| Ok::<_, HqError>((row.get::<u64>(0)?, row.get::<String>(1)?)));
    let gone: BTreeMap<u64, String> = gone.collect::<Result<_, _>>()?;
    for line in &mut lines {
        match gone.get(&line.n) {
            // Redacted by the store: its own words stand in the row.
            Some(body) if !body.is_empty() => line.body.clone_from(body),
            // Written anew since: what stands there says why.
            Some(_) if line.is_redacted() => {}
            Some(_) => line.body = without_content(&line.body),
            None => {}
        }
    }
    Ok((place, lines))
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
            let missing = || HqError::Segment { reason: format!("event {n} is not in segment {segment}") };
            *body = bodies.remove(&n).ok_or_else(missing)?;
        }
    }
    Ok(())
}

/// Writes a segment again without what was taken out since; the old object goes from the shelf, and its key with it. Read and
/// written outside of any transaction, so that a shelf that takes its time holds nobody up; it counts only if nothing was taken
/// out meanwhile and nobody else has written it. `false`: it is to be tried again.
fn write_anew(engine: &mut dyn Engine, shelves: &Shelves, number: i64, place: &Sealed) -> Result<bool, HqError> {
    let before = taken_out(engine, number)?;
    let (old, lines) = read(engine, shelves, number)?;
    shelves.put(place, &pack(&lines))?;
    transaction(engine, |engine| {
        engine.take_time()?;
        engine.keep_records(true)?;
        if !is_as_read(engine, number, &old, before)? || !kept_after_all(engine, place)? {
            return Ok(false);
        }
        remove_later(engine, Some(&old))?;
        engine.execute(
            "UPDATE segments SET shelf = ?2, object = ?3, sealed_key = ?4 WHERE n = ?1",
            values![number, place.which.word(), &place.name, place.key.as_slice()],
        )?;
        engine.execute("UPDATE events SET body = '' WHERE segment = ?1 AND body <> ''", values![number])?;
        engine.execute("DELETE FROM stale_segments WHERE n = ?1", values![number])?;
        waits::over(engine, &waits::segment(number))?;
        Ok(true)
    })
}

/// How many events of a segment were taken out; none ever comes back.
fn taken_out(engine: &mut dyn Engine, number: i64) -> Result<u64, HqError> {
    let sql = "SELECT count(*) FROM events WHERE segment = ?1 AND kind = ?2";
    only(engine, sql, values![number, &redacted()])
}

/// Whether a segment still lies where it was read, and nothing was taken out of it since.
fn is_as_read(engine: &mut dyn Engine, number: i64, place: &Sealed, taken: u64) -> Result<bool, HqError> {
    let named = "SELECT 1 FROM segments WHERE n = ?1 AND object = ?2";
    let named = first(engine, named, values![number, &place.name])?.is_some();
    Ok(named && taken_out(engine, number)? == taken)
}

/// Writes anew what holds something that was taken out since. A segment that cannot be read or written now waits, and is
/// listed; the others do not wait for it. Gives what the shelves said.
pub(super) fn write_stale_anew(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    now: Timestamp,
) -> Result<Vec<HqError>, HqError> {
    let mut faults = Vec::new();
    let stale = engine
        .query("SELECT t.n, s.month FROM stale_segments t LEFT JOIN segments s ON s.n = t.n ORDER BY t.n", &[])?;
    for row in stale {
        let number: i64 = row.get(0)?;
        let Some(month) = row.get::<Option<String>>(1)? else {
            // Brought back by an older program, which left this behind.
            engine.execute("DELETE FROM stale_segments WHERE n = ?1", values![number])?;
            continue;
        };
        let place = announced(engine, shelves, &month, now)?;
        let done = write_anew(engine, shelves, number, &place);
        if !matches!(done, Ok(true)) {
            remove_after_all(engine, &place)?;
        }
        match done {
            Err(fault) if fault.is_of_a_shelf() => {
                // Brought back into the rows meanwhile, it waits for nothing.
                if first(engine, "SELECT 1 FROM stale_segments WHERE n = ?1", values![number])?.is_some() {
                    waits::note(engine, &waits::segment(number), &fault, now)?;
                    faults.push(fault);
                }
            }
            done => drop(done?),
        }
    }
    Ok(faults)
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
        loop {
            let events = put_back(engine, shelves, number);
            // Somebody else may have brought it back meanwhile.
            if first(engine, "SELECT 1 FROM segments WHERE n = ?1", values![number])?.is_none() {
                back += events.ok().flatten().unwrap_or(0);
                break;
            }
            events?;
        }
    }
    Ok(back)
}

/// One segment back into its rows; `None`, with nothing done, where something was taken out, or it was written anew, since it was
/// read. Read in no transaction: a shelf that takes its time must hold up nobody's commits.
fn put_back(engine: &mut dyn Engine, shelves: &Shelves, number: i64) -> Result<Option<u64>, HqError> {
    let before = taken_out(engine, number)?;
    let (place, lines) = read(engine, shelves, number)?;
    transaction(engine, |engine| {
        engine.take_time()?;
        // What is taken out from now on is taken out of the rows.
        engine.keep_records(true)?;
        if !is_as_read(engine, number, &place, before)? {
            return Ok(None);
        }
        for Line { n, body, .. } in &lines {
            let sql = "UPDATE events SET body = ?2, segment = NULL WHERE n = ?1 AND segment = ?3";
            engine.execute(sql, values![*n, body, number])?;
        }
        remove_later(engine, Some(&place))?;
        engine.execute("DELETE FROM stale_segments WHERE n = ?1", values![number])?;
        waits::over(engine, &waits::segment(number))?;
        engine.execute("DELETE FROM segments WHERE n = ?1", values![number])?;
        Ok(Some(lines.len() as u64))
    })
}
