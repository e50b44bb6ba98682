//! The back room: what no page offers yet (erasure, backup, retention, ...) is done by a process of its own on the salon's
//! real store while the daemon rests, and killed in the middle. Afterwards the store must keep what was confirmed, and the
//! daemon brings headquarters up to date from there.

use crate::{
    ledger::{Asked, Fact},
    plays::Play,
    salon::Salon,
};
use openssl::sha::sha256;
use skinlink::{
    app::demo::stage::{GATEWAY, STORE},
    clock,
    domain::{
        CaptureId, CustomerId, FeedbackId, ReadingId, Region, ScanId, Timestamp, VisitId,
        capture::{Format, Light, View},
        consent::{Channel, Purpose},
        customer::Customer,
        device::DeviceIdentity,
        feedback::Topic,
        metric::MetricId,
        reading::Reading,
        scan::{Phase, ScanState, Step},
    },
    store::{
        DATABASE, Letterhead, NewCapture, NewConsent, NewFeedback, NewRepeat, Options, Store, StoreError, StoreKey,
    },
    sync::{image_lane::Role, payload},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    io::Write,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(30);

/// A database of the first schema, as text.
const V1: &str = include_str!("../store/fixtures/v1.sql");

/// What is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A store opened for the first time, in a folder of its own.
    Fresh,
    /// A store of the first schema, in a folder of its own.
    Upgrade,
    Erase,
    Join,
    Dismiss,
    Link,
    BackUp,
    Retire,
    Prune,
    DeadLetter,
    Epoch,
}

impl Work {
    const ALL: [Self; 11] = [
        Self::Fresh,
        Self::Upgrade,
        Self::Erase,
        Self::Join,
        Self::Dismiss,
        Self::Link,
        Self::BackUp,
        Self::Retire,
        Self::Prune,
        Self::DeadLetter,
        Self::Epoch,
    ];

    fn word(self) -> String {
        format!("{self:?}")
    }

    const fn has_own_folder(self) -> bool {
        matches!(self, Self::Fresh | Self::Upgrade)
    }
}

impl Salon {
    pub async fn killed_in_room(&mut self, work: Work, point: &str, count: u32) {
        if self.visits == 0 {
            self.case(Play::Short, &[]).await;
        }
        self.stop_daemon().await;
        self.ledger.epochs_begun += usize::from(work == Work::Epoch);
        let own = tempfile::tempdir().expect("a temporary folder");
        let data = if work.has_own_folder() { own.path().join("data") } else { self.data() };
        if work == Work::Upgrade {
            old_database(&data);
        }
        let confirmed = own.path().join("confirmed");
        fs::write(&confirmed, "").expect("room for a file");
        self.order(point, count);
        let done = Command::new(env::current_exe().expect("this very test"))
            .args(["--exact", "room::child", "--ignored", "--quiet"])
            .env("SKINLINK_ROOM_WORK", work.word())
            .env("SKINLINK_ROOM_DATA", &data)
            .env("SKINLINK_ROOM_CONFIRMED", &confirmed)
            .env("SKINLINK_KILL_ORDERS", self.orders())
            .output()
            .await
            .expect("this very test runs");
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        assert_eq!(done.status.signal(), Some(9), "{work:?} did not die at {point}:{count}: {said}");
        let notes = fs::read_to_string(&confirmed).expect("the child's notes");
        let store = Store::open(options(&data)).unwrap_or_else(|fault| panic!("after {point}:{count}: {fault}"));
        if point == "store.erasure.one_noted" {
            // Nothing was destroyed yet, so nothing was begun: asked again, it is done.
            again(&store, &notes).await;
        }
        inspect(&store, &data, work, &notes).await;
        assert_eq!(store.verify().await.expect("a check"), Vec::<String>::new());
        assert!(store.verify_audit().await.expect("a check").is_ok(), "the chain of the audit is broken");
        assert!(store.close(LIMIT).await, "the store closes in time");
        if !work.has_own_folder() {
            self.ledger.room.add(&notes);
            self.caught_up(None).await;
        }
    }
}

/// What the back room noted over all its works.
#[derive(Debug, Default)]
pub struct Notes {
    lines: BTreeSet<(String, String)>,
    /// Noted by a work that erases: headquarters need not have it.
    erased: BTreeSet<String>,
}

impl Notes {
    fn add(&mut self, notes: &str) {
        let lines: Vec<_> = notes.lines().filter_map(|line| line.split_once(' ')).collect();
        if lines.iter().any(|(word, _)| *word == "erasing") {
            self.erased.extend(lines.iter().map(|(_, id)| (*id).to_owned()));
        }
        self.lines.extend(lines.into_iter().map(|(word, id)| (word.to_owned(), id.to_owned())));
    }

