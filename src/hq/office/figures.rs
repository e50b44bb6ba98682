//! The chain in words: for each store what stands in its row, and what a person must look at first. What is not known is said so.

use super::{
    board::{Board, Gateway, Store},
    delays::Share,
    people::Reach,
    shell::Shell,
};
use crate::domain::{ClockState, Timestamp};

/// A store that is away for longer than a restart takes.
const AWAY_MS: i64 = 10 * 60_000;

/// A clock that is off by more confuses the order of a visit's records.
const CLOCK_MS: i64 = 2 * 60_000;

/// The service plan's own numbers.
const ONLINE: f64 = 0.998;
const IN_TIME: f64 = 0.99;

/// A disk that is fuller soon takes no photographs.
const DISK_FREE: f64 = 0.10;

/// What may need a person, worst last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Class {
    /// Not known, or nothing to say.
    #[default]
    Plain,
    Good,
    Warn,
    Bad,
}

impl Class {
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "good",
            Self::Warn => "warn",
            Self::Bad => "bad",
        }
    }

    /// Beside the colour.
    #[must_use]
    pub const fn sign(self) -> &'static str {
        match self {
            Self::Plain | Self::Good => "",
            Self::Warn => "△ ",
            Self::Bad => "▲ ",
        }
    }
}

/// One figure of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cell {
    pub label: &'static str,
    pub text: String,
    pub more: String,
    pub class: Class,
}

/// One store's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    pub store: String,
    pub class: Class,
    pub cells: Vec<Cell>,
}

/// A number at the head of the page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    pub count: String,
    pub title: &'static str,
    pub more: String,
    pub class: Class,
}

/// A part as people read it, never better than it is.
#[must_use]
pub fn percent(part: f64, decimals: u8) -> String {
    let scale = 10_f64.powi(i32::from(decimals));
    // What binary fractions took away is given back, and no more.
    let floor = (part * 100.0 * scale + 1e-6).floor() / scale;
    format!("{floor:.*} %", usize::from(decimals))
}

/// `12 s`, `3 min`, `2 h`, `5 d`.
#[must_use]
pub fn span(shell: &Shell, ms: i64) -> String {
    let seconds = ms.abs() / 1_000;
    let (number, zh, en) = match seconds {
        0..90 => (seconds, "秒", "s"),
        90..5_400 => (seconds / 60, "分钟", "min"),
        5_400..172_800 => (seconds / 3_600, "小时", "h"),
        _ => (seconds / 86_400, "天", "d"),
    };
    format!("{number} {}", shell.t(zh, en))
}

fn unknown(shell: &Shell) -> String {
    shell.t("未知", "unknown").to_owned()
}

/// Rows of the stores that may be seen, what needs a person first.
#[must_use]
pub fn rows(shell: &Shell, board: &Board, reach: &Reach) -> Vec<Row> {
    let mut rows: Vec<Row> = seen(board, reach)
        .filter(|store| store.store.contains(&shell.q))
        .map(|store| row(shell, store, board))
        .collect();
    rows.sort_by(|one, other| other.class.cmp(&one.class).then_with(|| one.store.cmp(&other.store)));
    rows
}

fn seen<'a>(board: &'a Board, reach: &'a Reach) -> impl Iterator<Item = &'a Store> {
    board.stores.values().filter(|store| reach.has(&store.store))
}

/// What stands in a store's row.
#[must_use]
pub fn row(shell: &Shell, store: &Store, board: &Board) -> Row {
    let now = Timestamp::from_unix_ms(board.at_ms);
    let mut cells = vec![status(shell, store, board, now), backlog(shell, store), holes(shell, store)];
    cells.push(in_time(shell, store, board.counted));
    cells.extend([availability(shell, store), disk(shell, store), clock(shell, store), devices(shell, store)]);
    cells.extend([alarms(shell, store), feedback(shell, store, now), version(shell, store)]);
    let class = cells.iter().map(|cell| cell.class).max().unwrap_or_default();
    Row { store: store.store.clone(), class, cells }
}

fn cell(label: &'static str, text: impl Into<String>, more: impl Into<String>, class: Class) -> Cell {
    Cell { label, text: text.into(), more: more.into(), class }
}

