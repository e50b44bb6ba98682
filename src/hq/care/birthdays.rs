//! Birthdays: told by the CRM, which knows its customers, by month and day; kept beside the records, wished once a year.
//!
//! A birthday may be told at any time, and is used only under the consent that every message of care rests on. It is a person's: told under
//! one of their ids it holds for all of them, and of two that came together when cards were joined the one that was told last counts. Whoever
//! is erased takes it along, and nothing is kept under their ids any more.
//!
//! The id of a message follows from store, customer and year. Of a person with several ids none may have a message of that year yet: so cards
//! that are joined in between, facts that are made again and several receivers bring no second one.

use super::{
    known::{Known, Standing},
    offers::{self, Message, Offer, UNKNOWN_MS},
};
use crate::{
    domain::{
        Timestamp,
        birthday::{Birthday, Occasion, SEEN_DAYS},
        follow_up::Kind,
    },
    hq::{
        HqError,
        config::CareSettings,
        database::engine::{Engine, Value, first, transaction, values},
        erasure,
        office::audit,
        records,
        standing_words::Words,
    },
};
use openssl::sha::sha256;
use std::collections::BTreeSet;

/// Birthdays looked at in one turn.
const LOOKS: u32 = 100;

/// Days of the calendar that are looked at together, 29 February for the 28th among them.
const DAYS: usize = 7;

/// What may not be offered yet is looked at again after so long while its day stands: a yes may come, or the customer.
const AGAIN_MS: i64 = 3 * 3_600_000;

/// Where the calendar ends.
const LATER_MS: i64 = 365 * 86_400_000;

/// What became of telling one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// It stands; whether anything changed.
    Stands { changed: bool },
    /// The customer was erased: nothing is kept of them.
    Erased,
}

/// The id of the message of a year: the same whoever works it out, and whenever.
#[must_use]
pub fn id_of(store: &str, customer: &str, year: i64) -> String {
    let kind = Kind::Birthday;
    hex::encode(&sha256(format!("{store}\n{customer}\n{kind}\n{year}").as_bytes())[..16])
}

fn written(birthday: Birthday) -> i64 {
    i64::from(birthday.month() * 100 + birthday.day())
}

fn read(month_day: u32) -> Option<Birthday> {
    Birthday::of(month_day / 100, month_day % 100)
}

/// Writes the birthday of a customer; their other ids have none of their own from then on. A message of this year that nobody was handed yet
/// is taken back: it comes on the new day. `giver` stands in the audit, the day does not.
///
/// # Errors
/// [`HqError::NoStore`] where no gateway of that store was ever heard; [`HqError::Remaking`] while nobody can say which ids are one person's;
/// the database's. Nothing was changed then.
pub fn put(
    engine: &mut dyn Engine,
    (store, customer): (&str, &str),
    birthday: Birthday,
    giver: &str,
    now: Timestamp,
) -> Result<Told, HqError> {
    transaction(engine, |engine| {
        if first(engine, "SELECT 1 FROM gateways WHERE store = ?1", values![store])?.is_none() {
            return Err(HqError::NoStore { store: store.to_owned() });
        }
        let person = locked(engine, store, customer)?;
        for id in &person {
            let erased = "SELECT 1 FROM erasures WHERE store = ?1 AND customer = ?2";
            if first(engine, erased, values![store, id])?.is_some() {
                return Ok(Told::Erased);
            }
        }
        if of_person(engine, store, &person)?.is_some_and(|(_, known)| known == birthday) {
            return Ok(Told::Stands { changed: false });
        }
        take_away(engine, store, &person)?;
        engine.execute(
            "INSERT INTO birthdays(store, customer, month_day, changed_ms, look_ms) VALUES (?1, ?2, ?3, ?4, 0)",
            values![store, customer, written(birthday), now.unix_ms()],
        )?;
        audit::note(engine, giver, "birthday written", &format!("{store} {customer}"), now)?;
        Ok(Told::Stands { changed: true })
    })
}

/// Takes a customer's birthday away, under whichever of their ids it was told, with messages that nobody was handed yet. Whether there was one.
///
/// # Errors
/// As [`put`], but for [`HqError::NoStore`].
pub fn remove(
    engine: &mut dyn Engine,
    (store, customer): (&str, &str),
    giver: &str,
    now: Timestamp,
) -> Result<bool, HqError> {
    transaction(engine, |engine| {
        let person = locked(engine, store, customer)?;
        let gone = take_away(engine, store, &person)? > 0;
        if gone {
            audit::note(engine, giver, "birthday removed", &format!("{store} {customer}"), now)?;
        }
        Ok(gone)
    })
}

/// The birthday of a customer, under whichever of their ids it was told.
///
/// # Errors
/// [`HqError::Remaking`], the database's.
pub fn find(engine: &mut dyn Engine, store: &str, customer: &str) -> Result<Option<Birthday>, HqError> {
    if !records::are_whole(engine, store)? {
        return Err(HqError::Remaking);
    }
    let person = erasure::person(engine, store, customer)?;
    Ok(of_person(engine, store, &person)?.map(|(_, birthday)| birthday))
}

