//! The same figures for Prometheus, under a bearer token. No names of people or customers, no ids of visits. What is not known has
//! no sample.

use super::{
    Shared,
    board::{Board, Gateway},
    books::Away,
};
use crate::{
    domain::{ClockState, Timestamp},
    hq::{
        HqError,
        database::engine::Engine,
        rollout::{self, Entry, State as Of, cause::Cause},
    },
};
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use openssl::sha::sha256;
use std::fmt::Write as _;

/// One metric of a gateway.
struct Metric {
    name: &'static str,
    help: &'static str,
    /// Has no sample while records of the last days are still being counted: a part would be taken for the whole.
    counted: bool,
    of: fn(&Gateway) -> Option<f64>,
}

const fn metric(name: &'static str, help: &'static str, of: fn(&Gateway) -> Option<f64>) -> Metric {
    Metric { name, help, counted: false, of }
}

const fn counted(name: &'static str, help: &'static str, of: fn(&Gateway) -> Option<f64>) -> Metric {
    Metric { name, help, counted: true, of }
}

/// Every gauge is of one gateway, labelled `store` and `gateway`.
const METRICS: &[Metric] = &[
    metric("skinlink_hq_gateway_online", "1 online, 0 away, by the broker's last word.", |one| {
        one.online.map(|online| f64::from(u8::from(online)))
    }),
    metric("skinlink_hq_gateway_changed_seconds", "When it came or went last, seconds since 1970.", |one| {
        one.since_ms.map(seconds)
    }),
    metric("skinlink_hq_gateway_heard_seconds", "When it was heard last, seconds since 1970.", |one| {
        (one.heard_ms > 0).then(|| seconds(one.heard_ms))
    }),
    metric("skinlink_hq_gateway_online_ratio_7d", "Part of the watched time of 7 days that it was online.", |one| {
        one.online_week?.share()
    }),
    metric("skinlink_hq_backlog_records", "Records it has spoken of that are not here.", |one| {
        Some(one.behind() as f64)
    }),
    metric("skinlink_hq_whole_until_seconds", "All its records up to this time are here, seconds since 1970.", |one| {
        one.whole_until.map(|at| seconds(at.unix_ms()))
    }),
    metric(
        "skinlink_hq_oldest_unsent_seconds",
        "Since when its oldest unacknowledged record waits, as it says.",
        |one| one.about.health.as_ref()?.oldest_waiting.map(|at| seconds(at.unix_ms())),
    ),
    metric("skinlink_hq_missing_records", "Records missing in between.", |one| Some(one.missing as f64)),
    metric("skinlink_hq_lost_records", "Records that nobody holds any more.", |one| Some(one.lost as f64)),
    metric("skinlink_hq_dead_letters", "Records that were refused.", |one| Some(one.refused as f64)),
    metric("skinlink_hq_alarms", "Alarms that nobody has taken out.", |one| Some(one.alarms as f64)),
    counted("skinlink_hq_records_today", "Records that came today.", |one| Some(one.delays.today.records as f64)),
    counted("skinlink_hq_in_time_ratio_today", "Part of today's records that were here within 5 minutes.", |one| {
        one.delays.today.in_time()
    }),
    counted("skinlink_hq_in_time_ratio_7d", "Part of 7 days' records that were here within 5 minutes.", |one| {
        one.delays.week.in_time()
    }),
    metric(
        "skinlink_hq_fastest_record_seconds",
        "Fastest way of a record in 24 h; negative: its clock is ahead, above 120: behind, or its line is slow.",
        |one| one.delays.fastest_ms.map(seconds),
    ),
    metric("skinlink_hq_clock_unset", "1 where it does not know the time, 0 where it does, as it says.", |one| {
        Some(f64::from(u8::from(one.about.health.as_ref()?.clock? == ClockState::Unset)))
    }),
    metric("skinlink_hq_disk_free_ratio", "Free part of its disk.", |one| one.about.health.as_ref()?.disk_free()),
    metric("skinlink_hq_devices_configured", "Devices it is configured for.", |one| {
        Some(one.about.devices.as_ref()?.len() as f64)
    }),
    metric("skinlink_hq_devices_connected", "Devices it is connected to.", |one| {
        let devices = one.about.devices.as_ref()?;
        Some(devices.iter().filter(|device| device.connected == Some(true)).count() as f64)
    }),
    metric("skinlink_hq_batteries_low", "Devices whose battery is below 20 %.", |one| {
        Some(one.about.devices.as_ref()?.iter().filter(|device| device.is_weak()).count() as f64)
    }),
];

/// Of a gateway, labelled `store`, `gateway` and `version`.
const INFO: &str = "skinlink_hq_gateway_info";

/// Of a store, labelled `store`.
const FEEDBACK_OPEN: &str = "skinlink_hq_feedback_open";
const FEEDBACK_LATE: &str = "skinlink_hq_feedback_late";

