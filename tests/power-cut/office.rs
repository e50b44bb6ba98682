//! What a visit has no page for, on the same folder and recorded likewise: another customer's visit, backups, a withdrawal,
//! an erasure, photographs that leave by the clock, acknowledgements, pruning, a new epoch.

use crate::{
    facts::{self, Facts},
    notebook::Notebook,
    recovery,
};
use salon::{LIMIT, metric, new_capture, new_repeat, person, picture, say};
use skinlink::{
    clock,
    domain::{
        CaptureId, CustomerId, Region, ScoreId, Timestamp, VisitId,
        capture::Format,
        consent::Purpose,
        scan::{Phase, ScanState},
        score::{Engine, Score},
    },
    store::Store,
    sync::image_lane::Role,
};
use std::{env, path::PathBuf};

#[path = "../store/salon.rs"]
#[expect(dead_code, reason = "the store's own tests use the rest")]
mod salon;

const DAY_MS: i64 = 86_400_000;

#[tokio::test]
#[ignore = "the recorded child of the test in main.rs"]
async fn child() {
    let folder = PathBuf::from(env::var("SKINLINK_RECORD_FOLDER").unwrap());
    let log = PathBuf::from(env::var("SKINLINK_RECORD_LOG").unwrap());
    let store = recovery::open(&folder.join("data")).unwrap();
    let mut office = Office { store, notebook: Notebook::open(&log), backup: folder.join("data/backups/daily.db") };
    office.epoch().await;
    let (erased, visit) = office.visit_of_another(Purpose::ALL).await;
    office.back_up().await;
    office.withdrawal().await;
    office.erasure(erased, visit).await;
    let (_, visit) = office.visit_of_another(&[Purpose::Measure, Purpose::Photograph, Purpose::ShareNumbers]).await;
    office.photographs_leave(visit).await;
    office.acknowledged_and_pruned().await;
    office.new_epoch().await;
    office.back_up().await;
    assert!(office.store.close(LIMIT).await);
}

struct Office {
    store: Store,
    notebook: Notebook,
    backup: PathBuf,
}

impl Office {
    async fn epoch(&mut self) {
        let epoch = self.store.epoch().await.unwrap();
        self.notebook.keep(Facts::from([("epoch".to_owned(), epoch.to_string())]));
    }

    /// A visit with a value and a photograph, closed.
    async fn visit_of_another(&mut self, agreed: &[Purpose]) -> (CustomerId, VisitId) {
        let customer = clock::mint(CustomerId::from_bits);
        self.store.save_customer(person(customer), "staff-1".to_owned()).await.unwrap();
        for purpose in agreed {
            say(&self.store, customer, *purpose, true).await;
        }
        let visit = self.store.open_visit(customer, "chair-9".to_owned(), "staff-1".to_owned()).await.unwrap().id;
        self.note(visit).await;
        let scan = self.store.begin_scan(visit, None, Phase::Before, Vec::new()).await.unwrap().id;
        let counter = u64::from(clock::now().wall.unix_ms().unsigned_abs() as u32);
        self.store.record_repeat(new_repeat(Some(scan), "35.0", Some(counter))).await.unwrap();
        self.note(visit).await;
        let capture = self.store.save_capture(new_capture(scan), small_picture()).await.unwrap().id;
        self.note(visit).await;
        self.store.save_picture(capture, Role::Derivative, Format::Webp, small_picture()).await.unwrap();
        self.store.save_scores(capture, vec![score_of(capture)]).await.unwrap();
        self.store.set_scan_state(scan, ScanState::Finished).await.unwrap();
        self.store.close_visit(visit, None, "staff-1".to_owned()).await.unwrap();
        self.note(visit).await;
        (customer, visit)
    }

    async fn note(&mut self, visit: VisitId) {
        self.notebook.keep(facts::stored(&self.store.visit_view(visit).await.unwrap()));
    }

    async fn back_up(&mut self) {
        self.store.back_up(self.backup.clone()).await.unwrap();
        self.notebook.keep(Facts::from([("backup".to_owned(), "daily.db".to_owned())]));
    }

    /// The visit's customer no longer shares photographs.
    async fn withdrawal(&mut self) {
        let customer = self.store.find_customers("林".to_owned(), 1).await.unwrap()[0].id;
        let key = format!("consent/{customer}/{}", Purpose::SharePhotographs);
        self.notebook.release([key.clone()]);
        say(&self.store, customer, Purpose::SharePhotographs, false).await;
        self.notebook.keep(Facts::from([(key, "false".to_owned())]));
    }

    async fn erasure(&mut self, customer: CustomerId, visit: VisitId) {
        let view = self.store.visit_view(visit).await.unwrap();
        let captures: Vec<CaptureId> =
            view.scans.iter().flat_map(|scan| &scan.captures).map(|entry| entry.item.id).collect();
        let either = format!("whole-or-gone/{customer}");
        self.notebook.keep(Facts::from([(either.clone(), visit.to_string())]));
        self.notebook.release(facts::stored(&view).into_keys());
        self.store.erase_customer(customer, "staff-1".to_owned(), "asked for".to_owned()).await.unwrap();
        self.notebook.release([either]);
        let mut gone = Facts::from([(format!("erased/{customer}"), String::new())]);
        gone.extend(captures.iter().map(|capture| (format!("gone/{capture}"), String::new())));
        self.notebook.keep(gone);
    }

    /// Three days later the photographs of the customer who did not agree to their keeping go.
    async fn photographs_leave(&mut self, visit: VisitId) {
        self.notebook.release(facts::stored(&self.store.visit_view(visit).await.unwrap()).into_keys());
        let gone = self.store.retire_photographs(days_from_now(3), 3650).await.unwrap();
        assert_eq!(gone, 2, "an original and a derivative");
    }

    async fn acknowledged_and_pruned(&mut self) {
        let (epoch, last) = (self.store.epoch().await.unwrap(), self.store.last_seq().await.unwrap());
        self.store.acknowledge(epoch, last, Vec::new()).await.unwrap();
        self.notebook.keep(Facts::from([(format!("acknowledged/{epoch}"), last.to_string())]));
        assert!(self.store.prune(days_from_now(40), 30).await.unwrap() > 0);
    }

    async fn new_epoch(&mut self) {
        self.notebook.release(["epoch".to_owned()]);
        self.store.new_epoch(None).await.unwrap();
        self.epoch().await;
        let customer = clock::mint(CustomerId::from_bits);
        self.store.save_customer(person(customer), "staff-1".to_owned()).await.unwrap();
        let visit = self.store.open_visit(customer, "chair-9".to_owned(), "staff-1".to_owned()).await.unwrap().id;
        self.note(visit).await;
    }
}

/// Still of many sectors, so that it can be torn.
fn small_picture() -> Vec<u8> {
    picture()[..6_000].to_vec()
}

fn score_of(capture: CaptureId) -> Score {
    let engine = Engine {
        model: "pores-dog".to_owned(),
        model_version: "1".to_owned(),
        model_digest: "00".repeat(32),
        provider: "cpu".to_owned(),
    };
    Score {
        id: clock::mint(ScoreId::from_bits),
        capture,
        engine,
        metric: metric("pores"),
        region: Region::Nose,
        value: "12.5".parse().unwrap(),
        unit: "1/cm²".to_owned(),
        computed: clock::now(),
    }
}

fn days_from_now(days: i64) -> Timestamp {
    Timestamp::from_unix_ms(clock::now().wall.unix_ms() + days * DAY_MS)
}
