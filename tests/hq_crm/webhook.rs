//! Messages pushed to a real receiver over HTTP by the real program, which is killed.

use crate::{
    Side,
    chain::{self, Chain, Store, customer, later, noon_zone, visit},
    headquarters::{Headquarters, LIMIT},
};
use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use openssl::{base64::encode_block, hash::MessageDigest, pkey::PKey, sign::Signer};
use serde_json::Value;
use skinlink::hq::database::Place;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    process::{Child, Command},
    time::{Instant, sleep},
};

const SECRET: [u8; 32] = [7; 32];

/// What the receiver got, and how it behaves.
#[derive(Default)]
struct Got {
    /// Of each id how often it came, and its body.
    posts: BTreeMap<String, Vec<Value>>,
    /// So many are answered 503 from now on.
    refuse: u32,
    refused: u32,
    /// Ends this process with the next post in hand, before it is answered.
    kill: Option<u32>,
    killed: Option<String>,
    unsigned: u32,
}

type Shared = Arc<Mutex<Got>>;

async fn receive(State(got): State<Shared>, headers: HeaderMap, body: String) -> StatusCode {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (id, time, signature) = (text("webhook-id"), text("webhook-timestamp"), text("webhook-signature"));
    let key = PKey::hmac(&SECRET).expect("a key");
    let mut signer = Signer::new(MessageDigest::sha256(), &key).expect("a signer");
    signer.update(format!("{id}.{time}.{body}").as_bytes()).expect("signs");
    let wanted = format!("v1,{}", encode_block(&signer.sign_to_vec().expect("signs")));
    let mut got = got.lock().expect("no panic");
    if signature != wanted {
        got.unsigned += 1;
        return StatusCode::UNAUTHORIZED;
    }
    if got.refuse > 0 {
        got.refuse -= 1;
        got.refused += 1;
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    got.posts.entry(id.clone()).or_default().push(serde_json::from_str(&body).expect("JSON"));
    if let Some(process) = got.kill.take() {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(process).expect("a process id"));
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("a signal");
        got.killed = Some(id);
    }
    StatusCode::NO_CONTENT
}

struct Receiver {
    got: Shared,
    door: SocketAddr,
    serving: Option<tokio::task::JoinHandle<()>>,
}

impl Receiver {
    async fn open(&mut self) {
        let listener = TcpListener::bind(self.door).await.expect("its port");
        let router = Router::new().route("/care", post(receive)).with_state(Arc::clone(&self.got));
        #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        self.serving = Some(serving);
    }

    fn close(&mut self) {
        if let Some(serving) = self.serving.take() {
            serving.abort();
        }
    }

    fn look<T>(&self, found: impl Fn(&mut Got) -> T) -> T {
        found(&mut self.got.lock().expect("no panic"))
    }

    async fn until(&self, what: &str, found: impl Fn(&mut Got) -> bool) {
        let limit = Instant::now() + 2 * LIMIT;
        while !self.look(&found) {
            assert!(Instant::now() < limit, "{what}: not in time");
            sleep(Duration::from_millis(50)).await;
        }
    }
}

/// The program as an operator runs it.
fn run(headquarters: &Headquarters, place: &Place, folder: &Path, door: SocketAddr) -> Child {
    let secret = folder.join("care.secret");
    std::fs::write(&secret, format!("whsec_{}\n", encode_block(&SECRET))).expect("writable");
    let config = headquarters.config();
    let database = match place {
        Place::Sqlite(path) => format!("sqlite:{}", path.display()),
        postgres @ Place::Postgres(_) => postgres.to_string(),
    };
    let text = format!(
        "broker = \"127.0.0.1:{}\"\nname = \"hq-1\"\nca = \"{}\"\ncertificate = \"{}\"\nkey = \"{}\"\ndata = \"{}\"\ndatabase = \"{database}\"\n\
         [care]\ntime_zone = \"{}\"\nlanguage = \"zh-Hant\"\n[[care.consent]]\ntext_versions = [\"wechat-1\"]\n\
         kinds = [\"care\"]\nchannels = [\"wechat\"]\n[care.webhook]\nurl = \"http://{door}/care\"\nsecret_file = \"care.secret\"\nprivate = true\n",
        config.port,
        config.tls.ca.display(),
        config.tls.certificate.display(),
        config.tls.key.display(),
        folder.display(),
        noon_zone(),
    );
    let file = folder.join("hq.toml");
    std::fs::write(&file, text).expect("writable");
    let mut command = Command::new(env!("CARGO_BIN_EXE_skinlink-hq"));
    command.args(["--log", "warn", "run", "--config"]).arg(&file).kill_on_drop(true);
    command.spawn().expect("the program starts")
}

