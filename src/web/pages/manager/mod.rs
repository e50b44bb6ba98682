//! The manager's page: the day's visits and what stands open, reports and feedback with their clocks, whom to write to, and how
//! devices and the way to headquarters are, in words.

mod follow;
mod house;
pub mod log;
mod visits;

use super::{
    after::{self, Due, Said},
    home::{Trouble, troubles},
    refused,
};
use crate::{
    clock,
    domain::{
        Day, Timestamp,
        staff::{Person, STATION},
    },
    report::Lang,
    store::DayVisit,
    web::{
        AppState,
        api::follow_ups,
        doors::Who,
        error::WebError,
        looks,
        shell::{Shell, page, problem},
    },
};
use askama::Template;
use axum::{extract::State, response::Response};
use follow::Call;
use house::{Room, Sentence};
use visits::{Line, Unfinished};

#[derive(Debug, Template)]
#[template(path = "manager.html")]
struct ManagerPage {
    shell: Shell,
    figures: Vec<Figure>,
    day: String,
    /// Noon of that day, for the tablet's own words.
    noon: String,
    is_today: bool,
    before: String,
    next: String,
    visits: Vec<Line>,
    unfinished: Vec<Unfinished>,
    due: Vec<Call>,
    coming: Vec<Call>,
    reports: Vec<Due>,
    feedback: Vec<Said>,
    rooms: Vec<Room>,
    transfer: Vec<Sentence>,
    troubles: Vec<Trouble>,
}

/// One number at the head of the page, and where its list is.
#[derive(Debug, PartialEq, Eq)]
struct Figure {
    at: &'static str,
    class: &'static str,
    count: usize,
    title: &'static str,
    detail: String,
}

/// `GET /manager`; `?day=2026-11-27` shows the visits of another day.
pub async fn manager(State(state): State<AppState>, who: Who, shell: Shell) -> Response {
    match gather(&state, &who, shell.clone()).await {
        Ok(template) => page(&template.shell, &template),
        Err(refused) => problem(shell, &refused),
    }
}

async fn gather(state: &AppState, who: &Who, shell: Shell) -> Result<ManagerPage, WebError> {
    let (lang, now, zone) = (shell.lang, clock::now().wall, state.about.calendar.zone);
    let today = zone.day(now);
    let day = shell.day.unwrap_or(today);
    let of_day = between(state, day).await?;
    let todays = if day == today { of_day.clone() } else { between(state, today).await? };
    let open = state.store.unfinished_visits().await.map_err(|fault| refused::store(&fault))?;
    let follow_ups = follow_ups::due(state, now).await?;
    let (reports, said) = after::gather(state, who, lang).await?;
    let feedback: Vec<Said> = said.into_iter().filter(|one| !one.next.is_empty()).collect();
    let seen = of_day.iter().chain(&open).map(|one| one.visit.customer);
    looks::note(state, who, "looked.manager", seen.chain(follow_ups.iter().map(|one| one.of.customer.id))).await;

    let people = state.store.people().await.map_err(|fault| refused::store(&fault))?;
    let visits = of_day.iter().map(|one| visits::line(state, lang, &people, one, now)).collect();
    let mut unfinished = Vec::new();
    for one in &open {
        unfinished.push(visits::unfinished(state, lang, &people, one, now).await?);
    }
    let (due, coming): (Vec<_>, Vec<_>) = follow_ups.iter().partition(|one| one.now);
    let due: Vec<Call> = due.into_iter().map(|one| follow::call(lang, one)).collect();
    let coming: Vec<Call> = coming.into_iter().map(|one| follow::call(lang, one)).collect();
    let figures = figures(lang, &todays, &unfinished, &reports, &feedback, (due.len(), coming.len()));
    Ok(ManagerPage {
        figures,
        day: day.to_string(),
        noon: zone.at(day, 12, 0).to_string(),
        is_today: day == today,
        before: day.plus(-1).to_string(),
        next: day.plus(1).to_string(),
        visits,
        unfinished,
        due,
        coming,
        reports,
        feedback,
        rooms: house::rooms(state, lang).await?,
        transfer: house::transfer(state, lang).await?,
        troubles: troubles(state, lang).await?,
        shell,
    })
}

