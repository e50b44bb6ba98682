//! A month of visits and birthdays under a clock of the story's own, and four more months in which nobody comes, until the last message is
//! due. What must be offered, and by which ways, is worked out here by hand from what the story did, not by the product's rule.

use crate::{
    Side,
    chain::{Chain, Store, care, visit},
    guests::{Born, Came, DAY, EAST, Guest, HOUR, Mind, QUIET, START, Then, Wanted, guests, said},
};
use reqwest::Method;
use serde_json::{Value, json};
use skinlink::{
    domain::{Day, Timestamp},
    hq::{
        CareSettings,
        care::offers::{self, Outcome},
        crm::keys::{Scope, Stores},
        database::engine::Engine,
        records,
        shelf::Shelves,
    },
    sync::payload::{self, kind},
};
use std::collections::{BTreeMap, BTreeSet};

/// Forty guests and nine more, of whom some agree to one of three texts, or to another one later, some withdraw in four different ways, and
/// some are erased, come ninety times in a month; most of them have a birthday in it, which the CRM tells, moves and takes back. The
/// messenger is away for hours, dies with messages in its hands, and fails, but gets through with each one the third time; two of them ask at
/// once; the tables are made anew. In the end each due message was done once, under one id, by the ways to which its guest agreed, and none
/// was handed out at a moment when its guest did not agree.
pub async fn a_month_of_visits_brings_every_message_once_and_none_without_consent(side: Side) {
    let given = std::env::var("SKINLINK_SEED").ok().and_then(|seed| seed.parse().ok());
    let seed = given.unwrap_or_else(|| fastrand::u64(..));
    eprintln!("SKINLINK_SEED={seed}");
    let mut dice = fastrand::Rng::with_seed(seed);
    let settings = care();
    let (mut chain, mut store) = (Chain::with_care(side, None).await, Store::named("sh-001"));
    let guests = guests(&mut dice);
    store.clock = Timestamp::from_unix_ms(START);
    for guest in &guests {
        agree(&mut chain, &mut store, guest);
    }
    let key = chain.key(&[Scope::Customers], &["sh-001"]);
    for guest in &guests {
        if let Some(Born { day, .. }) = guest.born {
            tell(&chain, &key, &guest.id, day).await;
        }
    }
    let mut told = Told::new(&chain);
    let mut now = START;
    let rebuilt = START + dice.i64(20..35) * DAY;
    while now < START + 125 * DAY {
        let step = if now < START + 47 * DAY { 2 * HOUR } else { 12 * HOUR };
        happens(&mut chain, &mut store, &guests, (now, now + step));
        for guest in &guests {
            match guest.born.map(|born| born.then) {
                Some(Then::Moves(hours, day)) if (now..now + step).contains(&said(hours)) => {
                    tell(&chain, &key, &guest.id, day).await;
                }
                Some(Then::Goes(hours)) if (now..now + step).contains(&said(hours)) => {
                    let gone = chain.call(Method::DELETE, &birthday_of(&guest.id), &key, None).await.ok();
                    assert_eq!(gone["removed"], true);
                }
                _ => {}
            }
        }
        now += step;
        if (rebuilt..rebuilt + step).contains(&now) {
            let shelves = Shelves::in_folder(chain.folder.path()).expect("the shelves");
            records::rebuild(&chain.place, &shelves).expect("made again");
        }
        told.offer(&settings, now);
        // Away for ten hours of each third day.
        let away = (now / DAY) % 3 == 0 && (now / HOUR) % 24 < 10;
        if !away {
            told.messenger(&settings, &mut dice, now);
        }
    }
    told.settle(&guests, side, seed);
    let erased = guests.iter().filter(|guest| matches!(guest.mind, Mind::Erased(_)));
    for guest in erased {
        let path = birthday_of(&guest.id);
        assert_eq!(chain.get(&path, &key).await.refusal(), (404, "no-birthday"), "it went with her");
        let again = chain.call(Method::PUT, &path, &key, Some(&json!({ "month": 5, "day": 17 }))).await;
        assert_eq!(again.refusal(), (409, "customer-erased"));
    }
    chain.end().await;
}

fn birthday_of(customer: &str) -> String {
    format!("/stores/sh-001/customers/{customer}/birthday")
}

/// The CRM tells a birthday so many days after the story begins.
async fn tell(chain: &Chain, key: &str, customer: &str, day: i64) {
    let days = i32::try_from((START + EAST) / DAY + day).expect("a day");
    let (_, month, day) = Day::from_days(days).date();
    let said: Value = json!({ "month": month, "day": day });
    let known = chain.call(Method::PUT, &birthday_of(customer), key, Some(&said)).await.ok();
    assert_eq!((&known["month"], &known["day"]), (&said["month"], &said["day"]));
}

