//! A month of visits under a clock of the story's own, and four more in which nobody comes, until the last message is due. What must be
//! offered is worked out here by hand from what the story did, not by the product's rule.

use crate::{
    Side,
    chain::{Chain, Store, care, customer, visit},
};
use skinlink::{
    domain::Timestamp,
    hq::{
        CareSettings,
        care::offers::{self, Outcome},
        crm::keys::Stores,
        database::engine::Engine,
        records,
        shelf::Shelves,
    },
    sync::payload::{self, kind},
};
use std::collections::{BTreeMap, BTreeSet};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// Monday, 2 March 2026, midnight in Shanghai.
const START: i64 = 1_772_380_800_000;
const EAST: i64 = 8 * HOUR;

/// How a customer is with the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mind {
    Agrees,
    /// To a text that names no messages.
    OldText,
    NoReport,
    Nothing,
    /// Says no to the report after so many hours.
    Withdraws(i64),
    /// Wants no more messages after so many hours.
    Unsubscribes(i64),
    /// Withdraws on a report's page; the store does not know yet.
    OnThePage(i64),
    Erased(i64),
}

struct Guest {
    id: String,
    mind: Mind,
    skin: &'static str,
    days: i64,
    visits: Vec<Came>,
}

struct Came {
    visit: String,
    begun: i64,
    ended: i64,
}

impl Guest {
    /// Whether she may be written to at that time.
    fn agrees(&self, at: i64) -> bool {
        match self.mind {
            Mind::Agrees => true,
            Mind::OldText | Mind::NoReport | Mind::Nothing => false,
            Mind::Withdraws(hours) | Mind::Unsubscribes(hours) | Mind::OnThePage(hours) | Mind::Erased(hours) => {
                at < START + hours * HOUR
            }
        }
    }

