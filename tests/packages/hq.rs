//! Headquarters as a test plays it: it speaks through the codec, over the real broker, and keeps count of what it sent.

use crate::headquarters::{Headquarters, LIMIT};
use openssl::base64;
use skinlink::{
    adapters::mqtt::{self, MqttSettings},
    ports::{FromBroker, Publish, Uplink},
    sync::{
        downlink::Downlink,
        envelope::Batch,
        package::{Fetch, Holding, SLICE, Slot, Stand, Wish, Withdrawn},
        reply::{Hello, Reply},
        topic::{Address, Lane},
    },
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Duration, Instant, sleep},
};

/// What it says and what it has heard.
#[derive(Default)]
pub struct Desk {
    pub book: String,
    pub version: u64,
    pub wishes: Vec<Wish>,
    pub withdrawn: Vec<Withdrawn>,
    /// Whole packages by digest.
    files: BTreeMap<String, Vec<u8>>,
    /// Slices that answer one question.
    pub run: u32,
    /// Slices that it sends before it falls silent.
    pub slices_left: Option<u32>,
    /// Digests whose bytes it sends wrong, and how often still.
    pub spoils: BTreeMap<String, u32>,
    /// Every hello, newest last.
    pub hellos: Vec<Hello>,
    /// Every slice sent: digest and number.
    pub sent: Vec<(String, u32)>,
    pub about: serde_json::Value,
    /// Of the daemon.
    log: std::path::PathBuf,
}

/// See the module.
pub struct Speaker {
    desk: Arc<Mutex<Desk>>,
    say: mpsc::Sender<Reply>,
    task: JoinHandle<()>,
}

impl Drop for Speaker {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Speaker {
    #[expect(clippy::disallowed_methods, reason = "it lives as long as the test")]
    pub async fn start(headquarters: &Headquarters, gateway: &Address) -> Self {
        let connector = mqtt::connector(MqttSettings {
            host: "127.0.0.1".into(),
            port: headquarters.broker.port(),
            client_id: "hq-1".into(),
            tls: headquarters.hq_tls.clone(),
            keep_alive: Duration::from_secs(5),
            subscriptions: ["hello", "events", "about"].map(|lane| format!("skinlink/1/+/+/{lane}")).to_vec(),
            last_will: None,
            receive_maximum: 64,
            arrived_capacity: 64,
        });
        let uplink = connector().await.expect("the broker lets headquarters in");
        let desk = Arc::new(Mutex::new(Desk { book: "book-1".into(), run: 8, ..Desk::default() }));
        let (say, says) = mpsc::channel(64);
        let task = tokio::spawn(speak(uplink, gateway.topic(&Lane::Ack), Arc::clone(&desk), says));
        Self { desk, say, task }
    }

    pub fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Headquarters wishes that, whole; what was withdrawn stays withdrawn.
    pub async fn wishes(&self, packages: &[&Package]) {
        let reply = {
            let mut desk = self.desk();
            desk.version += 1;
            desk.wishes = packages.iter().map(|package| package.wish.clone()).collect();
            desk.files.extend(packages.iter().map(|package| (package.wish.sha256.clone(), package.bytes.clone())));
            desk.wanted()
        };
        self.say.send(reply).await.expect("headquarters is there");
    }

    pub async fn says(&self, reply: Reply) {
        self.say.send(reply).await.expect("headquarters is there");
    }

    pub async fn withdraws(&self, slot: Slot, versions: &[u64], instead: &[&Package]) {
        self.desk().withdrawn.push(Withdrawn { slot, versions: versions.to_vec() });
        self.wishes(instead).await;
    }

    /// What the gateway told last.
    pub fn told(&self) -> Downlink {
        self.desk().hellos.last().and_then(|hello| hello.downlink.clone()).unwrap_or_default()
    }

    pub fn of(&self, slot: &Slot, version: u64) -> Option<Holding> {
        self.told().packages.into_iter().find(|one| one.slot == *slot && one.version == version)
    }

    /// Waits until a package stands so; what was told of it.
    pub async fn until(&self, slot: &Slot, version: u64, stand: Stand) -> Holding {
        let what = format!("{slot} {version} {}", stand.as_str());
        let same = |one: &Holding| one.slot == *slot && one.version == version && one.stand == stand;
        self.until_told(&what, || self.told().packages.into_iter().find(same)).await
    }

