//! Birthdays: told by the CRM through its door, wished to whoever agreed, once a year, and gone with who is erased.

use crate::{
    Side,
    chain::{Answer, Chain, Store, care, client, customer, visit},
};
use reqwest::Method;
use serde_json::{Value, json};
use skinlink::{
    clock,
    domain::{Timestamp, follow_up::Kind},
    hq::{
        CareSettings,
        care::{Message, birthdays, offers},
        crm::keys::{Scope, Stores},
        database::engine::Engine,
        records,
        shelf::Shelves,
    },
    sync::{
        downlink::Outcome,
        payload::{self, kind},
    },
};

fn path(customer: &str) -> String {
    format!("/stores/sh-001/customers/{customer}/birthday")
}

async fn put(chain: &Chain, key: &str, customer: &str, (month, day): (u32, u32)) -> Answer {
    chain.call(Method::PUT, &path(customer), key, Some(&json!({ "month": month, "day": day }))).await
}

async fn read(chain: &Chain, key: &str, customer: &str) -> Option<(u64, u64)> {
    let answer = chain.get(&path(customer), key).await;
    if answer.status == 404 {
        assert_eq!(answer.refusal(), (404, "no-birthday"));
        return None;
    }
    let known = answer.ok();
    Some((known["month"].as_u64().expect("a number"), known["day"].as_u64().expect("a number")))
}

async fn remove(chain: &Chain, key: &str, customer: &str) -> bool {
    chain.call(Method::DELETE, &path(customer), key, None).await.ok()["removed"] == true
}

fn texts(engine: &mut dyn Engine, sql: &str) -> Vec<String> {
    engine.query(sql, &[]).expect("answers").iter().map(|row| row.get(0).expect("a text")).collect()
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// Here in October 2025, so that nothing is due to them any more but a birthday; and agrees to a text, or does not.
fn came(chain: &mut Chain, store: &mut Store, text: Option<&str>) -> String {
    let (one, ann) = (visit(), customer());
    store.clock = at("2025-10-01T02:00:00.000Z");
    let mut told = vec![store.visit(&one, &ann, 1, "open"), store.visit(&one, &ann, 2, "closed")];
    told.extend(text.into_iter().flat_map(|text| {
        ["share_numbers", "deliver_report"].map(|purpose| store.consent_to(text, &ann, purpose, true))
    }));
    chain.take(&told);
    chain.keep();
    ann
}

/// How many are offered at that time, at which the store is heard.
fn turn(chain: &Chain, settings: &CareSettings, now: &str) -> u64 {
    let mut engine = chain.place.open().expect("opens");
    let heard = "UPDATE gateways SET last_heard_ms = ?1";
    engine.execute(heard, &[at(now).unix_ms().into()]).expect("written");
    let mut offered = 0;
    loop {
        let done = offers::turn(&mut *engine, settings, at(now)).expect("a turn");
        offered += done.offered;
        if !done.more {
            return offered;
        }
    }
}

fn take(chain: &Chain, settings: &CareSettings, now: &str) -> Vec<Message> {
    let mut engine = chain.place.open().expect("opens");
    offers::take(&mut *engine, settings, &Stores::All, (9, 60_000), at(now)).expect("answers")
}

/// A key for it tells a day that there is, without a year; the same again is no news; each change stands in the audit, the day does not.
pub async fn a_birthday_is_told_read_and_taken_away_by_whoever_may(side: Side) {
    let (mut chain, store) = (Chain::new(side).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::Customers], &["sh-001"]);
    let ann = customer();
    assert_eq!(put(&chain, &key, &ann, (5, 17)).await.refusal(), (404, "no-such-store"), "nobody was heard of it");
    chain.take(&store.comes());
    assert_eq!(read(&chain, &key, &ann).await, None);
    let known = put(&chain, &key, &ann, (5, 17)).await.ok();
    assert_eq!(known, json!({ "store": "sh-001", "customer": ann, "month": 5, "day": 17 }));
    put(&chain, &key, &ann, (5, 17)).await.ok();
    for (month, day) in [(2, 30), (4, 31), (13, 1), (0, 1), (1, 0), (1, 32)] {
        let refused = put(&chain, &key, &ann, (month, day)).await;
        assert_eq!(refused.refusal(), (422, "birthday-refused"), "{month} {day}");
    }
    for wrong in [
        json!({ "year": 1990, "month": 5, "day": 17 }),
        json!({ "month": 5 }),
        json!({ "month": "5", "day": 17 }),
        json!({ "month": -5, "day": 17 }),
        json!([]),
        json!({}),
    ] {
        let refused = chain.call(Method::PUT, &path(&ann), &key, Some(&wrong)).await;
        assert_eq!(refused.refusal(), (400, "malformed"), "{wrong}");
    }
    assert_eq!(read(&chain, &key, &ann).await, Some((5, 17)), "what was refused changed nothing");
    put(&chain, &key, &ann, (2, 29)).await.ok();
    assert_eq!(read(&chain, &key, &ann.to_uppercase()).await, Some((2, 29)), "an id is one, however it is written");
    for nobody in ["x", "%00", "01a1f0c2"] {
        assert_eq!(put(&chain, &key, nobody, (5, 17)).await.refusal(), (404, "no-such-customer"), "{nobody}");
    }
    let bare = client().put(format!("http://{}/crm/v1{}", chain.door, path(&ann))).bearer_auth(&key).body("{}");
    assert_eq!(bare.send().await.expect("an answer").status().as_u16(), 415);
    let other = chain.key(&[Scope::Staff, Scope::Orders, Scope::ConsentsRead], &["all"]);
    let elsewhere = chain.key(Scope::ALL, &["sh-002"]);
    for (key, word) in [(&other, "not-this-scope"), (&elsewhere, "not-this-store")] {
        assert_eq!(put(&chain, key, &ann, (5, 17)).await.refusal(), (403, word));
        assert_eq!(chain.get(&path(&ann), key).await.refusal(), (403, word));
        assert_eq!(chain.call(Method::DELETE, &path(&ann), key, None).await.refusal(), (403, word));
    }
    assert!(remove(&chain, &key, &ann).await && !remove(&chain, &key, &ann).await, "taken away once");
    assert_eq!(read(&chain, &key, &ann).await, None);
    let audit = "SELECT what || ' ' || about FROM people_audit WHERE what LIKE 'birthday%' ORDER BY n";
    let audit = texts(&mut *chain.place.open().expect("opens"), audit);
    let line = |what: &str| format!("birthday {what} sh-001 {ann}");
    assert_eq!(audit, [line("written"), line("written"), line("removed")]);
    chain.end().await;
}