/// All ids of the person. Until the end of the transaction nobody is erased, and nothing offered.
fn locked(engine: &mut dyn Engine, store: &str, customer: &str) -> Result<BTreeSet<String>, HqError> {
    offers::lock(engine)?;
    if !records::are_whole(engine, store)? {
        return Err(HqError::Remaking);
    }
    erasure::person(engine, store, customer)
}

/// The birthday that counts, and the id under which it was told last.
fn of_person(
    engine: &mut dyn Engine,
    store: &str,
    person: &BTreeSet<String>,
) -> Result<Option<(String, Birthday)>, HqError> {
    let mut found = None::<(i64, &String, Birthday)>;
    for id in person {
        let sql = "SELECT month_day, changed_ms FROM birthdays WHERE store = ?1 AND customer = ?2";
        let Some(row) = first(engine, sql, values![store, id])? else { continue };
        let (birthday, changed): (Option<Birthday>, i64) = (read(row.get(0)?), row.get(1)?);
        // Of two of one moment that of the greater id: the same whoever looks.
        if let Some(birthday) = birthday.filter(|_| found.as_ref().is_none_or(|(before, ..)| changed >= *before)) {
            found = Some((changed, id, birthday));
        }
    }
    Ok(found.map(|(_, id, birthday)| (id.clone(), birthday)))
}

/// What was handed out may have been sent: its row stays, so that there is no second one that year.
fn take_away(engine: &mut dyn Engine, store: &str, person: &BTreeSet<String>) -> Result<u64, HqError> {
    cleared(engine, store, person, "AND tries = 0")
}

/// Takes a person's birthday along when they are erased, with its messages; how many that were. To be called under the lock of the messages.
pub(super) fn forget(engine: &mut dyn Engine, store: &str, person: &BTreeSet<String>) -> Result<u64, HqError> {
    cleared(engine, store, person, "")
}

fn cleared(engine: &mut dyn Engine, store: &str, person: &BTreeSet<String>, which: &str) -> Result<u64, HqError> {
    let messages = format!("DELETE FROM care_messages WHERE store = ?1 AND customer = ?2 AND kind = ?3 {which}");
    let mut gone = 0;
    for id in person {
        gone += engine.execute("DELETE FROM birthdays WHERE store = ?1 AND customer = ?2", values![store, id])?;
        engine.execute(&messages, values![store, id, Kind::Birthday.as_str()])?;
    }
    Ok(gone)
}