    pub async fn until_told<T>(&self, what: &str, mut found: impl FnMut() -> Option<T>) -> T {
        let begun = Instant::now();
        loop {
            if let Some(found) = found() {
                return found;
            }
            if begun.elapsed() > LIMIT {
                let log = std::fs::read_to_string(&self.desk().log).unwrap_or_default();
                panic!("{what}: not within {LIMIT:?}; told last: {:#?}\n{log}", self.told());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// It makes room for a real receiver.
    pub async fn leaves(&mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }

    /// The daemon's log is to be shown when something does not come.
    pub fn shows(&self, log: std::path::PathBuf) {
        self.desk().log = log;
    }

    /// Slices that were sent more than once.
    pub fn sent_twice(&self) -> usize {
        let desk = self.desk();
        let mut sent = desk.sent.clone();
        sent.sort();
        sent.dedup();
        desk.sent.len() - sent.len()
    }
}

impl Desk {
    pub fn wanted(&self) -> Reply {
        Reply::Wanted {
            book: self.book.clone(),
            version: self.version,
            packages: self.wishes.clone(),
            withdrawn: self.withdrawn.clone(),
        }
    }

    fn slices(&mut self, fetch: &Fetch) -> Vec<Reply> {
        let Some(file) = self.files.get(&fetch.sha256) else { return Vec::new() };
        let mut replies = Vec::new();
        let chunks = file.chunks(SLICE).enumerate().skip(fetch.from as usize).take(self.run as usize);
        for (index, chunk) in chunks {
            if self.slices_left == Some(0) {
                break;
            }
            self.slices_left = self.slices_left.map(|left| left - 1);
            let mut bytes = chunk.to_vec();
            if let Some(left) = self.spoils.get_mut(&fetch.sha256).filter(|left| **left > 0 && index == 0) {
                *left -= 1;
                bytes[0] ^= 1;
            }
            let (sha256, index) = (fetch.sha256.clone(), index as u32);
            self.sent.push((sha256.clone(), index));
            replies.push(Reply::Slice { sha256, index, data: base64::encode_block(&bytes) });
        }
        replies
    }

    fn answers(&mut self, hello: Hello) -> Vec<Reply> {
        let mut replies = vec![Reply::Hello {
            epoch: hello.epoch.clone(),
            last_seq: hello.last_seq,
            upto: hello.last_seq,
            ranges: Vec::new(),
            known: None,
            over: false,
        }];
        let told = hello.downlink.clone().unwrap_or_default();
        let holds = told.wanted.is_some_and(|held| (held.book, held.version) == (self.book.clone(), self.version));
        if self.version > 0 && !holds {
            replies.push(self.wanted());
        }
        replies.extend(told.fetch.iter().flat_map(|fetch| self.slices(fetch)));
        self.hellos.push(hello);
        replies
    }
}

async fn speak(uplink: Uplink, topic: String, desk: Arc<Mutex<Desk>>, mut says: mpsc::Receiver<Reply>) {
    let Uplink { publish, mut arrived, driver } = uplink;
    let talk = async {
        let mut token = 0;
        loop {
            let replies = tokio::select! {
                heard = arrived.recv() => match heard {
                    Some(FromBroker::Message { topic, payload }) => hears(&desk, &topic, &payload),
                    Some(FromBroker::Word { .. }) => Vec::new(),
                    None => return,
                },
                Some(reply) = says.recv() => vec![reply],
            };
            for reply in replies {
                token += 1;
                let payload = serde_json::to_vec(&reply).expect("a reply is JSON");
                let publish_one = Publish { token, topic: topic.clone(), payload, retain: false };
                if publish.send(publish_one).await.is_err() {
                    return;
                }
            }
        }
    };
    tokio::select! {
        () = talk => {}
        lost = driver => panic!("headquarters lost its broker: {lost}"),
    }
}

fn hears(desk: &Mutex<Desk>, topic: &str, payload: &[u8]) -> Vec<Reply> {
    let mut desk = desk.lock().unwrap_or_else(PoisonError::into_inner);
    match topic.rsplit('/').next() {
        Some("hello") => desk.answers(serde_json::from_slice(payload).expect("a hello as the codec writes it")),
        Some("events") => {
            let batch: Batch = serde_json::from_slice(payload).expect("a batch");
            let upto = batch.first_seq + u64::from(batch.count) - 1;
            vec![Reply::Ack { epoch: batch.epoch, upto, ranges: Vec::new() }]
        }
        Some("about") => {
            desk.about = serde_json::from_slice(payload).expect("JSON");
            Vec::new()
        }
        _ => Vec::new(),
    }
}

/// A package as headquarters has it.
#[derive(Debug, Clone)]
pub struct Package {
    pub bytes: Vec<u8>,
    pub wish: Wish,
}

impl Package {
    pub fn of(slot: Slot, version: u64, bytes: Vec<u8>) -> Self {
        let sha256 = hex::encode(openssl::sha::sha256(&bytes));
        Self { wish: Wish { slot, version, sha256, bytes: bytes.len() as u64 }, bytes }
    }
}
