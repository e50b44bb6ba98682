//! The doors: who may call, what may be embedded, and that no page breaks its own rules.

use crate::house::{House, Wanted, metrics, soon};
use reqwest::Method;
use serde_json::json;
use skinlink::domain::scan::Phase;

#[tokio::test]
async fn a_name_that_is_not_this_machine_is_refused_before_anything_else() {
    let house = House::new(Wanted::default()).await;
    for host in ["evil.example", "127.0.0.1.evil.example", "192.168.1.5:8470"] {
        let request = house.request(Method::GET, "/api/v1/visits").header("host", host);
        house.send(request).await.refused(421, "foreign_host");
    }
    house.close().await;
}

#[tokio::test]
async fn a_foreign_page_cannot_write() {
    let house = House::new(Wanted::default()).await;
    let body = json!({"name": "x"});
    let plain = house.request(Method::POST, "/api/v1/customers").json(&body);
    house.send(plain).await.refused(403, "foreign_page");
    for origin in ["http://evil.example", "null", "https://127.0.0.1"] {
        let foreign = house
            .request(Method::POST, "/api/v1/customers")
            .header("x-skinlink", "1")
            .header("origin", origin)
            .json(&body);
        house.send(foreign).await.refused(403, "foreign_page");
    }
    let own = house.address.clone();
    let ours =
        house.request(Method::POST, "/api/v1/customers").header("x-skinlink", "1").header("origin", own).json(&body);
    house.send(ours).await.ok();
    let asked = house.request(Method::OPTIONS, "/api/v1/customers").header("origin", "http://evil.example");
    let answer = soon("preflight", asked.send()).await.unwrap();
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    house.close().await;
}

#[tokio::test]
async fn every_answer_carries_the_strict_headers() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    for path in ["/", "/station/chair-1", &format!("/report/{visit}"), "/nothing", "/api/v1/status", "/api/v1/nothing"]
    {
        let answer = soon("an answer", house.request(Method::GET, path).send()).await.unwrap();
        let headers = answer.headers();
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{path}: {policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{path}");
        assert_eq!(headers["cache-control"], "no-store", "{path}");
    }
    house.close().await;
}

#[tokio::test]
async fn assets_are_kept_for_ever_and_only_under_their_digest() {
    let house = House::new(Wanted::default()).await;
    let page = soon("a page", house.request(Method::GET, "/").send()).await.unwrap().text().await.unwrap();
    let css =
        page.split('"').find(|part| part.ends_with("/base.css")).expect("the page names its stylesheet").to_owned();
    let answer = soon("the stylesheet", house.request(Method::GET, &css).send()).await.unwrap();
    assert_eq!(answer.headers()["cache-control"], "public, max-age=31536000, immutable");
    house.send(house.request(Method::GET, "/a/0000000000000000/base.css")).await.refused(404, "not_found");
    house.send(house.request(Method::GET, &css.replace("base.css", "..%2Fbase.css"))).await.refused(404, "not_found");
    house.close().await;
}

#[tokio::test]
async fn no_page_breaks_its_own_policy_or_trusts_a_name() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("<script>alert(1)</script>\"'&").await;
    house.scan(&visit, Phase::Before).await;
    house.begin(&visit, Phase::After).await;
    for path in ["/", "/station/chair-1", &format!("/report/{visit}"), "/station/none"] {
        for lang in ["zh", "en"] {
            let answer =
                soon("a page", house.request(Method::GET, &format!("{path}?lang={lang}")).send()).await.unwrap();
            let page = answer.text().await.unwrap();
            assert!(!page.contains("<script>alert"), "{path}");
            for forbidden in [" style=", "<style", "onclick=", "onload=", "javascript:", "http://", "https://"] {
                let found = page.replace("http://www.w3.org/2000/svg", "").contains(forbidden);
                assert!(!found, "{path}: {forbidden}");
            }
        }
    }
    assert!(!metrics().is_empty());
    house.close().await;
}

#[tokio::test]
async fn a_listener_that_others_can_reach_is_refused() {
    let house = House::new(Wanted::default()).await;
    let open = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    let refused = soon("the refusal", skinlink::web::serve(open, house.state.clone(), stop)).await.unwrap_err();
    assert!(refused.to_string().contains("loopback"), "{refused}");
    house.close().await;
}
