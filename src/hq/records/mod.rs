//! What people query. Every event is taken apart into facts ([`tables`]), a little after it was stored, in the order of its
//! gateway; views over them ([`views`]) say what holds now. The raw events stay beside: facts are made from them alone, so
//! they may be thrown away and made again at any time, and are whenever a newer program reads events in another way.
//!
//! Facts follow an epoch's contiguous prefix: what lies beyond a hole waits until the hole is filled.

pub(super) mod changes;
mod facts;
pub mod schema_page;
pub mod tables;
pub mod views;

use super::{
    HqError, archive,
    database::{
        Place,
        engine::{Cell, Engine, Row, only, transaction, values},
        know_the_key,
    },
    erasure,
    events::redacted,
    orders,
    shelf::Shelves,
    waits,
};
use crate::{domain::Timestamp, sync::topic::Address};
use facts::{Fact, Told};
pub(super) use facts::{LONGEST_KEY, too_long};
use std::collections::BTreeSet;
use tables::{ALL, ANSWERS, CLOCKS, ERASED, REPORTS, STEPS};

/// Grows whenever tables, views or the way events are read change; then all facts are made again. A test holds it against a
/// digest of the schema.
pub const VERSION: i64 = 7;

/// Tables and views of this version and later ones hold the same facts: only indexes came, and tables of events that no store could send
/// before (answers to orders, which headquarters did not give), and nothing is made again.
const SAME_SINCE: i64 = 6;

/// Events of one turn while messages come: some 20 ms, so that nobody waits long for an acknowledgement.
pub const PAGE: usize = 500;

/// Events of one turn for whoever is far behind: a page of an index that many rows share is written once for all of them.
pub const LONG_PAGE: usize = 4_000;

/// Epochs of one turn.
const EPOCHS: u32 = 64;

/// Whether tables and views are those of this program, or of a newer one.
///
/// # Errors
/// The database's.
pub fn are_prepared(engine: &mut dyn Engine) -> Result<bool, HqError> {
    let made: i64 = only(engine, "SELECT coalesce(max(version), 0) FROM records_version", &[])?;
    Ok(made >= VERSION)
}

/// Makes the tables and views, or makes them anew where an older program made them that read events in another way. To be called in the transaction that
/// brings the schema up to date.
///
/// # Errors
/// The database's.
pub fn prepare(engine: &mut dyn Engine) -> Result<(), HqError> {
    let made: i64 = only(engine, "SELECT coalesce(max(version), 0) FROM records_version", &[])?;
    if made >= VERSION {
        return Ok(());
    }
    if made >= SAME_SINCE {
        for statement in ALL.iter().flat_map(|table| table.schema()) {
            engine.execute(&statement, &[])?;
        }
        return note_version(engine);
    }
    let rights = engine.grants()?;
    if made > 0 {
        for view in views::ALL.iter().rev() {
            engine.execute(&format!("DROP VIEW IF EXISTS {}", view.name), &[])?;
        }
        for table in ALL {
            engine.execute(&format!("DROP TABLE IF EXISTS {}", table.name), &[])?;
        }
    }
    let at = engine.time();
    for table in ALL {
        for statement in table.schema() {
            engine.execute(&statement, &[])?;
        }
    }
    for view in views::ALL {
        engine.execute(&view.schema(at), &[])?;
    }
    let is_ours =
        |name: &str| views::ALL.iter().any(|view| view.name == name) || ALL.iter().any(|table| table.name == name);
    for (_, statement) in rights.iter().filter(|(name, _)| is_ours(name)) {
        engine.execute(statement, &[])?;
    }
    begin_anew(engine)?;
    note_version(engine)
}

fn note_version(engine: &mut dyn Engine) -> Result<(), HqError> {
    engine.execute("DELETE FROM records_version", &[])?;
    engine.execute("INSERT INTO records_version(version) VALUES (?1)", values![VERSION]).map(drop)
}

