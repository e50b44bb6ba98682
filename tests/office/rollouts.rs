//! Rollouts on the office's pages: who may do what, and what is written down of it.

use crate::{
    Side,
    house::{House, TOKEN, plain},
    stores::Store,
};
use reqwest::StatusCode;
use skinlink::{
    clock,
    domain::Timestamp,
    hq::{
        HqError,
        office::{audit, people::Role},
        rollout::{self, State, cause::Cause, packages, plan::Limits, turn},
    },
    sync::{
        agenda::Held,
        downlink::Downlink,
        package::{self, Header, Holding, SigningKey, Slot, Stand},
        reply::{Hello, Reply},
        topic::Lane,
    },
};
const SLOT: &str = "model/pores-dog";

pub fn header(version: u64) -> Header {
    Header {
        chain: "qinghe".into(),
        slot: Slot::Model("pores-dog".into()),
        version,
        made: "2026-11-28T06:30:00.000Z".into(),
        until: None,
        note: "更细的网格，夜间照片更稳".into(),
        files: Vec::new(),
    }
}

pub fn key(house: &House) -> SigningKey {
    let pem = std::fs::read(house.folder.path().join("packages.key")).expect("the key");
    SigningKey::from_pem(&pem, b"").expect("a key")
}

pub fn signed(header: Header, key: &SigningKey) -> Vec<u8> {
    let note = header.version.to_string().into_bytes();
    package::sign(header, &[("model.onnx".into(), vec![1; 120_000]), ("note.txt".into(), note)], key)
        .expect("a package")
}

pub fn add(house: &House, bytes: &[u8]) -> Result<packages::Package, HqError> {
    packages::add(&mut *house.engine(), bytes, &house.rollouts, (audit::COMMAND, clock::now().wall))
}

/// A hello that tells of packages.
pub fn says(store: &Store, packages: Vec<Holding>) -> skinlink::hq::database::Arrived {
    let mut said = store.hello(0);
    let mut hello: Hello = serde_json::from_slice(&said.payload).expect("a hello");
    let wanted = Some(Held { book: "unknown".into(), version: 1 });
    hello.downlink = Some(Downlink { wanted, packages, ..Downlink::default() });
    assert_eq!(said.lane, Lane::Hello);
    said.payload = serde_json::to_vec(&hello).expect("plain data");
    said
}

pub fn holding(version: u64, stand: Stand, reason: &str, counts: Option<(u64, u64)>) -> Holding {
    Holding {
        slot: Slot::Model("pores-dog".into()),
        version,
        stand,
        reason: reason.into(),
        measured: counts.map(|(measured, _)| measured),
        failed: counts.map(|(_, failed)| failed),
    }
}

/// Stores that understand packages.
pub fn chain(house: &mut House, many: usize) -> Vec<Store> {
    let stores: Vec<Store> = (1..=many).map(|at| Store::named(&format!("sh-{at:03}"))).collect();
    let about = serde_json::json!({ "version": "1.5.0", "downlinks": ["agenda", "packages"] });
    let told: Vec<_> = stores.iter().flat_map(|one| [one.says("online"), one.hello(0), one.about(&about)]).collect();
    house.take(&told);
    stores
}