fn agree(chain: &mut Chain, store: &mut Store, guest: &Guest) {
    let text = if guest.mind == Mind::OldText { "2026-11" } else { guest.text };
    let mut words = Vec::new();
    if let Some(days) = guest.once {
        let (long_ago, now) = (visit(), store.clock);
        store.clock = Timestamp::from_unix_ms(START - days * DAY);
        words.push(store.visit(&long_ago, &guest.id, 1, "open"));
        words.push(store.visit(&long_ago, &guest.id, 2, "closed"));
        store.clock = now;
    }
    if guest.mind != Mind::Nothing {
        words.push(store.consent_to(text, &guest.id, "share_numbers", true));
        words.push(store.consent_to(text, &guest.id, "deliver_report", guest.mind != Mind::NoReport));
    }
    chain.database.take(&words, store.clock).expect("taken");
}

/// All that the store and its guests do from one moment to the next.
fn happens(chain: &mut Chain, store: &mut Store, guests: &[Guest], (from, to): (i64, i64)) {
    let within = |at: i64| (from..to).contains(&at);
    let (mut words, mut erased) = (Vec::new(), Vec::new());
    let at = Timestamp::from_unix_ms;
    for guest in guests {
        for Came { visit, begun, ended } in &guest.visits {
            if within(*begun) {
                store.clock = at(*begun);
                words.push(store.visit(visit, &guest.id, 1, "open"));
            }
            if within(*ended) {
                store.clock = at(*ended);
                words.push(store.visit(visit, &guest.id, 2, "closed"));
                words.push(store.report(visit, &guest.id, guest.skin));
            }
        }
        match guest.mind {
            Mind::OtherText(hours, other) if within(said(hours)) => {
                store.clock = at(said(hours));
                words.push(store.consent_to(other, &guest.id, "deliver_report", true));
            }
            Mind::Withdraws(hours) if within(said(hours)) => {
                store.clock = at(said(hours));
                words.push(store.consent_to(guest.text, &guest.id, "deliver_report", false));
            }
            Mind::Unsubscribes(hours) if within(said(hours)) => {
                store.clock = at(said(hours));
                words.push(store.feedback("v", &guest.id, "unsubscribe"));
            }
            Mind::OnThePage(hours) if within(said(hours)) => {
                crate::reads::withdrew(chain, &guest.id, "v", at(said(hours)));
            }
            Mind::Erased(hours) if within(said(hours)) => {
                store.clock = at(said(hours));
                let gone = payload::Erased { customer: guest.id.clone(), staff: "b-07".into(), reason: "asked".into() };
                erased.push(store.says(kind::ERASED, &guest.id, &gone));
            }
            _ => {}
        }
    }
    words.extend(erased);
    words.push(store.gateway.hello(store.told, 1, Vec::new()));
    chain.database.take(&words, at(to)).expect("taken");
    while chain.database.keep_records(at(to), 500).expect("a turn").more {}
}

/// When something was handed out, and by which ways it may be sent.
type Handed = (i64, Vec<String>);

/// What the messenger was told and did.
struct Told {
    /// Two connections, as two receivers have them.
    engines: [Box<dyn Engine>; 2],
    /// Of each id, what it is.
    handed: BTreeMap<String, ((String, String), Vec<Handed>)>,
    done: BTreeMap<(String, String), u32>,
    died: u32,
    failed: u32,
}

impl Told {
    fn new(chain: &Chain) -> Self {
        let engines = [(); 2].map(|()| chain.place.open().expect("opens"));
        Self { engines, handed: BTreeMap::new(), done: BTreeMap::new(), died: 0, failed: 0 }
    }

    fn offer(&mut self, settings: &CareSettings, now: i64) {
        while offers::turn(&mut *self.engines[0], settings, Timestamp::from_unix_ms(now)).expect("a turn").more {}
    }

