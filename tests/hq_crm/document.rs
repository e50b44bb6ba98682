//! The document against what is served.

use crate::{
    Side,
    chain::{Chain, Store, care_by_day, customer, id, later, scan, visit},
};
use reqwest::Method;
use serde_json::json;
use skinlink::{
    clock,
    domain::{VisitId, follow_up::Kind},
    hq::{
        care::offers,
        crm::{
            keys::Scope,
            openapi::{CALLS, document},
        },
    },
};
use std::{collections::BTreeSet, path::Path};
use tokio::process::Command;

/// A tool makes up calls from the document, with a key for everything: whatever it sends brings no fault of ours (5xx), and no answer
/// that the document does not describe. Seeded; `SKINLINK_SCHEMATHESIS=200` for a long one.
pub async fn no_made_up_call_brings_a_fault_or_an_undescribed_answer(side: Side) {
    let (mut chain, mut store) = (Chain::with_care(side, Some(care_by_day())).await, Store::named("sh-001"));
    let (one, ann, before) = (visit(), customer(), scan());
    store.clock = later(-3 * 3_600_000);
    let told = [
        store.consent_to("wechat-1", &ann, "share_numbers", true),
        store.consent_to("wechat-1", &ann, "deliver_report", true),
        store.visit(&one, &ann, 1, "closed"),
        store.reading(&one, &before, "before", "35.0"),
        store.comparison(&one, &before, &scan()),
    ];
    chain.take(&store.comes());
    chain.take(&told);
    chain.keep();
    let mut engine = chain.place.open().expect("opens");
    let offered = offers::turn(&mut *engine, &care_by_day(), clock::now().wall).expect("a turn");
    assert_eq!(offered.offered, 1, "something to be taken");
    let message = offers::id_of("sh-001", &one, Kind::Care);
    let key = chain.key(Scope::ALL, &["all"]);
    let tool = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/schemathesis/bin/schemathesis");
    assert!(tool.exists(), "{} is missing; run `make setup`", tool.display());
    let wish = json!({ "key": "1", "what": { "do": "check" } });
    let order = chain.call(Method::POST, "/stores/sh-001/orders", &key, Some(&wish)).await.ok();
    let order = order["order"].as_str().expect("an id");
    // Names that there are, so that more than refusals is tried.
    let known = chain.folder.path().join("schemathesis.toml");
    let names = format!(
        "[parameters]\n\"path.store\" = \"sh-001\"\n\"path.visit\" = \"{one}\"\n\"path.customer\" = \"{ann}\"\n\
         \"path.message\" = \"{message}\"\n\"path.order\" = \"{order}\"\n"
    );
    std::fs::write(&known, names).expect("writable");
    let examples = std::env::var("SKINLINK_SCHEMATHESIS").unwrap_or_else(|_| "8".to_owned());
    for file in [None, Some(&known)] {
        let mut command = Command::new(&tool);
        if let Some(file) = file {
            command.arg("--config-file").arg(file);
        }
        let run = command
            .args(["run", &format!("http://{}/crm/v1/openapi.json", chain.door)])
            .args(["--header", &format!("Authorization: Bearer {key}")])
            .args([
                "--checks",
                "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
            ])
            .args(["--phases", "coverage,fuzzing", "--max-examples", &examples, "--seed", "7"])
            .args(["--request-timeout", "20", "--max-time", "60"])
            .env("NO_PROXY", "127.0.0.1")
            .current_dir(chain.folder.path())
            .output()
            .await
            .expect("schemathesis runs");
        let said = String::from_utf8_lossy(&run.stdout).into_owned();
        let last: Vec<&str> = said.lines().rev().take(25).collect();
        println!("{}", last.into_iter().rev().collect::<Vec<_>>().join("\n"));
        assert!(run.status.success(), "{said}\n{}", String::from_utf8_lossy(&run.stderr));
    }
    assert_eq!(chain.get(&format!("/stores/sh-001/visits/{one}"), &key).await.status, 200, "all is as it was");
    chain.end().await;
}

/// Nothing is served that is not described, and nothing described that is not served.
#[tokio::test(flavor = "multi_thread")]
async fn every_described_call_is_served_and_every_served_one_is_described() {
    let chain = Chain::with_care(Side::Sqlite, Some(care_by_day())).await;
    let key = chain.key(Scope::ALL, &["all"]);
    for call in CALLS {
        let named = ["{visit}", "{customer}", "{message}", "{order}"];
        let path = named
            .iter()
            .fold(call.path.replace("{store}", "sh-001"), |path, name| path.replace(name, &id(VisitId::from_bits)));
        let method = Method::from_bytes(call.method.to_uppercase().as_bytes()).expect("a method");
        let body = (call.method != "get").then(|| json!({}));
        let answer = chain.call(method, &path, &key, body.as_ref()).await;
        let word = answer.body["type"].as_str().unwrap_or_default();
        let unserved = answer.status >= 500 || answer.status == 405 || word.ends_with("no-such-path");
        assert!(!unserved, "{} {}: {answer:?}", call.method, call.path);
    }
    let source = include_str!("../../src/hq/crm/mod.rs");
    let routes: BTreeSet<&str> = source
        .split("\"/crm/v1")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|path| !["", "/openapi.json"].contains(path))
        .collect();
    let described: BTreeSet<&str> = CALLS.iter().map(|call| call.path).collect();
    assert!(routes.iter().all(|route| described.contains(route)), "{routes:?} against {described:?}");
    let served = chain.get("/openapi.json", "").await.ok();
    assert_eq!(served, document());
    assert!(served["paths"]["/crm/v1/visits"]["get"]["responses"]["200"].to_string().contains("\"more\""));
    chain.end().await;
}