    pub fn of(&self, word: &str) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(move |(known, _)| known == word).map(|(_, id)| id.as_str())
    }

    /// What must be at headquarters.
    pub fn demanded(&self, word: &str) -> impl Iterator<Item = &str> {
        self.of(word).filter(|id| !self.erased.contains(*id))
    }

    pub fn knows(&self, word: &str, id: &str) -> bool {
        self.of(word).any(|known| known == id)
    }

    pub fn has(&self, id: &str) -> bool {
        self.lines.iter().any(|(_, known)| known == id)
    }

    /// A visit of the back room, which may have died before it could note it.
    pub fn owns(&self, visit: &payload::Visit) -> bool {
        visit.station == station_of(&visit.customer) && self.knows("customer", &visit.customer)
    }

    /// Six words on consents of each customer: those noted must be there, the next may be.
    pub fn facts(&self, asked: &mut BTreeMap<Fact, Asked>) {
        for customer in self.of("customer") {
            for purpose in Purpose::ALL {
                let noted = self.demanded("consent").any(|one| one == format!("{customer}:{purpose}"));
                let (customer, purpose) = (customer.to_owned(), purpose.to_string());
                let times = Asked { answered: u32::from(noted), unanswered: u32::from(!noted) };
                asked.insert(Fact::Consent { customer, purpose, given: true }, times);
            }
        }
    }
}

fn station_of(customer: &impl ToString) -> String {
    format!("room-{}", customer.to_string())
}

fn options(data: &Path) -> Options {
    let key = StoreKey::load_or_create(&data.join("store.key"), data).expect("the store's key");
    let source = format!("skinlink://{STORE}/{GATEWAY}");
    Options { data: data.to_owned(), key, source, min_free: 0, readers: 2 }
}

fn old_database(data: &Path) {
    drop(options(data));
    let hex = fs::read_to_string(data.join("store.key")).expect("the store's key");
    let conn = rusqlite::Connection::open(data.join(DATABASE)).expect("a database");
    conn.execute_batch(&format!("PRAGMA key = \"x'{}'\";", hex.trim())).expect("a key");
    conn.execute_batch(V1).expect("the old schema");
}

/// The person is whole, and is erased whole now.
async fn again(store: &Store, notes: &str) {
    for line in notes.lines() {
        let Some(customer) = line.strip_prefix("erasing ") else { continue };
        let receipt = store.erase_customer(customer.parse().expect("an id"), "b-07".to_owned(), "asked for".to_owned());
        assert_eq!(receipt.await.expect("a customer who is still there").visits, 1, "{customer} was half erased");
    }
}

/// What the store must still say of what was confirmed, and of what had begun and cannot be taken back.
async fn inspect(store: &Store, data: &Path, work: Work, notes: &str) {
    let noted = |what: &str| -> Vec<String> {
        let lines = notes.lines().filter_map(|line| line.split_once(' '));
        lines.filter(|(word, _)| *word == what).map(|(_, id)| id.to_owned()).collect()
    };
    let (captures, last) = (noted("capture"), notes.lines().last().unwrap_or_default().to_owned());
    for customer in noted("erasing") {
        let gone = store.customer(customer.parse().expect("an id")).await;
        assert!(matches!(gone, Err(StoreError::NotFound { .. })), "{customer} was being erased: {gone:?}");
        for capture in &captures {
            for name in [capture.clone(), format!("{capture}.report")] {
                assert!(!data.join("pictures").join(&name).exists(), "{name} outlived the erasure");
            }
        }
        assert!(!data.join("backups/before-schema-1.db").exists(), "a copy of everything outlived the erasure");
    }
    if work != Work::Erase {
        for customer in noted("customer") {
            store.customer(customer.parse().expect("an id")).await.expect("a confirmed customer");
        }
    }
    for token in noted("link") {
        let behind = store.report_behind(&token, clock::now().wall).await.expect("an answer");
        assert!(behind.is_some() || !noted("unlinked").is_empty(), "a confirmed link is gone");
    }
    let said = store.feedback(100).await.expect("what was said");
    for id in noted("said") {
        assert!(said.iter().any(|one| one.id.to_string() == id), "what a customer said is gone");
    }
    for repeat in noted("tray") {
        let tray = store.tray("room-tray".to_owned()).await.expect("the tray");
        assert!(tray.iter().any(|one| one.repeat.id.to_string() == repeat), "a value left the tray unasked");
    }
    if !noted("backup").is_empty() {
        whole_backup(data).await;
    }
    if work == Work::BackUp {
        store.back_up(data.join("backups/room.db")).await.expect("a backup after one that was cut short");
    }
    if last.starts_with("retiring") {
        for capture in &captures {
            let (id, path) = (capture.parse::<CaptureId>().expect("an id"), data.join("pictures").join(capture));
            assert!(!path.exists(), "the photograph {capture} outlived its time");
            assert!(store.capture_bytes(id).await.is_err());
        }
    }
    if work == Work::Upgrade {
        let before = data.join("backups").join(format!("before-schema-{}.db", skinlink::store::SCHEMA_VERSION));
        assert!(before.exists(), "the database from before the upgrade is kept");
        assert_eq!(store.recent_visits(10).await.expect("visits").len(), 1);
    }
    gapless(store).await;
}