/// Facts are to be made of all events again. How far they went before is kept: until they are there again nothing may be shown that
/// rests on them, since what ended it may be told later than what began it.
fn begin_anew(engine: &mut dyn Engine) -> Result<(), HqError> {
    engine.execute(
        "INSERT INTO remaking(gateway, epoch, upto) SELECT gateway, epoch, upto FROM projected WHERE upto > 0
         ON CONFLICT (gateway, epoch) DO UPDATE SET upto = excluded.upto WHERE remaking.upto < excluded.upto",
        &[],
    )?;
    engine.execute("DELETE FROM projected", &[])?;
    Ok(())
}

/// Whether all facts of a store are there that ever were; of any store where none is named.
pub(super) fn are_whole(engine: &mut dyn Engine, store: &str) -> Result<bool, HqError> {
    let rows = engine.query(
        "SELECT 1 FROM remaking r JOIN gateways g ON g.gateway = r.gateway WHERE g.store = ?1 OR ?1 = '' LIMIT 1",
        values![store],
    )?;
    Ok(rows.is_empty())
}

/// What a turn did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    pub events: usize,
    /// Perhaps there is more.
    pub more: bool,
}

/// An epoch that has more events than facts.
struct Behind {
    from: Address,
    epoch: String,
    era: i64,
    done: u64,
    upto: u64,
    /// It could not be read on from there the last time.
    waits: bool,
}

impl Behind {
    fn from_row(row: &Row) -> Result<Self, HqError> {
        Ok(Self {
            from: Address { store: row.get(0)?, gateway: row.get(1)? },
            epoch: row.get(2)?,
            era: row.get(3)?,
            done: row.get(4)?,
            upto: row.get(5)?,
            waits: row.get(6)?,
        })
    }
}

/// Makes facts of the next `most` events, in one transaction; the epochs that waited longest first. Nothing is done while
/// another receiver is at it, unless asked to `wait`, or where a newer program keeps the records.
///
/// # Errors
/// The database's; then nothing was done.
pub fn turn(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    now: Timestamp,
    most: usize,
    wait: bool,
) -> Result<Turn, HqError> {
    transaction(engine, |engine| {
        let version: i64 = only(engine, "SELECT coalesce(max(version), 0) FROM records_version", &[])?;
        if version != VERSION || !engine.keep_records(wait)? {
            return Ok(Turn { events: 0, more: false });
        }
        let behind = engine.query(
            "SELECT g.store, s.gateway, s.epoch, s.begun_ms, coalesce(p.upto, 0), s.upto,
                 CASE WHEN EXISTS (SELECT 1 FROM waiting w WHERE w.what = 'facts of ' || s.gateway || ' ' || s.epoch)
                     THEN 1 ELSE 0 END
             FROM streams s JOIN gateways g ON g.gateway = s.gateway
             LEFT JOIN projected p ON p.gateway = s.gateway AND p.epoch = s.epoch
             WHERE s.upto > coalesce(p.upto, 0) ORDER BY coalesce(p.done_ms, 0), s.gateway, s.epoch LIMIT ?1",
            values![EPOCHS],
        )?;
        let mut told = Vec::new();
        for row in &behind {
            let left = most - told.len();
            if left == 0 {
                break;
            }
            let behind = Behind::from_row(row)?;
            match next(engine, shelves, &behind, left, now) {
                Err(fault) if fault.is_of_a_shelf() => behind.waits_for(engine, &fault, now)?,
                next => told.extend(next?),
            }
        }
        // What is new first; what is only made again changes no visit.
        told.sort_by_key(|one| one.again);
        let new = told.iter().take_while(|one| !one.again).count();
        let mut facts: Vec<Fact> = told[..new].iter().flat_map(Told::facts).collect();
        let of_new = facts.len();
        facts.extend(told[new..].iter().flat_map(Told::facts));
        fill(engine, &facts)?;
        changes::note(engine, &facts[..of_new], false)?;
        changes::note(engine, &facts[of_new..], true)?;
        map_times(engine, &facts)?;
        close(engine, &facts)?;
        erase(engine, &facts, now)?;
        answer(engine, &facts, now)?;
        engine.execute(
            "DELETE FROM remaking WHERE EXISTS (SELECT 1 FROM projected p
                 WHERE p.gateway = remaking.gateway AND p.epoch = remaking.epoch AND p.upto >= remaking.upto)",
            &[],
        )?;
        let others = !told.is_empty() && behind.len() as u32 == EPOCHS;
        Ok(Turn { events: told.len(), more: told.len() >= most || others })
    })
}