/// Four are erased: one of whom nothing but the birthday was known, at headquarters; one by an order that the store answers, one by the store's
/// own word, and one with a birthday on a second card. Nothing of theirs stays, and nothing is taken any more; another one's stays. Two of the ids
/// are typed in capital letters: the store erased such a one, and headquarters once erased nobody.
pub async fn an_erased_customers_birthday_goes_and_does_not_come_back(side: Side) {
    let settings = care();
    let (mut chain, mut store) = (Chain::with_care(side, Some(settings.clone())).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::Customers, Scope::Erase], &["sh-001"]);
    chain.take(&store.comes());
    let [ordered, told, joined, card, stays] = [(); 5].map(|()| came(&mut chain, &mut store, Some("wechat-1")));
    let stranger = customer();
    for one in [&ordered, &told, &card, &stays, &stranger] {
        put(&chain, &key, one, (5, 17)).await.ok();
    }
    let alias = payload::Alias { customer: joined.clone(), alias: card.clone(), staff: "b-07".into() };
    let word = [store.says(kind::ALIAS, &joined, &alias)];
    chain.take(&word);
    chain.keep();
    assert_eq!(turn(&chain, &settings, "2026-05-17T02:00:00.000Z"), 4, "the stranger has not agreed");

    let now = clock::now().wall;
    let receipt = chain.database.erase("sh-001", &stranger, now).expect("a birthday is something").receipt;
    assert_eq!((receipt.birthdays, receipt.visits, receipt.events), (1, 0, 0));
    assert!(chain.database.erase("sh-001", &customer(), now).is_err(), "of whom nothing is known at all");
    let wish = json!({ "key": "1", "what": { "do": "erase", "customer": ordered.to_uppercase() } });
    let order = chain.call(Method::POST, "/stores/sh-001/orders", &key, Some(&wish)).await.ok()["order"].clone();
    let order = order.as_str().expect("an id").to_owned();
    let done = payload::Answer { order: order.clone(), outcome: Outcome::Done, words: String::new() };
    let gone = payload::Erased { customer: told.clone(), staff: "b-07".into(), reason: "asked".into() };
    let words = [store.says(kind::ANSWER, &order, &done), store.says(kind::ERASED, &told, &gone)];
    chain.take(&words);
    chain.keep();
    chain.database.erase("sh-001", &joined.to_uppercase(), now).expect("erased");

    let mut engine = chain.place.open().expect("opens");
    assert_eq!(texts(&mut *engine, "SELECT customer FROM birthdays"), std::slice::from_ref(&stays));
    assert_eq!(texts(&mut *engine, "SELECT customer FROM care_messages"), std::slice::from_ref(&stays));
    for one in [&stranger, &ordered, &told, &joined, &card] {
        assert_eq!(put(&chain, &key, one, (5, 17)).await.refusal(), (409, "customer-erased"));
        assert_eq!(read(&chain, &key, one).await, None);
        assert!(!remove(&chain, &key, one).await);
    }
    assert_eq!(read(&chain, &key, &stays).await, Some((5, 17)));
    assert_eq!(turn(&chain, &settings, "2026-05-18T02:00:00.000Z"), 0);
    chain.end().await;
}

