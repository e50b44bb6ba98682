//! Messages of care through the API, as an integration that sends them calls it.

use crate::{
    Side,
    batches::Gateway,
    chain::{Chain, Store, care_by_day, customer, later, visit},
};
use reqwest::Method;
use serde_json::{Value, json};
use skinlink::{
    clock,
    domain::Timestamp,
    hq::{
        CareSettings,
        care::{self as messages, offers},
        crm::keys::{Scope, Stores},
        database::engine::Engine,
        office::audit,
        retirement,
    },
    sync::{
        payload::{self, kind},
        topic::Address,
    },
};

fn turn(chain: &Chain, settings: &CareSettings, now: Timestamp) -> u64 {
    let mut engine = chain.place.open().expect("opens");
    let mut offered = 0;
    loop {
        let done = offers::turn(&mut *engine, settings, now).expect("a turn");
        offered += done.offered;
        if !done.more {
            return offered;
        }
    }
}

/// Agreed to the text that allows messages, came, and left some hours ago.
fn came(chain: &mut Chain, store: &mut Store, hours: i64) -> (String, String) {
    let (one, ann) = (visit(), customer());
    store.clock = later(-hours * 3_600_000 - 60_000);
    let told = [
        store.consent_to("wechat-1", &ann, "share_numbers", true),
        store.consent_to("wechat-1", &ann, "deliver_report", true),
        store.visit(&one, &ann, 1, "open"),
        store.visit(&one, &ann, 2, "closed"),
    ];
    chain.take(&told);
    chain.keep();
    (one, ann)
}

async fn take(chain: &Chain, key: &str) -> Vec<Value> {
    let taken = chain.call(Method::POST, "/messages/take", key, Some(&json!({ "lease_s": 60 }))).await.ok();
    taken["messages"].as_array().expect("a list").clone()
}

/// Three customers left three hours ago. The first message is sent; of the second the integration says that it failed; the third's
/// customer unsubscribes before it is taken, and a fourth agreed to a text that allows nothing. What was answered for does not
/// come again, not even when all tables are made anew; no message holds a name.
pub async fn a_message_is_taken_answered_for_and_offered_once(side: Side) {
    let settings = care_by_day();
    let (mut chain, mut store) = (Chain::with_care(side, Some(settings.clone())).await, Store::named("sh-001"));
    let (key, stranger) =
        (chain.key(&[Scope::MessagesTake], &["sh-001"]), chain.key(&[Scope::MessagesTake], &["sh-002"]));
    let [(one, ann), (two, _), (three, cleo)] = [(); 3].map(|()| came(&mut chain, &mut store, 3));
    let four = visit();
    let told = [
        store.consent("dora", "share_numbers", true),
        store.consent("dora", "deliver_report", true),
        store.visit(&four, "dora", 1, "closed"),
    ];
    chain.take(&told);
    chain.keep();
    assert_eq!(turn(&chain, &settings, clock::now().wall), 3);
    assert_eq!(turn(&chain, &settings, clock::now().wall), 0, "once");
    store.clock = later(0);
    let told = [store.feedback(&three, &cleo, "unsubscribe")];
    chain.take(&told);
    chain.keep();

    assert!(take(&chain, &stranger).await.is_empty(), "of another store");
    let taken = take(&chain, &key).await;
    assert_eq!(taken.len(), 2, "{taken:?}");
    assert!(take(&chain, &key).await.is_empty(), "they are somebody's");
    let of = |visit: &str| taken.iter().find(|one| one["visit"] == visit).expect("taken").clone();
    let (first, second) = (of(&one), of(&two));
    let fields: Vec<&String> = first.as_object().expect("an object").keys().collect();
    assert_eq!(fields.len(), 12, "ids, kind, due, store, language, ways and the lease: {fields:?}");
    assert_eq!(
        (&first["kind"], &first["customer"], &first["language"]),
        (&"care".into(), &ann.as_str().into(), &"zh-Hans".into())
    );
    assert_eq!((&first["channels"], &first["stands"]), (&json!(["wechat"]), &json!(true)));
    let path = |message: &Value, verb: &str| format!("/messages/{}{verb}", message["message"].as_str().expect("an id"));
    let done = json!({ "lease": first["lease"] });
    for _ in 0..2 {
        let noted = chain.call(Method::POST, &path(&first, "/done"), &key, Some(&done)).await.ok();
        assert_eq!(noted["state"], "done", "said twice it is the same");
    }
    let foreign = chain.call(Method::POST, &path(&second, "/done"), &key, Some(&done)).await;
    assert_eq!(foreign.refusal(), (409, "lease-over"));
    let unseen = chain.call(Method::POST, &path(&second, "/done"), &stranger, Some(&done)).await;
    assert_eq!(unseen.refusal(), (404, "no-such-message"));
    let failed = json!({ "lease": second["lease"], "reason": "the platform is closed for maintenance" });
    let noted = chain.call(Method::POST, &path(&second, "/failed"), &key, Some(&failed)).await.ok();
    assert_eq!(noted["state"], "waiting");
    let seen = chain.get(&path(&second, ""), &key).await.ok();
    assert_eq!((&seen["state"], &seen["stands"], &seen["lease"]), (&"waiting".into(), &true.into(), &"".into()));

    // She withdraws before it is tried again: it is taken back.
    let withdrawn = store.consent_to("wechat-1", second["customer"].as_str().expect("an id"), "deliver_report", false);
    chain.take(&[withdrawn]);
    chain.keep();
    assert_eq!(chain.get(&path(&second, ""), &key).await.ok()["stands"], false);
    let mut engine = chain.place.open().expect("opens");
    let stores = Stores::All;
    let soon = later(3_600_000);
    let again = offers::take(&mut *engine, &settings, &stores, (9, 60_000), soon).expect("answers");
    assert!(again.is_empty(), "{again:?}");
    assert_eq!(
        states(&mut *engine),
        [(one.clone(), "done"), (two, "withdrawn"), (three, "withdrawn")].map(owned).into()
    );

    let shelves = skinlink::hq::shelf::Shelves::in_folder(chain.folder.path()).expect("the shelves");
    skinlink::hq::records::rebuild(&chain.place, &shelves).expect("made again");
    assert_eq!(turn(&chain, &settings, soon), 0, "nothing twice");
    chain.database.erase("sh-001", &ann, clock::now().wall).expect("erased");
    assert!(states(&mut *engine).iter().all(|(visit, _)| *visit != one), "her messages went with her");
    assert_eq!(turn(&chain, &settings, soon), 0);
    chain.end().await;
}

