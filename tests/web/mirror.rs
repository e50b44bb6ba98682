//! The customer's mirror as a screen hears it: paired by a code, told how a scan goes, given what was released and nothing else, emptied
//! when it is over.

mod sweep;

use crate::house::{CHAIR, House, Wanted, soon};
use futures_util::StreamExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use skinlink::{
    clock,
    domain::{
        CaptureId, Region,
        capture::{Format, Light, View},
        scan::Phase,
    },
    sim::Truth,
    store::NewCapture,
};
use std::{collections::BTreeSet, pin::Pin, time::Duration};

/// A screen's browser: its cookie, and everything it was ever sent.
pub struct Screen<'a> {
    house: &'a House,
    cookie: String,
    pub sent: Vec<String>,
}

/// The stream of one page.
pub struct Ear {
    bytes: Pin<Box<dyn futures_util::Stream<Item = String> + Send>>,
    text: String,
}

impl Ear {
    /// The next event of one of these kinds, with everything that came before it.
    async fn hear(&mut self, kinds: &[&str], sent: &mut Vec<String>) -> (String, Value) {
        soon(&format!("one of {kinds:?}"), async {
            loop {
                while let Some((block, rest)) = self.text.split_once("\n\n") {
                    let block = block.to_owned();
                    self.text = rest.to_owned();
                    sent.push(block.clone());
                    let of = |head: &str| {
                        block.lines().find_map(|line| line.strip_prefix(head)).unwrap_or_default().to_owned()
                    };
                    let (kind, data) = (of("event: "), of("data: "));
                    if kinds.contains(&kind.as_str()) {
                        return (kind, serde_json::from_str(&data).expect("JSON"));
                    }
                }
                self.text += &self.bytes.next().await.expect("the stream goes on");
            }
        })
        .await
    }
}

impl<'a> Screen<'a> {
    /// A browser that was never here opens the mirror's page.
    pub async fn open(house: &'a House) -> Self {
        let mut screen = Self { house, cookie: String::new(), sent: Vec::new() };
        assert!(screen.page().await.contains(r#"data-scene="code""#));
        screen
    }

    async fn fetch(&mut self, path: &str) -> (u16, String) {
        let request = self.house.request(Method::GET, path).header("cookie", &self.cookie);
        let answer = soon("an answer", request.send()).await.expect("an answer");
        for (name, value) in answer.headers() {
            let text = value.to_str().unwrap_or_default();
            // A token and a moment say nothing, but spell any digits.
            if !["set-cookie", "date", "content-length"].contains(&name.as_str()) {
                self.sent.push(format!("{name}: {text}"));
            }
            if name == "set-cookie" && text.starts_with("skinlink-mirror=") {
                assert!(
                    text.contains("HttpOnly") && text.contains("SameSite=Strict") && text.contains("Path=/mirror"),
                    "{text}"
                );
                self.cookie = text.split(';').next().expect("a pair").to_owned();
            }
        }
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.expect("a body");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        (status, text)
    }

    /// Its page as it is now.
    pub async fn page(&mut self) -> String {
        let (status, text) = self.fetch(&format!("/mirror/{CHAIR}")).await;
        assert_eq!(status, 200);
        self.sent.push(text.clone());
        text
    }

    /// What the page shows: `rest`, `scan-before`, `result-3` and so on.
    pub async fn scene(&mut self) -> String {
        let page = self.page().await;
        page.split("data-scene=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a scene").to_owned()
    }

    pub async fn listen(&self) -> Ear {
        let request =
            self.house.request(Method::GET, &format!("/mirror/{CHAIR}/events")).header("cookie", &self.cookie);
        let answer = soon("the stream", request.send()).await.expect("a stream");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let pieces = answer.bytes_stream().map(|piece| {
            // An event may be cut anywhere, but what is told stands in one piece of its own.
            String::from_utf8_lossy(&piece.expect("a sound connection")).into_owned()
        });
        Ear { bytes: Box::pin(pieces), text: String::new() }
    }

    /// The code that it shows, for as long as the ear listens.
    pub async fn code(&mut self) -> (Ear, String) {
        let mut ear = self.listen().await;
        let (_, told) = ear.hear(&["code"], &mut self.sent).await;
        (ear, told["code"].as_str().expect("a code").to_owned())
    }

    /// The next picture it is told to show.
    async fn look(&mut self, ear: &mut Ear) -> String {
        let (_, told) = ear.hear(&["look"], &mut self.sent).await;
        told["scene"].as_str().expect("a scene").to_owned()
    }

    /// Waits until it is told to show a picture that begins so.
    async fn until(&mut self, ear: &mut Ear, wanted: &str) -> String {
        loop {
            let scene = self.look(ear).await;
            if scene.starts_with(wanted) {
                return scene;
            }
        }
    }

    async fn picture(&mut self, turn: &str, which: &str) -> u16 {
        self.fetch(&format!("/mirror/{CHAIR}/picture/{turn}/{which}")).await.0
    }
}

/// A station with a mirror, in English.
async fn paired<'a>(house: &'a House) -> Screen<'a> {
    let mut screen = Screen::open(house).await;
    let (_ear, code) = screen.code().await;
    house.post("/mirrors/chair-1/pair", None, json!({ "code": code, "lang": "en" })).await.ok();
    screen
}

