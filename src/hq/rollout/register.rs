//! The rollouts themselves: started, paused, halted and taken back by people, each step with who did it.

use super::{
    cause::Cause,
    packages, refused,
    rings::{self, Candidate},
    told,
};
use crate::{
    domain::{Timestamp, word::words},
    hq::{
        HqError,
        config::RolloutSettings,
        database::engine::{Engine, Row, first, only, transaction, values},
        office::audit,
        telling,
    },
    sync::package::PACKAGES,
};

words! {
    /// How a rollout stands.
    pub enum State as "state of a rollout" {
        Running = "running",
        /// Goes no further until somebody says so; what was reached stays.
        Paused = "paused",
        Finished = "finished",
        /// By itself or by somebody while it was under way: no store may use it any more.
        Halted = "halted",
        /// Taken back by somebody.
        Back = "back",
    }
}

words! {
    /// What a person does with a rollout.
    pub enum Deed as "deed" {
        Pause = "pause",
        /// Goes on after a pause.
        Go = "go",
        /// Goes on to its next ring without waiting for proof.
        Next = "next",
        Halt = "halt",
        /// Takes it back, also after it has finished.
        Back = "back",
    }
}

/// One rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub n: u64,
    pub slot: String,
    pub version: u64,
    pub sha256: String,
    pub state: State,
    /// Reached, from 0, of so many.
    pub ring: u32,
    pub rings: u32,
    /// The ring was reached.
    pub since: Timestamp,
    pub started: Timestamp,
    /// The last step.
    pub changed: Timestamp,
}

impl Entry {
    pub(super) fn from_row(row: &Row) -> Result<Self, HqError> {
        let state: String = row.get(4)?;
        let at = |at: usize| row.get(at).map(Timestamp::from_unix_ms);
        Ok(Self {
            n: row.get(0)?,
            slot: row.get(1)?,
            version: row.get(2)?,
            sha256: row.get(3)?,
            state: state.parse().map_err(|_| HqError::Shape { at: 4, expected: "a state of a rollout" })?,
            ring: row.get(5)?,
            rings: row.get(6)?,
            since: at(7)?,
            started: at(8)?,
            changed: at(9)?,
        })
    }

    /// As people name it: `model/pores-dog 3`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{} {}", self.slot, self.version)
    }

    /// What may be done with it now.
    #[must_use]
    pub fn deeds(&self) -> &'static [Deed] {
        match self.state {
            State::Running => &[Deed::Pause, Deed::Next, Deed::Halt],
            State::Paused => &[Deed::Go, Deed::Halt],
            State::Finished => &[Deed::Back],
            State::Halted | State::Back => &[],
        }
    }
}

pub(super) const COLUMNS: &str = "n, slot, version, sha256, state, ring, rings, since_ms, started_ms, changed_ms";

/// Something that happened to a rollout.
#[derive(Debug, Clone, PartialEq)]
pub struct Happened {
    pub at: Timestamp,
    pub who: String,
    /// `started`, `ring`, `finished`, `paused`, `gone on`, `halted`, `taken back`.
    pub what: String,
    pub ring: u32,
    pub cause: Option<Cause>,
}

/// Who it was, where headquarters did it by itself.
pub const ITSELF: &str = "headquarters";

/// Heard within this time, a store is there to be a pilot.
const LATELY_MS: i64 = 7 * 86_400_000;

