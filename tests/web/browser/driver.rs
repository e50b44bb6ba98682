//! A real browser: Debian's chromium, driven by chromedriver. At most two at a time in this process; whatever a test does, its
//! browser ends with it.

use fantoccini::{Client, ClientBuilder, Locator, elements::Element, wd::WebDriverCompatibleCommand};
use hyper_util::client::legacy::connect::HttpConnector;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use serde_json::{Value, json};
use std::{
    io::{BufRead as _, BufReader},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::{Instant, sleep},
};

/// Longest wait for something on a page; the machine may be busy.
const PATIENCE: Duration = Duration::from_secs(40);

/// Two cores hold two browsers: each waits for its page half of the time.
const BROWSERS: u32 = 2;
static ROOM: Semaphore = Semaphore::const_new(BROWSERS as usize);

/// A window as a device has it.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    pub name: &'static str,
    pub width: u32,
    pub height: u32,
    pub touch: bool,
    pub dark: bool,
}

pub const PHONE: Window = Window { name: "phone", width: 390, height: 844, touch: true, dark: false };
pub const TABLET: Window = Window { name: "tablet", width: 1180, height: 820, touch: true, dark: false };
pub const DESKTOP: Window = Window { name: "desktop", width: 1440, height: 900, touch: false, dark: false };

/// chromedriver and all it started.
struct Driver(Child);

impl Drop for Driver {
    fn drop(&mut self) {
        // The browser is in the same group; killing the driver alone leaves it running.
        let group = Pid::from_raw(i32::try_from(self.0.id()).expect("a process id"));
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.0.wait();
    }
}

pub struct Browser {
    pub page: Client,
    pub window: Window,
    base: String,
    /// Taps of a visit, as a beautician would count them.
    pub taps: Vec<String>,
    _driver: Driver,
    _profile: TempDir,
    _room: SemaphorePermit<'static>,
}

#[derive(Debug)]
struct Vendor(&'static str, Value);

impl WebDriverCompatibleCommand for Vendor {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }
    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}

impl Browser {
    /// Opens a window on the pages under `base`; the camera shows the JPEGs of `camera`, over and over.
    pub async fn open(base: &str, window: Window, camera: &Path) -> Self {
        Self::open_in(ROOM.acquire().await.expect("never closed"), base, window, camera).await
    }

    /// Two of them side by side, for a story of two people.
    pub async fn open_two(base: &str, window: Window, camera: &Path) -> [Self; 2] {
        // Both places at once: two stories that each hold one would wait for each other for ever.
        let mut both = ROOM.acquire_many(2).await.expect("never closed");
        let one = both.split(1).expect("two places");
        [Self::open_in(one, base, window, camera).await, Self::open_in(both, base, window, camera).await]
    }

    /// The same with no other browser beside it, for a story that says how long something took.
    pub async fn open_alone(base: &str, window: Window, camera: &Path) -> Self {
        Self::open_in(ROOM.acquire_many(BROWSERS).await.expect("never closed"), base, window, camera).await
    }