/// A photograph of the front, as the camera's page would send it.
pub async fn photograph(house: &House, scan: &str, phase: Phase) -> CaptureId {
    let file = crate::house::root().join(format!("docs/report/front-{phase}.jpg"));
    let bytes = std::fs::read(&file).unwrap_or_else(|fault| panic!("{}: {fault}", file.display()));
    let new = NewCapture {
        scan: scan.parse().expect("an id"),
        view: View::Front,
        light: Light::White,
        format: Format::Jpeg,
        width: 640,
        height: 853,
        anchors: [[220.0, 380.0], [420.0, 380.0]],
        complaints: Vec::new(),
        camera: "room camera".to_owned(),
        taken: clock::now(),
    };
    house.store.save_capture(new, bytes).await.expect("a photograph").id
}

/// Both scans, each with a photograph, and their comparison.
async fn measured(house: &House, visit: &str) {
    for phase in [Phase::Before, Phase::After] {
        house.building.analyser.set_phase(phase).await.expect("the analyser runs");
        let scan = house.begin(visit, phase).await;
        photograph(house, &scan, phase).await;
        while house.act(visit, &scan, "measure", json!({})).await.ok().body["scan"]["complete"] != true {}
        house.act(visit, &scan, "finish", json!({})).await.ok();
    }
    compare(house, visit).await;
}

async fn compare(house: &House, visit: &str) {
    house.post(&format!("/visits/{visit}/comparison"), Some(house.version(visit).await), json!({})).await.ok();
}

async fn show(house: &House, visit: &str, metrics: &[&str], photographs: bool) {
    let body = json!({ "visit": visit, "metrics": metrics, "photographs": photographs });
    house.post("/mirrors/chair-1/show", None, body).await.ok();
}

/// What the last comparison found at the forehead after the care, as pages write it.
pub fn forehead(visit: &Value) -> String {
    let last = visit["comparisons"].as_array().and_then(|all| all.last()).expect("a comparison");
    let items = last["items"].as_array().expect("items");
    let ours = items.iter().find(|item| item["metric"] == "moisture" && item["region"] == "forehead");
    let number = |field: &str| ours.expect("the forehead")[field].as_f64().expect("a number");
    let [before, after, change, limit] = ["before", "after", "change", "smallest_detectable_change"].map(number);
    // As many decimals as it takes for the row to add up, and for the change to be seen on its side of the limit.
    let told = |value: f64, places: usize| format!("{value:.places$}").parse::<f64>().expect("a number");
    let adds_up = |places: &usize| {
        let told = |value: f64| told(value, *places);
        let off = told(after) - told(before) - told(change);
        off.abs() < 0.5 * 10_f64.powi(-(*places as i32)) && told(change.abs()) != told(limit)
    };
    let places = (1..6).find(adds_up).unwrap_or(5);
    format!("{after:.places$}")
}

