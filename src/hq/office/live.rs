//! News of the chain over SSE: rows as they change, for a page that is open; of a store, that something has changed.

use super::{
    Office, Shared, door,
    figures::{self, Row},
    pages::chain::{Head, MOST_ROWS, One},
    people::Person,
    shell::Shell,
};
use crate::{domain::Timestamp, hq::rollout};
use askama::Template as _;
use axum::{
    Extension,
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    response::sse::{Event, KeepAlive, Sse},
};
use futures_util::{StreamExt as _, stream};
use serde::Deserialize;
use serde_json::json;
use std::{collections::HashMap, convert::Infallible, sync::Arc, time::Duration};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

/// How often it is looked.
const LOOK: Duration = Duration::from_millis(500);

/// A proxy or a sleeping telephone shows within this.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How often a stream asks whether its session has run out.
const LOOK_AGAIN: Duration = Duration::from_secs(15);

/// A page of one store reads itself again, but for its visits, at most once in so long: a store in which things happen tells of something ten
/// times a second. With the age of a board and one more look this leaves half a second of the two that are promised.
const FIGURES_AGAIN: Duration = Duration::from_millis(900);

/// Its list of visits, for which hundreds of rows are looked through, at most once in so long. What changed meanwhile is told then.
const VISITS_AGAIN: Duration = Duration::from_secs(5);

/// How long a browser waits before it comes back.
const RETRY: Duration = Duration::from_secs(2);

type Events = Sse<axum::response::sse::KeepAliveStream<stream::BoxStream<'static, Result<Event, Infallible>>>>;

/// nginx and others behind whom we may be gather an answer before they pass it on, unless it says this.
const UNBUFFERED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));

type News = ([(HeaderName, HeaderValue); 1], Events);

/// What a page shows already.
#[derive(Default)]
struct Shown {
    rows: HashMap<String, Row>,
    order: Vec<String>,
    head: String,
}

/// `GET /live`
pub async fn chain(
    State(office): Shared,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    shell: Shell,
) -> News {
    let reach = person.reach;
    told(office, headers, Shown::default(), move |office, mut shown| {
        let (shell, reach) = (shell.clone(), reach.clone());
        async move {
            let Ok(board) = office.watch.board().await else { return (shown, None) };
            let mut rows = figures::rows(&shell, &board, &reach);
            rows.truncate(MOST_ROWS);
            let head = Head { figures: &figures::head(&shell, &board, &reach) }.render().unwrap_or_default();
            let at = shell.moment(Timestamp::from_unix_ms(board.at_ms));
            let news = shown.take(rows, head, &at);
            (shown, news)
        }
    })
}

impl Shown {
    /// What is to be told, if anything: all of it first.
    fn take(&mut self, rows: Vec<Row>, head: String, at: &str) -> Option<Event> {
        let order: Vec<String> = rows.iter().map(|row| row.store.clone()).collect();
        let mut changed = Vec::new();
        for row in &rows {
            if self.rows.get(&row.store) != Some(row) {
                changed.push(json!([row.store, One { row }.render().unwrap_or_default()]));
            }
        }
        let moved = order != self.order;
        let news_of_head = head != self.head;
        if changed.is_empty() && !moved && !news_of_head {
            return None;
        }
        let told = json!({
            "at": at,
            "head": news_of_head.then_some(&head),
            "rows": changed,
            "order": moved.then_some(&order),
        });
        self.rows = rows.into_iter().map(|row| (row.store.clone(), row)).collect();
        (self.order, self.head) = (order, head);
        Some(Event::default().event("rows").data(told.to_string()))
    }
}

/// What a page of a store shows: its [`super::board::Store::mark`].
#[derive(Deserialize)]
pub struct Seen {
    #[serde(default)]
    seen: String,
}

/// `GET /stores/{store}/live`
pub async fn store(
    State(office): Shared,
    Extension(Person { reach, .. }): Extension<Person>,
    Path(store): Path<String>,
    Query(Seen { seen }): Query<Seen>,
    headers: HeaderMap,
) -> News {
    told(office, headers, Told { shown: seen, ..Told::default() }, move |office, mut page| {
        let of = reach.has(&store).then(|| store.clone());
        async move {
            if page.rests(Instant::now()) {
                return (page, None);
            }
            let Ok(board) = office.watch.board().await else { return (page, None) };
            let mark = of.and_then(|of| Some(board.stores.get(&of)?.mark())).unwrap_or_default();
            let news = page.take(mark, Instant::now());
            (page, news.map(|all| Event::default().event("changed").data(json!({ "all": all }).to_string())))
        }
    })
}

