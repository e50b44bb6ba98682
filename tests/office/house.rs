//! A database that stores talk to, and the office over it.

use crate::{Side, postgres, stores::Store};
use reqwest::{StatusCode, header};
use skinlink::{
    clock,
    domain::Timestamp,
    hq::{
        HqError, OfficeSettings, RolloutSettings,
        config::RawRollouts,
        database::{Arrived, Database, Place, engine::Engine},
        office::{
            self,
            people::{self, Reach, Role},
        },
    },
    sync::package::SigningKey,
};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// Longest wait for anything.
pub const LIMIT: Duration = Duration::from_secs(30);

pub const PASSWORD: &str = "four plain words here";
pub const TOKEN: &str = "a-token-for-prometheus";

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

pub struct House {
    pub place: Place,
    pub database: Database,
    pub address: SocketAddr,
    pub folder: TempDir,
    pub rollouts: RolloutSettings,
    client: reqwest::Client,
    stop: CancellationToken,
    served: JoinHandle<Result<(), HqError>>,
}

/// What a page gave.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: header::HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The session's cookie, as a browser would send it back.
    pub fn cookie(&self) -> String {
        self.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
    }
}

pub fn settings(folder: &Path) -> OfficeSettings {
    let file = folder.join("metrics.token");
    std::fs::write(&file, format!("{TOKEN}\n")).expect("a token");
    OfficeSettings {
        listen: free(),
        behind_proxy: false,
        tls: None,
        utc_offset_min: 480,
        metrics_token: Some(PathBuf::from(&file)),
    }
}

/// The key that packages are signed with lies beside the database, as it never would.
pub fn rollouts(folder: &Path) -> RolloutSettings {
    let key = SigningKey::generate().expect("a key");
    std::fs::write(folder.join("packages.key"), key.to_pem(b"").expect("a key")).expect("a file");
    let file = folder.join("packages.pub");
    std::fs::write(&file, key.public_pem().expect("a key")).expect("a file");
    let raw = RawRollouts { chain: Some("qinghe".into()), keys: vec![file], ..RawRollouts::default() };
    raw.resolve().expect("settings")
}

/// A port nobody listens on now.
pub fn free() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a free port")
}

