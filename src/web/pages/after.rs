//! What follows a visit: reports that customers wait for, and what customers said, each with what is to be done next.

use super::refused;
use crate::{
    clock,
    domain::{
        Timestamp,
        feedback::{Stage, Topic},
        visit::Visit,
    },
    report::Lang,
    store::Feedback,
    web::{
        AppState,
        api::reports::promised,
        doors::Who,
        error::WebError,
        looks,
        shell::{Shell, page, problem},
    },
};
use askama::Template;
use axum::{extract::State, response::Response};

/// As many as a week brings.
const SHOWN: usize = 100;

#[derive(Debug, Template)]
#[template(path = "after.html")]
struct After {
    shell: Shell,
    due: Vec<Due>,
    said: Vec<Said>,
}

/// A report that a customer waits for.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) visit: String,
    pub(super) customer: String,
    pub(super) closed: String,
    pub(super) until: String,
    pub(super) late: bool,
}

/// Something a customer said.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) id: String,
    pub(super) visit: String,
    pub(super) customer: String,
    pub(super) customer_id: String,
    pub(super) topic: &'static str,
    pub(super) stars: String,
    pub(super) words: String,
    pub(super) given: String,
    /// The next deadline; empty once it is solved.
    pub(super) until: String,
    pub(super) late: bool,
    /// How long there is, or how late it is; empty once it is solved.
    pub(super) clock: String,
    pub(super) class: &'static str,
    pub(super) state: &'static str,
    /// What a tap makes of it: `answered` or `solved`; empty at the end.
    pub(super) next: &'static str,
    pub(super) next_title: &'static str,
}

/// `GET /after`
pub async fn after(State(state): State<AppState>, who: Who, shell: Shell) -> Response {
    match gather(&state, &who, shell.lang).await {
        Ok((due, said)) => {
            let template = After { shell, due, said };
            page(&template.shell, &template)
        }
        Err(refused) => problem(shell, &refused),
    }
}

pub(super) async fn gather(state: &AppState, who: &Who, lang: Lang) -> Result<(Vec<Due>, Vec<Said>), WebError> {
    let now = clock::now().wall;
    let store = &state.store;
    let visits = store.reports_due(now).await.map_err(|fault| refused::store(&fault))?;
    let feedback = store.feedback(SHOWN).await.map_err(|fault| refused::store(&fault))?;
    let seen = visits.iter().map(|visit| visit.customer).chain(feedback.iter().map(|one| one.customer));
    looks::note(state, who, "looked.feedback", seen).await;
    let mut due = Vec::new();
    for visit in &visits {
        let customer = store.customer(visit.customer).await.map_err(|fault| refused::store(&fault))?;
        due.push(waits(visit, customer.name, now));
    }
    let mut said = Vec::new();
    for one in feedback {
        let customer = store.customer(one.customer).await.map_err(|fault| refused::store(&fault))?;
        said.push(told(lang, one, customer.name, now));
    }
    Ok((due, said))
}

fn waits(visit: &Visit, customer: String, now: Timestamp) -> Due {
    let closed = visit.closed.map(|at| at.wall);
    let until = promised(visit);
    let text = |at: Option<Timestamp>| at.map_or_else(String::new, |at| at.to_string());
    Due {
        visit: visit.id.to_string(),
        customer,
        closed: text(closed),
        until: text(until),
        late: until.is_some_and(|at| at < now),
    }
}

fn told(lang: Lang, one: Feedback, customer: String, now: Timestamp) -> Said {
    let until = one.due();
    let stage = match (one.answered, one.solved) {
        (_, Some(_)) => Stage::Solved,
        (Some(_), None) => Stage::Answered,
        (None, None) => Stage::Given,
    };
    let (class, state, next, next_title) = match stage {
        Stage::Given => ("warn", lang.pick("等您回复", "to be answered"), "answered", lang.pick("已回复", "Answered")),
        Stage::Answered => {
            ("warn", lang.pick("已回复，待解决", "answered, to be solved"), "solved", lang.pick("已解决", "Solved"))
        }
        Stage::Solved => ("good", lang.pick("已解决", "Solved"), "", ""),
    };
    Said {
        id: one.id.to_string(),
        visit: one.visit.to_string(),
        customer,
        customer_id: one.customer.to_string(),
        topic: topic(lang, one.topic),
        stars: one.stars.map_or_else(String::new, |stars| format!("{stars} / 5")),
        words: one.words,
        given: one.given.to_string(),
        late: until.is_some_and(|at| at < now),
        clock: until.map_or_else(String::new, |until| left(lang, until, now)),
        until: until.map_or_else(String::new, |at| at.to_string()),
        class,
        state,
        next,
        next_title,
    }
}

/// Hours that are left, or that it is late by; a begun hour counts.
fn left(lang: Lang, until: Timestamp, now: Timestamp) -> String {
    let ms = until.unix_ms() - now.unix_ms();
    let hours = (ms.abs() + 3_599_999) / 3_600_000;
    if ms < 0 {
        lang.sentence(&format!("已超时 {hours} 小时"), &format!("{hours} h late"))
    } else {
        lang.sentence(&format!("还有 {hours} 小时"), &format!("{hours} h left"))
    }
}

fn topic(lang: Lang, topic: Topic) -> &'static str {
    match topic {
        Topic::Visit => lang.pick("对这次到店的评价", "about the visit"),
        Topic::Step => lang.pick("对一个步骤的评价", "about a step"),
        Topic::Call => lang.pick("请打电话给我", "please call me"),
        Topic::Unsubscribe => lang.pick("不想再收到消息", "no more messages"),
        Topic::Withdraw => lang.pick("撤回同意（已生效）", "consent withdrawn (in effect)"),
        Topic::MyData => lang.pick("想要一份自己的资料", "wants a copy of their data"),
        Topic::Erasure => lang.pick("要求删除资料", "asks to be erased"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_a_word_runs_down_and_then_up() {
        let at = |minutes: i64| Timestamp::from_unix_ms(minutes * 60_000);
        let said = |now| left(Lang::En, at(1_440), at(now));
        assert_eq!([said(0), said(1_381), said(1_440)], ["24 h left", "1 h left", "0 h left"]);
        assert_eq!([said(1_441), said(1_620)], ["1 h late", "3 h late"]);
    }
}
