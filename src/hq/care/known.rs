//! What headquarters knows of a person, as far as it matters for messages of care; and whether they agreed to be written to.

use super::due::{Person, Visit};
use crate::{
    domain::{
        Timestamp,
        consent::Purpose,
        customer::SkinType,
        feedback::Topic,
        follow_up::{self, Calendar, FollowUp, Kind},
        visit::VisitState,
    },
    hq::{
        HqError,
        config::CareSettings,
        database::engine::{Engine, Row, first, values},
        records,
        standing_words::Words,
    },
};
use std::collections::BTreeSet;

/// A store that was not heard for so long may have been told something that is not known here.
const SILENT_MS: i64 = 24 * 3_600_000;

/// And for so long, it was replaced by another.
const REPLACED_MS: i64 = 60 * SILENT_MS;

/// Whose visit it is, with all that matters.
#[derive(Debug)]
pub struct Known {
    pub customer: String,
    pub person: Person,
    /// The text that allows messages, where the yes to it stands.
    text_version: Option<String>,
    /// The store was heard lately, and all that it told is in the tables.
    fresh: bool,
}

/// Whether a message may be offered now.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// By these ways.
    Stands(Vec<String>),
    /// Nobody knows now.
    Unknown,
    NotAgreed,
    /// Nothing of the kind is due, or not any more.
    NotDue,
}

impl Known {
    /// `None` where there is no such visit (any longer).
    ///
    /// # Errors
    /// The database's.
    pub fn of(
        engine: &mut dyn Engine,
        (store, visit): (&str, &str),
        now: Timestamp,
        calendar: &Calendar,
    ) -> Result<Option<Self>, HqError> {
        let whose = "SELECT customer FROM visits WHERE store = ?1 AND visit = ?2 LIMIT 1";
        let Some(row) = first(engine, whose, values![store, visit])? else { return Ok(None) };
        let customer: String = row.get(0)?;
        let words = Words::of(engine, store, &customer)?;
        Self::with(engine, (store, customer), &words, follow_up::oldest(now, calendar), now).map(Some)
    }