pub async fn whoever_runs_the_fleet_rolls_out_and_takes_back_and_the_others_look(side: Side) {
    let mut house = House::new(side).await;
    for (name, role, stores) in [
        ("fleet", Role::Operator, "all"),
        ("south", Role::Operator, "sh-001"),
        ("li-na", Role::Analyst, "all"),
        ("boss", Role::Administrator, "all"),
    ] {
        house.add(name, role, stores);
    }
    let stores = chain(&mut house, 30);
    add(&house, &signed(header(7), &key(&house))).expect("it is taken in");
    let form = [("slot", SLOT), ("version", "7"), ("pilot", "sh-003, sh-004")];
    let (fleet, south, analyst) =
        (house.log_in("fleet").await, house.log_in("south").await, house.log_in("li-na").await);
    // Who sees one store has nothing to do with what the chain rolls out; who analyses looks.
    assert_eq!(house.get("/rollouts", &south).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.post("/rollouts", &south, &form).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.post("/rollouts", &analyst, &form).await.status, StatusCode::NOT_FOUND);
    let seen = house.get("/rollouts", &analyst).await;
    assert!(seen.text.contains("model/pores-dog 7") && !seen.text.contains("name=\"version\""), "{}", seen.text);
    assert_eq!(
        house.post_from("https://elsewhere.example", "/rollouts", &fleet, &form).await.status,
        StatusCode::FORBIDDEN
    );
    assert!(house.get("/rollouts", &fleet).await.text.contains("还没有发布过"));
    let wrong = [("slot", SLOT), ("version", "7"), ("pilot", "sh-099")];
    let refused = house.post("/rollouts", &fleet, &wrong).await;
    assert!(refused.status == StatusCode::CONFLICT && refused.text.contains("sh-099"), "{}", refused.text);
    let begun = house.post("/rollouts", &fleet, &form).await;
    assert_eq!((begun.status, begun.header("location")), (StatusCode::SEE_OTHER, "/rollouts/1"));
    assert_eq!(house.post("/rollouts", &fleet, &form).await.status, StatusCode::CONFLICT, "it is under way");

    // Its pilots alone are told to use it, and get its bytes; a stranger to the ring asks in vain.
    let due = house.database.downlink_due(clock::now().wall).expect("what is due");
    let told: Vec<_> = due
        .iter()
        .filter_map(|(to, reply)| match reply {
            Reply::Wanted { packages, .. } => Some((to.store.clone(), packages.clone())),
            _ => None,
        })
        .collect();
    assert_eq!(told.len(), 30);
    let wished: Vec<&str> =
        told.iter().filter(|(_, wishes)| !wishes.is_empty()).map(|(store, _)| store.as_str()).collect();
    assert_eq!(wished, ["sh-003", "sh-004"]);
    let digest = told.iter().find_map(|(_, wishes)| Some(wishes.first()?.sha256.clone())).expect("a wish");
    let mut fetched = |store: &Store, from: u32| {
        let mut said = says(store, Vec::new());
        let mut hello: Hello = serde_json::from_slice(&said.payload).expect("a hello");
        let downlink = hello.downlink.as_mut().expect("a downlink");
        downlink.fetch = Some(package::Fetch { sha256: digest.clone(), from });
        said.payload = serde_json::to_vec(&hello).expect("plain data");
        let replies = house.database.take(&[said], clock::now().wall).expect("taken");
        replies.iter().filter(|(_, reply)| matches!(reply, Reply::Slice { .. })).count()
    };
    assert_eq!((fetched(&stores[2], 0), fetched(&stores[2], 2), fetched(&stores[2], 9)), (3, 1, 0));
    assert_eq!(fetched(&stores[0], 0), 0, "it is in another ring");

    let act = |deed: &'static str| [("deed", deed), ("ring", "0")];
    for (who, deed, status, state) in [
        (&analyst, "halt", StatusCode::NOT_FOUND, "进行中"),
        (&fleet, "pause", StatusCode::SEE_OTHER, "已暂停"),
        (&fleet, "pause", StatusCode::CONFLICT, "已暂停"),
        (&fleet, "go", StatusCode::SEE_OTHER, "进行中"),
        (&fleet, "dance", StatusCode::BAD_REQUEST, "进行中"),
        (&fleet, "halt", StatusCode::SEE_OTHER, "已停止并撤回"),
        (&fleet, "go", StatusCode::CONFLICT, "已停止并撤回"),
    ] {
        assert_eq!(house.post("/rollouts/1", who, &act(deed)).await.status, status, "{deed}");
        let page = house.get("/rollouts/1", &analyst).await.text;
        assert!(page.contains(&format!("\">{state}</span>")), "{deed}: {page}");
    }
    let halted = "skinlink_hq_rollout_halted_seconds{slot=\"model/pores-dog\",version=\"7\",by=\"person\"} ";
    let metrics = house.metrics(TOKEN).await.text;
    assert!(metrics.contains(halted) && !metrics.contains("by=\"itself\""), "no alert on what somebody did: {metrics}");
    // A store that knows more of the book than this database: it was restored from a backup, and begins another one.
    let wanted = |due: &[(skinlink::sync::topic::Address, Reply)]| {
        due.iter().find_map(|(_, reply)| match reply {
            Reply::Wanted { book, version, .. } => Some((book.clone(), *version)),
            _ => None,
        })
    };
    house.take_at(&[stores[9].hello(0)], clock::now().wall);
    let due = house.database.downlink_due(clock::now().wall).expect("what is due");
    let (book, version) = wanted(&due).expect("it is told what is wanted");
    for (ahead, is_other) in [(0, false), (1, true)] {
        let mut said = says(&stores[9], Vec::new());
        let mut hello: Hello = serde_json::from_slice(&said.payload).expect("a hello");
        let downlink = hello.downlink.as_mut().expect("a downlink");
        downlink.wanted = Some(Held { book: book.clone(), version: version + ahead });
        said.payload = serde_json::to_vec(&hello).expect("plain data");
        house.database.take(&[said], clock::now().wall).expect("taken");
        let due = house.database.downlink_due(clock::now().wall).expect("what is due");
        let told = wanted(&due);
        assert_eq!(told.is_some_and(|(other, _)| other != book), is_other, "{ahead} ahead");
    }
    // Somebody with another role takes the next one back after it has finished.
    add(&house, &signed(header(8), &key(&house))).expect("it is taken in");
    let boss = house.log_in("boss").await;
    let next = [("slot", SLOT), ("version", "8"), ("pilot", "")];
    assert_eq!(house.post("/rollouts", &boss, &next).await.header("location"), "/rollouts/2");
    for ring in ["0", "1", "2"] {
        let next = [("deed", "next"), ("ring", ring)];
        assert_eq!(house.post("/rollouts/2", &boss, &next).await.status, StatusCode::SEE_OTHER);
        // The same press once more was drawn for a ring that is over.
        assert_eq!(house.post("/rollouts/2", &boss, &next).await.status, StatusCode::CONFLICT, "{ring}");
    }
    assert!(house.get("/rollouts/2", &boss).await.text.contains("已完成"));
    assert_eq!(
        house.post("/rollouts/2", &boss, &[("deed", "back"), ("ring", "2")]).await.status,
        StatusCode::SEE_OTHER
    );
    let metrics = house.metrics(TOKEN).await.text;
    assert!(
        metrics.contains("skinlink_hq_rollout_state{slot=\"model/pores-dog\",version=\"8\",state=\"back\"} 1"),
        "{metrics}"
    );
    assert!(!metrics.contains(halted), "the slot's next rollout has begun: {metrics}");
    let due = house.database.downlink_due(clock::now().wall).expect("what is due");
    let withdrawn = due.iter().find_map(|(_, reply)| match reply {
        Reply::Wanted { withdrawn, .. } => Some(withdrawn[0].versions.clone()),
        _ => None,
    });
    assert_eq!(withdrawn, Some(vec![8, 7]));
    let entries = audit::newest(&mut *house.engine(), None, 100).expect("the audit");
    let deeds: Vec<_> = entries
        .iter()
        .rev()
        .filter(|entry| entry.what.starts_with("rollout"))
        .map(|entry| (entry.who.as_str(), entry.what.as_str(), entry.about.split(' ').nth(1).unwrap_or_default()))
        .collect();
    let by_fleet = |what| ("fleet", what, "7");
    let by_boss = |what| ("boss", what, "8");
    assert_eq!(
        deeds,
        [
            by_fleet("rollout started"),
            by_fleet("rollout paused"),
            by_fleet("rollout goes on"),
            by_fleet("rollout halted"),
            by_boss("rollout started"),
            by_boss("rollout taken back"),
        ]
    );
    house.end().await;
}

