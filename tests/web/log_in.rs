//! Log-in: who gets in, what each role may do, how a session ends. Over the interface that the pages use.

use crate::house::{Answer, House, Wanted};
use reqwest::Method;
use serde_json::{Value, json};

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
    for path in ["/api/v1/visits", "/api/v1/customers?query=x", "/station/chair-1", "/api/v1/events", "/api/v1/tray"] {
        technician.get(path).await.refused(403, "not_yours");
    }
    technician.get("/api/v1/status").await.ok();
    let devices = technician.get("/devices").await.ok().body;
    assert!(!devices.as_str().expect("a page").contains("林若溪"), "no customer stands where the technician looks");
    for tablet in [&beautician, &technician] {
        tablet.get("/api/v1/staff").await.refused(403, "not_yours");
        let promoted = json!({ "id": "b-02", "name": "Bo", "role": "manager" });
        tablet.post("/api/v1/staff", promoted).await.refused(403, "not_yours");
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
    let new_pin = json!({ "id": "b-02", "name": "Bo", "role": "beautician", "pin": "135790" });
    manager.post("/api/v1/staff", new_pin).await.ok();
    two.get("/api/v1/visits").await.refused(401, "log_in");
    assert!(Tablet::log_in(&house, "b-02", "4711").await.is_err(), "the old PIN");
    let three = Tablet::log_in(&house, "b-02", "135790").await.expect("the new PIN");
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
