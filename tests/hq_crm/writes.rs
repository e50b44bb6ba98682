//! What programs write.

use crate::{
    Side,
    chain::{Chain, Store, later},
};
use reqwest::Method;
use serde_json::{Value, json};
use skinlink::{
    clock,
    domain::Timestamp,
    hq::crm::keys::Scope,
    sync::{agenda::Standing, reply::Reply},
};

const DAY: i64 = 86_400_000;

fn entry(id: &str, starts: Timestamp, name: &str) -> Value {
    json!({ "id": id, "starts": starts.to_string(), "service": "补水护理", "name": name, "phone": "6688" })
}

async fn put(chain: &Chain, store: &str, key: &str, whole: bool, entries: &[Value]) -> crate::chain::Answer {
    let body = json!({ "appointments": entries });
    chain.call(Method::PUT, &format!("/stores/{store}/appointments?whole={whole}"), key, Some(&body)).await
}

/// The CRM hands over two appointments, then a list of which one cannot be read: of that nothing is taken, and each complaint names
/// its place. Handed over again nothing changes; a whole list calls off what it does not name.
pub async fn appointments_are_taken_whole_or_not_at_all(side: Side) {
    let (mut chain, store) = (Chain::new(side).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::AppointmentsWrite], &["sh-001", "sh-009"]);
    let (soon, next) = (later(3_600_000), later(7_200_000));
    let first = [entry("1", soon, "林若溪"), entry("2", next, "周敏")];
    let unknown = put(&chain, "sh-009", &key, false, &first).await;
    assert_eq!(unknown.refusal(), (404, "no-such-store"));
    chain.take(&store.comes());
    let counts = |answer: crate::chain::Answer| {
        let body = answer.ok();
        ["changed", "unchanged", "called_off"].map(|name| body[name].as_u64().expect("a number"))
    };
    assert_eq!(counts(put(&chain, "sh-001", &key, false, &first).await), [2, 0, 0]);
    let mut wrong = entry("3", next, "陈静");
    wrong["starts"] = json!("tomorrow");
    let refused = put(&chain, "sh-001", &key, false, &[entry("1", next, "林若溪"), wrong]).await;
    assert_eq!(refused.refusal(), (422, "appointments-refused"));
    let detail = refused.body["detail"].as_str().expect("text");
    assert!(detail.contains("appointments[1].starts") && !detail.contains("林若溪"), "{detail}");
    assert_eq!(counts(put(&chain, "sh-001", &key, false, &first).await), [0, 2, 0], "nothing of it was taken");
    assert_eq!(counts(put(&chain, "sh-001", &key, true, &first[1..]).await), [0, 1, 1]);
    let bare = crate::chain::client().put(format!("http://{}/crm/v1/stores/sh-001/appointments", chain.door));
    let bare = bare.bearer_auth(&key).body("{}").send().await.expect("an answer");
    assert_eq!(bare.status().as_u16(), 415);
    chain.end().await;
}

/// A chain hands over three months of two stores. Each store is told of its own customers of the next seven days alone; the others
/// come into its sight day by day.
pub async fn a_store_is_told_of_its_own_customers_of_the_next_seven_days(side: Side) {
    let mut chain = Chain::new(side).await;
    let key = chain.key(&[Scope::AppointmentsWrite], &["all"]);
    let stores = ["sh-001", "sh-002"].map(Store::named);
    for store in &stores {
        chain.take(&store.comes());
        let name = &store.gateway.address.store;
        // At noon between two looks, so that it does not matter in which minute the story is told.
        let entries: Vec<Value> = (0..90)
            .map(|day| entry(&format!("{name}-{day:02}"), later(day * DAY + DAY / 2), &format!("guest of {name}")))
            .collect();
        put(&chain, name, &key, true, &entries).await.ok();
    }
    let begin = clock::now().wall;
    let due = chain.database.downlink_due(begin).expect("answers");
    assert_eq!(due.len(), 2, "one word for each store");
    for (to, reply) in due {
        let Reply::Agenda { appointments, .. } = reply else { panic!("{reply:?}") };
        let told: Vec<String> = appointments.iter().map(|one| one.id.clone()).collect();
        let own: Vec<String> = (0..7).map(|day| format!("{}-{day:02}", to.store)).collect();
        assert_eq!(told, own, "{to:?}");
        assert!(appointments.iter().all(|one| one.state == Standing::Booked && one.name.ends_with(&to.store)));
    }
    let days: Vec<usize> = (1..4)
        .map(|day| {
            let at = Timestamp::from_unix_ms(begin.unix_ms() + day * DAY + 3_600_000);
            let due = chain.database.downlink_due(at).expect("answers");
            let named = due.iter().filter(|(to, _)| to.store == "sh-001").map(|(_, reply)| match reply {
                Reply::Agenda { appointments, .. } => appointments.len(),
                other => panic!("{other:?}"),
            });
            named.sum()
        })
        .collect();
    println!("told at once 7 of 90; on each of the next days, since nothing was acknowledged: {days:?}");
    assert_eq!(days, [8, 8, 8], "of yesterday the last one, and those of the seven days ahead");
    chain.end().await;
}