/// What a page of one store was told.
#[derive(Default)]
struct Told {
    /// The mark of what it shows.
    shown: String,
    at: Option<Instant>,
    /// When it last read its visits, too.
    whole: Option<Instant>,
    /// Something was told since without them.
    owes: bool,
}

impl Told {
    /// Whether it is too early to look.
    fn rests(&self, now: Instant) -> bool {
        self.at.is_some_and(|at| now.duration_since(at) < FIGURES_AGAIN)
    }

    /// Whether it is to read itself again, and then whether with its visits.
    fn take(&mut self, mark: String, now: Instant) -> Option<bool> {
        let all = self.whole.is_none_or(|at| now.duration_since(at) >= VISITS_AGAIN);
        if self.shown == mark && !(self.owes && all) {
            return None;
        }
        (self.shown, self.at, self.owes) = (mark, Some(now), !all);
        if all {
            self.whole = Some(now);
        }
        Some(all)
    }
}

/// `GET /rollouts/live`
pub async fn rollouts(
    State(office): Shared,
    Extension(person): Extension<Person>,
    Query(Seen { seen }): Query<Seen>,
    headers: HeaderMap,
) -> News {
    let may = person.sees_rollouts();
    told(office, headers, seen, move |office, shown| async move {
        if !may {
            return (shown, None);
        }
        let Ok(mark) = office.books.ask(rollout::mark).await else { return (shown, None) };
        let news = (shown != mark).then(|| Event::default().event("changed").data("{}"));
        (mark, news)
    })
}

/// A stream that looks again and again, and ends when the program does or when whoever listens would not be let in any more.
fn told<S, F, Fut>(office: Arc<Office>, headers: HeaderMap, first: S, look: F) -> News
where
    S: Send + 'static,
    F: Fn(Arc<Office>, S) -> Fut + Clone + Send + 'static,
    Fut: Future<Output = (S, Option<Event>)> + Send,
{
    let mut turns = interval(LOOK);
    turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let state = (Arc::clone(&office), turns, first, look);
    let news = stream::unfold(state, |(office, mut turns, mut shown, look)| async move {
        loop {
            turns.tick().await;
            let (now, news) = look(Arc::clone(&office), shown).await;
            shown = now;
            if let Some(event) = news {
                return Some((Ok(event), (office, turns, shown, look)));
            }
        }
    });
    let hello = Event::default().comment("listening").retry(RETRY);
    let all = stream::once(std::future::ready(Ok(hello))).chain(news).take_until(turned_out(office, headers));
    // The last word: the page looks for itself where it stands.
    let last = stream::once(std::future::ready(Ok(Event::default().event("out").data("{}"))));
    let all: stream::BoxStream<'static, Result<Event, Infallible>> = all.chain(last).boxed();
    ([UNBUFFERED], Sse::new(all).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

async fn turned_out(office: Arc<Office>, headers: HeaderMap) {
    loop {
        tokio::select! {
            () = office.stop.cancelled() => return,
            () = sleep(LOOK_AGAIN) => {}
        }
        if let Ok(None) = door::who(&office, &headers, false).await {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A busy store's page was read again as a whole every five seconds, and nothing in between: a device that went away showed after five
    /// seconds, promised are two.
    #[test]
    fn figures_are_told_of_every_second_and_visits_every_five() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let mut page = Told { shown: "a".into(), ..Told::default() };
        assert_eq!(page.take("a".into(), at(0)), None);
        assert_eq!(page.take("b".into(), at(500)), Some(true), "the first news at once");
        assert!(page.rests(at(1_000)) && !page.rests(at(1_400)));
        assert_eq!(page.take("c".into(), at(1_500)), Some(false));
        assert_eq!(page.take("c".into(), at(2_500)), None, "no news");
        assert_eq!(page.take("d".into(), at(3_000)), Some(false));
        assert_eq!(page.take("d".into(), at(5_000)), None, "its visits are not due");
        assert_eq!(page.take("d".into(), at(5_500)), Some(true), "they are owed, though nothing else happened");
        assert_eq!(page.take("d".into(), at(20_000)), None);
        assert_eq!(page.take("e".into(), at(20_500)), Some(true));
    }
}
