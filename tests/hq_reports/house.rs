//! A salon with its report desk, a headquarters with its own, and a customer's telephone.

use crate::{
    Side,
    gateway::Running,
    headquarters::{Headquarters, LIMIT, address},
    postgres,
    salon::{Salon, metric, new_capture},
};
use reqwest::StatusCode;
use skinlink::{
    clock, desk,
    domain::{
        CaptureId, ComparisonId, Region, ScanId, Timestamp, VisitId,
        capture::Format,
        comparison::{Baseline, Compared, Comparison, Drawn, Verdict},
        consent::Purpose,
        look::Look,
        metric::{Direction, Label, Metric},
        scan::{Phase, ScanState, Step},
    },
    hq::{CrmSettings, ReportSettings, database::engine::Engine, ledger::Ledger},
    store::{Letterhead, NewCapture, NewChange, NewPair, NewPictures},
    sync::image_lane::Role,
    web::reports::OfStore,
};
use std::{net::SocketAddr, time::Duration};
use tokio::{
    net::TcpListener,
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// A report picture as the store makes them, of a rendered face.
pub const PICTURE: &[u8] = include_bytes!("../../docs/report/front-before.jpg");

pub fn pair_picture(byte: u8, what: &str) -> Vec<u8> {
    [b"\xff\xd8\xff ", what.as_bytes(), &[byte; 70_000]].concat()
}

pub struct House {
    pub headquarters: Headquarters,
    pub salon: Salon,
    pub public: SocketAddr,
    pub local: SocketAddr,
    pub client: reqwest::Client,
    stop: CancellationToken,
    desk: JoinHandle<()>,
}

/// What a page gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// In order, without the date and the length.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl House {
    pub async fn new(side: Side) -> Self {
        let mut headquarters = Headquarters::without_receiver().await;
        if let Side::Postgres = side {
            headquarters.database = postgres::database();
        }
        let public = free();
        let silent = Duration::from_secs(7 * 86_400);
        headquarters.reports = Some(ReportSettings { listen: public, behind_proxy: false, silent });
        headquarters.crm = Some(CrmSettings { listen: free(), tls: None, behind_proxy: false });
        headquarters.start_receiver();
        let salon = Salon::new().await;
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("loopback");
        let local = listener.local_addr().expect("bound");
        let (stop, reports) = (CancellationToken::new(), OfStore(salon.store.clone()));
        let (stopped, press) = (stop.clone(), desk::Press::new(env!("CARGO_BIN_EXE_skinlink-paper").into()));
        #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
        let desk =
            tokio::spawn(
                async move { desk::serve(listener, reports, press, false, stopped).await.expect("it serves") },
            );
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { headquarters, salon, public, local, client, stop, desk }
    }

    pub fn connect(&self) -> Running {
        Running::start(&self.salon.store, self.headquarters.connector(&address()))
    }

    pub async fn agree(&self, purposes: &[Purpose]) {
        for purpose in purposes {
            self.salon.say(*purpose, true).await;
        }
    }

    /// A visit with both scans, a photograph of each, and its comparison.
    pub async fn visit(&self, photographs: bool) -> VisitId {
        let store = &self.salon.store;
        let visit = self.salon.visit().await;
        store
            .set_steps(visit, None, vec!["深层清洁 <b>".to_owned(), "补水".to_owned()], "staff-1".to_owned())
            .await
            .expect("steps");
        let before = self.scan(visit, Phase::Before, photographs).await;
        let after = self.scan(visit, Phase::After, photographs).await;
        let item = Compared {
            metric: metric("moisture"),
            region: Region::Forehead,
            unit: "%".to_owned(),
            before: Some(35.0),
            after: Some(58.5),
            change: Some(23.5),
            smallest_detectable_change: Some(4.1),
            verdict: Verdict::Improved,
            refusal: None,
            engine: None,
        };
        let (id, baseline, items) = (clock::mint(ComparisonId::from_bits), Baseline::SameVisit, vec![item]);
        store
            .save_comparison(Comparison { id, visit, baseline, before, after, tested: 1, items })
            .await
            .expect("a comparison");
        visit
    }

    async fn scan(&self, visit: VisitId, phase: Phase, photographs: bool) -> ScanId {
        let store = &self.salon.store;
        let plan = vec![Step { metric: metric("moisture"), region: Region::Forehead, repeats: 3 }];
        let scan = store.begin_scan(visit, None, phase, plan).await.expect("a scan").id;
        self.salon.reading(scan, Region::Forehead).await;
        if photographs {
            let capture: CaptureId = store
                .save_capture(NewCapture { complaints: vec![], ..new_capture(scan) }, crate::salon::picture())
                .await
                .expect("a photograph")
                .id;
            store.save_picture(capture, Role::Report, Format::Jpeg, PICTURE.to_vec()).await.expect("a picture");
        }
        store.set_scan_state(scan, ScanState::Finished).await.expect("it finishes");
        scan
    }

    /// Lays the two photographs of a visit onto each other: pictures of `byte`, whatever they show. Gives the after photograph.
    pub async fn pair(&self, visit: VisitId, byte: u8) -> CaptureId {
        let store = &self.salon.store;
        let scans = store.visit_view(visit).await.expect("the visit").scans;
        let [before, after] = [0, 1].map(|at| scans[at].captures[0].item.clone());
        let change = |id: &str, drawn, bytes| NewChange { metric: metric(id), drawn, bytes };
        let made = NewPictures {
            before: pair_picture(byte, "before"),
            after: pair_picture(byte, "after"),
            changes: vec![
                change("pores", Drawn::Marks, pair_picture(byte, "marks")),
                change("pore-contrast", Drawn::Tint, pair_picture(byte, "tint")),
            ],
        };
        let anchors = [before.anchors, after.anchors];
        let new = NewPair { before: before.id, after: after.id, basis: [byte; 32], anchors, made: Ok(made) };
        store.save_pair(new).await.expect("a pair");
        after.id
    }

    pub async fn link(&self, visit: VisitId, days: i64) -> String {
        let expires = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + days * 86_400_000);
        let made = self.salon.store.make_report_link(visit, expires, letterhead(), "staff-1".to_owned()).await;
        made.expect("a link")
    }

    pub async fn get(&self, at: SocketAddr, path: &str) -> Answer {
        let asked = self.client.get(format!("http://{at}{path}")).send().await.expect("an answer");
        answer(asked).await
    }

    pub async fn post(&self, at: SocketAddr, path: &str, form: &[(&str, &str)]) -> Answer {
        let asked = self.client.post(format!("http://{at}{path}")).form(form).send().await.expect("an answer");
        answer(asked).await
    }

    /// Asks until the answer is of this status. A dead link costs a guess, so it is not asked for often.
    pub async fn until(&self, at: SocketAddr, path: &str, wanted: StatusCode) -> Answer {
        let limit = Instant::now() + LIMIT;
        loop {
            if let Ok(asked) = self.client.get(format!("http://{at}{path}")).send().await {
                let found = answer(asked).await;
                if found.status == wanted.as_u16() {
                    return found;
                }
            }
            if Instant::now() > limit {
                self.headquarters.give_up(&format!("{path} as {wanted}"));
            }
            sleep(Duration::from_millis(700)).await;
        }
    }

    /// Waits until headquarters has everything that the store told, each once, and nobody has to look at anything.
    pub async fn settled(&self) {
        let limit = Instant::now() + LIMIT;
        while self.salon.store.backlog().await.expect("a store").events > 0 {
            if Instant::now() > limit {
                self.headquarters.give_up("the outbox empties");
            }
            sleep(Duration::from_millis(50)).await;
        }
        let counts = Ledger::at(&self.headquarters.database).expect("the ledger").counts().expect("counts").remove(0);
        assert_eq!((counts.duplicates, counts.gaps, counts.alarms, counts.refused), (0, 0, 0, 0), "{counts:?}");
    }

    pub fn engine(&self) -> Box<dyn Engine> {
        self.headquarters.database.open().expect("the database")
    }

    /// Asks the database until `found` gives something.
    pub async fn eventually<T>(&self, what: &str, mut found: impl FnMut(&mut dyn Engine) -> Option<T>) -> T {
        let (limit, mut engine) = (Instant::now() + LIMIT, self.engine());
        loop {
            if let Some(value) = found(&mut *engine) {
                return value;
            }
            if Instant::now() > limit {
                self.headquarters.give_up(what);
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub async fn end(mut self, running: Option<Running>) {
        if let Some(running) = running {
            running.stop().await;
        }
        self.stop.cancel();
        self.desk.await.expect("the desk ends well");
        self.headquarters.stop_receiver().await;
    }
}

/// A report that was delivered: its link opens it in the store as at headquarters.
pub struct Delivered {
    pub house: House,
    pub running: Running,
    pub visit: VisitId,
    pub token: String,
    /// Of the page.
    pub path: String,
}

impl Delivered {
    /// To a customer who agreed to everything.
    pub async fn new(side: Side, photographs: bool) -> Self {
        let house = House::new(side).await;
        let running = house.connect();
        house.agree(Purpose::ALL).await;
        let visit = house.visit(photographs).await;
        let token = house.link(visit, 90).await;
        let path = format!("/r/{token}");
        house.until(house.public, &path, StatusCode::OK).await;
        Self { house, running, visit, token, path }
    }
}

/// The whole table of texts.
pub fn texts(engine: &mut dyn Engine, sql: &str) -> Vec<String> {
    let rows = engine.query(sql, &[]).unwrap_or_else(|fault| panic!("{sql}: {fault}"));
    rows.iter().map(|row| row.get(0).expect("a text")).collect()
}

pub fn letterhead() -> Letterhead {
    let moisture = Metric {
        id: metric("moisture"),
        label: Label { zh: "水分".into(), en: "Moisture".into() },
        unit: "%".into(),
        direction: Direction::HigherIsBetter,
        target: None,
        decimals: 1,
        range: 0.0..=100.0,
        by_colour: false,
    };
    Letterhead::new(&Label { zh: "清和肌研".into(), en: "Qinghe Skin Studio".into() }, &[moisture], &Look::default())
}

async fn answer(asked: reqwest::Response) -> Answer {
    let status = asked.status().as_u16();
    let passing = ["date", "content-length", "transfer-encoding"];
    let headers = asked.headers().iter().filter(|(name, _)| !passing.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().expect("text").to_owned())).collect();
    Answer { status, headers, body: asked.bytes().await.expect("a body").to_vec() }
}

fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound")
}
