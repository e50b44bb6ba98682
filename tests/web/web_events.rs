//! Live events over a real connection: ids, what was missed, and a `reset` where that is not known any more.

use crate::house::{House, Wanted, soon};
use futures_util::StreamExt as _;
use serde_json::json;
use skinlink::domain::scan::Phase;

/// One event as it stands on the wire.
#[derive(Debug, Clone, Default, PartialEq)]
struct Told {
    id: String,
    event: String,
    data: String,
}

/// Reads events until `enough`.
async fn listen(house: &House, last_id: Option<&str>, enough: impl Fn(&[Told]) -> bool) -> Vec<Told> {
    let mut request = house.request(reqwest::Method::GET, "/api/v1/events?station=chair-1");
    if let Some(id) = last_id {
        request = request.header("last-event-id", id);
    }
    let response = soon("the stream", request.send()).await.expect("a stream");
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut bytes = response.bytes_stream();
    let (mut text, mut told) = (String::new(), Vec::new());
    soon("enough events", async {
        while !enough(&told) {
            let piece = bytes.next().await.expect("the stream goes on").expect("a sound connection");
            text += std::str::from_utf8(&piece).expect("text, cut between characters: all of it is ASCII");
            while let Some((block, rest)) = text.split_once("\n\n") {
                let mut one = Told::default();
                for line in block.lines() {
                    match line.split_once(": ") {
                        Some(("id", id)) => one.id = id.to_owned(),
                        Some(("event", event)) => one.event = event.to_owned(),
                        Some(("data", data)) => one.data = data.to_owned(),
                        _ => {}
                    }
                }
                told.push(one);
                text = rest.to_owned();
            }
        }
    })
    .await;
    told
}

#[tokio::test]
async fn a_page_that_was_away_gets_exactly_what_it_missed() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let start = listen(&house, None, |told| !told.is_empty()).await;
    let start = start[0].id.clone();
    house.scan(&visit, Phase::Before).await;
    let finished = |told: &[Told]| told.iter().any(|t| t.event == "scan" && t.data.contains("finished"));
    let all = listen(&house, Some(&start), finished).await;
    let repeats = |told: &[Told]| told.iter().filter(|t| t.event == "repeat").count();
    assert_eq!(repeats(&all), 8, "{all:?}");

    let middle = all.iter().position(|t| t.event == "repeat").unwrap();
    let rest = listen(&house, Some(&all[middle].id), finished).await;
    let missed: Vec<Told> = rest.into_iter().filter(|t| !t.event.is_empty()).collect();
    assert_eq!(missed, all[middle + 1..]);
    house.close().await;
}

#[tokio::test]
async fn a_page_of_another_life_is_told_to_start_anew() {
    let house = House::new(Wanted::default()).await;
    for id in ["01919d3e-7c00-7abc-8def-0123456789ab.3", "nonsense", "."] {
        let told = listen(&house, Some(id), |told| !told.is_empty()).await;
        assert_eq!((told[0].event.as_str(), told[0].data.as_str()), ("reset", "{}"), "{id}");
        assert!(!told[0].id.is_empty(), "with the id to come back with");
    }
    house.close().await;
}

#[tokio::test]
async fn an_open_stream_does_not_hold_up_the_end() {
    let house = House::new(Wanted::default()).await;
    let request = house.request(reqwest::Method::GET, "/api/v1/events");
    let response = soon("the stream", request.send()).await.unwrap();
    let mut bytes = response.bytes_stream();
    soon("the first bytes", bytes.next()).await.unwrap().unwrap();
    let before = tokio::time::Instant::now();
    house.close().await;
    assert!(before.elapsed() < std::time::Duration::from_secs(9), "took {:?}", before.elapsed());
    drop(bytes);
}

#[tokio::test]
async fn news_never_carries_a_name() {
    let house = House::new(Wanted::default()).await;
    let start = listen(&house, None, |told| !told.is_empty()).await[0].id.clone();
    let visit = house.visit("王喆玥").await;
    house.scan(&visit, Phase::Before).await;
    let version = house.version(&visit).await;
    house.post(&format!("/visits/{visit}/close"), Some(version), json!({})).await.ok();
    let closed = |told: &[Told]| told.iter().any(|t| t.event == "visit" && t.data.contains("closed"));
    let all = listen(&house, Some(&start), closed).await;
    assert!(all.iter().all(|t| !t.data.contains("王喆玥") && !t.data.contains("13800000000")));
    house.close().await;
}
