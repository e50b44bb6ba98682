//! One store: its gateways, devices, streams, alarms, dead letters, words of customers, and its last visits.

use super::{
    missing, or_away,
    orders::{self, Line},
};
use crate::{
    clock,
    domain::Timestamp,
    hq::{
        HqError,
        database::engine::{Engine, values},
        events,
        office::{
            Shared,
            about::Device,
            board::{Board, Store},
            figures::{self, Row},
            names,
            people::{Person, Role},
            shell::{self, Shell},
            visits::{self, Visit},
        },
        orders::Kept,
        rollout::{self, Here},
        staff::{self, Desired, Reached},
    },
    sync::package::Stand,
};
use askama::Template;
use axum::{
    Extension,
    extract::{Path, State},
    http::HeaderMap,
    response::Response,
};
use std::{collections::HashMap, sync::Arc};

/// Alarms and dead letters that are listed of a store.
const LISTED: i64 = 20;

/// Dead letters of a gateway among which reasons are looked for.
const LETTERS: i64 = 1_000;

/// A page that reads itself again says what it keeps of what it shows: `visits`, which are read seldom.
const KEEPS: &str = "x-skinlink-keeps";

#[derive(Debug, Template)]
#[template(path = "office/store.html")]
struct Page {
    shell: Shell,
    row: Row,
    /// What it shows, for the stream that tells of changes.
    mark: String,
    devices: Vec<Machine>,
    /// Whether a gateway has said anything of devices.
    devices_known: bool,
    streams: Vec<Stream>,
    alarms: Vec<Alarm>,
    letters: Vec<Alarm>,
    open: Vec<Clock>,
    visits: Option<Vec<Listed>>,
    /// The page that reads itself again keeps the visits that it shows.
    kept: bool,
    /// Facts of the store are made again: nobody knows now which visits may be listed.
    remaking: bool,
    /// The key of the form and the last checks, for whoever may order one.
    checks: Option<(String, Vec<Line>)>,
    staff: Option<Roll>,
    rolled: Vec<Rolled>,
    at: String,
}

/// A package of the chain in one of its gateways.
#[derive(Debug)]
struct Rolled {
    since: String,
    name: String,
    /// Gateway; photographs, where it counts some.
    more: String,
    reason: String,
    state: &'static str,
    class: &'static str,
}

