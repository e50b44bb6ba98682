//! Staff and orders through the programs' door: what is taken, what is refused and to whom, and the whole way down to a daemon and back.

use crate::{
    Side,
    chain::{Answer, Chain, Store, client, customer, free, until_served, visit},
    headquarters::{LIMIT, address},
    house::House,
    salon::{Salon, options},
};
use reqwest::Method;
use serde_json::{Value, json};
use skinlink::{
    clock,
    domain::{
        CustomerId,
        staff::{Person, Role},
    },
    hq::{
        crm::keys::{self, Key, Scope, Stores},
        database::{Arrived, engine::Engine},
    },
    store::{Member, Store as Database, StoreError},
    sync::{
        downlink::Outcome,
        payload::{self, kind},
        topic::Lane,
    },
};
use std::{fs, net::SocketAddr, path::Path, process::Stdio};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

/// The manager's, who logs in at the station.
const PIN: &str = "2580";

fn comes(store: &Store) -> [Arrived; 2] {
    let payload = br#"{"version":"test","downlinks":["staff","orders"]}"#.to_vec();
    let about = Arrived { from: store.gateway.address.clone(), lane: Lane::About, payload };
    [about, store.gateway.hello(store.told, 1, Vec::new())]
}

fn audit(engine: &mut dyn Engine) -> Vec<String> {
    let rows = engine.query("SELECT who, what, about FROM people_audit ORDER BY n", &[]).expect("answers");
    let text = |at: usize, row: &skinlink::hq::database::engine::Row| row.get::<String>(at).expect("text");
    rows.iter().map(|row| [text(0, row), text(1, row), text(2, row)].join(" · ")).collect()
}

/// The list is taken whole or not at all, read back with how far the store's gateway is, and who wrote it stands in the audit.
pub async fn the_staff_of_a_store_is_written_whole_and_read_back(side: Side) {
    let (mut chain, store) = (Chain::new(side).await, Store::named("sh-001"));
    let key = chain.key(&[Scope::Staff], &["sh-001", "sh-009"]);
    let put =
        async |chain: &Chain, body: &Value| chain.call(Method::PUT, "/stores/sh-001/staff", &key, Some(body)).await;
    let list = json!({ "people": [{ "id": "m-01", "name": "陈宇", "role": "manager" }, { "id": "b-07", "name": "林晓", "role": "beautician" }] });
    assert_eq!(put(&chain, &list).await.refusal(), (404, "no-such-store"), "nobody was heard of it");
    chain.take(&comes(&store));
    let before = chain.get("/stores/sh-001/staff", &key).await.ok();
    assert_eq!((&before["version"], &before["people"]), (&json!(0), &json!([])));
    let written = put(&chain, &list).await.ok();
    assert_eq!(written["version"], 1);
    assert_eq!(
        written["gateways"],
        json!([{ "gateway": "sh-001-g1", "current": false, "understands": true, "kept": [] }])
    );
    assert_eq!(put(&chain, &list).await.ok()["version"], 1, "the same again is no news");
    for (wrong, place) in [
        (json!({ "people": [{ "id": "B 7", "name": "林晓", "role": "manager" }] }), "people[0].id"),
        (json!({ "people": [{ "id": "b-07", "name": "", "role": "manager" }] }), "people[0].name"),
        (json!({ "people": [{ "id": "b-07", "name": "x", "role": "owner" }] }), "owner"),
        (json!({ "people": [], "pins": [] }), "pins"),
        (json!([]), ""),
    ] {
        let refused = put(&chain, &wrong).await;
        assert_eq!(refused.refusal(), (422, "staff-refused"), "{wrong}");
        let detail = refused.body["detail"].as_str().expect("text");
        assert!(detail.contains(place) && !detail.contains("林晓"), "{detail}");
    }
    assert_eq!(chain.get("/stores/sh-001/staff", &key).await.ok()["people"].as_array().map(Vec::len), Some(2));
    let other = chain.key(&[Scope::Orders, Scope::Erase], &["all"]);
    assert_eq!(chain.get("/stores/sh-001/staff", &other).await.refusal(), (403, "not-this-scope"));
    let audit = audit(&mut *chain.place.open().expect("opens"));
    assert_eq!(audit.iter().filter(|line| line.contains("staff written · sh-001 2 people")).count(), 1, "{audit:?}");
    chain.end().await;
}

