//! A write that has arrived whole is carried out whole, also when its browser goes away: the server drops a request whose
//! connection has ended wherever it stands, and what follows a commit (the chair hears of it, a photograph is queued to be
//! measured) would not happen before the next start.

use super::{AppState, GRACE, error::WebError};
use axum::{
    extract::{Request, State},
    http::Method,
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Runs a write in a task of its own, which outlives its connection but not the daemon's end.
pub async fn finish(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if matches!(*request.method(), Method::GET | Method::HEAD) {
        return next.run(request).await;
    }
    let work = async move {
        tokio::select! {
            answer = next.run(request) => answer,
            () = given_up(&state.stop) => WebError::stopping().into_response(),
        }
    };
    #[expect(
        clippy::disallowed_methods,
        reason = "must outlive its request; it ends with its answer or with the daemon"
    )]
    let running = tokio::spawn(work);
    running.await.unwrap_or_else(|fault| WebError::fault(&fault).into_response())
}

async fn given_up(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(GRACE).await;
}
