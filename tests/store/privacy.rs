//! A whole visit, mistakes included, runs under a log that is read afterwards: no name, no phone number.

use crate::salon::{NAME, PHONE, Salon, new_capture, why};
use skinlink::{
    domain::{Region, consent::Purpose},
    store::Thing,
};
use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Kept(Arc<Mutex<Vec<u8>>>);

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
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
async fn no_name_and_no_number_reaches_the_log_or_an_error() {
    let kept = Kept::default();
    // For the whole process: the writer logs from its own thread, and the other stories may add what they like.
    tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(kept.clone()).init();
    let salon = Salon::new().await;
    for purpose in [Purpose::Photograph, Purpose::ShareNumbers] {
        salon.say(purpose, true).await;
    }
    let visit = salon.visit().await;
    let scan = salon.scan(visit).await;
    let reading = salon.reading(scan, Region::Forehead).await;
    salon.capture(scan).await;
    salon.store.void(Thing::Reading(reading.id), why()).await.unwrap();
    salon.store.new_epoch(None).await.unwrap();
    let mut said = vec![format!("{:?}", salon.store.visit_view(visit).await.unwrap())];
    said.push(
        salon.store.open_visit(salon.customer, "chair-1".to_owned(), NAME.to_owned()).await.unwrap_err().to_string(),
    );
    let salon = salon.reopened().await;
    salon.store.erase_customer(salon.customer, "staff-1".to_owned(), "asked".to_owned()).await.unwrap();
    let gone = salon.store.save_capture(new_capture(scan), vec![1]).await.unwrap_err();
    said.push(format!("{gone} {gone:?}"));
    said.push(String::from_utf8(kept.0.lock().unwrap().clone()).unwrap());
    assert!(said.last().unwrap().contains("a new epoch begins"), "the log was really read");
    for text in said {
        assert!(!text.contains(NAME) && !text.contains(PHONE) && !text.contains("Zhang"), "{text}");
    }
}