fn status(shell: &Shell, store: &Store, board: &Board, now: Timestamp) -> Cell {
    let label = shell.lang.pick("状态", "Status");
    if board.is_blind() {
        return cell(
            label,
            unknown(shell),
            shell.t("总部没有连上消息服务器", "headquarters is not connected to the broker"),
            Class::Warn,
        );
    }
    let away = store.gateways.iter().filter(|gateway| gateway.online == Some(false)).collect::<Vec<_>>();
    let since = |gateway: &Gateway| gateway.since_ms.map(Timestamp::from_unix_ms);
    if let Some(first) = away.iter().min_by_key(|gateway| gateway.since_ms) {
        let long = first.since_ms.is_none_or(|since| now.unix_ms() - since >= AWAY_MS);
        let more =
            since(first).map_or_else(|| unknown(shell), |at| format!("{}{}", shell.t("自 ", "since "), shell.time(at)));
        return cell(label, shell.t("○ 离线", "○ away"), more, if long { Class::Bad } else { Class::Warn });
    }
    if store.gateways.iter().all(|gateway| gateway.online == Some(true)) {
        let more = store.gateways.iter().filter_map(since).max();
        let more = more.map(|at| format!("{}{}", shell.t("自 ", "since "), shell.time(at))).unwrap_or_default();
        return cell(label, shell.t("● 在线", "● online"), more, Class::Good);
    }
    cell(label, unknown(shell), shell.t("从未报到", "never said"), Class::Plain)
}

/// What has not come, and since when it waits: as the gateway says, which alone knows.
fn backlog(shell: &Shell, store: &Store) -> Cell {
    let label = shell.lang.pick("待补传", "Backlog");
    let behind: u64 = store.gateways.iter().map(Gateway::behind).sum();
    let whole = store.gateways.iter().filter_map(|gateway| gateway.whole_until).min();
    let online = store.gateways.iter().all(|gateway| gateway.online == Some(true));
    let oldest = store.gateways.iter().filter_map(|gateway| gateway.about.health.as_ref()?.oldest_waiting).min();
    let more = match (oldest, whole) {
        (Some(at), _) if online => format!("{}{}", shell.t("最早一条 ", "oldest "), shell.time(at)),
        (_, Some(at)) => format!("{}{}", shell.t("已齐至 ", "whole up to "), shell.time(at)),
        _ => String::new(),
    };
    if !online {
        // What it recorded since is known there alone.
        let known = if behind > 0 { format!("≥ {behind}") } else { unknown(shell) };
        return cell(label, known, more, if behind > 0 { Class::Warn } else { Class::Plain });
    }
    cell(label, behind.to_string(), more, if behind > 0 { Class::Warn } else { Class::Plain })
}

fn holes(shell: &Shell, store: &Store) -> Cell {
    let label = shell.lang.pick("缺口", "Holes");
    let missing: u64 = store.gateways.iter().map(|gateway| gateway.missing).sum();
    let lost: u64 = store.gateways.iter().map(|gateway| gateway.lost).sum();
    let more = if lost > 0 { format!("{}{lost}", shell.t("已丢失 ", "lost ")) } else { String::new() };
    let class = match (missing, lost) {
        (_, 1..) => Class::Bad,
        (1.., _) => Class::Warn,
        _ => Class::Plain,
    };
    cell(label, missing.to_string(), more, class)
}

fn in_time(shell: &Shell, store: &Store, counted: bool) -> Cell {
    let label = shell.lang.pick("五分钟内到达", "Within 5 min");
    let (mut today, mut week) = (Share::default(), Share::default());
    for gateway in &store.gateways {
        today.add(gateway.delays.today);
        week.add(gateway.delays.week);
    }
    let text = today.in_time().map_or_else(|| "—".to_owned(), |part| percent(part, 1));
    let more = week.in_time().map_or_else(
        || if counted { shell.t("7 天内无记录", "no record in 7 d").to_owned() } else { still(shell) },
        |part| {
            let still = if counted { String::new() } else { still(shell) };
            format!("{}{}{still}", shell.t("7 天 ", "7 d "), percent(part, 1))
        },
    );
    let late = [today, week].into_iter().filter_map(Share::in_time).any(|part| part < IN_TIME);
    cell(label, text, more, if late { Class::Warn } else { Class::Plain })
}

/// Beside what is not all counted yet: a part of it may look better or worse than the whole.
fn still(shell: &Shell) -> String {
    shell.t("（统计中）", " (counting)").to_owned()
}

fn availability(shell: &Shell, store: &Store) -> Cell {
    let label = shell.lang.pick("在线率 7 天", "Online, 7 d");
    let online = store.gateways.iter().filter_map(|gateway| gateway.online_week).collect::<Vec<_>>();
    let share = online.iter().filter_map(|one| one.share()).min_by(f64::total_cmp);
    let watched = online.iter().map(|one| one.watched_ms).min().unwrap_or(0);
    let more = if share.is_some() {
        format!("{}{}", shell.t("观测 ", "watched "), span(shell, watched))
    } else {
        String::new()
    };
    let class = if share.is_some_and(|share| share < ONLINE) { Class::Warn } else { Class::Plain };
    cell(label, share.map_or_else(|| unknown(shell), |share| percent(share, 2)), more, class)
}