impl Behind {
    /// Its next events lie where they cannot be read now. The others go on; it comes up again after them.
    fn waits_for(&self, engine: &mut dyn Engine, fault: &HqError, now: Timestamp) -> Result<(), HqError> {
        let Self { from, epoch, done, .. } = self;
        waits::note(engine, &waits::facts(&from.gateway, epoch), fault, now)?;
        reached(engine, from, epoch, *done, now)
    }
}

/// Notes how far the facts of an epoch go, and that it had its turn.
fn reached(engine: &mut dyn Engine, from: &Address, epoch: &str, upto: u64, now: Timestamp) -> Result<(), HqError> {
    engine.execute(
        "INSERT INTO projected(gateway, epoch, upto, done_ms) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (gateway, epoch) DO UPDATE SET upto = excluded.upto, done_ms = excluded.done_ms",
        values![&from.gateway, epoch, upto, now.unix_ms()],
    )?;
    Ok(())
}

/// The next events of one epoch; it counts as done up to there.
fn next(
    engine: &mut dyn Engine,
    shelves: &Shelves,
    behind: &Behind,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<Told>, HqError> {
    let Behind { from, epoch, era, done, upto, waits } = behind;
    let rows = engine.query(
        "SELECT n, seq, received_ms, body, segment FROM events
         WHERE gateway = ?1 AND epoch = ?2 AND seq > ?3 AND seq <= ?4
         AND refused IS NULL AND same_as IS NULL AND kind <> ?5 ORDER BY seq LIMIT ?6",
        values![&from.gateway, epoch, *done, *upto, &redacted(), limit as u64],
    )?;
    let mut told =
        rows.iter().map(|row| Told::from_row(row, &from.store, &from.gateway, *era)).collect::<Result<Vec<_>, _>>()?;
    archive::bring(engine, shelves, told.iter_mut().filter_map(Told::away))?;
    if *waits {
        waits::over(engine, &waits::facts(&from.gateway, epoch))?;
    }
    let before =
        engine.query("SELECT upto FROM remaking WHERE gateway = ?1 AND epoch = ?2", values![&from.gateway, epoch])?;
    let before: u64 = before.first().map_or(Ok(0), |row| row.get(0))?;
    told.iter_mut().for_each(|one| one.again = one.seq <= before);
    let so_far = if told.len() < limit { *upto } else { told.last().map_or(*upto, |last| last.seq) };
    reached(engine, from, epoch, so_far, now)?;
    Ok(told)
}

/// Reports that the new facts say are closed; see `report_closings`.
fn close(engine: &mut dyn Engine, facts: &[Fact]) -> Result<(), HqError> {
    let closed = |fact: &&Fact| fact.table.name == REPORTS.name && fact.text("state") != Some("open");
    for fact in facts.iter().filter(closed) {
        let (store, report) = (fact.text("store"), fact.text("report"));
        if let (Some(store), Some(report), Some(era), Some(seq)) = (store, report, fact.int("era"), fact.int("seq")) {
            engine.execute(
                "INSERT INTO report_closings(store, report, era, seq) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (store, report) DO UPDATE SET era = excluded.era, seq = excluded.seq
                 WHERE (report_closings.era, report_closings.seq) < (excluded.era, excluded.seq)",
                values![store, report, era, seq],
            )?;
        }
    }
    Ok(())
}

/// Persons that the new facts say are erased, and what came late of those who were before.
fn erase(engine: &mut dyn Engine, facts: &[Fact], now: Timestamp) -> Result<(), HqError> {
    for fact in facts.iter().filter(|fact| fact.table.name == ERASED.name) {
        if let (Some(store), Some(customer)) = (fact.text("store"), fact.text("customer")) {
            erasure::erase(engine, store, customer, now)?;
        }
    }
    let others = facts.iter().filter(|fact| fact.table.name != ERASED.name);
    let late = others.filter_map(|fact| {
        let text = |name| fact.text(name).map(str::to_owned);
        Some((text("store")?, text("customer"), text("visit"), fact.n()?))
    });
    erasure::erase_late(engine, &late.collect::<Vec<_>>(), now)
}

/// Orders that the new facts answer.
fn answer(engine: &mut dyn Engine, facts: &[Fact], now: Timestamp) -> Result<(), HqError> {
    for fact in facts.iter().filter(|fact| fact.table.name == ANSWERS.name) {
        let [store, gateway, order, outcome, words] =
            ["store", "gateway", "order_id", "outcome", "words"].map(|name| fact.text(name).unwrap_or_default());
        let at_ms = fact.int("at_ms").unwrap_or_default();
        orders::answered(engine, &orders::Word { store, gateway, order, outcome, words, at_ms }, now)?;
    }
    Ok(())
}

fn fill(engine: &mut dyn Engine, facts: &[Fact]) -> Result<(), HqError> {
    for table in ALL {
        let rows: Vec<&[Cell]> =
            facts.iter().filter(|fact| fact.table.name == table.name).map(|fact| fact.cells.as_slice()).collect();
        if !rows.is_empty() {
            engine.fill(table, &rows)?;
        }
    }
    Ok(())
}

/// Maps times taken while a gateway's clock was not set, as soon as its `clock.v1` is here: it may come before or after.
fn map_times(engine: &mut dyn Engine, facts: &[Fact]) -> Result<(), HqError> {
    for (gateway, boot) in boots(facts) {
        let clock = engine.query(
            "SELECT wall_ms, of_monotonic_ns FROM clock_facts WHERE gateway = ?1 AND of_boot = ?2
             ORDER BY era DESC, seq DESC LIMIT 1",
            values![&gateway, &boot],
        )?;
        let Some(clock) = clock.first() else { continue };
        let (wall_ms, monotonic_ns): (i64, i64) = (clock.get(0)?, clock.get(1)?);
        // Steps of a treatment that were ticked since that boot, by the same clock, move along with the sheet that tells of them.
        let ticked = format!(
            "UPDATE {} SET done_ms = done_ms + ?1 + (monotonic_ns - ?2) / 1000000 - at_ms
             WHERE gateway = ?3 AND boot = ?4 AND clock = 'unset' AND monotonic_ns IS NOT NULL
             AND done_ms >= at_ms - monotonic_ns / 1000000",
            STEPS.name
        );
        engine.execute(&ticked, values![wall_ms, monotonic_ns, &gateway, &boot])?;
        for table in ALL {
            let sql = format!(
                "UPDATE {} SET at_ms = ?1 + (monotonic_ns - ?2) / 1000000, clock = 'mapped'
                 WHERE gateway = ?3 AND boot = ?4 AND clock = 'unset' AND monotonic_ns IS NOT NULL",
                table.name
            );
            engine.execute(&sql, values![wall_ms, monotonic_ns, &gateway, &boot])?;
        }
    }
    Ok(())
}

/// Boots of which something without a time, or the time itself, has just come in.
fn boots(facts: &[Fact]) -> BTreeSet<(String, String)> {
    let column = |fact: &Fact, name: &str| fact.text(name).map(str::to_owned);
    let boot = |fact: &Fact| {
        if fact.table.name == CLOCKS.name {
            return column(fact, "of_boot");
        }
        (column(fact, "clock")? == "unset").then(|| column(fact, "boot"))?
    };
    facts.iter().filter_map(|fact| Some((column(fact, "gateway")?, boot(fact)?))).collect()
}

/// Takes the facts of one event away: it was redacted. No turn is under way meanwhile, so none can bring them back.
///
/// # Errors
/// The database's.
pub(super) fn forget(engine: &mut dyn Engine, n: u64) -> Result<(), HqError> {
    engine.keep_records(true)?;
    let mut visits = BTreeSet::new();
    for table in ALL {
        let gone = format!("DELETE FROM {} WHERE n = ?1", table.name);
        if table.has("visit") {
            for row in engine.query(&format!("{gone} RETURNING store, visit"), values![n])? {
                visits.extend(row.get::<Option<String>>(0)?.zip(row.get::<Option<String>>(1)?));
            }
        } else {
            engine.execute(&gone, values![n])?;
        }
    }
    changes::touch(engine, &visits)
}

/// Somebody said on a page of ours what may be shown of them: whoever reads on by number is to hear of their visits.
///
/// # Errors
/// The database's.
pub(super) fn said(engine: &mut dyn Engine, store: &str, customer: &str) -> Result<(), HqError> {
    changes::touch_person(engine, store, customer)
}

/// Has the facts of an event made that was passed over until now. To be called in a transaction that holds the lock on the
/// records: a turn under way would write how far it came over this.
///
/// # Errors
/// The database's.
pub(super) fn make_up_for(engine: &mut dyn Engine, gateway: &str, epoch: &str, seq: u64) -> Result<(), HqError> {
    engine.execute(
        "UPDATE projected SET upto = ?3 - 1 WHERE gateway = ?1 AND epoch = ?2 AND upto >= ?3",
        values![gateway, epoch, seq],
    )?;
    Ok(())
}

/// Gives the facts of an epoch another place among the lives of its gateway.
///
/// # Errors
/// The database's.
pub(super) fn move_era(
    engine: &mut dyn Engine,
    gateway: &str,
    epoch: &str,
    (from, to): (i64, i64),
) -> Result<(), HqError> {
    engine.keep_records(true)?;
    for table in ALL {
        let sql = format!(
            "UPDATE {} SET era = ?3 WHERE n IN (SELECT n FROM events WHERE gateway = ?1 AND epoch = ?2)",
            table.name
        );
        engine.execute(&sql, values![gateway, epoch, to])?;
    }
    engine.execute(
        "UPDATE report_closings SET era = ?3 WHERE era = ?2 AND EXISTS (
             SELECT 1 FROM report_facts r WHERE report_closings.store IN (r.store, '') AND r.report = report_closings.report
             AND r.gateway = ?1 AND r.era = ?3
             AND r.seq = report_closings.seq AND r.state <> 'open')",
        values![gateway, from, to],
    )?;
    Ok(())
}