/// Whoever looked after a store saw the version of its program and nothing of the models and rules in use there: that stood on the page of each
/// rollout alone, which whoever sees some stores does not see. Now the store's page says so, and says it anew when a gateway tells of
/// something else and when headquarters withdraws what is in use.
pub async fn a_stores_page_says_what_is_rolled_out_there(side: Side) {
    let mut house = House::new(side).await;
    house.add("fleet", Role::Operator, "all");
    house.add("south", Role::Operator, "sh-001");
    let stores = chain(&mut house, 3);
    let (fleet, south) = (house.log_in("fleet").await, house.log_in("south").await);
    let section = |text: &str| {
        let from = text.find("id=\"rolled\"").unwrap_or_else(|| panic!("no such section in {text}"));
        plain(&text[from..from + text[from..].find("</section>").expect("its end")])
    };
    let own = house.get("/stores/sh-001", &south).await.text;
    assert!(section(&own).contains("没有总部发布的包，用的是安装时自带的。"), "{own}");
    for (lang, words) in [
        ("hant", "沒有總部發布的包，用的是安裝時自帶的。"),
        ("en", "Nothing that headquarters rolled out; the store uses what it was installed with."),
    ] {
        let said = section(&house.get(&format!("/stores/sh-001?lang={lang}"), &south).await.text);
        assert!(said.contains(words), "{said}");
    }

    add(&house, &signed(header(7), &key(&house))).expect("it is taken in");
    let form = [("slot", SLOT), ("version", "7"), ("pilot", "sh-001")];
    assert_eq!(house.post("/rollouts", &fleet, &form).await.status, StatusCode::SEE_OTHER);
    let rules = |version: u64, stand, reason: &str| Holding {
        slot: Slot::Suggestions,
        version,
        stand,
        reason: reason.into(),
        measured: None,
        failed: None,
    };
    let mut news = house.listen("/stores/sh-001/live?seen=of-before", &south).await;
    let told = [
        holding(7, Stand::Used, "", Some((40, 2))),
        holding(6, Stand::Refused, "an old complaint", None),
        rules(4, Stand::Refused, "line 3: no such metric <script>"),
        rules(3, Stand::Used, ""),
    ];
    house.take(&[says(&stores[0], told.to_vec())]);
    let text = house.until("/stores/sh-001", &south, "it is told", |text| section(text).contains("已启用")).await;
    let said = section(&text);
    assert!(said.contains("model/pores-dog 7 sh-001-g1 · 已分析照片 40 张，失败 2 张 已启用"), "{said}");
    assert!(said.contains("suggestions 4 sh-001-g1 line 3: no such metric &") && said.contains("已拒绝"), "{said}");
    assert!(!text.contains("<script>"), "a gateway's words are text: {text}");
    assert!(said.contains("suggestions 3 sh-001-g1 已启用"), "no model counts no photographs: {said}");
    assert!(!said.contains("an old complaint"), "something newer is in use: {said}");
    let said = section(&house.get("/stores/sh-001?lang=en", &south).await.text);
    assert!(said.contains("40 photographs measured, 2 failed in use") && said.contains("refused"), "{said}");
    // Another store's are not here.
    let other = section(&house.get("/stores/sh-002", &fleet).await.text);
    assert!(other.contains("没有总部发布的包"), "{other}");

    // Headquarters takes it back while the store is busy with a visit; nothing comes from there, and an open page says so all the same.
    quiet(&mut news).await;
    let halt = [("deed", "halt"), ("ring", "0")];
    assert_eq!(house.post("/rollouts/1", &fleet, &halt).await.status, StatusCode::SEE_OTHER);
    changed(&mut news).await;
    let said = section(&house.get("/stores/sh-001", &south).await.text);
    assert!(said.contains("已撤回，仍在用"), "{said}");
    house.take(&[says(&stores[0], vec![holding(7, Stand::Left, "", Some((41, 2)))])]);
    let left = |text: &str| section(text).contains("失败 2 张 已停用");
    let text = house.until("/stores/sh-001", &south, "it is left", left).await;
    assert!(section(&text).contains("suggestions 4"), "it is remembered: {text}");
    house.end().await;
}