/// Starts a rollout; its pilot ring is reached at once. `pilot`: stores by name; without any they are drawn.
///
/// # Errors
/// [`HqError::Rollout`] where the package is not here, its slot has another one under way, or it is not newer than what was rolled out
/// before; the database's. Nothing was changed then.
pub fn start(
    engine: &mut dyn Engine,
    (slot, version): (&str, u64),
    pilot: &[String],
    settings: &RolloutSettings,
    (who, now): (&str, Timestamp),
) -> Result<Entry, HqError> {
    transaction(engine, |engine| {
        told::lock(engine)?;
        let package = packages::of_version(engine, slot, version)?.ok_or_else(|| {
            refused(format!("no version {version} of {slot} is here; skinlink-hq package list shows what is"))
        })?;
        let under_way = "SELECT version FROM rollouts WHERE slot = ?1 AND state IN ('running', 'paused')";
        if let Some(row) = first(engine, under_way, values![slot])? {
            let other: u64 = row.get(0)?;
            return Err(refused(format!(
                "version {other} of {slot} is under way; let it finish, or halt it, before another one begins"
            )));
        }
        let newest: Option<u64> = only(engine, "SELECT max(version) FROM rollouts WHERE slot = ?1", values![slot])?;
        if let Some(newest) = newest.filter(|newest| version <= *newest) {
            return Err(refused(format!(
                "version {newest} of {slot} was rolled out already; what goes out next needs a higher version"
            )));
        }
        if let Some(until) = package.header.until.as_ref().filter(|_| package.header.is_over(now)) {
            return Err(refused(format!(
                "{} may be taken up to {until} only, and that is over; sign it again",
                package.name()
            )));
        }
        let candidates = candidates(engine, now)?;
        let draw = rings::draw(&candidates, pilot, (settings.pilot, &settings.rings), &package.sha256);
        let rings = draw.map_err(refused)?;
        if rings.is_empty() {
            return Err(refused("no store was ever heard here; a rollout needs stores"));
        }
        let n: u64 = only(engine, "SELECT coalesce(max(n), 0) + 1 FROM rollouts", &[])?;
        engine.execute(
            &format!("INSERT INTO rollouts({COLUMNS}) VALUES (?1, ?2, ?3, ?4, 'running', 0, ?5, ?6, ?6, ?6)"),
            values![n, slot, version, &package.sha256, rings.len() as u64, now.unix_ms()],
        )?;
        for (ring, stores) in (0_u32..).zip(&rings) {
            for store in stores {
                let sql =
                    "INSERT INTO rollout_stores(rollout, store, ring, letters, backlog) VALUES (?1, ?2, ?3, 0, 0)";
                engine.execute(sql, values![n, store, ring])?;
            }
        }
        note_baseline(engine, n)?;
        step(engine, n, ("started", 0, None), (who, now))?;
        told::changed(engine, now)?;
        let started = one(engine, n)?.ok_or(HqError::Shape { at: 0, expected: "the rollout" })?;
        audit::note(engine, who, "rollout started", &format!("{} {}", started.name(), package.signer), now)?;
        Ok(started)
    })
}

