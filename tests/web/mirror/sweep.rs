//! Everything that a mirror is sent, read through for what it must not tell.

use super::*;

/// Text that a person or a program could read on a page: without where drawings have their lines.
fn read(sent: &str) -> BTreeSet<String> {
    const LINES: &[&str] = &[
        "d",
        "x",
        "y",
        "width",
        "height",
        "viewBox",
        "transform",
        "cx",
        "cy",
        "r",
        "rx",
        "ry",
        "x1",
        "x2",
        "y1",
        "y2",
        "fill",
        "stroke",
        "stroke-width",
        "stroke-opacity",
        "stroke-dasharray",
        "stop-color",
        "stop-opacity",
        "offset",
        "opacity",
        "data-top",
        "data-bottom",
        "pathLength",
        "points",
    ];
    let mut kept = sent.to_owned();
    for name in LINES {
        let head = format!(" {name}=\"");
        while let Some(at) = kept.find(&head) {
            let end = kept[at + head.len()..].find('"').map_or(kept.len(), |end| at + head.len() + end + 1);
            kept.replace_range(at..end, "");
        }
    }
    kept.split(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '−' | '-' | '+')))
        .map(|word| word.trim_matches('.').to_owned())
        .collect()
}

/// Logged in, as a beautician's tablet is.
struct Desk<'a> {
    house: &'a House,
    cookie: String,
}

impl Desk<'_> {
    async fn get(&self, path: &str) -> Value {
        self.house.send(self.house.request(Method::GET, path).header("cookie", &self.cookie)).await.ok().body
    }

    async fn post(&self, path: &str, visit: Option<&str>, body: Value) -> Value {
        let mut request = self.house.request(Method::POST, &format!("/api/v1{path}")).header("cookie", &self.cookie);
        if let Some(visit) = visit {
            let version = self.get(&format!("/api/v1/visits/{visit}")).await["version"].as_u64().expect("a version");
            request = request.header("if-match", format!("\"{version}\""));
        }
        self.house.send(request.header("x-skinlink", "1").json(&body)).await.ok().body
    }

    async fn scan(&self, visit: &str, phase: Phase) -> String {
        self.house.building.analyser.set_phase(phase).await.expect("the analyser runs");
        let begun = self.post(&format!("/visits/{visit}/scans"), Some(visit), json!({ "phase": phase.as_str() })).await;
        let scan = begun["scan"]["id"].as_str().expect("a scan").to_owned();
        photograph(self.house, &scan, phase).await;
        while self.post(&format!("/scans/{scan}/measure"), Some(visit), json!({})).await["scan"]["complete"] != true {}
        self.post(&format!("/scans/{scan}/finish"), Some(visit), json!({})).await;
        scan
    }
}

