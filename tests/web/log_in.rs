//! Log-in: who gets in, what each role may do, how a session ends. Over the interface that the pages use.

use crate::house::{Answer, House, Wanted, soon};
use reqwest::Method;
use serde_json::{Value, json};
use skinlink::store::Letterhead;

struct Tablet<'a> {
    house: &'a House,
    cookie: String,
}

impl<'a> Tablet<'a> {
    async fn log_in(house: &'a House, person: &str, pin: &str) -> Result<Self, Answer> {
        let body = json!({ "person": person, "pin": pin });
        let request = house.request(Method::POST, "/api/v1/session").header("x-skinlink", "1").json(&body);
        let response = request.send().await.expect("an answer");
        let cookie = response.headers().get("set-cookie").map(|value| value.to_str().expect("text").to_owned());
        let status = response.status();
        let body: Value = response.json().await.expect("JSON");
        match cookie {
            Some(cookie) if status.is_success() => {
                assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
                Ok(Self { house, cookie: cookie.split(';').next().expect("a pair").to_owned() })
            }
            _ => Err(Answer { status, tag: None, body }),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.house.send(self.house.request(Method::GET, path).header("cookie", &self.cookie)).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        let request = self.house.request(Method::POST, path).header("cookie", &self.cookie).header("x-skinlink", "1");
        self.house.send(request.json(&body)).await
    }
}

async fn staffed(house: &House) {
    for (id, role, pin) in [("b-01", "manager", "2580"), ("b-02", "beautician", "4711"), ("t-01", "technician", "8642")]
    {
        let person = json!({ "id": id, "name": id.to_uppercase(), "role": role, "pin": pin });
        if id == "b-01" {
            house.post("/staff", None, person).await.ok();
        } else {
            Tablet::log_in(house, "b-01", "2580").await.expect("the manager").post("/api/v1/staff", person).await.ok();
        }
    }
}

/// Until somebody can log in this machine alone is served; from the first manager on nobody gets anything without a PIN.
#[tokio::test]
async fn the_first_manager_closes_the_house() {
    let house = House::new(Wanted::default()).await;
    house.get("/visits").await.ok();
    let beautician = json!({ "id": "b-02", "name": "Bo", "role": "beautician", "pin": "4711" });
    house.post("/staff", None, beautician).await.refused(409, "wrong_state");
    let obvious = json!({ "id": "b-01", "name": "Zhou", "role": "manager", "pin": "1234" });
    house.post("/staff", None, obvious).await.refused(422, "bad_pin");
    staffed(&house).await;
    for path in ["/visits", "/customers?query=x", "/stations", "/status", "/tray", "/staff", "/appointments", "/events"]
    {
        house.get(path).await.refused(401, "log_in");
    }
    house.post("/customers", None, json!({ "name": "X" })).await.refused(401, "log_in");
    let page = house.request(Method::GET, "/station/chair-1").send().await.expect("an answer");
    assert_eq!(page.url().path(), "/login", "a page leads to the PIN pad");
    assert_eq!(page.url().query(), Some("next=/station/chair-1"));
    house.close().await;
}

#[tokio::test]
async fn each_role_does_its_own_work_and_signs_with_its_own_id() {
    let house = House::new(Wanted::default()).await;
    staffed(&house).await;
    let beautician = Tablet::log_in(&house, "b-02", "4711").await.expect("the right PIN");
    let technician = Tablet::log_in(&house, "t-01", "8642").await.expect("the right PIN");
    let customer = beautician.post("/api/v1/customers", json!({ "name": "林若溪" })).await.ok().text("/id");
    let opening = json!({ "customer": customer, "station": "chair-1", "beautician": "somebody else" });
    let visit = beautician.post("/api/v1/visits", opening).await.ok();
    assert_eq!(visit.text("/beautician"), "b-02", "whoever is logged in signs");
    let id = visit.text("/id").parse().expect("an id");
    let told = house.store.report_sheet(id, Letterhead::default()).await.expect("her report");
    assert_eq!(told.beautician, "B-02", "the customer reads the name");
    for path in ["/api/v1/visits", "/api/v1/customers?query=x", "/api/v1/events", "/api/v1/tray"] {
        technician.get(path).await.refused(403, "not_yours");
    }
    technician.get("/api/v1/status").await.ok();
    let devices = technician.get("/devices").await.ok().body;
    assert!(!devices.as_str().expect("a page").contains("林若溪"), "no customer stands where the technician looks");
    // Whoever sees that photographs are being measured again may call it off; nothing is, here.
    let stopped = technician.post("/api/v1/devices/remeasuring/stop", json!({})).await.ok();
    assert_eq!(stopped.body, json!({ "left": 0 }));
    for tablet in [&beautician, &technician] {
        tablet.get("/api/v1/staff").await.refused(403, "not_yours");
        let promoted = json!({ "role": "manager" });
        tablet.post("/api/v1/staff/b-02/save", promoted).await.refused(403, "not_yours");
    }
    house.close().await;
}

/// Many tries side by side count like tries in a row: no more than five PINs are ever looked at before the lock.
#[tokio::test]
async fn tries_side_by_side_do_not_get_round_the_lock() {
    let house = House::new(Wanted::default()).await;
    staffed(&house).await;
    let tries = (0..12).map(|n| {
        let (house, pin) = (&house, format!("90{n:02}"));
        async move { Tablet::log_in(house, "b-02", &pin).await.err().map(|answer| answer.status.as_u16()) }
    });
    let mut answers: Vec<u16> = futures_util::future::join_all(tries).await.into_iter().flatten().collect();
    answers.sort_unstable();
    assert_eq!(answers, [[401; 4].as_slice(), [429; 8].as_slice()].concat());
    let right = Tablet::log_in(&house, "b-02", "4711").await.err().expect("locked out");
    right.refused(429, "locked");
    // The others are not locked out with her.
    assert!(Tablet::log_in(&house, "b-01", "2580").await.is_ok());
    house.close().await;
}

#[tokio::test]
async fn a_session_ends_with_a_new_pin_with_the_lock_and_with_the_person() {
    let house = House::new(Wanted::default()).await;
    staffed(&house).await;
    let manager = Tablet::log_in(&house, "b-01", "2580").await.expect("the right PIN");
    let one = Tablet::log_in(&house, "b-02", "4711").await.expect("the right PIN");
    let two = Tablet::log_in(&house, "b-02", "4711").await.expect("the right PIN");
    one.post("/api/v1/session/end", json!({})).await.ok();
    one.get("/api/v1/visits").await.refused(401, "log_in");
    two.get("/api/v1/visits").await.ok();
    manager.post("/api/v1/staff/b-02/save", json!({ "pin": "135790" })).await.ok();
    two.get("/api/v1/visits").await.refused(401, "log_in");
    assert!(Tablet::log_in(&house, "b-02", "4711").await.is_err(), "the old PIN");
    let three = Tablet::log_in(&house, "b-02", "135790").await.expect("the new PIN");
    // A change that came along used to be lost without a word.
    manager.post("/api/v1/staff/b-02/retire", json!({ "name": "X" })).await.refused(400, "malformed");
    manager.post("/api/v1/staff/b-02/retire", json!({})).await.ok();
    three.get("/api/v1/visits").await.refused(401, "log_in");
    manager.post("/api/v1/staff/b-01/retire", json!({})).await.refused(409, "wrong_state");
    manager.get("/api/v1/visits").await.ok();
    for cookie in ["skinlink-session=", "skinlink-session=00", &format!("skinlink-session={}", "0".repeat(32))] {
        let request = house.request(Method::GET, "/api/v1/visits").header("cookie", cookie);
        house.send(request).await.refused(401, "log_in");
    }
    house.close().await;
}

/// A second person with the same number used to take over the first one's name, role and PIN, and everything signed by it.
#[tokio::test]
async fn a_staff_number_is_given_once_and_for_all() {
    let house = House::new(Wanted::default()).await;
    staffed(&house).await;
    let manager = Tablet::log_in(&house, "b-01", "2580").await.expect("the right PIN");
    let usurper = json!({ "id": "b-02", "name": "Somebody else", "role": "manager", "pin": "975310" });
    manager.post("/api/v1/staff", usurper.clone()).await.refused(409, "taken");
    assert!(Tablet::log_in(&house, "b-02", "975310").await.is_err(), "nothing was taken over");
    Tablet::log_in(&house, "b-02", "4711").await.expect("the PIN she had");
    // Also once she has left: her records keep the number.
    manager.post("/api/v1/staff/b-02/retire", json!({})).await.ok();
    manager.post("/api/v1/staff", usurper).await.refused(409, "taken");
    manager.post("/api/v1/staff/b-02/save", json!({ "name": "Bo" })).await.refused(404, "not_found");
    // What is left out of a change stays.
    let changed = manager.post("/api/v1/staff/t-01/save", json!({ "name": "Tao" })).await.ok();
    assert_eq!((changed.text("/name"), changed.text("/role")), ("Tao".to_owned(), "technician".to_owned()));
    Tablet::log_in(&house, "t-01", "8642").await.expect("the PIN stays");
    house.close().await;
}

/// A second page of a browser that nobody touched used to end the session that the first one worked with.
#[tokio::test]
async fn an_idle_page_ends_no_session_that_is_in_use() {
    let house = House::new(Wanted::default()).await;
    staffed(&house).await;
    let tablet = Tablet::log_in(&house, "b-02", "4711").await.expect("the right PIN");
    let asked = tablet.post("/api/v1/session/end", json!({ "idle": true })).await.ok();
    assert_eq!(asked.body["ended"], json!(false), "the gateway knows of the other page's taps");
    tablet.get("/api/v1/visits").await.ok();
    assert_eq!(
        tablet.post("/api/v1/session/end", json!({})).await.ok().body["ended"],
        json!(true),
        "the lock always locks"
    );
    tablet.get("/api/v1/visits").await.refused(401, "log_in");
    house.close().await;
}

/// Only a hand keeps a session: what a page fetches by itself does not, and what somebody types into one page does.
#[tokio::test]
async fn a_session_is_kept_by_hands_and_not_by_pages() {
    let house = House::new(Wanted::default()).await;
    staffed(&house).await;
    let now = skinlink::clock::now().wall.unix_ms();
    let at = skinlink::domain::Timestamp::from_unix_ms;
    let (token, digest) = skinlink::web::pin::token();
    // Last used nine minutes ago.
    let begun = house.store.begin_session("b-02".to_owned(), digest, at(now - 540_000), at(now + 3_600_000)).await;
    begun.expect("the store answers");
    let tablet = Tablet { house: &house, cookie: format!("skinlink-session={token}") };
    let kept =
        async || house.store.session(digest, at(now), at(now - 60_000)).await.expect("the store answers").is_some();
    let nobody = "01919d3e-7c00-7abc-8def-0123456789ab";
    tablet.get(&format!("/api/v1/captures/{nobody}/picture")).await.refused(404, "not_found");
    let news =
        house.request(Method::GET, "/api/v1/events").header("cookie", &tablet.cookie).send().await.expect("news");
    assert_eq!(news.status(), 200);
    tablet.post("/api/v1/session/end", json!({ "idle": true })).await.ok();
    assert!(!kept().await, "nobody's hand was there");
    tablet.get("/api/v1/session").await.ok();
    assert!(kept().await, "what a page asks while somebody types");
    house.close().await;
}

/// A stream of news used to go on after its session had ended.
#[tokio::test]
async fn the_news_end_with_the_session_they_are_told_to() {
    let house = House::new(Wanted::default()).await;
    let listen = async |cookie: &str| {
        let request = house.request(Method::GET, "/api/v1/events").header("cookie", cookie);
        soon("the stream opens", request.send()).await.expect("an answer")
    };
    let to_anyone = listen("").await;
    staffed(&house).await;
    soon("the stream of an open house ends with the first manager", ended(to_anyone)).await;
    for turn in ["lock", "new PIN", "retired"] {
        let pin = if turn == "retired" { "135790" } else { "4711" };
        let tablet = Tablet::log_in(&house, "b-02", pin).await.expect("the right PIN");
        let news = listen(&tablet.cookie).await;
        assert_eq!(news.status(), 200);
        let manager = Tablet::log_in(&house, "b-01", "2580").await.expect("the manager");
        match turn {
            "lock" => tablet.post("/api/v1/session/end", json!({})).await,
            "new PIN" => manager.post("/api/v1/staff/b-02/save", json!({ "pin": "135790" })).await,
            _ => manager.post("/api/v1/staff/b-02/retire", json!({})).await,
        }
        .ok();
        soon(turn, ended(news)).await;
    }
    house.close().await;
}

/// Reads a stream to its end.
async fn ended(mut stream: reqwest::Response) {
    while let Ok(Some(_)) = stream.chunk().await {}
}

/// A person who opens a page that is not theirs reads a page, not JSON; and comes back to where they were.
#[tokio::test]
async fn a_refusal_is_a_page_for_a_person_and_json_for_a_program() {
    let house = House::new(Wanted::default()).await;
    staffed(&house).await;
    let technician = Tablet::log_in(&house, "t-01", "8642").await.expect("the right PIN");
    for path in ["/staff", "/station/chair-1", "/customer/new", "/nowhere"] {
        let answer = technician.get(path).await;
        assert_eq!(answer.status, 403, "{path}");
        let page = answer.body.as_str().expect("a page").to_owned();
        assert!(page.starts_with("<!doctype html>") && page.contains("您的岗位"), "{path}: {page}");
    }
    technician.get("/api/v1/visits").await.refused(403, "not_yours");
    let foreign = house.request(Method::GET, "/").header("host", "evil.example").send().await.expect("an answer");
    assert_eq!(foreign.status(), 421);
    assert!(foreign.text().await.expect("a page").starts_with("<!doctype html>"));
    // What was asked for is not forgotten on the way through the PIN pad and through another language.
    let asked = "/compare/01919d3e-7c00-7abc-8def-0123456789ab?with=last_visit";
    let page = house.request(Method::GET, asked).send().await.expect("an answer");
    assert_eq!(page.url().path(), "/login");
    let page = page.text().await.expect("a page");
    assert!(page.contains("with%3Dlast_visit&#38;lang=en") || page.contains("with%3Dlast_visit&amp;lang=en"), "{page}");
    house.close().await;
}
