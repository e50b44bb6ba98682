//! The pages: both languages, the right thing to do next, and an honest report.

use crate::house::{House, Wanted, metric, soon};
use reqwest::Method;
use serde_json::json;
use skinlink::{
    domain::{Region, scan::Phase},
    sim::Truth,
};

pub async fn page(house: &House, path: &str) -> String {
    let answer = soon("a page", house.request(Method::GET, path).send()).await.expect("an answer");
    assert!(answer.status().is_success(), "{path}: {}", answer.status());
    answer.text().await.expect("a page")
}

#[tokio::test]
async fn chinese_first_english_on_request_and_remembered() {
    let house = House::new(Wanted::default()).await;
    let plain = page(&house, "/").await;
    assert!(plain.contains("<html lang=\"zh-Hans\">") && plain.contains("<h1>今天</h1>"));
    let answer = soon("english", house.request(Method::GET, "/?lang=en").send()).await.unwrap();
    let cookie = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("skinlink-lang=en;") && cookie.contains("SameSite=Strict"));
    let again = house.request(Method::GET, "/station/chair-1").header("cookie", "skinlink-lang=en");
    assert!(soon("again", again.send()).await.unwrap().text().await.unwrap().contains("Who is the customer?"));
    let wrong = soon("wrong query", house.request(Method::GET, "/?x=1").send()).await.unwrap();
    assert_eq!(wrong.status(), 400);
    assert!(wrong.text().await.unwrap().contains("回到首页"));
    house.close().await;
}

#[tokio::test]
async fn the_chair_always_shows_the_next_thing_to_do() {
    let house = House::new(Wanted::default()).await;
    let next = async |house: &House| {
        let page = page(house, "/station/chair-1").await;
        page.split("data-next=\"").nth(1).map(|rest| rest.split('"').next().unwrap().to_owned())
    };
    assert_eq!(next(&house).await, None, "first a customer");
    let customer =
        house.post("/customers", None, json!({"name": "林女士", "notes": "对果酸敏感"})).await.ok().text("/id");
    let visit = house.post("/visits", None, json!({"customer": customer, "station": "chair-1"})).await.ok().text("/id");
    assert_eq!(next(&house).await.as_deref(), Some("consent"));
    assert!(page(&house, "/station/chair-1").await.contains("对果酸敏感"), "allergies are at hand");
    house.agree(&visit).await;
    assert_eq!(next(&house).await.as_deref(), Some("questions"));
    let say = async |wish: serde_json::Value| {
        let version = house.version(&visit).await;
        house.post(&format!("/visits/{visit}/sheet"), Some(version), wish).await.ok();
    };
    say(json!({"skin_state": "tight", "passed": "questions"})).await;
    assert_eq!(next(&house).await.as_deref(), Some("before"));
    house.scan(&visit, Phase::Before).await;
    assert_eq!(next(&house).await.as_deref(), Some("talk"));
    say(json!({"passed": "talk"})).await;
    assert_eq!(next(&house).await.as_deref(), Some("care"));
    let version = house.version(&visit).await;
    house.post(&format!("/visits/{visit}/steps"), Some(version), json!({"steps": ["清洁"]})).await.ok();
    assert_eq!(next(&house).await.as_deref(), Some("after"));
    house.scan(&visit, Phase::After).await;
    assert_eq!(next(&house).await.as_deref(), Some("result"));
    let version = house.version(&visit).await;
    house.post(&format!("/visits/{visit}/comparison"), Some(version), json!({})).await.ok();
    assert_eq!(next(&house).await.as_deref(), Some("report"));
    say(json!({"passed": "report"})).await;
    say(json!({"stars": 5, "passed": "rating"})).await;
    assert_eq!(next(&house).await.as_deref(), Some("goodbye"));
    house.close().await;
}

/// On a busy Wi-Fi a page must come at once: all that is ever fetched for the fullest page, photographs apart.
#[tokio::test]
async fn the_fullest_page_weighs_less_than_150_kilobytes() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    house.scan(&visit, Phase::Before).await;
    house.begin(&visit, Phase::After).await;
    let html = page(&house, "/station/chair-1").await;
    let assets = std::fs::read_dir(crate::house::root().join("src/web/assets")).expect("the assets");
    // The mirror and the manager's page are other screens: no page of a chair names what is theirs.
    let others = ["mirror.css", "mirror.js", "manager.css"];
    assert!(others.iter().all(|name| !html.contains(name)), "{html}");
    let assets = assets.map(|entry| entry.expect("readable"));
    let assets = assets.filter(|entry| !others.contains(&entry.file_name().to_str().unwrap_or_default()));
    let sizes = assets.map(|entry| entry.metadata().expect("a size").len());
    let weight = html.len() as u64 + sizes.sum::<u64>();
    assert!(weight < 150_000, "{weight} bytes, {} of them the page", html.len());
    println!("{weight} bytes with every asset of the house, {} of them the page", html.len());
    house.close().await;
}

