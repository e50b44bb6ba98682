//! One beautician at one chair, from the list of the day to the goodbye. Every write is followed by the page that the browser draws
//! anew; both together are one tap, from the finger to the last byte.

use super::{salon::Door, table::Table};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Between two taps; people take longer.
const THINK: std::ops::Range<u64> = 20..120;

struct Hand {
    http: Client,
    door: Door,
    dice: fastrand::Rng,
    table: Table,
}

/// Whole visits, one after the other.
pub async fn work(door: Door, visits: usize) -> Table {
    let dice = fastrand::Rng::with_seed(door.seed);
    let hand = Hand { http: Client::new(), door, dice, table: Table::default() };
    // The page's own stream of news is open all the time.
    let news = hand.listen();
    let ended = tokio::select! {
        () = news => unreachable!("the stream of news ended"),
        ended = hand.visits(visits) => ended,
    };
    ended
}

impl Hand {
    fn listen(&self) -> impl Future<Output = ()> + use<> {
        let url = format!("{}/api/v1/events?station={}", self.door.address, self.door.chair);
        let http = self.http.clone();
        async move {
            let mut answer = http.get(url).send().await.unwrap().error_for_status().unwrap();
            while answer.chunk().await.unwrap().is_some() {}
        }
    }

    async fn visits(mut self, visits: usize) -> Table {
        for _ in 0..visits {
            self.visit().await;
        }
        self.table
    }

    async fn visit(&mut self) {
        let station = format!("/station/{}", self.door.chair);
        self.page("today", "/").await;
        let looked_for = format!("顾客{:05}", self.dice.usize(0..50));
        let begun = Instant::now();
        let found = self.get(&format!("/api/v1/customers?query={looked_for}")).await;
        self.note("search", begun).await;
        let customer = found["customers"][0]["id"].as_str().unwrap().to_owned();
        self.page("customer", &format!("/customer/{customer}")).await;
        let begun = Instant::now();
        self.post("/appointments", None, json!({ "customer": customer })).await;
        self.draw("/").await;
        self.note("walked in", begun).await;
        let begun = Instant::now();
        let opened = self.post("/visits", None, json!({ "customer": customer, "station": self.door.chair })).await;
        self.draw(&station).await;
        self.note("seat", begun).await;
        let visit = opened["id"].as_str().unwrap().to_owned();
        let purposes = json!({ "measure": true, "photograph": true, "keep_photographs": true, "deliver_report": true,
            "share_numbers": true, "share_photographs": false });
        let agreed = json!({ "text_version": "2026-11", "channel": "station", "staff": "b-07", "signature": "M10 10L20 20",
            "purposes": purposes });
        self.tap("consent", &visit, "consents", agreed, &station).await;
        let answers = json!({ "skin_state": "tight", "make_up": "none", "wishes": "少用香味", "passed": "questions" });
        self.tap("questions", &visit, "sheet", answers, &station).await;
        self.scan(&visit, "before", &station).await;
        self.tap("talk", &visit, "sheet", json!({ "passed": "talk" }), &station).await;
        let mut steps = Vec::new();
        for step in ["卸妆", "深层清洁", "补水面膜", "按摩", "防晒"] {
            steps.push(step);
            self.tap("treatment step", &visit, "steps", json!({ "steps": steps }), &station).await;
        }
        self.scan(&visit, "after", &station).await;
        self.tap("compare", &visit, "comparison", json!({}), &station).await;
        self.page("comparison", &format!("/compare/{visit}")).await;
        self.page("report", &format!("/report/{visit}")).await;
        self.tap("rating", &visit, "sheet", json!({ "stars": 5, "passed": "rating" }), &station).await;
        self.tap("next date", &visit, "sheet", json!({ "next_day": "2027-01-05" }), &station).await;
        self.tap("goodbye", &visit, "close", json!({}), "/").await;
    }

    /// The probe's own time is no tap.
    async fn scan(&mut self, visit: &str, phase: &str, station: &str) {
        let body = json!({ "phase": phase, "conditions": { "probe_wiped": true, "rested_min": 10 } });
        let begun = Instant::now();
        let version = self.version(visit).await;
        let scan = self.post(&format!("/visits/{visit}/scans"), Some(version), body).await;
        self.draw(station).await;
        self.note("begin a scan", begun).await;
        let scan = scan["scan"]["id"].as_str().unwrap().to_owned();
        loop {
            let version = self.version(visit).await;
            let told = self.post(&format!("/scans/{scan}/measure"), Some(version), json!({})).await;
            if told["scan"]["complete"] == true {
                break;
            }
        }
        let begun = Instant::now();
        let version = self.version(visit).await;
        self.post(&format!("/scans/{scan}/finish"), Some(version), json!({})).await;
        self.draw(station).await;
        self.note("finish a scan", begun).await;
    }

    /// A write to the visit and the page drawn anew.
    async fn tap(&mut self, tap: &'static str, visit: &str, what: &str, body: Value, page: &str) {
        // The page knows the version that it shows.
        let version = self.version(visit).await;
        let begun = Instant::now();
        self.post(&format!("/visits/{visit}/{what}"), Some(version), body).await;
        self.draw(page).await;
        self.note(tap, begun).await;
    }

    async fn page(&mut self, tap: &'static str, path: &str) {
        let begun = Instant::now();
        self.draw(path).await;
        self.note(tap, begun).await;
    }

    async fn note(&mut self, tap: &'static str, begun: Instant) {
        self.table.note(tap, begun.elapsed());
        tokio::time::sleep(Duration::from_millis(self.dice.u64(THINK))).await;
    }

    async fn draw(&self, path: &str) {
        let answer = self.http.get(format!("{}{path}", self.door.address)).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {}", answer.status());
        answer.bytes().await.unwrap();
    }

    async fn get(&self, path: &str) -> Value {
        self.http.get(format!("{}{path}", self.door.address)).send().await.unwrap().json().await.unwrap()
    }

    async fn version(&self, visit: &str) -> u64 {
        self.get(&format!("/api/v1/visits/{visit}")).await["version"].as_u64().unwrap()
    }

    async fn post(&self, path: &str, version: Option<u64>, body: Value) -> Value {
        let call = self.http.request(Method::POST, format!("{}/api/v1{path}", self.door.address));
        let call = call.header("x-skinlink", "1").json(&body);
        let call = match version {
            Some(version) => call.header("if-match", format!("\"{version}\"")),
            None => call,
        };
        let answer = call.send().await.unwrap();
        let status = answer.status();
        let told: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {told}");
        told
    }
}
