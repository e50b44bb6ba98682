//! What Prometheus reads, and what is made of it.

use crate::{
    Side,
    house::{House, LIMIT, TOKEN, root},
    stores::{Store, ago},
};
use reqwest::StatusCode;
use skinlink::hq::office::metrics;
use std::{collections::BTreeSet, fs, time::Duration};
use tokio::time::{Instant, sleep};

/// A Prometheus that shows the token gets a sample of what is known and none of what is not; anybody else finds nothing there.
pub async fn prometheus_reads_the_same_figures_with_its_token_alone(side: Side) {
    let mut house = House::new(side).await;
    let mut store = house.opens("sh-001");
    let lone = Store::named("sh-002");
    let first = store.measures(ago(2_000));
    house.take(&[first, store.hello(3), lone.hello(0)]);
    for wrong in ["", "wrong", "a-token-for-prometheu"] {
        let refused = house.metrics(wrong).await;
        assert_eq!((refused.status, refused.text.as_str()), (StatusCode::NOT_FOUND, ""), "{wrong}");
    }
    // What is counted has no sample before the hours of a week were looked through.
    let limit = Instant::now() + LIMIT;
    let told = loop {
        let told = house.metrics(TOKEN).await;
        let counted = told.text.lines().any(|line| line == "skinlink_hq_counted 1");
        let sampled = told.text.contains("skinlink_hq_in_time_ratio_today{");
        if counted && sampled {
            break told;
        }
        assert!(!sampled && Instant::now() < limit, "{}", told.text);
        sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(told.header("content-type"), "text/plain; version=0.0.4; charset=utf-8");
    let says = |line: &str| told.text.lines().any(|one| one == line);
    assert!(says("skinlink_hq_gateway_online{store=\"sh-001\",gateway=\"sh-001-g1\"} 1"), "{}", told.text);
    assert!(says("skinlink_hq_backlog_records{store=\"sh-001\",gateway=\"sh-001-g1\"} 2"), "{}", told.text);
    assert!(says("skinlink_hq_in_time_ratio_today{store=\"sh-001\",gateway=\"sh-001-g1\"} 1"), "{}", told.text);
    assert!(says("skinlink_hq_devices_connected{store=\"sh-001\",gateway=\"sh-001-g1\"} 2"), "{}", told.text);
    assert!(!told.text.contains("skinlink_hq_gateway_online{store=\"sh-002\""), "{}", told.text);
    // As the format asks: each name is declared once, before its samples, and nothing else is there.
    let mut declared = BTreeSet::new();
    for line in told.text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("a kind");
            assert!(kind == "gauge" && declared.insert(name.to_owned()), "{line}");
        } else if !line.starts_with("# HELP ") {
            let name = line.split(['{', ' ']).next().expect("a name");
            assert!(declared.contains(name), "{line}");
            let value = line.rsplit(' ').next().expect("a value");
            assert!(value.parse::<f64>().is_ok_and(f64::is_finite), "{line}");
        }
    }
    assert_eq!(declared, metrics::names().map(str::to_owned).collect());
    house.end().await;
}

/// An alert on a metric that does not exist never fires.
#[test]
fn rules_and_board_name_only_metrics_that_exist() {
    let known: BTreeSet<&str> = metrics::names().collect();
    for file in
        ["packaging/prometheus/skinlink-hq.rules.yml", "packaging/grafana/skinlink-hq.json", "docs/hq-operation.md"]
    {
        let text = fs::read_to_string(root().join(file)).unwrap_or_else(|fault| panic!("{file}: {fault}"));
        let named: BTreeSet<&str> = text
            .match_indices("skinlink_hq_")
            .map(|(at, _)| {
                let end = text[at..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len() - at);
                &text[at..at + end]
            })
            .collect();
        let unknown: Vec<&&str> = named.difference(&known).collect();
        assert!(unknown.is_empty(), "{file} names {unknown:?}");
        if file.starts_with("packaging") {
            assert!(named.len() >= 8, "{file} names {} alone", named.len());
        }
    }
    let board = fs::read_to_string(root().join("packaging/grafana/skinlink-hq.json")).expect("text");
    let board: serde_json::Value = serde_json::from_str(&board).expect("the board is JSON");
    let panels = board["panels"].as_array().expect("panels");
    assert!(panels.iter().all(|panel| panel["targets"][0]["expr"].is_string()), "each panel asks for something");
}