async fn between(state: &AppState, day: Day) -> Result<Vec<DayVisit>, WebError> {
    let zone = state.about.calendar.zone;
    let found = state.store.visits_between(zone.start(day), zone.start(day.plus(1))).await;
    found.map_err(|fault| refused::store(&fault))
}

fn figures(
    lang: Lang,
    todays: &[DayVisit],
    unfinished: &[Unfinished],
    reports: &[Due],
    feedback: &[Said],
    (due, coming): (usize, usize),
) -> Vec<Figure> {
    let t = |zh, en| lang.pick(zh, en);
    let say = |zh: String, en: String| lang.sentence(&zh, &en);
    let class = |count: usize, late: usize| match (count, late) {
        (0, _) => "good",
        (_, 0) => "warn",
        _ => "bad",
    };
    let (counted, closed) = visits::counts(todays);
    let forgotten = unfinished.iter().filter(|one| one.forgotten).count();
    let (late, overdue) =
        (reports.iter().filter(|one| one.late).count(), feedback.iter().filter(|one| one.late).count());
    vec![
        Figure {
            at: "visits",
            class: "plain",
            count: counted,
            title: t("今天到店", "Visits today"),
            detail: match closed {
                0 => t("还没有结束的", "none closed yet").to_owned(),
                _ => say(format!("已结束 {closed} 次"), format!("{closed} closed")),
            },
        },
        Figure {
            at: "unfinished",
            class: if forgotten > 0 { "bad" } else { "plain" },
            count: unfinished.len(),
            title: t("未结束的到店", "Open visits"),
            detail: match forgotten {
                0 => t("没有遗留", "none left behind").to_owned(),
                _ => say(format!("{forgotten} 次是以前留下的"), format!("{forgotten} left open before today")),
            },
        },
        Figure {
            at: "reports",
            class: class(reports.len(), late),
            count: reports.len(),
            title: t("等着发的报告", "Reports to deliver"),
            detail: match late {
                0 => t("都在两小时之内", "all within two hours").to_owned(),
                _ => say(format!("{late} 份已过两小时"), format!("{late} over two hours")),
            },
        },
        Figure {
            at: "feedback",
            class: class(feedback.len(), overdue),
            count: feedback.len(),
            title: t("待处理的反馈", "Feedback to see to"),
            detail: match overdue {
                0 => t("都在期限之内", "all in time").to_owned(),
                _ => say(format!("{overdue} 条已超时"), format!("{overdue} late")),
            },
        },
        Figure {
            at: "follow-ups",
            class: class(due, 0),
            count: due,
            title: t("该回访的顾客", "Follow-ups due"),
            detail: match coming {
                0 => t("七天内没有别的", "no others within seven days").to_owned(),
                _ => say(format!("七天内还有 {coming} 次"), format!("{coming} more within seven days")),
            },
        },
    ]
}

/// Whoever a record names, by name; by the number where they are gone.
fn called(lang: Lang, people: &[Person], id: &str) -> String {
    match people.iter().find(|person| person.id == id) {
        Some(person) => person.name.clone(),
        None if id == STATION => lang.pick("未登录", "not logged in").to_owned(),
        None => id.to_owned(),
    }
}

/// Hours from one moment to another, rounded up.
fn hours(from: Timestamp, to: Timestamp) -> i64 {
    (to.unix_ms() - from.unix_ms() + 3_599_999).div_euclid(3_600_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_calm_until_something_is_late() {
        let calm = figures(Lang::En, &[], &[], &[], &[], (0, 0));
        let classes: Vec<&str> = calm.iter().map(|figure| figure.class).collect();
        assert_eq!(classes, ["plain", "plain", "good", "good", "good"]);
        let due = figures(Lang::Zh, &[], &[], &[], &[], (2, 3));
        assert_eq!((due[4].class, due[4].count, due[4].detail.as_str()), ("warn", 2, "七天内还有 3 次"));
        let due = figures(Lang::Hant, &[], &[], &[], &[], (2, 3));
        assert_eq!(due[4].detail, "七天內還有 3 次");
    }
}