fn candidates(engine: &mut dyn Engine, now: Timestamp) -> Result<Vec<Candidate>, HqError> {
    let rows = engine.query(
        "SELECT store, last_heard_ms, about, CASE WHEN status = 'offline' THEN 1 ELSE 0 END FROM gateways
         WHERE retired_ms IS NULL ORDER BY store, gateway",
        &[],
    )?;
    let mut all: Vec<Candidate> = Vec::new();
    for row in &rows {
        let (store, heard_ms, about): (String, i64, Option<String>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let lately = now.unix_ms() - heard_ms <= LATELY_MS && !row.get::<bool>(3)?;
        let ready = lately && telling::understands(about.as_deref(), PACKAGES);
        match all.last_mut() {
            // A store is as ready as the gateway of it that is least so.
            Some(last) if last.store == store => last.ready &= ready,
            _ => all.push(Candidate { store, ready }),
        }
    }
    Ok(all)
}

/// What each store has of dead letters and backlog as the ring is reached: what comes on top is held against the package.
pub(super) fn note_baseline(engine: &mut dyn Engine, n: u64) -> Result<(), HqError> {
    let of_stores = super::seen::troubles(engine)?;
    for (store, (letters, backlog)) in of_stores {
        let sql = "UPDATE rollout_stores SET letters = ?3, backlog = ?4 WHERE rollout = ?1 AND store = ?2";
        engine.execute(sql, values![n, &store, letters, backlog])?;
    }
    Ok(())
}

/// Does `change`, by which other gateways of the store count than before. What its rollouts under way hold against the package moves by as much:
/// none is blamed for dead letters and a backlog that were there before.
pub(in crate::hq) fn blameless(
    engine: &mut dyn Engine,
    store: &str,
    change: impl FnOnce(&mut dyn Engine) -> Result<(), HqError>,
) -> Result<(), HqError> {
    const UNDER_WAY: &str = "SELECT n FROM rollouts WHERE state IN ('running', 'paused')";
    // First of all: one that is being started at this moment has looked at the gateways already.
    told::lock(engine)?;
    if first(engine, UNDER_WAY, &[])?.is_none() {
        return change(engine);
    }
    let (letters, backlog) = super::seen::troubles(engine)?.remove(store).unwrap_or_default();
    change(engine)?;
    let (letters_now, backlog_now) = super::seen::troubles(engine)?.remove(store).unwrap_or_default();
    let sql = format!(
        "UPDATE rollout_stores SET letters = CASE WHEN letters + ?2 > ?3 THEN letters + ?2 - ?3 ELSE 0 END,
             backlog = CASE WHEN backlog + ?4 > ?5 THEN backlog + ?4 - ?5 ELSE 0 END
         WHERE store = ?1 AND rollout IN ({UNDER_WAY})"
    );
    engine.execute(&sql, values![store, letters_now, letters, backlog_now, backlog]).map(drop)
}

pub(super) fn step(
    engine: &mut dyn Engine,
    n: u64,
    (what, ring, cause): (&str, u32, Option<&Cause>),
    (who, now): (&str, Timestamp),
) -> Result<(), HqError> {
    let cause = cause.and_then(|cause| serde_json::to_string(cause).ok());
    engine.execute(
        "INSERT INTO rollout_steps(rollout, n, at_ms, who, what, ring, cause)
         SELECT ?1, coalesce(max(n), 0) + 1, ?2, ?3, ?4, ?5, ?6 FROM rollout_steps WHERE rollout = ?1",
        values![n, now.unix_ms(), who, what, ring, cause.as_deref()],
    )?;
    Ok(())
}

/// Does what a person asks for. `ring`: the one that they saw it in; where it has gone on since, nothing is done.
///
/// # Errors
/// [`HqError::Rollout`] where that cannot be done with it now; the database's. Nothing was changed then.
pub fn act(
    engine: &mut dyn Engine,
    (n, ring): (u64, Option<u32>),
    deed: Deed,
    (who, now): (&str, Timestamp),
) -> Result<Entry, HqError> {
    transaction(engine, |engine| {
        told::lock(engine)?;
        let entry = one(engine, n)?
            .ok_or_else(|| refused(format!("there is no rollout {n}; skinlink-hq rollout list shows all")))?;
        if ring.is_some_and(|ring| ring != entry.ring) {
            return Err(refused(format!(
                "rollout {n} ({}) has reached ring {} meanwhile; look again",
                entry.name(),
                entry.ring + 1
            )));
        }
        let may = entry.deeds().contains(&deed) || (deed == Deed::Back && entry.deeds().contains(&Deed::Halt));
        if !may {
            let hint = match entry.state {
                State::Halted | State::Back => "sign what is mended under a higher version and start that",
                _ => "skinlink-hq rollout show says how it stands",
            };
            return Err(refused(format!("rollout {n} ({}) is {}; {hint}", entry.name(), entry.state)));
        }
        match deed {
            Deed::Pause => set(engine, &entry, State::Paused, ("paused", None), (who, now))?,
            Deed::Go => set(engine, &entry, State::Running, ("gone on", None), (who, now))?,
            Deed::Next => advance(engine, &entry, (who, now))?,
            Deed::Halt => withdraw(engine, &entry, State::Halted, &Cause::Asked, (who, now))?,
            Deed::Back => withdraw(engine, &entry, State::Back, &Cause::Asked, (who, now))?,
        }
        let what = match deed {
            Deed::Pause => "rollout paused",
            Deed::Go => "rollout goes on",
            Deed::Next => "next ring begun",
            Deed::Halt => "rollout halted",
            Deed::Back => "rollout taken back",
        };
        audit::note(engine, who, what, &entry.name(), now)?;
        one(engine, n)?.ok_or(HqError::Shape { at: 0, expected: "the rollout" })
    })
}

pub(super) fn set(
    engine: &mut dyn Engine,
    entry: &Entry,
    state: State,
    (what, cause): (&str, Option<&Cause>),
    by: (&str, Timestamp),
) -> Result<(), HqError> {
    let sql = "UPDATE rollouts SET state = ?2, changed_ms = ?3 WHERE n = ?1";
    engine.execute(sql, values![entry.n, state.as_str(), by.1.unix_ms()])?;
    step(engine, entry.n, (what, entry.ring, cause), by)
}

/// The next ring begins; behind the last one it is finished.
pub(super) fn advance(engine: &mut dyn Engine, entry: &Entry, by: (&str, Timestamp)) -> Result<(), HqError> {
    let (_, now) = by;
    if entry.ring + 1 >= entry.rings {
        set(engine, entry, State::Finished, ("finished", None), by)?;
    } else {
        let sql = "UPDATE rollouts SET ring = ring + 1, since_ms = ?2, changed_ms = ?2 WHERE n = ?1";
        engine.execute(sql, values![entry.n, now.unix_ms()])?;
        note_baseline(engine, entry.n)?;
        step(engine, entry.n, ("ring", entry.ring + 1, None), by)?;
    }
    told::changed(engine, now)
}

/// No store may use it any more.
pub(super) fn withdraw(
    engine: &mut dyn Engine,
    entry: &Entry,
    state: State,
    cause: &Cause,
    by: (&str, Timestamp),
) -> Result<(), HqError> {
    engine.execute(
        "INSERT INTO withdrawn_packages(slot, version, at_ms) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
        values![&entry.slot, entry.version, by.1.unix_ms()],
    )?;
    let what = if state == State::Back { "taken back" } else { "halted" };
    set(engine, entry, state, (what, Some(cause)), by)?;
    told::changed(engine, by.1)
}

/// All rollouts, the newest first.
///
/// # Errors
/// The database's.
pub fn list(engine: &mut dyn Engine) -> Result<Vec<Entry>, HqError> {
    let rows = engine.query(&format!("SELECT {COLUMNS} FROM rollouts ORDER BY n DESC"), &[])?;
    rows.iter().map(Entry::from_row).collect()
}

/// # Errors
/// The database's.
pub fn one(engine: &mut dyn Engine, n: u64) -> Result<Option<Entry>, HqError> {
    let sql = format!("SELECT {COLUMNS} FROM rollouts WHERE n = ?1");
    first(engine, &sql, values![n])?.map(|row| Entry::from_row(&row)).transpose()
}

/// What happened to a rollout, the newest first.
///
/// # Errors
/// The database's.
pub fn happened(engine: &mut dyn Engine, n: u64) -> Result<Vec<Happened>, HqError> {
    let sql = "SELECT at_ms, who, what, ring, cause FROM rollout_steps WHERE rollout = ?1 ORDER BY n DESC";
    let read = |row: &Row| {
        let cause: Option<String> = row.get(4)?;
        Ok(Happened {
            at: Timestamp::from_unix_ms(row.get(0)?),
            who: row.get(1)?,
            what: row.get(2)?,
            ring: row.get(3)?,
            cause: cause.and_then(|cause| serde_json::from_str(&cause).ok()),
        })
    };
    engine.query(sql, values![n])?.iter().map(read).collect()
}
