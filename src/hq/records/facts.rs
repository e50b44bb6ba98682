//! One event to the facts it states. What has no table says nothing here: slices of pictures, `redacted.v1`, kinds that are
//! newer than this program.

use super::tables::{self, Table};
use crate::{
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Cell, Row},
    },
    sync::{
        envelope::{Event, TYPE_PREFIX},
        payload::{self, kind},
        sheet,
    },
};
use serde::de::DeserializeOwned;

/// Bytes of a text by which people look: an entry of PostgreSQL's indexes holds some 2,700, of all its columns together.
pub const LONGEST_KEY: usize = 1_000;

/// One row of a table of facts.
#[derive(Debug)]
pub struct Fact {
    pub table: &'static Table,
    pub cells: Vec<Cell>,
}

impl Fact {
    /// A text among its columns.
    #[must_use]
    pub fn text(&self, column: &str) -> Option<&str> {
        let at = self.table.row().position(|(name, _)| *name == column)?;
        match self.cells.get(at) {
            Some(Cell::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A column by which people look that holds more than an index can.
    fn too_long(&self) -> Option<&'static str> {
        let keys = self.table.indexes.iter().flat_map(|columns| columns.iter().copied()).chain(["boot"]);
        keys.into_iter().find(|key| self.text(key).is_some_and(|text| text.len() > LONGEST_KEY))
    }

    /// A whole number among its columns.
    #[must_use]
    pub fn int(&self, column: &str) -> Option<i64> {
        let at = self.table.row().position(|(name, _)| *name == column)?;
        match self.cells.get(at) {
            Some(Cell::Int(value)) => Some(*value),
            _ => None,
        }
    }

    /// The event it was read from.
    #[must_use]
    pub fn n(&self) -> Option<u64> {
        match self.cells.first() {
            Some(Cell::Int(n)) => u64::try_from(*n).ok(),
            _ => None,
        }
    }
}

/// An event as it lies in the table, with its place.
#[derive(Debug)]
pub struct Told {
    pub n: u64,
    pub store: String,
    pub gateway: String,
    /// When HQ first heard of the epoch: orders the lives of a gateway.
    pub era: i64,
    pub seq: u64,
    pub received_ms: i64,
    /// It had facts before, which are only made again.
    pub again: bool,
    /// Where its body lies, if it is not here.
    segment: Option<i64>,
    body: String,
}

impl Told {
    /// Reads `n, seq, received_ms, body, segment`.
    ///
    /// # Errors
    /// Where the statement does not fit.
    pub fn from_row(row: &Row, store: &str, gateway: &str, era: i64) -> Result<Self, HqError> {
        let (store, gateway) = (store.to_owned(), gateway.to_owned());
        let (n, seq, received_ms, body, segment) = (row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok(Self { n, store, gateway, era, seq, received_ms, again: false, segment, body })
    }

    /// Segment, number and the place for its body, where that is archived.
    pub fn away(&mut self) -> Option<(i64, u64, &mut String)> {
        self.segment.map(|segment| (segment, self.n, &mut self.body))
    }

    /// What it states; nothing where it cannot be read, since then it was refused.
    #[must_use]
    pub fn facts(&self) -> Vec<Fact> {
        let Ok(event) = serde_json::from_str::<Event>(&self.body) else { return Vec::new() };
        let said = said(&event).unwrap_or_default();
        let number = |at: usize| i64::try_from(at).unwrap_or(i64::MAX);
        let common = |item: usize| self.common(&event, number(item));
        said.into_iter()
            .enumerate()
            .map(|(item, (table, cells))| Fact { table, cells: common(item).into_iter().chain(cells).collect() })
            // Taken in by an older program; one such row must not keep all others from becoming facts.
            .filter(|fact| fact.too_long().is_none())
            .collect()
    }

    /// The [`tables::COMMON`] columns.
    fn common(&self, event: &Event, item: i64) -> Vec<Cell> {
        let at = event.time.parse().map_or(self.received_ms, Timestamp::unix_ms);
        let int = |value: u64| Cell::Int(i64::try_from(value).unwrap_or(i64::MAX));
        vec![
            int(self.n),
            Cell::Int(item),
            text(&self.store),
            text(&self.gateway),
            Cell::Int(self.era),
            int(self.seq),
            Cell::Int(at),
            text(&event.clock),
            text(&event.boot),
            event.monotonicns.parse().map_or(Cell::Null, int),
        ]
    }
}

/// What an event says in a column by which people look, and is longer than an index can hold: its name.
#[must_use]
pub fn too_long(event: &Event) -> Option<&'static str> {
    let blank = |_: &(&str, tables::Kind)| Cell::Null;
    let facts = said(event)?
        .into_iter()
        .map(|(table, cells)| Fact { table, cells: tables::COMMON.iter().map(blank).chain(cells).collect() });
    let boot = (event.boot.len() > LONGEST_KEY).then_some("boot");
    boot.or_else(|| facts.into_iter().find_map(|fact| fact.too_long()))
}

type Said = Vec<(&'static Table, Vec<Cell>)>;

fn said(event: &Event) -> Option<Said> {
    let data = event.data.get();
    Some(match event.kind.strip_prefix(TYPE_PREFIX)? {
        kind::VISIT => vec![(&tables::VISITS, visit(read(data)?))],
        kind::SCAN => vec![(&tables::SCANS, scan(read(data)?))],
        kind::READING => vec![(&tables::READINGS, reading(read(data)?))],
        kind::MEASUREMENT => measurement(&serde_json::from_str(data).ok()?),
        kind::CAPTURE => vec![(&tables::CAPTURES, capture(read(data)?))],
        kind::SCORE => vec![(&tables::SCORES, score(read(data)?))],
        kind::COMPARISON => comparison(&read(data)?),
        kind::CONSENT => vec![(&tables::CONSENTS, consent(read(data)?))],
        kind::VOIDED => vec![(&tables::VOIDED, voided(read(data)?))],
        kind::REASSIGNED => vec![(&tables::MOVED, moved(read(data)?))],
        kind::ALIAS => vec![(&tables::ALIASES, alias(read(data)?))],
        kind::FEEDBACK => vec![(&tables::FEEDBACK, feedback(read(data)?))],
        kind::SHEET => service_sheet(read(data)?),
        kind::REPORT => vec![(&tables::REPORTS, report(&read(data)?)?)],
        kind::ERASED => vec![(&tables::ERASED, erased(read(data)?))],
        kind::ANSWER => vec![(&tables::ANSWERS, answer(read(data)?))],
        kind::CLOCK => vec![(&tables::CLOCKS, clock(read(data)?))],
        _ => return None,
    })
}

fn read<T: DeserializeOwned>(data: &str) -> Option<T> {
    serde_json::from_str(data).ok()
}

fn visit(said: payload::Visit) -> Vec<Cell> {
    let payload::Visit { visit, customer, station, beautician, state, version, steps } = said;
    let texts = [visit, customer, station, beautician, state].map(Cell::Text);
    texts.into_iter().chain([whole(version), list(&steps)]).collect()
}

fn scan(said: payload::Scan) -> Vec<Cell> {
    let payload::Scan { scan, visit, phase, state } = said;
    [scan, visit, phase, state].map(Cell::Text).into()
}

fn reading(said: payload::Reading) -> Vec<Cell> {
    let payload::Reading { reading, visit, scan, phase, metric, region, value, unit, spread, repeats, device } = said;
    let number = number(&value);
    let mut cells: Vec<Cell> = [reading, visit, scan, phase, metric, region, value].map(Cell::Text).into();
    cells.extend([number, Cell::Text(unit), real(spread), whole(repeats.len() as u64)]);
    cells.extend(from_device(&device));
    cells
}

fn measurement(said: &payload::Measurement<'_>) -> Said {
    let payload::Measurement { station, counter, flags, values, device } = said;
    let row = |one: &payload::Measured<'_>| {
        let payload::Measured { metric, region, value, unit } = one;
        let mut cells = vec![text(station), counter.map_or(Cell::Null, whole), list(flags), text(metric)];
        cells.extend([region.as_deref().map_or(Cell::Null, text), text(value), number(value), text(unit)]);
        cells.extend(from_device(device));
        (&tables::MEASUREMENTS, cells)
    };
    values.iter().map(row).collect()
}

fn capture(said: payload::Capture) -> Vec<Cell> {
    let payload::Capture { capture, visit, scan, phase, view, light, format, width, height, bytes, sha256, complaints } =
        said;
    let mut cells: Vec<Cell> = [capture, visit, scan, phase, view, light, format].map(Cell::Text).into();
    cells.extend([whole(width.into()), whole(height.into()), whole(bytes), Cell::Text(sha256), list(&complaints)]);
    cells
}

fn score(said: payload::Score) -> Vec<Cell> {
    let payload::Score { score, capture, visit, scan, phase, metric, region, value, unit, engine } = said;
    let payload::Engine { model, model_version, model_digest, provider } = engine;
    let number = number(&value);
    let mut cells: Vec<Cell> = [score, capture, visit, scan, phase, metric, region, value].map(Cell::Text).into();
    cells.push(number);
    cells.extend([unit, model, model_version, model_digest, provider].map(Cell::Text));
    cells
}

fn comparison(said: &payload::Comparison) -> Said {
    let payload::Comparison { comparison, visit, baseline, before, after, tested, items } = said;
    let row = |item: &payload::Compared| {
        let payload::Compared {
            metric,
            region,
            unit,
            before: value_before,
            after: value_after,
            change,
            smallest_detectable_change,
            verdict,
            refusal,
            model,
        } = item;
        let mut cells: Vec<Cell> = [comparison, visit, baseline, before, after].map(|one| text(one)).into();
        cells.extend([whole((*tested).into()), text(metric), text(region), text(unit)]);
        cells.extend([value_before, value_after, change, smallest_detectable_change].map(|one| real(*one)));
        cells.push(text(verdict));
        cells.extend([refusal, model].map(|one| one.as_deref().map_or(Cell::Null, text)));
        (&tables::COMPARISONS, cells)
    };
    items.iter().map(row).collect()
}

fn consent(said: payload::Consent) -> Vec<Cell> {
    let payload::Consent { consent, customer, purpose, given, text_version, channel, staff } = said;
    let mut cells: Vec<Cell> = [consent, customer, purpose].map(Cell::Text).into();
    cells.push(flag(given));
    cells.extend([text_version, channel, staff].map(Cell::Text));
    cells
}

fn voided(said: payload::Voided) -> Vec<Cell> {
    let payload::Voided { what, id, restored, staff, reason } = said;
    vec![Cell::Text(what), Cell::Text(id), flag(restored), Cell::Text(staff), Cell::Text(reason)]
}

fn moved(said: payload::Reassigned) -> Vec<Cell> {
    let payload::Reassigned { what, id, customer, visit, phase, staff, reason } = said;
    let mut cells: Vec<Cell> = [what, id].map(Cell::Text).into();
    cells.extend([customer, visit, phase].map(|one| one.map_or(Cell::Null, Cell::Text)));
    cells.extend([staff, reason].map(Cell::Text));
    cells
}

fn alias(said: payload::Alias) -> Vec<Cell> {
    let payload::Alias { customer, alias, staff } = said;
    [alias, customer, staff].map(Cell::Text).into()
}

fn feedback(said: payload::Feedback) -> Vec<Cell> {
    let payload::Feedback { feedback, visit, customer, state, stars, topic, words, staff } = said;
    let mut cells: Vec<Cell> = [feedback, visit, customer, state].map(Cell::Text).into();
    cells.push(stars.map_or(Cell::Null, |stars| whole(stars.into())));
    cells.extend([topic, words, staff].map(Cell::Text));
    cells
}

fn service_sheet(said: payload::ServiceSheet) -> Said {
    let payload::ServiceSheet { visit, skin_state, make_up, washed_min, wishes, steps, stars, remark, next_day, staff } =
        said;
    let number = |value: Option<u64>| value.map_or(Cell::Null, whole);
    let mut cells: Vec<Cell> = vec![text(&visit), Cell::Text(skin_state), Cell::Text(make_up)];
    cells.extend([number(washed_min.map(u64::from)), Cell::Text(wishes), list(&steps)]);
    cells.push(number(stars.map(u64::from)));
    cells.extend([remark, next_day, staff].map(Cell::Text));
    let mut said = vec![(&tables::SHEETS, cells)];
    for step in steps {
        done(&mut said, &visit, step);
    }
    said
}

/// A step, and each product that was used in it.
fn done(said: &mut Said, visit: &str, told: payload::TickedStep) {
    let payload::TickedStep { step, at, staff, level, setting, products, remark } = told;
    for payload::UsedProduct { product, batch } in products {
        let cells = vec![text(visit), text(&step), Cell::Text(product), Cell::Text(batch)];
        said.push((&tables::PRODUCTS, cells));
    }
    let at = at.parse::<Timestamp>().map_or(Cell::Null, |at| Cell::Int(at.unix_ms()));
    let level = level.map_or(Cell::Null, |level| whole(level.into()));
    let cells =
        vec![text(visit), Cell::Text(step), at, Cell::Text(staff), level, Cell::Text(setting), Cell::Text(remark)];
    said.push((&tables::STEPS, cells));
}

fn report(said: &sheet::Report) -> Option<Vec<Cell>> {
    let sheet::Report { report, visit, customer, state, token_sha256, expires, sheet } = said;
    let expires: Timestamp = expires.parse().ok()?;
    let mut cells: Vec<Cell> = [report, visit, customer, state, token_sha256].map(|one| text(one)).into();
    let sheet = sheet.as_ref().map(|sheet| serde_json::to_string(sheet).expect("texts and numbers"));
    cells.extend([Cell::Int(expires.unix_ms()), sheet.map_or(Cell::Null, Cell::Text)]);
    Some(cells)
}

fn erased(said: payload::Erased) -> Vec<Cell> {
    let payload::Erased { customer, staff, reason } = said;
    [customer, staff, reason].map(Cell::Text).into()
}

fn answer(said: payload::Answer) -> Vec<Cell> {
    let payload::Answer { order, outcome, words } = said;
    vec![Cell::Text(order), text(outcome.as_str()), Cell::Text(words)]
}

fn clock(said: payload::Clock) -> Vec<Cell> {
    let payload::Clock { boot, monotonicns, wall_ms } = said;
    vec![Cell::Text(boot), monotonicns.parse().map_or(Cell::Null, Cell::Int), Cell::Int(wall_ms)]
}

fn from_device(device: &payload::Device) -> Vec<Cell> {
    let payload::Device { protocol, protocol_version, serial, probe, firmware } = device;
    [protocol, protocol_version, serial, probe, firmware].map(|one| text(one)).into()
}

fn text(value: &str) -> Cell {
    Cell::Text(value.to_owned())
}

/// The number in a text that keeps its precision.
fn number(value: &str) -> Cell {
    real(value.parse().ok())
}

fn real(value: Option<f64>) -> Cell {
    value.filter(|value| value.is_finite()).map_or(Cell::Null, Cell::Real)
}

fn whole(value: u64) -> Cell {
    Cell::Int(i64::try_from(value).unwrap_or(i64::MAX))
}

fn flag(value: bool) -> Cell {
    Cell::Int(i64::from(value))
}

/// A list as JSON text.
fn list<T: serde::Serialize>(values: &[T]) -> Cell {
    Cell::Text(serde_json::to_string(values).expect("a list of texts"))
}