/// A page that is open replaces what lives by its id: whatever may appear later must have its place from the start.
#[tokio::test]
async fn every_living_part_has_its_place_from_the_start() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let places = |page: &str| -> Vec<String> {
        let parts = page.split("id=\"").skip(1).filter_map(|rest| rest.split_once('"'));
        parts.filter(|(_, rest)| rest.starts_with(" data-live")).map(|(id, _)| id.to_owned()).collect()
    };
    let first = places(&page(&house, "/station/chair-1").await);
    assert!(first.len() > 5, "{first:?}");
    house.scan(&visit, Phase::Before).await;
    house.scan(&visit, Phase::After).await;
    house.building.analyser.press(metric("elasticity"), Region::Nose).await.unwrap();
    let version = house.version(&visit).await;
    house.post(&format!("/visits/{visit}/comparison"), Some(version), json!({})).await.ok();
    assert_eq!(places(&page(&house, "/station/chair-1").await), first);
    house.close().await;
}

#[tokio::test]
async fn a_running_scan_says_what_to_do_in_one_sentence() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let scan = house.begin(&visit, Phase::Before).await;
    let shown = page(&house, "/station/chair-1").await;
    assert!(shown.contains("探头轻贴额头，测水分"), "{shown}");
    assert!(shown.contains("data-region=\"forehead\" data-state=\"current\""));
    house.act(&visit, &scan, "pause", json!({})).await.ok();
    assert!(page(&house, "/station/chair-1").await.contains("测量已暂停"));
    house.close().await;
}

#[tokio::test]
async fn the_report_names_only_what_was_planted() {
    let mut truth = Truth::plausible();
    truth.plant(&metric("moisture"), Region::Forehead, Phase::After, 58.0);
    let house = House::new(Wanted { truth, ..Wanted::default() }).await;
    let visit = house.visit("林女士").await;
    let path = format!("/report/{visit}");
    assert!(page(&house, &path).await.contains("还没有护理前的测量"));
    house.scan(&visit, Phase::Before).await;
    house.scan(&visit, Phase::After).await;
    let version = house.version(&visit).await;
    house.post(&format!("/visits/{visit}/comparison"), Some(version), json!({})).await.ok();
    let shown = page(&house, &path).await;
    let headline = shown.split("<h1>").nth(1).unwrap().split("</h1>").next().unwrap();
    assert_eq!(headline, "水分提升");
    assert!(shown.contains("共比较 4 项") && shown.contains("1 项有可测改善") && shown.contains("3 项在测量误差之内"));
    assert!(shown.contains("derma-reference DR-0417"), "which device");
    let english = page(&house, &format!("{path}?lang=en")).await;
    assert!(english.contains("Moisture up") && english.contains("No measurable change"));
    for word in ["治疗", "诊断", "疗效", "diagnos", "treatment", "cure"] {
        assert!(!shown.contains(word) && !english.to_lowercase().contains(word), "{word}");
    }
    house.close().await;
}

/// The alarms of the way to headquarters (a store restored from a copy, a refused certificate) stood in the log alone, where
/// nobody in a salon looks.
#[tokio::test]
async fn what_needs_the_technician_stands_on_the_first_page() {
    let house = House::new(Wanted::default()).await;
    assert!(!page(&house, "/").await.contains("需要技术人员"));
    assert_eq!(house.get("/status").await.ok().body["alarm"], json!(null));
    house.hq.send_modify(|hq| hq.alarm = Some("this store was restored from a copy".to_owned()));
    for (lang, words) in [("zh", "需要技术人员查看"), ("en", "needs the technician")] {
        let first = page(&house, &format!("/?lang={lang}")).await;
        assert!(first.contains(words) && first.contains("this store was restored from a copy"), "{first}");
    }
    assert_eq!(house.get("/status").await.ok().body["alarm"], "this store was restored from a copy");
    house.close().await;
}
