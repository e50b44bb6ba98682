//! A simulated store: speaks to headquarters as a gateway does, over a real connection, and does with packages what the gateway's own
//! rules (`sync::package`) say. It records events and photographs all the time, and keeps a ledger of both.

use openssl::{base64, sha::sha256};
use skinlink::{
    clock,
    domain::{BootId, ClockState, Epoch, EventId, Stamp, VisitId},
    ports::{Connector, FromBroker, Publish, Uplink},
    sync::{
        agenda::Held,
        downlink::Downlink,
        envelope::{Batch, Event, Mark},
        package::{self, Fetch, Holdings, PublicKey, Refusal, SLICE, Slot, Stand, Took, Wish},
        payload::{self, kind},
        ranges::RangeSet,
        reply::{Hello, Reply},
        topic::{Address, Lane},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

/// A question that was not answered is asked again.
const AGAIN: Duration = Duration::from_secs(3);

/// Photographs are told of every so many ticks.
const COUNTS: u32 = 8;

/// Photographs of a store in one tick.
const PHOTOGRAPHS: u64 = 3;

/// Events of one batch.
const BATCH: usize = 50;

/// What a store knows of itself, for the test to look at.
#[derive(Debug, Clone, Default)]
pub struct Diary {
    pub recorded: u64,
    /// Ids of its events, in the order of their numbers.
    pub events: Vec<String>,
    pub acknowledged: u64,
    /// What is in use now.
    pub used: Option<u64>,
    /// What was ever in use.
    pub ever: BTreeSet<u64>,
    /// What was ever fetched, by a slice at least.
    pub fetched: BTreeSet<String>,
    /// Why packages were refused, by version.
    pub refused: BTreeMap<u64, String>,
}

/// What all stores of a chain share.
#[derive(Debug)]
pub struct Ways {
    pub keys: Vec<PublicKey>,
    pub chain: &'static str,
    pub slot: Slot,
    /// Versions whose photographs fail, two of five; of all others one in two hundred does.
    pub bad: BTreeSet<u64>,
}

#[derive(Clone)]
pub struct Handle {
    pub address: Address,
    pub diary: Arc<Mutex<Diary>>,
    online: watch::Sender<bool>,
}

impl Handle {
    pub fn diary(&self) -> Diary {
        self.diary.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn used(&self) -> Option<u64> {
        self.diary.lock().unwrap_or_else(PoisonError::into_inner).used
    }

    pub fn be(&self, online: bool) {
        self.online.send_replace(online);
    }
}

struct Store {
    address: Address,
    ways: Arc<Ways>,
    diary: Arc<Mutex<Diary>>,
    dice: fastrand::Rng,
    /// From one event, and some photographs, to the next.
    tick: Duration,
    epoch: Epoch,
    events: Vec<String>,
    acknowledged: RangeSet,
    sent: u64,
    sent_at: Instant,
    holdings: Holdings,
    wanted: Option<Held>,
    /// Since what is in use is: photographs, and those that failed.
    measured: u64,
    failed: u64,
    /// Wished and not here yet.
    wishes: VecDeque<Wish>,
    /// Of the first wish.
    bytes: Vec<u8>,
    asked_at: Instant,
    said: String,
    /// Photographs of which headquarters was told.
    told: u64,
    token: u64,
}

/// Starts a store; it ends with the test.
#[expect(clippy::disallowed_methods, reason = "the store lives as long as the test")]
pub fn open(address: Address, connector: Connector, ways: Arc<Ways>, (seed, tick): (u64, Duration)) -> Handle {
    let diary = Arc::new(Mutex::new(Diary::default()));
    let (online, shown) = watch::channel(true);
    let store = Store {
        address: address.clone(),
        ways,
        diary: Arc::clone(&diary),
        dice: fastrand::Rng::with_seed(seed),
        tick,
        epoch: clock::mint(Epoch::from_bits),
        events: Vec::new(),
        acknowledged: RangeSet::default(),
        sent: 0,
        sent_at: Instant::now(),
        holdings: Holdings::default(),
        wanted: None,
        measured: 0,
        failed: 0,
        wishes: VecDeque::new(),
        bytes: Vec::new(),
        asked_at: Instant::now(),
        said: String::new(),
        told: 0,
        token: 0,
    };
    tokio::spawn(store.live(connector, shown));
    Handle { address, diary, online }
}

impl Store {
    async fn live(mut self, connector: Connector, mut online: watch::Receiver<bool>) {
        let mut ticks = interval(self.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            if !*online.borrow_and_update() {
                tokio::select! {
                    changed = online.changed() => if changed.is_err() { return },
                    _ = ticks.tick() => self.works(),
                }
                continue;
            }
            if let Ok(uplink) = connector().await {
                self.session(uplink, &mut online).await;
            }
            // Not all at the same moment.
            sleep(Duration::from_millis(self.dice.u64(100..900))).await;
        }
    }

    async fn session(&mut self, mut uplink: Uplink, online: &mut watch::Receiver<bool>) {
        let mut ticks = interval(self.tick);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut answered, mut out) = (false, VecDeque::new());
        out.push_back((Lane::Status, b"online".to_vec(), true));
        out.push_back((Lane::About, br#"{"version":"sim","downlinks":["packages"]}"#.to_vec(), true));
        self.said.clear();
        self.wishes.clear();
        self.bytes.clear();
        self.say_hello(&mut out);
        loop {
            tokio::select! {
                _ = &mut uplink.driver => return,
                changed = online.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    if !*online.borrow_and_update() {
                        // As a machine that is switched off: the broker says so.
                        return;
                    }
                }
                permit = uplink.publish.reserve(), if !out.is_empty() => {
                    if let (Ok(permit), Some((lane, payload, retain))) = (permit, out.pop_front()) {
                        self.token += 1;
                        permit.send(Publish { token: self.token, topic: self.address.topic(&lane), payload, retain });
                    }
                }
                heard = uplink.arrived.recv() => match heard {
                    Some(FromBroker::Message { payload, .. }) => {
                        let reply: Reply = serde_json::from_slice(&payload).expect("HQ speaks by the contract");
                        answered |= matches!(reply, Reply::Hello { .. });
                        self.hear(reply, &mut out);
                    }
                    Some(FromBroker::Word { .. }) => {}
                    None => return,
                },
                _ = ticks.tick() => {
                    self.works();
                    if answered {
                        self.send(&mut out);
                    }
                    let waits = !answered || !self.wishes.is_empty();
                    let counted = self.measured + self.failed != self.told && self.asked_at.elapsed() > self.tick * COUNTS;
                    let news = answered && (counted || self.holding() != self.said);
                    if news || (waits && self.asked_at.elapsed() > AGAIN) {
                        self.say_hello(&mut out);
                    }
                }
            }
        }
    }

    /// An event, and photographs with the model that is in use.
    fn works(&mut self) {
        let seq = self.events.len() as u64 + 1;
        let (id, event) = self.event(seq);
        self.events.push(event);
        if let Some(version) = self.used() {
            let share = if self.ways.bad.contains(&version) { 0.4 } else { 0.005 };
            let failed = (0..PHOTOGRAPHS).filter(|_| self.dice.f64() < share).count() as u64;
            (self.measured, self.failed) = (self.measured + PHOTOGRAPHS - failed, self.failed + failed);
        }
        let mut diary = self.diary.lock().unwrap_or_else(PoisonError::into_inner);
        diary.recorded = seq;
        diary.events.push(id);
    }

    fn event(&self, seq: u64) -> (String, String) {
        let now = clock::now();
        let stamp = Stamp { boot: BootId::from_bits(1), monotonic_ns: seq, wall: now.wall, clock: ClockState::Synced };
        let visit = clock::mint(VisitId::from_bits).to_string();
        let data = payload::Scan {
            scan: visit.clone(),
            visit: visit.clone(),
            phase: "before".into(),
            state: "running".into(),
        };
        let data = serde_json::value::to_raw_value(&data).expect("plain data");
        let source = format!("skinlink://{}/{}", self.address.store, self.address.gateway);
        let id = clock::mint(EventId::from_bits);
        let event = Event::new(&source, kind::SCAN, &visit, Mark { id, epoch: self.epoch, seq, stamp }, data);
        (id.to_string(), serde_json::to_string(&event).expect("plain data"))
    }

    /// What was not sent yet, and again what nobody acknowledged.
    fn send(&mut self, out: &mut VecDeque<(Lane, Vec<u8>, bool)>) {
        if self.sent_at.elapsed() > AGAIN {
            self.sent = self.acknowledged.iter().next().filter(|(first, _)| *first == 1).map_or(0, |(_, last)| last);
            self.sent_at = Instant::now();
        }
        while (self.sent as usize) < self.events.len() && out.len() < 8 {
            let from = self.sent as usize;
            let events = &self.events[from..self.events.len().min(from + BATCH)];
            let events: Vec<_> = events
                .iter()
                .map(|event| serde_json::value::RawValue::from_string(event.clone()).expect("JSON"))
                .collect();
            let count = u32::try_from(events.len()).expect("few");
            let batch = Batch { epoch: self.epoch.to_string(), first_seq: self.sent + 1, count, events };
            out.push_back((Lane::Events, serde_json::to_vec(&batch).expect("plain data"), false));
            self.sent += u64::from(count);
        }
    }

    fn used(&self) -> Option<u64> {
        self.holdings.in_use(&self.ways.slot).map(|used| used.version)
    }

    fn packages(&self) -> Vec<package::Holding> {
        let mut told = self.holdings.tell();
        for holding in told.iter_mut().filter(|holding| holding.stand == Stand::Used) {
            (holding.measured, holding.failed) = (Some(self.measured), Some(self.failed));
        }
        told
    }

    /// What makes a hello worth while at once.
    fn holding(&self) -> String {
        format!("{:?} {:?}", self.wanted, self.holdings.tell())
    }

    fn say_hello(&mut self, out: &mut VecDeque<(Lane, Vec<u8>, bool)>) {
        let fetch = self.wishes.front().map(|wish| Fetch {
            sha256: wish.sha256.clone(),
            from: u32::try_from(self.bytes.len() / SLICE).expect("a small number"),
        });
        let downlink = self.wanted.is_some().then(|| Downlink {
            wanted: self.wanted.clone(),
            packages: self.packages(),
            fetch,
            ..Downlink::default()
        });
        let hello = Hello {
            epoch: self.epoch.to_string(),
            last_seq: self.events.len() as u64,
            oldest_kept: 1,
            version: "sim".into(),
            downlink,
            ..Hello::default()
        };
        (self.said, self.told, self.asked_at) = (self.holding(), self.measured + self.failed, Instant::now());
        out.push_back((Lane::Hello, serde_json::to_vec(&hello).expect("plain data"), false));
    }

    fn hear(&mut self, reply: Reply, out: &mut VecDeque<(Lane, Vec<u8>, bool)>) {
        match reply {
            Reply::Hello { upto, ranges, over, .. } => {
                assert!(!over, "{}: nobody restored this store", self.address.store);
                self.acknowledged = RangeSet::default();
                self.took(upto, ranges);
                self.sent = upto;
            }
            Reply::Ack { epoch, upto, ranges } if epoch == self.epoch.to_string() => self.took(upto, ranges),
            Reply::Ask { epoch, ranges } if epoch == self.epoch.to_string() => {
                if let Some((first, _)) = ranges.first() {
                    self.sent = self.sent.min(first - 1);
                }
            }
            Reply::Wanted { book, version, packages, withdrawn } => {
                let changed = withdrawn.iter().filter(|gone| self.holdings.withdraw(gone)).count() > 0;
                if changed {
                    self.begins_to_use();
                }
                self.wanted = Some(Held { book, version });
                self.wish(packages);
                self.say_hello(out);
            }
            Reply::Slice { sha256, index, data } => self.slice(&sha256, index, &data, out),
            Reply::Alarm { reason, .. } => panic!("{}: {reason}", self.address.store),
            _ => {}
        }
    }

    fn took(&mut self, upto: u64, ranges: Vec<(u64, u64)>) {
        if upto > 0 {
            self.acknowledged.insert((1, upto));
        }
        ranges.into_iter().for_each(|range| self.acknowledged.insert(range));
        let acknowledged = self.acknowledged.count();
        self.diary.lock().unwrap_or_else(PoisonError::into_inner).acknowledged = acknowledged;
    }

    fn wish(&mut self, packages: Vec<Wish>) {
        let first = self.wishes.front().cloned();
        self.wishes.clear();
        for wish in packages {
            match self.holdings.wished(&wish) {
                Took::Fetch => self.wishes.push_back(wish),
                Took::Refused(refusal) => self.refused(&wish, &refusal),
                Took::Settled | Took::Waits => {}
            }
        }
        if self.wishes.front() != first.as_ref() {
            self.bytes.clear();
        }
    }

    fn slice(&mut self, sha256: &str, index: u32, data: &str, out: &mut VecDeque<(Lane, Vec<u8>, bool)>) {
        let Some(wish) = self.wishes.front().cloned() else { return };
        if wish.sha256 != sha256
            || index as usize != self.bytes.len() / SLICE
            || !self.bytes.len().is_multiple_of(SLICE)
        {
            return;
        }
        self.diary.lock().unwrap_or_else(PoisonError::into_inner).fetched.insert(sha256.to_owned());
        self.bytes.extend(base64::decode_block(data).expect("base64"));
        if (self.bytes.len() as u64) < wish.bytes {
            // What is said at once is eight slices.
            if index % 8 == 7 {
                self.say_hello(out);
            }
            return;
        }
        self.wishes.pop_front();
        let bytes = std::mem::take(&mut self.bytes);
        match self.judged(&wish, &bytes) {
            Ok(()) => {
                self.holdings.held(&wish);
                self.holdings.used(&wish.slot);
                self.begins_to_use();
            }
            Err(refusal) => self.refused(&wish, &refusal),
        }
        self.say_hello(out);
    }

    fn judged(&self, wish: &Wish, bytes: &[u8]) -> Result<(), Refusal> {
        if hex::encode(sha256(bytes)) != wish.sha256 {
            return Err(Refusal::Unfit("what was fetched is not what was announced".into()));
        }
        let (header, _) = package::read(bytes, &self.ways.keys).map_err(|fault| Refusal::Unfit(fault.to_string()))?;
        self.holdings.judge(wish, &header, self.ways.chain, clock::now().wall)
    }

    fn refused(&mut self, wish: &Wish, refusal: &Refusal) {
        self.holdings.refused(wish, refusal);
        let mut diary = self.diary.lock().unwrap_or_else(PoisonError::into_inner);
        diary.refused.insert(wish.version, refusal.to_string());
    }

    fn begins_to_use(&mut self) {
        (self.measured, self.failed) = (0, 0);
        let used = self.used();
        let mut diary = self.diary.lock().unwrap_or_else(PoisonError::into_inner);
        diary.used = used;
        diary.ever.extend(used);
    }
}
