//! The OpenAPI document against the router: nothing served that is not described, nothing described that is not served.

use crate::house::{House, Wanted, root};
use reqwest::Method;
use serde_json::json;
use skinlink::web::openapi::{CALLS, document};
use std::collections::BTreeSet;

#[tokio::test]
async fn every_described_call_is_served_and_every_served_one_is_described() {
    let house = House::new(Wanted::default()).await;
    let nobody = "01919d3e-7c00-7abc-8def-0123456789ab";
    for call in CALLS {
        let path = call
            .path
            .replace("{id}", nobody)
            .replace("{repeat}", nobody)
            .replace("{station}", "chair-1")
            .replace("{picture}", "00")
            .replace("{day}", "2026-11-28")
            .replace("{n}", "7");
        if call.path == "/events" {
            continue;
        }
        let answer = match call.method {
            "get" => house.get(&path).await,
            _ => house.post(&path, Some(1), json!({})).await,
        };
        let place = answer.body["error"]["where"].as_str().unwrap_or_default().to_owned();
        let unknown = answer.status == 405 || place.starts_with("path;") || place.starts_with("verb;");
        assert!(!unknown, "{} {}: {} {}", call.method, call.path, answer.status, answer.body);
        assert!(answer.status != 500, "{} {}: {}", call.method, call.path, answer.body);
    }
    // Routes as they are written; a verb stands for those that the table spells out.
    let source = std::fs::read_to_string(root().join("src/web/mod.rs")).expect("readable");
    let inner = source
        .split("pub fn router")
        .nth(1)
        .expect("the router")
        .split("Router::new()\n        .nest")
        .next()
        .expect("its calls");
    let routes: BTreeSet<&str> = inner.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(routes.len() > 20, "{routes:?}");
    for route in routes {
        let described = match route.strip_suffix("{verb}") {
            Some(folder) => CALLS.iter().any(|call| call.path.starts_with(folder)),
            None => CALLS.iter().any(|call| call.path == route),
        };
        assert!(described, "{route} is served and not described");
    }
    house.close().await;
}

#[tokio::test]
async fn the_document_is_served_and_each_body_is_the_type_that_reads_it() {
    let house = House::new(Wanted::default()).await;
    let served = house.send(house.request(Method::GET, "/api/docs/openapi.json")).await.ok();
    assert_eq!(served.body, document());
    let page = house.send(house.request(Method::GET, "/api/docs")).await.ok();
    assert!(page.body.as_str().expect("a page").contains("/api/v1/visits/{id}/sheet"));
    let body =
        &document()["paths"]["/api/v1/customers"]["post"]["requestBody"]["content"]["application/json"]["schema"];
    assert_eq!(body["required"], json!(["name"]));
    assert_eq!(body["additionalProperties"], json!(false));
    house.close().await;
}
