//! `/messages`: an integration that sends takes what is due, sends it, and says what became of it. A message that nobody answers for
//! is handed out again when its lease has run out, under the same id; whoever sends keeps the ids of what was sent.

use super::{
    Crm, Problem, Shared,
    appointments::json,
    id,
    keys::{Key, Scope, Stores},
    wrong_path,
};
use crate::{
    clock,
    hq::{
        care::{
            Message,
            offers::{self, Outcome},
        },
        config::CareSettings,
    },
};
use axum::{
    Extension, Json,
    extract::{
        Path, State,
        rejection::{PathRejection, StringRejection},
    },
    http::{HeaderMap, StatusCode},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::sync::Arc;

/// Of one answer, unless asked otherwise.
const USUAL: usize = 20;
const MOST: usize = 100;

/// Unless asked otherwise: enough to send some dozens one by one.
const LEASE_S: u32 = 300;
const LEASES: std::ops::RangeInclusive<u32> = 30..=3_600;

/// Letters of a reason.
const LONGEST: usize = 200;

/// What is asked for.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// One store alone
    #[serde(default)]
    store: Option<String>,
    /// At most so many, 1 to 100 (20)
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    limit: Option<u32>,
    /// Seconds until they are handed out again if nothing is said, 30 to 3600 (300)
    #[serde(default)]
    #[schemars(range(min = 30, max = 3600))]
    lease_s: Option<u32>,
}

/// What was handed out.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Taken {
    pub messages: Vec<One>,
}

/// A message of care. Whom it is for your own records say, by the customer's id or the visit's.
#[derive(Debug, Serialize, JsonSchema)]
pub struct One {
    /// Its id, the same for ever
    pub message: String,
    /// `care` (the day of the visit), `skin` (by skin type), `away` (not seen for 90 days) or `birthday`
    pub kind: String,
    pub due: String,
    pub store: String,
    pub customer: String,
    /// The visit that it follows; absent of a birthday, which is of none
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visit: Option<String>,
    /// In which it is to be written: `zh-Hans`, `zh-Hant` or `en`
    pub language: String,
    /// By which ways the customer agreed to be written to; use no other
    pub channels: Vec<String>,
    /// `waiting`, `taken`, `done`, `dead`, `withdrawn` or `lapsed`
    pub state: String,
    /// Whether it may be sent now: the consent stands, and it still makes sense
    pub stands: bool,
    /// To be said with its outcome; empty where it is not yours
    pub lease: String,
    pub lease_until: String,
}

/// It was sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Done {
    lease: String,
}

/// It was not sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    lease: String,
    /// For headquarters' people, 1 to 200 characters; nothing personal
    #[schemars(length(min = 1, max = 200))]
    reason: String,
    /// It will not go the next time either: given to a person at once (false)
    #[serde(default, rename = "final")]
    for_good: bool,
}

/// What is noted.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Noted {
    pub message: String,
    pub state: String,
}

/// `POST /messages/take`
pub async fn take(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    headers: HeaderMap,
    body: Result<String, StringRejection>,
) -> Result<Json<Taken>, Problem> {
    key.may(Scope::MessagesTake)?;
    let Wish { store, limit, lease_s } = read(&headers, body)?;
    let settings = settings(&crm)?;
    if settings.webhook.is_some() {
        let detail = "here messages are pushed to a webhook; take [care.webhook] out of headquarters' configuration to take them";
        return Err(Problem::new(StatusCode::CONFLICT, "pushed", detail));
    }
    let limit = limit.map_or(USUAL, |limit| limit as usize);
    let lease_s = lease_s.unwrap_or(LEASE_S);
    if !(1..=MOST).contains(&limit) || !LEASES.contains(&lease_s) {
        return Err(Problem::malformed(format!("limit: 1 to {MOST}; lease_s: {} to {}", LEASES.start(), LEASES.end())));
    }
    let stores = match store {
        None => key.stores.clone(),
        Some(store) => {
            key.may_at(Scope::MessagesTake, &store)?;
            Stores::These([store].into())
        }
    };
    let (asked, now, how) = (Arc::clone(&settings), clock::now().wall, (limit, i64::from(lease_s) * 1_000));
    let taken = crm.database.ask(move |engine| offers::take(engine, &asked, &stores, how, now)).await?;
    Ok(Json(Taken { messages: taken.into_iter().map(|message| One::of(message, true, &settings)).collect() }))
}

