//! schemathesis, which makes up calls from the OpenAPI document: whatever it sends, no fault of ours (5xx), no answer that the
//! document does not describe. Seeded; `SKINLINK_SCHEMATHESIS=200 cargo test --test web schemathesis` for a long one.

use crate::house::{House, Wanted, root};
use reqwest::Method;
use serde_json::json;
use tokio::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn no_made_up_call_brings_a_fault_or_an_undescribed_answer() {
    let house = House::new(Wanted::default()).await;
    // Something to find, and somebody to be: without a session every answer would be the same 401.
    let visit = house.visit("林若溪").await;
    assert!(!visit.is_empty());
    let manager = json!({ "id": "b-01", "name": "周敏", "role": "manager", "pin": "2580" });
    house.post("/staff", None, manager).await.ok();
    let pin = json!({ "person": "b-01", "pin": "2580" });
    let answer = house.request(Method::POST, "/api/v1/session").header("x-skinlink", "1").json(&pin).send().await;
    let cookie = answer.expect("an answer").headers()["set-cookie"].to_str().expect("text").to_owned();
    let cookie = cookie.split(';').next().expect("a pair");
    let tool = root().join("target/schemathesis/bin/schemathesis");
    assert!(tool.exists(), "{} is missing; run `make setup`", tool.display());
    let examples = std::env::var("SKINLINK_SCHEMATHESIS").unwrap_or_else(|_| "4".to_owned());
    let run = Command::new(&tool)
        .args(["run", &format!("{}/api/docs/openapi.json", house.address)])
        .args(["--header", "x-skinlink: 1", "--header", &format!("Cookie: {cookie}")])
        .args([
            "--checks",
            "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance",
        ])
        .args([
            "--phases",
            "coverage,fuzzing",
            "--max-examples",
            &examples,
            "--seed",
            "7",
            "--request-timeout",
            "20",
            "--max-time",
            "90",
        ])
        // A stream never ends; ending the session would make every later answer the same.
        .args(["--exclude-path", "/api/v1/events", "--exclude-path", "/api/v1/session/end"])
        .current_dir(house.building.folder.path())
        .output()
        .await
        .expect("schemathesis runs");
    let said = String::from_utf8_lossy(&run.stdout).into_owned();
    let last: Vec<&str> = said.lines().rev().take(60).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    println!("{}", last.join("\n"));
    assert!(run.status.success(), "{}\n{}", said, String::from_utf8_lossy(&run.stderr));
    // Still the same house: the session holds, the visit is there.
    let still = house.send(house.request(Method::GET, "/api/v1/visits").header("cookie", cookie)).await.ok();
    assert!(still.body["visits"].as_array().is_some_and(|visits| !visits.is_empty()));
    house.close().await;
}