fn planted() -> Truth {
    let mut truth = Truth::plausible();
    truth.plant(&crate::house::metric("moisture"), Region::Forehead, Phase::After, 58.0);
    truth
}

/// Whoever opens the page is nobody's screen: it shows a code, hears nothing of any station, and gets no picture.
#[tokio::test]
async fn a_screen_that_nobody_paired_shows_its_code_alone() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林若溪").await;
    let mut screen = Screen::open(&house).await;
    let page = screen.page().await;
    assert!(!page.contains("<h1>清和肌研") && !page.contains("likeness"), "{page}");
    let (mut ear, code) = screen.code().await;
    assert_eq!((code.len(), code.bytes().all(|byte| byte.is_ascii_digit())), (6, true), "{code}");
    house.begin(&visit, Phase::Before).await;
    assert_eq!(screen.scene().await, "code");
    assert_eq!(screen.picture("1", "before").await, 404);
    // No station knows another code, none either after the page is gone; and a station that is not there pairs nobody.
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for bad in [wrong, "", "12"] {
        house.post("/mirrors/chair-1/pair", None, json!({ "code": bad })).await.refused(422, "wrong_code");
    }
    house.post("/mirrors/chair-9/pair", None, json!({ "code": code })).await.refused(404, "not_found");
    let (spaced, (head, tail)) = (json!({ "code": format!("{} {}", &code[..3], &code[3..]) }), code.split_at(3));
    assert_eq!(spaced["code"], format!("{head} {tail}"));
    house.post("/mirrors/chair-1/pair", None, spaced).await.ok();
    let (_, told) = ear.hear(&["go"], &mut screen.sent).await;
    assert_eq!(told["to"], "/mirror/chair-1");
    assert_eq!(screen.scene().await, "scan-before");
    house.post("/mirrors/chair-1/pair", None, json!({ "code": code })).await.refused(422, "wrong_code");
    house.close().await;
}

