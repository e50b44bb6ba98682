//! The report of a visit on paper, for the printer at the counter: it needs no link and no line to headquarters.

use crate::{
    desk::{self, Reports as _, Unmade},
    domain::VisitId,
    report::order::Form,
    store::Letterhead,
    web::{
        AppState, api,
        api::refused,
        ask::parse,
        doors::Who,
        error::WebError,
        looks,
        reports::OfStore,
        shell::{Shell, problem},
    },
};
use axum::{
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};

/// `GET /report/{visit}/paper`: A4 as PDF, in the language of the screen.
pub async fn paper(State(state): State<AppState>, Path(id): Path<String>, who: Who, shell: Shell) -> Response {
    match made(&state, &id, &who, &shell).await {
        Ok(bytes) => {
            let headers = [(header::CONTENT_TYPE, "application/pdf"), (header::CONTENT_DISPOSITION, "inline")];
            (headers, bytes).into_response()
        }
        Err(refused) => problem(shell, &refused),
    }
}

async fn made(state: &AppState, id: &str, who: &Who, shell: &Shell) -> Result<Vec<u8>, WebError> {
    let visit: VisitId = parse("visit", id)?;
    let customer = api::view(&state.store, visit).await?.visit.customer;
    looks::note(state, who, "looked.paper", [customer]).await;
    let about = &state.about;
    let letterhead = Letterhead::new(&about.store_name, &about.metrics, &about.look).with_rules(&about.suggestions);
    let sheet = state.store.report_sheet(visit, letterhead).await.map_err(|fault| refused::store(&fault))?;
    let reports = OfStore(state.store.clone());
    // The store's desk asks whose picture it is by the picture alone.
    let picture = |capture, role| reports.picture([0; 32], capture, role);
    let papers = desk::made(&state.press, shell.lang, &sheet, vec![Form::Pdf], picture).await;
    let paper = papers.map_err(|fault| unmade(&fault))?.into_iter().next();
    paper.map(|(_, bytes)| bytes).ok_or_else(|| WebError::not_found("paper"))
}

fn unmade(fault: &Unmade) -> WebError {
    tracing::error!(%fault, "a report cannot be put on paper");
    WebError::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "no_paper",
        "report",
        fault.to_string(),
        "报告暂时打印不了，请过一会儿再试；若一直如此，请联系技术人员。",
        "The report cannot be printed just now; try again in a while, and call the technician if it stays so.",
    )
}