/// Headquarters' list of who works there, where it has one.
#[derive(Debug)]
struct Roll {
    version: u64,
    people: usize,
    /// Gateway, what is said of it, class.
    gateways: Vec<(String, String, &'static str)>,
}

#[derive(Debug)]
struct Machine {
    station: String,
    what: String,
    firmware: String,
    state: &'static str,
    class: &'static str,
    more: String,
}

#[derive(Debug)]
struct Stream {
    gateway: String,
    /// The last digits: what tells two lives of a store apart.
    epoch: String,
    present: bool,
    begun: String,
    upto: u64,
    last: u64,
    redeliveries: u64,
}

#[derive(Debug)]
struct Alarm {
    at: String,
    reason: String,
    times: i64,
}

#[derive(Debug)]
struct Clock {
    topic: String,
    given: String,
    due: String,
    state: &'static str,
    late: bool,
}

#[derive(Debug)]
struct Listed {
    visit: String,
    changed: String,
    station: String,
    beautician: String,
    state: String,
    voided: bool,
}

/// What the database is asked for beside the board.
struct Asked {
    streams: Vec<Told>,
    alarms: Vec<(i64, String, i64)>,
    letters: Vec<(i64, String, i64)>,
    visits: Option<Vec<Visit>>,
    kept: bool,
    remaking: bool,
    checks: Option<Vec<Kept>>,
    staff: Option<Desired>,
    rolled: Vec<Here>,
}

struct Told {
    gateway: String,
    epoch: String,
    present: bool,
    begun_ms: i64,
    upto: u64,
    last: u64,
    redeliveries: u64,
}

impl Asked {
    /// `keeps`: whoever asks shows the visits already.
    fn ask(engine: &mut dyn Engine, store: &str, role: Role, keeps: bool) -> Result<Self, HqError> {
        let now = clock::now().wall;
        let kept = keeps && role.sees_visits();
        let listed = role.sees_visits() && !keeps;
        let visits = listed.then(|| visits::of_store(engine, store, now)).transpose()?;
        let remaking = visits == Some(None);
        let checks = role.has_checked().then(|| orders::checks(engine, store)).transpose()?;
        let staff = staff::desired(engine, store)?.filter(|desired| desired.version > 0);
        Ok(Self {
            streams: streams(engine, store)?,
            alarms: alarms(engine, store)?,
            letters: letters(engine, store)?,
            visits: visits.map(Option::unwrap_or_default),
            kept,
            remaking,
            checks,
            staff,
            rolled: rollout::here(engine, store)?,
        })
    }
}

fn streams(engine: &mut dyn Engine, store: &str) -> Result<Vec<Told>, HqError> {
    let rows = engine.query(
        "SELECT s.gateway, s.epoch, CASE WHEN s.epoch = g.epoch THEN 1 ELSE 0 END, s.begun_ms, s.upto,
             CASE WHEN s.last_seq > s.announced THEN s.last_seq ELSE s.announced END, s.redeliveries
         FROM streams s JOIN gateways g ON g.gateway = s.gateway
         WHERE g.store = ?1 AND g.retired_ms IS NULL ORDER BY s.begun_ms DESC LIMIT ?2",
        values![store, LISTED],
    )?;
    let told = |row: &crate::hq::database::engine::Row| {
        Ok(Told {
            gateway: row.get(0)?,
            epoch: row.get(1)?,
            present: row.get(2)?,
            begun_ms: row.get(3)?,
            upto: row.get(4)?,
            last: row.get(5)?,
            redeliveries: row.get(6)?,
        })
    };
    rows.iter().map(told).collect()
}

fn alarms(engine: &mut dyn Engine, store: &str) -> Result<Vec<(i64, String, i64)>, HqError> {
    let rows = engine.query(
        "SELECT coalesce(a.last_ms, a.raised_ms), a.reason, a.times FROM alarms a JOIN gateways g ON g.gateway = a.gateway
         WHERE g.store = ?1 AND g.retired_ms IS NULL ORDER BY 1 DESC LIMIT ?2",
        values![store, LISTED],
    )?;
    rows.iter().map(|row| Ok((row.get(0)?, events::sentence(&row.get::<String>(1)?), row.get(2)?))).collect()
}

/// The reasons alone: what was refused may hold anything. Of each gateway in use the newest [`LETTERS`]: the page reads itself again all the
/// while, and there may be any number.
fn letters(engine: &mut dyn Engine, store: &str) -> Result<Vec<(i64, String, i64)>, HqError> {
    let gateways =
        engine.query("SELECT gateway FROM gateways WHERE store = ?1 AND retired_ms IS NULL", values![store])?;
    let mut reasons: HashMap<String, (i64, i64)> = HashMap::new();
    for gateway in &gateways {
        let rows = engine.query(
            "SELECT max(received_ms), refused, count(*) FROM
                 (SELECT received_ms, refused FROM events WHERE gateway = ?1 AND refused IS NOT NULL
                  ORDER BY epoch DESC, seq DESC LIMIT ?2) AS newest
             GROUP BY refused",
            values![&gateway.get::<String>(0)?, LETTERS],
        )?;
        for row in &rows {
            let (last, times) = reasons.entry(row.get(1)?).or_default();
            *last = (*last).max(row.get(0)?);
            *times += row.get::<i64>(2)?;
        }
    }
    let mut all: Vec<_> = reasons.into_iter().map(|(why, (last, times))| (last, events::shown(&why), times)).collect();
    all.sort_by(|one, other| other.cmp(one));
    all.truncate(LISTED as usize);
    Ok(all)
}

/// `GET /stores/{store}`
pub async fn page(
    State(office): Shared,
    Extension(person): Extension<Person>,
    Path(store): Path<String>,
    headers: HeaderMap,
    shell: Shell,
) -> Response {
    if !person.reach.has(&store) {
        return missing(shell);
    }
    let answer = async {
        let board = office.watch.board().await?;
        if !board.stores.contains_key(&store) {
            return Ok(missing(shell));
        }
        let (asked, role, keeps) =
            (store.clone(), person.role, headers.get(KEEPS).is_some_and(|what| what == "visits"));
        let asked = office.books.ask(move |engine| Asked::ask(engine, &asked, role, keeps)).await?;
        Ok(drawn(shell, &board, &store, asked))
    };
    or_away(&headers, answer.await)
}

fn drawn(shell: Shell, board: &Arc<Board>, store: &str, asked: Asked) -> Response {
    let Some(known) = board.stores.get(store) else { return missing(shell) };
    let now = Timestamp::from_unix_ms(board.at_ms);
    let at = |ms: i64| shell.time(Timestamp::from_unix_ms(ms));
    let alarm = |(ms, reason, times): (i64, String, i64)| Alarm { at: at(ms), reason, times };
    let Asked { streams, alarms, letters, visits, kept, remaking, checks, staff, rolled } = asked;
    let (devices, devices_known) = machines(&shell, known);
    let streams = streams.into_iter().map(|told| Stream {
        epoch: told.epoch.get(told.epoch.len().saturating_sub(6)..).unwrap_or_default().to_owned(),
        gateway: told.gateway,
        present: told.present,
        begun: at(told.begun_ms),
        upto: told.upto,
        last: told.last,
        redeliveries: told.redeliveries,
    });
    let open = known.open.iter().map(|open| Clock {
        topic: names::topic(&shell, &open.topic),
        given: at(open.given_ms),
        due: at(open.due_ms()),
        state: if open.on_its_way {
            shell.lang.pick("门店还没有收到", "the store has not got it yet")
        } else if open.answered {
            shell.lang.pick("已答复，待解决", "answered, to be solved")
        } else {
            shell.lang.pick("待答复", "to be answered")
        },
        late: open.is_late(now),
    });
    let listed = |visit: Visit| Listed {
        changed: at(visit.changed_ms),
        state: names::visit_state(&shell, &visit.state),
        visit: visit.visit,
        station: visit.station,
        beautician: visit.beautician,
        voided: visit.voided,
    };
    let page = Page {
        row: figures::row(&shell, known, board),
        mark: known.mark(),
        devices,
        devices_known,
        streams: streams.collect(),
        alarms: alarms.into_iter().map(alarm).collect(),
        letters: letters.into_iter().map(alarm).collect(),
        open: open.collect(),
        visits: visits.map(|visits| visits.into_iter().map(listed).collect()),
        kept,
        remaking,
        checks: checks.map(|kept| (orders::key(), kept.into_iter().map(|one| Line::of(&shell, one)).collect())),
        staff: staff.map(|desired| roll(&shell, desired)),
        rolled: rolled.into_iter().map(|one| rolled_out(&shell, one)).collect(),
        at: shell.moment(now),
        shell: shell.clone(),
    };
    shell::page(&shell, &page)
}

fn roll(shell: &Shell, desired: Desired) -> Roll {
    let Desired { people, version, gateways } = desired;
    let line = |Reached { gateway, understands, held, kept }: Reached| {
        let (says, class) = match held {
            _ if !understands => (shell.t("程序太旧，看不懂名单", "its program is too old for it").to_owned(), "bad"),
            Some(held) if held == version && kept.is_empty() => (shell.t("已生效", "holds").to_owned(), "good"),
            Some(held) if held == version => {
                let stays =
                    shell.t("已生效，但最后一位有 PIN 的店长留任：", "holds, but the last manager with a PIN stays: ");
                (format!("{stays}{}", kept.join(", ")), "warn")
            }
            _ => (shell.t("还没有收到", "has not got it yet").to_owned(), "warn"),
        };
        (gateway, says, class)
    };
    Roll { version, people: people.len(), gateways: gateways.into_iter().map(line).collect() }
}

/// Whoever sees a store sees what is in use there; what is rolled out elsewhere is not told.
fn rolled_out(shell: &Shell, one: Here) -> Rolled {
    let Here { gateway, slot, version, stand, reason, measured, failed, since, withdrawn } = one;
    let (state, class) = match stand {
        Stand::Refused => (shell.lang.pick("已拒绝", "refused"), "bad"),
        Stand::Left => (shell.lang.pick("已停用", "left it"), ""),
        Stand::Used if withdrawn => (shell.lang.pick("已撤回，仍在用", "withdrawn, still in use"), "warn"),
        Stand::Used => (shell.lang.pick("已启用", "in use"), "good"),
        Stand::Held if withdrawn => (shell.lang.pick("已撤回", "withdrawn"), "warn"),
        Stand::Held => (shell.lang.pick("已收好", "held"), ""),
    };
    let photographs = measured.is_some() || failed.is_some();
    let (measured, failed) = (measured.unwrap_or(0), failed.unwrap_or(0));
    let photographs = photographs.then(|| {
        shell.lang.sentence(
            &format!("已分析照片 {measured} 张，失败 {failed} 张"),
            &format!("{measured} photographs measured, {failed} failed"),
        )
    });
    let more: Vec<String> = [Some(gateway), photographs].into_iter().flatten().collect();
    let (since, name) = (shell.time(since), format!("{slot} {version}"));
    Rolled { since, name, more: more.join(" · "), reason, state, class }
}

fn machines(shell: &Shell, store: &Store) -> (Vec<Machine>, bool) {
    let mut known = false;
    let mut machines = Vec::new();
    for gateway in &store.gateways {
        let Some(devices) = &gateway.about.devices else { continue };
        known = true;
        // What it said before it went away need not hold any more.
        let stale = gateway.online == Some(false);
        machines.extend(devices.iter().map(|device| machine(shell, device, stale)));
    }
    (machines, known)
}

fn machine(shell: &Shell, device: &Device, stale: bool) -> Machine {
    let (state, class) = match device.connected {
        _ if stale => (shell.lang.pick("未知（门店离线）", "unknown (the store is away)"), ""),
        Some(true) => (shell.lang.pick("已连接", "connected"), "good"),
        Some(false) => (shell.lang.pick("未连接", "not connected"), "bad"),
        None => (shell.lang.pick("未知", "unknown"), ""),
    };
    let battery = device.battery_percent.map(|percent| format!("{} {percent} %", shell.t("电量", "battery")));
    let signal = device.signal_dbm.map(|dbm| format!("{} {dbm} dBm", shell.t("信号", "signal")));
    let more: Vec<String> = [battery, signal].into_iter().flatten().collect();
    Machine {
        station: device.station.clone(),
        what: format!("{} {}", device.protocol, device.serial.as_deref().unwrap_or_default()).trim_end().to_owned(),
        firmware: device.firmware.clone().unwrap_or_default(),
        state,
        class,
        more: more.join(" · "),
    }
}