async fn gapless(store: &Store) {
    let (first, last) = (store.oldest_kept().await.expect("a number"), store.last_seq().await.expect("a number"));
    let epoch = store.epoch().await.expect("an epoch");
    let rows = store.range(epoch, first, last, usize::MAX, usize::MAX).await.expect("events");
    let found: Vec<u64> = rows.iter().map(|(seq, _)| *seq).collect();
    assert_eq!(found, (first..=last).collect::<Vec<_>>(), "the sequence has a gap");
}

/// A confirmed backup opens with the same key and is whole.
async fn whole_backup(data: &Path) {
    let other = tempfile::tempdir().expect("a temporary folder");
    let copy = other.path().join("data");
    fs::create_dir(&copy).expect("room for a folder");
    fs::copy(data.join("backups/room.db"), copy.join(DATABASE)).expect("the backup is there");
    fs::copy(data.join("store.key"), copy.join("store.key")).expect("the key is there");
    let store = Store::open(options(&copy)).expect("a backup opens");
    assert_eq!(store.verify().await.expect("a check"), Vec::<String>::new());
    assert!(store.close(LIMIT).await);
}

/// What the killed process does; each line it notes was confirmed to it before, but for those that end in `ing`.
#[tokio::test]
#[ignore = "the child of the kills in the back room"]
async fn child() {
    let data = PathBuf::from(env::var("SKINLINK_ROOM_DATA").expect("a folder"));
    let word = env::var("SKINLINK_ROOM_WORK").expect("a work");
    let work = Work::ALL.into_iter().find(|work| work.word() == word).expect("a known work");
    let path = env::var("SKINLINK_ROOM_CONFIRMED").expect("a file");
    let notes = fs::File::options().append(true).open(path).expect("the notes");
    let room = Room { store: Store::open(options(&data)).expect("the store"), notes };
    room.do_work(work, &data).await.expect("the work");
    assert!(room.store.close(LIMIT).await);
}

struct Room {
    store: Store,
    notes: fs::File,
}

impl Room {
    fn note(&self, what: &str, id: &impl ToString) {
        writeln!(&self.notes, "{what} {}", id.to_string()).expect("room for a note");
    }