fn owned((visit, state): (String, &str)) -> (String, String) {
    (visit, state.to_owned())
}

fn states(engine: &mut dyn Engine) -> std::collections::BTreeSet<(String, String)> {
    let rows = engine.query("SELECT visit, state FROM care_messages", &[]).expect("answers");
    rows.iter().map(|row| (row.get(0).expect("a text"), row.get(1).expect("a text"))).collect()
}

/// Of whoever never agreed, or wants no messages, nothing is looked at again and again until it would make no sense any more; a word of theirs
/// is enough, and the message goes out all the same, also by a card that was joined to theirs.
pub async fn who_has_not_agreed_is_looked_at_when_they_say_another_word(side: Side) {
    let settings = care_by_day();
    let (mut chain, mut store) = (Chain::with_care(side, Some(settings.clone())).await, Store::named("sh-001"));
    let ([one, two, three], [ann, bea, cleo]) = ([(); 3].map(|()| visit()), [(); 3].map(|()| customer()));
    store.clock = later(-3 * 3_600_000);
    let told = [
        store.visit(&one, &ann, 1, "closed"),
        store.consent_to("wechat-1", &bea, "share_numbers", true),
        store.consent_to("wechat-1", &bea, "deliver_report", false),
        store.visit(&two, &bea, 1, "closed"),
        store.visit(&three, &cleo, 1, "closed"),
    ];
    chain.take(&told);
    chain.keep();
    let now = clock::now().wall;
    assert_eq!(turn(&chain, &settings, now), 0);
    let mut engine = chain.place.open().expect("opens");
    let mut watched = || -> u64 {
        engine.query("SELECT count(*) FROM care_watch", &[]).expect("answers")[0].get(0).expect("a number")
    };
    assert_eq!(watched(), 0, "nobody is looked at again by the hour");
    store.clock = later(-3_600_000);
    let told = [
        store.consent_to("wechat-1", &ann, "share_numbers", true),
        store.consent_to("wechat-1", &ann, "deliver_report", true),
        store.consent_to("wechat-1", &bea, "deliver_report", true),
    ];
    chain.take(&told);
    chain.keep();
    assert_eq!(turn(&chain, &settings, now), 2, "a late yes is in time");
    // Cleo turns out to be Ann: what Ann agreed to holds for the visit on the other card, of which she came again since.
    let joined = payload::Alias { customer: ann.clone(), alias: cleo, staff: "b-07".into() };
    let told = [store.says(kind::ALIAS, &ann, &joined)];
    chain.take(&told);
    chain.keep();
    turn(&chain, &settings, now);
    assert!(watched() >= 3, "all three are waited for now");
    let told = [store.feedback(&one, &ann, "unsubscribe")];
    chain.take(&told);
    chain.keep();
    turn(&chain, &settings, now);
    let left = chain.place.open().expect("opens").query("SELECT visit FROM care_watch", &[]).expect("answers");
    let left: Vec<String> = left.iter().map(|row| row.get(0).expect("a text")).collect();
    assert!(!left.contains(&one) && left.contains(&two), "whoever wants no messages is left alone: {left:?}");
    chain.end().await;
}