/// Throws all facts away and makes them again from the raw events; how many events that were. Receivers may go on meanwhile:
/// the views fill up again before one's eyes.
///
/// # Errors
/// The database's; [`HqError::Waits`] where some lie in archived months that cannot be read now: the receiver goes on with them.
pub fn rebuild(place: &Place, shelves: &Shelves) -> Result<u64, HqError> {
    let mut engine = place.open()?;
    know_the_key(&mut *engine, shelves)?;
    transaction(&mut *engine, |engine| {
        engine.take_time()?;
        engine.keep_records(true)?;
        for table in ALL {
            engine.execute(&format!("DELETE FROM {}", table.name), &[])?;
        }
        begin_anew(engine)
    })?;
    let (mut made, mut in_vain, mut now) = (0, 0, crate::clock::now().wall);
    loop {
        let Turn { events, more } = turn(&mut *engine, shelves, now, LONG_PAGE, true)?;
        made += events as u64;
        in_vain = if more || events > 0 { 0 } else { in_vain + u64::from(EPOCHS) };
        // Those that cannot be read now come up first, as many as a turn looks at: the others stand behind them.
        if in_vain > 0 && in_vain >= behind(&mut *engine)? {
            break;
        }
        // The order of turns is by their times.
        now = crate::clock::now().wall.max(Timestamp::from_unix_ms(now.unix_ms() + 1));
    }
    let waiting = waits::list(&mut *engine)?.into_iter().filter(waits::Waiting::is_of_facts).collect::<Vec<_>>();
    match waiting.first() {
        None => Ok(made),
        Some(first) => {
            Err(HqError::Waits { made, many: waiting.len(), what: first.what.clone(), reason: first.reason.clone() })
        }
    }
}

/// How many epochs have more events than facts.
fn behind(engine: &mut dyn Engine) -> Result<u64, HqError> {
    only(
        engine,
        "SELECT count(*) FROM streams s LEFT JOIN projected p ON p.gateway = s.gateway AND p.epoch = s.epoch
         WHERE s.upto > coalesce(p.upto, 0)",
        &[],
    )
}
