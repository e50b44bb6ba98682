//! Orders of headquarters' people: whoever looks after data protection has a customer erased and reads what became of it; whoever keeps
//! gateways running has one checked. Each stands in the audit with the order.

use super::{missing, or_away};
use crate::{
    clock,
    domain::{CustomerId, OrderId, Timestamp},
    hq::{
        HqError,
        database::engine::Engine,
        office::{
            Office, Shared,
            books::Away,
            people::Person,
            shell::{self, Shell},
            visits,
        },
        orders::{self, Answer, Given, Kept, NO_GATEWAY, New, State as Stands, Which},
    },
    sync::{
        downlink::{Order, Outcome},
        topic::is_name,
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
use serde_json::Value;

/// A store may be closed for weeks; somebody asked to be forgotten.
const ERASE_MS: i64 = 30 * 86_400_000;

/// What a machine was like yesterday helps nobody.
const CHECK_MS: i64 = 86_400_000;

/// Erasures and checks that are listed.
const LISTED: u32 = 200;
const CHECKS: u32 = 5;

/// What a form of ours sends.
#[derive(Deserialize)]
pub struct Wish {
    /// Drawn with the page: the same form sent twice is one order.
    key: String,
    /// That it is meant.
    #[serde(default)]
    sure: String,
    /// Of an erasure: whom the page showed.
    #[serde(default)]
    customer: String,
}

/// A fresh one.
#[must_use]
pub fn key() -> String {
    clock::mint(OrderId::from_bits).to_string()
}

#[derive(Debug, Template)]
#[template(path = "office/erasures.html")]
struct Page {
    shell: Shell,
    /// Of the form: drawn with the page.
    key: String,
    /// What was sent and cannot be; empty on a page that nothing was sent to.
    store: String,
    customer: String,
    sentence: &'static str,
    lines: Vec<Line>,
}

/// One order.
#[derive(Debug)]
pub struct Line {
    pub store: String,
    pub customer: String,
    pub at: String,
    pub until: String,
    pub giver: String,
    pub state: &'static str,
    pub class: &'static str,
    pub answers: Vec<Told>,
}

/// One gateway's answer.
#[derive(Debug)]
pub struct Told {
    pub gateway: String,
    pub at: String,
    /// Of an erasure: the reason, as the gateway writes it.
    pub words: String,
    /// Of a check: what is not good, and all of it.
    pub found: Vec<Found>,
    pub all: Vec<Found>,
}

#[derive(Debug, Clone)]
pub struct Found {
    pub what: String,
    pub state: &'static str,
    pub class: &'static str,
    pub found: String,
    pub remedy: String,
}

/// `GET /erasures`
pub async fn erasures(
    State(office): Shared,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    shell: Shell,
) -> Response {
    if !person.role.has_erased() {
        return missing(shell);
    }
    let unsent = Unsent { key: key(), store: String::new(), customer: String::new(), why: "" };
    or_away(&headers, listed(&office, shell, unsent).await)
}

/// What the page's form holds, and why it was not taken.
struct Unsent {
    key: String,
    store: String,
    customer: String,
    why: &'static str,
}

async fn listed(office: &Office, shell: Shell, unsent: Unsent) -> Result<Response, Away> {
    let asked = office.books.ask(move |engine| {
        let which = Which { what: Some("erase"), ..Which::default() };
        Ok(orders::list(engine, which, LISTED)?.0)
    });
    let lines = asked.await?.into_iter().map(|kept| Line::of(&shell, kept)).collect();
    let Unsent { key, store, customer, why } = unsent;
    Ok(shell::page(&shell, &Page { key, store, customer, sentence: why, lines, shell: shell.clone() }))
}

/// What the page's own form sends.
#[derive(Deserialize)]
pub struct ById {
    key: String,
    #[serde(default)]
    sure: String,
    #[serde(default)]
    store: String,
    #[serde(default)]
    customer: String,
}

/// `POST /erasures`: of whomever the store's people or the CRM name by their id. No page shows the visits of somebody who never agreed to
/// share anything, and they may ask for it like anybody else.
pub async fn erase_by_id(
    State(office): Shared,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    shell: Shell,
    Form(ById { key, sure, store, customer }): Form<ById>,
) -> Response {
    if !person.role.has_erased() {
        return missing(shell);
    }
    let (store, customer) = (store.trim().to_owned(), customer.trim().to_owned());
    let now = clock::now().wall;
    let answer = async {
        let new = erasure(person.name, key, (&store, &customer), now);
        let no_store =
            shell.lang.pick("没有这家门店，或它还没有连过总部。", "There is no such store, or it was never heard.");
        let why = if sure != "yes" {
            shell.lang.pick("请确认顾客已要求删除。", "Tick that the customer has asked for it.")
        } else if customer.parse::<CustomerId>().is_err() {
            let says = "This is no id of a customer; it stands at the end of the customer's card in the store, and in the CRM.";
            shell.lang.pick("这不是顾客编号；编号在门店顾客卡的末尾，CRM 里也有。", says)
        } else if !is_name(&store) || !person.reach.has(&store) {
            no_store
        } else {
            let given = office.books.ask(move |engine| known(orders::give(engine, &new, now)));
            match given.await? {
                Some(Given::Stands(_)) => return Ok(Redirect::to("/erasures").into_response()),
                None => no_store,
                Some(Given::Wrong(why)) if why == NO_GATEWAY => no_gateway(&shell),
                Some(Given::Another(_) | Given::Wrong(_)) => {
                    let says = "This form has ordered something else already; send it again.";
                    shell.lang.pick("这张表单已经下过别的指令，请再发送一次。", says)
                }
            }
        };
        refused(&office, shell.clone(), Unsent { key: self::key(), store, customer, why }).await
    };
    or_away(&headers, answer.await)
}

fn erasure(giver: String, key: String, (store, customer): (&str, &str), now: Timestamp) -> New {
    let what = Order::Erase { customer: customer.to_owned() };
    New { store: store.to_owned(), giver, key, what, until: later(now, ERASE_MS) }
}

/// The page with what was sent and why it was not taken.
async fn refused(office: &Office, shell: Shell, unsent: Unsent) -> Result<Response, Away> {
    let mut answer = listed(office, shell, unsent).await?;
    *answer.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(answer)
}

fn no_gateway(shell: &Shell) -> &'static str {
    let says =
        "No gateway of this store is in use that could do it; skinlink-hq erase on headquarters' machine erases here.";
    shell.lang.pick("这家门店没有在用的网关，无法执行；请在总部机器上用 skinlink-hq erase 删除。", says)
}

/// `POST /stores/{store}/visits/{visit}/erase`: whom the page showed is erased, in the store and here, if the visit is still theirs.
pub async fn erase(
    State(office): Shared,
    Extension(person): Extension<Person>,
    Path((store, visit)): Path<(String, String)>,
    headers: HeaderMap,
    shell: Shell,
    Form(Wish { key, sure, customer }): Form<Wish>,
) -> Response {
    if !person.role.has_erased() || !person.reach.has(&store) {
        return missing(shell);
    }
    if sure != "yes" {
        return Redirect::to(&format!("/stores/{store}/visits/{visit}")).into_response();
    }
    let now = clock::now().wall;
    let answer = async {
        let new = erasure(person.name, key, (&store, &customer), now);
        let (at, whose) = (store.clone(), customer.clone());
        let asked = office.books.ask(move |engine| {
            // Moved to somebody else since the page was made: whom she saw is not whose visit it is. While facts are made again nobody knows.
            if visits::customer_of(engine, &at, &visit)?.as_ref() != Some(&whose) {
                return Ok(None);
            }
            known(orders::give(engine, &new, now))
        });
        match asked.await? {
            Some(Given::Stands(_)) => Ok(Redirect::to("/erasures").into_response()),
            Some(Given::Wrong(why)) if why == NO_GATEWAY => {
                let why = no_gateway(&shell);
                refused(&office, shell.clone(), Unsent { key: self::key(), store, customer, why }).await
            }
            _ => Ok(missing(shell.clone())),
        }
    };
    or_away(&headers, answer.await)
}

/// `POST /stores/{store}/check`
pub async fn check(
    State(office): Shared,
    Extension(person): Extension<Person>,
    Path(store): Path<String>,
    headers: HeaderMap,
    shell: Shell,
    Form(Wish { key, .. }): Form<Wish>,
) -> Response {
    if !person.role.has_checked() || !person.reach.has(&store) {
        return missing(shell);
    }
    let (now, back) = (clock::now().wall, format!("/stores/{store}#checks"));
    let asked = office.books.ask(move |engine| {
        let new = New { store, giver: person.name, key, what: Order::Check {}, until: later(now, CHECK_MS) };
        known(orders::give(engine, &new, now))
    });
    // What our own form does not send is refused like a page that is not there.
    let stands = |given: Option<Given>| matches!(given, Some(Given::Stands(_)));
    let done =
        asked.await.map(|given| if stands(given) { Redirect::to(&back).into_response() } else { missing(shell) });
    or_away(&headers, done)
}

fn later(now: Timestamp, ms: i64) -> Timestamp {
    Timestamp::from_unix_ms(now.unix_ms() + ms)
}

/// `None` of a store that was never heard.
fn known(given: Result<Given, HqError>) -> Result<Option<Given>, HqError> {
    match given {
        Err(HqError::NoStore { .. }) => Ok(None),
        given => given.map(Some),
    }
}

/// The last checks of a store.
///
/// # Errors
/// The database's.
pub fn checks(engine: &mut dyn Engine, store: &str) -> Result<Vec<Kept>, HqError> {
    let which = Which { store: Some(store), what: Some("check"), ..Which::default() };
    Ok(orders::list(engine, which, CHECKS)?.0)
}

impl Line {
    /// An order as it is shown.
    #[must_use]
    pub fn of(shell: &Shell, kept: Kept) -> Self {
        let Kept { order: _, store, giver, key: _, what, given, until, state, outcome, answers } = kept;
        let (state, class) = match (state, outcome) {
            (Stands::Waiting, _) => (shell.lang.pick("等门店答复", "waits for the store"), "warn"),
            (Stands::Expired, _) => {
                (shell.lang.pick("已过期，门店没有答复", "over; the store has not answered"), "bad")
            }
            (Stands::Answered, Some(Outcome::Done)) => (shell.lang.pick("已完成", "done"), "good"),
            (Stands::Answered, Some(Outcome::TooLate)) => (shell.lang.pick("到得太晚", "came too late"), "bad"),
            (Stands::Answered, Some(Outcome::Refused)) if matches!(what, Order::Erase { .. }) => {
                let says = "the store has no such customer; headquarters has erased";
                (shell.lang.pick("门店没有这位顾客；总部已删除", says), "")
            }
            (Stands::Answered, _) => (shell.lang.pick("门店没有执行", "not done in the store"), "bad"),
        };
        let checked = what == Order::Check {};
        Self {
            store,
            customer: match what {
                Order::Erase { customer } => customer,
                Order::Merge { .. } | Order::Check {} => String::new(),
            },
            at: shell.moment(given),
            until: shell.moment(until),
            giver,
            state,
            class,
            answers: answers.into_iter().map(|answer| Told::of(shell, answer, checked)).collect(),
        }
    }
}

impl Told {
    fn of(shell: &Shell, answer: Answer, checked: bool) -> Self {
        let Answer { gateway, outcome, words, at } = answer;
        let rows = serde_json::from_str::<Vec<Value>>(&words).ok().filter(|_| checked && outcome == Outcome::Done);
        let all: Vec<Found> = rows.iter().flatten().map(|row| Found::of(shell, row)).collect();
        let mut found: Vec<Found> = all.iter().filter(|row| row.class != "good").cloned().collect();
        found.sort_by_key(|row| row.class != "bad");
        Self { gateway, at: shell.time(at), words: if rows.is_some() { String::new() } else { words }, found, all }
    }
}

impl Found {
    fn of(shell: &Shell, row: &Value) -> Self {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let (state, class) = match row["state"].as_str() {
            Some("good") => (shell.lang.pick("正常", "good"), "good"),
            Some("notice") => (shell.lang.pick("请留意", "notice"), "warn"),
            _ => (shell.lang.pick("有问题", "fault"), "bad"),
        };
        Self { what: text("what"), state, class, found: text("found"), remedy: text("remedy") }
    }
}