    async fn do_work(&self, work: Work, data: &Path) -> Result<(), StoreError> {
        let (store, staff) = (&self.store, "b-07".to_owned());
        match work {
            Work::Fresh | Work::Upgrade => {}
            Work::Erase => {
                let (customer, visit) = self.visit().await?;
                self.measure(visit).await?;
                let copy = data.join("backups/before-schema-1.db");
                fs::write(copy, "a database from before an upgrade").expect("room for a file");
                self.note("erasing", &customer);
                store.erase_customer(customer, staff, "asked for".to_owned()).await?;
            }
            Work::Join => {
                let (customer, alias) = (self.customer().await?, self.customer().await?);
                store.join_customers(customer, alias, None, staff).await?;
            }
            Work::Dismiss => {
                let repeat = store.record_repeat(new_repeat(None, "room-tray")).await?.id;
                self.note("tray", &repeat);
                store.dismiss(repeat, staff).await?;
            }
            Work::Link => {
                let (_, visit) = self.visit().await?;
                let later = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 86_400_000);
                let token = store.make_report_link(visit, later, Letterhead::default(), staff.clone()).await?;
                self.note("link", &token);
                let said = NewFeedback {
                    id: clock::mint(FeedbackId::from_bits),
                    visit,
                    topic: Topic::Call,
                    stars: None,
                    words: String::new(),
                    given: clock::now().wall,
                    at_hq: false,
                };
                let id = said.id;
                store.record_feedback(vec![said]).await?;
                self.note("said", &id);
                store.withdraw_report_links(visit, staff).await?;
                self.note("unlinked", &visit);
            }
            Work::BackUp => {
                for _ in 0..2 {
                    store.back_up(data.join("backups/room.db")).await?;
                    self.note("backup", &"room.db");
                }
            }
            Work::Retire => {
                let (_, visit) = self.visit().await?;
                self.measure(visit).await?;
                let now = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 1000);
                self.note("retiring", &visit);
                store.retire_photographs(now, 0).await?;
            }
            Work::Prune => {
                let now = Timestamp::from_unix_ms(clock::now().wall.unix_ms() + 40 * 86_400_000);
                store.prune(now, 30).await?;
            }
            Work::DeadLetter => {
                let (epoch, last) = (store.epoch().await?, store.last_seq().await?);
                store.dead_letter(epoch, last, "refused for a test".to_owned()).await?;
            }
            Work::Epoch => {
                self.visit().await?;
                let epoch = store.new_epoch(None).await?;
                // What waits moves when it is read.
                store.range(epoch, 1, u64::MAX, usize::MAX, usize::MAX).await?;
            }
        }
        Ok(())
    }

    async fn customer(&self) -> Result<CustomerId, StoreError> {
        let id = clock::mint(CustomerId::from_bits);
        let customer = Customer {
            id,
            name: "Li Testperson".to_owned(),
            phone: String::new(),
            skin_type: String::new(),
            notes: String::new(),
        };
        self.store.save_customer(customer, "b-07".to_owned()).await?;
        self.note("customer", &id);
        Ok(id)
    }

    /// A customer who agrees to everything, and her visit.
    async fn visit(&self) -> Result<(CustomerId, VisitId), StoreError> {
        let customer = self.customer().await?;
        for purpose in Purpose::ALL {
            let (text_version, staff, signature) = ("2026-11".to_owned(), "b-07".to_owned(), String::new());
            let (purpose, channel) = (*purpose, Channel::Station);
            let consent = NewConsent { customer, purpose, given: true, text_version, channel, staff, signature };
            self.store.record_consent(consent).await?;
            self.note("consent", &format!("{customer}:{purpose}"));
        }
        let visit = self.store.open_visit(customer, station_of(&customer), "b-07".to_owned()).await?.id;
        self.note("visit", &visit);
        Ok((customer, visit))
    }

    /// A reading and a photograph with its report picture, then the end of the visit.
    async fn measure(&self, visit: VisitId) -> Result<(), StoreError> {
        let step = Step { metric: moisture(), region: Region::Forehead, repeats: 1 };
        let scan = self.store.begin_scan(visit, None, Phase::Before, vec![step]).await?.id;
        self.store.record_repeat(new_repeat(Some(scan), "room")).await?;
        let repeats = self.store.scan_view(scan).await?.repeats.into_iter().map(|stored| stored.repeat).collect();
        let id = clock::mint(ReadingId::from_bits);
        let reading = Reading {
            id,
            scan,
            metric: moisture(),
            region: Region::Forehead,
            unit: "%".to_owned(),
            value: "35.00".parse().expect("a value"),
            spread: None,
            repeats,
            device: device(),
            closed: clock::now(),
        };
        self.store.close_reading(reading).await?;
        self.note("reading", &id);
        let capture = self.store.save_capture(new_capture(scan), picture()).await?.id;
        self.note("capture", &capture);
        self.store.save_picture(capture, Role::Report, Format::Jpeg, picture()).await?;
        self.note("picture", &capture);
        self.store.set_scan_state(scan, ScanState::Finished).await?;
        self.store.close_visit(visit, None, "b-07".to_owned()).await?;
        self.note("closed", &visit);
        Ok(())
    }
}

fn moisture() -> MetricId {
    MetricId::new("moisture").expect("a metric's name")
}

fn device() -> DeviceIdentity {
    DeviceIdentity {
        protocol: "room-probe".to_owned(),
        protocol_version: "1".to_owned(),
        serial: "R-1".to_owned(),
        probe: String::new(),
        firmware: String::new(),
    }
}

fn new_repeat(scan: Option<ScanId>, station: &str) -> NewRepeat {
    NewRepeat {
        station: station.to_owned(),
        scan,
        metric: moisture(),
        region: scan.map(|_| Region::Forehead),
        value: "35.0".parse().expect("a value"),
        unit: "%".to_owned(),
        flags: Vec::new(),
        device: device(),
        device_counter: None,
        nth: 0,
        taken: clock::now(),
    }
}

fn new_capture(scan: ScanId) -> NewCapture {
    NewCapture {
        scan,
        view: View::Front,
        light: Light::White,
        format: Format::Jpeg,
        width: 300,
        height: 400,
        anchors: [[100.0, 150.0], [200.0, 150.0]],
        complaints: Vec::new(),
        camera: "room camera".to_owned(),
        taken: clock::now(),
    }
}

/// Bytes that look like nothing else, 50 kB.
fn picture() -> Vec<u8> {
    (0..1600_u32).flat_map(|n| sha256(&n.to_be_bytes())).collect()
}