/// A key for erasing erases and sees erasures alone; one for orders does all but that. What is given twice is one.
pub async fn an_order_is_given_by_whoever_may_and_read_until_it_is_answered(side: Side) {
    let (mut chain, mut store) = (Chain::new(side).await, Store::named("sh-001"));
    chain.take(&comes(&store));
    let [orders, erase, elsewhere] =
        [(&[Scope::Orders][..], "sh-001"), (&[Scope::Erase], "sh-001"), (Scope::ALL, "sh-002")]
            .map(|(scopes, at)| chain.key(scopes, &[at]));
    let (ann, visit) = (customer(), visit());
    let told = [store.consent(&ann, "share_numbers", true), store.visit(&visit, &ann, 1, "closed")];
    chain.take(&told);
    chain.keep();
    let path = "/stores/sh-001/orders";
    let give = async |chain: &Chain, key: &str, body: &Value| chain.call(Method::POST, path, key, Some(body)).await;
    let erasing = json!({ "key": "crm-4711", "what": { "do": "erase", "customer": ann } });
    assert_eq!(give(&chain, &orders, &erasing).await.refusal(), (403, "not-this-scope"));
    assert_eq!(give(&chain, &elsewhere, &erasing).await.refusal(), (403, "not-this-store"));
    let given = give(&chain, &erase, &erasing).await.ok();
    let order = given["order"].as_str().expect("an id").to_owned();
    assert_eq!((&given["state"], &given["answers"]), (&json!("waiting"), &json!([])));
    assert_eq!(give(&chain, &erase, &erasing).await.ok()["order"], order.as_str(), "given twice it is one");
    let another = json!({ "key": "crm-4711", "what": { "do": "erase", "customer": customer() } });
    assert_eq!(give(&chain, &erase, &another).await.refusal(), (409, "another-order"));
    let check = json!({ "key": "1", "what": { "do": "check" } });
    assert_eq!(give(&chain, &erase, &check).await.refusal(), (403, "not-this-scope"));
    let checking = give(&chain, &orders, &check).await.ok()["order"].as_str().expect("an id").to_owned();
    for (wrong, status, word) in [
        (json!({ "key": "2", "what": { "do": "merge", "stays": ann, "gone": ann } }), 422, "order-refused"),
        (json!({ "key": "2", "what": { "do": "merge", "stays": "x", "gone": ann } }), 422, "order-refused"),
        (json!({ "key": "", "what": { "do": "check" } }), 422, "order-refused"),
        (json!({ "key": "2", "what": { "do": "check" }, "until": "2026-01-01T00:00:00.000Z" }), 422, "order-refused"),
        (json!({ "key": "2", "what": { "do": "check" }, "until": "tomorrow" }), 400, "malformed"),
        (json!({ "key": "2", "what": { "do": "dance" } }), 400, "malformed"),
        (json!({ "what": { "do": "check" } }), 400, "malformed"),
    ] {
        assert_eq!(give(&chain, &orders, &wrong).await.refusal(), (status, word), "{wrong}");
    }
    // Who sees what.
    let one = async |chain: &Chain, order: &str, key: &str| chain.get(&format!("/orders/{order}"), key).await;
    assert_eq!(one(&chain, &order, &erase).await.ok()["key"], "crm-4711");
    assert_eq!(one(&chain, &order, &orders).await.status, 200);
    assert_eq!(one(&chain, &checking, &erase).await.refusal(), (404, "no-such-order"));
    assert_eq!(one(&chain, &order, &elsewhere).await.refusal(), (404, "no-such-order"));
    let listed = async |chain: &Chain, query: &str, key: &str| {
        let body = chain.get(&format!("{path}{query}"), key).await.ok();
        let orders = body["orders"].as_array().expect("a list").iter();
        (orders.map(|one| one["order"].as_str().expect("text").to_owned()).collect::<Vec<_>>(), body["more"] == true)
    };
    assert_eq!(listed(&chain, "", &orders).await, (vec![checking.clone(), order.clone()], false));
    assert_eq!(listed(&chain, "?limit=1", &orders).await, (vec![checking.clone()], true));
    assert_eq!(listed(&chain, &format!("?before={checking}"), &orders).await, (vec![order.clone()], false));
    assert_eq!(listed(&chain, "?state=answered", &orders).await, (vec![], false));
    assert_eq!(listed(&chain, "", &erase).await, (vec![order.clone()], false));
    for wrong in ["?state=done", "?limit=0", "?limit=501", "?what=erase"] {
        assert_eq!(chain.get(&format!("{path}{wrong}"), &orders).await.refusal().0, 400, "{wrong}");
    }
    // The store answers; she is erased here at once.
    let reads = chain.key(&[Scope::VisitsRead], &["all"]);
    assert_eq!(chain.get(&format!("/stores/sh-001/visits/{visit}"), &reads).await.status, 200);
    let said = payload::Answer { order: order.clone(), outcome: Outcome::Done, words: String::new() };
    let answer = store.says(kind::ANSWER, &order, &said);
    chain.take(&[answer]);
    chain.keep();
    let answered = one(&chain, &order, &erase).await.ok();
    assert_eq!((&answered["state"], &answered["outcome"]), (&json!("answered"), &json!("done")));
    assert_eq!(answered["answers"][0]["gateway"], "sh-001-g1");
    assert_eq!(chain.get(&format!("/stores/sh-001/visits/{visit}"), &reads).await.status, 404);
    let audit = audit(&mut *chain.place.open().expect("opens"));
    let line = format!("erase ordered · sh-001 {order} {ann}");
    assert_eq!(audit.iter().filter(|one| one.contains(&line)).count(), 1, "{audit:?}");
    chain.end().await;
}