/// Twelve guests left three hours ago, and the receiver answers 503 for eight seconds: it is asked four times or five, each pause longer than the
/// one before, and not by each of twelve messages every few seconds. Then it has all of them.
pub async fn a_dead_receiver_is_asked_now_and_then_and_not_by_every_message(side: Side) {
    let headquarters = Headquarters::without_receiver().await;
    let (mut chain, mut store) = (Chain::with_care(side, None).await, Store::named("sh-001"));
    store.clock = later(-3 * 3_600_000);
    let mut words = Vec::new();
    for _ in 0..12 {
        let ann = customer();
        words.push(store.consent_to("wechat-1", &ann, "share_numbers", true));
        words.push(store.consent_to("wechat-1", &ann, "deliver_report", true));
        words.push(store.visit(&visit(), &ann, 1, "closed"));
    }
    chain.take(&words);
    chain.keep();
    let mut receiver = Receiver { got: Shared::default(), door: chain::free(), serving: None };
    receiver.open().await;
    receiver.look(|got| got.refuse = u32::MAX);
    let mut program = run(&headquarters, &chain.place, chain.folder.path(), receiver.door);
    receiver.until("it was asked", |got| got.refused > 0).await;
    sleep(Duration::from_secs(8)).await;
    let refused = receiver.look(|got| got.refused);
    println!("{side:?}: in eight seconds without a receiver it was asked {refused} times for 12 messages");
    assert!((3..=5).contains(&refused), "{refused} posts: 12 messages with pauses of their own would be 24");
    let tries: u64 = {
        let sql = "SELECT CAST(sum(tries) AS BIGINT) FROM care_messages";
        chain.place.open().expect("opens").query(sql, &[]).expect("answers")[0].get(0).expect("a number")
    };
    assert!(tries <= u64::from(refused) + 1, "what was not posted was not tried: {tries}");
    receiver.look(|got| got.refuse = 0);
    receiver.until("every message is there", |got| got.posts.len() == 12).await;
    receiver.look(|got| assert!(got.posts.values().all(|bodies| bodies.len() == 1), "each once"));
    let pid = nix::unistd::Pid::from_raw(i32::try_from(program.id().expect("it runs")).expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("a signal");
    assert!(program.wait().await.expect("its status").success(), "asked politely it ends in peace");
    receiver.close();
    chain.end().await;
}

/// Twelve guests left three hours ago. The receiver answers 503 at first; then it is gone for a while; then it ends headquarters with a
/// message in its hands, before it has said that it has it. Each message comes at least once, the one of the killed program again
/// under its id; by ids each is there exactly once, signed, and without a name.
pub async fn outages_and_a_receiver_killed_between_sending_and_noting_lose_nothing(side: Side) {
    let headquarters = Headquarters::without_receiver().await;
    let (mut chain, mut store) = (Chain::with_care(side, None).await, Store::named("sh-001"));
    let mut wanted = BTreeSet::new();
    store.clock = later(-3 * 3_600_000);
    let mut words = Vec::new();
    for _ in 0..12 {
        let (one, ann) = (visit(), customer());
        words.push(store.consent_to("wechat-1", &ann, "share_numbers", true));
        words.push(store.consent_to("wechat-1", &ann, "deliver_report", true));
        words.push(store.visit(&one, &ann, 1, "open"));
        words.push(store.visit(&one, &ann, 2, "closed"));
        wanted.insert(one);
    }
    chain.take(&words);
    chain.keep();
    let mut receiver = Receiver { got: Shared::default(), door: chain::free(), serving: None };
    receiver.open().await;
    receiver.look(|got| got.refuse = 3);
    let mut program = run(&headquarters, &chain.place, chain.folder.path(), receiver.door);
    receiver.until("some are refused, some come", |got| got.refused == 3 && got.posts.len() >= 2).await;
    // Gone in mid-work, for so long that several tries fail.
    receiver.close();
    sleep(Duration::from_secs(4)).await;
    let process = program.id();
    receiver.look(|got| got.kill = process);
    receiver.open().await;
    receiver.until("the program is killed", |got| got.killed.is_some()).await;
    let ended = tokio::time::timeout(LIMIT, program.wait()).await.expect("it ended").expect("its status");
    assert!(!ended.success(), "{ended}");
    let mut heir = run(&headquarters, &chain.place, chain.folder.path(), receiver.door);
    let all = wanted.len();
    receiver
        .until("every message is there, that of the killed program twice", |got| {
            let again = got.killed.as_ref().and_then(|id| got.posts.get(id)).map_or(0, Vec::len) >= 2;
            again && got.posts.len() == all
        })
        .await;
    let limit = Instant::now() + LIMIT;
    let states = || {
        let rows =
            chain.place.open().expect("opens").query("SELECT state, count(*) FROM care_messages GROUP BY state", &[]);
        let rows = rows.expect("answers");
        rows.iter()
            .map(|row| (row.get(0).expect("a text"), row.get(1).expect("a number")))
            .collect::<BTreeMap<String, u64>>()
    };
    while states() != BTreeMap::from([("done".to_owned(), all as u64)]) {
        assert!(Instant::now() < limit, "{:?}", states());
        sleep(Duration::from_millis(100)).await;
    }
    receiver.look(|got| {
        let posts: usize = got.posts.values().map(Vec::len).sum();
        let visits: BTreeSet<String> =
            got.posts.values().map(|bodies| bodies[0]["visit"].as_str().expect("an id").to_owned()).collect();
        println!(
            "{side:?}: {all} messages, {posts} posts taken under {} ids, {} answered 503, {} unsigned; all done",
            got.posts.len(),
            got.refused,
            got.unsigned
        );
        assert_eq!((visits, got.unsigned), (wanted.clone(), 0));
        for bodies in got.posts.values() {
            assert!(bodies.iter().all(|body| *body == bodies[0]), "the same words under the same id");
            let fields: Vec<&String> = bodies[0].as_object().expect("an object").keys().collect();
            assert_eq!(
                fields,
                ["channels", "customer", "due", "kind", "language", "message", "store", "type", "visit"]
            );
            assert_eq!((&bodies[0]["language"], &bodies[0]["kind"]), (&"zh-Hant".into(), &"care".into()));
        }
    });
    let pid = nix::unistd::Pid::from_raw(i32::try_from(heir.id().expect("it runs")).expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("a signal");
    assert!(heir.wait().await.expect("its status").success(), "asked politely it ends in peace");
    receiver.close();
    chain.end().await;
}