impl House {
    pub async fn new(side: Side) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let place = match side {
            Side::Sqlite => Place::in_folder(folder.path()),
            Side::Postgres => postgres::database(),
        };
        let database = Database::at(&place, folder.path(), 1 << 20).expect("the database opens");
        let settings = settings(folder.path());
        let (address, stop) = (settings.listen, CancellationToken::new());
        let rollouts = rollouts(folder.path());
        #[expect(clippy::disallowed_methods, reason = "the test ends it itself")]
        let served = tokio::spawn(office::serve(place.clone(), settings, Some(rollouts.clone()), stop.clone()));
        until_served(address).await;
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { place, database, address, folder, rollouts, client, stop, served }
    }

    pub fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn engine(&self) -> Box<dyn Engine> {
        self.place.open().expect("the database")
    }

    pub fn add(&self, name: &str, role: Role, stores: &str) {
        let reach: Reach = stores.parse().expect("stores");
        people::add(&mut *self.engine(), (name, role, &reach), PASSWORD, clock::now().wall).expect("somebody new");
    }

    pub fn take(&mut self, arrived: &[Arrived]) {
        let now = clock::now().wall;
        self.take_at(arrived, now);
        // As one that is connected to the broker, which is noted.
        drop(self.database.downlink_due(now).expect("what is due"));
    }

    /// As a receiver takes it, at that time.
    pub fn take_at(&mut self, arrived: &[Arrived], at: Timestamp) {
        self.database.take(arrived, at).expect("it is taken");
    }

    /// Facts are made of all that came.
    pub fn keep(&mut self) {
        while self.database.keep_records(clock::now().wall, 500).expect("a turn").more {}
    }

    /// A store that is there.
    pub fn opens(&mut self, name: &str) -> Store {
        let store = Store::named(name);
        let told = [store.says("online"), store.hello(0), store.about(&crate::stores::about(true, 20_480))];
        self.take_at(&told, clock::now().wall);
        store
    }

    pub async fn get(&self, path: &str, cookie: &str) -> Answer {
        let asked = self.client.get(format!("{}{path}", self.base())).header("cookie", cookie);
        answer(asked.header("accept-language", "zh-CN")).await
    }

    /// As a page reads itself again that keeps the visits it shows.
    pub async fn again(&self, path: &str, cookie: &str) -> Answer {
        let asked = self.client.get(format!("{}{path}", self.base())).header("cookie", cookie);
        let asked = asked.header("x-skinlink-by-itself", "1").header("x-skinlink-keeps", "visits");
        answer(asked.header("accept-language", "zh-CN")).await
    }

    /// A stream of news, as it begins.
    pub async fn listen(&self, path: &str, cookie: &str) -> reqwest::Response {
        let asked = self.client.get(format!("{}{path}", self.base())).header("cookie", cookie);
        asked.send().await.expect("an answer")
    }

    pub async fn metrics(&self, token: &str) -> Answer {
        answer(self.client.get(format!("{}/metrics", self.base())).bearer_auth(token)).await
    }

    /// As a browser sends a form of our own page.
    pub async fn post(&self, path: &str, cookie: &str, form: &[(&str, &str)]) -> Answer {
        self.post_from(&self.base(), path, cookie, form).await
    }

    pub async fn post_from(&self, origin: &str, path: &str, cookie: &str, form: &[(&str, &str)]) -> Answer {
        let mut asked = self.client.post(format!("{}{path}", self.base())).header("cookie", cookie).form(form);
        if !origin.is_empty() {
            asked = asked.header("origin", origin);
        }
        answer(asked).await
    }

    pub async fn try_in(&self, name: &str, password: &str) -> Answer {
        self.post("/login", "", &[("name", name), ("password", password), ("next", "/")]).await
    }

    /// The cookie of somebody who logged in.
    pub async fn log_in(&self, name: &str) -> String {
        let answer = self.try_in(name, PASSWORD).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        answer.cookie()
    }

    /// Asks for a page until it says so.
    pub async fn until(&self, path: &str, cookie: &str, what: &str, says: impl Fn(&str) -> bool) -> String {
        let limit = Instant::now() + LIMIT;
        loop {
            let answer = self.get(path, cookie).await;
            if says(&answer.text) {
                return answer.text;
            }
            assert!(Instant::now() < limit, "{what}: not within {LIMIT:?}; {path} says:\n{}", answer.text);
            sleep(Duration::from_millis(200)).await;
        }
    }

    pub async fn end(self) {
        self.stop.cancel();
        let ended = tokio::time::timeout(LIMIT, self.served).await.expect("it ends when it is asked to");
        ended.expect("no panic").expect("it ends in peace");
    }
}

pub async fn until_served(address: SocketAddr) {
    let limit = Instant::now() + LIMIT;
    while tokio::net::TcpStream::connect(address).await.is_err() {
        assert!(Instant::now() < limit, "nothing is served at {address} within {LIMIT:?}");
        sleep(Duration::from_millis(20)).await;
    }
}

pub async fn answer(asked: reqwest::RequestBuilder) -> Answer {
    let answer = asked.send().await.expect("an answer");
    let (status, headers) = (answer.status(), answer.headers().clone());
    Answer { status, headers, text: answer.text().await.expect("text") }
}

/// The row of a store in a page, its tags taken out.
pub fn row(page: &str, store: &str) -> String {
    let start = page.find(&format!("data-store=\"{store}\"")).unwrap_or_else(|| panic!("no row of {store} in\n{page}"));
    let end = page[start..].find("</tr>").expect("its end") + start;
    plain(&page[start..end])
}

/// Text without tags, one blank between words.
pub fn plain(html: &str) -> String {
    let mut text = String::new();
    let mut within = false;
    for c in html.chars() {
        match c {
            '<' => within = true,
            '>' => {
                within = false;
                text.push(' ');
            }
            c if !within => text.push(c),
            _ => {}
        }
    }
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
