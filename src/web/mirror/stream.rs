//! What a mirror hears: how far a scan has come, as it comes, and that its picture is another one by now (it reads its page again then, so
//! that there is one place that draws it). Never a measured number, a name or an id.
//!
//! A screen that belongs to no station hears its code, and where to go once it belongs to one; so long as it waits it listens to no
//! station.

use super::{
    board::{Place, Watch},
    digest_of, page, pairing, scene,
};
use crate::{
    report::Lang,
    tasks::{
        live::{Item, News},
        scan_view::{ScanView, StepView},
    },
    web::{AppState, error::WebError},
};
use axum::{
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{Stream, stream};
use serde_json::json;
use std::{collections::VecDeque, convert::Infallible, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

/// A screen that was switched off shows within this.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long a screen waits before it comes back.
const RETRY: Duration = Duration::from_secs(1);
/// A mirror at rest looks again by itself, whatever it hears.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// `GET /mirror/{station}/events`
pub async fn events(
    State(state): State<AppState>,
    Path(station): Path<String>,
    headers: HeaderMap,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, WebError> {
    let digest = digest_of(&headers).ok_or_else(no_page)?;
    let watch = state.mirrors.watch();
    let pairings = watch.pairings();
    let ear = match pairing(&state, &station, digest).await? {
        Some(mirror) => {
            let coming = state.live.subscribe(None).await.map_err(|_| WebError::stopping())?.coming;
            Ear::Station(Box::new(Listener {
                lang: mirror.lang.parse().unwrap_or(Lang::Zh),
                state,
                station,
                digest,
                watch,
                pairings,
                coming,
                key: String::new(),
                scan: None,
                view: None,
                until: Instant::now(),
                ready: VecDeque::new(),
                over: false,
            }))
        }
        None => {
            let place = state.mirrors.wait(digest);
            Ear::Nobody(Box::new(Waiting { place, state, digest, watch, pairings, told: false, over: false }))
        }
    };
    let told = stream::unfold(ear, |mut ear| async move {
        let event = match &mut ear {
            Ear::Station(listener) => listener.next().await,
            Ear::Nobody(waiting) => waiting.next().await,
        };
        event.map(|event| (Ok(event), ear))
    });
    Ok(Sse::new(told).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

fn no_page() -> WebError {
    WebError::new(
        StatusCode::UNAUTHORIZED,
        "no_mirror",
        "cookie",
        "open /mirror in the screen's browser first",
        "请先在镜面的浏览器里打开镜面页。",
        "Open the mirror's page in the screen's browser first.",
    )
}

enum Ear {
    Station(Box<Listener>),
    Nobody(Box<Waiting>),
}

/// A screen that waits for a station.
struct Waiting {
    place: Place,
    state: AppState,
    digest: [u8; 32],
    watch: Watch,
    pairings: u64,
    told: bool,
    over: bool,
}

impl Waiting {
    async fn next(&mut self) -> Option<Event> {
        if self.over {
            return None;
        }
        if !self.told {
            self.told = true;
            return Some(named("code", &json!({ "code": self.place.code })).retry(RETRY));
        }
        loop {
            tokio::select! {
                () = self.state.stop.cancelled() => return None,
                changed = self.watch.changed() => if !changed { return None },
            }
            if moved(&self.watch, &mut self.pairings)
                && let Some(station) = self.state.store.station_of_mirror(self.digest).await.ok()?
            {
                self.over = true;
                return Some(named("go", &json!({ "to": page::address(&station) })));
            }
            if !self.place.is_held() {
                return None;
            }
        }
    }
}

/// Whether screens were paired or unpaired since this was asked last.
fn moved(watch: &Watch, seen: &mut u64) -> bool {
    let now = watch.pairings();
    std::mem::replace(seen, now) != now
}

/// A station's screen.
struct Listener {
    state: AppState,
    station: String,
    digest: [u8; 32],
    lang: Lang,
    watch: Watch,
    pairings: u64,
    coming: mpsc::Receiver<Item>,
    /// What it shows.
    key: String,
    /// Where the scan stood that was told last: how many values, whether it runs.
    scan: Option<(String, &'static str, u32)>,
    /// The same scan in full, while it is under way.
    view: Option<ScanView>,
    /// When it must look again.
    until: Instant,
    ready: VecDeque<Event>,
    over: bool,
}

impl Listener {
    async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.over {
                return None;
            }
            if self.key.is_empty() {
                self.look().await?;
                continue;
            }
            tokio::select! {
                () = self.state.stop.cancelled() => return None,
                item = self.coming.recv() => self.heard(&item?.news).await?,
                changed = self.watch.changed() => {
                    if !changed {
                        return None;
                    }
                    if moved(&self.watch, &mut self.pairings) && !self.is_ours().await? {
                        self.over = true;
                        return Some(named("go", &json!({ "to": page::address(&self.station) })));
                    }
                    self.look().await?;
                }
                () = sleep_until(self.until) => self.look().await?,
            }
        }
    }

    /// Whether this screen is the station's still, in the language it speaks.
    async fn is_ours(&self) -> Option<bool> {
        let found = pairing(&self.state, &self.station, self.digest).await.ok()?;
        Some(found.is_some_and(|mirror| mirror.lang.parse() == Ok(self.lang)))
    }

    /// Looks what is to be shown and says so where it is something else; `None` ends the stream, and the screen comes back.
    async fn look(&mut self) -> Option<()> {
        let shows = scene::look(&self.state, &self.station, self.lang).await.ok()?;
        let again = Instant::now() + LOOK_AGAIN;
        self.until = self.state.mirrors.rests(&self.station).map_or(again, |until| until.min(again));
        if shows.key != self.key {
            self.key = shows.key;
            self.ready.push_back(named("look", &json!({ "scene": self.key })).retry(RETRY));
        }
        if let scene::Scene::Scan(progress) = shows.scene {
            self.ready.push_back(named("scan", &json!(progress)));
        }
        Some(())
    }

    async fn heard(&mut self, news: &News) -> Option<()> {
        if news.station() != Some(&self.station) {
            return Some(());
        }
        match news {
            News::Scan { scan, .. } => {
                // A device that comes and goes beside a scan that nobody goes on with is no sign of life.
                let stands = (scan.id.clone(), scan.state, scan.regions.iter().map(|r| r.have).sum());
                if self.scan.as_ref() != Some(&stands) {
                    self.state.mirrors.stir(&self.station);
                    self.scan = Some(stands);
                }
                self.follow(scan).await
            }
            News::Repeat { scan, metric, region, have, .. } => {
                self.state.mirrors.stir(&self.station);
                self.one_more(scan, metric, region, *have);
                Some(())
            }
            News::Visit { .. } => {
                self.state.mirrors.stir(&self.station);
                self.look().await
            }
            _ => Some(()),
        }
    }

    /// A value is told before its reading is closed; the scan as a whole follows when it is.
    fn one_more(&mut self, scan: &str, metric: &str, region: &str, have: u8) {
        let Some(view) = self.view.as_mut().filter(|view| view.id == scan && self.key == scene::key_of(view)) else {
            return;
        };
        let at = |step: &StepView| step.region == region;
        if let Some(step) = view.steps.iter_mut().find(|step| at(step) && step.metric == metric) {
            step.have = have;
        }
        let sum = view.steps.iter().filter(|step| at(step)).map(|step| u32::from(step.have.min(step.need))).sum();
        if let Some(line) = view.regions.iter_mut().find(|line| line.region == region) {
            line.have = sum;
        }
        self.ready.push_back(named("scan", &json!(scene::progress(self.lang, view))));
    }

    /// The quick way: while the same scan is under way, nothing is asked of the store.
    async fn follow(&mut self, scan: &ScanView) -> Option<()> {
        let under_way = matches!(scan.state, "running" | "paused");
        if !(under_way && self.key == scene::key_of(scan)) {
            return self.look().await;
        }
        self.ready.push_back(named("scan", &json!(scene::progress(self.lang, scan))));
        self.view = Some(scan.clone());
        Some(())
    }
}

fn named(kind: &'static str, data: &serde_json::Value) -> Event {
    Event::default().event(kind).data(data.to_string())
}