impl One {
    fn of(message: Message, stands: bool, settings: &CareSettings) -> Self {
        let Message { id, store, customer, visit, kind, due, state, channels, lease, until, tries: _ } = message;
        let language = settings.place(&store).language.clone();
        let visit = Some(visit).filter(|visit| !visit.is_empty());
        let (kind, due, lease_until) = (kind.to_string(), due.to_string(), until.to_string());
        Self { message: id, kind, due, store, customer, visit, language, channels, state, stands, lease, lease_until }
    }
}

/// `GET /messages/{message}`
pub async fn one(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<One>, Problem> {
    let (message, stands, settings) = find(&crm, &key, path).await?;
    // Whoever took it has the lease; another key for the same store must not answer in its stead.
    Ok(Json(One::of(Message { lease: String::new(), ..message }, stands, &settings)))
}

/// `POST /messages/{message}/done`
pub async fn done(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<String, StringRejection>,
) -> Result<Json<Noted>, Problem> {
    let (message, ..) = find(&crm, &key, path).await?;
    let Done { lease } = read(&headers, body)?;
    answer(&crm, message.id, lease, Outcome::Done).await
}

/// `POST /messages/{message}/failed`
pub async fn failed(
    State(crm): Shared,
    Extension(key): Extension<Arc<Key>>,
    path: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
    body: Result<String, StringRejection>,
) -> Result<Json<Noted>, Problem> {
    let (message, ..) = find(&crm, &key, path).await?;
    let Failed { lease, reason, for_good } = read(&headers, body)?;
    let sound = (1..=LONGEST).contains(&reason.chars().count()) && !reason.chars().any(char::is_control);
    if !sound {
        return Err(Problem::malformed(format!("reason: 1 to {LONGEST} characters in one line")));
    }
    answer(&crm, message.id, lease, if for_good { Outcome::Dead(reason) } else { Outcome::Failed(reason) }).await
}

async fn find(
    crm: &Crm,
    key: &Key,
    path: Result<Path<String>, PathRejection>,
) -> Result<(Message, bool, Arc<CareSettings>), Problem> {
    let Path(message) = path.map_err(|fault| wrong_path(&fault))?;
    key.may(Scope::MessagesTake)?;
    id("message", &message)?;
    let (settings, now) = (settings(crm)?, clock::now().wall);
    let asked = Arc::clone(&settings);
    let found = crm.database.ask(move |engine| offers::find(engine, &asked, &message, now)).await?;
    let unknown = || {
        Problem::not_found(
            "no-such-message",
            "there is no such message; its customer may have been erased, so forget it",
        )
    };
    let (message, stands) = found.filter(|(message, _)| key.stores.hold(&message.store)).ok_or_else(unknown)?;
    Ok((message, stands, settings))
}

async fn answer(crm: &Crm, message: String, lease: String, outcome: Outcome) -> Result<Json<Noted>, Problem> {
    let (asked, now) = (message.clone(), clock::now().wall);
    let noted = crm.database.ask(move |engine| offers::answer(engine, (&asked, &lease), &outcome, now)).await?;
    let over = "this lease does not hold any more: the message was handed out again since, or taken back; keep its id, so that you do \
                not send it twice";
    let state = noted.ok_or_else(|| Problem::new(StatusCode::CONFLICT, "lease-over", over))?;
    Ok(Json(Noted { message, state }))
}

fn settings(crm: &Crm) -> Result<Arc<CareSettings>, Problem> {
    let none = "headquarters offers no messages; its operator turns them on with [care] in its configuration";
    crm.care.clone().ok_or_else(|| Problem::not_found("no-care", none))
}

fn read<T: DeserializeOwned>(headers: &HeaderMap, body: Result<String, StringRejection>) -> Result<T, Problem> {
    serde_json::from_str(&json(headers, body)?).map_err(|fault| Problem::malformed(format!("the body: {fault}")))
}