/// Birthdays whose day has come somewhere, to be looked at now. None where no text of the chain speaks of them.
pub(super) fn near(
    engine: &mut dyn Engine,
    settings: &CareSettings,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<(String, String)>, HqError> {
    let days = Birthday::anywhere(now);
    let Some(padding) = days.first().copied().filter(|_| settings.speaks_of(Kind::Birthday)) else {
        return Ok(Vec::new());
    };
    let places: Vec<String> = (3..DAYS + 3).map(|at| format!("?{at}")).collect();
    let sql = format!(
        "SELECT store, customer FROM birthdays WHERE month_day IN ({}) AND look_ms <= ?1 ORDER BY look_ms LIMIT ?2",
        places.join(", ")
    );
    // Always as many, so that it is one statement.
    let days = days.into_iter().chain(std::iter::repeat(padding)).take(DAYS).map(|day| Value::from(written(day)));
    let bound: Vec<Value<'_>> = [Value::from(now.unix_ms()), Value::from(limit)].into_iter().chain(days).collect();
    engine.query(&sql, &bound)?.iter().map(|row| Ok((row.get(0)?, row.get(1)?))).collect()
}

/// Offers the birthdays whose day has come, under the lock of the messages; how many, and whether there is more to look at.
pub(super) fn turn(engine: &mut dyn Engine, settings: &CareSettings, now: Timestamp) -> Result<(u64, bool), HqError> {
    let found = near(engine, settings, LOOKS, now)?;
    let mut offered = 0;
    for (store, customer) in &found {
        let (many, again) = look(engine, settings, (store, customer), now)?;
        let sql = "UPDATE birthdays SET look_ms = ?3 WHERE store = ?1 AND customer = ?2";
        engine.execute(sql, values![store, customer, again])?;
        offered += many;
    }
    Ok((offered, found.len() as u32 == LOOKS))
}

/// Offers one if it may be; how many that were, and when to look again.
fn look(
    engine: &mut dyn Engine,
    settings: &CareSettings,
    (store, customer): (&str, &str),
    now: Timestamp,
) -> Result<(u64, i64), HqError> {
    let (calendar, now_ms) = (&settings.place(store).calendar, now.unix_ms());
    if !records::are_whole(engine, store)? {
        // Half of what is known decides nothing.
        return Ok((0, now_ms + UNKNOWN_MS));
    }
    let words = Words::of(engine, store, customer)?;
    let Some((told_under, birthday)) = of_person(engine, store, words.person())? else {
        return Ok((0, now_ms + LATER_MS));
    };
    let next = birthday.next(now, calendar).map_or(now_ms + LATER_MS, Timestamp::unix_ms);
    let occasion = birthday.occasion(now, calendar).filter(|_| told_under == customer);
    let Some(occasion) = occasion else { return Ok((0, next)) };
    if was_offered(engine, store, words.person(), occasion.year)? {
        return Ok((0, next));
    }
    let (channels, whose) = match allowed(engine, settings, (store, customer), &words, &occasion, now)? {
        (Standing::Stands(channels), whose) => (channels, whose),
        (Standing::Unknown, _) => return Ok((0, next.min(now_ms + UNKNOWN_MS))),
        (Standing::NotAgreed | Standing::NotDue, _) => return Ok((0, next.min(now_ms + AGAIN_MS))),
    };
    let (id, kind) = (id_of(store, customer, occasion.year), Kind::Birthday);
    let offer = Offer { id, store, customer: &whose, visit: "", kind, channels: &channels, due: occasion.due };
    Ok((offers::offer(engine, &offer, now)?, next))
}

fn was_offered(engine: &mut dyn Engine, store: &str, person: &BTreeSet<String>, year: i64) -> Result<bool, HqError> {
    for id in person {
        let sql = "SELECT 1 FROM care_messages WHERE message = ?1";
        if first(engine, sql, values![&id_of(store, id, year)])?.is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether a birthday may be wished now, and by which id the person goes.
fn allowed(
    engine: &mut dyn Engine,
    settings: &CareSettings,
    (store, customer): (&str, &str),
    words: &Words,
    occasion: &Occasion,
    now: Timestamp,
) -> Result<(Standing, String), HqError> {
    let zone = settings.place(store).calendar.zone;
    let main = main_id(engine, store, customer, words.person())?;
    let known = Known::with(engine, (store, main), words, zone.start(occasion.on.plus(-SEEN_DAYS)), now)?;
    let is_seen = || known.person.seen_last().is_some_and(|at| occasion.is_of_who_was_seen(zone.day(at)));
    Ok((known.allowed(Kind::Birthday, settings, is_seen), known.customer.clone()))
}

/// The id that counts of somebody's.
fn main_id(engine: &mut dyn Engine, store: &str, customer: &str, person: &BTreeSet<String>) -> Result<String, HqError> {
    if person.len() == 1 {
        return Ok(customer.to_owned());
    }
    let sql = "SELECT customer FROM now_alias WHERE store = ?1 AND alias = ?2";
    let main = first(engine, sql, values![store, customer])?.map(|row| row.get(0)).transpose()?;
    Ok(main.unwrap_or_else(|| customer.to_owned()))
}

/// How a message stands, and by which id the person goes now.
pub(super) fn standing(
    engine: &mut dyn Engine,
    settings: &CareSettings,
    message: &Message,
    now: Timestamp,
) -> Result<(Standing, String), HqError> {
    let Message { id, store, customer, .. } = message;
    let words = Words::of(engine, store, customer)?;
    let birthday = of_person(engine, store, words.person())?.map(|(_, birthday)| birthday);
    let occasion = birthday.and_then(|birthday| birthday.occasion(now, &settings.place(store).calendar));
    // It was taken away, or is on another day now, or over.
    let occasion = occasion.filter(|one| words.person().iter().any(|whose| id_of(store, whose, one.year) == *id));
    match occasion {
        Some(occasion) => allowed(engine, settings, (store, customer), &words, &occasion, now),
        None => Ok((Standing::NotDue, customer.clone())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is once known under an id must be known under it for ever.
    #[test]
    fn the_id_of_a_year_is_the_same_for_ever_and_of_nothing_else() {
        let ann = "01a1f0c2-4b00-7000-8000-000000000040";
        assert_eq!(id_of("sh-001", ann, 2026), "9867b0d458714c5dcb24f393fff58cef");
        assert_eq!(id_of("sh-001", ann, 2027), "aad40aa31dadf2ba5bcd1d336370ccd3");
        let visit = offers::id_of("sh-001", ann, Kind::Birthday);
        let others = [id_of("sh-002", ann, 2026), id_of("sh-001", "01a1", 2026), id_of("sh-001", ann, 2027), visit];
        assert!(others.iter().all(|other| *other != id_of("sh-001", ann, 2026)));
    }

    #[test]
    fn a_day_is_kept_as_one_number() {
        for (month, day, kept) in [(1, 1, 101), (2, 29, 229), (5, 17, 517), (12, 31, 1231)] {
            let birthday = Birthday::of(month, day).unwrap();
            assert_eq!((written(birthday), read(u32::try_from(kept).unwrap())), (kept, Some(birthday)));
        }
        assert_eq!((read(230), read(0), read(1_301), read(100)), (None, None, None, None));
    }

    /// One more than are bound would be looked at by nobody.
    #[test]
    fn as_many_days_are_near_as_are_asked_for() {
        let start: Timestamp = "2026-01-01T00:00:00.000Z".parse().unwrap();
        let most = (0..365 * 5)
            .map(|day| Birthday::anywhere(Timestamp::from_unix_ms(start.unix_ms() + day * 86_400_000)).len());
        assert_eq!(most.max(), Some(DAYS));
    }
}