/// Of headquarters.
const WAITING: &str = "skinlink_hq_waiting_for_shelf";
const READ: &str = "skinlink_hq_board_read_seconds";
const WATCHED: &str = "skinlink_hq_watched_seconds";
const COUNTED: &str = "skinlink_hq_counted";

/// Of the last rollout of each slot, labelled `slot` and `version`.
const ROLLOUT: &str = "skinlink_hq_rollout_state";
const ROLLOUT_RING: &str = "skinlink_hq_rollout_ring";
const ROLLOUT_GATEWAYS: &str = "skinlink_hq_rollout_gateways";
/// Labelled `by`, too: `itself` or `person`.
const ROLLOUT_HALTED: &str = "skinlink_hq_rollout_halted_seconds";

/// The names of all metrics.
pub fn names() -> impl Iterator<Item = &'static str> {
    METRICS.iter().map(|metric| metric.name).chain([
        INFO,
        FEEDBACK_OPEN,
        FEEDBACK_LATE,
        WAITING,
        READ,
        WATCHED,
        COUNTED,
        ROLLOUT,
        ROLLOUT_RING,
        ROLLOUT_GATEWAYS,
        ROLLOUT_HALTED,
    ])
}

fn seconds(ms: i64) -> f64 {
    ms as f64 / 1_000.0
}

/// `GET /metrics`; looks like nothing without a token of ours.
pub(super) async fn page(State(office): Shared, headers: HeaderMap) -> Response {
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let shown = shown.and_then(|value| value.strip_prefix("Bearer ")).map(|token| sha256(token.as_bytes()));
    if office.metrics_token.is_none() || shown != office.metrics_token {
        return StatusCode::NOT_FOUND.into_response();
    }
    let read = async {
        let board = office.watch.board().await?;
        let rollouts = office.books.ask(Rollouts::read).await?;
        Ok::<_, Away>((board, rollouts))
    };
    match read.await {
        Ok((board, rollouts)) => {
            let mut text = text(&board);
            rolled_out(&mut text, &rollouts);
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
        }
        Err(Away) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    }
}

/// The newest rollout of each slot, and how gateways stand to it.
#[derive(Default)]
struct Rollouts {
    last: Vec<Entry>,
    /// Slot, version, stand, gateways.
    counts: Vec<(String, u64, String, u64)>,
    /// Those of `last` that were halted: slot, version, whether by itself, when.
    halts: Vec<(String, u64, bool, Timestamp)>,
}

impl Rollouts {
    fn read(engine: &mut dyn Engine) -> Result<Self, HqError> {
        let mut read = Self { counts: rollout::counts(engine)?, ..Self::default() };
        for entry in rollout::list(engine)? {
            if read.last.iter().all(|known| known.slot != entry.slot) {
                read.last.push(entry);
            }
        }
        for Entry { n, slot, version, .. } in read.last.iter().filter(|entry| entry.state == Of::Halted) {
            let halted = rollout::happened(engine, *n)?.into_iter().find(|step| step.what == "halted");
            // By what was the cause, and not by who did it: somebody's name may be anything.
            read.halts.extend(
                halted.map(|step| (slot.clone(), *version, step.cause.as_ref() != Some(&Cause::Asked), step.at)),
            );
        }
        Ok(read)
    }
}

fn rolled_out(out: &mut String, Rollouts { last, counts, halts }: &Rollouts) {
    head(out, ROLLOUT, "1 for the state of the last rollout of a slot: running, paused, finished, halted or back.");
    for Entry { slot, version, state, .. } in last {
        let _ = writeln!(out, "{ROLLOUT}{{slot=\"{slot}\",version=\"{version}\",state=\"{state}\"}} 1");
    }
    head(out, ROLLOUT_RING, "The ring that it reached, from 1.");
    for Entry { slot, version, ring, .. } in last {
        let _ = writeln!(out, "{ROLLOUT_RING}{{slot=\"{slot}\",version=\"{version}\"}} {}", ring + 1);
    }
    head(out, ROLLOUT_GATEWAYS, "Gateways by what they told of it: held, used, refused, left or past.");
    for (slot, version, stand, many) in counts {
        let _ = writeln!(out, "{ROLLOUT_GATEWAYS}{{slot=\"{slot}\",version=\"{version}\",stand=\"{stand}\"}} {many}");
    }
    head(out, ROLLOUT_HALTED, "When it was halted, by itself or by a person, seconds since 1970.");
    for (slot, version, by_itself, at) in halts {
        let (by, at) = (if *by_itself { "itself" } else { "person" }, seconds(at.unix_ms()));
        let _ = writeln!(out, "{ROLLOUT_HALTED}{{slot=\"{slot}\",version=\"{version}\",by=\"{by}\"}} {at}");
    }
}

