//! One rollout: its rings, what proves them, how its stores are, what happened, and what may be done with it.

use super::{missing, or_away};
use crate::{
    clock,
    domain::Timestamp,
    hq::{
        HqError,
        office::{
            Office, Shared,
            books::Away,
            people::Person,
            shell::{self, Shell},
        },
        rollout::{
            self, Deed, Entry, Happened, ITSELF, State as Of,
            packages::{self, Package},
            plan::{Limits, Proof, Seen, Stand, Store},
        },
    },
};
use askama::Template;
use axum::{
    Extension, Form,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use std::sync::Arc;

/// Stores that are listed by name: those that need somebody.
const LISTED: usize = 40;

#[derive(Debug, Template)]
#[template(path = "office/rollout.html")]
struct Page {
    shell: Shell,
    mark: String,
    n: u64,
    /// As it was drawn: a button that was drawn for another ring does nothing.
    ring: u32,
    name: String,
    state: &'static str,
    class: &'static str,
    note: String,
    signer: String,
    size: String,
    /// Why it was halted.
    why: String,
    /// What was asked for and cannot be.
    sentence: String,
    deeds: Vec<Button>,
    rings: Vec<Ring>,
    proof: Vec<Figure>,
    stores: Vec<Line>,
    more: usize,
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Button {
    word: &'static str,
    label: &'static str,
    class: &'static str,
}

#[derive(Debug)]
struct Ring {
    name: String,
    /// Begun, present or still to come.
    state: &'static str,
    class: &'static str,
    stores: usize,
    waits: usize,
    held: usize,
    used: usize,
    refused: usize,
    left: usize,
    /// Parts of a bar of 100: used, held, refused or left.
    bar: [usize; 3],
}

#[derive(Debug)]
struct Figure {
    label: &'static str,
    text: String,
    more: String,
    class: &'static str,
    sign: &'static str,
}

#[derive(Debug)]
struct Line {
    store: String,
    state: &'static str,
    class: &'static str,
    reason: String,
}

#[derive(Debug)]
struct Step {
    at: String,
    who: String,
    what: String,
    why: String,
}

/// A state's words and its class.
pub(super) fn state(shell: &Shell, state: Of) -> (&'static str, &'static str) {
    match state {
        Of::Running => (shell.lang.pick("进行中", "under way"), "good"),
        Of::Paused => (shell.lang.pick("已暂停", "paused"), "warn"),
        Of::Finished => (shell.lang.pick("已完成", "finished"), ""),
        Of::Halted => (shell.lang.pick("已停止并撤回", "halted, taken back"), "bad"),
        Of::Back => (shell.lang.pick("已撤回", "taken back"), "warn"),
    }
}

/// Bytes, as people read them.
pub(super) fn size(bytes: u64) -> String {
    if bytes < 1_000_000 { format!("{:.1} kB", bytes as f64 / 1e3) } else { format!("{:.1} MB", bytes as f64 / 1e6) }
}

struct Asked {
    mark: String,
    entry: Entry,
    seen: Seen,
    package: Option<Package>,
    happened: Vec<Happened>,
}

impl Asked {
    fn ask(engine: &mut dyn crate::hq::database::engine::Engine, n: u64) -> Result<Option<Self>, HqError> {
        let mark = rollout::mark(engine)?;
        let Some(entry) = rollout::one(engine, n)? else { return Ok(None) };
        Ok(Some(Self {
            mark,
            seen: rollout::seen(engine, &entry, clock::now().wall)?,
            package: packages::of_version(engine, &entry.slot, entry.version)?,
            happened: rollout::happened(engine, n)?,
            entry,
        }))
    }
}

/// `GET /rollouts/{n}`
pub async fn page(
    State(office): Shared,
    Extension(person): Extension<Person>,
    Path(n): Path<u64>,
    headers: HeaderMap,
    shell: Shell,
) -> Response {
    if !person.sees_rollouts() {
        return missing(shell);
    }
    or_away(&headers, drawn(&office, shell, (n, person.rolls_out()), String::new()).await)
}

async fn drawn(office: &Arc<Office>, shell: Shell, (n, may): (u64, bool), sentence: String) -> Result<Response, Away> {
    let Some(asked) = office.books.ask(move |engine| Asked::ask(engine, n)).await? else { return Ok(missing(shell)) };
    let Asked { mark, entry, seen, package, happened } = asked;
    let (words, class) = state(&shell, entry.state);
    let why = happened.iter().find_map(|step| step.cause.as_ref()).map(|cause| cause.sentence(shell.lang));
    let limits = office.rollouts.as_ref().map(|settings| &settings.limits);
    let (stores, more) = needy(&shell, &seen);
    let page = Page {
        mark,
        n,
        ring: entry.ring,
        name: entry.name(),
        state: words,
        class,
        note: package.as_ref().map(|package| package.header.note.clone()).unwrap_or_default(),
        signer: package.as_ref().map(|package| package.signer.clone()).unwrap_or_default(),
        size: package.as_ref().map(|package| size(package.bytes)).unwrap_or_default(),
        why: why.unwrap_or_default(),
        sentence,
        deeds: if may { buttons(&shell, &entry) } else { Vec::new() },
        rings: rings(&shell, &entry, &seen),
        proof: limits.map(|limits| figures(&shell, &entry, &seen, limits)).unwrap_or_default(),
        stores,
        more,
        steps: happened.into_iter().map(|step| told(&shell, step)).collect(),
        shell: shell.clone(),
    };
    Ok(shell::page(&shell, &page))
}

fn buttons(shell: &Shell, entry: &Entry) -> Vec<Button> {
    let button = |deed: &Deed| {
        let (label, class) = match deed {
            Deed::Pause => (shell.lang.pick("暂停", "Pause"), ""),
            Deed::Go => (shell.lang.pick("继续", "Go on"), "primary"),
            Deed::Next => (shell.lang.pick("不等验证，进入下一批", "Next ring without waiting"), ""),
            Deed::Halt => (shell.lang.pick("停止并撤回", "Halt and take back"), "danger"),
            Deed::Back => (shell.lang.pick("撤回", "Take back"), "danger"),
        };
        Button { word: deed.as_str(), label, class }
    };
    entry.deeds().iter().map(button).collect()
}

fn rings(shell: &Shell, entry: &Entry, seen: &Seen) -> Vec<Ring> {
    let ring = |at: u32| {
        let of: Vec<&Store> = seen.stores.iter().filter(|store| store.ring == at).collect();
        let many = |is: fn(&Stand) -> bool| of.iter().filter(|store| is(&store.stand)).count();
        let (used, held) =
            (many(|stand| matches!(stand, Stand::Used { .. })), many(|stand| matches!(stand, Stand::Held { .. })));
        let (refused, left) =
            (many(|stand| matches!(stand, Stand::Refused { .. })), many(|stand| *stand == Stand::Left));
        let share = |count: usize| (count * 100).checked_div(of.len()).unwrap_or(0);
        let is_live = matches!(entry.state, Of::Running | Of::Paused);
        let (state, class) = match at.cmp(&entry.ring) {
            _ if entry.state == Of::Finished => (shell.lang.pick("已到", "reached"), "good"),
            std::cmp::Ordering::Less => (shell.lang.pick("已到", "reached"), "good"),
            std::cmp::Ordering::Equal if is_live => (shell.lang.pick("当前", "present"), "warn"),
            std::cmp::Ordering::Equal => (shell.lang.pick("停在这里", "it ended here"), "bad"),
            std::cmp::Ordering::Greater => (shell.lang.pick("未到", "not reached"), ""),
        };
        Ring {
            name: if at == 0 {
                shell.t("试点", "Pilot").to_owned()
            } else {
                shell.lang.sentence(&format!("第 {} 批", at + 1), &format!("Ring {}", at + 1))
            },
            state,
            class,
            stores: of.len(),
            waits: many(|stand| *stand == Stand::Waits),
            held,
            used,
            refused,
            left,
            bar: [share(used), share(held), share(refused + left)],
        }
    };
    (0..entry.rings).map(ring).collect()
}

fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// What the ring that was reached has and needs.
fn figures(shell: &Shell, entry: &Entry, seen: &Seen, limits: &Limits) -> Vec<Figure> {
    let Proof { soaked, needed, photographs, photographs_needed, from, to, limit, .. } = seen.proof(limits);
    let good = |is: bool| if is { ("good", "✓ ") } else { ("warn", "… ") };
    let figure = |label, text, more, (class, sign)| Figure { label, text, more, class, sign };
    let hours = |ms: i64| format!("{:.1} h", ms as f64 / 3_600_000.0);
    let since = seen.now_ms - entry.since.unix_ms();
    let mut all = vec![
        figure(
            shell.lang.pick("用满时间的门店", "Stores that used it long enough"),
            format!("{soaked} / {needed}"),
            shell.lang.sentence(
                &format!("每家至少 {}", hours(limits.soak_ms)),
                &format!("each for {} at least", hours(limits.soak_ms)),
            ),
            good(soaked >= needed),
        ),
        figure(
            shell.lang.pick("本批已进行", "This ring has lasted"),
            hours(since),
            shell
                .lang
                .sentence(&format!("至少 {}", hours(limits.soak_ms)), &format!("{} at least", hours(limits.soak_ms))),
            good(since >= limits.soak_ms),
        ),
    ];
    if seen.is_model {
        let bad = photographs.at_least(rollout::plan::HALTS) > limit;
        let so = if bad { ("bad", "✕ ") } else { good(photographs.of >= photographs_needed && to <= limit) };
        all.push(figure(
            shell.lang.pick("已分析照片", "Photographs measured"),
            format!("{} / {photographs_needed}", photographs.of),
            String::new(),
            good(photographs.of >= photographs_needed),
        ));
        let share = photographs.share().map_or_else(|| "–".to_owned(), percent);
        let (from, to, limit) = (percent(from), percent(to), percent(limit));
        all.push(figure(
            shell.lang.pick("其中失败", "Of them failed"),
            share,
            shell.lang.sentence(
                &format!("真实值 {from} 至 {to}（每侧 95 %）；上限 {limit}"),
                &format!("truly {from} to {to} (95 % on each side); limit {limit}"),
            ),
            so,
        ));
        let before = seen.before.share().map_or_else(|| shell.t("未知", "unknown").to_owned(), percent);
        all.push(figure(shell.lang.pick("此前失败", "Failed before it"), before, String::new(), ("", "")));
    }
    all
}

/// Stores that need somebody: those that refused it, left it, or are away.
fn needy(shell: &Shell, seen: &Seen) -> (Vec<Line>, usize) {
    let line = |store: &Store| {
        let (state, class, reason) = match &store.stand {
            Stand::Refused { reason } => (shell.lang.pick("已拒绝", "refused"), "bad", reason.clone()),
            Stand::Left => (shell.lang.pick("已停用", "left it"), "warn", String::new()),
            Stand::Waits if !store.understands => {
                let words = shell.lang.pick(
                    "不收发布包：程序较旧，或没有可用的公钥",
                    "takes no packages: an older program, or no key that it can read",
                );
                (words, "", String::new())
            }
            Stand::Waits if store.ring <= seen.ring => {
                let away = store.away_since_ms.map(|at| {
                    let since = shell.time(Timestamp::from_unix_ms(at));
                    shell.lang.sentence(&format!("离线，自 {since}"), &format!("away since {since}"))
                });
                (shell.lang.pick("等待", "waits"), "", away.unwrap_or_default())
            }
            Stand::Waits | Stand::Held { .. } | Stand::Used { .. } if store.photographs.hit > 0 => {
                let rollout::chance::Count { of, hit } = store.photographs;
                let words = format!("{hit} / {of}");
                (shell.lang.pick("有照片失败", "photographs failed"), "warn", words)
            }
            Stand::Waits | Stand::Held { .. } | Stand::Used { .. } => return None,
        };
        Some(Line { store: store.name.clone(), state, class, reason })
    };
    let mut lines: Vec<Line> = seen.stores.iter().filter_map(line).collect();
    let weight = |line: &Line| match line.class {
        "bad" => 0,
        "warn" => 1,
        _ => 2,
    };
    lines.sort_by_key(weight);
    let more = lines.len().saturating_sub(LISTED);
    lines.truncate(LISTED);
    (lines, more)
}

fn told(shell: &Shell, step: Happened) -> Step {
    let Happened { at, who, what, ring, cause } = step;
    let ring = ring + 1;
    let what = match what.as_str() {
        "started" => shell.t("开始", "started").to_owned(),
        "ring" => shell.lang.sentence(&format!("进入第 {ring} 批"), &format!("ring {ring} begins")),
        "finished" => shell.t("完成", "finished").to_owned(),
        "paused" => shell.t("暂停", "paused").to_owned(),
        "gone on" => shell.t("继续", "went on").to_owned(),
        "halted" => shell.t("停止并撤回", "halted and taken back").to_owned(),
        "taken back" => shell.t("撤回", "taken back").to_owned(),
        _ => what,
    };
    let why = cause.map(|cause| cause.sentence(shell.lang)).unwrap_or_default();
    let who = if who == ITSELF { shell.t("系统自动", "by itself").to_owned() } else { who };
    Step { at: shell.time(at), who, what, why }
}

#[derive(Deserialize)]
pub struct Asks {
    deed: String,
    ring: u32,
}

/// `POST /rollouts/{n}`
pub async fn act(
    State(office): Shared,
    Extension(person): Extension<Person>,
    Path(n): Path<u64>,
    headers: HeaderMap,
    shell: Shell,
    Form(Asks { deed, ring }): Form<Asks>,
) -> Response {
    let Ok(deed) = deed.parse::<Deed>() else { return StatusCode::BAD_REQUEST.into_response() };
    if !person.rolls_out() {
        return missing(shell);
    }
    let who = person.name.clone();
    let asked =
        office.books.ask(move |engine| match rollout::act(engine, (n, Some(ring)), deed, (&who, clock::now().wall)) {
            Err(HqError::Rollout(sentence)) => Ok(Err(sentence)),
            done => done.map(Ok),
        });
    let answer = async {
        match asked.await? {
            Ok(_) => Ok(Redirect::to(&format!("/rollouts/{n}")).into_response()),
            Err(sentence) => {
                let mut answer = drawn(&office, shell, (n, true), sentence).await?;
                if answer.status() == StatusCode::OK {
                    *answer.status_mut() = StatusCode::CONFLICT;
                }
                Ok(answer)
            }
        }
    };
    or_away(&headers, answer.await)
}
