//! Privacy is a test: a whole visit under a log that must hold neither name nor phone number.
//!
//! The log is the process's own, so all tests of this file share it; each uses names of its own.

use crate::house::{House, Wanted};
use serde_json::json;
use skinlink::domain::scan::Phase;
use std::{
    io,
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl io::Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no writer panics").extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Kept {
    type Writer = Self;
    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn the_log_of_a_whole_visit_holds_no_name_and_no_phone_number() {
    let kept = Kept::default();
    let log = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(kept.clone()).finish();
    tracing::subscriber::set_global_default(log).expect("nobody else sets the log of this process");
    let house = House::new(Wanted::default()).await;
    let customer = json!({"name": "欧阳堃", "phone": "13612345678", "notes": "对欧阳堃保密"});
    let customer = house.post("/customers", None, customer).await.ok().text("/id");
    house.get("/customers?query=%E6%AC%A7%E9%98%B3").await.ok();
    let visit = house.post("/visits", None, json!({"customer": customer, "station": "chair-1"})).await.ok().text("/id");
    house.agree(&visit).await;
    house.scan(&visit, Phase::Before).await;
    house.scan(&visit, Phase::After).await;
    house.post(&format!("/visits/{visit}/comparison"), Some(house.version(&visit).await), json!({})).await.ok();
    house.post(&format!("/visits/{visit}/close"), Some(1), json!({})).await.refused(409, "stale");
    house.post(&format!("/visits/{visit}/close"), Some(house.version(&visit).await), json!({})).await.ok();
    for path in ["/", "/station/chair-1", &format!("/report/{visit}")] {
        house.request(reqwest::Method::GET, path).send().await.unwrap();
    }
    house.close().await;
    let log = String::from_utf8_lossy(&kept.0.lock().unwrap()).into_owned();
    // Our own lines; the client that calls from this very process logs what it sends.
    let ours: Vec<&str> = log.lines().filter(|line| line.contains("skinlink")).collect();
    assert!(ours.iter().any(|line| line.contains("scan ended")), "the log was listened to");
    for line in ours {
        for secret in ["欧阳", "13612345678", "%E6%AC%A7"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
}