/// One person has two cards, and the CRM knows a birthday of each: it is wished on the first of them; then the cards are joined, and the second
/// day, which was told last, brings no second wish that year, also where all tables are made anew. The next year it is that day.
pub async fn a_birthday_is_wished_once_a_year_whichever_card_it_was_told_of(side: Side) {
    let settings = care();
    let (mut chain, mut store) = (Chain::with_care(side, Some(settings.clone())).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::Customers, Scope::MessagesTake], &["sh-001"]);
    let [ann, card] = [(); 2].map(|()| came(&mut chain, &mut store, Some("both-1")));
    put(&chain, &key, &ann, (5, 17)).await.ok();
    put(&chain, &key, &card, (5, 19)).await.ok();
    assert_eq!(turn(&chain, &settings, "2026-05-17T01:59:59.999Z"), 0);
    assert_eq!(turn(&chain, &settings, "2026-05-17T02:00:00.000Z"), 1, "at ten in Shanghai");
    assert_eq!(turn(&chain, &settings, "2026-05-17T02:00:00.000Z"), 0, "once");
    let taken = take(&chain, &settings, "2026-05-17T02:00:00.000Z");
    let [message] = &taken[..] else { panic!("one: {taken:?}") };
    assert_eq!((&message.id, &message.customer), (&birthdays::id_of("sh-001", &ann, 2026), &ann));
    assert_eq!((message.kind, message.due), (Kind::Birthday, at("2026-05-17T02:00:00.000Z")));
    assert_eq!(message.channels, ["sms", "wechat"]);
    let seen = chain.get(&format!("/messages/{}", message.id), &key).await.ok();
    assert_eq!((&seen["kind"], seen.get("visit")), (&Value::from("birthday"), None), "it is of no visit");
    let listed = {
        let mut out = Vec::new();
        skinlink::hq::care::print(&chain.place, true, &mut out).expect("listed");
        String::from_utf8(out).expect("text")
    };
    assert!(listed.contains(&format!("customer {ann}  taken")), "{listed}");

    let alias = payload::Alias { customer: ann.clone(), alias: card.clone(), staff: "b-07".into() };
    let word = [store.says(kind::ALIAS, &ann, &alias)];
    chain.take(&word);
    chain.keep();
    assert_eq!((read(&chain, &key, &ann).await, read(&chain, &key, &card).await), (Some((5, 19)), Some((5, 19))));
    assert_eq!(turn(&chain, &settings, "2026-05-19T02:00:00.000Z"), 0);
    let shelves = Shelves::in_folder(chain.folder.path()).expect("the shelves");
    records::rebuild(&chain.place, &shelves).expect("made again");
    assert_eq!(turn(&chain, &settings, "2026-05-19T08:00:00.000Z"), 0, "facts made again change nothing");

    assert_eq!(turn(&chain, &settings, "2027-05-17T02:00:00.000Z"), 0, "that was of the other card");
    assert_eq!(turn(&chain, &settings, "2027-05-19T02:00:00.000Z"), 1);
    let taken = take(&chain, &settings, "2027-05-19T02:00:00.000Z");
    let next = taken.iter().find(|one| one.id == birthdays::id_of("sh-001", &card, 2027)).expect("the next one");
    assert_eq!(next.customer, ann, "by the id that counts");
    // Two years after her last visit nobody sends her anything.
    assert_eq!(turn(&chain, &settings, "2028-05-19T02:00:00.000Z"), 0);
    assert!(remove(&chain, &key, &ann).await, "whichever card it was told of");
    assert_eq!((read(&chain, &key, &ann).await, read(&chain, &key, &card).await), (None, None));
    chain.end().await;
}