    /// When each kind is due, by the calendar on the wall.
    fn due(&self, ended: i64) -> [(&'static str, i64); 3] {
        let at_ten = |days: i64| ((ended + EAST).div_euclid(DAY) + days) * DAY + 10 * HOUR - EAST;
        [("care", ended + 2 * HOUR), ("skin", at_ten(self.days)), ("away", at_ten(90))]
    }

    fn came_again(&self, begun: i64, at: i64) -> bool {
        self.visits.iter().any(|other| other.begun > begun && other.begun <= at)
    }
}

fn guests(dice: &mut fastrand::Rng) -> Vec<Guest> {
    (0..40)
        .map(|n| {
            let hours = dice.i64(1..40 * 24);
            let mind = match n % 10 {
                0 => Mind::OldText,
                1 => Mind::NoReport,
                2 => Mind::Nothing,
                3 => Mind::Withdraws(hours),
                4 => Mind::Unsubscribes(hours),
                5 => Mind::OnThePage(hours),
                6 => Mind::Erased(hours),
                _ => Mind::Agrees,
            };
            let (skin, days) = [("oily", 7), ("dry", 15), ("sensitive", 10), ("", 10)][dice.usize(..4)];
            let mut begun = START + dice.i64(9..20 * 24) * HOUR;
            let mut visits = Vec::new();
            for _ in 0..dice.usize(1..4) {
                // By day, as a salon is open.
                begun += (10 * HOUR - (begun + EAST).rem_euclid(DAY)) + dice.i64(0..8) * HOUR;
                if begun >= START + 30 * DAY {
                    break;
                }
                visits.push(Came { visit: visit(), begun, ended: begun + HOUR });
                begun += dice.i64(2..16) * DAY;
            }
            Guest { id: customer(), mind, skin, days, visits }
        })
        .collect()
}

/// Forty guests, of whom some agree, some withdraw in four different ways, and some are erased, come ninety times in a month. The
/// messenger is away for hours, dies with messages in its hands, and fails; two of them ask at once; the tables are made anew. In the
/// end each due message was handed out, under one id, until it was done once; and none at a moment when its guest did not agree.
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
    let mut told = Told::new(&chain);
    let mut now = START;
    let rebuilt = START + dice.i64(20..35) * DAY;
    while now < START + 125 * DAY {
        let step = if now < START + 47 * DAY { 2 * HOUR } else { 12 * HOUR };
        happens(&mut chain, &mut store, &guests, (now, now + step));
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
    chain.end().await;
}

fn agree(chain: &mut Chain, store: &mut Store, guest: &Guest) {
    let text = if guest.mind == Mind::OldText { "2026-11" } else { "wechat-1" };
    let mut words = Vec::new();
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
        let said = |hours: i64| START + hours * HOUR;
        match guest.mind {
            Mind::Withdraws(hours) if within(said(hours)) => {
                store.clock = at(said(hours));
                words.push(store.consent_to("wechat-1", &guest.id, "deliver_report", false));
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

/// What the messenger was told and did.
struct Told {
    /// Two connections, as two receivers have them.
    engines: [Box<dyn Engine>; 2],
    /// Of each id, whose it is, and when it was handed out.
    handed: BTreeMap<String, ((String, String), Vec<i64>)>,
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
            let what = (message.visit.clone(), message.kind.to_string());
            let (of, times) = self.handed.entry(message.id.clone()).or_insert_with(|| (what.clone(), Vec::new()));
            assert_eq!(*of, what, "an id means one message");
            times.push(now);
            assert_eq!(message.channels, ["wechat"]);
            let outcome = match dice.u32(..100) {
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
        let (mut must, mut may) = (BTreeSet::new(), BTreeSet::new());
        let mut guest_of = BTreeMap::new();
        for guest in guests {
            for Came { visit, begun, ended } in &guest.visits {
                for (kind, due) in guest.due(*ended) {
                    let stands = |at: i64| guest.agrees(at) && (kind == "care" || !guest.came_again(*begun, at));
                    let what = (visit.clone(), kind.to_owned());
                    guest_of.insert(what.clone(), (guest, due, *begun));
                    // Until the messenger was there again and had luck with it; away ten hours at most.
                    if stands(due) && stands(due + 24 * HOUR) {
                        must.insert(what);
                    } else if stands(due) {
                        may.insert(what);
                    }
                }
            }
        }
        let (mut twice, mut foreign, mut early, mut against) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut ids = BTreeMap::<&(String, String), u32>::new();
        for (what, times) in self.handed.values() {
            *ids.entry(what).or_default() += 1;
            let Some((guest, due, _)) = guest_of.get(what) else {
                foreign.push(what);
                continue;
            };
            early.extend(times.iter().filter(|at| *at < due).map(|_| what));
            against.extend(times.iter().filter(|at| !guest.agrees(**at)).map(|_| what));
            if !must.contains(what) && !may.contains(what) {
                foreign.push(what);
            }
        }
        twice.extend(ids.iter().filter(|(_, times)| **times > 1));
        // A word of the same day makes sense until the next evening. Where the messenger is away for most of that day, it may have it in its
        // hands twice alone, and drop it twice: headquarters handed it out all the same.
        let in_hands = |what: &(String, String)| {
            self.handed.values().filter(|(of, _)| of == what).map(|(_, times)| times.len()).sum::<usize>()
        };
        let open: Vec<_> = must.iter().filter(|what| self.done.get(*what) != Some(&1)).collect();
        let (dropped, missed): (Vec<_>, Vec<_>) = open.into_iter().partition(|what| in_hands(what) >= 2);
        let doubled: Vec<_> = self.done.iter().filter(|(_, times)| **times > 1).collect();
        let visits: usize = guests.iter().map(|guest| guest.visits.len()).sum();
        let handed: usize = self.handed.values().map(|(_, times)| times.len()).sum();
        println!(
            "{side:?} seed {seed}: {visits} visits of {} guests; due {} and {} more in doubt; handed out {handed} times under {} ids \
             ({} died with one, {} failed); done {}; dropped each time {}, missed {}, done twice {}, two ids {}, not due {}, early {}, without consent {}",
            guests.len(),
            must.len(),
            may.len(),
            self.handed.len(),
            self.died,
            self.failed,
            self.done.len(),
            dropped.len(),
            missed.len(),
            doubled.len(),
            twice.len(),
            foreign.len(),
            early.len(),
            against.len()
        );
        assert!(must.len() > 40 && handed > self.handed.len(), "too little happened to prove anything");
        assert!(dropped.len() <= 2, "not by bad luck alone: {dropped:?}");
        assert!(missed.is_empty() && doubled.is_empty() && twice.is_empty(), "{missed:?} {doubled:?} {twice:?}");
        assert!(foreign.is_empty() && early.is_empty() && against.is_empty(), "{foreign:?} {early:?} {against:?}");
    }
}
