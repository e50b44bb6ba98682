//! What Prometheus reads, and what is made of it.

use crate::{
    Side,
    house::{House, LIMIT, TOKEN, root, row},
    skipped::skipped,
    stores::{MINUTE_MS, Store, about, ago, id},
};
use reqwest::StatusCode;
use skinlink::{
    domain::{FeedbackId, VisitId},
    hq::office::{metrics, people::Role},
    sync::payload::{self, kind},
};
use std::{collections::BTreeSet, fs, process::Command, time::Duration};
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

/// A sample of the store's only gateway.
fn sample(text: &str, name: &str) -> Option<f64> {
    let labels = "{store=\"sh-001\",gateway=\"sh-001-g1\"} ";
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(labels))?.parse().ok()
}

/// The alerts stand on numbers that the page's reader never sees: names alone were compared, and the clock that is not set, the low battery
/// and the version were on the page and not among the metrics. Of a store with which everything is wrong both say the same.
pub async fn what_prometheus_reads_is_what_the_page_shows(side: Side) {
    let mut house = House::new(side).await;
    house.add("fleet", Role::Operator, "all");
    let mut store = house.opens("sh-001");
    let mut said = about(false, 1_500);
    said["devices"][1]["battery_percent"] = 12.into();
    said["health"]["clock"] = "unset".into();
    let words = payload::Feedback {
        feedback: id(FeedbackId::from_bits),
        visit: id(VisitId::from_bits),
        customer: id(skinlink::domain::CustomerId::from_bits),
        state: "given".into(),
        stars: None,
        topic: "call".into(),
        words: String::new(),
        staff: String::new(),
    };
    let late = store.tell(kind::FEEDBACK, "x", &words, ago(30 * 60 * MINUTE_MS));
    let (quick, odd) = (store.measures(ago(2_500)), store.babble());
    let mut torn = store.measures(ago(0));
    torn.payload.truncate(40);
    // Two are missing, and three more are told of.
    store.told = 5;
    let beyond = store.measures(ago(1_500));
    house.take(&[late, quick, odd, torn, beyond, store.hello(9), store.about(&said)]);
    house.keep();
    let cookie = house.log_in("fleet").await;
    let page = house
        .until("/", &cookie, "all is counted", |text| {
            !text.contains("统计中") && row(text, "sh-001").contains("反馈 ▲")
        })
        .await;
    let shown = row(&page, "sh-001");
    let told = house.metrics(TOKEN).await.text;
    let of = |name: &str| sample(&told, name).unwrap_or_else(|| panic!("no {name} in\n{told}"));
    let percent = |part: f64, decimals: usize| {
        let scale = 10_f64.powi(decimals as i32);
        format!("{:.decimals$} %", (part * 100.0 * scale + 1e-6).floor() / scale)
    };
    let all = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix("{store=\"sh-001\"} "));
        line.unwrap_or_else(|| panic!("no {name} in\n{told}")).to_owned()
    };
    for (name, value) in [
        ("skinlink_hq_gateway_online", 1.0),
        ("skinlink_hq_backlog_records", 6.0),
        ("skinlink_hq_missing_records", 2.0),
        ("skinlink_hq_lost_records", 0.0),
        ("skinlink_hq_alarms", 1.0),
        ("skinlink_hq_dead_letters", 1.0),
        ("skinlink_hq_devices_connected", 1.0),
        ("skinlink_hq_devices_configured", 2.0),
        ("skinlink_hq_batteries_low", 1.0),
        ("skinlink_hq_clock_unset", 1.0),
    ] {
        assert!((of(name) - value).abs() < 1e-9, "{name} is {} and not {value}", of(name));
    }
    let version = told.lines().find_map(|line| {
        let rest = line.strip_prefix("skinlink_hq_gateway_info{store=\"sh-001\",gateway=\"sh-001-g1\",version=\"")?;
        rest.strip_suffix("\"} 1")
    });
    let online = sample(&told, "skinlink_hq_gateway_online_ratio_7d");
    let cells = [
        "状态 ● 在线 自 ".to_owned(),
        format!("待补传 △ {} ", of("skinlink_hq_backlog_records")),
        format!("缺口 △ {} ", of("skinlink_hq_missing_records")),
        format!(
            "五分钟内到达 △ {} 7 天 {} ",
            percent(of("skinlink_hq_in_time_ratio_today"), 1),
            percent(of("skinlink_hq_in_time_ratio_7d"), 1)
        ),
        format!("在线率 7 天 {}", online.map_or_else(|| "未知".to_owned(), |part| percent(part, 2))),
        format!("磁盘可用 ▲ {} ", percent(of("skinlink_hq_disk_free_ratio"), 0)),
        format!("时钟 ▲ 慢 ≤ {} 秒 未设置 ", of("skinlink_hq_fastest_record_seconds").ceil()),
        format!(
            "设备 △ {}/{} 电量低 {} ",
            of("skinlink_hq_devices_connected"),
            of("skinlink_hq_devices_configured"),
            of("skinlink_hq_batteries_low")
        ),
        format!("告警 · 死信 ▲ {} · {} ", of("skinlink_hq_alarms"), of("skinlink_hq_dead_letters")),
        format!("反馈 ▲ {} 超时 {} ", all("skinlink_hq_feedback_open"), all("skinlink_hq_feedback_late")),
        format!("版本 {}", version.unwrap_or_else(|| panic!("no version in\n{told}"))),
    ];
    for cell in cells {
        assert!(shown.contains(&cell), "{cell:?} is not in {shown:?}; metrics:\n{told}");
    }
    assert!(percent(of("skinlink_hq_in_time_ratio_today"), 1) != "100.0 %", "the late one counts: {shown}");
    house.end().await;
}

/// Prometheus itself reads the rules, where its tool is on the machine.
#[test]
fn prometheus_takes_the_rules() {
    let rules = root().join("packaging/prometheus/skinlink-hq.rules.yml");
    let Ok(done) = Command::new("promtool").args(["check", "rules"]).arg(&rules).output() else {
        return skipped(
            "promtool is not on this machine; the rules of packaging/prometheus are not held against Prometheus",
        );
    };
    let said = String::from_utf8_lossy(&done.stdout).into_owned() + &String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && said.contains("SUCCESS"), "{said}");
}

/// An alert on a metric that does not exist never fires, and one that nobody describes is used by nobody.
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
        } else {
            let missing: Vec<&&str> = known.difference(&named).collect();
            assert!(missing.is_empty(), "{file} does not describe {missing:?}");
        }
    }
    let board = fs::read_to_string(root().join("packaging/grafana/skinlink-hq.json")).expect("text");
    let board: serde_json::Value = serde_json::from_str(&board).expect("the board is JSON");
    let panels = board["panels"].as_array().expect("panels");
    assert!(panels.iter().all(|panel| panel["targets"][0]["expr"].is_string()), "each panel asks for something");
}