/// Everything a mirror is sent over a whole visit, pages, headers and news: no name, no number of the customer or the staff, no id, and
/// of all that was measured only what was released.
#[tokio::test]
async fn nothing_a_mirror_is_sent_tells_who_sits_there_or_what_was_not_released() {
    let house = House::new(Wanted { truth: planted(), ..Wanted::default() }).await;
    let mut screen = paired(&house).await;
    let manager = json!({ "id": "b-4471", "name": "周敏慧", "role": "manager", "pin": "2580" });
    house.post("/staff", None, manager).await.ok();
    let log_in = house.request(Method::POST, "/api/v1/session").header("x-skinlink", "1");
    let answer = log_in.json(&json!({ "person": "b-4471", "pin": "2580" })).send().await.expect("an answer");
    let cookie = answer.headers()["set-cookie"].to_str().expect("text").split(';').next().expect("a pair").to_owned();
    let desk = Desk { house: &house, cookie };

    let new = json!({ "name": "欧阳若溪", "phone": "13612346688", "notes": "耳后有小伤口", "skin_type": "干性" });
    let customer = desk.post("/customers", None, new).await["id"].as_str().expect("an id").to_owned();
    let seen = desk.get(&format!("/api/v1/customers/{customer}")).await["version"].as_u64().expect("a version");
    let card = json!({ "member": "A1002355", "allergies": "果酸", "course": "补水疗程" });
    let save =
        house.request(Method::POST, &format!("/api/v1/customers/{customer}/save")).header("cookie", &desk.cookie);
    house.send(save.header("x-skinlink", "1").header("if-match", format!("\"{seen}\"")).json(&card)).await.ok();

    let mut ear = screen.listen().await;
    let opening = json!({ "customer": customer, "station": CHAIR });
    let visit = desk.post("/visits", None, opening).await["id"].as_str().expect("an id").to_owned();
    let purposes: serde_json::Map<_, _> = ["measure", "photograph", "deliver_report", "share_numbers"]
        .iter()
        .map(|p| ((*p).to_owned(), json!(true)))
        .collect();
    let agreed =
        json!({ "text_version": "2026-11", "channel": "station", "signature": "M10 10L20 20", "purposes": purposes });
    desk.post(&format!("/visits/{visit}/consents"), Some(&visit), agreed).await;
    let wishes = json!({ "skin_state": "tight", "wishes": "少用香味", "passed": "questions" });
    desk.post(&format!("/visits/{visit}/sheet"), Some(&visit), wishes).await;
    let before = desk.scan(&visit, Phase::Before).await;
    screen.until(&mut ear, "done-before").await;
    screen.page().await;
    desk.post(&format!("/visits/{visit}/steps"), Some(&visit), json!({ "steps": ["补水导入"] })).await;
    assert_eq!(screen.scene().await, "rest", "during the care it rests");
    let after = desk.scan(&visit, Phase::After).await;
    screen.until(&mut ear, "done-after").await;
    screen.page().await;
    desk.post(&format!("/visits/{visit}/comparison"), Some(&visit), json!({})).await;
    // Up to here no number at all.
    let held_back = screen.sent.len();
    let body = json!({ "visit": visit, "metrics": ["moisture"], "photographs": true });
    desk.post("/mirrors/chair-1/show", None, body).await;
    screen.until(&mut ear, "result-").await;
    let shown = screen.page().await;
    let turn = shown.split("/picture/").nth(1).and_then(|rest| rest.split('/').next()).expect("a picture").to_owned();
    assert_eq!(screen.picture(&turn, "after").await, 200);
    desk.post("/mirrors/chair-1/report", None, json!({ "visit": visit })).await;
    screen.until(&mut ear, "report-").await;
    screen.page().await;
    let full = desk.get(&format!("/api/v1/visits/{visit}")).await;
    desk.post(&format!("/visits/{visit}/close"), Some(&visit), json!({})).await;
    screen.until(&mut ear, "rest").await;
    screen.page().await;

    // All that was measured and compared, by metric, as any page writes it.
    let numbers = |metric: &str| {
        let mut found = BTreeSet::new();
        for scan in full["scans"].as_array().expect("scans") {
            for reading in scan["readings"].as_array().expect("readings").iter().filter(|r| r["metric"] == metric) {
                found.extend(reading["value"].as_str().map(str::to_owned));
                found.extend(
                    reading["repeats"]
                        .as_array()
                        .into_iter()
                        .flatten()
                        .filter_map(|r| r["value"].as_str())
                        .map(str::to_owned),
                );
            }
        }
        let report = model(&full, metric);
        found.extend(report);
        found.retain(|number| number.len() > 1);
        found
    };
    let (released, kept) = (numbers("moisture"), numbers("sebum"));
    assert!(released.len() > 3 && kept.len() > 1, "{released:?} {kept:?}");
    let shown = read(&shown);
    assert!(shown.contains(&forehead(&full)), "the sweep sees what is there: {shown:?}");
    for (at, sent) in screen.sent.iter().enumerate() {
        for secret in
            ["欧阳", "若溪", "13612346688", "A1002355", "周敏", "b-4471", "果酸", "伤口", "香味", "补水", "干性"]
        {
            assert!(!sent.contains(secret), "{secret} in what was sent as number {at}: {sent}");
        }
        let words = read(sent);
        // Short ones may stand inside of any long number: as words they may not.
        for secret in ["6688", "1002355", "4471", &visit, &customer, &before, &after] {
            assert!(!words.contains(secret), "{secret} in what was sent as number {at}: {sent}");
        }
        let wrong: Vec<&String> = kept.intersection(&words).collect();
        assert!(wrong.is_empty(), "{wrong:?} was not released: {sent}");
        if at < held_back {
            let wrong: Vec<&String> = released.intersection(&words).collect();
            assert!(wrong.is_empty(), "{wrong:?} was not released yet: {sent}");
        }
    }
    assert!(screen.sent.len() > 60, "a whole visit was heard: {}", screen.sent.len());
    house.close().await;
}

/// The numbers of the last comparison of one metric, with as many decimals as its readings have.
fn model(full: &Value, metric: &str) -> Vec<String> {
    let items =
        full["comparisons"].as_array().and_then(|all| all.last()).map(|last| last["items"].clone()).unwrap_or_default();
    let ours =
        items.as_array().into_iter().flatten().filter(|item| item["metric"] == metric).cloned().collect::<Vec<_>>();
    let mut found = Vec::new();
    for item in ours {
        for field in ["before", "after", "change", "smallest_detectable_change"] {
            let Some(number) = item[field].as_f64().or_else(|| item[field].as_str()?.parse().ok()) else { continue };
            found.extend((0..6).map(|decimals| format!("{number:.decimals$}")));
            found.extend((1..6).map(|decimals| format!("+{number:.decimals$}")));
        }
    }
    // A bare 0 or 1 is no secret: how many regions are done is told.
    found.retain(|number| number.trim_start_matches(['+', '-']).len() > 2);
    found
}