/// A salon's own folder, and the daemon on it.
struct Daemon {
    process: Child,
    door: SocketAddr,
}

impl Daemon {
    /// The program as a store runs it, on the records of this salon.
    fn start(house: &House, folder: &Path) -> Self {
        let (tls, root) = (house.headquarters.certificate(&address().gateway), Path::new(env!("CARGO_MANIFEST_DIR")));
        let door = free();
        let shown = |path: &Path| format!("{:?}", path.display().to_string());
        let text = format!(
            "[store]\nid = \"sh-001\"\ngateway = \"sh-001-g1\"\ndata = {data}\nkey_file = {key_file}\nmin_free_mib = 16\n\
             [[station]]\nid = \"chair-1\"\nlabel = {{ zh = \"一号护理位\", en = \"Chair 1\" }}\n\
             [mqtt]\nenabled = true\nhost = \"127.0.0.1\"\nport = {port}\nca = {ca}\ncertificate = {certificate}\nkey = {key}\n\
             [web]\nlisten = \"{door}\"\n[sync]\nresend_after_s = 3\n\
             [scan]\nprotocols = {protocols}\nmodels = {models}\nmetrics_file = {metrics}\nregions_file = {regions}\n",
            data = shown(&folder.join("data")),
            key_file = shown(&folder.join("data/store.key")),
            port = house.headquarters.broker.port(),
            ca = shown(&tls.ca),
            certificate = shown(&tls.certificate),
            key = shown(&tls.key),
            protocols = shown(&root.join("firmware-protocols")),
            models = shown(&folder.join("no-models")),
            metrics = shown(&root.join("config/metrics.toml")),
            regions = shown(&root.join("config/face-regions.toml")),
        );
        let config = folder.join("gateway.toml");
        fs::create_dir_all(folder.join("no-models")).expect("room for a folder");
        fs::write(&config, text).expect("room for a file");
        let log = fs::File::create(folder.join("daemon.log")).expect("room for a log");
        let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink"));
        command.args(["--log", "info", "run", "--config"]).arg(&config).kill_on_drop(true);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("it starts");
        Self { process, door }
    }

    /// What a browser at the station sends, logged in or not.
    async fn post(&self, path: &str, cookie: &str, body: &Value) -> reqwest::Response {
        let request = client().post(format!("http://{}/api/v1{path}", self.door)).header("x-skinlink", "1");
        let answer = request.header("cookie", cookie).json(body).send().await.expect("an answer");
        assert!(answer.status().is_success(), "{path}: {answer:?}");
        answer
    }

    /// The cookie of somebody who gave their PIN.
    async fn log_in(&self, person: &str, pin: &str) -> String {
        let answer = self.post("/session", "", &json!({ "person": person, "pin": pin })).await;
        let cookie = answer.headers()["set-cookie"].to_str().expect("text");
        cookie.split(';').next().expect("a pair").to_owned()
    }