/// Reads on until a stream has said nothing for longer than a page of a store rests between two readings.
async fn quiet(news: &mut reqwest::Response) {
    let silence = std::time::Duration::from_secs(7);
    while let Ok(chunk) = tokio::time::timeout(silence, news.chunk()).await {
        chunk.expect("the line holds").expect("it goes on");
    }
}

/// Waits until a stream says that its page is to be read again.
async fn changed(news: &mut reqwest::Response) {
    let mut text = String::new();
    let wait = async {
        while !text.contains("event: changed") {
            text += &String::from_utf8_lossy(&news.chunk().await.expect("the line holds").expect("it goes on"));
        }
    };
    tokio::time::timeout(crate::house::LIMIT, wait).await.expect("the page is told");
}

pub async fn a_package_of_a_stranger_another_chain_or_another_day_is_not_taken_in(side: Side) {
    let mut house = House::new(side).await;
    chain(&mut house, 3);
    let key = key(&house);
    let refused = |bytes: &[u8], why: &str| {
        let fault = add(&house, bytes).expect_err(why).to_string();
        assert!(fault.contains(why), "{fault}");
        assert_eq!(packages::list(&mut *house.engine()).expect("packages").len(), 0, "nothing was taken in");
    };
    let good = signed(header(5), &key);
    refused(&signed(header(5), &SigningKey::generate().expect("a key")), "signed by none of the keys");
    refused(&signed(Header { chain: "other".into(), ..header(5) }, &key), "is for the chain other");
    let over = Header { until: Some("2026-01-01T00:00:00.000Z".into()), ..header(5) };
    refused(&signed(over, &key), "that is over");
    // Every byte counts: a flipped one is found wherever it is.
    for at in (0..good.len()).step_by(1_009).chain([0, 20, 300, good.len() - 1]) {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        let fault = add(&house, &flipped).expect_err("a flipped byte").to_string();
        assert!(!fault.is_empty() && packages::list(&mut *house.engine()).expect("packages").is_empty(), "{at}");
    }
    for length in (0..good.len()).step_by(4_001) {
        assert!(add(&house, &good[..length]).is_err(), "cut at {length}");
    }
    let added = add(&house, &good).expect("it is taken in");
    assert_eq!(add(&house, &good).expect("the same again"), added);
    let other = signed(Header { note: "other".into(), ..header(5) }, &key);
    assert!(add(&house, &other).expect_err("other contents").to_string().contains("other contents"));
    let by = (audit::COMMAND, clock::now().wall);
    rollout::start(&mut *house.engine(), (SLOT, 5), &[], &house.rollouts, by).expect("it begins");
    let older = add(&house, &signed(header(4), &key)).expect_err("older").to_string();
    assert!(older.contains("version 5 of model/pores-dog was rolled out already"), "{older}");
    house.end().await;
}