/// A stream without the page before it, a station's screen at another station, and a page that is not asked for.
#[tokio::test]
async fn a_screen_is_one_stations_and_nobody_elses() {
    let house = House::new(Wanted::default()).await;
    let bare = house.send(house.request(Method::GET, "/mirror/chair-1/events")).await;
    assert_eq!(bare.status, 401);
    let mut screen = paired(&house).await;
    assert_eq!(screen.scene().await, "rest");
    let (_, elsewhere) = screen.fetch("/mirror/chair-2").await;
    assert!(elsewhere.contains(r#"data-scene="code""#));
    // The address without a station leads where it belongs.
    let to = screen.fetch("/mirror").await.1;
    assert!(to.contains(r#"data-scene="rest""#));
    // A second screen takes the first one's place.
    let mut ear = screen.listen().await;
    assert_eq!(screen.look(&mut ear).await, "rest");
    let mut second = paired(&house).await;
    ear.hear(&["go"], &mut screen.sent).await;
    assert_eq!((screen.scene().await.as_str(), second.scene().await.as_str()), ("code", "rest"));
    house.close().await;
}

#[tokio::test]
async fn a_pairing_survives_the_gateway_and_is_undone_at_the_station() {
    let house = House::new(Wanted::default()).await;
    let cookie = paired(&house).await.cookie;
    let house = house.close().await.open().await;
    house.until_ready().await;
    let mut screen = Screen { house: &house, cookie, sent: Vec::new() };
    assert_eq!(screen.scene().await, "rest");
    let visit = house.visit("林若溪").await;
    let mut ear = screen.listen().await;
    assert_eq!(screen.look(&mut ear).await, "rest");
    house.begin(&visit, Phase::Before).await;
    screen.until(&mut ear, "scan-before").await;
    house.post("/mirrors/chair-1/unpair", None, json!({})).await.ok();
    ear.hear(&["go"], &mut screen.sent).await;
    assert_eq!(screen.scene().await, "code");
    house.post("/mirrors/chair-1/unpair", None, json!({})).await.refused(409, "no_mirror");
    let body = json!({ "visit": visit, "metrics": ["moisture"] });
    house.post("/mirrors/chair-1/show", None, body).await.refused(409, "no_mirror");
    house.close().await;
}

/// Every value is heard as it comes; never its number.
#[tokio::test]
async fn a_scan_is_followed_value_by_value() {
    let house = House::new(Wanted::default()).await;
    let mut screen = paired(&house).await;
    let visit = house.visit("林若溪").await;
    let mut ear = screen.listen().await;
    house.scan(&visit, Phase::Before).await;
    let mut shares = BTreeSet::new();
    let last = loop {
        let (kind, told) = ear.hear(&["scan", "look"], &mut screen.sent).await;
        if kind == "look" {
            if told["scene"] == "done-before" {
                break ear.hear(&["scan"], &mut screen.sent).await.1;
            }
            continue;
        }
        let share = |at: usize| told["regions"][at][2].as_u64().expect("a share");
        shares.insert((share(0), share(1)));
    };
    let wanted = [(0, 0), (25, 0), (50, 0), (75, 0), (100, 0), (100, 25), (100, 50), (100, 75), (100, 100)];
    assert_eq!(shares, BTreeSet::from(wanted), "one step a value");
    assert_eq!((&last["title"], &last["regions"][0][1]), (&json!("All measured"), &json!("done")));
    house.close().await;
}

/// Numbers and photographs come onto the mirror by a key, for this comparison only, and go with whatever they rest on.
#[tokio::test]
async fn only_what_was_released_is_shown_and_only_for_as_long_as_it_holds() {
    let house = House::new(Wanted { truth: planted(), ..Wanted::default() }).await;
    let mut screen = paired(&house).await;
    let visit = house.visit("林若溪").await;
    let early = json!({ "visit": visit, "metrics": ["moisture"] });
    house.post("/mirrors/chair-1/show", None, early).await.refused(409, "wrong_state");
    measured(&house, &visit).await;
    assert_eq!(screen.scene().await, "done-after", "nothing is shown by itself");
    house.post("/mirrors/chair-1/show", None, json!({ "visit": visit })).await.refused(400, "malformed");

    show(&house, &visit, &["moisture"], false).await;
    let page = screen.page().await;
    let after = forehead(&house.get(&format!("/visits/{visit}")).await.ok().body);
    assert!(page.contains(&after) && page.contains("Moisture") && !page.contains("Sebum"), "{page}");
    assert!(!page.contains("<img"));
    show(&house, &visit, &["sebum"], true).await;
    let page = screen.page().await;
    assert!(page.contains("Sebum") && !page.contains("Moisture") && !page.contains(&after), "{page}");
    let turn = page.split("/picture/").nth(1).and_then(|rest| rest.split('/').next()).expect("a picture").to_owned();
    assert_eq!((screen.picture(&turn, "before").await, screen.picture(&turn, "after").await), (200, 200));
    assert_eq!((screen.picture(&turn, "close").await, screen.picture("0", "after").await), (404, 404));
    let cookie = std::mem::take(&mut screen.cookie);
    assert_eq!(screen.picture(&turn, "before").await, 404, "to no other screen");
    screen.cookie = cookie;

    // The consent goes: the photographs go at once, also from a screen that shows them.
    let mut ear = screen.listen().await;
    screen.until(&mut ear, "result-").await;
    let body = json!({ "text_version": "2026-11", "channel": "station", "staff": "b-07", "signature": "",
        "purposes": { "photograph": false } });
    house.post(&format!("/visits/{visit}/consents"), Some(house.version(&visit).await), body).await.ok();
    screen.until(&mut ear, "result-").await;
    assert_eq!(screen.picture(&turn, "before").await, 404);
    assert!(!screen.page().await.contains("<img"));
    // Compared again, the numbers are others: released again, or not shown.
    compare(&house, &visit).await;
    assert_eq!(screen.until(&mut ear, "done-after").await, "done-after");
    show(&house, &visit, &["moisture"], true).await;
    screen.until(&mut ear, "result-").await;
    assert!(!screen.page().await.contains("<img"), "no consent, no photograph");
    // Taken away by a key, and with the pages of the visit.
    house.post("/mirrors/chair-1/hide", None, json!({})).await.ok();
    screen.until(&mut ear, "done-after").await;
    show(&house, &visit, &["moisture"], false).await;
    screen.until(&mut ear, "result-").await;
    house.post("/mirrors/chair-1/leave", None, json!({})).await.ok();
    screen.until(&mut ear, "rest").await;
    house.close().await;
}

/// The report's code is made once, lies over the results, and dies with the links.
#[tokio::test]
async fn the_code_of_the_report_is_on_the_mirror_while_its_link_lives() {
    let house = House::new(Wanted::default()).await;
    let mut screen = paired(&house).await;
    let visit = house.visit("林若溪").await;
    measured(&house, &visit).await;
    show(&house, &visit, &["moisture"], false).await;
    let mut ear = screen.listen().await;
    screen.until(&mut ear, "result-").await;
    house.post("/mirrors/chair-1/report", None, json!({ "visit": visit })).await.ok();
    screen.until(&mut ear, "report-").await;
    let drawn = |page: &str| {
        page.split("class=\"qr\"").nth(1).map(|rest| rest.split("</svg>").next().unwrap_or_default().to_owned())
    };
    let first = drawn(&screen.page().await).expect("a code");
    // Back to the results, and to the code again: it is the same, nobody made a second link.
    show(&house, &visit, &["moisture"], false).await;
    screen.until(&mut ear, "result-").await;
    house.post("/mirrors/chair-1/report", None, json!({ "visit": visit })).await.ok();
    screen.until(&mut ear, "report-").await;
    assert_eq!(drawn(&screen.page().await), Some(first.clone()));
    // Made at the report's own page, a new one takes its place.
    house.post(&format!("/visits/{visit}/link"), None, json!({})).await.ok();
    screen.until(&mut ear, "report-").await;
    assert_ne!(drawn(&screen.page().await), Some(first));
    house.post(&format!("/visits/{visit}/unlink"), None, json!({})).await.ok();
    screen.until(&mut ear, "result-").await;
    house.post(&format!("/visits/{visit}/close"), Some(house.version(&visit).await), json!({})).await.ok();
    screen.until(&mut ear, "rest").await;
    house.post("/mirrors/chair-1/report", None, json!({ "visit": visit })).await.refused(409, "stale");
    house.close().await;
}

/// A chair where nothing happens for long has a mirror at rest, and what lay on it does not come back by itself.
#[tokio::test]
async fn a_quiet_station_has_a_mirror_at_rest() {
    let house = House::new(Wanted { quiet: Duration::from_millis(400), ..Wanted::default() }).await;
    let mut screen = paired(&house).await;
    let visit = house.visit("林若溪").await;
    measured(&house, &visit).await;
    let _ear = screen.listen().await;
    show(&house, &visit, &["moisture"], true).await;
    // That it stays while there is a sign of life, the other stories tell.
    soon("rest", async {
        while screen.scene().await != "rest" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let told = house.get("/mirrors/chair-1").await.ok();
    assert_eq!((&told.body["metrics"], &told.body["photographs"]), (&json!([]), &json!(false)));
    house.close().await;
}