    /// A new record; its id.
    async fn customer(&self, cookie: &str, name: &str) -> String {
        let made = self.post("/customers", cookie, &json!({ "name": name })).await;
        let made: Value = made.json().await.expect("JSON");
        made["id"].as_str().expect("an id").to_owned()
    }

    /// The record that an id leads to.
    async fn record(&self, cookie: &str, customer: &str) -> Value {
        let request = client().get(format!("http://{}/api/v1/customers/{customer}", self.door));
        let answer = request.header("cookie", cookie).send().await.expect("an answer");
        answer.json().await.expect("JSON")
    }

    async fn stop(mut self) {
        let id = nix::unistd::Pid::from_raw(i32::try_from(self.process.id().expect("it runs")).expect("an id"));
        nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGTERM).expect("it is ours");
        let ended = tokio::time::timeout(LIMIT, self.process.wait()).await.expect("it ends in time");
        assert!(ended.expect("it was ours").success());
    }
}

/// The CRM names the staff, has somebody erased, the machine looked at, and two records merged that are one person; a real receiver and a
/// real broker bring it to a real daemon that is away at first, and the answers are read through the door.
pub async fn what_the_crm_orders_is_done_by_a_daemon_and_answered(side: Side) {
    let house = House::new(side).await;
    let (store, customer) = (&house.salon.store, house.salon.customer);
    house.agree(skinlink::domain::consent::Purpose::ALL).await;
    let running = house.connect();
    let seen = house.visit(true).await;
    let manager = Person { id: "m-01".into(), name: "陈宇".into(), role: Role::Manager };
    let digest = skinlink::web::pin::hash(PIN.to_owned()).await.expect("a digest");
    store.add_person(manager, digest, "machine".into()).await.expect("a manager");
    house.settled().await;
    running.stop().await;
    let House { salon: Salon { folder, .. }, .. } = &house;
    let folder = folder.path().to_owned();
    // Another process takes the records over: this one lets go of them first.
    let copy = tempfile::tempdir().expect("a folder");
    copy_all(&folder.join("data"), &copy.path().join("data"), store).await;
    let stores = Stores::of(&["sh-001".to_owned()]).expect("a store");
    let key =
        Key { name: "crm".into(), scopes: vec![Scope::Staff, Scope::Orders, Scope::Erase, Scope::Customers], stores };
    let key = keys::add(&mut *house.engine(), &key, clock::now().wall).expect("a key");
    let door = house.headquarters.crm.as_ref().expect("programs are served").listen;
    until_served(door).await;
    let (client, root) = (client(), format!("http://{door}/crm/v1"));
    let call = async |method: Method, path: &str, body: Option<&Value>| -> Answer {
        crate::chain::call(&client, method, &format!("{root}{path}"), &key, body).await
    };
    let list = json!({ "people": [{ "id": "b-07", "name": "林晓", "role": "beautician" }] });
    call(Method::PUT, "/stores/sh-001/staff", Some(&list)).await.ok();
    let mut orders = Vec::new();
    for (key, what) in
        [("1", json!({ "do": "erase", "customer": customer.to_string() })), ("2", json!({ "do": "check" }))]
    {
        let body = json!({ "key": key, "what": what });
        let given = call(Method::POST, "/stores/sh-001/orders", Some(&body)).await.ok();
        orders.push(given["order"].as_str().expect("an id").to_owned());
    }
    assert_eq!(call(Method::GET, &format!("/orders/{}", orders[0]), None).await.ok()["state"], "waiting");
    let daemon = Daemon::start(&house, copy.path());
    let limit = Instant::now() + LIMIT;
    let log = || fs::read_to_string(copy.path().join("daemon.log")).unwrap_or_default();
    let answer = async |order: &str| {
        let limit = Instant::now() + LIMIT;
        loop {
            let now = call(Method::GET, &format!("/orders/{order}"), None).await.ok();
            if now["state"] == "answered" {
                break now;
            }
            assert!(Instant::now() < limit, "{now} within {LIMIT:?}; the daemon: {}", log());
            sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let mut answered = Vec::new();
    for order in &orders {
        answered.push(answer(order).await);
    }
    assert!(answered.iter().all(|one| one["outcome"] == "done"), "{answered:?}");
    let words = answered[1]["answers"][0]["words"].as_str().expect("text");
    let rows: Vec<Value> = serde_json::from_str(words).expect("what skinlink check --json prints");
    let states = |what: &str| rows.iter().find(|row| row["what"] == what).map(|row| row["state"].clone());
    assert_eq!((states("broker"), states("store key")), (Some(json!("good")), Some(json!("good"))), "{rows:?}");
    // Nothing of hers is left at headquarters, and the store holds the list.
    let mut engine = house.engine();
    let told = engine.query("SELECT body FROM events WHERE kind NOT LIKE '%erased.v1'", &[]).expect("answers");
    let told: Vec<String> = told.iter().map(|row| row.get(0).expect("text")).collect();
    assert!(!told.iter().any(|body| body.contains(&customer.to_string()) || body.contains(&seen.to_string())));
    loop {
        let staff = call(Method::GET, "/stores/sh-001/staff", None).await.ok();
        if staff["gateways"][0]["current"] == true {
            break;
        }
        assert!(Instant::now() < limit, "{staff}; the daemon: {}", log());
        sleep(std::time::Duration::from_millis(200)).await;
    }
    // Two records that were made at the station are one person, says the CRM; what it told of one of them holds for both.
    let cookie = daemon.log_in("m-01", PIN).await;
    let (stays, gone) = (daemon.customer(&cookie, "周敏").await, daemon.customer(&cookie, "周小敏").await);
    let birthday = |customer: &str| format!("/stores/sh-001/customers/{customer}/birthday");
    call(Method::PUT, &birthday(&gone), Some(&json!({ "month": 5, "day": 17 }))).await.ok();
    assert_eq!(call(Method::GET, &birthday(&stays), None).await.refusal(), (404, "no-birthday"));
    let merge = json!({ "key": "3", "what": { "do": "merge", "stays": stays, "gone": gone } });
    let given = call(Method::POST, "/stores/sh-001/orders", Some(&merge)).await.ok();
    let merged = answer(given["order"].as_str().expect("an id")).await;
    assert_eq!((&merged["outcome"], &merged["what"]["do"]), (&json!("done"), &json!("merge")), "{merged}");
    assert_eq!(daemon.record(&cookie, &gone).await["id"], stays.as_str(), "the store has one record of them");
    let alias = "SELECT customer FROM now_alias WHERE store = 'sh-001' AND alias = ?1";
    let alias = engine.query(alias, &[gone.as_str().into()]).expect("answers");
    let alias: Vec<String> = alias.iter().map(|row| row.get(0).expect("text")).collect();
    assert_eq!(alias, [stays.as_str()], "and so has headquarters");
    let known = call(Method::GET, &birthday(&stays), None).await.ok();
    assert_eq!((&known["month"], &known["day"]), (&json!(5), &json!(17)));
    daemon.stop().await;
    let store = Database::open(options(copy.path().join("data"))).expect("it opens");
    assert!(matches!(store.customer(customer).await, Err(StoreError::NotFound { .. })));
    let (stays, gone): (CustomerId, CustomerId) = (stays.parse().expect("an id"), gone.parse().expect("an id"));
    assert_eq!(store.customer(gone).await.expect("the main entry").id, stays);
    let members = store.members().await.expect("a list");
    let line = |one: &Member| (one.person.id.clone(), one.from_hq, one.has_pin);
    let here: Vec<(String, bool, bool)> = members.iter().map(line).collect();
    assert_eq!(here, [("m-01".into(), false, true), ("b-07".into(), true, false)]);
    house.end(None).await;
}

/// The records as they stand, for another process: the database by its own backup, so that nothing half written is taken.
async fn copy_all(from: &Path, to: &Path, store: &Database) {
    fs::create_dir_all(to.join("pictures")).expect("room for a folder");
    store.back_up(to.join("skinlink.db")).await.expect("a copy");
    for file in ["store.key", "keys.db"] {
        fs::copy(from.join(file), to.join(file)).expect("a copy");
    }
    for entry in fs::read_dir(from.join("pictures")).expect("a folder") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), to.join("pictures").join(entry.file_name())).expect("a copy");
    }
}