/// Version 7 under way, and its pilots.
pub fn under_way(house: &House, stores: &[Store]) -> (u64, Vec<usize>) {
    add(house, &signed(header(7), &key(house))).expect("it is taken in");
    let by = (audit::COMMAND, clock::now().wall);
    let n = rollout::start(&mut *house.engine(), (SLOT, 7), &[], &house.rollouts, by).expect("it begins").n;
    let ring =
        |store: &Store| rollout::member(&mut *house.engine(), &store.address.store).expect("rings").get(&n).copied();
    (n, (0..stores.len()).filter(|at| ring(&stores[*at]) == Some(0)).collect())
}

pub fn state(house: &House, n: u64) -> (State, u32, Option<Cause>) {
    let mut engine = house.engine();
    let one = rollout::one(&mut *engine, n).expect("the database").expect("the rollout");
    let cause = rollout::happened(&mut *engine, n).expect("the steps").into_iter().find_map(|step| step.cause);
    (one.state, one.ring, cause)
}

pub fn later(ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(clock::now().wall.unix_ms() + ms)
}

/// Headquarters put back to an hour before a halt would roll the bad one out again, if the stores did not know better.
pub async fn a_headquarters_that_forgot_a_halt_halts_again_and_one_that_hears_nothing_decides_nothing(side: Side) {
    let mut house = House::new(side).await;
    let stores = chain(&mut house, 20);
    let (n, pilots) = under_way(&house, &stores);
    let told: Vec<_> = pilots.iter().map(|at| says(&stores[*at], vec![holding(7, Stand::Left, "", None)])).collect();
    house.take(&told);
    // No receiver was connected for minutes: what is known of the stores is no news.
    turn(&mut *house.engine(), &house.rollouts.limits, later(200_000)).expect("weighed");
    assert_eq!(state(&house, n), (State::Running, 0, None));
    turn(&mut *house.engine(), &house.rollouts.limits, later(0)).expect("weighed");
    let (now, ring, cause) = state(&house, n);
    assert_eq!((now, ring), (State::Halted, 0));
    assert!(matches!(&cause, Some(Cause::Left { stores }) if stores.len() == 10), "{cause:?}");
    let metrics = house.metrics(TOKEN).await.text;
    let halted = "skinlink_hq_rollout_halted_seconds{slot=\"model/pores-dog\",version=\"7\",by=\"itself\"} ";
    let at: f64 = metrics.lines().find_map(|line| line.strip_prefix(halted)?.parse().ok()).expect("when it was halted");
    let now = clock::now().wall.unix_ms() as f64 / 1_000.0;
    assert!((now - at).abs() < 60.0, "{at} of {now}: an alert ends a day after it");
    for _ in 0..3 {
        turn(&mut *house.engine(), &house.rollouts.limits, later(60_000)).expect("weighed");
    }
    assert_eq!(state(&house, n).0, State::Halted, "nothing goes on by itself");
    house.end().await;
}

