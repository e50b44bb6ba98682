//! Links to reports and what customers say, over the HTTP interface.

use crate::house::{CHAIR, House, Wanted};
use serde_json::json;
use skinlink::{
    clock,
    desk::{self, Press},
    domain::scan::Phase,
    web::{Headquarters, reports::OfStore},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

async fn seated(house: &House, purposes: &serde_json::Value) -> (String, u64) {
    let customer = house.post("/customers", None, json!({"name": "Zhang"})).await.ok().text("/id");
    let opened = house.post("/visits", None, json!({"customer": customer, "station": CHAIR})).await.ok();
    let visit = opened.text("/id");
    let said = json!({"text_version": "1", "channel": "station", "purposes": purposes});
    let agreed = house.post(&format!("/visits/{visit}/consents"), Some(1), said).await.ok();
    (visit, agreed.version())
}

#[tokio::test]
async fn a_link_is_made_shown_once_as_a_code_and_taken_back() {
    let house = House::new(Wanted::default()).await;
    let (visit, _) = seated(&house, &json!({"measure": true})).await;
    let path = format!("/visits/{visit}/link");
    let refused = house.post(&path, None, json!({})).await.refused(403, "no_consent");
    // It used to be said of measuring.
    assert!(
        refused.text("/error/zh").contains("发送报告") && refused.text("/error/en").contains("delivery"),
        "{refused:?}"
    );
    let both = json!({"deliver_report": true, "share_numbers": true});
    let said = json!({"text_version": "1", "channel": "station", "purposes": both});
    house.post(&format!("/visits/{visit}/consents"), Some(2), said).await.ok();
    let link = house.post(&path, None, json!({"staff": "b-07"})).await.ok();
    let (url, qr) = (link.text("/url"), link.text("/qr"));
    let token = url.strip_prefix("https://reports.example/r/").expect("the public address");
    assert!(token.len() == 32 && token.bytes().all(|b| b.is_ascii_hexdigit()), "{url}");
    assert!(qr.starts_with("<svg") && !qr.contains("style="), "{}", &qr[..60]);
    let again = house.post(&path, None, json!({})).await.ok().text("/url");
    assert_ne!(again, url, "each link has a token of its own");
    let ended = house.post(&format!("/visits/{visit}/unlink"), None, json!({})).await.ok();
    assert_eq!(ended.body["ended"], 2);
    house.post("/visits/01932f00-0000-7000-8000-000000000001/link", None, json!({})).await.refused(404, "not_found");
}

#[tokio::test]
async fn whoever_waits_for_the_report_is_listed_until_there_is_a_link() {
    let house = House::new(Wanted::default()).await;
    let (visit, version) =
        seated(&house, &json!({"measure": true, "deliver_report": true, "share_numbers": true})).await;
    let due = async || house.get("/reports/due").await.ok().body["reports"].clone();
    assert_eq!(due().await, json!([]), "the visit is still open");
    house.post(&format!("/visits/{visit}/close"), Some(version), json!({})).await.ok();
    let waiting = due().await;
    assert_eq!((waiting[0]["visit"].as_str(), waiting[0]["late"].as_bool()), (Some(visit.as_str()), Some(false)));
    house.post(&format!("/visits/{visit}/link"), None, json!({})).await.ok();
    assert_eq!(due().await, json!([]));
    assert_eq!(house.get("/feedback").await.ok().body, json!({"feedback": []}));
    let nobody = "/feedback/01932f00-0000-7000-8000-000000000001";
    house.post(&format!("{nobody}/solved"), None, json!({})).await.refused(404, "not_found");
    house.post(&format!("{nobody}/forgotten"), None, json!({})).await.refused(404, "not_found");
}

/// Mrs. Zhang agreed to have her report delivered and shared nothing with headquarters. Her code led to headquarters, which is
/// never told of such a report: "This report cannot be opened", and nobody saw her waiting for it any more.
#[tokio::test]
async fn whoever_shares_nothing_with_headquarters_gets_a_link_that_opens_here_or_none() {
    let local = Wanted { reports_at: Some("http://192.168.1.20:8480"), ..Wanted::default() };
    let house = House::new(local).await;
    let (visit, version) = seated(&house, &json!({"measure": true, "deliver_report": true})).await;
    let path = format!("/visits/{visit}/link");
    let link = house.post(&path, None, json!({})).await.ok();
    let url = link.text("/url");
    let token = url.strip_prefix("http://192.168.1.20:8480/r/").expect("the store's own address");
    let opens = house.store.report_behind(token, clock::now().wall).await.expect("the store");
    assert_eq!(opens.map(|visit| visit.to_string()), Some(visit.clone()), "it opens here");
    assert_eq!(link.body["waits"], false, "nobody has to be connected for that");
    // She shares her numbers after all: from now on it is one address for home too.
    let said = json!({"text_version": "1", "channel": "station", "purposes": {"share_numbers": true}});
    house.post(&format!("/visits/{visit}/consents"), Some(version), said).await.ok();
    assert!(house.post(&path, None, json!({})).await.ok().text("/url").starts_with("https://reports.example/r/"));
    house.close().await;

    // A store without an address of its own says what to do instead, and she goes on waiting.
    let house = House::new(Wanted::default()).await;
    let (visit, version) = seated(&house, &json!({"measure": true, "deliver_report": true})).await;
    house.post(&format!("/visits/{visit}/close"), Some(version), json!({})).await.ok();
    let refused = house.post(&format!("/visits/{visit}/link"), None, json!({})).await;
    let said = refused.body["error"].clone();
    refused.refused(409, "only_here");
    assert!(said["zh"].as_str().is_some_and(|zh| zh.contains("打印")), "{said}");
    assert!(said["en"].as_str().is_some_and(|en| en.contains("Print it")), "{said}");
    let due = house.get("/reports/due").await.ok().body["reports"].clone();
    assert_eq!(due[0]["visit"], visit.as_str());
    house.close().await;
}

/// A link was given out while headquarters was away: the page under it said that it had run out or been withdrawn. Now whoever hands
/// the code over is told, and so is whoever opens it too early.
#[tokio::test]
async fn a_link_made_while_headquarters_is_away_says_that_it_waits() {
    let house = House::new(Wanted::default()).await;
    let (visit, _) = seated(&house, &json!({"measure": true, "deliver_report": true, "share_numbers": true})).await;
    let waits = async |connection: &'static str| {
        house.hq.send_replace(Headquarters { connection, alarm: None });
        house.post(&format!("/visits/{visit}/link"), None, json!({})).await.ok().body["waits"].clone()
    };
    for (connection, expected) in [("offline", true), ("hq_silent", true), ("connecting", true), ("connected", false)] {
        assert_eq!(waits(connection).await, expected, "{connection}");
    }
    for (lang, said) in [("zh", "连上以后"), ("hant", "連上以後"), ("en", "as soon as we are connected")] {
        let request = house.request(reqwest::Method::GET, &format!("/report/{visit}?lang={lang}"));
        let page = house.send(request).await.ok().body.as_str().expect("a page").to_owned();
        assert!(page.contains(said), "{lang}");
    }
    house.close().await;
}