/// Of two who have their birthday one agrees a day late, which is in time; one agreed and is never taken, and lapses. The third's moves while the
/// message waits: it comes on the new day, under the same id. Taken away when the message is in somebody's hands, it stands no more.
pub async fn a_birthday_waits_for_a_yes_and_lapses_after_three_days(side: Side) {
    let settings = care();
    let (mut chain, mut store) = (Chain::with_care(side, Some(settings.clone())).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::Customers], &["sh-001"]);
    let late = came(&mut chain, &mut store, None);
    let [lapses, moves] = [(); 2].map(|()| came(&mut chain, &mut store, Some("wechat-1")));
    let old_text = came(&mut chain, &mut store, Some("2026-11"));
    for one in [&late, &lapses, &moves, &old_text] {
        put(&chain, &key, one, (5, 17)).await.ok();
    }
    let id = |customer: &str| birthdays::id_of("sh-001", customer, 2026);
    assert_eq!(turn(&chain, &settings, "2026-05-17T02:00:00.000Z"), 2);
    put(&chain, &key, &moves, (5, 20)).await.ok();
    store.clock = at("2026-05-18T01:00:00.000Z");
    let yes = ["share_numbers", "deliver_report"].map(|purpose| store.consent_to("sms-1", &late, purpose, true));
    chain.take(&yes);
    chain.keep();
    assert_eq!(turn(&chain, &settings, "2026-05-18T02:00:00.000Z"), 1);
    let mut engine = chain.place.open().expect("opens");
    let taken = offers::take(&mut *engine, &settings, &Stores::All, (9, 60_000), at("2026-05-18T12:59:00.000Z"));
    let mut taken = taken.expect("answers");
    taken.sort_by_key(|one| one.customer != late);
    let ways: Vec<(&String, &[String])> = taken.iter().map(|one| (&one.id, one.channels.as_slice())).collect();
    assert_eq!(ways, [(&id(&late), &["sms".to_owned()][..]), (&id(&lapses), &["wechat".to_owned()][..])]);
    let done = (taken[0].id.as_str(), taken[0].lease.as_str());
    offers::answer(&mut *engine, done, &offers::Outcome::Done, at("2026-05-18T12:59:30.000Z")).expect("noted");

    assert_eq!(turn(&chain, &settings, "2026-05-20T02:00:00.000Z"), 1, "the one that was moved");
    assert!(
        take(&chain, &settings, "2026-05-20T13:00:00.000Z").is_empty(),
        "nobody is written to at nine in the evening"
    );
    let taken = take(&chain, &settings, "2026-05-21T01:00:00.000Z");
    let ids: Vec<&String> = taken.iter().map(|one| &one.id).collect();
    assert_eq!(ids, [&id(&moves)], "of the 17th it is over on the 21st");
    let mut stands =
        |now: &str| offers::find(&mut *engine, &settings, &id(&moves), at(now)).expect("answers").expect("kept").1;
    assert!(stands("2026-05-21T01:00:30.000Z"));
    assert!(remove(&chain, &key, &moves).await);
    assert!(!stands("2026-05-21T01:00:30.000Z"), "it is in somebody's hands, and stands no more");
    let states =
        "SELECT state FROM care_messages ORDER BY CASE message WHEN '{late}' THEN 0 WHEN '{lapses}' THEN 1 ELSE 2 END";
    let states = states.replace("{late}", &id(&late)).replace("{lapses}", &id(&lapses));
    assert_eq!(texts(&mut *engine, &states), ["done", "lapsed", "taken"]);
    chain.end().await;
}