/// Two receivers look at the same moment: a ring begins once.
pub async fn a_ring_begins_once_however_many_receivers_look(side: Side) {
    let mut house = House::new(side).await;
    let stores = chain(&mut house, 40);
    let (n, _) = under_way(&house, &stores);
    let told: Vec<_> = stores.iter().map(|one| says(one, vec![holding(7, Stand::Used, "", Some((10, 0)))])).collect();
    house.take(&told);
    let limits = Limits { soak_ms: 0, photographs: 1, ..house.rollouts.limits.clone() };
    let now = later(5_000);
    for _ in 0..4 {
        turn(&mut *house.engine(), &limits, now).expect("weighed");
    }
    assert_eq!((state(&house, n).0, state(&house, n).1), (State::Running, 1), "however many look at it");
    turn(&mut *house.engine(), &limits, later(10_000)).expect("weighed");
    turn(&mut *house.engine(), &limits, later(15_000)).expect("weighed");
    assert_eq!((state(&house, n).0, state(&house, n).1), (State::Finished, 2));
    house.end().await;
}

/// The machines of a pilot hang on the new model: they go away and stay away, and the others do not.
pub async fn stores_that_took_it_and_fell_silent_halt_it(side: Side) {
    const QUARTER_MS: i64 = 16 * 60_000;
    let mut house = House::new(side).await;
    let stores = chain(&mut house, 40);
    let (n, pilots) = under_way(&house, &stores);
    let used: Vec<_> =
        pilots.iter().map(|at| says(&stores[*at], vec![holding(7, Stand::Used, "", Some((5, 0)))])).collect();
    house.take(&used);
    house.take_at(&pilots[..7].iter().map(|at| stores[*at].says("offline")).collect::<Vec<_>>(), later(1_000));
    turn(&mut *house.engine(), &house.rollouts.limits, later(60_000)).expect("weighed");
    assert_eq!(state(&house, n).0, State::Running, "they may be starting anew");
    drop(house.database.downlink_due(later(QUARTER_MS)).expect("a receiver is connected"));
    turn(&mut *house.engine(), &house.rollouts.limits, later(QUARTER_MS)).expect("weighed");
    let (now, _, cause) = state(&house, n);
    assert!(matches!(&cause, Some(Cause::Silent { stores, of: 10, .. }) if stores.len() == 7), "{now} {cause:?}");
    house.end().await;
}