/// Mrs. Zhang gave no phone number. Her report is as whole as anyone's in all its forms, and asking for a call she can say where.
#[tokio::test]
async fn a_customer_without_a_phone_number_has_a_whole_report_and_can_leave_one() {
    let house = House::new(Wanted { reports_at: Some("http://192.168.1.20:8480"), ..Wanted::default() }).await;
    let agreed = json!({"measure": true, "deliver_report": true});
    let (visit, _) = seated(&house, &agreed).await;
    assert_eq!(house.get(&format!("/visits/{visit}")).await.ok().text("/customer/phone"), "");
    for phase in [Phase::Before, Phase::After] {
        house.scan(&visit, phase).await;
    }
    house.post(&format!("/visits/{visit}/comparison"), Some(house.version(&visit).await), json!({})).await.ok();
    let url = house.post(&format!("/visits/{visit}/link"), None, json!({})).await.ok().text("/url");
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
    let base = format!("http://{}", listener.local_addr().expect("bound"));
    let link = url.replace("http://192.168.1.20:8480", &base);
    let (stop, reports) = (CancellationToken::new(), OfStore(house.store.clone()));
    let (stopped, press) = (stop.clone(), Press::new(env!("CARGO_BIN_EXE_skinlink-paper").into()));
    #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
    let serving =
        tokio::spawn(async move { desk::serve(listener, reports, press, false, stopped).await.expect("it serves") });
    for (path, kind) in [
        ("?lang=zh", "text/html; charset=utf-8"),
        ("/report.json", "application/json"),
        ("/fhir.json", "application/json"),
        ("/report.pdf", "application/pdf"),
        ("/picture?lang=en", "image/"),
    ] {
        let got = reqwest::get(format!("{link}{path}")).await.expect("an answer");
        let found = got.headers()["content-type"].to_str().expect("text").to_owned();
        assert!(got.status().is_success() && found.starts_with(kind), "{path}: {} {found}", got.status());
        let bytes = got.bytes().await.expect("all of it");
        assert!(bytes.len() > 1_000, "{path}: {} bytes", bytes.len());
        if path.starts_with('?') {
            let page = String::from_utf8_lossy(&bytes).into_owned();
            assert!(page.contains("请给我回电（门店没有您的号码时，请写在上面）"), "{page}");
        }
    }
    let form = [("once", "0123456789abcdef"), ("call", "on"), ("words", "138 0000 0000")];
    let said =
        reqwest::Client::new().post(format!("{link}/feedback?lang=en")).form(&form).send().await.expect("an answer");
    assert!(said.status().is_success(), "{}", said.status());
    let heard = house.get("/feedback").await.ok().body["feedback"].clone();
    let heard: Vec<&serde_json::Value> = heard.as_array().expect("a list").iter().collect();
    assert!(heard.iter().any(|one| one["topic"] == "call") && heard.iter().any(|one| one["words"] == "138 0000 0000"));
    stop.cancel();
    serving.await.expect("it ends well");
    house.close().await;
}
