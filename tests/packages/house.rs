//! A store for these stories: the real daemon with a folder of its own, and the chain's key.

use crate::{
    LIMIT,
    headquarters::{Headquarters, address},
    hq::{Package, Speaker},
};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use skinlink::{
    app::demo::Process,
    store::{Options, Store, StoreKey},
    sync::package::{Header, SigningKey, Slot, sign},
};
use std::{
    ffi::OsString,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
};
use tokio::time::{Duration, Instant, sleep, timeout};

pub const CHAIN: &str = "qinghe";
/// Of the configuration.
pub const PACKAGES: &str = "[packages]\nchain = \"qinghe\"\nkeys = [\"chain.pem\"]\n";
pub const CHAIR: &str = "chair-1";

pub struct House {
    pub hq: Speaker,
    pub headquarters: Headquarters,
    pub key: SigningKey,
    pub daemon: Option<Process>,
    pub folder: PathBuf,
    port: u16,
    http: Client,
}

pub fn project() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

pub fn model() -> Slot {
    Slot::Model("pores-dog".into())
}

impl House {
    /// Broker, headquarters and the daemon are up; the gateway's own model is in use.
    pub async fn open() -> Self {
        let mut house = Self::closed().await;
        house.starts(&[]).await;
        house
    }

    /// All but the daemon.
    pub async fn closed() -> Self {
        let headquarters = Headquarters::without_receiver().await;
        let hq = Speaker::start(&headquarters, &address()).await;
        let folder = headquarters.folder.path().join("store");
        copy(&project().join("models/pores-dog"), &folder.join("models/pores-dog"));
        for file in ["metrics.toml", "suggestions.toml", "treatments.toml"] {
            fs::copy(project().join("config").join(file), folder.join(file)).unwrap();
        }
        let key = SigningKey::generate().unwrap();
        fs::write(folder.join("chain.pem"), key.public_pem().unwrap()).unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let http = Client::builder().timeout(Duration::from_secs(30)).build().unwrap();
        let house = Self { hq, headquarters, key, daemon: None, folder, port, http };
        house.write_config(64, PACKAGES);
        house.hq.shows(house.folder.join("daemon.log"));
        house
    }

    pub fn write_config(&self, min_free_mib: u64, packages: &str) {
        let tls = self.headquarters.certificate(&address().gateway);
        let shown = |path: &Path| toml::Value::String(path.display().to_string()).to_string();
        let text = format!(
            "[store]\nid = \"sh-001\"\ngateway = \"sh-001-g1\"\ndata = \"data\"\nmin_free_mib = {min_free_mib}\n\
             [[station]]\nid = \"{CHAIR}\"\n\
             [mqtt]\nenabled = true\nhost = \"127.0.0.1\"\nport = {broker}\nca = {ca}\ncertificate = {certificate}\nkey = {key}\nkeep_alive_s = 5\n\
             [web]\nlisten = \"127.0.0.1:{port}\"\n\
             {packages}\
             [scan]\nmetrics = [\"moisture\"]\nprotocols = {protocols}\nmodels = \"models\"\nregions_file = {regions}\nonnxruntime = {runtime}\n",
            broker = self.headquarters.line.port(),
            ca = shown(&tls.ca),
            certificate = shown(&tls.certificate),
            key = shown(&tls.key),
            port = self.port,
            protocols = shown(&project().join("firmware-protocols")),
            regions = shown(&project().join("config/face-regions.toml")),
            runtime = shown(&project().join("target/onnxruntime").join(skinlink::app::runtime::FILE)),
        );
        fs::write(self.config(), text).unwrap();
    }

    pub fn config(&self) -> PathBuf {
        self.folder.join("gateway.toml")
    }

    /// Starts the daemon without waiting for it.
    pub fn begins(&mut self, environment: &[(&str, String)]) {
        let program = PathBuf::from(env!("CARGO_BIN_EXE_skinlink"));
        let arguments = [OsString::from("run"), "--config".into(), self.config().into()];
        let log = self.folder.join("daemon.log");
        self.daemon = Some(Process::start("skinlink run", &program, &arguments, environment, &log).unwrap());
    }

    pub async fn starts(&mut self, environment: &[(&str, String)]) {
        self.begins(environment);
        self.answers().await;
    }