/// What a store said before it went away need not hold any more.
fn as_known(shell: &Shell, store: &Store, more: String) -> String {
    if store.gateways.iter().all(|gateway| gateway.online != Some(false)) {
        return more;
    }
    let before = shell.t("离线前", "before it went");
    if more.is_empty() { before.to_owned() } else { format!("{more} · {before}") }
}

fn disk(shell: &Shell, store: &Store) -> Cell {
    let label = shell.lang.pick("磁盘可用", "Disk free");
    let least = store
        .gateways
        .iter()
        .filter_map(|gateway| gateway.about.health.as_ref())
        .filter_map(|health| Some((health.disk_free()?, health.disk_free_mib?)))
        .min_by(|one, other| one.0.total_cmp(&other.0));
    match least {
        Some((part, mib)) => {
            let class = if part < DISK_FREE { Class::Bad } else { Class::Plain };
            cell(label, percent(part, 0), as_known(shell, store, format!("{:.1} GiB", mib as f64 / 1024.0)), class)
        }
        None => cell(label, unknown(shell), "", Class::Plain),
    }
}

/// How far the store's clock may be off, from the fastest record of a day: it took some time on its way.
fn clock(shell: &Shell, store: &Store) -> Cell {
    let label = shell.lang.pick("时钟", "Clock");
    let state = store.gateways.iter().filter_map(|gateway| gateway.about.health.as_ref()?.clock).max();
    let (said, unset) = match state {
        Some(ClockState::Synced) => (shell.t("已同步", "synced"), false),
        Some(ClockState::Holdover) => (shell.t("自走", "on its own"), false),
        Some(ClockState::Unset) => (shell.t("未设置", "not set"), true),
        None => ("", false),
    };
    let fastest = store.gateways.iter().filter_map(|gateway| gateway.delays.fastest_ms).max_by_key(|ms| ms.abs());
    let text = match fastest {
        None => unknown(shell),
        Some(ms) if ms < 0 => format!("{} ≥ {}", shell.t("快", "ahead"), span(shell, ms)),
        // Rounded up, as a limit is.
        Some(ms) => format!("{} ≤ {}", shell.t("慢", "behind"), span(shell, (ms + 999).max(1_000))),
    };
    let off = fastest.is_some_and(|ms| ms.abs() > CLOCK_MS);
    cell(
        label,
        text,
        said,
        if unset || fastest.is_some_and(|ms| ms < -CLOCK_MS) {
            Class::Bad
        } else if off {
            Class::Warn
        } else {
            Class::Plain
        },
    )
}

fn devices(shell: &Shell, store: &Store) -> Cell {
    let label = shell.lang.pick("设备", "Devices");
    let mut known = false;
    let (mut all, mut there, mut weak) = (0, 0, 0);
    for devices in store.gateways.iter().filter_map(|gateway| gateway.about.devices.as_ref()) {
        known = true;
        all += devices.len();
        there += devices.iter().filter(|device| device.connected == Some(true)).count();
        weak += devices.iter().filter(|device| device.is_weak()).count();
    }
    if !known {
        return cell(label, unknown(shell), "", Class::Plain);
    }
    let more = if weak > 0 { format!("{}{weak}", shell.t("电量低 ", "battery low ")) } else { String::new() };
    let more = as_known(shell, store, more);
    cell(label, format!("{there}/{all}"), more, if there < all || weak > 0 { Class::Warn } else { Class::Plain })
}

fn alarms(shell: &Shell, store: &Store) -> Cell {
    let label = shell.lang.pick("告警 · 死信", "Alarms · dead letters");
    let alarms: u64 = store.gateways.iter().map(|gateway| gateway.alarms).sum();
    let refused: u64 = store.gateways.iter().map(|gateway| gateway.refused).sum();
    cell(label, format!("{alarms} · {refused}"), "", if alarms + refused > 0 { Class::Bad } else { Class::Plain })
}

fn feedback(shell: &Shell, store: &Store, now: Timestamp) -> Cell {
    let label = shell.lang.pick("反馈", "Feedback");
    let late = store.open.iter().filter(|open| open.is_late(now)).count();
    let due = store.open.iter().filter(|open| !open.is_late(now)).map(super::clocks::Open::due_ms).min();
    let more = match (late, due) {
        (0, Some(due)) => format!("{}{}", shell.t("最迟 ", "by "), shell.time(Timestamp::from_unix_ms(due))),
        (0, None) => String::new(),
        (late, _) => format!("{}{late}", shell.t("超时 ", "late ")),
    };
    cell(label, store.open.len().to_string(), more, if late > 0 { Class::Bad } else { Class::Plain })
}

