//! The models in use, those that were lost, their exchange while the gateway runs, and the measuring anew that follows it.

use crate::{
    tasks::analysis::{ActiveModel, AnalysisError, ChildError, Remeasuring},
    web::{AppState, error::WebError},
};
use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// `GET /models`
pub async fn list(State(state): State<AppState>) -> Response {
    let models: Vec<Value> = state.analysis.models().iter().map(|model| view(model)).collect();
    let lost = state.analysis.lost().borrow().clone();
    let lost: Vec<Value> = lost.iter().map(|(id, reason)| json!({ "id": id, "reason": reason })).collect();
    let remeasuring = *state.analysis.remeasuring().borrow();
    let remeasuring = remeasuring.map(|Remeasuring { done, total, left }| {
        json!({ "done": done, "total": total, "left_s": left.map(|left| left.as_secs()) })
    });
    Json(json!({ "models": models, "lost": lost, "remeasuring": remeasuring })).into_response()
}

/// `POST /devices/remeasuring/stop`: photographs that wait to be measured again by a model that has come stay as they were measured;
/// answers how many.
pub async fn stop_remeasuring(State(state): State<AppState>) -> Result<Response, WebError> {
    let left = state.analysis.leave_as_measured().await.map_err(|_| WebError::stopping())?;
    Ok(Json(json!({ "left": left })).into_response())
}

/// `POST /models/{id}/activate`: reads the folder of this id anew. Answers when the model is in use or refused, which may
/// take as long as its golden set and its limits allow; scans go on meanwhile.
pub async fn activate(State(state): State<AppState>, Path(id): Path<String>) -> Result<Response, WebError> {
    match state.analysis.activate_by_id(&id).await {
        Ok(model) => Ok(Json(view(&model)).into_response()),
        Err(error) => Err(refused(&id, &error)),
    }
}

fn view(model: &ActiveModel) -> Value {
    let ActiveModel { engine, manifest } = model;
    json!({
        "id": engine.model,
        "version": engine.model_version,
        "digest": engine.model_digest,
        "provider": engine.provider,
        "title": { "zh": manifest.title.zh, "en": manifest.title.en },
        "metrics": manifest.scores.iter().map(|rule| rule.metric.as_str()).collect::<Vec<_>>(),
    })
}

fn refused(id: &str, error: &AnalysisError) -> WebError {
    let now = error.to_string();
    match error {
        AnalysisError::NoModel(_) => WebError::not_found(format!("model {id}")),
        AnalysisError::Stopped => WebError::stopping(),
        AnalysisError::Child(ChildError::Start(_)) => WebError::fault(error),
        _ => WebError::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "refused",
            format!("model {id}"),
            now.clone(),
            format!("模型没有启用，原来的模型继续使用：{now}"),
            format!("The model is not used, the old one goes on: {now}"),
        ),
    }
}