/// A text of a gateway's own as a label's value.
fn quoted(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

fn text(board: &Board) -> String {
    let mut out = String::new();
    let gateways = || board.stores.values().flat_map(|store| store.gateways.iter().map(move |one| (&store.store, one)));
    for Metric { name, help, counted, of } in METRICS {
        head(&mut out, name, help);
        for (store, one) in gateways().filter(|_| board.counted || !counted) {
            if let Some(value) = of(one) {
                // Both are names of topics: nothing in them needs a mark.
                let _ = writeln!(out, "{name}{{store=\"{store}\",gateway=\"{}\"}} {value}", one.gateway);
            }
        }
    }
    head(&mut out, INFO, "1 for the version of the program that it runs.");
    for (store, one) in gateways() {
        if let Some(version) = &one.version {
            let (gateway, version) = (&one.gateway, quoted(version));
            let _ = writeln!(out, "{INFO}{{store=\"{store}\",gateway=\"{gateway}\",version=\"{version}\"}} 1");
        }
    }
    let now = Timestamp::from_unix_ms(board.at_ms);
    head(&mut out, FEEDBACK_OPEN, "Words of customers that are not solved.");
    for store in board.stores.values() {
        let _ = writeln!(out, "{FEEDBACK_OPEN}{{store=\"{}\"}} {}", store.store, store.open.len());
    }
    head(&mut out, FEEDBACK_LATE, "Of them those not answered within 24 h or not solved within 72 h.");
    for store in board.stores.values() {
        let late = store.open.iter().filter(|open| open.is_late(now)).count();
        let _ = writeln!(out, "{FEEDBACK_LATE}{{store=\"{}\"}} {late}", store.store);
    }
    head(&mut out, WAITING, "Things that wait for the shelf of pictures.");
    let _ = writeln!(out, "{WAITING} {}", board.waiting.len());
    head(&mut out, READ, "When these figures were read, seconds since 1970.");
    let _ = writeln!(out, "{READ} {}", seconds(board.at_ms));
    head(&mut out, WATCHED, "When a receiver was last known to be connected to the broker, seconds since 1970.");
    if let Some(at) = board.watched_ms {
        let _ = writeln!(out, "{WATCHED} {}", seconds(at));
    }
    head(&mut out, COUNTED, "1 where the records of all 7 days are counted; until then what is counted has no sample.");
    let _ = writeln!(out, "{COUNTED} {}", u8::from(board.counted));
    out
}

fn head(out: &mut String, name: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hq::office::{
        board::Store,
        delays::{Delays, Share},
    };

    /// After an update the hours of a week are counted anew, some at a time; an alert on a part of them would be none on the chain.
    #[test]
    fn what_is_not_counted_yet_has_no_sample() {
        let share = Share { records: 4, in_time: 1, untimed: 0, fastest_ms: None };
        let gateway = Gateway {
            gateway: "g".into(),
            delays: Delays { today: share, week: share, fastest_ms: None },
            ..Gateway::default()
        };
        let store = Store { store: "s".into(), gateways: vec![gateway], ..Store::default() };
        let board = Board { stores: [("s".to_owned(), store)].into(), ..Board::default() };
        let (part, whole) = (text(&board), text(&Board { counted: true, ..board }));
        for name in ["skinlink_hq_records_today", "skinlink_hq_in_time_ratio_today", "skinlink_hq_in_time_ratio_7d"] {
            assert!(!part.contains(&format!("{name}{{")) && whole.contains(&format!("{name}{{")), "{name}");
        }
        assert!(part.contains("\nskinlink_hq_counted 0\n") && whole.contains("\nskinlink_hq_counted 1\n"), "{part}");
        assert!(part.contains("skinlink_hq_alarms{"), "the others go on");
    }

    /// A halt was an alert until the next rollout of its slot, also one that a person had ordered, and nobody could end it.
    #[test]
    fn a_halt_says_who_halted_and_when() {
        let halt = |version, by_itself| ("model/a".to_owned(), version, by_itself, Timestamp::from_unix_ms(1_500));
        let mut out = String::new();
        rolled_out(&mut out, &Rollouts { halts: vec![halt(7, true), halt(8, false)], ..Rollouts::default() });
        let says = |line: &str| out.lines().any(|one| one == line);
        assert!(says("skinlink_hq_rollout_halted_seconds{slot=\"model/a\",version=\"7\",by=\"itself\"} 1.5"), "{out}");
        assert!(says("skinlink_hq_rollout_halted_seconds{slot=\"model/a\",version=\"8\",by=\"person\"} 1.5"), "{out}");
    }

    /// What a gateway calls its version is its own word: it may hold what would end the label.
    #[test]
    fn a_version_stays_within_its_label() {
        let gateway = Gateway { gateway: "g".into(), version: Some("1\"} 0\n\\".into()), ..Gateway::default() };
        let store = Store { store: "s".into(), gateways: vec![gateway], ..Store::default() };
        let out = text(&Board { stores: [("s".to_owned(), store)].into(), ..Board::default() });
        let line = r#"skinlink_hq_gateway_info{store="s",gateway="g",version="1\"} 0\n\\"} 1"#;
        assert!(out.lines().any(|one| one == line), "{out}");
    }
}