    /// Waits until the daemon answers and its own model is in use.
    pub async fn answers(&mut self) {
        let begun = Instant::now();
        while self.get("models").await.is_none_or(|models| models["models"].as_array().is_none_or(Vec::is_empty)) {
            if let Err(ended) = self.daemon.as_mut().expect("started").still_running() {
                panic!("{ended}; it said:\n{}", self.log());
            }
            assert!(begun.elapsed() < LIMIT, "the daemon does not answer:\n{}", self.log());
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until the daemon has died.
    pub async fn dies(&mut self) {
        let mut daemon = self.daemon.take().expect("started");
        assert!(daemon.ended_within(LIMIT).await, "the daemon lives on:\n{}", self.log());
    }

    pub async fn stops(&mut self) {
        self.daemon.take().expect("started").stop().await.unwrap_or_else(|fault| panic!("{fault}\n{}", self.log()));
    }

    pub fn log(&self) -> String {
        let log = fs::read_to_string(self.folder.join("daemon.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }

    /// The store of a gateway that was stopped.
    pub fn store(&self) -> Store {
        let data = self.folder.join("data");
        let key = StoreKey::load_or_create(&data.join("store.key"), &data).unwrap();
        let source = "skinlink://sh-001/sh-001-g1".to_owned();
        Store::open(Options { data, key, source, min_free: 0, readers: 1 }).unwrap()
    }

    /// Names in the folder of packages.
    pub fn shelf(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("data/packages")).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    pub async fn get(&self, call: &str) -> Option<Value> {
        self.http.get(format!("{}/api/v1/{call}", self.address())).send().await.ok()?.json().await.ok()
    }

    pub fn address(&self) -> String {
        format!("http://{}", self.place())
    }

    /// Host and port.
    pub fn place(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Version of the model in use.
    pub async fn model_in_use(&self) -> String {
        let models = self.get("models").await.expect("an answer");
        models["models"][0]["version"].as_str().unwrap_or_default().to_owned()
    }

    /// A write; the visit's version is that of `seen`.
    pub async fn post(&self, call: &str, seen: Option<&Value>, body: Value) -> Value {
        let request = self.http.post(format!("{}/api/v1/{call}", self.address())).json(&body);
        self.send(call, seen, request).await
    }

    async fn send(&self, call: &str, seen: Option<&Value>, request: reqwest::RequestBuilder) -> Value {
        let request = match seen.and_then(|view| view["version"].as_u64()) {
            Some(version) => request.header("if-match", format!("\"{version}\"")),
            None => request,
        };
        let answer = request
            .header("x-skinlink", "1")
            .send()
            .await
            .unwrap_or_else(|fault| panic!("{call}: {fault}\n{}", self.log()));
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success() || status == StatusCode::CREATED, "{call}: {status} {text}");
        serde_json::from_str(&text).unwrap_or(Value::Null)
    }

    pub async fn visit(&self, id: &str) -> Value {
        self.get(&format!("visits/{id}")).await.expect("an answer")
    }

    /// A customer sits down and agrees; the id of the visit, with its first scan running.
    pub async fn scans(&self, name: &str) -> (String, String) {
        let card = json!({"name": name, "phone": "13800000000", "skin_type": "混合性", "notes": ""});
        let customer = self.post("customers", None, card).await;
        let opening = json!({"customer": customer["id"], "station": CHAIR, "beautician": "b-07"});
        let visit = self.post("visits", None, opening).await;
        let id = visit["id"].as_str().expect("a visit").to_owned();
        let purposes = json!({"measure": true, "photograph": true});
        let consents = json!({"text_version": "2026-11", "channel": "station", "staff": "b-07",
            "signature": "M10 30L20 12L32 34L44 14L60 28", "purposes": purposes});
        self.post(&format!("visits/{id}/consents"), Some(&visit), consents).await;
        let view = self.visit(&id).await;
        self.post(&format!("visits/{id}/scans"), Some(&view), json!({"phase": "before"})).await;
        let view = self.visit(&id).await;
        let scan = view["scans"][0]["id"].as_str().expect("a scan").to_owned();
        (id, scan)
    }

    /// Does something with the scan of a visit: `pause`, `cancel`.
    pub async fn scan(&self, visit: &str, scan: &str, verb: &str) {
        let view = self.visit(visit).await;
        self.post(&format!("scans/{scan}/{verb}"), Some(&view), json!({})).await;
    }

    /// A photograph, measured: the versions of the models that gave its scores.
    pub async fn photographs(&self, visit: &str, picture: Vec<u8>, anchors: [[f64; 2]; 2]) -> Vec<String> {
        let view = self.visit(visit).await;
        let before = captures(&view).len();
        let [[x1, y1], [x2, y2]] = anchors;
        let call = format!("visits/{visit}/captures");
        let request = self.http.request(Method::POST, format!("{}/api/v1/{call}", self.address()));
        let request = request.query(&[("phase", "before"), ("view", "left"), ("light", "white"), ("camera", "test")]);
        let request = request.query(&[("anchors", format!("{x1},{y1},{x2},{y2}"))]).body(picture);
        self.send(&call, Some(&view), request).await;
        let begun = Instant::now();
        loop {
            let view = self.visit(visit).await;
            let all = captures(&view);
            let last = all.get(before).filter(|capture| capture["analysis"] != "queued");
            if let Some(capture) = last {
                let scores = capture["scores"].as_array().cloned().unwrap_or_default();
                let of = scores.iter().filter(|score| score["model"] == "pores-dog");
                let mut versions: Vec<String> =
                    of.map(|score| score["model_version"].as_str().unwrap().to_owned()).collect();
                versions.dedup();
                return versions;
            }
            assert!(begun.elapsed() < LIMIT, "it is not measured: {view}\n{}", self.log());
            sleep(Duration::from_millis(50)).await;
        }
    }

    fn header(&self, slot: Slot, version: u64) -> Header {
        Header {
            chain: CHAIN.into(),
            slot,
            version,
            made: "2026-11-28T06:30:00.000Z".into(),
            until: None,
            note: String::new(),
            files: Vec::new(),
        }
    }

    /// A package of one file, signed by the chain.
    pub fn rules(&self, slot: Slot, version: u64, text: &str) -> Package {
        self.signed(slot, version, text, |_| {})
    }

    /// The same with another header.
    pub fn signed(&self, slot: Slot, version: u64, text: &str, change: impl FnOnce(&mut Header)) -> Package {
        let mut header = self.header(slot.clone(), version);
        change(&mut header);
        let files = [(slot.file().expect("rules").to_owned(), text.as_bytes().to_vec())];
        Package::of(slot, version, sign(header, &files, &self.key).unwrap())
    }

    /// The store's own model under another version, with its files changed.
    pub fn model(&self, version: u64, called: &str, change: impl Fn(&str, Vec<u8>) -> Vec<u8>) -> Package {
        self.model_of(model(), version, called, change)
    }

    /// The same for another slot.
    pub fn model_of(
        &self,
        slot: Slot,
        version: u64,
        called: &str,
        change: impl Fn(&str, Vec<u8>) -> Vec<u8>,
    ) -> Package {
        let folder = project().join("models/pores-dog");
        let mut files = Vec::new();
        for path in files_of(&folder) {
            let name = path.strip_prefix(&folder).unwrap().display().to_string();
            let mut bytes = fs::read(&path).unwrap();
            if name == "manifest.toml" {
                let text = String::from_utf8(bytes).unwrap();
                let from = text.lines().find(|line| line.starts_with("version = ")).unwrap();
                bytes = text.replacen(from, &format!("version = \"{called}\""), 1).into_bytes();
            }
            let bytes = change(&name, bytes);
            files.push((name, bytes));
        }
        Package::of(slot.clone(), version, sign(self.header(slot, version), &files, &self.key).unwrap())
    }

    /// What `skinlink` prints with these words.
    pub async fn command(&self, words: &[&str]) -> String {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_skinlink"));
        command.args(words).arg("--config").arg(self.config()).kill_on_drop(true);
        let output = timeout(LIMIT, command.output()).await.expect("it ends").unwrap();
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
    }
}

fn captures(view: &Value) -> Vec<Value> {
    let scans = view["scans"].as_array().into_iter().flatten();
    scans.flat_map(|scan| scan["captures"].as_array().cloned().unwrap_or_default()).collect()
}

fn files_of(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() { files.extend(files_of(&entry.path())) } else { files.push(entry.path()) }
    }
    files.sort();
    files
}

pub fn copy(from: &Path, to: &Path) {
    for path in files_of(from) {
        let to = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(&path, to).unwrap();
    }
}