/// A message that the integration gives up is dead: `care list` says why and what to do, `care again` sends it on its way, and it is
/// handed out under the same id. Of a store that was not heard for a day nothing is handed out, since it may know of a no.
pub async fn a_dead_message_is_seen_and_sent_again(side: Side) {
    let settings = care_by_day();
    let (mut chain, mut store) = (Chain::with_care(side, Some(settings.clone())).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::MessagesTake], &["all"]);
    let (one, _) = came(&mut chain, &mut store, 4);
    turn(&chain, &settings, clock::now().wall);
    let taken = take(&chain, &key).await;
    let id = taken[0]["message"].as_str().expect("an id").to_owned();
    let failed = json!({ "lease": taken[0]["lease"], "reason": "not a follower", "final": true });
    let noted = chain.call(Method::POST, &format!("/messages/{id}/failed"), &key, Some(&failed)).await.ok();
    assert_eq!(noted["state"], "dead");
    let said = |work: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        work(&mut out);
        String::from_utf8(out).expect("text")
    };
    let listed = said(&|out| messages::print(&chain.place, false, out).expect("listed"));
    assert!(
        listed.contains("dead after 1 tries: not a follower") && listed.contains(&format!("care again {id}")),
        "{listed}"
    );
    assert!(take(&chain, &key).await.is_empty());
    assert!(messages::again(&chain.place, "nothing", &mut Vec::new()).is_err());
    assert_eq!(said(&|out| messages::again(&chain.place, &id, out).expect("sent")), "1 on their way again\n");
    let mut engine = chain.place.open().expect("opens");
    let heard = "UPDATE gateways SET last_heard_ms = ?1";
    engine.execute(heard, &[later(-25 * 3_600_000).unix_ms().into()]).expect("written");
    assert!(take(&chain, &key).await.is_empty(), "nobody knows what the store was told since");
    engine.execute(heard, &[clock::now().wall.unix_ms().into()]).expect("written");
    engine.execute("UPDATE care_messages SET until_ms = 0", &[]).expect("written");
    let again = take(&chain, &key).await;
    assert_eq!((again[0]["message"].as_str(), again[0]["visit"].as_str()), (Some(id.as_str()), Some(one.as_str())));
    // The visit is struck out while it is away: it makes no sense any more.
    let voided = payload::Voided {
        what: "visit".into(),
        id: one,
        restored: false,
        staff: "b-07".into(),
        reason: "a slip".into(),
    };
    let told = [store.says(kind::VOIDED, "x", &voided)];
    chain.take(&told);
    chain.keep();
    assert_eq!(chain.get(&format!("/messages/{id}"), &key).await.ok()["stands"], false);
    chain.end().await;
}

/// A store's machine was replaced two days ago. The old one may know of a no, and so its customers' messages once waited for sixty days.
pub async fn messages_wait_for_no_gateway_that_is_retired(side: Side) {
    let settings = care_by_day();
    let (mut chain, mut store) = (Chain::with_care(side, Some(settings.clone())).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::MessagesTake], &["all"]);
    let (one, _) = came(&mut chain, &mut store, 4);
    assert_eq!(turn(&chain, &settings, clock::now().wall), 1);
    let old = Gateway::named("sh-001-g0");
    let old = Gateway { address: Address { store: "sh-001".to_owned(), ..old.address.clone() }, ..old };
    chain.take(&[old.hello(0, 1, Vec::new())]);
    let mut engine = chain.place.open().expect("opens");
    let heard = "UPDATE gateways SET last_heard_ms = ?1 WHERE gateway = 'sh-001-g0'";
    engine.execute(heard, &[later(-48 * 3_600_000).unix_ms().into()]).expect("written");
    assert!(take(&chain, &key).await.is_empty(), "nobody knows what it was told");
    let by = (audit::COMMAND, clock::now().wall);
    retirement::retire(&mut *engine, "sh-001-g0", by).expect("it is retired");
    engine.execute("UPDATE care_messages SET until_ms = 0", &[]).expect("written");
    let taken = take(&chain, &key).await;
    assert_eq!(taken.len(), 1, "{taken:?}");
    assert_eq!(taken[0]["visit"], one.as_str());
    chain.end().await;
}

/// The store closed, and its only machine is retired: nobody can know whether a message may be sent. It was looked at every two minutes for ever,
/// and offered as waiting long after it made any sense.
pub async fn a_message_of_a_store_that_closed_lapses_in_its_time(side: Side) {
    let settings = care_by_day();
    let (mut chain, mut store) = (Chain::with_care(side, Some(settings.clone())).await, Store::named("sh-001"));
    came(&mut chain, &mut store, 4);
    assert_eq!(turn(&chain, &settings, clock::now().wall), 1);
    let mut engine = chain.place.open().expect("opens");
    let by = (audit::COMMAND, clock::now().wall);
    retirement::retire(&mut *engine, "sh-001-g1", by).expect("it is retired");
    let mut state = |days: i64| {
        let at = later(days * 86_400_000);
        let taken = offers::take(&mut *engine, &settings, &Stores::All, (9, 60_000), at).expect("answers");
        assert!(taken.is_empty(), "{taken:?}");
        engine.query("SELECT state FROM care_messages", &[]).expect("rows")[0].get::<String>(0).expect("text")
    };
    assert_eq!(state(0), "waiting", "the machine may be used again");
    assert_eq!(state(3), "lapsed");
    chain.end().await;
}
