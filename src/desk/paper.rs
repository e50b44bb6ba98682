//! The report to keep: as PDF, and as one long picture for apps that show pictures rather than links. Made when asked for, from
//! the same data as the page, and kept nowhere: what is withdrawn is gone.

use super::{
    Asked, Away, Desk, Digest, IN_LINE, OfOpenReport, Reports, Shared, away, digest, language,
    language::Tongue,
    limit::Key,
    page,
    press::{Paper, Press, PressError},
    wait,
};
use crate::{
    report::{
        Lang,
        order::Form,
        paper::{Shown, data},
    },
    sync::{
        image_lane::Role,
        sheet::{Pair, Photographs, Sheet},
    },
};
use axum::{
    Extension,
    extract::{Path, State},
    http::{HeaderMap, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use openssl::base64::decode_block;
use std::future::Future;

/// Views on paper; of more the page shows the rest.
const MOST_VIEWS: usize = 12;

/// Pictures of where something changed on paper, likewise.
const MOST_CHANGES: usize = 6;

/// A photograph as the template takes it: its type and its bytes; `None` where it is not here.
type Picture = Option<(&'static str, Vec<u8>)>;

/// Why there is no paper.
#[derive(Debug, thiserror::Error)]
pub enum Unmade {
    #[error(transparent)]
    Away(#[from] Away),
    #[error(transparent)]
    Press(#[from] PressError),
}

/// The report of `sheet` in each of `forms`, with the photographs that `picture` has. They are asked for when the press is
/// free: reports that wait for it would hold megabytes each.
///
/// # Errors
/// [`Unmade`].
pub async fn made<F>(
    press: &Press,
    lang: Lang,
    sheet: &Sheet,
    forms: Vec<Form>,
    picture: impl Fn(String, Role) -> F,
) -> Result<Vec<Paper>, Unmade>
where
    F: Future<Output = Result<Picture, Away>>,
{
    let turn = press.turn().await?;
    let mut files = Vec::from_iter(logo(&sheet.look.logo));
    let logo = files.first().map(|(name, _)| name.clone());
    let (mut shown, mut left) = (Vec::new(), MOST_CHANGES);
    for (at, pair) in sheet.photographs.iter().enumerate().take(MOST_VIEWS) {
        let mut names = [None, None];
        let aligned = pair.before.is_some() && pair.pair.as_ref().is_some_and(Pair::is_aligned);
        let phases = if aligned {
            [("before", &pair.after, Role::PairBefore), ("after", &pair.after, Role::PairAfter)]
        } else {
            [("before", &pair.before, Role::Report), ("after", &pair.after, Role::Report)]
        };
        for ((phase, capture, role), name) in phases.into_iter().zip(&mut names) {
            let Some(capture) = capture else { continue };
            if let Some((kind, bytes)) = picture(capture.clone(), role).await? {
                let file = format!("{at}-{phase}.{}", ending(kind));
                *name = Some(file.clone());
                files.push((file, bytes));
            }
        }
        let [before, after] = names;
        let mut changes = Vec::new();
        for (role, capture) in changes_of(pair).filter(|_| aligned) {
            if left == 0 {
                break;
            }
            if let Some((kind, bytes)) = picture(capture.to_owned(), role).await? {
                let file = format!("{at}-{}.{}", role.as_str(), ending(kind));
                changes.push((role.as_str().to_owned(), file.clone()));
                files.push((file, bytes));
                left -= 1;
            }
        }
        shown.push(Shown { at, before, after, changes });
    }
    Ok(turn.make(forms, data(lang, sheet, logo.as_deref(), &shown), files).await?)
}

fn ending(kind: &str) -> &'static str {
    if kind == "image/png" { "png" } else { "jpg" }
}

/// The pictures of where something changed that an aligned pair has: the role of each and the capture it is kept under.
fn changes_of(pair: &Photographs) -> impl Iterator<Item = (Role, &str)> {
    let laid = pair.pair.iter().flat_map(|laid| &laid.pictures);
    let roles = laid.filter_map(|picture| Role::of(&picture.role).filter(|role| Role::CHANGES.contains(role)));
    roles.filter_map(|role| Some((role, pair.after.as_deref()?)))
}

/// The file in a `data:` address; none where there is none, or what stands there is no picture.
fn logo(address: &str) -> Option<(String, Vec<u8>)> {
    let (kind, text) = address.strip_prefix("data:")?.split_once(";base64,")?;
    let name = match kind {
        "image/svg+xml" => "logo.svg",
        "image/png" => "logo.png",
        _ => return None,
    };
    Some((name.to_owned(), decode_block(text).ok()?))
}

/// `GET /r/{token}/report.pdf`
pub(super) async fn pdf<R: Reports>(state: Shared<R>, path: Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    paper(state, path, uri, headers, Form::Pdf).await
}

/// `GET /r/{token}/picture`
pub(super) async fn picture<R: Reports>(
    state: Shared<R>,
    path: Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    paper(state, path, uri, headers, Form::Picture).await
}

async fn paper<R: Reports>(
    State(desk): Shared<R>,
    Path(token): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    form: Form,
) -> Response {
    let (tongue, digest) = (language::of(&Asked::of(&uri), &headers), digest(&token));
    let sheet = match desk.reports.open(digest).await {
        Ok(Some(opened)) => opened.sheet,
        Ok(None) => return StatusCode::NOT_FOUND.into_response(),
        Err(Away) => return away(tongue),
    };
    if !desk.press.is_there() {
        return (StatusCode::NOT_FOUND, Extension(OfOpenReport)).into_response();
    }
    let Some(taken) = desk.limits.take(Key::Paper(digest), IN_LINE).await else {
        return wait(tongue);
    };
    taken.spend();
    let day = sheet.opened.get(..10).unwrap_or("report").to_owned();
    let picture = |capture, role| desk.reports.picture(digest, capture, role);
    let made = made(&desk.press, tongue.lang(), &sheet, vec![form], picture).await;
    match (made, still_open(&desk, digest).await) {
        (_, Ok(false)) => StatusCode::NOT_FOUND.into_response(),
        (Ok(mut papers), Ok(true)) if papers.len() == 1 => served(papers.remove(0), &day),
        (Err(Unmade::Press(fault)), Ok(true)) => failed(tongue, &token, &fault),
        _ => away(tongue),
    }
}

/// It may have been withdrawn while the press worked.
async fn still_open<R: Reports>(desk: &Desk<R>, digest: Digest) -> Result<bool, Away> {
    Ok(desk.reports.open(digest).await?.is_some())
}

fn served((kind, bytes): Paper, day: &str) -> Response {
    // A PDF is kept and opened by whatever the phone opens PDF with; a picture is looked at and held down to be kept.
    let (how, end) = match kind.as_str() {
        "application/pdf" => ("attachment", "pdf"),
        "image/png" => ("inline", "png"),
        _ => ("inline", "jpg"),
    };
    let name = format!("{how}; filename=\"report-{day}.{end}\"");
    ([(header::CONTENT_TYPE, kind), (header::CONTENT_DISPOSITION, name)], bytes).into_response()
}

fn failed(tongue: Tongue, token: &str, fault: &PressError) -> Response {
    tracing::error!(%fault, "a customer's report cannot be put on paper");
    let busy = matches!(fault, PressError::Busy(_) | PressError::TimedOut(_));
    let status = if busy { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::INTERNAL_SERVER_ERROR };
    (status, [(header::RETRY_AFTER, "30")], page::no_paper(tongue, token)).into_response()
}