fn version(shell: &Shell, store: &Store) -> Cell {
    let label = shell.lang.pick("版本", "Version");
    let mut versions: Vec<&str> = store.gateways.iter().filter_map(|gateway| gateway.version.as_deref()).collect();
    versions.sort_unstable();
    versions.dedup();
    cell(label, if versions.is_empty() { unknown(shell) } else { versions.join(", ") }, "", Class::Plain)
}

/// The numbers at the head of the page, over the stores that may be seen.
#[must_use]
pub fn head(shell: &Shell, board: &Board, reach: &Reach) -> Vec<Figure> {
    let stores: Vec<&Store> = seen(board, reach).collect();
    let gateways = || stores.iter().flat_map(|store| &store.gateways);
    let now = Timestamp::from_unix_ms(board.at_ms);
    let online = stores.iter().filter(|store| store.gateways.iter().all(|one| one.online == Some(true))).count();
    let sum = |of: fn(&Gateway) -> u64| gateways().map(of).sum::<u64>();
    let (alarms, refused) = (sum(|one| one.alarms), sum(|one| one.refused));
    let late = stores.iter().flat_map(|store| &store.open).filter(|open| open.is_late(now)).count();
    let open = stores.iter().map(|store| store.open.len()).sum::<usize>();
    let (mut today, mut week) = (Share::default(), Share::default());
    gateways().for_each(|one| {
        today.add(one.delays.today);
        week.add(one.delays.week);
    });
    let or = |bad: bool, class: Class| if bad { class } else { Class::Good };
    let part = |share: Share| share.in_time().map_or_else(|| "—".to_owned(), |part| percent(part, 1));
    vec![
        Figure {
            count: format!("{online}/{}", stores.len()),
            title: shell.lang.pick("门店在线", "stores online"),
            more: String::new(),
            class: or(online < stores.len(), Class::Warn),
        },
        Figure {
            count: part(today),
            title: shell.lang.pick("今天五分钟内到达", "here within 5 min today"),
            more: format!(
                "{}{}{}",
                shell.t("7 天 ", "7 d "),
                part(week),
                if board.counted { String::new() } else { still(shell) }
            ),
            class: or(today.in_time().is_some_and(|part| part < IN_TIME), Class::Warn),
        },
        Figure {
            count: sum(Gateway::behind).to_string(),
            title: shell.lang.pick("条记录待补传", "records on their way"),
            more: format!("{}{}", shell.t("缺口 ", "holes "), sum(|one| one.missing)),
            class: or(sum(|one| one.missing) > 0, Class::Warn),
        },
        Figure {
            count: format!("{alarms} · {refused}"),
            title: shell.lang.pick("告警 · 死信", "alarms · dead letters"),
            more: String::new(),
            class: or(alarms + refused > 0, Class::Bad),
        },
        Figure {
            count: late.to_string(),
            title: shell.lang.pick("条反馈超时", "feedback late"),
            more: format!("{}{open}", shell.t("待办 ", "open ")),
            class: or(late > 0, Class::Bad),
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::{
        super::{delays::Delays, shell::tests::shell},
        *,
    };

    /// After an update the hours of a week are counted anew, newest first. Until that is done a part stands for none of the whole: at the
    /// head of the page as in the rows.
    #[test]
    fn what_is_still_counted_says_so_at_the_head_and_in_the_rows() {
        let share = Share { records: 4, in_time: 4, untimed: 0, fastest_ms: None };
        let delays = Delays { today: share, week: share, fastest_ms: None };
        let store = |delays| Store {
            store: "sh-001".into(),
            gateways: vec![Gateway { delays, ..Gateway::default() }],
            ..Store::default()
        };
        let shell = shell();
        for delays in [delays, Delays::default()] {
            for counted in [false, true] {
                let board =
                    Board { counted, stores: [("sh-001".to_owned(), store(delays))].into(), ..Board::default() };
                let head = &head(&shell, &board, &Reach::All)[1].more;
                let row = &rows(&shell, &board, &Reach::All)[0].cells[3].more;
                for said in [head, row] {
                    assert_eq!(said.contains("统计中"), !counted, "{said}");
                }
            }
        }
    }

    #[test]
    fn a_share_is_never_shown_better_than_it_is() {
        assert_eq!(percent(0.997_99, 1), "99.7 %");
        assert_eq!(percent(0.998, 1), "99.8 %");
        assert_eq!(percent(1.0, 2), "100.00 %");
        assert_eq!(percent(0.999_999, 1), "99.9 %");
        assert_eq!(percent(0.29, 0), "29 %");
    }
}