    /// The same of somebody, with their visits since then.
    ///
    /// # Errors
    /// The database's.
    pub(super) fn with(
        engine: &mut dyn Engine,
        (store, customer): (&str, String),
        words: &Words,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<Self, HqError> {
        let shares = words.share_numbers(engine)?;
        let text_version = words.yes_to(engine, Purpose::DeliverReport)?.filter(|_| shares);
        let person = person(engine, store, words.person(), since)?;
        let fresh = is_heard(engine, store, now)? && records::are_whole(engine, store)?;
        Ok(Self { customer, person, text_version, fresh })
    }

    /// What is due of a visit, with the ways by which each may be offered; of what may not be, nothing.
    pub fn offers(
        &self,
        visit: &str,
        now: Timestamp,
        settings: &CareSettings,
        calendar: &Calendar,
    ) -> Vec<(FollowUp, Vec<String>)> {
        let due = self.person.due(visit, now, calendar).into_iter();
        let with = due.map(|one| (one, self.channels(one.kind, settings)));
        with.filter(|(_, channels)| self.fresh && !channels.is_empty()).collect()
    }

    /// Whether the message of this kind may be offered now.
    pub fn standing(
        &self,
        (visit, kind): (&str, Kind),
        now: Timestamp,
        settings: &CareSettings,
        calendar: &Calendar,
    ) -> Standing {
        self.allowed(kind, settings, || self.person.due(visit, now, calendar).iter().any(|one| one.kind == kind))
    }

    /// Whether a message of this kind may be offered, if it is due.
    pub fn allowed(&self, kind: Kind, settings: &CareSettings, is_due: impl FnOnce() -> bool) -> Standing {
        let channels = self.channels(kind, settings);
        if channels.is_empty() || self.person.hushed {
            return Standing::NotAgreed;
        }
        // First: what is over by all that is known stays over, and a store that closed is never fresh again.
        if !is_due() {
            return Standing::NotDue;
        }
        if self.fresh { Standing::Stands(channels) } else { Standing::Unknown }
    }

    /// Whether anything may be written to them at all, by whatever text the chain names. Where not, nothing of theirs need be looked at until
    /// they say another word: that changes their visits, which come up by it.
    pub const fn agrees(&self) -> bool {
        self.text_version.is_some() && !self.person.hushed
    }

    fn channels(&self, kind: Kind, settings: &CareSettings) -> Vec<String> {
        self.text_version.as_ref().map_or_else(Vec::new, |version| settings.channels(kind, version))
    }
}

/// Whether every gateway of the store was heard lately and all that it spoke of is in the tables: a store that comes back after weeks is
/// heard before its customers' words are. One that is retired, or silent for longer than [`REPLACED_MS`], counts as
/// replaced, if another speaks.
fn is_heard(engine: &mut dyn Engine, store: &str, now: Timestamp) -> Result<bool, HqError> {
    let rows = engine.query(
        "SELECT g.last_heard_ms,
             CASE WHEN s.gateway IS NOT NULL AND coalesce(p.upto, 0) < s.announced THEN 1
                  WHEN coalesce(p.upto, 0) < coalesce(s.last_seq, 0) THEN 1 ELSE 0 END
         FROM gateways g LEFT JOIN streams s ON s.gateway = g.gateway AND s.epoch = g.epoch
         LEFT JOIN projected p ON p.gateway = g.gateway AND p.epoch = g.epoch
         WHERE g.store = ?1 AND g.retired_ms IS NULL",
        values![store],
    )?;
    let mut speaks = false;
    for row in &rows {
        let (heard, behind): (i64, bool) = (row.get(0)?, row.get(1)?);
        if heard < now.unix_ms() - REPLACED_MS {
            continue;
        }
        if behind || heard < now.unix_ms() - SILENT_MS {
            return Ok(false);
        }
        speaks = true;
    }
    Ok(speaks)
}

fn person(engine: &mut dyn Engine, store: &str, ids: &BTreeSet<String>, since: Timestamp) -> Result<Person, HqError> {
    let (mut named, mut skin, mut hushed) = (BTreeSet::new(), None::<Noted>, false);
    for id in ids {
        let rows = engine.query(
            "SELECT visit FROM visit_facts WHERE customer = ?2 AND store = ?1 AND at_ms >= ?3
             UNION SELECT id FROM moved_facts WHERE customer = ?2 AND store = ?1",
            values![store, id, since.unix_ms()],
        )?;
        for row in &rows {
            named.insert(row.get::<String>(0)?);
        }
        skin = skin.max(noted(engine, store, id)?);
        hushed |= wants_none(engine, store, id)?;
    }
    let mut visits = Vec::new();
    for visit in named {
        let row = first(
            engine,
            "SELECT v.customer, v.voided, v.state,
                 (SELECT min(f.at_ms) FROM visit_facts f WHERE f.visit = v.visit AND f.store = v.store),
                 (SELECT min(f.at_ms) FROM visit_facts f WHERE f.visit = v.visit AND f.store = v.store AND f.state = ?3),
                 (SELECT s.next_day FROM sheet_facts s WHERE s.visit = v.visit AND s.store = v.store
                  ORDER BY s.era DESC, s.seq DESC LIMIT 1)
             FROM visits v WHERE v.visit = ?1 AND v.store = ?2 LIMIT 1",
            values![&visit, store, VisitState::Closed.as_str()],
        )?;
        let Some(row) = row else { continue };
        if ids.contains(&row.get::<String>(0)?) {
            visits.push(Visit::from_row(visit, &row)?);
        }
    }
    Ok(Person { visits, skin: skin.map(|(_, skin)| skin), hushed })
}

impl Visit {
    fn from_row(id: String, row: &Row) -> Result<Self, HqError> {
        let (voided, state): (bool, String) = (row.get(1)?, row.get(2)?);
        let closed = state == VisitState::Closed.as_str();
        let ended: Option<i64> = row.get(4)?;
        let next_day: Option<String> = row.get(5)?;
        Ok(Self {
            id,
            begun: Timestamp::from_unix_ms(row.get(3)?),
            ended: ended.filter(|_| closed).map(Timestamp::from_unix_ms),
            voided: voided || state == VisitState::Voided.as_str(),
            next_day: next_day.and_then(|day| day.parse().ok()),
        })
    }
}

/// A skin type, and where the report that tells it stands in the store's order.
type Noted = ((i64, i64), SkinType);

/// The skin type on the newest report of this card: the store tells it with reports alone.
fn noted(engine: &mut dyn Engine, store: &str, customer: &str) -> Result<Option<Noted>, HqError> {
    #[derive(serde::Deserialize)]
    struct OnReport {
        #[serde(default)]
        skin_type: String,
    }
    let row = first(
        engine,
        "SELECT era, seq, sheet FROM report_facts WHERE store = ?1 AND customer = ?2 AND sheet IS NOT NULL
         ORDER BY era DESC, seq DESC LIMIT 1",
        values![store, customer],
    )?;
    let Some(row) = row else { return Ok(None) };
    let noted: Option<OnReport> = serde_json::from_str(&row.get::<String>(2)?).ok();
    let place = (row.get(0)?, row.get(1)?);
    Ok(noted.and_then(|noted| SkinType::noted(&noted.skin_type)).map(|skin| (place, skin)))
}

/// As in the store: whoever ever asked for silence, or to be erased, is left alone.
fn wants_none(engine: &mut dyn Engine, store: &str, customer: &str) -> Result<bool, HqError> {
    let said = first(
        engine,
        "SELECT 1 FROM feedback_facts WHERE store = ?1 AND customer = ?2 AND topic IN (?3, ?4)
         UNION ALL SELECT 1 FROM feedback_inbox WHERE store = ?1 AND customer = ?2 AND topic IN (?3, ?4)",
        values![store, customer, Topic::Unsubscribe.as_str(), Topic::Erasure.as_str()],
    )?;
    Ok(said.is_some())
}
