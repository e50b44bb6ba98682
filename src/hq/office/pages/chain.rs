//! The whole chain: numbers first, then a row for each store, what needs a person on top.

use super::or_away;
use crate::hq::office::{
    Shared,
    board::Board,
    figures::{self, Figure, Row},
    people::{Person, Reach},
    shell::{self, Shell},
};
use askama::Template;
use axum::{Extension, extract::State, http::HeaderMap, response::Response};

/// Rows of one page: a browser draws them at once. Whoever looks for a store names it.
pub const MOST_ROWS: usize = 400;

#[derive(Debug, Template)]
#[template(path = "office/chain.html")]
struct Chain {
    shell: Shell,
    figures: Vec<Figure>,
    rows: Vec<Row>,
    /// Stores that are not listed.
    more: usize,
    waiting: Vec<String>,
    at: String,
}

/// `GET /`
pub async fn page(
    State(office): Shared,
    Extension(person): Extension<Person>,
    headers: HeaderMap,
    shell: Shell,
) -> Response {
    or_away(&headers, office.watch.board().await.map(|board| drawn(shell, &board, &person.reach)))
}

fn drawn(shell: Shell, board: &Board, reach: &Reach) -> Response {
    let mut rows = figures::rows(&shell, board, reach);
    let more = rows.len().saturating_sub(MOST_ROWS);
    rows.truncate(MOST_ROWS);
    let figures = figures::head(&shell, board, reach);
    // What waits for a shelf concerns the chain, and names gateways.
    let waiting = match reach {
        Reach::All => board.waiting.iter().map(|one| format!("{}: {}", one.what, one.reason)).collect(),
        Reach::Only(_) => Vec::new(),
    };
    let at = shell.moment(crate::domain::Timestamp::from_unix_ms(board.at_ms));
    let chain = Chain { shell, figures, rows, more, waiting, at };
    shell::page(&chain.shell, &chain)
}

#[derive(Debug, Template)]
#[template(path = "office/figures.html")]
pub struct Head<'a> {
    pub figures: &'a [Figure],
}

#[derive(Debug, Template)]
#[template(path = "office/row.html")]
pub struct One<'a> {
    pub row: &'a Row,
}