    fn messenger(&mut self, settings: &CareSettings, dice: &mut fastrand::Rng, now: i64) {
        let at = Timestamp::from_unix_ms(now);
        // Two at once, each with a connection of its own: no message is in both hands.
        let taken: Vec<_> = std::thread::scope(|scope| {
            let takers: Vec<_> = self
                .engines
                .iter_mut()
                .map(|engine| {
                    scope.spawn(move || {
                        offers::take(&mut **engine, settings, &Stores::All, (25, HOUR / 2), at).expect("answers")
                    })
                })
                .collect();
            takers.into_iter().flat_map(|one| one.join().expect("it ends well")).collect()
        });
        let ids: BTreeSet<&String> = taken.iter().map(|one| &one.id).collect();
        assert_eq!(ids.len(), taken.len(), "one message in two hands");
        for message in &taken {
            // A birthday is of no visit.
            let of = if message.visit.is_empty() { &message.customer } else { &message.visit };
            let what = (of.clone(), message.kind.to_string());
            let (of, times) = self.handed.entry(message.id.clone()).or_insert_with(|| (what.clone(), Vec::new()));
            assert_eq!(*of, what, "an id means one message");
            times.push((now, message.channels.clone()));
            // Twice in a row it has bad luck at most, so that what is not done in the end was not handed out.
            let luck = if times.len() > 2 { 100 } else { dice.u32(..100) };
            let outcome = match luck {
                0..10 => {
                    self.died += 1;
                    continue;
                }
                10..25 => {
                    self.failed += 1;
                    Outcome::Failed("the platform is away".to_owned())
                }
                _ => Outcome::Done,
            };
            let noted =
                offers::answer(&mut *self.engines[0], (&message.id, &message.lease), &outcome, at).expect("answers");
            assert!(noted.is_some(), "the lease held");
            if outcome == Outcome::Done {
                *self.done.entry(what).or_default() += 1;
            }
        }
    }

    /// Holds what was told against what had to be.
    fn settle(&self, guests: &[Guest], side: Side, seed: u64) {
        let wanted: BTreeMap<(String, String), Wanted<'_>> =
            guests.iter().flat_map(Guest::wanted).map(|one| (one.what.clone(), one)).collect();
        let must: Vec<&Wanted<'_>> = wanted.values().filter(|one| one.must()).collect();
        let (mut foreign, mut early, mut against) = (Vec::new(), Vec::new(), Vec::new());
        let mut ids = BTreeMap::<&(String, String), u32>::new();
        let mut by_ways = BTreeMap::<(&str, &[String]), u32>::new();
        for (what, times) in self.handed.values() {
            *ids.entry(what).or_default() += 1;
            let Some(one) = wanted.get(what).filter(|one| one.may()) else {
                foreign.push(what);
                continue;
            };
            early.extend(times.iter().filter(|(at, _)| *at < one.due).map(|_| what));
            for (at, channels) in times {
                // By these ways and no other; where there is none, she did not agree.
                let ways = one.guest.ways(one.kind, *at);
                if ways.is_empty() || *channels != *ways {
                    against.push((what, one.guest.mind, one.guest.text, channels, ways));
                }
                *by_ways.entry((one.kind, channels.as_slice())).or_default() += 1;
            }
        }
        let twice: Vec<_> = ids.iter().filter(|(_, times)| **times > 1).collect();
        let missed: Vec<_> = must.iter().map(|one| &one.what).filter(|what| self.done.get(*what) != Some(&1)).collect();
        let doubled: Vec<_> = self.done.iter().filter(|(_, times)| **times > 1).collect();
        let visits: usize = guests.iter().map(|guest| guest.visits.len()).sum();
        let handed: usize = self.handed.values().map(|(_, times)| times.len()).sum();
        println!(
            "{side:?} seed {seed}: {visits} visits of {} guests; {} had to be done; handed out {handed} times under {} ids ({} died with one, \
             {} failed); done {}; missed {}, done twice {}, two ids {}, not due {}, early {}, without consent or by another way {}; {by_ways:?}",
            guests.len(),
            must.len(),
            self.handed.len(),
            self.died,
            self.failed,
            self.done.len(),
            missed.len(),
            doubled.len(),
            twice.len(),
            foreign.len(),
            early.len(),
            against.len()
        );
        let birthdays = must.iter().filter(|one| one.kind == "birthday").count();
        assert!(must.len() > 40 && handed > self.handed.len(), "too little happened to prove anything");
        // The quiet one, two that were moved, and who was here 700 days ago, whatever the dice say.
        assert!(birthdays >= 4, "{birthdays} birthdays");
        let quiet = (START + QUIET * DAY)..(START + (QUIET + 1) * DAY);
        let then: Vec<&str> = wanted.values().filter(|one| quiet.contains(&one.due)).map(|one| one.kind).collect();
        assert_eq!(then, ["birthday"], "the only one of its day");
        assert!(missed.is_empty() && doubled.is_empty() && twice.is_empty(), "{missed:?} {doubled:?} {twice:?}");
        assert!(foreign.is_empty() && early.is_empty() && against.is_empty(), "{foreign:?} {early:?} {against:?}");
    }
}
