//! A browser that goes away in the middle of a call: what had arrived whole is carried out whole.

use crate::house::{House, Wanted, soon};
use serde_json::json;
use skinlink::domain::scan::Phase;
use std::time::Duration;
use tokio::{io::AsyncWriteExt, net::TcpStream, time::sleep};

/// Moments at which the connection ends after the last byte was sent; a withdrawal takes some milliseconds.
const MOMENTS: u32 = 30;
const APART: Duration = Duration::from_micros(300);

/// A customer took back the consent to be measured and the tablet lost its connection at that moment: the consent was
/// recorded, but the scan was not paused, and the chair went on measuring her.
#[tokio::test]
async fn a_withdrawal_pauses_the_scan_although_the_browser_went_away() {
    let house = House::new(Wanted::default()).await;
    let visit = house.visit("林女士").await;
    let scan = house.begin(&visit, Phase::Before).await;
    for moment in 0..MOMENTS {
        withdraw_and_hang_up(&house, &visit, APART * moment).await;
        soon("the withdrawal is carried out whole", async {
            loop {
                let (visit, chairs) =
                    (house.get(&format!("/visits/{visit}")).await.ok(), house.get("/stations").await.ok());
                let chair = &chairs.body["stations"][0]["scan"];
                if visit.body["consents"]["measure"] == false && chair["state"] == "paused" {
                    return;
                }
                sleep(Duration::from_millis(2)).await;
            }
        })
        .await;
        house.act(&visit, &scan, "resume", json!({})).await.refused(403, "no_consent");
        house.agree(&visit).await;
        house.act(&visit, &scan, "resume", json!({})).await.ok();
    }
    house.close().await;
}

async fn withdraw_and_hang_up(house: &House, visit: &str, after: Duration) {
    let version = house.version(visit).await;
    let address = house.address.strip_prefix("http://").expect("plain HTTP");
    let body = json!({ "text_version": "2026-11", "channel": "station", "purposes": { "measure": false } }).to_string();
    let request = format!(
        "POST /api/v1/visits/{visit}/consents HTTP/1.1\r\nhost: {address}\r\nx-skinlink: 1\r\nif-match: \"{version}\"\r\n\
         content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut browser = soon("a connection", TcpStream::connect(address)).await.expect("the server listens");
    browser.write_all(request.as_bytes()).await.expect("the server reads");
    // No waiting for anything: the moment of hanging up is what is swept.
    sleep(after).await;
}