    async fn open_in(room: SemaphorePermit<'static>, base: &str, window: Window, camera: &Path) -> Self {
        let (driver, port) = start_driver();
        let profile = TempDir::new().expect("a profile");
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".into(),
            "--disable-gpu".into(),
            "--disable-quic".into(),
            "--no-first-run".into(),
            "--disable-background-networking".into(),
            "--disable-component-update".into(),
            "--disable-sync".into(),
            "--disable-dev-shm-usage".into(),
            "--hide-scrollbars".into(),
            "--use-fake-device-for-media-stream".into(),
            "--use-fake-ui-for-media-stream".into(),
            format!("--user-data-dir={}", profile.path().display()),
            format!("--use-file-for-fake-video-capture={}", camera.display()),
            format!("--window-size={},{}", window.width, window.height),
        ];
        let capabilities = json!({
            "browserName": "chrome",
            "goog:chromeOptions": { "args": arguments, "binary": "/usr/bin/chromium" },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        let Value::Object(capabilities) = capabilities else { unreachable!() };
        let page = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("chromium starts; scripts/setup.sh installs it");
        let browser = Self {
            page,
            window,
            base: base.to_owned(),
            taps: Vec::new(),
            _driver: driver,
            _profile: profile,
            _room: room,
        };
        browser.shape().await;
        browser
    }

    async fn shape(&self) {
        let Window { width, height, touch, dark, .. } = self.window;
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": touch });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
        self.devtools("Emulation.setTouchEmulationEnabled", json!({ "enabled": touch, "maxTouchPoints": 5 })).await;
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", features).await;
    }

    pub async fn devtools(&self, command: &str, parameters: Value) {
        let call = Vendor("goog/cdp/execute", json!({ "cmd": command, "params": parameters }));
        self.page.issue_cmd(call).await.unwrap_or_else(|e| panic!("{command}: {e}"));
    }

    pub async fn goto(&self, path: &str) {
        self.page.goto(&format!("{}{path}", self.base)).await.unwrap_or_else(|e| panic!("{path}: {e}"));
    }

    pub async fn path(&self) -> String {
        self.page.current_url().await.expect("a page").path().to_owned()
    }

    /// Waits until something matches `css` and can be seen.
    pub async fn see(&self, css: &str) -> Element {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Ok(found) = self.page.find_all(Locator::Css(css)).await {
                for element in found {
                    if element.is_displayed().await.unwrap_or(false) {
                        return element;
                    }
                }
            }
            if Instant::now() > until {
                let (path, text) = (self.path().await, self.text().await);
                panic!("{css} was not seen on {path} within {PATIENCE:?}; the page says:\n{text}");
            }
            sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until the page says `words`.
    pub async fn hear(&self, words: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.text().await.contains(words) {
            assert!(Instant::now() < until, "{words:?} was not said within {PATIENCE:?}:\n{}", self.text().await);
            sleep(Duration::from_millis(40)).await;
        }
    }

    /// Waits until a script gives this text: a page that is seen may not have run all of its own yet.
    pub async fn gives(&self, script: &str, text: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            let found = self.run(script).await;
            if found == text {
                return;
            }
            assert!(Instant::now() < until, "{script} gives {found} after {PATIENCE:?}, not {text:?}");
            sleep(Duration::from_millis(40)).await;
        }
    }

    /// Taps something, without counting it: what the path of a visit does not count.
    pub async fn touch(&self, css: &str) {
        let until = Instant::now() + PATIENCE;
        loop {
            // A page that draws itself anew may take the element away between seeing and tapping it.
            match self.see(css).await.click().await {
                Ok(()) => return,
                Err(fault) => assert!(Instant::now() < until, "{css} could not be tapped: {fault}"),
            }
            // Under the keys at the foot: a hand moves the page.
            let css = serde_json::to_string(css).expect("text");
            let moved = "?.scrollIntoView({ block: 'center' })";
            self.run(&format!("[...document.querySelectorAll({css})].find((e) => e.offsetParent){moved}")).await;
            sleep(Duration::from_millis(60)).await;
        }
    }

    /// A tap of the visit.
    pub async fn tap(&mut self, css: &str) {
        self.touch(css).await;
        self.taps.push(css.to_owned());
    }

    pub async fn text(&self) -> String {
        let said = self.page.execute("return document.body.innerText", Vec::new()).await;
        said.ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
    }

    pub async fn run(&self, script: &str) -> Value {
        self.page.execute(script, Vec::new()).await.unwrap_or_else(|e| panic!("{script}: {e}"))
    }

    /// Keeps a picture of the whole page in `docs/screens`, when asked to (`SKINLINK_SCREENS=keep`); none without a name.
    pub async fn picture(&self, name: &str) {
        if name.is_empty() || std::env::var_os("SKINLINK_SCREENS").is_none() {
            return;
        }
        let bytes = self.page.screenshot().await.expect("a picture");
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("docs/screens");
        std::fs::create_dir_all(&folder).expect("docs/screens");
        std::fs::write(folder.join(format!("{name}.png")), bytes).expect("docs/screens is writable");
    }

    /// axe-core finds nothing wrong on this page.
    pub async fn is_accessible(&self) {
        let file = crate::house::root().join("target/axe/node_modules/axe-core/axe.min.js");
        let axe =
            std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}; run `make setup`", file.display()));
        self.run(&format!("{axe};return 1")).await;
        let script = "const done = arguments[arguments.length - 1];
            axe.run(document, { resultTypes: ['violations'] }).then((found) => done(found.violations.map((v) =>
            `${v.id}: ${v.help}: ${v.nodes.map((n) => n.target + ' ' + (n.any[0]?.message ?? '')).join(' | ')}`)), (e) => done([String(e)]))";
        let found = self.page.execute_async(script, Vec::new()).await.expect("axe runs");
        assert_eq!(found, json!([]), "on {}", self.path().await);
        // What is wider than its window is cut off or scrolls sideways.
        let wide = self.run("return document.documentElement.scrollWidth - innerWidth").await;
        assert!(wide.as_i64().unwrap_or(0) <= 0, "{} is {wide} px wider than the window", self.path().await);
    }

    /// Everything that can be tapped is at least 48 px high and wide (or has that much by itself), as fingers in gloves need.
    pub async fn fits_fingers(&self) {
        let script = "return [...document.querySelectorAll('button, a, input, select, summary')].filter((e) => {
            const box = e.getBoundingClientRect();
            if (!box.width || getComputedStyle(e).visibility === 'hidden' || e.closest('[hidden]')) return false;
            if (e.matches('input[type=radio], input[type=checkbox], input[type=file]')) {
              const label = e.closest('label').getBoundingClientRect();
              return label.height < 47.5;
            }
            if (e.matches('p a')) return false;
            return box.height < 47.5;
          }).map((e) => `${e.outerHTML.slice(0, 90)} ${e.getBoundingClientRect().height}`)";
        assert_eq!(self.run(script).await, json!([]), "on {}", self.path().await);
    }

    /// Nothing was complained of in the browser's console. `allowed`: refusals that the test brought about.
    pub async fn console_is_clean(&self, allowed: &[&str]) {
        let log = self.page.issue_cmd(Vendor("se/log", json!({ "type": "browser" }))).await.expect("a log");
        let lines = log.as_array().cloned().unwrap_or_default();
        let bad: Vec<String> = lines
            .iter()
            .filter(|line| line["level"] == "SEVERE" || line["level"] == "WARNING")
            .map(|line| line["message"].to_string())
            .filter(|message| allowed.iter().all(|word| !message.contains(word)))
            .collect();
        assert!(bad.is_empty(), "the console says: {bad:#?}");
    }

    pub async fn close(self) {
        let _ = self.page.clone().close().await;
    }
}

fn start_driver() -> (Driver, u16) {
    let mut child = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|e| panic!("chromedriver: {e}; run `make setup`"));
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let port = lines
        .by_ref()
        .map_while(Result::ok)
        .filter_map(|line| line.split("on port ").nth(1)?.trim_end_matches('.').parse().ok())
        // The first line repeats what was asked for: any free port.
        .find(|port| *port != 0)
        .expect("chromedriver says its port");
    // Its output must be read, or it stops.
    std::thread::spawn(move || lines.for_each(drop));
    (Driver(child), port)
}
